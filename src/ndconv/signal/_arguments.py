"""Arguments of SciPy's convolutions, and its errors."""

from __future__ import annotations

import operator
from collections.abc import Container, Hashable, Sequence

import numpy as np

from .._call.dtypes import Array

Axes = int | Sequence[int] | None

MODES = ("full", "valid", "same")

_UNKNOWN_MODE = "Acceptable mode flags are 'valid', 'same', or 'full'"


def check_same_ndim(x: Array, kernel: Array, first: str, second: str) -> None:
    """Raise for arrays of different numbers of axes, by their names."""
    if x.ndim != kernel.ndim:
        raise ValueError(
            f"{first} and {second} should have the same dimensionality, got {x.ndim} and {kernel.ndim} axes"
        )


def check_mode(mode: str) -> None:
    """Raise for a mode that is not known."""
    if mode not in MODES:
        raise ValueError(f"{_UNKNOWN_MODE}, got {mode!r}.")


def look_up_mode(mode: str) -> None:
    """Raise for a mode that is not known, or cannot be a key."""
    look_up(mode, MODES, _UNKNOWN_MODE)


def look_up(flag: str, known: Container[str], message: str) -> None:
    """Raise for a flag that is not known, as a look-up in a table does."""
    if not isinstance(flag, Hashable):
        raise TypeError(f"{message}, got {flag!r}, which is an unhashable type: {type(flag).__name__!r}.")
    if flag not in known:
        raise ValueError(f"{message}, got {flag!r}.")


def checked_axes(axes: Axes, ndim: int) -> list[int]:
    """Return axes as non-negative ints; all of them for None."""
    if axes is None:
        return list(range(ndim))
    try:
        numbers = [operator.index(axis) for axis in (axes if np.iterable(axes) else [axes])]
    except TypeError:
        raise ValueError(f"axes must be a scalar or iterable of integers, got {axes!r}") from None
    if not numbers:
        raise ValueError(f"when provided, axes cannot be empty, got {axes!r}")
    if any(not -ndim <= number < ndim for number in numbers):
        raise ValueError(f"axes exceeds dimensionality of input ({ndim}), got {axes!r}")
    numbers = [number % ndim for number in numbers]
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"all axes must be unique, got {axes!r}")
    return numbers
