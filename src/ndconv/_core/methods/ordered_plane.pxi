# Correlations of planes with the bits of scipy.signal: in the type of the arrays, and in the order of runs_kernel.
#
# A task has a block of columns and a range of rows of outputs. The rows of samples under the kernel are a ring: each is
# read once. Complex numbers are two planes, of which each output takes both.

cdef struct OrderedPlane:
    Samples x, y
    Along along[2]                       # of each plane
    int planes
    bint backwards                       # whether the sum begins with the kernel's last place
    Py_ssize_t x_rows, y_rows, y_columns
    Py_ssize_t before[2], kernel[2]
    const real* weights                  # [row][column][plane], in the order of the sum
    Py_ssize_t columns, outputs, parts   # of a block; rows of outputs of a task; and such parts
    WorkerMemory memory


cdef Py_ssize_t plane_row_size(const OrderedPlane* p) noexcept nogil:
    """Samples of a row in memory, whole vectors beyond the last output."""
    return (ceil_div(p.columns, LANES) + ceil_div(p.kernel[1] - 1, LANES)) * LANES


cdef void read_plane_row(
    const OrderedPlane* p, int plane, Py_ssize_t position, Py_ssize_t column, Py_ssize_t count, real* row,
) noexcept nogil:
    cdef Py_ssize_t i
    cdef Run run = source_run(p.along[plane].mode, p.x_rows, position, 1, 1)
    if run.source == FILL:
        for i in range(count):
            row[i] = p.along[plane].fill
    else:
        read_along(&p.x, &p.along[plane], p.x.data + plane * p.x.stride[0] + run.source * p.x.stride[1], column, count,
                   1, 0, row)


cdef void plane_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const OrderedPlane* p = <const OrderedPlane*> shared
    cdef Py_ssize_t column = task // p.parts * p.columns, count = min(p.columns, p.y_columns - column)
    cdef Py_ssize_t first = task % p.parts * p.outputs, end = min(first + p.outputs, p.y_rows), next = first
    cdef Py_ssize_t rows = p.kernel[0], taps = p.kernel[1], size = plane_row_size(p), i, j, k, term
    cdef char* at = memory_of(&p.memory, worker)
    cdef const real** terms = <const real**> take(&at, rows * taps * p.planes * sizeof(void*))
    cdef real* sums = <real*> take(&at, size * sizeof(real))
    cdef real* ring = <real*> at         # [row][plane]
    cdef const real* row
    cdef int plane
    for i in range(first, end):
        while next < i + rows:
            for plane in range(p.planes):
                read_plane_row(p, plane, next - p.before[0], column - p.before[1], count + taps - 1,
                               ring + ((next - first) % rows * p.planes + plane) * size)
            next += 1
        term = 0
        for j in range(rows):
            row = ring + (i - first + (rows - 1 - j if p.backwards else j)) % rows * p.planes * size
            for k in range(taps):
                for plane in range(p.planes):
                    terms[term] = row + plane * size + (taps - 1 - k if p.backwards else k)
                    term += 1
        row_of_runs(terms, p.weights, rows, taps, p.planes, True, sums, ceil_div(count, LANES))
        write_samples(&p.y, p.y.data + i * p.y.stride[0] + column * p.y.stride[1], sums, count)


def correlate_plane(cnp.ndarray x not None, cnp.ndarray y not None, const real[:, :, ::1] weights, before,
                    bint backwards, int mode, fills, int workers):
    """Write to y (rows, columns) the correlation of x (planes, rows, columns), with the bits of scipy.signal.

    The weights (rows, columns, planes) are in the order in which products are added up: that of the kernel's places, or
    `backwards`. `before` tells, for rows and columns, how much of the kernel lies before its output. There is a fill
    for each of one or two planes. x and y share no memory.
    """
    cdef OrderedPlane p
    cdef Py_ssize_t most, blocks
    cdef int plane
    p.planes, p.backwards = weights.shape[2], backwards
    demand(cnp.PyArray_NDIM(x) == 3 and cnp.PyArray_NDIM(y) == 2 and 1 <= p.planes <= 2 and cnp.PyArray_DIM(x, 0)
           == p.planes == len(fills) and weights.shape[0] > 0 and weights.shape[1] > 0, "other planes")
    demand(cnp.PyArray_ISNOTSWAPPED(y) and cnp.PyArray_SIZE(y) > 0 and workers > 0,
           "an output of the other byte order, or of nothing")
    demand(mode == ZEROS or (ZEROS < mode <= CIRCULAR and cnp.PyArray_SIZE(x) > 0), "another mode")
    describe(&p.x, x[None], 0, 3)
    describe(&p.y, y[None], 0, 2)
    copy_axes(p.before, before, 2)
    p.kernel[0], p.kernel[1], p.weights = weights.shape[0], weights.shape[1], &weights[0, 0, 0]
    p.x_rows, p.y_rows, p.y_columns = cnp.PyArray_DIM(x, 1), cnp.PyArray_DIM(y, 0), cnp.PyArray_DIM(y, 1)
    for plane in range(p.planes):
        p.along[plane].mode, p.along[plane].fill = mode, fills[plane]
        p.along[plane].size, p.along[plane].step = cnp.PyArray_DIM(x, 2), p.x.stride[2]
    most = RING_BYTES // (p.planes * p.kernel[0] * <Py_ssize_t> sizeof(real)) - p.kernel[1]
    p.columns = min(max(most // (ORDERED_VECTORS * LANES), 4) * (ORDERED_VECTORS * LANES), p.y_columns)
    blocks = ceil_div(p.y_columns, p.columns)
    # Parts of the rows, where blocks are too few; each reads as many rows again as the kernel has.
    most = ceil_div(TASKS_EACH * workers if workers > 1 else 1, blocks)
    p.outputs = ceil_div(p.y_rows, max(min(most, p.y_rows // (4 * p.kernel[0])), 1))
    p.parts = ceil_div(p.y_rows, p.outputs)
    reserve(&p.memory, workers, aligned(p.kernel[0] * p.kernel[1] * p.planes * sizeof(void*))
            + aligned(plane_row_size(&p) * sizeof(real))
            + p.kernel[0] * p.planes * plane_row_size(&p) * sizeof(real), 0)
    with nogil:
        run_tasks(plane_task, &p, blocks * p.parts, 1, workers)
        free(p.memory.start)
