# The micro-kernel whose sums have SciPy's order, and its bits: each output is one chain of additions, and neighbouring
# outputs go side by side. Products are rounded before they are added.
#
# The contract of ordered_kernel(rows, step, place, weights, taps, order, y, vectors):
#   lanes   neighbouring outputs.
#   sizes   1 to ORDERED_VECTORS vectors; at least one tap, an odd number of them where there are pairs, any FROM_ZERO.
#   reads   of each row whole vectors from `place` on; the sample under tap t of output i is rows[t][place + i] or,
#           where all are one row, a `step` further each, rows[0][t * step + place + i].
#   writes  whole vectors of y.
#   align   a sample's own.
#   order   of pairs: the middle tap, then the pairs from the outermost inwards, whose samples are added, or subtracted,
#           before they are multiplied. LAST_FIRST: the last tap, then the first, the second and so on. These are those
#           of NI_Correlate1D in scipy.ndimage. FROM_ZERO: zero, the first tap and so on, as in its NI_Correlate.
#   called  by ordered_rows and ordered_line.

cdef enum:
    # Orders of sums.
    LAST_FIRST = 0
    ADDED_PAIRS = 1
    SUBTRACTED_PAIRS = -1
    FROM_ZERO = 2


cdef inline const real* row_of_tap(
    const real* const* rows, const bint is_line, Py_ssize_t step, Py_ssize_t t
) noexcept nogil:
    return rows[0] + t * step if is_line else rows[t]


cdef inline int ordered_kernel(
    const real* const* rows, const bint is_line, Py_ssize_t step, Py_ssize_t place, const real* weights,
    Py_ssize_t taps, const int order, real* y, const int vectors,
) noexcept nogil:
    cdef vec acc[ORDERED_VECTORS]
    cdef Py_ssize_t t, half = taps // 2
    cdef const real* first
    cdef const real* last
    cdef int v
    if order == FROM_ZERO:
        for v in range(vectors):
            acc[v] = vec_splat(0)
    else:
        first = row_of_tap(rows, is_line, step, taps - 1 if order == LAST_FIRST else half) + place
        for v in range(vectors):
            acc[v] = vec_rounded(vec_load(first + v * LANES) * weights[taps - 1 if order == LAST_FIRST else half])
    if order == LAST_FIRST or order == FROM_ZERO:
        for t in range(taps if order == FROM_ZERO else taps - 1):
            first = row_of_tap(rows, is_line, step, t) + place
            for v in range(vectors):
                acc[v] = acc[v] + vec_rounded(vec_load(first + v * LANES) * weights[t])
    else:
        for t in range(half):
            first = row_of_tap(rows, is_line, step, t) + place
            last = row_of_tap(rows, is_line, step, taps - 1 - t) + place
            for v in range(vectors):
                if order == ADDED_PAIRS:
                    acc[v] = acc[v] + vec_rounded(
                        (vec_load(first + v * LANES) + vec_load(last + v * LANES)) * weights[t])
                else:
                    acc[v] = acc[v] + vec_rounded(
                        (vec_load(first + v * LANES) - vec_load(last + v * LANES)) * weights[t])
    for v in range(vectors):
        vec_store(y + v * LANES, acc[v])
    return 0


cdef inline int ordered_vectors(
    const real* const* rows, const bint is_line, Py_ssize_t step, const real* weights, Py_ssize_t taps,
    const int order, real* y, Py_ssize_t vectors,
) noexcept nogil:
    cdef Py_ssize_t v = 0
    while v + ORDERED_VECTORS <= vectors:
        ordered_kernel(rows, is_line, step, v * LANES, weights, taps, order, y + v * LANES, ORDERED_VECTORS)
        v += ORDERED_VECTORS
    while v < vectors:
        ordered_kernel(rows, is_line, step, v * LANES, weights, taps, order, y + v * LANES, 1)
        v += 1
    return 0


cdef void ordered_rows(
    const real* const* rows, const real* weights, Py_ssize_t taps, int order, real* y, Py_ssize_t vectors,
) noexcept nogil:
    """Sums of so many whole vectors of outputs, with a row of samples for each tap."""
    if order == ADDED_PAIRS:
        ordered_vectors(rows, False, 0, weights, taps, ADDED_PAIRS, y, vectors)
    elif order == SUBTRACTED_PAIRS:
        ordered_vectors(rows, False, 0, weights, taps, SUBTRACTED_PAIRS, y, vectors)
    elif order == FROM_ZERO:
        ordered_vectors(rows, False, 0, weights, taps, FROM_ZERO, y, vectors)
    else:
        ordered_vectors(rows, False, 0, weights, taps, LAST_FIRST, y, vectors)


cdef void ordered_line(
    const real* row, Py_ssize_t step, const real* weights, Py_ssize_t taps, int order, real* y, Py_ssize_t vectors,
) noexcept nogil:
    """Sums of so many whole vectors of outputs, of samples in one row, a step from one tap to the next."""
    if order == ADDED_PAIRS:
        ordered_vectors(&row, True, step, weights, taps, ADDED_PAIRS, y, vectors)
    elif order == SUBTRACTED_PAIRS:
        ordered_vectors(&row, True, step, weights, taps, SUBTRACTED_PAIRS, y, vectors)
    else:
        ordered_vectors(&row, True, step, weights, taps, LAST_FIRST, y, vectors)


# The sums of scipy.signal, from zero as well, of runs of taps. In its functions for planes a run is a row of the
# kernel, and its taps are added up by fours before the total takes them; what is left of it is added tap by tap. Its
# polyphase filter adds each tap by itself, of one run. A tap has one product or, of complex numbers, the two of whose
# sum a component of their product is.
#
# The contract of runs_kernel is that of ordered_kernel, with `products` weights and rows of samples for each tap.

cdef enum:
    RUN_VECTORS = 2 * ORDERED_VECTORS


cdef inline vec tap_of_run(
    const real* const* rows, Py_ssize_t place, const real* weights, Py_ssize_t t, const int products,
) noexcept nogil:
    cdef vec product = vec_rounded(vec_load(rows[t * products] + place) * weights[t * products])
    if products == 2:
        product = product + vec_rounded(vec_load(rows[t * 2 + 1] + place) * weights[t * 2 + 1])
    return product


cdef inline int runs_kernel(
    const real* const* rows, Py_ssize_t place, const real* weights, Py_ssize_t runs, Py_ssize_t taps,
    const int products, const bint by_fours, real* y, const int vectors,
) noexcept nogil:
    cdef vec acc[RUN_VECTORS]
    cdef vec four
    cdef Py_ssize_t r, t, end
    cdef int v, k
    for v in range(vectors):
        acc[v] = vec_splat(0)
    for r in range(runs):
        t, end = r * taps, (r + 1) * taps
        while by_fours and t + 4 <= end:
            for v in range(vectors):
                four = tap_of_run(rows, place + v * LANES, weights, t, products)
                for k in range(1, 4):
                    four = four + tap_of_run(rows, place + v * LANES, weights, t + k, products)
                acc[v] = acc[v] + four
            t += 4
        while t < end:
            for v in range(vectors):
                acc[v] = acc[v] + tap_of_run(rows, place + v * LANES, weights, t, products)
            t += 1
    for v in range(vectors):
        vec_store(y + v * LANES, acc[v])
    return 0


cdef inline int runs_vectors(
    const real* const* rows, const real* weights, Py_ssize_t runs, Py_ssize_t taps, const int products,
    const bint by_fours, real* y, Py_ssize_t vectors,
) noexcept nogil:
    cdef Py_ssize_t v = 0
    # A chain of single taps waits for each addition, so that more of them have to go side by side.
    while not by_fours and v + RUN_VECTORS <= vectors:
        runs_kernel(rows, v * LANES, weights, runs, taps, products, by_fours, y + v * LANES, RUN_VECTORS)
        v += RUN_VECTORS
    while v + ORDERED_VECTORS <= vectors:
        runs_kernel(rows, v * LANES, weights, runs, taps, products, by_fours, y + v * LANES, ORDERED_VECTORS)
        v += ORDERED_VECTORS
    while v < vectors:
        runs_kernel(rows, v * LANES, weights, runs, taps, products, by_fours, y + v * LANES, 1)
        v += 1
    return 0


cdef void row_of_runs(
    const real* const* rows, const real* weights, Py_ssize_t runs, Py_ssize_t taps, int products, bint by_fours,
    real* y, Py_ssize_t vectors,
) noexcept nogil:
    """Sums of so many whole vectors of outputs."""
    if products == 1 and by_fours:
        runs_vectors(rows, weights, runs, taps, 1, True, y, vectors)
    elif products == 1:
        runs_vectors(rows, weights, runs, taps, 1, False, y, vectors)
    elif by_fours:
        runs_vectors(rows, weights, runs, taps, 2, True, y, vectors)
    else:
        runs_vectors(rows, weights, runs, taps, 2, False, y, vectors)
