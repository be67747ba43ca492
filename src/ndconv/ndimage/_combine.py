"""Passes along several axes, one after the other, and what is made of the results of several such filters.

A large array goes through in slabs, cut along its first axis, so that what lies between two passes stays in cache.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._call.arrays import new_output
from .._call.dtypes import Array
from .._call.modes import PaddingMode
from .._dropins.finite import is_finite
from .._runtime.workers import Threads
from .._threads.python_tasks import for_each
from ._passes import DOUBLE, WINDOW_TAPS, Line, Pass

# Bytes of an output from which on it is gone through slab by slab, and bytes of what is between two passes of a slab.
SLAB_OUTPUT_BYTES = 4 << 20
SLAB_BYTES = 1 << 20


def can_combine(passes: Sequence[Pass], cval: float) -> bool:
    """Whether passes may be done in the order of their axes: `cval` stands outside what lies between them, too."""
    axes = [each.axis for each in passes]
    return cval == 0 or axes == sorted(axes) or all(each.mode.name != "zeros" for each in passes)


def combine(
    x: Array, filters: Sequence[Sequence[Pass]], y: Array, cval: float, *, squared: bool = False, mean: bool = False
) -> bool:
    """Write to y the sum of what filters, each of at least one pass, make of x; y is to hold native floats.

    Of `squared` results it is the root of the sum of squares. The passes of a `mean` are of ones; where it is not
    finite, the answer is False.
    """
    ordered = [sorted(passes, key=lambda each: each.axis) for passes in filters]
    lines = [_mean_lines(passes, y.dtype) if mean else list(map(Line, passes)) for passes in ordered]
    is_single = len(filters) == 1 and not squared
    slabs = [(0, len(y))] if is_single and len(lines[0]) == 1 else _slabs(lines, y)
    workers = None if len(slabs) == 1 else 1

    def run(slab: tuple[int, int]) -> bool:
        out = y[slice(*slab)]
        total: Array | None = None
        with np.errstate(all="ignore"):
            for passes in lines:
                part = out if is_single else np.empty(out.shape, y.dtype)
                _through(x, passes, slab, part, cval, workers)
                if squared:
                    np.multiply(part, part, out=part)
                total = part if total is None else np.add(total, part, out=total)
            assert total is not None
            if squared:
                np.sqrt(total, out=out)
            elif not is_single:
                out[...] = total
            return not mean or is_finite(out)

    if len(slabs) == 1:
        return run(slabs[0])
    with Threads(y.size * sum(line.each.weights.size for passes in lines for line in passes), None) as count:
        finite: list[bool] = []
        for_each(lambda slab: finite.append(run(slab)), slabs, count)
        return all(finite)


def _mean_lines(windows: Sequence[Pass], dtype: np.dtype[np.generic]) -> list[Line]:
    """Return what makes means over windows, one after the other, for a result of some dtype."""
    lines = []
    for window in windows:
        size = window.weights.size
        if size > WINDOW_TAPS:
            lines.append(Line(window, running=True))
        elif dtype.itemsize < DOUBLE.itemsize:
            lines.append(Line(window._replace(weights=window.weights / size)))  # rounded, but less than results are
        else:
            lines.append(Line(window, divisor=size))  # the mean of ones is one
    return lines


def _slabs(filters: Sequence[Sequence[Line]], y: Array) -> list[tuple[int, int]]:
    """Return the first and the last but one row of each slab; a single one for what stays in cache anyway."""
    if y.size * DOUBLE.itemsize < SLAB_OUTPUT_BYTES:
        return [(0, len(y))]
    rows = max(SLAB_BYTES * len(y) // (DOUBLE.itemsize * y.size), 1)
    for line in (line for passes in filters for line in passes):
        if line.each.axis == 0:
            # The samples around a slab shall be few beside its own.
            rows = max(rows, line.each.weights.size * (4 if line.running else 1))
    count = -(-len(y) // rows)
    return [(n * len(y) // count, (n + 1) * len(y) // count) for n in range(count)]


def _through(
    x: Array, passes: Sequence[Line], slab: tuple[int, int], y: Array, cval: float, workers: int | None
) -> None:
    """Write to y the rows of a slab of what passes make of x."""
    first, end = slab
    inside = False
    if end - first < len(x):
        lead = passes[0].each if passes[0].each.axis == 0 else None
        inside = lead is not None
        x = x[first:end] if lead is None else _rows(x, first - lead.before, end + lead.after, lead.mode, cval)
    for line in passes[:-1]:
        between = new_output(y.shape, DOUBLE)
        line(x, between, cval, workers, inside=inside)
        x, inside = between, False
    passes[-1](x, y, cval, workers, inside=inside)


def _rows(x: Array, start: int, stop: int, mode: PaddingMode, cval: float) -> Array:
    """Return rows of x, also those before its first and after its last one."""
    size = len(x)
    if start >= 0 and stop <= size:
        return x[start:stop]
    parts = [x[max(start, 0) : min(stop, size)]]
    for place, position in ((0, np.arange(start, min(stop, 0))), (2, np.arange(max(start, size), stop))):
        if mode.name == "zeros":
            part = np.full((position.size, *x.shape[1:]), cval, x.dtype if cval == 0 else DOUBLE)
        else:
            part = x.take(mode.source(position, size), axis=0)
        parts.insert(place, part)
    return np.concatenate(parts)
