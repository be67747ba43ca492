# What `run_tasks` is given: for each kind of task, what all tasks of a call share, and how one of them is done.

cdef enum:
    ADDED_TOGETHER = 1 << 12    # gradients of a task that adds up parts

cdef struct DirectTasks:
    const Plan* plan
    const Job* job
    Workspace workspace    # a Scratch for each worker

cdef void direct_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const DirectTasks* s = <const DirectTasks*> shared
    run_task(s.plan, s.job, task, <Scratch*> part_of(&s.workspace, worker))


cdef struct PackTasks:
    const Plan* plan
    const Order* order
    Py_ssize_t n        # tasks for each set of weights
    real* packed
    int infinite

cdef void pack_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef PackTasks* s = <PackTasks*> shared
    cdef Py_ssize_t number = task // s.n
    if not pack_part(s.plan, s.order, number, task % s.n, s.packed + number * s.plan.set_size):
        raise_flag(&s.infinite)


cdef struct WinogradPackTasks:
    const Plan* plan
    const Tiling* tiling
    const Order* order
    Py_ssize_t n        # blocks of output channels
    real* packed
    Workspace workspace    # a PackBench for each worker

cdef void winograd_pack_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const WinogradPackTasks* s = <const WinogradPackTasks*> shared
    cdef Py_ssize_t number = task // s.n, start = task % s.n * TILE_VECTORS * LANES
    pack_block(s.plan, s.tiling, s.order, number, start,
               s.packed + number * s.plan.set_size + block_start(s.plan, s.tiling, start),
               part_of(&s.workspace, worker))


cdef struct WinogradTasks:
    const Plan* plan
    const Tiling* tiling
    const Job* job
    const Round* round
    const Order* order  # of weights that are packed on the way, or NULL
    Py_ssize_t images
    Workspace workspace    # a Bench for each worker

cdef void band_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const WinogradTasks* s = <const WinogradTasks*> shared
    transform_band(s.plan, s.tiling, s.job, s.round, task, <Bench*> part_of(&s.workspace, worker))

cdef void chunk_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const WinogradTasks* s = <const WinogradTasks*> shared
    multiply_chunk(s.plan, s.tiling, s.job, s.round, task, <Bench*> part_of(&s.workspace, worker))

cdef void block_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const WinogradTasks* s = <const WinogradTasks*> shared
    run_block(s.plan, s.tiling, s.job, s.round, s.order, task, <Bench*> part_of(&s.workspace, worker))

cdef void round_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const WinogradTasks* s = <const WinogradTasks*> shared
    run_round(s.plan, s.tiling, s.job, s.images, task, <Bench*> part_of(&s.workspace, worker))


cdef struct GradientTasks:
    const Plan* plan
    const Cut* cut
    const Job* job
    Py_ssize_t batch
    real* partial
    Py_ssize_t n_values
    real* gradients
    Workspace workspace    # a Ledger for each worker

cdef void gradient_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const GradientTasks* s = <const GradientTasks*> shared
    gather(s.plan, s.cut, s.job, task, <Ledger*> part_of(&s.workspace, worker), s.partial, s.batch)

cdef void add_parts_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef const GradientTasks* s = <const GradientTasks*> shared
    cdef Py_ssize_t first = task * ADDED_TOGETHER
    add_parts(s.partial, s.cut.parts, s.n_values, first, min(first + ADDED_TOGETHER, s.n_values), s.gradients)


cdef struct MeansTasks:
    const Means* means
    Py_ssize_t n_lanes
    int infinite

cdef void means_task(void* shared, Py_ssize_t task, int worker) noexcept nogil:
    cdef MeansTasks* s = <MeansTasks*> shared
    if not run_means(s.means, task, s.n_lanes):
        raise_flag(&s.infinite)
