"""Differential fuzzing: drawn calls of every public function against answers that ndconv has no part in.

`make fuzz SECONDS=600 SEED=1` runs it; NDCONV_ISA in the environment chooses the instruction-set level. A find does not
stop the run: its kind (the function and what is wrong) is noted with the least call that hypothesis found for it, and
the search for other kinds goes on.
"""

from __future__ import annotations

import time
from collections import Counter

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import FlakyFailure

from fuzz.answers.promise import Find
from fuzz.calls import Call
from fuzz.checks import check
from fuzz.drawers import DRAWERS, spoiled

EXAMPLES = 30  # in one go of a function
SHRINKING = 6.0  # seconds for making one find smaller


class Fuzzer:
    """What was called, and what was found."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.finds: dict[tuple[str, str], str] = {}

    def explore(self, function: str, number: int, examples: int = EXAMPLES) -> None:
        """Draw calls of a function, and note the first find of a kind that is not known yet."""
        least: dict[str, str] = {}
        until = float("inf")

        @seed(number)
        @settings(
            max_examples=examples, database=None, deadline=None, derandomize=False, print_blob=False,
            suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink),
        )  # fmt: skip
        @given(call=spoiled(DRAWERS[function]()))
        def search(call: Call) -> None:
            nonlocal until
            if time.monotonic() > until:
                return
            self.calls[function] += 1
            try:
                check(call)
            except Find as find:
                traits = "masked" if call.masked else call.traits if find.kind == "error" else ""
                kind = f"{find.kind} ({traits})" if traits else find.kind
                if (function, kind) in self.finds or (least and kind not in least):
                    return
                until = min(until, time.monotonic() + SHRINKING)
                least[kind] = f"{call!r}\n# {find.detail}"
                raise

        try:
            search()
        except (Find, FlakyFailure):  # flaky: there was no more time, or results change from run to run
            self.finds |= {(function, kind): text for kind, text in least.items()}

    def report(self) -> str:
        lines = [f"{number:8} {name}" for name, number in self.calls.items()]
        lines.append(f"{self.calls.total():8} calls, {len(self.finds)} kinds of finds")
        return "\n".join([*lines, *(f"{function}: {kind}" for function, kind in self.finds)])
