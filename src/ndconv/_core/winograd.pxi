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
#   called  by transform_band, finish_patch and pack_block, with memory of their worker's own, at any address.

cdef extern from * nogil:
    """
    /* Below these, values or their products might not be normal numbers: the largest of all samples, the mean of an
     * image's, and the largest weight of an output channel. */
    #if NDCONV_REAL_BYTES == 4
    #define LEAST_SAMPLE 0x1p-40
    #define LEAST_MEAN 0x1p-50
    #define LEAST_WEIGHT 0x1p-70
    #define MOST_STEP 126
    #else
    #define LEAST_SAMPLE 0x1p-400
    #define LEAST_MEAN 0x1p-420
    #define LEAST_WEIGHT 0x1p-500
    #define MOST_STEP 1022
    #endif
    """
    const double LEAST_SAMPLE, LEAST_MEAN, LEAST_WEIGHT
    const int MOST_STEP

cdef enum:
    NO_SHARE = 2    # instead of the share of a weight, which is at most 1

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

cdef struct Level:
    # How large samples are.
    double largest                             # absolute value of all that are transformed
    double total                               # of the absolute values of those that all taps meet
    Py_ssize_t present                         # how many of those are not zero

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

cdef struct Patch:
    # Some neighbouring tiles of a row, which are finished together.
    Py_ssize_t first, count                    # of the chunk's tiles
    Py_ssize_t runs, pixels                    # runs of neighbouring outputs along the last axis, and the length of one
    Py_ssize_t rest                            # outputs from the first to the end of the axis
    Py_ssize_t lines                           # outputs along the axis before
    char* y                                    # of channel 0
    const char* residual

cdef struct Bench:
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
    Level* levels                              # of the samples of each band of each round, `bands` a round
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
    columns = parts(columns, tiling.column_dilation)
    return (tiling.column_step * tiling.column_dilation
            * (columns * tiling.columns + tiling.column_points - tiling.columns))


cdef Py_ssize_t lay_bench(const Plan* plan, const Tiling* tiling, char* at, Bench* bench) noexcept nogil:
    """Divides a worker's scratch memory, which begins at `at`; returns its size in bytes."""
    cdef char* start = at
    cdef Py_ssize_t rows = band_height(tiling, tiling.band), width = band_width(tiling, tiling.round_columns)
    bench.weights = NULL
    bench.finite = True
    bench.share = 0
    bench.exponent = 0
    bench.exponents = NULL
    bench.source.rows = <Py_ssize_t*> take(&at, rows * sizeof(Py_ssize_t))
    bench.source.first_run = <Py_ssize_t*> take(&at, 2 * sizeof(Py_ssize_t))
    bench.source.runs = <Run*> take(&at, most_runs(plan, width) * sizeof(Run))
    bench.taps = <Tap*> take(&at, tiling.phases * parts(plan.channels_in, LANES) * plan.taps.count * sizeof(Tap))
    bench.patches = <Patch*> take(&at, tiling.chunk * sizeof(Patch))
    bench.planes = <real*> take(&at, rows * width * LANES * sizeof(real))
    # Not a multiple of the page size, so that the points do not compete for the same places in cache.
    bench.product_point = (tiling.chunk * TILE_VECTORS + 1) * LANES
    bench.products = <real*> take(&at, tiling.points * bench.product_point * sizeof(real))
    return at - start


cdef Round begin_round(
    const Plan* plan, const Tiling* tiling, Py_ssize_t images, Py_ssize_t number, int workers
) noexcept nogil:
    cdef Round r
    cdef Py_ssize_t n = parts(tiling.grid_columns, tiling.round_columns)
    cdef Py_ssize_t blocks = parts(plan.channels_out, TILE_VECTORS * LANES)
    r.number = number
    r.column = number % n * tiling.round_columns
    r.columns = min(tiling.round_columns, tiling.grid_columns - r.column)
    number = number // n
    n = parts(tiling.grid_rows, tiling.round_rows)
    r.row = number % n * tiling.round_rows
    r.rows = min(tiling.round_rows, tiling.grid_rows - r.row)
    number = number // n
    n = parts(images, tiling.round_images)
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
    r.chunks = parts(r.segment, tiling.chunk)
    if not tiling.alone:
        n = r.segments * blocks
        while n * r.chunks < 4 * workers and n * r.chunks % workers != 0 and r.segment >= (r.chunks + 1) * TILE_PIXELS:
            r.chunks += 1
    return r


cdef Py_ssize_t value_size(const Plan* plan, const Tiling* tiling, const Round* r) noexcept nogil:
    return tiling.phases * tiling.points * parts(plan.channels_in, LANES) * r.values * LANES


cdef Py_ssize_t n_bands(const Plan* plan, const Tiling* tiling, const Round* r) noexcept nogil:
    return r.images * tiling.positions * parts(r.rows, tiling.band) * parts(plan.channels_in, LANES)


cdef Py_ssize_t n_chunks(const Plan* plan, const Round* r) noexcept nogil:
    return parts(plan.channels_out, TILE_VECTORS * LANES) * r.segments * r.chunks


cdef void run_round(const Plan* plan, const Tiling* tiling, const Job* job, Py_ssize_t images, Py_ssize_t number,
                    Bench* bench) noexcept nogil:
    """A round of one worker alone."""
    cdef Round r = begin_round(plan, tiling, images, number, 1)
    cdef Py_ssize_t i
    for i in range(n_bands(plan, tiling, &r)):
        transform_band(plan, tiling, job, &r, i, bench)
    for i in range(n_chunks(plan, &r)):
        multiply_chunk(plan, tiling, job, &r, i, bench)


cdef void run_block(const Plan* plan, const Tiling* tiling, const Job* job, const Round* r, const Order* weights,
                    Py_ssize_t block, Bench* bench) noexcept nogil:
    """All outputs of a block of channels, whose weights are packed and multiplied while they are in cache."""
    cdef Py_ssize_t i, chunks = r.segments * r.chunks
    pack_block(plan, tiling, weights, 0, block * TILE_VECTORS * LANES, bench.weights, bench.packing)
    bench.share = max(bench.share, share_of_block(plan, tiling, bench.weights, block * TILE_VECTORS * LANES))
    for i in range(chunks):
        multiply_chunk(plan, tiling, job, r, block * chunks + i, bench)


cdef void transform_band(const Plan* plan, const Tiling* tiling, const Job* job, const Round* r, Py_ssize_t number,
                         Bench* bench) noexcept nogil:
    """Pads a band of rows of tiles of one block of input channels, at one position, and transforms its tiles."""
    cdef Source* source = &bench.source
    cdef Py_ssize_t bands = parts(r.rows, tiling.band), blocks = parts(plan.channels_in, LANES)
    cdef Py_ssize_t block, band, position, image, row, rows, column, i, index, n, start, outer = 0
    cdef Py_ssize_t width = band_width(tiling, r.columns)
    cdef Py_ssize_t point = blocks * r.values * LANES
    cdef int row_phase, column_phase
    cdef int axis, last = plan.ndim - 1
    cdef Run run
    cdef const char* x
    cdef const real* samples
    cdef real* tile
    cdef Level* level = bench.levels + r.number * bench.bands + number
    cdef Py_ssize_t first_row = 0, end_row = 1, first_column, end_column
    cdef bint few_rows = False, few_columns
    block = number % blocks
    number = number // blocks
    band = number % bands * tiling.band
    number = number // bands
    position = number % tiling.positions
    image = number // tiling.positions
    rows = min(tiling.band, r.rows - band)
    n = position
    for axis in range(tiling.outer - 1, -1, -1):
        index = plan.origin[axis] + plan.planes.relative[axis][n % plan.planes.shape[axis]]
        run = source_run(plan.mode[axis], plan.in_shape[axis], index, 1, 1)
        outer = FILL if outer == FILL or run.source == FILL else outer + run.source * job.x.stride[axis]
        n = n // plan.planes.shape[axis]
    source.n_rows = 1
    source.rows[0] = outer
    if tiling.rows > 1:
        source.n_rows = band_height(tiling, rows)
        start = tile_start(r.row + band, tiling.rows, tiling.row_dilation) * tiling.row_step
        few_rows = not met_by_all(plan.out_shape[last - 1], tiling.row_taps, tiling.row_step, tiling.row_dilation,
                                  &first_row, &end_row)
        first_row = parts(first_row - start, tiling.row_dilation)
        end_row = parts(end_row - start, tiling.row_dilation)
        start += plan.origin[last - 1]
        for i in range(source.n_rows):
            run = source_run(plan.mode[last - 1], plan.in_shape[last - 1], start + i * tiling.row_dilation, 1, 1)
            source.rows[i] = FILL
            if outer != FILL and run.source != FILL:
                source.rows[i] = outer + run.source * job.x.stride[last - 1]
    source.first_run[0] = 0
    start = tile_start(r.column, tiling.columns, tiling.column_dilation) * tiling.column_step
    few_columns = not met_by_all(plan.out_shape[last], tiling.column_taps, tiling.column_step, tiling.column_dilation,
                                 &first_column, &end_column)
    first_column -= start
    end_column -= start
    start += plan.origin[last]
    source.first_run[1] = add_runs(plan, &job.x, source, 0, start, width)
    source.filled = 0
    x = (job.x.data + batch_offset(job, job.x.batch, r.image + image)
         + channel_offset(&job.x, r.group * plan.channels_in))
    pad(plan, &job.x, x, source, bench.planes, block * LANES, min((block + 1) * LANES, plan.channels_in))
    if bench.exponent != 0:
        scale(bench.planes, source.n_rows * width, bench.exponent)
    look_at(bench.planes, source.n_rows, width, first_row, end_row, first_column, end_column, level)
    if few_rows:
        look_at_few(bench.planes, source.n_rows, width, width, 1, level)
    if few_columns:
        look_at_few(bench.planes, min(end_column, width), 1, source.n_rows, width, level)
    n = (image * tiling.positions + position) * r.tiles + band * r.columns
    for row_phase in range(tiling.row_step):
        for column_phase in range(tiling.column_step):
            tile = bench.values + (block * r.values + n) * LANES
            tile += (row_phase * tiling.column_step + column_phase) * tiling.points * point
            for row in range(rows):
                i = row * tiling.rows * tiling.row_step + row_phase
                samples = bench.planes + (i * width + column_phase) * LANES
                transform_tiles(tiling, samples, width * LANES, r.columns, tile, point,
                                points_of(row_phase, tiling.row_points, tiling.row_taps, tiling.row_step),
                                points_of(column_phase, tiling.column_points, tiling.column_taps, tiling.column_step))
                tile += r.columns * LANES


cdef int exponent_of(const Plan* plan, const Job* job, Py_ssize_t images) noexcept nogil:
    """The power of two that makes the largest sample about 1; 0, which one sample is enough to tell, if it is large."""
    cdef real run[RUN]
    cdef double size, largest = max(abs(<double> plan.fill[0]), abs(<double> plan.fill[1]))
    cdef Py_ssize_t line, rest, i, n, done, offset, lines = plan.groups * plan.channels_in
    cdef int axis, exponent = 0, last = plan.ndim - 1
    for axis in range(last):
        lines *= plan.in_shape[axis]
    for line in range(images * lines):
        rest = line
        offset = 0
        for axis in range(last - 1, -1, -1):
            offset += rest % plan.in_shape[axis] * job.x.stride[axis]
            rest = rest // plan.in_shape[axis]
        offset += channel_offset(&job.x, rest % (plan.groups * plan.channels_in))
        offset += batch_offset(job, job.x.batch, rest // (plan.groups * plan.channels_in))
        done = 0
        while done < plan.in_shape[last]:
            n = min(plan.in_shape[last] - done, RUN)
            read_samples(&job.x, run, job.x.data + offset + done * job.x.stride[last], job.x.stride[last], n)
            for i in range(n):
                size = abs(<double> run[i])
                if not size < LEAST_SAMPLE:
                    return 0
                largest = max(largest, size)
            done += n
    if largest == 0 or largest >= LEAST_SAMPLE:
        return 0
    frexp(largest, &exponent)
    return -exponent


cdef inline real power_of_two(int exponent) noexcept nogil:
    return <real> ldexp(1.0, max(min(exponent, MOST_STEP), -MOST_STEP))


cdef void scale(real* samples, Py_ssize_t vectors, int exponent) noexcept nogil:
    """Multiplies by two to an exponent, in two steps: what is smaller than any sample has the largest of them."""
    cdef vec first = vec_splat(power_of_two(exponent // 2)), second = vec_splat(power_of_two(exponent - exponent // 2))
    cdef Py_ssize_t i
    for i in range(vectors):
        vec_store(samples + i * LANES, vec_load(samples + i * LANES) * first * second)


cdef inline bint met_by_all(Py_ssize_t outputs, Py_ssize_t taps, Py_ssize_t step, Py_ssize_t dilation,
                            Py_ssize_t* first, Py_ssize_t* end) noexcept nogil:
    """Finds the plane samples of an axis that all taps meet, of their phase; or, if there are none, that any does."""
    first[0] = (taps - 1) * dilation
    end[0] = (outputs - 1) * step + 1
    if first[0] < end[0]:
        return True
    end[0] += first[0]
    first[0] = 0
    return False


cdef void look_at_few(const real* samples, Py_ssize_t rows, Py_ssize_t row, Py_ssize_t columns, Py_ssize_t column,
                      Level* level) noexcept nogil:
    """Lowers the total to what it would be if all rows were like the smallest that is not zero.

    Each tap meets but some of them, and may find no larger ones.
    """
    cdef Py_ssize_t i, j, k, present
    cdef double total, mean = level.total / max(level.present, 1)
    cdef real size
    for i in range(rows):
        present = 0
        total = 0
        for j in range(columns):
            for k in range(LANES):
                size = samples[(i * row + j * column) * LANES + k]
                total += abs(<double> size)
                present += size != 0
        if present > 0:
            mean = min(mean, total / present)
    level.total = mean * level.present


cdef inline void look_along(const real* samples, Py_ssize_t vectors, vec* largest) noexcept nogil:
    cdef Py_ssize_t i
    cdef vec size
    for i in range(vectors):
        size = vec_load(samples + i * LANES)
        largest[0] = vec_max(largest[0], vec_max(size, -size))


cdef void look_at(const real* samples, Py_ssize_t rows, Py_ssize_t width, Py_ssize_t first_row, Py_ssize_t end_row,
                  Py_ssize_t first_column, Py_ssize_t end_column, Level* level) noexcept nogil:
    """Finds how large the samples of a band are; those between the rows and columns are met by all taps."""
    cdef vec largest = vec_splat(0), total = vec_splat(0), present = vec_splat(0)
    cdef vec size
    cdef real of_lanes[3 * MOST_LANES]
    cdef Py_ssize_t i, row, first = min(max(first_column, 0), width), end = min(max(end_column, first), width)
    for row in range(rows):
        if row < first_row or row >= end_row:
            look_along(samples, width, &largest)
        else:
            look_along(samples, first, &largest)
            for i in range(first, end):
                size = vec_load(samples + i * LANES)
                size = vec_max(size, -size)
                largest = vec_max(largest, size)
                total = total + size
                present = present + vec_is_positive(size)
            look_along(samples + end * LANES, width - end, &largest)
        samples += width * LANES
    vec_store(of_lanes, largest)
    vec_store(of_lanes + LANES, total)
    vec_store(of_lanes + 2 * LANES, present)
    level.largest = level.total = 0
    level.present = 0
    for i in range(LANES):
        level.largest = max(level.largest, <double> of_lanes[i])
        level.total += of_lanes[LANES + i]
        level.present += <Py_ssize_t> of_lanes[2 * LANES + i]


cdef bint is_level(const Plan* plan, const Tiling* tiling, Level* levels, Level* sums, Py_ssize_t bands,
                   Py_ssize_t n_rounds, Py_ssize_t images, double share) noexcept nogil:
    """Whether no image has, in any group, a sample or a mean that its outputs would suffer from."""
    cdef Py_ssize_t i, k, blocks = parts(plan.channels_in, LANES)
    cdef Round r
    cdef Level* level
    cdef Level* one
    # Band by band, so that the sums do not depend on who did which.
    for k in range(n_rounds):
        r = begin_round(plan, tiling, images, k, 1)
        for i in range(n_bands(plan, tiling, &r)):
            one = levels + k * bands + i
            level = sums + r.group * images + r.image + i // (blocks * parts(r.rows, tiling.band) * tiling.positions)
            level.largest = max(level.largest, one.largest)
            level.total += one.total
            level.present += one.present
    for i in range(plan.groups * images):
        level = sums + i
        if level.largest == 0:
            continue
        if not (level.total < HUGE_VAL and level.total >= LEAST_MEAN * level.present
                and level.largest * level.present * share <= tiling.outlier * level.total):
            return False
    return True


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

    Each tile is transformed at all points, and a phase of fewer taps reads a sample too much for that: the band of
    samples has it.
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


cdef void multiply_chunk(const Plan* plan, const Tiling* tiling, const Job* job, const Round* r, Py_ssize_t number,
                         Bench* bench) noexcept nogil:
    """Multiplies and finishes a chunk of tiles for one block of output channels."""
    cdef real zeros[MOST_VECTOR]
    cdef Tile tile
    cdef Py_ssize_t blocks = parts(plan.channels_in, LANES), chunk, segment, block, start, count, first, width, vectors
    cdef Py_ssize_t c, t, end, n_blocks, point, done, next_done, i, tiles, channels, pairs, products
    chunk = number % r.chunks
    number = number // r.chunks
    segment = number % r.segments
    block = number // r.segments * TILE_VECTORS * LANES
    start = chunk * r.segment // r.chunks
    count = (chunk + 1) * r.segment // r.chunks - start
    # The place of the segment's first tile among the values: that of its image, and of its line of positions.
    first = start
    if tiling.outer > 0:
        first += (segment // tiling.lines * tiling.positions
                  + line_position(plan, tiling, segment % tiling.lines)) * r.tiles
    width = tile_width(plan, block)
    vectors = width // LANES
    for i in range(width):
        zeros[i] = 0
    tile.interleaved = tile.distant = True
    tile.weights = bench.weights
    if tile.weights == NULL:
        tile.weights = job.weights + r.group * plan.set_size + block_start(plan, tiling, block)
    tiles = parts(count, most_pixels(vectors))
    find_patches(plan, tiling, job, r, segment, start, count, bench)
    channels = min(width, plan.channels_out - block)
    pairs = bench.n_patches * channels
    for point in range(tiling.points):
        # While products are made, the lines of y and of the residual arrive.
        if job.in_vectors:
            send_for_outputs(plan, tiling, job, bench, r.group * plan.channels_out + block, channels,
                             point * pairs // tiling.points, (point + 1) * pairs // tiling.points)
        tile.base = zeros
        tile.base_step = 0
        n_blocks = find_factors(plan, tiling, r, <int> point, width, bench.taps)
        c = 0
        while c < n_blocks:
            end = min(c + tiling.together, n_blocks)
            tile.taps = bench.taps + c * plan.taps.count
            tile.n_taps = (end - c) * plan.taps.count
            # Of the weights that follow these, the first tiles ask for a vector for each product: that is all of them.
            products = 0
            for t in range(c * plan.taps.count, end * plan.taps.count):
                products += bench.taps[t].channels
            tile.ahead = tile.weights + tile.taps.weight + products * width
            tile.ahead_step = LANES
            done = 0
            for i in range(tiles):
                if i == vectors:
                    tile.ahead_step = 0
                next_done = (i + 1) * count // tiles
                tile.x = bench.values + (first + done) * LANES
                tile.sums = bench.products + point * bench.product_point + done * width
                if c > 0:
                    tile.base = tile.sums
                    tile.base_step = width
                multiply_tile(&tile, <int> (next_done - done), <int> vectors)
                tile.ahead += products * tile.ahead_step
                done = next_done
            c = end
        tile.weights += n_blocks // blocks * plan.channels_in * plan.taps.count * width
    for i in range(bench.n_patches):
        finish_patch(plan, tiling, job, bench.patches + i, r.group * plan.channels_out + block, channels, width, bench)


cdef Py_ssize_t find_factors(const Plan* plan, const Tiling* tiling, const Round* r, int point, Py_ssize_t width,
                             Tap* tap) noexcept nogil:
    """Finds the values and weights that are multiplied at a point; returns of how many blocks of a phase's channels."""
    cdef Py_ssize_t blocks = parts(plan.channels_in, LANES), c, t, channels, start, weight = 0
    cdef int row = point // tiling.column_points, column = point % tiling.column_points, row_phase, column_phase
    cdef int row_phases = phases_at(row, tiling.row_points, tiling.row_taps, tiling.row_step)
    cdef int column_phases = phases_at(column, tiling.column_points, tiling.column_taps, tiling.column_step)
    for row_phase in range(row_phases):
        for column_phase in range(column_phases):
            start = ((row_phase * tiling.column_step + column_phase) * tiling.points + point) * blocks
            for c in range(blocks):
                channels = min(LANES, plan.channels_in - c * LANES)
                for t in range(plan.taps.count):
                    tap.x = ((start + c) * r.values + plan.taps.offset[t] * r.tiles) * LANES
                    tap.weight = weight
                    tap.channels = channels
                    tap += 1
                    weight += channels * width
    return row_phases * column_phases * blocks


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


cdef void find_patches(const Plan* plan, const Tiling* tiling, const Job* job, const Round* r, Py_ssize_t segment,
                       Py_ssize_t start, Py_ssize_t count, Bench* bench) noexcept nogil:
    """Divides a chunk of tiles into patches, and finds where in y they belong."""
    cdef Py_ssize_t done = 0, image, line, depth, place, row, column, dilation = tiling.column_dilation
    cdef int last = plan.ndim - 1
    cdef Patch* patch = bench.patches
    while done < count:
        place = (start + done) % r.tiles
        depth = (start + done) // r.tiles
        if tiling.outer == 0:
            image, line, depth = depth, 0, 0
        else:
            image, line = segment // tiling.lines, segment % tiling.lines
        row = tile_start(r.row + place // r.columns, tiling.rows, tiling.row_dilation)
        column = place % r.columns
        patch.first = done
        patch.count = min(count - done, r.columns - column)
        patch.runs = 1
        if dilation == 1:
            patch.count = min(patch.count, max(LANES // tiling.columns, 1))
            patch.pixels = patch.count * tiling.columns
        else:
            patch.count = min(min(patch.count, LANES), dilation - column % dilation)
            patch.pixels = patch.count
            if patch.count == dilation:
                patch.pixels = dilation * tiling.columns
            else:
                patch.runs = tiling.columns
        done += patch.count
        column = tile_start(r.column + column, tiling.columns, dilation)
        patch.rest = plan.out_shape[last] - column
        patch.lines = 1
        patch.y = (job.y.data + batch_offset(job, job.y.batch, r.image + image)
                   + line_offset(plan, tiling, &job.y, line, depth) + column * job.y.stride[last])
        patch.residual = NULL
        if job.residual.data != NULL:
            patch.residual = (job.residual.data + batch_offset(job, job.residual.batch, r.image + image)
                              + line_offset(plan, tiling, &job.residual, line, depth)
                              + column * job.residual.stride[last])
        if tiling.rows > 1:
            patch.lines = min(tiling.rows, parts(plan.out_shape[last - 1] - row, tiling.row_dilation))
            patch.y += row * job.y.stride[last - 1]
            if patch.residual != NULL:
                patch.residual += row * job.residual.stride[last - 1]
        patch += 1
    bench.n_patches = patch - bench.patches


cdef inline Py_ssize_t run_length(const Tiling* tiling, const Patch* patch, Py_ssize_t run) noexcept nogil:
    return max(min(patch.pixels, patch.rest - run * tiling.column_dilation), 0)


cdef void send_for_outputs(const Plan* plan, const Tiling* tiling, const Job* job, Bench* bench, Py_ssize_t channel,
                           Py_ssize_t channels, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """Asks for the lines of y and of the residual of some of the pairs of a patch and an output channel."""
    cdef Py_ssize_t i, k, line, run, y_line = 0, residual_line = 0
    cdef Py_ssize_t y_run = tiling.column_dilation * job.y.stride[plan.ndim - 1]
    cdef Py_ssize_t residual_run = tiling.column_dilation * job.residual.stride[plan.ndim - 1]
    cdef const Patch* patch
    if plan.ndim > 1:
        y_line = tiling.row_dilation * job.y.stride[plan.ndim - 2]
        residual_line = tiling.row_dilation * job.residual.stride[plan.ndim - 2]
    for i in range(start, end):
        patch = bench.patches + i // channels
        k = channel + i % channels
        for line in range(patch.lines):
            for run in range(patch.runs):
                send_for_row(<real*> (patch.y + k * job.y.channel + line * y_line + run * y_run),
                             NULL if patch.residual == NULL else
                             patch.residual + k * job.residual.channel + line * residual_line + run * residual_run,
                             run_length(tiling, patch, run))


cdef void finish_patch(const Plan* plan, const Tiling* tiling, const Job* job, const Patch* patch, Py_ssize_t channel,
                       Py_ssize_t channels, Py_ssize_t width, Bench* bench) noexcept nogil:
    """Transforms, transposes and finishes a patch, the vectors of output channels one by one."""
    cdef real turned[MOST_SIDE * MOST_SIDE * MOST_BLOCK]     # [line][pixel][channel]: run after run
    cdef real rows[MOST_SIDE * MOST_SIDE * MOST_BLOCK]       # [line][channel][pixel]
    cdef real bias[MOST_LANES]
    cdef real base[MOST_LANES]                 # the bias, but where sums are scaled
    cdef bint is_scaled = bench.exponent != 0 or bench.exponents != NULL
    cdef Py_ssize_t v, k, b, line, run, end, pixels = parts(patch.count * tiling.columns, LANES) * LANES
    cdef Py_ssize_t y_line = 0, residual_line = 0
    cdef bint in_y
    cdef char* y
    cdef const char* residual = NULL
    nd_assert_within(patch.lines, 1, tiling.rows)
    nd_assert(tiling.rows * pixels * LANES <= MOST_SIDE * MOST_SIDE * MOST_BLOCK)
    if plan.ndim > 1:
        y_line = tiling.row_dilation * job.y.stride[plan.ndim - 2]
        residual_line = tiling.row_dilation * job.residual.stride[plan.ndim - 2]
    for v in range(width // LANES):
        end = min(LANES, channels - v * LANES)
        for k in range(LANES):
            bias[k] = job.bias[channel + k] if job.bias != NULL and k < end else 0
            base[k] = 0 if is_scaled else bias[k]
        if not untransform_tiles(tiling, bench.products + patch.first * width + v * LANES, width, bench.product_point,
                                 base, turned, pixels * LANES, patch.count):
            bench.finite = False
        if is_scaled:
            unscale(bench, channel, end, bias, turned, patch.lines * pixels)
        # Whole vectors of whole blocks of channels are transposed into y.
        in_y = (job.in_vectors and patch.residual == NULL and patch.runs == 1 and end == LANES
                and run_length(tiling, patch, 0) == pixels)
        for line in range(patch.lines):
            y = patch.y + line * y_line
            if patch.residual != NULL:
                residual = patch.residual + line * residual_line
            if in_y:
                y += channel * job.y.channel
                for b in range(pixels // LANES):
                    transpose_block(turned + (line * pixels + b * LANES) * LANES, LANES,
                                    <real*> y + b * LANES, job.y.channel // <Py_ssize_t> sizeof(real))
                if not job.plain:
                    finish(job, <real*> y, job.y.channel // <Py_ssize_t> sizeof(real), y, job.y.channel, NULL, 0,
                           LANES, pixels)
                continue
            if not job.by_pixel:
                for b in range(pixels // LANES):
                    transpose_block(turned + (line * pixels + b * LANES) * LANES, LANES,
                                    rows + line * pixels * LANES + b * LANES, pixels)
            for run in range(patch.runs):
                if job.by_pixel:
                    activate_runs(job.activation, turned + (line * pixels + run * patch.pixels) * LANES, LANES,
                                  y + channel * job.y.channel, job.y.stride[plan.ndim - 1],
                                  NULL if residual == NULL else residual + channel * job.residual.channel,
                                  job.residual.stride[plan.ndim - 1], run_length(tiling, patch, run), end)
                else:
                    finish_run(job, rows + line * pixels * LANES + run * patch.pixels, pixels, y, residual, channel,
                               end, run_length(tiling, patch, run))
                y += tiling.column_dilation * job.y.stride[plan.ndim - 1]
                if residual != NULL:
                    residual += tiling.column_dilation * job.residual.stride[plan.ndim - 1]
        channel += LANES


cdef void unscale(const Bench* bench, Py_ssize_t channel, Py_ssize_t channels, const real* bias, real* sums,
                  Py_ssize_t pixels) noexcept nogil:
    """Undoes what samples and weights were multiplied by, in sums of a vector of channels, and adds the bias."""
    cdef real first[MOST_LANES]
    cdef real second[MOST_LANES]
    cdef Py_ssize_t i
    cdef int exponent
    for i in range(LANES):
        exponent = bench.exponent
        if bench.exponents != NULL and i < channels:
            exponent += bench.exponents[channel + i]
        first[i] = power_of_two(-(exponent // 2))
        second[i] = power_of_two(-(exponent - exponent // 2))
    for i in range(pixels):
        vec_store(sums + i * LANES, vec_load(sums + i * LANES) * vec_load(first) * vec_load(second) + vec_load(bias))


cdef void finish_run(const Job* job, const real* rows, Py_ssize_t row, char* y, const char* residual,
                     Py_ssize_t channel, Py_ssize_t channels, Py_ssize_t pixels) noexcept nogil:
    """Finishes neighbouring outputs of some channels, whose sums lie `row` apart."""
    # Parts of complex channels do not lie at equal steps.
    cdef Py_ssize_t k = 0, together = channels if job.y.parts == 1 else 1
    if pixels == 0:
        return
    while k < channels:
        finish(job, rows + k * row, row, y + channel_offset(&job.y, channel + k), job.y.channel,
               NULL if residual == NULL else residual + channel_offset(&job.residual, channel + k),
               job.residual.channel, together, pixels)
        k += together


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
    nd_assert(rows + parts(tiling.row_taps, tiling.row_step) - 1 == tiling.row_points)
    nd_assert(columns + parts(tiling.column_taps, tiling.column_step) - 1 == tiling.column_points)
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


cdef enum:
    PACKED_TOGETHER = 16       # pairs of an input channel and a tap whose values are made before they are stored

cdef struct PackBench:
    # What a worker that packs weights keeps.
    real* rows                 # [weight][lanes] of one vector of output channels
    real* values               # [phase][point][input channel][output channel of the block]


cdef Py_ssize_t lay_pack_bench(const Tiling* tiling, char* at, PackBench* bench) noexcept nogil:
    cdef char* start = at
    cdef Py_ssize_t taps = tiling.row_taps * tiling.column_taps
    bench.rows = <real*> take(&at, PACKED_TOGETHER * taps * LANES * sizeof(real))
    bench.values = <real*> take(
        &at, tiling.phases * tiling.points * (PACKED_TOGETHER * MOST_VECTOR + LANES) * sizeof(real)
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


cdef void pack_block(const Plan* plan, const Tiling* tiling, const Order* order, Py_ssize_t number, Py_ssize_t block,
                     real* packed, char* memory) noexcept nogil:
    """Transforms the weights of a block of output channels, [point][phase][place][output channel], and adds the shares.
    """
    cdef PackBench bench
    cdef Place place = first_place(plan)
    cdef Py_ssize_t i, j, k, v, at, count, run
    cdef Py_ssize_t places[PACKED_TOGETHER]
    cdef Py_ssize_t taps = tiling.row_taps * tiling.column_taps
    cdef Py_ssize_t n = plan.channels_in * plan.taps.count, width = tile_width(plan, block)
    # Not a multiple of the page size, so that the points do not compete for the same places in cache.
    cdef Py_ssize_t step = PACKED_TOGETHER * width + LANES
    cdef int point, row_phase, column_phase, row_phases, column_phases
    cdef vec largest[TILE_VECTORS]
    cdef vec total[TILE_VECTORS]
    cdef vec size
    lay_pack_bench(tiling, memory, &bench)
    for v in range(width // LANES):
        largest[v] = total[v] = vec_splat(0)
    j = 0
    while j < n:
        count = min(n - j, PACKED_TOGETHER)
        for v in range(width // LANES):
            read_rows(order, number, block + v * LANES, j * taps, count * taps, bench.rows)
            for i in range(count * taps):
                size = vec_load(bench.rows + i * LANES)
                size = vec_max(size, -size)
                largest[v] = vec_max(largest[v], size)
                total[v] = total[v] + size
            for i in range(count):
                transform_filters(tiling, bench.rows + i * taps * LANES, bench.values + i * width + v * LANES, step)
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
                        memcpy(packed + (k * n + places[i]) * width, bench.values + at + i * width,
                               run * width * sizeof(real))
                        i += run
                    k += 1
        j += count
    packed += width * tiling.weight_values * n
    for v in range(width // LANES):
        vec_store(packed + v * LANES, largest[v])
        vec_store(bench.rows, total[v])
        for i in range(LANES):
            at = v * LANES + i
            if packed[at] != 0 or bench.rows[i] != 0:
                # Of weights that are not finite, or whose values would not be normal numbers, none is small enough.
                packed[at] = (packed[at] / bench.rows[i]
                              if packed[at] >= LEAST_WEIGHT and bench.rows[i] < HUGE_VAL else <real> NO_SHARE)


cdef void transform_filters(const Tiling* tiling, const real* weights, real* values, Py_ssize_t step) noexcept nogil:
    """The values, `step` apart, of the filters of LANES output channels for one input channel, phase by phase."""
    cdef int row_phase, column_phase
    for row_phase in range(tiling.row_step):
        for column_phase in range(tiling.column_step):
            transform_filter(tiling, weights + (row_phase * tiling.column_taps + column_phase) * LANES, values, step,
                             <int> parts(tiling.row_taps - row_phase, tiling.row_step),
                             <int> parts(tiling.column_taps - column_phase, tiling.column_step))
            values += tiling.points * step


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
