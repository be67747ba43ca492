"""The taps of a kernel: the outputs for which they find samples, and the chains in which `rows` takes them."""

from __future__ import annotations

import itertools
import math

import numpy as np

from ..._call.dtypes import Array
from ..problem import REMEMBERED_TAPS, Problem

# No taps, or nothing known of them.
NONE = np.empty(0, np.intp)


def taps_within(problem: Problem, inputs: int) -> tuple[Array, Array, bool]:
    """Return the first and one past the last output, on each axis, for which a tap finds a sample, not padding.

    The third value tells whether leaving the other products out pays, and changes nothing.
    """
    within = _within_each_axis(problem, inputs)
    if within is None:
        return NONE, NONE, False
    first, end = (itertools.product(*([tap[i] for tap in axis] for axis in within)) for i in (0, 1))
    return np.array(list(first), np.intp).ravel(), np.array(list(end), np.intp).ravel(), True


def _within_each_axis(problem: Problem, inputs: int) -> list[list[tuple[int, int]]] | None:
    """Return the same (first, end) for the taps of each axis apart, or None where it is not worth while."""
    g = problem.geometry
    if problem.fill_value != 0 or inputs < 32 or g.taps > REMEMBERED_TAPS:
        return None
    axes = []
    pays = False
    for size, taps, stride, dilation, (before, _), outputs, mode in zip(
        g.in_shape, g.kernel, g.stride, g.dilation, g.padding, g.out_shape, g.modes, strict=True
    ):
        axis = [(0, outputs)] * taps
        if mode.name == "zeros":
            for u in range(taps):
                position = u * dilation - before
                first, end = -(position // stride), (size - 1 - position) // stride + 1
                axis[u] = (min(max(first, 0), outputs), min(max(end, 0), outputs))
            pays = pays or any(tap != (0, outputs) for tap in axis)
        axes.append(axis)
    return axes if pays else None


def part_within(problem: Problem, inputs: int) -> float:
    """Return the part of the products that the tile kernel does not leave out."""
    within = _within_each_axis(problem, inputs)
    if within is None:
        return 1.0
    parts = [
        sum(end - first for first, end in axis) / (len(axis) * max(outputs, 1))
        for axis, outputs in zip(within, problem.geometry.out_shape, strict=True)
    ]
    return math.prod(parts)


def least_step(places: Array) -> int:
    """Return the least distance between taps of one axis."""
    places = np.sort(places)
    steps = places[1:] - places[:-1]
    return int(steps.min()) if steps.size else 1


def chains(offsets: Array, step: int, axis: int) -> tuple[Array, Array, Array]:
    """Return the taps in chains along an axis: (order of the taps, each chain's first offset, each chain's length)."""
    size, length = offsets.size, offsets.shape[axis]
    axis_last = (*range(axis), *range(axis + 1, offsets.ndim), axis)
    numbers: Array = np.arange(size, dtype=np.intp).reshape(offsets.shape).transpose(axis_last).ravel()
    lines: Array = offsets.transpose(axis_last).reshape(-1, length)
    places = lines.ravel()
    if size and (lines[:, 1:] < lines[:, :-1]).any():  # of phases that lie one after another
        order = (lines.argsort(axis=1, kind="stable") + np.arange(0, size, length)[:, None]).ravel()
        numbers, places = numbers.take(order), places.take(order)
    begins = np.empty(size, dtype=bool)
    begins[1:] = places[1:] - places[:-1] != step
    begins[::length] = True
    starts = begins.nonzero()[0]
    lengths = np.full(starts.size, size)
    lengths[:-1] = starts[1:]
    lengths -= starts
    return numbers, places.take(starts), lengths


def shifted_chains(offsets: Array, lanes: int) -> tuple[Array, Array, Array]:
    """Return the same of taps in a `shifted_layout`, in their own order: a chain goes from copy to copy."""
    numbers = np.arange(offsets.size, dtype=np.intp)
    return numbers, offsets[::lanes].copy(), np.minimum(lanes, offsets.size - numbers[::lanes])
