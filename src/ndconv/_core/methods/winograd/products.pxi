# Products: at each point, values of samples times values of weights, by the tile kernel.


cdef Py_ssize_t find_factors(const Plan* plan, const Tiling* tiling, const TileBlock* tile_block, int point,
                             Py_ssize_t width, Tap* tap) noexcept nogil:
    """Finds the values and weights that are multiplied at a point; returns of how many blocks of a phase's channels."""
    cdef Py_ssize_t blocks = ceil_div(plan.channels_in, LANES), c, t, channels, start, weight = 0
    cdef int row = point // tiling.column_points, column = point % tiling.column_points, row_phase, column_phase
    cdef int row_phases = phases_at(row, tiling.row_points, tiling.row_taps, tiling.row_step)
    cdef int column_phases = phases_at(column, tiling.column_points, tiling.column_taps, tiling.column_step)
    for row_phase in range(row_phases):
        for column_phase in range(column_phases):
            start = ((row_phase * tiling.column_step + column_phase) * tiling.points + point) * blocks
            for c in range(blocks):
                channels = min(LANES, plan.channels_in - c * LANES)
                for t in range(plan.taps.count):
                    tap.x = ((start + c) * tile_block.values + plan.taps.offset[t] * tile_block.tiles) * LANES
                    tap.weight = weight
                    tap.channels = channels
                    tap += 1
                    weight += channels * width
    return row_phases * column_phases * blocks


cdef void multiply_tiles(const Plan* plan, const Tiling* tiling, const Job* job, const TileBlock* tile_block,
                         Py_ssize_t number, WinogradWorkspace* workspace) noexcept nogil:
    """Multiplies and finishes some tiles for one block of output channels."""
    cdef real zeros[MOST_VECTOR]
    cdef Tile tile
    cdef Py_ssize_t blocks = ceil_div(plan.channels_in, LANES), gemm, segment, block, start, count, first, width
    cdef Py_ssize_t vectors, c, t, end, n_blocks, point, done, next_done, i, tiles, channels, pairs, products
    gemm = number % tile_block.gemms
    number = number // tile_block.gemms
    segment = number % tile_block.segments
    block = number // tile_block.segments * TILE_VECTORS * LANES
    start = gemm * tile_block.segment // tile_block.gemms
    count = (gemm + 1) * tile_block.segment // tile_block.gemms - start
    # The place of the segment's first tile among the values: that of its image, and of its line of positions.
    first = start
    if tiling.outer > 0:
        first += (segment // tiling.lines * tiling.positions
                  + line_position(plan, tiling, segment % tiling.lines)) * tile_block.tiles
    width = tile_width(plan, block)
    vectors = width // LANES
    for i in range(width):
        zeros[i] = 0
    tile.interleaved = tile.distant = True
    tile.weights = workspace.weights
    if tile.weights == NULL:
        tile.weights = job.weights + tile_block.group * plan.set_size + block_start(plan, tiling, block)
    tiles = ceil_div(count, most_pixels(vectors))
    find_stores(plan, tiling, job, tile_block, segment, start, count, workspace)
    channels = min(width, plan.channels_out - block)
    pairs = workspace.n_stores * channels
    for point in range(tiling.points):
        # While products are made, the lines of y and of the residual arrive.
        if job.vector_epilogue:
            prefetch_outputs(plan, tiling, job, workspace, tile_block.group * plan.channels_out + block, channels,
                             point * pairs // tiling.points, (point + 1) * pairs // tiling.points)
        tile.base = zeros
        tile.base_step = 0
        n_blocks = find_factors(plan, tiling, tile_block, <int> point, width, workspace.taps)
        c = 0
        while c < n_blocks:
            end = min(c + tiling.k_block, n_blocks)
            tile.taps = workspace.taps + c * plan.taps.count
            tile.n_taps = (end - c) * plan.taps.count
            # Of the weights that follow these, the first tiles ask for a vector for each product: that is all of them.
            products = 0
            for t in range(c * plan.taps.count, end * plan.taps.count):
                products += workspace.taps[t].channels
            tile.ahead = tile.weights + tile.taps.weight + products * width
            tile.ahead_step = LANES
            done = 0
            for i in range(tiles):
                if i == vectors:
                    tile.ahead_step = 0
                next_done = (i + 1) * count // tiles
                tile.x = workspace.values + (first + done) * LANES
                tile.sums = workspace.products + point * workspace.product_point + done * width
                if c > 0:
                    tile.base = tile.sums
                    tile.base_step = width
                multiply_tile(&tile, <int> (next_done - done), <int> vectors)
                tile.ahead += products * tile.ahead_step
                done = next_done
            c = end
        tile.weights += n_blocks // blocks * plan.channels_in * plan.taps.count * width
    for i in range(workspace.n_stores):
        finish_store(plan, tiling, job, workspace.stores + i, tile_block.group * plan.channels_out + block, channels,
                     width, workspace)
