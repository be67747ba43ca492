"""Derivatives of a Gaussian: the sum of the second ones, and the length of the gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict, Unpack

import numpy as np
import scipy.ndimage as _scipy
from numpy.typing import ArrayLike

from .._call.dtypes import Array
from .._dropins.fallback import NDIMAGE_DTYPES, handing_on
from ._arguments import Modes, Output, PerAxis, Sigma, checked_axes, one_for_each, output_for
from ._gaussian import gaussian_filter
from ._generic import add_along


class End(TypedDict, total=False):
    """Where a Gaussian ends."""

    truncate: float
    radius: PerAxis | None


@handing_on(_scipy.gaussian_laplace, 1, NDIMAGE_DTYPES)
def gaussian_laplace(
    input: ArrayLike, sigma: Sigma, output: Output = None, mode: Modes = "reflect",
    cval: complex = 0.0, *, axes: PerAxis | None = None, **kwargs: Unpack[End],
) -> Array:  # fmt: skip
    """Laplacian of a Gaussian, as :func:`scipy.ndimage.gaussian_laplace`: the sum of second derivatives.

    Parameters
    ----------
    input, output, cval
        As in `correlate`.
    sigma, axes
        As in `gaussian_filter`.
    mode : str or sequence of str, optional
        One of those of `correlate`; of a sequence, one for the derivative along each axis.
    **kwargs
        Handed to `gaussian_filter`: `truncate`, `radius`.

    Returns
    -------
    ndarray
        The filtered input.

    Examples
    --------
    >>> from ndconv import ndimage
    >>> ndimage.gaussian_laplace([0.0, 0, 1, 0, 0], 1).round(3)
    array([ 0.197,  0.002, -0.399,  0.002,  0.197])
    """
    x = np.asarray(input)
    slid = checked_axes(axes, x.ndim)
    sigmas = dict(zip(slid, one_for_each(sigma, len(slid)), strict=True))
    widths = [sigmas.get(axis, 0) for axis in range(x.ndim)]
    y = output_for(output, x)
    return _derivatives(x, y, widths, 2, slid, mode, cval, kwargs)


@handing_on(_scipy.gaussian_gradient_magnitude, 1, NDIMAGE_DTYPES)
def gaussian_gradient_magnitude(
    input: ArrayLike, sigma: Sigma, output: Output = None, mode: Modes = "reflect",
    cval: complex = 0.0, *, axes: PerAxis | None = None, **kwargs: Unpack[End],
) -> Array:  # fmt: skip
    """Length of the gradient of a Gaussian, as :func:`scipy.ndimage.gaussian_gradient_magnitude`.

    Parameters
    ----------
    input, output, cval
        As in `correlate`.
    sigma : float or sequence of float
        The Gaussian's standard deviation, of all axes or of each of the input's.
    mode, **kwargs
        As in `gaussian_laplace`.
    axes : int or tuple of int, optional
        The axes along which to take derivatives; by default all.

    Returns
    -------
    ndarray
        The filtered input.

    Examples
    --------
    >>> from ndconv import ndimage
    >>> ndimage.gaussian_gradient_magnitude([0.0, 0, 1, 0, 0], 1).round(3)
    array([0.095, 0.241, 0.   , 0.241, 0.095])
    """
    x = np.asarray(input)
    y = output_for(output, x)
    slid = checked_axes(axes, x.ndim)
    return _derivatives(x, y, sigma, 1, slid, mode, cval, kwargs)


def _derivatives(
    x: Array, y: Array, sigma: Sigma, order: int, axes: Sequence[int], mode: Modes, cval: complex, end: End
) -> Array:
    """Write to y the sum of a Gaussian's second derivatives of x along axes, or the length of the first ones."""

    def along(x: Array, axis: int, to: Array | np.dtype[np.generic], mode: str) -> Array:
        orders = [order if each == axis else 0 for each in range(x.ndim)]
        return gaussian_filter(x, sigma, orders, to, mode, cval, **end)

    return add_along(x, y, axes, mode, along, squared=order == 1)
