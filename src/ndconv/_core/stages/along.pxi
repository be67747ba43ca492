# Samples along an axis from any position on: those that lie outside the array are what the padding mode says.

cdef struct Along:
    int mode
    real fill
    Py_ssize_t size, step    # samples of the axis, and the bytes from one to the next


cdef void read_along(
    const Samples* x, const Along* axis, const char* start, Py_ssize_t position, Py_ssize_t count,
    Py_ssize_t beside, Py_ssize_t beside_step, real* target,
) noexcept nogil:
    """Reads `count` positions of the axis that begins at `start`; of each, so many samples beside each other.

    These are the colours of a pixel, the columns of a row, or just one sample.
    """
    cdef Py_ssize_t i
    cdef const char* source
    cdef Run run
    while count > 0:
        run = source_run(axis.mode, axis.size, position, 1, count)
        if run.source == FILL:
            for i in range(run.length * beside):
                target[i] = axis.fill
        else:
            source = start + run.source * axis.step
            if beside == 1:
                read_run(x, target, source, run.step * axis.step, run.length)
            elif run.step == 1 and axis.step == beside * beside_step:
                read_run(x, target, source, beside_step, run.length * beside)
            else:
                for i in range(run.length):
                    read_run(x, target + i * beside, source + i * run.step * axis.step, beside_step, beside)
        target += run.length * beside
        position += run.length
        count -= run.length
