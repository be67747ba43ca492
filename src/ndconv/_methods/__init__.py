"""The methods of computing a convolution, and the choice among them.

To add one, write a module with the names of a `Method` and put it into `METHODS`: then it is a value of `method`, and
"auto", `ConvLayer.explain`, messages and documentation know it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .._call.arguments import one_of
from .._runtime.caches import CHOICE_BYTES, Cache, clear_caches
from . import direct, fourier, separable, winograd
from .problem import REMEMBERED_TAPS, Method, Plan, Problem

__all__ = ["AUTO", "METHODS", "Candidate", "Method", "Plan", "Problem"]

#: The value of `method` for the fastest.
AUTO = "auto"

#: The value of `method` for sums of the products as they come: what drop-ins and others need whose last bits count.
PLAIN_SUMS = direct.NAME

#: The value of `method` for passes along axes: of ones, the quickest sums whose rounding stays where it arises.
PASSES = separable.NAME

METHODS: list[Method] = [direct, winograd, fourier, separable]

# What turns cycles into the times that are shown.
CYCLES_PER_SECOND = 2.8e9


_names: tuple[str, ...] = ()
_looking: list[tuple[Any, int]] = []  # methods that want to see weights, and from how many multiply-adds on
_least_looked_at = 0


def register(method: Method) -> None:
    """Add a method: from now on "auto" considers it."""
    if method.NAME in _names:
        raise ValueError(f"there is a method {method.NAME!r} already")
    _set_methods([*METHODS, method])


def unregister(method: Method) -> None:
    """Take a method away again."""
    _set_methods([each for each in METHODS if each is not method])


def _set_methods(methods: list[Method]) -> None:
    global _names, _least_looked_at
    METHODS[:] = methods
    _names = (AUTO, *(method.NAME for method in METHODS))
    _looking[:] = [
        (method, getattr(method, "LOOKED_AT_MULTIPLY_ADDS", 0)) for method in METHODS if hasattr(method, "sees")
    ]
    _least_looked_at = min((least for _, least in _looking), default=0)
    clear_caches()


_set_methods(METHODS)


def names() -> tuple[str, ...]:
    """Return the values of `method`."""
    return _names


def checked_method(method: Any) -> str:
    """Return the argument `method`, or raise."""
    name: str = one_of(method, "method", _names)
    return name


def allows_plain_sums(name: str) -> bool:
    """Whether a call may be done by products that are summed as they come, in whatever order of loops."""
    return name in (AUTO, PLAIN_SUMS)


def lookers(name: str, multiply_adds: int) -> list[Any]:
    """Return the methods that want to see the values of a single kernel, by their ``sees(kernel, dtype)``."""
    if name == AUTO:
        return (
            [] if multiply_adds < _least_looked_at else [method for method, least in _looking if multiply_adds >= least]
        )
    return [method for method, _ in _looking if name == method.NAME]


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
    if name == AUTO:
        return min((c for c in candidates(problem) if c.cycles is not None), key=lambda c: c.cycles or 0.0).name
    reason = _method(name).why_not(problem)
    if reason:
        raise ValueError(f"method={name!r} cannot do this call: {reason}")
    return name


def make_plan(problem: Problem, name: str) -> Plan:
    """Return the plan of a problem by the chosen method."""
    return _method(_remembered_choice(problem, name)).plan(problem)


def is_remembered(taps: int) -> bool:
    """Whether what is prepared for a call may be kept: not where it is itself large."""
    return taps <= REMEMBERED_TAPS


def _method(name: str) -> Method:
    return next(method for method in METHODS if name == method.NAME)


_remembered_choice = Cache[str]("choices of a method", CHOICE_BYTES).remembered(choose)
