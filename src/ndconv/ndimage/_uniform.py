"""Means over windows."""

from __future__ import annotations

import operator

import numpy as np
import scipy.ndimage as _scipy
from numpy.lib.array_utils import normalize_axis_index
from numpy.typing import ArrayLike

from .._call.dtypes import Array
from .._dropins.fallback import NDIMAGE_DTYPES, handing_on
from ._arguments import Modes, Output, PerAxis, checked_axes, mode_of, one_for_each, output_for
from ._complex import filtered
from ._passes import Pass, filter_by_means


@handing_on(_scipy.uniform_filter1d, 1, NDIMAGE_DTYPES)
def uniform_filter1d(
    input: ArrayLike, size: int, axis: int = -1, output: Output = None, mode: str = "reflect", cval: complex = 0.0,
    origin: int = 0,
) -> Array:  # fmt: skip
    """Mean over a window along an axis, as :func:`scipy.ndimage.uniform_filter1d`.

    Parameters
    ----------
    input, axis, output, mode, cval, origin
        As in `correlate1d`.
    size : int
        Samples of the window.

    Returns
    -------
    ndarray
        The means, of the input's shape.

    Examples
    --------
    >>> from ndconv import ndimage
    >>> ndimage.uniform_filter1d([2.0, 8, 0, 4, 1], 3)
    array([4.        , 3.33333333, 4.        , 1.66666667, 2.        ])
    """
    x = np.asarray(input)
    axis = normalize_axis_index(axis, x.ndim)
    size = operator.index(size)
    if size < 1:
        raise RuntimeError(f"incorrect filter size: size must be at least 1, got {size}")
    y = output_for(output, x, complex_output=x.dtype.kind == "c")
    window = _window_of(axis, size, mode, origin)
    return filtered(filter_by_means, x, [window], y, cval)


@handing_on(_scipy.uniform_filter, 1, NDIMAGE_DTYPES)
def uniform_filter(
    input: ArrayLike, size: PerAxis = 3, output: Output = None, mode: Modes = "reflect", cval: complex = 0.0,
    origin: PerAxis = 0, *, axes: PerAxis | None = None,
) -> Array:  # fmt: skip
    """Mean over a window of several axes, as :func:`scipy.ndimage.uniform_filter`.

    Parameters
    ----------
    input, output, cval, origin, axes
        As in `correlate`.
    size : int or sequence of int, optional
        Samples of the window, along all axes or each.
    mode : str or sequence of str, optional
        One of those of `correlate`, for all axes or for each.

    Returns
    -------
    ndarray
        The means, of the input's shape.

    Examples
    --------
    >>> import numpy as np
    >>> from ndconv import ndimage
    >>> ndimage.uniform_filter(np.eye(4) * 9)
    array([[5., 3., 1., 0.],
           [3., 3., 2., 1.],
           [1., 2., 3., 3.],
           [0., 1., 3., 5.]])
    """
    x = np.asarray(input)
    y = output_for(output, x, complex_output=x.dtype.kind == "c")
    slid = checked_axes(axes, x.ndim)
    sizes, modes, origins = (
        one_for_each(size, len(slid)),
        one_for_each(mode, len(slid)),
        one_for_each(origin, len(slid)),
    )
    each = zip(slid, sizes, modes, origins, strict=True)
    windows = [_window_of(axis, int(n), name, shift) for axis, n, name, shift in each if n > 1]
    return filtered(filter_by_means, x, windows, y, cval)


def _window_of(axis: int, size: int, mode: str, origin: int) -> Pass:
    """Return the window of a mean."""
    before = size // 2 + operator.index(origin)
    if not 0 <= before < size:
        raise ValueError(f"invalid origin: origin must lie in {-(size // 2)}..{(size - 1) // 2}, got {origin!r}")
    return Pass(axis, np.ones(size), mode_of(mode), before)
