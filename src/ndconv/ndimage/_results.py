"""Where results go: into the array itself or beside it, and rounded to its type as SciPy does."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import numpy as np

from .._call.arrays import new_output
from .._call.dtypes import Array
from ._passes import DOUBLE

T = TypeVar("T")
P = ParamSpec("P")


def bools_as_bytes(
    filter: Callable[Concatenate[Array, T, Array, P], None],
) -> Callable[Concatenate[Array, T, Array, P], None]:
    """Let a filter write to bytes instead of bools, as SciPy does: what lies between passes may be larger than one."""

    @functools.wraps(filter)
    def wrapped(x: Array, what: T, y: Array, /, *how: P.args, **more: P.kwargs) -> None:
        if y.dtype.kind != "b":
            filter(x, what, y, *how, **more)
            return
        bytes = np.empty(y.shape, np.uint8)
        filter(x, what, bytes, *how, **more)
        y[...] = bytes

    return wrapped


def place_for(x: Array, y: Array) -> Array:
    """Return the array that the engine shall write to: y, if it can be, and does not hold what is still to be read."""
    if y.dtype.kind == "f" and y.dtype.isnative and y.flags.aligned and not np.may_share_memory(x, y):
        return y
    return new_output(y.shape, y.dtype.newbyteorder("=") if y.dtype.kind == "f" else DOUBLE)


def store(values: Array, y: Array) -> None:
    """Write doubles to y, truncated to integers that wrap around if it holds such."""
    if y.dtype.kind not in "iu":
        y[...] = values
        return
    with np.errstate(invalid="ignore"):
        if y.dtype.kind == "u" and y.dtype.itemsize == 8:
            # Conversion from a negative double is undefined.
            y[...] = np.where(values > -1, np.maximum(values, 0).astype(y.dtype), 0 - (-values).astype(y.dtype))
        else:
            wide = y.dtype.itemsize == 8 or (y.dtype.kind == "u" and y.dtype.itemsize == 4)
            y[...] = values.astype(np.int64 if wide else np.int32)
