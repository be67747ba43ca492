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

# Samples of a line that may be written where they were read, which takes the line as a whole; and the multiply-adds in
# whose time a mean is made from the one before.
WHOLE_LINE = 1 << 15
RUNNING_MULTIPLY_ADDS = 16


class Pass(NamedTuple):
    """A correlation along one axis, or the means over its windows; `before` samples of one lie before its output."""

    axis: int
    weights: Array
    mode: PaddingMode
    before: int


@bools_as_bytes
def filter_by_passes(x: Array, passes: Sequence[Pass], y: Array, cval: float) -> None:
    """Write to y what is left of x after correlations along some axes, one after the other; at least one.

    What lies between them has y's type, as in SciPy: floats are rounded to it, and integers truncated.
    """
    if y.size == 0:
        return
    target = y if y.dtype.isnative else np.empty(y.shape, y.dtype.newbyteorder("="))
    scratch: Array | None = None
    # From the last pass back: what each of them writes to.
    targets = [target]
    for each in passes[:0:-1]:
        if _may_be_in_place(target, each.axis):
            targets.append(targets[-1])
            continue
        if scratch is None:
            scratch = np.empty(target.shape, target.dtype)
        targets.append(scratch if targets[-1] is target else target)
    if shares_memory(x, targets[-1]):
        x = x.copy()
    for each, to in zip(passes, reversed(targets), strict=True):
        _correlate(x, each, to, cval)
        x = to
    if target is not y:
        y[...] = target


def _may_be_in_place(array: Array, axis: int) -> bool:
    return math.prod(array.shape[axis + 1 :]) == 1 and array.flags.c_contiguous and array.shape[axis] <= WHOLE_LINE


def _correlate(x: Array, each: Pass, y: Array, cval: float) -> None:
    """Write the pass of x to y, which shares no memory with it, or is x where that may be."""
    weights = np.require(each.weights, requirements=["C", "A"])
    x, y, axis = _as_lines(x, y, each.axis)
    with Threads(weights.size * y.size, None) as threads:
        _core.load("float64").correlate_lines(
            x, y, weights, axis, each.before, _order(weights), each.mode.code, cval, threads
        )


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
