# The loops around the kernels bank, rows and depthwise, over the lines of a box.

cdef enum:
    EDGE = 1024    # samples of the largest bank's or rows' result


cdef inline Py_ssize_t vectors_at(Py_ssize_t pixel, Py_ssize_t width, int most) noexcept nogil:
    """Vectors of pixels that the micro-kernel takes next, so that what is left of a line is cut evenly.

    So a line of more than one vector never leaves a single one over, whose overlap would be with finished pixels.
    """
    cdef Py_ssize_t vectors = ceil_div(width - pixel, LANES)
    cdef Py_ssize_t steps = ceil_div(vectors, most)
    return ceil_div(vectors, steps)


cdef inline Py_ssize_t tiles_at(Py_ssize_t pixel, Py_ssize_t width, int most) noexcept nogil:
    """How many tiles of so many vectors come next; those after them have one vector less."""
    cdef Py_ssize_t vectors = ceil_div(width - pixel, LANES)
    cdef Py_ssize_t steps = ceil_div(vectors, most)
    return vectors - (ceil_div(vectors, steps) - 1) * steps


cdef inline void run_bank_stretch(const Plan* plan, const Job* job, Box* box, Py_ssize_t block, Py_ssize_t plane,
                                  Py_ssize_t line, Py_ssize_t pixel, Py_ssize_t end) noexcept nogil:
    cdef real edge[EDGE]
    cdef Bank b
    cdef Py_ssize_t count, vectors, k, v, last_vector
    cdef Py_ssize_t start = bank_start(plan, block)
    cdef Py_ssize_t outputs = bank_start(plan, block + 1) - start
    cdef Py_ssize_t y_channel = BANK_VECTORS * LANES
    cdef bint begins = box.first_channel == 0
    cdef bint ends = box.end_channel == plan.channels_in
    cdef bint in_y = job.writes_y and box.width >= LANES
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
        nd_assert(bank_reads_within(&b, box.readable, box.readable_end))
        bank(&b, <int> outputs, <int> vectors)
        if ends and not (in_y and job.identity_epilogue):
            finish_pixels(plan, job, box, y, y_channel, start, start + outputs, line, pixel, count)
        pixel += count


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


cdef inline void use_chains(Rows* p, const Taps* taps) noexcept nogil:
    p.chains, p.step = taps.chains, taps.chain_step
    p.offsets, p.lengths = taps.chain_offset, taps.chain_length


cdef void run_rows(const Plan* plan, const Job* job, Box* box, Py_ssize_t output, Py_ssize_t plane) noexcept nogil:
    """The lines of a box for one output channel, several lines at a time."""
    cdef real edge[EDGE]
    cdef Py_ssize_t line = 0, pixel, count, vectors, tiles, rows, y_row, last_vector
    cdef bint begins = box.first_channel == 0
    cdef bint ends = box.end_channel == plan.channels_in
    cdef bint in_y = job.writes_y and box.width >= LANES
    # What a vector is longer than a short row lies in the rows after it, if they are next in memory and still to come.
    cdef bint follows = job.writes_y and begins and ends and plan.ndim > 1 and (
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
                tiles = ceil_div(box.width - pixel - (LONG_ROW_VECTORS + 1) * LANES, LONG_ROW_VECTORS * LANES)
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
            nd_assert(rows_read_within(&p, <int> rows, <int> vectors, box.readable, box.readable_end))
            rows_of_pixels(&p, <int> rows, <int> vectors, plan.taps.chains_alike)
            if ends and not (in_y and job.identity_epilogue):
                finish_lines(plan, job, box, y, y_row, output, line, rows, pixel, count)
            pixel += count
        line += rows


cdef void run_depthwise(const Plan* plan, const Job* job, Box* box, Py_ssize_t plane) noexcept nogil:
    """The lines of a box for a vector of channels, a strip at a time."""
    cdef real sums[STRIP * MOST_LANES]
    cdef real columns[STRIP * MOST_LANES]
    cdef real first_sums[MOST_LANES]
    cdef Py_ssize_t line = 0, lines, lines_at_once = 1, pixel, pixels, i, k
    cdef Py_ssize_t channels = box.end_channel, last = plan.ndim - 1
    cdef const real* line_planes
    cdef char* y
    cdef const char* residual = NULL
    init_accumulators(first_sums, box.bias, 0, channels, LANES)
    if job.vector_epilogue and last > 0 and job.y.stride[last - 1] == box.width * <Py_ssize_t> sizeof(real) and (
        box.residual == NULL or job.residual.stride[last - 1] == job.y.stride[last - 1]
    ):
        # Short lines that follow each other in y are one strip.
        lines_at_once = max(STRIP // box.width, 1)
    while line < box.lines:
        lines = min(lines_at_once, box.lines - line)
        pixel = 0
        while pixel < box.width:
            pixels = min(STRIP, box.width - pixel)
            nd_assert(lines * pixels <= STRIP)
            line_planes = block_planes(box) + plane + line * line_stride(plan) + pixel * LANES
            y = box.y + output_offset(plan, &job.y, box, line, pixel)
            if box.residual != NULL:
                residual = box.residual + output_offset(plan, &job.residual, box, line, pixel)
            if job.channels_last_epilogue:
                for k in range(pixels):
                    prefetch_row(<real*> (y + k * job.y.stride[last]),
                                 NULL if residual == NULL else residual + k * job.residual.stride[last], channels)
            elif job.vector_epilogue:
                for k in range(channels):
                    prefetch_row(<real*> (y + k * job.y.channel),
                                 NULL if residual == NULL else residual + k * job.residual.channel, lines * pixels)
            for i in range(lines):
                nd_assert(depthwise_reads_within(
                    line_planes + i * line_stride(plan), plan.taps.chains, plan.taps.chain_offset,
                    plan.taps.chain_length, pixels, box.readable, box.readable_end
                ))
                depthwise(sums + i * pixels * LANES, first_sums, line_planes + i * line_stride(plan), box.weights,
                          plan.taps.chains, plan.taps.chain_offset, plan.taps.chain_length, pixels)
            if job.channels_last_epilogue:
                finish_channels(plan, job, box, sums, LANES, 0, channels, line, pixel, pixels)
            else:
                transpose_sums(sums, columns, lines * pixels, LANES)
                finish_pixels(plan, job, box, columns, STRIP, 0, channels, line, pixel, lines * pixels)
            pixel += pixels
        line += lines
