"""Differential fuzzing: drawn calls of every public function against answers that ndconv has no part in.

`make fuzz SECONDS=600 SEED=1` runs it; NDCONV_ISA in the environment chooses the instruction-set level. A find does not
stop the run: its kind (the function and what is wrong) is noted with the least call that hypothesis found for it, and
the search for other kinds goes on.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections import Counter

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import FlakyFailure

from fuzz import calls as fuzz_calls
from fuzz.checks import Find, check
from ndconv import _core

EXAMPLES = 30  # in one go of a function
SHRINKING = 6.0  # seconds for making one find smaller
MORE_OFTEN = ("conv_layer", "correlate_nd", "convolve_nd")  # those with the most ways to go
MEMORY = 12 << 30


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
        @given(call=fuzz_calls.spoiled(fuzz_calls.DRAWERS[function]()))
        def search(call: fuzz_calls.Call) -> None:
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="functions whose names hold this")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))  # wrong sizes shall be errors, not trouble for the machine
    functions = [name for name in fuzz_calls.DRAWERS if options.only in name]
    functions += [name for name in functions if name in MORE_OFTEN] * 2
    fuzzer, number, until = Fuzzer(), options.seed << 20, time.monotonic() + options.seconds
    while time.monotonic() < until:
        for function in functions:
            known = len(fuzzer.finds)
            fuzzer.explore(function, number)
            for kind in list(fuzzer.finds)[known:]:
                print(f"== {kind[0]}: {kind[1]}\n{fuzzer.finds[kind]}\n", flush=True)
            number += 1
            if time.monotonic() > until:
                break
    print(f"level {_core.level()}, seed {options.seed}")
    print(fuzzer.report())
    return bool(fuzzer.finds)


if __name__ == "__main__":
    sys.exit(main())
