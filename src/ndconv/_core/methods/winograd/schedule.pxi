# Winograd's method: input tiles -> values at points -> products, by the tile micro-kernel -> output tiles -> epilogue.
#
# The last axis, and the one before it where it can be, are cut into tiles; taps along others are summed as they are. An
# axis with a stride is the sum of its phases, whose values lie side by side; where there is a dilation d, a tile has
# every d-th sample and output, and d neighbouring tiles interlace. A call is done in rounds, whose values fit their
# memory: in a round input tiles are transformed, and then multiplied and finished, a chunk of tiles for a block of
# output channels at a time. Where there are enough rounds, each is done by one worker, in its own cache; else all
# workers share its chunks.
#
# The contracts of the transforms (products are the tile micro-kernel's: a point is a 1x1 layer whose pixels are tiles):
#   lanes   input channels before the products, output channels after them.
#   transform_tiles    reads `count` tiles of row_points x column_points vectors, LANES channels of a pixel, from a band
#                      of planes; a phase of fewer taps reads one more than it needs, which the band has. Writes rows x
#                      columns points, `point` samples apart, each [tile][lane], and nothing else of the round's values.
#   untransform_tiles  reads a vector of each of `count` tiles, `tile` samples apart, at each point. Writes
#                      [row][tile][column][lane], or [row][column][tile][lane] where tiles interlace: rows * columns
#                      vectors of each tile. Adds the bias. Tells whether all outputs are finite.
#   transform_filters  reads row_taps * column_taps vectors of weights, [tap][lane]. Writes a vector for each phase and
#                      point, `step` samples apart.
#   called  by transform_band, finish_patch and pack_values, with memory of their worker's own, at any address.

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
    Py_ssize_t round_images, round_rows, round_columns
    Py_ssize_t band                            # rows of tiles that are padded together
    Py_ssize_t chunk                           # most tiles that are multiplied together
    bint alone                                 # a round is done by one worker
    Py_ssize_t together                        # blocks of input channels whose products are added up on their own
    double outlier                             # how much larger than the mean a sample may be, of weights all alike
    double most_share                          # of an output's weights: how much of their sum a single one may be

cdef struct Round:
    # A part of one group: some rows and columns of tiles of some images, at all positions.
    Py_ssize_t number
    Py_ssize_t group
    Py_ssize_t image, images
    Py_ssize_t row, rows
    Py_ssize_t column, columns
    Py_ssize_t tiles                           # rows * columns
    Py_ssize_t values                          # tiles with a place in memory, for each point and channel block
    Py_ssize_t segments, segment, chunks       # runs of neighbouring tiles, their length, and chunks of each

cdef struct Magnitudes:
    # How large samples are.
    double largest                             # absolute value of all that are transformed
    double total                               # of the absolute values of those that all taps meet
    Py_ssize_t present                         # how many of those are not zero

cdef struct Patch:
    # Some neighbouring tiles of a row, which are finished together.
    Py_ssize_t first, count                    # of the chunk's tiles
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
    real* values                               # of a round: [phase][point][block of input channels][tile][channel]
    Patch* patches
    Py_ssize_t n_patches
    real* products                             # [point][tile][output channel], points `product_point` apart
    Py_ssize_t product_point
    real* weights                              # of a block, which are packed for this call alone, or NULL
    char* packing                              # what that takes
    bint finite
    double share                               # the largest of the weights that this worker packed
    Magnitudes* magnitudes                              # of the samples of each band of each round, `bands` a round
    Py_ssize_t bands
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


cdef inline Py_ssize_t band_height(const Tiling* tiling, Py_ssize_t rows) noexcept nogil:
    """Rows of samples under so many rows of tiles; of a dilated axis, only those that the one row of tiles reads."""
    return tiling.row_step * (rows * tiling.rows + tiling.row_points - tiling.rows)


cdef inline Py_ssize_t band_width(const Tiling* tiling, Py_ssize_t columns) noexcept nogil:
    """Samples under so many tiles of a row, all that are between them among them."""
    columns = ceil_div(columns, tiling.column_dilation)
    return (tiling.column_step * tiling.column_dilation
            * (columns * tiling.columns + tiling.column_points - tiling.columns))


cdef Py_ssize_t lay_out_winograd(const Plan* plan, const Tiling* tiling, char* at,
                                 WinogradWorkspace* workspace) noexcept nogil:
    """Divides a worker's workspace, which begins at `at`; returns its size in bytes."""
    cdef char* start = at
    cdef Py_ssize_t rows = band_height(tiling, tiling.band), width = band_width(tiling, tiling.round_columns)
    workspace.weights = NULL
    workspace.finite = True
    workspace.share = 0
    workspace.exponent = 0
    workspace.exponents = NULL
    workspace.source.rows = <Py_ssize_t*> take(&at, rows * sizeof(Py_ssize_t))
    workspace.source.first_run = <Py_ssize_t*> take(&at, 2 * sizeof(Py_ssize_t))
    workspace.source.runs = <Run*> take(&at, most_runs(plan, width) * sizeof(Run))
    workspace.taps = <Tap*> take(&at, tiling.phases * ceil_div(plan.channels_in, LANES) * plan.taps.count * sizeof(Tap))
    workspace.patches = <Patch*> take(&at, tiling.chunk * sizeof(Patch))
    workspace.planes = <real*> take(&at, rows * width * LANES * sizeof(real))
    # Not a multiple of the page size, so that the points do not compete for the same places in cache.
    workspace.product_point = (tiling.chunk * TILE_VECTORS + 1) * LANES
    workspace.products = <real*> take(&at, tiling.points * workspace.product_point * sizeof(real))
    return at - start


cdef Round begin_round(
    const Plan* plan, const Tiling* tiling, Py_ssize_t images, Py_ssize_t number, int workers
) noexcept nogil:
    cdef Round r
    cdef Py_ssize_t n = ceil_div(tiling.grid_columns, tiling.round_columns)
    cdef Py_ssize_t blocks = ceil_div(plan.channels_out, TILE_VECTORS * LANES)
    r.number = number
    r.column = number % n * tiling.round_columns
    r.columns = min(tiling.round_columns, tiling.grid_columns - r.column)
    number = number // n
    n = ceil_div(tiling.grid_rows, tiling.round_rows)
    r.row = number % n * tiling.round_rows
    r.rows = min(tiling.round_rows, tiling.grid_rows - r.row)
    number = number // n
    n = ceil_div(images, tiling.round_images)
    r.image = number % n * tiling.round_images
    r.images = min(tiling.round_images, images - r.image)
    r.group = number // n
    r.tiles = r.rows * r.columns
    # An odd number of cache lines, so that the points do not compete for the same places in cache.
    r.values = r.images * tiling.positions * r.tiles | 1
    if tiling.outer == 0:
        r.segments = 1
        r.segment = r.images * r.tiles
    else:
        r.segments = r.images * tiling.lines
        r.segment = tiling.depth * r.tiles
    # As many for one worker as for another, or so many that it does not matter; but no more than that, for each reads
    # its block's weights. (Their sizes change no result.)
    r.chunks = ceil_div(r.segment, tiling.chunk)
    if not tiling.alone:
        n = r.segments * blocks
        while n * r.chunks < 4 * workers and n * r.chunks % workers != 0 and r.segment >= (r.chunks + 1) * TILE_PIXELS:
            r.chunks += 1
    return r


cdef Py_ssize_t value_size(const Plan* plan, const Tiling* tiling, const Round* r) noexcept nogil:
    return tiling.phases * tiling.points * ceil_div(plan.channels_in, LANES) * r.values * LANES


cdef Py_ssize_t n_bands(const Plan* plan, const Tiling* tiling, const Round* r) noexcept nogil:
    return r.images * tiling.positions * ceil_div(r.rows, tiling.band) * ceil_div(plan.channels_in, LANES)


cdef Py_ssize_t n_chunks(const Plan* plan, const Round* r) noexcept nogil:
    return ceil_div(plan.channels_out, TILE_VECTORS * LANES) * r.segments * r.chunks
