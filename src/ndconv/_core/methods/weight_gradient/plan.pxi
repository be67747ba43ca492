# The gradient to the weights: how it is cut into tasks, how a task runs, and its plan.

cdef enum:
    ADDED_AT_ONCE = 1 << 12    # gradients of a task that adds up partial sums


cdef Py_ssize_t n_gradients(const Plan* plan) noexcept nogil:
    """Weights, and after them the entries of the bias."""
    return plan.groups * plan.channels_out * (plan.channels_in * plan.taps.count + 1)


cdef void write_sums(const Plan* plan, const GradientBlocking* cut, const real* sums, Py_ssize_t outputs,
                     Py_ssize_t n_pairs, real* target, Py_ssize_t target_row) noexcept nogil:
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


cdef void accumulate(const Plan* plan, const GradientBlocking* cut, const Job* job, Py_ssize_t task,
                     GradientWorkspace* workspace, real* partial, Py_ssize_t batch) noexcept nogil:
    """One task: its weights' gradients from its share of the boxes."""
    cdef Box box
    cdef GradientBox g
    cdef DirectWorkspace* direct = &workspace.direct
    cdef Py_ssize_t rest = task, n, item, n_items, number, box_index, group, channel, tap, x_start, y_start
    cdef Py_ssize_t share, group_0, group_end, output_0, output_end, input_0, input_end, x_channel, n_pairs, listed = -1
    cdef Py_ssize_t group_sums = sums_of_group(plan, cut)
    cdef Py_ssize_t target_row = plan.channels_in * plan.taps.count
    cdef const char* x
    cdef const char* y
    n = ceil_div(plan.channels_out, cut.outputs)
    output_0 = rest % n * cut.outputs
    output_end = min(output_0 + cut.outputs, plan.channels_out)
    rest = rest // n
    n = ceil_div(plan.channels_in, cut.inputs)
    input_0 = rest % n * cut.inputs
    input_end = min(input_0 + cut.inputs, plan.channels_in)
    rest = rest // n
    n = ceil_div(plan.groups, cut.groups)
    group_0 = rest % n * cut.groups
    group_end = min(group_0 + cut.groups, plan.groups)
    share = rest // n
    n_pairs = (input_end - input_0) * plan.taps.count
    x_channel = plan.planes.size
    if plan.planes.in_place:
        x_channel = job.x.channel // <Py_ssize_t> sizeof(real)
    for channel in range(input_end - input_0):
        for tap in range(plan.taps.count):
            workspace.pairs[channel * plan.taps.count + tap] = channel * x_channel + plan.taps.offset[tap]
    memset(workspace.bias_sums, 0, (group_end - group_0) * lines_of_channels(cut) * sizeof(real))
    n_items = batch * plan.blocking.n_boxes
    for item in range(share * n_items // cut.partial_sums, (share + 1) * n_items // cut.partial_sums):
        # Box by box, so that neighbours need not be located again.
        g.begins = item == share * n_items // cut.partial_sums
        box_index = item // batch
        number = item % batch
        place_box(plan, box_index, &box)
        y_start = batch_offset(job, job.y.batch, number) + box_offset(plan, &box, &job.y)
        x_start = batch_offset(job, job.x.batch, number)
        if plan.planes.in_place:
            x_start += in_place_offset(plan, &box, &job.x)
        if listed != box_index:
            find_lines(plan, &box, &g, workspace.lines)
            listed = box_index
        if not plan.planes.in_place and direct.located != box_index:
            locate(plan, &job.x, box.start, &direct.source)
            direct.located = box_index
        for group in range(group_0, group_end):
            x = job.x.data + x_start + channel_offset(&job.x, group * plan.channels_in)
            y = job.y.data + y_start + channel_offset(&job.y, group * plan.channels_out)
            g.planes = direct.planes
            if plan.planes.in_place:
                g.planes = <const real*> (x + channel_offset(&job.x, input_0))
            else:
                nd_assert(input_end - input_0 <= plan.blocking.padded_channels)
                pad(plan, &job.x, x, &direct.source, direct.planes, input_0, input_end)
            read_grads(plan, &job.y, &box, y, output_0, output_end, cut.along_lines, g.size, workspace.grads)
            if input_0 == 0:
                add_bias(cut, workspace.grads, output_end - output_0, g.size,
                         workspace.bias_sums + (group - group_0) * lines_of_channels(cut))
            add_box(plan, cut, workspace, &g, output_end - output_0, n_pairs,
                    workspace.sums + (group - group_0) * group_sums)
    partial += share * n_gradients(plan)
    for group in range(group_0, group_end):
        write_sums(plan, cut, workspace.sums + (group - group_0) * group_sums, output_end - output_0, n_pairs,
                   partial + (group * plan.channels_out + output_0) * target_row + input_0 * plan.taps.count,
                   target_row)
        if input_0 == 0:
            memcpy(partial + plan.groups * plan.channels_out * target_row + group * plan.channels_out + output_0,
                   workspace.bias_sums + (group - group_0) * lines_of_channels(cut),
                   (output_end - output_0) * sizeof(real))


cdef void add_partial_sums(const real* partial, Py_ssize_t n_partial, Py_ssize_t size, Py_ssize_t first, Py_ssize_t end,
                           real* target) noexcept nogil:
    """Adds the partial sums of the gradients from `first` to `end`, always in the same order."""
    cdef Py_ssize_t i, share
    for i in range(first, end):
        target[i] = partial[i]
    for share in range(1, n_partial):
        for i in range(first, end):
            target[i] += partial[share * size + i]


cdef struct GradientTasks:
    const Plan* plan
    const GradientBlocking* cut
    const Job* job
    Py_ssize_t batch
    real* partial
    Py_ssize_t n_values
    real* gradients
    WorkerMemory memory    # a GradientWorkspace for each worker


cdef void gradient_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const GradientTasks* s = <const GradientTasks*> shared
    accumulate(s.plan, s.cut, s.job, task, <GradientWorkspace*> memory_of(&s.memory, worker), s.partial, s.batch)


cdef void add_partial_sums_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const GradientTasks* s = <const GradientTasks*> shared
    cdef Py_ssize_t first = task * ADDED_AT_ONCE
    add_partial_sums(s.partial, s.cut.partial_sums, s.n_values, first, min(first + ADDED_AT_ONCE, s.n_values),
                     s.gradients)


cdef class WeightGradient(Direct):
    """A frozen plan of the gradient to the weights: ``WeightGradient(blocking, cut)``, as in ``_gradients.weight``."""

    cdef GradientBlocking cut

    def __init__(self, blocking, cut):
        Direct.__init__(self, blocking)
        cdef GradientWorkspace workspace
        self.cut = cut._asdict()
        demand(self.cut.partial_sums > 0 and self.cut.groups > 0 and self.cut.outputs > 0
               and 0 < self.cut.inputs <= self.plan.blocking.padded_channels, "a cut into nothing")
        self.workspace_bytes = lay_out_gradient(&self.plan, &self.cut, NULL, &workspace)

    def accumulate(self, cnp.ndarray x not None, cnp.ndarray grad_y not None, cnp.ndarray target not None, int workers):
        """Compute the gradients to the weights (groups, out, in, *kernel), and after them to the bias (groups, out).

        `target` has one axis and the compute type; x is (*batch, channels, *in), grad_y (*batch, channels, *out).

        Returns False, with nothing done, if the plan reads x in place and its samples are not aligned.
        """
        cdef const Plan* plan = &self.plan
        cdef const GradientBlocking* cut = &self.cut
        cdef Job job
        cdef GradientTasks tasks
        cdef Py_ssize_t n_tasks, batch = 1, partial_bytes = 0
        cdef Py_ssize_t n_values = n_gradients(plan)
        cdef WorkerMemory memory
        cdef int axis, worker
        cdef real* gradients = <real*> cnp.PyArray_DATA(target)
        cdef real* partial = gradients
        self.check(x, None, None, None, grad_y, None)
        demand(holds_reals(target) and cnp.PyArray_IS_C_CONTIGUOUS(target) and cnp.PyArray_SIZE(target) == n_values,
               "a target of another dtype, size or layout")
        job.batch_ndim = cnp.PyArray_NDIM(grad_y) - plan.ndim - 1
        describe(&job.x, x, job.batch_ndim, plan.ndim)
        describe(&job.y, grad_y, job.batch_ndim, plan.ndim)
        for axis in range(job.batch_ndim):
            job.batch_shape[axis] = cnp.PyArray_DIM(grad_y, axis)
            batch *= job.batch_shape[axis]
        if plan.planes.in_place and not job.x.is_compute_type:
            return False
        n_tasks = (
            cut.partial_sums * ceil_div(plan.groups, cut.groups) * ceil_div(plan.channels_out, cut.outputs)
            * ceil_div(plan.channels_in, cut.inputs)
        )
        workers = <int> max(1, min(workers, n_tasks))
        if cut.partial_sums > 1:
            partial_bytes = aligned(cut.partial_sums * n_values * sizeof(real))
        reserve(&memory, workers, aligned(sizeof(GradientWorkspace)) + self.workspace_bytes, partial_bytes)
        with nogil:
            if cut.partial_sums > 1:
                partial = <real*> memory_of(&memory, workers)
            for worker in range(workers):
                lay_out_gradient(plan, cut, after(&memory, worker, sizeof(GradientWorkspace)),
                                 <GradientWorkspace*> memory_of(&memory, worker))
            tasks = GradientTasks(plan, cut, &job, batch, partial, n_values, gradients, memory)
            run_tasks(gradient_task, &tasks, n_tasks, 1, workers)
            if cut.partial_sums > 1:
                run_tasks(add_partial_sums_task, &tasks, ceil_div(n_values, ADDED_AT_ONCE), 1, workers)
            free(memory.start)
        return True
