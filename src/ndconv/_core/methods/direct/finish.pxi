# Finished sums on their way from the kernels into the epilogue.


cdef void finish_pixels(const Plan* plan, const Job* job, const Box* box, const real* runs, Py_ssize_t run,
                        Py_ssize_t channel, Py_ssize_t end_channel, Py_ssize_t line, Py_ssize_t pixel,
                        Py_ssize_t count) noexcept nogil:
    """Finishes a run of each of some output channels; where y's flat rows have gaps, row by row of y."""
    cdef Py_ssize_t n, k
    # Components of complex channels do not lie at equal steps.
    cdef Py_ssize_t at_once = end_channel - channel if job.y.components == 1 else 1
    cdef char* y
    cdef const char* residual = NULL
    while count > 0:
        n = count
        if plan.planes.flat and not job.vector_epilogue:
            n = min(count, box.extent[plan.ndim - 1] - pixel % box.extent[plan.ndim - 1])
        y = box.y + output_offset(plan, &job.y, box, line, pixel)
        if box.residual != NULL:
            residual = box.residual + output_offset(plan, &job.residual, box, line, pixel)
        k = channel
        while k < end_channel:
            finish(job, runs + (k - channel) * run, run, y + channel_offset(&job.y, k), job.y.channel,
                   NULL if residual == NULL else residual + channel_offset(&job.residual, k), job.residual.channel,
                   at_once, n)
            k += at_once
        runs += n
        pixel += n
        count -= n


cdef void finish_channels(const Plan* plan, const Job* job, const Box* box, const real* sums, Py_ssize_t width,
                          Py_ssize_t channel, Py_ssize_t channels, Py_ssize_t line, Py_ssize_t pixel,
                          Py_ssize_t count) noexcept nogil:
    """Finishes pixels whose channels are neighbours in y, as they are in `sums`."""
    cdef Py_ssize_t n, last = plan.ndim - 1
    cdef char* y
    cdef const char* residual = NULL
    while count > 0:
        n = count
        if plan.planes.flat:
            n = min(count, box.extent[last] - pixel % box.extent[last])
        y = box.y + channel * job.y.channel + output_offset(plan, &job.y, box, line, pixel)
        if box.residual != NULL:
            residual = (box.residual + channel * job.residual.channel
                        + output_offset(plan, &job.residual, box, line, pixel))
        activate_runs(job.activation, sums, width, y, job.y.stride[last], residual, job.residual.stride[last], n,
                      channels)
        sums += n * width
        pixel += n
        count -= n


cdef void finish_lines(const Plan* plan, const Job* job, const Box* box, const real* runs, Py_ssize_t run,
                       Py_ssize_t channel, Py_ssize_t line, Py_ssize_t lines, Py_ssize_t pixel,
                       Py_ssize_t count) noexcept nogil:
    """Finishes runs of one output channel, below each other in y."""
    cdef int axis = plan.ndim - 2
    cdef const char* residual = NULL
    if plan.planes.flat or axis < 0:
        finish_pixels(plan, job, box, runs, run, channel, channel + 1, line, pixel, count)
        return
    if box.residual != NULL:
        residual = (box.residual + channel_offset(&job.residual, channel)
                    + output_offset(plan, &job.residual, box, line, pixel))
    finish(job, runs, run, box.y + channel_offset(&job.y, channel) + output_offset(plan, &job.y, box, line, pixel),
           job.y.stride[axis], residual, job.residual.stride[axis], lines, count)


cdef void transpose_sums(const real* sums, real* columns, Py_ssize_t pixels, Py_ssize_t width) noexcept nogil:
    """Transposes [pixel][channel] into [channel][pixel], whole vectors at a time."""
    cdef Py_ssize_t i, k = 0
    while k < width:
        i = 0
        while i < pixels:
            transpose_block(sums + i * width + k, width, columns + k * STRIP + i, STRIP)
            i += LANES
        k += LANES


cdef inline void prefetch_row(real* y, const char* residual, Py_ssize_t count) noexcept nogil:
    """Asks for what the epilogue will read and write, both of the compute type."""
    cdef Py_ssize_t i = 0
    while i < count:
        prefetch_to_write(y + i)
        if residual != NULL:
            prefetch(<const real*> residual + i)
        i += LANES
