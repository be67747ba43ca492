# Correlations along an axis, or along two of them one after the other, with SciPy's bits. Samples of any type become
# rows of doubles, once; the sums of a row are converted on their way into y.
#
# A pass goes down an axis or across the rows. Down, a task has a block of columns and a range of outputs, and its rows
# are a ring: each is read once, and is a tap of as many outputs as the kernel has taps. Across, the rows of the taps
# are one row, one sample further each; or a pixel further, where what is beside each other are the few colours of
# pixels. Of two passes, one of each kind, the one across takes a row before it enters the ring, or when it has left:
# what lies between the passes is rounded to y's type, as if it had been written there, but stays in the caches.

cdef enum:
    ROW_SAMPLES = 1024           # of a block of columns that no pass goes down
    RING_BYTES = 192 << 10
    LEAST_HALOS = 8              # columns of a block, in as many as it reads beside them
    TASKS_EACH = 4               # of a worker, at least

cdef struct OrderedPass:
    Along along
    int order
    Py_ssize_t taps, before      # no taps: there is no such pass
    const real* weights

cdef struct OrderedLines:
    Samples x, y
    Samples between              # rows of y's type, for what lies between two passes
    int ndim, axis               # rows follow each other on `axis`; the last two are their columns and colours
    OrderedPass down, across
    bint across_first
    Py_ssize_t shape[MAX_AXES]
    Py_ssize_t colours, beside                # and the bytes between samples of x that are beside each other
    Py_ssize_t columns, blocks                # of a block; and blocks of a row
    Py_ssize_t outputs, parts                 # of a task along the axis; and such parts
    WorkerMemory memory


cdef Py_ssize_t row_samples(const OrderedLines* p, Py_ssize_t columns) noexcept nogil:
    """Samples that so many columns of outputs are made from."""
    return (columns + max(p.across.taps - 1, 0)) * p.colours


cdef Py_ssize_t row_size(const OrderedLines* p) noexcept nogil:
    """Samples of a row in memory: whole vectors, and one of them beyond the last."""
    return (ceil_div(row_samples(p, p.columns), LANES) + 1) * LANES


cdef inline void read_block(
    const OrderedLines* p, const char* row, Py_ssize_t column, Py_ssize_t count, real* target,
) noexcept nogil:
    """Reads what some columns of a row of x are made from."""
    read_along(&p.x, &p.across.along, row, column - p.across.before, row_samples(p, count) // p.colours, p.colours,
               p.beside, target)


cdef void pass_across(const OrderedLines* p, const real* row, Py_ssize_t count, real* sums) noexcept nogil:
    ordered_line(row, p.colours, p.across.weights, p.across.taps, p.across.order, sums,
                 ceil_div(count * p.colours, LANES))


cdef void fill_outside(const OrderedLines* p, Py_ssize_t column, Py_ssize_t count, real* row) noexcept nogil:
    """Fills in what lies outside of a row that has passed down, where that is not what passed down there."""
    cdef Py_ssize_t i, end = row_samples(p, count)
    cdef Py_ssize_t before = min(max(p.across.before - column, 0) * p.colours, end)
    cdef Py_ssize_t after = max((p.across.along.size + p.across.before - column) * p.colours, 0)
    if p.across.along.mode == ZEROS:
        for i in range(before):
            row[i] = p.across.along.fill
        for i in range(after, end):
            row[i] = p.across.along.fill


cdef void enter_ring(
    const OrderedLines* p, const char* x, Py_ssize_t column, Py_ssize_t count, Py_ssize_t position, real* line,
    real* row,
) noexcept nogil:
    """Makes the row at a position of the axis, which may be outside of x, for the pass down."""
    cdef Py_ssize_t i
    cdef Run run = source_run(p.down.along.mode, p.down.along.size, position, 1, 1)
    if run.source == FILL:
        for i in range(row_samples(p, count)):
            row[i] = p.down.along.fill
    elif p.across_first:
        read_block(p, x + run.source * p.down.along.step, column, count, line)
        pass_across(p, line, count, row)
        as_written(&p.between, row, count * p.colours)
    else:
        read_block(p, x + run.source * p.down.along.step, column, count, row)


cdef void ordered_block(
    const OrderedLines* p, const char* x, char* y, Py_ssize_t column, Py_ssize_t count, Py_ssize_t first,
    Py_ssize_t end, int worker,
) noexcept nogil:
    """The outputs from `first` to `end` along the axis, of some columns."""
    cdef char* at = memory_of(&p.memory, worker)
    cdef const real** taps = <const real**> take(&at, p.down.taps * sizeof(void*))
    cdef real* line = <real*> take(&at, row_size(p) * sizeof(real))
    cdef real* sums = <real*> take(&at, row_size(p) * sizeof(real))
    cdef real* ring = <real*> at
    cdef Py_ssize_t t, i, next = first - p.down.before, place, samples = count * p.colours
    cdef Py_ssize_t passed = samples if p.across_first else row_samples(p, count)
    for i in range(first, end):
        if p.down.taps == 0:
            read_block(p, x + i * p.down.along.step, column, count, line)
            pass_across(p, line, count, sums)
        else:
            while next < i - p.down.before + p.down.taps:
                place = (next - first + p.down.before) % p.down.taps
                enter_ring(p, x, column, count, next, line, ring + place * row_size(p))
                next += 1
            place = (i - first) % p.down.taps
            for t in range(p.down.taps):
                taps[t] = ring + place * row_size(p)
                place += 1
                if place == p.down.taps:
                    place = 0
            ordered_rows(taps, p.down.weights, p.down.taps, p.down.order, sums, ceil_div(passed, LANES))
            if p.across.taps > 0 and not p.across_first:
                as_written(&p.between, sums, passed)
                fill_outside(p, column, count, sums)
                pass_across(p, sums, count, line)
                write_truncated(&p.y, y + i * p.y.stride[p.axis], line, samples)
                continue
        write_truncated(&p.y, y + i * p.y.stride[p.axis], sums, samples)


cdef void ordered_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const OrderedLines* p = <const OrderedLines*> shared
    cdef Py_ssize_t first = task % p.parts * p.outputs, end = min(first + p.outputs, p.shape[p.axis])
    cdef Py_ssize_t number = task // p.parts, column = number % p.blocks * p.columns, index
    cdef int axis, columns = p.ndim - 2
    cdef const char* x = p.x.data
    cdef char* y = p.y.data + column * p.y.stride[columns]
    number = number // p.blocks
    for axis in range(columns - 1, -1, -1):
        if axis != p.axis:
            index = number % p.shape[axis]
            number = number // p.shape[axis]
            x += index * p.x.stride[axis]
            y += index * p.y.stride[axis]
    ordered_block(p, x, y, column, min(p.columns, p.shape[columns] - column), first, end, worker)


cdef int order_of(const real* weights, Py_ssize_t taps) noexcept nogil:
    """The order in which SciPy adds up products: by pairs, where weights are as good as a mirror image."""
    cdef bint may_add = taps % 2, may_subtract = taps % 2
    cdef Py_ssize_t i
    for i in range(taps // 2):
        # NaN is like anything.
        may_add = may_add and not fabs(<double> weights[taps - 1 - i] - <double> weights[i]) > DBL_EPSILON
        may_subtract = may_subtract and not fabs(<double> weights[taps - 1 - i] + <double> weights[i]) > DBL_EPSILON
    return ADDED_PAIRS if may_add else SUBTRACTED_PAIRS if may_subtract else LAST_FIRST


cdef int set_pass(OrderedPass* target, const OrderedLines* p, int axis, told, real fill) except -1:
    """Describes a pass along an axis, or that there is none."""
    cdef const real[::1] weights
    target.along.mode, target.along.fill = ZEROS, fill
    target.along.size, target.along.step = p.shape[axis], p.x.stride[axis]
    target.taps, target.before, target.order, target.weights = 0, 0, LAST_FIRST, NULL
    if told is not None:
        weights, target.before, target.along.mode = told
        target.taps = weights.shape[0]
        demand(0 <= target.before < target.taps and ZEROS <= target.along.mode <= CIRCULAR, "other taps")
        target.weights = &weights[0]    # which the caller keeps
        target.order = order_of(target.weights, target.taps)
    return 0


cdef void share_out(OrderedLines* p, Py_ssize_t lines, int workers) noexcept:
    """Decides on blocks and parts."""
    cdef Py_ssize_t halo = row_samples(p, 0), parts
    p.columns, p.outputs = p.shape[p.ndim - 2], p.shape[p.axis]
    if p.down.taps > 0:
        p.columns = RING_BYTES // (p.down.taps * p.colours * <Py_ssize_t> sizeof(real)) - halo
        p.columns = max(p.columns, LEAST_HALOS * halo, ORDERED_VECTORS * LANES)
    elif p.x.data != p.y.data:
        p.columns = max(ROW_SAMPLES // p.colours, 1)
    p.columns = min(p.columns, p.shape[p.ndim - 2])
    p.blocks = ceil_div(p.shape[p.ndim - 2], p.columns)
    p.columns = ceil_div(p.shape[p.ndim - 2], p.blocks)
    # Parts of the axis, where blocks are too few; each reads as many rows again as the kernel has taps.
    parts = ceil_div(TASKS_EACH * workers if workers > 1 else 1, lines * p.blocks)
    p.outputs = ceil_div(p.outputs, max(min(parts, p.outputs // max(4 * p.down.taps, 1)), 1))
    p.parts = ceil_div(p.shape[p.axis], p.outputs)


def correlate_lines(cnp.ndarray x not None, cnp.ndarray y not None, int axis, down, across, bint across_first,
                    real fill, int workers):
    """Write to y the correlations of x down an axis, or across its rows, or first one and then the other.

    Each is None or (weights, taps before an output, mode). The last two axes are the columns and the colours of
    rows: one colour, or those of dense pixels. x and y have one shape and share no memory, unless they are the same,
    and no pass goes down.
    """
    cdef OrderedLines p
    cdef Py_ssize_t lines = 1
    cdef int a
    p.ndim = cnp.PyArray_NDIM(y)
    p.axis, p.across_first, p.colours = axis, across_first, cnp.PyArray_DIM(y, p.ndim - 1)
    demand(0 <= axis < p.ndim - 2 and p.ndim == cnp.PyArray_NDIM(x) and p.ndim < MAX_AXES, "an axis that is none")
    demand(cnp.PyArray_ISNOTSWAPPED(y) and cnp.PyArray_SIZE(y) > 0 and workers > 0,
           "an output of the other byte order, or of nothing")
    describe(&p.x, x[None], 0, p.ndim)
    describe(&p.y, y[None], 0, p.ndim)
    for a in range(p.ndim):
        p.shape[a] = cnp.PyArray_DIM(y, a)
        demand(p.shape[a] == cnp.PyArray_DIM(x, a), "an output of another shape")
        if a != axis and a < p.ndim - 2:
            lines *= p.shape[a]
    p.y.last = p.ndim - 2 if p.colours == 1 else p.ndim - 1
    p.beside = p.x.stride[p.y.last]
    demand(p.colours == 1 or p.y.stride[p.ndim - 2] == p.colours * p.y.stride[p.ndim - 1], "pixels with gaps")
    p.between = p.y
    p.between.stride[p.y.last] = p.y.size
    set_pass(&p.down, &p, axis, down, fill)
    set_pass(&p.across, &p, p.ndim - 2, across, fill)
    demand(p.down.taps + p.across.taps > 0, "no pass")
    share_out(&p, lines, workers)
    reserve(&p.memory, workers, aligned(p.down.taps * sizeof(void*))
            + 2 * aligned(row_size(&p) * sizeof(real)) + p.down.taps * row_size(&p) * sizeof(real), 0)
    with nogil:
        run_tasks(ordered_task, &p, lines * p.blocks * p.parts, 1, workers)
        free(p.memory.start)
