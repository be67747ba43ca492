# Up- and downsampling filters with the bits of scipy.signal: each output is one chain from zero, of one phase's taps.
#
# A task has a block of outputs of one line, or of some columns that lie beside each other. The samples under them are
# read once. Columns are the lanes of vectors. Of a line, outputs of one phase are, a period apart each: the samples are
# parted by their place in the step of a period, so that those under a tap follow each other, and phases take turns in
# the output. Complex numbers are two arrays of samples, of which each output takes both.

cdef enum:
    WINDOWS = 4          # of samples, at least, that the outputs of a block of columns lie under

cdef struct OrderedPhases:
    Samples x, y
    Along along
    int arrays
    bint beside                          # whether columns are the lanes
    Py_ssize_t up, down, period, step    # outputs of all phases, and by how many samples they move on
    Py_ssize_t taps, before              # samples before that of the first output under its taps
    Py_ssize_t outputs_all, columns_all
    Py_ssize_t outputs, columns          # of a task
    Py_ssize_t blocks, strips            # of outputs of a line, and of columns
    Py_ssize_t positions                 # samples under a block's outputs
    Py_ssize_t run                       # samples of one place in the step
    const real* weights                  # [phase][tap][array]
    WorkerMemory memory


cdef Py_ssize_t whole_vectors(Py_ssize_t count) noexcept nogil:
    return ceil_div(count, LANES) * LANES


cdef Py_ssize_t samples_size(const OrderedPhases* p) noexcept nogil:
    """Samples of a block in memory."""
    return p.positions * whole_vectors(p.columns) if p.beside else p.step * p.run


cdef void turn(const real* rows, Py_ssize_t row, Py_ssize_t count, Py_ssize_t size, real* columns,
               Py_ssize_t column) noexcept nogil:
    """Writes as columns, `column` samples apart, so many rows of a size, which lie `row` samples apart."""
    cdef Py_ssize_t i = 0, k, whole = size // LANES * LANES, r
    while i + LANES <= count:
        k = 0
        while k < whole:
            transpose_block(rows + i * row + k, row, columns + k * column + i, column)
            k += LANES
        while k < size:
            for r in range(i, i + LANES):
                columns[k * column + r] = rows[r * row + k]
            k += 1
        i += LANES
    while i < count:
        for k in range(size):
            columns[k * column + i] = rows[i * row + k]
        i += 1


cdef void read_parted(
    const OrderedPhases* p, const char* x, Py_ssize_t position, real* line, real* samples,
) noexcept nogil:
    """Reads a line's samples from a position on, and parts them."""
    if p.step == 1:
        read_along(&p.x, &p.along, x, position, p.run, 1, 0, samples)
        return
    read_along(&p.x, &p.along, x, position, p.run * p.step, 1, 0, line)
    turn(line, p.step, p.run, p.step, samples, p.run)


cdef void outputs_of_line(
    const OrderedPhases* p, const char* x, char* y, Py_ssize_t first, Py_ssize_t count, int worker,
) noexcept nogil:
    """Some outputs of a line, the first one of phase zero."""
    cdef char* at = memory_of(&p.memory, worker)
    cdef const real** terms = <const real**> take(&at, p.taps * p.arrays * sizeof(void*))
    cdef Py_ssize_t periods = ceil_div(count, p.period), width = whole_vectors(p.outputs // p.period)
    cdef real* line = <real*> take(&at, max(p.step * p.run, p.outputs) * sizeof(real))
    cdef real* sums = <real*> take(&at, p.period * width * sizeof(real))
    cdef real* samples = <real*> at
    cdef Py_ssize_t phase, t, place
    cdef int array
    for array in range(p.arrays):
        read_parted(p, x + array * p.x.stride[0], first // p.period * p.step - p.before, line,
                    samples + array * samples_size(p))
    for phase in range(min(p.period, count)):
        place = phase * p.down // p.up
        for t in range(p.taps):
            for array in range(p.arrays):
                terms[t * p.arrays + array] = (samples + array * samples_size(p) + (place + t) % p.step * p.run
                                               + (place + t) // p.step)
        row_of_runs(terms, p.weights + phase * p.taps * p.arrays, 1, p.taps, p.arrays, False, sums + phase * width,
                    ceil_div(periods, LANES))
    if p.period == 1:
        write_samples(&p.y, y + first * p.y.stride[1], sums, count)
        return
    turn(sums, width, min(p.period, count), periods, line, p.period)
    write_samples(&p.y, y + first * p.y.stride[1], line, count)


cdef void outputs_of_columns(
    const OrderedPhases* p, const char* x, char* y, Py_ssize_t first, Py_ssize_t count, Py_ssize_t columns, int worker,
) noexcept nogil:
    """Some outputs of columns beside each other."""
    cdef char* at = memory_of(&p.memory, worker)
    cdef const real** terms = <const real**> take(&at, p.taps * p.arrays * sizeof(void*))
    cdef Py_ssize_t width = whole_vectors(p.columns)
    cdef real* sums = <real*> take(&at, width * sizeof(real))
    cdef real* samples = <real*> at
    cdef Py_ssize_t position = first * p.down // p.up, end = (first + count - 1) * p.down // p.up + p.taps, i, t
    cdef int array
    for array in range(p.arrays):
        for i in range(position, end):
            read_along(&p.x, &p.along, x + array * p.x.stride[0], i - p.before, 1, columns, p.x.stride[3],
                       samples + array * samples_size(p) + (i - position) * width)
    for i in range(first, first + count):
        for t in range(p.taps):
            for array in range(p.arrays):
                terms[t * p.arrays + array] = (samples + array * samples_size(p)
                                               + (i * p.down // p.up - position + t) * width)
        row_of_runs(terms, p.weights + i % p.period * p.taps * p.arrays, 1, p.taps, p.arrays, False, sums,
                    ceil_div(columns, LANES))
        write_samples(&p.y, y + i * p.y.stride[1], sums, columns)


cdef void phases_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const OrderedPhases* p = <const OrderedPhases*> shared
    cdef Py_ssize_t first = task % p.blocks * p.outputs, count = min(p.outputs, p.outputs_all - first)
    cdef Py_ssize_t column = task // p.blocks % p.strips * p.columns, number = task // p.blocks // p.strips
    cdef const char* x = p.x.data + number * p.x.stride[1] + column * p.x.stride[3]
    cdef char* y = p.y.data + number * p.y.stride[0] + column * p.y.stride[2]
    if p.beside:
        outputs_of_columns(p, x, y, first, count, min(p.columns, p.columns_all - column), worker)
    else:
        outputs_of_line(p, x, y, first, count, worker)


cdef void share_phases_out(OrderedPhases* p) noexcept:
    """Decides on a task's outputs and columns."""
    cdef Py_ssize_t size = p.arrays * sizeof(real), least = RUN_VECTORS * LANES, periods
    if p.beside:
        p.columns = min(max(RING_BYTES // (WINDOWS * p.taps * size) // least, 1) * least, p.columns_all)
        p.outputs = min(max((WINDOWS - 1) * p.taps * p.up // p.down, 1), p.outputs_all)
        p.positions = ceil_div((p.outputs - 1) * p.down, p.up) + p.taps
    else:
        p.columns = 1
        periods = RING_BYTES // (2 * (p.step + p.period) * size)
        periods = min(max(periods // least, 1) * least, ceil_div(p.outputs_all, p.period))
        p.outputs = periods * p.period
        p.run = whole_vectors(periods) + ceil_div((p.period - 1) * p.down // p.up + p.taps, p.step)
    p.blocks, p.strips = ceil_div(p.outputs_all, p.outputs), ceil_div(p.columns_all, p.columns)


def filter_phases(cnp.ndarray x not None, cnp.ndarray y not None, const real[:, :, ::1] weights, Py_ssize_t up,
                  Py_ssize_t down, Py_ssize_t before, int mode, int workers):
    """Write to y (lines, outputs, columns) x (arrays, lines, samples, columns), filtered, with scipy.signal's bits.

    The weights (phases, taps, arrays) are those of as many outputs, after which they come again. Under output `i` begin
    those of its phase at the sample ``i * down // up - before``. x and y share no memory.
    """
    cdef OrderedPhases p
    cdef Py_ssize_t line_bytes
    p.arrays, p.period, p.taps = weights.shape[2], weights.shape[0], weights.shape[1]
    demand(cnp.PyArray_NDIM(x) == 4 and cnp.PyArray_NDIM(y) == 3 and 1 <= p.arrays <= 2
           and cnp.PyArray_DIM(x, 0) == p.arrays and cnp.PyArray_DIM(x, 1) == cnp.PyArray_DIM(y, 0)
           and cnp.PyArray_DIM(x, 3) == cnp.PyArray_DIM(y, 2), "arrays of other shapes")
    demand(cnp.PyArray_ISNOTSWAPPED(y) and cnp.PyArray_SIZE(y) > 0 and cnp.PyArray_SIZE(x) > 0 and workers > 0
           and ZEROS <= mode <= CIRCULAR, "an output of the other byte order, or of nothing")
    demand(up > 0 and down > 0 and p.period > 0 and p.taps > 0
           and (p.period * down % up == 0 or p.period >= cnp.PyArray_DIM(y, 1)), "phases of another period")
    describe(&p.x, x[None], 0, 4)
    describe(&p.y, y[None], 0, 3)
    p.up, p.down, p.step, p.before = up, down, ceil_div(p.period * down, up), before
    p.outputs_all, p.columns_all = cnp.PyArray_DIM(y, 1), cnp.PyArray_DIM(y, 2)
    p.beside = p.columns_all >= 2 * LANES
    p.along.mode, p.along.fill = mode, 0
    p.along.size, p.along.step = cnp.PyArray_DIM(x, 2), p.x.stride[2]
    p.weights = &weights[0, 0, 0]
    share_phases_out(&p)
    if p.beside:
        line_bytes = aligned(whole_vectors(p.columns) * sizeof(real))
    else:
        p.y.last = 1
        line_bytes = (aligned(max(p.step * p.run, p.outputs) * sizeof(real))
                      + aligned(p.period * whole_vectors(p.outputs // p.period) * sizeof(real)))
    reserve(&p.memory, workers, aligned(p.taps * p.arrays * sizeof(void*)) + line_bytes
            + p.arrays * samples_size(&p) * sizeof(real), 0)
    with nogil:
        run_tasks(phases_task, &p, cnp.PyArray_DIM(y, 0) * p.blocks * p.strips, 1, workers)
        free(p.memory.start)
