# Where the planes of a box are read from: which rows of x, and which runs of each.

cdef struct Source:
    # How the planes of one box are read: made once for a box, used for each of its channels.
    Py_ssize_t n_rows
    Py_ssize_t* rows         # byte offset of each plane row from the channel's start, or FILL
    Py_ssize_t* first_run    # of each segment, in `runs`; one more entry ends the last
    Run* runs
    Py_ssize_t filled        # planes whose filled samples are there from an earlier call
    # Most rows are read in one contiguous run, or as residues of a short stride: so many runs; else 0.
    int n_reads
    int stride                           # samples of x from one of a run to the next
    Py_ssize_t read_from                 # byte offset of the first sample of all from the row's start
    Py_ssize_t residue[MOST_RESIDUES]    # samples from there to the first of a run, fewer than the stride
    Py_ssize_t length[MOST_RESIDUES]
    Py_ssize_t place[MOST_RESIDUES]      # where a run begins in a plane's row
    Py_ssize_t whole                     # samples of every run that whole vectors may read: none, or at least LANES


cdef Py_ssize_t plane_rows(const Plan* plan) noexcept nogil:
    cdef Py_ssize_t rows = 1
    cdef int axis
    for axis in range(plan.ndim - 1):
        rows *= plan.planes.shape[axis]
    return rows


cdef Py_ssize_t most_runs(const Plan* plan, Py_ssize_t length) noexcept nogil:
    """At least as many runs as the padding mode cuts a segment of the last axis into: one for each bounce."""
    cdef int last = plan.ndim - 1
    return min(length, length * plan.stride[last] // max(plan.in_shape[last] - 1, 1) + 5)


cdef Py_ssize_t add_runs(const Plan* plan, const Samples* x, Source* source, Py_ssize_t n, Py_ssize_t position,
                         Py_ssize_t length) noexcept nogil:
    """Appends to `n` runs those of `length` samples of the last axis from `position` on; returns how many there are."""
    cdef Py_ssize_t done = 0
    cdef int last = plan.ndim - 1
    cdef Run run
    while done < length:
        run = source_run(plan.mode[last], plan.in_shape[last], position + done * plan.stride[last], plan.stride[last],
                         length - done)
        done += run.length
        if run.source != FILL:
            run.source = run.source * x.stride[last]
            run.step = run.step * x.stride[last]
        source.runs[n] = run
        n += 1
    return n


cdef void locate(const Plan* plan, const Samples* x, const Py_ssize_t* start, Source* source) noexcept nogil:
    """Finds where the planes of the box of outputs that begins at `start` are read from."""
    cdef int last = plan.ndim - 1, axis
    cdef Py_ssize_t i, j, n, repeat, segment, origin
    cdef Run run
    # Rows: the outer product of the outer axes, built from the innermost of them outwards.
    source.n_rows = 1
    source.rows[0] = 0
    for axis in range(last - 1, -1, -1):
        origin = plan.origin[axis] + start[axis] * plan.stride[axis]
        n = plan.planes.shape[axis]
        repeat = source.n_rows
        for i in range(n - 1, -1, -1):
            run = source_run(plan.mode[axis], plan.in_shape[axis], origin + plan.planes.relative[axis][i], 1, 1)
            for j in range(repeat):
                source.rows[i * repeat + j] = (
                    FILL if run.source == FILL or source.rows[j] == FILL
                    else source.rows[j] + run.source * x.stride[axis]
                )
        source.n_rows = n * repeat
    # Runs of the last axis.
    origin = plan.origin[last] + start[last] * plan.stride[last]
    n = 0
    for segment in range(plan.planes.n_segments):
        source.first_run[segment] = n
        n = add_runs(plan, x, source, n, origin + plan.planes.segment_start[segment],
                     plan.planes.segment_length[segment])
    source.first_run[plan.planes.n_segments] = n
    source.filled = 0
    join_rows(plan, x, source, n)
    find_reads(plan, x, source, n)


cdef void join_rows(const Plan* plan, const Samples* x, Source* source, Py_ssize_t n_runs) noexcept nogil:
    """Makes one long row of all where they follow each other in x as they do in the planes."""
    cdef Py_ssize_t row
    if n_runs != 1 or source.runs[0].source == FILL or source.rows[0] == FILL:
        return
    for row in range(1, source.n_rows):
        if (
            source.rows[row] == FILL
            or source.rows[row] - source.rows[row - 1] != source.runs[0].length * source.runs[0].step
        ):
            return
    source.runs[0].length *= source.n_rows
    source.n_rows = 1


cdef void find_reads(const Plan* plan, const Samples* x, Source* source, Py_ssize_t n_runs) noexcept nogil:
    """Finds out whether all that is read of a row is one contiguous run, or several residues of a short stride."""
    cdef Py_ssize_t i, done = 0, step = 0, size = sizeof(real)
    cdef int n = 0
    source.n_reads = 0
    if plan.planes.flat or not x.is_compute_type:
        return
    for i in range(n_runs):
        if source.runs[i].source != FILL:
            if n == MOST_RESIDUES or (n > 0 and source.runs[i].step != step):
                return
            step = source.runs[i].step
            source.read_from = min(source.read_from, source.runs[i].source) if n > 0 else source.runs[i].source
            source.residue[n] = source.runs[i].source
            source.length[n] = source.runs[i].length
            source.place[n] = done
            n += 1
        done += source.runs[i].length
    if n == 1 and step == size:
        source.stride = 1
        source.n_reads = 1
    elif n > 1 and (step == 2 * size or step == 3 * size or step == 4 * size):
        source.stride = <int> (step // size)
        if find_residues(source, n):
            source.n_reads = n


cdef bint find_residues(Source* source, int n) noexcept nogil:
    """Makes residues of the byte offsets of n runs; whether each is another one."""
    cdef Py_ssize_t offset, end = 0
    cdef int k, known = 0
    source.whole = source.length[0]
    for k in range(n):
        offset = source.residue[k] - source.read_from
        if offset % <Py_ssize_t> sizeof(real) != 0:
            return False
        offset //= <Py_ssize_t> sizeof(real)
        if offset >= source.stride or known >> offset & 1:
            return False
        known |= 1 << offset
        source.residue[k] = offset
        source.whole = min(source.whole, source.length[k])
        end = max(end, offset + (source.length[k] - 1) * source.stride + 1)
    # Vectors hold all residues, but must not read beyond the last sample of any.
    source.whole = min(source.whole, end // source.stride)
    if source.whole < LANES:
        source.whole = 0
    return True
