# The micro-kernel whose sums have SciPy's order, and its bits: each output is one chain of additions, and neighbouring
# outputs go side by side. Products are rounded before they are added.
#
# The contract of ordered_kernel(rows, place, weights, taps, pairs, y, vectors):
#   lanes   neighbouring outputs.
#   sizes   1 to ORDERED_VECTORS vectors; at least one tap, and an odd number of them where there are pairs.
#   reads   of each row whole vectors from `place` on; the sample under tap t of output i is rows[t][place + i].
#   writes  whole vectors of y.
#   align   a sample's own.
#   order   of a symmetric or antisymmetric kernel: the middle tap, then the pairs from the outermost inwards, whose
#           samples are added, or subtracted, before they are multiplied; of others: the last tap, then the first, the
#           second and so on. It is that of NI_Correlate1D in scipy.ndimage.
#   called  by ordered_row.

cdef enum:
    NO_PAIRS = 0
    ADDED_PAIRS = 1
    SUBTRACTED_PAIRS = -1


cdef inline int ordered_kernel(
    const real* const* rows, Py_ssize_t place, const real* weights, Py_ssize_t taps, const int pairs, real* y,
    const int vectors,
) noexcept nogil:
    cdef vec acc[ORDERED_VECTORS]
    cdef Py_ssize_t t, half = taps // 2
    cdef const real* first
    cdef const real* last
    cdef int v
    first = rows[taps - 1 if pairs == NO_PAIRS else half] + place
    for v in range(vectors):
        acc[v] = vec_load(first + v * LANES) * weights[taps - 1 if pairs == NO_PAIRS else half]
    if pairs == NO_PAIRS:
        for t in range(taps - 1):
            first = rows[t] + place
            for v in range(vectors):
                acc[v] = vec_rounded(acc[v]) + vec_rounded(vec_load(first + v * LANES) * weights[t])
    else:
        for t in range(half):
            first = rows[t] + place
            last = rows[taps - 1 - t] + place
            for v in range(vectors):
                if pairs == ADDED_PAIRS:
                    acc[v] = acc[v] + vec_rounded(
                        (vec_load(first + v * LANES) + vec_load(last + v * LANES)) * weights[t])
                else:
                    acc[v] = acc[v] + vec_rounded(
                        (vec_load(first + v * LANES) - vec_load(last + v * LANES)) * weights[t])
    for v in range(vectors):
        vec_store(y + v * LANES, acc[v])
    return 0


cdef inline int ordered_vectors(
    const real* const* rows, const real* weights, Py_ssize_t taps, const int pairs, real* y, Py_ssize_t vectors,
) noexcept nogil:
    cdef Py_ssize_t v = 0
    while v + ORDERED_VECTORS <= vectors:
        ordered_kernel(rows, v * LANES, weights, taps, pairs, y + v * LANES, ORDERED_VECTORS)
        v += ORDERED_VECTORS
    while v < vectors:
        ordered_kernel(rows, v * LANES, weights, taps, pairs, y + v * LANES, 1)
        v += 1
    return 0


cdef void ordered_row(
    const real* const* rows, const real* weights, Py_ssize_t taps, int pairs, real* y, Py_ssize_t vectors,
) noexcept nogil:
    """Sums of so many whole vectors of outputs."""
    if pairs == ADDED_PAIRS:
        ordered_vectors(rows, weights, taps, ADDED_PAIRS, y, vectors)
    elif pairs == SUBTRACTED_PAIRS:
        ordered_vectors(rows, weights, taps, SUBTRACTED_PAIRS, y, vectors)
    else:
        ordered_vectors(rows, weights, taps, NO_PAIRS, y, vectors)
