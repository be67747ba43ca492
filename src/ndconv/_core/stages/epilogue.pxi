# The epilogue: what happens to a finished run of outputs while it is in cache.
# residual, activation, and the way into y's dtype and strides. (The bias is where the sums begin.)
#
# The contract of finish(job, runs, run, y, y_step, residual, residual_step, n, count):
#   lanes   neighbours of a run, whatever they are: pixels of a channel, or, by activate_runs, channels of a pixel.
#   sizes   any; `count` samples of n runs.
#   reads   `count` samples from runs + k * run on, or a whole vector where there are fewer: buffers of the kernels have
#           it, and so has y where a run is there already. `count` samples of the residual, if that is not NULL.
#   writes  `count` samples of y, in its dtype and at its steps; nothing between or beyond them.
#   align   a sample's own for y and residual where job.vector_epilogue; none for others.
#   called  by what has finished sums: finish_pixels, finish_lines, finish_phases, finish_store and finish_run. A run
#           may be where it belongs already.

cdef enum:
    RUN = 64    # samples that are finished at a time where y or the residual cannot be read and written as vectors


cdef inline vec finished(const int activation, const real* run, const real* residual) noexcept nogil:
    return vec_activate(activation, vec_load(run) if residual == NULL else vec_load(run) + vec_load(residual))


cdef inline int finish_vectors(
    const int activation, const real* run, real* y, const real* residual, Py_ssize_t count
) noexcept nogil:
    """Finishes a run, which may be at y already, by vectors that overlap where samples do not fill them.

    A vector may be read from a shorter run: it is of the kernel's own making.
    """
    cdef vec last
    cdef real few[MOST_LANES]
    cdef Py_ssize_t i
    if count < LANES:
        if residual != NULL:
            vec_store(few, vec_splat(0))
            copy_samples(few, residual, count)
            residual = few
        vec_store(few, finished(activation, run, residual))
        copy_samples(y, few, count)
        return 0
    # The last vector comes first, so that nothing is finished twice where the run is at y.
    i = count - LANES
    last = finished(activation, run + i, NULL if residual == NULL else residual + i)
    i = 0
    while i < count - LANES:
        vec_store(y + i, finished(activation, run + i, NULL if residual == NULL else residual + i))
        i += LANES
    vec_store(y + count - LANES, last)
    return 0


cdef inline int finish_vector_runs(
    const int activation, const real* runs, Py_ssize_t run, char* y, Py_ssize_t y_step,
    const char* residual, Py_ssize_t residual_step, Py_ssize_t n, Py_ssize_t count,
) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(n):
        if residual == NULL:
            finish_vectors(activation, runs, <real*> y, NULL, count)
        else:
            finish_vectors(activation, runs, <real*> y, <const real*> residual, count)
            residual += residual_step
        runs += run
        y += y_step
    return 0


cdef extern from "ladder.h" nogil:
    void at_activation "with_constant"(
        int activation, int most, int (*)(
            const int, const real*, Py_ssize_t, char*, Py_ssize_t, const char*, Py_ssize_t, Py_ssize_t, Py_ssize_t
        ) noexcept nogil,
        const real* runs, Py_ssize_t run, char* y, Py_ssize_t y_step, const char* residual, Py_ssize_t residual_step,
        Py_ssize_t n, Py_ssize_t count)


cdef void activate_runs(
    int activation, const real* runs, Py_ssize_t run, char* y, Py_ssize_t y_step,
    const char* residual, Py_ssize_t residual_step, Py_ssize_t n, Py_ssize_t count,
) noexcept nogil:
    # The choice is made outside of the loops.
    if activation == IDENTITY:
        finish_vector_runs(IDENTITY, runs, run, y, y_step, residual, residual_step, n, count)
    else:
        at_activation(activation, LAST_ACTIVATION, finish_vector_runs,
                      runs, run, y, y_step, residual, residual_step, n, count)


cdef void finish_samples(
    const Job* job, const real* run, char* y, const char* residual, Py_ssize_t count
) noexcept nogil:
    """Finishes a run where y or the residual has gaps or another dtype."""
    cdef real other[RUN]
    cdef real sums[RUN]
    cdef Py_ssize_t n, y_step = job.y.stride[job.y.last], residual_step = job.residual.stride[job.residual.last]
    while count > 0:
        n = min(count, RUN)
        if residual != NULL:
            read_samples(&job.residual, other, residual, residual_step, n)
            residual += n * residual_step
        memcpy(sums, run, n * sizeof(real))
        activate_runs(job.activation, sums, 0, <char*> sums, 0, NULL if residual == NULL else <const char*> other, 0,
                      1, n)
        write_samples(&job.y, y, sums, n)
        y += n * y_step
        run += n
        count -= n


cdef void finish(
    const Job* job, const real* runs, Py_ssize_t run, char* y, Py_ssize_t y_step, const char* residual,
    Py_ssize_t residual_step, Py_ssize_t n, Py_ssize_t count,
) noexcept nogil:
    """Applies the epilogue to n runs of `count` sums, `run` apart, which belong at y and so many bytes further each.

    A run may be where it belongs already, if vectors can be written there.
    """
    cdef Py_ssize_t k
    nd_assert(n >= 0)
    nd_assert(count >= 0)
    if job.vector_epilogue:
        activate_runs(job.activation, runs, run, y, y_step, residual, residual_step, n, count)
        return
    for k in range(n):
        finish_samples(job, runs + k * run, y + k * y_step,
                       NULL if residual == NULL else residual + k * residual_step, count)
