"""Filters that are made of any derivative along an axis: the sum of second ones, and the length of the gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.ndimage as _scipy
from numpy.typing import ArrayLike

from .._call.dtypes import Array
from .._dropins.fallback import FOR_SCIPY, NDIMAGE_DTYPES, handing_on
from ._arguments import Modes, Output, PerAxis, checked_axes, one_for_each, output_for
from ._results import shares_memory

Derivative = Callable[..., Any]


@handing_on(_scipy.generic_laplace, 1, NDIMAGE_DTYPES)
def generic_laplace(
    input: ArrayLike, derivative2: Derivative, output: Output = None, mode: Modes = "reflect", cval: complex = 0.0,
    extra_arguments: Sequence[Any] = (), extra_keywords: Mapping[str, Any] | None = None, *,
    axes: PerAxis | None = None,
) -> Array:  # fmt: skip
    """Sum of second derivatives of any kind, as :func:`scipy.ndimage.generic_laplace`.

    Parameters
    ----------
    input, output, cval
        As in `correlate`.
    derivative2 : callable
        The second derivative along an axis, called as ``derivative2(input, axis, output, mode, cval,
        *extra_arguments, **extra_keywords)``. It writes to `output` if that is an array, and otherwise returns an array
        of that dtype.
    mode : str or sequence of str, optional
        One of those of `correlate`, for all axes or for each.
    extra_arguments, extra_keywords : sequence and dict, optional
        What else to call `derivative2` with.
    axes : int or tuple of int, optional
        The axes along which to take derivatives; by default all.

    Returns
    -------
    ndarray
        The filtered input.

    Examples
    --------
    >>> from ndconv import ndimage
    >>> def second(input, axis, output, mode, cval):
    ...     return ndimage.correlate1d(input, [1, -2, 1], axis, output, mode, cval)
    >>> ndimage.generic_laplace([0, 0, 1, 0, 0], second)
    array([ 0,  1, -2,  1,  0])
    """
    return _sum(input, derivative2, output, mode, cval, extra_arguments, extra_keywords or {}, axes, squared=False)


@handing_on(_scipy.generic_gradient_magnitude, 1, NDIMAGE_DTYPES)
def generic_gradient_magnitude(
    input: ArrayLike, derivative: Derivative, output: Output = None, mode: Modes = "reflect", cval: complex = 0.0,
    extra_arguments: Sequence[Any] = (), extra_keywords: Mapping[str, Any] | None = None, *,
    axes: PerAxis | None = None,
) -> Array:  # fmt: skip
    """Length of a gradient of any kind, as :func:`scipy.ndimage.generic_gradient_magnitude`.

    Parameters
    ----------
    input, output, mode, cval, extra_arguments, extra_keywords, axes
        As in `generic_laplace`.
    derivative : callable
        The derivative along an axis, called as `generic_laplace` calls its own. What it returns is written over.

    Returns
    -------
    ndarray
        The filtered input.

    Examples
    --------
    >>> from ndconv import ndimage
    >>> ndimage.generic_gradient_magnitude([[0.0, 3, 6], [4, 7, 10]], ndimage.prewitt, mode="nearest")
    array([[15.        , 21.63330765, 15.        ],
           [15.        , 21.63330765, 15.        ]])
    """
    return _sum(input, derivative, output, mode, cval, extra_arguments, extra_keywords or {}, axes, squared=True)


def _sum(
    input: ArrayLike, derivative: Derivative, output: Output, mode: Modes, cval: complex, more: Sequence[Any],
    keywords: Mapping[str, Any], axes: PerAxis | None, *, squared: bool,
) -> Array:  # fmt: skip
    """Return the sum of derivatives along axes, or the root of the sum of their squares."""
    x = np.asarray(input)
    try:
        y = output_for(output, x)
    except RuntimeError:  # SciPy's, or none, as derivatives may know other dtypes
        return FOR_SCIPY

    def along(x: Array, axis: int, to: Array | np.dtype[Any], mode: str) -> Array:
        result = derivative(x, axis, to, mode, cval, *more, **keywords)
        return to if isinstance(to, np.ndarray) else result

    return add_along(x, y, checked_axes(axes, x.ndim), mode, along, squared)


def add_along(
    x: Array, y: Array, axes: Sequence[int], mode: Modes, derivative: Callable[..., Array], squared: bool
) -> Array:
    """Write to y the sum of derivatives along axes, or the root of the sum of their squares, and return it.

    A derivative is called as ``derivative(x, axis, output, mode)``, the output an array or a dtype.
    """
    if not axes:
        y[...] = x
        return y
    x = x.copy() if shares_memory(x, y) else x
    for number, (axis, each) in enumerate(zip(axes, one_for_each(mode, len(axes)), strict=True)):
        part = derivative(x, axis, y.dtype if number else y, each)
        if squared:
            np.multiply(part, part, out=part)
        if number:
            y += part
    if squared:
        _take_roots(y)
    return y


def _take_roots(y: Array) -> None:
    """Take square roots in place, in the type that NumPy takes them in: of bytes in float16, once for each value."""
    if y.dtype == np.uint8:
        y[...] = np.sqrt(np.arange(256, dtype=np.uint8)).astype(np.uint8)[y]
    else:
        np.sqrt(y, out=y, casting="unsafe")
