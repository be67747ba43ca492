# Samples of any type, byte order, alignment and step become the compute type's, and back.

cdef enum:
    READ_AHEAD = 512    # samples
    TRUNCATED = 256     # the same

ctypedef fused sample:
    i8_unaligned
    u8_unaligned
    i16_unaligned
    u16_unaligned
    i32_unaligned
    u32_unaligned
    i64_unaligned
    u64_unaligned
    f32_unaligned
    f64_unaligned


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
        target[i] = <real> half_to_float((<const u16_unaligned*> (source + i * step))[0])


cdef void convert_native(int code, real* target, const char* source, Py_ssize_t step, Py_ssize_t count) noexcept nogil:
    if code == FLOAT32:
        convert(target, <const f32_unaligned*> source, step, count)
    elif code == FLOAT64:
        convert(target, <const f64_unaligned*> source, step, count)
    elif code == BOOL or code == UINT8:
        convert(target, <const u8_unaligned*> source, step, count)
    elif code == INT8:
        convert(target, <const i8_unaligned*> source, step, count)
    elif code == INT16:
        convert(target, <const i16_unaligned*> source, step, count)
    elif code == UINT16:
        convert(target, <const u16_unaligned*> source, step, count)
    elif code == INT32:
        convert(target, <const i32_unaligned*> source, step, count)
    elif code == UINT32:
        convert(target, <const u32_unaligned*> source, step, count)
    elif code == INT64:
        convert(target, <const i64_unaligned*> source, step, count)
    elif code == UINT64:
        convert(target, <const u64_unaligned*> source, step, count)
    else:
        convert_half(target, source, step, count)


cdef void read_samples(
    const Samples* samples, real* target, const char* source, Py_ssize_t step, Py_ssize_t count
) noexcept nogil:
    """Reads `count` samples `step` bytes apart as the compute type."""
    cdef Py_ssize_t i, n, done = 0, size = samples.size
    cdef char swapped[512]
    if not samples.swapped:
        convert_native(samples.code, target, source, step, count)
        return
    while done < count:
        n = min(count - done, 512 // size)
        if size == 2:
            for i in range(n):
                bswap16(swapped + 2 * i, source + (done + i) * step)
        elif size == 4:
            for i in range(n):
                bswap32(swapped + 4 * i, source + (done + i) * step)
        else:
            for i in range(n):
                bswap64(swapped + 8 * i, source + (done + i) * step)
        convert_native(samples.code, target + done, swapped, size, n)
        done += n


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


cdef void read_run(const Samples* samples, real* target, const char* source, Py_ssize_t step,
                   Py_ssize_t count) noexcept nogil:
    if samples.is_compute_type and step == sizeof(real):
        copy_samples(target, <const real*> source, count)
    elif samples.is_compute_type:
        copy_strided(target, source, step, count)
    else:
        read_samples(samples, target, source, step, count)


cdef void write_converted(sample* target, Py_ssize_t step, const real* source, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t i
    cdef char* at = <char*> target
    if step == sizeof(sample):
        for i in range(count):
            target[i] = <sample> source[i]
    else:
        for i in range(count):
            (<sample*> (at + i * step))[0] = <sample> source[i]


cdef void write_samples(const Samples* y, char* target, const real* source, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t i, step = y.stride[y.last]
    if y.is_compute_type and step == sizeof(real):
        memcpy(target, source, count * sizeof(real))
    elif y.code == FLOAT32:
        write_converted(<f32_unaligned*> target, step, source, count)
    elif y.code == FLOAT64:
        write_converted(<f64_unaligned*> target, step, source, count)
    elif y.code == FLOAT16:
        for i in range(count):
            (<u16_unaligned*> (target + i * step))[0] = float_to_half(<float> source[i])
    # Integers wrap around, so the sign of the type does not matter.
    elif y.size == 1:
        write_converted(<u8_unaligned*> target, step, source, count)
    elif y.size == 2:
        write_converted(<u16_unaligned*> target, step, source, count)
    elif y.size == 4:
        write_converted(<u32_unaligned*> target, step, source, count)
    else:
        write_converted(<u64_unaligned*> target, step, source, count)


ctypedef fused whole:
    int32_t
    int64_t

ctypedef fused stored:
    u8_unaligned
    u16_unaligned
    u32_unaligned
    u64_unaligned


cdef void store_whole(stored* target, Py_ssize_t step, const whole* numbers, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t i
    cdef char* at = <char*> target
    if step == sizeof(stored):
        for i in range(count):
            target[i] = <stored> numbers[i]
    else:
        for i in range(count):
            (<stored*> (at + i * step))[0] = <stored> numbers[i]


cdef void truncate_to(const Samples* y, char* target, const real* source, Py_ssize_t count,
                      whole number) noexcept nogil:
    """Writes integers by way of `whole`, which all their values fit: C defines no other conversion of negative ones."""
    cdef whole numbers[TRUNCATED]
    cdef Py_ssize_t i, n, step = y.stride[y.last]
    while count > 0:
        n = min(count, TRUNCATED)
        for i in range(n):
            numbers[i] = <whole> source[i]
        if y.size == 1:
            store_whole(<u8_unaligned*> target, step, numbers, n)
        elif y.size == 2:
            store_whole(<u16_unaligned*> target, step, numbers, n)
        elif y.size == 4:
            store_whole(<u32_unaligned*> target, step, numbers, n)
        else:
            store_whole(<u64_unaligned*> target, step, numbers, n)
        target += n * step
        source += n
        count -= n


cdef void write_truncated(const Samples* y, char* target, const real* source, Py_ssize_t count) noexcept nogil:
    """Writes reals to an array of any type; to integers without their fractions, as C converts and SciPy does."""
    cdef Py_ssize_t i, step = y.stride[y.last]
    if y.code >= FLOAT16:
        write_samples(y, target, source, count)
    elif y.code == UINT64:
        for i in range(count):
            (<u64_unaligned*> (target + i * step))[0] = (
                <uint64_t> source[i] if source[i] >= 0 else 0 - <uint64_t> -source[i]
            )
    elif y.code == UINT32 or y.code == INT64:
        truncate_to[int64_t](y, target, source, count, 0)
    else:
        truncate_to[int32_t](y, target, source, count, 0)


cdef void as_written(const Samples* dense, real* row, Py_ssize_t count) noexcept nogil:
    """Makes reals what is read of them once they are written as another type, whose samples follow each other."""
    cdef char written[TRUNCATED * 8]
    cdef Py_ssize_t n
    while count > 0 and not dense.is_compute_type:
        n = min(count, TRUNCATED)
        write_truncated(dense, written, row, n)
        read_run(dense, row, written, dense.size, n)
        row += n
        count -= n
