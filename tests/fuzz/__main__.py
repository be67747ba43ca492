"""The command line of the fuzzer: for how long, from which seed, and which functions."""

from __future__ import annotations

import argparse
import resource
import sys
import time

from fuzz.drawers import DRAWERS
from fuzz.fuzzer import Fuzzer
from ndconv import _core

MORE_OFTEN = ("conv_layer", "correlate_nd", "convolve_nd")  # those with the most ways to go
MEMORY = 12 << 30


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="functions whose names hold this")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))  # wrong sizes shall be errors, not trouble for the machine
    functions = [name for name in DRAWERS if options.only in name]
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
