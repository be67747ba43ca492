# NumPy's arrays: what they have to be, and how kernels, which know nothing of NumPy, are told of them.

cdef enum:
    # Codes of the sample types that arrays hold; the order is that of `sample_codes` in convolution.pyx.
    BOOL = 0
    INT8 = 1
    UINT8 = 2
    INT16 = 3
    UINT16 = 4
    INT32 = 5
    UINT32 = 6
    INT64 = 7
    UINT64 = 8
    FLOAT16 = 9
    FLOAT32 = 10
    FLOAT64 = 11

compute_dtype = np.dtype(NDCONV_DTYPE.decode())
cdef int compute_code = {"float32": FLOAT32, "float64": FLOAT64, "uint32": UINT32, "uint64": UINT64}[
    compute_dtype.name
]


# By NumPy's type number, because C has more names for integers than sizes. A complex sample is two.
cdef int sample_codes[64]
for code in range(64):
    sample_codes[code] = -1
for name, code in {
    "?": BOOL, "b": INT8, "B": UINT8, "e": FLOAT16, "f": FLOAT32, "F": FLOAT32, "d": FLOAT64, "D": FLOAT64,
}.items():
    sample_codes[np.dtype(name).num] = code
for name in "hilq":
    sample_codes[np.dtype(name).num] = {2: INT16, 4: INT32, 8: INT64}[np.dtype(name).itemsize]
    sample_codes[np.dtype(name.upper()).num] = {2: UINT16, 4: UINT32, 8: UINT64}[np.dtype(name).itemsize]


cdef int demand(bint holds, str what) except -1:
    """Raises where what the kernels rely on does not hold: they would read or write other memory."""
    if not holds:
        raise ValueError(f"the core was given {what}")
    return 0


cdef int sample_code(cnp.ndarray array) except -1:
    """The code of an array's samples, or of their components."""
    cdef int number = cnp.PyArray_TYPE(array)
    cdef int code = sample_codes[number] if 0 <= number < 64 else -1
    demand(code >= 0, "an array of another dtype")
    return code


cdef bint holds_reals(cnp.ndarray array) except -1:
    """Whether an array has aligned, native samples of the compute type, or integers of the same size."""
    cdef int code = sample_code(array)
    return (
        (code == compute_code
         or (cnp.PyArray_ITEMSIZE(array) == sizeof(real) and code < FLOAT16 and compute_code < FLOAT16))
        and not cnp.PyArray_ISCOMPLEX(array) and cnp.PyArray_ISNOTSWAPPED(array) and cnp.PyArray_ISALIGNED(array)
    )


cdef int demand_shape(cnp.ndarray array, cnp.ndarray y, int batch_ndim, Py_ssize_t channels, const Py_ssize_t* spatial,
                      int ndim, bint may_be_wider) except -1:
    """Raises for an array that has not the shape (*batch of y, channels, *spatial); an array y may have wider rows."""
    cdef int axis
    cdef Py_ssize_t size
    demand(cnp.PyArray_NDIM(array) == batch_ndim + 1 + ndim, "an array of other axes")
    demand(cnp.PyArray_DIM(array, batch_ndim) * (2 if cnp.PyArray_ISCOMPLEX(array) else 1) == channels,
           "an array of other channels")
    for axis in range(batch_ndim):
        demand(cnp.PyArray_DIM(array, axis) == cnp.PyArray_DIM(y, axis), "an array of another batch")
    for axis in range(ndim):
        size = cnp.PyArray_DIM(array, batch_ndim + 1 + axis)
        demand(size == spatial[axis] or (may_be_wider and axis == ndim - 1 and size > spatial[axis]),
               "an array of other spatial axes")
    return 0


cdef int find_bounds(Samples* samples, cnp.ndarray array) except -1:
    """Finds between which addresses an array's samples lie."""
    cdef int axis
    cdef Py_ssize_t reach
    samples.start = samples.end = samples.data
    if cnp.PyArray_SIZE(array) == 0:
        return 0
    samples.end += cnp.PyArray_ITEMSIZE(array)
    for axis in range(cnp.PyArray_NDIM(array)):
        reach = (cnp.PyArray_DIM(array, axis) - 1) * cnp.PyArray_STRIDE(array, axis)
        if reach < 0:
            samples.start += reach
        else:
            samples.end += reach
    return 0


cdef int describe(Samples* samples, cnp.ndarray array, int batch_ndim, int ndim) except -1:
    """Fills in `samples` for an array of shape (*batch, channels, *spatial)."""
    cdef int axis
    cdef bint is_complex = cnp.PyArray_ISCOMPLEX(array)
    samples.data = <char*> cnp.PyArray_DATA(array)
    samples.code = sample_code(array)
    samples.last = ndim - 1
    samples.swapped = not cnp.PyArray_ISNOTSWAPPED(array)
    samples.components = 2 if is_complex else 1
    samples.size = cnp.PyArray_ITEMSIZE(array) // samples.components
    samples.component = samples.size
    samples.is_compute_type = (
        (samples.code == compute_code
         or (samples.size == sizeof(real) and samples.code < FLOAT16 and compute_code < FLOAT16))
        and not samples.swapped and cnp.PyArray_ISALIGNED(array)
    )
    samples.channel = cnp.PyArray_STRIDE(array, batch_ndim)
    for axis in range(batch_ndim):
        samples.batch[axis] = cnp.PyArray_STRIDE(array, axis)
    for axis in range(ndim):
        samples.stride[axis] = cnp.PyArray_STRIDE(array, batch_ndim + 1 + axis)
    if IS_SAFE:
        find_bounds(samples, array)
    return 0


cdef const Py_ssize_t* first_of(const Py_ssize_t[::1] table) noexcept:
    """Where a table begins, which its owner keeps."""
    return &table[0] if table.shape[0] > 0 else NULL


cdef int copy_axes(Py_ssize_t* target, numbers, int ndim) except -1:
    """Copies a number for each spatial axis."""
    cdef int axis
    demand(len(numbers) == ndim, "numbers of other axes")
    for axis in range(ndim):
        target[axis] = numbers[axis]
    return 0
