"""Correlations and means along single axes, with the bits that SciPy's have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .. import _core
from .._call.dtypes import Array
from .._call.geometry import Shape
from .._call.modes import PaddingMode
from .._runtime.workers import Threads
from ._results import bools_as_bytes, shares_memory

# SciPy takes weights for a mirror image, and in several axes leaves out one, where they differ from it by no more.
NEGLIGIBLE = float(np.finfo(np.float64).eps)

# Orders of sums, as the core has them: ``_core/kernels/ordered.pxi`` says what they are.
LAST_FIRST, ADDED_PAIRS, SUBTRACTED_PAIRS = 0, 1, -1

# Samples of a line that may be written where they were read, which takes the line as a whole; the most samples beside
# each other that are the colours of pixels of a row, not a row themselves; up to which integer single precision holds
# all; and the multiply-adds in whose time a mean is made from the one before.
WHOLE_LINE = 1 << 15
MOST_COLOURS = 16
EXACT_IN_SINGLE = 1 << 24
RUNNING_MULTIPLY_ADDS = 16


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
    scratch: Array | None = None
    # From the last sweep back: what each of them writes to.
    targets = [target]
    for each in sweeps[:0:-1]:
        if each.down is None and each.across is not None and _may_be_in_place(target, each.across.axis):
            targets.append(targets[-1])
            continue
        if scratch is None:
            scratch = np.empty(target.shape, target.dtype)
        targets.append(scratch if targets[-1] is target else target)
    if shares_memory(x, targets[-1]):
        x = x.copy()
    core = _core.load("float32" if _are_small(x, y, passes, cval) else "float64")
    for each, to in zip(sweeps, reversed(targets), strict=True):
        _correlate(core, x, each, to, cval)
        x = to
    if target is not y:
        y[...] = target


def _sweeps(x: Array, passes: Sequence[Pass], y: Array) -> list[Sweep]:
    """Return the passes in their order, two of them together where one is down and one across the same rows."""
    is_dense = x.flags.c_contiguous and y.flags.c_contiguous

    def goes_across(axis: int) -> bool:
        return axis == y.ndim - 1 or (is_dense and math.prod(y.shape[axis + 1 :]) <= MOST_COLOURS)

    sweeps: list[Sweep] = []
    for each in passes:
        former = sweeps[-1] if sweeps else None
        if former and former.across is None and former.down and former.down.axis < each.axis and goes_across(each.axis):
            sweeps[-1] = Sweep(former.down, each)
        elif former and former.down is None and former.across and each.axis < former.across.axis:
            sweeps[-1] = Sweep(each, former.across, across_first=True)
        else:
            sweeps.append(Sweep(None, each) if goes_across(each.axis) else Sweep(each, None))
    return sweeps


def _may_be_in_place(array: Array, axis: int) -> bool:
    return math.prod(array.shape[axis + 1 :]) == 1 and array.flags.c_contiguous and array.shape[axis] <= WHOLE_LINE


def _are_small(x: Array, y: Array, passes: Sequence[Pass], cval: float) -> bool:
    """Whether all sums are integers that single precision holds exactly, so that it is as good as double."""
    if max(x.itemsize, y.itemsize) > 2 or x.dtype.kind not in "biu" or y.dtype.kind not in "iu":
        return False
    most = 1 << 8 * max(x.itemsize, y.itemsize)
    if any(each.mode.name == "zeros" for each in passes) and not (cval.is_integer() and abs(cval) <= most):
        return False
    return all(
        (each.weights == np.rint(each.weights)).all() and np.abs(each.weights).sum() * most <= EXACT_IN_SINGLE
        for each in passes
    )


def _correlate(core: _core.Core, x: Array, sweep: Sweep, y: Array, cval: float) -> None:
    """Write the sweep of x to y, which shares no memory with it, or is x where that may be."""
    down, across = sweep.down, sweep.across
    x, y, axis = _as_rows(x, y, down and down.axis, across and across.axis)
    multiply_adds = sum(each.weights.size for each in (down, across) if each) * y.size
    with Threads(multiply_adds, None) as threads:
        core.correlate_lines(
            x, y, axis, down and _told(core, down), across and _told(core, across), sweep.across_first, cval, threads
        )


def _told(core: _core.Core, each: Pass) -> tuple[Array, int, int, int]:
    """Return what the core is told of a pass."""
    weights = np.require(each.weights, core.compute_dtype, ["C", "A"])
    return weights, each.before, _order(each.weights), each.mode.code


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
    return x.reshape(rows), y.reshape(rows), axis


def _order(weights: Array) -> int:
    """Return the order in which SciPy adds up products with weights along an axis."""
    if weights.size % 2:
        after, before = weights[weights.size // 2 + 1 :], weights[: weights.size // 2][::-1]
        for order in (ADDED_PAIRS, SUBTRACTED_PAIRS):
            if not (np.abs(after - order * before) > NEGLIGIBLE).any():  # NaN is like anything
                return order
    return LAST_FIRST


@bools_as_bytes
def filter_by_means(x: Array, windows: Sequence[Pass], y: Array, cval: float) -> None:
    """Write to y the means over windows along some axes, one after the other; at least one."""
    for each in windows if y.size else ():
        target = y
        if not y.dtype.isnative or shares_memory(x, y):
            target = np.empty(y.shape, y.dtype.newbyteorder("="))
        from_x, to_y, axis = _as_lines(x, target, each.axis)
        with Threads(RUNNING_MULTIPLY_ADDS * y.size, None) as threads:
            _core.load("float64").running_means(
                from_x, to_y, axis, each.weights.size, each.before, each.mode.code, cval, threads
            )
        if target is not y:
            y[...] = target
        x = y


def _as_lines(x: Array, y: Array, axis: int) -> tuple[Array, Array, int]:
    """Return x and y with as few axes as the same memory may have, and which of them is the given one."""
    if not (x.flags.c_contiguous and y.flags.c_contiguous):
        return x, y, axis
    shape: Shape = (math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :]))
    if shape[2] == 1:
        shape = shape[:2]
    return x.reshape(shape), y.reshape(shape), 1
