# One axis of Winograd's minimal filtering F(m, r), Cook and Toom's way: a tile of m outputs of a filter of r taps takes
# m + r - 1 products, of the values of polynomials at m + r - 2 points and, the last of them, at infinity.
#
# How samples become values depends on the points alone, so that a set of 4, 5 or 6 serves all filters of 2 to 5 taps:
# 4 are 0, 1, -1; 5 are A, -A, B, -B; 6 are 0, A, -A, B, -B, of other A and B; and infinity. They are those, among the
# numbers whose products are exact, for which results have the smallest errors, also near a single huge sample: half of
# those of the usual 1 and 2. Opposite points share the even and the odd parts of their sums.
#
# An axis of stride s is the sum of s such filters, one for each phase, with every s-th tap and every s-th sample. Some
# may have a tap less than the others; it is the value at infinity that they lack then, and nothing else differs.
# S. Winograd, Arithmetic Complexity of Computations (1980); A. Lavin and S. Gray, Fast Algorithms for Convolutional
# Neural Networks (2016), whose matrices are transform_input (B^T), transform_weights (G) and transform_output (A^T).
#
# The contract of transform_input, transform_output and transform_weights:
#   lanes   input channels, or output channels for the other two: each lane is an axis of its own.
#   sizes   1 (the axis is not cut), 4, 5 or 6 points; 2 to 4 outputs and 2 to 5 taps, so that outputs + taps - 1 is the
#           number of points.
#   reads   that many vectors, and writes that many, `step` apart; input and output share no memory.
#   called  by the transforms of tiles in methods/winograd, for the rows and the columns of a tile in turn.

cdef extern from * nogil:
    """
    #define A_5 0.5
    #define B_5 1.25
    #define A_6 0.75
    #define B_6 1.375
    #define POINT_A(side) ((real)(side == 5 ? A_5 : A_6))
    #define POINT_B(side) ((real)(side == 5 ? B_5 : B_6))
    #define SQUARE_A(side) (POINT_A(side) * POINT_A(side))
    #define SQUARE_B(side) (POINT_B(side) * POINT_B(side))
    #define SUM_OF_SQUARES(side) (SQUARE_A(side) + SQUARE_B(side))
    #define PRODUCT_OF_SQUARES(side) (SQUARE_A(side) * SQUARE_B(side))
    """
    const double A_5, B_5, A_6, B_6
    real POINT_A(int)
    real POINT_B(int)
    real SQUARE_A(int)
    real SQUARE_B(int)
    real SUM_OF_SQUARES(int)
    real PRODUCT_OF_SQUARES(int)

cdef enum:
    MOST_POINTS = 36        # of a tile
    MOST_SIDE = 4           # outputs of a tile along an axis


cdef inline int transform_input(vec* y, const vec* x, const Py_ssize_t step, const int side) noexcept nogil:
    """B^T: the values at `side` points of as many samples, in and out `step` vectors apart."""
    cdef vec even, odd
    cdef const vec* first = x + (step if side == 6 else 0)
    if side == 1:
        y[0] = x[0]
    elif side == 4:
        y[0] = x[2 * step] - x[0]
        y[step] = x[2 * step] + x[step]
        y[2 * step] = x[2 * step] - x[step]
        y[3 * step] = x[3 * step] - x[step]
    else:
        if side == 6:
            y[0] = x[4 * step] - x[2 * step] * SUM_OF_SQUARES(side) + x[0] * PRODUCT_OF_SQUARES(side)
            y += step
        odd = first[3 * step] - first[step] * SQUARE_B(side)
        even = (first[2 * step] - first[0] * SQUARE_B(side)) * POINT_A(side)
        # Of opposite points, the differences from the others have the same product, but for its sign where 0 is none.
        y[0] = odd + even
        y[step] = odd - even if side == 6 else even - odd
        odd = first[3 * step] - first[step] * SQUARE_A(side)
        even = (first[2 * step] - first[0] * SQUARE_A(side)) * POINT_B(side)
        y[2 * step] = odd + even
        y[3 * step] = odd - even if side == 6 else even - odd
        y[4 * step] = first[4 * step] - first[2 * step] * SUM_OF_SQUARES(side) + first[0] * PRODUCT_OF_SQUARES(side)
    return 0


cdef inline int transform_output(
    vec* y, const Py_ssize_t y_step, const vec* x, const Py_ssize_t step, const int side, const int m
) noexcept nogil:
    """A^T: the m outputs that have these products at the points."""
    cdef vec even_a, odd_a, even_b, odd_b
    if side == 1:
        y[0] = x[0]
        return 0
    if side == 4:
        even_a = x[step] + x[2 * step]
        odd_a = x[step] - x[2 * step]
        y[0] = x[0] + even_a
        y[y_step] = odd_a
        if m > 2:
            y[2 * y_step] = even_a
    else:
        even_a = x[(side - 5) * step] + x[(side - 4) * step]
        odd_a = (x[(side - 5) * step] - x[(side - 4) * step]) * POINT_A(side)
        even_b = x[(side - 3) * step] + x[(side - 2) * step]
        odd_b = (x[(side - 3) * step] - x[(side - 2) * step]) * POINT_B(side)
        y[0] = (x[0] + even_a if side == 6 else even_a) + even_b
        y[y_step] = odd_a + odd_b
        if m > 2:
            y[2 * y_step] = even_a * SQUARE_A(side) + even_b * SQUARE_B(side)
        if m > 3:
            y[3 * y_step] = odd_a * SQUARE_A(side) + odd_b * SQUARE_B(side)
    y[(m - 1) * y_step] = y[(m - 1) * y_step] + x[(side - 1) * step]
    return 0


cdef inline double weight_power(const int side, const int pair, const int tap) noexcept nogil:
    """A power of the positive one of a pair of points, over the product of its differences from the others."""
    cdef double a = 1 if side == 4 else A_5 if side == 5 else A_6
    cdef double b = 0 if side == 4 else B_5 if side == 5 else B_6
    cdef double point = a if pair == 0 else b, other = b if pair == 0 else a
    cdef double power = 1 / (2 * point)
    cdef int k
    if side != 5:
        power /= point
    if side > 4:
        power /= point * point - other * other
    for k in range(tap):
        power *= point
    return power


cdef inline int transform_weights(
    wide* y, const Py_ssize_t y_step, const wide* x, const Py_ssize_t step, const int taps, const int side
) noexcept nogil:
    # Powers of points are constants where the number of taps is one.
    if taps == 1:
        return transform_taps(y, y_step, x, step, 1, side)
    if taps == 2:
        return transform_taps(y, y_step, x, step, 2, side)
    if taps == 3:
        return transform_taps(y, y_step, x, step, 3, side)
    if taps == 4:
        return transform_taps(y, y_step, x, step, 4, side)
    return transform_taps(y, y_step, x, step, 5, side)


cdef inline int transform_taps(
    wide* y, const Py_ssize_t y_step, const wide* x, const Py_ssize_t step, const int taps, const int side
) noexcept nogil:
    """G: the values at the points of some weights, `step` apart, divided by the products of the points' differences.

    In double precision: their errors would be amplified like those of the products.
    """
    cdef wide even, odd
    cdef int pair, k
    if side == 1:
        y[0] = x[0]
        return 0
    if side == 4:
        y[0] = -x[0]
    if side == 6:
        y[0] = x[0] * (1 / (A_6 * A_6 * B_6 * B_6))
    if side != 5:
        y += y_step
    for pair in range((side - 1) // 2):
        even = x[0] * weight_power(side, pair, 0)
        odd = x[step] * weight_power(side, pair, 1) if taps > 1 else x[0] * 0
        for k in range(2, taps, 2):
            even = even + x[k * step] * weight_power(side, pair, k)
        for k in range(3, taps, 2):
            odd = odd + x[k * step] * weight_power(side, pair, k)
        y[0] = even + odd
        y[y_step] = even - odd
        y += 2 * y_step
    y[0] = x[(taps - 1) * step]
    return 0
