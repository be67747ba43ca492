"""Sums in SciPy's order, each rounded after every product and every addition."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from .._call.dtypes import Array
from .._call.modes import PaddingMode
from ._passes import DOUBLE, Pass
from ._results import store

# SciPy leaves out a weight of no more than this where it has more than one axis.
NEGLIGIBLE = np.finfo(DOUBLE).eps

# Bytes of the sums that are added in SciPy's order, one product after the other: with a product and samples beside them
# they stay in an L2 cache.
ORDERED_BYTES = 192 << 10


class Term(NamedTuple):
    """A weight and where its sample stands in the window; `other`: another sample, times `sign`, is added before."""

    weight: float
    place: tuple[int, ...]
    other: tuple[int, ...] | None = None
    sign: int = 1


def add_in_order(
    x: Array, weights: Array, y: Array, modes: Sequence[PaddingMode], before: Sequence[int], cval: float
) -> None:
    """Write to y the sums of x's samples in a window around each, times weights, of as many axes as x."""
    _add(x, _terms(weights), weights.shape, y, modes, before, cval)


def add_pass_in_order(x: Array, each: Pass, y: Array, cval: float) -> None:
    """Write the pass of x to y."""
    taps, before = [1] * x.ndim, [0] * x.ndim
    taps[each.axis], before[each.axis] = each.weights.size, each.before
    _add(x, _terms_along(each.weights, each.axis, x.ndim), taps, y, (each.mode,) * x.ndim, before, cval)


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


def _add(
    x: Array, terms: Sequence[Term], taps: Sequence[int], y: Array, modes: Sequence[PaddingMode],
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
    line = (slice(None),) * axis
    y[(*line, slice(each.before, each.before + size))] = x
    for place, position in ((0, np.arange(-each.before, 0)), (each.before + size, np.arange(size, size + each.after))):
        outside = (*line, slice(place, place + position.size))
        if each.mode.name == "zeros":
            y[outside] = cval
        elif position.size:
            y[outside] = x.take(each.mode.source(position, size), axis=axis)
    return y
