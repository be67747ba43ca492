"""Up- and downsampling filters, with SciPy's bits.

Between two samples stand inserted zeros, so an output needs only each `up`-th weight of the filter: one *phase* of it.
The phases come again and again in the same order, after a *period*. Outputs of one phase go through vectors side by
side, or else lines do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import scipy.signal as _scipy
from numpy.typing import ArrayLike

from .._call.arrays import new_output
from .._call.dtypes import Array
from .._call.modes import BY_NAME
from .._dropins.fallback import FOR_SCIPY, SIGNAL_DTYPES, handing_on
from .._dropins.finite import all_finite
from ._ordered import filtered_phases

T = TypeVar("T")

# SciPy's name of each mode, and ours; the others extrapolate.
_MODES = {
    "constant": "zeros",
    "wrap": "circular",
    "edge": "replicate",
    "symmetric": "symmetric",
    "reflect": "reflect",
}
_EXTRAPOLATING = ("smooth", "antisymmetric", "antireflect", "line")
MODES = (*_MODES, *_EXTRAPOLATING)

# Outputs of a phase, of fewer of which lines go side by side instead: by reckoning, fewer leave most lanes of a vector
# empty.
FEW_PERIODS = 4

# Products in whose time a weight is put in its place, and those that an output takes anyway, where each is made by
# itself, as SciPy does. Measured in turns with SciPy's, of factors from 3/2 to 4001/4000, when phases were the channels
# of a layer.
WEIGHT_PRODUCTS = 8
OUTPUT_PRODUCTS = 20


@handing_on(_scipy.upfirdn, 2, SIGNAL_DTYPES, empty=False)  # with most modes, SciPy does not survive that
def upfirdn(
    h: ArrayLike, x: ArrayLike, up: int = 1, down: int = 1, axis: int = -1, mode: str = "constant", cval: complex = 0
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
    h, x = np.asarray(h), np.asarray(x)
    if h.ndim != 1 or h.size == 0:
        raise ValueError(f"h must be 1-D with non-zero length, got shape {h.shape}")
    up, down = _number(up, int, "up"), _number(down, int, "down")
    if up < 1 or down < 1:
        raise ValueError(f"Both up and down must be >= 1, got {up} and {down}")
    dtype = np.result_type(h, x, np.float32)
    size = x.shape[axis]
    mode = _checked_mode(mode)
    if isinstance(cval, (str, bytes)):
        raise TypeError(f"cval must be a number, got {cval!r}")
    outside: complex = _number(cval, complex if dtype.kind == "c" else float, "cval")
    count = max(((size - 1) * up + h.size - 1) // down + 1, 0)
    if x.size == 0:
        rows = math.prod(n for i, n in enumerate(x.shape) if i != axis % x.ndim)
        if mode != "constant" and rows * count > 0:
            raise ValueError(
                f"x must have samples along axis {axis} in mode {mode!r}, which continues them, got shape {x.shape}"
            )
        return FOR_SCIPY
    period, taps = up // math.gcd(up, down), -(-h.size // up)
    axis %= x.ndim
    before, after = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    # Where the outputs of a phase are few, a line is no longer a vector's work, and lines go side by side.
    across = after == 1 and count < FEW_PERIODS * period
    lanes = before if across else max(after, count // period)
    phases = min(period, count)
    if WEIGHT_PRODUCTS * phases * taps > before * after * count * (taps + OUTPUT_PRODUCTS) or lanes < 2:
        return FOR_SCIPY
    if not all_finite(h):
        return FOR_SCIPY  # before a signal, SciPy leaves its zeros out, after it it does not
    padding_mode, start = BY_NAME[_MODES.get(mode, "zeros")], 1 - taps
    if mode in _EXTRAPOLATING or (mode == "constant" and outside != 0):
        samples = np.moveaxis(x.astype(dtype, copy=False), axis, -1)
        x = np.moveaxis(_extended(samples, start, (count - 1) * down // up, mode, outside), -1, axis)
        start = 0
    y = new_output((*x.shape[:axis], count, *x.shape[axis + 1 :]), dtype)
    lines, outputs = x.reshape(before, -1, after), y.reshape(before, count, after)
    if across:
        lines, outputs = lines.swapaxes(0, 2), outputs.swapaxes(0, 2)
    weights = _phases(h, up, down, phases, taps)
    return y if filtered_phases(lines, weights, outputs, up, down, -start, padding_mode) else FOR_SCIPY


def _checked_mode(mode: str) -> str:
    """Return a mode in small letters, or raise SciPy's errors."""
    if not hasattr(mode, "lower"):
        raise AttributeError(f"mode must be a string, got {mode!r}")
    name = mode.lower()
    if name not in MODES:
        raise ValueError(f"Unknown mode: {mode}; it must be one of {', '.join(MODES)}")
    return name


def _number(value: complex, kind: Callable[..., T], name: str) -> T:
    """Return an argument as what the type `kind` makes of it, or raise its error with the argument's name."""
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise type(error)(f"{name}: {error}, got {value!r}") from None


def _phases(h: Array, up: int, down: int, phases: int, taps: int) -> Array:
    """Return the weights of the first outputs, in the order of samples."""
    padded = np.zeros(taps * up, h.dtype)
    padded[: h.size] = h
    return padded.reshape(taps, up).T[np.arange(phases) * down % up, ::-1]


def _extended(x: Array, first: int, last: int, mode: str, cval: complex) -> Array:
    """Return the samples from `first` to `last` of the last axis, those before and after it with SciPy's bits."""
    size = x.shape[-1]
    with np.errstate(all="ignore"):
        before = _beyond(x, np.arange(first, 0), mode, cval)
        after = _beyond(x, np.arange(size, last + 1), mode, cval)
    return np.concatenate([before, x[..., : last + 1], after], axis=-1)


def _beyond(x: Array, position: Array, mode: str, cval: complex) -> Array:
    """Return samples at positions before the last axis, or after it."""
    size = x.shape[-1]
    if mode == "constant" or position.size == 0:
        return np.full((*x.shape[:-1], position.size), cval, x.dtype)
    if x.dtype.kind == "c":
        samples = np.empty((*x.shape[:-1], position.size), x.dtype)
        samples.real, samples.imag = (_beyond(part, position, mode, 0) for part in (x.real, x.imag))
        return samples
    if mode == "antisymmetric":
        samples = x[..., BY_NAME["symmetric"].source(position, size)]
        return np.where(position // size % 2, -samples, samples)
    is_before = position[0] < 0
    if mode == "antireflect":
        return _antireflected_before(x, position) if is_before else _antireflected_after(x, position)
    first, last = x[..., :1], x[..., -1:]
    if mode == "line":
        step = (last - first) / x.dtype.type(max(size - 1, 1))
    elif size == 1:
        step = 0 * first
    else:
        step = x[..., 1:2] - first if is_before else last - x[..., -2:-1]
    steps = (position if is_before else position - (size - 1)).astype(x.dtype)
    result: Array = (first if is_before else last) + steps * step
    return result


def _antireflected_before(x: Array, position: Array) -> Array:
    """Mirror what differs from a line through the first and the last sample, with the other sign, at the first."""
    first, last, span = x[..., :1], x[..., -1:], max(x.shape[-1] - 1, 1)
    turns, place = (-position - 1) // span, (-position - 1) % (2 * span)
    start = np.where(turns, first + (first - last) * turns.astype(x.dtype), first)
    risen = np.where(
        place < span, x.take(place + 1, -1, mode="clip") - first, last - x.take(2 * span - 1 - place, -1, mode="clip")
    )
    samples: Array = start - risen
    return samples


def _antireflected_after(x: Array, position: Array) -> Array:
    """Do the same at the last sample, where SciPy's turns are counted from another one."""
    first, last, span = x[..., :1], x[..., -1:], max(x.shape[-1] - 1, 1)
    turns, place = position // span - 1, position % (2 * span)
    start = np.where(turns, last + (last - first) * turns.astype(x.dtype), last)
    risen = np.where(
        place < span, x.take(place, -1, mode="clip") - first, last - x.take(2 * span - place, -1, mode="clip")
    )
    samples: Array = start + risen
    return samples
