# The micro-kernel that is vectorised along the pixels, for a bank of few output channels (or pixels in
# long runs): BANK_CHANNELS x BANK_VECTORS accumulators. A tap broadcasts one weight of each channel.
#
# The contract of bank(b, outputs, vectors):
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
#   called  by run_bank_stretch, with y itself or a buffer for it.

cdef struct Bank:
    # What a bank multiplies and adds.
    real* y
    Py_ssize_t y_channel           # from output to output
    const real* bias               # or NULL
    bint first                     # sums begin with the bias, not with what y has
    const real* x
    const real* weights
    Py_ssize_t channels, x_channel
    Py_ssize_t taps
    const Py_ssize_t* offsets      # of taps
    Py_ssize_t last                # where the last vector of pixels begins: so that it may overlap


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


cdef inline int bank_kernel(const int outputs, const Bank* b, const int vectors) noexcept nogil:
    """Adds all products to y[output][...]."""
    cdef vec acc[BANK_CHANNELS * BANK_VECTORS]
    cdef const real* x = b.x
    cdef const real* weights = b.weights
    cdef Py_ssize_t c, t, channels = b.channels
    cdef int k, v
    for k in range(outputs):
        for v in range(vectors):
            if not b.first:
                acc[k * vectors + v] = vec_load(b.y + k * b.y_channel + (v * LANES if v < vectors - 1 else b.last))
            elif b.bias == NULL:
                acc[k * vectors + v] = vec_splat(0)
            else:
                acc[k * vectors + v] = vec_splat(b.bias[k])
    if b.taps == 1:
        # A loop of its own, without another loop's instructions in it.
        x += b.offsets[0]
        for c in range(channels):
            add_bank_tap(acc, x, weights, b.last, outputs, vectors)
            weights += outputs
            x += b.x_channel
        channels = 0
    for c in range(channels):
        t = 0
        while t + 2 <= b.taps:
            add_bank_tap(acc, x + b.offsets[t], weights, b.last, outputs, vectors)
            add_bank_tap(acc, x + b.offsets[t + 1], weights + outputs, b.last, outputs, vectors)
            weights += 2 * outputs
            t += 2
        if t < b.taps:
            add_bank_tap(acc, x + b.offsets[t], weights, b.last, outputs, vectors)
            weights += outputs
        x += b.x_channel
    for k in range(outputs):
        for v in range(vectors):
            vec_store(b.y + k * b.y_channel + (v * LANES if v < vectors - 1 else b.last), acc[k * vectors + v])
    return 0


cdef extern from "ladder.h" nogil:
    void bank_at_outputs "with_constant"(
        int outputs, Py_ssize_t most, int (*)(const int, const Bank*, const int) noexcept nogil,
        const Bank* b, int vectors)
    void bank_at_vectors "with_constant"(
        int vectors, Py_ssize_t most, int (*)(const int, const Bank*, int) noexcept nogil,
        const Bank* b, int outputs)


cdef inline int bank_of_vectors(const int vectors, const Bank* b, int outputs) noexcept nogil:
    bank_at_outputs(outputs, BANK_CHANNELS, bank_kernel, b, vectors)
    return 0


cdef bint bank_reads_within(const Bank* b, const real* start, const real* end) noexcept nogil:
    """Whether all samples that a bank reads lie between two addresses: what its caller relies on."""
    cdef Py_ssize_t c, t
    cdef const real* x
    for c in range(b.channels):
        for t in range(b.taps):
            x = b.x + c * b.x_channel + b.offsets[t]
            if x < start or x + b.last + LANES > end:
                return False
    return True


cdef void bank(const Bank* b, int outputs, int vectors) noexcept nogil:
    nd_assert_within(outputs, 1, BANK_CHANNELS)
    nd_assert_within(vectors, 1, BANK_VECTORS)
    nd_assert_within(b.last, 0, (vectors - 1) * LANES)
    nd_assert(b.taps >= 0)
    nd_assert(b.channels >= 0)
    bank_at_vectors(vectors, BANK_VECTORS, bank_of_vectors, b, outputs)
