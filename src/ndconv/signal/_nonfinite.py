"""Operands that are not all finite: what SciPy's direct sums make of them."""

from __future__ import annotations

from types import EllipsisType

import numpy as np

from .._call.dtypes import Array
from .._correlation.correlate import convolve_nd
from .._dropins.finite import all_finite
from ._sliding import is_longer, pairs, parts_of_full


def is_spoilt(x: Array, kernel: Array, mode: str) -> bool:
    """Whether a weight that is not finite may meet the zeros around samples, in SciPy or here."""
    longer = is_longer(kernel, x, mode)
    return not all_finite(x if longer else kernel) or (longer and mode == "same" and not all_finite(kernel))


def convolved_as_spoilt(x: Array, kernel: Array, mode: str) -> Array:
    """Convolve by a kernel that is not all finite, as SciPy's direct sums do.

    In one dimension these are of the pairs that there are; in several, and for a kernel that is longer than what is to
    be of x's size, x stands among zeros, and these meet all of the kernel.
    """
    parts = parts_of_full(mode, pairs(x, kernel))
    if mode == "full" and kernel.size > x.size:
        x, kernel = kernel, x
    among_zeros = x.ndim > 1 or (mode == "same" and kernel.size > x.size)
    if among_zeros:
        x = np.pad(x, [(taps - 1, taps - 1) for taps in kernel.shape])
    y = convolve_nd(x, _tame(kernel), "valid" if among_zeros else "full")
    nan = np.isnan(kernel)
    for place in np.argwhere(np.isinf(kernel) & ~nan):
        outputs: slice | EllipsisType = ...
        samples: tuple[slice, ...] | EllipsisType = ...
        if among_zeros:
            first = np.array(kernel.shape) - 1 - place
            samples = tuple(slice(start, start + n) for start, n in zip(first, y.shape, strict=True))
        else:
            outputs = slice(place[0], place[0] + x.size)
        with np.errstate(all="ignore"):
            y[outputs] += kernel[tuple(place)] * x[samples]
    lost = np.full(y.shape, nan.any()) if among_zeros else _reached(nan, x.size)
    y[lost] = nan_of(y)
    return y[tuple(slice(first, first + count) for first, count in parts)].copy()


def nan_of(array: Array) -> complex:
    """Return NaN as SciPy's sums leave it in an array: of complex numbers, in both parts."""
    return complex(np.nan, np.nan) if array.dtype.kind == "c" else np.nan


def _tame(kernel: Array) -> Array:
    """Return a kernel with ones instead of what is not finite, of its sign: they make the same of infinite samples."""
    kernel = np.array(kernel, order="C")
    real = kernel.view(kernel.real.dtype)
    np.copyto(real, np.sign(real), where=np.isinf(real))
    np.copyto(real, 1, where=np.isnan(real))
    return kernel


def _reached(taps: Array, samples: int) -> Array:
    """Return which outputs of a "full" convolution in one dimension marked taps reach."""
    edges = np.zeros(taps.size + samples, np.intp)
    edges[: taps.size] += taps
    edges[samples:] -= taps
    return np.cumsum(edges[:-1]) > 0
