"""How long single calls take where threads sleep between them, or share their CPUs with other processes.

Each time is beside that of the same call on one thread, so that a ratio above 1 is what threads cost.
"""

import functools
import importlib.util
import re

import numpy as np
from benchmarks.calls import FunctionCall
from benchmarks.shapes import Gradients, Layer
from benchmarks.waiting import BUSY, CALLS_BUSY, CALLS_FAR_APART, CASES, FAR_APART, busy_processes, spaced
from contenders import drop_in_calls, gradient_calls, layer_calls, signal_calls, threads
from measure import SLOW, Call, Calls, timed

import ndconv

ONE = "one thread"  # ndconv's
LEFT_OUT = ("conv_layer", "scipy", "scipy-fft", "scipy-oa", "ndimage", "jax")  # the same again, or no threads to set


def measure_waiting(pattern: str, workers: int) -> dict:
    """Return for each state of the machine and each case the median and 90th percentile of each contender."""
    results = {"far apart": {}, "busy": {}}
    for state, gap, number in (("far apart", FAR_APART, CALLS_FAR_APART), ("busy", BUSY, CALLS_BUSY)):
        with threads(workers), busy_processes(workers if state == "busy" else 0):
            for case in filter(re.compile(pattern).search, CASES):
                alone = calls_of(case, 1)["ndconv"]
                calls = {ONE: functools.partial(on_one_thread, alone)} | calls_of(case, workers)
                results[state][case] = times(calls, gap, number)
                print_case(state, case, results[state][case])
    return results


def on_one_thread(call: Call) -> object:
    with ndconv.set_workers(1):
        return call()


def calls_of(case: str, workers: int) -> Calls:
    """Return the calls of a case, ndconv's and those of peers that have threads."""
    problem, dtype = CASES[case], np.dtype(np.float32)
    if isinstance(problem, FunctionCall):
        calls = drop_in_calls(problem)
        if importlib.util.find_spec("cv2"):
            calls["opencv"] = opencv_gaussian(*problem.arrays(), **problem.keywords)
    elif isinstance(problem, Gradients):
        calls = gradient_calls(problem, dtype, workers)
    elif isinstance(problem, Layer):
        calls = layer_calls(problem, dtype, workers, "auto")
    else:
        calls = signal_calls(problem, dtype, workers, "auto")
    return {name: call for name, call in calls.items() if name not in LEFT_OUT}


def opencv_gaussian(x, sigma: float) -> Call:
    import cv2

    size = 2 * int(4 * sigma + 0.5) + 1
    return functools.partial(cv2.GaussianBlur, x, (size, size), sigma, borderType=cv2.BORDER_REFLECT)


def times(calls: Calls, gap: float, number: int) -> dict[str, list[float]]:
    """Return the median and the 90th percentile of each contender that is not very slow, in milliseconds."""
    results = {}
    for name, call in calls.items():
        if timed(call)[0] > SLOW:
            continue
        results[name] = np.percentile(spaced(call, gap, number), [50, 90]).tolist()
    return results


def print_case(state: str, case: str, results: dict[str, list[float]]) -> None:
    """Print a line for a case: milliseconds, and ndconv's as multiples of one thread's."""
    ratios = np.divide(results["ndconv"], results[ONE])
    columns = "  ".join(f"{name} {p50:.2f} / {p90:.2f}" for name, (p50, p90) in results.items())
    print(f"{state:10} {case:10} {ratios[0]:5.2f} / {ratios[1]:5.2f}   {columns}", flush=True)
