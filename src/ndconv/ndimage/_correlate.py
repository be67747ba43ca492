"""Correlation and convolution by any weights: of all axes, or along one."""

from __future__ import annotations

import operator
from collections.abc import Iterable

import numpy as np
import scipy.ndimage as _scipy
from numpy.lib.array_utils import normalize_axis_index
from numpy.typing import ArrayLike

from .._call.dtypes import Array
from .._dropins.fallback import NDIMAGE_DTYPES, handing_on
from . import _window
from ._arguments import (
    Output,
    PerAxis,
    check_origin,
    check_real,
    checked_axes,
    mirrored,
    mode_of,
    one_for_each,
    output_for,
    real,
)
from ._complex import by_components, filtered
from ._passes import Pass, filter_by_passes


@handing_on(_scipy.correlate, 2, NDIMAGE_DTYPES)
def correlate(
    input: ArrayLike, weights: ArrayLike, output: Output = None, mode: str = "reflect", cval: complex = 0.0,
    origin: PerAxis = 0, *, axes: PerAxis | None = None,
) -> Array:  # fmt: skip
    """N-D correlation, as :func:`scipy.ndimage.correlate`.

    Parameters
    ----------
    input : array_like
        Samples.
    weights : array_like
        Weights of the window, one axis for each of `axes`; complex ones are conjugated.
    output : ndarray or dtype, optional
        Where to put the result, or its dtype; by default that of the input.
    mode : str, optional
        What stands outside the input: "reflect", "constant", "nearest", "mirror" or "wrap".
    cval : scalar, optional
        The samples outside it in mode "constant".
    origin : int or sequence of int, optional
        By how many samples the window is shifted, of all axes or of each.
    axes : int or tuple of int, optional
        The axes along which the window extends; by default all.

    Returns
    -------
    ndarray
        The correlation, of the input's shape.

    Examples
    --------
    >>> from ndconv import ndimage
    >>> ndimage.correlate([1, 2, 3, 4], [1, 0, -1])
    array([-1, -2, -2, -1])
    """
    return _correlated(input, weights, output, mode, cval, origin, axes, mirror=False)


@handing_on(_scipy.convolve, 2, NDIMAGE_DTYPES)
def convolve(
    input: ArrayLike, weights: ArrayLike, output: Output = None, mode: str = "reflect", cval: complex = 0.0,
    origin: PerAxis = 0, *, axes: PerAxis | None = None,
) -> Array:  # fmt: skip
    """N-D convolution, as :func:`scipy.ndimage.convolve`: `correlate` with the weights mirrored, and not conjugated.

    Parameters
    ----------
    input, weights, output, mode, cval, origin, axes
        As in `correlate`.

    Returns
    -------
    ndarray
        The convolution, of the input's shape.

    Examples
    --------
    >>> from ndconv import ndimage
    >>> ndimage.convolve([1, 2, 3, 4], [1, 0, -1])
    array([1, 2, 2, 1])
    """
    return _correlated(input, weights, output, mode, cval, origin, axes, mirror=True)


def _correlated(
    input: ArrayLike, weights: ArrayLike, output: Output, mode: str, cval: complex, origin: PerAxis,
    axes: PerAxis | None, *, mirror: bool,
) -> Array:  # fmt: skip
    """Correlate, or convolve if `mirror`."""
    x, weights = np.asarray(input), np.asarray(weights)
    if x.dtype.kind == "c" or weights.dtype.kind == "c":

        def filter(x: Array, weights: Array, y: Array, cval: complex) -> None:
            _correlated(x, weights, y, mode, cval, origin, axes, mirror=mirror)

        return by_components(filter, x, weights if mirror else weights.conj(), output, cval)
    slid = checked_axes(axes, x.ndim)
    weights = weights.astype(np.float64, copy=False)
    if weights.ndim != len(slid) or 0 in weights.shape:
        raise RuntimeError(f"weights.ndim ({sum(n > 0 for n in weights.shape)}) must match len(axes) ({len(slid)})")
    origins = one_for_each(origin, len(slid))
    # As in SciPy, the order of `axes` is that of their origins; weights have their axes in the input's order.
    weights = np.expand_dims(weights, [axis for axis in range(x.ndim) if axis not in slid])
    if len(slid) < x.ndim:
        of_axis = dict(zip(slid, origins, strict=True))
        origins = [of_axis.get(axis, 0) for axis in range(x.ndim)]
    if mirror:
        weights = np.flip(weights)
        origins = [mirrored(o, n) for o, n in zip(origins, weights.shape, strict=True)]
    for each, taps in zip(origins, weights.shape, strict=True):
        check_origin(each, taps, "weights.shape[k]", "origin[k]")
    if not isinstance(mode, str) and isinstance(mode, Iterable):
        raise RuntimeError(f"A sequence of modes is not supported, got {mode!r}")
    y = output_for(output, x)
    check_real(y)
    before = [n // 2 + operator.index(o) for n, o in zip(weights.shape, origins, strict=True)]
    _window.correlate(x, weights, y, mode_of(mode), before, real(cval, "cval"))
    return y


@handing_on(_scipy.correlate1d, 2, NDIMAGE_DTYPES)
def correlate1d(
    input: ArrayLike, weights: ArrayLike, axis: int = -1, output: Output = None, mode: str = "reflect",
    cval: complex = 0.0, origin: int = 0,
) -> Array:  # fmt: skip
    """Correlation along an axis, as :func:`scipy.ndimage.correlate1d`.

    Parameters
    ----------
    input, output, mode, cval
        As in `correlate`.
    weights : array_like
        Weights of the window, in one dimension; complex ones are conjugated.
    axis : int, optional
        The axis along which to correlate.
    origin : int, optional
        By how many samples the window is shifted.

    Returns
    -------
    ndarray
        The correlation, of the input's shape.

    Examples
    --------
    >>> from ndconv import ndimage
    >>> ndimage.correlate1d([[1, 2], [4, 8]], [1, 1], axis=0)
    array([[ 2,  4],
           [ 5, 10]])
    """
    return correlated_1d(input, weights, axis, output, mode, cval, origin, mirror=False)


@handing_on(_scipy.convolve1d, 2, NDIMAGE_DTYPES)
def convolve1d(
    input: ArrayLike, weights: ArrayLike, axis: int = -1, output: Output = None, mode: str = "reflect",
    cval: complex = 0.0, origin: int = 0,
) -> Array:  # fmt: skip
    """Convolution along an axis, as :func:`scipy.ndimage.convolve1d`.

    Parameters
    ----------
    input, weights, axis, output, mode, cval, origin
        As in `correlate1d`; the weights are mirrored, and not conjugated.

    Returns
    -------
    ndarray
        The convolution, of the input's shape.

    Examples
    --------
    >>> from ndconv import ndimage
    >>> ndimage.convolve1d([1, 2, 4, 8], [1, 1])
    array([ 3,  6, 12, 16])
    """
    return correlated_1d(input, weights, axis, output, mode, cval, origin, mirror=True)


def correlated_1d(
    input: ArrayLike, weights: ArrayLike, axis: int, output: Output, mode: str, cval: complex, origin: int, *,
    mirror: bool,
) -> Array:  # fmt: skip
    """Correlate, or convolve if `mirror`, along an axis."""
    x, weights = np.asarray(input), np.asarray(weights)
    if x.dtype.kind == "c" or weights.dtype.kind == "c":

        def filter(x: Array, weights: Array, y: Array, cval: complex) -> None:
            correlated_1d(x, weights, axis, y, mode, cval, origin, mirror=mirror)

        return by_components(filter, x, weights if mirror else weights.conj(), output, cval)
    y = output_for(output, x)
    if weights.ndim != 1 or weights.size == 0:
        raise RuntimeError(f"no filter weights given: weights must have one axis and not be empty, got {weights.shape}")
    weights = weights.astype(np.float64, copy=False)
    axis = normalize_axis_index(axis, x.ndim)
    if mirror:
        weights, origin = weights[::-1], mirrored(origin, weights.size)
    check_origin(origin, weights.size, "len(weights)", "origin")
    each = Pass(axis, weights, mode_of(mode), weights.size // 2 + operator.index(origin))
    return filtered(filter_by_passes, x, [each], y, cval)
