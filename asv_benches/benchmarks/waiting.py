"""Single calls on a machine that sleeps between them, or that does something else too: median and 90th percentile."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

import ndconv

from .calls import DROP_INS
from .shapes import GRADIENTS, LAYERS, SIGNALS, Signal

# Seconds before each call, in which threads fall asleep, and calls; on a quiet machine, as a person or a camera makes
# them, and beside one busy process for each CPU.
FAR_APART, CALLS_FAR_APART = 0.03, 40
BUSY, CALLS_BUSY = 0.005, 100

CASES = {
    "layer 3x3": LAYERS["resnet_3x3_64_56"],
    "layer 1x1": LAYERS["resnet_1x1_64_256_56"],
    "gradients": GRADIENTS["resnet_3x3_64_56"],
    "image 7x7": Signal((1024, 1024), (7, 7)),
    "signal": SIGNALS["1d_1e6_k101"],
    "gaussian": DROP_INS["ndimage.gaussian_filter 512x512 float32"],
}


def spaced(call: Callable[[], object], gap: float, number: int) -> np.ndarray:
    """Return the milliseconds of some calls, with a pause before each of them."""
    times = np.empty(number)
    for i in range(number):
        time.sleep(gap)
        start = time.perf_counter()
        call()
        times[i] = time.perf_counter() - start
    return 1e3 * times


@contextlib.contextmanager
def busy_processes(number: int) -> Iterator[None]:
    """Keep so many processes busy."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        time.sleep(0.5)  # until they have begun
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


class FarApart:
    """Calls 30 ms apart, of which one thread or all do the work."""

    params = (["layer 3x3", "layer 1x1", "image 7x7", "signal"], [1, None])
    param_names = ("case", "workers")
    unit = "ms"
    gap, number = FAR_APART, CALLS_FAR_APART

    def setup(self, case, workers):
        problem = CASES[case]
        if isinstance(problem, Signal):
            x, kernel = problem.arrays()
            self.call = lambda: ndconv.correlate_nd(x, kernel, "same", workers=workers)
        else:
            x, weight, bias = problem.arrays()
            layer = ndconv.ConvLayer(weight, bias, **problem.options)
            self.call = lambda: layer(x, workers=workers)
        self.call()

    def track_median(self, case, workers):
        return float(np.median(spaced(self.call, self.gap, self.number)))

    def track_90th_percentile(self, case, workers):
        return float(np.percentile(spaced(self.call, self.gap, self.number), 90))


class Busy(FarApart):
    """Calls 5 ms apart beside one busy process for each CPU."""

    gap, number = BUSY, CALLS_BUSY

    def setup(self, case, workers):
        super().setup(case, workers)
        self.busy = busy_processes(ndconv.show_config("dicts")["workers"])
        self.busy.__enter__()

    def teardown(self, case, workers):
        self.busy.__exit__(None, None, None)
