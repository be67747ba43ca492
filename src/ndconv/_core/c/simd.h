/* The vector of the widest registers that the instruction-set level has, and the few operations
 * that C's operators lack. One compute type a build: NDCONV_REAL is float, double, uint32_t or
 * uint64_t (unsigned, because their arithmetic wraps around, as NumPy's integers do). */
#ifndef NDCONV_SIMD_H
#define NDCONV_SIMD_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The micro-kernels are written once, with their sizes as arguments. Each call passes constants, and
 * only inlining turns those into loops that unroll and accumulators that live in registers. */
#undef CYTHON_INLINE
#define CYTHON_INLINE inline __attribute__((always_inline))

typedef NDCONV_REAL real;
#if NDCONV_REAL_BYTES == 4
#define NDCONV_LANE int32_t
#else
#define NDCONV_LANE int64_t
#endif

#if defined(__AVX512F__) && defined(__AVX512VL__)
#define NDCONV_LEVEL "x86-64-v4"
#define VECTOR_BYTES 64
#define REGISTERS 32
#elif defined(__AVX2__)
#define NDCONV_LEVEL "x86-64-v3"
#define VECTOR_BYTES 32
#define REGISTERS 16
#else
#define NDCONV_LEVEL "baseline"
#define VECTOR_BYTES 16
#define REGISTERS 16
#endif

#define LANES ((Py_ssize_t)(VECTOR_BYTES / sizeof(real)))

typedef real vec __attribute__((vector_size(VECTOR_BYTES)));
typedef real vec_unaligned __attribute__((vector_size(VECTOR_BYTES), aligned(1), may_alias));

static inline vec vec_load(const real *p) { return *(const vec_unaligned *)p; }
static inline void vec_store(real *p, vec v) { *(vec_unaligned *)p = v; }
/* v - 0 rather than 0 + v: exact for -0.0 too, and compilers drop it. */
static inline vec vec_splat(real v) { return v - (vec){0}; }

/* The same lanes in double precision. */
typedef double wide __attribute__((vector_size(VECTOR_BYTES / NDCONV_REAL_BYTES * 8)));
static inline wide vec_widen(vec v) { return __builtin_convertvector(v, wide); }
static inline vec vec_narrow(wide v) { return __builtin_convertvector(v, vec); }

/* Lane by lane, which compilers turn into one instruction each. */
static inline vec vec_max(vec a, vec b) {
    vec larger;
    for (int i = 0; i < LANES; i++) larger[i] = a[i] > b[i] ? a[i] : b[i];
    return larger;
}
static inline vec vec_is_positive(vec v) {
    vec is;
    for (int i = 0; i < LANES; i++) is[i] = v[i] > 0 ? 1 : 0;
    return is;
}

/* The first n lanes; zero in the others, whatever they held. */
typedef NDCONV_LANE lane_mask __attribute__((vector_size(VECTOR_BYTES)));
typedef NDCONV_LANE lane_mask_unaligned __attribute__((vector_size(VECTOR_BYTES), aligned(1), may_alias));
static CYTHON_INLINE vec vec_first(vec v, int n) {
    static const NDCONV_LANE mask[2 * VECTOR_BYTES / NDCONV_REAL_BYTES] = {[0 ... VECTOR_BYTES / NDCONV_REAL_BYTES - 1] = -1};
    return (vec)((lane_mask)v & *(const lane_mask_unaligned *)(mask + LANES - n));
}

/* The same vector, loaded once, where registers are many: compilers would rather load it again for each multiply-add, and
 * loads are what those then wait for. */
static inline vec vec_load_once(const real *p) {
    vec v = vec_load(p);
#if REGISTERS == 32
    __asm__("" : "+v"(v));
#endif
    return v;
}

/* The same vector, of which compilers know nothing more: a product that is added to a sum stays rounded by itself, as in
 * libraries that are built without fused multiply-adds. */
static inline vec vec_rounded(vec v) {
#if defined(__x86_64__)
    __asm__("" : "+v"(v));
#elif defined(__aarch64__)
    __asm__("" : "+w"(v));
#else
    __asm__("" : "+m"(v));
#endif
    return v;
}

/* The same address, of which compilers then know nothing more: those next to it are a constant away from it, instead of
 * each being a sum of its own. */
static inline const real *opaque_pointer(const real *p) {
    __asm__("" : "+r"(p));
    return p;
}

/* Ask for a cache line that the next tile reads. Planes' rows lie far apart, which hardware does not foresee. */
#define prefetch(p) __builtin_prefetch(p)
/* The same for one that is read later: it need not displace what the nearest cache has. */
#define prefetch_ahead(p) __builtin_prefetch(p, 0, 2)
/* The same for a line that will be written: it then arrives while the sums are made. */
#define prefetch_to_write(p) __builtin_prefetch(p, 1)

/* Interleave the low, or the high, halves of two vectors: the butterfly of a transposition. */
#define LOW_2 0, 2
#define HIGH_2 1, 3
#define LOW_4 0, 4, 1, 5
#define HIGH_4 2, 6, 3, 7
#define LOW_8 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH_8 4, 12, 5, 13, 6, 14, 7, 15
#define LOW_16 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH_16 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#if VECTOR_BYTES / NDCONV_REAL_BYTES == 16
#define LANE_COUNT 16
#elif VECTOR_BYTES / NDCONV_REAL_BYTES == 8
#define LANE_COUNT 8
#elif VECTOR_BYTES / NDCONV_REAL_BYTES == 4
#define LANE_COUNT 4
#else
#define LANE_COUNT 2
#endif
static inline vec vec_zip_low(vec a, vec b) { return __builtin_shufflevector(a, b, JOIN(LOW_, LANE_COUNT)); }
static inline vec vec_zip_high(vec a, vec b) { return __builtin_shufflevector(a, b, JOIN(HIGH_, LANE_COUNT)); }

/* Transpose a LANES x LANES block: after log2(LANES) perfect shuffles, row i holds column i. */
static inline void transpose_block(const real *from, Py_ssize_t from_stride, real *to, Py_ssize_t to_stride) {
    vec a[LANE_COUNT], b[LANE_COUNT];
    for (int i = 0; i < LANE_COUNT; i++) a[i] = vec_load(from + i * from_stride);
#define SHUFFLE(source, target)                                                   \
    for (int i = 0; i < LANE_COUNT / 2; i++) {                                    \
        target[2 * i] = vec_zip_low(source[i], source[i + LANE_COUNT / 2]);       \
        target[2 * i + 1] = vec_zip_high(source[i], source[i + LANE_COUNT / 2]);  \
    }
    SHUFFLE(a, b)
#if LANE_COUNT >= 4
    SHUFFLE(b, a)
#endif
#if LANE_COUNT >= 8
    SHUFFLE(a, b)
#endif
#if LANE_COUNT >= 16
    SHUFFLE(b, a)
#endif
#undef SHUFFLE
    for (int i = 0; i < LANE_COUNT; i++)
        vec_store(to + i * to_stride, LANE_COUNT == 2 || LANE_COUNT == 8 ? b[i] : a[i]);
}

/* An index for each lane: f(lane, r). */
#define EACH_2(f, r) f(0, r), f(1, r)
#define EACH_4(f, r) EACH_2(f, r), f(2, r), f(3, r)
#define EACH_8(f, r) EACH_4(f, r), f(4, r), f(5, r), f(6, r), f(7, r)
#define EACH_16(f, r) EACH_8(f, r), f(8, r), f(9, r), f(10, r), f(11, r), f(12, r), f(13, r), f(14, r), f(15, r)
#define EACH_LANE(f, r) JOIN(EACH_, LANE_COUNT)(f, r)

/* Every other lane of two vectors. */
#define EVERY_OTHER(i, r) (2 * (i) + (r))
static inline vec vec_even(vec a, vec b) { return __builtin_shufflevector(a, b, EACH_LANE(EVERY_OTHER, 0)); }
static inline vec vec_odd(vec a, vec b) { return __builtin_shufflevector(a, b, EACH_LANE(EVERY_OTHER, 1)); }

/* Residues of an axis of a short stride. Vectors of 32 bytes are shuffled within their halves, from one to the other of
 * which every shuffle is slow: each half has LANES / 2 outputs' samples, which are loaded to where they are shuffled. */
#define PART (VECTOR_BYTES == 32 ? LANE_COUNT / 2 : LANE_COUNT)
#if VECTOR_BYTES == 32
typedef real half __attribute__((vector_size(16)));
typedef real half_unaligned __attribute__((vector_size(16), aligned(1), may_alias));
#if LANE_COUNT == 8
#define BOTH_HALVES 0, 1, 2, 3, 4, 5, 6, 7
#else
#define BOTH_HALVES 0, 1, 2, 3
#endif
static inline vec vec_load_part(const real *from, int k, int stride) {
    half low = *(const half_unaligned *)(from + k * PART), high = *(const half_unaligned *)(from + (stride + k) * PART);
    return __builtin_shufflevector(low, high, BOTH_HALVES);
}
#else
static inline vec vec_load_part(const real *from, int k, int stride) { return vec_load(from + k * LANES); }
#endif
/* Where sample n of those of a lane's part is, in the vectors loaded so. */
#define IN_PART(i, n) ((n) / PART * LANE_COUNT + (i) / PART * PART + (n) % PART)
#define SECOND(i, r) IN_PART(i, 2 * ((i) % PART) + (r))
#define VEC_SECOND(a, b, r) __builtin_shufflevector(a, b, EACH_LANE(SECOND, r))
/* Of three vectors: what the first two have of them, and then what the last has. */
#define THIRD(i, r) (3 * ((i) % PART) + (r) < 2 * PART ? IN_PART(i, 3 * ((i) % PART) + (r)) : (i))
#define OR_OF_LAST(i, r) (3 * ((i) % PART) + (r) < 2 * PART ? (i) : IN_PART(i, 3 * ((i) % PART) + (r) - PART))
#define VEC_THIRD(a, b, c, r) \
    __builtin_shufflevector(__builtin_shufflevector(a, b, EACH_LANE(THIRD, r)), c, EACH_LANE(OR_OF_LAST, r))

/* Deal out the samples of so many vectors, one by one, to as many rows; those that are NULL get none. */
enum { MOST_RESIDUES = 4 };
static CYTHON_INLINE void deal_residues(const real *from, real *const *to, Py_ssize_t at, int stride) {
    vec v[MOST_RESIDUES], even[2], odd[2];
    for (int k = 0; k < stride; k++) v[k] = vec_load_part(from, k, stride);
    if (stride == 2) {
        if (to[0]) vec_store(to[0] + at, VEC_SECOND(v[0], v[1], 0));
        if (to[1]) vec_store(to[1] + at, VEC_SECOND(v[0], v[1], 1));
    } else if (stride == 3) {
        if (to[0]) vec_store(to[0] + at, VEC_THIRD(v[0], v[1], v[2], 0));
        if (to[1]) vec_store(to[1] + at, VEC_THIRD(v[0], v[1], v[2], 1));
        if (to[2]) vec_store(to[2] + at, VEC_THIRD(v[0], v[1], v[2], 2));
    } else {
        for (int k = 0; k < 2; k++) {
            even[k] = VEC_SECOND(v[2 * k], v[2 * k + 1], 0);
            odd[k] = VEC_SECOND(v[2 * k], v[2 * k + 1], 1);
        }
        if (to[0]) vec_store(to[0] + at, VEC_SECOND(even[0], even[1], 0));
        if (to[1]) vec_store(to[1] + at, VEC_SECOND(odd[0], odd[1], 0));
        if (to[2]) vec_store(to[2] + at, VEC_SECOND(even[0], even[1], 1));
        if (to[3]) vec_store(to[3] + at, VEC_SECOND(odd[0], odd[1], 1));
    }
}

/* The sum of all lanes: of neighbours, of their sums, and so on. */
static inline real vec_sum(vec v) {
    for (int count = LANE_COUNT; count > 1; count /= 2) v = vec_even(v, v) + vec_odd(v, v);
    return v[0];
}

/* Shapes of the micro-kernels, in vectors, channels and rows: as many accumulators as the registers hold beside
 * the operands of one tap. */
#if REGISTERS == 32
enum { TILE_VECTORS = 4, BANK_CHANNELS = 8, BANK_VECTORS = 3, ROW_VECTORS = 4, ROW_ROWS = 4, LONG_ROW_VECTORS = 8, ORDERED_VECTORS = 8 };
#else
enum { TILE_VECTORS = 2, BANK_CHANNELS = 4, BANK_VECTORS = 3, ROW_VECTORS = 3, ROW_ROWS = 4, LONG_ROW_VECTORS = 8, ORDERED_VECTORS = 4 };
#endif

/* Pixels of a tile at most, and of a strip, whose tiles' sums are transposed and stored together: long enough that a
 * row of y gets whole cache lines, and a whole number of vectors of every level. */
enum { TILE_PIXELS = 12, STRIP = 48 };
/* Output channels whose gradients are summed together along lines. */
enum { MOST_OUTPUTS = 4 };
#define SUMS (STRIP * TILE_VECTORS * LANES)
enum { MOST_VECTOR = TILE_VECTORS * VECTOR_BYTES / NDCONV_REAL_BYTES, MOST_SUMS = STRIP * MOST_VECTOR };
enum { MOST_LANES = LANE_COUNT, MOST_BLOCK = LANE_COUNT * LANE_COUNT };

/* The place of a sample that is not read but filled in. */
#define FILL PY_SSIZE_T_MIN

/* Samples at any address: x may be misaligned. */
typedef int8_t i8_unaligned;
typedef uint8_t u8_unaligned;
typedef int16_t i16_unaligned __attribute__((aligned(1), may_alias));
typedef uint16_t u16_unaligned __attribute__((aligned(1), may_alias));
typedef int32_t i32_unaligned __attribute__((aligned(1), may_alias));
typedef uint32_t u32_unaligned __attribute__((aligned(1), may_alias));
typedef int64_t i64_unaligned __attribute__((aligned(1), may_alias));
typedef uint64_t u64_unaligned __attribute__((aligned(1), may_alias));
typedef float f32_unaligned __attribute__((aligned(1), may_alias));
typedef double f64_unaligned __attribute__((aligned(1), may_alias));

/* A sample with its bytes the other way round. */
static inline void bswap16(char *to, const char *from) {
    uint16_t v = __builtin_bswap16(*(const u16_unaligned *)from);
    memcpy(to, &v, 2);
}
static inline void bswap32(char *to, const char *from) {
    uint32_t v = __builtin_bswap32(*(const u32_unaligned *)from);
    memcpy(to, &v, 4);
}
static inline void bswap64(char *to, const char *from) {
    uint64_t v = __builtin_bswap64(*(const u64_unaligned *)from);
    memcpy(to, &v, 8);
}

/* IEEE half precision, which C has no portable type for. A half's bits moved to a float's places are
 * that half times 2^-112; rounding to nearest even happens in one addition. */
static inline float half_to_float(uint16_t half) {
    union { uint32_t bits; float value; } v = {(uint32_t)(half & 0x7fff) << 13};
    v.value *= 0x1p112f;
    if (v.value >= 65536.0f) v.bits |= 0x7f800000u;
    v.bits |= (uint32_t)(half & 0x8000) << 16;
    return v.value;
}
static inline uint16_t float_to_half(float value) {
    union { float value; uint32_t bits; } v = {value};
    uint32_t sign = (v.bits >> 16) & 0x8000u;
    v.bits &= 0x7fffffffu;
    if (v.bits >= 0x47800000u) return (uint16_t)(sign | (v.bits > 0x7f800000u ? 0x7e00u : 0x7c00u));
    if (v.bits < 0x38800000u) {
        v.value += 0.5f;
        return (uint16_t)(sign | (v.bits - 0x3f000000u));
    }
    v.bits += 0xfffu + ((v.bits >> 13) & 1u) - (112u << 23);
    return (uint16_t)(sign | (v.bits >> 13));
}

#endif
