"""What every method is given and what it gives back: a `Problem`, and a `Plan`; and what a method is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Protocol

import numpy as np

from .._call.dtypes import Array
from .._call.geometry import Geometry
from .._runtime.caches import Cache

# What methods promise, in eps of the largest B: see the guide, "Accuracy".
PROMISE = 32.0

# Taps from which on methods for large kernels are worth a thought.
MANY_TAPS = 48

# Taps above which a plan is not remembered, where its size grows with them.
REMEMBERED_TAPS = 1024


@dataclass(frozen=True, slots=True)
class Problem:
    """What a method must know of a call to plan it: everything but the numbers."""

    geometry: Geometry
    dtype: np.dtype[Any]  # of the result
    x_is_complex: bool
    fill_value: complex
    batch: int
    x_in_place: bool  # x's spatial axes are C-contiguous, aligned, native samples of the compute type
    y_in_place: bool  # the same of y
    bias: bool = False  # whether the sums begin with one
    seen: tuple[str, ...] = ()  # the methods that saw in the weights' values what they need
    packing: bool = False  # weights are packed for this call alone, which is part of its cost
    zeros_are_samples: bool = False  # those outside x, as SciPy has it: what is not finite makes NaN with them
    _hash: int = field(init=False, repr=False, compare=False)  # counted once: several caches have problems for keys

    def __post_init__(self) -> None:
        what = (
            self.geometry, self.dtype, self.x_is_complex, self.fill_value, self.batch, self.x_in_place, self.y_in_place,
            self.bias, self.seen, self.packing, self.zeros_are_samples,
        )  # fmt: skip
        object.__setattr__(self, "_hash", hash(what))

    def __hash__(self) -> int:
        return self._hash

    @property
    def channels(self) -> tuple[int, int]:
        """The real input and output channels of one group: a complex channel is two, its parts."""
        g = self.geometry
        return (
            g.channels_in // g.groups * (2 if self.x_is_complex else 1),
            g.channels_out // g.groups * (2 if self.dtype.kind == "c" else 1),
        )


class Plan(Protocol):
    """A frozen way to run a problem, which any number of threads may use at once."""

    @property
    def nbytes(self) -> int:
        """About what it takes in memory, beside a fixed amount."""

    def pack_key(self) -> Any:
        """Return what tells packings of the same weights apart."""

    def pack(self, weights: Array, workers: int = 1, once: bool = False) -> Any:
        """Return real weights (sets, out, in, *kernel) in the order in which the kernel reads them.

        Those of a single call may be packed as it goes along, and must stay as they are until then.
        """

    def run(
        self,
        x: Array,
        packed: Any,
        bias: Array | None,
        residual: Array | None,
        y: Array,
        activation: int,
        weight_batch: Sequence[int] | None,
        workers: int,
    ) -> bool:
        """Compute y (*batch, channels, *out) from x (*batch, channels, *in); False if x must be aligned, and is not."""


class Method(Protocol):
    """A way to compute a convolution: most often a module with these names.

    One that must see the weights' values has also ``sees(kernel, dtype)``, which tells whether a single kernel suits
    it, and ``LOOKED_AT_MULTIPLY_ADDS``, from which on "auto" asks that; its problems have it among their `seen`.
    """

    NAME: str
    """What `method` calls it."""

    DESCRIPTION: str
    """What it does, and for which problems, in reStructuredText: the guide shows it."""

    FITTED: tuple[str, ...]
    """Which of its constants ``asv_benches/fit.py`` may fit to a machine; those of a package with their module."""

    def why_not(self, problem: Problem) -> str | None:
        """Return None, or the reason why it cannot do a problem."""

    def cost(self, problem: Problem) -> float:
        """Return the cycles that it is predicted to take on one core; infinite if it should be taken by name alone."""

    def plan(self, problem: Problem) -> Plan:
        """Return the plan of a problem that it can do."""


def run_aligned(run: Callable[..., bool], x: Array, *arguments: Any) -> None:
    """Run with x, or with a copy where its samples must be aligned and are not: then the run does nothing."""
    if not run(x, *arguments):
        run(x.copy(), *arguments)


_plans = Cache[Plan]("plans")


def remembered(plan: Callable[[Problem], Plan]) -> Callable[[Problem], Plan]:
    """Return a method's `plan` that remembers those of recent calls, where they are not themselves large."""

    @wraps(plan)
    def remembering(problem: Problem) -> Plan:
        if problem.geometry.taps > REMEMBERED_TAPS:
            return plan(problem)
        return always(problem)

    always = remembered_always(plan)
    return remembering


def remembered_always(plan: Callable[[Problem], Plan]) -> Callable[[Problem], Plan]:
    """Return the same for plans that do not grow with the kernel."""

    @wraps(plan)
    def remembering(problem: Problem) -> Plan:
        key = plan.__module__, problem
        found = _plans.get(key)
        return _plans.keep(key, plan(problem)) if found is None else found

    return remembering
