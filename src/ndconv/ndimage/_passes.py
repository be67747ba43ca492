"""Correlations and means along single axes, with the bits that SciPy's have."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from .. import _core
from .._call.dtypes import Array
from .._call.geometry import Shape
from .._call.modes import PaddingMode
from .._runtime.workers import Threads
from ._results import bools_as_bytes, shares_memory

# Samples of a line that may be written where they were read, which takes the line as a whole; the most samples beside
# each other that are the colours of pixels of a row, not a row themselves; up to which integer single precision holds
# all; the multiply-adds in whose time a mean is made from the one before; and the product of the taps of two passes
# from which on they are quicker one after the other, as the rows of so many taps leave the caches. The last one is from
# gaussian_filter of 512x512 to 2048x2048 and 96x96x96 samples on an AMD EPYC, with one thread and two.
WHOLE_LINE = 1 << 15
MOST_COLOURS = 16
EXACT_IN_SINGLE = 1 << 24
RUNNING_MULTIPLY_ADDS = 16
TOGETHER = 48 * 48


class Pass(NamedTuple):
    """A correlation along one axis, or the means over its windows; `before` samples of one lie before its output."""

    axis: int
    weights: Array
    mode: PaddingMode
    before: int


class Sweep(NamedTuple):
    """A pass down an axis, or across rows, or one of each, which samples go through together."""

    down: Pass | None
    across: Pass | None
    across_first: bool = False


@bools_as_bytes
def filter_by_passes(x: Array, passes: Sequence[Pass], y: Array, cval: float) -> None:
    """Write to y what is left of x after correlations along some axes, one after the other; at least one.

    What lies between them has y's type, as in SciPy: floats are rounded to it, and integers truncated.
    """
    if y.size == 0:
        return
    target = y if y.dtype.isnative else np.empty(y.shape, y.dtype.newbyteorder("="))
    sweeps = _sweeps(x, passes, target)
    alone = [None if each.down else each.across for each in sweeps]
    targets = _targets(target, [each is not None and _may_be_in_place(target, each.axis) for each in alone])
    if shares_memory(x, targets[0]):
        x = x.copy()
    core = core_for(x, y, (each.weights for each in passes), cval)
    for each, to in zip(sweeps, targets, strict=True):
        _correlate(core, x, each, to, cval)
        x = to
    if target is not y:
        y[...] = target


def _sweeps(x: Array, passes: Sequence[Pass], y: Array) -> list[Sweep]:
    """Return the passes in their order, two short ones together where one is down and one across the same rows."""
    is_dense = x.flags.c_contiguous and y.flags.c_contiguous

    def goes_across(axis: int) -> bool:
        return axis == y.ndim - 1 or (is_dense and math.prod(y.shape[axis + 1 :]) <= MOST_COLOURS)

    def are_short(one: Pass, other: Pass) -> bool:
        return one.weights.size * other.weights.size < TOGETHER

    sweeps: list[Sweep] = []
    for each in passes:
        down, across, _ = sweeps[-1] if sweeps else Sweep(None, None)
        if down and not across and down.axis < each.axis and goes_across(each.axis) and are_short(down, each):
            sweeps[-1] = Sweep(down, each)
        elif across and not down and each.axis < across.axis and are_short(each, across):
            sweeps[-1] = Sweep(each, across, across_first=True)
        else:
            sweeps.append(Sweep(None, each) if goes_across(each.axis) else Sweep(each, None))
    return sweeps


def _targets(y: Array, in_place: Sequence[bool]) -> list[Array]:
    """Return what each of some steps writes to: the last one to y, and those that may be in place to what they read."""
    other: Array | None = None
    targets = [y]
    for may_be in in_place[:0:-1]:
        if may_be:
            targets.append(targets[-1])
        elif targets[-1] is y:
            other = np.empty(y.shape, y.dtype) if other is None else other
            targets.append(other)
        else:
            targets.append(y)
    return targets[::-1]


def _may_be_in_place(array: Array, axis: int) -> bool:
    return math.prod(array.shape[axis + 1 :]) == 1 and array.flags.c_contiguous and array.shape[axis] <= WHOLE_LINE


def core_for(x: Array, y: Array, weights: Iterable[Array], cval: float) -> _core.Core:
    """Return the core for double precision; for single, where all sums are integers that it holds exactly, too."""
    bits = 8 * max(x.itemsize, y.itemsize)
    is_small = bits <= 16 and x.dtype.kind in "biu" and y.dtype.kind in "iu" and float(cval).is_integer()
    if is_small and abs(cval) <= 1 << bits:
        values = [each.ravel().tolist() for each in weights]
        if all(all(map(float.is_integer, v)) and sum(map(abs, v)) <= EXACT_IN_SINGLE >> bits for v in values):
            return _core.load("float32")
    return _core.load("float64")


def prepared(weights: Array, core: _core.Core) -> Array:
    """Return weights as the core reads them."""
    flags = weights.flags
    if flags.c_contiguous and flags.aligned and weights.dtype == core.compute_dtype:
        return weights
    return np.require(weights, core.compute_dtype, ["C", "A"])


def _correlate(core: _core.Core, x: Array, sweep: Sweep, y: Array, cval: float) -> None:
    """Write the sweep of x to y, which shares no memory with it, or is x where that may be."""
    down, across = sweep.down, sweep.across
    x, y, axis = _as_rows(x, y, down and down.axis, across and across.axis)
    multiply_adds = sum(each.weights.size for each in (down, across) if each) * y.size
    with Threads(multiply_adds, None) as threads:
        core.correlate_lines(x, y, axis, _told(core, down), _told(core, across), sweep.across_first, cval, threads)


def _told(core: _core.Core, each: Pass | None) -> tuple[Array, int, int] | None:
    """Return what the core is told of a pass."""
    return None if each is None else (prepared(each.weights, core), each.before, each.mode.code)


def _as_rows(x: Array, y: Array, down: int | None, across: int | None) -> tuple[Array, Array, int]:
    """Return x and y with columns and colours as their last axes, and the axis on which their rows follow each other.

    Arrays have as few other axes as their memory allows.
    """
    if not (x.flags.c_contiguous and y.flags.c_contiguous):
        axis = down
        if axis is None:
            axis = max(x.ndim - 2, 0)
            x, y = (x[None], y[None]) if x.ndim == 1 else (x, y)
        return x[..., None], y[..., None], axis
    shape = x.shape
    if across is None:
        assert down is not None
        rows: Shape = (math.prod(shape[:down]), shape[down], math.prod(shape[down + 1 :]), 1)
        axis = 1
    elif down is None:
        rows, axis = (math.prod(shape[:across]), shape[across], math.prod(shape[across + 1 :])), 0
    else:
        between = math.prod(shape[down + 1 : across])
        rows = (math.prod(shape[:down]), shape[down], between, shape[across], math.prod(shape[across + 1 :]))
        axis = 1
    return _anew(x, rows), _anew(y, rows), axis


def _anew(array: Array, shape: Shape) -> Array:
    """Return contiguous memory in a shape, with the strides of a new array along axes of one sample too."""
    return array.reshape(-1).reshape(shape)


@bools_as_bytes
def filter_by_means(x: Array, windows: Sequence[Pass], y: Array, cval: float) -> None:
    """Write to y the means over windows along some axes, one after the other; at least one.

    Single precision truncates a quotient of small integers to the same one as double. A sum S, below 2^24, is exact.
    S / n, unless it is an integer, lies at least 1 / n below the next one, and rounding it moves it by no more than
    S / n / 2^24, which is less.
    """
    if y.size == 0:
        return
    target = y if y.dtype.isnative else np.empty(y.shape, y.dtype.newbyteorder("="))
    targets = _targets(target, [_may_be_in_place(target, each.axis) for each in windows])
    if shares_memory(x, targets[0]):
        x = x.copy()
    core = core_for(x, y, (each.weights for each in windows), cval)
    for each, to in zip(windows, targets, strict=True):
        from_x, to_y, axis = _as_lines(x, to, each.axis)
        with Threads(RUNNING_MULTIPLY_ADDS * y.size, None) as threads:
            core.running_means(from_x, to_y, axis, each.weights.size, each.before, each.mode.code, cval, threads)
        x = to
    if target is not y:
        y[...] = target


def _as_lines(x: Array, y: Array, axis: int) -> tuple[Array, Array, int]:
    """Return x and y with as few axes as the same memory may have, and which of them is the given one."""
    if not (x.flags.c_contiguous and y.flags.c_contiguous):
        return x, y, axis
    shape: Shape = (math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :]))
    if shape[2] == 1:
        shape = shape[:2]
    return _anew(x, shape), _anew(y, shape), 1
