/* Activations of a vector of sums, in the compute type's precision: a few units in the last place. */
#ifndef NDCONV_ACTIVATION_H
#define NDCONV_ACTIVATION_H

#include "simd.h"

/* The order is that of `ACTIVATIONS` in _call/arguments.py. */
enum { IDENTITY, RELU, RELU6, LEAKY_RELU, SILU, GELU, SIGMOID, TANH, HARDSWISH, LAST_ACTIVATION = HARDSWISH };
_Static_assert(LAST_ACTIVATION <= 12, "ladder.h has no more rungs");

/* a where x < y, else b. A NaN is not less than anything, so what it decides stays NaN. */
static CYTHON_INLINE vec vec_where_less(vec x, vec y, vec a, vec b) {
    lane_mask less = x < y;
    return (vec)(((lane_mask)a & less) | ((lane_mask)b & ~less));
}
static CYTHON_INLINE vec vec_clip(vec x, real low, real high) {
    x = vec_where_less(x, vec_splat(low), vec_splat(low), x);
    return vec_where_less(vec_splat(high), x, vec_splat(high), x);
}

#define IS_FLOATING_float 1
#define IS_FLOATING_double 1
#if JOIN(IS_FLOATING_, NDCONV_REAL)

#if NDCONV_REAL_BYTES == 4
enum { MANTISSA_BITS = 23, EXPONENT_BIAS = 127 };
#define LOG_2_HIGH 0x1.62e4p-1f     /* with zeros enough that its product with an exponent is exact */
#define LOG_2_LOW 0x1.7f7d1cp-20f
#define LEAST_EXPONENT -110         /* e to this, even times this, is less than half the smallest sample */
#else
enum { MANTISSA_BITS = 52, EXPONENT_BIAS = 1023 };
#define LOG_2_HIGH 0x1.62e42fee00000p-1
#define LOG_2_LOW 0x1.a39ef35793c76p-33
#define LEAST_EXPONENT -760
#endif

/* 2^n (1 + q) = e^x, where n is whole and |q| < 0.42. 1 + q is left apart: it would round a small q away. */
typedef struct { lane_mask n; vec q; } power;

static CYTHON_INLINE power vec_power(vec x) {
    /* Added to a small number, this rounds it to a whole one, which the lowest bits then hold. */
    const vec rounding = vec_splat((real)3 * ((NDCONV_LANE)1 << (MANTISSA_BITS - 1)));
    vec shifted = x * (real)1.44269504088896340736 + rounding;
    vec n = shifted - rounding, r = x - n * (real)LOG_2_HIGH - n * (real)LOG_2_LOW, q;
    /* Taylor's series: |r| is at most log(2) / 2, and the first term left out less than half a unit. */
    static const double one_over_factorial[] = {
        1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800,
        1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800,
    };
    enum { TERMS = NDCONV_REAL_BYTES == 4 ? 7 : 13 };
    q = vec_splat((real)one_over_factorial[TERMS - 1]);
#pragma GCC unroll 16
    for (int k = TERMS - 2; k > 0; k--) q = q * r + (real)one_over_factorial[k];
    return (power){(lane_mask)shifted - (lane_mask)rounding, q * r * r + r};
}

/* 2^n of normal numbers. */
static CYTHON_INLINE vec vec_two_to(lane_mask n) { return (vec)((n + EXPONENT_BIAS) << MANTISSA_BITS); }

/* factor e^x of an x that is not positive. The factor comes first: the product may be a normal number where e^x is none. */
static CYTHON_INLINE vec vec_times_exp(vec factor, vec x) {
    power p = vec_power(vec_where_less(x, vec_splat(LEAST_EXPONENT), vec_splat(LEAST_EXPONENT), x));
    lane_mask half = p.n >> 1;
    return (p.q + 1) * factor * vec_two_to(half) * vec_two_to(p.n - half);
}

/* factor / (1 + e^-x), without the e^-x that would overflow. */
static CYTHON_INLINE vec vec_times_sigmoid(vec factor, vec x) {
    const vec zero = vec_splat(0);
    vec away = vec_where_less(x, zero, x, -x), tail = vec_times_exp(vec_splat(1), away);
    return vec_where_less(x, zero, vec_times_exp(factor, away), factor) / (tail + 1);
}

static CYTHON_INLINE vec vec_tanh(vec x) {
    const lane_mask sign = (lane_mask)vec_splat(-(real)0);
    vec away = (vec)((lane_mask)x | sign);    /* -|x|; beyond 20 nothing changes */
    power p = vec_power(vec_where_less(away, vec_splat(-20), vec_splat(-20), away) * 2);
    vec two_to_n = vec_two_to(p.n), below = two_to_n * p.q + (two_to_n - 1);    /* e^(-2|x|) - 1 */
    return (vec)(((lane_mask)(below / (below + 2)) & ~sign) | ((lane_mask)x & sign));
}

/* x times the standard normal distribution's function, from erfc(u) = e^(-u^2) t P(2 t - 1) with t = 4 / (4 + u) and
 * u = |x| / sqrt(2); P is the truncated Chebyshev expansion of what is left, where erfc(u) is not yet zero. */
static CYTHON_INLINE vec vec_gelu(vec x) {
#if NDCONV_REAL_BYTES == 4
    static const float p[] = {
        0.273998915f, 0.244137185f, 0.193302201f, 0.135213282f, 0.0827124137f, 0.0435058445f, 0.0190964996f,
        0.00657185381f, 0.00154671214f, 0.000108578917f, -0.00019348672f,
    };
    enum { TERMS = 11 };
    const real farthest = (real)14.6;
#else
    static const double p[] = {
        0.27399891525012278, 0.24413718227022053, 0.19330217556630943, 0.13521345782830529, 0.082712896969493369,
        0.04350273431010365, 0.019095378727549362, 0.0065925133331578421, 0.0015280139114250105, 7.0239733541956383e-5,
        -0.00011376315561807509, -4.4203297903855538e-5, -9.0884678892079103e-7, 4.7155426325529808e-6,
        1.1737090888615408e-6, -3.5675011145780882e-7, -2.116477661216891e-7, 1.9823945748749395e-8,
        3.1042227550343606e-8, -9.2093249549694846e-10, -3.8056320071345513e-9, 1.8950111305532531e-10,
        2.171278876104695e-10,
    };
    enum { TERMS = 23 };
    const real farthest = 39;
#endif
    vec size = vec_where_less(x, vec_splat(0), -x, x);
    size = vec_where_less(vec_splat(farthest), size, vec_splat(farthest), size);
    vec t = 4 / (size * (real)0.70710678118654752440 + 4), s = 2 * t - 1, sum = vec_splat((real)p[TERMS - 1]);
#pragma GCC unroll 32
    for (int k = TERMS - 2; k >= 0; k--) sum = sum * s + (real)p[k];
    vec below = vec_where_less(x, vec_splat(0), -size, vec_splat(1)), square = size * size * (real)-0.5;
    vec tail = vec_times_exp(below * t * sum * (real)0.5, square);
    return vec_where_less(x, vec_splat(0), tail, x * (1 - tail));
}

static CYTHON_INLINE vec vec_activate(const int activation, vec x) {
    const vec zero = vec_splat(0);
    switch (activation) {
    case RELU: return vec_where_less(x, zero, zero, x);
    case RELU6: return vec_clip(x, 0, 6);
    case LEAKY_RELU: return vec_where_less(x, zero, x * (real)0.01, x);
    case SILU: return vec_times_sigmoid(vec_where_less(x, vec_splat(LEAST_EXPONENT), vec_splat(LEAST_EXPONENT), x), x);
    case GELU: return vec_gelu(x);
    case SIGMOID: return vec_times_sigmoid(vec_splat(1), x);
    case TANH: return vec_tanh(x);
    case HARDSWISH:
        x = vec_where_less(x, vec_splat(-3), vec_splat(-3), x);
        return x * (vec_clip(x + 3, 0, 6) * (real)(1.0 / 6));
    default: return x;
    }
}

#else

/* NumPy knows the sign of integers, and does their activations. */
static CYTHON_INLINE vec vec_activate(const int activation, vec x) {
    (void)activation;
    return x;
}

#endif

#endif
