# Means over windows along an axis, by running sums: each sum is the one before, with a sample more and one less. So a
# mean costs the same however wide its window is.
#
# Neighbouring lines, or pieces of lines, go side by side through vectors, which hides how long additions take.

cdef enum:
    ABREAST = 32     # lines, or pieces of them
    STEPS = 32       # outputs of each before results are written

cdef struct Means:
    Samples x, y
    int ndim, axis, mode
    real fill
    Py_ssize_t shape[MAX_AXES]        # of y
    Py_ssize_t samples                # of a line of x
    Py_ssize_t size, before           # of a window; how much of it lies before its output
    Py_ssize_t pieces, piece          # pieces of a line of y, and outputs of a piece
    bint across                       # what is abreast are columns: neighbours along the last axis

cdef struct Lane:
    const char* x                     # the line's first sample
    char* y                           # the piece's first output
    Py_ssize_t first, outputs         # of the piece


cdef Lane find_lane(const Means* m, Py_ssize_t number, Py_ssize_t column) noexcept nogil:
    """Where a piece of a line lies; where lines are columns, the one at a place of the last axis."""
    cdef Lane lane
    cdef Py_ssize_t index, piece = number % m.pieces
    cdef int axis
    number = number // m.pieces
    lane.first = piece * m.piece
    lane.outputs = min(m.piece, m.shape[m.axis] - lane.first)
    lane.x = m.x.data
    lane.y = m.y.data + lane.first * m.y.stride[m.axis]
    for axis in range(m.ndim - 1, -1, -1):
        if axis == m.axis:
            continue
        if m.across and axis == m.ndim - 1:
            index = column
        else:
            index = number % m.shape[axis]
            number = number // m.shape[axis]
        lane.x += index * m.x.stride[axis]
        lane.y += index * m.y.stride[axis]
    return lane


cdef void read_line(const Means* m, const Lane* lane, Py_ssize_t position, Py_ssize_t count,
                    real* target) noexcept nogil:
    """Reads samples of a line from a position on, which may be outside of it."""
    cdef Py_ssize_t i, step = m.x.stride[m.axis]
    cdef Run run
    while count > 0:
        run = source_run(m.mode, m.samples, position, 1, count)
        if run.source == FILL:
            for i in range(run.length):
                target[i] = m.fill
        else:
            read_run(&m.x, target, lane.x + run.source * step, run.step * step, run.length)
        target += run.length
        position += run.length
        count -= run.length


cdef void read_abreast(const Means* m, const Lane* lanes, Py_ssize_t n, Py_ssize_t place, Py_ssize_t count,
                       real* rows) noexcept nogil:
    """Reads the samples at `count` places of windows, counted from each lane's first window's: [place][lane]."""
    cdef real lines[ABREAST * STEPS]
    cdef Py_ssize_t i, k
    cdef Run run
    place -= m.before
    if m.across:
        for i in range(count):
            run = source_run(m.mode, m.samples, place + i, 1, 1)
            if run.source == FILL:
                for k in range(n):
                    rows[i * ABREAST + k] = m.fill
            else:
                read_run(&m.x, rows + i * ABREAST, lanes[0].x + run.source * m.x.stride[m.axis],
                         m.x.stride[m.ndim - 1], n)
        return
    for k in range(n):
        read_line(m, lanes + k, lanes[k].first + place, count, lines + k * STEPS)
    for k in range(n, ceil_div(n, LANES) * LANES):
        memset(lines + k * STEPS, 0, STEPS * sizeof(real))
    transpose_lines(lines, rows, n, count)


cdef void transpose_lines(const real* rows, real* columns, Py_ssize_t n, Py_ssize_t count) noexcept nogil:
    """Transposes [n][count] into [count][n], whole vectors at a time; both have rows of as many samples."""
    cdef Py_ssize_t i, k
    for k in range(ceil_div(n, LANES)):
        for i in range(ceil_div(count, LANES)):
            transpose_block(rows + (k * STEPS + i) * LANES, STEPS, columns + (i * ABREAST + k) * LANES, ABREAST)


cdef void write_abreast(const Means* m, const Lane* lanes, Py_ssize_t n, Py_ssize_t output, Py_ssize_t count,
                        const real* rows) noexcept nogil:
    """Writes outputs of all lanes from [output][lane]."""
    cdef real lines[ABREAST * STEPS]
    cdef Py_ssize_t i, k
    if m.across:
        for i in range(count):
            write_truncated(&m.y, lanes[0].y + (output + i) * m.y.stride[m.axis], rows + i * ABREAST, n)
        return
    transpose_lines(rows, lines, count, n)
    for k in range(n):
        # The last pieces may be shorter.
        if lanes[k].outputs > output:
            write_truncated(&m.y, lanes[k].y + output * m.y.stride[m.axis], lines + k * STEPS,
                            min(count, lanes[k].outputs - output))


cdef Py_ssize_t tasks_of_means(const Means* m) noexcept nogil:
    cdef Py_ssize_t lanes = m.pieces
    cdef int axis
    for axis in range(m.ndim):
        if axis != m.axis and not (m.across and axis == m.ndim - 1):
            lanes *= m.shape[axis]
    return lanes * ceil_div(m.shape[m.ndim - 1], ABREAST) if m.across else ceil_div(lanes, ABREAST)


cdef bint run_means(const Means* m, Py_ssize_t task, Py_ssize_t n_lanes) noexcept nogil:
    """The means of some lanes; whether all are finite."""
    cdef Lane lanes[ABREAST]
    cdef real new[ABREAST * STEPS]
    cdef real old[ABREAST * STEPS]
    cdef vec total[ABREAST]
    cdef vec size = vec_splat(<real> m.size), bad = vec_splat(0)
    cdef Py_ssize_t i, k, n, first, v, vectors, done, count, blocks
    if m.across:
        blocks = ceil_div(m.shape[m.ndim - 1], ABREAST)
        first = task % blocks * ABREAST
        n = min(ABREAST, m.shape[m.ndim - 1] - first)
        lanes[0] = find_lane(m, task // blocks, first)
    else:
        first = task * ABREAST
        n = min(ABREAST, n_lanes - first)
        for k in range(n):
            lanes[k] = find_lane(m, first + k, 0)
    memset(new, 0, sizeof(new))
    memset(old, 0, sizeof(old))
    vectors = ceil_div(n, LANES)
    for v in range(vectors):
        total[v] = vec_splat(0)
    done = 0
    while done < m.size:
        count = min(STEPS, m.size - done)
        read_abreast(m, lanes, n, done, count, new)
        for v in range(vectors):
            for i in range(count):
                total[v] = total[v] + vec_load(new + i * ABREAST + v * LANES)
        done += count
    done = 0
    while done < m.piece:
        count = min(STEPS, m.piece - done)
        read_abreast(m, lanes, n, done + m.size, count, new)
        read_abreast(m, lanes, n, done, count, old)
        for v in range(vectors):
            for i in range(count):
                k = i * ABREAST + v * LANES
                # One difference, then the sum: SciPy's order.
                vec_store(new + k, vec_load(new + k) - vec_load(old + k))
                vec_store(old + k, total[v] / size)
                bad = bad + total[v] * <real> 0
                total[v] = total[v] + vec_load(new + k)
        write_abreast(m, lanes, n, done, count, old)
        done += count
    return vec_sum(bad) == 0


cdef struct MeansTasks:
    const Means* means
    Py_ssize_t n_lanes
    int infinite


cdef void means_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef MeansTasks* s = <MeansTasks*> shared
    if not run_means(s.means, task, s.n_lanes):
        raise_flag(&s.infinite)


def running_means(cnp.ndarray x not None, cnp.ndarray y not None, int axis, Py_ssize_t size, Py_ssize_t before,
                  int mode, real fill, Py_ssize_t pieces, int workers):
    """Write to y the means over windows of x along an axis; of which `before` samples lie before an output.

    Lines may be cut into pieces, each with a first sum of its own; x and y share no memory. Returns whether all sums
    are finite.
    """
    cdef Means m
    cdef MeansTasks tasks
    cdef int a
    m.ndim = cnp.PyArray_NDIM(y)
    demand(0 <= axis < m.ndim == cnp.PyArray_NDIM(x) and m.ndim < MAX_AXES, "an axis that is none")
    demand(cnp.PyArray_ISNOTSWAPPED(y) and ZEROS <= mode <= CIRCULAR and size > 0 and pieces > 0 and workers > 0
           and cnp.PyArray_SIZE(x) > 0 and cnp.PyArray_SIZE(y) > 0, "means of nothing")
    describe(&m.x, x[None], 0, m.ndim)
    describe(&m.y, y[None], 0, m.ndim)
    m.axis = axis
    m.mode = mode
    m.fill = fill
    for a in range(m.ndim):
        m.shape[a] = cnp.PyArray_DIM(y, a)
        demand(a == axis or m.shape[a] == cnp.PyArray_DIM(x, a), "lines of other axes")
    m.samples = cnp.PyArray_DIM(x, axis)
    m.size = size
    m.before = before
    m.piece = ceil_div(m.shape[axis], pieces)
    m.pieces = ceil_div(m.shape[axis], m.piece)
    m.across = axis < m.ndim - 1 and m.shape[m.ndim - 1] >= LANES and m.pieces == 1
    m.y.last = m.ndim - 1 if m.across else axis
    tasks = MeansTasks(&m, cnp.PyArray_SIZE(y) // m.shape[axis] * m.pieces, 0)
    with nogil:
        run_tasks(means_task, &tasks, tasks_of_means(&m), 1, workers)
    return not tasks.infinite
