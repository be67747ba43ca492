# Winograd's plan: how it is checked, how weights are packed, and how a call runs, block of tiles by block.


cdef int demand_tiling(const Plan* plan, const Tiling* t) except -1:
    """Raises for tiles that their transforms have no room or no constants for."""
    demand(4 <= t.column_points <= 6 and (t.row_points == 1 or t.row_points == t.column_points)
           and t.points == t.row_points * t.column_points <= MOST_POINTS, f"tiles of {t.points} points")
    demand(1 <= t.rows <= MOST_SIDE and 2 <= t.columns <= MOST_SIDE and (t.rows > 1) == (t.row_points > 1),
           f"tiles of {t.rows} by {t.columns} outputs")
    demand(t.row_taps > 0 and t.column_taps > 0 and t.row_step > 0 and t.column_step > 0
           and t.rows + ceil_div(t.row_taps, t.row_step) - 1 == t.row_points
           and t.columns + ceil_div(t.column_taps, t.column_step) - 1 == t.column_points, "taps of other tiles")
    demand(t.row_dilation > 0 and t.column_dilation > 0 and t.outer == plan.ndim - (2 if t.rows > 1 else 1),
           "other axes of tiles")
    demand(t.phases == t.row_step * t.column_step and t.weight_values == (
        (t.row_step * (t.row_points - 1) + phases_at(t.row_points - 1, t.row_points, t.row_taps, t.row_step))
        * (t.column_step * (t.column_points - 1)
           + phases_at(t.column_points - 1, t.column_points, t.column_taps, t.column_step))
    ), "other phases of tiles")
    demand(t.positions > 0 and t.lines > 0 and t.depth > 0 and t.grid_rows > 0 and t.grid_columns > 0
           and t.block_images > 0 and t.block_rows > 0 and t.block_columns > 0 and t.input_rows > 0 and t.gemm_tiles > 0
           and t.k_block > 0, "blocks of nothing")
    demand(plan.planes.interleave == LANES, "planes that are not interleaved")
    return 0


cdef void run_tile_block(const Plan* plan, const Tiling* tiling, const Job* job, Py_ssize_t images, Py_ssize_t number,
                         WinogradWorkspace* workspace) noexcept nogil:
    """A block of tiles of one worker alone."""
    cdef TileBlock tile_block = find_tile_block(plan, tiling, images, number, 1)
    cdef Py_ssize_t i
    for i in range(n_input_tasks(plan, tiling, &tile_block)):
        transform_input_rows(plan, tiling, job, &tile_block, i, workspace)
    for i in range(n_product_tasks(plan, &tile_block)):
        multiply_tiles(plan, tiling, job, &tile_block, i, workspace)


cdef void run_channel_block(const Plan* plan, const Tiling* tiling, const Job* job, const TileBlock* tile_block,
                            const Order* weights, Py_ssize_t block, WinogradWorkspace* workspace) noexcept nogil:
    """All outputs of a block of channels, whose weights are packed and multiplied while they are in cache."""
    cdef Py_ssize_t i, gemms = tile_block.segments * tile_block.gemms
    pack_values(plan, tiling, weights, 0, block * TILE_VECTORS * LANES, workspace.weights, workspace.packing)
    workspace.share = max(workspace.share,
                          share_of_block(plan, tiling, workspace.weights, block * TILE_VECTORS * LANES))
    for i in range(gemms):
        multiply_tiles(plan, tiling, job, tile_block, block * gemms + i, workspace)


cdef struct WinogradPackTasks:
    const Plan* plan
    const Tiling* tiling
    const Order* order
    Py_ssize_t n        # blocks of output channels
    real* packed
    WorkerMemory memory    # a PackWorkspace for each worker


cdef void winograd_pack_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const WinogradPackTasks* s = <const WinogradPackTasks*> shared
    cdef Py_ssize_t number = task // s.n, start = task % s.n * TILE_VECTORS * LANES
    pack_values(s.plan, s.tiling, s.order, number, start,
                s.packed + number * s.plan.set_size + block_start(s.plan, s.tiling, start),
                memory_of(&s.memory, worker))


cdef struct WinogradTasks:
    const Plan* plan
    const Tiling* tiling
    const Job* job
    const TileBlock* tile_block
    const Order* order  # of weights that are packed on the way, or NULL
    Py_ssize_t images
    WorkerMemory memory    # a WinogradWorkspace for each worker


cdef void input_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const WinogradTasks* s = <const WinogradTasks*> shared
    transform_input_rows(s.plan, s.tiling, s.job, s.tile_block, task, <WinogradWorkspace*> memory_of(&s.memory, worker))


cdef void product_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const WinogradTasks* s = <const WinogradTasks*> shared
    multiply_tiles(s.plan, s.tiling, s.job, s.tile_block, task, <WinogradWorkspace*> memory_of(&s.memory, worker))


cdef void channel_block_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const WinogradTasks* s = <const WinogradTasks*> shared
    run_channel_block(s.plan, s.tiling, s.job, s.tile_block, s.order, task,
                      <WinogradWorkspace*> memory_of(&s.memory, worker))


cdef void tile_block_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const WinogradTasks* s = <const WinogradTasks*> shared
    run_tile_block(s.plan, s.tiling, s.job, s.images, task, <WinogradWorkspace*> memory_of(&s.memory, worker))


cdef void run_tile_blocks(WinogradTasks* tasks, TileBlock* tile_block, Py_ssize_t n, int workers) noexcept nogil:
    """All of `n` blocks of tiles, the first of which `tile_block` is; it is what `tasks` have as theirs."""
    cdef const Plan* plan = tasks.plan
    cdef const Tiling* tiling = tasks.tiling
    cdef Py_ssize_t i
    if tasks.order != NULL:
        run_tasks(input_task, tasks, n_input_tasks(plan, tiling, tile_block), 1, workers)
        run_tasks(channel_block_task, tasks, ceil_div(plan.channels_out, TILE_VECTORS * LANES), 1, workers)
    elif tiling.private_blocks or workers == 1:
        run_tasks(tile_block_task, tasks, n, 1, workers)
    else:
        for i in range(n):
            tile_block[0] = find_tile_block(plan, tiling, tasks.images, i, workers)
            run_tasks(input_task, tasks, n_input_tasks(plan, tiling, tile_block), 1, workers)
            run_tasks(product_task, tasks, n_product_tasks(plan, tile_block), 1, workers)


cdef class Winograd(Direct):
    """A frozen plan of Winograd's method: ``Winograd(blocking, tiling)``, as in ``_methods.winograd``."""

    cdef Tiling tiling

    def __init__(self, blocking, tiling):
        Direct.__init__(self, blocking)
        cdef Tiling* t = &self.tiling
        cdef WinogradWorkspace workspace
        self.tiling = dict(
            tiling._asdict(), points=tiling.points, phases=tiling.phases, weight_values=tiling.weight_values
        )
        demand_tiling(&self.plan, t)
        self.plan.set_size = block_start(&self.plan, t, ceil_div(self.plan.channels_out, LANES) * LANES)
        self.workspace_bytes = lay_out_winograd(&self.plan, t, NULL, &workspace)

    cdef Py_ssize_t kernel_taps(self):
        return self.plan.taps.count * self.tiling.row_taps * self.tiling.column_taps

    def pack(self, cnp.ndarray weights, int workers=1):
        """Return the values of aligned weights (sets, channels_out, channels_in, *kernel) of the compute type."""
        cdef const Plan* plan = &self.plan
        cdef const Tiling* tiling = &self.tiling
        cdef PackWorkspace workspace
        cdef Weights source = self.described(weights)
        cdef WinogradPackTasks tasks
        cdef Py_ssize_t i, block = TILE_VECTORS * LANES, n = ceil_div(plan.channels_out, TILE_VECTORS * LANES)
        cdef Py_ssize_t sets = cnp.PyArray_DIM(weights, 0)
        cdef WorkerMemory memory
        cdef real* values
        cdef Packed packed = Packed.__new__(Packed)
        packed.sets, packed.set_size = sets, plan.set_size
        packed.finite = True
        workers = <int> max(1, min(workers, sets * n))
        packed.nbytes = aligned(max(sets * plan.set_size, 1) * sizeof(real))
        packed.weights = Memory(packed.nbytes // sizeof(real))
        values = &packed.weights[0]
        reserve(&memory, workers, lay_out_pack(tiling, NULL, &workspace), 0)
        tasks = WinogradPackTasks(plan, tiling, &source.order, n, values, memory)
        with nogil:
            run_tasks(winograd_pack_task, &tasks, sets * n, 1, workers)
            free(memory.start)
            for i in range(sets * n):
                packed.share = max(packed.share, share_of_block(
                    plan, tiling, values + i // n * plan.set_size + block_start(plan, tiling, i % n * block),
                    i % n * block
                ))
        return packed

    def run(self, cnp.ndarray x not None, packed not None, cnp.ndarray bias, cnp.ndarray residual,
            cnp.ndarray y not None, int activation, weight_batch, int workers, const int[:, ::1] exponents=None):
        """Compute y (*batch, channels, *out) from x (*batch, channels, *in); False if the direct method must do it.

        Instead of packed weights it takes one set as it is, to be packed for this call alone; of others, `exponents`
        says by which powers of two each output channel's have been multiplied.
        It must where an output is not finite, because infinities and NaN would reach all outputs of a tile; and where
        a sample or a weight is so much larger than the others that its rounding errors would hide them.
        """
        cdef const Plan* plan = &self.plan
        cdef const Tiling* tiling = &self.tiling
        cdef Job job
        cdef TileBlock tile_block
        cdef WinogradTasks tasks
        cdef Py_ssize_t n, images, n_values, value_bytes, magnitude_bytes, input_tasks
        cdef Py_ssize_t worker_bytes = aligned(sizeof(WinogradWorkspace)) + aligned(self.workspace_bytes)
        cdef int worker, exponent
        cdef bint finite = True, in_blocks = False
        cdef Packed kept = packed if isinstance(packed, Packed) else Packed.__new__(Packed)
        cdef Weights weights
        cdef PackWorkspace packing
        cdef Py_ssize_t n_blocks = ceil_div(plan.channels_out, TILE_VECTORS * LANES), block_bytes = 0
        cdef double share = 0
        cdef WorkerMemory memory
        cdef char* values
        cdef Magnitudes* magnitudes
        cdef WinogradWorkspace* workspace
        images = self.begin_job(&job, x, kept, bias, residual, y, activation, weight_batch)
        demand(workers > 0, "no workers")
        demand(exponents is None or exponents.shape[0] * exponents.shape[1] == plan.groups * plan.channels_out,
               "other exponents")
        if images == 0 or cnp.PyArray_SIZE(y) == 0:
            return True
        n = n_tile_blocks(plan, tiling, images)
        if packed is not kept:
            # Where each block of output channels is done but once, by a worker that has no more of them than others.
            in_blocks = (n == 1 and not tiling.private_blocks
                         and (n_blocks % workers == 0 or n_blocks >= 4 * workers))
            if in_blocks:
                weights = self.described(packed)
                block_bytes = aligned(block_start(plan, tiling, TILE_VECTORS * LANES) * sizeof(real))
                worker_bytes += block_bytes + lay_out_pack(tiling, NULL, &packing)
            else:
                kept = self.pack(packed, workers)
                job.weights = &kept.weights[0]
        if kept.share > tiling.most_share:
            return False
        # The first block is a largest one.
        tile_block = find_tile_block(plan, tiling, images, 0, workers)
        value_bytes = aligned(value_size(plan, tiling, &tile_block) * sizeof(real))
        n_values = workers if tiling.private_blocks else 1
        input_tasks = n_input_tasks(plan, tiling, &tile_block)
        magnitude_bytes = aligned((n * input_tasks + plan.groups * images) * sizeof(Magnitudes))
        reserve(&memory, workers, worker_bytes, n_values * value_bytes + magnitude_bytes)
        with nogil:
            exponent = exponent_of(plan, &job, images)
            values = memory_of(&memory, workers)
            magnitudes = <Magnitudes*> (values + n_values * value_bytes)
            memset(magnitudes, 0, magnitude_bytes)
            for worker in range(workers):
                workspace = <WinogradWorkspace*> memory_of(&memory, worker)
                lay_out_winograd(plan, tiling, after(&memory, worker, sizeof(WinogradWorkspace)), workspace)
                workspace.values = <real*> (values + worker % n_values * value_bytes)
                workspace.magnitudes = magnitudes
                workspace.input_tasks = input_tasks
                workspace.exponent = exponent
                if exponents is not None:
                    workspace.exponents = &exponents[0, 0]
                if in_blocks:
                    workspace.weights = <real*> (
                        after(&memory, worker, sizeof(WinogradWorkspace)) + aligned(self.workspace_bytes)
                    )
                    workspace.packing = <char*> workspace.weights + block_bytes
            tasks = WinogradTasks(plan, tiling, &job, &tile_block, NULL, images, memory)
            if in_blocks:
                tasks.order = &weights.order
            run_tile_blocks(&tasks, &tile_block, n, workers)
            for worker in range(workers):
                workspace = <WinogradWorkspace*> memory_of(&memory, worker)
                finite = finite and workspace.finite
                share = max(share, workspace.share)
            if not in_blocks:
                share = kept.share
            finite = finite and share <= tiling.most_share and has_no_outliers(
                plan, tiling, magnitudes, magnitudes + n * input_tasks, input_tasks, n, images, share
            )
            free(memory.start)
        return finite
