"""Gaussian filters, and their weights."""

from __future__ import annotations

import operator

import numpy as np
import scipy.ndimage as _scipy
from numpy.typing import ArrayLike

from .._call.dtypes import Array
from .._correlation.gaussian_weights import gaussian_weights
from .._dropins.fallback import NDIMAGE_DTYPES, handing_on
from ._arguments import Modes, Output, PerAxis, Sigma, checked_axes, mode_of, one_for_each, output_for, real
from ._complex import filtered
from ._correlate import correlated_1d
from ._passes import Pass, filter_by_passes

# An axis with no more than this standard deviation is left out.
_LEAST_SIGMA = 1e-15


@handing_on(_scipy.gaussian_filter1d, 1, NDIMAGE_DTYPES)
def gaussian_filter1d(
    input: ArrayLike, sigma: float, axis: int = -1, order: int = 0, output: Output = None, mode: str = "reflect",
    cval: complex = 0.0, truncate: float = 4.0, *, radius: int | None = None,
) -> Array:  # fmt: skip
    """Gaussian filter along an axis, as :func:`scipy.ndimage.gaussian_filter1d`.

    Parameters
    ----------
    input, output, mode, cval
        As in `correlate`.
    sigma : float
        The Gaussian's standard deviation.
    axis : int, optional
        The axis along which to filter.
    order, truncate, radius
        As in `gaussian_filter`.

    Returns
    -------
    ndarray
        The filtered input.

    Examples
    --------
    >>> from ndconv import ndimage
    >>> ndimage.gaussian_filter1d([0.0, 0, 1, 0, 0], 1).round(3)
    array([0.058, 0.242, 0.399, 0.242, 0.058])
    """
    weights = _gaussian(real(sigma, "sigma"), order, truncate, radius)
    return correlated_1d(input, weights, axis, output, mode, cval, 0, mirror=False)


@handing_on(_scipy.gaussian_filter, 1, NDIMAGE_DTYPES)
def gaussian_filter(
    input: ArrayLike, sigma: Sigma, order: PerAxis = 0, output: Output = None,
    mode: Modes = "reflect", cval: complex = 0.0, truncate: float = 4.0, *,
    radius: PerAxis | None = None, axes: PerAxis | None = None,
) -> Array:  # fmt: skip
    """Gaussian filter along several axes, as :func:`scipy.ndimage.gaussian_filter`.

    Parameters
    ----------
    input, output, cval
        As in `correlate`.
    sigma : float or sequence of float
        The Gaussian's standard deviation, of all axes or of each.
    order : int or sequence of int, optional
        Which derivative of the Gaussian to take; 0 smooths.
    mode : str or sequence of str, optional
        One of those of `correlate`, for all axes or for each.
    truncate : float, optional
        At how many standard deviations the Gaussian ends.
    radius : int or sequence of int, optional
        At how many samples it ends, whatever `truncate` says.
    axes : int or tuple of int, optional
        The axes along which to filter; by default all.

    Returns
    -------
    ndarray
        The filtered input.

    Examples
    --------
    >>> import numpy as np
    >>> from ndconv import ndimage
    >>> image = np.zeros((3, 3))
    >>> image[1, 1] = 1
    >>> ndimage.gaussian_filter(image, 0.5).round(3)
    array([[0.011, 0.084, 0.011],
           [0.084, 0.619, 0.084],
           [0.011, 0.084, 0.011]])
    """
    x = np.asarray(input)
    y = output_for(output, x)
    passes = gaussian_passes(x.ndim, sigma, order, mode, truncate, radius=radius, axes=axes)
    return filtered(filter_by_passes, x, passes, y, cval)


def gaussian_passes(
    ndim: int, sigma: Sigma, order: PerAxis, mode: Modes, truncate: float = 4.0, *, radius: PerAxis | None = None,
    axes: PerAxis | None = None,
) -> list[Pass]:  # fmt: skip
    """Return the passes of a Gaussian filter."""
    slid = checked_axes(axes, ndim)
    sigmas, orders = one_for_each(sigma, len(slid)), one_for_each(order, len(slid))
    modes, radii = one_for_each(mode, len(slid)), one_for_each(radius, len(slid))
    passes = []
    for axis, width, derivative, name, reach in zip(slid, sigmas, orders, modes, radii, strict=True):
        if width > _LEAST_SIGMA:
            weights = _gaussian(real(width, "sigma"), derivative, truncate, reach)
            passes.append(Pass(axis, weights, mode_of(name), weights.size // 2))
    return passes


def _gaussian(sigma: float, order: int, truncate: float, radius: int | None) -> Array:
    """Return a Gaussian's weights, or those of a derivative, in the order in which they are correlated."""
    reach = int(truncate * sigma + 0.5) if radius is None else radius
    if not isinstance(reach, (int, np.integer)) or reach < 0:
        raise ValueError(f"Radius must be a nonnegative integer, got {reach!r}.")
    if order < 0:
        raise ValueError(f"order must be non-negative, got {order!r}")
    if isinstance(order, bool):
        raise TypeError(f"order must be an integer, got {order!r}")
    return gaussian_weights(sigma, operator.index(order), reach)
