"""The direct method: multiply and add, one tap at a time. It can do every problem.

`kernels` decides which micro-kernel runs, `layout` what it may read in place and keep in cache, `boxes` into which
boxes of outputs and which tasks the work is cut, `planes` and `taps` in which order samples and taps stand there.
`blocking` puts that together for ``_core``, which does what it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import _core
from ..._call.dtypes import Array, compute_type
from .. import nonfinite
from ..problem import Problem, remembered
from .blocking import Blocking, make_blocking
from .kernels import ranked

NAME = "direct"
DESCRIPTION = """\
Multiplies and adds, tap by tap. It can do every call. It is the quickest for grouped and 1x1 layers, for few channels
and for small kernels."""

# Cycles in which a weight is packed.
PACK_WEIGHT_CYCLES = 4.0

FITTED: tuple[str, ...] = (
    "kernels.TILE_TAP_CYCLES",
    "kernels.BANK_TAP_CYCLES",
    "kernels.BANK_NEAR_TAP_CYCLES",
    "kernels.BANK_CHANNEL_CYCLES",
    "kernels.ROW_TAP_CYCLES",
    "kernels.STRIP_CYCLES",
    "kernels.BANK_CYCLES",
    "kernels.ROW_CYCLES",
    "kernels.PAD_CYCLES",
    "kernels.DEPTHWISE_TAP_CYCLES",
    "kernels.DEPTHWISE_CYCLES",
    "kernels.DEPTHWISE_TURN_CYCLES",
    "kernels.WEIGHT_BYTES_PER_CYCLE",
)


def why_not(problem: Problem) -> str | None:
    """Return None: the direct method does everything."""
    return None


def cost(problem: Problem) -> float:
    """Return the predicted cycles on one core."""
    packing = PACK_WEIGHT_CYCLES * problem.geometry.weights if problem.packing else 0.0
    return packing + ranked(problem, _core.load(compute_type(problem.dtype)))[0][2]


@remembered
def plan(problem: Problem) -> DirectPlan:
    """Return the plan of a problem."""
    return DirectPlan(problem)


class DirectPlan:
    """The direct method's `Plan`."""

    def __init__(self, problem: Problem) -> None:
        core = _core.load(compute_type(problem.dtype))
        self.blocking = b = make_blocking(problem, core)
        self._core = core.Direct(b)
        self._problem = problem
        self._key = (NAME, core.__name__, b.kernel, b.interleave, b.tap_order.tobytes(), b.zeros)
        self.run = self._run_beside_zeros if b.zeros else self._core.run
        self.nbytes = self._core.nbytes

    def pack_key(self) -> Any:
        """Return what tells packings of the same weights apart."""
        return self._key

    def pack(self, weights: Array, workers: int = 1, once: bool = False) -> Any:
        """Return packed weights; beside zeros, those that are not finite by themselves."""
        laid_out = _vectors_of_sets(weights, self.blocking) if self.blocking.kernel == "depthwise" else weights
        packed = self._core.pack(laid_out, workers)
        if packed.finite:
            return packed
        finite, others = nonfinite.split(weights)
        return nonfinite.Split(self.pack(finite, workers), others)

    def _run_beside_zeros(
        self, x: Array, packed: Any, bias: Array | None, residual: Array | None, y: Array, activation: int,
        weight_batch: Sequence[int] | None, workers: int,
    ) -> bool:  # fmt: skip
        """Compute y from x, part of whose padding is zeros."""
        if type(packed) is nonfinite.Split:
            residual = packed.added_to(residual, self._problem, plan, x, y, weight_batch, workers)
            packed = packed.finite
        return bool(self._core.run(x, packed, bias, residual, y, activation, weight_batch, workers))

    def __str__(self) -> str:
        b = self.blocking
        return f"{b.kernel} kernel, boxes of {'x'.join(map(str, b.box))}, {b.channel_block} input channels at a time"


def _vectors_of_sets(weights: Array, b: Blocking) -> Array:
    """Return weights (sets, 1, 1, *kernel) as (groups of the kernel, lanes, 1, *kernel), filled up with zeros."""
    sets = weights.reshape(-1, b.sets, *weights.shape[2:])
    filled: Array = np.zeros((len(sets), b.groups * b.channels_out, *sets.shape[2:]), weights.dtype)
    filled[:, : b.sets] = sets
    return filled.reshape(-1, b.channels_out, *sets.shape[2:])
