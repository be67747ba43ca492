"""Arrays: which the engine reads and writes as they are, new ones, and what may be written to."""

import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .arguments import LARGEST
from .dtypes import Array, compute_type
from .geometry import Shape

# Bytes of a result from which on it is worth a microsecond to have it begin at a cache line: a layer that mostly writes
# gains a fifth.
ALIGNED_BYTES = 256 << 10
CACHE_LINE = 64

_FORWARDS, _BACKWARDS = slice(None), slice(None, None, -1)

# Elements of an array with unusual strides that are looked at one by one.
MOST_OFFSETS = 1 << 20


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


def mirrored(array: Array, axes: Iterable[int]) -> Array:
    """Return a view with some axes in the opposite order, in a tenth of the time of `numpy.flip`."""
    index = [_FORWARDS] * array.ndim
    for axis in axes:
        index[axis] = _BACKWARDS
    return array[tuple(index)]


def with_components_of(residual: Array, dtype: np.dtype[Any]) -> Array:
    """Return a residual as complex numbers if the result's are, for the core, which adds part to part."""
    return residual.astype(dtype) if dtype.kind == "c" and residual.dtype.kind != "c" else residual


def copy_if_overlapping(array: Array, out: Array) -> Array:
    """Return an array, or a copy of it where writing to `out` might change it."""
    return array.copy() if np.may_share_memory(array, out) else array
