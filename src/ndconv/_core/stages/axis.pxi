# One axis: where a sample that may lie outside the array is read from.
# This index map is all that the core knows of padding modes; no kernel ever sees one.

cdef enum:
    ZEROS = 0
    REPLICATE = 1
    REFLECT = 2
    SYMMETRIC = 3
    CIRCULAR = 4

cdef struct Run:
    # Consecutive samples of a plane row that are read from x at a constant step (or filled).
    Py_ssize_t length
    Py_ssize_t source    # byte offset of the first sample from the row's start, or FILL
    Py_ssize_t step      # in bytes


cdef Run source_run(int mode, Py_ssize_t size, Py_ssize_t position, Py_ssize_t stride, Py_ssize_t count) noexcept nogil:
    """The longest run from `position` on: samples position, position + stride, ..., at most `count`, as indices."""
    cdef Run run
    cdef Py_ssize_t period, place, room
    nd_assert(stride > 0)
    nd_assert((size > 0) | (mode == ZEROS))
    run.source = FILL
    run.step = 0
    if 0 <= position < size:
        run.source = position
        run.step = stride
        room = (size - 1 - position) // stride + 1
    elif mode == ZEROS or mode == REPLICATE or size == 1:
        if mode != ZEROS:
            run.source = 0 if position < 0 else size - 1
        room = count if position >= 0 else (-position + stride - 1) // stride
    else:
        period = size if mode == CIRCULAR else 2 * size - 2 if mode == REFLECT else 2 * size
        place = position % period
        if place < 0:
            place += period
        if place < size:
            run.source = place
            run.step = stride
            room = (size - 1 - place) // stride + 1
        else:
            run.source = (period if mode == REFLECT else 2 * size - 1) - place
            run.step = -stride
            room = run.source // stride + 1
    run.length = min(count, room)
    return run
