# Means over windows along an axis with SciPy's bits, by running sums: each sum is the one before, with a sample more
# and one less. So a mean costs the same however wide its window is.
#
# A sum has to wait for the one before, so neighbouring lines go side by side. Where the axis is not the last, these are
# columns, and a task has rows of them. Where it is, or what is beside each other are the few colours of pixels, a task
# has some lines, and all but the chain of sums is done by vectors.

cdef enum:
    ABREAST = 4                # lines
    OUTPUTS_OF_MEANS = 512     # of each, before results are written
    COLUMNS_OF_MEANS = 512
    LEAST_COLUMNS = 64
    MOST_COLOURS = 16          # that are not columns
    BLOCKS_EACH = 2            # of columns, of a worker, at least

cdef struct Means:
    Samples x, y
    Along along
    int ndim, axis
    bint is_down                       # whether columns go side by side
    Py_ssize_t shape[MAX_AXES]
    Py_ssize_t size, before            # of a window; how much of it lies before its output
    Py_ssize_t lines                   # rows of columns, where these go side by side
    Py_ssize_t columns, blocks         # of a block of columns, and blocks of a row
    Py_ssize_t outputs                 # of a line, that are made together
    WorkerMemory memory

cdef struct Line:
    const char* x
    char* y


cdef Line find_line(const Means* m, Py_ssize_t number) noexcept nogil:
    """Where a line lies; of those that are columns, the first of a row."""
    cdef Line line
    cdef Py_ssize_t index
    cdef int axis
    line.x, line.y = m.x.data, m.y.data
    for axis in range(m.ndim - 1, -1, -1):
        if axis == m.axis or (m.is_down and axis == m.ndim - 1):
            continue
        index = number % m.shape[axis]
        number = number // m.shape[axis]
        line.x += index * m.x.stride[axis]
        line.y += index * m.y.stride[axis]
    return line


cdef Py_ssize_t means_row(const Means* m) noexcept nogil:
    """Samples of a block's row in memory, or of a line: whole vectors, and one of them beyond the last."""
    return (ceil_div(m.columns if m.is_down else m.outputs + min(m.size, m.outputs), LANES) + 1) * LANES


cdef void means_of_columns(const Means* m, Py_ssize_t task, int worker) noexcept nogil:
    cdef real* total = <real*> memory_of(&m.memory, worker)
    cdef real* old = total + means_row(m)
    cdef real* new = old + means_row(m)
    cdef vec size = vec_splat(<real> m.size)
    cdef Py_ssize_t column = task % m.blocks * m.columns, i, k
    cdef Py_ssize_t count = min(m.columns, m.shape[m.ndim - 1] - column), vectors = ceil_div(count, LANES)
    cdef Py_ssize_t beside = m.x.stride[m.ndim - 1]
    cdef Line line = find_line(m, task // m.blocks)
    line.x += column * beside
    line.y += column * m.y.stride[m.ndim - 1]
    memset(total, 0, 3 * means_row(m) * sizeof(real))
    for i in range(m.size):
        read_along(&m.x, &m.along, line.x, i - m.before, 1, count, beside, new)
        for k in range(vectors):
            vec_store(total + k * LANES, vec_load(total + k * LANES) + vec_load(new + k * LANES))
    for i in range(m.shape[m.axis]):
        read_along(&m.x, &m.along, line.x, i - m.before, 1, count, beside, old)
        read_along(&m.x, &m.along, line.x, i - m.before + m.size, 1, count, beside, new)
        for k in range(vectors):
            # One difference, then the sum: SciPy's order.
            vec_store(new + k * LANES, vec_load(new + k * LANES) - vec_load(old + k * LANES))
            vec_store(old + k * LANES, vec_load(total + k * LANES) / size)
            vec_store(total + k * LANES, vec_load(total + k * LANES) + vec_load(new + k * LANES))
        write_truncated(&m.y, line.y + i * m.y.stride[m.axis], old, count)


cdef real first_sum(const Means* m, const char* x, real* row) noexcept nogil:
    """The sum of a line's first window."""
    cdef real total = 0
    cdef Py_ssize_t done = 0, count, i
    while done < m.size:
        count = min(m.outputs, m.size - done)
        read_along(&m.x, &m.along, x, done - m.before, count, 1, 0, row)
        for i in range(count):
            total = total + row[i]
        done += count
    return total


cdef void read_changes(const Means* m, const char* x, Py_ssize_t output, Py_ssize_t count, real* row) noexcept nogil:
    """Makes the differences between the sums of some outputs of a line and those of the outputs after them."""
    cdef real* new = row + min(m.size, m.outputs)
    cdef Py_ssize_t i
    if m.size <= m.outputs:
        read_along(&m.x, &m.along, x, output - m.before, count + m.size, 1, 0, row)
    else:
        read_along(&m.x, &m.along, x, output - m.before, count, 1, 0, row)
        read_along(&m.x, &m.along, x, output - m.before + m.size, count, 1, 0, new)
    # What is written is not read again, however near `new` is.
    for i in range(ceil_div(count, LANES)):
        vec_store(row + i * LANES, vec_load(new + i * LANES) - vec_load(row + i * LANES))


cdef inline void run_chains(
    real* rows, Py_ssize_t row_size, real* totals, Py_ssize_t count, const int chains,
) noexcept nogil:
    """Turns the changes of sums into the sums, of some lines."""
    cdef real total[ABREAST]
    cdef real change
    cdef Py_ssize_t i
    cdef int k
    for k in range(chains):
        total[k] = totals[k]
    for i in range(count):
        for k in range(chains):
            change = rows[k * row_size + i]
            rows[k * row_size + i] = total[k]
            total[k] = total[k] + change
    for k in range(chains):
        totals[k] = total[k]


cdef void means_of_lines(const Means* m, Py_ssize_t task, int worker) noexcept nogil:
    cdef real* rows = <real*> memory_of(&m.memory, worker)
    cdef real* row
    cdef Line lines[ABREAST]
    cdef real totals[ABREAST]
    cdef vec size = vec_splat(<real> m.size)
    cdef Py_ssize_t first = task * ABREAST, n = min(ABREAST, m.lines - first), count, done = 0, i, k
    for k in range(n):
        lines[k] = find_line(m, first + k)
        totals[k] = first_sum(m, lines[k].x, rows)
    while done < m.shape[m.axis]:
        count = min(m.outputs, m.shape[m.axis] - done)
        for k in range(n):
            read_changes(m, lines[k].x, done, count, rows + k * means_row(m))
        if n == ABREAST:
            run_chains(rows, means_row(m), totals, count, ABREAST)
        else:
            for k in range(n):
                run_chains(rows + k * means_row(m), 0, totals + k, count, 1)
        for k in range(n):
            row = rows + k * means_row(m)
            for i in range(ceil_div(count, LANES)):
                vec_store(row + i * LANES, vec_load(row + i * LANES) / size)
            write_truncated(&m.y, lines[k].y + done * m.y.stride[m.axis], row, count)
        done += count


cdef void means_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const Means* m = <const Means*> shared
    if m.is_down:
        means_of_columns(m, task, worker)
    else:
        means_of_lines(m, task, worker)


def running_means(cnp.ndarray x not None, cnp.ndarray y not None, int axis, Py_ssize_t size, Py_ssize_t before,
                  int mode, real fill, int workers):
    """Write to y the means over windows of x along an axis, of which `before` samples lie before an output.

    x and y have one shape and share no memory, unless they are the same, and the axis is their last one.
    """
    cdef Means m
    cdef int a, last = cnp.PyArray_NDIM(y) - 1
    cdef Py_ssize_t tasks
    m.ndim = last + 1
    demand(0 <= axis < m.ndim == cnp.PyArray_NDIM(x) and m.ndim < MAX_AXES, "an axis that is none")
    demand(cnp.PyArray_ISNOTSWAPPED(y) and ZEROS <= mode <= CIRCULAR and size > 0 and workers > 0
           and cnp.PyArray_SIZE(y) > 0, "means of nothing")
    describe(&m.x, x[None], 0, m.ndim)
    describe(&m.y, y[None], 0, m.ndim)
    for a in range(m.ndim):
        m.shape[a] = cnp.PyArray_DIM(y, a)
        demand(m.shape[a] == cnp.PyArray_DIM(x, a), "an output of another shape")
    m.axis, m.size, m.before = axis, size, before
    m.along.mode, m.along.fill, m.along.size, m.along.step = mode, fill, m.shape[axis], m.x.stride[axis]
    m.is_down = axis != last and m.shape[last] > MOST_COLOURS
    m.y.last = last if m.is_down else axis
    m.lines = cnp.PyArray_SIZE(y) // m.shape[axis] // (m.shape[last] if m.is_down else 1)
    m.outputs = m.shape[axis] if x.data == y.data else min(m.shape[axis], OUTPUTS_OF_MEANS)
    m.blocks = ceil_div(BLOCKS_EACH * workers if workers > 1 else 1, m.lines)
    m.blocks = min(m.blocks, ceil_div(m.shape[last], LEAST_COLUMNS))
    m.blocks = max(m.blocks, ceil_div(m.shape[last], COLUMNS_OF_MEANS))
    m.columns = ceil_div(m.shape[last], m.blocks)
    tasks = m.lines * m.blocks if m.is_down else ceil_div(m.lines, ABREAST)
    reserve(&m.memory, workers, (3 if m.is_down else ABREAST) * means_row(&m) * sizeof(real), 0)
    with nogil:
        run_tasks(means_task, &m, tasks, 1, workers)
        free(m.memory.start)
