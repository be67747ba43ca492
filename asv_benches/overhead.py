"""What is paid beside the arithmetic: the import, a tiny call, the memory of a long signal."""

import os
import subprocess
import sys
from statistics import median

import numpy as np
from benchmarks.shapes import Layer
from contenders import layer_calls, threads
from measure import take_turns, timed

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

TINY_LAYERS = {f"{c}->{c}, 3x3, 8x8": Layer(1, c, (8, 8), c, (3, 3), padding=1) for c in (1, 16)}


def measure_overhead(dtype: np.dtype, workers: int, seconds: float) -> dict:
    """Measure all three, as a dictionary of dictionaries whose names say the units."""
    return {
        "import_milliseconds": import_times(),
        "tiny_call_microseconds": {
            name: tiny_calls(layer, dtype, workers, seconds) for name, layer in TINY_LAYERS.items()
        },
        "mebibytes_beyond_input_and_output": {
            name: child(MEMORY_SCRIPT.format(samples=40_000_000, taps=101, call=call.format(workers=workers)))[0]
            for name, call in MEMORY_CALLS.items()
        },
    }


def import_times(repeats: int = 15) -> dict[str, float]:
    """Return the milliseconds of importing NumPy, and of importing ndconv after it."""
    numpy, beyond = zip(*(child(IMPORT_SCRIPT) for _ in range(repeats)), strict=True)
    return {"numpy": 1e3 * median(numpy), "ndconv beyond numpy": 1e3 * median(beyond)}


def tiny_calls(layer: Layer, dtype: np.dtype, workers: int, seconds: float) -> dict[str, float]:
    """Return the microseconds of each contender for a layer with hardly any work."""
    with threads(workers):
        calls = layer_calls(layer, dtype, workers, "auto")
        times = take_turns(calls, {name: timed(call)[0] for name, call in calls.items()}, seconds)
    return {name: 1e6 * median(values) for name, values in times.items()}


def child(script: str) -> list[float]:
    """Run a script in a process of its own, and return the numbers that it printed."""
    # Where Python may not keep what it compiled, an import would be measured with its compilation.
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=settings)
    return [float(word) for word in done.stdout.split()]


def print_overhead(figures: dict) -> None:
    for title, values in figures.items():
        print(title.replace("_", " "))
        for name, value in values.items():
            text = "  ".join(f"{k} {v:.2f}" for k, v in value.items()) if isinstance(value, dict) else f"{value:.1f}"
            print(f"    {name:24} {text}")
