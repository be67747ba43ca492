"""Filters that go over a signal forwards and then backwards, which delays none of its frequencies."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import scipy.signal as _scipy
from numpy.lib.array_utils import normalize_axis_index
from numpy.typing import ArrayLike

from .._call.dtypes import Array
from .._correlation.correlate import convolve_nd, correlate_nd
from .._dropins.fallback import FOR_SCIPY, SIGNAL_DTYPES, handing_on
from .._dropins.finite import is_finite
from ._lfilter import DTYPES, normalized

_PADTYPES = ("even", "odd", "constant", None)


@handing_on(_scipy.filtfilt, 3, SIGNAL_DTYPES)
def filtfilt(
    b: ArrayLike, a: ArrayLike, x: ArrayLike, axis: int = -1, padtype: str | None = "odd",
    padlen: int | None = None, method: str = "pad", irlen: int | None = None,
) -> Array:  # fmt: skip
    """Filter forwards and backwards along an axis, as :func:`scipy.signal.filtfilt`.

    Recursive filters and Gustafsson's method are handed on to it.

    Parameters
    ----------
    b, a, x, axis
        As in `lfilter`.
    padtype : str, optional
        What stands outside the signals: "odd" and "even" mirror them at their ends, "odd" with the other sign, too, and
        "constant" repeats the samples there; with None, there is nothing.
    padlen : int, optional
        How many samples stand there at each end, by default three for each coefficient. Beyond them, the last one goes
        on without end.
    method : str, optional
        "pad", or "gust" for Gustafsson's method.
    irlen : int, optional
        For how many samples the response to one lasts, in Gustafsson's method.

    Returns
    -------
    ndarray
        The filtered signals, of x's shape.

    Examples
    --------
    >>> from ndconv import signal
    >>> signal.filtfilt([0.5, 0.5], 1, [0.0, 0, 4, 0, 0, 0, 0, 0])
    array([0., 1., 2., 1., 0., 0., 0., 0.])
    """
    b, a, x = np.atleast_1d(np.asarray(b)), np.atleast_1d(np.asarray(a)), np.asarray(x)
    if method not in ("pad", "gust"):
        raise ValueError(f"method must be 'pad' or 'gust', got {method!r}")
    if method == "gust" or a.shape != (1,) or b.ndim != 1 or b.size == 1:
        return FOR_SCIPY
    if padtype not in _PADTYPES:
        raise ValueError(f"padtype must be 'even', 'odd', 'constant', or None, got {padtype!r}")
    axis = normalize_axis_index(axis, x.ndim)
    padding = 0 if padtype is None else 3 * b.size if padlen is None else padlen
    size = x.shape[axis]
    if size <= padding:
        raise ValueError(f"The length of the input vector x must be greater than padlen, got {size} and {padding}")
    # What earlier samples leave behind is solved for, and has a floating dtype.
    of_filter = np.result_type(b, a)
    dtype = np.result_type(x, of_filter, np.float64 if of_filter.kind in "iu" else of_filter)
    if dtype.char not in DTYPES or "b" in x.dtype.kind + b.dtype.kind + a.dtype.kind:
        return FOR_SCIPY
    taps = normalized(b, a, dtype)
    # Samples further out reach no output that is kept. A filter whose signal has been constant for ever has come to
    # rest: so the outermost sample, repeated, is what the first outputs of both ways begin with.
    reach = operator.index(padding) if padding > 0 else 0
    reach = min(reach, taps.size - 1)
    if reach:
        pairs = [(reach, reach) if k == axis else (0, 0) for k in range(x.ndim)]
        how: dict[str, Any] = (
            {"mode": "edge"} if padtype == "constant" else {"mode": "reflect", "reflect_type": padtype}
        )
        x = np.pad(x, pairs, **how)
    x = x.astype(dtype, copy=False)
    how = {"axes": axis, "padding_mode": "replicate", "method": "direct"}
    y = convolve_nd(x, taps, lags=(0, x.shape[axis] - 1), **how)
    y = correlate_nd(y, taps.conj(), lags=(reach, reach + size - 1), **how)
    return y if is_finite(y) else FOR_SCIPY
