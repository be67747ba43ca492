"""The lags of a correlation."""

from __future__ import annotations

import numpy as np

from .._call.dtypes import Array
from ._arguments import MODES


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
    raise ValueError(f"Mode {mode} is invalid: it must be one of {', '.join(MODES)}")
