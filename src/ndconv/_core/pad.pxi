# The padding stage: copies the part of x that a box of outputs needs into planes of the compute type.
# Strides, byte order, alignment, dtype and padding mode end here.
#
# The contract of pad(plan, x, data, source, planes, first, end), whose `source` is what `locate` found for the box:
#   lanes   samples of a row, or, where planes are interleaved, channels of a pixel.
#   reads   the samples of x that the runs name, and no byte beside them: x may end at the end of its page.
#   writes  a plane of plan.planes.size samples for each channel, or, interleaved, one of LANES times as many for LANES
#           channels; where they are fewer, the others are zeros. Nothing beyond.
#   align   none for x; planes begin at a cache line.
#   called  by run_task (direct.pxi), gather (gradient.pxi) and transform_band (winograd.pxi).

cdef enum:
    # Codes of the sample types that arrays hold; the order is that of `sample_codes` in convolution.pyx.
    BOOL = 0
    INT8 = 1
    UINT8 = 2
    INT16 = 3
    UINT16 = 4
    INT32 = 5
    UINT32 = 6
    INT64 = 7
    UINT64 = 8
    FLOAT16 = 9
    FLOAT32 = 10
    FLOAT64 = 11

cdef enum:
    READ_AHEAD = 512    # samples

ctypedef fused sample:
    any_i8
    any_u8
    any_i16
    any_u16
    any_i32
    any_u32
    any_i64
    any_u64
    any_f32
    any_f64


cdef void convert(real* target, const sample* source, Py_ssize_t step, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t i
    cdef const char* at = <const char*> source
    if step == sizeof(sample):
        for i in range(count):
            target[i] = <real> source[i]
    else:
        for i in range(count):
            target[i] = <real> (<const sample*> (at + i * step))[0]


cdef void convert_half(real* target, const char* source, Py_ssize_t step, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        target[i] = <real> half_to_float((<const any_u16*> (source + i * step))[0])


cdef void convert_native(int code, real* target, const char* source, Py_ssize_t step, Py_ssize_t count) noexcept nogil:
    if code == FLOAT32:
        convert(target, <const any_f32*> source, step, count)
    elif code == FLOAT64:
        convert(target, <const any_f64*> source, step, count)
    elif code == BOOL or code == UINT8:
        convert(target, <const any_u8*> source, step, count)
    elif code == INT8:
        convert(target, <const any_i8*> source, step, count)
    elif code == INT16:
        convert(target, <const any_i16*> source, step, count)
    elif code == UINT16:
        convert(target, <const any_u16*> source, step, count)
    elif code == INT32:
        convert(target, <const any_i32*> source, step, count)
    elif code == UINT32:
        convert(target, <const any_u32*> source, step, count)
    elif code == INT64:
        convert(target, <const any_i64*> source, step, count)
    elif code == UINT64:
        convert(target, <const any_u64*> source, step, count)
    else:
        convert_half(target, source, step, count)


cdef void read_samples(
    const Samples* samples, real* target, const char* source, Py_ssize_t step, Py_ssize_t count
) noexcept nogil:
    """Reads `count` samples `step` bytes apart as the compute type."""
    cdef Py_ssize_t i, n, done = 0, size = samples.size
    cdef char turned[512]
    if not samples.swapped:
        convert_native(samples.code, target, source, step, count)
        return
    while done < count:
        n = min(count - done, 512 // size)
        if size == 2:
            for i in range(n):
                turn_2(turned + 2 * i, source + (done + i) * step)
        elif size == 4:
            for i in range(n):
                turn_4(turned + 4 * i, source + (done + i) * step)
        else:
            for i in range(n):
                turn_8(turned + 8 * i, source + (done + i) * step)
        convert_native(samples.code, target + done, turned, size, n)
        done += n


cdef struct Source:
    # How the planes of one box are read: made once for a box, used for each of its channels.
    Py_ssize_t n_rows
    Py_ssize_t* rows         # byte offset of each plane row from the channel's start, or FILL
    Py_ssize_t* first_run    # of each segment, in `runs`; one more entry ends the last
    Run* runs
    Py_ssize_t filled        # planes whose filled samples are there from an earlier call
    # Most rows are read in one contiguous run, or as the two phases of a stride of 2: 1 or 2 runs; else 0.
    int n_reads
    Run read[2]
    Py_ssize_t place[2]      # where those runs begin in a plane's row


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
    """Finds out whether all that is read of a row is one contiguous run, or a pair of phases."""
    cdef Py_ssize_t i, n = 0, done = 0
    source.n_reads = 0
    for i in range(n_runs):
        if source.runs[i].source != FILL:
            if n == 2:
                return
            source.read[n] = source.runs[i]
            source.place[n] = done
            n += 1
        done += source.runs[i].length
    if plan.planes.flat or not x.same:
        return
    if n == 1 and source.read[0].step == sizeof(real):
        source.n_reads = 1
    elif n == 2 and source.read[0].step == 2 * sizeof(real) and source.read[1].step == 2 * sizeof(real):
        if source.read[1].source < source.read[0].source:
            source.read[0], source.read[1] = source.read[1], source.read[0]
            source.place[0], source.place[1] = source.place[1], source.place[0]
        if source.read[1].source - source.read[0].source == sizeof(real):
            source.n_reads = 2


cdef void copy_phases(real* even, Py_ssize_t n_even, real* odd, Py_ssize_t n_odd, const real* source) noexcept nogil:
    """Copies samples 0, 2, 4, ... and 1, 3, 5, ... to a place of their own each, reading them once."""
    cdef Py_ssize_t i = 0, both = min(n_even, n_odd)
    cdef vec low, high
    while i < both and both >= LANES:
        i = min(i, both - LANES)
        low = vec_load(source + 2 * i)
        high = vec_load(source + 2 * i + LANES)
        vec_store(even + i, vec_even(low, high))
        vec_store(odd + i, vec_odd(low, high))
        i += LANES
    both = i
    for i in range(both, n_even):
        even[i] = source[2 * i]
    for i in range(both, n_odd):
        odd[i] = source[2 * i + 1]


cdef void copy_strided(real* target, const char* source, Py_ssize_t step, Py_ssize_t count) noexcept nogil:
    """Copies samples of the compute type that lie `step` bytes apart."""
    cdef Py_ssize_t i = 0
    cdef const real* at = <const real*> source
    if step == 2 * sizeof(real):
        # A pair of vectors holds one sample more than is wanted: it must not be the one after the last.
        while i + LANES < count:
            # Reading at a stride outruns the hardware's own look ahead.
            prefetch(at + 2 * i + READ_AHEAD)
            prefetch(at + 2 * i + READ_AHEAD + LANES)
            vec_store(target + i, vec_even(vec_load(at + 2 * i), vec_load(at + 2 * i + LANES)))
            i += LANES
        if i > 0:
            i = count - LANES
            vec_store(target + i, vec_odd(vec_load(at + 2 * i - 1), vec_load(at + 2 * i - 1 + LANES)))
            return
    while i < count:
        target[i] = (<const real*> (source + i * step))[0]
        i += 1


cdef inline void copy_samples(real* target, const real* source, Py_ssize_t count) noexcept nogil:
    """Copies a short run, by vectors that overlap where samples do not fill them."""
    cdef Py_ssize_t i
    if count >= LANES:
        for i in range(count // LANES):
            vec_store(target + i * LANES, vec_load(source + i * LANES))
        vec_store(target + count - LANES, vec_load(source + count - LANES))
    elif count >= LANES // 2:
        memcpy(target, source, LANES // 2 * sizeof(real))
        memcpy(target + count - LANES // 2, source + count - LANES // 2, LANES // 2 * sizeof(real))
    else:
        for i in range(count):
            target[i] = source[i]


cdef void pad_row(const Samples* x, real fill, bint filled, const char* source, const Run* runs, Py_ssize_t n_runs,
                  real* target) noexcept nogil:
    cdef Py_ssize_t i, j
    for i in range(n_runs):
        if source == NULL or runs[i].source == FILL:
            if not filled:
                for j in range(runs[i].length):
                    target[j] = fill
        elif x.same and runs[i].step == sizeof(real):
            copy_samples(target, <const real*> (source + runs[i].source), runs[i].length)
        elif x.same:
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
    cdef Py_ssize_t c, part, row, runs, n_runs
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
                at = channel + source.rows[row] + source.read[0].source
                if source.rows[row] == FILL:
                    pass
                elif source.n_reads == 1:
                    copy_samples(target + source.place[0], <const real*> at, source.read[0].length)
                else:
                    copy_phases(target + source.place[0], source.read[0].length,
                                target + source.place[1], source.read[1].length, <const real*> at)
                target += plan.planes.row_length
            continue
        # A flat plane keeps each segment for all rows together; another keeps a row's segments together.
        for part in range(copies):
            runs = source.first_run[part]
            n_runs = source.first_run[part + 1 if plan.planes.flat else plan.planes.n_segments] - runs
            # Short rows that are whole in x, and follow each other there, are copied as one.
            whole = (
                x.same and n_runs == 1 and source.runs[runs].source != FILL
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
                    pad_row(x, plan.fill[c % x.parts], filled, at, source.runs + runs, n_runs, target)
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
    if x.same and x.parts == 1 and channels == LANES and x.channel == sizeof(real):
        # Channels are last in x: they already do.
        for i in range(run.length):
            vec_store(target + i * pixel, vec_load(<const real*> (source + i * run.step)))
        return
    if x.same and x.parts == 1 and x.channel == sizeof(real):
        # Fewer channels than lanes: a vector would read past the last of them.
        for i in range(run.length):
            vec_store(target + i * pixel, vec_splat(0))
            copy_samples(target + i * pixel, <const real*> (source + i * run.step), channels)
        return
    if (
        x.same and x.parts == 1 and channels == LANES and run.step == sizeof(real) and run.length >= LANES
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
            if x.same and run.step == sizeof(real):
                copy_samples(rows + c * 4 * LANES, <const real*> source, count)
            elif x.same:
                copy_strided(rows + c * 4 * LANES, source, run.step, count)
            else:
                read_samples(x, rows + c * 4 * LANES, source, run.step, count)
        # Channels that do not exist are turned as well; zeros, since some ways to compute with garbage are slow.
        for c in range(channels, LANES):
            for n in range(parts(count, LANES)):
                vec_store(rows + (c * 4 + n) * LANES, vec_splat(0))
        for c in range(parts(count, LANES)):
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


cdef void pad_interleaved(const Plan* plan, const Samples* x, const char* data, Source* source,
                          real* planes, Py_ssize_t first, Py_ssize_t end) noexcept nogil:
    """Fills one plane for LANES channels, which lie side by side."""
    cdef Py_ssize_t c, channels, part, row, i, n, run, first_run, end_run, row_length, read, place
    cdef bint whole
    cdef Py_ssize_t copies = plan.planes.n_segments if plan.planes.flat else 1
    cdef real fill[MOST_LANES]
    cdef vec fills
    cdef real* target = planes
    for c in range(LANES):
        fill[c] = plan.fill[c % x.parts]
    fills = vec_load(fill)
    c = first
    while c < end:
        channels = min(LANES, end - c)
        for part in range(copies):
            first_run = source.first_run[part]
            end_run = source.first_run[part + 1 if plan.planes.flat else plan.planes.n_segments]
            # Whether a row is one run of x, the one at `read`, between what is filled in.
            read = place = -1
            row_length = 0
            whole = x.same and x.parts == 1 and channels == LANES and x.channel % <Py_ssize_t> sizeof(real) == 0
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


cdef inline void fill_vectors(real* target, vec fills, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        vec_store(target + i * LANES, fills)


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
    # Planes of real and imaginary parts may be filled differently, and need not be the same ones next time.
    if x.parts == 1:
        source.filled = max(source.filled, end - first)
