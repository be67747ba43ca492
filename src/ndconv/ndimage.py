"""Drop-ins for functions of ``scipy.ndimage``: the same signatures, defaults, names, results and errors, run by ndconv.

Change one import to use them::

    from ndconv import ndimage  # was: from scipy import ndimage

Results are computed in double precision and rounded to the output's dtype; integers are truncated. Boundary modes bear
SciPy's names here: "reflect" repeats the sample at the border, "mirror" does not.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import scipy.ndimage as _scipy
from numpy.lib.array_utils import normalize_axis_index
from numpy.typing import ArrayLike

from ._call.arrays import new_output
from ._call.dtypes import Array
from ._call.modes import BY_NAME, PaddingMode
from ._dropins import filtering as _filtering
from ._dropins.fallback import NDIMAGE_DTYPES, handing_on
from ._dropins.passes import Pass

__all__ = [
    "convolve",
    "convolve1d",
    "correlate",
    "correlate1d",
    "gaussian_filter",
    "gaussian_filter1d",
    "gaussian_gradient_magnitude",
    "gaussian_laplace",
    "laplace",
    "prewitt",
    "sobel",
    "uniform_filter",
    "uniform_filter1d",
]

Output = Array | type | np.dtype[Any] | str | None
PerAxis = int | Sequence[int]
Modes = str | Sequence[str]

# SciPy's name of each boundary mode, and ours.
_MODES: dict[Any, PaddingMode] = {
    "reflect": BY_NAME["symmetric"],
    "grid-mirror": BY_NAME["symmetric"],
    "constant": BY_NAME["zeros"],
    "grid-constant": BY_NAME["zeros"],
    "nearest": BY_NAME["replicate"],
    "mirror": BY_NAME["reflect"],
    "wrap": BY_NAME["circular"],
    "grid-wrap": BY_NAME["circular"],
}

# Gaussian filters leave out an axis with no more than this standard deviation.
_LEAST_SIGMA = 1e-15


# --- Correlation and convolution --------------------------------------------------------------------------------------


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
    input: Any, weights: Any, output: Any, mode: Any, cval: Any, origin: Any, axes: Any, *, mirror: bool
) -> Array:
    """Correlate, or convolve if `mirror`."""
    input, weights = np.asarray(input), np.asarray(weights)
    if input.dtype.kind == "c" or weights.dtype.kind == "c":

        def filter(input: Array, weights: Array, output: Array, cval: Any) -> None:
            _correlated(input, weights, output, mode, cval, origin, axes, mirror=mirror)

        return _by_parts(filter, input, weights if mirror else weights.conj(), output, cval)
    slid = _checked_axes(axes, input.ndim)
    weights = weights.astype(np.float64, copy=False)
    if weights.ndim != len(slid) or 0 in weights.shape:
        raise RuntimeError(f"weights.ndim ({sum(n > 0 for n in weights.shape)}) must match len(axes) ({len(slid)})")
    origins = _one_for_each(origin, len(slid))
    # As in SciPy, the order of `axes` is that of their origins; weights have their axes in the input's order.
    weights = np.expand_dims(weights, [axis for axis in range(input.ndim) if axis not in slid])
    if len(slid) < input.ndim:
        of_axis = dict(zip(slid, origins, strict=True))
        origins = [of_axis.get(axis, 0) for axis in range(input.ndim)]
    if mirror:
        weights = np.flip(weights)
        origins = [_mirrored(o, n) for o, n in zip(origins, weights.shape, strict=True)]
    for each, taps in zip(origins, weights.shape, strict=True):
        _check_origin(each, taps, "weights.shape[k]", "origin[k]")
    if not isinstance(mode, str) and isinstance(mode, Iterable):
        raise RuntimeError(f"A sequence of modes is not supported, got {mode!r}")
    y = _output_for(output, input)
    _check_real(y)
    before = [n // 2 + operator.index(o) for n, o in zip(weights.shape, origins, strict=True)]
    _filtering.correlate(input, weights, y, [_mode_of(mode)] * input.ndim, before, _real(cval, "cval"))
    return y


@handing_on(_scipy.correlate1d, 2, NDIMAGE_DTYPES)
def correlate1d(
    input: ArrayLike, weights: ArrayLike, axis: int = -1, output: Output = None, mode: str = "reflect",
    cval: complex = 0.0, origin: int = 0,
) -> Array:  # fmt: skip
    """Correlation along an axis, as :func:`scipy.ndimage.correlate1d`.

    Parameters
    ----------
    input : array_like
        Samples.
    weights : array_like
        Weights of the window, in one dimension; complex ones are conjugated.
    axis : int, optional
        The axis along which to correlate.
    output : ndarray or dtype, optional
        Where to put the result, or its dtype; by default that of the input.
    mode : str, optional
        What stands outside the input: "reflect", "constant", "nearest", "mirror" or "wrap".
    cval : scalar, optional
        The samples outside it in mode "constant".
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
    return _correlated_1d(input, weights, axis, output, mode, cval, origin, mirror=False)


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
    return _correlated_1d(input, weights, axis, output, mode, cval, origin, mirror=True)


def _correlated_1d(
    input: Any, weights: Any, axis: Any, output: Any, mode: Any, cval: Any, origin: Any, *, mirror: bool
) -> Array:
    """Correlate, or convolve if `mirror`, along an axis."""
    input, weights = np.asarray(input), np.asarray(weights)
    if input.dtype.kind == "c" or weights.dtype.kind == "c":

        def filter(input: Array, weights: Array, output: Array, cval: Any) -> None:
            _correlated_1d(input, weights, axis, output, mode, cval, origin, mirror=mirror)

        return _by_parts(filter, input, weights if mirror else weights.conj(), output, cval)
    y = _output_for(output, input)
    if weights.ndim != 1 or weights.size == 0:
        raise RuntimeError(f"no filter weights given: weights must have one axis and not be empty, got {weights.shape}")
    weights = weights.astype(np.float64, copy=False)
    axis = normalize_axis_index(axis, input.ndim)
    if mirror:
        weights, origin = weights[::-1], _mirrored(origin, weights.size)
    _check_origin(origin, weights.size, "len(weights)", "origin")
    each = Pass(axis, weights, _mode_of(mode), weights.size // 2 + operator.index(origin))
    return _filtered(_filtering.filter_by_passes, input, [each], y, cval)


def _by_parts(
    filter: Callable[[Array, Array, Array, Any], None], input: Array, weights: Array, output: Any, cval: Any
) -> Array:
    """Filter the real and imaginary parts of a complex input, with those of complex weights."""
    y = _output_for(output, input, complex_output=True)
    if input.dtype.kind == "c":
        parts = [(input.real, np.real(cval)), (input.imag, np.imag(cval))]
    elif np.iscomplexobj(cval):
        raise ValueError(f"cval must not be complex where the input is real, got {cval!r}")
    else:
        parts = [(input, cval)]
    kernels = [weights.real, weights.imag] if weights.dtype.kind == "c" else [weights]
    # Of each part of the input by each of the weights.
    products: list[list[Array]] = []
    for part, outside in parts:
        products.append([])
        for kernel in kernels:
            products[-1].append(new_output(y.shape, y.real.dtype))
            filter(part, kernel, products[-1][-1], outside)
    y.real = products[0][0]
    if len(kernels) == 2:
        y.imag = products[0][1]
        if len(parts) == 2:
            y.real -= products[1][1]
            y.imag += products[1][0]
    else:
        y.imag = products[1][0]
    return y


# --- Gaussian filters -------------------------------------------------------------------------------------------------


@handing_on(_scipy.gaussian_filter1d, 1, NDIMAGE_DTYPES)
def gaussian_filter1d(
    input: ArrayLike, sigma: float, axis: int = -1, order: int = 0, output: Output = None, mode: str = "reflect",
    cval: complex = 0.0, truncate: float = 4.0, *, radius: int | None = None,
) -> Array:  # fmt: skip
    """Gaussian filter along an axis, as :func:`scipy.ndimage.gaussian_filter1d`.

    Parameters
    ----------
    input : array_like
        Samples.
    sigma : float
        The Gaussian's standard deviation.
    axis : int, optional
        The axis along which to filter.
    order : int, optional
        Which derivative of the Gaussian to take; 0 smooths.
    output : ndarray or dtype, optional
        Where to put the result, or its dtype; by default that of the input.
    mode : str, optional
        What stands outside the input: "reflect", "constant", "nearest", "mirror" or "wrap".
    cval : scalar, optional
        The samples outside it in mode "constant".
    truncate : float, optional
        At how many standard deviations the Gaussian ends.
    radius : int, optional
        At how many samples it ends, whatever `truncate` says.

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
    weights = _gaussian(_real(sigma, "sigma"), order, truncate, radius)
    return _correlated_1d(input, weights, axis, output, mode, cval, 0, mirror=False)


@handing_on(_scipy.gaussian_filter, 1, NDIMAGE_DTYPES)
def gaussian_filter(
    input: ArrayLike, sigma: float | Sequence[float], order: PerAxis = 0, output: Output = None,
    mode: Modes = "reflect", cval: complex = 0.0, truncate: float = 4.0, *,
    radius: PerAxis | None = None, axes: PerAxis | None = None,
) -> Array:  # fmt: skip
    """Gaussian filter along several axes, as :func:`scipy.ndimage.gaussian_filter`.

    Parameters
    ----------
    input : array_like
        Samples.
    sigma : float or sequence of float
        The Gaussian's standard deviation, of all axes or of each.
    order : int or sequence of int, optional
        Which derivative of the Gaussian to take; 0 smooths.
    output : ndarray or dtype, optional
        Where to put the result, or its dtype; by default that of the input.
    mode : str or sequence of str, optional
        What stands outside the input: "reflect", "constant", "nearest", "mirror" or "wrap", of all axes or of each.
    cval : scalar, optional
        The samples outside it in mode "constant".
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
    array = np.asarray(input)
    y = _output_for(output, array)
    passes = _gaussian_passes(array.ndim, sigma, order, mode, truncate, radius=radius, axes=axes)
    return _filtered(_filtering.filter_by_passes, array, passes, y, cval)


def _gaussian_passes(
    ndim: int, sigma: Any, order: Any, mode: Any, truncate: float = 4.0, *, radius: Any = None, axes: Any = None
) -> list[Pass]:
    """Return the passes of a Gaussian filter."""
    slid = _checked_axes(axes, ndim)
    columns = [_one_for_each(each, len(slid)) for each in (sigma, order, mode, radius)]
    passes = []
    for axis, width, derivative, name, reach in zip(slid, *columns, strict=True):
        if width > _LEAST_SIGMA:
            weights = _gaussian(_real(width, "sigma"), derivative, truncate, reach)
            passes.append(Pass(axis, weights, _mode_of(name), weights.size // 2))
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
    order = operator.index(order)
    x = np.arange(-reach, reach + 1)
    weights: Array = np.exp(-0.5 / (sigma * sigma) * x**2)
    weights /= weights.sum()
    if order:
        # A derivative is the Gaussian times a Hermite polynomial.
        weights *= np.polynomial.hermite_e.hermeval(x / sigma, [0] * order + [1]) * (-1 / sigma) ** order
    return weights[::-1]


def _filtered(
    filter: Callable[[Array, Sequence[Pass], Array, Any], None], input: Array, passes: Sequence[Pass], y: Array,
    cval: Any,
) -> Array:  # fmt: skip
    """Write the input to y after passes along its axes; the parts of a complex one have their own."""
    if not passes:
        y[...] = input
    elif input.dtype.kind == "c":
        if y.dtype.kind != "c":
            raise RuntimeError(f"output must have complex dtype, got {y.dtype}")
        filter(input.real, passes, y.real, _real(np.real(cval), "cval"))
        filter(input.imag, passes, y.imag, _real(np.imag(cval), "cval"))
    else:
        _check_real(y)
        filter(input, passes, y, _real(cval, "cval"))
    return y


@handing_on(_scipy.gaussian_laplace, 1, NDIMAGE_DTYPES)
def gaussian_laplace(
    input: ArrayLike, sigma: float | Sequence[float], output: Output = None, mode: Modes = "reflect",
    cval: complex = 0.0, *, axes: PerAxis | None = None, **kwargs: Any,
) -> Array:  # fmt: skip
    """Laplacian of a Gaussian, as :func:`scipy.ndimage.gaussian_laplace`: the sum of second derivatives.

    Parameters
    ----------
    input : array_like
        Samples.
    sigma : float or sequence of float
        The Gaussian's standard deviation, of all axes or of each.
    output : ndarray or dtype, optional
        Where to put the result, or its dtype; by default that of the input.
    mode : str or sequence of str, optional
        What stands outside the input: "reflect", "constant", "nearest", "mirror" or "wrap"; of a sequence, one for the
        derivative along each axis.
    cval : scalar, optional
        The samples outside it in mode "constant".
    axes : int or tuple of int, optional
        The axes along which to filter; by default all.
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
    array = np.asarray(input)
    slid = _checked_axes(axes, array.ndim)
    sigmas = dict(zip(slid, _one_for_each(sigma, len(slid)), strict=True))
    widths = [sigmas.get(axis, 0) for axis in range(array.ndim)]
    y = _output_for(output, array)
    return _derivatives(array, y, widths, 2, slid, mode, cval, kwargs)


@handing_on(_scipy.gaussian_gradient_magnitude, 1, NDIMAGE_DTYPES)
def gaussian_gradient_magnitude(
    input: ArrayLike, sigma: float | Sequence[float], output: Output = None, mode: Modes = "reflect",
    cval: complex = 0.0, *, axes: PerAxis | None = None, **kwargs: Any,
) -> Array:  # fmt: skip
    """Length of the gradient of a Gaussian, as :func:`scipy.ndimage.gaussian_gradient_magnitude`.

    Parameters
    ----------
    input, output, mode, cval, **kwargs
        As in `gaussian_laplace`.
    sigma : float or sequence of float
        The Gaussian's standard deviation, of all axes or of each of the input's.
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
    array = np.asarray(input)
    y = _output_for(output, array)
    slid = _checked_axes(axes, array.ndim)
    return _derivatives(array, y, sigma, 1, slid, mode, cval, kwargs)


def _derivatives(
    x: Array, y: Array, sigma: Any, order: int, axes: Sequence[int], mode: Any, cval: complex, how: dict[str, Any]
) -> Array:
    """Write to y the sum of a Gaussian's second derivatives of x along axes, or the length of the first ones."""
    if not axes:
        y[...] = x
        return y
    orders = [[order if a == axis else 0 for a in range(x.ndim)] for axis in axes]
    modes = _one_for_each(mode, len(axes))
    if y.dtype.kind == "f" and x.dtype.kind != "c":
        filters = [_gaussian_passes(x.ndim, sigma, *each, **how) for each in zip(orders, modes, strict=True)]
        outside = _real(cval, "cval")
        if _filtering.can_filter_together(filters, y, outside):
            _filtering.filter_together(x, filters, y, outside, squared=order == 1)
            return y
    original = x.copy() if np.may_share_memory(x, y) else x
    for number, each in enumerate(zip(orders, modes, strict=True)):
        part = gaussian_filter(original, sigma, each[0], y.dtype if number else y, each[1], cval, **how)
        if order == 1:
            np.multiply(part, part, out=part)
        if number:
            y += part
    if order == 1:
        np.sqrt(y, out=y, casting="unsafe")
    return y


# --- Differences ------------------------------------------------------------------------------------------------------


@handing_on(_scipy.sobel, 1, NDIMAGE_DTYPES)
def sobel(
    input: ArrayLike, axis: int = -1, output: Output = None, mode: Modes = "reflect", cval: complex = 0.0
) -> Array:
    """Sobel's filter, as :func:`scipy.ndimage.sobel`: differences along an axis, smoothed by 1, 2, 1 along the others.

    Parameters
    ----------
    input : array_like
        Samples.
    axis : int, optional
        The axis of the differences.
    output : ndarray or dtype, optional
        Where to put the result, or its dtype; by default that of the input.
    mode : str or sequence of str, optional
        What stands outside the input: "reflect", "constant", "nearest", "mirror" or "wrap", of all axes or of each.
    cval : scalar, optional
        The samples outside it in mode "constant".

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


def _differences(input: Any, smoothing: list[int], axis: Any, output: Any, mode: Any, cval: Any) -> Array:
    """Return differences along an axis, smoothed along the others."""
    input = np.asarray(input)
    axis = normalize_axis_index(axis, input.ndim)
    y = _output_for(output, input)
    modes = [_mode_of(name) for name in _one_for_each(mode, input.ndim)]
    order = [axis, *(other for other in range(input.ndim) if other != axis)]
    weights = [np.array([-1.0, 0, 1])] + [np.array(smoothing, float)] * (input.ndim - 1)
    passes = [Pass(a, w, modes[a], 1) for a, w in zip(order, weights, strict=True)]
    return _filtered(_filtering.filter_by_passes, input, passes, y, cval)


@handing_on(_scipy.laplace, 1, NDIMAGE_DTYPES)
def laplace(
    input: ArrayLike, output: Output = None, mode: Modes = "reflect", cval: complex = 0.0, *,
    axes: PerAxis | None = None,
) -> Array:  # fmt: skip
    """Laplace's filter, as :func:`scipy.ndimage.laplace`: the sum of the second differences 1, -2, 1 along each axis.

    Parameters
    ----------
    input : array_like
        Samples.
    output : ndarray or dtype, optional
        Where to put the result, or its dtype; by default that of the input.
    mode : str or sequence of str, optional
        What stands outside the input: "reflect", "constant", "nearest", "mirror" or "wrap", of all axes or of each.
    cval : scalar, optional
        The samples outside it in mode "constant".
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
    array = np.asarray(input)
    y = _output_for(output, array)
    slid = _checked_axes(axes, array.ndim)
    modes = [_mode_of(name) for name in _one_for_each(mode, len(slid))] if slid else []
    passes = [Pass(axis, np.array([1.0, -2, 1]), m, 1) for axis, m in zip(slid, modes, strict=True)]
    return _filtered(_filtering.add_passes, array, passes, y, cval)


# --- Means ------------------------------------------------------------------------------------------------------------


@handing_on(_scipy.uniform_filter1d, 1, NDIMAGE_DTYPES)
def uniform_filter1d(
    input: ArrayLike, size: int, axis: int = -1, output: Output = None, mode: str = "reflect", cval: complex = 0.0,
    origin: int = 0,
) -> Array:  # fmt: skip
    """Mean over a window along an axis, as :func:`scipy.ndimage.uniform_filter1d`.

    Parameters
    ----------
    input : array_like
        Samples.
    size : int
        Samples of the window.
    axis : int, optional
        The axis along which to filter.
    output : ndarray or dtype, optional
        Where to put the result, or its dtype; by default that of the input.
    mode : str, optional
        What stands outside the input: "reflect", "constant", "nearest", "mirror" or "wrap".
    cval : scalar, optional
        The samples outside it in mode "constant".
    origin : int, optional
        By how many samples the window is shifted.

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
    array = np.asarray(input)
    axis = normalize_axis_index(axis, array.ndim)
    size = operator.index(size)
    if size < 1:
        raise RuntimeError(f"incorrect filter size: size must be at least 1, got {size}")
    y = _output_for(output, array, complex_output=array.dtype.kind == "c")
    window = _window_of(axis, size, mode, origin)
    return _filtered(_filtering.filter_by_means, array, [window], y, cval)


@handing_on(_scipy.uniform_filter, 1, NDIMAGE_DTYPES)
def uniform_filter(
    input: ArrayLike, size: PerAxis = 3, output: Output = None, mode: Modes = "reflect", cval: complex = 0.0,
    origin: PerAxis = 0, *, axes: PerAxis | None = None,
) -> Array:  # fmt: skip
    """Mean over a window of several axes, as :func:`scipy.ndimage.uniform_filter`.

    Parameters
    ----------
    input : array_like
        Samples.
    size : int or sequence of int, optional
        Samples of the window, along all axes or each.
    output : ndarray or dtype, optional
        Where to put the result, or its dtype; by default that of the input.
    mode : str or sequence of str, optional
        What stands outside the input: "reflect", "constant", "nearest", "mirror" or "wrap", of all axes or of each.
    cval : scalar, optional
        The samples outside it in mode "constant".
    origin : int or sequence of int, optional
        By how many samples the window is shifted, along all axes or each.
    axes : int or tuple of int, optional
        The axes along which the window extends; by default all.

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
    array = np.asarray(input)
    y = _output_for(output, array, complex_output=array.dtype.kind == "c")
    slid = _checked_axes(axes, array.ndim)
    columns = [_one_for_each(each, len(slid)) for each in (size, mode, origin)]
    windows = [_window_of(axis, int(n), m, o) for axis, n, m, o in zip(slid, *columns, strict=True) if n > 1]
    return _filtered(_filtering.filter_by_means, array, windows, y, cval)


def _window_of(axis: int, size: int, mode: Any, origin: Any) -> Pass:
    """Return the window of a mean."""
    before = size // 2 + operator.index(origin)
    if not 0 <= before < size:
        raise ValueError(f"invalid origin: origin must lie in {-(size // 2)}..{(size - 1) // 2}, got {origin!r}")
    return Pass(axis, np.ones(size), _mode_of(mode), before)


# --- Arguments, with SciPy's errors -----------------------------------------------------------------------------------


def _check_real(y: Array) -> None:
    if y.dtype.kind == "c":
        raise RuntimeError(f"array type {y.dtype!r} not supported as the output of a real input")


def _real(value: Any, name: str) -> float:
    """Return a real number as a float; no string is one."""
    if isinstance(value, (str, bytes)):
        raise TypeError(f"{name} must be a real number, not {type(value).__name__}: got {value!r}")
    return float(value)


def _mode_of(mode: Any) -> PaddingMode:
    try:
        return _MODES[mode]
    except (KeyError, TypeError):
        raise RuntimeError(
            f"boundary mode not supported: mode must be one of {', '.join(_MODES)}; got {mode!r}"
        ) from None


def _mirrored(origin: int, taps: int) -> int:
    """Return the origin of mirrored weights."""
    return -origin - (taps % 2 == 0)


def _check_origin(origin: int, taps: int, length: str, name: str) -> None:
    if not -(taps // 2) <= origin <= (taps - 1) // 2:
        raise ValueError(
            f"Invalid origin; origin must satisfy -({length} // 2) <= {name} <= ({length}-1) // 2, "
            f"got {origin} for {taps} weights"
        )


def _one_for_each(value: Any, count: int) -> list[Any]:
    """Return an argument as one entry for each axis."""
    if isinstance(value, str) or not np.iterable(value):
        return [value] * count
    entries = list(value)
    if len(entries) != count:
        raise RuntimeError(f"sequence argument must have length equal to input rank ({count}), got {value!r}")
    return entries


def _checked_axes(axes: Any, ndim: int) -> tuple[int, ...]:
    """Return axes as non-negative ints; all of them for None."""
    if axes is None:
        return tuple(range(ndim))
    if np.isscalar(axes):
        axes = (axes,)
    elif not isinstance(axes, Iterable):
        raise ValueError(f"axes must be an integer, iterable of integers, or None; got {axes!r}")
    numbers = [operator.index(axis) for axis in axes]
    for number in numbers:
        if not -ndim <= number < ndim:
            raise np.exceptions.AxisError(f"specified axis: {number} is out of range for an input of {ndim} axes")
    numbers = [number % ndim for number in numbers]
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"axes must be unique, got {axes!r}")
    return tuple(numbers)


def _output_for(output: Any, input: Array, complex_output: bool = False) -> Array:
    """Return the array to write to: the one given, or a new one of the dtype asked for."""
    if output is None:
        dtype = input.dtype.newbyteorder("=")
        if complex_output:
            dtype = np.promote_types(dtype, np.complex64)
    elif isinstance(output, (type, np.dtype)):
        dtype = np.dtype(output)
        if complex_output and dtype.kind != "c":
            warnings.warn("promoting specified output dtype to complex", stacklevel=4)
            dtype = np.promote_types(dtype, np.complex64)
    elif isinstance(output, str):
        dtype = np.dtype(output)
        if complex_output and dtype.kind != "c":
            raise RuntimeError(f"output must have complex dtype, got {output!r}")
        if not issubclass(dtype.type, np.number):
            raise RuntimeError(f"output must have numeric dtype, got {output!r}")
    else:
        array = np.asarray(output)
        if array.shape != input.shape:
            raise RuntimeError(f"output shape not correct: it must be {input.shape}, got {array.shape}")
        if complex_output and array.dtype.kind != "c":
            raise RuntimeError(f"output must have complex dtype, got {array.dtype}")
        dtype = array.dtype
    if dtype.char not in NDIMAGE_DTYPES:
        raise RuntimeError(f"array type {dtype!r} not supported")
    return new_output(input.shape, dtype) if output is None or isinstance(output, (type, np.dtype, str)) else array
