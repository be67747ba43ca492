"""Filters as ``scipy.ndimage`` defines them: computed in double precision, then rounded to the output's type.

An output of integers is truncated, which the last bit of a sum may decide. So where a sum is not exact, it is done in
the order in which SciPy adds, one product after the other; every other output is left to the engine's direct method. No
other one will do, whatever it would save: spectra carry the rounding of a bright sample to outputs that do not see it,
and factors of a kernel of integers are none.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from .._call.arrays import new_output
from .._call.dtypes import Array
from .._call.geometry import single_channel_geometry
from .._call.modes import BY_NAME, PaddingMode
from .._engine import Prepared, prepare
from .._methods import PLAIN_SUMS
from .._runtime.caches import Cache
from .passes import DOUBLE, WINDOW_TAPS, Line, Pass, can_combine, combine, is_finite, is_in_place, running_means

# SciPy leaves out a weight of no more than this where it has more than one axis.
NEGLIGIBLE = np.finfo(DOUBLE).eps

# Bytes of the sums that are added in SciPy's order, one product after the other: with a product and samples beside them
# they stay in an L2 cache.
ORDERED_BYTES = 192 << 10

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
        _run(x, weights, target, modes, _padding(weights.shape, before), cval)
        if not weights.all() and target.dtype.kind == "f" and not is_finite(target):
            # Where a weight is zero, SciPy does not look at the sample.
            _add_in_order(x, _terms(weights), weights.shape, target, modes, before, cval)
        if target is not y:
            store(target, y)
    else:
        _add_in_order(x, _terms(weights), weights.shape, y, modes, before, cval)


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
    x: Array, weights: Array, y: Array, modes: Sequence[PaddingMode], padding: Sequence[tuple[int, int]], cval: float
) -> None:
    """Let the engine write to y."""
    call = _prepare(x.shape, weights.shape, tuple(modes), tuple(padding), cval, is_in_place(x), is_in_place(y))
    call.run(x[None], call.pack(weights[None, None, None]), y[None])


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


# --- Passes along axes ------------------------------------------------------------------------------------------------


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
    target = _place_for(x, y)
    is_finite = combine(x, filters, target, cval, squared=squared, mean=mean)
    if target is not y:
        y[...] = target
    return is_finite


def _along_axis(x: Array, each: Pass, y: Array, cval: float) -> None:
    """Write the pass of x to y."""
    if y.dtype.kind == "f" or _is_exact(x, each.weights):
        target = _place_for(x, y)
        Line(each)(x, target, cval)
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


# --- Means over windows -----------------------------------------------------------------------------------------------


@bools_as_bytes
def filter_by_means(x: Array, windows: Sequence[Pass], y: Array, cval: float) -> None:
    """Write to y the means over windows, which are given as passes of ones, along some axes; at least one."""
    if len(windows) == 1 and windows[0].weights.size > WINDOW_TAPS and y.dtype.kind == "f":
        target = _place_for(x, y)
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
        target = _place_for(x, y)
        if y.dtype.kind != "f" and each.weights.size <= WINDOW_TAPS and _is_exact(x, each.weights):
            Line(each, divisor=each.weights.size)(x, target, cval)
        else:
            running_means(x, each, target, cval)
        if target is not y:
            store(target, y)
        x = y


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
        if count > 1:
            padded = _extended(padded, Pass(axis, np.empty(count), mode, first), cval)
    return padded


def _extended(x: Array, each: Pass, cval: float) -> Array:
    """Return a copy of doubles with all samples of a pass's windows."""
    axis, size = each.axis, x.shape[each.axis]
    y = np.empty((*x.shape[:axis], size + each.weights.size - 1, *x.shape[axis + 1 :]))
    line: Any = (slice(None),) * axis
    y[(*line, slice(each.before, each.before + size))] = x
    for place, position in ((0, np.arange(-each.before, 0)), (each.before + size, np.arange(size, size + each.after))):
        outside = (*line, slice(place, place + position.size))
        if each.mode.name == "zeros":
            y[outside] = cval
        elif position.size:
            y[outside] = x.take(each.mode.source(position, size), axis=axis)
    return y
