# The epilogue: what happens to a finished run of outputs while it is in cache.
# residual, activation, and the way into y's dtype and strides. (The bias is where the sums begin.)

cdef enum:
    # The order is that of `activations` in _arguments.py.
    IDENTITY = 0
    RELU = 1
    RELU6 = 2
    LEAKY_RELU = 3
    SILU = 4
    GELU = 5
    SIGMOID = 6
    TANH = 7
    HARDSWISH = 8

cdef enum:
    RESIDUAL_RUN = 64


cdef void activate(int activation, real* y, Py_ssize_t count) noexcept nogil:
    # `not x > 0` rather than `x <= 0`: NaN stays NaN.
    cdef Py_ssize_t i
    if activation == RELU:
        for i in range(count):
            y[i] = 0 if y[i] < 0 else y[i]
    elif activation == RELU6:
        for i in range(count):
            y[i] = 0 if y[i] < 0 else 6 if y[i] > 6 else y[i]
    elif activation == LEAKY_RELU:
        for i in range(count):
            y[i] = <real> (y[i] * <real> 0.01) if y[i] < 0 else y[i]
    elif activation == SILU:
        for i in range(count):
            y[i] = y[i] / (1 + <real> real_exp(-y[i]))
    elif activation == GELU:
        for i in range(count):
            y[i] = <real> 0.5 * y[i] * (1 + <real> real_erf(y[i] * <real> 0.70710678118654752440))
    elif activation == SIGMOID:
        for i in range(count):
            y[i] = 1 / (1 + <real> real_exp(-y[i]))
    elif activation == TANH:
        for i in range(count):
            y[i] = <real> real_tanh(y[i])
    elif activation == HARDSWISH:
        for i in range(count):
            y[i] = y[i] * (0 if y[i] < -3 else 6 if y[i] > 3 else y[i] + 3) / 6


cdef void write_converted(sample* target, Py_ssize_t step, const real* source, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t i
    cdef char* at = <char*> target
    for i in range(count):
        (<sample*> (at + i * step))[0] = <sample> source[i]


cdef void write_samples(const Samples* y, char* target, const real* source, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t i, step = y.stride[y.last]
    if y.same and step == sizeof(real):
        memcpy(target, source, count * sizeof(real))
    elif y.code == FLOAT32:
        write_converted(<any_f32*> target, step, source, count)
    elif y.code == FLOAT64:
        write_converted(<any_f64*> target, step, source, count)
    elif y.code == FLOAT16:
        for i in range(count):
            (<any_u16*> (target + i * step))[0] = float_to_half(<float> source[i])
    # Integers wrap around, so the sign of the type does not matter.
    elif y.size == 1:
        write_converted(<any_u8*> target, step, source, count)
    elif y.size == 2:
        write_converted(<any_u16*> target, step, source, count)
    elif y.size == 4:
        write_converted(<any_u32*> target, step, source, count)
    else:
        write_converted(<any_u64*> target, step, source, count)


cdef inline void add_samples(real* run, const real* other, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t i = 0
    while i + LANES <= count:
        vec_store(run + i, vec_load(run + i) + vec_load(other + i))
        i += LANES
    for i in range(i, count):
        run[i] = run[i] + other[i]


cdef void finish(const Job* job, real* run, char* y, const char* residual, Py_ssize_t count) noexcept nogil:
    """Applies the epilogue to `count` sums that belong at address `y`, where they may already be."""
    cdef real other[RESIDUAL_RUN]
    cdef Py_ssize_t i, n, done
    if residual != NULL and job.residual.same and job.residual.stride[job.residual.last] == sizeof(real):
        add_samples(run, <const real*> residual, count)
    elif residual != NULL:
        done = 0
        while done < count:
            n = min(count - done, RESIDUAL_RUN)
            read_samples(&job.residual, other, residual + done * job.residual.stride[job.residual.last],
                         job.residual.stride[job.residual.last], n)
            for i in range(n):
                run[done + i] = run[done + i] + other[i]
            done += n
    if job.activation != IDENTITY:
        activate(job.activation, run, count)
    if <char*> run != y:
        write_samples(&job.y, y, run, count)
