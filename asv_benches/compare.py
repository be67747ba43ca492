"""Measure ndconv beside its peers in one run, on layers of networks, correlations of arrays, and drop-ins.

    python asv_benches/compare.py [KIND|waiting|overhead|all] [--filter NAME] [--seconds S] [--workers N] ...

Every installed peer takes part; docs/benchmarks.rst explains the tables.
"""

import argparse
import contextlib
import functools
import importlib.metadata
import json
import os
import platform
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import geometric_mean, median

import numpy as np
from benchmarks.calls import CHANNELS, DROP_INS, LAGS, FunctionCall
from benchmarks.shapes import GRADIENTS, LAYERS, SIGNALS, TRANSPOSED, Gradients, Layer, Signal, Transposed
from contenders import (
    DROP_IN_PEERS,
    GRADIENT_PEERS,
    LAYER_PEERS,
    SIGNAL_PEERS,
    TRANSPOSED_PEERS,
    drop_in_calls,
    gradient_calls,
    layer_calls,
    names,
    signal_calls,
    threads,
    transposed_calls,
)
from measure import Calls, Limits, measure_limits, ratio, take_turns, timed
from overhead import measure_overhead, print_overhead
from waiting import measure_waiting

OURS = ("ndconv", "conv_layer")  # the latter packs its weights in the call
DTYPES = ("float32", "float64", "float16", "complex64", "complex128")
NAME_WIDTH = 24  # of the column of names
PACKAGES = ("ndconv", "numpy", "scipy", "torch", "onnxruntime", "openvino", "jax", "opencv-python-headless")


# ------------------------------------------------------------------------------------------------------ one comparison


@dataclass(frozen=True)
class Row:
    """One problem: milliseconds of each contender, and how many times as fast as each peer ndconv is."""

    name: str
    problem: str
    milliseconds: dict[str, float]
    ratios: dict[str, float]
    quiet_ratios: dict[str, float]
    fastest: str | None
    gflops: float
    arithmetic_share: float
    memory_share: float
    difference: float
    agrees: bool


def contest(
    name: str, problem: Layer | Gradients | Signal | FunctionCall, calls: Calls, limits: Limits, seconds: float
) -> Row:
    """Check that all contenders give the same answer, then time them."""
    firsts = first_calls(calls)
    calls = {contender: calls[contender] for contender in firsts}
    answers = {contender: np.asarray(answer) for contender, (_, answer) in firsts.items()}
    ours = answers.pop("ndconv")
    spread = [np.abs(ours - theirs.reshape(ours.shape)).max() for theirs in answers.values()]
    difference = float(np.max(spread, initial=0.0) / np.abs(ours).max())
    # Two orders of a sum of K products differ by roundings of its partial sums, about sqrt(K) times eps of the result.
    tolerance = 8 * np.finfo(ours.dtype).eps * np.sqrt(problem.products)
    rounds = take_turns(calls, {contender: elapsed for contender, (elapsed, _) in firsts.items()}, seconds)
    medians = {contender: median(times) for contender, times in rounds.items()}
    rate = 1 / medians["ndconv"]
    return Row(
        name=name,
        problem=str(problem),
        milliseconds={contender: 1e3 * value for contender, value in medians.items()},
        ratios={peer: ratio(rounds[peer], rounds["ndconv"]) for peer in answers},
        quiet_ratios={peer: min(rounds[peer]) / min(rounds["ndconv"]) for peer in answers},
        fastest=min((peer for peer in calls if peer not in OURS), key=medians.__getitem__, default=None),
        gflops=2e-9 * problem.multiply_adds * rate,
        arithmetic_share=problem.multiply_adds * rate / limits.multiply_adds,
        memory_share=problem.values * ours.itemsize * rate / limits.bytes,
        difference=difference,
        agrees=bool(difference <= tolerance),
    )


def first_calls(calls: Calls) -> dict[str, tuple[float, object]]:
    """Return the seconds and the answer of each contender's first call, but for peers that have no memory for it."""
    firsts = {}
    for contender, call in calls.items():
        try:
            firsts[contender] = timed(call)
        except (MemoryError, RuntimeError):
            if contender in OURS:
                raise
    return firsts


def compare(
    problems: dict, calls_of: Callable[..., Calls], limits: Limits, seconds: float, report: Callable
) -> list[Row]:
    """Measure these problems; `report` is called with each row as it comes."""
    rows = []
    for number, (name, problem) in enumerate(problems.items(), 1):
        progress(f"{number} of {len(problems)}: {name}")
        try:
            calls = calls_of(problem)
            calls["ndconv"]()
        except ValueError as reason:
            if not str(reason).startswith("method="):  # a method asked for by name, which cannot do every problem
                raise
            progress()
            print(f"{name:{NAME_WIDTH}} left out: {reason}")
            continue
        rows.append(contest(name, problem, calls, limits, seconds))
        progress()
        report(rows[-1])
    return rows


def progress(text: str = "") -> None:
    """Say on stderr what is being measured: on a terminal in one line that the next one replaces."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


# -------------------------------------------------------------------------------------------------------------- tables


def print_titles(kind: str, contenders: list[str], width: int = NAME_WIDTH) -> None:
    columns = " ".join(f"{name:>13}" for name in contenders)
    shares = f"{'GFLOP/s':>8} {'arith.':>6} {'memory':>6} {'differ':>7}"
    print(f"\n{kind:{width}} {columns}  {'ratio':>6} {'quiet':>6} {shares}")


def print_row(contenders: list[str], row: Row, width: int = NAME_WIDTH) -> None:
    columns = " ".join(f"{milliseconds(row, name):>13}" for name in contenders)
    ratios = f"{row.ratios[row.fastest]:6.2f} {row.quiet_ratios[row.fastest]:6.2f}" if row.fastest else " " * 13
    shares = f"{row.gflops:8.1f} {row.arithmetic_share:6.0%} {row.memory_share:6.0%} {row.difference:7.0e}"
    print(f"{row.name:{width}} {columns}  {ratios} {shares}{'' if row.agrees else '  ANSWERS DIFFER'}", flush=True)


def milliseconds(row: Row, name: str) -> str:
    """Return a time, the fastest peer's with a star."""
    if name not in row.milliseconds:
        return "-"
    return f"{'*' if name == row.fastest else ''}{row.milliseconds[name]:.3f}"


def print_summary(title: str, rows: list[Row]) -> None:
    pairs = [(row.ratios[row.fastest], row.quiet_ratios[row.fastest]) for row in rows if row.fastest]
    for name, ratios in zip(("ratio", "quiet"), zip(*pairs, strict=True), strict=False):
        print(f"{title}: {name} at least {min(ratios):.2f}, mean {geometric_mean(ratios):.2f} ({len(ratios)})")
    if slower := [row.name for row in rows if row.fastest and row.ratios[row.fastest] < 1]:
        print(f"{title}: slower than the fastest peer in {', '.join(slower)}")


def compare_layers(problems: dict[str, Layer], limits: Limits, options: argparse.Namespace) -> list[Row]:
    contenders = [*OURS, *names(LAYER_PEERS, options.dtype)]
    calls_of = functools.partial(
        layer_calls, dtype=options.dtype, workers=options.workers, method=options.method, last=options.channels_last
    )
    print_titles("layer, ms", contenders)
    rows = compare(problems, calls_of, limits, options.seconds, functools.partial(print_row, contenders))
    usual = [row for row in rows if LAYERS[row.name].groups == 1 and LAYERS[row.name].channels_out >= 16]
    print_summary("one group, 16 output channels or more", usual)
    print_summary("other layers", [row for row in rows if row not in usual])
    print_summary("all layers", rows)
    return rows


def compare_gradients(problems: dict[str, Gradients], limits: Limits, options: argparse.Namespace) -> list[Row]:
    contenders = [*OURS, *names(GRADIENT_PEERS, options.dtype)]
    calls_of = functools.partial(gradient_calls, dtype=options.dtype, workers=options.workers)
    print_titles("gradients, ms", contenders)
    rows = compare(problems, calls_of, limits, options.seconds, functools.partial(print_row, contenders))
    print_summary("gradients", rows)
    return rows


def compare_transposed(problems: dict[str, Transposed], limits: Limits, options: argparse.Namespace) -> list[Row]:
    contenders = ["ndconv", *names(TRANSPOSED_PEERS, options.dtype)]
    calls_of = functools.partial(transposed_calls, dtype=options.dtype, workers=options.workers)
    print_titles("transposed layer, ms", contenders)
    rows = compare(problems, calls_of, limits, options.seconds, functools.partial(print_row, contenders))
    print_summary("transposed layers", rows)
    return rows


def compare_signals(problems: dict[str, Signal], limits: Limits, options: argparse.Namespace) -> list[Row]:
    contenders = ["ndconv", *names(SIGNAL_PEERS, options.dtype)]
    calls_of = functools.partial(signal_calls, dtype=options.dtype, workers=options.workers, method=options.method)
    print_titles("correlation, ms", contenders)
    rows = compare(problems, calls_of, limits, options.seconds, functools.partial(print_row, contenders))
    print_summary("correlations", rows)
    return rows


def compare_drop_ins(problems: dict[str, FunctionCall], limits: Limits, options: argparse.Namespace) -> list[Row]:
    contenders, width = ["ndconv", *DROP_IN_PEERS], max(map(len, problems))
    print_titles("drop-in, ms", contenders, width)
    report = functools.partial(print_row, contenders, width=width)
    rows = compare(problems, drop_in_calls, limits, options.seconds, report)
    for title in ("ndimage", "signal", "channels", "lags"):
        print_summary(title, [row for row in rows if problems[row.name].function.startswith(title)])
    return rows


KINDS = {
    "layers": (LAYERS, compare_layers),
    "gradients": (GRADIENTS, compare_gradients),
    "transposed": (TRANSPOSED, compare_transposed),
    "signals": (SIGNALS, compare_signals),
    "dropins": (DROP_INS | CHANNELS | LAGS, compare_drop_ins),
}


# -------------------------------------------------------------------------------------------------------- command line


def environment(workers: int) -> dict:
    versions = {}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {"python": platform.python_version(), "cpu": cpu_name(), "workers": workers, "versions": versions}


def cpu_name() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        if found := re.search(r"model name\s*: (.*)", file.read()):
            return found[1]
    return platform.processor() or platform.machine()


def usable_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="?", default="all", choices=[*KINDS, "waiting", "overhead", "all"])
    parser.add_argument("--workers", type=int, default=usable_cpus(), help="threads of every contender (all CPUs)")
    parser.add_argument("--method", default="auto", help="ndconv's method")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of all arrays; drop-ins have their own")
    parser.add_argument("--channels-last", action="store_true", help="of ndconv's layers")
    parser.add_argument("--filter", default="", help="only problems in whose name this regular expression is found")
    parser.add_argument("--seconds", type=float, default=2.0, help="measuring time that one problem may take, about")
    parser.add_argument("--json", type=Path, help="write all that was measured to this file too")
    parser.add_argument("--plot", type=Path, help="draw the ratios into this file (PNG, SVG or PDF)")
    parser.add_argument("--table", type=Path, help="write the table of the drop-ins, all of them, to this file (reST)")
    return parser.parse_args()


def main() -> int:
    """Measure and print what was asked for; the exit status is 1 if two contenders gave different answers."""
    options = arguments()
    options.dtype = np.dtype(options.dtype)
    limits = measure_limits(options.dtype, options.workers)
    results = {
        "environment": environment(options.workers),
        "dtype": options.dtype.name,
        "method": options.method,
        "channels_last": options.channels_last,
        "limits": asdict(limits),
    }
    print(json.dumps(results["environment"]))
    print(f"{options.dtype.name}, limits of this machine: {limits}")
    rows = []
    for kind, (table, show) in KINDS.items():
        problems = {name: problem for name, problem in table.items() if re.search(options.filter, name)}
        if options.what in (kind, "all") and problems:
            with threads(options.workers):
                results[kind] = show(problems, limits, options)
            rows += results[kind]
    if options.what in ("waiting", "all"):
        results["waiting"] = measure_waiting(options.filter, options.workers)
    if options.what in ("overhead", "all"):
        results["overhead"] = measure_overhead(options.dtype, options.workers, options.seconds)
        print_overhead(results["overhead"])
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results, indent=1, default=asdict) + "\n")
    if options.plot:
        from chart import draw

        options.plot.parent.mkdir(parents=True, exist_ok=True)
        draw(json.loads(json.dumps(results, default=asdict)), options.plot)
    if options.table:
        from table import write_table

        write_table(json.loads(json.dumps(results, default=asdict)), options.table)
    return 0 if all(row.agrees for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
