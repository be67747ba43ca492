"""Correlation and convolution of two planes, with what stands outside them: SciPy's bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import scipy.signal as _scipy
from numpy.typing import ArrayLike

from .._call.dtypes import Array
from .._call.modes import BY_NAME
from .._correlation.correlate import convolve_nd, correlate_nd
from .._dropins.fallback import FOR_SCIPY, PLANE_DTYPES, handing_on
from ._arguments import look_up, look_up_mode
from ._ordered import correlated_plane
from ._sliding import are_swapped, pairs, parts_of_full

# SciPy's name of each boundary, and ours.
_BOUNDARIES = {
    "fill": "zeros",
    "pad": "zeros",
    "wrap": "circular",
    "circular": "circular",
    "symm": "symmetric",
    "symmetric": "symmetric",
}
_UNKNOWN_BOUNDARY = "Acceptable boundary flags are 'fill', 'circular' (or 'wrap'), and 'symmetric' (or 'symm')"


class _Outside(TypedDict):
    """What stands outside a plane, as the engine has it."""

    padding_mode: str
    fill_value: complex


@handing_on(_scipy.correlate2d, 2, PLANE_DTYPES, empty=False)  # with some boundaries, SciPy does not survive that
def correlate2d(
    in1: ArrayLike, in2: ArrayLike, mode: str = "full", boundary: str = "fill", fillvalue: complex = 0
) -> Array:
    """Correlation of two planes, as :func:`scipy.signal.correlate2d`.

    Parameters
    ----------
    in1 : array_like
        Samples, in two dimensions.
    in2 : array_like
        What slides over them; complex samples are conjugated.
    mode : str, optional
        As in `correlate`.
    boundary : str, optional
        What stands outside `in1`: "fill", "wrap" or "symm".
    fillvalue : scalar, optional
        The samples outside it under "fill".

    Returns
    -------
    ndarray
        The correlation.

    Examples
    --------
    >>> from ndconv import signal
    >>> signal.correlate2d([[1, 2], [3, 4]], [[1, -1]], mode="same", boundary="symm")
    array([[-1,  0],
           [-1,  0]])
    """
    x, kernel, outside, swapped = _planes("correlate2d", in1, in2, mode, boundary, fillvalue)
    if _read_nothing(x, kernel, mode):
        return FOR_SCIPY
    # Of a kernel of even size, `correlate` takes the output before this one for the middle of "full".
    before = [(taps - 1) // 2 for taps in kernel.shape]
    if np.result_type(x, kernel).kind in "fc":
        y = _of_floats(x, kernel.conj(), mode, before, outside, mirror=False)
        if y is FOR_SCIPY:
            return FOR_SCIPY
    elif mode == "same":
        lags = tuple((-first, size - 1 - first) for first, size in zip(before, x.shape, strict=True))
        y = correlate_nd(x, kernel, lags=lags, **outside)
    else:
        y = correlate_nd(x, kernel, mode, **outside)
    return y[::-1, ::-1] if swapped else y


@handing_on(_scipy.convolve2d, 2, PLANE_DTYPES, empty=False)  # with some boundaries, SciPy does not survive that
def convolve2d(
    in1: ArrayLike, in2: ArrayLike, mode: str = "full", boundary: str = "fill", fillvalue: complex = 0
) -> Array:
    """Convolution of two planes, as :func:`scipy.signal.convolve2d`.

    Parameters
    ----------
    in1, in2 : array_like
        What to convolve, in two dimensions.
    mode, boundary, fillvalue
        As in `correlate2d`.

    Returns
    -------
    ndarray
        The convolution.

    Examples
    --------
    >>> from ndconv import signal
    >>> signal.convolve2d([[1, 2], [3, 4]], [[1, -1]], mode="same", boundary="symm")
    array([[0, 1],
           [0, 1]])
    """
    x, kernel, outside, _ = _planes("convolve2d", in1, in2, mode, boundary, fillvalue)
    if _read_nothing(x, kernel, mode):
        return FOR_SCIPY
    if np.result_type(x, kernel).kind in "fc":
        return _of_floats(x, kernel, mode, [taps // 2 for taps in kernel.shape], outside, mirror=True)
    return convolve_nd(x, kernel, mode, **outside)


def _planes(
    name: str, in1: ArrayLike, in2: ArrayLike, mode: str, boundary: str, fillvalue: complex
) -> tuple[Array, Array, _Outside, bool]:
    """Return what slides over what, what stands outside, and whether they were swapped."""
    x, kernel = np.asarray(in1), np.asarray(in2)
    if not x.ndim == kernel.ndim == 2:
        raise ValueError(f"{name} inputs must both be 2-D arrays, got {x.ndim} and {kernel.ndim} axes")
    swapped = are_swapped(mode, x.shape, kernel.shape, (0, 1))
    if swapped:
        x, kernel = kernel, x
    look_up_mode(mode)
    look_up(boundary, _BOUNDARIES, _UNKNOWN_BOUNDARY)
    padding_mode = _BOUNDARIES[boundary]
    fill = _fill_in(fillvalue, np.result_type(x, kernel)) if padding_mode == "zeros" else 0
    return x, kernel, {"padding_mode": padding_mode if x.size else "zeros", "fill_value": fill}, swapped


def _read_nothing(x: Array, kernel: Array, mode: str) -> bool:
    """Whether there is no product to make, and the result is SciPy's: of the shape that it has there, with zeros."""
    return kernel.size == 0 or (x.size == 0 and mode == "same")


def _of_floats(x: Array, kernel: Array, mode: str, before: Sequence[int], outside: _Outside, *, mirror: bool) -> Array:
    """Correlate planes with SciPy's bits; in mode "same", the kernel begins `before` samples before an output."""
    sizes = pairs(x, kernel)
    if mode == "full":
        before = [taps - 1 for taps in kernel.shape]
    elif mode == "valid":
        before = [0, 0]
    rows, columns = (count for _, count in parts_of_full(mode, sizes))
    padding_mode = BY_NAME[outside["padding_mode"]]
    return correlated_plane(x, kernel, (rows, columns), before, padding_mode, outside["fill_value"], mirror=mirror)


def _fill_in(fillvalue: complex, dtype: np.dtype[np.generic]) -> complex:
    """Return the sample outside a plane as a value of the result's dtype, which SciPy accepts, or its error.

    An array has to be of a dtype that can be cast to it safely; anything else is what NumPy makes of it.
    """
    try:
        if isinstance(fillvalue, np.ndarray) and not np.can_cast(fillvalue.dtype, dtype):
            raise TypeError
        value = np.asarray(fillvalue, dtype)
    except (TypeError, ValueError, OverflowError):
        try:
            np.asarray(fillvalue, np.complex128)
        except (TypeError, ValueError) as error:
            raise type(error)(f"`fillvalue` must be a number, got {fillvalue!r}: {error}") from None
        raise ValueError(
            f"could not cast `fillvalue` directly to the output type {dtype} (it was first converted to complex), "
            f"got {fillvalue!r}"
        ) from None
    if value.size != 1:
        raise ValueError(f"`fillvalue` must be scalar or an array with one element, got {fillvalue!r}")
    number: complex = value.item()
    return number
