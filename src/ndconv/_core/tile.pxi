# The micro-kernel that is vectorised over output channels: TILE_PIXELS x TILE_VECTORS accumulators.
# A tap broadcasts one sample of each pixel; strides, dilation and odd widths cost nothing.

cdef inline int tile_kernel(
    real* sums, const real* x, const real* weights,
    Py_ssize_t channels, Py_ssize_t x_channel, Py_ssize_t w_channel,
    Py_ssize_t taps, const Py_ssize_t* offsets, const Py_ssize_t* places,
    const int pixels, const int vectors,
) noexcept nogil:
    """Adds the products of all channels and taps to sums[pixel][vectors * LANES]."""
    cdef vec acc[TILE_PIXELS * TILE_VECTORS]
    cdef vec w[TILE_VECTORS]
    cdef Py_ssize_t c, t
    cdef const real* at
    cdef const real* weight
    cdef int i, v
    for i in range(pixels):
        for v in range(vectors):
            acc[i * vectors + v] = vec_load(sums + (i * vectors + v) * LANES)
    for c in range(channels):
        for t in range(taps):
            at = x + offsets[t]
            weight = weights + places[t]
            for v in range(vectors):
                w[v] = vec_load(weight + v * LANES)
            for i in range(pixels):
                for v in range(vectors):
                    acc[i * vectors + v] = acc[i * vectors + v] + w[v] * at[i]
        x += x_channel
        weights += w_channel
    for i in range(pixels):
        for v in range(vectors):
            vec_store(sums + (i * vectors + v) * LANES, acc[i * vectors + v])
    return 0


cdef inline int tile_of_vectors(
    real* sums, const real* x, const real* weights,
    Py_ssize_t channels, Py_ssize_t x_channel, Py_ssize_t w_channel,
    Py_ssize_t taps, const Py_ssize_t* offsets, const Py_ssize_t* places,
    int pixels, const int vectors,
) noexcept nogil:
    # Sizes above TILE_PIXELS are constants' dead branches, so they cost nothing where registers are few.
    if pixels == 1:
        tile_kernel(sums, x, weights, channels, x_channel, w_channel, taps, offsets, places, 1, vectors)
    elif pixels == 2:
        tile_kernel(sums, x, weights, channels, x_channel, w_channel, taps, offsets, places, 2, vectors)
    elif pixels == 3:
        tile_kernel(sums, x, weights, channels, x_channel, w_channel, taps, offsets, places, 3, vectors)
    elif pixels == 4:
        tile_kernel(sums, x, weights, channels, x_channel, w_channel, taps, offsets, places, 4, vectors)
    elif pixels == 5:
        tile_kernel(sums, x, weights, channels, x_channel, w_channel, taps, offsets, places, 5, vectors)
    elif pixels == 6:
        tile_kernel(sums, x, weights, channels, x_channel, w_channel, taps, offsets, places, 6, vectors)
    elif TILE_PIXELS == 14:
        if pixels == 7:
            tile_kernel(sums, x, weights, channels, x_channel, w_channel, taps, offsets, places, 7, vectors)
        elif pixels == 8:
            tile_kernel(sums, x, weights, channels, x_channel, w_channel, taps, offsets, places, 8, vectors)
        elif pixels == 9:
            tile_kernel(sums, x, weights, channels, x_channel, w_channel, taps, offsets, places, 9, vectors)
        elif pixels == 10:
            tile_kernel(sums, x, weights, channels, x_channel, w_channel, taps, offsets, places, 10, vectors)
        elif pixels == 11:
            tile_kernel(sums, x, weights, channels, x_channel, w_channel, taps, offsets, places, 11, vectors)
        elif pixels == 12:
            tile_kernel(sums, x, weights, channels, x_channel, w_channel, taps, offsets, places, 12, vectors)
        elif pixels == 13:
            tile_kernel(sums, x, weights, channels, x_channel, w_channel, taps, offsets, places, 13, vectors)
        elif pixels == 14:
            tile_kernel(sums, x, weights, channels, x_channel, w_channel, taps, offsets, places, 14, vectors)
    return 0


cdef void tile(
    real* sums, const real* x, const real* weights,
    Py_ssize_t channels, Py_ssize_t x_channel, Py_ssize_t w_channel,
    Py_ssize_t taps, const Py_ssize_t* offsets, const Py_ssize_t* places,
    int pixels, int vectors,
) noexcept nogil:
    if vectors == 2:
        tile_of_vectors(sums, x, weights, channels, x_channel, w_channel, taps, offsets, places, pixels, 2)
    else:
        tile_of_vectors(sums, x, weights, channels, x_channel, w_channel, taps, offsets, places, pixels, 1)
