"""Convolutions to which padding is nothing, as it is to transposed layers, also where a number is not finite.

To the kernels padding is a sample, and zero times infinity is NaN. Where a weight is not finite, the outputs are cut
into boxes in each of which its tap finds either samples alone or padding alone, and then is left out.
"""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np

from .._call.dtypes import Array
from .._call.geometry import Geometry, make_geometry
from .._engine import convolve
from .._methods import PLAIN_SUMS
from .._runtime.caches import Cache


def taps_not_finite(sets: Array, packed: Cache[Any] | None = None) -> Array | None:
    """Return which taps of weights (sets, out, in, *kernel) have one that is not finite, None if none has.

    That is remembered in `packed`, where packed weights are.
    """
    if sets.dtype.kind not in "fc":
        return None
    known: tuple[Array | None] | None = None if packed is None else packed.get("not finite")
    if known is not None:
        return known[0]
    finite = np.isfinite(sets)
    taps = None if finite.all() else np.asarray(~finite.all(axis=(0, 1, 2)))
    if packed is not None:
        packed.keep("not finite", (taps,))
    return taps


def convolve_samples(
    geometry: Geometry, x: Array, sets: Array, y: Array, taps: Array, bias: Array | None = None,
    residual: Array | None = None, activation: str | None = None, workers: int | None = None,
) -> None:  # fmt: skip
    """Compute y as `_engine.convolve` does, with weights that at `taps` are not all finite."""
    g = geometry
    cuts = []
    for axis in range(g.ndim):
        special = np.flatnonzero(taps.any(axis=tuple(other for other in range(g.ndim) if other != axis)))
        cuts.append(_segments(g, axis, special))
    for box in product(*cuts):
        there: Any = (..., *(slice(start, end) for start, end, _ in box))
        filters = sets
        for axis, (_, _, outside) in enumerate(box):
            if outside.size:
                filters = filters.copy() if filters is sets else filters
                np.moveaxis(filters, 3 + axis, 0)[outside] = 0
        padding = []
        for axis, (start, end, _) in enumerate(box):
            before = g.padding[axis][0] - start * g.stride[axis]
            span = (end - start - 1) * g.stride[axis] + g.dilation[axis] * (g.kernel[axis] - 1) + 1
            padding.append((before, span - g.in_shape[axis] - before))
        part = make_geometry(
            channels_in=g.channels_in, channels_out=g.channels_out, groups=g.groups, in_shape=g.in_shape,
            kernel=g.kernel, stride=g.stride, dilation=g.dilation, padding=tuple(padding), modes=g.modes,
        )  # fmt: skip
        convolve(
            part, x, filters, y[there], bias=bias, residual=None if residual is None else residual[there],
            activation=activation, method=PLAIN_SUMS, workers=workers,
        )  # fmt: skip


def _segments(g: Geometry, axis: int, taps: Array) -> list[tuple[int, int, Array]]:
    """Return (first output, end, taps that find padding alone), where the taps that find some are the same ones."""
    ranges = np.array([outputs_within(g, axis, int(tap)) for tap in taps]).reshape(-1, 2)
    ends = sorted({0, g.out_shape[axis], *ranges.ravel().tolist()})
    return [(start, end, taps[(ranges[:, 0] > start) | (ranges[:, 1] <= start)]) for start, end in pairwise(ends)]


def outputs_within(g: Geometry, axis: int, tap: int) -> tuple[int, int]:
    """Return the first output, and one past the last, for which a tap finds samples."""
    place, step, outputs = tap * g.dilation[axis] - g.padding[axis][0], g.stride[axis], g.out_shape[axis]
    first = min(max(-(place // step), 0), outputs)
    return first, min(max((g.in_shape[axis] - 1 - place) // step + 1, first), outputs)
