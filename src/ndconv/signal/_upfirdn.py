"""Up- and downsampling filters.

Between two samples stand inserted zeros, so an output needs only each `up`-th weight of the filter: one *phase* of it.
The phases come again and again in the same order. Those of one such period are the output channels of a layer, and its
stride is by how many samples a period moves on. Where they hardly come again, there is no layer to speak of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np
import scipy.signal as _scipy
from numpy.typing import ArrayLike

from .._call.arrays import new_output
from .._call.dtypes import Array
from .._call.geometry import make_geometry
from .._call.modes import BY_NAME, PaddingMode
from .._dropins.fallback import FOR_SCIPY, SIGNAL_DTYPES, handing_on
from .._dropins.finite import all_finite
from .._engine import convolve

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

# Phases go through the engine together where all their windows begin within so many samples, or within one window: what
# is multiplied by zeros then costs less than more calls. Measured in turns, by factors from 5/4 to 160/147.
SPREAD = 40

# Products in whose time a weight of a bank is put in its place, and those that an output takes anyway, where each is
# made by itself, as SciPy does. Measured in turns with SciPy's, of factors from 3/2 to 4001/4000.
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
    # SciPy's polyphase loop, an output at a time, gets what it does with fewer operations; and what is not all finite,
    # for the zeros of a bank would carry that to other outputs.
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
    common = math.gcd(up, down)
    period, step = up // common, down // common
    taps = -(-h.size // up)
    weights = period * (taps + min(step, max(taps, SPREAD)))
    if WEIGHT_PRODUCTS * weights > x.size // size * count * (taps + OUTPUT_PRODUCTS) or not all_finite(h):
        return FOR_SCIPY
    axis %= x.ndim
    y = new_output((*x.shape[:axis], count, *x.shape[axis + 1 :]), dtype)
    padding_mode, origin = BY_NAME[_MODES.get(mode, "zeros")], 0
    if mode in _EXTRAPOLATING or (mode == "constant" and outside != 0):
        position = np.arange(1 - taps, (count - 1) * down // up + 1)
        samples = _samples_at(np.moveaxis(x.astype(dtype), axis, -1), position, mode, outside)
        x, origin = np.moveaxis(samples, -1, axis), taps - 1
    # Zeros beside the weights of a phase would carry what is not finite to its outputs.
    if period > 1 and not all_finite(x):
        return FOR_SCIPY
    before, after = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    x, outputs = x.reshape(before, -1, after), y.reshape(before, count, after)
    whole = count - count % period
    for bank in _banks(h, up, down, period, taps):
        # Whole periods, and what is left of one.
        for begin, end, phases in ((0, whole, period), (whole, count, count - whole)):
            used = bank.weights[: max(phases - bank.first, 0)]
            if begin < end and used.size:
                part = outputs[:, begin:end].reshape(before, -1, phases, after)
                part = part[:, :, bank.first : bank.first + len(used)]
                _filter(x, used, step, bank.start + origin + begin // period * step, padding_mode, part)
    return y


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


class Bank(NamedTuple):
    """Phases that follow each other: the first one, where its window begins, and the weights (phases, window)."""

    first: int
    start: int
    weights: Array


def _banks(h: Array, up: int, down: int, period: int, taps: int) -> Iterator[Bank]:
    """Yield the phases of a period, in banks of which each reads few samples more than one phase needs."""
    padded = np.zeros(taps * up, h.dtype)
    padded[: h.size] = h
    phases = padded.reshape(taps, up).T[:, ::-1]
    last = np.arange(period) * down // up  # the sample on which each output's window ends
    spread = max(taps, SPREAD)
    first = 0
    while first < period:
        end = int(np.searchsorted(last, last[first] + spread, side="right"))
        number, start = np.arange(first, end), last[first:end] - last[first]
        weights = np.zeros((end - first, int(start[-1]) + taps), h.dtype)
        weights[(number - first)[:, None], start[:, None] + np.arange(taps)] = phases[number * down % up]
        yield Bank(first, int(last[first]) - taps + 1, weights)
        first = end


def _filter(x: Array, weights: Array, step: int, first: int, mode: PaddingMode, y: Array) -> None:
    """Write outputs to y (lines, periods, phases, lines), of weights (phases, window) and x (lines, samples, lines).

    The window of the first period begins at the sample `first`, and that of each other one `step` samples later.
    """
    phases, window = weights.shape
    after = (y.shape[1] - 1) * step + window + first - x.shape[1]
    axes = 2
    if x.shape[2] == 1:
        x, y, axes = x[..., 0], y[..., 0], 1
    geometry = make_geometry(
        channels_in=1, channels_out=phases, groups=1, in_shape=x.shape[1:], kernel=(window, 1)[:axes],
        stride=(step, 1)[:axes], dilation=(1, 1)[:axes], padding=((-first, after), (0, 0))[:axes],
        modes=(mode, mode)[:axes], names=("x", "h"),
    )  # fmt: skip
    convolve(geometry, x[:, None], weights.reshape(1, phases, 1, *geometry.kernel), np.swapaxes(y, 1, 2))


def _samples_at(x: Array, position: Array, mode: str, cval: complex) -> Array:
    """Return the samples at positions of the last axis, wherever they lie."""
    size = x.shape[-1]
    inside = (position >= 0) & (position < size)
    if mode == "constant":
        samples = np.full((*x.shape[:-1], position.size), cval, x.dtype)
        samples[..., inside] = x[..., position[inside]]
        return samples
    if mode == "antisymmetric":
        source = BY_NAME["symmetric"].source(position, size)
        return np.where(position // size % 2, -x[..., source], x[..., source]).astype(x.dtype, copy=False)
    first, last = x[..., :1], x[..., -1:]
    if mode == "smooth":
        # Straight on from the first and the last two samples.
        at_first, at_last = (x[..., 1:2] - first, last - x[..., -2:-1]) if size > 1 else (0 * first, 0 * first)
        line = np.where(position < 0, first + position * at_first, last + (position - (size - 1)) * at_last)
        return np.where(inside, x[..., np.clip(position, 0, size - 1)], line).astype(x.dtype, copy=False)
    # A straight line through the first and the last sample.
    slope = (last - first) / max(size - 1, 1)
    line = first + position * slope
    if mode == "line":
        return np.where(inside, x[..., np.clip(position, 0, size - 1)], line).astype(x.dtype, copy=False)
    # What differs from that line is mirrored, with the other sign, at both ends.
    source = BY_NAME["reflect"].source(position, size)
    sign = np.where(position // max(size - 1, 1) % 2, -1, 1)
    mirrored = line + sign * (x[..., source] - (first + source * slope))
    return np.where(inside, x[..., np.clip(position, 0, size - 1)], mirrored).astype(x.dtype, copy=False)
