"""How outputs are cut into blocks, and what each way costs."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from ..._call.dtypes import Array, compute_type
from ..._runtime.caches import CHOICE_BYTES, Cache
from ..problem import Problem

# Bytes of a block's spectra at most, where a kernel and its channels fit: beside them a worker has the block's samples,
# products and results, and what scipy.fft needs for a while.
BLOCK_BYTES = 8 << 20

# Samples whose spectra a worker has at a time; bytes above which transforms slow down, at most how much, and after how
# many doublings; and lines below which they do, in one dimension, because scipy.fft makes vectors of several, and how
# much.
SPECTRUM_SAMPLES = 1 << 18
SPECTRUM_BYTES = 1 << 20
SPECTRUM_SLOWER = 1.6
SPECTRUM_DOUBLINGS = 3.0
SPECTRUM_LINES = 8
SPECTRUM_SINGLE = 3.0

# Cycles of scipy.fft: for a point and a level of a transform, there and back; for what else is done with a point, and
# for its product with a weight where channels are summed; what float64 takes of all that, against float32. And cycles
# of Python: for a block, and for a call.
TRANSFORM_CYCLES = 1.7
POINT_CYCLES = 12.0
PRODUCT_CYCLES = 0.5
WIDE = 1.6
BLOCK_CYCLES = 60e3
CALL_CYCLES = 800e3

Index = tuple[int, ...]


class Blocks(NamedTuple):
    """How outputs are cut into blocks, axis by axis."""

    outputs: Index  # of a block
    number: Index  # along each axis
    samples: Index  # of x that a block reads
    transform: Index  # the transform's length
    axes: Index  # which axes are transformed: of a single channel, not those of a single tap

    @property
    def points(self) -> int:
        """The samples of a block's transform."""
        return math.prod(self.transform)


def _lengths(outputs: int, reach: int, stride: int) -> list[tuple[int, int, int]]:
    """Return (outputs of a block, blocks, length of its transform) of some ways to cut an axis."""
    import scipy.fft

    if reach == 0:
        return [(outputs, 1, scipy.fft.next_fast_len(outputs, real=True))]
    whole = outputs + reach
    ways = [(outputs, 1, scipy.fft.next_fast_len(whole, real=True))]
    # Transforms are fastest of lengths that are, nearly, powers of two.
    length = 32
    while length < whole:
        for transform in (length, length * 9 // 8, length * 5 // 4, length * 3 // 2):
            block = (transform - reach) // stride * stride
            if 4 * block >= transform and transform < ways[0][2]:
                ways.append((block, -(-outputs // block), transform))
        length *= 2
    return ways


@Cache[tuple[float, Blocks]]("blocks of the Fourier method", CHOICE_BYTES).remembered
def best(problem: Problem) -> tuple[float, Blocks]:
    """Return the cheapest way to cut a problem into blocks, and its cost."""
    g = problem.geometry
    steps = [(n - 1) * s + 1 for n, s in zip(g.out_shape, g.stride, strict=True)]
    reaches = [d * (k - 1) for d, k in zip(g.dilation, g.kernel, strict=True)]
    ways = [_lengths(*each) for each in zip(steps, reaches, g.stride, strict=True)]
    # The most promising where axes are many: the whole, and what does not overlap much nor leaves a cache.
    promising = {1: 64, 2: 12, 3: 6}.get(len(ways), 2)
    ways = [sorted(axis, key=lambda way: way[1] * way[2] * (1 + way[2] / 4096))[:promising] for axis in ways]
    inputs, outputs = problem.channels
    axes = tuple(axis for axis, reach in enumerate(reaches) if reach or inputs > 1)
    item = np.dtype(compute_type(problem.dtype)).itemsize
    # Each way of one axis with each of the others, evaluated at once.
    number = _outer([[way[1] for way in axis] for axis in ways])
    points = _outer([[way[2] for way in axis] for axis in ways])
    transformed = _outer([[way[2] if i in axes else 1 for way in axis] for i, axis in enumerate(ways)])
    costs = _cycles(problem, inputs, outputs, item, number, points, transformed, len(axes))
    # Within bounds if any is, else the smallest.
    most = max(BLOCK_BYTES // (g.groups * max(inputs, outputs) * item), points.min())
    place = np.unravel_index(np.where(points <= most, costs, np.inf).argmin(), costs.shape)
    cut = [axis[i] for axis, i in zip(ways, place, strict=True)]
    blocks = Blocks(
        outputs=tuple(way[0] for way in cut),
        number=tuple(way[1] for way in cut),
        samples=tuple(way[0] + reach for way, reach in zip(cut, reaches, strict=True)),
        transform=tuple(way[2] for way in cut),
        axes=axes,
    )
    return float(costs[place]), blocks


def _outer(factors: list[list[int]]) -> Array:
    """Return the products of one factor of each list."""
    return functools.reduce(np.multiply.outer, [np.array(each, np.float64) for each in factors])


def _cycles(
    problem: Problem, inputs: int, outputs: int, item: int, blocks: Any, points: Any, transformed: Any, n_axes: int
) -> Any:
    """Return the costs of so many blocks of a group, whose transforms along `n_axes` axes have `transformed` points."""
    groups = problem.geometry.groups
    number = blocks * problem.batch * groups
    larger = np.log2(np.maximum(points * item / SPECTRUM_BYTES, 1.0)) / SPECTRUM_DOUBLINGS
    slow = 1.0 + (SPECTRUM_SLOWER - 1.0) * np.minimum(larger, 1.0)
    if n_axes == 1:
        lines = np.minimum(np.maximum(SPECTRUM_SAMPLES // points, 1), number * inputs) * (points // transformed)
        slow[lines < SPECTRUM_LINES] = SPECTRUM_SINGLE
    wide = 1.0 if item == 4 else WIDE
    each = wide * (TRANSFORM_CYCLES * slow * np.log2(np.maximum(transformed, 2)) + POINT_CYCLES)
    products = wide * inputs * outputs * (PRODUCT_CYCLES if inputs > 1 else 1.0)
    # Weights are transformed too, often for each call.
    weights = inputs * outputs * groups * points * each / 2
    block = BLOCK_CYCLES + points * ((inputs + outputs) * each / 2 + products)
    return CALL_CYCLES + weights + number * block
