"""The order of the samples in a plane, in which outputs are one sample apart."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..._call.dtypes import Array


class AxisLayout(NamedTuple):
    """Which input samples of one axis a box of outputs needs, in an order in which outputs are one sample apart.

    The samples are progressions, `start` + i * stride for i < `length`, one after another; tap u of the first output
    finds its sample at place `tap[u]`. Strided axes come apart into phases, widely dilated ones into one piece a tap.
    """

    start: tuple[int, ...]
    length: tuple[int, ...]
    tap: Array

    @property
    def size(self) -> int:
        return sum(self.length)

    def positions(self, stride: int) -> Array:
        """Return the samples' positions, from the box's first."""
        parts = [s + stride * np.arange(n, dtype=np.intp) for s, n in zip(self.start, self.length, strict=True)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def axis_layout(outputs: int, taps: int, stride: int, dilation: int) -> AxisLayout:
    """Return the layout of one axis for a box of `outputs` outputs."""
    if stride == 1 and dilation <= outputs:
        return AxisLayout((0,), (outputs + dilation * (taps - 1),), np.arange(taps, dtype=np.intp) * dilation)
    by_phase: dict[int, list[int]] = {}
    for u in range(taps):
        by_phase.setdefault(u * dilation % stride, []).append(u)
    start: list[int] = []
    length: list[int] = []
    tap = [0] * taps
    place = used = 0  # where the piece that is growing begins, and where all pieces end
    for phase, members in by_phase.items():
        first = end = -1  # of the piece that is growing, in outputs' steps
        for u in members:
            step = u * dilation // stride
            if first < 0 or step > end:
                place, first = used, step
                start.append(phase + step * stride)
                length.append(0)
            end = step + outputs
            length[-1] = end - first
            used = place + length[-1]
            tap[u] = place + step - first
    return AxisLayout(tuple(start), tuple(length), np.array(tap, np.intp))


def shifted_layout(outputs: int, taps: int, lanes: int) -> AxisLayout:
    """Return the layout of one axis as a copy of its samples for each lane of a vector, one sample later each time.

    So every tap finds the samples of whole vectors of outputs where a vector may begin.
    """
    length = -(-(outputs + taps - 1) // lanes) * lanes
    tap = np.arange(taps, dtype=np.intp)
    return AxisLayout(tuple(range(lanes)), (length,) * lanes, tap % lanes * length + tap - tap % lanes)


def plane_samples(g: Any, axis: int, outputs: int) -> int:
    """Return the plane samples of one axis for a box of `outputs` outputs: the size of its `axis_layout`."""
    taps, stride, dilation = g.kernel[axis], g.stride[axis], g.dilation[axis]
    common = math.gcd(stride, dilation)
    phases = min(stride // common, taps)
    # A phase's first tap needs a sample for each output; each other one, so many more as lie between them.
    return int(phases * outputs + (taps - phases) * min(dilation // common, outputs))
