# The direct method's plan: how it is read and checked, how its weights are packed, and how a call runs.


cdef int demand_plan(const Plan* plan) except -1:
    """Raises for a plan by which kernels would leave their arrays, or never end."""
    cdef const Blocking* b = &plan.blocking
    cdef Py_ssize_t interleave = plan.planes.interleave
    demand(plan.groups > 0 and plan.sets > 0 and plan.channels_in >= 0 and plan.channels_out >= 0, "other channels")
    demand(b.blocks_per_task > 0 and b.groups_per_task > 0 and b.stretch > 0 and b.padded_channels > 0
           and (b.channel_block > 0 or plan.channels_in == 0), "parts of nothing")
    demand(interleave == 1 or interleave == LANES, f"{interleave} channels side by side")
    if plan.kernel == BANK:
        demand(b.n_blocks > 0 and ceil_div(plan.channels_out, b.n_blocks) <= BANK_CHANNELS, "too few blocks")
    elif plan.kernel == TILE:
        demand(b.n_blocks == 1 or 0 < (b.n_blocks - 1) * TILE_VECTORS * LANES < plan.channels_out, "too many blocks")
    elif plan.kernel == ROWS:
        demand(0 < b.n_blocks <= max(plan.channels_out, 1), "too many blocks")
    else:
        demand(b.n_blocks == 1 and plan.channels_in == plan.channels_out == interleave == LANES
               and b.padded_channels >= LANES, "other vectors of channels")
    return 0


cdef bint has_channels_last(const Samples* samples) noexcept nogil:
    return samples.is_compute_type and samples.components == 1 and samples.channel == sizeof(real)


cdef bint rows_take_vectors(const Plan* plan, const Samples* y) noexcept nogil:
    """Whether y's rows (and flat lines) are contiguous samples of the compute type, which kernels can write."""
    cdef int axis, last = plan.ndim - 1
    if not y.is_compute_type or y.components != 1:
        return False
    if y.stride[last] != sizeof(real) or y.channel % <Py_ssize_t> sizeof(real):
        return False
    for axis in range(last):
        if y.stride[axis] % <Py_ssize_t> sizeof(real):
            return False
    return not plan.planes.flat or last == 0 or y.stride[last - 1] == plan.out_shape[last] * <Py_ssize_t> sizeof(real)


cdef struct PackTasks:
    const Plan* plan
    const Order* order
    Py_ssize_t n        # tasks for each set of weights
    real* packed
    int infinite


cdef void pack_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef PackTasks* s = <PackTasks*> shared
    cdef Py_ssize_t number = task // s.n
    if not pack_block(s.plan, s.order, number, task % s.n, s.packed + number * s.plan.set_size):
        raise_flag(&s.infinite)


cdef class Direct:
    """A frozen plan of the direct method: ``Direct(blocking)``, of ``_methods.direct.blocking.Blocking``."""

    cdef Plan plan
    cdef const Py_ssize_t[::1] relative, segment_start, segment_length, tap_offset, tap_first, tap_end
    cdef const Py_ssize_t[::1] chain_offset, chain_length, tap_order
    cdef readonly object blocking
    cdef readonly Py_ssize_t workspace_bytes
    cdef Py_ssize_t tasks_per_batch

    def __init__(self, blocking):
        cdef Plan* plan = &self.plan
        cdef DirectWorkspace workspace
        cdef int axis
        self.blocking = blocking
        plan.kernel = {"tile": TILE, "bank": BANK, "rows": ROWS, "depthwise": DEPTHWISE}[blocking.kernel]
        plan.ndim = len(blocking.box)
        demand(1 <= plan.ndim <= MAX_AXES, f"{plan.ndim} spatial axes")
        demand(blocking.fill_values.dtype == compute_dtype and blocking.fill_values.size == 2, "other fill values")
        memcpy(plan.fill, cnp.PyArray_DATA(blocking.fill_values), 2 * sizeof(real))
        plan.groups, plan.sets = blocking.groups, blocking.sets
        plan.channels_in, plan.channels_out = blocking.channels_in, blocking.channels_out
        copy_axes(plan.in_shape, blocking.in_shape, plan.ndim)
        copy_axes(plan.out_shape, blocking.out_shape, plan.ndim)
        copy_axes(plan.stride, blocking.stride, plan.ndim)
        copy_axes(plan.origin, blocking.origin, plan.ndim)
        for axis in range(plan.ndim):
            plan.mode[axis] = blocking.modes[axis]
            demand(plan.stride[axis] > 0 and ZEROS <= plan.mode[axis] <= CIRCULAR,
                   "a stride or a padding mode that is none")
        self.read_blocking(blocking)
        self.read_planes(blocking)
        self.read_taps(blocking)
        demand_plan(plan)
        plan.set_size = plan.channels_out * plan.channels_in * plan.taps.count
        if plan.kernel == TILE:
            plan.set_size = ceil_div(plan.channels_out, LANES) * LANES * plan.channels_in * plan.taps.count
        elif plan.kernel == DEPTHWISE:
            plan.set_size = LANES * plan.taps.count
        self.workspace_bytes = lay_out_direct(plan, NULL, &workspace)
        self.tasks_per_batch = (
            plan.blocking.n_boxes * ceil_div(plan.groups, plan.blocking.groups_per_task)
            * ceil_div(plan.blocking.n_blocks, plan.blocking.blocks_per_task)
        )

    cdef int read_blocking(self, blocking) except -1:
        cdef const Plan* plan = &self.plan
        cdef Blocking* b = &self.plan.blocking
        cdef int axis
        copy_axes(b.box, blocking.box, plan.ndim)
        b.n_boxes = 1
        for axis in range(plan.ndim):
            demand(b.box[axis] > 0, "boxes of nothing")
            b.boxes[axis] = ceil_div(plan.out_shape[axis], b.box[axis])
            b.n_boxes *= b.boxes[axis]
        b.n_blocks = blocking.n_blocks
        b.blocks_per_task, b.groups_per_task = blocking.blocks_per_task, blocking.groups_per_task
        b.channel_block, b.padded_channels = blocking.channel_block, blocking.padded_channels
        b.stretch = blocking.stretch
        return 0

    cdef int read_planes(self, blocking) except -1:
        cdef const Plan* plan = &self.plan
        cdef Planes* planes = &self.plan.planes
        cdef Py_ssize_t rows = 0, samples = 0, most = 1, segment
        cdef int axis
        planes.in_place, planes.flat, planes.interleave = blocking.in_place, blocking.flat, blocking.interleave
        planes.size, planes.row_length = blocking.plane_size, blocking.row_length
        copy_axes(planes.shape, blocking.plane_shape, plan.ndim)
        copy_axes(planes.stride, blocking.plane_stride, plan.ndim)
        self.relative = np.concatenate(blocking.relative)
        self.segment_start, self.segment_length = blocking.segment_start, blocking.segment_length
        planes.n_segments = self.segment_start.shape[0]
        planes.segment_start, planes.segment_length = first_of(self.segment_start), first_of(self.segment_length)
        demand(self.segment_length.shape[0] == planes.n_segments, "other segments")
        if planes.in_place:
            return 0
        for axis in range(plan.ndim - 1):
            planes.relative[axis] = first_of(self.relative) + rows
            demand(len(blocking.relative[axis]) == planes.shape[axis], "rows of other planes")
            rows += planes.shape[axis]
            most *= planes.shape[axis]
        for segment in range(planes.n_segments):
            demand(planes.segment_length[segment] >= 0, "other segments")
            samples += planes.segment_length[segment]
        demand(samples == planes.row_length * (planes.n_segments if planes.flat else 1), "segments of other planes")
        demand(most * samples <= planes.size, "planes of another size")
        return 0

    cdef int read_taps(self, blocking) except -1:
        cdef const Plan* plan = &self.plan
        cdef Taps* taps = &self.plan.taps
        cdef Py_ssize_t i, in_chains = 0, shortest = PY_SSIZE_T_MAX, longest = 0
        cdef int axis
        self.tap_offset, self.tap_first, self.tap_end = blocking.tap_offset, blocking.tap_first, blocking.tap_end
        taps.count, taps.offset = self.tap_offset.shape[0], first_of(self.tap_offset)
        taps.first, taps.end = first_of(self.tap_first), first_of(self.tap_end)
        taps.skip, taps.zeros = blocking.skip, blocking.zeros
        if taps.skip:
            demand(self.tap_first.shape[0] == self.tap_end.shape[0] == taps.count * plan.ndim, "other bounds of taps")
            for axis in range(plan.ndim):
                taps.inner_first[axis], taps.inner_end[axis] = 0, plan.out_shape[axis]
                for i in range(taps.count):
                    taps.inner_first[axis] = max(taps.inner_first[axis], taps.first[i * plan.ndim + axis])
                    taps.inner_end[axis] = min(taps.inner_end[axis], taps.end[i * plan.ndim + axis])
        self.chain_offset, self.chain_length = blocking.chain_offset, blocking.chain_length
        self.tap_order = blocking.tap_order
        taps.chains, taps.chain_step = self.chain_offset.shape[0], blocking.chain_step
        taps.chain_offset, taps.chain_length = first_of(self.chain_offset), first_of(self.chain_length)
        taps.order = first_of(self.tap_order)
        demand(self.chain_length.shape[0] == taps.chains, "other chains")
        for i in range(taps.chains):
            shortest, longest = min(shortest, taps.chain_length[i]), max(longest, taps.chain_length[i])
            in_chains += taps.chain_length[i]
        taps.chains_alike = ALL_LONG if shortest >= ROW_ROWS else MIXED
        if shortest == longest == 3:
            taps.chains_alike = ALL_OF_3
        if plan.kernel == ROWS or plan.kernel == DEPTHWISE:
            demand(in_chains == self.tap_order.shape[0] == taps.count and shortest > 0, "chains of other taps")
            for i in range(taps.count):
                demand(0 <= taps.order[i] < taps.count, "chains of other taps")
        return 0

    @property
    def nbytes(self):
        """About what the plan takes: its tables, and as much again for each as NumPy needs for a small array."""
        cdef Py_ssize_t numbers = (
            self.relative.shape[0] + self.segment_start.shape[0] + self.segment_length.shape[0]
            + self.tap_offset.shape[0] + self.tap_first.shape[0] + self.tap_end.shape[0]
            + self.chain_offset.shape[0] + self.chain_length.shape[0] + self.tap_order.shape[0]
        )
        return sizeof(Plan) + (9 + self.plan.ndim) * 128 + numbers * sizeof(Py_ssize_t)

    def pack(self, cnp.ndarray weights, int workers=1):
        """Return packed weights from aligned ones (sets, channels_out, channels_in, *kernel) of the compute type."""
        cdef const Plan* plan = &self.plan
        cdef Weights source
        cdef PackTasks tasks
        cdef Py_ssize_t sets = cnp.PyArray_DIM(weights, 0)
        cdef Packed packed = Packed.__new__(Packed)
        if plan.kernel != TILE and not cnp.PyArray_IS_C_CONTIGUOUS(weights):
            weights = np.ascontiguousarray(weights)
        source = self.described(weights)
        packed.sets, packed.set_size = sets, plan.set_size
        packed.nbytes = aligned(max(sets * plan.set_size, 1) * sizeof(real))
        packed.weights = Memory(packed.nbytes // sizeof(real))
        tasks = PackTasks(plan, &source.order, n_pack_blocks(plan), &packed.weights[0], 0)
        with nogil:
            run_tasks(pack_task, &tasks, sets * tasks.n, 1, workers)
        packed.finite = not tasks.infinite
        return packed

    cdef Py_ssize_t kernel_taps(self):
        """How many taps weights have."""
        return self.plan.taps.count

    cdef Weights described(self, cnp.ndarray weights):
        """Describes aligned weights (sets, channels_out, channels_in, *kernel) of the compute type; others raise."""
        cdef Weights source
        demand(
            holds_reals(weights) and cnp.PyArray_NDIM(weights) == 3 + self.plan.ndim
            and cnp.PyArray_DIM(weights, 1) == self.plan.channels_out
            and cnp.PyArray_DIM(weights, 2) == (1 if self.plan.kernel == DEPTHWISE else self.plan.channels_in),
            "weights of another dtype or shape",
        )
        source = Weights(weights)
        demand(source.order.taps == self.kernel_taps(), "weights of another kernel")
        return source

    cdef int check(self, cnp.ndarray x, Packed packed, cnp.ndarray bias, cnp.ndarray residual, cnp.ndarray y,
                   weight_batch) except -1:
        """Raises where arrays are not those of the plan."""
        cdef const Plan* plan = &self.plan
        cdef int axis, ndim = plan.ndim, batch_ndim = cnp.PyArray_NDIM(y) - ndim - 1
        cdef bint depthwise = plan.kernel == DEPTHWISE    # where the plan's groups are filled up to whole vectors
        cdef Py_ssize_t last_set = 0, inputs = plan.sets, outputs = plan.sets
        if not depthwise:
            inputs, outputs = plan.groups * plan.channels_in, plan.groups * plan.channels_out
        demand(0 <= batch_ndim <= MAX_AXES, "an output of other axes")
        demand_shape(x, y, batch_ndim, inputs, plan.in_shape, ndim, False)
        demand_shape(y, y, batch_ndim, outputs, plan.out_shape, ndim, True)
        if residual is not None:
            demand_shape(residual, y, batch_ndim, outputs, plan.out_shape, ndim, True)
            demand(cnp.PyArray_DIM(residual, batch_ndim + ndim) == cnp.PyArray_DIM(y, batch_ndim + ndim),
                   "a residual of another shape")
        if bias is not None:
            demand(holds_reals(bias) and cnp.PyArray_IS_C_CONTIGUOUS(bias) and cnp.PyArray_SIZE(bias) == outputs,
                   "a bias of another dtype, size or layout")
        for axis in range(batch_ndim if weight_batch is not None else 0):
            demand(weight_batch[axis] >= 0, "weights before the first")
            last_set += max(cnp.PyArray_DIM(y, axis) - 1, 0) * (weight_batch[axis] // plan.sets * plan.groups)
        if packed is not None and packed.nbytes > 0:
            demand(packed.set_size == plan.set_size and last_set + plan.groups <= packed.sets,
                   "weights that were packed for another plan")
        return 0

    cdef Py_ssize_t begin_job(self, Job* job, cnp.ndarray x, Packed packed, cnp.ndarray bias, cnp.ndarray residual,
                              cnp.ndarray y, int activation, weight_batch) except -1:
        """Fills in `job`; returns the size of the batch."""
        cdef const Plan* plan = &self.plan
        cdef int axis, ndim = plan.ndim
        cdef Py_ssize_t batch = 1
        self.check(x, packed, bias, residual, y, weight_batch)
        demand(cnp.PyArray_ISNOTSWAPPED(y), "an output of the other byte order")
        demand(IDENTITY <= activation <= LAST_ACTIVATION, "an activation that is none")
        job.batch_ndim = cnp.PyArray_NDIM(y) - ndim - 1
        describe(&job.x, x, job.batch_ndim, ndim)
        describe(&job.y, y, job.batch_ndim, ndim)
        if residual is None:
            job.residual = job.y
            job.residual.data = NULL
        else:
            describe(&job.residual, residual, job.batch_ndim, ndim)
        for axis in range(job.batch_ndim):
            job.batch_shape[axis] = cnp.PyArray_DIM(y, axis)
            job.weight_batch[axis] = 0 if weight_batch is None else weight_batch[axis] // plan.sets * plan.groups
            batch *= job.batch_shape[axis]
        job.writes_y = rows_take_vectors(plan, &job.y)
        job.weights = &packed.weights[0] if packed.nbytes > 0 else NULL
        job.skip = plan.taps.skip
        job.bias = NULL
        if bias is not None:
            job.bias = <const real*> cnp.PyArray_DATA(bias)
        job.activation = activation
        job.identity_epilogue = job.writes_y and activation == IDENTITY and residual is None
        job.vector_epilogue = job.writes_y and (residual is None or rows_take_vectors(plan, &job.residual))
        job.channels_last_epilogue = (
            not job.vector_epilogue and has_channels_last(&job.y)
            and (residual is None or has_channels_last(&job.residual))
        )
        return batch

    def run(self, cnp.ndarray x not None, Packed packed not None, cnp.ndarray bias, cnp.ndarray residual,
            cnp.ndarray y not None, int activation, weight_batch, int workers):
        """Compute y (*batch, channels, *out) from x (*batch, channels, *in); both have all batch axes.

        Returns False, with nothing done, if the plan reads x in place and its samples are not aligned.
        """
        cdef const Plan* plan = &self.plan
        cdef Job job
        cdef DirectTasks tasks
        cdef WorkerMemory memory
        cdef Py_ssize_t n_tasks, chunk, box_tasks, n_boxes
        cdef int worker
        n_tasks = self.tasks_per_batch * self.begin_job(&job, x, packed, bias, residual, y, activation, weight_batch)
        if plan.planes.in_place and not job.x.is_compute_type:
            return False
        if n_tasks == 0 or cnp.PyArray_SIZE(y) == 0:
            return True
        workers = <int> max(1, min(workers, n_tasks))
        # Several chunks a worker even out the load.
        chunk = max(1, n_tasks // (8 * workers))
        # Neighbouring tasks, of one box, share planes: whoever pads them should do all, if no worker waits for that.
        box_tasks = ceil_div(plan.blocking.n_blocks, plan.blocking.blocks_per_task)
        n_boxes = n_tasks // box_tasks
        if n_boxes % workers == 0 or n_boxes >= 4 * workers:
            chunk = ceil_div(chunk, box_tasks) * box_tasks
        reserve(&memory, workers, aligned(sizeof(DirectWorkspace)) + self.workspace_bytes, 0)
        with nogil:
            for worker in range(workers):
                lay_out_direct(plan, after(&memory, worker, sizeof(DirectWorkspace)),
                               <DirectWorkspace*> memory_of(&memory, worker))
            tasks = DirectTasks(plan, &job, run_box, memory)
            run_tasks(direct_task, &tasks, n_tasks, chunk, workers)
            free(memory.start)
        return True
