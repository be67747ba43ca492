# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True, binding=False
"""The convolution engine for one compute type and one instruction-set level.

This one source is built for every pair of them; see meson.build. `Direct` is a frozen plan of the direct method;
everything that it is told about a call was checked before.
"""
cimport numpy as cnp
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.math cimport HUGE_VAL, frexp, ldexp
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
    ctypedef int8_t any_i8
    ctypedef uint8_t any_u8
    ctypedef int16_t any_i16
    ctypedef uint16_t any_u16
    ctypedef int32_t any_i32
    ctypedef uint32_t any_u32
    ctypedef int64_t any_i64
    ctypedef uint64_t any_u64
    ctypedef float any_f32
    ctypedef double any_f64
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
        TILE_VECTORS
        BANK_CHANNELS
        BANK_VECTORS
        ROW_VECTORS
        ROW_ROWS
        LONG_ROW_VECTORS
        MOST_OUTPUTS
    const Py_ssize_t LANES
    const Py_ssize_t SUMS
    const Py_ssize_t FILL
    vec vec_load(const real*)
    vec vec_loaded(const real*)
    void vec_store(real*, vec)
    vec vec_splat(real)
    wide vec_widen(vec)
    vec vec_narrow(wide)
    vec vec_max(vec, vec)
    vec vec_is_positive(vec)
    vec vec_even(vec, vec)
    vec vec_odd(vec, vec)
    real vec_sum(vec)
    vec vec_first(vec, int)
    vec vec_zip_low(vec, vec)
    vec vec_zip_high(vec, vec)
    void turn_2(char*, const char*)
    void turn_4(char*, const char*)
    void turn_8(char*, const char*)
    const real* one_address(const real*)
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
include "workspace.pxi"
include "axis.pxi"
include "pad.pxi"
include "tile.pxi"
include "bank.pxi"
include "rows.pxi"
include "depthwise.pxi"
include "epilogue.pxi"
include "pack.pxi"
include "direct.pxi"
include "phases.pxi"
include "points.pxi"
include "winograd.pxi"
include "gradient.pxi"
include "means.pxi"
include "tasks.pxi"

compute_dtype = np.dtype(NDCONV_DTYPE.decode())
level = NDCONV_LEVEL.decode()
lanes = LANES
strip = STRIP
tile_vectors = TILE_VECTORS
tile_channels = TILE_VECTORS * LANES
tile_pixels = [most_pixels(vectors) for vectors in range(1, TILE_VECTORS + 1)]
bank_channels = BANK_CHANNELS
bank_vectors = BANK_VECTORS
most_phases = MOST_PHASES
is_safe = bool(IS_SAFE)    # whether contracts are checked: `meson setup -Dsafe=true`

cdef int compute_code = {"float32": FLOAT32, "float64": FLOAT64, "uint32": UINT32, "uint64": UINT64}[
    compute_dtype.name
]


# By NumPy's type number, because C has more names for integers than sizes. A complex sample is two.
cdef int sample_codes[64]
for code in range(64):
    sample_codes[code] = -1
for name, code in {
    "?": BOOL, "b": INT8, "B": UINT8, "e": FLOAT16, "f": FLOAT32, "F": FLOAT32, "d": FLOAT64, "D": FLOAT64,
}.items():
    sample_codes[np.dtype(name).num] = code
for name in "hilq":
    sample_codes[np.dtype(name).num] = {2: INT16, 4: INT32, 8: INT64}[np.dtype(name).itemsize]
    sample_codes[np.dtype(name.upper()).num] = {2: UINT16, 4: UINT32, 8: UINT64}[np.dtype(name).itemsize]


cdef int demand(bint holds, str what) except -1:
    """Raises where what the kernels rely on does not hold: they would read or write other memory."""
    if not holds:
        raise ValueError(f"the core was given {what}")
    return 0


cdef int demand_plan(const Plan* plan) except -1:
    """Raises for a plan by which kernels would leave their arrays, or never end."""
    cdef const Blocking* b = &plan.blocking
    cdef Py_ssize_t interleave = plan.planes.interleave
    demand(plan.groups > 0 and plan.sets > 0 and plan.channels_in >= 0 and plan.channels_out >= 0, "other channels")
    demand(b.blocks_per_task > 0 and b.groups_per_task > 0 and b.stretch > 0 and b.padded_channels > 0
           and (b.channel_block > 0 or plan.channels_in == 0), "parts of nothing")
    demand(interleave == 1 or interleave == LANES, f"{interleave} channels side by side")
    if plan.kernel == BANK:
        demand(b.n_blocks > 0 and parts(plan.channels_out, b.n_blocks) <= BANK_CHANNELS, "too few blocks")
    elif plan.kernel == TILE:
        demand(b.n_blocks == 1 or 0 < (b.n_blocks - 1) * TILE_VECTORS * LANES < plan.channels_out, "too many blocks")
    elif plan.kernel == ROWS:
        demand(0 < b.n_blocks <= max(plan.channels_out, 1), "too many blocks")
    else:
        demand(b.n_blocks == 1 and plan.channels_in == plan.channels_out == interleave == LANES
               and b.padded_channels >= LANES, "other vectors of channels")
    return 0


cdef int demand_tiling(const Plan* plan, const Tiling* t) except -1:
    """Raises for tiles that their transforms have no room or no constants for."""
    demand(4 <= t.column_points <= 6 and (t.row_points == 1 or t.row_points == t.column_points)
           and t.points == t.row_points * t.column_points <= MOST_POINTS, f"tiles of {t.points} points")
    demand(1 <= t.rows <= MOST_SIDE and 2 <= t.columns <= MOST_SIDE and (t.rows > 1) == (t.row_points > 1),
           f"tiles of {t.rows} by {t.columns} outputs")
    demand(t.row_taps > 0 and t.column_taps > 0 and t.row_step > 0 and t.column_step > 0
           and t.rows + parts(t.row_taps, t.row_step) - 1 == t.row_points
           and t.columns + parts(t.column_taps, t.column_step) - 1 == t.column_points, "taps of other tiles")
    demand(t.row_dilation > 0 and t.column_dilation > 0 and t.outer == plan.ndim - (2 if t.rows > 1 else 1),
           "other axes of tiles")
    demand(t.phases == t.row_step * t.column_step and t.weight_values == (
        (t.row_step * (t.row_points - 1) + phases_at(t.row_points - 1, t.row_points, t.row_taps, t.row_step))
        * (t.column_step * (t.column_points - 1)
           + phases_at(t.column_points - 1, t.column_points, t.column_taps, t.column_step))
    ), "other phases of tiles")
    demand(t.positions > 0 and t.lines > 0 and t.depth > 0 and t.grid_rows > 0 and t.grid_columns > 0
           and t.round_images > 0 and t.round_rows > 0 and t.round_columns > 0 and t.band > 0 and t.chunk > 0
           and t.together > 0, "rounds of nothing")
    demand(plan.planes.interleave == LANES, "planes that are not interleaved")
    return 0


cdef int sample_code(cnp.ndarray array) except -1:
    """The code of an array's samples, or of their parts."""
    cdef int number = cnp.PyArray_TYPE(array)
    cdef int code = sample_codes[number] if 0 <= number < 64 else -1
    demand(code >= 0, "an array of another dtype")
    return code


cdef bint holds_reals(cnp.ndarray array) except -1:
    """Whether an array has aligned, native samples of the compute type, or integers of the same size."""
    cdef int code = sample_code(array)
    return (
        (code == compute_code
         or (cnp.PyArray_ITEMSIZE(array) == sizeof(real) and code < FLOAT16 and compute_code < FLOAT16))
        and not cnp.PyArray_ISCOMPLEX(array) and cnp.PyArray_ISNOTSWAPPED(array) and cnp.PyArray_ISALIGNED(array)
    )


cdef int demand_shape(cnp.ndarray array, cnp.ndarray y, int batch_ndim, Py_ssize_t channels, const Py_ssize_t* spatial,
                      int ndim, bint may_be_wider) except -1:
    """Raises for an array that has not the shape (*batch of y, channels, *spatial); an array y may have wider rows."""
    cdef int axis
    cdef Py_ssize_t size
    demand(cnp.PyArray_NDIM(array) == batch_ndim + 1 + ndim, "an array of other axes")
    demand(cnp.PyArray_DIM(array, batch_ndim) * (2 if cnp.PyArray_ISCOMPLEX(array) else 1) == channels,
           "an array of other channels")
    for axis in range(batch_ndim):
        demand(cnp.PyArray_DIM(array, axis) == cnp.PyArray_DIM(y, axis), "an array of another batch")
    for axis in range(ndim):
        size = cnp.PyArray_DIM(array, batch_ndim + 1 + axis)
        demand(size == spatial[axis] or (may_be_wider and axis == ndim - 1 and size > spatial[axis]),
               "an array of other spatial axes")
    return 0


cdef int describe(Samples* samples, cnp.ndarray array, int batch_ndim, int ndim) except -1:
    """Fills in `samples` for an array of shape (*batch, channels, *spatial)."""
    cdef int axis
    cdef bint is_complex = cnp.PyArray_ISCOMPLEX(array)
    samples.data = <char*> cnp.PyArray_DATA(array)
    samples.code = sample_code(array)
    samples.last = ndim - 1
    samples.swapped = not cnp.PyArray_ISNOTSWAPPED(array)
    samples.parts = 2 if is_complex else 1
    samples.size = cnp.PyArray_ITEMSIZE(array) // samples.parts
    samples.part = samples.size
    samples.same = (
        (samples.code == compute_code
         or (samples.size == sizeof(real) and samples.code < FLOAT16 and compute_code < FLOAT16))
        and not samples.swapped and cnp.PyArray_ISALIGNED(array)
    )
    samples.channel = cnp.PyArray_STRIDE(array, batch_ndim)
    for axis in range(batch_ndim):
        samples.batch[axis] = cnp.PyArray_STRIDE(array, axis)
    for axis in range(ndim):
        samples.stride[axis] = cnp.PyArray_STRIDE(array, batch_ndim + 1 + axis)
    return 0


cdef const Py_ssize_t* first_of(const Py_ssize_t[::1] table) noexcept:
    """Where a table begins, which its owner keeps."""
    return &table[0] if table.shape[0] > 0 else NULL


cdef int copy_axes(Py_ssize_t* target, numbers, int ndim) except -1:
    """Copies a number for each spatial axis."""
    cdef int axis
    demand(len(numbers) == ndim, "numbers of other axes")
    for axis in range(ndim):
        target[axis] = numbers[axis]
    return 0


cdef class Weights:
    """Aligned weights (sets, outputs, inputs, *kernel) of the compute type, in any order of memory."""

    cdef Order order
    cdef cnp.ndarray array
    cdef cnp.ndarray places

    def __init__(self, cnp.ndarray weights):
        cdef Order* order = &self.order
        cdef Py_ssize_t* places
        cdef Py_ssize_t size, step, i, rest, farthest = 0
        cdef int axis, ndim = cnp.PyArray_NDIM(weights)
        demand(ndim > 3 and holds_reals(weights), "weights of another dtype or too few axes")
        self.array = weights
        order.taps = 1
        for axis in range(3, ndim):
            order.taps *= cnp.PyArray_DIM(weights, axis)
        self.places = np.empty(order.taps, np.intp)
        places = <Py_ssize_t*> cnp.PyArray_DATA(self.places)
        order.near = cnp.PyArray_STRIDE(weights, 1) % <Py_ssize_t> sizeof(real) == 0
        order.nearest = 0
        for i in range(order.taps):
            places[i] = 0
            rest = i
            for axis in range(ndim - 1, 2, -1):
                size, step = cnp.PyArray_DIM(weights, axis), cnp.PyArray_STRIDE(weights, axis)
                places[i] += rest % size * step
                rest = rest // size
            order.nearest = min(order.nearest, places[i])
            farthest = max(farthest, places[i])
            order.near = order.near and places[i] % <Py_ssize_t> sizeof(real) == 0
        order.near = order.near and farthest - order.nearest < VECTOR_BYTES
        order.places = places
        order.source = <const char*> cnp.PyArray_DATA(weights)
        order.outputs = cnp.PyArray_DIM(weights, 1)
        order.inputs = cnp.PyArray_DIM(weights, 2)
        order.set = cnp.PyArray_STRIDE(weights, 0)
        order.output = cnp.PyArray_STRIDE(weights, 1)
        order.input = cnp.PyArray_STRIDE(weights, 2)
        order.contiguous = cnp.PyArray_IS_C_CONTIGUOUS(weights)
        order.end = order.source + sizeof(real)
        for axis in range(ndim):
            order.end += max(0, (cnp.PyArray_DIM(weights, axis) - 1) * cnp.PyArray_STRIDE(weights, axis))


cdef class Packed:
    """Weights in the order in which a micro-kernel reads them."""

    cdef real[::1] weights
    cdef readonly bint finite   # as far as that matters
    cdef readonly Py_ssize_t nbytes    # 0 where there are none yet
    cdef Py_ssize_t sets, set_size
    cdef readonly double share    # of Winograd's method: the largest part of one weight in the sum of an output's


cdef class Direct:
    """A frozen plan of the direct method: ``Direct(blocking)``, with the attributes of ``_methods.direct.Blocking``."""

    cdef Plan plan
    cdef const Py_ssize_t[::1] relative, segment_start, segment_length, tap_offset, tap_first, tap_end
    cdef const Py_ssize_t[::1] chain_offset, chain_length, tap_order
    cdef readonly object blocking
    cdef readonly Py_ssize_t scratch_bytes
    cdef Py_ssize_t tasks_per_batch

    def __init__(self, blocking):
        cdef Plan* plan = &self.plan
        cdef Scratch scratch
        cdef int axis
        self.blocking = blocking
        plan.kernel = {"tile": TILE, "bank": BANK, "rows": ROWS, "depthwise": DEPTHWISE}[blocking.kernel]
        plan.ndim = len(blocking.box)
        demand(1 <= plan.ndim <= MAX_AXES, f"{plan.ndim} spatial axes")
        demand(blocking.fill_values.dtype == compute_dtype and blocking.fill_values.size == 2, "other fill values")
        memcpy(plan.fill, cnp.PyArray_DATA(blocking.fill_values), 2 * sizeof(real))
        plan.groups, plan.sets = blocking.groups, blocking.sets
        plan.channels_in, plan.channels_out = blocking.channels_in, blocking.channels_out
        copy_axes(plan.in_shape, blocking.in_shape, plan.ndim)
        copy_axes(plan.out_shape, blocking.out_shape, plan.ndim)
        copy_axes(plan.stride, blocking.stride, plan.ndim)
        copy_axes(plan.origin, blocking.origin, plan.ndim)
        for axis in range(plan.ndim):
            plan.mode[axis] = blocking.modes[axis]
            demand(plan.stride[axis] > 0 and ZEROS <= plan.mode[axis] <= CIRCULAR,
                   "a stride or a padding mode that is none")
        self.read_blocking(blocking)
        self.read_planes(blocking)
        self.read_taps(blocking)
        demand_plan(plan)
        plan.set_size = plan.channels_out * plan.channels_in * plan.taps.count
        if plan.kernel == TILE:
            plan.set_size = parts(plan.channels_out, LANES) * LANES * plan.channels_in * plan.taps.count
        elif plan.kernel == DEPTHWISE:
            plan.set_size = LANES * plan.taps.count
        self.scratch_bytes = lay_out(plan, NULL, &scratch)
        self.tasks_per_batch = (
            plan.blocking.n_boxes * parts(plan.groups, plan.blocking.groups_per_task)
            * parts(plan.blocking.n_blocks, plan.blocking.blocks_per_task)
        )

    cdef int read_blocking(self, blocking) except -1:
        cdef const Plan* plan = &self.plan
        cdef Blocking* b = &self.plan.blocking
        cdef int axis
        copy_axes(b.box, blocking.box, plan.ndim)
        b.n_boxes = 1
        for axis in range(plan.ndim):
            demand(b.box[axis] > 0, "boxes of nothing")
            b.boxes[axis] = parts(plan.out_shape[axis], b.box[axis])
            b.n_boxes *= b.boxes[axis]
        b.n_blocks = blocking.n_blocks
        b.blocks_per_task, b.groups_per_task = blocking.blocks_per_task, blocking.groups_per_task
        b.channel_block, b.padded_channels = blocking.channel_block, blocking.padded_channels
        b.stretch = blocking.stretch
        return 0

    cdef int read_planes(self, blocking) except -1:
        cdef const Plan* plan = &self.plan
        cdef Planes* planes = &self.plan.planes
        cdef Py_ssize_t rows = 0, samples = 0, most = 1, segment
        cdef int axis
        planes.in_place, planes.flat, planes.interleave = blocking.in_place, blocking.flat, blocking.interleave
        planes.size, planes.row_length = blocking.plane_size, blocking.row_length
        copy_axes(planes.shape, blocking.plane_shape, plan.ndim)
        copy_axes(planes.stride, blocking.plane_stride, plan.ndim)
        self.relative = np.concatenate(blocking.relative)
        self.segment_start, self.segment_length = blocking.segment_start, blocking.segment_length
        planes.n_segments = self.segment_start.shape[0]
        planes.segment_start, planes.segment_length = first_of(self.segment_start), first_of(self.segment_length)
        demand(self.segment_length.shape[0] == planes.n_segments, "other segments")
        if planes.in_place:
            return 0
        for axis in range(plan.ndim - 1):
            planes.relative[axis] = first_of(self.relative) + rows
            demand(len(blocking.relative[axis]) == planes.shape[axis], "rows of other planes")
            rows += planes.shape[axis]
            most *= planes.shape[axis]
        for segment in range(planes.n_segments):
            demand(planes.segment_length[segment] >= 0, "other segments")
            samples += planes.segment_length[segment]
        demand(samples == planes.row_length * (planes.n_segments if planes.flat else 1), "segments of other planes")
        demand(most * samples <= planes.size, "planes of another size")
        return 0

    cdef int read_taps(self, blocking) except -1:
        cdef const Plan* plan = &self.plan
        cdef Taps* taps = &self.plan.taps
        cdef Py_ssize_t i, in_chains = 0, shortest = PY_SSIZE_T_MAX, longest = 0
        cdef int axis
        self.tap_offset, self.tap_first, self.tap_end = blocking.tap_offset, blocking.tap_first, blocking.tap_end
        taps.count, taps.offset = self.tap_offset.shape[0], first_of(self.tap_offset)
        taps.first, taps.end = first_of(self.tap_first), first_of(self.tap_end)
        taps.skip, taps.zeros = blocking.skip, blocking.zeros
        if taps.skip:
            demand(self.tap_first.shape[0] == self.tap_end.shape[0] == taps.count * plan.ndim, "other bounds of taps")
            for axis in range(plan.ndim):
                taps.inner_first[axis], taps.inner_end[axis] = 0, plan.out_shape[axis]
                for i in range(taps.count):
                    taps.inner_first[axis] = max(taps.inner_first[axis], taps.first[i * plan.ndim + axis])
                    taps.inner_end[axis] = min(taps.inner_end[axis], taps.end[i * plan.ndim + axis])
        self.chain_offset, self.chain_length = blocking.chain_offset, blocking.chain_length
        self.tap_order = blocking.tap_order
        taps.chains, taps.chain_step = self.chain_offset.shape[0], blocking.chain_step
        taps.chain_offset, taps.chain_length = first_of(self.chain_offset), first_of(self.chain_length)
        taps.order = first_of(self.tap_order)
        demand(self.chain_length.shape[0] == taps.chains, "other chains")
        for i in range(taps.chains):
            shortest, longest = min(shortest, taps.chain_length[i]), max(longest, taps.chain_length[i])
            in_chains += taps.chain_length[i]
        taps.chains_alike = ALL_LONG if shortest >= ROW_ROWS else MIXED
        if shortest == longest == 3:
            taps.chains_alike = ALL_OF_3
        if plan.kernel == ROWS or plan.kernel == DEPTHWISE:
            demand(in_chains == self.tap_order.shape[0] == taps.count and shortest > 0, "chains of other taps")
            for i in range(taps.count):
                demand(0 <= taps.order[i] < taps.count, "chains of other taps")
        return 0

    @property
    def nbytes(self):
        """About what the plan takes: its tables, and as much again for each as NumPy needs for a small array."""
        cdef Py_ssize_t numbers = (
            self.relative.shape[0] + self.segment_start.shape[0] + self.segment_length.shape[0]
            + self.tap_offset.shape[0] + self.tap_first.shape[0] + self.tap_end.shape[0]
            + self.chain_offset.shape[0] + self.chain_length.shape[0] + self.tap_order.shape[0]
        )
        return sizeof(Plan) + (9 + self.plan.ndim) * 128 + numbers * sizeof(Py_ssize_t)

    def pack(self, cnp.ndarray weights, int workers=1):
        """Return packed weights from aligned ones (sets, channels_out, channels_in, *kernel) of the compute type."""
        cdef const Plan* plan = &self.plan
        cdef Weights source = self.described(weights if plan.kernel == TILE else np.ascontiguousarray(weights))
        cdef PackTasks tasks
        cdef Py_ssize_t sets = cnp.PyArray_DIM(weights, 0)
        cdef Packed packed = Packed.__new__(Packed)
        packed.sets, packed.set_size = sets, plan.set_size
        packed.nbytes = aligned(max(sets * plan.set_size, 1) * sizeof(real))
        packed.weights = Memory(packed.nbytes // sizeof(real))
        tasks = PackTasks(plan, &source.order, n_packed_parts(plan), &packed.weights[0], 0)
        with nogil:
            run_tasks(pack_task, &tasks, sets * tasks.n, 1, workers)
        packed.finite = not tasks.infinite
        return packed

    cdef Py_ssize_t kernel_taps(self):
        """How many taps weights have."""
        return self.plan.taps.count

    cdef Weights described(self, cnp.ndarray weights):
        """Describes aligned weights (sets, channels_out, channels_in, *kernel) of the compute type; others raise."""
        cdef Weights source
        demand(
            holds_reals(weights) and cnp.PyArray_NDIM(weights) == 3 + self.plan.ndim
            and cnp.PyArray_DIM(weights, 1) == self.plan.channels_out
            and cnp.PyArray_DIM(weights, 2) == (1 if self.plan.kernel == DEPTHWISE else self.plan.channels_in),
            "weights of another dtype or shape",
        )
        source = Weights(weights)
        demand(source.order.taps == self.kernel_taps(), "weights of another kernel")
        return source

    cdef int check(self, cnp.ndarray x, Packed packed, cnp.ndarray bias, cnp.ndarray residual, cnp.ndarray y,
                   weight_batch) except -1:
        """Raises where arrays are not those of the plan."""
        cdef const Plan* plan = &self.plan
        cdef int axis, ndim = plan.ndim, batch_ndim = cnp.PyArray_NDIM(y) - ndim - 1
        cdef bint depthwise = plan.kernel == DEPTHWISE    # where the plan's groups are filled up to whole vectors
        cdef Py_ssize_t last_set = 0, inputs = plan.sets, outputs = plan.sets
        if not depthwise:
            inputs, outputs = plan.groups * plan.channels_in, plan.groups * plan.channels_out
        demand(0 <= batch_ndim <= MAX_AXES, "an output of other axes")
        demand_shape(x, y, batch_ndim, inputs, plan.in_shape, ndim, False)
        demand_shape(y, y, batch_ndim, outputs, plan.out_shape, ndim, True)
        if residual is not None:
            demand_shape(residual, y, batch_ndim, outputs, plan.out_shape, ndim, True)
            demand(cnp.PyArray_DIM(residual, batch_ndim + ndim) == cnp.PyArray_DIM(y, batch_ndim + ndim),
                   "a residual of another shape")
        if bias is not None:
            demand(holds_reals(bias) and cnp.PyArray_IS_C_CONTIGUOUS(bias) and cnp.PyArray_SIZE(bias) == outputs,
                   "a bias of another dtype, size or layout")
        for axis in range(batch_ndim if weight_batch is not None else 0):
            demand(weight_batch[axis] >= 0, "weights before the first")
            last_set += max(cnp.PyArray_DIM(y, axis) - 1, 0) * (weight_batch[axis] // plan.sets * plan.groups)
        if packed is not None and packed.nbytes > 0:
            demand(packed.set_size == plan.set_size and last_set + plan.groups <= packed.sets,
                   "weights that were packed for another plan")
        return 0

    cdef Py_ssize_t begin_job(self, Job* job, cnp.ndarray x, Packed packed, cnp.ndarray bias, cnp.ndarray residual,
                              cnp.ndarray y, int activation, weight_batch) except -1:
        """Fills in `job`; returns the size of the batch."""
        cdef const Plan* plan = &self.plan
        cdef int axis, ndim = plan.ndim
        cdef Py_ssize_t batch = 1
        self.check(x, packed, bias, residual, y, weight_batch)
        demand(cnp.PyArray_ISNOTSWAPPED(y), "an output of the other byte order")
        demand(IDENTITY <= activation <= LAST_ACTIVATION, "an activation that is none")
        job.batch_ndim = cnp.PyArray_NDIM(y) - ndim - 1
        describe(&job.x, x, job.batch_ndim, ndim)
        describe(&job.y, y, job.batch_ndim, ndim)
        if residual is None:
            job.residual = job.y
            job.residual.data = NULL
        else:
            describe(&job.residual, residual, job.batch_ndim, ndim)
        for axis in range(job.batch_ndim):
            job.batch_shape[axis] = cnp.PyArray_DIM(y, axis)
            job.weight_batch[axis] = 0 if weight_batch is None else weight_batch[axis] // plan.sets * plan.groups
            batch *= job.batch_shape[axis]
        job.direct = rows_take_vectors(plan, &job.y)
        job.weights = &packed.weights[0] if packed.nbytes > 0 else NULL
        job.phases = NULL
        job.skip = plan.taps.skip
        job.bias = NULL
        if bias is not None:
            job.bias = <const real*> cnp.PyArray_DATA(bias)
        job.activation = activation
        job.plain = job.direct and activation == IDENTITY and residual is None
        job.in_vectors = job.direct and (residual is None or rows_take_vectors(plan, &job.residual))
        job.by_pixel = (
            not job.in_vectors and has_channels_last(&job.y) and (residual is None or has_channels_last(&job.residual))
        )
        return batch

    def run(self, cnp.ndarray x not None, Packed packed not None, cnp.ndarray bias, cnp.ndarray residual,
            cnp.ndarray y not None, int activation, weight_batch, int workers):
        """Compute y (*batch, channels, *out) from x (*batch, channels, *in); both have all batch axes.

        Returns False, with nothing done, if the plan reads x in place and its samples are not aligned.
        """
        cdef const Plan* plan = &self.plan
        cdef Job job
        cdef DirectTasks tasks
        cdef Workspace workspace
        cdef Py_ssize_t n_tasks, chunk, box_tasks, n_boxes
        cdef int worker
        n_tasks = self.tasks_per_batch * self.begin_job(&job, x, packed, bias, residual, y, activation, weight_batch)
        if plan.planes.in_place and not job.x.same:
            return False
        if n_tasks == 0 or cnp.PyArray_SIZE(y) == 0:
            return True
        workers = <int> max(1, min(workers, n_tasks))
        # Several chunks a worker even out the load.
        chunk = max(1, n_tasks // (8 * workers))
        # Neighbouring tasks, of one box, share planes: whoever pads them should do all, if no worker waits for that.
        box_tasks = parts(plan.blocking.n_blocks, plan.blocking.blocks_per_task)
        n_boxes = n_tasks // box_tasks
        if n_boxes % workers == 0 or n_boxes >= 4 * workers:
            chunk = parts(chunk, box_tasks) * box_tasks
        reserve(&workspace, workers, aligned(sizeof(Scratch)) + self.scratch_bytes, 0)
        with nogil:
            for worker in range(workers):
                lay_out(plan, after(&workspace, worker, sizeof(Scratch)), <Scratch*> part_of(&workspace, worker))
            tasks = DirectTasks(plan, &job, workspace)
            run_tasks(direct_task, &tasks, n_tasks, chunk, workers)
            free(workspace.memory)
        return True


cdef class Winograd(Direct):
    """A frozen plan of Winograd's method: ``Winograd(blocking, tiling)``, as in ``_methods.winograd``."""

    cdef Tiling tiling

    def __init__(self, blocking, tiling):
        Direct.__init__(self, blocking)
        cdef Tiling* t = &self.tiling
        cdef Bench bench
        self.tiling = dict(
            tiling._asdict(), points=tiling.points, phases=tiling.phases, weight_values=tiling.weight_values
        )
        demand_tiling(&self.plan, t)
        self.plan.set_size = block_start(&self.plan, t, parts(self.plan.channels_out, LANES) * LANES)
        self.scratch_bytes = lay_bench(&self.plan, t, NULL, &bench)

    cdef Py_ssize_t kernel_taps(self):
        return self.plan.taps.count * self.tiling.row_taps * self.tiling.column_taps

    def pack(self, cnp.ndarray weights, int workers=1):
        """Return the values of aligned weights (sets, channels_out, channels_in, *kernel) of the compute type."""
        cdef const Plan* plan = &self.plan
        cdef const Tiling* tiling = &self.tiling
        cdef PackBench bench
        cdef Weights source = self.described(weights)
        cdef WinogradPackTasks tasks
        cdef Py_ssize_t i, block = TILE_VECTORS * LANES, n = parts(plan.channels_out, TILE_VECTORS * LANES)
        cdef Py_ssize_t sets = cnp.PyArray_DIM(weights, 0)
        cdef Workspace workspace
        cdef real* values
        cdef Packed packed = Packed.__new__(Packed)
        packed.sets, packed.set_size = sets, plan.set_size
        packed.finite = True
        workers = <int> max(1, min(workers, sets * n))
        packed.nbytes = aligned(max(sets * plan.set_size, 1) * sizeof(real))
        packed.weights = Memory(packed.nbytes // sizeof(real))
        values = &packed.weights[0]
        reserve(&workspace, workers, lay_pack_bench(tiling, NULL, &bench), 0)
        tasks = WinogradPackTasks(plan, tiling, &source.order, n, values, workspace)
        with nogil:
            run_tasks(winograd_pack_task, &tasks, sets * n, 1, workers)
            free(workspace.memory)
            for i in range(sets * n):
                packed.share = max(packed.share, share_of_block(
                    plan, tiling, values + i // n * plan.set_size + block_start(plan, tiling, i % n * block),
                    i % n * block
                ))
        return packed

    def run(self, cnp.ndarray x not None, packed not None, cnp.ndarray bias, cnp.ndarray residual,
            cnp.ndarray y not None, int activation, weight_batch, int workers, const int[:, ::1] exponents=None):
        """Compute y (*batch, channels, *out) from x (*batch, channels, *in); False if the direct method must do it.

        Instead of packed weights it takes one set as it is, to be packed for this call alone; of others, `exponents`
        says by which powers of two each output channel's have been multiplied.
        It must where an output is not finite, because infinities and NaN would reach all outputs of a tile; and where
        a sample or a weight is so much larger than the others that its rounding errors would hide them.
        """
        cdef const Plan* plan = &self.plan
        cdef const Tiling* tiling = &self.tiling
        cdef Job job
        cdef Round r
        cdef WinogradTasks tasks
        cdef Py_ssize_t k, n_rounds, images, n_values, value_bytes, level_bytes, bands
        cdef Py_ssize_t part = aligned(sizeof(Bench)) + aligned(self.scratch_bytes)
        cdef int worker, exponent
        cdef bint finite = True, in_blocks = False
        cdef Packed kept = packed if isinstance(packed, Packed) else Packed.__new__(Packed)
        cdef Weights weights
        cdef PackBench packing
        cdef Py_ssize_t n_blocks = parts(plan.channels_out, TILE_VECTORS * LANES), block_bytes = 0
        cdef double share = 0
        cdef Workspace workspace
        cdef char* values
        cdef Level* levels
        cdef Bench* bench
        images = self.begin_job(&job, x, kept, bias, residual, y, activation, weight_batch)
        demand(workers > 0, "no workers")
        demand(exponents is None or exponents.shape[0] * exponents.shape[1] == plan.groups * plan.channels_out,
               "other exponents")
        if images == 0 or cnp.PyArray_SIZE(y) == 0:
            return True
        n_rounds = (
            plan.groups * parts(images, tiling.round_images) * parts(tiling.grid_rows, tiling.round_rows)
            * parts(tiling.grid_columns, tiling.round_columns)
        )
        if packed is not kept:
            # Where each block of output channels is done but once, by a worker that has no more of them than others.
            in_blocks = n_rounds == 1 and not tiling.alone and (n_blocks % workers == 0 or n_blocks >= 4 * workers)
            if in_blocks:
                weights = self.described(packed)
                block_bytes = aligned(block_start(plan, tiling, TILE_VECTORS * LANES) * sizeof(real))
                part += block_bytes + lay_pack_bench(tiling, NULL, &packing)
            else:
                kept = self.pack(packed, workers)
                job.weights = &kept.weights[0]
        if kept.share > tiling.most_share:
            return False
        # The first round is a largest one.
        r = begin_round(plan, tiling, images, 0, workers)
        value_bytes = aligned(value_size(plan, tiling, &r) * sizeof(real))
        n_values = workers if tiling.alone else 1
        bands = n_bands(plan, tiling, &r)
        level_bytes = aligned((n_rounds * bands + plan.groups * images) * sizeof(Level))
        reserve(&workspace, workers, part, n_values * value_bytes + level_bytes)
        with nogil:
            exponent = exponent_of(plan, &job, images)
            values = part_of(&workspace, workers)
            levels = <Level*> (values + n_values * value_bytes)
            memset(levels, 0, level_bytes)
            for worker in range(workers):
                bench = <Bench*> part_of(&workspace, worker)
                lay_bench(plan, tiling, after(&workspace, worker, sizeof(Bench)), bench)
                bench.values = <real*> (values + worker % n_values * value_bytes)
                bench.levels = levels
                bench.bands = bands
                bench.exponent = exponent
                if exponents is not None:
                    bench.exponents = &exponents[0, 0]
                if in_blocks:
                    bench.weights = <real*> (after(&workspace, worker, sizeof(Bench)) + aligned(self.scratch_bytes))
                    bench.packing = <char*> bench.weights + block_bytes
            tasks = WinogradTasks(plan, tiling, &job, &r, NULL, images, workspace)
            if in_blocks:
                tasks.order = &weights.order
                run_tasks(band_task, &tasks, bands, 1, workers)
                run_tasks(block_task, &tasks, n_blocks, 1, workers)
            elif tiling.alone or workers == 1:
                run_tasks(round_task, &tasks, n_rounds, 1, workers)
            else:
                for k in range(n_rounds):
                    r = begin_round(plan, tiling, images, k, workers)
                    run_tasks(band_task, &tasks, n_bands(plan, tiling, &r), 1, workers)
                    run_tasks(chunk_task, &tasks, n_chunks(plan, &r), 1, workers)
            for worker in range(workers):
                bench = <Bench*> part_of(&workspace, worker)
                finite = finite and bench.finite
                share = max(share, bench.share)
            if not in_blocks:
                share = kept.share
            finite = finite and share <= tiling.most_share and is_level(
                plan, tiling, levels, levels + n_rounds * bands, bands, n_rounds, images, share
            )
            free(workspace.memory)
        return finite


cdef class Interleaved:
    """A frozen plan of a transposed layer's phases along the last axis, by the direct method.

    ``Interleaved(blockings)`` has one blocking for each phase, which differ in their taps alone.
    """

    cdef readonly list phases

    def __init__(self, blockings):
        demand(1 <= len(blockings) <= MOST_PHASES, f"{len(blockings)} phases, of at most {MOST_PHASES}")
        cdef Direct phase, first
        self.phases = [Direct(blocking) for blocking in blockings]
        first = self.phases[0]
        for phase in self.phases:
            demand(
                phase.plan.kernel == first.plan.kernel and phase.plan.kernel in (TILE, ROWS)
                and phase.plan.ndim == first.plan.ndim and phase.plan.planes.size == first.plan.planes.size
                and memcmp(phase.plan.planes.stride, first.plan.planes.stride, sizeof(first.plan.planes.stride)) == 0
                and memcmp(&phase.plan.blocking, &first.plan.blocking, sizeof(Blocking)) == 0
                and phase.plan.channels_in == first.plan.channels_in <= first.plan.blocking.padded_channels
                and phase.plan.channels_out == first.plan.channels_out
                and phase.plan.planes.interleave == first.plan.planes.interleave and not first.plan.planes.in_place,
                "phases that differ in more than their taps",
            )

    @property
    def nbytes(self):
        """About what the plans of all phases take."""
        return sum(phase.nbytes for phase in self.phases)

    def pack(self, weights, int workers=1):
        """Return the packed weights of each phase from aligned ones (sets, channels_out, channels_in, *kernel)."""
        return [phase.pack(each, workers) for phase, each in zip(self.phases, weights)]

    def run(self, cnp.ndarray x not None, list packed not None, cnp.ndarray bias, cnp.ndarray residual,
            cnp.ndarray y not None, int activation, int workers):
        """Compute y (*batch, channels, *out), the phases of whose rows take turns, from x (*batch, channels, *in)."""
        cdef Direct first = self.phases[0], phase
        cdef Packed weights
        cdef const Plan* plan = &first.plan
        cdef Phases phases
        cdef Job job
        cdef DirectTasks tasks
        cdef Workspace workspace
        cdef Py_ssize_t task, n_tasks, size = 0
        cdef int f, worker
        cdef Tap* taps
        demand(len(packed) == len(self.phases), "weights of other phases")
        phases.n = len(self.phases)
        phases.width = cnp.PyArray_DIM(y, cnp.PyArray_NDIM(y) - 1)
        first.begin_job(&phases.whole, x, packed[0], bias, residual, y, activation, None)
        n_tasks = first.tasks_per_batch * first.begin_job(
            &job, x, packed[0], bias, None if residual is None else residual[..., :: phases.n], y[..., :: phases.n],
            activation, None
        )
        job.skip = False
        job.phases = &phases
        if n_tasks == 0 or cnp.PyArray_SIZE(y) == 0:
            return
        for f in range(phases.n):
            phase, weights = self.phases[f], packed[f]
            demand(weights.set_size == phase.plan.set_size and weights.sets >= plan.groups,
                   "weights that were packed for another phase")
            phases.plan[f] = &phase.plan
            phases.weights[f] = &weights.weights[0]
            size += 2 * n_listed(&phase.plan) * sizeof(Tap)
        workers = <int> max(1, min(workers, n_tasks))
        reserve(&workspace, workers, aligned(sizeof(Scratch)) + first.scratch_bytes, size)
        with nogil:
            taps = <Tap*> part_of(&workspace, workers)
            for f in range(phases.n if plan.kernel == TILE else 0):
                phases.taps[f] = taps
                for task in range(2):
                    # For whole blocks of output channels, and for the last one.
                    list_all_taps(phases.plan[f], task * (plan.blocking.n_blocks - 1) * TILE_VECTORS * LANES, taps)
                    taps += n_listed(phases.plan[f])
            for worker in range(workers):
                lay_out(plan, after(&workspace, worker, sizeof(Scratch)), <Scratch*> part_of(&workspace, worker))
            tasks = DirectTasks(plan, &job, workspace)
            run_tasks(direct_task, &tasks, n_tasks, 1, workers)
            free(workspace.memory)


cdef class WeightGradient(Direct):
    """A frozen plan of the gradient to the weights: ``WeightGradient(blocking, cut)``, as in ``_gradients.weight``."""

    cdef Cut cut

    def __init__(self, blocking, cut):
        Direct.__init__(self, blocking)
        cdef Ledger ledger
        self.cut = cut._asdict()
        demand(self.cut.parts > 0 and self.cut.groups > 0 and self.cut.outputs > 0
               and 0 < self.cut.inputs <= self.plan.blocking.padded_channels, "a cut into nothing")
        self.scratch_bytes = lay_ledger(&self.plan, &self.cut, NULL, &ledger)

    def gather(self, cnp.ndarray x not None, cnp.ndarray grad_y not None, cnp.ndarray target not None, int workers):
        """Compute the gradients to the weights (groups, out, in, *kernel), and after them to the bias (groups, out).

        `target` has one axis and the compute type; x is (*batch, channels, *in), grad_y (*batch, channels, *out).

        Returns False, with nothing done, if the plan reads x in place and its samples are not aligned.
        """
        cdef const Plan* plan = &self.plan
        cdef const Cut* cut = &self.cut
        cdef Job job
        cdef GradientTasks tasks
        cdef Py_ssize_t n_tasks, batch = 1, bytes_of_parts = 0
        cdef Py_ssize_t n_values = n_gradients(plan)
        cdef Workspace workspace
        cdef int axis, worker
        cdef real* gradients = <real*> cnp.PyArray_DATA(target)
        cdef real* partial = gradients
        self.check(x, None, None, None, grad_y, None)
        demand(holds_reals(target) and cnp.PyArray_IS_C_CONTIGUOUS(target) and cnp.PyArray_SIZE(target) == n_values,
               "a target of another dtype, size or layout")
        job.batch_ndim = cnp.PyArray_NDIM(grad_y) - plan.ndim - 1
        describe(&job.x, x, job.batch_ndim, plan.ndim)
        describe(&job.y, grad_y, job.batch_ndim, plan.ndim)
        for axis in range(job.batch_ndim):
            job.batch_shape[axis] = cnp.PyArray_DIM(grad_y, axis)
            batch *= job.batch_shape[axis]
        if plan.planes.in_place and not job.x.same:
            return False
        n_tasks = (
            cut.parts * parts(plan.groups, cut.groups) * parts(plan.channels_out, cut.outputs)
            * parts(plan.channels_in, cut.inputs)
        )
        workers = <int> max(1, min(workers, n_tasks))
        if cut.parts > 1:
            bytes_of_parts = aligned(cut.parts * n_values * sizeof(real))
        reserve(&workspace, workers, aligned(sizeof(Ledger)) + self.scratch_bytes, bytes_of_parts)
        with nogil:
            if cut.parts > 1:
                partial = <real*> part_of(&workspace, workers)
            for worker in range(workers):
                lay_ledger(plan, cut, after(&workspace, worker, sizeof(Ledger)), <Ledger*> part_of(&workspace, worker))
            tasks = GradientTasks(plan, cut, &job, batch, partial, n_values, gradients, workspace)
            run_tasks(gradient_task, &tasks, n_tasks, 1, workers)
            if cut.parts > 1:
                run_tasks(add_parts_task, &tasks, parts(n_values, ADDED_TOGETHER), 1, workers)
            free(workspace.memory)
        return True


def running_means(cnp.ndarray x not None, cnp.ndarray y not None, int axis, Py_ssize_t size, Py_ssize_t before,
                  int mode, real fill, Py_ssize_t pieces, int workers):
    """Write to y the means over windows of x along an axis; of which `before` samples lie before an output.

    Lines may be cut into pieces, each with a first sum of its own; x and y share no memory. Returns whether all sums
    are finite.
    """
    cdef Means m
    cdef MeansTasks tasks
    cdef int a
    m.ndim = cnp.PyArray_NDIM(y)
    demand(0 <= axis < m.ndim == cnp.PyArray_NDIM(x) and m.ndim < MAX_AXES, "an axis that is none")
    demand(cnp.PyArray_ISNOTSWAPPED(y) and ZEROS <= mode <= CIRCULAR and size > 0 and pieces > 0 and workers > 0
           and cnp.PyArray_SIZE(x) > 0 and cnp.PyArray_SIZE(y) > 0, "means of nothing")
    describe(&m.x, x[None], 0, m.ndim)
    describe(&m.y, y[None], 0, m.ndim)
    m.axis = axis
    m.mode = mode
    m.fill = fill
    for a in range(m.ndim):
        m.shape[a] = cnp.PyArray_DIM(y, a)
        demand(a == axis or m.shape[a] == cnp.PyArray_DIM(x, a), "lines of other axes")
    m.samples = cnp.PyArray_DIM(x, axis)
    m.size = size
    m.before = before
    m.piece = parts(m.shape[axis], pieces)
    m.pieces = parts(m.shape[axis], m.piece)
    m.across = axis < m.ndim - 1 and m.shape[m.ndim - 1] >= LANES and m.pieces == 1
    m.y.last = m.ndim - 1 if m.across else axis
    tasks = MeansTasks(&m, cnp.PyArray_SIZE(y) // m.shape[axis] * m.pieces, 0)
    with nogil:
        run_tasks(means_task, &tasks, tasks_of_means(&m), 1, workers)
    return not tasks.infinite


cdef bint has_channels_last(const Samples* samples) noexcept nogil:
    return samples.same and samples.parts == 1 and samples.channel == sizeof(real)


cdef bint rows_take_vectors(const Plan* plan, const Samples* y) noexcept nogil:
    """Whether y's rows (and flat lines) are contiguous samples of the compute type, which kernels can write."""
    cdef int axis, last = plan.ndim - 1
    if not y.same or y.parts != 1 or y.stride[last] != sizeof(real) or y.channel % <Py_ssize_t> sizeof(real):
        return False
    for axis in range(last):
        if y.stride[axis] % <Py_ssize_t> sizeof(real):
            return False
    return not plan.planes.flat or last == 0 or y.stride[last - 1] == plan.out_shape[last] * <Py_ssize_t> sizeof(real)
