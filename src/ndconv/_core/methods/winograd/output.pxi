# Output: products at points become outputs, A^T m A, which the epilogue finishes.


cdef Py_ssize_t line_position(const Plan* plan, const Tiling* tiling, Py_ssize_t line) noexcept nogil:
    """The position of a line's first outputs: a line is what has the same place on all outer axes but the last."""
    cdef int axis
    cdef Py_ssize_t position = 0, step = 1
    for axis in range(tiling.outer - 1, -1, -1):
        if axis < tiling.outer - 1:
            position += line % plan.out_shape[axis] * step
            line = line // plan.out_shape[axis]
        step *= plan.planes.shape[axis]
    return position


cdef Py_ssize_t line_offset(const Plan* plan, const Tiling* tiling, const Samples* samples, Py_ssize_t line,
                            Py_ssize_t depth) noexcept nogil:
    """Bytes from an image's first output to the one at a place on the outer axes."""
    cdef int axis
    cdef Py_ssize_t offset = 0
    if tiling.outer > 0:
        offset = depth * samples.stride[tiling.outer - 1]
    for axis in range(tiling.outer - 2, -1, -1):
        offset += line % plan.out_shape[axis] * samples.stride[axis]
        line = line // plan.out_shape[axis]
    return offset


cdef void find_stores(const Plan* plan, const Tiling* tiling, const Job* job, const TileBlock* tile_block,
                      Py_ssize_t segment, Py_ssize_t start, Py_ssize_t count,
                      WinogradWorkspace* workspace) noexcept nogil:
    """Divides the tiles of a product into those that are stored together, and finds where in y they belong."""
    cdef Py_ssize_t done = 0, image, line, depth, place, row, column, dilation = tiling.column_dilation
    cdef int last = plan.ndim - 1
    cdef StoreTiles* store = workspace.stores
    while done < count:
        place = (start + done) % tile_block.tiles
        depth = (start + done) // tile_block.tiles
        if tiling.outer == 0:
            image, line, depth = depth, 0, 0
        else:
            image, line = segment // tiling.lines, segment % tiling.lines
        row = tile_start(tile_block.row + place // tile_block.columns, tiling.rows, tiling.row_dilation)
        column = place % tile_block.columns
        store.first = done
        store.count = min(count - done, tile_block.columns - column)
        store.runs = 1
        if dilation == 1:
            store.count = min(store.count, max(LANES // tiling.columns, 1))
            store.pixels = store.count * tiling.columns
        else:
            store.count = min(min(store.count, LANES), dilation - column % dilation)
            store.pixels = store.count
            if store.count == dilation:
                store.pixels = dilation * tiling.columns
            else:
                store.runs = tiling.columns
        done += store.count
        column = tile_start(tile_block.column + column, tiling.columns, dilation)
        store.rest = plan.out_shape[last] - column
        store.lines = 1
        store.y = (job.y.data + batch_offset(job, job.y.batch, tile_block.image + image)
                   + line_offset(plan, tiling, &job.y, line, depth) + column * job.y.stride[last])
        store.residual = NULL
        if job.residual.data != NULL:
            store.residual = (job.residual.data + batch_offset(job, job.residual.batch, tile_block.image + image)
                              + line_offset(plan, tiling, &job.residual, line, depth)
                              + column * job.residual.stride[last])
        if tiling.rows > 1:
            store.lines = min(tiling.rows, ceil_div(plan.out_shape[last - 1] - row, tiling.row_dilation))
            store.y += row * job.y.stride[last - 1]
            if store.residual != NULL:
                store.residual += row * job.residual.stride[last - 1]
        store += 1
    workspace.n_stores = store - workspace.stores


cdef inline Py_ssize_t run_length(const Tiling* tiling, const StoreTiles* store, Py_ssize_t run) noexcept nogil:
    return max(min(store.pixels, store.rest - run * tiling.column_dilation), 0)


cdef void prefetch_outputs(const Plan* plan, const Tiling* tiling, const Job* job, WinogradWorkspace* workspace,
                           Py_ssize_t channel, Py_ssize_t channels, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """Asks for the lines of y and of the residual of some pairs of a store and an output channel."""
    cdef Py_ssize_t i, k, line, run, y_line = 0, residual_line = 0
    cdef Py_ssize_t y_run = tiling.column_dilation * job.y.stride[plan.ndim - 1]
    cdef Py_ssize_t residual_run = tiling.column_dilation * job.residual.stride[plan.ndim - 1]
    cdef const StoreTiles* store
    if plan.ndim > 1:
        y_line = tiling.row_dilation * job.y.stride[plan.ndim - 2]
        residual_line = tiling.row_dilation * job.residual.stride[plan.ndim - 2]
    for i in range(start, end):
        store = workspace.stores + i // channels
        k = channel + i % channels
        for line in range(store.lines):
            for run in range(store.runs):
                prefetch_row(<real*> (store.y + k * job.y.channel + line * y_line + run * y_run),
                             NULL if store.residual == NULL else
                             store.residual + k * job.residual.channel + line * residual_line + run * residual_run,
                             run_length(tiling, store, run))


cdef inline bint untransform_tiles_of(
    const real* x, Py_ssize_t tile, Py_ssize_t point, const real* bias, real* y, Py_ssize_t y_row, Py_ssize_t y_tile,
    Py_ssize_t y_column, Py_ssize_t count, const int height, const int width, const int rows, const int columns
) noexcept nogil:
    cdef vec product[MOST_POINTS]
    cdef vec output[MOST_POINTS]
    cdef vec bad = vec_splat(0)
    cdef real sum_of_lanes[MOST_LANES]
    cdef real total = 0
    cdef Py_ssize_t t
    cdef int i, j
    for t in range(count):
        for i in range(height * width):
            product[i] = vec_load(x + t * tile + i * point)
        for i in range(height):
            transform_output(output + i * columns, 1, product + i * width, 1, width, columns)
        for j in range(columns):
            transform_output(product + j, columns, output + j, columns, height, rows)
        for i in range(rows):
            for j in range(columns):
                bad = bad + product[i * columns + j] * <real> 0
                vec_store(y + i * y_row + t * y_tile + j * y_column, product[i * columns + j] + vec_load(bias))
    vec_store(sum_of_lanes, bad)
    for t in range(LANES):
        total = total + sum_of_lanes[t]
    return total == 0


cdef bint untransform_tiles(const Tiling* tiling, const real* x, Py_ssize_t tile, Py_ssize_t point, const real* bias,
                            real* y, Py_ssize_t y_row, Py_ssize_t count) noexcept nogil:
    """Makes outputs of products, for LANES channels; whether all of them are finite."""
    cdef int rows = tiling.rows, columns = tiling.columns
    # Of interlacing tiles, all outputs of a place lie side by side.
    cdef Py_ssize_t y_tile = LANES * (columns if tiling.column_dilation == 1 else 1)
    cdef Py_ssize_t y_column = LANES * (1 if tiling.column_dilation == 1 else count)
    nd_assert(rows + ceil_div(tiling.row_taps, tiling.row_step) - 1 == tiling.row_points)
    nd_assert(columns + ceil_div(tiling.column_taps, tiling.column_step) - 1 == tiling.column_points)
    # Loops of known lengths for the usual tiles.
    if tiling.column_points == 6:
        if rows == 4 and columns == 4:
            return untransform_tiles_of(x, tile, point, bias, y, y_row, y_tile, y_column, count, 6, 6, 4, 4)
        if rows == 2 and columns == 2:
            return untransform_tiles_of(x, tile, point, bias, y, y_row, y_tile, y_column, count, 6, 6, 2, 2)
        if rows == 1 and columns == 4:
            return untransform_tiles_of(x, tile, point, bias, y, y_row, y_tile, y_column, count, 1, 6, 1, 4)
        if rows > 1:
            return untransform_tiles_of(x, tile, point, bias, y, y_row, y_tile, y_column, count, 6, 6, rows, columns)
        return untransform_tiles_of(x, tile, point, bias, y, y_row, y_tile, y_column, count, 1, 6, 1, columns)
    if tiling.column_points == 5:
        if rows == 4 and columns == 4:
            return untransform_tiles_of(x, tile, point, bias, y, y_row, y_tile, y_column, count, 5, 5, 4, 4)
        if rows > 1:
            return untransform_tiles_of(x, tile, point, bias, y, y_row, y_tile, y_column, count, 5, 5, rows, columns)
        return untransform_tiles_of(x, tile, point, bias, y, y_row, y_tile, y_column, count, 1, 5, 1, columns)
    if rows == 2 and columns == 2:
        return untransform_tiles_of(x, tile, point, bias, y, y_row, y_tile, y_column, count, 4, 4, 2, 2)
    if rows > 1:
        return untransform_tiles_of(x, tile, point, bias, y, y_row, y_tile, y_column, count, 4, 4, rows, columns)
    return untransform_tiles_of(x, tile, point, bias, y, y_row, y_tile, y_column, count, 1, 4, 1, columns)


cdef void unscale(const WinogradWorkspace* workspace, Py_ssize_t channel, Py_ssize_t channels, const real* bias,
                  real* sums, Py_ssize_t pixels) noexcept nogil:
    """Undoes what samples and weights were multiplied by, in sums of a vector of channels, and adds the bias."""
    cdef real first[MOST_LANES]
    cdef real second[MOST_LANES]
    cdef Py_ssize_t i
    cdef int exponent
    for i in range(LANES):
        exponent = workspace.exponent
        if workspace.exponents != NULL and i < channels:
            exponent += workspace.exponents[channel + i]
        first[i] = power_of_two(-(exponent // 2))
        second[i] = power_of_two(-(exponent - exponent // 2))
    for i in range(pixels):
        vec_store(sums + i * LANES, vec_load(sums + i * LANES) * vec_load(first) * vec_load(second) + vec_load(bias))


cdef void finish_run(const Job* job, const real* rows, Py_ssize_t row, char* y, const char* residual,
                     Py_ssize_t channel, Py_ssize_t channels, Py_ssize_t pixels) noexcept nogil:
    """Finishes neighbouring outputs of some channels, whose sums lie `row` apart."""
    # Components of complex channels do not lie at equal steps.
    cdef Py_ssize_t k = 0, at_once = channels if job.y.components == 1 else 1
    if pixels == 0:
        return
    while k < channels:
        finish(job, rows + k * row, row, y + channel_offset(&job.y, channel + k), job.y.channel,
               NULL if residual == NULL else residual + channel_offset(&job.residual, channel + k),
               job.residual.channel, at_once, pixels)
        k += at_once


cdef void finish_store(const Plan* plan, const Tiling* tiling, const Job* job, const StoreTiles* store,
                       Py_ssize_t channel, Py_ssize_t channels, Py_ssize_t width,
                       WinogradWorkspace* workspace) noexcept nogil:
    """Transforms, transposes and finishes tiles, the vectors of output channels one by one."""
    cdef real outputs[MOST_SIDE * MOST_SIDE * MOST_BLOCK]       # [line][pixel][channel]: run after run
    cdef real transposed[MOST_SIDE * MOST_SIDE * MOST_BLOCK]    # [line][channel][pixel]
    cdef real bias[MOST_LANES]
    cdef real base[MOST_LANES]                 # the bias, but where sums are scaled
    cdef bint is_scaled = workspace.exponent != 0 or workspace.exponents != NULL
    cdef Py_ssize_t v, k, b, line, run, end, pixels = ceil_div(store.count * tiling.columns, LANES) * LANES
    cdef Py_ssize_t y_line = 0, residual_line = 0
    cdef bint in_y
    cdef char* y
    cdef const char* residual = NULL
    nd_assert_within(store.lines, 1, tiling.rows)
    nd_assert(tiling.rows * pixels * LANES <= MOST_SIDE * MOST_SIDE * MOST_BLOCK)
    if plan.ndim > 1:
        y_line = tiling.row_dilation * job.y.stride[plan.ndim - 2]
        residual_line = tiling.row_dilation * job.residual.stride[plan.ndim - 2]
    for v in range(width // LANES):
        end = min(LANES, channels - v * LANES)
        for k in range(LANES):
            bias[k] = job.bias[channel + k] if job.bias != NULL and k < end else 0
            base[k] = 0 if is_scaled else bias[k]
        if not untransform_tiles(tiling, workspace.products + store.first * width + v * LANES, width,
                                 workspace.product_point, base, outputs, pixels * LANES, store.count):
            workspace.finite = False
        if is_scaled:
            unscale(workspace, channel, end, bias, outputs, store.lines * pixels)
        # Whole vectors of whole blocks of channels are transposed into y.
        in_y = (job.vector_epilogue and store.residual == NULL and store.runs == 1 and end == LANES
                and run_length(tiling, store, 0) == pixels)
        for line in range(store.lines):
            y = store.y + line * y_line
            if store.residual != NULL:
                residual = store.residual + line * residual_line
            if in_y:
                y += channel * job.y.channel
                for b in range(pixels // LANES):
                    transpose_block(outputs + (line * pixels + b * LANES) * LANES, LANES,
                                    <real*> y + b * LANES, job.y.channel // <Py_ssize_t> sizeof(real))
                if not job.identity_epilogue:
                    finish(job, <real*> y, job.y.channel // <Py_ssize_t> sizeof(real), y, job.y.channel, NULL, 0,
                           LANES, pixels)
                continue
            if not job.channels_last_epilogue:
                for b in range(pixels // LANES):
                    transpose_block(outputs + (line * pixels + b * LANES) * LANES, LANES,
                                    transposed + line * pixels * LANES + b * LANES, pixels)
            for run in range(store.runs):
                if job.channels_last_epilogue:
                    activate_runs(job.activation, outputs + (line * pixels + run * store.pixels) * LANES, LANES,
                                  y + channel * job.y.channel, job.y.stride[plan.ndim - 1],
                                  NULL if residual == NULL else residual + channel * job.residual.channel,
                                  job.residual.stride[plan.ndim - 1], run_length(tiling, store, run), end)
                else:
                    finish_run(job, transposed + line * pixels * LANES + run * store.pixels, pixels, y, residual,
                               channel, end, run_length(tiling, store, run))
                y += tiling.column_dilation * job.y.stride[plan.ndim - 1]
                if residual != NULL:
                    residual += tiling.column_dilation * job.residual.stride[plan.ndim - 1]
        channel += LANES
