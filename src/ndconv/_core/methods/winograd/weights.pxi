# Weights: filters become values at points, G g G^T, which are packed for the products.

cdef enum:
    NO_SHARE = 2    # instead of the share of a weight, which is at most 1

cdef enum:
    PACKED_AT_ONCE = 16       # pairs of an input channel and a tap whose values are made before they are stored

cdef struct PackWorkspace:
    # What a worker that packs weights keeps.
    real* rows                 # [weight][lanes] of one vector of output channels
    real* values               # [phase][point][input channel][output channel of the block]


cdef Py_ssize_t lay_out_pack(const Tiling* tiling, char* at, PackWorkspace* workspace) noexcept nogil:
    cdef char* start = at
    cdef Py_ssize_t taps = tiling.row_taps * tiling.column_taps
    workspace.rows = <real*> take(&at, PACKED_AT_ONCE * taps * LANES * sizeof(real))
    workspace.values = <real*> take(
        &at, tiling.phases * tiling.points * (PACKED_AT_ONCE * MOST_VECTOR + LANES) * sizeof(real)
    )
    return at - start


cdef inline Py_ssize_t block_start(const Plan* plan, const Tiling* tiling, Py_ssize_t channel) noexcept nogil:
    """Where the packed weights of the block that begins with an output channel begin; each ends with the shares."""
    return channel * (tiling.weight_values * plan.channels_in * plan.taps.count + 1)


cdef double share_of_block(const Plan* plan, const Tiling* tiling, const real* packed, Py_ssize_t block) noexcept nogil:
    """The largest part that a single weight has in the sum of all of an output channel, in absolute values."""
    cdef Py_ssize_t k, width = tile_width(plan, block)
    cdef double share = 0
    packed += width * tiling.weight_values * plan.channels_in * plan.taps.count
    for k in range(min(width, plan.channels_out - block)):
        share = max(share, packed[k])
    return share


cdef inline int transform_filter_of(
    const Tiling* tiling, const real* weights, real* values, Py_ssize_t step,
    const int row_taps, const int column_taps, const int height, const int width
) noexcept nogil:
    cdef wide weight[MOST_POINTS]
    cdef wide half[MOST_POINTS]
    cdef wide value[MOST_POINTS]
    cdef int i, j
    for i in range(row_taps):
        for j in range(column_taps):
            weight[i * column_taps + j] = vec_widen(vec_load(
                weights + (i * tiling.row_step * tiling.column_taps + j * tiling.column_step) * LANES
            ))
    for i in range(row_taps):
        transform_weights(half + i * width, 1, weight + i * column_taps, 1, column_taps, width)
    for j in range(width):
        transform_weights(value + j, width, half + j, width, row_taps, height)
    for i in range(height * width):
        vec_store(values + i * step, vec_narrow(value[i]))
    return 0


cdef void transform_filter(const Tiling* tiling, const real* weights, real* values, Py_ssize_t step, int row_taps,
                           int column_taps) noexcept nogil:
    # Points of known numbers, so that their powers are constants; and loops of known lengths for the usual filters.
    if tiling.column_points == 6 and tiling.row_points == 6:
        if row_taps == 3 and column_taps == 3:
            transform_filter_of(tiling, weights, values, step, 3, 3, 6, 6)
        else:
            transform_filter_of(tiling, weights, values, step, row_taps, column_taps, 6, 6)
    elif tiling.column_points == 6:
        transform_filter_of(tiling, weights, values, step, row_taps, column_taps, 1, 6)
    elif tiling.column_points == 5 and tiling.row_points == 5:
        transform_filter_of(tiling, weights, values, step, row_taps, column_taps, 5, 5)
    elif tiling.column_points == 5:
        transform_filter_of(tiling, weights, values, step, row_taps, column_taps, 1, 5)
    elif tiling.row_points == 4:
        transform_filter_of(tiling, weights, values, step, row_taps, column_taps, 4, 4)
    else:
        transform_filter_of(tiling, weights, values, step, row_taps, column_taps, 1, 4)


cdef void transform_filters(const Tiling* tiling, const real* weights, real* values, Py_ssize_t step) noexcept nogil:
    """The values, `step` apart, of the filters of LANES output channels for one input channel, phase by phase."""
    cdef int row_phase, column_phase
    for row_phase in range(tiling.row_step):
        for column_phase in range(tiling.column_step):
            transform_filter(tiling, weights + (row_phase * tiling.column_taps + column_phase) * LANES, values, step,
                             <int> ceil_div(tiling.row_taps - row_phase, tiling.row_step),
                             <int> ceil_div(tiling.column_taps - column_phase, tiling.column_step))
            values += tiling.points * step


cdef void pack_values(const Plan* plan, const Tiling* tiling, const Order* order, Py_ssize_t number, Py_ssize_t block,
                      real* packed, char* memory) noexcept nogil:
    """Transforms the weights of a block of output channels, [point][phase][place][output channel], and adds the shares.
    """
    cdef PackWorkspace workspace
    cdef Place place = first_place(plan)
    cdef Py_ssize_t i, j, k, v, at, count, run
    cdef Py_ssize_t places[PACKED_AT_ONCE]
    cdef Py_ssize_t taps = tiling.row_taps * tiling.column_taps
    cdef Py_ssize_t n = plan.channels_in * plan.taps.count, width = tile_width(plan, block)
    # Not a multiple of the page size, so that the points do not compete for the same places in cache.
    cdef Py_ssize_t step = PACKED_AT_ONCE * width + LANES
    cdef int point, row_phase, column_phase, row_phases, column_phases
    cdef vec largest[TILE_VECTORS]
    cdef vec total[TILE_VECTORS]
    cdef vec size
    lay_out_pack(tiling, memory, &workspace)
    for v in range(width // LANES):
        largest[v] = total[v] = vec_splat(0)
    j = 0
    while j < n:
        count = min(n - j, PACKED_AT_ONCE)
        for v in range(width // LANES):
            read_rows(order, number, block + v * LANES, j * taps, count * taps, workspace.rows)
            for i in range(count * taps):
                size = vec_load(workspace.rows + i * LANES)
                size = vec_max(size, -size)
                largest[v] = vec_max(largest[v], size)
                total[v] = total[v] + size
            for i in range(count):
                transform_filters(tiling, workspace.rows + i * taps * LANES, workspace.values + i * width + v * LANES,
                                  step)
        for i in range(count):
            places[i] = next_place(plan, &place)
        # Point by point: the points lie so far apart that they would compete for the same places in cache.
        k = 0
        for point in range(tiling.points):
            row_phases = phases_at(point // tiling.column_points, tiling.row_points, tiling.row_taps, tiling.row_step)
            column_phases = phases_at(point % tiling.column_points, tiling.column_points, tiling.column_taps,
                                      tiling.column_step)
            for row_phase in range(row_phases):
                for column_phase in range(column_phases):
                    at = ((row_phase * tiling.column_step + column_phase) * tiling.points + point) * step
                    i = 0
                    while i < count:
                        # Neighbours stay neighbours where there is one tap.
                        run = count if plan.taps.count == 1 else 1
                        memcpy(packed + (k * n + places[i]) * width, workspace.values + at + i * width,
                               run * width * sizeof(real))
                        i += run
                    k += 1
        j += count
    packed += width * tiling.weight_values * n
    for v in range(width // LANES):
        vec_store(packed + v * LANES, largest[v])
        vec_store(workspace.rows, total[v])
        for i in range(LANES):
            at = v * LANES + i
            if packed[at] != 0 or workspace.rows[i] != 0:
                # Of weights that are not finite, or whose values would not be normal numbers, none is small enough.
                packed[at] = (packed[at] / workspace.rows[i]
                              if packed[at] >= LEAST_WEIGHT and workspace.rows[i] < HUGE_VAL else <real> NO_SHARE)
