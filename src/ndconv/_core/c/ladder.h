/* From a number to a constant: f(n, ...) for n from 1 to `most`, where each rung passes a constant of its own. Only so do
 * f's loops unroll and its accumulators live in registers. Rungs above `most`, a constant too, are dropped. */
#ifndef NDCONV_LADDER_H
#define NDCONV_LADDER_H

#define RUNG(k, n, most, f, ...) \
    if ((n) == (k) && (most) >= (k)) f(k, __VA_ARGS__);
#define with_constant(n, most, f, ...)         \
    do {                                       \
        RUNG(1, n, most, f, __VA_ARGS__)       \
        else RUNG(2, n, most, f, __VA_ARGS__)  \
        else RUNG(3, n, most, f, __VA_ARGS__)  \
        else RUNG(4, n, most, f, __VA_ARGS__)  \
        else RUNG(5, n, most, f, __VA_ARGS__)  \
        else RUNG(6, n, most, f, __VA_ARGS__)  \
        else RUNG(7, n, most, f, __VA_ARGS__)  \
        else RUNG(8, n, most, f, __VA_ARGS__)  \
        else RUNG(9, n, most, f, __VA_ARGS__)  \
        else RUNG(10, n, most, f, __VA_ARGS__) \
        else RUNG(11, n, most, f, __VA_ARGS__) \
        else RUNG(12, n, most, f, __VA_ARGS__) \
    } while (0)

#endif
