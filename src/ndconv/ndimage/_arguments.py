"""Arguments of SciPy's image filters, and its errors."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterable, Sequence
from typing import TypeVar, cast, overload

import numpy as np

from .._call.arrays import new_output
from .._call.dtypes import Array
from .._call.modes import BY_NAME, PaddingMode
from .._dropins.fallback import NDIMAGE_DTYPES

T = TypeVar("T")

Output = Array | type | np.dtype[np.generic] | str | None
PerAxis = int | Sequence[int]
Modes = str | Sequence[str]
Sigma = float | Sequence[float]

# SciPy's name of each boundary mode, and ours.
_MODES: dict[str, PaddingMode] = {
    "reflect": BY_NAME["symmetric"],
    "grid-mirror": BY_NAME["symmetric"],
    "constant": BY_NAME["zeros"],
    "grid-constant": BY_NAME["zeros"],
    "nearest": BY_NAME["replicate"],
    "mirror": BY_NAME["reflect"],
    "wrap": BY_NAME["circular"],
    "grid-wrap": BY_NAME["circular"],
}


def check_real(y: Array) -> None:
    """Raise for a complex output."""
    if y.dtype.kind == "c":
        raise RuntimeError(f"array type {y.dtype!r} not supported as the output of a real input")


def real(value: complex, name: str) -> float:
    """Return a real number as a float; no string is one."""
    if isinstance(value, (str, bytes)):
        raise TypeError(f"{name} must be a real number, not {type(value).__name__}: got {value!r}")
    return float(value)  # type: ignore[arg-type]  # a complex number is an error, which is Python's


def mode_of(mode: str) -> PaddingMode:
    """Return our mode for SciPy's name."""
    try:
        return _MODES[mode]
    except (KeyError, TypeError):
        raise RuntimeError(
            f"boundary mode not supported: mode must be one of {', '.join(_MODES)}; got {mode!r}"
        ) from None


def mirrored(origin: int, taps: int) -> int:
    """Return the origin of mirrored weights."""
    return -origin - (taps % 2 == 0)


def check_origin(origin: int, taps: int, length: str, name: str) -> None:
    """Raise for a window that does not hold the sample that it is for; the message has two names."""
    if not -(taps // 2) <= origin <= (taps - 1) // 2:
        raise ValueError(
            f"Invalid origin; origin must satisfy -({length} // 2) <= {name} <= ({length}-1) // 2, "
            f"got {origin} for {taps} weights"
        )


@overload
def one_for_each(value: Modes, count: int) -> list[str]: ...
@overload
def one_for_each(value: T | Sequence[T], count: int) -> list[T]: ...
def one_for_each(value: T | Sequence[T], count: int) -> list[T]:
    """Return an argument as one entry for each axis."""
    if isinstance(value, str) or not np.iterable(value):
        return [value] * count
    entries = list(value)
    if len(entries) != count:
        raise RuntimeError(f"sequence argument must have length equal to input rank ({count}), got {value!r}")
    return entries


def checked_axes(axes: PerAxis | None, ndim: int) -> tuple[int, ...]:
    """Return axes as non-negative ints; all of them for None."""
    if axes is None:
        return tuple(range(ndim))
    if np.isscalar(axes):
        axes = (cast(int, axes),)
    elif not isinstance(axes, Iterable):
        raise ValueError(f"axes must be an integer, iterable of integers, or None; got {axes!r}")
    numbers = [operator.index(axis) for axis in axes]
    for number in numbers:
        if not -ndim <= number < ndim:
            raise np.exceptions.AxisError(f"specified axis: {number} is out of range for an input of {ndim} axes")
    numbers = [number % ndim for number in numbers]
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"axes must be unique, got {axes!r}")
    return tuple(numbers)


def output_for(output: Output, x: Array, complex_output: bool = False) -> Array:
    """Return the array to write to: the one given, or a new one of the dtype asked for."""
    if output is None:
        dtype = x.dtype.newbyteorder("=")
        if complex_output:
            dtype = np.promote_types(dtype, np.complex64)
    elif isinstance(output, (type, np.dtype)):
        dtype = np.dtype(output)
        if complex_output and dtype.kind != "c":
            warnings.warn("promoting specified output dtype to complex", stacklevel=4)
            dtype = np.promote_types(dtype, np.complex64)
    elif isinstance(output, str):
        dtype = np.dtype(output)
        if complex_output and dtype.kind != "c":
            raise RuntimeError(f"output must have complex dtype, got {output!r}")
        if not issubclass(dtype.type, np.number):
            raise RuntimeError(f"output must have numeric dtype, got {output!r}")
    else:
        array = np.asarray(output)
        if array.shape != x.shape:
            raise RuntimeError(f"output shape not correct: it must be {x.shape}, got {array.shape}")
        if complex_output and array.dtype.kind != "c":
            raise RuntimeError(f"output must have complex dtype, got {array.dtype}")
        dtype = array.dtype
    if dtype.char not in NDIMAGE_DTYPES:
        raise RuntimeError(f"array type {dtype!r} not supported")
    return new_output(x.shape, dtype) if output is None or isinstance(output, (type, np.dtype, str)) else array
