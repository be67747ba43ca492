# The micro-kernel that is vectorised over output channels: pixels x vectors accumulators.
# A tap broadcasts one sample of each pixel; strides, dilation and odd widths cost nothing.

cdef struct Tap:
    # One tap of one input channel: where its samples begin in the planes, and its weights in the packed ones.
    Py_ssize_t x, weight

cdef struct Tile:
    # What a tile multiplies and adds; its sums lie [pixel][vectors * LANES].
    real* sums
    const real* x
    const real* weights
    Py_ssize_t n_taps              # of all input channels
    const Tap* taps


cdef inline int add_tap(
    vec* acc, const real* x, const real* weight, const int pixels, const int vectors
) noexcept nogil:
    cdef vec w[TILE_VECTORS]
    cdef int i, v
    prefetch(x + TILE_PIXELS)
    for v in range(vectors):
        w[v] = vec_load(weight + v * LANES)
    for i in range(pixels):
        for v in range(vectors):
            acc[i * vectors + v] = acc[i * vectors + v] + w[v] * x[i]
    return 0


cdef inline int tile_kernel(const Tile* tile, const int pixels, const int vectors) noexcept nogil:
    """Adds the products of all taps to the sums."""
    cdef vec acc[REGISTERS]
    cdef const real* x = tile.x
    cdef const real* weights = tile.weights
    cdef const Tap* taps = tile.taps
    cdef Py_ssize_t t
    cdef int i, v
    for i in range(pixels):
        for v in range(vectors):
            acc[i * vectors + v] = vec_load(tile.sums + (i * vectors + v) * LANES)
    # Two taps a turn: with one, the loop's own instructions take the multiply-adds' places.
    for t in range(tile.n_taps // 2):
        add_tap(acc, x + taps[0].x, weights + taps[0].weight, pixels, vectors)
        add_tap(acc, x + taps[1].x, weights + taps[1].weight, pixels, vectors)
        taps += 2
    if tile.n_taps % 2:
        add_tap(acc, x + taps[0].x, weights + taps[0].weight, pixels, vectors)
    for i in range(pixels):
        for v in range(vectors):
            vec_store(tile.sums + (i * vectors + v) * LANES, acc[i * vectors + v])
    return 0


cdef inline Py_ssize_t most_pixels(const Py_ssize_t vectors) noexcept nogil:
    """Pixels whose sums fit the registers beside the weights of two taps."""
    return min((REGISTERS - 2 * vectors) // vectors, TILE_PIXELS)


cdef inline int tile_of_vectors(const Tile* tile, const int pixels, const int vectors) noexcept nogil:
    # Sizes above most_pixels are constants' dead branches.
    if pixels == 1 and most_pixels(vectors) >= 1:
        tile_kernel(tile, 1, vectors)
    elif pixels == 2 and most_pixels(vectors) >= 2:
        tile_kernel(tile, 2, vectors)
    elif pixels == 3 and most_pixels(vectors) >= 3:
        tile_kernel(tile, 3, vectors)
    elif pixels == 4 and most_pixels(vectors) >= 4:
        tile_kernel(tile, 4, vectors)
    elif pixels == 5 and most_pixels(vectors) >= 5:
        tile_kernel(tile, 5, vectors)
    elif pixels == 6 and most_pixels(vectors) >= 6:
        tile_kernel(tile, 6, vectors)
    elif pixels == 7 and most_pixels(vectors) >= 7:
        tile_kernel(tile, 7, vectors)
    elif pixels == 8 and most_pixels(vectors) >= 8:
        tile_kernel(tile, 8, vectors)
    elif pixels == 9 and most_pixels(vectors) >= 9:
        tile_kernel(tile, 9, vectors)
    elif pixels == 10 and most_pixels(vectors) >= 10:
        tile_kernel(tile, 10, vectors)
    elif pixels == 11 and most_pixels(vectors) >= 11:
        tile_kernel(tile, 11, vectors)
    elif pixels == 12 and most_pixels(vectors) >= 12:
        tile_kernel(tile, 12, vectors)
    return 0


cdef void multiply_tile(const Tile* tile, int pixels, int vectors) noexcept nogil:
    if vectors == 1:
        tile_of_vectors(tile, pixels, 1)
    elif vectors == 2:
        tile_of_vectors(tile, pixels, 2)
    elif vectors == 3 and TILE_VECTORS >= 3:
        tile_of_vectors(tile, pixels, 3)
    elif vectors == 4 and TILE_VECTORS >= 4:
        tile_of_vectors(tile, pixels, 4)
