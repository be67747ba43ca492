# A layer's weights, as they are given and as they are kept.

cdef struct Order:
    # Weights (sets, outputs, inputs, taps) in any order of memory: those of a transposed layer are not in this one.
    const char* source
    Py_ssize_t outputs, inputs, taps
    Py_ssize_t set, output, input    # bytes from one to the next
    const Py_ssize_t* places         # of the taps, in bytes
    bint contiguous
    bint near                        # the taps lie within a vector, and outputs whole samples apart
    Py_ssize_t nearest               # the least of their places
    const char* end                  # of the array


cdef void read_rows(const Order* order, Py_ssize_t number, Py_ssize_t first, Py_ssize_t start, Py_ssize_t count,
                    real* rows) noexcept nogil:
    """Reads weights start to start + count, counted [input][tap], of LANES output channels: [weight][channel].

    `number` is the set, `first` the first channel; zeros stand where there is no channel.
    """
    cdef real transposed[MOST_BLOCK]
    cdef Py_ssize_t i = 0, k, c, t, last, outputs = min(LANES, order.outputs - first)
    cdef const char* source = order.source + number * order.set + first * order.output
    cdef const char* at
    if outputs == LANES and order.contiguous:
        while i + LANES <= count:
            transpose_block(<const real*> source + start + i, order.inputs * order.taps, rows + i * LANES, LANES)
            i += LANES
    while i < count:
        c = (start + i) // order.taps
        t = (start + i) % order.taps
        at = source + c * order.input
        last = min(order.taps, t + count - i)
        if outputs == LANES and order.output == sizeof(real):
            for t in range(t, last):
                vec_store(rows + i * LANES, vec_load(<const real*> (at + order.places[t])))
                i += 1
        elif outputs == LANES and order.taps > 1 and order.near and (
            at + order.nearest + max(0, (LANES - 1) * order.output) + VECTOR_BYTES <= order.end
        ):
            # An input channel's taps lie within a vector. Channels may lie on pages of their own: send for the next's.
            k = 0
            while k < LANES * order.output and at + order.input + k < order.end:
                prefetch(<const real*> (at + order.input + k))
                k += 64
            transpose_block(<const real*> (at + order.nearest), order.output // <Py_ssize_t> sizeof(real),
                            transposed, LANES)
            for t in range(t, last):
                k = (order.places[t] - order.nearest) // <Py_ssize_t> sizeof(real)
                vec_store(rows + i * LANES, vec_load(transposed + k * LANES))
                i += 1
        else:
            for t in range(t, last):
                for k in range(LANES):
                    rows[i * LANES + k] = 0
                for k in range(outputs):
                    rows[i * LANES + k] = (<const real*> (at + order.places[t] + k * order.output))[0]
                i += 1


cdef class Weights:
    """Aligned weights (sets, outputs, inputs, *kernel) of the compute type, in any order of memory."""

    cdef Order order
    cdef cnp.ndarray array
    cdef Py_ssize_t* places    # no array, because those of NumPy take as long to make as all else of a small packing

    def __dealloc__(self):
        free(self.places)

    def __init__(self, cnp.ndarray weights):
        cdef Order* order = &self.order
        cdef Py_ssize_t size, step, i, rest, farthest = 0
        cdef int axis, ndim = cnp.PyArray_NDIM(weights)
        demand(ndim > 3 and holds_reals(weights), "weights of another dtype or too few axes")
        self.array = weights
        order.taps = 1
        for axis in range(3, ndim):
            order.taps *= cnp.PyArray_DIM(weights, axis)
        self.places = <Py_ssize_t*> allocate(max(order.taps, 1) * sizeof(Py_ssize_t))
        if self.places == NULL:
            raise MemoryError(f"ndconv needs {order.taps * sizeof(Py_ssize_t)} bytes for the places of weights")
        order.near = cnp.PyArray_STRIDE(weights, 1) % <Py_ssize_t> sizeof(real) == 0
        order.nearest = 0
        for i in range(order.taps):
            self.places[i] = 0
            rest = i
            for axis in range(ndim - 1, 2, -1):
                size, step = cnp.PyArray_DIM(weights, axis), cnp.PyArray_STRIDE(weights, axis)
                self.places[i] += rest % size * step
                rest = rest // size
            order.nearest = min(order.nearest, self.places[i])
            farthest = max(farthest, self.places[i])
            order.near = order.near and self.places[i] % <Py_ssize_t> sizeof(real) == 0
        order.near = order.near and farthest - order.nearest < VECTOR_BYTES
        order.places = self.places
        order.source = <const char*> cnp.PyArray_DATA(weights)
        order.outputs = cnp.PyArray_DIM(weights, 1)
        order.inputs = cnp.PyArray_DIM(weights, 2)
        order.set = cnp.PyArray_STRIDE(weights, 0)
        order.output = cnp.PyArray_STRIDE(weights, 1)
        order.input = cnp.PyArray_STRIDE(weights, 2)
        order.contiguous = cnp.PyArray_IS_C_CONTIGUOUS(weights)
        order.end = order.source + sizeof(real)
        for axis in range(ndim):
            order.end += max(0, (cnp.PyArray_DIM(weights, axis) - 1) * cnp.PyArray_STRIDE(weights, axis))


cdef class Memory:
    """So many samples, at least one, that nobody has written yet, for a typed memoryview; freed with the last view."""

    cdef real* samples
    cdef Py_ssize_t count, step

    def __cinit__(self, Py_ssize_t count):
        self.count, self.step = count, sizeof(real)
        self.samples = <real*> allocate(count * sizeof(real))
        if self.samples == NULL:
            raise MemoryError(f"ndconv needs {count * sizeof(real)} bytes for packed weights")

    def __dealloc__(self):
        free(self.samples)

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        buffer.buf = self.samples
        buffer.obj = self
        buffer.len = self.count * sizeof(real)
        buffer.itemsize = sizeof(real)
        buffer.readonly = False
        buffer.ndim = 1
        # What Cython takes `real` for; it knows no type that is an integer in some builds.
        buffer.format = "f" if sizeof(real) == sizeof(float) else "d"
        buffer.shape = &self.count
        buffer.strides = &self.step
        buffer.suboffsets = NULL
        buffer.internal = NULL


cdef class Packed:
    """Weights in the order in which a micro-kernel reads them."""

    cdef real[::1] weights
    cdef readonly bint finite   # as far as that matters
    cdef readonly Py_ssize_t nbytes    # 0 where there are none yet
    cdef Py_ssize_t sets, set_size
    cdef readonly double share    # of Winograd's method: the largest part of one weight in the sum of an output's
