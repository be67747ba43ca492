"""Drop-ins for functions of ``scipy.signal``: the same signatures, defaults, names, results and errors, run by ndconv.

Change one import to use them::

    from ndconv import signal  # was: from scipy import signal
"""

from __future__ import annotations

import cmath
import math
import operator
import timeit
import warnings
from collections.abc import Container, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import scipy.signal as _scipy
from numpy.typing import ArrayLike

from ._call.dtypes import Array
from ._call.geometry import Geometry, single_channel_geometry
from ._call.modes import BY_NAME
from ._correlation.correlate import convolve_nd, correlate_nd
from ._dropins.fallback import PLANE_DTYPES, SIGNAL_DTYPES, handing_on
from ._dropins.limbs import exact_sums
from ._dropins.passes import is_finite
from ._dropins.resampling import resampled
from ._methods import direct, fourier
from ._methods.problem import Problem
from ._runtime.caches import CHOICE_BYTES, Cache

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

# Samples up to which a product of vectors is taken, for which no BLAS library starts threads.
SMALL = 4096

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
        "direct", "fft", or "auto" for the fastest. Integers are exact by each, and wrap around.

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
    _look_up(mode, _MODES, _UNKNOWN_MODE)
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
        return np.not_equal(_of_integers(x.astype(np.int32), kernel.astype(np.int32), mode, method), 0)
    if dtype.kind in "iu":
        return _of_integers(x, kernel, mode, method)
    if method != "fft":
        return _convolved_as_spoilt(x, kernel, mode) if _is_spoilt(x, kernel, mode) else _slid(x, kernel, mode, method)
    result = fftconvolve(x, kernel, mode)
    if result.size and not np.isfinite(result.flat[0]):
        warnings.warn(
            "Use of fft convolution on input with NAN or inf results in NAN or inf output. Consider using "
            "method='direct' instead.",
            RuntimeWarning,
            stacklevel=4,
        )
    return result.astype(dtype, copy=False)


def _of_integers(x: Array, kernel: Array, mode: str, method: str) -> Array:
    """Convolve integers by whichever method: sums are exact, and wrap around in the result type."""
    if method != "direct":
        dtype = np.result_type(x, kernel)
        geometry, by_sums, by_spectra = _ways(mode, x.shape, kernel.shape, dtype)
        most = by_sums / by_spectra if method == "auto" else math.inf if math.isfinite(by_spectra) else 0
        if most > 1:
            longer, sliding = (kernel, x) if _is_longer(kernel, x, mode, range(x.ndim)) else (x, kernel)
            result = exact_sums(geometry, longer, np.flip(sliding), dtype, most)
            if result is not None:
                return result
    return _slid(x, kernel, mode, "direct")


def _slid(x: Array, kernel: Array, mode: str, method: str, axes: tuple[int, ...] | None = None) -> Array:
    """Convolve by the engine, the shorter operand slid over the longer one."""
    along = range(x.ndim) if axes is None else axes
    if not _is_longer(kernel, x, mode, along):
        return convolve_nd(x, kernel, mode, axes=axes, method=method)
    if mode == "full":
        return convolve_nd(kernel, x, mode, axes=axes, method=method)
    sizes = [(x.shape[axis], kernel.shape[axis]) for axis in along]
    lags = tuple((first, first + count - 1) for first, count in _parts_of_full(mode, sizes))
    return convolve_nd(kernel, x, lags=lags, axes=axes, method=method)


def _is_longer(kernel: Array, x: Array, mode: str, axes: Iterable[int]) -> bool:
    """Whether x slides over the kernel, because the other way round there would be more taps."""
    return mode != "valid" and math.prod(kernel.shape[a] for a in axes) > math.prod(x.shape[a] for a in axes)


def _parts_of_full(mode: str, sizes: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return which of the "full" outputs a mode has: the first one, and their number, along each axis."""
    if mode == "full":
        return [(0, n + taps - 1) for n, taps in sizes]
    if mode == "same":
        return [((taps - 1) // 2, n) for n, taps in sizes]
    return [(min(n, taps) - 1, abs(n - taps) + 1) for n, taps in sizes]


def _all_finite(array: Array) -> bool:
    """Whether all of an array is finite; of a small one, where the sum of its squares is, that takes no time at all."""
    if array.dtype.kind not in "fc":
        return True
    sum_is = cmath.isfinite(np.vdot(array, array)) if array.size <= SMALL else is_finite(array)
    return sum_is or bool(np.isfinite(array).all())


def _is_spoilt(x: Array, kernel: Array, mode: str) -> bool:
    """Whether a weight that is not finite may meet the zeros around samples, in SciPy or here."""
    longer = _is_longer(kernel, x, mode, range(x.ndim))
    return not _all_finite(x if longer else kernel) or (longer and mode == "same" and not _all_finite(kernel))


def _convolved_as_spoilt(x: Array, kernel: Array, mode: str) -> Array:
    """Convolve by a kernel that is not all finite, as SciPy's direct sums do.

    In one dimension these are of the pairs that there are; in several, and for a kernel that is longer than what is to
    be of x's size, x stands among zeros, and these meet all of the kernel.
    """
    parts = _parts_of_full(mode, _pairs(x, kernel))
    if mode == "full" and kernel.size > x.size:
        x, kernel = kernel, x
    among_zeros = x.ndim > 1 or (mode == "same" and kernel.size > x.size)
    if among_zeros:
        x = np.pad(x, [(taps - 1, taps - 1) for taps in kernel.shape])
    y = convolve_nd(x, _tame(kernel), "valid" if among_zeros else "full")
    nan = np.isnan(kernel)
    for place in np.argwhere(np.isinf(kernel) & ~nan):
        outputs: Any = ...
        samples: Any = ...
        if among_zeros:
            first = np.array(kernel.shape) - 1 - place
            samples = tuple(slice(start, start + n) for start, n in zip(first, y.shape, strict=True))
        else:
            outputs = slice(place[0], place[0] + x.size)
        with np.errstate(all="ignore"):
            y[outputs] += kernel[tuple(place)] * x[samples]
    lost = np.full(y.shape, nan.any()) if among_zeros else _reached(nan, x.size)
    y[lost] = _nan(y)
    return y[tuple(slice(first, first + count) for first, count in parts)].copy()


def _nan(array: Array) -> complex:
    """Return NaN as SciPy's sums leave it in an array: of complex numbers, in both parts."""
    return complex(np.nan, np.nan) if array.dtype.kind == "c" else np.nan


def _tame(kernel: Array) -> Array:
    """Return a kernel with ones instead of what is not finite, of its sign: they make the same of infinite samples."""
    kernel = np.array(kernel, order="C")
    real = kernel.view(kernel.real.dtype)
    np.copyto(real, np.sign(real), where=np.isinf(real))
    np.copyto(real, 1, where=np.isnan(real))
    return kernel


def _reached(taps: Array, samples: int) -> Array:
    """Return which outputs of a "full" convolution in one dimension marked taps reach."""
    edges = np.zeros(taps.size + samples, np.intp)
    edges[: taps.size] += taps
    edges[samples:] -= taps
    return np.cumsum(edges[:-1]) > 0


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
        The convolution. Where the shorter operand is not finite, all along `axes` is NaN.

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
        x, kernel = _floating(x), _floating(kernel)
        along = tuple(slid)
        longer = _is_longer(kernel, x, mode, along)
        # A transform loses all of its samples to one that is not finite; blocks do, too, to one of what they share.
        lost: list[Array] = []
        if (spread or longer) and not _all_finite(x):
            x, lines = _without_lost_lines(x, along)
            lost.append(lines)
        if (spread or not longer) and not _all_finite(kernel):
            kernel, lines = _without_lost_lines(kernel, along)
            lost.append(lines)
        result = _slid(x, kernel, mode, "auto", along)
        for lines in lost:
            np.copyto(result, _nan(result), where=lines)
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
    if dtype.kind == "b" or x.ndim == 0:
        return "direct"
    if "i" in (kinds := x.dtype.kind + kernel.dtype.kind) or "u" in kinds:
        largest = _largest(x) * _largest(kernel) * min(x.size, kernel.size)
        if largest > _EXACT:
            return "direct"
    smaller, larger = sorted((x.shape, kernel.shape), key=math.prod)
    _, by_sums, by_spectra = _ways(mode, larger, smaller, dtype)
    return "fft" if by_spectra < by_sums else "direct"


def _largest(array: Array) -> int:
    """Return the largest absolute value, as an exact integer if it is one."""
    if array.dtype.kind == "c":
        return int(np.abs(array).max())
    return max(int(array.max()), -int(array.min()))


@Cache[tuple[Geometry, float, float]]("choices of a method", CHOICE_BYTES).remembered
def _ways(
    mode: str, shape: tuple[int, ...], kernel: tuple[int, ...], dtype: np.dtype[Any]
) -> tuple[Geometry, float, float]:
    """Return what the shorter of two operands slides over, and the cycles that sums and spectra are predicted to take.

    Of integers, spectra are those of a limb each.
    """
    parts = _parts_of_full(mode, zip(shape, kernel, strict=True))
    if mode != "valid" and math.prod(kernel) > math.prod(shape):
        shape, kernel = kernel, shape
    padding = tuple(
        (taps - 1 - first, first + count - n) for (first, count), n, taps in zip(parts, shape, kernel, strict=True)
    )
    geometry = single_channel_geometry(shape, kernel, padding, (BY_NAME["zeros"],) * len(kernel), names=("in1", "in2"))
    floating = np.result_type(dtype, np.float16 if dtype.kind in "fc" else np.float64)
    costs = []
    for method, computed in ((direct, dtype), (fourier, floating)):
        problem = Problem(geometry, computed, computed.kind == "c", 0, 1, x_in_place=False, y_in_place=True)
        costs.append(method.cost(problem) if method.why_not(problem) is None else math.inf)
    return geometry, costs[0], costs[1]


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
    if _read_nothing(x, kernel, mode):
        return _FOR_SCIPY
    # Of a kernel of even size, `correlate` takes the output before this one for the middle of "full".
    before = [(taps - 1) // 2 for taps in kernel.shape]
    if not _all_finite(kernel):
        y = correlate_nd(_padded(x, kernel, mode, before, padding), kernel, "valid")
    elif mode == "same":
        lags = tuple((-first, size - 1 - first) for first, size in zip(before, x.shape, strict=True))
        y = correlate_nd(x, kernel, lags=lags, **padding)
    else:
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
    if _read_nothing(x, kernel, mode):
        return _FOR_SCIPY
    if not _all_finite(kernel):
        before = [taps // 2 for taps in kernel.shape]
        return convolve_nd(_padded(x, kernel, mode, before, padding), kernel, "valid")
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
    _look_up(mode, _MODES, _UNKNOWN_MODE)
    _look_up(boundary, _BOUNDARIES, _UNKNOWN_BOUNDARY)
    padding_mode = _BOUNDARIES[boundary]
    fill = _fill_in(fillvalue, np.result_type(x, kernel)) if padding_mode == "zeros" else 0
    return x, kernel, {"padding_mode": padding_mode if x.size else "zeros", "fill_value": fill}, swapped


# See `_dropins.fallback`.
_FOR_SCIPY: Array = NotImplemented


def _read_nothing(x: Array, kernel: Array, mode: str) -> bool:
    """Whether there is no product to make, and the result is SciPy's: of the shape that it has there, with zeros."""
    return kernel.size == 0 or (x.size == 0 and mode == "same")


def _padded(x: Array, kernel: Array, mode: str, before: Sequence[int], padding: dict[str, Any]) -> Array:
    """Return a plane with what stands outside it, for a kernel that is not finite: SciPy's weights meet that, too.

    In mode "same", `before` samples stand before it.
    """
    pairs = [(0, 0)] * 2
    if mode == "full":
        pairs = [(taps - 1, taps - 1) for taps in kernel.shape]
    elif mode == "same":
        pairs = [(first, taps - 1 - first) for first, taps in zip(before, kernel.shape, strict=True)]
    if padding["padding_mode"] != "zeros":
        return np.pad(x, pairs, "wrap" if padding["padding_mode"] == "circular" else "symmetric")
    return np.pad(x.astype(np.result_type(x, kernel), copy=False), pairs, constant_values=padding["fill_value"])


def _fill_in(fillvalue: Any, dtype: np.dtype[Any]) -> Any:
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
    return value.item()


# --- One dimension ----------------------------------------------------------------------------------------------------


@handing_on(_scipy.upfirdn, 2, SIGNAL_DTYPES, empty=False)  # with most modes, SciPy does not survive that
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
    result: Array = resampled(np.asarray(h), np.asarray(x), up, down, axis, mode, cval)
    return result


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


_UNKNOWN_MODE = "Acceptable mode flags are 'valid', 'same', or 'full'"
_UNKNOWN_BOUNDARY = "Acceptable boundary flags are 'fill', 'circular' (or 'wrap'), and 'symmetric' (or 'symm')"


def _check_mode(mode: Any) -> None:
    if mode not in _MODES:
        raise ValueError(f"{_UNKNOWN_MODE}, got {mode!r}.")


def _look_up(flag: Any, known: Container[str], message: str) -> None:
    """Raise for a flag that is not known, as a look-up in a table does."""
    if not isinstance(flag, Hashable):
        raise TypeError(f"{message}, got {flag!r}, which is an unhashable type: {type(flag).__name__!r}.")
    if flag not in known:
        raise ValueError(f"{message}, got {flag!r}.")


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
