"""The methods of computing a convolution, and the choice among them.

A method is a module with four names: ``NAME``; ``why_not(problem)``, None or the reason why it cannot do a problem;
``cost(problem)``, the cycles that it would take on one core; and ``plan(problem)``, which returns a `Plan`.
To add one, write the module and put it into `METHODS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from .._caches import Cache
from .._dtypes import Array
from .._geometry import Geometry
from .._tuning import REMEMBERED_BYTES, REMEMBERED_CHOICES_BYTES, REMEMBERED_TAPS
from . import direct, fourier, separable, winograd

METHODS: tuple[ModuleType, ...] = (direct, winograd, fourier, separable)


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
    separable: bool = False  # the kernel is an outer product
    packing: bool = False  # weights are packed for this call alone, which is part of its cost
    zeros_are_samples: bool = False  # those outside x, as SciPy has it: what is not finite makes NaN with them
    _hash: int = field(init=False, repr=False, compare=False)  # counted once: several caches have problems for keys

    def __post_init__(self) -> None:
        what = (
            self.geometry, self.dtype, self.x_is_complex, self.fill_value, self.batch, self.x_in_place, self.y_in_place,
            self.bias, self.separable, self.packing, self.zeros_are_samples,
        )  # fmt: skip
        object.__setattr__(self, "_hash", hash(what))

    def __hash__(self) -> int:
        return self._hash


class Plan(Protocol):
    """A frozen way to run a problem, which any number of threads may use at once."""

    nbytes: int
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


@dataclass(frozen=True, slots=True)
class Candidate:
    """A method's prospects with a problem."""

    name: str
    cycles: float | None
    reason: str | None


def candidates(problem: Problem) -> list[Candidate]:
    """Return what each method says of a problem."""
    found = []
    for method in METHODS:
        reason = method.why_not(problem)
        found.append(Candidate(method.NAME, None if reason else method.cost(problem), reason))
    return found


def choose(problem: Problem, name: str) -> str:
    """Return the method that runs a problem: the one asked for, or the cheapest."""
    if name == "auto":
        return min((c for c in candidates(problem) if c.cycles is not None), key=lambda c: c.cycles or 0.0).name
    reason = _method(name).why_not(problem)
    if reason:
        raise ValueError(f"method={name!r} cannot do this call: {reason}")
    return name


def make_plan(problem: Problem, name: str) -> Plan:
    """Return the plan of a problem by the chosen method; those of recent calls are remembered."""
    chosen = _remembered_choice(problem, name)
    # The Fourier method's plan has no table of taps.
    small = is_remembered(problem.geometry) or chosen == fourier.NAME
    return _remembered_plan(problem, chosen) if small else _make_plan(problem, chosen)


def is_remembered(geometry: Geometry) -> bool:
    """Whether what is prepared for a call may be kept: not where it is itself large."""
    return geometry.taps <= REMEMBERED_TAPS


def _make_plan(problem: Problem, chosen: str) -> Plan:
    plan: Plan = _method(chosen).plan(problem)
    return plan


def _method(name: str) -> ModuleType:
    return next(method for method in METHODS if name == method.NAME)


_remembered_choice = Cache[str]("choices of a method", REMEMBERED_CHOICES_BYTES).remembered(choose)
_remembered_plan = Cache[Plan]("plans", REMEMBERED_BYTES).remembered(_make_plan)
