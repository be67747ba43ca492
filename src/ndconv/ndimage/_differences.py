"""Differences of neighbours: the filters of Sobel, Prewitt and Laplace."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.ndimage as _scipy
from numpy.lib.array_utils import normalize_axis_index
from numpy.typing import ArrayLike

from .._call.dtypes import Array
from .._dropins.fallback import NDIMAGE_DTYPES, handing_on
from ._arguments import Modes, Output, PerAxis, checked_axes, mode_of, one_for_each, output_for
from ._complex import filtered
from ._passes import Pass, filter_by_passes
from ._results import shares_memory


@handing_on(_scipy.sobel, 1, NDIMAGE_DTYPES)
def sobel(
    input: ArrayLike, axis: int = -1, output: Output = None, mode: Modes = "reflect", cval: complex = 0.0
) -> Array:
    """Sobel's filter, as :func:`scipy.ndimage.sobel`: differences along an axis, smoothed by 1, 2, 1 along the others.

    Parameters
    ----------
    input, output, cval
        As in `correlate`.
    axis : int, optional
        The axis of the differences.
    mode : str or sequence of str, optional
        One of those of `correlate`, for all axes or for each.

    Returns
    -------
    ndarray
        The filtered input.

    Examples
    --------
    >>> from ndconv import ndimage
    >>> ndimage.sobel([[0, 0, 1], [0, 1, 1], [1, 1, 1]])
    array([[1, 4, 3],
           [2, 3, 1],
           [1, 1, 0]])
    """
    return _differences(input, [1, 2, 1], axis, output, mode, cval)


@handing_on(_scipy.prewitt, 1, NDIMAGE_DTYPES)
def prewitt(
    input: ArrayLike, axis: int = -1, output: Output = None, mode: Modes = "reflect", cval: complex = 0.0
) -> Array:
    """Prewitt's filter, as :func:`scipy.ndimage.prewitt`: differences along an axis, sums along the others.

    Parameters
    ----------
    input, axis, output, mode, cval
        As in `sobel`.

    Returns
    -------
    ndarray
        The filtered input.

    Examples
    --------
    >>> from ndconv import ndimage
    >>> ndimage.prewitt([[0, 0, 1], [0, 1, 1], [1, 1, 1]])
    array([[1, 3, 2],
           [1, 2, 1],
           [1, 1, 0]])
    """
    return _differences(input, [1, 1, 1], axis, output, mode, cval)


def _differences(
    input: ArrayLike, smoothing: list[int], axis: int, output: Output, mode: Modes, cval: complex
) -> Array:
    """Return differences along an axis, smoothed along the others."""
    x = np.asarray(input)
    axis = normalize_axis_index(axis, x.ndim)
    y = output_for(output, x)
    modes = [mode_of(name) for name in one_for_each(mode, x.ndim)]
    order = [axis, *(other for other in range(x.ndim) if other != axis)]
    weights = [np.array([-1.0, 0, 1])] + [np.array(smoothing, float)] * (x.ndim - 1)
    passes = [Pass(a, w, modes[a], 1) for a, w in zip(order, weights, strict=True)]
    return filtered(filter_by_passes, x, passes, y, cval)


@handing_on(_scipy.laplace, 1, NDIMAGE_DTYPES)
def laplace(
    input: ArrayLike, output: Output = None, mode: Modes = "reflect", cval: complex = 0.0, *,
    axes: PerAxis | None = None,
) -> Array:  # fmt: skip
    """Laplace's filter, as :func:`scipy.ndimage.laplace`: the sum of the second differences 1, -2, 1 along each axis.

    Parameters
    ----------
    input, output, cval
        As in `correlate`.
    mode : str or sequence of str, optional
        One of those of `correlate`, for all axes or for each.
    axes : int or tuple of int, optional
        The axes along which to take differences; by default all.

    Returns
    -------
    ndarray
        The filtered input.

    Examples
    --------
    >>> from ndconv import ndimage
    >>> ndimage.laplace([0, 0, 1, 0, 0])
    array([ 0,  1, -2,  1,  0])
    """
    x = np.asarray(input)
    y = output_for(output, x)
    slid = checked_axes(axes, x.ndim)
    modes = [mode_of(name) for name in one_for_each(mode, len(slid))] if slid else []
    passes = [Pass(axis, np.array([1.0, -2, 1]), m, 1) for axis, m in zip(slid, modes, strict=True)]
    return filtered(_add_passes, x, passes, y, cval)


def _add_passes(x: Array, passes: Sequence[Pass], y: Array, cval: float) -> None:
    """Write to y the sum of passes, each of x itself; at least one."""
    x = x.copy() if shares_memory(x, y) else x
    filter_by_passes(x, passes[:1], y, cval)
    for each in passes[1:]:
        part = np.empty(y.shape, y.dtype)
        filter_by_passes(x, [each], part, cval)
        y += part
