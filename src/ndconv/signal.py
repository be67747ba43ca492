"""Drop-ins for functions of ``scipy.signal``: the same signatures, defaults, names, results and errors, run by ndconv.

Change one import to use them::

    from ndconv import signal  # was: from scipy import signal
"""

from __future__ import annotations

import math
import operator
import timeit
import warnings
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.signal as _scipy
from numpy.typing import ArrayLike

from ._correlate import convolve_nd, correlate_nd
from ._dtypes import Array
from ._geometry import make_geometry
from ._methods import Problem, direct, fourier
from ._modes import BY_NAME
from ._passes import is_finite
from ._resampling import resampled
from ._scipy_fallback import PLANE_DTYPES, SIGNAL_DTYPES, handing_on
from ._tuning import REMEMBERED_CALLS

__all__ = [
    "choose_conv_method",
    "convolve",
    "convolve2d",
    "correlate",
    "correlate2d",
    "correlation_lags",
    "fftconvolve",
    "oaconvolve",
    "upfirdn",
]

_MODES = ("full", "valid", "same")

# SciPy's name of each boundary, and ours.
_BOUNDARIES = {
    "fill": "zeros",
    "pad": "zeros",
    "wrap": "circular",
    "circular": "circular",
    "symm": "symmetric",
    "symmetric": "symmetric",
}

# The integers up to here are exact in double precision, with a bit to spare for rounding.
_EXACT = 2**52 - 1


# --- Any number of dimensions -----------------------------------------------------------------------------------------


@handing_on(_scipy.correlate, 2, SIGNAL_DTYPES)
def correlate(in1: ArrayLike, in2: ArrayLike, mode: str = "full", method: str = "auto") -> Array:
    """N-D correlation, as :func:`scipy.signal.correlate`.

    Parameters
    ----------
    in1 : array_like
        Samples.
    in2 : array_like
        What slides over them, of as many axes; complex samples are conjugated.
    mode : str, optional
        "full": wherever they touch; "valid": where one lies within the other; "same": as many as `in1` has, the middle
        of "full".
    method : str, optional
        "direct", "fft", or "auto" for the fastest.

    Returns
    -------
    ndarray
        The correlation.

    Examples
    --------
    >>> from ndconv import signal
    >>> signal.correlate([1, 2, 3], [0, 1, 4])
    array([ 4,  9, 14,  3,  0])
    """
    x, kernel = np.asarray(in1), np.asarray(in2)
    if x.ndim == kernel.ndim == 0:
        return np.asarray(x * kernel.conj())[()]
    _check_same_ndim(x, kernel, "in1", "in2")
    _check_mode(mode)
    return _convolved(x, np.flip(kernel).conj() if kernel.dtype.kind == "c" else np.flip(kernel), mode, method)


@handing_on(_scipy.convolve, 2, SIGNAL_DTYPES)
def convolve(in1: ArrayLike, in2: ArrayLike, mode: str = "full", method: str = "auto") -> Array:
    """N-D convolution, as :func:`scipy.signal.convolve`.

    Parameters
    ----------
    in1, in2 : array_like
        What to convolve, of as many axes.
    mode, method
        As in `correlate`.

    Returns
    -------
    ndarray
        The convolution.

    Examples
    --------
    >>> from ndconv import signal
    >>> signal.convolve([1, 2, 3], [0, 1, 4])
    array([ 0,  1,  6, 11, 12])
    """
    x, kernel = np.asarray(in1), np.asarray(in2)
    if x.ndim == kernel.ndim == 0:
        return np.asarray(x * kernel)[()]
    _check_same_ndim(x, kernel, "volume", "kernel")
    return _convolved(x, kernel, mode, method)


def _convolved(x: Array, kernel: Array, mode: str, method: str) -> Array:
    """Convolve arrays of as many axes, by the method asked for."""
    if _are_swapped(mode, x.shape, kernel.shape, range(x.ndim)):
        x, kernel = kernel, x
    _check_mode(mode)
    if method not in ("auto", "direct", "fft"):
        raise ValueError(f"Acceptable method flags are 'auto', 'direct', or 'fft', got {method!r}.")
    dtype = np.result_type(x, kernel)
    if dtype.kind == "b":
        # Wherever any pair of them is true.
        return np.not_equal(_slid(x.astype(np.int32), kernel.astype(np.int32), mode, "direct"), 0)
    if dtype.kind in "iu":
        if method == "auto":
            method = _method_for(x, kernel, mode)
        if method == "fft":
            result = _slid(x.astype(np.float64), kernel.astype(np.float64), mode, "auto")
            with np.errstate(invalid="ignore"):  # asked for by name, a transform may not hold large integers
                return np.rint(result, out=result).astype(dtype)
        return _slid(x, kernel, mode, "direct")
    if method != "fft":
        return _slid(x, kernel, mode, method)
    result = fftconvolve(x, kernel, mode)
    if result.size and not np.isfinite(result.flat[0]):
        warnings.warn(
            "Use of fft convolution on input with NAN or inf results in NAN or inf output. Consider using "
            "method='direct' instead.",
            RuntimeWarning,
            stacklevel=4,
        )
    return result.astype(dtype, copy=False)


def _slid(x: Array, kernel: Array, mode: str, method: str, axes: tuple[int, ...] | None = None) -> Array:
    """Convolve by the engine, the shorter operand slid over the longer one."""
    along = range(x.ndim) if axes is None else axes
    longer = math.prod(kernel.shape[axis] for axis in along) > math.prod(x.shape[axis] for axis in along)
    if mode == "valid" or not longer:
        return convolve_nd(x, kernel, mode, axes=axes, method=method)
    if mode == "full":
        return convolve_nd(kernel, x, mode, axes=axes, method=method)
    # The middle of "full", of x's size.
    first = [(kernel.shape[axis] - 1) // 2 for axis in along]
    lags = tuple((n, n + x.shape[axis] - 1) for n, axis in zip(first, along, strict=True))
    return convolve_nd(kernel, x, lags=lags, axes=axes, method=method)


@handing_on(_scipy.fftconvolve, 2, SIGNAL_DTYPES)
def fftconvolve(in1: ArrayLike, in2: ArrayLike, mode: str = "full", axes: int | Sequence[int] | None = None) -> Array:
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
def oaconvolve(in1: ArrayLike, in2: ArrayLike, mode: str = "full", axes: int | Sequence[int] | None = None) -> Array:
    """N-D convolution in floating point along some axes, as :func:`scipy.signal.oaconvolve`.

    Parameters
    ----------
    in1, in2, mode, axes
        As in `fftconvolve`.

    Returns
    -------
    ndarray
        The convolution.

    Examples
    --------
    >>> from ndconv import signal
    >>> signal.oaconvolve([1, 2, 3, 4, 5], [1, -1], mode="valid")
    array([1., 1., 1., 1.])
    """
    return _convolved_along(np.asarray(in1), np.asarray(in2), mode, axes, spread=False)


def _convolved_along(x: Array, kernel: Array, mode: str, axes: Any, *, spread: bool) -> Array:
    """Convolve along some axes, and broadcast along the others; `spread` what is not finite as one transform would."""
    if x.ndim == kernel.ndim == 0:
        return np.asarray(x * kernel)[()]
    _check_same_ndim(x, kernel, "in1", "in2")
    # An axis with a single sample broadcasts as well.
    slid = [axis for axis in _checked_axes(axes, x.ndim) if 1 not in (x.shape[axis], kernel.shape[axis])]
    if any(a != b and 1 not in (a, b) for axis, (a, b) in enumerate(_pairs(x, kernel)) if axis not in slid):
        raise ValueError(f"incompatible shapes for in1 and in2: {x.shape} and {kernel.shape}")
    if _are_swapped(mode, x.shape, kernel.shape, slid):
        x, kernel = kernel, x
    if mode not in _MODES:
        raise ValueError(f"acceptable mode flags are 'valid', 'same', or 'full', got {mode!r}")
    if not slid:
        result: Array = x * kernel
    else:
        result = _slid(_floating(x), _floating(kernel), mode, "auto", tuple(slid))
        if spread and not is_finite(result):
            along = tuple(slid)
            lost = ~(np.isfinite(x).all(along, keepdims=True) & np.isfinite(kernel).all(along, keepdims=True))
            np.copyto(result, np.nan, where=lost)
    if mode == "same" and result.shape != x.shape:
        middle = [(n - size) // 2 for n, size in zip(result.shape, x.shape, strict=True)]
        return result[tuple(slice(n, n + size) for n, size in zip(middle, x.shape, strict=True))].copy()
    return result


def _floating(array: Array) -> Array:
    """Return an array in the floating dtype that it is convolved in."""
    return array if array.dtype.char in "fdFD" else array.astype(np.float32 if array.dtype.char == "e" else np.float64)


@handing_on(_scipy.choose_conv_method, 2, SIGNAL_DTYPES)
def choose_conv_method(in1: ArrayLike, in2: ArrayLike, mode: str = "full", measure: bool = False) -> Any:
    """Return the method by which `convolve` is faster, as :func:`scipy.signal.choose_conv_method`.

    Parameters
    ----------
    in1, in2 : array_like
        What would be convolved.
    mode : str, optional
        As in `correlate`.
    measure : bool, optional
        Whether to measure instead of predicting.

    Returns
    -------
    method : str
        "direct" or "fft"; "direct" also where transforms are not exact enough for integers.
    times : dict, optional
        Of each method, if measured, the seconds that it took.

    Examples
    --------
    >>> import numpy as np
    >>> from ndconv import signal
    >>> signal.choose_conv_method(np.ones(1000), np.ones(10))
    'direct'
    """
    x, kernel = np.asarray(in1), np.asarray(in2)
    if measure:
        times = {method: _seconds(x, kernel, mode, method) for method in ("fft", "direct")}
        return min(times, key=lambda method: times[method]), times
    _check_mode(mode)
    _check_same_ndim(x, kernel, "in1", "in2")
    return _method_for(x, kernel, mode)


def _seconds(x: Array, kernel: Array, mode: str, method: str) -> float:
    """Return the best time of a convolution."""
    timer = timeit.Timer(lambda: convolve(x, kernel, mode, method))
    number, seconds = timer.autorange() if x.size * kernel.size < 1e6 else (1, timer.timeit(1))
    return min([seconds, *timer.repeat(2, number)]) / number


def _method_for(x: Array, kernel: Array, mode: str) -> str:
    """Return the method of an array convolved with another, of as many axes."""
    dtype = np.result_type(x, kernel)
    if dtype.kind == "b":
        return "direct"
    if "i" in (kinds := x.dtype.kind + kernel.dtype.kind) or "u" in kinds:
        largest = _largest(x) * _largest(kernel) * min(x.size, kernel.size)
        if largest > _EXACT:
            return "direct"
    return _cheaper(mode, *sorted((x.shape, kernel.shape), key=math.prod), dtype)


def _largest(array: Array) -> int:
    """Return the largest absolute value, as an exact integer if it is one."""
    if array.dtype.kind == "c":
        return int(np.abs(array).max())
    return max(int(array.max()), -int(array.min()))


@lru_cache(REMEMBERED_CALLS)
def _cheaper(mode: str, kernel: tuple[int, ...], shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    """Return the method that is predicted to take fewer cycles."""
    if mode == "full":
        padding = tuple((taps - 1, taps - 1) for taps in kernel)
    elif mode == "same":
        padding = tuple((taps - 1 - taps // 2, taps // 2) for taps in kernel)
    else:
        padding = ((0, 0),) * len(kernel)
    ones = (1,) * len(kernel)
    if any(n + sum(p) < taps for n, p, taps in zip(shape, padding, kernel, strict=True)):
        return "direct"
    geometry = make_geometry(
        channels_in=1, channels_out=1, groups=1, in_shape=shape, kernel=kernel, stride=ones, dilation=ones,
        padding=padding, modes=(BY_NAME["zeros"],) * len(kernel), names=("in1", "in2"),
    )  # fmt: skip
    floating = np.result_type(dtype, np.float16 if dtype.kind in "fc" else np.float64)
    costs = []
    for method, computed in ((fourier, floating), (direct, dtype)):
        problem = Problem(geometry, computed, computed.kind == "c", 0, 1, x_in_place=False, y_in_place=True)
        costs.append(method.cost(problem) if method.why_not(problem) is None else math.inf)
    return "fft" if costs[0] < costs[1] else "direct"


# --- Two dimensions ---------------------------------------------------------------------------------------------------


@handing_on(_scipy.correlate2d, 2, PLANE_DTYPES, empty=False)  # with some boundaries, SciPy does not survive that
def correlate2d(
    in1: ArrayLike, in2: ArrayLike, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0
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
    x, kernel, padding, swapped = _planes("correlate2d", in1, in2, mode, boundary, fillvalue)
    if mode == "same":
        # Of a kernel of even size, `correlate` takes the output before this one for the middle.
        first = [-((taps - 1) // 2) for taps in kernel.shape]
        lags = tuple((lag, lag + size - 1) for lag, size in zip(first, x.shape, strict=True))
        return correlate_nd(x, kernel, lags=lags, **padding)
    y = correlate_nd(x, kernel, mode, **padding)
    return y[::-1, ::-1] if swapped else y


@handing_on(_scipy.convolve2d, 2, PLANE_DTYPES, empty=False)  # with some boundaries, SciPy does not survive that
def convolve2d(in1: ArrayLike, in2: ArrayLike, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Array:
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
    x, kernel, padding, _ = _planes("convolve2d", in1, in2, mode, boundary, fillvalue)
    return convolve_nd(x, kernel, mode, **padding)


def _planes(
    name: str, in1: Any, in2: Any, mode: Any, boundary: Any, fillvalue: Any
) -> tuple[Array, Array, dict[str, Any], bool]:
    """Return what slides over what, what stands outside, and whether they were swapped."""
    x, kernel = np.asarray(in1), np.asarray(in2)
    if not x.ndim == kernel.ndim == 2:
        raise ValueError(f"{name} inputs must both be 2-D arrays, got {x.ndim} and {kernel.ndim} axes")
    swapped = _are_swapped(mode, x.shape, kernel.shape, (0, 1))
    if swapped:
        x, kernel = kernel, x
    _check_mode(mode)
    if boundary not in _BOUNDARIES:
        raise ValueError(
            "Acceptable boundary flags are 'fill', 'circular' (or 'wrap'), and 'symmetric' (or 'symm'), "
            f"got {boundary!r}."
        )
    padding_mode = _BOUNDARIES[boundary] if x.size else "zeros"
    fill = _fill_in(fillvalue, np.result_type(x, kernel)) if padding_mode == "zeros" else 0
    return x, kernel, {"padding_mode": padding_mode, "fill_value": fill}, swapped


def _fill_in(fillvalue: Any, dtype: np.dtype[Any]) -> complex:
    """Return the samples outside a plane as a value of the result's dtype."""
    value = np.asarray(fillvalue)
    if value.size != 1:
        raise ValueError(f"`fillvalue` must be scalar or an array with one element, got {fillvalue!r}")
    number = complex(value.item())
    # As SciPy: a scalar is rounded or truncated, an array has to be of a dtype that holds no more than the result's.
    fits = np.can_cast(value.dtype, dtype) if value.ndim else dtype.kind == "c" or value.dtype.kind != "c"
    if fits and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        fits = limits.min <= number.real <= limits.max
    if not fits:
        raise ValueError(
            f"could not cast `fillvalue` directly to the output type {dtype} (it was first converted to complex), "
            f"got {fillvalue!r}"
        )
    if dtype.kind == "c":
        return number
    return int(number.real) if dtype.kind in "iu" else number.real


# --- One dimension ----------------------------------------------------------------------------------------------------


@handing_on(_scipy.upfirdn, 2, SIGNAL_DTYPES)
def upfirdn(
    h: ArrayLike, x: ArrayLike, up: int = 1, down: int = 1, axis: int = -1, mode: str = "constant", cval: Any = 0
) -> Array:
    """Insert zeros, filter, and leave samples out, as :func:`scipy.signal.upfirdn`.

    Parameters
    ----------
    h : array_like
        The filter, in one dimension.
    x : array_like
        Signals.
    up : int, optional
        How many samples to make of each, all but the first zeros.
    down : int, optional
        Of how many filtered samples to keep the first.
    axis : int, optional
        The axis along which to filter.
    mode : str, optional
        What stands outside the signals: "constant", "wrap", "edge", "smooth", "symmetric", "reflect",
        "antisymmetric", "antireflect" or "line".
    cval : scalar, optional
        The samples outside them in mode "constant".

    Returns
    -------
    ndarray
        The filtered signals.

    Examples
    --------
    >>> from ndconv import signal
    >>> signal.upfirdn([0.5, 1, 0.5], [1.0, 2, 3], up=2)
    array([0.5, 1. , 1.5, 2. , 2.5, 3. , 1.5])
    """
    return resampled(np.asarray(h), np.asarray(x), up, down, axis, mode, cval)


def correlation_lags(in1_len: int, in2_len: int, mode: str = "full") -> Array:
    """Return the lags of a correlation's entries, as :func:`scipy.signal.correlation_lags`.

    Parameters
    ----------
    in1_len, in2_len : int
        Samples of what would be correlated.
    mode : str, optional
        As in `correlate`.

    Returns
    -------
    ndarray
        The lags: by how many samples the second lies to the right of the first.

    Examples
    --------
    >>> from ndconv import signal
    >>> signal.correlation_lags(3, 2)
    array([-1,  0,  1,  2])
    """
    if mode == "full":
        return np.arange(1 - in2_len, in1_len)
    if mode == "same":
        first = 1 - in2_len + (in1_len + in2_len - 1) // 2 - in1_len // 2
        return np.arange(first, first + in1_len)
    if mode == "valid":
        return np.arange(min(in1_len - in2_len, 0), max(in1_len - in2_len, 0) + 1)
    raise ValueError(f"Mode {mode} is invalid: it must be one of {', '.join(_MODES)}")


# --- Arguments, with SciPy's errors -----------------------------------------------------------------------------------


def _pairs(x: Array, kernel: Array) -> list[tuple[int, int]]:
    return list(zip(x.shape, kernel.shape, strict=True))


def _check_same_ndim(x: Array, kernel: Array, first: str, second: str) -> None:
    if x.ndim != kernel.ndim:
        raise ValueError(
            f"{first} and {second} should have the same dimensionality, got {x.ndim} and {kernel.ndim} axes"
        )


def _check_mode(mode: Any) -> None:
    if mode not in _MODES:
        raise ValueError(f"Acceptable mode flags are 'valid', 'same', or 'full', got {mode!r}.")


def _are_swapped(mode: Any, shape: Sequence[int], kernel: Sequence[int], axes: Iterable[int]) -> bool:
    """Whether "valid" slides the first array over the second: where the second is the larger one."""
    if mode != "valid":
        return False
    pairs = [(shape[axis], kernel[axis]) for axis in axes]
    if all(n >= taps for n, taps in pairs):
        return False
    if all(n <= taps for n, taps in pairs):
        return True
    raise ValueError(
        "For 'valid' mode, one must be at least as large as the other in every dimension, "
        f"got {tuple(shape)} and {tuple(kernel)}"
    )


def _checked_axes(axes: Any, ndim: int) -> list[int]:
    """Return axes as non-negative ints; all of them for None."""
    if axes is None:
        return list(range(ndim))
    try:
        numbers = [operator.index(axis) for axis in (axes if np.iterable(axes) else [axes])]
    except TypeError:
        raise ValueError(f"axes must be a scalar or iterable of integers, got {axes!r}") from None
    if not numbers:
        raise ValueError(f"when provided, axes cannot be empty, got {axes!r}")
    if any(not -ndim <= number < ndim for number in numbers):
        raise ValueError(f"axes exceeds dimensionality of input ({ndim}), got {axes!r}")
    numbers = [number % ndim for number in numbers]
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"all axes must be unique, got {axes!r}")
    return numbers
