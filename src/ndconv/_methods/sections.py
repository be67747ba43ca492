"""Few outputs of a long kernel: the direct method for sections of the kernel, whose sums are added up.

That is what some lags of two long signals are. Sections are a batch, each with its taps and its part of x; so workers
share the taps, where there are hardly any outputs to share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .. import _tuning as tuning
from .._dtypes import Array, compute_type
from .._geometry import make_geometry
from . import direct

if TYPE_CHECKING:
    from . import Problem


def pays(problem: Problem) -> bool:
    """Whether a correlation along one axis has taps for several sections, and few outputs."""
    g = problem.geometry
    return (
        g.ndim == 1
        and g.channels_in == g.channels_out == 1
        and g.taps >= 2 * tuning.SECTION_TAPS
        and 0 < g.out_shape[0] <= tuning.SECTION_OUTPUTS
    )


class SectionsPlan:
    """The `Plan` of a correlation of a single channel along one axis."""

    def __init__(self, problem: Problem) -> None:
        g = problem.geometry
        self.geometry = g
        self.fill_value = problem.fill_value
        self.number, rest = divmod(g.taps, tuning.SECTION_TAPS)
        self.step = tuning.SECTION_TAPS * g.dilation[0]
        self.sum_dtype = np.result_type(problem.dtype, np.float32) if problem.dtype.kind in "fc" else problem.dtype
        self.sections = self._plan(problem, tuning.SECTION_TAPS, self.number)
        self.rest = self._plan(problem, rest, 1) if rest else None

    def _plan(self, problem: Problem, taps: int, batch: int) -> direct.DirectPlan:
        g = problem.geometry
        geometry = make_geometry(
            channels_in=1, channels_out=1, groups=1, in_shape=(self._window(taps),), kernel=(taps,), stride=g.stride,
            dilation=g.dilation, padding=((0, 0),), modes=g.modes, names=("x", "kernel"),
        )  # fmt: skip
        return direct.DirectPlan(
            replace(problem, geometry=geometry, dtype=self.sum_dtype, batch=batch, x_in_place=False, y_in_place=True)
        )

    def _window(self, taps: int) -> int:
        g = self.geometry
        return g.dilation[0] * (taps - 1) + (g.out_shape[0] - 1) * g.stride[0] + 1

    def pack_key(self) -> Any:
        """Return what tells packings of the same weights apart."""
        return "sections", self.sections.pack_key(), self.rest and self.rest.pack_key()

    def pack(self, weights: Array, workers: int = 1) -> Any:
        """Return the packed weights of each set's sections, and of its other taps."""
        whole = self.number * tuning.SECTION_TAPS
        packed = []
        for one in weights:
            sections = np.moveaxis(one[..., :whole].reshape(*one.shape[:2], self.number, -1), 2, 0)
            rest = None if self.rest is None else self.rest.pack(one[None, ..., whole:], workers)
            packed.append((self.sections.pack(sections, workers), rest))
        return packed

    def run(
        self, x: Array, packed: Any, bias: Array | None, residual: Array | None, y: Array, activation: int,
        weight_batch: Sequence[int] | None, workers: int,
    ) -> bool:  # fmt: skip
        """Compute y (*batch, 1, outputs) from x (*batch, 1, samples); always True."""
        assert bias is residual is None
        batch = y.shape[:-2]
        for place in np.ndindex(*batch):
            which = sum(i * step for i, step in zip(place, weight_batch or (), strict=True))
            samples = self._samples(x[(*place, 0)])
            windows = sliding_window_view(samples, self._window(tuning.SECTION_TAPS))[:: self.step][: self.number]
            parts = np.empty((self.number, 1, y.shape[-1]), self.sum_dtype)
            self.sections.run(windows[:, None], packed[which][0], None, None, parts, 0, (1,), workers)
            total = parts.sum(axis=0, dtype=self.sum_dtype)
            if self.rest is not None:
                last = np.empty_like(total)
                self.rest.run(samples[None, self.number * self.step :], packed[which][1], None, None, last, 0, None, 1)
                total += last
            y[place] = total
        return True

    def _samples(self, row: Array) -> Array:
        """Return the samples that the outputs read, some of which may stand outside the row."""
        g = self.geometry
        start, stop = -g.padding[0][0], row.size + g.padding[0][1]
        if start >= 0 and stop <= row.size:
            return row[start:stop]
        if g.modes[0].name != "zeros":
            return row[g.modes[0].source(np.arange(start, stop), row.size)]
        # In the sums' dtype, which has room for what is filled in.
        real = self.sum_dtype.kind == "c" and row.dtype.kind != "c"
        samples = np.empty(stop - start, compute_type(self.sum_dtype) if real else self.sum_dtype)
        first, end = max(start, 0), min(stop, row.size)
        fill = self.fill_value if samples.dtype.kind == "c" else self.fill_value.real
        samples[: first - start] = samples[end - start :] = np.asarray(fill).astype(samples.dtype)
        samples[first - start : end - start] = row[first:end]
        return samples

    def __str__(self) -> str:
        return f"{self.number} sections of {tuning.SECTION_TAPS} taps"
