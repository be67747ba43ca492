"""Correlation and convolution in any number of dimensions: of integers exactly, of floats by the method asked for."""

from __future__ import annotations

import math
import warnings

import numpy as np
import scipy.signal as _scipy
from numpy.typing import ArrayLike

from .._call.arrays import mirrored
from .._call.dtypes import Array
from .._dropins.fallback import SIGNAL_DTYPES, handing_on
from ._arguments import check_mode, check_same_ndim, look_up_mode
from ._costs import costs
from ._fftconvolve import fftconvolve
from ._limbs import exact_sums
from ._nonfinite import convolved_as_spoilt, is_spoilt
from ._sliding import are_swapped, is_longer, slid


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
    check_same_ndim(x, kernel, "in1", "in2")
    look_up_mode(mode)
    kernel = mirrored(kernel, range(kernel.ndim))
    return _convolved(x, kernel.conj() if kernel.dtype.kind == "c" else kernel, mode, method)


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
    check_same_ndim(x, kernel, "volume", "kernel")
    return _convolved(x, kernel, mode, method)


def _convolved(x: Array, kernel: Array, mode: str, method: str) -> Array:
    """Convolve arrays of as many axes, by the method asked for."""
    if are_swapped(mode, x.shape, kernel.shape, range(x.ndim)):
        x, kernel = kernel, x
    check_mode(mode)
    if method not in ("auto", "direct", "fft"):
        raise ValueError(f"Acceptable method flags are 'auto', 'direct', or 'fft', got {method!r}.")
    dtype = np.result_type(x, kernel)
    if dtype.kind == "b":
        # Wherever any pair of them is true.
        y: Array = np.not_equal(_of_integers(x.astype(np.int32), kernel.astype(np.int32), mode, method), 0)
        return y
    if dtype.kind in "iu":
        return _of_integers(x, kernel, mode, method)
    if method != "fft":
        return convolved_as_spoilt(x, kernel, mode) if is_spoilt(x, kernel, mode) else slid(x, kernel, mode, method)
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
        geometry, by_sums, by_spectra = costs(mode, x.shape, kernel.shape, dtype)
        most = by_sums / by_spectra if method == "auto" else math.inf if math.isfinite(by_spectra) else 0
        if most > 1:
            longer, sliding = (kernel, x) if is_longer(kernel, x, mode) else (x, kernel)
            result = exact_sums(geometry, longer, np.flip(sliding), dtype, most)
            if result is not None:
                return result
    return slid(x, kernel, mode, "direct")
