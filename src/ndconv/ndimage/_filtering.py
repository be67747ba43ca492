"""Filters as ``scipy.ndimage`` defines them: computed in double precision, then rounded to the output's type.

An output of integers is truncated, which the last bit of a sum may decide. So where a sum is not exact, it is done in
the order in which SciPy adds, one product after the other; every other output is left to the engine's direct method. No
other one will do, whatever it would save: spectra carry the rounding of a bright sample to outputs that do not see it,
and factors of a kernel of integers are none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._call.arrays import new_output
from .._call.dtypes import Array
from .._call.geometry import single_channel_geometry
from .._call.modes import BY_NAME, PaddingMode
from .._dropins.finite import is_finite
from .._engine import Prepared, prepare
from .._methods import PLAIN_SUMS
from .._runtime.caches import Cache
from ._combine import can_combine, combine
from ._ordered_sums import NEGLIGIBLE, add_in_order, add_pass_in_order
from ._passes import DOUBLE, WINDOW_TAPS, Line, Pass, running_means
from ._results import bools_as_bytes, place_for, store

# Integers of up to 32 bits, by weights that add up to less than this, have sums that are exact in double precision.
EXACT_WEIGHTS = 2.0**21


@bools_as_bytes
def correlate(
    x: Array, weights: Array, y: Array, modes: Sequence[PaddingMode], before: Sequence[int], cval: float
) -> None:
    """Write to y the sums of x's samples in a window around each, times weights, of as many axes as x."""
    weights = np.where(np.abs(weights) > NEGLIGIBLE, weights, 0.0)
    if x.ndim == 0:
        store(np.multiply(x, weights, dtype=DOUBLE), y)
    elif not weights.any():
        y[...] = 0
    elif y.dtype.kind == "f" or _is_exact(x, weights):
        target = place_for(x, y)
        _run(x, weights, target, modes, _padding(weights.shape, before), cval)
        if not weights.all() and target.dtype.kind == "f" and not is_finite(target):
            # Where a weight is zero, SciPy does not look at the sample.
            add_in_order(x, weights, target, modes, before, cval)
        if target is not y:
            store(target, y)
    else:
        add_in_order(x, weights, y, modes, before, cval)


def _is_exact(x: Array, weights: Array) -> bool:
    """Whether all sums are exact whatever their order."""
    return bool(
        x.dtype.kind in "biu"
        and x.dtype.itemsize <= 4
        and (weights == np.rint(weights)).all()
        and np.abs(weights).sum() < EXACT_WEIGHTS
    )


def _padding(taps: Sequence[int], before: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return the samples that windows reach out of x, before and after it."""
    return tuple((first, count - 1 - first) for first, count in zip(before, taps, strict=True))


def _run(
    x: Array, weights: Array, y: Array, modes: Sequence[PaddingMode], padding: Sequence[tuple[int, int]], cval: float
) -> None:
    """Let the engine write to y."""
    call = _prepare(x.shape, weights.shape, tuple(modes), tuple(padding), cval, _is_in_place(x), _is_in_place(y))
    call.run(x[None], call.pack(weights[None, None, None]), y[None])


def _is_in_place(array: Array) -> bool:
    """Whether the engine may read and write an array of any axes as it is."""
    return array.dtype is DOUBLE and array.flags.c_contiguous and array.flags.aligned


@Cache[Prepared]("plans of filters").remembered
def _prepare(
    shape: tuple[int, ...], taps: tuple[int, ...], modes: tuple[PaddingMode, ...],
    padding: tuple[tuple[int, int], ...], cval: float, x_in_place: bool, y_in_place: bool,
) -> Prepared:  # fmt: skip
    geometry = single_channel_geometry(shape, taps, padding, modes, names=("input", "weights"))
    return prepare(
        geometry, DOUBLE, 1, x_in_place=x_in_place, y_in_place=y_in_place, fill_value=cval, method=PLAIN_SUMS,
        zeros_are_samples=True,
    )  # fmt: skip


@bools_as_bytes
def filter_by_passes(x: Array, passes: Sequence[Pass], y: Array, cval: float) -> None:
    """Write to y what is left of x after correlations along some axes, one after the other; at least one."""
    if len(passes) > 1 and can_filter_together([passes], y, cval):
        filter_together(x, [passes], y, cval)
        return
    for each in passes:
        _along_axis(x, each, y, cval)
        x = y


def can_filter_together(filters: Sequence[Sequence[Pass]], y: Array, cval: float) -> bool:
    """Whether y can be had without integers between the passes of filters, and with `cval` outside where it belongs."""
    return y.dtype.kind == "f" and all(passes and can_combine(passes, cval) for passes in filters)


def filter_together(
    x: Array, filters: Sequence[Sequence[Pass]], y: Array, cval: float, *, squared: bool = False, mean: bool = False
) -> bool:
    """Write to y the sum of what filters make of x, as `combine` does, for any y of floats."""
    target = place_for(x, y)
    is_finite = combine(x, filters, target, cval, squared=squared, mean=mean)
    if target is not y:
        y[...] = target
    return is_finite


def _along_axis(x: Array, each: Pass, y: Array, cval: float) -> None:
    """Write the pass of x to y."""
    if y.dtype.kind == "f" or _is_exact(x, each.weights):
        target = place_for(x, y)
        Line(each)(x, target, cval)
        if target is not y:
            store(target, y)
    else:
        add_pass_in_order(x, each, y, cval)


def add_passes(x: Array, passes: Sequence[Pass], y: Array, cval: float) -> None:
    """Write to y the sum of passes, each of x itself; at least one."""
    if y.dtype.kind == "f":
        # As one kernel that is zero beside the axes. Where x is not finite, those zeros would count.
        kernel = np.zeros(
            [max((p.weights.size for p in passes if p.axis == axis), default=1) for axis in range(x.ndim)]
        )
        middle = tuple(p // 2 for p in kernel.shape)
        modes, before = [BY_NAME["zeros"]] * x.ndim, [0] * x.ndim
        for each in passes:
            kernel[(*middle[: each.axis], slice(None), *middle[each.axis + 1 :])] += each.weights
            modes[each.axis], before[each.axis] = each.mode, each.before
        target = place_for(x, y)
        _run(x, kernel, target, modes, _padding(kernel.shape, before), cval)
        if len(passes) == 1 or is_finite(target):
            if target is not y:
                y[...] = target
            return
    x = x.copy() if np.may_share_memory(x, y) else x
    for number, each in enumerate(passes):
        part = new_output(y.shape, y.dtype) if number else y
        filter_by_passes(x, [each], part, cval)
        if number:
            y += part


@bools_as_bytes
def filter_by_means(x: Array, windows: Sequence[Pass], y: Array, cval: float) -> None:
    """Write to y the means over windows, which are given as passes of ones, along some axes; at least one."""
    if len(windows) == 1 and windows[0].weights.size > WINDOW_TAPS and y.dtype.kind == "f":
        target = place_for(x, y)
        if not running_means(x, windows[0], target, cval, in_pieces=True):
            running_means(x, windows[0], target, cval)
        if target is not y:
            y[...] = target
        return
    if can_filter_together([windows], y, cval):
        original = x.copy() if np.may_share_memory(x, y) else x
        if filter_together(original, [windows], y, cval, mean=True):
            return
        x = original
    for each in windows:
        target = place_for(x, y)
        if y.dtype.kind != "f" and each.weights.size <= WINDOW_TAPS and _is_exact(x, each.weights):
            Line(each, divisor=each.weights.size)(x, target, cval)
        else:
            running_means(x, each, target, cval)
        if target is not y:
            store(target, y)
        x = y
