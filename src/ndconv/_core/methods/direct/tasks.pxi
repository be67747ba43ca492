# The direct method: how a call is cut into tasks, and how a task runs: pad -> kernel -> epilogue.


cdef void run_box(const Plan* plan, const Job* job, Box* box, DirectWorkspace* workspace, Py_ssize_t first_block,
                  Py_ssize_t end_block, Py_ssize_t end_channel) noexcept nogil:
    """One group of a box, from the input channel whose planes are there first to `end_channel`.

    The loops' order keeps what is read most often nearest: for a tile the weights of a block of input and output
    channels, for a bank the samples of a block of input channels.
    """
    cdef Py_ssize_t outer, n_outer = set_lines(plan, box), block, tiles, place = 0
    tiles = box.lines * ceil_div(box.width, STRIP)
    if plan.kernel == BANK:
        for outer in range(n_outer):
            run_bank(plan, job, box, first_block, end_block, enter_plane(plan, box, outer), end_channel)
        return
    for block in range(first_block, end_block):
        box.first_channel = box.padded_channel
        while True:
            box.end_channel = min(box.first_channel + plan.blocking.channel_block, end_channel)
            for outer in range(n_outer):
                if plan.kernel == TILE:
                    run_tiles(plan, job, box, workspace, block, (place * n_outer + outer) * tiles,
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


# What is done with one group of a box: `run_box`, or what another method does instead.
ctypedef void (*BoxRunner)(const Plan*, const Job*, Box*, DirectWorkspace*, Py_ssize_t, Py_ssize_t,
                           Py_ssize_t) noexcept nogil


cdef void run_task(const Plan* plan, const Job* job, BoxRunner run_one, Py_ssize_t task,
                   DirectWorkspace* workspace) noexcept nogil:
    cdef Box box
    cdef Py_ssize_t rest = task, box_index, batch, group, x_start, x_batch, y_start, residual_start
    cdef Py_ssize_t weight_set, first_block, end_block, first_group, end_group, n, channel, channels, end, key
    cdef const char* x
    # The task's number, taken apart: output channels change fastest, so that their tasks share padded planes.
    n = ceil_div(plan.blocking.n_blocks, plan.blocking.blocks_per_task)
    first_block = rest % n * plan.blocking.blocks_per_task
    end_block = min(first_block + plan.blocking.blocks_per_task, plan.blocking.n_blocks)
    rest = rest // n
    n = ceil_div(plan.groups, plan.blocking.groups_per_task)
    first_group = rest % n * plan.blocking.groups_per_task
    end_group = min(first_group + plan.blocking.groups_per_task, plan.groups)
    rest = rest // n
    box_index = rest % plan.blocking.n_boxes
    batch = rest // plan.blocking.n_boxes
    place_box(plan, box_index, &box)
    x_batch = batch_offset(job, job.x.batch, batch)
    x_start = in_place_offset(plan, &box, &job.x)
    y_start = batch_offset(job, job.y.batch, batch) + box_offset(plan, &box, &job.y)
    residual_start = batch_offset(job, job.residual.batch, batch) + box_offset(plan, &box, &job.residual)
    weight_set = batch_offset(job, job.weight_batch, batch)
    if not plan.planes.in_place and workspace.located != box_index:
        locate(plan, &job.x, box.start, &workspace.source)
        workspace.located = box_index
        workspace.padded = -1
    for group in range(first_group, end_group):
        x = job.x.data + x_batch + channel_offset(&job.x, group * plan.channels_in)
        box.y = job.y.data + y_start + channel_offset(&job.y, group * plan.channels_out)
        box.group = group
        box.residual = NULL
        if job.residual.data != NULL:
            box.residual = (job.residual.data + residual_start
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
                box.planes = workspace.planes
                box.x_channel = plan.planes.size
                key = (batch * plan.blocking.n_boxes + box_index) * plan.groups + group
                if workspace.padded != key:
                    nd_assert(end - channel <= plan.blocking.padded_channels)
                    pad(plan, &job.x, x, &workspace.source, workspace.planes, channel, end)
                    if end - channel == channels:
                        workspace.padded = key
            if IS_SAFE:
                find_readable(plan, job, &box)
            run_one(plan, job, &box, workspace, first_block, end_block, end)
            channel = end
            if channel >= channels:
                break


cdef struct DirectTasks:
    const Plan* plan
    const Job* job
    BoxRunner run_one
    WorkerMemory memory    # a DirectWorkspace for each worker


cdef void direct_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const DirectTasks* s = <const DirectTasks*> shared
    run_task(s.plan, s.job, s.run_one, task, <DirectWorkspace*> memory_of(&s.memory, worker))
