# The padding stage: copies the part of x that a box of outputs needs into planes of the compute type.
# Strides, byte order, alignment, dtype and padding mode end here.
#
# The contract of pad(plan, x, data, source, planes, first, end), whose `source` is what `locate` found for the box:
#   lanes   samples of a row, or, where planes are interleaved, channels of a pixel.
#   reads   the samples of x that the runs name, and no byte beside them: x may end at the end of its page.
#   writes  a plane of plan.planes.size samples for each channel, or, interleaved, one of LANES times as many for LANES
#           channels; where they are fewer, the others are zeros. Nothing beyond.
#   align   none for x; planes begin at a cache line.
#   called  by run_task, accumulate and transform_input_rows.


cdef void copy_residues(const Source* source, const real* at, real* row) noexcept nogil:
    """Copies the samples of each residue to a place of their own, reading them once."""
    cdef real* to[MOST_RESIDUES]
    cdef Py_ssize_t i = 0, k
    cdef int stride = source.stride
    for k in range(MOST_RESIDUES):
        to[k] = NULL
    for k in range(source.n_reads):
        to[source.residue[k]] = row + source.place[k]
    while i < source.whole:
        # The last vectors overlap those before them.
        i = min(i, source.whole - LANES)
        # Short rows, far apart in the planes, outrun the hardware's own look ahead.
        for k in range(stride):
            prefetch(at + stride * i + k * LANES + READ_AHEAD)
        if stride == 2:
            deal_residues(at + 2 * i, to, i, 2)
        elif stride == 3:
            deal_residues(at + 3 * i, to, i, 3)
        else:
            deal_residues(at + 4 * i, to, i, 4)
        i += LANES
    for k in range(source.n_reads):
        for i in range(source.whole, source.length[k]):
            row[source.place[k] + i] = at[source.residue[k] + stride * i]


cdef void pad_row(const Samples* x, real fill, bint filled, const char* source, const Run* runs, Py_ssize_t n_runs,
                  real* target) noexcept nogil:
    cdef Py_ssize_t i, j
    for i in range(n_runs):
        if source == NULL or runs[i].source == FILL:
            if not filled:
                for j in range(runs[i].length):
                    target[j] = fill
        elif x.is_compute_type and runs[i].step == sizeof(real):
            copy_samples(target, <const real*> (source + runs[i].source), runs[i].length)
        elif x.is_compute_type:
            copy_strided(target, source + runs[i].source, runs[i].step, runs[i].length)
        else:
            read_samples(x, target, source + runs[i].source, runs[i].step, runs[i].length)
        target += runs[i].length


cdef inline Py_ssize_t rows_that_follow(const Source* source, Py_ssize_t row, Py_ssize_t size) noexcept nogil:
    """How many rows, from `row` on, lie `size` bytes from one to the next in x."""
    cdef Py_ssize_t n = 1
    if source.rows[row] == FILL:
        return 1
    while (
        row + n < source.n_rows and source.rows[row + n] != FILL
        and source.rows[row + n] - source.rows[row + n - 1] == size
    ):
        n += 1
    return n


cdef void pad_planes(const Plan* plan, const Samples* x, const char* data, Source* source,
                     real* planes, Py_ssize_t first, Py_ssize_t end) noexcept nogil:
    """Fills one plane a channel."""
    cdef Py_ssize_t c, copy, row, runs, n_runs
    cdef Py_ssize_t copies = plan.planes.n_segments if plan.planes.flat else 1
    cdef Py_ssize_t n
    cdef bint filled, whole
    cdef const char* channel
    cdef const char* at
    cdef real* target
    for c in range(first, end):
        channel = data + channel_offset(x, c)
        target = planes + (c - first) * plan.planes.size
        filled = c - first < source.filled
        if filled and source.n_reads > 0:
            for row in range(source.n_rows):
                at = channel + source.rows[row] + source.read_from
                if source.rows[row] == FILL:
                    pass
                elif source.stride == 1:
                    copy_samples(target + source.place[0], <const real*> at, source.length[0])
                else:
                    copy_residues(source, <const real*> at, target)
                target += plan.planes.row_length
            continue
        # A flat plane keeps each segment for all rows together; another keeps a row's segments together.
        for copy in range(copies):
            runs = source.first_run[copy]
            n_runs = source.first_run[copy + 1 if plan.planes.flat else plan.planes.n_segments] - runs
            # Short rows that are whole in x, and follow each other there, are copied as one.
            whole = (
                x.is_compute_type and n_runs == 1 and source.runs[runs].source != FILL
                and source.runs[runs].step == sizeof(real)
            )
            row = 0
            while row < source.n_rows:
                n = 1
                at = NULL
                if source.rows[row] != FILL:
                    at = channel + source.rows[row]
                if whole:
                    n = rows_that_follow(source, row, source.runs[runs].length * <Py_ssize_t> sizeof(real))
                if n > 1:
                    copy_samples(target, <const real*> (at + source.runs[runs].source), n * source.runs[runs].length)
                else:
                    pad_row(x, plan.fill[c % x.components], filled, at, source.runs + runs, n_runs, target)
                target += n * plan.planes.row_length
                row += n
        nd_assert(target <= planes + (c - first + 1) * plan.planes.size)


cdef void interleave_run(const Samples* x, const char* data, Py_ssize_t row, const Run* run,
                         Py_ssize_t first, Py_ssize_t channels, real* target,
                         Py_ssize_t pixel) noexcept nogil:
    """Reads a run of some channels' row; the samples of a pixel's channels come to lie side by side.

    `pixel` is the distance from one pixel's samples to the next one's.
    """
    cdef real rows[4 * MOST_BLOCK]
    cdef real block[MOST_BLOCK]
    cdef Py_ssize_t c, n, i = 0, count
    cdef const char* source = data + channel_offset(x, first) + row + run.source
    cdef Py_ssize_t x_channel = x.channel // <Py_ssize_t> sizeof(real)
    cdef bint as_vectors = x.is_compute_type and x.components == 1
    if as_vectors and channels == LANES and x.channel == sizeof(real):
        # Channels are last in x: they already do.
        for i in range(run.length):
            vec_store(target + i * pixel, vec_load(<const real*> (source + i * run.step)))
        return
    if as_vectors and x.channel == sizeof(real):
        # Fewer channels than lanes: a vector would read past the last of them.
        for i in range(run.length):
            vec_store(target + i * pixel, vec_splat(0))
            copy_samples(target + i * pixel, <const real*> (source + i * run.step), channels)
        return
    if (
        as_vectors and channels == LANES and run.step == sizeof(real) and run.length >= LANES
        and x.channel % <Py_ssize_t> sizeof(real) == 0
    ):
        while i < run.length:
            # The last block overlaps the one before it.
            i = min(i, run.length - LANES)
            transpose_block(<const real*> source + i, x_channel, target + i * pixel, pixel)
            i += LANES
        return
    while i < run.length:
        count = min(run.length - i, 4 * LANES)
        for c in range(channels):
            source = data + channel_offset(x, first + c) + row + run.source + i * run.step
            if x.is_compute_type and run.step == sizeof(real):
                copy_samples(rows + c * 4 * LANES, <const real*> source, count)
            elif x.is_compute_type:
                copy_strided(rows + c * 4 * LANES, source, run.step, count)
            else:
                read_samples(x, rows + c * 4 * LANES, source, run.step, count)
        # Channels that do not exist are transposed as well; zeros, since some ways to compute with garbage are slow.
        for c in range(channels, LANES):
            for n in range(ceil_div(count, LANES)):
                vec_store(rows + (c * 4 + n) * LANES, vec_splat(0))
        for c in range(ceil_div(count, LANES)):
            transpose_block(rows + c * LANES, 4 * LANES, block, LANES)
            for n in range(min(LANES, count - c * LANES)):
                vec_store(target + n * pixel, vec_load(block + n * LANES))
            target += LANES * pixel
        i += count


cdef void interleave_rows(const real* source, Py_ssize_t x_channel, Py_ssize_t rows, Py_ssize_t length,
                          real* target, Py_ssize_t target_row) noexcept nogil:
    """Reads rows of LANES channels that follow each other in x; a block of samples goes over the ends of short rows."""
    cdef real block[MOST_BLOCK]
    cdef Py_ssize_t i = 0, k, column, total = rows * length
    cdef real* at
    while i < total:
        # The last block overlaps the one before it.
        i = min(i, total - LANES)
        transpose_block(source + i, x_channel, block, LANES)
        column = i % length
        at = target + i // length * target_row + column * LANES
        for k in range(LANES):
            vec_store(at, vec_load(block + k * LANES))
            at += LANES
            column += 1
            if column == length:
                column = 0
                at += target_row - length * LANES
        i += LANES


cdef inline void fill_vectors(real* target, vec fills, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        vec_store(target + i * LANES, fills)


cdef void pad_interleaved(const Plan* plan, const Samples* x, const char* data, Source* source,
                          real* planes, Py_ssize_t first, Py_ssize_t end) noexcept nogil:
    """Fills one plane for LANES channels, which lie side by side."""
    cdef Py_ssize_t c, channels, copy, row, i, n, run, first_run, end_run, row_length, read, place
    cdef bint whole
    cdef Py_ssize_t copies = plan.planes.n_segments if plan.planes.flat else 1
    cdef real fill[MOST_LANES]
    cdef vec fills
    cdef real* target = planes
    for c in range(LANES):
        fill[c] = plan.fill[c % x.components]
    fills = vec_load(fill)
    c = first
    while c < end:
        channels = min(LANES, end - c)
        for copy in range(copies):
            first_run = source.first_run[copy]
            end_run = source.first_run[copy + 1 if plan.planes.flat else plan.planes.n_segments]
            # Whether a row is one run of x, the one at `read`, between what is filled in.
            read = place = -1
            row_length = 0
            whole = (x.is_compute_type and x.components == 1 and channels == LANES
                     and x.channel % <Py_ssize_t> sizeof(real) == 0)
            for run in range(first_run, end_run):
                if source.runs[run].source != FILL:
                    whole = whole and read < 0 and source.runs[run].step == sizeof(real)
                    read = run
                    place = row_length
                row_length += source.runs[run].length
            whole = whole and read >= 0
            row = 0
            while row < source.n_rows:
                n = 1
                if whole:
                    n = rows_that_follow(source, row, source.runs[read].length * <Py_ssize_t> sizeof(real))
                if n * source.runs[max(read, 0)].length < LANES:
                    n = 1
                if n > 1:
                    interleave_rows(
                        <const real*> (data + channel_offset(x, c) + source.rows[row] + source.runs[read].source),
                        x.channel // <Py_ssize_t> sizeof(real), n, source.runs[read].length,
                        target + place * LANES, row_length * LANES,
                    )
                for i in range(n):
                    for run in range(first_run, end_run):
                        if source.rows[row] == FILL or source.runs[run].source == FILL:
                            if c - first >= source.filled:
                                fill_vectors(target, fills, source.runs[run].length)
                        elif n == 1:
                            interleave_run(x, data, source.rows[row], source.runs + run, c, channels, target, LANES)
                        target += source.runs[run].length * LANES
                row += n
        c += channels


cdef void pad(const Plan* plan, const Samples* x, const char* data, Source* source,
              real* planes, Py_ssize_t first, Py_ssize_t end) noexcept nogil:
    """Fills the planes of channels first to end of the group whose samples start at `data`.

    What is not read but filled in is the same for every group and channel of a box: it is written once.
    """
    nd_assert(0 <= first)
    nd_assert(first <= end)
    if plan.planes.interleave > 1:
        pad_interleaved(plan, x, data, source, planes, first, end)
    else:
        pad_planes(plan, x, data, source, planes, first, end)
    # Planes of real and imaginary components may be filled differently, and need not be the same ones next time.
    if x.components == 1:
        source.filled = max(source.filled, end - first)
