"""Savitzky-Golay filters: the value, or a derivative, of the polynomial that fits a window of samples best."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import scipy.signal as _scipy
from numpy.lib.array_utils import normalize_axis_index
from numpy.polynomial import polynomial
from numpy.typing import ArrayLike
from scipy.linalg import lstsq

from .._call.dtypes import Array
from .._dropins.fallback import FOR_SCIPY, SIGNAL_DTYPES, handing_on
from .._dropins.finite import all_finite
from ..ndimage import convolve1d

_MODES = ("mirror", "constant", "nearest", "interp", "wrap")


@handing_on(_scipy.savgol_coeffs, 0, SIGNAL_DTYPES)
def savgol_coeffs(
    window_length: int, polyorder: int, deriv: int = 0, delta: float = 1.0, pos: float | None = None,
    use: str = "conv", *, xp: Any = None, device: Any = None,
) -> Array:  # fmt: skip
    """Weights of a Savitzky-Golay filter, as :func:`scipy.signal.savgol_coeffs`.

    Parameters
    ----------
    window_length : int
        Samples of the window.
    polyorder : int
        The order of the polynomial, less than `window_length`.
    deriv : int, optional
        Which derivative to take; 0 is the polynomial itself.
    delta : float, optional
        How far samples lie apart, which derivatives depend on.
    pos : float, optional
        Where in the window the polynomial is evaluated, by default in the middle.
    use : str, optional
        "conv": weights for a convolution; "dot": for a product with the samples, in the other order.
    xp, device : optional
        The array library of the result, and its device. With any but NumPy's, SciPy does the call.

    Returns
    -------
    ndarray
        The weights, in double precision.

    References
    ----------
    A. Savitzky, M. J. E. Golay, "Smoothing and differentiation of data by simplified least squares procedures",
    Analytical Chemistry 36 (8), 1964.

    Examples
    --------
    >>> from ndconv import signal
    >>> signal.savgol_coeffs(5, 2).round(4)
    array([-0.0857,  0.3429,  0.4857,  0.3429, -0.0857])
    """
    if xp is not None or device is not None:
        return FOR_SCIPY
    if polyorder >= window_length:
        raise ValueError(f"polyorder must be less than window_length, got {polyorder} and {window_length}")
    if pos is None:
        half, odd = divmod(window_length, 2)
        pos = half if odd else half - 0.5
    if not 0 <= pos < window_length:
        raise ValueError(f"pos must be nonnegative and less than window_length ({window_length}), got {pos}")
    if use not in ("conv", "dot"):
        raise ValueError(f"`use` must be 'conv' or 'dot', got {use!r}")
    if deriv > polyorder:
        return np.zeros(window_length)
    # Of all weights that are right for every power up to the order, the smallest are those of the fit.
    place = np.arange(-pos, window_length - pos, dtype=np.float64)
    powers = (place if use == "dot" else place[::-1]) ** np.arange(polyorder + 1.0)[:, None]
    derivatives = np.zeros(polyorder + 1)
    derivatives[deriv] = math.factorial(deriv) / delta**deriv
    weights: Array = lstsq(powers, derivatives, cond=np.finfo(np.float64).eps * max(powers.shape))[0]
    return weights


@handing_on(_scipy.savgol_filter, 1, SIGNAL_DTYPES)
def savgol_filter(
    x: ArrayLike, window_length: int, polyorder: int, deriv: int = 0, delta: float = 1.0, axis: int = -1,
    mode: str = "interp", cval: float = 0.0,
) -> Array:  # fmt: skip
    """Smooth samples along an axis, or take their derivative, as :func:`scipy.signal.savgol_filter`.

    Parameters
    ----------
    x : array_like
        Samples; of any dtype but float32, they become float64.
    window_length, polyorder, deriv, delta
        As in `savgol_coeffs`.
    axis : int, optional
        The axis along which to filter.
    mode : str, optional
        What stands outside the samples: "mirror", "constant", "nearest" or "wrap"; with "interp", the polynomials of
        the first and the last window give what lies before their middle, or after it.
    cval : scalar, optional
        The samples outside in mode "constant".

    Returns
    -------
    ndarray
        The filtered samples, of x's shape. But for the ends in mode "interp", they have SciPy's bits.

    Examples
    --------
    >>> from ndconv import signal
    >>> signal.savgol_filter([2.0, 2, 5, 2, 1, 0, 1, 4, 9], 5, 2).round(2)
    array([1.66, 3.17, 3.54, 2.86, 0.66, 0.17, 1.  , 4.  , 9.  ])
    """
    if mode not in _MODES:
        raise ValueError(f"mode must be one of {', '.join(map(repr, _MODES))}; got {mode!r}")
    x = np.asarray(x)
    if x.dtype not in (np.float64, np.float32):
        x = x.astype(np.float64)
    weights = savgol_coeffs(window_length, polyorder, deriv, delta)
    if mode != "interp":
        return convolve1d(x, weights, axis, mode=mode, cval=cval)
    if window_length > x.shape[axis]:
        raise ValueError(
            f"If mode is 'interp', window_length must be less than or equal to the size of x, got {window_length} and "
            f"{x.shape[axis]} samples"
        )
    y = convolve1d(x, weights, axis, mode="constant")
    axis = normalize_axis_index(axis, x.ndim)
    size, half = x.shape[axis], window_length // 2
    fit = _fit(window_length, polyorder, x.dtype)
    for begin, first in ((0, 0), (size - window_length, size - half)):
        window = np.moveaxis(x, axis, -1)[..., begin : begin + window_length]
        if not all_finite(window):
            raise ValueError(
                "array must not contain infs or NaNs: x does, where a polynomial is fitted to an end of it"
            )
        derivative = polynomial.polyder(window @ fit, deriv, axis=-1)
        powers = polynomial.polyvander(np.arange(first, first + half) - begin, derivative.shape[-1] - 1)
        np.moveaxis(y, axis, -1)[..., first : first + half] = derivative @ powers.T / delta**deriv
    return y


def _fit(window_length: int, polyorder: int, dtype: np.dtype[np.floating]) -> Array:
    """Return what each sample of a window adds to the coefficients of the polynomial that fits it, lowest power first.

    As in SciPy, what powers have in common but for the rounding of x's dtype is left out, with a warning.
    """
    powers = polynomial.polyvander(np.arange(window_length), polyorder)
    lengths = np.sqrt(np.square(powers).sum(axis=0))
    left, sizes, right = np.linalg.svd(powers / lengths, full_matrices=False)
    kept = sizes > window_length * float(np.finfo(dtype).eps) * sizes[0]
    if not kept.all():
        warnings.warn("Polyfit may be poorly conditioned", np.exceptions.RankWarning, stacklevel=4)
    fit: Array = (left[:, kept] / sizes[kept]) @ right[kept] / lengths
    return fit
