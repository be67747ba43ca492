# The gradient to the weights from one box of outputs.

cdef struct GradientBlocking:
    # How the work is cut into tasks: a share of all boxes of the batch, and some of the weights.
    bint along_lines                  # which micro-kernel
    Py_ssize_t partial_sums           # shares of the boxes, whose sums are added in the end
    Py_ssize_t groups, outputs, inputs    # of a task at most

cdef struct GradientWorkspace:
    # What a worker keeps from task to task.
    DirectWorkspace direct
    Py_ssize_t* lines
    Py_ssize_t* pairs
    real* grads
    real* sums
    real* bias_sums                   # [group][output channel]


cdef Py_ssize_t box_size(const Plan* plan) noexcept nogil:
    cdef Py_ssize_t size = 1
    cdef int axis
    for axis in range(plan.ndim):
        size *= plan.blocking.box[axis]
    return size


cdef Py_ssize_t lines_of_channels(const GradientBlocking* cut) noexcept nogil:
    """A task's output channels, in whole vectors."""
    return ceil_div(cut.outputs, LANES) * LANES


cdef Py_ssize_t sums_of_group(const Plan* plan, const GradientBlocking* cut) noexcept nogil:
    """Samples of a task's sums for one group."""
    cdef Py_ssize_t pairs = cut.inputs * plan.taps.count
    if cut.along_lines:
        return cut.outputs * pairs * LANES
    return lines_of_channels(cut) * pairs


cdef Py_ssize_t lay_out_gradient(const Plan* plan, const GradientBlocking* cut, char* at,
                                 GradientWorkspace* workspace) noexcept nogil:
    """Divides a worker's workspace, which begins at `at`; returns its size in bytes."""
    cdef char* start = at
    cdef Py_ssize_t size = box_size(plan)
    at += lay_out_direct(plan, at, &workspace.direct)
    at = start + aligned(at - start)
    workspace.lines = <Py_ssize_t*> take(&at, size // plan.blocking.box[plan.ndim - 1] * sizeof(Py_ssize_t))
    workspace.pairs = <Py_ssize_t*> take(&at, cut.inputs * plan.taps.count * sizeof(Py_ssize_t))
    # A line's last vector may reach past the last channel.
    workspace.grads = <real*> take(&at, (lines_of_channels(cut) * size + LANES) * sizeof(real))
    workspace.sums = <real*> take(&at, cut.groups * sums_of_group(plan, cut) * sizeof(real))
    workspace.bias_sums = <real*> take(&at, cut.groups * lines_of_channels(cut) * sizeof(real))
    return at - start


cdef void find_lines(const Plan* plan, Box* box, GradientBox* g, Py_ssize_t* lines) noexcept nogil:
    """Lists where the lines of a box begin in the planes."""
    cdef Py_ssize_t outer, line, n_outer = set_lines(plan, box), plane, n = 0
    for outer in range(n_outer):
        plane = enter_plane(plan, box, outer)
        for line in range(box.lines):
            lines[n] = plane + line * line_stride(plan)
            n += 1
    g.lines = lines
    g.n_lines = n
    g.width = box.width
    g.size = n * box.width


cdef void read_grads(const Plan* plan, const Samples* y, Box* box, const char* data, Py_ssize_t first,
                     Py_ssize_t end, bint along_lines, Py_ssize_t size, real* grads) noexcept nogil:
    """Reads the box's gradients of channels first to end, as the micro-kernel wants them."""
    cdef int axis, last = plan.ndim - 1
    cdef Py_ssize_t channel, outer, line, n_outer = 1, lines = 1, offset, done, start, width
    cdef Run run
    run.source = 0
    run.step = y.stride[last]
    run.length = box.extent[last]
    for axis in range(last - 1):
        n_outer *= box.extent[axis]
    if last > 0:
        lines = box.extent[last - 1]
        if y.stride[last - 1] == run.length * run.step:
            run.length *= lines
            lines = 1
    for outer in range(n_outer):
        enter_plane(plan, box, outer)
        offset = 0
        for axis in range(last - 1):
            offset += box.outer[axis] * y.stride[axis]
        for line in range(lines):
            done = (outer * lines + line) * run.length
            channel = first
            while channel < end:
                if along_lines:
                    read_run(y, grads + (channel - first) * size + done, data + channel_offset(y, channel) + offset,
                             run.step, run.length)
                    channel += 1
                else:
                    # Blocks of channels as wide as tiles: [block][output][channel of the block].
                    start = (channel - first) // (TILE_VECTORS * LANES) * (TILE_VECTORS * LANES)
                    width = ceil_div(min(end - first - start, TILE_VECTORS * LANES), LANES) * LANES
                    interleave_run(y, data, offset, &run, channel, min(LANES, end - channel),
                                   grads + start * size + done * width + channel - first - start, width)
                    channel += LANES
            if last > 0:
                offset += y.stride[last - 1]


cdef void add_bias(const GradientBlocking* cut, const real* grads, Py_ssize_t outputs, Py_ssize_t size,
                   real* sums) noexcept nogil:
    """Adds the gradients of a box, of each output channel, to the sums that are those to the bias."""
    cdef vec acc[TILE_VECTORS]
    cdef Py_ssize_t k = 0, i, v, vectors
    cdef real total
    if cut.along_lines:
        for k in range(outputs):
            acc[0] = vec_splat(0)
            for i in range(size // LANES):
                acc[0] = acc[0] + vec_load(grads + i * LANES)
            total = vec_sum(acc[0])
            for i in range(size // LANES * LANES, size):
                total += grads[i]
            sums[k] += total
            grads += size
        return
    while k < outputs:
        vectors = ceil_div(min(outputs - k, TILE_VECTORS * LANES), LANES)
        for v in range(vectors):
            acc[v] = vec_splat(0)
        for i in range(size):
            for v in range(vectors):
                acc[v] = acc[v] + vec_load(grads + (i * vectors + v) * LANES)
        for v in range(vectors):
            vec_store(sums + k + v * LANES, acc[v] + vec_load(sums + k + v * LANES))
        grads += size * vectors * LANES
        k += vectors * LANES


cdef void add_box(const Plan* plan, const GradientBlocking* cut, const GradientWorkspace* workspace, GradientBox* g,
                  Py_ssize_t outputs, Py_ssize_t n_pairs, real* sums) noexcept nogil:
    """Adds the products of a box to a task's sums for one group."""
    cdef Py_ssize_t k = 0, pair, n, i, size, most
    while k < outputs:
        if cut.along_lines:
            size = 4 if outputs - k >= 4 else 2 if outputs - k >= 2 else 1
            most = most_pairs(size)
            g.row = cut.inputs * plan.taps.count * LANES
        else:
            size = ceil_div(min(outputs - k, TILE_VECTORS * LANES), LANES)
            most = most_pixels(size)
            g.row = lines_of_channels(cut)
        g.grads = workspace.grads + k * g.size
        n = ceil_div(n_pairs, most)
        for i in range(n):
            pair = i * n_pairs // n
            g.sums = sums + (k * g.row + pair * LANES if cut.along_lines else pair * g.row + k)
            add_pairs(g, workspace.pairs + pair, <int> ((i + 1) * n_pairs // n - pair), <int> size, cut.along_lines)
        k += size if cut.along_lines else size * LANES
