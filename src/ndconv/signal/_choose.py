"""The choice of a method, which is predicted or measured."""

from __future__ import annotations

import math
import timeit
from typing import Literal, overload

import numpy as np
import scipy.signal as _scipy
from numpy.typing import ArrayLike

from .._call.dtypes import Array
from .._dropins.fallback import SIGNAL_DTYPES, handing_on
from ._arguments import check_mode, check_same_ndim
from ._convolve import convolve
from ._costs import costs

# The integers up to here are exact in double precision, with a bit to spare for rounding.
_EXACT = 2**52 - 1


@overload
def choose_conv_method(in1: ArrayLike, in2: ArrayLike, mode: str = "full", measure: Literal[False] = False) -> str: ...
@overload
def choose_conv_method(
    in1: ArrayLike, in2: ArrayLike, mode: str = "full", *, measure: Literal[True]
) -> tuple[str, dict[str, float]]: ...
@handing_on(_scipy.choose_conv_method, 2, SIGNAL_DTYPES)
def choose_conv_method(
    in1: ArrayLike, in2: ArrayLike, mode: str = "full", measure: bool = False
) -> str | tuple[str, dict[str, float]]:
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
    check_mode(mode)
    check_same_ndim(x, kernel, "in1", "in2")
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
    _, by_sums, by_spectra = costs(mode, larger, smaller, dtype)
    return "fft" if by_spectra < by_sums else "direct"


def _largest(array: Array) -> int:
    """Return the largest absolute value, as an exact integer if it is one."""
    if array.dtype.kind == "c":
        return int(np.abs(array).max())
    return max(int(array.max()), -int(array.min()))
