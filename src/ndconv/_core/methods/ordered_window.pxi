# Correlations by a window of any axes with SciPy's bits: a sum from zero, term by term, in the order of the window.
#
# A task has a block of columns and a range of rows of outputs, along the last axis and the one before it. The rows of
# samples that its windows reach, of all the places of a window on the other axes, are rings: each is converted once.

cdef struct OrderedWindow:
    Samples x, y
    Along along
    int ndim
    Py_ssize_t shape[MAX_AXES]
    Py_ssize_t terms
    real* weights
    Py_ssize_t* plane                    # of each term: which of the window's planes it lies in,
    Py_ssize_t* row                      # which of its rows,
    Py_ssize_t* column                   # and which of its columns
    Py_ssize_t planes, rows, reach       # of the window; columns beyond the first
    Py_ssize_t* offsets                  # [plane][axis]: where planes lie, from an output
    Py_ssize_t first_row, first_column   # where the window's first row and column lie
    Py_ssize_t columns, blocks           # of a block; and blocks of a row
    Py_ssize_t outputs, parts            # rows of outputs of a task; and such parts
    WorkerMemory memory


cdef Py_ssize_t window_row_size(const OrderedWindow* p) noexcept nogil:
    """Samples of a row in memory, whole vectors beyond the last output."""
    return ceil_div(p.columns, LANES) * LANES + ceil_div(p.reach, LANES) * LANES


cdef void read_window_row(
    const OrderedWindow* p, const Py_ssize_t* place, Py_ssize_t plane, Py_ssize_t position, Py_ssize_t column,
    Py_ssize_t count, real* row,
) noexcept nogil:
    """Reads a row of one of the window's planes around an output; all of it is filled in where it lies outside of x."""
    cdef Py_ssize_t i, at, last = p.ndim - 1
    cdef const char* x = p.x.data
    cdef Run run
    cdef int axis
    for axis in range(last):
        at = position if axis == last - 1 else place[axis] + p.offsets[plane * last + axis]
        run = source_run(p.along.mode, p.shape[axis], at, 1, 1)
        if run.source == FILL:
            for i in range(count):
                row[i] = p.along.fill
            return
        x += run.source * p.x.stride[axis]
    read_along(&p.x, &p.along, x, column, count, 1, 0, row)


cdef void window_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const OrderedWindow* p = <const OrderedWindow*> shared
    cdef Py_ssize_t place[MAX_AXES]
    cdef int last = p.ndim - 1, axis
    cdef Py_ssize_t part = task % p.parts, number = task // p.parts
    cdef Py_ssize_t column = number % p.blocks * p.columns, first = part * p.outputs
    cdef Py_ssize_t count = min(p.columns, p.shape[last] - column), end = min(first + p.outputs, p.shape[last - 1])
    cdef Py_ssize_t size = window_row_size(p), next = first + p.first_row, i, plane, term
    cdef char* at = memory_of(&p.memory, worker)
    cdef const real** rows = <const real**> take(&at, p.terms * sizeof(void*))
    cdef real* sums = <real*> take(&at, size * sizeof(real))
    cdef real* rings = <real*> at
    cdef char* y = p.y.data + column * p.y.stride[last]
    number = number // p.blocks
    for axis in range(last - 2, -1, -1):
        place[axis] = number % p.shape[axis]
        number = number // p.shape[axis]
        y += place[axis] * p.y.stride[axis]
    for i in range(first, end):
        while next < i + p.first_row + p.rows:
            for plane in range(p.planes):
                read_window_row(p, place, plane, next, column + p.first_column, count + p.reach,
                                rings + (plane * p.rows + (next - first - p.first_row) % p.rows) * size)
            next += 1
        for term in range(p.terms):
            rows[term] = (rings + (p.plane[term] * p.rows + (i - first + p.row[term]) % p.rows) * size
                          + p.column[term])
        ordered_rows(rows, p.weights, p.terms, FROM_ZERO, sums, ceil_div(count, LANES))
        write_truncated(&p.y, y + i * p.y.stride[last - 1], sums, count)


cdef void find_terms(OrderedWindow* p, cnp.ndarray weights, const Py_ssize_t* before, char* at) noexcept:
    """Lists the weights that SciPy takes, and where the window's planes lie, in memory that begins at `at`."""
    cdef const real* all_weights = <const real*> cnp.PyArray_DATA(weights)
    cdef Py_ssize_t size = cnp.PyArray_SIZE(weights), columns = p.reach + 1, i, rest
    cdef int last = p.ndim - 1, axis
    p.weights = <real*> take(&at, size * sizeof(real))
    p.plane = <Py_ssize_t*> take(&at, size * sizeof(Py_ssize_t))
    p.row = <Py_ssize_t*> take(&at, size * sizeof(Py_ssize_t))
    p.column = <Py_ssize_t*> take(&at, size * sizeof(Py_ssize_t))
    p.offsets = <Py_ssize_t*> at
    p.terms = 0
    for i in range(size):
        if fabs(<double> all_weights[i]) > DBL_EPSILON:
            p.weights[p.terms] = all_weights[i]
            p.plane[p.terms], p.row[p.terms], p.column[p.terms] = (
                i // (p.rows * columns), i // columns % p.rows, i % columns)
            p.terms += 1
    for i in range(p.planes):
        rest = i
        for axis in range(last - 2, -1, -1):
            p.offsets[i * last + axis] = rest % cnp.PyArray_DIM(weights, axis) - before[axis]
            rest = rest // cnp.PyArray_DIM(weights, axis)


def correlate_window(cnp.ndarray x not None, cnp.ndarray y not None, cnp.ndarray weights not None, before, int mode,
                     real fill, int workers):
    """Write to y the correlation of x by a window, with SciPy's bits.

    x, y and the weights have the same axes, at least two. `before` tells, for each of them, how much of the window lies
    before its output. x and y have one shape, and share no memory.
    """
    cdef OrderedWindow p
    cdef Py_ssize_t starts[MAX_AXES]
    cdef Py_ssize_t most, lines = 1, row_bytes, size = cnp.PyArray_SIZE(weights)
    cdef int a, last = cnp.PyArray_NDIM(y) - 1
    p.ndim = last + 1
    demand(2 <= p.ndim == cnp.PyArray_NDIM(x) and p.ndim < MAX_AXES and ZEROS <= mode <= CIRCULAR and workers > 0,
           "other axes")
    demand(cnp.PyArray_ISNOTSWAPPED(y) and cnp.PyArray_SIZE(y) > 0, "an output of the other byte order, or of nothing")
    demand(cnp.PyArray_NDIM(weights) == p.ndim and size > 0 and holds_reals(weights)
           and cnp.PyArray_IS_C_CONTIGUOUS(weights), "other weights")
    copy_axes(starts, before, p.ndim)
    describe(&p.x, x[None], 0, p.ndim)
    describe(&p.y, y[None], 0, p.ndim)
    p.planes = 1
    for a in range(p.ndim):
        p.shape[a] = cnp.PyArray_DIM(y, a)
        demand(p.shape[a] == cnp.PyArray_DIM(x, a), "an output of another shape")
        demand(0 <= starts[a] < cnp.PyArray_DIM(weights, a), "outputs outside of their windows")
        if a < last - 1:
            lines *= p.shape[a]
            p.planes *= cnp.PyArray_DIM(weights, a)
    p.rows, p.reach = cnp.PyArray_DIM(weights, last - 1), cnp.PyArray_DIM(weights, last) - 1
    p.first_row, p.first_column = -starts[last - 1], -starts[last]
    p.along.mode, p.along.fill, p.along.size, p.along.step = mode, fill, p.shape[last], p.x.stride[last]
    most = RING_BYTES // (p.planes * p.rows * <Py_ssize_t> sizeof(real)) - p.reach
    p.columns = min(max(most // (ORDERED_VECTORS * LANES), 4) * (ORDERED_VECTORS * LANES), p.shape[last])
    p.blocks = ceil_div(p.shape[last], p.columns)
    p.outputs = p.shape[last - 1]
    # Parts of the rows, where blocks are too few; each reads as many rows again as the window has.
    most = ceil_div(TASKS_EACH * workers if workers > 1 else 1, lines * p.blocks)
    p.outputs = ceil_div(p.outputs, max(min(most, p.outputs // (4 * p.rows)), 1))
    p.parts = ceil_div(p.shape[last - 1], p.outputs)
    row_bytes = window_row_size(&p) * sizeof(real)
    reserve(&p.memory, workers, aligned(size * sizeof(void*)) + aligned(row_bytes)
            + aligned(p.planes * p.rows * row_bytes),
            aligned(size * sizeof(real)) + 3 * aligned(size * sizeof(Py_ssize_t))
            + p.planes * last * sizeof(Py_ssize_t))
    find_terms(&p, weights, starts, memory_of(&p.memory, workers))
    with nogil:
        run_tasks(window_task, &p, lines * p.blocks * p.parts, 1, workers)
        free(p.memory.start)
