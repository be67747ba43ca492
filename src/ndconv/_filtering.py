"""Filters as ``scipy.ndimage`` defines them: computed in double precision, then rounded to the output's type.

An output of integers is truncated, which the last bit of a sum may decide. So where a sum is not exact, it is done in
the order in which SciPy adds, one product after the other; every other output is left to the engine.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from ._dtypes import Array
from ._engine import execute, new_output, pack_weights
from ._geometry import make_geometry
from ._methods import Plan, Problem, make_plan
from ._methods import direct as direct_method
from ._methods import separable as separable_method
from ._modes import BY_NAME, PaddingMode
from ._tuning import (
    ORDERED_BYTES,
    REMEMBERED_CALLS,
    SEPARABLE_MULTIPLY_ADDS,
    SLAB_BYTES,
    SLAB_OUTPUT_BYTES,
    WINDOW_TAPS,
)
from ._workers import Threads

DOUBLE = np.dtype(np.float64)

# SciPy leaves out a weight of no more than this where it has more than one axis.
NEGLIGIBLE = np.finfo(DOUBLE).eps

# Integers of up to 32 bits, by weights that add up to less than this, have sums that are exact in double precision.
EXACT_WEIGHTS = 2.0**21


Function = TypeVar("Function", bound=Callable[..., None])


def bools_as_bytes(filter: Function) -> Function:
    """Let a filter write to bytes instead of bools, as SciPy does: what lies between passes may be larger than one."""

    @functools.wraps(filter)
    def wrapped(x: Array, what: Any, y: Array, *how: Any) -> None:
        if y.dtype.kind != "b":
            filter(x, what, y, *how)
            return
        bytes = np.empty(y.shape, np.uint8)
        filter(x, what, bytes, *how)
        y[...] = bytes

    return cast(Function, wrapped)


class Pass(NamedTuple):
    """A correlation along one axis; `before` samples of its window lie before the output. Sums may be divided."""

    axis: int
    weights: Array
    mode: PaddingMode
    before: int
    divisor: int = 1


# --- One correlation in any number of dimensions ----------------------------------------------------------------------


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
        target = _place_for(x, y)
        _run(x, weights, target, modes, _padding(weights.shape, before), cval, "auto")
        if not weights.all() and target.dtype.kind == "f" and not is_finite(target):
            # Where a weight is zero, SciPy does not look at the sample.
            _add_in_order(x, _terms(weights), weights.shape, target, modes, before, cval)
        if target is not y:
            store(target, y)
    else:
        _add_in_order(x, _terms(weights), weights.shape, y, modes, before, cval)


def is_finite(array: Array) -> bool:
    """Whether all of an array is finite; now and then it is, but its sum is not, and the answer is no."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(array.sum()))


def _place_for(x: Array, y: Array) -> Array:
    """Return the array that the engine shall write to: y, if it can be, and does not hold what is still to be read."""
    if y.dtype.kind == "f" and y.dtype.isnative and y.flags.aligned and not np.may_share_memory(x, y):
        return y
    return new_output(y.shape, y.dtype.newbyteorder("=") if y.dtype.kind == "f" else DOUBLE)


def store(values: Array, y: Array) -> None:
    """Write doubles to y, truncated to integers that wrap around if it holds such."""
    if y.dtype.kind not in "iu":
        y[...] = values
        return
    with np.errstate(invalid="ignore"):
        if y.dtype.kind == "u" and y.dtype.itemsize == 8:
            # Conversion from a negative double is undefined.
            y[...] = np.where(values > -1, np.maximum(values, 0).astype(y.dtype), 0 - (-values).astype(y.dtype))
        else:
            wide = y.dtype.itemsize == 8 or (y.dtype.kind == "u" and y.dtype.itemsize == 4)
            y[...] = values.astype(np.int64 if wide else np.int32)


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
    x: Array, weights: Array, y: Array, modes: Sequence[PaddingMode], padding: Sequence[tuple[int, int]], cval: float,
    method: str, workers: int | None = None,
) -> None:  # fmt: skip
    """Let the engine write to y."""
    separable = (
        method == "auto"
        and x.size * weights.size >= SEPARABLE_MULTIPLY_ADDS
        and separable_method.is_separable(weights, DOUBLE)
    )
    plan, work = _plan(
        x.shape, weights.shape, tuple(modes), tuple(padding), cval, _is_in_place(x), _is_in_place(y), separable, method
    )
    packed = pack_weights(plan, weights[None, None, None], DOUBLE, False)
    x, y = x[None], y[None]
    if not execute(plan, x, packed, None, None, y, None, None, work, workers):
        execute(plan, x.copy(), packed, None, None, y, None, None, work, workers)


def _is_in_place(array: Array) -> bool:
    """Whether the engine may read and write an array as it is."""
    return array.dtype is DOUBLE and array.flags.c_contiguous and array.flags.aligned


@lru_cache(REMEMBERED_CALLS)
def _plan(
    shape: tuple[int, ...], taps: tuple[int, ...], modes: tuple[PaddingMode, ...],
    padding: tuple[tuple[int, int], ...], cval: float, x_in_place: bool, y_in_place: bool, separable: bool, method: str,
) -> tuple[Plan, int]:  # fmt: skip
    """Return a plan and its multiply-adds."""
    ones = (1,) * len(shape)
    geometry = make_geometry(
        channels_in=1, channels_out=1, groups=1, in_shape=shape, kernel=taps, stride=ones, dilation=ones,
        padding=padding, modes=modes, names=("input", "weights"),
    )  # fmt: skip
    problem = Problem(geometry, DOUBLE, False, cval, 1, x_in_place, y_in_place, separable)
    return make_plan(problem, method), geometry.multiply_adds


# --- Passes along axes ------------------------------------------------------------------------------------------------


@bools_as_bytes
def filter_by_passes(x: Array, passes: Sequence[Pass], y: Array, cval: float) -> None:
    """Write to y what is left of x after correlations along some axes, one after the other; at least one."""
    if y.dtype.kind == "f" and (cval == 0 or len(passes) == 1 or all(p.mode.name != "zeros" for p in passes)):
        target = _place_for(x, y)
        _by_slabs(x, passes, target, cval)
        if target is not y:
            y[...] = target
        return
    for each in passes:
        _along_axis(x, each, y, cval)
        x = y


def _along_axis(x: Array, each: Pass, y: Array, cval: float) -> None:
    """Write the pass of x to y."""
    if y.dtype.kind == "f" or (each.divisor == 1 and _is_exact(x, each.weights)):
        target = _place_for(x, y)
        _run_pass(x, each, target, cval)
        if target is not y:
            store(target, y)
    else:
        taps, before = _window_of(each, x.ndim)
        modes = (each.mode,) * x.ndim
        _add_in_order(x, _terms_along(each.weights, each.axis, x.ndim), taps, y, modes, before, cval)


def _window_of(each: Pass, ndim: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the taps of a pass's window, and how many of them lie before the output, axis by axis."""
    taps, before = [1] * ndim, [0] * ndim
    taps[each.axis], before[each.axis] = each.weights.size, each.before
    return tuple(taps), tuple(before)


def _run_pass(x: Array, each: Pass, y: Array, cval: float, workers: int | None = None, *, inside: bool = False) -> None:
    """Let the engine write the pass of x to y; `inside`: x has all samples of all windows."""
    taps, before = _window_of(each, x.ndim)
    padding = ((0, 0),) * x.ndim if inside else _padding(taps, before)
    modes = (each.mode,) * x.ndim
    _run(x, each.weights.reshape(taps), y, modes, padding, cval, direct_method.NAME, workers)
    if each.divisor != 1:
        y /= each.divisor


def _by_slabs(x: Array, passes: Sequence[Pass], y: Array, cval: float) -> None:
    """Write to y what is left of x after passes; slabs of a large output go through all while they are in cache."""
    slabs = _slabs(passes, y)
    if len(slabs) == 1:
        for each in passes[:-1]:
            between = new_output(y.shape, y.dtype)
            _run_pass(x, each, between, cval)
            x = between
        _run_pass(x, passes[-1], y, cval)
        return

    def run(slab: tuple[int, int]) -> None:
        _run_slab(x, passes, y, *slab)

    with Threads(y.size * sum(each.weights.size for each in passes), None) as workers:
        if workers == 1:
            for slab in slabs:
                run(slab)
        else:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(workers) as pool:
                for _ in pool.map(run, slabs):
                    pass


def _slabs(passes: Sequence[Pass], y: Array) -> list[tuple[int, int]]:
    """Return the first and the last but one row of each slab; a single one for what stays in cache anyway."""
    steps = len(passes) + sum(each.divisor != 1 for each in passes)
    if steps == 1 or y.size * DOUBLE.itemsize < SLAB_OUTPUT_BYTES:
        return [(0, len(y))]
    rows = max(SLAB_BYTES * len(y) // (DOUBLE.itemsize * y.size), 1)
    for each in passes[1:]:
        if each.axis == 0:
            # What passes before this one compute twice shall be little.
            rows = max(rows, 3 * each.weights.size)
    count = -(-len(y) // rows)
    return [(n * len(y) // count, (n + 1) * len(y) // count) for n in range(count)]


def _run_slab(x: Array, passes: Sequence[Pass], y: Array, first: int, end: int) -> None:
    """Write rows first to end of y."""
    lead = next((each for each in passes if each.axis == 0), None)
    start, stop = first, end
    if lead is not None:
        start, stop = first - lead.before, end + lead.weights.size - 1 - lead.before
    # Passes along other axes do not mix rows: those that are repeated outside x may be repeated beforehand.
    if start >= 0 and stop <= len(x):
        part = x[start:stop]
    else:
        assert lead is not None
        position = np.arange(start, stop)
        if lead.mode.name == "zeros":
            part = x.take(position, axis=0, mode="clip")
            part[(position < 0) | (position >= len(x))] = 0
        else:
            part = x.take(lead.mode.source(position, len(x)), axis=0)
    for each in passes:
        rows = end - first if each is lead else len(part)
        target = y[first:end] if each is passes[-1] else np.empty((rows, *y.shape[1:]), y.dtype)
        _run_pass(part, each, target, 0.0, 1, inside=each is lead)
        part = target


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
            line: Any = (*middle[: each.axis], slice(None), *middle[each.axis + 1 :])
            kernel[line] += each.weights
            modes[each.axis], before[each.axis] = each.mode, each.before
        target = _place_for(x, y)
        _run(x, kernel, target, modes, _padding(kernel.shape, before), cval, direct_method.NAME)
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


# --- Means over windows -----------------------------------------------------------------------------------------------


@bools_as_bytes
def filter_by_means(x: Array, windows: Sequence[Pass], y: Array, cval: float) -> None:
    """Write to y the means over windows, which are given as passes of ones, along some axes; at least one."""
    if any(each.weights.size > WINDOW_TAPS for each in windows):
        for each in windows:
            _running_means(x, each, y, cval)
            x = y
    elif y.dtype.kind == "f":
        original = x.copy() if np.may_share_memory(x, y) else x
        if y.dtype.itemsize == DOUBLE.itemsize:
            # Not by weights of 1 / size, which are rounded: the mean of ones is one.
            means = [each._replace(divisor=each.weights.size) for each in windows]
        else:
            means = [each._replace(weights=each.weights / each.weights.size) for each in windows]
        filter_by_passes(original, means, y, cval)
        if not is_finite(y):
            for each in windows:
                _running_means(original, each, y, cval)
                original = y
    else:
        for each in windows:
            if _is_exact(x, each.weights):
                quotients = new_output(y.shape, DOUBLE)
                _run_pass(x, each._replace(divisor=each.weights.size), quotients, cval)
                store(quotients, y)
            else:
                _running_means(x, each, y, cval)
            x = y


def _running_means(x: Array, window: Pass, y: Array, cval: float) -> None:
    """Write to y the means over windows along an axis, each sum made from the one before, as SciPy makes it."""
    size = window.weights.size
    before = tuple(window.before if axis == window.axis else 0 for axis in range(x.ndim))
    taps = tuple(size if axis == window.axis else 1 for axis in range(x.ndim))
    padded = np.moveaxis(_padded(x, taps, (window.mode,) * x.ndim, before, cval), window.axis, 0)
    sums = np.empty((x.shape[window.axis], *padded.shape[1:]))
    with np.errstate(all="ignore"):
        sums[0] = np.add.accumulate(padded[:size], axis=0)[-1]  # not `sum`, which adds in another order
        np.subtract(padded[size:], padded[: len(sums) - 1], out=sums[1:])
        np.add.accumulate(sums, axis=0, out=sums)
        sums /= size
    store(np.moveaxis(sums, 0, window.axis), y)


# --- Sums in SciPy's order --------------------------------------------------------------------------------------------


class Term(NamedTuple):
    """A weight and where its sample stands in the window; `other`: another sample, times `sign`, is added before."""

    weight: float
    place: tuple[int, ...]
    other: tuple[int, ...] | None = None
    sign: int = 1


def _terms(weights: Array) -> list[Term]:
    """Return the terms of a sum over several axes: one for each weight that is not zero."""
    return [Term(float(weights[place]), place) for place in zip(*(i.tolist() for i in weights.nonzero()), strict=True)]


def _terms_along(weights: Array, axis: int, ndim: int) -> list[Term]:
    """Return the terms of a sum along an axis: of symmetric weights in pairs from the outside to the middle."""

    def at(place: int) -> tuple[int, ...]:
        return tuple(place if a == axis else 0 for a in range(ndim))

    count, middle = weights.size, weights.size // 2
    if count % 2:
        for sign in (1, -1):
            if (np.abs(weights[middle + 1 :] - sign * weights[:middle][::-1]) <= NEGLIGIBLE).all():
                pairs = [Term(float(weights[i]), at(i), at(count - 1 - i), sign) for i in range(middle)]
                return [Term(float(weights[middle]), at(middle)), *pairs]
    last = count - 1
    return [Term(float(weights[i]), at(i)) for i in (last, *range(last))]


def _add_in_order(
    x: Array, terms: Sequence[Term], taps: tuple[int, ...], y: Array, modes: Sequence[PaddingMode],
    before: Sequence[int], cval: float,
) -> None:  # fmt: skip
    """Write sums to y, each rounded after every product and every addition."""
    padded = _padded(x, taps, modes, before, cval)
    for first, end in _blocks(y):
        shape = (end - first, *y.shape[1:])
        total: Array | None = None
        product = np.empty(shape)
        with np.errstate(all="ignore"):
            for term in terms:
                sample = _window(padded, term.place, first, shape)
                if term.other is not None:
                    add = np.add if term.sign > 0 else np.subtract
                    sample = add(sample, _window(padded, term.other, first, shape), out=product)
                if total is None:
                    total = sample * term.weight
                else:
                    np.multiply(sample, term.weight, out=product)
                    total += product
        assert total is not None
        store(total, y[first:end])


def _blocks(y: Array) -> Iterator[tuple[int, int]]:
    """Yield parts of y along its first axis that stay in cache."""
    rows = max(ORDERED_BYTES // (DOUBLE.itemsize * math.prod(y.shape[1:])), 1)
    for first in range(0, y.shape[0], rows):
        yield first, min(first + rows, y.shape[0])


def _window(padded: Array, place: Sequence[int], first: int, shape: Sequence[int]) -> Array:
    """Return the samples that stand at a place of the windows of a block of outputs."""
    start = (place[0] + first, *place[1:])
    return padded[tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))]


def _padded(x: Array, taps: Sequence[int], modes: Sequence[PaddingMode], before: Sequence[int], cval: float) -> Array:
    """Return a copy of x in double precision with all samples of all windows."""
    padded = np.array(x, DOUBLE)
    for axis, (count, mode, first) in enumerate(zip(taps, modes, before, strict=True)):
        size = x.shape[axis]
        if count == 1 and first == 0:
            continue
        position = np.arange(-first, size + count - 1 - first)
        if mode.name != "zeros":
            padded = padded.take(mode.source(position, size), axis=axis)
            continue
        inside = (position >= 0) & (position < size)
        shape = (*padded.shape[:axis], position.size, *padded.shape[axis + 1 :])
        filled = np.full(shape, float(cval))
        line: Any = (slice(None),) * axis
        filled[(*line, inside)] = padded
        padded = filled
    return padded
