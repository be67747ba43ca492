# Packing: a layer's weights in the order in which its micro-kernel reads them.

cdef struct Place:
    # Where a weight of an output channel goes: [block of interleaved input channels][tap][channel of the block].
    Py_ssize_t first, channels    # of the block
    Py_ssize_t channel, tap


cdef inline Place first_place(const Plan* plan) noexcept nogil:
    cdef Place place
    place.first = place.channel = place.tap = 0
    place.channels = min(plan.interleave, plan.channels_in)
    return place


cdef inline Py_ssize_t next_place(const Plan* plan, Place* place) noexcept nogil:
    """The place of a weight, in the order [channel][tap] of unpacked ones."""
    cdef Py_ssize_t at = place.first * plan.taps + place.tap * place.channels + place.channel
    place.tap += 1
    if place.tap == plan.taps:
        place.tap = 0
        place.channel += 1
        if place.channel == place.channels:
            place.channel = 0
            place.first += place.channels
            place.channels = min(plan.interleave, plan.channels_in - place.first)
    return at


cdef void pack_tile(const Plan* plan, const real* weights, Py_ssize_t start, real* packed) noexcept nogil:
    """The block of output channels that begins at `start`: [place][lanes], the last vector filled up with zeros."""
    cdef real turned[MOST_BLOCK]
    cdef Place place
    cdef Py_ssize_t i, j, k, v, done, at, width = tile_width(plan, start)
    cdef Py_ssize_t per_output = plan.channels_in * plan.taps
    packed += start * per_output
    for v in range(width // LANES):
        place = first_place(plan)
        done = 0
        if start + (v + 1) * LANES <= plan.channels_out:
            while done + LANES <= per_output:
                transpose_block(weights + (start + v * LANES) * per_output + done, per_output, turned, LANES)
                for i in range(LANES):
                    at = next_place(plan, &place)
                    vec_store(packed + at * width + v * LANES, vec_load(turned + i * LANES))
                done += LANES
        for j in range(done, per_output):
            at = next_place(plan, &place) * width
            for k in range(v * LANES, (v + 1) * LANES):
                packed[at + k] = 0
                if start + k < plan.channels_out:
                    packed[at + k] = weights[(start + k) * per_output + j]


cdef void pack_bank(const Plan* plan, const real* weights, real* packed) noexcept nogil:
    """[block of output channels][channel][tap][output channel]."""
    cdef Py_ssize_t c, t, k, block, start, end
    cdef Py_ssize_t per_output = plan.channels_in * plan.taps
    for block in range(plan.n_blocks):
        start = bank_start(plan, block)
        end = bank_start(plan, block + 1)
        for c in range(plan.channels_in):
            for t in range(plan.taps):
                for k in range(start, end):
                    packed[0] = weights[k * per_output + c * plan.taps + t]
                    packed += 1


cdef void pack_rows(const Plan* plan, const real* weights, real* packed) noexcept nogil:
    """[output channel][channel][taps in the order of their chains]."""
    cdef Py_ssize_t k, t
    for k in range(plan.channels_out * plan.channels_in):
        for t in range(plan.taps):
            packed[t] = weights[plan.tap_order[t]]
        packed += plan.taps
        weights += plan.taps


cdef Py_ssize_t n_packed_parts(const Plan* plan) noexcept nogil:
    """Into how many parts the packing of one group's weights comes apart."""
    return parts(plan.channels_out, TILE_VECTORS * LANES) if plan.kernel == TILE else 1


cdef void pack_part(const Plan* plan, const real* weights, Py_ssize_t part, real* packed) noexcept nogil:
    """Packs a part of the weights of one group."""
    if plan.kernel == TILE:
        pack_tile(plan, weights, part * TILE_VECTORS * LANES, packed)
    elif plan.kernel == BANK:
        pack_bank(plan, weights, packed)
    else:
        pack_rows(plan, weights, packed)


cdef bint all_finite(const real* weights, Py_ssize_t count) noexcept nogil:
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
