"""Convolution in floating point along some axes: what SciPy does by one transform, or by those of blocks."""

from __future__ import annotations

import numpy as np
import scipy.signal as _scipy
from numpy.typing import ArrayLike

from .._call.dtypes import Array
from .._dropins.fallback import SIGNAL_DTYPES, handing_on
from .._dropins.finite import all_finite
from ._arguments import MODES, Axes, check_same_ndim, checked_axes
from ._nonfinite import nan_of
from ._sliding import are_swapped, is_longer, pairs, slid


@handing_on(_scipy.fftconvolve, 2, SIGNAL_DTYPES)
def fftconvolve(in1: ArrayLike, in2: ArrayLike, mode: str = "full", axes: Axes = None) -> Array:
    """N-D convolution in floating point along some axes, as :func:`scipy.signal.fftconvolve`.

    Parameters
    ----------
    in1, in2 : array_like
        What to convolve, of as many axes.
    mode : str, optional
        As in `correlate`.
    axes : int or sequence of int, optional
        The axes along which to convolve, by default all; the others broadcast.

    Returns
    -------
    ndarray
        The convolution. Where an operand is not finite, all along `axes` is NaN.

    Examples
    --------
    >>> from ndconv import signal
    >>> signal.fftconvolve([1, 2, 3], [0, 1, 4])
    array([ 0.,  1.,  6., 11., 12.])
    """
    return _convolved_along(np.asarray(in1), np.asarray(in2), mode, axes, spread=True)


@handing_on(_scipy.oaconvolve, 2, SIGNAL_DTYPES)
def oaconvolve(in1: ArrayLike, in2: ArrayLike, mode: str = "full", axes: Axes = None) -> Array:
    """N-D convolution in floating point along some axes, as :func:`scipy.signal.oaconvolve`.

    Parameters
    ----------
    in1, in2, mode, axes
        As in `fftconvolve`.

    Returns
    -------
    ndarray
        The convolution. Where the shorter operand is not finite, all along `axes` is NaN.

    Examples
    --------
    >>> from ndconv import signal
    >>> signal.oaconvolve([1, 2, 3, 4, 5], [1, -1], mode="valid")
    array([1., 1., 1., 1.])
    """
    return _convolved_along(np.asarray(in1), np.asarray(in2), mode, axes, spread=False)


def _convolved_along(x: Array, kernel: Array, mode: str, axes: Axes, *, spread: bool) -> Array:
    """Convolve along some axes, and broadcast along the others; `spread` what is not finite as one transform would."""
    if x.ndim == kernel.ndim == 0:
        return np.asarray(x * kernel)[()]
    check_same_ndim(x, kernel, "in1", "in2")
    # An axis with a single sample broadcasts as well.
    along = tuple(axis for axis in checked_axes(axes, x.ndim) if 1 not in (x.shape[axis], kernel.shape[axis]))
    if any(a != b and 1 not in (a, b) for axis, (a, b) in enumerate(pairs(x, kernel)) if axis not in along):
        raise ValueError(f"incompatible shapes for in1 and in2: {x.shape} and {kernel.shape}")
    if are_swapped(mode, x.shape, kernel.shape, along):
        x, kernel = kernel, x
    if mode not in MODES:
        raise ValueError(f"acceptable mode flags are 'valid', 'same', or 'full', got {mode!r}")
    if not along:
        result: Array = x * kernel
    else:
        x, kernel = _floating(x), _floating(kernel)
        longer = is_longer(kernel, x, mode, along)
        # A transform loses all of its samples to one that is not finite; blocks do, too, to one of what they share.
        lost: list[Array] = []
        if (spread or longer) and not all_finite(x):
            x, lines = _without_lost_lines(x, along)
            lost.append(lines)
        if (spread or not longer) and not all_finite(kernel):
            kernel, lines = _without_lost_lines(kernel, along)
            lost.append(lines)
        result = slid(x, kernel, mode, "auto", along)
        for lines in lost:
            np.copyto(result, nan_of(result), where=lines)
    if mode == "same" and result.shape != x.shape:
        middle = [(n - size) // 2 for n, size in zip(result.shape, x.shape, strict=True)]
        return result[tuple(slice(n, n + size) for n, size in zip(middle, x.shape, strict=True))].copy()
    return result


def _without_lost_lines(array: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Return an array with zeros instead of what is not finite, and whether there was such anywhere along some axes."""
    lost = ~np.isfinite(array)
    lines: Array = np.any(lost, axes, keepdims=True)
    return np.where(lost, 0, array), lines


def _floating(array: Array) -> Array:
    """Return an array in the floating dtype that it is convolved in."""
    return array if array.dtype.char in "fdFD" else array.astype(np.float32 if array.dtype.char == "e" else np.float64)
