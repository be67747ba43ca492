# The loops around the tile kernel: one block of output channels over the lines of a box.


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


cdef void list_taps(const Plan* plan, const Job* job, const Box* box, DirectWorkspace* workspace, Py_ssize_t channels,
                    Py_ssize_t width, Py_ssize_t line, Py_ssize_t pixel, Py_ssize_t end_pixel) noexcept nogil:
    """Lists the taps of `channels` input channels, but for those that find only padding; seldom anything changes."""
    cdef Py_ssize_t first[MAX_AXES]
    cdef Py_ssize_t end[MAX_AXES]
    cdef Py_ssize_t t, c, block, n = 0
    cdef int axis, last = plan.ndim - 1
    cdef Tap* tap = workspace.taps
    cdef bint is_listed = workspace.listed_channels == channels and workspace.listed_width == width
    cdef bint inner = True
    if is_listed and not job.skip:
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
        if is_listed and inner and workspace.n_active == plan.taps.count:
            return
    for t in range(plan.taps.count):
        if not job.skip or is_active(plan, t, first, end):
            is_listed = is_listed and n < workspace.n_active and workspace.active[n] == t
            workspace.active[n] = t
            n += 1
    if is_listed and n == workspace.n_active:
        return
    workspace.n_active = n
    workspace.listed_channels = channels
    workspace.listed_width = width
    c = 0
    while c < channels:
        block = min(plan.planes.interleave, channels - c)
        for t in range(n):
            tap.x = c * box.x_channel + plan.taps.offset[workspace.active[t]]
            nd_assert(plan.planes.in_place | (tap.x < (c + plan.planes.interleave) * plan.planes.size))
            tap.weight = (c * plan.taps.count + workspace.active[t] * block) * width
            tap.channels = block
            tap += 1
        c += block


cdef void run_tiles(const Plan* plan, const Job* job, Box* box, DirectWorkspace* workspace,
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
    cdef Py_ssize_t strips = ceil_div(box.width, STRIP), tiles
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
    tile.taps = workspace.taps
    tile.interleaved = plan.planes.interleave > 1
    tile.distant = False
    tile.ahead = tile.weights
    tile.ahead_step = 0
    tile.base_step = 0 if begins else width
    tile.base = first_sums
    if begins:
        init_accumulators(first_sums, box.bias, start, outputs, width)
    for line in range(box.lines):
        pixel = 0
        line_planes = block_planes(box) + plane + line * line_stride(plan)
        for strip in range(strips):
            # Whole strips, so that each writes whole cache lines; the tiles of a strip are about equal.
            pixels = min(STRIP, box.width - pixel)
            if not (begins and ends):
                nd_assert((place + 1) * SUMS <= sums_size(plan))
                sums = workspace.sums + place * SUMS
                place += 1
            if job.vector_epilogue or job.channels_last_epilogue:
                y = <real*> (box.y + output_offset(plan, &job.y, box, line, pixel)) + start * y_channel
                if box.residual != NULL:
                    residual = (box.residual + channel_offset(&job.residual, start)
                                + output_offset(plan, &job.residual, box, line, pixel))
            tiles = ceil_div(pixels, most_pixels(vectors))
            done = ready = 0
            for i in range(tiles):
                next_done = (i + 1) * pixels // tiles
                list_taps(plan, job, box, workspace, channels, width, line, pixel + done, pixel + next_done)
                if job.channels_last_epilogue and ends:
                    # (Where flat rows have gaps in y, some of it for nothing.)
                    for k in range(done, next_done):
                        prefetch_row(y + k * y_pixel, NULL if residual == NULL else
                                     residual + k * job.residual.stride[plan.ndim - 1], outputs)
                elif job.vector_epilogue and ends:
                    # Each tile sends for the rows of y and of the residual of some channels.
                    for ready in range(ready, (i + 1) * outputs // tiles):
                        prefetch_row(y + ready * y_channel,
                                     NULL if residual == NULL else residual + ready * job.residual.channel, pixels)
                tile.n_taps = ceil_div(channels, plan.planes.interleave) * workspace.n_active
                tile.sums = sums + done * width
                if not begins:
                    tile.base = tile.sums
                tile.x = line_planes + (pixel + done) * plan.planes.interleave
                nd_assert(tile_reads_within(&tile, <int> (next_done - done), box.readable, box.readable_end))
                multiply_tile(&tile, <int> (next_done - done), <int> vectors)
                done = next_done
            if ends and job.channels_last_epilogue:
                finish_channels(plan, job, box, sums, width, start, outputs, line, pixel, pixels)
            elif ends:
                transpose_sums(sums, columns, pixels, width)
                finish_pixels(plan, job, box, columns, STRIP, start, start + outputs, line, pixel, pixels)
            pixel += pixels
