# Correlations along an axis with SciPy's bits. Samples of any type become rows of doubles, once; the sums of a row are
# converted on their way into y.
#
# Where the axis is not the last, a task has a block of columns and a range of outputs, and its rows are a ring: each
# is read once, and is a tap of as many outputs as the kernel has taps. Where it is the last, a task has part of a line,
# and the rows of the taps are that line, one sample further each; or a pixel further, where what is beside each other
# are the few colours of pixels.

cdef enum:
    LINE_OUTPUTS = 1024          # of part of a line
    MOST_COLOURS = 16            # of a pixel
    COLUMNS = 256                # of a block, at most; at least one kernel's
    RING_BYTES = 192 << 10

cdef struct OrderedLines:
    Samples x, y
    Along along
    int ndim, axis, order
    Py_ssize_t shape[MAX_AXES]
    Py_ssize_t taps, before
    const real* weights
    Py_ssize_t colours                   # samples of a pixel, where lines are of pixels; else 0
    Py_ssize_t columns, blocks           # of a block; and blocks of a row
    Py_ssize_t outputs, parts            # of a task along the axis; and such parts
    WorkerMemory memory


cdef Py_ssize_t row_size(const OrderedLines* p) noexcept nogil:
    """Samples of a row in memory, whole vectors beyond the last column."""
    return ceil_div(p.columns, LANES) * LANES


cdef void ordered_columns(
    const OrderedLines* p, const char* x, char* y, Py_ssize_t count, Py_ssize_t first, Py_ssize_t end, int worker,
) noexcept nogil:
    """The outputs from `first` to `end` along the axis, of some columns."""
    cdef char* at = memory_of(&p.memory, worker)
    cdef const real** rows = <const real**> take(&at, p.taps * sizeof(void*))
    cdef real* sums = <real*> take(&at, row_size(p) * sizeof(real))
    cdef real* ring = <real*> at
    cdef Py_ssize_t i, t, next = first - p.before, place
    for i in range(first, end):
        while next < i - p.before + p.taps:
            place = (next - first + p.before) % p.taps
            read_along(&p.x, &p.along, x, next, 1, count, p.x.stride[p.ndim - 1], ring + place * row_size(p))
            next += 1
        place = (i - first) % p.taps
        for t in range(p.taps):
            rows[t] = ring + place * row_size(p)
            place += 1
            if place == p.taps:
                place = 0
        ordered_row(rows, p.weights, p.taps, p.order, sums, ceil_div(count, LANES))
        write_truncated(&p.y, y + i * p.y.stride[p.axis], sums, count)


cdef void ordered_part(
    const OrderedLines* p, const char* x, char* y, Py_ssize_t first, Py_ssize_t end, int worker,
) noexcept nogil:
    """The outputs from `first` to `end` of a line."""
    cdef char* at = memory_of(&p.memory, worker)
    cdef const real** rows = <const real**> take(&at, p.taps * sizeof(void*))
    cdef real* sums = <real*> take(&at, (p.outputs * p.colours + LANES) * sizeof(real))
    cdef real* line = <real*> at
    cdef Py_ssize_t t, count = (end - first) * p.colours
    read_along(&p.x, &p.along, x, first - p.before, end - first + p.taps - 1, p.colours, p.x.stride[p.ndim - 1], line)
    for t in range(p.taps):
        rows[t] = line + t * p.colours
    ordered_row(rows, p.weights, p.taps, p.order, sums, ceil_div(count, LANES))
    write_truncated(&p.y, y + first * p.y.stride[p.axis], sums, count)


cdef void ordered_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const OrderedLines* p = <const OrderedLines*> shared
    cdef Py_ssize_t part = task % p.parts, number = task // p.parts, block = 0, index
    cdef Py_ssize_t first = part * p.outputs, end = min(first + p.outputs, p.shape[p.axis])
    cdef int axis, last = p.ndim - 1
    cdef const char* x = p.x.data
    cdef char* y = p.y.data
    if p.colours == 0:
        block = number % p.blocks * p.columns
        number = number // p.blocks
        x += block * p.x.stride[last]
        y += block * p.y.stride[last]
    for axis in range(last, -1, -1):
        if axis == p.axis or axis == last:
            continue
        index = number % p.shape[axis]
        number = number // p.shape[axis]
        x += index * p.x.stride[axis]
        y += index * p.y.stride[axis]
    if p.colours > 0:
        ordered_part(p, x, y, first, end, worker)
    else:
        ordered_columns(p, x, y, min(p.columns, p.shape[last] - block), first, end, worker)


def correlate_lines(cnp.ndarray x not None, cnp.ndarray y not None, const real[::1] weights not None, int axis,
                    Py_ssize_t before, int order, int mode, real fill, int workers):
    """Write to y the correlation of x along an axis, with SciPy's bits; `before` taps lie before an output.

    x and y have one shape and share no memory, unless they are the same and the axis is their last one.
    """
    cdef OrderedLines p
    cdef Py_ssize_t tasks, wanted, lines = 1
    cdef int a, last = cnp.PyArray_NDIM(y) - 1
    p.ndim = last + 1
    p.axis = axis
    demand(0 <= axis < p.ndim == cnp.PyArray_NDIM(x) and p.ndim < MAX_AXES, "an axis that is none")
    p.taps = weights.shape[0]
    demand(0 <= before < p.taps and ZEROS <= mode <= CIRCULAR and (order == LAST_FIRST or p.taps % 2 == 1)
           and SUBTRACTED_PAIRS <= order <= ADDED_PAIRS and workers > 0, "other taps")
    demand(cnp.PyArray_ISNOTSWAPPED(y) and cnp.PyArray_SIZE(y) > 0, "an output of the other byte order, or of nothing")
    describe(&p.x, x[None], 0, p.ndim)
    describe(&p.y, y[None], 0, p.ndim)
    p.y.last = last
    for a in range(p.ndim):
        p.shape[a] = cnp.PyArray_DIM(y, a)
        demand(p.shape[a] == cnp.PyArray_DIM(x, a), "an output of another shape")
        if a != axis and a != last:
            lines *= p.shape[a]
    p.order, p.before, p.weights = order, before, &weights[0]
    p.along.mode, p.along.fill, p.along.size, p.along.step = mode, fill, p.shape[axis], p.x.stride[axis]
    p.outputs, p.parts, p.columns, p.blocks = p.shape[axis], 1, p.shape[last], 1
    p.colours = 0
    if axis == last:
        p.colours = 1
    elif (
        axis == last - 1 and p.shape[last] <= MOST_COLOURS
        and p.x.stride[axis] == p.shape[last] * p.x.stride[last]
        and p.y.stride[axis] == p.shape[last] * p.y.stride[last]
    ):
        p.colours = p.shape[last]
    if p.colours > 0:
        if x.data != y.data:
            p.outputs = min(p.outputs, LINE_OUTPUTS // p.colours)
        p.columns = (p.outputs + p.taps - 1) * p.colours + LANES
    else:
        p.columns = min(max(RING_BYTES // (p.taps * <Py_ssize_t> sizeof(real)), ORDERED_VECTORS * LANES), COLUMNS)
        p.columns = p.columns // (ORDERED_VECTORS * LANES) * (ORDERED_VECTORS * LANES)
        p.columns = min(p.columns, p.shape[last])
        p.blocks = ceil_div(p.shape[last], p.columns)
        # Parts of the axis, where blocks are too few; each reads as many rows again as the kernel has taps.
        wanted = ceil_div(32, lines * p.blocks)
        p.outputs = ceil_div(p.outputs, max(min(wanted, p.outputs // (4 * p.taps)), 1))
    p.parts = ceil_div(p.shape[axis], p.outputs)
    tasks = lines * p.blocks * p.parts
    reserve(&p.memory, workers, aligned(p.taps * sizeof(void*)) + aligned((row_size(&p) + LANES) * sizeof(real))
            + aligned((1 if p.colours > 0 else p.taps) * row_size(&p) * sizeof(real)), 0)
    with nogil:
        run_tasks(ordered_task, &p, tasks, 1, workers)
        free(p.memory.start)
