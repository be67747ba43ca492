"""Weights that are not finite, where outputs find zeros outside x: these are no samples, and make no NaN with them.

The other weights do as always. What infinities and NaN add to an output is one of four numbers, which is found by
counting: an infinity meets a positive sample, a negative one, or one with which its product is NaN. So three
correlations of ones and zeros tell what a residual has to add.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._call.dtypes import Array, compute_type
from .._call.geometry import batch_of
from .problem import Plan, Problem

# Products an output up to which the counts of a float32 are told apart from 0 whatever method makes them.
SINGLE_PRODUCTS = 1 << 16


def split(weights: Array) -> tuple[Array, Array]:
    """Return weights with tiny ones for those that are not finite, and the latter with zeros for the others.

    What a tiny weight makes of a sample is lost beside an infinity or NaN; and if that sample is infinite, it has the
    sign that it should have, where zero would make NaN of it.
    """
    finite = np.isfinite(weights)
    tiny = np.copysign(np.finfo(weights.dtype).tiny, weights)
    return np.where(finite, weights, tiny), np.where(finite, 0, weights)


@dataclass(frozen=True, slots=True)
class Split:
    """What is packed of the finite weights, and the others (sets of all groups, out, in, *kernel)."""

    finite: Any
    others: Array

    @property
    def nbytes(self) -> int:
        """The bytes of both."""
        return self.others.nbytes + int(getattr(self.finite, "nbytes", 0))

    def added_to(
        self, residual: Array | None, problem: Problem, plan: Callable[[Problem], Plan], x: Array, y: Array,
        weight_batch: Sequence[int] | None, workers: int,
    ) -> Array:  # fmt: skip
        """Return a residual, and what the weights that are not finite add to y (*batch, channels, *out).

        It is counted by a method's `plan`.
        """
        g = problem.geometry
        dtype = np.dtype(compute_type(problem.dtype))
        # Minus zero, which leaves even the sign of a sum that is zero.
        nothing: complex = -0.0
        kind = dtype
        if y.dtype.kind == "c":
            nothing, kind = complex(-0.0, -0.0), np.result_type(dtype, np.complex64)
        total: Array = np.full(y.shape, nothing, kind)
        batch = batch_of(y.shape, g.ndim)
        for item in np.ndindex(*batch):
            first = sum(i * step for i, step in zip(item, weight_batch or (), strict=False))
            others = self.others[first : first + g.groups]
            if others.any():
                sums = _sums(problem, plan, x[item], others, workers)
                if y.dtype.kind == "c":
                    total[item].real, total[item].imag = sums[0::2], sums[1::2]
                else:
                    total[item] = sums
        if residual is not None:
            with np.errstate(invalid="ignore"):
                total += residual
        return total


def _sums(problem: Problem, plan: Callable[[Problem], Plan], x: Array, weights: Array, workers: int) -> Array:
    """Return the sums (real channels, *out) of the products of samples (channels, *in) and weights, all not finite."""
    g = problem.geometry
    groups, outputs, inputs = weights.shape[:3]
    if x.dtype.kind == "c":
        x = np.stack([x.real, x.imag], axis=1)
    x = x.reshape(groups, 1, inputs, *g.in_shape)
    dtype = np.dtype(np.float32 if inputs * g.taps <= SINGLE_PRODUCTS else np.float64)
    above, below = x > 0, x < 0
    samples = np.concatenate([above, below, ~(above | below)], axis=1).astype(dtype)
    samples = samples.reshape(1, groups * 3 * inputs, *g.in_shape)
    up, down, neither = weights == np.inf, weights == -np.inf, np.isnan(weights)
    nothing = np.zeros_like(up)
    counted = np.concatenate(
        [
            np.concatenate(row, axis=2)
            for row in ([up, down, nothing], [down, up, nothing], [neither, neither, up | down | neither])
        ],
        axis=1,
    ).astype(dtype)
    geometry = replace(g, channels_in=samples.shape[1], channels_out=groups * 3 * outputs)
    counting = Problem(
        geometry=geometry, dtype=dtype, x_is_complex=False, fill_value=0.0, batch=1, x_in_place=False, y_in_place=False
    )  # fmt: skip
    counter = plan(counting)
    counts = np.empty((1, geometry.channels_out, *g.out_shape), dtype)
    counter.run(samples, counter.pack(counted, workers), None, None, counts, 0, None, workers)
    positive, negative, odd = np.moveaxis(counts.reshape(groups, 3, outputs, *g.out_shape) > 0.5, 1, 0)
    sums = np.where(positive, np.inf, np.where(negative, -np.inf, -0.0))
    sums[odd | (positive & negative)] = np.nan
    return sums.reshape(groups * outputs, *g.out_shape)
