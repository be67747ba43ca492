# Means over windows along an axis with SciPy's bits, by running sums: each sum is the one before, with a sample more
# and one less. So a mean costs the same however wide its window is.
#
# A sum has to wait for the one before, so neighbouring lines go side by side. Where the axis is not the last, these are
# columns, and a task has rows of them. Where it is, a task has some lines, which are transposed on the way in and out.

cdef enum:
    ABREAST = 16          # lines
    STEPS = 64            # outputs of each before results are written
    BLOCK_OF_LINE = 1024  # the same of a line by itself
    COLUMNS_OF_MEANS = 256
    LEAST_COLUMNS = 32

cdef struct Means:
    Samples x, y
    Along along
    int ndim, axis
    Py_ssize_t shape[MAX_AXES]
    Py_ssize_t size, before           # of a window; how much of it lies before its output
    Py_ssize_t columns, blocks        # of a block of columns, and blocks of a row
    Py_ssize_t lines                  # all of them, where the axis is the last

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
        if axis == m.axis or axis == m.ndim - 1:
            continue
        index = number % m.shape[axis]
        number = number // m.shape[axis]
        line.x += index * m.x.stride[axis]
        line.y += index * m.y.stride[axis]
    return line


cdef void means_of_columns(const Means* m, Py_ssize_t task) noexcept nogil:
    cdef real new[COLUMNS_OF_MEANS]
    cdef real old[COLUMNS_OF_MEANS]
    cdef real total[COLUMNS_OF_MEANS]
    cdef vec size = vec_splat(<real> m.size)
    cdef Py_ssize_t column = task % m.blocks * m.columns, i, k, vectors
    cdef Py_ssize_t count = min(m.columns, m.shape[m.ndim - 1] - column)
    cdef Py_ssize_t beside = m.x.stride[m.ndim - 1]
    cdef Line line = find_line(m, task // m.blocks)
    line.x += column * beside
    line.y += column * m.y.stride[m.ndim - 1]
    vectors = ceil_div(count, LANES)
    memset(new, 0, sizeof(new))
    memset(old, 0, sizeof(old))
    memset(total, 0, sizeof(total))
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


cdef void read_abreast(const Means* m, const Line* lines, Py_ssize_t n, Py_ssize_t position, Py_ssize_t count,
                       real* rows) noexcept nogil:
    """Reads samples of all lines from a position on, which may be outside of them: [position][line]."""
    cdef real samples[ABREAST * STEPS]
    cdef Py_ssize_t i, k
    for k in range(n):
        read_along(&m.x, &m.along, lines[k].x, position, count, 1, 0, samples + k * STEPS)
    for k in range(ceil_div(n, LANES)):
        for i in range(ceil_div(count, LANES)):
            transpose_block(samples + (k * STEPS + i) * LANES, STEPS, rows + (i * ABREAST + k) * LANES, ABREAST)


cdef void write_abreast(const Means* m, const Line* lines, Py_ssize_t n, Py_ssize_t output, Py_ssize_t count,
                        const real* rows) noexcept nogil:
    """Writes outputs of all lines from [output][line]."""
    cdef real samples[ABREAST * STEPS]
    cdef Py_ssize_t i, k
    for i in range(ceil_div(count, LANES)):
        for k in range(ceil_div(n, LANES)):
            transpose_block(rows + (i * ABREAST + k) * LANES, ABREAST, samples + (k * STEPS + i) * LANES, STEPS)
    for k in range(n):
        write_truncated(&m.y, lines[k].y + output * m.y.stride[m.axis], samples + k * STEPS, count)


cdef void means_of_lines(const Means* m, Py_ssize_t task) noexcept nogil:
    cdef Line lines[ABREAST]
    # Rows of one sample of each line: those that leave the windows, and those that enter. Of windows that are no longer
    # than a block, the former are the latter of before.
    cdef real rows[2 * STEPS * ABREAST]
    cdef real* old = rows
    cdef real* new = rows + STEPS * ABREAST
    cdef vec total[ABREAST]
    cdef vec change, size = vec_splat(<real> m.size)
    cdef Py_ssize_t first = task * ABREAST, n = min(ABREAST, m.lines - first), vectors = ceil_div(n, LANES)
    cdef Py_ssize_t i, v, place, count, done = 0
    cdef bint is_short = m.size <= STEPS
    for i in range(n):
        lines[i] = find_line(m, first + i)
    memset(rows, 0, sizeof(rows))
    for v in range(vectors):
        total[v] = vec_splat(0)
    while done < m.size:
        count = min(STEPS, m.size - done)
        read_abreast(m, lines, n, done - m.before, count, old)
        for v in range(vectors):
            for i in range(count):
                total[v] = total[v] + vec_load(old + i * ABREAST + v * LANES)
        done += count
    if is_short:
        new = rows + m.size * ABREAST
    done = 0
    while done < m.shape[m.axis]:
        count = min(STEPS, m.shape[m.axis] - done)
        if not is_short:
            read_abreast(m, lines, n, done - m.before, count, old)
        read_abreast(m, lines, n, done - m.before + m.size, count, new)
        for v in range(vectors):
            for i in range(count):
                place = i * ABREAST + v * LANES
                # One difference, then the sum: SciPy's order.
                change = vec_load(new + place) - vec_load(old + place)
                vec_store(old + place, total[v] / size)
                total[v] = total[v] + change
        write_abreast(m, lines, n, done, count, old)
        if is_short:
            memmove(rows, rows + count * ABREAST, m.size * ABREAST * sizeof(real))
        done += count


cdef void means_of_line(const Means* m, const Line* line) noexcept nogil:
    """A line by itself, whose sums wait for each other; not so their quotients."""
    cdef real samples[3 * BLOCK_OF_LINE]
    cdef real* old = samples
    cdef real* new = samples + BLOCK_OF_LINE
    cdef real* totals = samples + 2 * BLOCK_OF_LINE
    cdef real total = 0
    cdef vec size = vec_splat(<real> m.size)
    cdef Py_ssize_t i, count, done = 0
    while done < m.size:
        count = min(BLOCK_OF_LINE, m.size - done)
        read_along(&m.x, &m.along, line.x, done - m.before, count, 1, 0, new)
        for i in range(count):
            total = total + new[i]
        done += count
    done = 0
    while done < m.shape[m.axis]:
        count = min(BLOCK_OF_LINE, m.shape[m.axis] - done)
        read_along(&m.x, &m.along, line.x, done - m.before, count, 1, 0, old)
        read_along(&m.x, &m.along, line.x, done - m.before + m.size, count, 1, 0, new)
        for i in range(count):
            totals[i] = total
            total = total + (new[i] - old[i])
        for i in range(ceil_div(count, LANES)):
            vec_store(totals + i * LANES, vec_load(totals + i * LANES) / size)
        write_truncated(&m.y, line.y + done * m.y.stride[m.axis], totals, count)
        done += count


cdef void means_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const Means* m = <const Means*> shared
    cdef Line line
    if m.axis == m.ndim - 1 and m.lines == 1:
        line = find_line(m, 0)
        means_of_line(m, &line)
    elif m.axis == m.ndim - 1:
        means_of_lines(m, task)
    else:
        means_of_columns(m, task)


def running_means(cnp.ndarray x not None, cnp.ndarray y not None, int axis, Py_ssize_t size, Py_ssize_t before,
                  int mode, real fill, int workers):
    """Write to y the means over windows of x along an axis, of which `before` samples lie before an output.

    x and y have one shape and share no memory.
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
    m.y.last = last
    m.lines = 1
    for a in range(m.ndim):
        m.shape[a] = cnp.PyArray_DIM(y, a)
        demand(m.shape[a] == cnp.PyArray_DIM(x, a), "an output of another shape")
        if a != axis and a != last:
            m.lines *= m.shape[a]
    m.axis, m.size, m.before = axis, size, before
    m.along.mode, m.along.fill, m.along.size, m.along.step = mode, fill, m.shape[axis], m.x.stride[axis]
    # Blocks of columns, enough of them for some workers.
    m.columns = min(max(ceil_div(m.lines * m.shape[last], 16 * LANES) * LANES, LEAST_COLUMNS), COLUMNS_OF_MEANS)
    m.blocks = ceil_div(m.shape[last], m.columns)
    tasks = ceil_div(m.lines, ABREAST) if axis == last else m.lines * m.blocks
    with nogil:
        run_tasks(means_task, &m, tasks, 1, workers)
