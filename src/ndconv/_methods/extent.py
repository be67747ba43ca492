"""Which samples outputs read, and which outputs a sample reaches.

Spectra and tiles mix neighbours. What no output reads must not be among them, since it may be so large that its
rounding errors hide all others; and an output that nothing reaches must not have theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._call.dtypes import Array
from .._call.geometry import Geometry
from .._call.modes import BY_NAME
from .problem import Problem


@dataclass(frozen=True, slots=True)
class Read:
    """A problem for the part of x that outputs read, and how to take that part of x."""

    problem: Problem
    index: tuple[slice, ...]
    maps: tuple[tuple[int, Array], ...]
    is_whole: bool

    def part(self, x: Array) -> Array:
        """Return that part of x (..., *in); a copy only where some padding but not all of x is read."""
        if self.is_whole:
            return x
        at: Any = (..., *self.index)
        part: Array = x[at]
        for axis, source in self.maps:
            part = part.take(source, axis=axis - len(self.index))
        return part


def sees_zeros(problem: Problem) -> bool:
    """Whether floating outputs find zeros outside x: there, a weight that is not finite must not make NaN of them."""
    if problem.fill_value != 0 or problem.zeros_are_samples or problem.dtype.kind not in "fc":
        return False
    g = problem.geometry
    return any(mode.name == "zeros" and max(pair) > 0 for mode, pair in zip(g.modes, g.padding, strict=True))


def ends(geometry: Geometry) -> tuple[int, ...]:
    """Return where the last output's window ends in the padded x, on each axis."""
    g = geometry
    return tuple(
        (n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(g.out_shape, g.stride, g.dilation, g.kernel, strict=True)
    )


def read(problem: Problem, first: int) -> Read:
    """Return the problem without samples before the first window and after the last, from the `first` axis on."""
    g = problem.geometry
    sizes, paddings, modes, index, maps = [], [], [], [], []
    for axis, (size, (before, _), mode, end) in enumerate(
        zip(g.in_shape, g.padding, g.modes, ends(g), strict=True)
    ):  # fmt: skip
        after = end - size - before
        kept = slice(None)
        if axis < first:
            pass
        elif mode.name == "zeros" or max(before, after) <= 0:
            kept = slice(min(max(-before, 0), size), max(size + min(after, 0), 0))
            mode = BY_NAME["zeros"]
            size, before = max(kept.stop - kept.start, 0), max(before, 0)
        elif min(before, after) < 0:
            maps.append((axis, mode.source(np.arange(-before, size + after), size)))
            size, before, after, mode = end, 0, 0, BY_NAME["zeros"]
        sizes.append(size)
        paddings.append((before, max(after, 0)))
        modes.append(mode)
        index.append(kept)
    whole = tuple(sizes) == g.in_shape and not maps
    fill_value = problem.fill_value if any(max(pair) > 0 for pair in paddings) else 0.0
    if not (whole and tuple(paddings) == g.padding and fill_value == problem.fill_value):
        geometry = replace(g, in_shape=tuple(sizes), padding=tuple(paddings), modes=tuple(modes))
        problem = replace(problem, geometry=geometry, fill_value=fill_value)
    return Read(problem, tuple(index), tuple(maps), whole)


def unread(outputs: int, stride: int, taps: int, dilation: int) -> Array | None:
    """Return which samples, from the first window to the last, no window of one axis reads; None if there are none."""
    if outputs == 1 or taps == 1:
        gapless = (dilation == 1 or taps == 1) and (stride == 1 or outputs == 1)
    else:
        gapless = (stride == 1 and dilation <= outputs) or (dilation == 1 and stride <= taps)
    if gapless:
        return None
    size = (outputs - 1) * stride + dilation * (taps - 1) + 1
    begins = np.zeros(-(-size // dilation) * dilation, np.int64)
    begins[: (outputs - 1) * stride + 1 : stride] = 1
    # Along every `dilation`-th sample, how many windows begin at this or at one of the taps before it.
    sums = begins.reshape(-1, dilation).cumsum(axis=0)
    sums[taps:] -= sums[:-taps].copy()
    missed: Array = sums.ravel()[:size] == 0
    return missed if missed.any() else None


def unreached(problem: Problem) -> list[tuple[int, slice]]:
    """Return the outputs, as slices of an axis, that find nothing but zeros outside x: none in most problems."""
    g = problem.geometry
    if problem.fill_value != 0:
        return []
    found = []
    for axis, mode in enumerate(g.modes):
        if mode.name != "zeros" or max(g.padding[axis]) <= 0:
            continue
        before, size, dilation, last_tap = g.padding[axis][0], g.in_shape[axis], g.dilation[axis], g.kernel[axis] - 1
        first, last = -before, (g.out_shape[axis] - 1) * g.stride[axis] - before  # where windows begin
        # The taps of a window that lie on x are those from the first one not before it to the last one not after it.
        # If the first and the last window have such taps, so have all, unless a dilation passes over all of x.
        if dilation <= size and all(
            max(-(start // dilation), 0) <= min((size - 1 - start) // dilation, last_tap) for start in (first, last)
        ):
            continue
        start = np.arange(g.out_shape[axis]) * g.stride[axis] - before
        misses = np.maximum(-(start // dilation), 0) > np.minimum((size - 1 - start) // dilation, last_tap)
        edges = np.flatnonzero(np.diff(misses, prepend=False, append=False))
        found += [(axis, slice(int(a), int(b))) for a, b in edges.reshape(-1, 2)]
    return found
