# A transposed layer's phases along the last axis: outputs that lie a stride apart, each phase with taps of its own.
# They are computed from the same planes, a strip at a time, and interleaved on their way into y, so that y's rows are
# written once and in whole cache lines.

cdef enum:
    MOST_PHASES = 8

cdef struct PolyphaseJob:
    Job job                            # of every n-th output of y's rows; first, so that its address is this one's
    Job whole                          # of all outputs
    int n
    const Plan* plan[MOST_PHASES]
    const real* weights[MOST_PHASES]
    const Tap* taps[MOST_PHASES]       # of the tile kernel: the same for every task
    Py_ssize_t width                   # of y's rows


cdef void list_all_taps(const Plan* plan, Py_ssize_t start, Tap* tap) noexcept nogil:
    """Lists the taps of all input channels for the block of output channels that begins at `start`."""
    cdef Py_ssize_t c = 0, t, channels, width = tile_width(plan, start)
    while c < plan.channels_in:
        channels = min(plan.planes.interleave, plan.channels_in - c)
        for t in range(plan.taps.count):
            tap.x = c * plan.planes.size + plan.taps.offset[t]
            tap.weight = (c * plan.taps.count + t * channels) * width
            tap.channels = channels
            tap += 1
        c += channels


cdef Py_ssize_t n_listed(const Plan* plan) noexcept nogil:
    return ceil_div(plan.channels_in, plan.planes.interleave) * plan.taps.count


cdef void finish_phases(const Plan* plan, const PolyphaseJob* phases, const Box* box, const real* strips,
                        Py_ssize_t strip_size, Py_ssize_t channel, Py_ssize_t line, Py_ssize_t pixel,
                        Py_ssize_t pixels) noexcept nogil:
    """Finishes a strip of one output channel, of which each phase has its pixels in a strip of its own."""
    cdef real run[MOST_PHASES * STRIP + 2 * MOST_LANES]
    cdef Py_ssize_t i = 0, count = min(phases.n * pixels, phases.width - phases.n * (box.start[plan.ndim - 1] + pixel))
    cdef int f
    cdef vec a, b
    cdef const char* residual = NULL
    cdef char* y = box.y + channel_offset(&phases.job.y, channel) + output_offset(plan, &phases.job.y, box, line, pixel)
    cdef real* target
    nd_assert_within(phases.n, 1, MOST_PHASES)
    nd_assert_within(pixels, 1, STRIP)
    if phases.n == 2:
        while i < pixels:
            a = vec_load(strips + i)
            b = vec_load(strips + strip_size + i)
            # Nothing is left to be done to a pair of vectors that y has room for.
            target = <real*> y if phases.whole.identity_epilogue and 2 * (i + LANES) <= count else run
            vec_store(target + 2 * i, vec_zip_low(a, b))
            vec_store(target + 2 * i + LANES, vec_zip_high(a, b))
            i += LANES
        if phases.whole.identity_epilogue:
            i = count // (2 * LANES) * 2 * LANES
            copy_samples(<real*> y + i, run + i, count - i)
            return
    else:
        for f in range(phases.n):
            for i in range(pixels):
                run[i * phases.n + f] = strips[f * strip_size + i]
    if box.residual != NULL:
        residual = (box.residual + channel_offset(&phases.job.residual, channel)
                    + output_offset(plan, &phases.job.residual, box, line, pixel))
    finish(&phases.whole, run, 0, y, 0, residual, 0, 1, count)


cdef inline void prefetch_phases(const Plan* plan, const PolyphaseJob* phases, const Box* box, Py_ssize_t channel,
                                 Py_ssize_t line, Py_ssize_t pixel, Py_ssize_t pixels) noexcept nogil:
    """Asks for what `finish_phases` will read and write."""
    cdef const char* residual = NULL
    if box.residual != NULL:
        residual = (box.residual + channel_offset(&phases.job.residual, channel)
                    + output_offset(plan, &phases.job.residual, box, line, pixel))
    prefetch_row(<real*> (box.y + channel_offset(&phases.job.y, channel)
                          + output_offset(plan, &phases.job.y, box, line, pixel)), residual, phases.n * pixels)


cdef void run_phase_tiles(const Plan* plan, const PolyphaseJob* phases, const Box* box, Py_ssize_t block,
                          Py_ssize_t plane) noexcept nogil:
    """One block of output channels over the lines of a box, all phases of a strip before the next."""
    cdef real sums[MOST_SUMS]
    cdef real strips[MOST_PHASES * MOST_SUMS]      # [phase][channel][pixel]
    cdef real first_sums[MOST_VECTOR]
    cdef const Plan* phase
    cdef Tile tile
    cdef Py_ssize_t start = block * TILE_VECTORS * LANES
    cdef Py_ssize_t outputs = min(TILE_VECTORS * LANES, plan.channels_out - start)
    cdef Py_ssize_t width = tile_width(plan, start), vectors = width // LANES
    # More phases have shorter strips, so that all fit the nearest cache.
    cdef Py_ssize_t strip = STRIP if phases.n <= 2 else STRIP // 3
    cdef Py_ssize_t i, k, line, pixel, pixels, tiles, done, next_done
    cdef int f
    cdef const real* planes
    tile.interleaved = plan.planes.interleave > 1
    tile.distant = False
    tile.ahead = first_sums
    tile.ahead_step = 0
    tile.base_step = 0
    tile.base = first_sums
    init_accumulators(first_sums, box.bias, start, outputs, width)
    for line in range(box.lines):
        planes = box.planes + plane + line * line_stride(plan)
        pixel = 0
        while pixel < box.width:
            pixels = min(strip, box.width - pixel)
            tiles = ceil_div(pixels, most_pixels(vectors))
            for k in range(outputs if phases.whole.vector_epilogue else 0):
                prefetch_phases(plan, phases, box, start + k, line, pixel, pixels)
            for f in range(phases.n):
                phase = phases.plan[f]
                if phase.taps.count == 0:
                    for k in range(outputs):
                        for i in range(pixels):
                            strips[f * MOST_SUMS + k * STRIP + i] = first_sums[k]
                    continue
                tile.weights = (phases.weights[f] + box.group * phase.set_size
                                + start * phase.channels_in * phase.taps.count)
                # The last block of output channels may be narrower: its list is the second.
                tile.taps = phases.taps[f] + (0 if width == TILE_VECTORS * LANES else n_listed(phase))
                tile.n_taps = n_listed(phase)
                done = 0
                for i in range(tiles):
                    next_done = (i + 1) * pixels // tiles
                    tile.sums = sums + done * width
                    tile.x = planes + (pixel + done) * plan.planes.interleave
                    nd_assert(tile_reads_within(&tile, <int> (next_done - done), box.readable, box.readable_end))
                    multiply_tile(&tile, <int> (next_done - done), <int> vectors)
                    done = next_done
                transpose_sums(sums, strips + f * MOST_SUMS, pixels, width)
            for k in range(outputs):
                finish_phases(plan, phases, box, strips + k * STRIP, MOST_SUMS, start + k, line, pixel, pixels)
            pixel += pixels


cdef void run_phase_rows(const Plan* plan, const PolyphaseJob* phases, const Box* box, Py_ssize_t output,
                         Py_ssize_t plane) noexcept nogil:
    """The lines of a box for one output channel, several lines at a time."""
    cdef real strips[MOST_PHASES * EDGE]           # [phase][line][pixel]
    cdef const Plan* phase
    cdef Py_ssize_t line = 0, pixel, pixels, vectors, rows, r
    cdef Py_ssize_t row = LONG_ROW_VECTORS * LANES
    cdef Rows p
    cdef int f
    p.y_row, p.first, p.tiles = row, True, 1
    p.bias = 0 if box.bias == NULL else box.bias[output]
    p.channels, p.x_channel = plan.channels_in, box.x_channel
    while line < box.lines:
        rows = min(box.lines - line, ROW_ROWS)
        if box.lines - line == ROW_ROWS + 1:
            rows = (ROW_ROWS + 1) // 2
        pixel = 0
        while pixel < box.width:
            vectors = min(vectors_at(pixel, box.width, ROW_VECTORS), STRIP // LANES)
            pixels = min(vectors * LANES, box.width - pixel)
            for r in range(rows if phases.whole.vector_epilogue else 0):
                prefetch_phases(plan, phases, box, output, line + r, pixel, pixels)
            for f in range(phases.n):
                phase = phases.plan[f]
                use_chains(&p, &phase.taps)
                p.y = strips + f * EDGE
                p.weights = (phases.weights[f] + box.group * phase.set_size
                             + output * phase.channels_in * phase.taps.count)
                p.x, p.last = box.planes + plane + line * line_stride(plan) + pixel, (vectors - 1) * LANES
                nd_assert(rows_read_within(&p, <int> rows, <int> vectors, box.readable, box.readable_end))
                rows_of_pixels(&p, <int> rows, <int> vectors, phase.taps.chains_alike)
            for r in range(rows):
                finish_phases(plan, phases, box, strips + r * row, EDGE, output, line + r, pixel, pixels)
            pixel += pixels
        line += rows


cdef void run_polyphase_box(const Plan* plan, const Job* job, Box* box, DirectWorkspace* workspace,
                            Py_ssize_t first_block, Py_ssize_t end_block, Py_ssize_t end_channel) noexcept nogil:
    """One group of a box, whose planes hold all input channels."""
    cdef const PolyphaseJob* phases = <const PolyphaseJob*> job
    cdef Py_ssize_t block, outer, plane, n_outer = set_lines(plan, box)
    for block in range(first_block, end_block):
        for outer in range(n_outer):
            plane = enter_plane(plan, box, outer)
            if plan.kernel == TILE:
                run_phase_tiles(plan, phases, box, block, plane)
            else:
                run_phase_rows(plan, phases, box, block, plane)


cdef class Polyphase:
    """A frozen plan of a transposed layer's phases along the last axis, by the direct method.

    ``Polyphase(blockings)`` has one blocking for each phase, which differ in their taps alone.
    """

    cdef readonly list phases

    def __init__(self, blockings):
        demand(1 <= len(blockings) <= MOST_PHASES, f"{len(blockings)} phases, of at most {MOST_PHASES}")
        cdef Direct phase, first
        self.phases = [Direct(blocking) for blocking in blockings]
        first = self.phases[0]
        for phase in self.phases:
            demand(
                phase.plan.kernel == first.plan.kernel and phase.plan.kernel in (TILE, ROWS)
                and phase.plan.ndim == first.plan.ndim and phase.plan.planes.size == first.plan.planes.size
                and memcmp(phase.plan.planes.stride, first.plan.planes.stride, sizeof(first.plan.planes.stride)) == 0
                and memcmp(&phase.plan.blocking, &first.plan.blocking, sizeof(Blocking)) == 0
                and phase.plan.channels_in == first.plan.channels_in <= first.plan.blocking.padded_channels
                and phase.plan.channels_out == first.plan.channels_out
                and phase.plan.planes.interleave == first.plan.planes.interleave and not first.plan.planes.in_place,
                "phases that differ in more than their taps",
            )

    @property
    def nbytes(self):
        """About what the plans of all phases take."""
        return sum(phase.nbytes for phase in self.phases)

    def pack(self, weights, int workers=1):
        """Return the packed weights of each phase from aligned ones (sets, channels_out, channels_in, *kernel)."""
        return [phase.pack(each, workers) for phase, each in zip(self.phases, weights)]

    def run(self, cnp.ndarray x not None, list packed not None, cnp.ndarray bias, cnp.ndarray residual,
            cnp.ndarray y not None, int activation, int workers):
        """Compute y (*batch, channels, *out), the phases of whose rows take turns, from x (*batch, channels, *in)."""
        cdef Direct first = self.phases[0], phase
        cdef Packed weights
        cdef const Plan* plan = &first.plan
        cdef PolyphaseJob phases
        cdef DirectTasks tasks
        cdef WorkerMemory memory
        cdef Py_ssize_t task, n_tasks, size = 0
        cdef int f, worker
        cdef Tap* taps
        demand(len(packed) == len(self.phases), "weights of other phases")
        phases.n = len(self.phases)
        phases.width = cnp.PyArray_DIM(y, cnp.PyArray_NDIM(y) - 1)
        first.begin_job(&phases.whole, x, packed[0], bias, residual, y, activation, None)
        n_tasks = first.tasks_per_batch * first.begin_job(
            &phases.job, x, packed[0], bias, None if residual is None else residual[..., :: phases.n],
            y[..., :: phases.n], activation, None
        )
        phases.job.skip = False
        if n_tasks == 0 or cnp.PyArray_SIZE(y) == 0:
            return
        for f in range(phases.n):
            phase, weights = self.phases[f], packed[f]
            demand(weights.set_size == phase.plan.set_size and weights.sets >= plan.groups,
                   "weights that were packed for another phase")
            phases.plan[f] = &phase.plan
            phases.weights[f] = &weights.weights[0]
            size += 2 * n_listed(&phase.plan) * sizeof(Tap)
        workers = <int> max(1, min(workers, n_tasks))
        reserve(&memory, workers, aligned(sizeof(DirectWorkspace)) + first.workspace_bytes, size)
        with nogil:
            taps = <Tap*> memory_of(&memory, workers)
            for f in range(phases.n if plan.kernel == TILE else 0):
                phases.taps[f] = taps
                for task in range(2):
                    # For whole blocks of output channels, and for the last one.
                    list_all_taps(phases.plan[f], task * (plan.blocking.n_blocks - 1) * TILE_VECTORS * LANES, taps)
                    taps += n_listed(phases.plan[f])
            for worker in range(workers):
                lay_out_direct(plan, after(&memory, worker, sizeof(DirectWorkspace)),
                               <DirectWorkspace*> memory_of(&memory, worker))
            tasks = DirectTasks(plan, &phases.job, run_polyphase_box, memory)
            run_tasks(direct_task, &tasks, n_tasks, 1, workers)
            free(memory.start)
