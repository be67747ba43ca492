# cython: language_level=3, freethreading_compatible=True
"""What the package must know of the machine and of its own build before it loads a core.

Built for the baseline: a core's import alone already executes its level's instructions.
"""
cdef extern from *:
    """
    #if defined(__x86_64__)
    #include <cpuid.h>
    /* As the x86-64 psABI defines the levels. The compiler's builtin also asks whether the operating system keeps the
     * registers, but not every compiler's builtin knows F16C, MOVBE and LZCNT. */
    static int has_v3(void) {
        unsigned a, b, c1 = 0, c2 = 0, d;
        __builtin_cpu_init();
        __get_cpuid(1, &a, &b, &c1, &d);
        __get_cpuid(0x80000001, &a, &b, &c2, &d);
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
            && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")
            && (c1 & bit_F16C) && (c1 & bit_MOVBE) && (c2 & bit_LZCNT);
    }
    static int has_v4(void) {
        return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
            && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq")
            && __builtin_cpu_supports("avx512vl");
    }
    #else
    static int has_v3(void) { return 0; }
    static int has_v4(void) { return 0; }
    #endif
    #define NDCONV_TEXT_(x) #x
    #define NDCONV_TEXT(x) NDCONV_TEXT_(x)
    #if defined(__clang__)
    #define NDCONV_COMPILER "clang " __clang_version__
    #else
    #define NDCONV_COMPILER "gcc " __VERSION__
    #endif
    """
    bint has_v3()
    bint has_v4()
    const char* NDCONV_LEVELS
    const char* NDCONV_VERSION
    const char* NDCONV_COMPILER

version = NDCONV_VERSION.decode()
# Best last.
built_levels = tuple(NDCONV_LEVELS.decode().split())
compiler = NDCONV_COMPILER.decode().strip()


def has_level(level):
    """Whether this processor executes the instructions of a level."""
    if level == "x86-64-v3":
        return has_v3()
    if level == "x86-64-v4":
        return has_v4()
    return level == "baseline"
