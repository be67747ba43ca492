# The direct method: how a call is cut into tasks, and how a task runs: pad -> kernel -> epilogue.

cdef enum:
    EDGE_PIXELS = 16    # TILE_PIXELS filled up to whole vectors of any width
    EDGE = 1024         # samples of the largest micro-kernel's result, filled up to whole vectors

cdef struct Scratch:
    # What a worker keeps from task to task.
    Source source
    Py_ssize_t located         # the box that `source` describes
    Py_ssize_t padded          # the planes' (batch, box, group), while they hold all channels
    Py_ssize_t* offsets        # taps that a tile uses
    Py_ssize_t* places         # and where their weights are
    real* planes
    real* sums


cdef Py_ssize_t aligned(Py_ssize_t size) noexcept nogil:
    return (size + 63) // 64 * 64


cdef Py_ssize_t plane_rows(const Plan* plan) noexcept nogil:
    cdef Py_ssize_t rows = 1
    cdef int axis
    for axis in range(plan.ndim - 1):
        rows *= plan.plane_shape[axis]
    return rows


cdef Py_ssize_t sums_size(const Plan* plan) noexcept nogil:
    """Samples of a task's unfinished sums: none where one block of channels finishes them."""
    cdef Py_ssize_t rows = 1, tiles
    cdef int axis
    if plan.kernel != TILE:
        return 0
    if plan.channel_block >= plan.channels_in:
        return 0
    for axis in range(plan.ndim):
        rows *= plan.box[axis]
    tiles = (
        (rows + TILE_PIXELS - 1) // TILE_PIXELS if plan.flat
        else rows // plan.box[plan.ndim - 1] * ((plan.box[plan.ndim - 1] + TILE_PIXELS - 1) // TILE_PIXELS)
    )
    if plan.flat and plan.ndim > 2:
        tiles += rows // (plan.box[plan.ndim - 1] * plan.box[plan.ndim - 2])
    return tiles * TILE_PIXELS * TILE_VECTORS * LANES * plan.blocks_per_task + EDGE


cdef Py_ssize_t lay_out(const Plan* plan, char* at, Scratch* scratch) noexcept nogil:
    """Divides a worker's scratch memory, which begins at `at`; returns its size in bytes."""
    cdef char* start = at
    cdef Py_ssize_t n_runs = 0, segment
    scratch.located = -1
    scratch.padded = -1
    scratch.offsets = <Py_ssize_t*> at
    at += aligned(plan.taps * sizeof(Py_ssize_t))
    scratch.places = <Py_ssize_t*> at
    at += aligned(plan.taps * sizeof(Py_ssize_t))
    scratch.sums = <real*> at
    at += aligned(sums_size(plan) * sizeof(real))
    if not plan.in_place:
        scratch.source.rows = <Py_ssize_t*> at
        at += aligned(plane_rows(plan) * sizeof(Py_ssize_t))
        scratch.source.first_run = <Py_ssize_t*> at
        at += aligned((plan.n_segments + 1) * sizeof(Py_ssize_t))
        for segment in range(plan.n_segments):
            n_runs += plan.segment_length[segment]
        scratch.source.runs = <Run*> at
        at += aligned(n_runs * sizeof(Run))
        scratch.planes = <real*> at
        # A kernel's last vector may reach past the last plane.
        at += aligned((plan.padded_channels * plan.plane_size + LONG_ROW_VECTORS * LANES) * sizeof(real))
    return at - start


cdef Py_ssize_t active_taps(const Plan* plan, bint skip, Scratch* scratch, Py_ssize_t width,
                            const Py_ssize_t* first, const Py_ssize_t* end) noexcept nogil:
    """Lists the taps that find samples, not only padding, for some output of the box from `first` to `end`."""
    cdef Py_ssize_t t, n = 0
    cdef int axis
    for t in range(plan.taps):
        if skip:
            for axis in range(plan.ndim):
                if (
                    first[axis] >= plan.tap_end[t * plan.ndim + axis]
                    or end[axis] <= plan.tap_first[t * plan.ndim + axis]
                ):
                    break
            else:
                scratch.offsets[n] = plan.tap_offset[t]
                scratch.places[n] = t * width
                n += 1
        else:
            scratch.offsets[n] = plan.tap_offset[t]
            scratch.places[n] = t * width
            n += 1
    return n


cdef struct Box:
    # Where a task stands: one group of one box, and from there one plane of its rows.
    Py_ssize_t start[MAX_AXES]
    Py_ssize_t extent[MAX_AXES]
    Py_ssize_t outer[MAX_AXES]        # position within the box on all axes but the last two
    Py_ssize_t lines, width           # the last two axes; one line where they are flat
    const real* planes                # of the first channel of the block
    Py_ssize_t x_channel              # samples from plane to plane
    const real* weights
    const real* bias                  # or NULL
    char* y                           # the box's first output of channel 0
    const char* residual
    Py_ssize_t first_channel, end_channel


cdef inline Py_ssize_t output_offset(const Plan* plan, const Samples* samples, const Box* box,
                                     Py_ssize_t line, Py_ssize_t pixel) noexcept nogil:
    """Bytes from the box's first output to the one at a line and pixel."""
    cdef int axis, last = plan.ndim - 1
    cdef Py_ssize_t offset = 0
    for axis in range(last - 1):
        offset += box.outer[axis] * samples.stride[axis]
    if plan.flat and last > 0:
        line = pixel // box.extent[last]
        pixel = pixel % box.extent[last]
    if last > 0:
        offset += line * samples.stride[last - 1]
    return offset + pixel * samples.stride[last]


cdef inline Py_ssize_t line_stride(const Plan* plan) noexcept nogil:
    """Plane samples from line to line."""
    return plan.plane_stride[plan.ndim - 2] if plan.ndim > 1 else 0


cdef void finish_pixels(const Plan* plan, const Job* job, const Box* box, real* run, Py_ssize_t channel,
                        Py_ssize_t line, Py_ssize_t pixel, Py_ssize_t count) noexcept nogil:
    """Finishes a run of one output channel; a flat run is finished row by row of y."""
    cdef Py_ssize_t n
    cdef char* y = box.y + channel_offset(&job.y, channel)
    cdef const char* residual = NULL
    while count > 0:
        n = count
        if plan.flat:
            n = min(count, box.extent[plan.ndim - 1] - pixel % box.extent[plan.ndim - 1])
        if box.residual != NULL:
            residual = (box.residual + channel_offset(&job.residual, channel)
                        + output_offset(plan, &job.residual, box, line, pixel))
        finish(job, run, y + output_offset(plan, &job.y, box, line, pixel), residual, n)
        run += n
        pixel += n
        count -= n


cdef void run_tiles(const Plan* plan, const Job* job, Box* box, Scratch* scratch,
                    Py_ssize_t block, Py_ssize_t place, Py_ssize_t plane) noexcept nogil:
    """One block of output channels over the lines of a box; `place` counts the tiles whose sums are kept."""
    cdef real edge[EDGE]
    cdef real columns[EDGE]
    cdef Py_ssize_t first[MAX_AXES]
    cdef Py_ssize_t end[MAX_AXES]
    cdef Py_ssize_t start = block * TILE_VECTORS * LANES
    cdef Py_ssize_t width = tile_width(plan, start)
    cdef Py_ssize_t outputs = min(width, plan.channels_out - start)
    cdef Py_ssize_t w_channel = plan.taps * width
    cdef const real* weights = (box.weights + start * plan.channels_in * plan.taps + box.first_channel * w_channel)
    cdef Py_ssize_t tiles = (box.width + TILE_PIXELS - 1) // TILE_PIXELS
    cdef Py_ssize_t i, k, line, tile_index, pixel, n_taps = 0
    cdef int axis, last = plan.ndim - 1, pixels, v
    cdef bint begins = box.first_channel == 0
    cdef bint ends = box.end_channel == plan.channels_in
    cdef real* sums = edge
    if not job.skip:
        n_taps = active_taps(plan, job.skip, scratch, width, first, end)
    for axis in range(last - 1):
        first[axis] = box.start[axis] + box.outer[axis]
        end[axis] = first[axis] + 1
    for line in range(box.lines):
        pixel = 0
        for tile_index in range(tiles):
            # The tiles of a line are about equal.
            pixels = <int> ((tile_index + 1) * box.width // tiles - pixel)
            if not (begins and ends):
                sums = scratch.sums + place * TILE_PIXELS * TILE_VECTORS * LANES
                place += 1
            if job.skip:
                first[last] = box.start[last] + pixel
                end[last] = first[last] + pixels
                if plan.flat and last > 0:
                    first[last] = box.start[last]
                    end[last] = first[last] + box.extent[last]
                    first[last - 1] = box.start[last - 1] + pixel // box.extent[last]
                    end[last - 1] = box.start[last - 1] + (pixel + pixels - 1) // box.extent[last] + 1
                elif last > 0:
                    first[last - 1] = box.start[last - 1] + line
                    end[last - 1] = first[last - 1] + 1
                n_taps = active_taps(plan, job.skip, scratch, width, first, end)
            if begins:
                if box.bias == NULL:
                    memset(sums, 0, pixels * width * sizeof(real))
                else:
                    for k in range(outputs):
                        sums[k] = box.bias[start + k]
                    for k in range(outputs, width):
                        sums[k] = 0
                    for i in range(1, pixels):
                        memcpy(sums + i * width, sums, width * sizeof(real))
            tile(sums, box.planes + plane + line * line_stride(plan) + pixel, weights, box.end_channel - box.first_channel, box.x_channel, w_channel,
                 n_taps, scratch.offsets, scratch.places, pixels, <int> (width // LANES))
            if ends:
                for v in range(width // LANES):
                    i = 0
                    while i < pixels:
                        transpose_block(sums + i * width + v * LANES, width,
                                        columns + v * LANES * EDGE_PIXELS + i, EDGE_PIXELS)
                        i += LANES
                for k in range(outputs):
                    finish_pixels(plan, job, box, columns + k * EDGE_PIXELS, start + k, line, pixel, pixels)
            pixel += pixels


cdef inline Py_ssize_t vectors_at(Py_ssize_t pixel, Py_ssize_t width, int most) noexcept nogil:
    """Vectors of pixels that the micro-kernel takes next, so that what is left of a line is cut evenly.

    So a line of more than one vector never leaves a single one over, whose overlap would be with finished pixels.
    """
    cdef Py_ssize_t vectors = (width - pixel + LANES - 1) // LANES
    cdef Py_ssize_t steps = (vectors + most - 1) // most
    return (vectors + steps - 1) // steps


cdef void run_bank(const Plan* plan, const Job* job, Box* box, Py_ssize_t first_block, Py_ssize_t end_block,
                   Py_ssize_t plane) noexcept nogil:
    """The pixels of a box, each for all blocks of output channels while their samples are in cache."""
    cdef real edge[EDGE]
    cdef Py_ssize_t line, pixel, count, vectors, block, start, outputs, k, y_channel, last_vector
    cdef int last = plan.ndim - 1
    cdef bint begins = box.first_channel == 0
    cdef bint ends = box.end_channel == plan.channels_in
    cdef bint in_y = job.direct and box.width >= LANES
    cdef bint plain = job.activation == IDENTITY and box.residual == NULL
    cdef real* y
    cdef const real* weights
    cdef const real* bias
    for line in range(box.lines):
        pixel = 0
        while pixel < box.width:
            vectors = vectors_at(pixel, box.width, BANK_VECTORS)
            count = min(vectors * LANES, box.width - pixel)
            last_vector = (vectors - 1) * LANES
            if box.width >= LANES:
                # A line's last vector overlaps the one before it: nothing is read or written past the line.
                last_vector = count - LANES
            for block in range(first_block, end_block):
                start = bank_start(plan, block)
                outputs = bank_start(plan, block + 1) - start
                weights = (box.weights + start * plan.channels_in * plan.taps
                           + box.first_channel * plan.taps * outputs)
                bias = box.bias
                if bias != NULL:
                    bias += start
                y = edge
                y_channel = BANK_VECTORS * LANES
                if in_y:
                    y_channel = job.y.channel // <Py_ssize_t> sizeof(real)
                    y = <real*> (box.y + output_offset(plan, &job.y, box, line, pixel)) + start * y_channel
                bank(y, y_channel, bias, begins,
                     box.planes + plane + line * line_stride(plan) + pixel, weights, box.end_channel - box.first_channel, box.x_channel,
                     plan.taps, plan.tap_offset, last_vector, <int> outputs, <int> vectors)
                if ends and not (in_y and plain):
                    for k in range(outputs):
                        finish_pixels(plan, job, box, y + k * y_channel, start + k, line, pixel, count)
            pixel += count


cdef void run_rows(const Plan* plan, const Job* job, Box* box, Py_ssize_t output, Py_ssize_t plane) noexcept nogil:
    """The lines of a box for one output channel, several lines at a time."""
    cdef real edge[EDGE]
    cdef Py_ssize_t line = 0, pixel, count, vectors, rows, r, y_row, last_vector
    cdef bint begins = box.first_channel == 0
    cdef bint ends = box.end_channel == plan.channels_in
    cdef bint in_y = job.direct and box.width >= LANES
    cdef bint plain = job.activation == IDENTITY and box.residual == NULL
    cdef real bias = 0 if box.bias == NULL else box.bias[output]
    cdef const real* weights = box.weights + (output * plan.channels_in + box.first_channel) * plan.taps
    cdef real* y
    while line < box.lines:
        rows = min(box.lines - line, ROW_ROWS)
        if box.lines - line == ROW_ROWS + 1:
            rows = (ROW_ROWS + 1) // 2
        pixel = 0
        while pixel < box.width:
            vectors = vectors_at(pixel, box.width, ROW_VECTORS)
            if rows == 1 and box.width - pixel > (LONG_ROW_VECTORS + 1) * LANES:
                vectors = LONG_ROW_VECTORS
            count = min(vectors * LANES, box.width - pixel)
            last_vector = (vectors - 1) * LANES
            if box.width >= LANES:
                last_vector = count - LANES
            y = edge
            y_row = LONG_ROW_VECTORS * LANES
            if in_y:
                y_row = job.y.stride[plan.ndim - 2] // <Py_ssize_t> sizeof(real) if plan.ndim > 1 else 0
                y = <real*> (box.y + channel_offset(&job.y, output) + output_offset(plan, &job.y, box, line, pixel))
            rows_of_pixels(y, y_row, bias, begins, box.planes + plane + line * line_stride(plan) + pixel,
                           weights, box.end_channel - box.first_channel, box.x_channel,
                           plan.chains, plan.chain_offset, plan.chain_length, plan.chain_step,
                           last_vector, <int> rows, <int> vectors)
            if ends and not (in_y and plain):
                for r in range(rows):
                    finish_pixels(plan, job, box, y + r * y_row, output, line + r, pixel, count)
            pixel += count
        line += rows


cdef void run_box(const Plan* plan, const Job* job, Box* box, Scratch* scratch,
                  Py_ssize_t first_block, Py_ssize_t end_block) noexcept nogil:
    """One block of input channels of one group: its planes are there, its sums are made."""
    cdef int axis, last = plan.ndim - 1
    cdef Py_ssize_t outer, n_outer = 1, rest, plane, block, tiles
    for axis in range(last - 1):
        n_outer *= box.extent[axis]
    box.width = box.extent[last]
    box.lines = box.extent[last - 1] if last > 0 else 1
    if plan.flat:
        box.width *= box.lines
        box.lines = 1
    tiles = box.lines * ((box.width + TILE_PIXELS - 1) // TILE_PIXELS)
    for block in range(first_block, end_block if plan.kernel != BANK else first_block + 1):
        for outer in range(n_outer):
            rest = outer
            plane = 0
            for axis in range(last - 2, -1, -1):
                box.outer[axis] = rest % box.extent[axis]
                rest = rest // box.extent[axis]
                plane += box.outer[axis] * plan.plane_stride[axis]
            if plan.kernel == TILE:
                run_tiles(plan, job, box, scratch, block, ((block - first_block) * n_outer + outer) * tiles, plane)
            elif plan.kernel == BANK:
                run_bank(plan, job, box, first_block, end_block, plane)
            else:
                run_rows(plan, job, box, block, plane)


cdef void run_task(const Plan* plan, const Job* job, Py_ssize_t task, Scratch* scratch) noexcept nogil:
    cdef Box box
    cdef int axis
    cdef Py_ssize_t rest = task, index, box_index, batch, group, x_batch = 0, y_batch = 0, residual_batch = 0
    cdef Py_ssize_t weight_set = 0, first_block, end_block, first_group, end_group, n, channel, end, key
    cdef Py_ssize_t y_start = 0, x_start = 0, residual_start = 0
    cdef const char* x
    cdef const real* planes
    # The task's number, taken apart: output channels change fastest, so that their tasks share padded planes.
    n = (plan.n_blocks + plan.blocks_per_task - 1) // plan.blocks_per_task
    first_block = rest % n * plan.blocks_per_task
    end_block = min(first_block + plan.blocks_per_task, plan.n_blocks)
    rest = rest // n
    n = (plan.groups + plan.groups_per_task - 1) // plan.groups_per_task
    first_group = rest % n * plan.groups_per_task
    end_group = min(first_group + plan.groups_per_task, plan.groups)
    rest = rest // n
    box_index = rest % plan.n_boxes
    batch = rest // plan.n_boxes
    rest = box_index
    for axis in range(plan.ndim - 1, -1, -1):
        index = rest % plan.boxes[axis]
        rest = rest // plan.boxes[axis]
        box.start[axis] = index * plan.box[axis]
        box.extent[axis] = min(plan.box[axis], plan.out_shape[axis] - box.start[axis])
        y_start += box.start[axis] * job.y.stride[axis]
        residual_start += box.start[axis] * job.residual.stride[axis]
        x_start += (box.start[axis] * plan.stride[axis] + plan.origin[axis]) * job.x.stride[axis]
    rest = batch
    for axis in range(job.batch_ndim - 1, -1, -1):
        index = rest % job.batch_shape[axis]
        rest = rest // job.batch_shape[axis]
        x_batch += index * job.x.batch[axis]
        y_batch += index * job.y.batch[axis]
        residual_batch += index * job.residual.batch[axis]
        weight_set += index * job.weight_batch[axis]
    if not plan.in_place and scratch.located != box_index:
        locate(plan, &job.x, box.start, &scratch.source)
        scratch.located = box_index
        scratch.padded = -1
    for group in range(first_group, end_group):
        x = job.x.data + x_batch + channel_offset(&job.x, group * plan.channels_in)
        box.y = job.y.data + y_batch + y_start + channel_offset(&job.y, group * plan.channels_out)
        box.residual = NULL
        if job.residual.data != NULL:
            box.residual = (job.residual.data + residual_batch + residual_start
                            + channel_offset(&job.residual, group * plan.channels_out))
        box.weights = job.weights + (weight_set + group) * plan.set_size
        box.bias = job.bias
        if box.bias != NULL:
            box.bias += group * plan.channels_out
        channel = 0
        while True:
            end = min(channel + plan.channel_block, plan.channels_in)
            if plan.in_place:
                planes = <const real*> (x + x_start)
                box.x_channel = job.x.channel // <Py_ssize_t> sizeof(real)
                planes += channel * box.x_channel
            else:
                box.x_channel = plan.plane_size
                planes = scratch.planes
                if plan.padded_channels == plan.channels_in:
                    key = (batch * plan.n_boxes + box_index) * plan.groups + group
                    if scratch.padded != key:
                        pad(plan, &job.x, x, &scratch.source, scratch.planes, 0, plan.channels_in)
                        scratch.padded = key
                    planes += channel * plan.plane_size
                else:
                    pad(plan, &job.x, x, &scratch.source, scratch.planes, channel, end)
            box.planes = planes
            box.first_channel = channel
            box.end_channel = end
            run_box(plan, job, &box, scratch, first_block, end_block)
            channel = end
            if channel >= plan.channels_in:
                break
