# The direct method: how a call is cut into tasks, and how a task runs: pad -> kernel -> epilogue.

cdef enum:
    EDGE = 1024    # samples of the largest bank's or rows' result

cdef struct Scratch:
    # What a worker keeps from task to task.
    Source source
    Py_ssize_t located         # the box that `source` describes
    Py_ssize_t padded          # the planes' (batch, box, group), while they hold all channels
    Tap* taps                  # of a block of input channels, the tile's list
    Py_ssize_t* active         # which taps those are, where some are left out
    Py_ssize_t n_active, listed_channels, listed_width
    real* planes
    real* sums


cdef Py_ssize_t plane_rows(const Plan* plan) noexcept nogil:
    cdef Py_ssize_t rows = 1
    cdef int axis
    for axis in range(plan.ndim - 1):
        rows *= plan.planes.shape[axis]
    return rows


cdef Py_ssize_t most_runs(const Plan* plan, Py_ssize_t length) noexcept nogil:
    """At least as many runs as the padding mode cuts a segment of the last axis into: one for each bounce."""
    cdef int last = plan.ndim - 1
    return min(length, length * plan.stride[last] // max(plan.in_shape[last] - 1, 1) + 5)


cdef Py_ssize_t sums_size(const Plan* plan) noexcept nogil:
    """Samples of a task's unfinished sums: none where one block of channels finishes them."""
    cdef Py_ssize_t tiles, width = plan.blocking.box[plan.ndim - 1]
    cdef int axis, lines = plan.ndim - 1
    if plan.kernel != TILE or plan.blocking.channel_block >= plan.channels_in:
        return 0
    if plan.planes.flat:
        lines -= 1
        width *= plan.blocking.box[lines]
    tiles = parts(width, STRIP)
    for axis in range(lines):
        tiles *= plan.blocking.box[axis]
    if plan.blocking.padded_channels < plan.channels_in:
        tiles *= plan.blocking.blocks_per_task
    return tiles * SUMS


cdef Py_ssize_t lay_out(const Plan* plan, char* at, Scratch* scratch) noexcept nogil:
    """Divides a worker's scratch memory, which begins at `at`; returns its size in bytes."""
    cdef char* start = at
    cdef Py_ssize_t n_runs = 0, n, segment
    scratch.located = -1
    scratch.padded = -1
    scratch.listed_channels = -1
    if plan.kernel == TILE:
        n = parts(plan.blocking.channel_block, plan.planes.interleave)
        scratch.taps = <Tap*> take(&at, n * plan.taps.count * sizeof(Tap))
        scratch.active = <Py_ssize_t*> take(&at, plan.taps.count * sizeof(Py_ssize_t))
    scratch.sums = <real*> take(&at, sums_size(plan) * sizeof(real))
    if not plan.planes.in_place:
        scratch.source.rows = <Py_ssize_t*> take(&at, plane_rows(plan) * sizeof(Py_ssize_t))
        scratch.source.first_run = <Py_ssize_t*> take(&at, (plan.planes.n_segments + 1) * sizeof(Py_ssize_t))
        for segment in range(plan.planes.n_segments):
            n_runs += most_runs(plan, plan.planes.segment_length[segment])
        scratch.source.runs = <Run*> take(&at, n_runs * sizeof(Run))
        # A kernel's last vector may reach past the last plane.
        n = parts(plan.blocking.padded_channels, plan.planes.interleave) * plan.planes.interleave
        scratch.planes = <real*> take(&at, (n * plan.planes.size + LONG_ROW_VECTORS * LANES) * sizeof(real))
    return at - start


cdef struct Box:
    # Where a task stands: one group of one box, and from there one plane of its rows.
    Py_ssize_t start[MAX_AXES]
    Py_ssize_t extent[MAX_AXES]
    Py_ssize_t outer[MAX_AXES]        # position within the box on all axes but the last two
    Py_ssize_t lines, width           # the last two axes; one line where they are flat
    const real* planes                # of channel `padded_channel`
    Py_ssize_t padded_channel
    Py_ssize_t x_channel              # samples from plane to plane
    const real* weights
    const real* bias                  # or NULL
    char* y                           # the box's first output of channel 0
    const char* residual
    Py_ssize_t first_channel, end_channel    # of the block of input channels
    Py_ssize_t group


cdef inline Py_ssize_t output_offset(const Plan* plan, const Samples* samples, const Box* box,
                                     Py_ssize_t line, Py_ssize_t pixel) noexcept nogil:
    """Bytes from the box's first output to the one at a line and pixel."""
    cdef int axis, last = plan.ndim - 1
    cdef Py_ssize_t offset = 0
    for axis in range(last - 1):
        offset += box.outer[axis] * samples.stride[axis]
    if plan.planes.flat and last > 0:
        line = pixel // box.extent[last]
        pixel = pixel % box.extent[last]
    if last > 0:
        offset += line * samples.stride[last - 1]
    return offset + pixel * samples.stride[last]


cdef inline const real* block_planes(const Box* box) noexcept nogil:
    """The planes of the block of input channels."""
    return box.planes + (box.first_channel - box.padded_channel) * box.x_channel


cdef inline Py_ssize_t line_stride(const Plan* plan) noexcept nogil:
    """Plane samples from line to line."""
    return plan.planes.stride[plan.ndim - 2] if plan.ndim > 1 else 0


cdef void finish_pixels(const Plan* plan, const Job* job, const Box* box, const real* runs, Py_ssize_t run,
                        Py_ssize_t channel, Py_ssize_t end_channel, Py_ssize_t line, Py_ssize_t pixel,
                        Py_ssize_t count) noexcept nogil:
    """Finishes a run of each of some output channels; where y's flat rows have gaps, row by row of y."""
    cdef Py_ssize_t n, k
    # Parts of complex channels do not lie at equal steps.
    cdef Py_ssize_t together = end_channel - channel if job.y.parts == 1 else 1
    cdef char* y
    cdef const char* residual = NULL
    while count > 0:
        n = count
        if plan.planes.flat and not job.in_vectors:
            n = min(count, box.extent[plan.ndim - 1] - pixel % box.extent[plan.ndim - 1])
        y = box.y + output_offset(plan, &job.y, box, line, pixel)
        if box.residual != NULL:
            residual = box.residual + output_offset(plan, &job.residual, box, line, pixel)
        k = channel
        while k < end_channel:
            finish(job, runs + (k - channel) * run, run, y + channel_offset(&job.y, k), job.y.channel,
                   NULL if residual == NULL else residual + channel_offset(&job.residual, k), job.residual.channel,
                   together, n)
            k += together
        runs += n
        pixel += n
        count -= n


cdef void finish_channels(const Plan* plan, const Job* job, const Box* box, const real* sums, Py_ssize_t width,
                          Py_ssize_t channel, Py_ssize_t channels, Py_ssize_t line, Py_ssize_t pixel,
                          Py_ssize_t count) noexcept nogil:
    """Finishes pixels whose channels are neighbours in y, as they are in `sums`."""
    cdef Py_ssize_t n, last = plan.ndim - 1
    cdef char* y
    cdef const char* residual = NULL
    while count > 0:
        n = count
        if plan.planes.flat:
            n = min(count, box.extent[last] - pixel % box.extent[last])
        y = box.y + channel * job.y.channel + output_offset(plan, &job.y, box, line, pixel)
        if box.residual != NULL:
            residual = (box.residual + channel * job.residual.channel
                        + output_offset(plan, &job.residual, box, line, pixel))
        activate_runs(job.activation, sums, width, y, job.y.stride[last], residual, job.residual.stride[last], n,
                      channels)
        sums += n * width
        pixel += n
        count -= n


cdef void finish_lines(const Plan* plan, const Job* job, const Box* box, const real* runs, Py_ssize_t run,
                       Py_ssize_t channel, Py_ssize_t line, Py_ssize_t lines, Py_ssize_t pixel,
                       Py_ssize_t count) noexcept nogil:
    """Finishes runs of one output channel, below each other in y."""
    cdef int axis = plan.ndim - 2
    cdef const char* residual = NULL
    if plan.planes.flat or axis < 0:
        finish_pixels(plan, job, box, runs, run, channel, channel + 1, line, pixel, count)
        return
    if box.residual != NULL:
        residual = (box.residual + channel_offset(&job.residual, channel)
                    + output_offset(plan, &job.residual, box, line, pixel))
    finish(job, runs, run, box.y + channel_offset(&job.y, channel) + output_offset(plan, &job.y, box, line, pixel),
           job.y.stride[axis], residual, job.residual.stride[axis], lines, count)


cdef bint is_active(const Plan* plan, Py_ssize_t tap, const Py_ssize_t* first, const Py_ssize_t* end) noexcept nogil:
    """Whether a tap finds samples, not only padding, for some output of the box from `first` to `end`."""
    cdef int axis
    for axis in range(plan.ndim):
        if (
            first[axis] >= plan.taps.end[tap * plan.ndim + axis]
            or end[axis] <= plan.taps.first[tap * plan.ndim + axis]
        ):
            return False
    return True


cdef void list_taps(const Plan* plan, const Job* job, const Box* box, Scratch* scratch, Py_ssize_t channels,
                    Py_ssize_t width, Py_ssize_t line, Py_ssize_t pixel, Py_ssize_t end_pixel) noexcept nogil:
    """Lists the taps of `channels` input channels, but for those that find only padding; seldom anything changes."""
    cdef Py_ssize_t first[MAX_AXES]
    cdef Py_ssize_t end[MAX_AXES]
    cdef Py_ssize_t t, c, block, n = 0
    cdef int axis, last = plan.ndim - 1
    cdef Tap* tap = scratch.taps
    cdef bint same = scratch.listed_channels == channels and scratch.listed_width == width
    cdef bint inner = True
    if same and not job.skip:
        return
    if job.skip:
        for axis in range(last - 1):
            first[axis] = box.start[axis] + box.outer[axis]
            end[axis] = first[axis] + 1
        first[last] = box.start[last] + pixel
        end[last] = box.start[last] + end_pixel
        if plan.planes.flat:
            first[last] = box.start[last]
            end[last] = first[last] + box.extent[last]
            first[last - 1] = box.start[last - 1] + pixel // box.extent[last]
            end[last - 1] = box.start[last - 1] + (end_pixel - 1) // box.extent[last] + 1
        elif last > 0:
            first[last - 1] = box.start[last - 1] + line
            end[last - 1] = first[last - 1] + 1
        for axis in range(plan.ndim):
            inner = inner and plan.taps.inner_first[axis] <= first[axis] and end[axis] <= plan.taps.inner_end[axis]
        if same and inner and scratch.n_active == plan.taps.count:
            return
    for t in range(plan.taps.count):
        if not job.skip or is_active(plan, t, first, end):
            same = same and n < scratch.n_active and scratch.active[n] == t
            scratch.active[n] = t
            n += 1
    if same and n == scratch.n_active:
        return
    scratch.n_active = n
    scratch.listed_channels = channels
    scratch.listed_width = width
    c = 0
    while c < channels:
        block = min(plan.planes.interleave, channels - c)
        for t in range(n):
            tap.x = c * box.x_channel + plan.taps.offset[scratch.active[t]]
            nd_assert(plan.planes.in_place | (tap.x < (c + plan.planes.interleave) * plan.planes.size))
            tap.weight = (c * plan.taps.count + scratch.active[t] * block) * width
            tap.channels = block
            tap += 1
        c += block


cdef inline void send_for_row(real* y, const char* residual, Py_ssize_t count) noexcept nogil:
    """Asks for what the epilogue will read and write, both of the compute type."""
    cdef Py_ssize_t i = 0
    while i < count:
        prefetch_to_write(y + i)
        if residual != NULL:
            prefetch(<const real*> residual + i)
        i += LANES


cdef void run_tiles(const Plan* plan, const Job* job, Box* box, Scratch* scratch,
                    Py_ssize_t block, Py_ssize_t place, Py_ssize_t plane) noexcept nogil:
    """One block of output channels over the lines of a box; `place` counts the strips whose sums are kept."""
    cdef real strip_sums[MOST_SUMS]
    cdef real columns[MOST_SUMS]
    cdef real first_sums[MOST_VECTOR]
    cdef Tile tile
    cdef Py_ssize_t start = block * TILE_VECTORS * LANES
    cdef Py_ssize_t outputs = min(TILE_VECTORS * LANES, plan.channels_out - start)
    cdef Py_ssize_t width = tile_width(plan, start)
    cdef Py_ssize_t vectors = width // LANES
    cdef Py_ssize_t strips = parts(box.width, STRIP), tiles
    cdef Py_ssize_t channels = box.end_channel - box.first_channel
    cdef Py_ssize_t i, k, line, strip, pixel, pixels, done, next_done, ready
    cdef bint begins = box.first_channel == 0
    cdef bint ends = box.end_channel == plan.channels_in
    cdef Py_ssize_t y_channel = job.y.channel // <Py_ssize_t> sizeof(real)
    cdef Py_ssize_t y_pixel = job.y.stride[plan.ndim - 1] // <Py_ssize_t> sizeof(real)
    cdef real* sums = strip_sums
    cdef real* y = NULL
    cdef const char* residual = NULL
    cdef const real* line_planes
    tile.weights = (box.weights + start * plan.channels_in * plan.taps.count
                    + box.first_channel * plan.taps.count * width)
    tile.taps = scratch.taps
    tile.interleaved = plan.planes.interleave > 1
    tile.distant = False
    tile.ahead = tile.weights
    tile.ahead_step = 0
    tile.base_step = 0 if begins else width
    tile.base = first_sums
    if begins:
        begin_sums(first_sums, box.bias, start, outputs, width)
    for line in range(box.lines):
        pixel = 0
        line_planes = block_planes(box) + plane + line * line_stride(plan)
        for strip in range(strips):
            # Whole strips, so that each writes whole cache lines; the tiles of a strip are about equal.
            pixels = min(STRIP, box.width - pixel)
            if not (begins and ends):
                nd_assert((place + 1) * SUMS <= sums_size(plan))
                sums = scratch.sums + place * SUMS
                place += 1
            if job.in_vectors or job.by_pixel:
                y = <real*> (box.y + output_offset(plan, &job.y, box, line, pixel)) + start * y_channel
                if box.residual != NULL:
                    residual = (box.residual + channel_offset(&job.residual, start)
                                + output_offset(plan, &job.residual, box, line, pixel))
            tiles = parts(pixels, most_pixels(vectors))
            done = ready = 0
            for i in range(tiles):
                next_done = (i + 1) * pixels // tiles
                list_taps(plan, job, box, scratch, channels, width, line, pixel + done, pixel + next_done)
                if job.by_pixel and ends:
                    # (Where flat rows have gaps in y, some of it for nothing.)
                    for k in range(done, next_done):
                        send_for_row(y + k * y_pixel, NULL if residual == NULL else
                                     residual + k * job.residual.stride[plan.ndim - 1], outputs)
                elif job.in_vectors and ends:
                    # Each tile sends for the rows of y and of the residual of some channels.
                    for ready in range(ready, (i + 1) * outputs // tiles):
                        send_for_row(y + ready * y_channel,
                                     NULL if residual == NULL else residual + ready * job.residual.channel, pixels)
                tile.n_taps = parts(channels, plan.planes.interleave) * scratch.n_active
                tile.sums = sums + done * width
                if not begins:
                    tile.base = tile.sums
                tile.x = line_planes + (pixel + done) * plan.planes.interleave
                multiply_tile(&tile, <int> (next_done - done), <int> vectors)
                done = next_done
            if ends and job.by_pixel:
                finish_channels(plan, job, box, sums, width, start, outputs, line, pixel, pixels)
            elif ends:
                transpose_sums(sums, columns, pixels, width)
                finish_pixels(plan, job, box, columns, STRIP, start, start + outputs, line, pixel, pixels)
            pixel += pixels


cdef void transpose_sums(const real* sums, real* columns, Py_ssize_t pixels, Py_ssize_t width) noexcept nogil:
    """Turns [pixel][channel] into [channel][pixel], whole vectors at a time."""
    cdef Py_ssize_t i, k = 0
    while k < width:
        i = 0
        while i < pixels:
            transpose_block(sums + i * width + k, width, columns + k * STRIP + i, STRIP)
            i += LANES
        k += LANES


cdef void begin_sums(
    real* sums, const real* bias, Py_ssize_t start, Py_ssize_t outputs, Py_ssize_t width
) noexcept nogil:
    """Sets a pixel's sums to the bias, and those of channels that do not exist to zero."""
    cdef Py_ssize_t k
    for k in range(width):
        sums[k] = 0
    if bias != NULL:
        for k in range(outputs):
            sums[k] = bias[start + k]


cdef inline Py_ssize_t vectors_at(Py_ssize_t pixel, Py_ssize_t width, int most) noexcept nogil:
    """Vectors of pixels that the micro-kernel takes next, so that what is left of a line is cut evenly.

    So a line of more than one vector never leaves a single one over, whose overlap would be with finished pixels.
    """
    cdef Py_ssize_t vectors = parts(width - pixel, LANES)
    cdef Py_ssize_t steps = parts(vectors, most)
    return parts(vectors, steps)


cdef inline Py_ssize_t tiles_at(Py_ssize_t pixel, Py_ssize_t width, int most) noexcept nogil:
    """How many tiles of so many vectors come next; those after them have one vector less."""
    cdef Py_ssize_t vectors = parts(width - pixel, LANES)
    cdef Py_ssize_t steps = parts(vectors, most)
    return vectors - (parts(vectors, steps) - 1) * steps


cdef void run_bank(const Plan* plan, const Job* job, Box* box, Py_ssize_t first_block, Py_ssize_t end_block,
                   Py_ssize_t plane, Py_ssize_t end_channel) noexcept nogil:
    """The pixels of a box, a stretch of a line at a time, for all blocks of output channels.

    A stretch, and a block of input channels, are as large as their samples stay in the nearest cache.
    """
    cdef Py_ssize_t line, block, pixel, end, stretch = plan.blocking.stretch
    for line in range(box.lines):
        pixel = 0
        while pixel < box.width:
            # What is left of a line after its last whole stretch is done with that stretch.
            end = box.width if box.width - pixel < 2 * stretch else pixel + stretch
            box.first_channel = box.padded_channel
            while True:
                box.end_channel = min(box.first_channel + plan.blocking.channel_block, end_channel)
                for block in range(first_block, end_block):
                    run_bank_stretch(plan, job, box, block, plane, line, pixel, end)
                box.first_channel = box.end_channel
                if box.first_channel >= end_channel:
                    break
            pixel = end


cdef void run_bank_stretch(const Plan* plan, const Job* job, Box* box, Py_ssize_t block, Py_ssize_t plane,
                           Py_ssize_t line, Py_ssize_t pixel, Py_ssize_t end) noexcept nogil:
    cdef real edge[EDGE]
    cdef Bank b
    cdef Py_ssize_t count, vectors, k, v, last_vector
    cdef Py_ssize_t start = bank_start(plan, block)
    cdef Py_ssize_t outputs = bank_start(plan, block + 1) - start
    cdef Py_ssize_t y_channel = BANK_VECTORS * LANES
    cdef bint begins = box.first_channel == 0
    cdef bint ends = box.end_channel == plan.channels_in
    cdef bint in_y = job.direct and box.width >= LANES
    cdef const real* weights = (
        box.weights + start * plan.channels_in * plan.taps.count + box.first_channel * plan.taps.count * outputs
    )
    cdef const real* line_planes = block_planes(box) + plane + line * line_stride(plan)
    cdef const real* bias = box.bias
    cdef real* y = edge
    nd_assert(outputs * y_channel <= EDGE)
    if bias != NULL:
        bias += start
    if in_y:
        y_channel = job.y.channel // <Py_ssize_t> sizeof(real)
    b.bias, b.first, b.weights = bias, begins, weights
    b.channels, b.x_channel = box.end_channel - box.first_channel, box.x_channel
    b.taps, b.offsets = plan.taps.count, plan.taps.offset
    while pixel < end:
        vectors = vectors_at(pixel, end, BANK_VECTORS)
        count = min(vectors * LANES, end - pixel)
        last_vector = (vectors - 1) * LANES
        if box.width >= LANES:
            # A line's last vector overlaps the one before it: nothing is read or written past the line.
            last_vector = count - LANES
        if in_y:
            y = <real*> (box.y + output_offset(plan, &job.y, box, line, pixel)) + start * y_channel
            for k in range(outputs):
                for v in range(vectors):
                    prefetch_to_write(y + k * y_channel + v * LANES)
        b.y, b.y_channel, b.x, b.last = y, y_channel, line_planes + pixel, last_vector
        bank(&b, <int> outputs, <int> vectors)
        if ends and not (in_y and job.plain):
            finish_pixels(plan, job, box, y, y_channel, start, start + outputs, line, pixel, count)
        pixel += count


cdef inline void use_chains(Rows* p, const Taps* taps) noexcept nogil:
    p.chains, p.step = taps.chains, taps.chain_step
    p.offsets, p.lengths = taps.chain_offset, taps.chain_length


cdef void run_rows(const Plan* plan, const Job* job, Box* box, Py_ssize_t output, Py_ssize_t plane) noexcept nogil:
    """The lines of a box for one output channel, several lines at a time."""
    cdef real edge[EDGE]
    cdef Py_ssize_t line = 0, pixel, count, vectors, tiles, rows, y_row, last_vector
    cdef bint begins = box.first_channel == 0
    cdef bint ends = box.end_channel == plan.channels_in
    cdef bint in_y = job.direct and box.width >= LANES
    # What a vector is longer than a short row lies in the rows after it, if they are next in memory and still to come.
    cdef bint follows = job.direct and begins and ends and plan.ndim > 1 and (
        job.y.stride[plan.ndim - 2] == box.width * <Py_ssize_t> sizeof(real)
    )
    cdef real bias = 0 if box.bias == NULL else box.bias[output]
    cdef const real* weights = box.weights + (output * plan.channels_in + box.first_channel) * plan.taps.count
    cdef real* y
    cdef Rows p
    nd_assert(ROW_ROWS * LONG_ROW_VECTORS * LANES <= EDGE)
    p.bias, p.first, p.weights = bias, begins, weights
    p.channels, p.x_channel = box.end_channel - box.first_channel, box.x_channel
    use_chains(&p, &plan.taps)
    while line < box.lines:
        rows = min(box.lines - line, ROW_ROWS)
        if box.lines - line == ROW_ROWS + 1:
            rows = (ROW_ROWS + 1) // 2
        if box.width < LANES:
            in_y = follows and (box.lines - line - rows + 1) * box.width >= LANES
        pixel = 0
        while pixel < box.width:
            vectors = vectors_at(pixel, box.width, ROW_VECTORS)
            tiles = tiles_at(pixel, box.width, ROW_VECTORS)
            if rows == 1 and box.width - pixel > (LONG_ROW_VECTORS + 1) * LANES:
                vectors = LONG_ROW_VECTORS
                tiles = parts(box.width - pixel - (LONG_ROW_VECTORS + 1) * LANES, LONG_ROW_VECTORS * LANES)
            if not in_y:
                tiles = 1
            count = min(tiles * vectors * LANES, box.width - pixel)
            last_vector = (vectors - 1) * LANES
            if box.width >= LANES:
                last_vector = count - (tiles - 1) * vectors * LANES - LANES
            y = edge
            y_row = LONG_ROW_VECTORS * LANES
            if in_y:
                y_row = job.y.stride[plan.ndim - 2] // <Py_ssize_t> sizeof(real) if plan.ndim > 1 else 0
                y = <real*> (box.y + channel_offset(&job.y, output) + output_offset(plan, &job.y, box, line, pixel))
            p.y, p.y_row, p.x = y, y_row, block_planes(box) + plane + line * line_stride(plan) + pixel
            p.tiles, p.last = tiles, last_vector
            rows_of_pixels(&p, <int> rows, <int> vectors, plan.taps.chains_alike)
            if ends and not (in_y and job.plain):
                finish_lines(plan, job, box, y, y_row, output, line, rows, pixel, count)
            pixel += count
        line += rows


cdef void run_depthwise(const Plan* plan, const Job* job, Box* box, Py_ssize_t plane) noexcept nogil:
    """The lines of a box for a vector of channels, a strip at a time."""
    cdef real sums[STRIP * MOST_LANES]
    cdef real columns[STRIP * MOST_LANES]
    cdef real first_sums[MOST_LANES]
    cdef Py_ssize_t line = 0, lines, together = 1, pixel, pixels, i, k
    cdef Py_ssize_t channels = box.end_channel, last = plan.ndim - 1
    cdef const real* line_planes
    cdef char* y
    cdef const char* residual = NULL
    begin_sums(first_sums, box.bias, 0, channels, LANES)
    if job.in_vectors and last > 0 and job.y.stride[last - 1] == box.width * <Py_ssize_t> sizeof(real) and (
        box.residual == NULL or job.residual.stride[last - 1] == job.y.stride[last - 1]
    ):
        # Short lines that follow each other in y are one strip.
        together = max(STRIP // box.width, 1)
    while line < box.lines:
        lines = min(together, box.lines - line)
        pixel = 0
        while pixel < box.width:
            pixels = min(STRIP, box.width - pixel)
            nd_assert(lines * pixels <= STRIP)
            line_planes = block_planes(box) + plane + line * line_stride(plan) + pixel * LANES
            y = box.y + output_offset(plan, &job.y, box, line, pixel)
            if box.residual != NULL:
                residual = box.residual + output_offset(plan, &job.residual, box, line, pixel)
            if job.by_pixel:
                for k in range(pixels):
                    send_for_row(<real*> (y + k * job.y.stride[last]),
                                 NULL if residual == NULL else residual + k * job.residual.stride[last], channels)
            elif job.in_vectors:
                for k in range(channels):
                    send_for_row(<real*> (y + k * job.y.channel),
                                 NULL if residual == NULL else residual + k * job.residual.channel, lines * pixels)
            for i in range(lines):
                depthwise(sums + i * pixels * LANES, first_sums, line_planes + i * line_stride(plan), box.weights,
                          plan.taps.chains, plan.taps.chain_offset, plan.taps.chain_length, pixels)
            if job.by_pixel:
                finish_channels(plan, job, box, sums, LANES, 0, channels, line, pixel, pixels)
            else:
                transpose_sums(sums, columns, lines * pixels, LANES)
                finish_pixels(plan, job, box, columns, STRIP, 0, channels, line, pixel, lines * pixels)
            pixel += pixels
        line += lines


cdef Py_ssize_t enter_plane(const Plan* plan, Box* box, Py_ssize_t number) noexcept nogil:
    """Sets the position on all axes but the last two; returns the first plane sample there."""
    cdef int axis
    cdef Py_ssize_t plane = 0
    for axis in range(plan.ndim - 3, -1, -1):
        box.outer[axis] = number % box.extent[axis]
        number = number // box.extent[axis]
        plane += box.outer[axis] * plan.planes.stride[axis]
    return plane


cdef void run_box(const Plan* plan, const Job* job, Box* box, Scratch* scratch, Py_ssize_t first_block,
                  Py_ssize_t end_block, Py_ssize_t end_channel) noexcept nogil:
    """One group of a box, from the input channel whose planes are there first to `end_channel`.

    The loops' order keeps what is read most often nearest: for a tile the weights of a block of input and output
    channels, for a bank the samples of a block of input channels.
    """
    cdef int axis, last = plan.ndim - 1
    cdef Py_ssize_t outer, n_outer = 1, block, tiles, place = 0
    for axis in range(last - 1):
        n_outer *= box.extent[axis]
    box.width = box.extent[last]
    box.lines = box.extent[last - 1] if last > 0 else 1
    if plan.planes.flat:
        box.width *= box.lines
        box.lines = 1
    tiles = box.lines * parts(box.width, STRIP)
    if plan.kernel == BANK:
        for outer in range(n_outer):
            run_bank(plan, job, box, first_block, end_block, enter_plane(plan, box, outer), end_channel)
        return
    for block in range(first_block, end_block):
        box.first_channel = box.padded_channel
        while True:
            box.end_channel = min(box.first_channel + plan.blocking.channel_block, end_channel)
            for outer in range(n_outer):
                if job.phases != NULL and plan.kernel == TILE:
                    run_phase_tiles(plan, job, box, box.group, block, enter_plane(plan, box, outer))
                elif job.phases != NULL:
                    run_phase_rows(plan, job, box, box.group, block, enter_plane(plan, box, outer))
                elif plan.kernel == TILE:
                    run_tiles(plan, job, box, scratch, block, (place * n_outer + outer) * tiles,
                              enter_plane(plan, box, outer))
                elif plan.kernel == DEPTHWISE:
                    run_depthwise(plan, job, box, enter_plane(plan, box, outer))
                else:
                    run_rows(plan, job, box, block, enter_plane(plan, box, outer))
            box.first_channel = box.end_channel
            if box.first_channel >= end_channel:
                break
        if plan.blocking.padded_channels < plan.channels_in:
            place += 1


cdef void run_task(const Plan* plan, const Job* job, Py_ssize_t task, Scratch* scratch) noexcept nogil:
    cdef Box box
    cdef int axis
    cdef Py_ssize_t rest = task, index, box_index, batch, group, x_batch, y_batch, residual_batch
    cdef Py_ssize_t weight_set, first_block, end_block, first_group, end_group, n, channel, channels, end, key
    cdef Py_ssize_t y_start = 0, x_start = 0, residual_start = 0
    cdef const char* x
    # The task's number, taken apart: output channels change fastest, so that their tasks share padded planes.
    n = parts(plan.blocking.n_blocks, plan.blocking.blocks_per_task)
    first_block = rest % n * plan.blocking.blocks_per_task
    end_block = min(first_block + plan.blocking.blocks_per_task, plan.blocking.n_blocks)
    rest = rest // n
    n = parts(plan.groups, plan.blocking.groups_per_task)
    first_group = rest % n * plan.blocking.groups_per_task
    end_group = min(first_group + plan.blocking.groups_per_task, plan.groups)
    rest = rest // n
    box_index = rest % plan.blocking.n_boxes
    batch = rest // plan.blocking.n_boxes
    rest = box_index
    for axis in range(plan.ndim - 1, -1, -1):
        index = rest % plan.blocking.boxes[axis]
        rest = rest // plan.blocking.boxes[axis]
        box.start[axis] = index * plan.blocking.box[axis]
        box.extent[axis] = min(plan.blocking.box[axis], plan.out_shape[axis] - box.start[axis])
        y_start += box.start[axis] * job.y.stride[axis]
        residual_start += box.start[axis] * job.residual.stride[axis]
        x_start += (box.start[axis] * plan.stride[axis] + plan.origin[axis]) * job.x.stride[axis]
    x_batch = batch_offset(job, job.x.batch, batch)
    y_batch = batch_offset(job, job.y.batch, batch)
    residual_batch = batch_offset(job, job.residual.batch, batch)
    weight_set = batch_offset(job, job.weight_batch, batch)
    if not plan.planes.in_place and scratch.located != box_index:
        locate(plan, &job.x, box.start, &scratch.source)
        scratch.located = box_index
        scratch.padded = -1
    for group in range(first_group, end_group):
        x = job.x.data + x_batch + channel_offset(&job.x, group * plan.channels_in)
        box.y = job.y.data + y_batch + y_start + channel_offset(&job.y, group * plan.channels_out)
        box.group = group
        box.residual = NULL
        if job.residual.data != NULL:
            box.residual = (job.residual.data + residual_batch + residual_start
                            + channel_offset(&job.residual, group * plan.channels_out))
        box.weights = job.weights + (weight_set + group) * plan.set_size
        box.bias = job.bias
        if box.bias != NULL:
            box.bias += group * plan.channels_out
        channel = 0
        channels = plan.channels_in
        if plan.kernel == DEPTHWISE:
            channels = min(channels, plan.sets - group * channels)
        while True:
            end = min(channel + plan.blocking.padded_channels, channels)
            box.padded_channel = channel
            if plan.planes.in_place:
                box.planes = <const real*> (x + x_start)
                box.x_channel = job.x.channel // <Py_ssize_t> sizeof(real)
            else:
                box.planes = scratch.planes
                box.x_channel = plan.planes.size
                key = (batch * plan.blocking.n_boxes + box_index) * plan.groups + group
                if scratch.padded != key:
                    nd_assert(end - channel <= plan.blocking.padded_channels)
                    pad(plan, &job.x, x, &scratch.source, scratch.planes, channel, end)
                    if end - channel == channels:
                        scratch.padded = key
            run_box(plan, job, &box, scratch, first_block, end_block, end)
            channel = end
            if channel >= channels:
                break
