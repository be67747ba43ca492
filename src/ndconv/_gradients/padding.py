"""The adjoint of padding: what padding has read from x more than once adds up there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise, product
from typing import Any

import numpy as np

from .._call.dtypes import Array
from .._call.geometry import Geometry
from .._transposed.phases import box_of_samples

# Bytes of the gradients of padded samples that are computed before they are added to those of the samples they repeat;
# and bytes of five indices, which `_merged` needs for a padded sample of a single axis and channel.
BORDER_BYTES = 4 << 20
INDEX_BYTES = 5 * 8

# Padded samples of which less than one in so many is read, because of the stride, are computed phase by phase; those
# that a dilation passes over are left out, where they are at least so many in a row; and runs of samples that are added
# one by one, rather than by their indices.
SPARSE_PHASES = 8
SPARSE_SAMPLES = 1 << 12
MOST_RUNS = 64

# A box of padded samples: along each axis, neighbours or samples a stride apart.
Box = tuple[range, ...]


def padded_box(g: Geometry) -> Box:
    """Return the box of x and of all padding that has read samples of it."""
    return tuple(
        place if mode.name == "zeros" else range(min(place.start, 0), max(place.stop, place.stop + after))
        for place, mode, (_, after) in zip(box_of_samples(g), g.modes, g.padding, strict=True)
    )


def is_small(box: Box, batch: int, sample_bytes: int) -> bool:
    """Whether the gradients of all of a box may be kept at once."""
    return batch * math.prod(map(len, box)) * sample_bytes <= BORDER_BYTES


def borders(g: Geometry) -> list[Box]:
    """Return boxes that make up the padding that has read samples of x: axis by axis, before it and after it.

    A box lies within x along the axes that had their turn, and where padding is zeros. What no tap ever meets, because
    a stride or a dilation passes over it, is in none.
    """
    inside = box_of_samples(g)
    padded = [
        place if mode.name == "zeros" else range(place.stop + after)
        for place, mode, (_, after) in zip(inside, g.modes, g.padding, strict=True)
    ]
    found: list[Box] = []
    for axis, (before, _) in enumerate(g.padding):
        if g.modes[axis].name == "zeros":
            continue
        for edge in (range(before), range(inside[axis].stop, padded[axis].stop)):
            ranges = [*inside[:axis], edge, *padded[axis + 1 :]]
            found.extend(product(*(_met(g, i, each) for i, each in enumerate(ranges))))
    return found


def _met(g: Geometry, axis: int, among: range) -> list[range]:
    """Return the padded samples of an axis that taps meet, and some more where these lie densely."""
    stride, dilation, taps, outputs = g.stride[axis], g.dilation[axis], g.kernel[axis], g.out_shape[axis]
    span = stride * (outputs - 1) + 1  # of the samples that one tap meets
    step = stride // math.gcd(stride, dilation)  # from one tap of a phase to the next
    phases, unit = min(step, taps), stride
    if phases * SPARSE_PHASES > stride:
        step = phases = unit = 1
    found = []
    for phase in range(phases):
        places = range(phase * dilation, taps * dilation, step * dilation)
        if step * dilation - span <= unit * SPARSE_SAMPLES:
            ends = [(places[0], places[-1] + span)]
        else:
            ends = [(place, place + span) for place in places]
        for start, end in ends:
            start += max(-((start - among.start) // unit), 0) * unit
            if start < min(end, among.stop):
                found.append(range(start, min(end, among.stop), unit))
    return found


def pieces(box: Box, grad_y: Array, sample_bytes: int, ndim: int) -> Iterator[tuple[Box, Any]]:
    """Yield parts of a box, and of the batch, small enough to be computed apart."""
    most = max(BORDER_BYTES // (sample_bytes + INDEX_BYTES), 1)
    axis = max(range(ndim), key=lambda i: len(box[i]))
    size = len(box[axis])
    line = math.prod(map(len, box)) // size
    step = max(min(most // line, size), 1)
    if line > most and size > 1:
        # One line is too much: cut along the next longest axis, too.
        for i in range(size):
            yield from pieces((*box[:axis], box[axis][i : i + 1], *box[axis + 1 :]), grad_y, sample_bytes, ndim)
        return
    batch = max(most // (line * step), 1)
    items = range(0, len(grad_y), batch) if grad_y.ndim == ndim + 2 else (None,)
    for start in range(0, size, step):
        part = (*box[:axis], box[axis][start : start + step], *box[axis + 1 :])
        for item in items:
            yield part, slice(None) if item is None else slice(item, item + batch)


def add_border(slab: Array, box: Box, g: Geometry, grad_x: Array) -> None:
    """Add the gradients of padded samples to those of the samples that they were read from."""
    sources = []
    for axis, mode in enumerate(g.modes):
        position = np.arange(box[axis].start, box[axis].stop, box[axis].step) - g.padding[axis][0]
        source = position if mode.name == "zeros" else mode.source(position, g.in_shape[axis])
        slab, source = _merged(slab, source, axis - g.ndim)
        sources.append(source)
    _add(slab, sources, grad_x)


def fold(slab: Array, g: Geometry, grad_x: Array) -> None:
    """Write the gradients of x, from those of all samples of its `padded_box`, which are changed."""
    for axis, (mode, place, padded) in enumerate(zip(g.modes, box_of_samples(g), padded_box(g), strict=True)):
        there = axis - g.ndim
        first, end = place.start - padded.start, place.stop - padded.start
        inside = _along(slab, there, first, end)
        for edge in (range(first), range(end, len(padded))):
            if mode.name != "zeros" and edge:
                source = mode.source(np.arange(edge.start - first, edge.stop - first), len(place))
                strip, source = _merged(_along(slab, there, edge.start, edge.stop), source, there)
                sources = [np.arange(size) for size in slab.shape[-g.ndim :]]
                sources[axis] = source
                _add(strip, sources, inside)
        slab = inside
    grad_x[...] = slab


def _along(array: Array, axis: int, first: int, end: int) -> Array:
    """Return a part of an array along one axis, counted from the last."""
    there: Any = (..., slice(first, end), *(slice(None),) * (-axis - 1))
    part: Array = array[there]
    return part


def _add(sums: Array, sources: list[Array], grad_x: Array) -> None:
    """Add sums to gradients, at rising sources along each axis."""
    breaks = [_breaks(source) for source in sources]
    if math.prod(1 + each.size for each in breaks) > MOST_RUNS:
        places: Any = (..., *np.ix_(*sources))
        grad_x[places] += sums
        return
    for combination in product(*map(_runs, sources, breaks)):
        there: Any = (..., *(run[0] for run in combination))
        here: Any = (..., *(run[1] for run in combination))
        grad_x[there] += sums[here]


def _merged(slab: Array, source: Array, axis: int) -> tuple[Array, Array]:
    """Add up, along an axis, what has the same source; return the sums with their sources in rising order."""
    if not _breaks(source).size:
        return slab, source
    order = np.argsort(source, kind="stable")
    source = source[order]
    first = np.flatnonzero(np.diff(source, prepend=-1))
    return np.add.reduceat(slab.take(order, axis), first, axis, slab.dtype), source[first]


def _breaks(source: Array) -> Array:
    """Return where sources do not follow their predecessors."""
    breaks: Array = (source[1:] - source[:-1] != 1).nonzero()[0] + 1
    return breaks


def _runs(source: Array, breaks: Array) -> list[tuple[slice, slice]]:
    """Return the runs of neighbours among rising sources: which sources they are, and where they stand."""
    ends = pairwise([0, *breaks.tolist(), source.size])
    return [(slice(int(source[start]), int(source[end - 1]) + 1), slice(start, end)) for start, end in ends]
