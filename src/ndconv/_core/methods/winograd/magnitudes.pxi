# How large samples are: whether rounding errors beside the largest would hide the others, or tiny ones be lost.

cdef extern from * nogil:
    """
    /* Below these, values or their products might not be normal numbers: the largest of all samples, the mean of an
     * image's, and the largest weight of an output channel. */
    #if NDCONV_REAL_BYTES == 4
    #define LEAST_SAMPLE 0x1p-40
    #define LEAST_MEAN 0x1p-50
    #define LEAST_WEIGHT 0x1p-70
    #define MOST_STEP 126
    #else
    #define LEAST_SAMPLE 0x1p-400
    #define LEAST_MEAN 0x1p-420
    #define LEAST_WEIGHT 0x1p-500
    #define MOST_STEP 1022
    #endif
    """
    const double LEAST_SAMPLE, LEAST_MEAN, LEAST_WEIGHT
    const int MOST_STEP


cdef int exponent_of(const Plan* plan, const Job* job, Py_ssize_t images) noexcept nogil:
    """The power of two that makes the largest sample about 1; 0, which one sample is enough to tell, if it is large."""
    cdef real run[RUN]
    cdef double size, largest = max(abs(<double> plan.fill[0]), abs(<double> plan.fill[1]))
    cdef Py_ssize_t line, rest, i, n, done, offset, lines = plan.groups * plan.channels_in
    cdef int axis, exponent = 0, last = plan.ndim - 1
    for axis in range(last):
        lines *= plan.in_shape[axis]
    for line in range(images * lines):
        rest = line
        offset = 0
        for axis in range(last - 1, -1, -1):
            offset += rest % plan.in_shape[axis] * job.x.stride[axis]
            rest = rest // plan.in_shape[axis]
        offset += channel_offset(&job.x, rest % (plan.groups * plan.channels_in))
        offset += batch_offset(job, job.x.batch, rest // (plan.groups * plan.channels_in))
        done = 0
        while done < plan.in_shape[last]:
            n = min(plan.in_shape[last] - done, RUN)
            read_samples(&job.x, run, job.x.data + offset + done * job.x.stride[last], job.x.stride[last], n)
            for i in range(n):
                size = abs(<double> run[i])
                if not size < LEAST_SAMPLE:
                    return 0
                largest = max(largest, size)
            done += n
    if largest == 0 or largest >= LEAST_SAMPLE:
        return 0
    frexp(largest, &exponent)
    return -exponent


cdef inline real power_of_two(int exponent) noexcept nogil:
    return <real> ldexp(1.0, max(min(exponent, MOST_STEP), -MOST_STEP))


cdef void scale(real* samples, Py_ssize_t vectors, int exponent) noexcept nogil:
    """Multiplies by two to an exponent, in two steps: what is smaller than any sample has the largest of them."""
    cdef vec first = vec_splat(power_of_two(exponent // 2)), second = vec_splat(power_of_two(exponent - exponent // 2))
    cdef Py_ssize_t i
    for i in range(vectors):
        vec_store(samples + i * LANES, vec_load(samples + i * LANES) * first * second)


cdef inline bint met_by_all(Py_ssize_t outputs, Py_ssize_t taps, Py_ssize_t step, Py_ssize_t dilation,
                            Py_ssize_t* first, Py_ssize_t* end) noexcept nogil:
    """Finds the plane samples of an axis that all taps meet, of their phase; or, if there are none, that any does."""
    first[0] = (taps - 1) * dilation
    end[0] = (outputs - 1) * step + 1
    if first[0] < end[0]:
        return True
    end[0] += first[0]
    first[0] = 0
    return False


cdef inline void scan_largest(const real* samples, Py_ssize_t vectors, vec* largest) noexcept nogil:
    cdef Py_ssize_t i
    cdef vec size
    for i in range(vectors):
        size = vec_load(samples + i * LANES)
        largest[0] = vec_max(largest[0], vec_max(size, -size))


cdef void scan_magnitudes(const real* samples, Py_ssize_t rows, Py_ssize_t width, Py_ssize_t first_row,
                          Py_ssize_t end_row, Py_ssize_t first_column, Py_ssize_t end_column,
                          Magnitudes* found) noexcept nogil:
    """Finds how large the samples of some rows of tiles are; those between the rows and columns are met by all taps."""
    cdef vec largest = vec_splat(0), total = vec_splat(0), present = vec_splat(0)
    cdef vec size
    cdef real of_lanes[3 * MOST_LANES]
    cdef Py_ssize_t i, row, first = min(max(first_column, 0), width), end = min(max(end_column, first), width)
    for row in range(rows):
        if row < first_row or row >= end_row:
            scan_largest(samples, width, &largest)
        else:
            scan_largest(samples, first, &largest)
            for i in range(first, end):
                size = vec_load(samples + i * LANES)
                size = vec_max(size, -size)
                largest = vec_max(largest, size)
                total = total + size
                present = present + vec_is_positive(size)
            scan_largest(samples + end * LANES, width - end, &largest)
        samples += width * LANES
    vec_store(of_lanes, largest)
    vec_store(of_lanes + LANES, total)
    vec_store(of_lanes + 2 * LANES, present)
    found.largest = found.total = 0
    found.present = 0
    for i in range(LANES):
        found.largest = max(found.largest, <double> of_lanes[i])
        found.total += of_lanes[LANES + i]
        found.present += <Py_ssize_t> of_lanes[2 * LANES + i]


cdef void lower_to_smallest(const real* samples, Py_ssize_t rows, Py_ssize_t row, Py_ssize_t columns, Py_ssize_t column,
                            Magnitudes* found) noexcept nogil:
    """Lowers the total to what it would be if all rows were like the smallest that is not zero.

    Each tap meets but some of them, and may find no larger ones.
    """
    cdef Py_ssize_t i, j, k, present
    cdef double total, mean = found.total / max(found.present, 1)
    cdef real size
    for i in range(rows):
        present = 0
        total = 0
        for j in range(columns):
            for k in range(LANES):
                size = samples[(i * row + j * column) * LANES + k]
                total += abs(<double> size)
                present += size != 0
        if present > 0:
            mean = min(mean, total / present)
    found.total = mean * found.present


cdef bint has_no_outliers(const Plan* plan, const Tiling* tiling, Magnitudes* magnitudes, Magnitudes* sums,
                          Py_ssize_t input_tasks, Py_ssize_t n_tile_blocks, Py_ssize_t images,
                          double share) noexcept nogil:
    """Whether no image has, in any group, a sample or a mean that its outputs would suffer from."""
    cdef Py_ssize_t i, k, image, blocks = ceil_div(plan.channels_in, LANES)
    cdef TileBlock tile_block
    cdef Magnitudes* found
    cdef Magnitudes* one
    # One input task after the other, so that the sums do not depend on who did which.
    for k in range(n_tile_blocks):
        tile_block = find_tile_block(plan, tiling, images, k, 1)
        for i in range(n_input_tasks(plan, tiling, &tile_block)):
            one = magnitudes + k * input_tasks + i
            image = tile_block.image + i // (blocks * ceil_div(tile_block.rows, tiling.input_rows) * tiling.positions)
            found = sums + tile_block.group * images + image
            found.largest = max(found.largest, one.largest)
            found.total += one.total
            found.present += one.present
    for i in range(plan.groups * images):
        found = sums + i
        if found.largest == 0:
            continue
        if not (found.total < HUGE_VAL and found.total >= LEAST_MEAN * found.present
                and found.largest * found.present * share <= tiling.outlier * found.total):
            return False
    return True
