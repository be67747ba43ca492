# Packing: a layer's weights in the order in which its micro-kernel reads them.
#
# The contract of pack_block(plan, order, number, block, packed):
#   lanes   neighbouring output channels for the tile kernel, channels for the depthwise one.
#   reads   the weights of set `number`, in any order of memory for the tile kernel, C order for the others; by vectors
#           where those end before order.end.
#   writes  the block's own of the set's plan.set_size samples, zeros where a vector has more lanes than there are
#           channels. Blocks of a set touch nothing in common, so workers may share one.
#   align   a sample's own for weights; a cache line for the first set.
#   called  by pack_task. Winograd's values are made by pack_values, which reads as this does.

cdef enum:
    ROWS_AT_ONCE = 64

cdef struct Place:
    # Where a weight of an output channel goes: [block of interleaved input channels][tap][channel of the block].
    Py_ssize_t first, channels    # of the block
    Py_ssize_t channel, tap


cdef inline Place first_place(const Plan* plan) noexcept nogil:
    cdef Place place
    place.first = place.channel = place.tap = 0
    place.channels = min(plan.planes.interleave, plan.channels_in)
    return place


cdef inline Py_ssize_t next_place(const Plan* plan, Place* place) noexcept nogil:
    """The place of a weight, in the order [channel][tap] of unpacked ones."""
    cdef Py_ssize_t at = place.first * plan.taps.count + place.tap * place.channels + place.channel
    place.tap += 1
    if place.tap == plan.taps.count:
        place.tap = 0
        place.channel += 1
        if place.channel == place.channels:
            place.channel = 0
            place.first += place.channels
            place.channels = min(plan.planes.interleave, plan.channels_in - place.first)
    return at


cdef void pack_tile(const Plan* plan, const Order* order, Py_ssize_t number, Py_ssize_t start,
                    real* packed) noexcept nogil:
    """The block of output channels that begins at `start`: [place][lanes], the last vector filled up with zeros."""
    cdef real rows[ROWS_AT_ONCE * MOST_LANES]
    cdef Py_ssize_t places[ROWS_AT_ONCE]
    cdef Place place = first_place(plan)
    cdef Py_ssize_t i, v, count, done = 0, width = tile_width(plan, start)
    cdef Py_ssize_t per_output = plan.channels_in * plan.taps.count
    packed += start * per_output
    while done < per_output:
        count = min(ROWS_AT_ONCE, per_output - done)
        for i in range(count):
            places[i] = next_place(plan, &place) * width
        for v in range(width // LANES):
            read_rows(order, number, start + v * LANES, done, count, rows)
            for i in range(count):
                vec_store(packed + places[i] + v * LANES, vec_load(rows + i * LANES))
        done += count


cdef void pack_bank(const Plan* plan, const real* weights, real* packed) noexcept nogil:
    """[block of output channels][channel][tap][output channel]."""
    cdef Py_ssize_t c, t, k, block, start, end
    cdef Py_ssize_t per_output = plan.channels_in * plan.taps.count
    for block in range(plan.blocking.n_blocks):
        start = bank_start(plan, block)
        end = bank_start(plan, block + 1)
        for c in range(plan.channels_in):
            for t in range(plan.taps.count):
                for k in range(start, end):
                    packed[0] = weights[k * per_output + c * plan.taps.count + t]
                    packed += 1


cdef void pack_rows(const Plan* plan, const real* weights, real* packed) noexcept nogil:
    """[output channel][channel][taps in the order of their chains]."""
    cdef Py_ssize_t k, t
    for k in range(plan.channels_out * plan.channels_in):
        for t in range(plan.taps.count):
            packed[t] = weights[plan.taps.order[t]]
        packed += plan.taps.count
        weights += plan.taps.count


cdef void pack_depthwise(const Plan* plan, const real* weights, real* packed) noexcept nogil:
    """[taps in the order of their chains][lanes]."""
    cdef Py_ssize_t k, t
    for t in range(plan.taps.count):
        for k in range(LANES):
            packed[t * LANES + k] = weights[k * plan.taps.count + plan.taps.order[t]]


cdef Py_ssize_t n_pack_blocks(const Plan* plan) noexcept nogil:
    """How many blocks of one group's weights are packed each on its own."""
    return ceil_div(plan.channels_out, TILE_VECTORS * LANES) if plan.kernel == TILE else 1


cdef bint are_finite(const real* weights, Py_ssize_t count) noexcept nogil:
    """Whether zero times each weight is zero."""
    cdef vec sums = vec_splat(0)
    cdef real sum_of_lanes[64]
    cdef real total = 0
    cdef Py_ssize_t i = 0
    while i + LANES <= count:
        sums = sums + vec_load(weights + i) * <real> 0
        i += LANES
    vec_store(sum_of_lanes, sums)
    while i < count:
        total = total + weights[i] * <real> 0
        i += 1
    for i in range(LANES):
        total = total + sum_of_lanes[i]
    return total == 0


cdef bint pack_block(const Plan* plan, const Order* order, Py_ssize_t number, Py_ssize_t block,
                     real* packed) noexcept nogil:
    """Packs a block of the weights of one group; whether they are finite, if that matters (else, yes).

    Weights of the kernels for few channels are contiguous.
    """
    cdef Py_ssize_t start = block * TILE_VECTORS * LANES, per_output = plan.channels_in * plan.taps.count
    cdef const real* weights = <const real*> (order.source + number * order.set)
    nd_assert_within(block, 0, n_pack_blocks(plan) - 1)
    nd_assert(order.taps == plan.taps.count)
    if plan.kernel == TILE:
        pack_tile(plan, order, number, start, packed)
        return not plan.taps.zeros or are_finite(packed + start * per_output, tile_width(plan, start) * per_output)
    if plan.kernel == DEPTHWISE:
        pack_depthwise(plan, weights, packed)
    elif plan.kernel == BANK:
        pack_bank(plan, weights, packed)
    else:
        pack_rows(plan, weights, packed)
    return not plan.taps.zeros or are_finite(packed, plan.set_size)
