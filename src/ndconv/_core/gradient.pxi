# The gradients to the weights and the bias. A weight's is a sum, over all outputs, of the output's gradient times the
# sample that the weight met there. Samples come from the planes that the forward pass pads, so strides, dilation and
# padding modes end there; a sum's place in the planes is that of its input channel and tap, and it goes along the
# outputs' lines.
#
# Two micro-kernels: one vectorised over output channels, and one, where those are few, along the lines.
#
# The contract of add_pairs(g, pairs, n, size, along_lines); a pair is an input channel and a tap, told by where its
# samples begin in the planes:
#   lanes   output channels, or, along lines, neighbouring outputs.
#   sizes   1 to TILE_VECTORS vectors of output channels and 1 to most_pixels(size) pairs; along lines 1, 2 or 4 output
#           channels and 1 to most_pairs(size) pairs.
#   reads   grads, [output][size * LANES], and one sample for each output and pair; along lines grads,
#           [channel][output], and the samples of each line and pair, by whole vectors. These reach past a line's end by
#           less than a vector: what they find there counts as zero, but there must be memory.
#           Where not `begins`, sums are read as they are written.
#   writes  sums, a vector (or `size` of them) for each pair, rows of them g.row apart.
#   align   a sample's own.
#   order   output by output from zero, and then added to the sums of the boxes before.
#   called  by add_box.

cdef struct Cut:
    # How the work is cut into tasks: a part of all boxes of the batch, and some of the weights.
    bint along_lines                  # which micro-kernel
    Py_ssize_t parts
    Py_ssize_t groups, outputs, inputs    # of a task at most

cdef struct Gather:
    # What the micro-kernels read and write.
    const real* planes
    const Py_ssize_t* lines           # where each line of outputs begins in a plane
    const real* grads                 # [output][channels of a tile], or [channel][output]
    Py_ssize_t n_lines, width, size   # of the box of outputs
    real* sums                        # [pair][output channel], or [channel][pair][lane]
    Py_ssize_t row                    # of `sums`
    bint begins                       # the box is a task's first: there are no sums yet

cdef struct Ledger:
    # What a worker keeps from task to task.
    Scratch scratch
    Py_ssize_t* lines
    Py_ssize_t* pairs
    real* grads
    real* sums
    real* bias_sums                   # [group][output channel]


cdef inline int sum_over_outputs(
    const int n_pairs, Gather* g, const Py_ssize_t* pairs, const int vectors
) noexcept nogil:
    """Adds to the sums of some pairs, each with `vectors` vectors of output channels."""
    cdef vec acc[REGISTERS]
    cdef vec w[TILE_VECTORS]
    cdef Py_ssize_t offset[TILE_PIXELS]
    cdef const real* grads = g.grads
    cdef const real* x
    cdef const real* end
    cdef Py_ssize_t line
    cdef int p, v
    for p in range(n_pairs):
        offset[p] = pairs[p]
        for v in range(vectors):
            acc[p * vectors + v] = vec_splat(0)
    for line in range(g.n_lines):
        x = g.planes + g.lines[line]
        end = x + g.width
        while x < end:
            for v in range(vectors):
                w[v] = vec_load(grads + v * LANES)
            for p in range(n_pairs):
                for v in range(vectors):
                    acc[p * vectors + v] = acc[p * vectors + v] + w[v] * x[offset[p]]
            grads += vectors * LANES
            x += 1
    if not g.begins:
        for p in range(n_pairs):
            for v in range(vectors):
                acc[p * vectors + v] = acc[p * vectors + v] + vec_load(g.sums + p * g.row + v * LANES)
    for p in range(n_pairs):
        for v in range(vectors):
            vec_store(g.sums + p * g.row + v * LANES, acc[p * vectors + v])
    return 0


cdef inline int sum_along_lines(
    const int n_pairs, Gather* g, const Py_ssize_t* pairs, const int outputs
) noexcept nogil:
    """Adds to the sums of some pairs for some output channels; each lane has a sum of its own."""
    cdef vec acc[REGISTERS]
    cdef vec w[MOST_OUTPUTS]
    cdef vec sample
    cdef Py_ssize_t offset[TILE_PIXELS]
    cdef const real* grads = g.grads
    cdef const real* x
    cdef Py_ssize_t line, i, whole = g.width // LANES * LANES
    cdef int p, k, rest = <int> (g.width - whole)
    for p in range(outputs * n_pairs):
        acc[p] = vec_splat(0)
    for p in range(n_pairs):
        offset[p] = pairs[p]
    for line in range(g.n_lines):
        x = g.planes + g.lines[line]
        i = 0
        while i < whole:
            for k in range(outputs):
                w[k] = vec_load(grads + k * g.size + i)
            for p in range(n_pairs):
                sample = vec_load(x + offset[p] + i)
                for k in range(outputs):
                    acc[k * n_pairs + p] = acc[k * n_pairs + p] + w[k] * sample
            i += LANES
        if rest > 0:
            # Past a line's end there may be infinities, which a gradient of zero would not hide.
            for k in range(outputs):
                w[k] = vec_first(vec_load(grads + k * g.size + i), rest)
            for p in range(n_pairs):
                sample = vec_first(vec_load(x + offset[p] + i), rest)
                for k in range(outputs):
                    acc[k * n_pairs + p] = acc[k * n_pairs + p] + w[k] * sample
        grads += g.width
    if not g.begins:
        for k in range(outputs):
            for p in range(n_pairs):
                acc[k * n_pairs + p] = acc[k * n_pairs + p] + vec_load(g.sums + k * g.row + p * LANES)
    for k in range(outputs):
        for p in range(n_pairs):
            vec_store(g.sums + k * g.row + p * LANES, acc[k * n_pairs + p])
    return 0


cdef inline Py_ssize_t most_pairs(const Py_ssize_t outputs) noexcept nogil:
    """Pairs whose sums for some output channels fit the registers beside the operands."""
    return min((REGISTERS - 1 - outputs) // outputs, TILE_PIXELS)


cdef extern from "ladder.h" nogil:
    void at_pairs "with_constant"(
        int n, Py_ssize_t most, int (*)(const int, Gather*, const Py_ssize_t*, const int) noexcept nogil,
        Gather* g, const Py_ssize_t* pairs, int size)
    void pairs_at_vectors "with_constant"(
        int vectors, Py_ssize_t most, int (*)(const int, Gather*, const Py_ssize_t*, int) noexcept nogil,
        Gather* g, const Py_ssize_t* pairs, int n)


cdef inline int pairs_of_vectors(const int vectors, Gather* g, const Py_ssize_t* pairs, int n) noexcept nogil:
    at_pairs(n, most_pixels(vectors), sum_over_outputs, g, pairs, vectors)
    return 0


cdef inline int pairs_of_outputs(const int outputs, Gather* g, const Py_ssize_t* pairs, int n) noexcept nogil:
    at_pairs(n, most_pairs(outputs), sum_along_lines, g, pairs, outputs)
    return 0


cdef void add_pairs(Gather* g, const Py_ssize_t* pairs, int n, int size, bint along_lines) noexcept nogil:
    """Adds a box's products to the sums of some pairs, for `size` output channels or vectors of them."""
    nd_assert_within(size, 1, 4)
    nd_assert((size != 3) | (not along_lines))
    nd_assert((along_lines == 0) | (n <= most_pairs(size)))
    nd_assert((along_lines != 0) | (n <= most_pixels(size)))
    if not along_lines:
        pairs_at_vectors(size, TILE_VECTORS, pairs_of_vectors, g, pairs, n)
    elif size == 1:
        pairs_of_outputs(1, g, pairs, n)
    elif size == 2:
        pairs_of_outputs(2, g, pairs, n)
    else:
        pairs_of_outputs(4, g, pairs, n)


cdef Py_ssize_t box_size(const Plan* plan) noexcept nogil:
    cdef Py_ssize_t size = 1
    cdef int axis
    for axis in range(plan.ndim):
        size *= plan.blocking.box[axis]
    return size


cdef Py_ssize_t lines_of_channels(const Cut* cut) noexcept nogil:
    """A task's output channels, in whole vectors."""
    return parts(cut.outputs, LANES) * LANES


cdef Py_ssize_t sums_of_group(const Plan* plan, const Cut* cut) noexcept nogil:
    """Samples of a task's sums for one group."""
    cdef Py_ssize_t pairs = cut.inputs * plan.taps.count
    if cut.along_lines:
        return cut.outputs * pairs * LANES
    return lines_of_channels(cut) * pairs


cdef Py_ssize_t lay_ledger(const Plan* plan, const Cut* cut, char* at, Ledger* ledger) noexcept nogil:
    """Divides a worker's scratch memory, which begins at `at`; returns its size in bytes."""
    cdef char* start = at
    cdef Py_ssize_t size = box_size(plan)
    at += lay_out(plan, at, &ledger.scratch)
    at = start + aligned(at - start)
    ledger.lines = <Py_ssize_t*> take(&at, size // plan.blocking.box[plan.ndim - 1] * sizeof(Py_ssize_t))
    ledger.pairs = <Py_ssize_t*> take(&at, cut.inputs * plan.taps.count * sizeof(Py_ssize_t))
    # A line's last vector may reach past the last channel.
    ledger.grads = <real*> take(&at, (lines_of_channels(cut) * size + LANES) * sizeof(real))
    ledger.sums = <real*> take(&at, cut.groups * sums_of_group(plan, cut) * sizeof(real))
    ledger.bias_sums = <real*> take(&at, cut.groups * lines_of_channels(cut) * sizeof(real))
    return at - start


cdef void find_lines(const Plan* plan, Box* box, Gather* g, Py_ssize_t* lines) noexcept nogil:
    """Lists where the lines of a box begin in the planes."""
    cdef Py_ssize_t outer, line, n_outer = 1, plane, n = 0
    cdef int axis, last = plan.ndim - 1
    for axis in range(last - 1):
        n_outer *= box.extent[axis]
    box.width = box.extent[last]
    box.lines = box.extent[last - 1] if last > 0 else 1
    if plan.planes.flat:
        box.width *= box.lines
        box.lines = 1
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
                    width = parts(min(end - first - start, TILE_VECTORS * LANES), LANES) * LANES
                    interleave_run(y, data, offset, &run, channel, min(LANES, end - channel),
                                   grads + start * size + done * width + channel - first - start, width)
                    channel += LANES
            if last > 0:
                offset += y.stride[last - 1]


cdef void read_run(const Samples* samples, real* target, const char* source, Py_ssize_t step,
                   Py_ssize_t count) noexcept nogil:
    if samples.same and step == sizeof(real):
        copy_samples(target, <const real*> source, count)
    elif samples.same:
        copy_strided(target, source, step, count)
    else:
        read_samples(samples, target, source, step, count)


cdef void add_bias(const Cut* cut, const real* grads, Py_ssize_t outputs, Py_ssize_t size, real* sums) noexcept nogil:
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
        vectors = parts(min(outputs - k, TILE_VECTORS * LANES), LANES)
        for v in range(vectors):
            acc[v] = vec_splat(0)
        for i in range(size):
            for v in range(vectors):
                acc[v] = acc[v] + vec_load(grads + (i * vectors + v) * LANES)
        for v in range(vectors):
            vec_store(sums + k + v * LANES, acc[v] + vec_load(sums + k + v * LANES))
        grads += size * vectors * LANES
        k += vectors * LANES


cdef void add_box(const Plan* plan, const Cut* cut, const Ledger* ledger, Gather* g, Py_ssize_t outputs,
                  Py_ssize_t n_pairs, real* sums) noexcept nogil:
    """Adds the products of a box to a task's sums for one group."""
    cdef Py_ssize_t k = 0, pair, n, i, size, most
    while k < outputs:
        if cut.along_lines:
            size = 4 if outputs - k >= 4 else 2 if outputs - k >= 2 else 1
            most = most_pairs(size)
            g.row = cut.inputs * plan.taps.count * LANES
        else:
            size = parts(min(outputs - k, TILE_VECTORS * LANES), LANES)
            most = most_pixels(size)
            g.row = lines_of_channels(cut)
        g.grads = ledger.grads + k * g.size
        n = parts(n_pairs, most)
        for i in range(n):
            pair = i * n_pairs // n
            g.sums = sums + (k * g.row + pair * LANES if cut.along_lines else pair * g.row + k)
            add_pairs(g, ledger.pairs + pair, <int> ((i + 1) * n_pairs // n - pair), <int> size, cut.along_lines)
        k += size if cut.along_lines else size * LANES


cdef void write_sums(const Plan* plan, const Cut* cut, const real* sums, Py_ssize_t outputs, Py_ssize_t n_pairs,
                     real* target, Py_ssize_t target_row) noexcept nogil:
    """Writes a task's sums for one group to [output channel][pair]."""
    cdef real block[MOST_BLOCK]
    cdef Py_ssize_t k, pair, i, j, n, row
    if cut.along_lines:
        row = cut.inputs * plan.taps.count * LANES
        for k in range(outputs):
            for pair in range(n_pairs):
                target[k * target_row + pair] = vec_sum(vec_load(sums + k * row + pair * LANES))
        return
    row = lines_of_channels(cut)
    k = 0
    while k < outputs:
        pair = 0
        while pair < n_pairs:
            n = min(LANES, n_pairs - pair)
            if n == LANES and k + LANES <= outputs:
                transpose_block(sums + pair * row + k, row, target + k * target_row + pair, target_row)
            else:
                for i in range(min(LANES, outputs - k)):
                    for j in range(n):
                        target[(k + i) * target_row + pair + j] = sums[(pair + j) * row + k + i]
            pair += n
        k += LANES


cdef Py_ssize_t n_gradients(const Plan* plan) noexcept nogil:
    """Weights, and after them the entries of the bias."""
    return plan.groups * plan.channels_out * (plan.channels_in * plan.taps.count + 1)


cdef void gather(const Plan* plan, const Cut* cut, const Job* job, Py_ssize_t task, Ledger* ledger,
                 real* partial, Py_ssize_t batch) noexcept nogil:
    """One task: its weights' gradients from its part of the boxes."""
    cdef Box box
    cdef Gather g
    cdef Scratch* scratch = &ledger.scratch
    cdef Py_ssize_t rest = task, n, item, n_items, number, index, box_index, group, channel, tap, x_start, y_start
    cdef Py_ssize_t part, group_0, group_end, output_0, output_end, input_0, input_end, x_channel, n_pairs, listed = -1
    cdef Py_ssize_t group_sums = sums_of_group(plan, cut)
    cdef Py_ssize_t target_row = plan.channels_in * plan.taps.count
    cdef const char* x
    cdef const char* y
    cdef int axis
    n = parts(plan.channels_out, cut.outputs)
    output_0 = rest % n * cut.outputs
    output_end = min(output_0 + cut.outputs, plan.channels_out)
    rest = rest // n
    n = parts(plan.channels_in, cut.inputs)
    input_0 = rest % n * cut.inputs
    input_end = min(input_0 + cut.inputs, plan.channels_in)
    rest = rest // n
    n = parts(plan.groups, cut.groups)
    group_0 = rest % n * cut.groups
    group_end = min(group_0 + cut.groups, plan.groups)
    part = rest // n
    n_pairs = (input_end - input_0) * plan.taps.count
    x_channel = plan.planes.size
    if plan.planes.in_place:
        x_channel = job.x.channel // <Py_ssize_t> sizeof(real)
    for channel in range(input_end - input_0):
        for tap in range(plan.taps.count):
            ledger.pairs[channel * plan.taps.count + tap] = channel * x_channel + plan.taps.offset[tap]
    memset(ledger.bias_sums, 0, (group_end - group_0) * lines_of_channels(cut) * sizeof(real))
    n_items = batch * plan.blocking.n_boxes
    for item in range(part * n_items // cut.parts, (part + 1) * n_items // cut.parts):
        # Box by box, so that neighbours need not be located again.
        g.begins = item == part * n_items // cut.parts
        box_index = item // batch
        number = item % batch
        rest = box_index
        x_start = batch_offset(job, job.x.batch, number)
        y_start = batch_offset(job, job.y.batch, number)
        for axis in range(plan.ndim - 1, -1, -1):
            index = rest % plan.blocking.boxes[axis]
            rest = rest // plan.blocking.boxes[axis]
            box.start[axis] = index * plan.blocking.box[axis]
            box.extent[axis] = min(plan.blocking.box[axis], plan.out_shape[axis] - box.start[axis])
            y_start += box.start[axis] * job.y.stride[axis]
            if plan.planes.in_place:
                x_start += (box.start[axis] * plan.stride[axis] + plan.origin[axis]) * job.x.stride[axis]
        if listed != box_index:
            find_lines(plan, &box, &g, ledger.lines)
            listed = box_index
        if not plan.planes.in_place and scratch.located != box_index:
            locate(plan, &job.x, box.start, &scratch.source)
            scratch.located = box_index
        for group in range(group_0, group_end):
            x = job.x.data + x_start + channel_offset(&job.x, group * plan.channels_in)
            y = job.y.data + y_start + channel_offset(&job.y, group * plan.channels_out)
            g.planes = scratch.planes
            if plan.planes.in_place:
                g.planes = <const real*> (x + channel_offset(&job.x, input_0))
            else:
                nd_assert(input_end - input_0 <= plan.blocking.padded_channels)
                pad(plan, &job.x, x, &scratch.source, scratch.planes, input_0, input_end)
            read_grads(plan, &job.y, &box, y, output_0, output_end, cut.along_lines, g.size, ledger.grads)
            if input_0 == 0:
                add_bias(cut, ledger.grads, output_end - output_0, g.size,
                         ledger.bias_sums + (group - group_0) * lines_of_channels(cut))
            add_box(plan, cut, ledger, &g, output_end - output_0, n_pairs, ledger.sums + (group - group_0) * group_sums)
    partial += part * n_gradients(plan)
    for group in range(group_0, group_end):
        write_sums(plan, cut, ledger.sums + (group - group_0) * group_sums, output_end - output_0, n_pairs,
                   partial + (group * plan.channels_out + output_0) * target_row + input_0 * plan.taps.count,
                   target_row)
        if input_0 == 0:
            memcpy(partial + plan.groups * plan.channels_out * target_row + group * plan.channels_out + output_0,
                   ledger.bias_sums + (group - group_0) * lines_of_channels(cut),
                   (output_end - output_0) * sizeof(real))


cdef void add_parts(const real* partial, Py_ssize_t n_parts, Py_ssize_t size, Py_ssize_t first, Py_ssize_t end,
                    real* target) noexcept nogil:
    """Adds the parts of the gradients from `first` to `end`, always in the same order."""
    cdef Py_ssize_t i, part
    for i in range(first, end):
        target[i] = partial[i]
    for part in range(1, n_parts):
        for i in range(first, end):
            target[i] += partial[part * size + i]
