# Winograd's method: input tiles -> values at points (B^T d B) -> products, by the tile micro-kernel -> output tiles
# (A^T m A) -> epilogue. Weights become values at points, G g G^T, when they are packed.
#
# The last axis, and the one before it where it can be, are cut into tiles; taps along others are summed as they are. An
# axis with a stride is the sum of its phases, whose values lie side by side; where there is a dilation d, a tile has
# every d-th sample and output, and d neighbouring tiles interlace. A call is done in blocks of tiles, whose values fit
# their memory: a block's input is transformed, some rows of tiles at a time, and then multiplied and finished, by
# products of so many tiles with a block of output channels. Where there are enough blocks of tiles, each is done by one
# worker, in its own cache; else all workers share the products of one.
#
# The contracts of the transforms (products are the tile micro-kernel's: a point is a 1x1 layer whose pixels are tiles):
#   lanes   input channels before the products, output channels after them.
#   transform_tiles    reads `count` tiles of row_points x column_points vectors, LANES channels of a pixel, from
#                      planes; a phase of fewer taps reads one more than it needs, which the planes have. Writes rows x
#                      columns points, `point` samples apart, each [tile][lane], and nothing else of the values.
#   untransform_tiles  reads a vector of each of `count` tiles, `tile` samples apart, at each point. Writes
#                      [row][tile][column][lane], or [row][column][tile][lane] where tiles interlace: rows * columns
#                      vectors of each tile. Adds the bias. Tells whether all outputs are finite.
#   transform_filters  reads row_taps * column_taps vectors of weights, [tap][lane]. Writes a vector for each phase and
#                      point, `step` samples apart.
#   called  by transform_input_rows, finish_store and pack_values, with memory of their worker's own, at any address.

cdef struct Tiling:
    # How a plan's outputs are cut into tiles; the plan's taps are those of the axes that are not.
    int rows, columns                          # outputs of a tile; `rows` is 1 where only the last axis is cut
    int row_points, column_points              # along its axes: 1, or as many as along the other
    int row_taps, column_taps
    int row_step, column_step                  # strides, which are also the numbers of phases
    Py_ssize_t row_dilation, column_dilation   # 1 where the stride is not
    int points                                 # of a tile
    int phases
    Py_ssize_t weight_values                   # of one filter
    int outer                                  # axes that are not cut
    Py_ssize_t positions                       # plane samples along those axes
    Py_ssize_t lines                           # outputs along all of those axes but their last, which is of `depth`
    Py_ssize_t depth
    Py_ssize_t grid_rows, grid_columns         # tiles of all outputs
    Py_ssize_t block_images, block_rows, block_columns    # of a block of tiles
    Py_ssize_t input_rows                      # rows of tiles that are padded together
    Py_ssize_t gemm_tiles                      # most tiles that are multiplied together
    bint private_blocks                        # a block of tiles is done by one worker
    Py_ssize_t k_block                         # blocks of input channels whose products are added up on their own
    double outlier                             # how much larger than the mean a sample may be, of weights all alike
    double most_share                          # of an output's weights: how much of their sum a single one may be

cdef struct TileBlock:
    # Of one group, some rows and columns of tiles of some images, at all positions.
    Py_ssize_t number
    Py_ssize_t group
    Py_ssize_t image, images
    Py_ssize_t row, rows
    Py_ssize_t column, columns
    Py_ssize_t tiles                           # rows * columns
    Py_ssize_t values                          # tiles with a place in memory, for each point and channel block
    Py_ssize_t segments, segment, gemms        # runs of neighbouring tiles, their length, and products of each

cdef struct Magnitudes:
    # How large samples are.
    double largest                             # absolute value of all that are transformed
    double total                               # of the absolute values of those that all taps meet
    Py_ssize_t present                         # how many of those are not zero

cdef struct StoreTiles:
    # Some neighbouring tiles of a row, which are finished and stored together.
    Py_ssize_t first, count                    # of the tiles of a product
    Py_ssize_t runs, pixels                    # runs of neighbouring outputs along the last axis, and the length of one
    Py_ssize_t rest                            # outputs from the first to the end of the axis
    Py_ssize_t lines                           # outputs along the axis before
    char* y                                    # of channel 0
    const char* residual

cdef struct WinogradWorkspace:
    # What a worker keeps from item to item.
    Source source
    Tap* taps
    real* planes
    real* values                               # [phase][point][block of input channels][tile][channel]
    StoreTiles* stores
    Py_ssize_t n_stores
    real* products                             # [point][tile][output channel], points `product_point` apart
    Py_ssize_t product_point
    real* weights                              # of a block, which are packed for this call alone, or NULL
    char* packing                              # what that takes
    bint finite
    double share                               # the largest of the weights that this worker packed
    Magnitudes* magnitudes                     # of the samples of each input task of each block of tiles
    Py_ssize_t input_tasks                     # of a block of tiles
    int exponent                               # samples are multiplied by two to this
    const int* exponents                       # those of output channels' weights, or NULL


cdef inline int phases_at(int point, int points, int taps, int step) noexcept nogil:
    """How many of an axis's phases have a value at a point: those of fewer taps than others have none at the last."""
    return step if point < points - 1 else (taps - 1) % step + 1


cdef inline int points_of(int phase, int points, int taps, int step) noexcept nogil:
    """At how many of an axis's points a phase has values."""
    return points if phase <= (taps - 1) % step else points - 1


cdef inline Py_ssize_t tile_start(Py_ssize_t tile, int outputs, Py_ssize_t dilation) noexcept nogil:
    """The first output of a tile of an axis."""
    return tile * outputs if dilation == 1 else tile // dilation * dilation * outputs + tile % dilation


cdef inline Py_ssize_t input_height(const Tiling* tiling, Py_ssize_t rows) noexcept nogil:
    """Rows of samples under so many rows of tiles; of a dilated axis, only those that the one row of tiles reads."""
    return tiling.row_step * (rows * tiling.rows + tiling.row_points - tiling.rows)


cdef inline Py_ssize_t input_width(const Tiling* tiling, Py_ssize_t columns) noexcept nogil:
    """Samples under so many tiles of a row, all that are between them among them."""
    columns = ceil_div(columns, tiling.column_dilation)
    return (tiling.column_step * tiling.column_dilation
            * (columns * tiling.columns + tiling.column_points - tiling.columns))


cdef Py_ssize_t lay_out_winograd(const Plan* plan, const Tiling* tiling, char* at,
                                 WinogradWorkspace* workspace) noexcept nogil:
    """Divides a worker's workspace, which begins at `at`; returns its size in bytes."""
    cdef char* start = at
    cdef Py_ssize_t rows = input_height(tiling, tiling.input_rows), width = input_width(tiling, tiling.block_columns)
    workspace.weights = NULL
    workspace.finite = True
    workspace.share = 0
    workspace.exponent = 0
    workspace.exponents = NULL
    workspace.source.rows = <Py_ssize_t*> take(&at, rows * sizeof(Py_ssize_t))
    workspace.source.first_run = <Py_ssize_t*> take(&at, 2 * sizeof(Py_ssize_t))
    workspace.source.runs = <Run*> take(&at, most_runs(plan, width) * sizeof(Run))
    workspace.taps = <Tap*> take(&at, tiling.phases * ceil_div(plan.channels_in, LANES) * plan.taps.count * sizeof(Tap))
    workspace.stores = <StoreTiles*> take(&at, tiling.gemm_tiles * sizeof(StoreTiles))
    workspace.planes = <real*> take(&at, rows * width * LANES * sizeof(real))
    # Not a multiple of the page size, so that the points do not compete for the same places in cache.
    workspace.product_point = (tiling.gemm_tiles * TILE_VECTORS + 1) * LANES
    workspace.products = <real*> take(&at, tiling.points * workspace.product_point * sizeof(real))
    return at - start


cdef TileBlock find_tile_block(
    const Plan* plan, const Tiling* tiling, Py_ssize_t images, Py_ssize_t number, int workers
) noexcept nogil:
    cdef TileBlock tile_block
    cdef Py_ssize_t n = ceil_div(tiling.grid_columns, tiling.block_columns)
    cdef Py_ssize_t blocks = ceil_div(plan.channels_out, TILE_VECTORS * LANES)
    tile_block.number = number
    tile_block.column = number % n * tiling.block_columns
    tile_block.columns = min(tiling.block_columns, tiling.grid_columns - tile_block.column)
    number = number // n
    n = ceil_div(tiling.grid_rows, tiling.block_rows)
    tile_block.row = number % n * tiling.block_rows
    tile_block.rows = min(tiling.block_rows, tiling.grid_rows - tile_block.row)
    number = number // n
    n = ceil_div(images, tiling.block_images)
    tile_block.image = number % n * tiling.block_images
    tile_block.images = min(tiling.block_images, images - tile_block.image)
    tile_block.group = number // n
    tile_block.tiles = tile_block.rows * tile_block.columns
    # An odd number of cache lines, so that the points do not compete for the same places in cache.
    tile_block.values = tile_block.images * tiling.positions * tile_block.tiles | 1
    if tiling.outer == 0:
        tile_block.segments = 1
        tile_block.segment = tile_block.images * tile_block.tiles
    else:
        tile_block.segments = tile_block.images * tiling.lines
        tile_block.segment = tiling.depth * tile_block.tiles
    # As many for one worker as for another, or so many that it does not matter; but no more than that, for each reads
    # its block's weights. (Their sizes change no result.)
    tile_block.gemms = ceil_div(tile_block.segment, tiling.gemm_tiles)
    if not tiling.private_blocks:
        n = tile_block.segments * blocks
        while (n * tile_block.gemms < 4 * workers and n * tile_block.gemms % workers != 0
               and tile_block.segment >= (tile_block.gemms + 1) * TILE_PIXELS):
            tile_block.gemms += 1
    return tile_block


cdef Py_ssize_t n_tile_blocks(const Plan* plan, const Tiling* tiling, Py_ssize_t images) noexcept nogil:
    return (plan.groups * ceil_div(images, tiling.block_images) * ceil_div(tiling.grid_rows, tiling.block_rows)
            * ceil_div(tiling.grid_columns, tiling.block_columns))


cdef Py_ssize_t value_size(const Plan* plan, const Tiling* tiling, const TileBlock* tile_block) noexcept nogil:
    return tiling.phases * tiling.points * ceil_div(plan.channels_in, LANES) * tile_block.values * LANES


cdef Py_ssize_t n_input_tasks(const Plan* plan, const Tiling* tiling, const TileBlock* tile_block) noexcept nogil:
    return (tile_block.images * tiling.positions * ceil_div(tile_block.rows, tiling.input_rows)
            * ceil_div(plan.channels_in, LANES))


cdef Py_ssize_t n_product_tasks(const Plan* plan, const TileBlock* tile_block) noexcept nogil:
    return ceil_div(plan.channels_out, TILE_VECTORS * LANES) * tile_block.segments * tile_block.gemms
