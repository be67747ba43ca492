"""The way from checked arguments to a result: geometry -> plan -> run."""

import math
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ._arguments import ACTIVATIONS, LARGEST
from ._caches import Cache
from ._dtypes import Array, compute_type, real_vector, real_weights
from ._geometry import Geometry, Shape, batch_of
from ._methods import AUTO, is_remembered, make_plan, sections
from ._methods.problem import Plan, Problem, run_aligned
from ._workers import SERIAL_MULTIPLY_ADDS, Threads

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
    return (
        _is_stored_as(array.dtype, dtype)
        and array.flags.aligned
        and _are_contiguous(array.shape, array.strides, ndim, array.itemsize)
    )


def is_new_in_place(shape: Shape, order: Sequence[int], ndim: int, dtype: np.dtype[Any]) -> bool:
    """Whether the same is true of a new array of a shape, with its axes in an order; one more axis has one sample."""
    if not _is_stored_as(dtype, compute_type(dtype)):
        return False
    shape = (*shape, 1)
    strides = [dtype.itemsize * math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return _are_contiguous([shape[i] for i in order], [strides[i] for i in order], ndim, dtype.itemsize)


def _is_stored_as(dtype: np.dtype[Any], compute: str) -> bool:
    """Whether samples are those of a compute type: integers wrap around as unsigned ones do."""
    wanted = np.dtype(compute)
    same_integers = dtype.kind == "i" and wanted.kind == "u" and dtype.itemsize == wanted.itemsize and dtype.isnative
    return dtype == wanted or same_integers


def _are_contiguous(shape: Sequence[int], strides: Sequence[int], ndim: int, itemsize: int) -> bool:
    """Whether the last axes are C-contiguous, also those of one sample: the core looks at their strides."""
    expected = itemsize
    for axis in range(len(shape) - 1, len(shape) - ndim - 1, -1):
        if strides[axis] != expected:
            return False
        expected *= max(shape[axis], 1)
    return not any(stride % itemsize for stride in strides)


class Prepared(NamedTuple):
    """A call that is checked and planned: all that can be known of it before its numbers."""

    plan: Plan
    dtype: np.dtype[Any]  # of the result
    x_is_complex: bool
    multiply_adds: int  # of the whole batch
    activation: str | None = None
    code: int = 0  # the core's, of an activation that it applies
    weight_batch: tuple[int, ...] | None = None  # sets of weights from one item of each batch axis to the next

    @property
    def nbytes(self) -> int:
        """About what it takes in memory, beside a fixed amount."""
        return self.plan.nbytes

    @property
    def place(self) -> Any:
        """What tells apart the packed weights of one filter."""
        return self.plan.pack_key(), self.dtype, self.x_is_complex

    def pack(self, sets: Array, workers: int | None = None, once: bool = False) -> Any:
        """Return packed weights from (sets, out, in, *kernel) in any layout, for one call or for many."""
        real = real_weights(sets, self.dtype, self.x_is_complex)
        with Threads(PACKING_MULTIPLY_ADDS * real.size, workers) as threads:
            return self.plan.pack(real, threads, once)

    def run(
        self, x: Array, packed: Any, y: Array, bias: Array | None = None, residual: Array | None = None,
        workers: int | None = None,
    ) -> None:  # fmt: skip
        """Compute y (*batch, channels, *out), of any strides, from x (*batch, channels, *in); they must not overlap."""
        if workers is None and self.multiply_adds < SERIAL_MULTIPLY_ADDS:
            run_aligned(self.plan.run, x, packed, bias, residual, y, self.code, self.weight_batch, 1)
        else:
            with Threads(self.multiply_adds, workers) as threads:
                run_aligned(self.plan.run, x, packed, bias, residual, y, self.code, self.weight_batch, threads)
        if self.code == 0 and self.activation is not None:
            # Of integers: the sign is that of the narrow result type, which the core does not know.
            np.maximum(y, 0, out=y)
            if self.activation == "relu6":
                np.minimum(y, 6, out=y)


def prepare(
    geometry: Geometry,
    dtype: np.dtype[Any],
    batch: int,
    *,
    x_in_place: bool,
    y_in_place: bool,
    x_is_complex: bool = False,
    fill_value: complex = 0,
    method: str = AUTO,
    activation: str | None = None,
    bias: bool = False,
    packing: bool = False,
    seen: tuple[str, ...] = (),
    zeros_are_samples: bool = False,
    split_k: bool = False,
    weight_batch: tuple[int, ...] | None = None,
) -> Prepared:
    """Return a call that is planned; with `split_k`, few outputs of a long kernel may be had from its sections."""
    problem = Problem(
        geometry=geometry,
        dtype=dtype,
        x_is_complex=x_is_complex,
        fill_value=fill_value,
        batch=batch,
        x_in_place=x_in_place,
        y_in_place=y_in_place,
        bias=bias,
        seen=seen,
        packing=packing,
        zeros_are_samples=zeros_are_samples,
    )
    plan = sections.SectionsPlan(problem) if split_k and sections.pays(problem) else make_plan(problem, method)
    code = ACTIVATIONS.index(activation) if dtype.kind == "f" else 0
    return Prepared(plan, dtype, x_is_complex, geometry.multiply_adds * batch, activation, code, weight_batch)


def prepare_for(
    geometry: Geometry, x: Array, y: Array, method: str, activation: str | None = None, packing: bool = False,
    bias: bool = False,
) -> Prepared:  # fmt: skip
    """Return the call for y (*batch, channels, *out), of any strides, from x (*batch, channels, *in)."""
    compute = compute_type(y.dtype)
    return prepare(
        geometry, y.dtype, math.prod(batch_of(y.shape, geometry.ndim)),
        x_in_place=is_in_place(x, geometry.ndim, compute),
        y_in_place=y.dtype == compute and is_in_place(y, geometry.ndim, compute),
        x_is_complex=x.dtype.kind == "c", method=method, activation=activation, packing=packing, bias=bias,
    )  # fmt: skip


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
    method: str = AUTO,
    packed: Cache[Any] | None = None,
    key: Any = None,
    workers: int | None = None,
) -> None:
    """Compute y (*batch, channels, *out), of any strides, from x (*batch, channels, *in) and weights in sets.

    Packed weights are kept in `packed` for the next call, where `key` tells which they are. Others must not overlap y.
    """
    call = prepare_for(geometry, x, y, method, activation, packing=packed is None, bias=bias is not None)
    place = (key, call.place)
    weights = None if packed is None else packed.get(place)
    if weights is None:
        weights = call.pack(sets, workers, once=packed is None)
        if packed is not None:
            packed.keep(place, weights)
    call.run(x, weights, y, None if bias is None else real_vector(bias, y.dtype), residual, workers)


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
