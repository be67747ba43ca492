"""Few outputs of a long kernel: the direct method for sections of the kernel, whose sums are added up.

That is what some lags of two long signals are. Sections are a batch, each with its taps and its part of x; so workers
share the taps, where there are hardly any outputs to share.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .._call.dtypes import Array, compute_type
from .._call.geometry import Geometry, single_channel_geometry
from . import direct, extent, nonfinite
from .problem import Plan, Problem

# Taps of a section of a long kernel, whose plan is remembered; sections that are packed and run together, some
# megabytes of taps: with fewer, threads meet so often that on a busy machine they mostly wait for each other; the least
# for which it is done; and outputs up to which it is, since more are quicker by spectra.
SECTION_TAPS = 1024
SECTIONS_TOGETHER = 1024
LEAST_SECTIONS = 8
SECTION_OUTPUTS = 2048


def pays_to_split_k(g: Geometry) -> bool:
    """Whether a correlation along one axis has taps for several sections, and few outputs."""
    return (
        g.ndim == 1
        and g.channels_in == g.channels_out == 1
        and g.taps >= LEAST_SECTIONS * SECTION_TAPS
        and 0 < g.out_shape[0] <= SECTION_OUTPUTS
    )


class SplitKPlan:
    """The `Plan` of a correlation of a single channel along one axis."""

    nbytes = 0

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.geometry = problem.geometry
        self.sum_dtype = np.result_type(problem.dtype, np.float32) if problem.dtype.kind in "fc" else problem.dtype

    def pack_key(self) -> Any:
        """Return what tells packings of the same weights apart."""
        return "split_k"

    def pack(self, weights: Array, workers: int = 1, once: bool = False) -> Any:
        """Return the weights as they are, those that are not finite apart: each is used once, some packed at a time."""
        if extent.sees_zeros(self.problem) and not np.isfinite(weights).all():
            return nonfinite.Split(*nonfinite.split(weights))
        return weights

    def run(
        self, x: Array, packed: Any, bias: Array | None, residual: Array | None, y: Array, activation: int,
        weight_batch: Sequence[int] | None, workers: int,
    ) -> bool:  # fmt: skip
        """Compute y (*batch, 1, outputs) from x (*batch, 1, samples); always True."""
        assert bias is residual is None
        added = None
        if type(packed) is nonfinite.Split:
            added = packed.added_to(None, self.problem, direct.plan, x, y, weight_batch, workers)
            packed = packed.finite
        for place in np.ndindex(*y.shape[:-2]):
            weight_set = sum(i * step for i, step in zip(place, weight_batch or (), strict=True))
            sums = self._sum(x[(*place, 0)], packed[weight_set], workers)
            y[place] = sums if added is None else sums + added[place]
        return True

    def _sum(self, row: Array, weights: Array, workers: int) -> Array:
        """Return the outputs (1, outputs) of a row and weights (out, in, taps)."""
        total = np.zeros((1, self.geometry.out_shape[0]), self.sum_dtype)
        for first, number, taps in self._parts():
            plan = self._plan(taps, number)
            sections = weights[..., first : first + number * taps].reshape(*weights.shape[:2], number, taps)
            window = self._window(taps)
            step = taps * self.geometry.dilation[0]
            samples = self._samples(row, first * self.geometry.dilation[0], (number - 1) * step + window)
            windows = sliding_window_view(samples, window)[::step, np.newaxis]
            sums = np.empty((number, *total.shape), self.sum_dtype)
            packed = plan.pack(np.moveaxis(sections, 2, 0), workers)
            plan.run(windows, packed, None, None, sums, 0, (1,), workers)
            total += sums.sum(axis=0, dtype=self.sum_dtype)
        return total

    def _parts(self) -> Iterator[tuple[int, int, int]]:
        """Yield the first tap, the number and the taps of sections that run together."""
        number, rest = divmod(self.geometry.taps, SECTION_TAPS)
        # The first and the last may see samples outside x; all between them then read x where it is.
        bounds = [0, *range(1, number - 1, SECTIONS_TOGETHER), number - 1, number]
        for first, end in itertools.pairwise(bounds):
            yield first * SECTION_TAPS, end - first, SECTION_TAPS
        if rest:
            yield number * SECTION_TAPS, 1, rest

    def _plan(self, taps: int, number: int) -> Plan:

        g = self.geometry
        geometry = single_channel_geometry(
            (self._window(taps),), (taps,), ((0, 0),), g.modes, stride=g.stride, dilation=g.dilation,
            names=("x", "kernel"),
        )  # fmt: skip
        problem = replace(
            self.problem, geometry=geometry, dtype=self.sum_dtype, batch=number, x_in_place=False, y_in_place=True
        )
        return direct.plan(problem)

    def _window(self, taps: int) -> int:
        """Return how many samples the outputs of so many taps read."""
        g = self.geometry
        return g.dilation[0] * (taps - 1) + (g.out_shape[0] - 1) * g.stride[0] + 1

    def _samples(self, row: Array, start: int, count: int) -> Array:
        """Return `count` samples from `start` on in the padded row."""
        start -= self.geometry.padding[0][0]
        stop, mode = start + count, self.geometry.modes[0]
        if start >= 0 and stop <= row.size:
            return row[start:stop]
        if mode.name != "zeros":
            return row[mode.source(np.arange(start, stop), row.size)]
        # In the sums' dtype, which has room for what is filled in.
        real = self.sum_dtype.kind == "c" and row.dtype.kind != "c"
        samples = np.empty(count, compute_type(self.sum_dtype) if real else self.sum_dtype)
        fill = self.problem.fill_value
        samples[:] = np.asarray(fill if samples.dtype.kind == "c" else fill.real).astype(samples.dtype)
        first, end = min(max(start, 0), row.size), min(max(stop, 0), row.size)
        samples[first - start : end - start] = row[first:end]
        return samples

    def __str__(self) -> str:
        return f"sections of {SECTION_TAPS} taps"
