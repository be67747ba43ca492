# The micro-kernel of depthwise layers whose channels are last, or whose lines are short: a vector holds the channels of
# a pixel, of which each has its own weight for a tap. No sample is broadcast, and none is moved to another lane.
#
# Its taps come in chains: taps of neighbouring pixels, so that each loaded vector serves several taps.
#
# The contract of depthwise(sums, ..., pixels):
#   lanes   channels, each a group of its own.
#   sizes   1 to STRIP pixels; a chain has at least one tap.
#   reads   LANES samples of the bias; of each chain length vectors of weights, one after the other, and
#           pixels + length - 1 vectors of samples from x + offset on: those of the pixels and nothing beyond.
#   writes  sums, pixels * LANES of them and nothing beyond; some twice, with the same values.
#   align   a sample's own.
#   order   from the bias, chain by chain, tap by tap.
#   called  by run_depthwise, with a buffer that is finished later.

cdef enum:
    DEPTHWISE_PIXELS = 8    # enough sums to hide a multiply-add's latency
    DEPTHWISE_TAPS = 3      # of a chain that are taken together


cdef inline int add_neighbours(
    vec* acc, const real* x, const real* weights, const int pixels, const int taps
) noexcept nogil:
    """Adds a few taps of a chain to the sums of neighbouring pixels."""
    cdef vec weight[DEPTHWISE_TAPS]
    cdef vec sample
    cdef int i, t
    for t in range(taps):
        weight[t] = vec_load_once(weights + t * LANES)
    for i in range(pixels + taps - 1):
        sample = vec_load_once(x + i * LANES)
        for t in range(taps):
            if 0 <= i - t < pixels:
                acc[i - t] = acc[i - t] + sample * weight[t]
    return 0


cdef inline int depthwise_kernel(
    real* sums, const real* bias, const real* x, const real* weights,
    Py_ssize_t chains, const Py_ssize_t* offsets, const Py_ssize_t* lengths, const int pixels,
) noexcept nogil:
    """Makes the sums of neighbouring pixels, [pixel][lanes], one tap after the other."""
    cdef vec acc[DEPTHWISE_PIXELS]
    cdef const real* at
    cdef Py_ssize_t t, left
    cdef int i
    for i in range(pixels):
        acc[i] = vec_load(bias)
    for t in range(chains):
        at = x + offsets[t]
        left = lengths[t]
        while left >= DEPTHWISE_TAPS:
            add_neighbours(acc, opaque_pointer(at), weights, pixels, DEPTHWISE_TAPS)
            at += DEPTHWISE_TAPS * LANES
            weights += DEPTHWISE_TAPS * LANES
            left -= DEPTHWISE_TAPS
        if left == 2:
            add_neighbours(acc, opaque_pointer(at), weights, pixels, 2)
        elif left == 1:
            add_neighbours(acc, opaque_pointer(at), weights, pixels, 1)
        weights += left * LANES
    for i in range(pixels):
        vec_store(sums + i * LANES, acc[i])
    return 0


cdef bint depthwise_reads_within(
    const real* x, Py_ssize_t chains, const Py_ssize_t* offsets, const Py_ssize_t* lengths, Py_ssize_t pixels,
    const real* start, const real* end,
) noexcept nogil:
    """Whether all samples that are read for some pixels lie between two addresses: what the caller relies on."""
    cdef Py_ssize_t t
    for t in range(chains):
        if x + offsets[t] < start or x + offsets[t] + (pixels + lengths[t] - 1) * LANES > end:
            return False
    return True


cdef void depthwise(
    real* sums, const real* bias, const real* x, const real* weights,
    Py_ssize_t chains, const Py_ssize_t* offsets, const Py_ssize_t* lengths, Py_ssize_t pixels,
) noexcept nogil:
    """Makes the sums of some pixels of a line; where they do not fill a kernel, some are made twice."""
    cdef Py_ssize_t done = 0
    nd_assert_within(pixels, 1, STRIP)
    while done < pixels:
        if pixels >= DEPTHWISE_PIXELS:
            done = min(done, pixels - DEPTHWISE_PIXELS)
            depthwise_kernel(sums + done * LANES, bias, x + done * LANES, weights, chains, offsets, lengths,
                             DEPTHWISE_PIXELS)
            done += DEPTHWISE_PIXELS
        elif pixels >= DEPTHWISE_PIXELS // 2:
            done = min(done, pixels - DEPTHWISE_PIXELS // 2)
            depthwise_kernel(sums + done * LANES, bias, x + done * LANES, weights, chains, offsets, lengths,
                             DEPTHWISE_PIXELS // 2)
            done += DEPTHWISE_PIXELS // 2
        else:
            depthwise_kernel(sums + done * LANES, bias, x + done * LANES, weights, chains, offsets, lengths, 1)
            done += 1
