# The padding stage: copies the part of x that a box of outputs needs into planes of the compute type.
# Strides, byte order, alignment, dtype and padding mode end here.

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
    Py_ssize_t only          # where the one run that is read begins in a row of contiguous samples; else -1
    Run read


cdef void locate(const Plan* plan, const Samples* x, const Py_ssize_t* start, Source* source) noexcept nogil:
    """Finds where the planes of the box of outputs that begins at `start` are read from."""
    cdef int last = plan.ndim - 1, axis
    cdef Py_ssize_t i, j, n, repeat, segment, position, done
    cdef Py_ssize_t origin
    cdef Run run
    # Rows: the outer product of the outer axes, built from the innermost of them outwards.
    source.n_rows = 1
    source.rows[0] = 0
    for axis in range(last - 1, -1, -1):
        origin = plan.origin[axis] + start[axis] * plan.stride[axis]
        n = plan.plane_shape[axis]
        repeat = source.n_rows
        for i in range(n - 1, -1, -1):
            run = source_run(plan.mode[axis], plan.in_shape[axis], origin + plan.relative[axis][i], 1, 1)
            for j in range(repeat):
                source.rows[i * repeat + j] = (
                    FILL if run.source == FILL or source.rows[j] == FILL
                    else source.rows[j] + run.source * x.stride[axis]
                )
        source.n_rows = n * repeat
    # Runs of the last axis.
    origin = plan.origin[last] + start[last] * plan.stride[last]
    n = 0
    for segment in range(plan.n_segments):
        source.first_run[segment] = n
        position = origin + plan.segment_start[segment]
        done = 0
        while done < plan.segment_length[segment]:
            run = source_run(
                plan.mode[last], plan.in_shape[last], position + done * plan.stride[last], plan.stride[last],
                plan.segment_length[segment] - done,
            )
            done += run.length
            if run.source != FILL:
                run.source = run.source * x.stride[last]
                run.step = run.step * x.stride[last]
            source.runs[n] = run
            n += 1
    source.first_run[plan.n_segments] = n
    source.filled = 0
    source.only = -1
    done = 0
    repeat = 0
    for i in range(n):
        if source.runs[i].source != FILL:
            repeat += 1
            source.only = done
            source.read = source.runs[i]
        done += source.runs[i].length
    if repeat != 1 or plan.flat or not x.same or source.read.step != <Py_ssize_t> sizeof(real):
        source.only = -1


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


cdef void pad(const Plan* plan, const Samples* x, const char* data, Source* source,
              real* planes, Py_ssize_t first, Py_ssize_t end) noexcept nogil:
    """Fills the planes of channels first to end of the group whose samples start at `data`.

    What is not read but filled in is the same for every group and channel of a box: it is written once.
    """
    cdef Py_ssize_t c, part, row, runs, n_runs
    cdef Py_ssize_t copies = plan.n_segments if plan.flat else 1
    cdef bint filled
    cdef const char* channel
    cdef const char* at
    cdef real* target = planes
    for c in range(first, end):
        channel = data + channel_offset(x, c)
        filled = c - first < source.filled
        if filled and source.only >= 0:
            for row in range(source.n_rows):
                if source.rows[row] != FILL:
                    copy_samples(target + source.only, <const real*> (channel + source.rows[row] + source.read.source),
                                 source.read.length)
                target += plan.row_length
            continue
        # A flat plane keeps each segment for all rows together; another keeps a row's segments together.
        for part in range(copies):
            runs = source.first_run[part]
            n_runs = source.first_run[part + 1 if plan.flat else plan.n_segments] - runs
            for row in range(source.n_rows):
                at = NULL
                if source.rows[row] != FILL:
                    at = channel + source.rows[row]
                pad_row(x, plan.fill[c % x.parts], filled, at, source.runs + runs, n_runs, target)
                target += plan.row_length
    # Planes of real and imaginary parts may be filled differently, and need not be the same ones next time.
    if x.parts == 1:
        source.filled = max(source.filled, end - first)
