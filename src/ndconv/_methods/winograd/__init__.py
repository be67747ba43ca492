"""Winograd's method, for axes of a few taps: fewer multiplications, on values at points instead of samples.

A tile of m outputs of an axis of r taps takes m + r - 1 products instead of r m; those of two axes multiply. An axis of
stride s is the sum of s axes of r / s taps, its phases; one of dilation d is d axes that interlace. Part of what is
saved is spent on transforming input and output, so the method pays where channels are many. The last axis is cut into
tiles, and the one before it if it can be; taps along the others are summed as in the direct method.
`tiling` says how, `cycles` which tiling is the cheapest. ``_core/methods/winograd`` does it;
``_core/kernels/winograd_transforms.pxi`` says at which points, and where the method comes from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import _core
from ..._call.dtypes import Array, compute_type
from ..._call.geometry import batch_of
from .. import direct, extent
from ..epilogue import finish
from ..problem import Problem, remembered
from ..scaling import exponents_of_tiny, scaled
from .blocking import blocking_of
from .cycles import PACK_VALUE_CYCLES, best, cheapest
from .tiling import MOST_STEP, MOST_TAPS, VALUE_BYTES, tile_sizes

NAME = "winograd"
DESCRIPTION = """\
Takes fewer products: for 3x3 taps, a tile of 4x4 outputs takes 36 instead of 144. It needs a last axis of 2 to 5
taps. With a stride of 2 to 4, the axis must have more taps than the stride, and at most 5 in each step. A dilation
may be up to half the outputs, but does not go with a stride. The method is the quickest from some 16 channels on,
with a stride from some 64 on. Floating dtypes only."""

FITTED: tuple[str, ...] = (
    "cycles.VALUE_IN_CYCLES", "cycles.VALUE_OUT_CYCLES", "cycles.WEIGHT_VALUE_BYTES_PER_CYCLE",
)  # fmt: skip


def why_not(problem: Problem) -> str | None:
    """Return the reason why the method cannot do a problem, or None."""
    g = problem.geometry
    if problem.dtype.kind not in "fc":
        return f"its divisions would round integers of dtype {problem.dtype}"
    last = g.ndim - 1
    if not tile_sizes(g, last):
        return (
            f"the last axis must have a stride of at most {MOST_STEP}, more taps than that, at most {MOST_TAPS} for "
            "each step, and no dilation beside a stride or of more than half its outputs; "
            f"it has stride {g.stride[last]}, {g.kernel[last]} taps, dilation {g.dilation[last]} "
            f"and {g.out_shape[last]} outputs"
        )
    if 0 in g.out_shape or 0 in (g.channels_in, g.channels_out, problem.batch):
        return "there is nothing to compute"
    if best(problem) is None:
        return f"the values of a single tile, or of those that interlace, take more than {VALUE_BYTES >> 20} MiB"
    return None


def cost(problem: Problem) -> float:
    """Return the predicted cycles on one core."""
    cycles, tiling = cheapest(problem)
    if problem.packing:
        inputs, outputs = problem.channels
        taps = math.prod(problem.geometry.kernel[: tiling.outer])
        lanes = _core.load(compute_type(problem.dtype)).lanes
        values = problem.geometry.groups * taps * inputs * tiling.weight_values * -(-outputs // lanes) * lanes
        cycles += PACK_VALUE_CYCLES * values
    return cycles


@remembered
def plan(problem: Problem) -> WinogradPlan:
    """Return the plan of a problem."""
    return WinogradPlan(problem)


class WinogradPlan:
    """The `Plan` of Winograd's method, and beside it one of the direct method for what would not be exact enough."""

    def __init__(self, problem: Problem) -> None:
        core = _core.load(compute_type(problem.dtype))
        self._problem = problem
        self.tiling = cheapest(problem)[1]
        # What a tile reaches beyond the last output must not be there.
        self._read = extent.read(problem, self.tiling.outer)
        self._core = core.Winograd(blocking_of(self._read.problem, core, self.tiling), self.tiling)
        self._unreached = extent.unreached(problem)
        self._key = (NAME, core.__name__, self.tiling.row_points, self.tiling.column_points)
        self._zero = np.zeros((), compute_type(problem.dtype))
        self._direct: direct.DirectPlan | None = None
        self.nbytes = 2 * self._core.nbytes  # the other one's are about as many

    def pack_key(self) -> Any:
        """Return what tells packings of the same weights apart."""
        return self._key

    def pack(self, weights: Array, workers: int = 1, once: bool = False) -> Values:
        """Return the weights' values at the points; those of a single call are made when they are needed."""
        return Values(weights) if once and len(weights) == 1 else self._values(weights, workers)

    def _values(self, weights: Array, workers: int) -> Values:
        """Return the values of weights; those of output channels that are tiny, multiplied by powers of two."""
        values = self._core.pack(weights, workers)
        exponents = None if values.share <= 1 else _exponents(weights)
        if exponents is None:
            return Values(weights, values)
        return Values(weights, self._core.pack(scaled(weights, exponents, weights.ndim - 2), workers), exponents)

    def run(
        self,
        x: Array,
        packed: Values,
        bias: Array | None,
        residual: Array | None,
        y: Array,
        activation: int,
        weight_batch: Sequence[int] | None,
        workers: int,
    ) -> bool:
        """Compute y from x; by the direct method if weights differ within the batch, or if the core says so."""
        if weight_batch is None or not any(weight_batch):
            arguments = bias, residual, y, activation, weight_batch, workers
            part = self._read.part(x)
            values = packed.weights if packed.values is None else packed.values
            done = self._core.run(part, values, *arguments, packed.exponents)
            if not done and packed.values is None and _exponents(packed.weights) is not None:
                packed = self._values(packed.weights, workers)
                done = self._core.run(part, packed.values, *arguments, packed.exponents)
            if done:
                self._finish_unreached(bias, residual, y, activation)
                return True
        if self._direct is None:
            self._direct = direct.DirectPlan(self._problem)
        key = self._direct.pack_key()
        found, taps = packed.taps
        if found != key:
            taps = self._direct.pack(packed.weights)
            packed.taps = (key, taps)
        return bool(self._direct.run(x, taps, bias, residual, y, activation, weight_batch, workers))

    def _finish_unreached(self, bias: Array | None, residual: Array | None, y: Array, activation: int) -> None:
        """Write outputs that find nothing but zeros: others of their tiles have left rounding errors there."""
        ndim = self._problem.geometry.ndim
        for axis, outputs in self._unreached:
            at: Any = (..., outputs, *(slice(None),) * (ndim - axis - 1))
            for item in np.ndindex(*batch_of(y.shape, ndim)):
                part = y[item][at][None]
                channels = part.shape[1] * (2 if y.dtype.kind == "c" else 1)
                sums = np.broadcast_to(self._zero, (1, channels, *part.shape[2:]))
                finish(sums, bias, None if residual is None else residual[item][at][None], part, activation)

    def __str__(self) -> str:
        t = self.tiling
        size = f"{t.columns}, {t.column_points - t.columns + 1}"
        if t.rows > 1:
            size = f"{t.rows}x{t.columns}, {t.row_points - t.rows + 1}x{t.column_points - t.columns + 1}"
        phases = f" in {t.phases} phases" if t.phases > 1 else ""
        return f"F({size}){phases}, {t.weight_values} products a tile, {t.grid_rows}x{t.grid_columns} tiles"


def _exponents(weights: Array) -> Array | None:
    """Return by which power of two to multiply each output channel's weights (sets, out, in, *kernel), if any."""
    return exponents_of_tiny(weights, range(2, weights.ndim))


class Values:
    """Weights as they were, and at the points: None where they are packed as the core needs them."""

    __slots__ = ("exponents", "taps", "values", "weights")

    def __init__(self, weights: Array, values: Any = None, exponents: Array | None = None) -> None:
        self.weights = weights
        self.values = values
        self.exponents = exponents  # of two, by which the values of each output channel have been multiplied
        self.taps: tuple[Any, Any] = (None, None)  # how packed for the direct method, when that was needed, and what

    @property
    def nbytes(self) -> int:
        """The bytes of all of them, also of the taps that are still to come."""
        return int(getattr(self.values, "nbytes", 0) + 2 * self.weights.nbytes)
