# One axis of Winograd's minimal filtering F(m, 3), Cook and Toom's way: a tile of m outputs is m + 2 products, of the
# values of polynomials at m + 1 points and at infinity.
#
# F(2, 3) has the points 0, 1, -1; F(4, 3) has 0, A, -A, B, -B. The values of A and B are those, among the numbers whose
# products are exact, for which results have the smallest errors, also near a single huge sample: half of those of the
# usual 1 and 2. Opposite points share the even and the odd parts of their sums.
# S. Winograd, Arithmetic Complexity of Computations (1980); A. Lavin and S. Gray, Fast Algorithms for Convolutional
# Neural Networks (2016).

cdef extern from *:
    """
    #define A_ 0.75
    #define B_ 1.375
    #define POINT_A ((real)A_)
    #define POINT_B ((real)B_)
    #define SQUARE_A ((real)(A_ * A_))
    #define SQUARE_B ((real)(B_ * B_))
    #define SUM_OF_SQUARES ((real)(A_ * A_ + B_ * B_))
    #define PRODUCT_OF_SQUARES ((real)(A_ * A_ * B_ * B_))
    /* One over the product of a point's differences from the others. */
    #define WEIGHT_0 (1 / (A_ * A_ * B_ * B_))
    #define WEIGHT_A (1 / (2 * A_ * A_ * (A_ * A_ - B_ * B_)))
    #define WEIGHT_B (1 / (2 * B_ * B_ * (B_ * B_ - A_ * A_)))
    """
    const real POINT_A, POINT_B, SQUARE_A, SQUARE_B, SUM_OF_SQUARES, PRODUCT_OF_SQUARES
    const double A_, B_, WEIGHT_0, WEIGHT_A, WEIGHT_B

cdef enum:
    MOST_POINTS = 36        # of a tile: (4 + 2) ** 2
    MOST_TILE = 16          # outputs of a tile


cdef inline int transform_input(vec* y, const vec* x, const Py_ssize_t step, const int m) noexcept nogil:
    """The values at the points of m + 2 samples, in and out `step` vectors apart."""
    cdef vec even, odd
    if m == 1:
        y[0] = x[0]
    elif m == 2:
        y[0] = x[2 * step] - x[0]
        y[step] = x[2 * step] + x[step]
        y[2 * step] = x[2 * step] - x[step]
        y[3 * step] = x[3 * step] - x[step]
    else:
        y[0] = x[4 * step] - x[2 * step] * SUM_OF_SQUARES + x[0] * PRODUCT_OF_SQUARES
        even = x[4 * step] - x[2 * step] * SQUARE_B
        odd = (x[3 * step] - x[step] * SQUARE_B) * POINT_A
        y[step] = even + odd
        y[2 * step] = even - odd
        even = x[4 * step] - x[2 * step] * SQUARE_A
        odd = (x[3 * step] - x[step] * SQUARE_A) * POINT_B
        y[3 * step] = even + odd
        y[4 * step] = even - odd
        y[5 * step] = x[5 * step] - x[3 * step] * SUM_OF_SQUARES + x[step] * PRODUCT_OF_SQUARES
    return 0


cdef inline int transform_output(
    vec* y, const Py_ssize_t y_step, const vec* x, const Py_ssize_t step, const int m
) noexcept nogil:
    """The m outputs that have these products at the points."""
    cdef vec even_a, odd_a, even_b, odd_b
    if m == 1:
        y[0] = x[0]
    elif m == 2:
        y[0] = x[0] + (x[step] + x[2 * step])
        y[y_step] = x[3 * step] + (x[step] - x[2 * step])
    else:
        even_a = x[step] + x[2 * step]
        odd_a = (x[step] - x[2 * step]) * POINT_A
        even_b = x[3 * step] + x[4 * step]
        odd_b = (x[3 * step] - x[4 * step]) * POINT_B
        y[0] = x[0] + even_a + even_b
        y[y_step] = odd_a + odd_b
        y[2 * y_step] = even_a * SQUARE_A + even_b * SQUARE_B
        y[3 * y_step] = x[5 * step] + odd_a * SQUARE_A + odd_b * SQUARE_B
    return 0


cdef inline int transform_weights(
    wide* y, const Py_ssize_t y_step, const wide* x, const Py_ssize_t step, const int m
) noexcept nogil:
    """The values at the points of 3 weights, divided by the products of the points' differences.

    In double precision: their errors would be amplified like those of the products.
    """
    cdef wide even, odd
    if m == 1:
        y[0] = x[0]
    elif m == 2:
        y[0] = -x[0]
        even = (x[0] + x[2 * step]) * 0.5
        odd = x[step] * 0.5
        y[y_step] = even + odd
        y[2 * y_step] = even - odd
        y[3 * y_step] = x[2 * step]
    else:
        y[0] = x[0] * WEIGHT_0
        even = (x[0] + x[2 * step] * (A_ * A_)) * WEIGHT_A
        odd = x[step] * (WEIGHT_A * A_)
        y[y_step] = even + odd
        y[2 * y_step] = even - odd
        even = (x[0] + x[2 * step] * (B_ * B_)) * WEIGHT_B
        odd = x[step] * (WEIGHT_B * B_)
        y[3 * y_step] = even + odd
        y[4 * y_step] = even - odd
        y[5 * y_step] = x[2 * step]
    return 0
