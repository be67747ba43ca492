# The micro-kernel that is vectorised over output channels: pixels x vectors accumulators.
# A tap broadcasts one sample of each pixel; strides, dilation and odd widths cost nothing.
#
# Where input channels are many, LANES of them lie side by side in the planes, so that what a tile reads is whole
# cache lines on few pages; where they are few, or x itself serves as the planes, each has a plane of its own.
#
# The contract of multiply_tile(tile, pixels, vectors):
#   lanes   neighbouring output channels.
#   sizes   1 to TILE_VECTORS vectors, and 1 to most_pixels(vectors) pixels.
#   reads   of each tap channels * vectors * LANES weights, [channel][lane], from weights + tap.weight on, and for each
#           pixel i and channel c the one sample x[tap.x + i * LANES + c]; where planes are not interleaved, a tap has
#           one channel and reads x[tap.x + i]. Of the base, vectors * LANES samples for each pixel. Nothing beyond
#           them: a line's last tile reads no sample after the line. What is prefetched may lie anywhere.
#   writes  sums, pixels * vectors * LANES of them and nothing beyond. They may be the base.
#   align   a sample's own: vectors are loaded and stored at any address.
#   order   products are added up tap by tap, channel by channel, from zero, and then added to the base.
#   called  by run_tiles, run_phase_tiles and multiply_tiles.

cdef struct Tap:
    # One tap of a block of interleaved input channels: where their samples begin in the planes, and their weights in
    # the packed ones.
    Py_ssize_t x, weight, channels

cdef struct Tile:
    # What a tile multiplies and adds; its sums lie [pixel][vectors * LANES].
    real* sums
    const real* base               # what its products are added to, `base_step` samples from pixel to pixel
    Py_ssize_t base_step
    const real* x
    const real* weights
    Py_ssize_t n_taps              # of all blocks of input channels
    const Tap* taps
    bint interleaved
    # Samples and weights that are in no near cache do not arrive in time if hardware alone foresees them.
    bint distant                   # each tap asks for the samples of the next
    const real* ahead              # weights that follow: each channel asks for one vector, or always the same
    Py_ssize_t ahead_step          # LANES, or 0


cdef inline int add_tap(
    vec* acc, const real* x, const real* weight, const int pixels, const int vectors, const Py_ssize_t step
) noexcept nogil:
    cdef vec w[TILE_VECTORS]
    cdef int i, v
    for v in range(vectors):
        w[v] = vec_load(weight + v * LANES)
    for i in range(pixels):
        for v in range(vectors):
            acc[i * vectors + v] = acc[i * vectors + v] + w[v] * x[i * step]
    return 0


cdef inline int tile_kernel(
    const int pixels, const Tile* tile, const int vectors, const bint interleaved
) noexcept nogil:
    """Makes sums of the base and of the products of all taps, which are added up first: so errors grow less."""
    cdef vec acc[REGISTERS]
    cdef const Tap* tap = tile.taps
    cdef const real* x
    cdef const real* weight
    cdef const real* ahead = tile.ahead
    cdef Py_ssize_t t, c, ahead_step = tile.ahead_step
    cdef int i, v
    for i in range(pixels):
        for v in range(vectors):
            acc[i * vectors + v] = vec_splat(0)
    # Two products a turn: with one, the loop's own instructions take the multiply-adds' places.
    if interleaved:
        for t in range(tile.n_taps):
            x = tile.x + tap.x
            weight = tile.weights + tap.weight
            if tile.distant and t + 1 < tile.n_taps:
                for i in range(pixels):
                    prefetch(tile.x + tap[1].x + i * LANES)
            for c in range(tap.channels // 2):
                prefetch_ahead(ahead)
                prefetch_ahead(ahead + ahead_step)
                ahead += 2 * ahead_step
                add_tap(acc, x, weight, pixels, vectors, LANES)
                add_tap(acc, x + 1, weight + vectors * LANES, pixels, vectors, LANES)
                x += 2
                weight += 2 * vectors * LANES
            if tap.channels % 2:
                add_tap(acc, x, weight, pixels, vectors, LANES)
            tap += 1
    else:
        for t in range(tile.n_taps // 2):
            prefetch(tile.x + tap[0].x + TILE_PIXELS)
            add_tap(acc, tile.x + tap[0].x, tile.weights + tap[0].weight, pixels, vectors, 1)
            prefetch(tile.x + tap[1].x + TILE_PIXELS)
            add_tap(acc, tile.x + tap[1].x, tile.weights + tap[1].weight, pixels, vectors, 1)
            tap += 2
        if tile.n_taps % 2:
            add_tap(acc, tile.x + tap.x, tile.weights + tap.weight, pixels, vectors, 1)
    for i in range(pixels):
        for v in range(vectors):
            vec_store(tile.sums + (i * vectors + v) * LANES,
                      acc[i * vectors + v] + vec_load(tile.base + i * tile.base_step + v * LANES))
    return 0


cdef inline Py_ssize_t most_pixels(const Py_ssize_t vectors) noexcept nogil:
    """Pixels whose sums fit the registers beside the weights of two taps."""
    return min((REGISTERS - 2 * vectors) // vectors, TILE_PIXELS)


cdef extern from "ladder.h" nogil:
    void at_pixels "with_constant"(
        int pixels, Py_ssize_t most, int (*)(const int, const Tile*, const int, const bint) noexcept nogil,
        const Tile* tile, int vectors, bint interleaved)
    void at_vectors "with_constant"(
        int vectors, Py_ssize_t most, int (*)(const int, const Tile*, int, const bint) noexcept nogil,
        const Tile* tile, int pixels, bint interleaved)


cdef inline int tile_of_vectors(
    const int vectors, const Tile* tile, int pixels, const bint interleaved
) noexcept nogil:
    at_pixels(pixels, most_pixels(vectors), tile_kernel, tile, vectors, interleaved)
    return 0


cdef bint tile_reads_within(const Tile* tile, int pixels, const real* start, const real* end) noexcept nogil:
    """Whether all samples that a tile reads lie between two addresses: what its caller relies on."""
    cdef Py_ssize_t t, last_pixel = (pixels - 1) * (LANES if tile.interleaved else 1)
    cdef const real* x
    for t in range(tile.n_taps):
        x = tile.x + tile.taps[t].x
        if x < start or x + last_pixel + tile.taps[t].channels > end:
            return False
    return True


cdef void multiply_tile(const Tile* tile, int pixels, int vectors) noexcept nogil:
    nd_assert_within(vectors, 1, TILE_VECTORS)
    nd_assert_within(pixels, 1, most_pixels(vectors))
    nd_assert(tile.n_taps >= 0)
    nd_assert((tile.base_step == 0) | (tile.base_step == vectors * LANES))
    if tile.interleaved:
        at_vectors(vectors, TILE_VECTORS, tile_of_vectors, tile, pixels, True)
    else:
        at_vectors(vectors, TILE_VECTORS, tile_of_vectors, tile, pixels, False)


cdef void init_accumulators(
    real* sums, const real* bias, Py_ssize_t start, Py_ssize_t outputs, Py_ssize_t width
) noexcept nogil:
    """Sets a pixel's sums to the bias, and those of channels that do not exist to zero."""
    cdef Py_ssize_t k
    for k in range(width):
        sums[k] = 0
    if bias != NULL:
        for k in range(outputs):
            sums[k] = bias[start + k]
