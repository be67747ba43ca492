"""The way from checked arguments to a result: geometry -> plan -> run."""

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._arguments import ACTIVATIONS, LARGEST
from ._caches import Cache
from ._dtypes import Array, compute_type, real_vector, real_weights
from ._geometry import Geometry, Shape
from ._methods import is_remembered, make_plan, sections
from ._methods.problem import Plan, Problem
from ._workers import Threads

# Multiply-adds in whose time a weight is packed. A layer's packed weights may be so many times its weights, as those of
# 3x3 filters are at Winograd's points, and beyond that a part of what all caches may hold.
PACKING_MULTIPLY_ADDS = 8
PACKINGS_OF_WEIGHTS = 4
PACKINGS_SHARE = 0.25

# Bytes of a result from which on it is worth a microsecond to have it begin at a cache line: a layer that mostly writes
# gains a fifth.
ALIGNED_BYTES = 256 << 10
CACHE_LINE = 64

# Elements of an array with unusual strides that are looked at one by one.
MOST_OFFSETS = 1 << 20


def with_room_for(x: Array, fill_value: Any) -> Array:
    """Return x, as complex samples if those outside it are complex and it is not."""
    if x.dtype.kind != "c" and np.iscomplexobj(fill_value) and np.ndim(fill_value) == 0 and fill_value.imag:
        return x.astype(np.result_type(x.dtype, np.complex64))
    return x


def fill_in(fill_value: Any, dtype: np.dtype[Any]) -> complex:
    """Return the value of samples outside x, checked against the result's dtype."""
    value = np.asarray(fill_value)
    if isinstance(fill_value, int) and value.dtype.kind == "O":
        raise ValueError(f"fill_value must fit in 64 bits, got {fill_value!r}")
    if value.ndim or value.dtype.kind not in "biufc":
        raise TypeError(f"fill_value must be a number, got {fill_value!r}")
    if dtype.kind in "iu":
        # Exactly: a large integer is more than a float can hold.
        if value.dtype.kind == "c" or (value.dtype.kind == "f" and not float(fill_value).is_integer()):
            raise ValueError(f"fill_value must be an integer for a result of dtype {dtype}, got {fill_value!r}")
        limits = np.iinfo(dtype)
        if not limits.min <= int(fill_value) <= limits.max:
            raise ValueError(
                f"fill_value must lie in {limits.min}..{limits.max} for a result of dtype {dtype}, got {fill_value!r}"
            )
        return int(fill_value)
    number = complex(fill_value)
    if number.imag and dtype.kind != "c":
        raise ValueError(f"fill_value must be real for a result of dtype {dtype}, got {fill_value!r}")
    if number and dtype.char in "efF":  # rounded as a sample of x is
        with np.errstate(all="ignore"):
            number = complex(np.asarray(number if dtype.kind == "c" else number.real).astype(dtype)[()])
    return number


def check_activation(activation: str | None, dtype: np.dtype[Any]) -> None:
    """Raise for an activation that the result's dtype does not have."""
    if activation is None or dtype.kind == "f" or (dtype.kind in "iu" and activation in ("relu", "relu6")):
        return
    raise TypeError(f"activation {activation!r} needs a result of a floating dtype, got {dtype}")


def is_in_place(array: Array, ndim: int, dtype: str) -> bool:
    """Whether an array's spatial axes, its last, are C-contiguous, native, aligned samples of a compute type."""
    compute = np.dtype(dtype)
    if array.dtype != compute:
        same_integers = array.dtype.kind == "i" and compute.kind == "u" and array.itemsize == compute.itemsize
        if not (same_integers and array.dtype.isnative):
            return False
    if not array.flags.aligned:
        return False
    expected = array.itemsize
    for axis in range(array.ndim - 1, array.ndim - ndim - 1, -1):
        if array.strides[axis] != expected:  # of an axis of one sample, too: it is what the core looks at
            return False
        expected *= max(array.shape[axis], 1)
    return not any(stride % array.itemsize for stride in array.strides)


def plan_call(
    geometry: Geometry, x: Array, y_in_place: bool, dtype: np.dtype[Any], fill_value: complex, method: str, batch: int,
    seen: tuple[str, ...] = (), packing: bool = False, bias: bool = False, few: bool = False,
) -> Plan:  # fmt: skip
    """Return the plan for x (*batch, channels, *in); `few` outputs of a long kernel may be had from its sections."""
    problem = Problem(
        geometry=geometry,
        dtype=dtype,
        x_is_complex=x.dtype.kind == "c",
        fill_value=fill_value,
        batch=batch,
        x_in_place=is_in_place(x, geometry.ndim, compute_type(dtype)),
        y_in_place=y_in_place,
        bias=bias,
        seen=seen,
        packing=packing,
    )
    if few and sections.pays(problem):
        return sections.SectionsPlan(problem)
    return make_plan(problem, method)


def plan_of(geometry: Geometry, x: Array, y: Array, method: str, packing: bool = False, bias: bool = False) -> Plan:
    """Return the plan for y (*batch, channels, *out), of any strides, from x (*batch, channels, *in)."""
    compute = compute_type(y.dtype)
    y_in_place = y.dtype == compute and is_in_place(y, geometry.ndim, compute)
    batch = math.prod(y.shape[: y.ndim - geometry.ndim - 1])
    return plan_call(geometry, x, y_in_place, y.dtype, 0, method, batch, packing=packing, bias=bias)


def execute(
    plan: Plan,
    x: Array,
    packed: Any,
    bias: Array | None,
    residual: Array | None,
    y: Array,
    activation: str | None,
    weight_batch: Sequence[int] | None,
    multiply_adds: int,
    workers: int | None,
) -> bool:
    """Run a plan; whether it could (see the core's `Direct.run`)."""
    code = ACTIVATIONS.index(activation) if y.dtype.kind == "f" else 0
    with Threads(multiply_adds, workers) as threads:
        done = plan.run(x, packed, bias, residual, y, code, weight_batch, threads)
    if code == 0 and activation is not None:
        # Of integers: the sign is that of the narrow result type, which the core does not know.
        np.maximum(y, 0, out=y)
        if activation == "relu6":
            np.minimum(y, 6, out=y)
    return bool(done)


def pack_weights(
    plan: Plan, weight: Array, dtype: np.dtype[Any], x_is_complex: bool, workers: int | None = None, once: bool = False
) -> Any:
    """Return packed weights from (sets, out, in, *kernel) in any layout, for one call or for many."""
    real = real_weights(weight, dtype, x_is_complex)
    with Threads(PACKING_MULTIPLY_ADDS * real.size, workers) as threads:
        return plan.pack(real, threads, once)


def packings_of(weight: Array) -> Cache[Any]:
    """Return a cache for packed weights and spectra of some weights."""
    return Cache[Any]("packed weights", PACKINGS_OF_WEIGHTS * weight.nbytes, PACKINGS_SHARE)


def convolve(
    geometry: Geometry,
    x: Array,
    sets: Array,
    y: Array,
    *,
    bias: Array | None = None,
    residual: Array | None = None,
    activation: str | None = None,
    method: str = "auto",
    packed: Cache[Any] | None = None,
    key: Any = None,
    workers: int | None = None,
) -> None:
    """Compute y (*batch, channels, *out), of any strides, from x (*batch, channels, *in) and weights in sets.

    Packed weights are kept in `packed` for the next call, where `key` tells which they are. Others must not overlap y.
    """
    plan = plan_of(geometry, x, y, method, packing=packed is None, bias=bias is not None)
    x_is_complex = x.dtype.kind == "c"
    place = (key, plan.pack_key(), y.dtype, x_is_complex)
    weights = None if packed is None else packed.get(place)
    if weights is None:
        weights = pack_weights(plan, sets, y.dtype, x_is_complex, workers, once=packed is None)
        if packed is not None:
            packed.keep(place, weights)
    vector = None if bias is None else real_vector(bias, y.dtype)
    work = geometry.multiply_adds * math.prod(y.shape[: y.ndim - geometry.ndim - 1])
    while not execute(plan, x, weights, vector, residual, y, activation, None, work, workers):
        x = x.copy()  # its samples were not aligned


def new_output(shape: Shape, dtype: np.dtype[Any]) -> Array:
    """Return an array to write a result to; a large one begins at a cache line, so that whole vectors are written."""
    size = math.prod(shape) * dtype.itemsize
    if size < ALIGNED_BYTES:
        return np.empty(shape, dtype)
    if size + CACHE_LINE > LARGEST:
        raise MemoryError(f"ndconv needs {size} bytes for an output of shape {shape}")
    memory = np.empty(size + CACHE_LINE, np.uint8)
    skew = -memory.__array_interface__["data"][0] % CACHE_LINE
    return memory[skew : skew + size].view(dtype).reshape(shape)


def checked_out(out: Any, shape: Shape, dtype: np.dtype[Any]) -> Array:
    """Return `out`, or raise where results cannot be written to it."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array, got {type(out).__name__}")
    if type(out) is not np.ndarray and "numpy.ma" in sys.modules and isinstance(out, np.ma.MaskedArray):
        raise TypeError("out must not be a masked array: results have no mask, pass out.data")
    if out.shape != shape:
        raise ValueError(f"out must have shape {shape}, got {out.shape}")
    if out.dtype != dtype:
        raise TypeError(f"out must have dtype {dtype}, got {out.dtype}")
    if not out.flags.writeable:
        raise ValueError("out must be writeable, got a read-only array")
    if not (out.flags.c_contiguous or out.flags.f_contiguous) and _overlaps_itself(out):
        raise ValueError(
            f"out must have a place of its own for each output, got strides {out.strides} for shape {out.shape}"
        )
    return out


def _overlaps_itself(array: Array) -> bool:
    """Whether two elements of an array share memory; also where that would take long to find out."""
    axes = sorted((abs(stride), n) for stride, n in zip(array.strides, array.shape, strict=True) if n > 1)
    extent = array.itemsize
    for stride, n in axes:
        if stride < extent:
            break
        extent += stride * (n - 1)
    else:
        return False
    # Axes may still interlace, as those of steps 2 and 3 do.
    if array.size > MOST_OFFSETS or (axes and axes[0][0] == 0):
        return array.size > 0
    offsets = np.zeros(1, np.intp)
    for stride, n in axes:
        offsets = np.add.outer(offsets, stride * np.arange(n, dtype=np.intp)).ravel()
    offsets.sort()
    return bool((np.diff(offsets) < array.itemsize).any())


def with_parts_of(residual: Array, dtype: np.dtype[Any]) -> Array:
    """Return a residual as complex numbers if the result's are, for the core, which adds part to part."""
    return residual.astype(dtype) if dtype.kind == "c" and residual.dtype.kind != "c" else residual


def apart_from(array: Array, out: Array) -> Array:
    """Return an array, or a copy of it where writing to `out` might change it."""
    return array.copy() if np.may_share_memory(array, out) else array


def typed(value: Any) -> Any:
    """Return a key for an argument: 2.0 and True are equal to integers, but are none."""
    if type(value) is int or value is None:
        return value
    return (tuple, *map(typed, value)) if type(value) is tuple else (type(value), value)


def remember(calls: Cache[Any], key: Any, entry: Any, geometry: Geometry) -> None:
    """Keep an entry for the next call like this, where it is not itself large."""
    if is_remembered(geometry.taps):
        calls.keep(key, entry)
