"""Resampling by a ratio of integers, through a low-pass filter."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.signal as _scipy
from numpy.typing import ArrayLike
from scipy.signal import firwin

from .._call.dtypes import Array
from .._dropins.fallback import FOR_SCIPY, SIGNAL_DTYPES, handing_on
from ._upfirdn import MODES, upfirdn

# What may be taken off signals before they are resampled, and put back afterwards.
_BACKGROUNDS: dict[str, Callable[..., Any]] = {
    "mean": np.mean,
    "median": np.median,
    "minimum": np.min,
    "maximum": np.max,
}


@handing_on(_scipy.resample_poly, 1, SIGNAL_DTYPES)
def resample_poly(
    x: ArrayLike, up: int, down: int, axis: int = 0, window: Any = ("kaiser", 5.0), padtype: str = "constant",
    cval: float | None = None,
) -> Array:  # fmt: skip
    """Resample along an axis by a ratio of integers, as :func:`scipy.signal.resample_poly`.

    Parameters
    ----------
    x : array_like
        Signals.
    up, down : int
        How many samples to make of how many.
    axis : int, optional
        The axis along which to resample.
    window : str, tuple, float or array_like, optional
        The window by which :func:`scipy.signal.firwin` designs the filter, or the filter itself.
    padtype : str, optional
        What stands outside the signals: one of the modes of `upfirdn`, or zeros after "mean", "median", "minimum" or
        "maximum" has been taken off, which is put back afterwards.
    cval : scalar, optional
        The samples outside with "constant".

    Returns
    -------
    ndarray
        The resampled signals.

    Examples
    --------
    >>> from ndconv import signal
    >>> signal.resample_poly([1.0, 2, 3, 4, 5, 6], 2, 3, window=[0.25, 0.5, 0.25], padtype="line")
    array([1. , 2.5, 4. , 5.5])
    """
    x = np.asarray(x)
    if up != int(up) or down != int(down):
        raise ValueError(f"up and down must be integers, got {up!r} and {down!r}")
    up, down = int(up), int(down)
    if up < 1 or down < 1:
        raise ValueError(f"up and down must be >= 1, got {up} and {down}")
    if cval is not None and padtype != "constant":
        raise ValueError(f"cval has no effect when padtype is {padtype!r}, got {cval!r}")
    common = math.gcd(up, down)
    up, down = up // common, down // common
    if up == down == 1:
        return x.copy()
    if isinstance(window, (list, np.ndarray, np.generic)):
        h = np.array(window)
        if h.ndim > 1:
            raise ValueError(f"window must be 1-D, got shape {h.shape}")
    elif isinstance(window, (str, tuple, int, float)):
        longest = max(up, down)
        h = firwin(20 * longest + 1, 1 / longest, window=window).astype(x.dtype if x.dtype.kind in "fc" else float)
    else:
        return FOR_SCIPY  # an array of another library
    h *= up
    if padtype not in _BACKGROUNDS and padtype not in MODES:
        raise ValueError(f"padtype must be one of: {', '.join((*_BACKGROUNDS, *MODES))}; got {padtype!r}")
    # Zeros before the filter let its middle fall on a sample that is kept, zeros after it make as many as are wanted.
    size = x.shape[axis]
    count = -(-size * up // down)
    half = (h.shape[0] - 1) // 2
    before = down - half % down
    first = (half + before) // down
    after = max((first + count - 1) * down + 1 - (size - 1) * up - before - h.size, 0)
    h = np.pad(h, (before, after))
    kept = [slice(None)] * x.ndim
    kept[axis] = slice(first, first + count)
    if padtype not in _BACKGROUNDS:
        return upfirdn(h, x, up, down, axis, padtype, 0 if cval is None else cval)[tuple(kept)]
    background = _BACKGROUNDS[padtype](x, axis=axis, keepdims=True)
    y = upfirdn(h, x - background, up, down, axis)[tuple(kept)]
    y += background
    return y


@handing_on(_scipy.decimate, 1, SIGNAL_DTYPES)
def decimate(
    x: ArrayLike, q: int, n: int | None = None, ftype: Any = "iir", axis: int = -1, zero_phase: bool = True
) -> Array:
    """Keep each `q`-th sample after a low-pass filter, as :func:`scipy.signal.decimate`.

    Recursive filters, SciPy's default, are handed on to it, and so are systems.

    Parameters
    ----------
    x : array_like
        Signals.
    q : int
        Of how many samples to keep one.
    n : int, optional
        The order of the filter, by default 20 for each of those samples; 8 with "iir".
    ftype : str or dlti, optional
        "fir" for a filter that :func:`scipy.signal.firwin` designs, "iir" for a recursive one, or a system.
    axis : int, optional
        The axis along which to decimate.
    zero_phase : bool, optional
        Whether to undo the delay of the filter.

    Returns
    -------
    ndarray
        The decimated signals.

    Examples
    --------
    >>> import numpy as np
    >>> from ndconv import signal
    >>> signal.decimate(np.ones(20), 4, 2, ftype="fir").round(3)
    array([0.937, 1.   , 1.   , 1.   , 1.   ])
    """
    x, q = np.asarray(x), operator.index(q)
    if n is not None:
        n = operator.index(n)
    if not isinstance(ftype, str) or ftype == "iir":
        return FOR_SCIPY
    if ftype != "fir":
        raise ValueError(f"invalid ftype: it must be 'fir', 'iir' or a dlti system, got {ftype!r}")
    dtype = x.dtype if x.dtype.kind in "fc" and x.dtype != np.float16 else np.dtype(np.float64)
    h = firwin((20 * q if n is None else n) + 1, 1 / q, window="hamming").astype(dtype)
    if zero_phase:
        return resample_poly(x, 1, q, axis, h)
    kept = [slice(None)] * x.ndim
    kept[axis] = slice(-(-x.shape[axis] // q))
    return upfirdn(h, x, 1, q, axis)[tuple(kept)]
