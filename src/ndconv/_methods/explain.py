"""What is told of the choice among the methods."""

from __future__ import annotations

import math

from . import CYCLES_PER_SECOND, candidates, choose
from .problem import Plan, Problem


def explained(problem: Problem, method: str, plan: Plan, title: str) -> str:
    """Return, as a readable table, what each method would take for a problem, and the plan of the one that runs."""
    chosen = choose(problem, method)
    lines = [title, f"{'method':<12}{'time':>12}  note"]
    for candidate in candidates(problem):
        cycles = math.inf if candidate.cycles is None else candidate.cycles
        time = f"{1e3 * cycles / CYCLES_PER_SECOND:.3g} ms" if math.isfinite(cycles) else ""
        note = candidate.reason or ("" if time else "too few taps to be considered")
        if candidate.name == chosen:
            note = f"chosen: {plan}"
        lines.append(f"{candidate.name:<12}{time:>12}  {note}".rstrip())
    return "\n".join(lines)
