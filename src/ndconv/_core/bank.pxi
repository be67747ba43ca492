# The micro-kernel that is vectorised along the pixels, for a bank of few output channels (or pixels in
# long runs): BANK_CHANNELS x BANK_VECTORS accumulators. A tap broadcasts one weight of each channel.
#
# The contract of bank(y, ..., outputs, vectors):
#   lanes   neighbouring pixels of a line.
#   sizes   1 to BANK_CHANNELS outputs and 1 to BANK_VECTORS vectors. The last vector begins at `last`, from 0 to
#           (vectors - 1) * LANES, so that it may overlap the one before it.
#   reads   of each channel and tap `outputs` weights, one after the other, and last + LANES samples from
#           x + channel * x_channel + offsets[tap] on: whole vectors. Where a line is shorter than one, they reach past
#           it, and past the last plane, behind which there is room.
#           `bias` is NULL or has `outputs` samples; where not `first`, y is read as it is written.
#   writes  last + LANES samples from y + output * y_channel on: no more than the line where that has a whole vector.
#   align   a sample's own.
#   order   from the bias, or what y has, channel by channel, tap by tap.
#   called  by run_bank_stretch (direct.pxi), with y itself or a buffer for it.

cdef inline int add_bank_tap(
    vec* acc, const real* x, const real* weights, Py_ssize_t last, const int outputs, const int vectors
) noexcept nogil:
    cdef vec sample[BANK_VECTORS]
    cdef int k, v
    for v in range(vectors):
        sample[v] = vec_load(x + (v * LANES if v < vectors - 1 else last))
    for k in range(outputs):
        for v in range(vectors):
            acc[k * vectors + v] = acc[k * vectors + v] + sample[v] * weights[k]
    return 0


cdef inline int bank_kernel(
    real* y, Py_ssize_t y_channel, const real* bias, bint first,
    const real* x, const real* weights,
    Py_ssize_t channels, Py_ssize_t x_channel, Py_ssize_t taps, const Py_ssize_t* offsets,
    Py_ssize_t last, const int outputs, const int vectors,
) noexcept nogil:
    """Adds all products to y[output][...]; the last vector of pixels begins at `last`, so that it may overlap."""
    cdef vec acc[BANK_CHANNELS * BANK_VECTORS]
    cdef Py_ssize_t c, t
    cdef int k, v
    for k in range(outputs):
        for v in range(vectors):
            if not first:
                acc[k * vectors + v] = vec_load(y + k * y_channel + (v * LANES if v < vectors - 1 else last))
            elif bias == NULL:
                acc[k * vectors + v] = vec_splat(0)
            else:
                acc[k * vectors + v] = vec_splat(bias[k])
    if taps == 1:
        # A loop of its own, without another loop's instructions in it.
        x += offsets[0]
        for c in range(channels):
            add_bank_tap(acc, x, weights, last, outputs, vectors)
            weights += outputs
            x += x_channel
        channels = 0
    for c in range(channels):
        t = 0
        while t + 2 <= taps:
            add_bank_tap(acc, x + offsets[t], weights, last, outputs, vectors)
            add_bank_tap(acc, x + offsets[t + 1], weights + outputs, last, outputs, vectors)
            weights += 2 * outputs
            t += 2
        if t < taps:
            add_bank_tap(acc, x + offsets[t], weights, last, outputs, vectors)
            weights += outputs
        x += x_channel
    for k in range(outputs):
        for v in range(vectors):
            vec_store(y + k * y_channel + (v * LANES if v < vectors - 1 else last), acc[k * vectors + v])
    return 0


cdef inline int bank_of_vectors(
    real* y, Py_ssize_t y_channel, const real* bias, bint first,
    const real* x, const real* weights,
    Py_ssize_t channels, Py_ssize_t x_channel, Py_ssize_t taps, const Py_ssize_t* offsets,
    Py_ssize_t last, int outputs, const int vectors,
) noexcept nogil:
    if outputs == 1:
        bank_kernel(y, y_channel, bias, first, x, weights, channels, x_channel, taps, offsets, last, 1, vectors)
    elif outputs == 2:
        bank_kernel(y, y_channel, bias, first, x, weights, channels, x_channel, taps, offsets, last, 2, vectors)
    elif outputs == 3:
        bank_kernel(y, y_channel, bias, first, x, weights, channels, x_channel, taps, offsets, last, 3, vectors)
    elif outputs == 4:
        bank_kernel(y, y_channel, bias, first, x, weights, channels, x_channel, taps, offsets, last, 4, vectors)
    elif BANK_CHANNELS == 8:
        if outputs == 5:
            bank_kernel(y, y_channel, bias, first, x, weights, channels, x_channel, taps, offsets, last, 5, vectors)
        elif outputs == 6:
            bank_kernel(y, y_channel, bias, first, x, weights, channels, x_channel, taps, offsets, last, 6, vectors)
        elif outputs == 7:
            bank_kernel(y, y_channel, bias, first, x, weights, channels, x_channel, taps, offsets, last, 7, vectors)
        elif outputs == 8:
            bank_kernel(y, y_channel, bias, first, x, weights, channels, x_channel, taps, offsets, last, 8, vectors)
    return 0


cdef void bank(
    real* y, Py_ssize_t y_channel, const real* bias, bint first,
    const real* x, const real* weights,
    Py_ssize_t channels, Py_ssize_t x_channel, Py_ssize_t taps, const Py_ssize_t* offsets,
    Py_ssize_t last, int outputs, int vectors,
) noexcept nogil:
    nd_assert_within(outputs, 1, BANK_CHANNELS)
    nd_assert_within(vectors, 1, BANK_VECTORS)
    nd_assert_within(last, 0, (vectors - 1) * LANES)
    nd_assert(taps >= 0)
    nd_assert(channels >= 0)
    if vectors == 3:
        bank_of_vectors(y, y_channel, bias, first, x, weights, channels, x_channel, taps, offsets, last, outputs, 3)
    elif vectors == 2:
        bank_of_vectors(y, y_channel, bias, first, x, weights, channels, x_channel, taps, offsets, last, outputs, 2)
    else:
        bank_of_vectors(y, y_channel, bias, first, x, weights, channels, x_channel, taps, offsets, last, outputs, 1)
