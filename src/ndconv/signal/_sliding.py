"""Which of two operands slides over the other, which outputs a mode has, and the engine's answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from .._call.dtypes import Array
from .._correlation.correlate import convolve_nd


def slid(x: Array, kernel: Array, mode: str, method: str, axes: tuple[int, ...] | None = None) -> Array:
    """Convolve by the engine, the shorter operand slid over the longer one."""
    if not is_longer(kernel, x, mode, axes):
        return convolve_nd(x, kernel, mode, axes=axes, method=method)
    if mode == "full":
        return convolve_nd(kernel, x, mode, axes=axes, method=method)
    sizes = [(x.shape[axis], kernel.shape[axis]) for axis in (range(x.ndim) if axes is None else axes)]
    lags = tuple((first, first + count - 1) for first, count in parts_of_full(mode, sizes))
    return convolve_nd(kernel, x, lags=lags, axes=axes, method=method)


def is_longer(kernel: Array, x: Array, mode: str, axes: Iterable[int] | None = None) -> bool:
    """Whether x slides over the kernel along some axes, or all: the other way round there would be more taps."""
    if axes is None:
        return mode != "valid" and kernel.size > x.size
    return mode != "valid" and math.prod(kernel.shape[a] for a in axes) > math.prod(x.shape[a] for a in axes)


def parts_of_full(mode: str, sizes: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return which of the "full" outputs a mode has: the first one, and their number, along each axis."""
    if mode == "full":
        return [(0, n + taps - 1) for n, taps in sizes]
    if mode == "same":
        return [((taps - 1) // 2, n) for n, taps in sizes]
    return [(min(n, taps) - 1, abs(n - taps) + 1) for n, taps in sizes]


def pairs(x: Array, kernel: Array) -> list[tuple[int, int]]:
    """Return the samples of both along each axis."""
    return list(zip(x.shape, kernel.shape, strict=True))


def are_swapped(mode: str, shape: Sequence[int], kernel: Sequence[int], axes: Iterable[int]) -> bool:
    """Whether "valid" slides the first array over the second: where the second is the larger one."""
    if mode != "valid":
        return False
    pairs = [(shape[axis], kernel[axis]) for axis in axes]
    if all(n >= taps for n, taps in pairs):
        return False
    if all(n <= taps for n, taps in pairs):
        return True
    raise ValueError(
        "For 'valid' mode, one must be at least as large as the other in every dimension, "
        f"got {tuple(shape)} and {tuple(kernel)}"
    )
