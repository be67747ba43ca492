# A box of outputs: where it stands, and what a worker keeps from one to the next.

cdef struct DirectWorkspace:
    # What a worker keeps from task to task.
    Source source
    Py_ssize_t located         # the box that `source` describes
    Py_ssize_t padded          # the planes' (batch, box, group), while they hold all channels
    Tap* taps                  # of a block of input channels, the tile's list
    Py_ssize_t* active         # which taps those are, where some are left out
    Py_ssize_t n_active, listed_channels, listed_width
    real* planes
    real* sums


cdef Py_ssize_t sums_size(const Plan* plan) noexcept nogil:
    """Samples of a task's unfinished sums: none where one block of channels finishes them."""
    cdef Py_ssize_t tiles, width = plan.blocking.box[plan.ndim - 1]
    cdef int axis, lines = plan.ndim - 1
    if plan.kernel != TILE or plan.blocking.channel_block >= plan.channels_in:
        return 0
    if plan.planes.flat:
        lines -= 1
        width *= plan.blocking.box[lines]
    tiles = ceil_div(width, STRIP)
    for axis in range(lines):
        tiles *= plan.blocking.box[axis]
    if plan.blocking.padded_channels < plan.channels_in:
        tiles *= plan.blocking.blocks_per_task
    return tiles * SUMS


cdef Py_ssize_t planes_size(const Plan* plan) noexcept nogil:
    """Samples of all planes, and of what a kernel's last vector may reach past the last of them."""
    cdef Py_ssize_t interleave = plan.planes.interleave
    return (ceil_div(plan.blocking.padded_channels, interleave) * interleave * plan.planes.size
            + LONG_ROW_VECTORS * LANES)


cdef Py_ssize_t lay_out_direct(const Plan* plan, char* at, DirectWorkspace* workspace) noexcept nogil:
    """Divides a worker's workspace, which begins at `at`; returns its size in bytes."""
    cdef char* start = at
    cdef Py_ssize_t n_runs = 0, n, segment
    workspace.located = -1
    workspace.padded = -1
    workspace.listed_channels = -1
    if plan.kernel == TILE:
        n = ceil_div(plan.blocking.channel_block, plan.planes.interleave)
        workspace.taps = <Tap*> take(&at, n * plan.taps.count * sizeof(Tap))
        workspace.active = <Py_ssize_t*> take(&at, plan.taps.count * sizeof(Py_ssize_t))
    workspace.sums = <real*> take(&at, sums_size(plan) * sizeof(real))
    if not plan.planes.in_place:
        workspace.source.rows = <Py_ssize_t*> take(&at, plane_rows(plan) * sizeof(Py_ssize_t))
        workspace.source.first_run = <Py_ssize_t*> take(&at, (plan.planes.n_segments + 1) * sizeof(Py_ssize_t))
        for segment in range(plan.planes.n_segments):
            n_runs += most_runs(plan, plan.planes.segment_length[segment])
        workspace.source.runs = <Run*> take(&at, n_runs * sizeof(Run))
        workspace.planes = <real*> take(&at, planes_size(plan) * sizeof(real))
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
    const real* readable              # where planes, or x in their place, begin and end: in a safe build alone
    const real* readable_end


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


cdef void find_readable(const Plan* plan, const Job* job, Box* box) noexcept nogil:
    """Finds between which addresses kernels may read samples."""
    if plan.planes.in_place:
        box.readable, box.readable_end = <const real*> job.x.start, <const real*> job.x.end
    else:
        box.readable, box.readable_end = box.planes, box.planes + planes_size(plan)


cdef void place_box(const Plan* plan, Py_ssize_t number, Box* box) noexcept nogil:
    """Sets the outputs of a box, by its number."""
    cdef int axis
    for axis in range(plan.ndim - 1, -1, -1):
        box.start[axis] = number % plan.blocking.boxes[axis] * plan.blocking.box[axis]
        box.extent[axis] = min(plan.blocking.box[axis], plan.out_shape[axis] - box.start[axis])
        number = number // plan.blocking.boxes[axis]


cdef Py_ssize_t box_offset(const Plan* plan, const Box* box, const Samples* samples) noexcept nogil:
    """Bytes from the first output to the box's first."""
    cdef int axis
    cdef Py_ssize_t offset = 0
    for axis in range(plan.ndim):
        offset += box.start[axis] * samples.stride[axis]
    return offset


cdef Py_ssize_t in_place_offset(const Plan* plan, const Box* box, const Samples* x) noexcept nogil:
    """Bytes from the first sample of x to the one under the first tap of the box's first output."""
    cdef int axis
    cdef Py_ssize_t offset = 0
    for axis in range(plan.ndim):
        offset += (box.start[axis] * plan.stride[axis] + plan.origin[axis]) * x.stride[axis]
    return offset


cdef Py_ssize_t set_lines(const Plan* plan, Box* box) noexcept nogil:
    """Sets the last two axes, by the box's extent; returns how many planes of their rows the other axes have."""
    cdef int axis, last = plan.ndim - 1
    cdef Py_ssize_t n_outer = 1
    for axis in range(last - 1):
        n_outer *= box.extent[axis]
    box.width = box.extent[last]
    box.lines = box.extent[last - 1] if last > 0 else 1
    if plan.planes.flat:
        box.width *= box.lines
        box.lines = 1
    return n_outer


cdef Py_ssize_t enter_plane(const Plan* plan, Box* box, Py_ssize_t number) noexcept nogil:
    """Sets the position on all axes but the last two; returns the first plane sample there."""
    cdef int axis
    cdef Py_ssize_t plane = 0
    for axis in range(plan.ndim - 3, -1, -1):
        box.outer[axis] = number % box.extent[axis]
        number = number // box.extent[axis]
        plane += box.outer[axis] * plan.planes.stride[axis]
    return plane
