# Input: tiles of samples become values at points, B^T d B.


cdef inline int transform_tiles_of(
    const Tiling* tiling, const real* x, Py_ssize_t x_row, Py_ssize_t count, real* y, Py_ssize_t point,
    const int height, const int width, const int rows, const int columns
) noexcept nogil:
    cdef vec sample[MOST_POINTS]
    cdef vec value[MOST_POINTS]
    cdef Py_ssize_t t, x_column = tiling.column_step * tiling.column_dilation * LANES
    cdef const real* first
    cdef int i, j
    x_row *= tiling.row_step
    for t in range(count):
        first = x + tile_start(t, tiling.columns, tiling.column_dilation) * tiling.column_step * LANES
        for i in range(height):
            for j in range(width):
                sample[i * width + j] = vec_load(first + i * x_row + j * x_column)
        for j in range(width):
            transform_input(value + j, sample + j, width, height)
        for i in range(height):
            transform_input(sample + i * width, value + i * width, 1, width)
        for i in range(rows):
            for j in range(columns):
                vec_store(y + (i * width + j) * point, sample[i * width + j])
        y += LANES
    return 0


cdef inline int transform_tiles_at(
    const Tiling* tiling, const real* x, Py_ssize_t x_row, Py_ssize_t count, real* y, Py_ssize_t point,
    const int height, const int width, int rows, int columns
) noexcept nogil:
    if rows == height and columns == width:
        return transform_tiles_of(tiling, x, x_row, count, y, point, height, width, height, width)
    return transform_tiles_of(tiling, x, x_row, count, y, point, height, width, rows, columns)


cdef void transform_tiles(const Tiling* tiling, const real* x, Py_ssize_t x_row, Py_ssize_t count, real* y,
                          Py_ssize_t point, int rows, int columns) noexcept nogil:
    """One phase of neighbouring input tiles of LANES channels, and what of it is kept; `point` is from point to point.

    Each tile is transformed at all points, and a phase of fewer taps reads a sample too much for that: the planes have
    it.
    """
    nd_assert_within(rows, 1, tiling.row_points)
    nd_assert_within(columns, 1, tiling.column_points)
    nd_assert((tiling.row_points == 1) | (tiling.row_points == tiling.column_points))
    if tiling.column_points == 6:
        if tiling.row_points == 6:
            transform_tiles_at(tiling, x, x_row, count, y, point, 6, 6, rows, columns)
        else:
            transform_tiles_at(tiling, x, x_row, count, y, point, 1, 6, rows, columns)
    elif tiling.column_points == 5:
        if tiling.row_points == 5:
            transform_tiles_at(tiling, x, x_row, count, y, point, 5, 5, rows, columns)
        else:
            transform_tiles_at(tiling, x, x_row, count, y, point, 1, 5, rows, columns)
    elif tiling.row_points == 4:
        transform_tiles_at(tiling, x, x_row, count, y, point, 4, 4, rows, columns)
    else:
        transform_tiles_at(tiling, x, x_row, count, y, point, 1, 4, rows, columns)


cdef void locate_rows(const Plan* plan, const Tiling* tiling, const Samples* x, Py_ssize_t position, Py_ssize_t start,
                      Source* source) noexcept nogil:
    """Finds where rows under tiles are read from, from sample `start` on, at a position on axes that are not cut."""
    cdef Py_ssize_t i, index, outer = 0
    cdef int axis
    cdef Run run
    for axis in range(tiling.outer - 1, -1, -1):
        index = plan.origin[axis] + plan.planes.relative[axis][position % plan.planes.shape[axis]]
        run = source_run(plan.mode[axis], plan.in_shape[axis], index, 1, 1)
        outer = FILL if outer == FILL or run.source == FILL else outer + run.source * x.stride[axis]
        position = position // plan.planes.shape[axis]
    if tiling.rows == 1:
        source.rows[0] = outer
        return
    axis = plan.ndim - 2
    for i in range(source.n_rows):
        run = source_run(plan.mode[axis], plan.in_shape[axis], start + i * tiling.row_dilation, 1, 1)
        source.rows[i] = FILL
        if outer != FILL and run.source != FILL:
            source.rows[i] = outer + run.source * x.stride[axis]


cdef void transform_input_rows(const Plan* plan, const Tiling* tiling, const Job* job, const TileBlock* tile_block,
                               Py_ssize_t number, WinogradWorkspace* workspace) noexcept nogil:
    """Pads some rows of tiles of one block of input channels, at one position, and transforms them."""
    cdef Source* source = &workspace.source
    cdef Py_ssize_t row_groups = ceil_div(tile_block.rows, tiling.input_rows)
    cdef Py_ssize_t blocks = ceil_div(plan.channels_in, LANES)
    cdef Py_ssize_t block, first_tile_row, position, image, row, rows, i, n, start = 0
    cdef Py_ssize_t width = input_width(tiling, tile_block.columns)
    cdef Py_ssize_t point = blocks * tile_block.values * LANES
    cdef int row_phase, column_phase, last = plan.ndim - 1
    cdef const char* x
    cdef const real* samples
    cdef real* tile
    cdef Magnitudes* found = workspace.magnitudes + tile_block.number * workspace.input_tasks + number
    cdef Py_ssize_t first_row = 0, end_row = 1, first_column, end_column
    cdef bint few_rows = False, few_columns
    block = number % blocks
    number = number // blocks
    first_tile_row = number % row_groups * tiling.input_rows
    number = number // row_groups
    position = number % tiling.positions
    image = number // tiling.positions
    rows = min(tiling.input_rows, tile_block.rows - first_tile_row)
    source.n_rows = 1
    if tiling.rows > 1:
        source.n_rows = input_height(tiling, rows)
        start = tile_start(tile_block.row + first_tile_row, tiling.rows, tiling.row_dilation) * tiling.row_step
        few_rows = not met_by_all(plan.out_shape[last - 1], tiling.row_taps, tiling.row_step, tiling.row_dilation,
                                  &first_row, &end_row)
        first_row = ceil_div(first_row - start, tiling.row_dilation)
        end_row = ceil_div(end_row - start, tiling.row_dilation)
        start += plan.origin[last - 1]
    locate_rows(plan, tiling, &job.x, position, start, source)
    source.first_run[0] = 0
    start = tile_start(tile_block.column, tiling.columns, tiling.column_dilation) * tiling.column_step
    few_columns = not met_by_all(plan.out_shape[last], tiling.column_taps, tiling.column_step, tiling.column_dilation,
                                 &first_column, &end_column)
    first_column -= start
    end_column -= start
    start += plan.origin[last]
    source.first_run[1] = add_runs(plan, &job.x, source, 0, start, width)
    source.filled = 0
    x = (job.x.data + batch_offset(job, job.x.batch, tile_block.image + image)
         + channel_offset(&job.x, tile_block.group * plan.channels_in))
    pad(plan, &job.x, x, source, workspace.planes, block * LANES, min((block + 1) * LANES, plan.channels_in))
    if workspace.exponent != 0:
        scale(workspace.planes, source.n_rows * width, workspace.exponent)
    scan_magnitudes(workspace.planes, source.n_rows, width, first_row, end_row, first_column, end_column, found)
    if few_rows:
        lower_to_smallest(workspace.planes, source.n_rows, width, width, 1, found)
    if few_columns:
        lower_to_smallest(workspace.planes, min(end_column, width), 1, source.n_rows, width, found)
    n = (image * tiling.positions + position) * tile_block.tiles + first_tile_row * tile_block.columns
    for row_phase in range(tiling.row_step):
        for column_phase in range(tiling.column_step):
            tile = workspace.values + (block * tile_block.values + n) * LANES
            tile += (row_phase * tiling.column_step + column_phase) * tiling.points * point
            for row in range(rows):
                i = row * tiling.rows * tiling.row_step + row_phase
                samples = workspace.planes + (i * width + column_phase) * LANES
                transform_tiles(tiling, samples, width * LANES, tile_block.columns, tile, point,
                                points_of(row_phase, tiling.row_points, tiling.row_taps, tiling.row_step),
                                points_of(column_phase, tiling.column_points, tiling.column_taps, tiling.column_step))
                tile += tile_block.columns * LANES
