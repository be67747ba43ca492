"""Fit the constants by which "auto" predicts to times measured on this machine.

    python asv_benches/fit.py [--seconds S] [--filter NAME]

Every method that can do a problem does it on one core, in turns. The constants whose predictions come nearest to those
times, in ratio, are printed as lines for the methods' files; and before and after, how far predictions are off,
and how much slower the chosen method is than the best.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import reduce
from statistics import median
from typing import Any
from unittest import mock

import numpy as np
from benchmarks.shapes import LAYERS, SIGNALS, Layer
from measure import take_turns, timed
from scipy.optimize import least_squares

import ndconv
from ndconv import _methods
from ndconv._call.geometry import layer_geometry
from ndconv._methods import METHODS, Problem


def _place(method: Any, path: str) -> tuple[Any, str]:
    """Return the module of a constant, and its name there."""
    *modules, name = path.split(".")
    return reduce(getattr, modules, method), name


# What predictions are made of: constants of the methods, all positive, and the clock.
CONSTANTS = [
    *(_place(method, path) for method in METHODS for path in method.FITTED), (_methods, "CYCLES_PER_SECOND")
]  # fmt: skip

# A constant that no problem tells much about stays where it is: moving it by a factor of e counts as much as
# predicting one time wrong by this power of e.
INERTIA = 0.3

MOST_MULTIPLY_ADDS = 500_000_000

MORE_LAYERS = {
    "odd_24_40_57": Layer(1, 24, (57, 57), 40, (3, 3), padding=1),
    "few_16_16_112": Layer(1, 16, (112, 112), 16, (3, 3), padding=1),
    "many_256_7": Layer(1, 256, (7, 7), 256, (3, 3), padding=1),
    "batch16_64_28": Layer(16, 64, (28, 28), 64, (3, 3), padding=1),
    "groups4_256_28": Layer(1, 256, (28, 28), 256, (3, 3), padding=1, groups=4),
    "tiny_32_8": Layer(16, 32, (8, 8), 32, (3, 3), padding=1),
    "5x5_32_64_56": Layer(1, 32, (56, 56), 64, (5, 5), padding=2),
    "9x9_16_16_112": Layer(1, 16, (112, 112), 16, (9, 9), padding=4),
    "31x31_8_8_112": Layer(1, 8, (112, 112), 8, (31, 31), padding=15),
    "1d_64_64_4000": Layer(1, 64, (4000,), 64, (3,), padding=1),
    "1d_32_32_k101": Layer(1, 32, (8000,), 32, (101,), padding=50),
    "1x1_32_192_112": Layer(1, 32, (112, 112), 192, (1, 1)),
    "dw5_960_7": Layer(1, 960, (7, 7), 960, (5, 5), padding=2, groups=960),
}


@dataclass(frozen=True)
class Sample:
    """One problem and the seconds that it takes by each method."""

    name: str
    problem: Problem
    seconds: dict[str, float]


def problems() -> dict[str, Layer]:
    """Return all layers, and signals as layers of one channel, that do not take too long."""
    signals = {
        name: Layer(1, 1, signal.spatial, 1, signal.kernel, padding=max(signal.kernel) // 2)
        for name, signal in SIGNALS.items()
    }
    found = {**LAYERS, **MORE_LAYERS, **signals}
    return {name: layer for name, layer in found.items() if layer.multiply_adds <= MOST_MULTIPLY_ADDS}


def measure(name: str, layer: Layer, dtype: type, seconds: float) -> Sample:
    """Time a layer by every method that "auto" would consider."""
    x, weight, _ = layer.arrays(dtype)
    problem = Problem(
        geometry=layer_geometry(
            x.shape, weight.shape, layer.stride, layer.padding, "zeros", layer.dilation, layer.groups
        ),
        dtype=np.dtype(dtype), x_is_complex=False, fill_value=0.0, batch=layer.batch, x_in_place=True, y_in_place=True,
    )  # fmt: skip
    calls = {}
    for method in METHODS:
        if method.why_not(problem) is None and np.isfinite(method.cost(problem)):
            plan = ndconv.ConvLayer(weight, method=method.NAME, **layer.options)
            calls[method.NAME] = lambda plan=plan: plan(x, workers=1)
    firsts = {method: timed(call)[0] for method, call in calls.items()}
    times = take_turns(calls, firsts, seconds)
    return Sample(name, problem, {method: median(values) for method, values in times.items()})


@contextmanager
def constants(values: np.ndarray) -> Iterator[None]:
    """Let predictions be made with other constants."""
    ndconv.clear_caches()
    with ExitStack() as patches:
        for (place, name), value in zip(CONSTANTS, values, strict=True):
            patches.enter_context(mock.patch.object(place, name, float(value)))
        yield
    ndconv.clear_caches()


def predictions(sample: Sample) -> dict[str, float]:
    """Return the seconds that a problem is predicted to take by each method."""
    clock = _methods.CYCLES_PER_SECOND
    return {m.NAME: m.cost(sample.problem) / clock for m in METHODS if m.NAME in sample.seconds}


def errors(samples: list[Sample]) -> np.ndarray:
    """Return the logarithms of predicted over measured times."""
    return np.log([each[m] / s.seconds[m] for s in samples for each in [predictions(s)] for m in s.seconds])


def fitted(samples: list[Sample]) -> np.ndarray:
    """Return the constants that predict best."""
    start = np.array([getattr(*constant) for constant in CONSTANTS], float)

    def residuals(steps: np.ndarray) -> np.ndarray:
        with constants(start * np.exp(steps)):
            return np.append(errors(samples), INERTIA * steps)

    return start * np.exp(least_squares(residuals, np.zeros(start.size), loss="soft_l1", f_scale=0.2).x)


def report(title: str, samples: list[Sample]) -> None:
    """Print how good predictions are, and which choices are wrong."""
    off = np.exp(np.abs(errors(samples)))
    print(
        f"{title}: predictions are off by {median(off):.2f} times (median), {np.quantile(off, 0.9):.2f} (nine in ten)"
    )
    for sample in samples:
        told = predictions(sample)
        chosen, best = min(told, key=told.__getitem__), min(sample.seconds, key=sample.seconds.__getitem__)
        loss = sample.seconds[chosen] / sample.seconds[best]
        if loss > 1.1:
            print(f"    {sample.name}: {chosen} is chosen, {best} is {loss:.2f} times as fast")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--filter", default="", help="only problems in whose name this regular expression is found")
    parser.add_argument("--seconds", type=float, default=1.0, help="measuring time that one problem may take, about")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    return parser.parse_args()


def main() -> int:
    """Measure, fit and print."""
    options = arguments()
    chosen = {name: layer for name, layer in problems().items() if re.search(options.filter, name)}
    samples = []
    for number, (name, layer) in enumerate(chosen.items(), 1):
        samples.append(measure(name, layer, np.dtype(options.dtype).type, options.seconds))
        times = ", ".join(f"{method} {1e3 * t:.3g} ms" for method, t in samples[-1].seconds.items())
        print(f"{number} of {len(chosen)}  {name}: {times}", file=sys.stderr, flush=True)
    report("as they are", samples)
    values = fitted(samples)
    with constants(values):
        report("fitted", samples)
    for (place, name), value in zip(CONSTANTS, values, strict=True):
        print(f"{place.__name__}: {name} = {value:.3g}  # {getattr(place, name):g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
