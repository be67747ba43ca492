"""Causal filters: a product of each coefficient with the sample so many before."""

from __future__ import annotations

from typing import overload

import numpy as np
import scipy.signal as _scipy
from numpy.lib.array_utils import normalize_axis_index
from numpy.typing import ArrayLike

from .._call.dtypes import Array
from .._call.geometry import Shape
from .._correlation.correlate import convolve_nd
from .._dropins.fallback import FOR_SCIPY, SIGNAL_DTYPES, handing_on

# The characters of dtypes that filters are computed in here.
DTYPES = "fdFD"


@overload
def lfilter(b: ArrayLike, a: ArrayLike, x: ArrayLike, axis: int = -1, zi: None = None) -> Array: ...
@overload
def lfilter(b: ArrayLike, a: ArrayLike, x: ArrayLike, axis: int = -1, *, zi: ArrayLike) -> tuple[Array, Array]: ...
@overload
def lfilter(b: ArrayLike, a: ArrayLike, x: ArrayLike, axis: int, zi: ArrayLike) -> tuple[Array, Array]: ...
@handing_on(_scipy.lfilter, 3, SIGNAL_DTYPES)
def lfilter(
    b: ArrayLike, a: ArrayLike, x: ArrayLike, axis: int = -1, zi: ArrayLike | None = None
) -> Array | tuple[Array, Array]:
    """Filter along an axis, as :func:`scipy.signal.lfilter`; recursive filters are handed on to it.

    Parameters
    ----------
    b : array_like
        The coefficients of the samples, in one dimension.
    a : array_like
        Those of earlier outputs. Here the first is the only one; `b` is divided by it.
    x : array_like
        Signals.
    axis : int, optional
        The axis along which to filter.
    zi : array_like, optional
        What earlier samples add to the first ``len(b) - 1`` outputs, along each line of `x`; by default nothing.

    Returns
    -------
    y : ndarray
        The filtered signals, of x's shape.
    zf : ndarray, optional
        If `zi` is given, what the samples add to the outputs that would come next.

    Examples
    --------
    >>> from ndconv import signal
    >>> signal.lfilter([0.5, 0.5], 1, [2.0, 4.0, 8.0])
    array([1., 3., 6.])
    >>> signal.lfilter([0.5, 0.5], 1, [2.0, 4.0, 8.0], zi=[1.0])
    (array([2., 3., 6.]), array([4.]))
    """
    b, a, x = np.atleast_1d(np.asarray(b)), np.atleast_1d(np.asarray(a)), np.asarray(x)
    for name, coefficients in (("b", b), ("a", a)):
        if coefficients.ndim != 1:
            raise ValueError(f"Parameter {name} is not a non-empty 1d array, got shape {coefficients.shape}")
    if a.size > 1:
        return FOR_SCIPY
    if x.ndim == 0:
        raise ValueError("x must be at least 1-D, got a number")
    axis = normalize_axis_index(axis, x.ndim)
    before = () if zi is None else (_state(np.asarray(zi), x.shape, axis, b.size - 1),)
    dtype = np.result_type(b, a, x, *before)
    if dtype.char not in DTYPES:
        return FOR_SCIPY
    taps = normalized(b, a, dtype)
    if not np.isfinite(taps).all():
        return FOR_SCIPY
    size = x.shape[axis]
    last = size - 1 + (taps.size - 1) * len(before)
    # Spectra would be quicker for long filters, but would let an output feel samples that it does not reach.
    y = convolve_nd(x.astype(dtype, copy=False), taps, axes=axis, lags=(0, last), method="direct")
    if not before:
        return y
    along = np.moveaxis(y, axis, -1)
    along[..., : taps.size - 1] += np.moveaxis(before[0], axis, -1)
    return np.moveaxis(along[..., :size], -1, axis), np.moveaxis(along[..., size:], -1, axis)


def normalized(b: Array, a: Array, dtype: np.dtype[np.generic]) -> Array:
    """Return the coefficients `b`, divided by the only one of `a`, as a dtype."""
    with np.errstate(all="ignore"):
        taps: Array = b.astype(dtype) / a.astype(dtype)
    return taps


def _state(zi: Array, shape: Shape, axis: int, count: int) -> Array:
    """Return `zi` with `count` samples for each line of x; along other axes than `axis`, one may be for all lines."""
    if zi.ndim != len(shape):
        raise ValueError(f"Dimensions of parameters x and zi must match, got {len(shape)} and {zi.ndim} axes")
    expected = (*shape[:axis], count, *shape[axis + 1 :])
    if any(n != m and (n != 1 or k == axis) for k, (n, m) in enumerate(zip(zi.shape, expected, strict=True))):
        raise ValueError(f"Unexpected shape for parameter zi: expected {expected}, found {zi.shape}")
    return np.broadcast_to(zi, expected)
