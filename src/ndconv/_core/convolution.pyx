# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True, binding=False
"""The convolution engine for one compute type and one instruction-set level.

This one source is built for every pair of them; see meson.build. It is put together from the files that it includes
below, each of which uses only those before it. Python sees a class or a function for each method.
"""
cimport numpy as cnp
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.float cimport DBL_EPSILON
from libc.math cimport HUGE_VAL, fabs, frexp, ldexp
from cpython.pyport cimport PY_SSIZE_T_MAX
from libc.stdlib cimport free
from libc.string cimport memcmp, memcpy, memset

from ndconv._threads.tasks cimport raise_flag, run_tasks

import numpy as np

cnp.import_array()

cdef extern from "simd.h" nogil:
    ctypedef float real
    ctypedef float vec
    ctypedef double wide
    ctypedef int8_t i8_unaligned
    ctypedef uint8_t u8_unaligned
    ctypedef int16_t i16_unaligned
    ctypedef uint16_t u16_unaligned
    ctypedef int32_t i32_unaligned
    ctypedef uint32_t u32_unaligned
    ctypedef int64_t i64_unaligned
    ctypedef uint64_t u64_unaligned
    ctypedef float f32_unaligned
    ctypedef double f64_unaligned
    const char* NDCONV_LEVEL
    const char* NDCONV_DTYPE
    enum:
        VECTOR_BYTES
        REGISTERS
        STRIP
        TILE_PIXELS
        MOST_SUMS
        MOST_VECTOR
        MOST_LANES
        MOST_BLOCK
        MOST_RESIDUES
        TILE_VECTORS
        BANK_CHANNELS
        BANK_VECTORS
        ROW_VECTORS
        ROW_ROWS
        LONG_ROW_VECTORS
        ORDERED_VECTORS
        MOST_OUTPUTS
    const Py_ssize_t LANES
    const Py_ssize_t SUMS
    const Py_ssize_t FILL
    vec vec_load(const real*)
    vec vec_load_once(const real*)
    vec vec_rounded(vec)
    void vec_store(real*, vec)
    vec vec_splat(real)
    wide vec_widen(vec)
    vec vec_narrow(wide)
    vec vec_max(vec, vec)
    vec vec_is_positive(vec)
    vec vec_even(vec, vec)
    void deal_residues(const real*, real* const*, Py_ssize_t, int)
    vec vec_odd(vec, vec)
    real vec_sum(vec)
    vec vec_first(vec, int)
    vec vec_zip_low(vec, vec)
    vec vec_zip_high(vec, vec)
    void bswap16(char*, const char*)
    void bswap32(char*, const char*)
    void bswap64(char*, const char*)
    const real* opaque_pointer(const real*)
    void prefetch(const real*)
    void prefetch_ahead(const real*)
    void prefetch_to_write(const real*)
    void transpose_block(const real*, Py_ssize_t, real*, Py_ssize_t)
    float half_to_float(uint16_t)
    uint16_t float_to_half(float)

cdef extern from "activation.h" nogil:
    enum:
        IDENTITY
        LAST_ACTIVATION
    vec vec_activate(int, vec)

cdef extern from "memory.h" nogil:
    void* allocate(size_t)

cdef extern from "contract.h" nogil:
    const bint IS_SAFE
    void nd_assert(bint holds)
    void nd_assert_within(Py_ssize_t number, Py_ssize_t least, Py_ssize_t most)

include "plan.pxi"
include "arrays.pxi"
include "workspace.pxi"

include "stages/axis.pxi"
include "stages/convert.pxi"
include "stages/along.pxi"
include "stages/source.pxi"
include "stages/pad.pxi"
include "stages/epilogue.pxi"
include "stages/weights.pxi"
include "stages/pack.pxi"

include "kernels/tile.pxi"
include "kernels/bank.pxi"
include "kernels/rows.pxi"
include "kernels/depthwise.pxi"
include "kernels/gradient.pxi"
include "kernels/ordered.pxi"
include "kernels/winograd_transforms.pxi"

include "methods/direct/box.pxi"
include "methods/direct/finish.pxi"
include "methods/direct/tiles.pxi"
include "methods/direct/lines.pxi"
include "methods/direct/tasks.pxi"
include "methods/direct/plan.pxi"
include "methods/polyphase.pxi"
include "methods/means.pxi"
include "methods/ordered_lines.pxi"
include "methods/ordered_window.pxi"
include "methods/ordered_plane.pxi"
include "methods/ordered_phases.pxi"
include "methods/weight_gradient/boxes.pxi"
include "methods/weight_gradient/plan.pxi"
include "methods/winograd/schedule.pxi"
include "methods/winograd/magnitudes.pxi"
include "methods/winograd/input.pxi"
include "methods/winograd/weights.pxi"
include "methods/winograd/output.pxi"
include "methods/winograd/products.pxi"
include "methods/winograd/plan.pxi"

include "build.pxi"
