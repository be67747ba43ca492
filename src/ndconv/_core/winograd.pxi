# Winograd's method: input tiles -> values at points -> products, by the tile micro-kernel -> output tiles -> epilogue.
#
# The last axis, and the one before it where it can, are cut into tiles; taps along the other axes are summed as they
# are. A call is done in rounds, whose values fit their memory: in a round input tiles are transformed, and then
# multiplied and finished, a chunk of tiles for a block of output channels at a time. Where there are enough rounds,
# each is done by one worker, in its own cache; else all workers share its chunks.

cdef struct Tiling:
    # How a plan's outputs are cut into tiles; the plan's taps are those of the axes that are not.
    int rows, columns                          # outputs of a tile; `rows` is 1 where only the last axis is cut
    int points
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
    double outlier                             # times the mean: a larger sample is an outlier

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
    Py_ssize_t pixels, lines                   # outputs along the last axis, and the one before it
    char* y                                    # of channel 0
    const char* residual

cdef struct Bench:
    # What a worker keeps from item to item.
    Source source
    Tap* taps
    real* planes
    real* values                               # of a round: [point][block of input channels][tile][channel]
    Patch* patches
    Py_ssize_t n_patches
    real* products                             # [point][tile][output channel], points `product_point` apart
    Py_ssize_t product_point
    bint finite
    double largest                             # of the samples that this worker padded
    Py_ssize_t present                         # how many of them are not zero
    double* totals                             # of the samples of each band of each round, `bands` a round
    Py_ssize_t bands


cdef Py_ssize_t lay_bench(const Plan* plan, const Tiling* tiling, char* at, Bench* bench) noexcept nogil:
    """Divides a worker's scratch memory, which begins at `at`; returns its size in bytes."""
    cdef char* start = at
    cdef Py_ssize_t c, t, channels, rows, width = tiling.round_columns * tiling.columns + 2
    cdef Tap* tap
    rows = tiling.band * tiling.rows + 2 if tiling.rows > 1 else 1
    bench.finite = True
    bench.largest = 0
    bench.present = 0
    bench.source.rows = <Py_ssize_t*> at
    at += aligned(rows * sizeof(Py_ssize_t))
    bench.source.first_run = <Py_ssize_t*> at
    at += aligned(2 * sizeof(Py_ssize_t))
    bench.source.runs = <Run*> at
    at += aligned(most_runs(plan, width) * sizeof(Run))
    bench.taps = <Tap*> at
    at += aligned(parts(plan.channels_in, LANES) * plan.taps * sizeof(Tap))
    bench.patches = <Patch*> at
    at += aligned(tiling.chunk * sizeof(Patch))
    bench.planes = <real*> at
    at += aligned(rows * width * LANES * sizeof(real))
    bench.products = <real*> at
    # Not a multiple of the page size, so that the points do not compete for the same places in cache.
    bench.product_point = (tiling.chunk * TILE_VECTORS + 1) * LANES
    at += aligned(tiling.points * bench.product_point * sizeof(real))
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
    # Enough chunks for all workers, none much too small to share a block's weights. (Their sizes change no result.)
    n = tiling.chunk
    if not tiling.alone:
        n = min(max(parts(r.segments * r.segment * blocks, 4 * workers), TILE_PIXELS), n)
    r.chunks = parts(r.segment, n)
    return r


cdef Py_ssize_t value_size(const Plan* plan, const Tiling* tiling, const Round* r) noexcept nogil:
    return tiling.points * parts(plan.channels_in, LANES) * r.values * LANES


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


cdef void transform_band(const Plan* plan, const Tiling* tiling, const Job* job, const Round* r, Py_ssize_t number,
                         Bench* bench) noexcept nogil:
    """Pads a band of rows of tiles of one block of input channels, at one position, and transforms its tiles."""
    cdef Source* source = &bench.source
    cdef Py_ssize_t bands = parts(r.rows, tiling.band), blocks = parts(plan.channels_in, LANES)
    cdef Py_ssize_t block, band, position, image, row, rows, column, i, index, n, start, outer = 0
    cdef Py_ssize_t width = r.columns * tiling.columns + 2
    cdef Py_ssize_t point = blocks * r.values * LANES
    cdef int axis, last = plan.ndim - 1
    cdef Run run
    cdef const char* x
    cdef real* tile
    cdef double* total = bench.totals + r.number * bench.bands + number
    block = number % blocks
    number = number // blocks
    band = number % bands * tiling.band
    number = number // bands
    position = number % tiling.positions
    image = number // tiling.positions
    rows = min(tiling.band, r.rows - band)
    n = position
    for axis in range(tiling.outer - 1, -1, -1):
        index = plan.origin[axis] + plan.relative[axis][n % plan.plane_shape[axis]]
        run = source_run(plan.mode[axis], plan.in_shape[axis], index, 1, 1)
        outer = FILL if outer == FILL or run.source == FILL else outer + run.source * job.x.stride[axis]
        n = n // plan.plane_shape[axis]
    source.n_rows = 1
    source.rows[0] = outer
    if tiling.rows > 1:
        source.n_rows = rows * tiling.rows + 2
        start = plan.origin[last - 1] + (r.row + band) * tiling.rows
        for i in range(source.n_rows):
            run = source_run(plan.mode[last - 1], plan.in_shape[last - 1], start + i, 1, 1)
            source.rows[i] = FILL
            if outer != FILL and run.source != FILL:
                source.rows[i] = outer + run.source * job.x.stride[last - 1]
    source.first_run[0] = 0
    source.first_run[1] = add_runs(plan, &job.x, source, 0, plan.origin[last] + r.column * tiling.columns, width)
    source.filled = 0
    x = (job.x.data + batch_offset(job, job.x.batch, r.image + image)
         + channel_offset(&job.x, r.group * plan.channels_in))
    pad(plan, &job.x, x, source, bench.planes, block * LANES, min((block + 1) * LANES, plan.channels_in))
    total[0] = look_at(bench.planes, source.n_rows * width, bench)
    n = (image * tiling.positions + position) * r.tiles + band * r.columns
    tile = bench.values + (block * r.values + n) * LANES
    for row in range(rows):
        for column in range(r.columns):
            transform_tile(bench.planes + (row * tiling.rows * width + column * tiling.columns) * LANES, width * LANES,
                           tile, point, tiling.rows, tiling.columns)
            tile += LANES


cdef double look_at(const real* samples, Py_ssize_t vectors, Bench* bench) noexcept nogil:
    """Notes the largest absolute sample, and how many are not zero; returns the sum of all absolute samples."""
    cdef vec largest = vec_splat(0), total = vec_splat(0), present = vec_splat(0)
    cdef vec size
    cdef real of_lanes[3 * MOST_LANES]
    cdef double sum_of_lanes = 0
    cdef Py_ssize_t i
    for i in range(vectors):
        size = vec_load(samples + i * LANES)
        size = vec_max(size, -size)
        largest = vec_max(largest, size)
        total = total + size
        present = present + vec_is_positive(size)
    vec_store(of_lanes, largest)
    vec_store(of_lanes + LANES, total)
    vec_store(of_lanes + 2 * LANES, present)
    for i in range(LANES):
        bench.largest = max(bench.largest, <double> of_lanes[i])
        sum_of_lanes += of_lanes[LANES + i]
        bench.present += <Py_ssize_t> of_lanes[2 * LANES + i]
    return sum_of_lanes


cdef inline int transform_tile_of(
    const real* x, Py_ssize_t x_row, real* y, Py_ssize_t point, const int rows, const int columns
) noexcept nogil:
    cdef vec sample[MOST_POINTS]
    cdef vec value[MOST_POINTS]
    cdef int i, j, height = rows + 2 if rows > 1 else 1, width = columns + 2
    for i in range(height):
        for j in range(width):
            sample[i * width + j] = vec_load(x + i * x_row + j * LANES)
    for j in range(width):
        transform_input(value + j, sample + j, width, rows)
    for i in range(height):
        transform_input(sample + i * width, value + i * width, 1, columns)
    for i in range(height * width):
        vec_store(y + i * point, sample[i])
    return 0


cdef void transform_tile(
    const real* x, Py_ssize_t x_row, real* y, Py_ssize_t point, int rows, int columns
) noexcept nogil:
    """One input tile of LANES channels; `point` is from point to point of the values."""
    if rows == 4:
        transform_tile_of(x, x_row, y, point, 4, 4)
    elif rows == 2:
        transform_tile_of(x, x_row, y, point, 2, 2)
    elif columns == 4:
        transform_tile_of(x, x_row, y, point, 1, 4)
    else:
        transform_tile_of(x, x_row, y, point, 1, 2)


cdef void multiply_chunk(const Plan* plan, const Tiling* tiling, const Job* job, const Round* r, Py_ssize_t number,
                         Bench* bench) noexcept nogil:
    """Multiplies and finishes a chunk of tiles for one block of output channels."""
    cdef real zeros[MOST_VECTOR]
    cdef Tile tile
    cdef Tap* tap = bench.taps
    cdef Py_ssize_t blocks = parts(plan.channels_in, LANES), chunk, segment, block, start, count, first, width, vectors
    cdef Py_ssize_t c, t, end, point, done, next_done, i, tiles, channels, values_point = blocks * r.values * LANES
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
    for c in range(blocks):
        channels = min(LANES, plan.channels_in - c * LANES)
        for t in range(plan.taps):
            tap.x = (c * r.values + plan.tap_offset[t] * r.tiles) * LANES
            tap.weight = (c * LANES * plan.taps + t * channels) * width
            tap.channels = channels
            tap += 1
    for i in range(width):
        zeros[i] = 0
    tile.interleaved = True
    tile.weights = (job.weights + r.group * plan.set_size + block * tiling.points * plan.channels_in * plan.taps)
    tiles = parts(count, most_pixels(vectors))
    find_patches(plan, tiling, job, r, segment, start, count, bench)
    channels = min(width, plan.channels_out - block)
    t = bench.n_patches * channels
    for point in range(tiling.points):
        # While products are made, the lines of y and of the residual arrive.
        if job.in_vectors:
            send_for_outputs(plan, job, bench, r.group * plan.channels_out + block, channels,
                             point * t // tiling.points, (point + 1) * t // tiling.points)
        tile.base = zeros
        tile.base_step = 0
        c = 0
        while c < blocks:
            end = min(c + tiling.together, blocks)
            tile.taps = bench.taps + c * plan.taps
            tile.n_taps = (end - c) * plan.taps
            done = 0
            for i in range(tiles):
                next_done = (i + 1) * count // tiles
                tile.x = bench.values + point * values_point + (first + done) * LANES
                tile.sums = bench.products + point * bench.product_point + done * width
                if c > 0:
                    tile.base = tile.sums
                    tile.base_step = width
                multiply_tile(&tile, <int> (next_done - done), <int> vectors)
                done = next_done
            c = end
        tile.weights += plan.channels_in * plan.taps * width
    for i in range(bench.n_patches):
        finish_patch(plan, tiling, job, bench.patches + i, r.group * plan.channels_out + block, channels, width, bench)


cdef Py_ssize_t line_position(const Plan* plan, const Tiling* tiling, Py_ssize_t line) noexcept nogil:
    """The position of a line's first outputs: a line is what has the same place on all outer axes but the last."""
    cdef int axis
    cdef Py_ssize_t position = 0, step = 1
    for axis in range(tiling.outer - 1, -1, -1):
        if axis < tiling.outer - 1:
            position += line % plan.out_shape[axis] * step
            line = line // plan.out_shape[axis]
        step *= plan.plane_shape[axis]
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
    cdef Py_ssize_t done = 0, image, line, depth, place, row, column
    cdef int last = plan.ndim - 1
    cdef Patch* patch = bench.patches
    while done < count:
        place = (start + done) % r.tiles
        depth = (start + done) // r.tiles
        if tiling.outer == 0:
            image, line, depth = depth, 0, 0
        else:
            image, line = segment // tiling.lines, segment % tiling.lines
        patch.first = done
        patch.count = min(min(max(LANES // tiling.columns, 1), count - done), r.columns - place % r.columns)
        done += patch.count
        row = (r.row + place // r.columns) * tiling.rows
        column = (r.column + place % r.columns) * tiling.columns
        patch.pixels = min(patch.count * tiling.columns, plan.out_shape[last] - column)
        patch.lines = 1
        patch.y = (job.y.data + batch_offset(job, job.y.batch, r.image + image)
                   + line_offset(plan, tiling, &job.y, line, depth) + column * job.y.stride[last])
        patch.residual = NULL
        if job.residual.data != NULL:
            patch.residual = (job.residual.data + batch_offset(job, job.residual.batch, r.image + image)
                              + line_offset(plan, tiling, &job.residual, line, depth)
                              + column * job.residual.stride[last])
        if tiling.rows > 1:
            patch.lines = min(tiling.rows, plan.out_shape[last - 1] - row)
            patch.y += row * job.y.stride[last - 1]
            if patch.residual != NULL:
                patch.residual += row * job.residual.stride[last - 1]
        patch += 1
    bench.n_patches = patch - bench.patches


cdef void send_for_outputs(const Plan* plan, const Job* job, Bench* bench, Py_ssize_t channel, Py_ssize_t channels,
                           Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """Asks for the lines of y and of the residual of some of the pairs of a patch and an output channel."""
    cdef Py_ssize_t i, k, line, y_line = 0, residual_line = 0
    cdef const Patch* patch
    if plan.ndim > 1:
        y_line = job.y.stride[plan.ndim - 2]
        residual_line = job.residual.stride[plan.ndim - 2]
    for i in range(start, end):
        patch = bench.patches + i // channels
        k = channel + i % channels
        for line in range(patch.lines):
            send_for_row(<real*> (patch.y + k * job.y.channel + line * y_line),
                         NULL if patch.residual == NULL else
                         patch.residual + k * job.residual.channel + line * residual_line, patch.pixels)


cdef void finish_patch(const Plan* plan, const Tiling* tiling, const Job* job, const Patch* patch, Py_ssize_t channel,
                       Py_ssize_t channels, Py_ssize_t width, Bench* bench) noexcept nogil:
    """Transforms, transposes and finishes a patch, the vectors of output channels one by one."""
    cdef real turned[8 * MOST_BLOCK]           # [line][pixel][channel]
    cdef real rows[8 * MOST_BLOCK]             # [line][channel][pixel]
    cdef real bias[MOST_LANES]
    cdef Py_ssize_t v, k, b, line, end, together, pixels = max(LANES, tiling.columns)
    cdef Py_ssize_t y_line = 0, residual_line = 0
    cdef char* y
    cdef const char* residual = NULL
    if plan.ndim > 1:
        y_line = job.y.stride[plan.ndim - 2]
        residual_line = job.residual.stride[plan.ndim - 2]
    for v in range(width // LANES):
        end = min(LANES, channels - v * LANES)
        for k in range(LANES):
            bias[k] = job.bias[channel + k] if job.bias != NULL and k < end else 0
        if not untransform_tiles(bench.products + patch.first * width + v * LANES, width, bench.product_point, bias,
                                 turned, pixels * LANES, patch.count, tiling.rows, tiling.columns):
            bench.finite = False
        if job.by_pixel:
            for line in range(patch.lines):
                activate_runs(job.activation, turned + line * pixels * LANES, LANES,
                              patch.y + channel * job.y.channel + line * y_line, job.y.stride[plan.ndim - 1],
                              NULL if patch.residual == NULL else
                              patch.residual + channel * job.residual.channel + line * residual_line,
                              job.residual.stride[plan.ndim - 1], patch.pixels, end)
            channel += LANES
            continue
        for line in range(patch.lines):
            for b in range(pixels // LANES):
                transpose_block(turned + (line * pixels + b * LANES) * LANES, LANES,
                                rows + line * pixels * LANES + b * LANES, pixels)
        # Parts of complex channels do not lie at equal steps.
        together = end if job.y.parts == 1 else 1
        k = 0
        while k < end:
            y = patch.y + channel_offset(&job.y, channel + k)
            if patch.residual != NULL:
                residual = patch.residual + channel_offset(&job.residual, channel + k)
            for line in range(patch.lines):
                finish(job, rows + (line * LANES + k) * pixels, pixels, y, job.y.channel,
                       residual, job.residual.channel, together, patch.pixels)
                y += y_line
                if residual != NULL:
                    residual += residual_line
            k += together
        channel += LANES


cdef inline bint untransform_tiles_of(
    const real* x, Py_ssize_t tile, Py_ssize_t point, vec bias, real* y, Py_ssize_t y_row, Py_ssize_t count,
    const int rows, const int columns
) noexcept nogil:
    cdef vec product[MOST_POINTS]
    cdef vec output[MOST_POINTS]
    cdef vec bad = vec_splat(0)
    cdef real sum_of_lanes[MOST_LANES]
    cdef real total = 0
    cdef Py_ssize_t t
    cdef int i, j, height = rows + 2 if rows > 1 else 1, width = columns + 2
    for t in range(count):
        for i in range(height * width):
            product[i] = vec_load(x + t * tile + i * point)
        for i in range(height):
            transform_output(output + i * columns, 1, product + i * width, 1, columns)
        for j in range(columns):
            transform_output(product + j, columns, output + j, columns, rows)
        for i in range(rows):
            for j in range(columns):
                bad = bad + product[i * columns + j] * <real> 0
                vec_store(y + i * y_row + (t * columns + j) * LANES, product[i * columns + j] + bias)
    vec_store(sum_of_lanes, bad)
    for t in range(LANES):
        total = total + sum_of_lanes[t]
    return total == 0


cdef bint untransform_tiles(const real* x, Py_ssize_t tile, Py_ssize_t point, const real* bias, real* y,
                            Py_ssize_t y_row, Py_ssize_t count, int rows, int columns) noexcept nogil:
    """Makes outputs of products, for LANES channels; whether all of them are finite."""
    if rows == 4:
        return untransform_tiles_of(x, tile, point, vec_load(bias), y, y_row, count, 4, 4)
    if rows == 2:
        return untransform_tiles_of(x, tile, point, vec_load(bias), y, y_row, count, 2, 2)
    if columns == 4:
        return untransform_tiles_of(x, tile, point, vec_load(bias), y, y_row, count, 1, 4)
    return untransform_tiles_of(x, tile, point, vec_load(bias), y, y_row, count, 1, 2)


cdef enum:
    PACKED_TOGETHER = 16       # pairs of an input channel and a tap whose values are made before they are stored

cdef struct PackBench:
    # What a worker that packs weights keeps.
    real* rows                 # [weight][lanes] of one vector of output channels
    real* values               # [point][input channel][output channel of the block]


cdef Py_ssize_t lay_pack_bench(const Tiling* tiling, char* at, PackBench* bench) noexcept nogil:
    cdef Py_ssize_t rows = aligned(PACKED_TOGETHER * 9 * LANES * sizeof(real))
    bench.rows = <real*> at
    bench.values = <real*> (at + rows)
    return rows + aligned(tiling.points * PACKED_TOGETHER * MOST_VECTOR * sizeof(real))


cdef void pack_block(const Plan* plan, const Tiling* tiling, const Order* order, Py_ssize_t number, Py_ssize_t block,
                     real* packed, char* memory) noexcept nogil:
    """Transforms the weights of a block of output channels: [point][place][output channel]."""
    cdef PackBench bench
    cdef Place place = first_place(plan)
    cdef Py_ssize_t i, j, k, v, count, run
    cdef Py_ssize_t places[PACKED_TOGETHER]
    cdef Py_ssize_t taps = 9 if tiling.rows > 1 else 3
    cdef Py_ssize_t n = plan.channels_in * plan.taps, width = tile_width(plan, block)
    cdef Py_ssize_t step = PACKED_TOGETHER * width
    lay_pack_bench(tiling, memory, &bench)
    packed += block * tiling.points * n
    j = 0
    while j < n:
        count = min(n - j, PACKED_TOGETHER)
        for v in range(width // LANES):
            read_rows(order, number, block + v * LANES, j * taps, count * taps, bench.rows)
            for i in range(count):
                transform_weights_of(bench.rows + i * taps * LANES, bench.values + i * width + v * LANES, step,
                                     tiling.rows, tiling.columns)
        for i in range(count):
            places[i] = next_place(plan, &place)
        # Point by point: the points lie so far apart that they would compete for the same places in cache.
        for k in range(tiling.points):
            i = 0
            while i < count:
                # Neighbours stay neighbours where there is one tap.
                run = count if plan.taps == 1 else 1
                memcpy(packed + (k * n + places[i]) * width, bench.values + k * step + i * width,
                       run * width * sizeof(real))
                i += run
        j += count


cdef void transform_weights_of(
    const real* rows, real* values, Py_ssize_t step, int tile_rows, int columns
) noexcept nogil:
    """The values, `step` apart, of the filters of LANES output channels for one input channel."""
    cdef wide weight[9]
    cdef wide half[MOST_POINTS]
    cdef wide value[MOST_POINTS]
    cdef int i, points = (columns + 2) * (tile_rows + 2 if tile_rows > 1 else 1)
    for i in range(9 if tile_rows > 1 else 3):
        weight[i] = vec_widen(vec_load(rows + i * LANES))
    if tile_rows == 4:
        transform_tile_of_weights(weight, half, value, 4, 4)
    elif tile_rows == 2:
        transform_tile_of_weights(weight, half, value, 2, 2)
    elif columns == 4:
        transform_tile_of_weights(weight, half, value, 1, 4)
    else:
        transform_tile_of_weights(weight, half, value, 1, 2)
    for i in range(points):
        vec_store(values + i * step, vec_narrow(value[i]))


cdef inline int transform_tile_of_weights(
    const wide* weight, wide* half, wide* value, const int rows, const int columns
) noexcept nogil:
    cdef int i, j
    for i in range(3 if rows > 1 else 1):
        transform_weights(half + i * (columns + 2), 1, weight + i * 3, 1, columns)
    for j in range(columns + 2):
        transform_weights(value + j, columns + 2, half + j, columns + 2, rows)
    return 0
