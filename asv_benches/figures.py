"""Measure ndconv beside PyTorch, SciPy and OpenCV in one run: the figures that the README quotes.

    python asv_benches/figures.py [layers|signals|overhead|all] [--workers N] [--filter NAME] [--seconds S] [--json F]

PyTorch and OpenCV take part if they are installed. A machine is seldom quiet, so the contenders take turns: each round
gives each of them a short burst of calls, and the tables show medians over the rounds. A ratio is the median of the
ratios of single rounds, whose bursts lie milliseconds apart; "quiet" is the ratio of each contender's best round, to be
believed where the two differ, since something else was running then. Thread pools go on spinning after a call; a pause
and one call that does not count stand before every burst.
"""

import argparse
import contextlib
import functools
import importlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from statistics import geometric_mean, median

import numpy as np
from benchmarks.peers import ndimage_correlate, scipy_correlate, seconds_needed
from benchmarks.shapes import LAYERS, SIGNALS, Layer, Signal, normal

import ndconv

Calls = dict[str, Callable[[], object]]

TORCH = ("pytorch", "pytorch-last")  # channels first and channels last
SIGNAL_PEERS = ("scipy", "ndimage", "opencv", "pytorch")

PAUSE = 0.005  # seconds until the threads of the contender before sleep
BURST = 0.015  # seconds of calls in one burst
FEWEST_ROUNDS, MOST_ROUNDS = 5, 15
SLOW = 0.5  # seconds: a contender whose first call takes longer is measured by that call alone
PATIENCE = 12.0  # seconds: a contender that would take longer for one call is left out


# --------------------------------------------------------------------------------------------------------- the measure


@dataclass(frozen=True)
class Row:
    """One problem: milliseconds of each contender, and how many times as fast as each peer ndconv is."""

    name: str
    problem: str
    gflops: float
    milliseconds: dict[str, float]
    ratios: dict[str, float]
    quiet_ratios: dict[str, float]
    difference: float
    agrees: bool

    def fastest(self, *peers: str) -> str | None:
        """Return the fastest of these peers, or None if none of them took part."""
        return min(filter(self.milliseconds.__contains__, peers), key=self.milliseconds.__getitem__, default=None)


def contest(name: str, problem: Layer | Signal, calls: Calls, seconds: float) -> Row:
    """Check that all contenders give the same answer, then time them."""
    firsts = {peer: timed(call) for peer, call in calls.items()}
    answers = {peer: np.asarray(answer) for peer, (_, answer) in firsts.items()}
    ours = answers.pop("ndconv")
    spread = [np.abs(ours - theirs.reshape(ours.shape)).max() for theirs in answers.values()]
    difference = float(np.max(spread, initial=0.0) / np.abs(ours).max())
    # Two orders of a sum of K products differ by roundings of its partial sums, about sqrt(K) times eps of the result.
    tolerance = 8 * np.finfo(ours.dtype).eps * np.sqrt(problem.products)
    rounds = take_turns(calls, {peer: elapsed for peer, (elapsed, _) in firsts.items()}, seconds)
    return Row(
        name=name,
        problem=str(problem),
        gflops=2e-9 * problem.multiply_adds / median(rounds["ndconv"]),
        milliseconds={peer: 1e3 * median(times) for peer, times in rounds.items()},
        ratios={peer: ratio(rounds[peer], rounds["ndconv"]) for peer in answers},
        quiet_ratios={peer: min(rounds[peer]) / min(rounds["ndconv"]) for peer in answers},
        difference=difference,
        agrees=bool(difference <= tolerance),
    )


def take_turns(calls: Calls, firsts: dict[str, float], seconds: float) -> dict[str, list[float]]:
    """Return the seconds per call of each contender in each round; `firsts` holds the times of the first calls."""
    quick = [peer for peer in calls if firsts[peer] < SLOW]
    warm = {peer: min(timed(calls[peer])[0] for _ in range(2)) for peer in quick}
    lengths = {peer: max(1, round(BURST / warm[peer])) for peer in quick}
    one_round = sum(PAUSE + (lengths[peer] + 1) * warm[peer] for peer in quick) or seconds
    rounds = int(np.clip(seconds / one_round, FEWEST_ROUNDS, MOST_ROUNDS))
    results = {peer: [] if peer in quick else [firsts[peer]] * rounds for peer in calls}
    for turn in range(rounds):
        for peer in reversed(quick) if turn % 2 else quick:
            results[peer].append(burst(calls[peer], lengths[peer]))
    return results


def burst(call: Callable, length: int) -> float:
    time.sleep(PAUSE)
    call()
    return median(timed(call)[0] for _ in range(length))


def timed(call: Callable) -> tuple[float, object]:
    start = time.perf_counter()
    answer = call()
    return time.perf_counter() - start, answer


def ratio(theirs: list[float], ours: list[float]) -> float:
    return median(their / our for their, our in zip(theirs, ours, strict=True))


# ---------------------------------------------------------------------------------------------------------- contenders


@functools.cache
def optional(module: str):
    """Return a module, or None where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


@contextlib.contextmanager
def peers_with(workers: int) -> Iterator[None]:
    """Give every peer the same number of threads, and PyTorch no gradients to think of."""
    if cv2 := optional("cv2"):
        cv2.setNumThreads(workers)
    if torch := optional("torch"):
        torch.set_num_threads(workers)
    with torch.inference_mode() if torch else contextlib.nullcontext():
        yield


def layer_calls(layer: Layer, workers: int, method: str) -> Calls:
    x, weight, bias = layer.arrays()
    plan = ndconv.ConvLayer(weight, bias, method=method, **layer.options)
    return {"ndconv": lambda: plan(x, workers=workers), **torch_calls(x, weight, bias, **layer.options)}


def signal_calls(signal: Signal, workers: int, method: str) -> Calls:
    x, kernel = signal.arrays()
    calls = {
        "ndconv": lambda: ndconv.correlate_nd(x, kernel, mode="same", method=method, workers=workers),
        "scipy": lambda: scipy_correlate(x, kernel),
        "ndimage": lambda: ndimage_correlate(x, kernel),
    }
    if (cv2 := optional("cv2")) and x.ndim == 2:
        calls["opencv"] = lambda: cv2.filter2D(x, -1, kernel, borderType=cv2.BORDER_CONSTANT)
    half = tuple(k // 2 for k in kernel.shape)
    calls |= torch_calls(x[None, None], kernel[None, None], padding=half, layouts=TORCH[:1])
    return {peer: call for peer, call in calls.items() if seconds_needed(peer, signal) < PATIENCE}


def torch_calls(x, weight, bias=None, layouts=TORCH, **options) -> Calls:
    """Return PyTorch's layer, channels first and channels last; the latter knows 1-D only as images one pixel high."""
    torch = optional("torch")
    if torch is None:
        return {}
    x, weight, bias = (array if array is None else torch.from_numpy(array) for array in (x, weight, bias))
    convs = {3: torch.conv1d, 4: torch.conv2d, 5: torch.conv3d}
    calls = {"pytorch": functools.partial(convs[x.ndim], x, weight, bias, **options)}
    if x.ndim == 3:
        x, weight = x.unsqueeze(2), weight.unsqueeze(2)
        flat = {"stride": 1, "padding": 0, "dilation": 1}
        options = {name: (flat[name], value) if name in flat else value for name, value in options.items()}
    last = torch.channels_last if x.ndim == 4 else torch.channels_last_3d
    x, weight = x.to(memory_format=last), weight.to(memory_format=last)
    calls["pytorch-last"] = functools.partial(convs[x.ndim], x, weight, bias, **options)
    return {layout: calls[layout] for layout in layouts}


# -------------------------------------------------------------------------------------------------- layers and signals


def measure_layers(names=tuple(LAYERS), workers=1, seconds=2.0, method="auto", report=lambda row: None) -> list[Row]:
    """Measure these layers by a method; `report` is called with each row as it comes."""
    calls_of = functools.partial(layer_calls, workers=workers, method=method)
    return measure({name: LAYERS[name] for name in names}, calls_of, workers, seconds, report)


def measure_signals(names=tuple(SIGNALS), workers=1, seconds=2.0, method="auto", report=lambda row: None) -> list[Row]:
    """Measure these correlations by a method; `report` is called with each row as it comes."""
    calls_of = functools.partial(signal_calls, workers=workers, method=method)
    return measure({name: SIGNALS[name] for name in names}, calls_of, workers, seconds, report)


def measure(problems: dict, calls_of: Callable, workers: int, seconds: float, report: Callable) -> list[Row]:
    rows = []
    with peers_with(workers):
        for name, problem in problems.items():
            rows.append(contest(name, problem, calls_of(problem), seconds))
            report(rows[-1])
    return rows


def print_layers(names: list[str], workers: int, seconds: float, method: str) -> list[Row]:
    titles = f"{'ndconv':>9} {'pytorch':>9} {'p. last':>9} {'GFLOP/s':>8} {'ratio':>6} {'quiet':>6}"
    print(f"{'layer':24} {'input * filters':40} {titles}   (ms; the speed relative to the better layout)")
    rows = measure_layers(names, workers, seconds, method, print_layer)
    full = [row for row in rows if LAYERS[row.name].groups == 1 and LAYERS[row.name].channels_out >= 16]
    print_summary("one group, 16 output channels or more", full)
    print_summary("others", [row for row in rows if row not in full])
    return rows


def print_layer(row: Row) -> None:
    milliseconds = " ".join(f"{row.milliseconds.get(peer, np.nan):9.3f}" for peer in ("ndconv", *TORCH))
    fastest = row.fastest(*TORCH)
    ratios = f"{row.ratios[fastest]:6.2f} {row.quiet_ratios[fastest]:6.2f}" if fastest else ""
    print(f"{row.name:24} {row.problem:40} {milliseconds} {row.gflops:8.1f} {ratios} {warning(row)}", flush=True)


def print_summary(title: str, rows: list[Row]) -> None:
    pairs = [(row.ratios[peer], row.quiet_ratios[peer]) for row in rows if (peer := row.fastest(*TORCH))]
    for name, ratios in zip(("ratio", "quiet"), zip(*pairs, strict=True), strict=False):
        print(f"{title}: {name} at least {min(ratios):.2f}, mean {geometric_mean(ratios):.2f}")


def print_signals(names: list[str], workers: int, seconds: float, method: str) -> list[Row]:
    titles = " ".join(f"{peer:>18}" for peer in SIGNAL_PEERS)
    print(f"{'correlation':16} {'samples * kernel':28} {'ndconv':>9} {'GFLOP/s':>8} {titles}   (ms, and ratio)")
    return measure_signals(names, workers, seconds, method, print_signal)


def print_signal(row: Row) -> None:
    peers = " ".join(
        f"{row.milliseconds[peer]:10.2f} {row.ratios[peer]:6.1f}x" if peer in row.ratios else f"{'-':>18}"
        for peer in SIGNAL_PEERS
    )
    ours = row.milliseconds["ndconv"]
    print(f"{row.name:16} {row.problem:28} {ours:9.3f} {row.gflops:8.1f} {peers} {warning(row)}", flush=True)


def warning(row: Row) -> str:
    return "" if row.agrees else f"ANSWERS DIFFER by {row.difference:.1e} of the largest"


# ------------------------------------------------------------------------------------------------------------ overhead

IMPORT_SCRIPT = """
import time
start = time.perf_counter()
import numpy
middle = time.perf_counter()
import ndconv
print(middle - start, time.perf_counter() - middle)
"""

# A short call first loads what stays for good; then the high-water mark of memory is reset.
MEMORY_SCRIPT = """
import re
import numpy as np, scipy.signal, ndconv

def status(name):
    return int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024

call = lambda x: {call}
x, kernel = np.ones({samples}, np.float32), np.ones({taps}, np.float32)
call(x[:1000])
open("/proc/self/clear_refs", "w").write("5")
before = status("VmRSS")
y = call(x)
print((status("VmHWM") - before - y.nbytes) / 2**20)
"""
MEMORY_CALLS = {
    "ndconv": 'ndconv.correlate_nd(x, kernel, mode="same", workers={workers})',
    "scipy direct": 'scipy.signal.correlate(x, kernel, mode="same", method="direct")',
    "scipy fft": 'scipy.signal.correlate(x, kernel, mode="same", method="fft")',
}


def measure_overhead(workers: int, seconds: float) -> dict:
    """Measure what is paid beside the arithmetic: the import, a tiny call, the memory of a long signal."""
    return {
        "import_milliseconds": import_times(),
        "tiny_call_microseconds": {f"{c}->{c}, 3x3, 8x8": tiny_calls(c, workers, seconds) for c in (1, 16)},
        "mebibytes_beyond_input_and_output": {
            name: child(MEMORY_SCRIPT.format(samples=40_000_000, taps=101, call=call.format(workers=workers)))[0]
            for name, call in MEMORY_CALLS.items()
        },
    }


def import_times(repeats: int = 15) -> dict[str, float]:
    """Return the milliseconds of importing NumPy, and of importing ndconv after it."""
    numpy, beyond = zip(*(child(IMPORT_SCRIPT) for _ in range(repeats)), strict=True)
    return {"numpy": 1e3 * median(numpy), "ndconv beyond numpy": 1e3 * median(beyond)}


def tiny_calls(channels: int, workers: int, seconds: float) -> dict[str, float]:
    """Return the microseconds of a 3x3 layer on an 8x8 image."""
    x, weight, bias = normal(np.float32, (1, channels, 8, 8), (channels, channels, 3, 3), (channels,))
    plan = ndconv.ConvLayer(weight, bias, padding=1)
    calls = {
        "ConvLayer": lambda: plan(x),
        "conv_layer": lambda: ndconv.conv_layer(x, weight, bias, padding=1),
        **torch_calls(x, weight, bias, padding=1),
    }
    with peers_with(workers):
        times = take_turns(calls, {name: timed(call)[0] for name, call in calls.items()}, seconds)
    return {name: 1e6 * median(values) for name, values in times.items()}


def child(script: str) -> list[float]:
    """Run a script in a process of its own, and return the numbers that it printed."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def print_overhead(workers: int, seconds: float) -> dict:
    figures = measure_overhead(workers, seconds)
    for title, values in figures.items():
        print(title.replace("_", " "))
        for name, value in values.items():
            text = "  ".join(f"{k} {v:.2f}" for k, v in value.items()) if isinstance(value, dict) else f"{value:.1f}"
            print(f"    {name:24} {text}")
    return figures


# -------------------------------------------------------------------------------------------------------- command line


def environment(workers: int) -> dict:
    versions = {}
    for package in ("ndconv", "numpy", "scipy", "torch", "opencv-python-headless"):
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
    parser.add_argument("what", nargs="?", default="all", choices=["layers", "signals", "overhead", "all"])
    parser.add_argument("--workers", type=int, default=usable_cpus(), help="threads of every contender (all CPUs)")
    parser.add_argument("--method", default="auto", help="ndconv's method")
    parser.add_argument("--filter", default="", help="only problems in whose name this regular expression is found")
    parser.add_argument("--seconds", type=float, default=2.0, help="measuring time that one problem may take, about")
    parser.add_argument("--json", help="write the figures to this file too")
    return parser.parse_args()


def main() -> int:
    """Measure and print what was asked for; the exit status is 1 if two contenders gave different answers."""
    options = arguments()
    figures = {"environment": environment(options.workers)}
    print(json.dumps(figures["environment"]))
    for kind, table, show in (("layers", LAYERS, print_layers), ("signals", SIGNALS, print_signals)):
        names = [name for name in table if re.search(options.filter, name)]
        if options.what in (kind, "all") and names:
            figures[kind] = show(names, options.workers, options.seconds, options.method)
    if options.what in ("overhead", "all"):
        figures["overhead"] = print_overhead(options.workers, options.seconds)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(figures, file, indent=1, default=asdict)
    rows = figures.get("layers", []) + figures.get("signals", [])
    return 0 if all(row.agrees for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
