# The micro-kernel for one output channel (SciPy's correlation, depthwise layers): several rows of pixels in
# registers, so that each loaded row of x serves every output row that it is a tap of.
#
# Its taps come in chains: taps whose places differ by exactly one plane row (`step`). Input row p of a chain
# is tap p - r of output row r.
#
# The contract of rows_of_pixels(p, rows, vectors, alike):
#   lanes   neighbouring pixels of a row.
#   sizes   1 to ROW_ROWS rows of 1 to ROW_VECTORS vectors, or one row of LONG_ROW_VECTORS; of these `tiles`, at least
#           1, side by side. The last vector of the last tile begins at `last`, from 0 to (vectors - 1) * LANES, within
#           the tile. A chain has at least one tap; what `alike` says of their lengths is so.
#   reads   of each channel the weights of all chains, one after the other, and of each chain length + rows - 1 rows of
#           samples, `step` apart, from x + channel * x_channel + offset on: whole vectors. Where rows are shorter than
#           a vector, they reach past the row, and past the last plane, behind which there is room.
#           Where not `first`, y is read as it is written.
#   writes  to each row of y, y_row apart, the tiles' vectors: no more than the row where that has a whole vector.
#   align   a sample's own.
#   order   from the bias, or what y has, channel by channel, chain by chain, tap by tap.
#   called  by run_rows, with y itself or a buffer for it, and run_phase_rows.

cdef enum:
    # What is known of the lengths of all chains.
    MIXED = 0
    ALL_OF_3 = 3
    ALL_LONG = 4    # at least ROW_ROWS; or at least the number of rows

cdef struct Rows:
    # What rows multiply and add: some neighbouring tiles of rows and vectors of pixels.
    real* y
    Py_ssize_t y_row                   # from row to row
    real bias
    bint first                         # sums begin with the bias, not with what y has
    const real* x
    const real* weights
    Py_ssize_t channels, x_channel
    Py_ssize_t chains
    const Py_ssize_t* offsets          # of chains, and how many taps they have
    const Py_ssize_t* lengths
    Py_ssize_t step                    # from tap to tap of a chain
    Py_ssize_t tiles
    Py_ssize_t last                    # where the last tile's last vector begins: so that it may overlap


cdef inline int chain(
    vec* acc, const real* x, Py_ssize_t step, const real* weights, Py_ssize_t length, Py_ssize_t last,
    const bint long_chain, const int rows, const int vectors,
) noexcept nogil:
    """Adds one chain. A long chain has at least `rows` taps; the length of a short one is a constant."""
    cdef vec sample[LONG_ROW_VECTORS]
    cdef const real* weight
    cdef Py_ssize_t p
    cdef int i, r, v
    # Rows come in: row r takes part from its first tap on.
    for i in range(rows - 1):
        for v in range(vectors):
            sample[v] = vec_load_once(x + (v * LANES if v < vectors - 1 else last))
        x += step
        for r in range(i + 1):
            if long_chain or i - r < length:
                for v in range(vectors):
                    acc[r * vectors + v] = acc[r * vectors + v] + sample[v] * weights[i - r]
    # All rows take part. (Weights that compilers kept from one row to the next would take the samples' registers.)
    for p in range(rows - 1, length):
        for v in range(vectors):
            sample[v] = vec_load_once(x + (v * LANES if v < vectors - 1 else last))
        weight = opaque_pointer(weights + p)
        for r in range(rows):
            for v in range(vectors):
                acc[r * vectors + v] = acc[r * vectors + v] + sample[v] * weight[-r]
        x += step    # last, so that the samples of a single row are operands from memory
    # Rows go out: row r is done after its last tap.
    p = length if long_chain or length > rows - 1 else rows - 1
    for i in range(rows - 1):
        if long_chain or p + i < length + rows - 1:
            for v in range(vectors):
                sample[v] = vec_load_once(x + (v * LANES if v < vectors - 1 else last))
            x += step
            for r in range(1, rows):
                if (i < r) if long_chain else (0 <= p + i - r < length):
                    for v in range(vectors):
                        acc[r * vectors + v] = acc[r * vectors + v] + sample[v] * weights[p + i - r]
    return 0


cdef inline int rows_kernel(const Rows* p, const int rows, const int vectors, const int alike) noexcept nogil:
    """Adds all products to y[row][...]."""
    # (Compilers keep accumulators in registers from their first value to their last only within a loop.)
    cdef vec acc[ROW_ROWS * ROW_VECTORS]
    cdef Py_ssize_t i, c, t, end = (vectors - 1) * LANES
    cdef Py_ssize_t channels = p.channels, x_channel = p.x_channel, chains = p.chains, step = p.step
    cdef const Py_ssize_t* offsets = p.offsets
    cdef const Py_ssize_t* lengths = p.lengths
    cdef real* y = p.y
    cdef const real* x = p.x
    cdef const real* weight
    cdef const real* channel
    cdef int r, v
    for i in range(p.tiles):
        if i == p.tiles - 1:
            end = p.last
        for r in range(rows):
            for v in range(vectors):
                if p.first:
                    acc[r * vectors + v] = vec_splat(p.bias)
                else:
                    acc[r * vectors + v] = vec_load(y + r * p.y_row + (v * LANES if v < vectors - 1 else end))
        weight = p.weights
        channel = x
        for c in range(channels):
            for t in range(chains):
                # Where all chains are alike, the choice is made before the loops: a choice within them would have the
                # accumulators leave their registers.
                if rows == 1 or alike == ALL_LONG or (alike == MIXED and lengths[t] >= rows):
                    chain(acc, channel + offsets[t], step, weight, lengths[t], end, True, rows, vectors)
                elif alike == ALL_OF_3 or lengths[t] == 3:
                    chain(acc, channel + offsets[t], step, weight, 3, end, False, rows, vectors)
                elif lengths[t] == 2:
                    chain(acc, channel + offsets[t], step, weight, 2, end, False, rows, vectors)
                else:
                    chain(acc, channel + offsets[t], step, weight, 1, end, False, rows, vectors)
                weight += lengths[t]
            channel += x_channel
        for r in range(rows):
            for v in range(vectors):
                vec_store(y + r * p.y_row + (v * LANES if v < vectors - 1 else end), acc[r * vectors + v])
        x += vectors * LANES
        y += vectors * LANES
    return 0


cdef inline int rows_of_chains(const int rows, const Rows* p, const int vectors, int alike) noexcept nogil:
    if alike == ALL_OF_3 and rows > 3:
        rows_kernel(p, rows, vectors, ALL_OF_3)
    elif alike != MIXED:
        rows_kernel(p, rows, vectors, ALL_LONG)
    else:
        rows_kernel(p, rows, vectors, MIXED)
    return 0


cdef extern from "ladder.h" nogil:
    void at_rows "with_constant"(
        int rows, Py_ssize_t most, int (*)(const int, const Rows*, const int, int) noexcept nogil,
        const Rows* p, int vectors, int alike)
    void rows_at_vectors "with_constant"(
        int vectors, Py_ssize_t most, int (*)(const int, const Rows*, int, int) noexcept nogil,
        const Rows* p, int rows, int alike)


cdef inline int rows_of_vectors(const int vectors, const Rows* p, int rows, int alike) noexcept nogil:
    at_rows(rows, ROW_ROWS, rows_of_chains, p, vectors, alike)
    return 0


cdef bint rows_read_within(const Rows* p, int rows, int vectors, const real* start, const real* end) noexcept nogil:
    """Whether all samples that rows read lie between two addresses: what their caller relies on."""
    cdef Py_ssize_t c, t, last_row, last_pixel = (p.tiles - 1) * vectors * LANES + p.last + LANES
    cdef const real* x
    for c in range(p.channels):
        for t in range(p.chains):
            x = p.x + c * p.x_channel + p.offsets[t]
            last_row = (p.lengths[t] + rows - 2) * p.step
            if min(x, x + last_row) < start or max(x, x + last_row) + last_pixel > end:
                return False
    return True


cdef void rows_of_pixels(const Rows* p, int rows, int vectors, int alike) noexcept nogil:
    nd_assert_within(rows, 1, ROW_ROWS)
    nd_assert_within(vectors, 1, LONG_ROW_VECTORS)
    nd_assert((vectors <= ROW_VECTORS) | (vectors == LONG_ROW_VECTORS) & (rows == 1))
    nd_assert(p.tiles >= 1)
    nd_assert_within(p.last, 0, (vectors - 1) * LANES)
    if vectors == LONG_ROW_VECTORS:
        rows_kernel(p, 1, LONG_ROW_VECTORS, ALL_LONG)
    else:
        rows_at_vectors(vectors, ROW_VECTORS, rows_of_vectors, p, rows, alike)
