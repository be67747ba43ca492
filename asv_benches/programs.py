"""How long whole programs take, with SciPy and with ndconv in its place: the table of docs/guide/programs.rst.

    python asv_benches/programs.py [--filter NAME] [--workers N] [--table FILE]

The programs are the scripts of examples/programs, of which the function `main` is measured. They need scikit-image.
SciPy has the one thread that it has unless it is told otherwise.
"""

import argparse
import importlib.metadata
import re
import runpy
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from compare import cpu_name, usable_cpus
from measure import BURST, SLOW, Call, burst, ratio, timed

import ndconv

FOLDER = Path(__file__).parents[1] / "examples" / "programs"
FEWEST_ROUNDS, MOST_ROUNDS, SECONDS = 3, 9, 3  # of turns; and for which they go on
NOT_CONVOLVING = "flow"  # hardly calls a function that ndconv replaces
TOLERANCE = 1e-12  # of results, relative to the largest value

PART_OF_A_PAGE = """\
.. csv-table:: Whole programs, in milliseconds
   :header: "", "SciPy", "ndconv", "times as fast", "results"
   :widths: 40, 12, 12, 16, 20

{rows}

Measured in turns with scikit-image {skimage} and SciPy {scipy}, with {threads} of an {cpu}.
All but the last take {theirs:.2f} seconds with SciPy and {ours:.2f} with ndconv, {sum_ratio:.1f} times as fast in sum.
"""


@dataclass(frozen=True)
class Timing:
    """A program: seconds with SciPy and with ndconv, how many times as fast, and how far results are from SciPy's."""

    title: str
    theirs: float
    ours: float
    ratio: float
    difference: float

    def __str__(self) -> str:
        results = f"within {self.difference:.0e}" if self.difference else "the same bits"
        return f'"{self.title}", "{1e3 * self.theirs:.0f}", "{1e3 * self.ours:.0f}", "{self.ratio:.1f}", "{results}"'


def program(name: str) -> tuple[str, Call]:
    """Return the title of a program, and what it computes, with everything loaded."""
    script = runpy.run_path(str(FOLDER / f"{name}.py"))
    return script["__doc__"].rstrip("."), script["main"]


def measured(name: str) -> Timing:
    """Return how long a program takes, in turns with SciPy and with ndconv, and by how much its results differ."""
    title, main = program(name)
    first, expected = timed(main)
    with ndconv.patch_scipy():
        answer = main()
    length = max(1, round(BURST / first))

    def turn() -> float:
        return timed(main)[0] if first >= SLOW else burst(main, length)

    theirs, ours = [], []
    for _ in range(int(np.clip(SECONDS / (2 * first), FEWEST_ROUNDS, MOST_ROUNDS))):
        theirs.append(turn())
        with ndconv.patch_scipy():
            ours.append(turn())
    return Timing(title, median(theirs), median(ours), ratio(theirs, ours), difference(answer, expected))


def difference(answer: object, expected: object) -> float:
    """Return by how much two results differ, relative to the largest value."""
    answer, expected = (np.asarray(each, float) for each in (answer, expected))
    return float(np.abs(answer - expected).max() / np.abs(expected).max())


def table(timings: dict[str, Timing], workers: int) -> str:
    counted = [timing for name, timing in timings.items() if name != NOT_CONVOLVING]
    theirs, ours = sum(timing.theirs for timing in counted), sum(timing.ours for timing in counted)
    return PART_OF_A_PAGE.format(
        rows="\n".join(f"   {timing}" for timing in timings.values()),
        skimage=importlib.metadata.version("scikit-image"),
        scipy=importlib.metadata.version("scipy"),
        threads="one thread" if workers == 1 else f"{workers} threads",
        cpu=cpu_name(),
        theirs=theirs,
        ours=ours,
        sum_ratio=theirs / ours,
    )


def main() -> int:
    """Measure the programs; the exit status is 1 if the results of one differ."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--filter", default="", help="only programs in whose name this regular expression is found")
    parser.add_argument("--workers", type=int, default=usable_cpus(), help="ndconv's threads (all CPUs)")
    parser.add_argument("--table", type=Path, help="write the table, of all programs, to this file (reST)")
    options = parser.parse_args()
    names = sorted((path.stem for path in FOLDER.glob("*.py")), key=lambda name: (name == NOT_CONVOLVING, name))
    timings = {}
    with ndconv.set_workers(options.workers):
        for name in filter(re.compile(options.filter).search, names):
            timings[name] = measured(name)
            print(timings[name], flush=True)
    if options.table:
        options.table.write_text(table(timings, options.workers))
    return 1 if any(timing.difference > TOLERANCE for timing in timings.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
