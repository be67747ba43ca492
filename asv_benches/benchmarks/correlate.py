"""Time of N-D correlation of one array with one kernel, each beside SciPy."""

from functools import partial

import numpy as np
import scipy.ndimage
import scipy.signal

import ndconv

from .peers import ndimage_correlate, scipy_correlate, seconds_needed
from .shapes import SIGNALS, normal

PATIENCE = 3.0  # seconds: a library is left out of problems for which it would take longer
LIBRARIES = {
    "ndconv": partial(ndconv.correlate_nd, mode="same"),
    "scipy": scipy_correlate,
    "ndimage": ndimage_correlate,
}

MODES = {  # and the name of each in scipy.ndimage
    "zeros": "constant",
    "replicate": "nearest",
    "reflect": "mirror",
    "symmetric": "reflect",
    "circular": "wrap",
}


def start_threads() -> None:
    """Make a first call, so that no timed one pays for the start of threads."""
    ndconv.correlate_nd(np.ones((512, 512), np.float32), np.ones((7, 7), np.float32))


class Grid:
    """float32 samples in one, two and three dimensions; kernels from 3 samples an axis to 10 001."""

    rounds, repeat = 1, (1, 7, 3.0)  # SciPy takes seconds
    params = (list(SIGNALS), list(LIBRARIES))
    param_names = ("problem", "library")

    def setup(self, name, library):
        if seconds_needed(library, SIGNALS[name]) > PATIENCE:
            raise NotImplementedError(f"{library} would take too long")
        self.x, self.kernel = SIGNALS[name].arrays()
        start_threads()

    def time_same(self, name, library):
        LIBRARIES[library](self.x, self.kernel)


class Dtypes:
    """512x512 samples of each dtype, 7x7 kernel."""

    params = (["float32", "float64", "complex64", "complex128", "float16", "int16", "int32", "int64"], list(LIBRARIES))
    param_names = ("dtype", "library")

    def setup(self, dtype, library):
        if dtype == "float16" and library != "ndconv":
            raise NotImplementedError("SciPy has no float16 here")
        x, kernel = normal(np.float32, (512, 512), (7, 7))
        self.x, self.kernel = (10 * x).astype(dtype), (10 * kernel).astype(dtype)
        start_threads()

    def time_same(self, dtype, library):
        LIBRARIES[library](self.x, self.kernel)


class Boundaries:
    """1024x1024 samples, 7x7 kernel, under each padding mode."""

    params = (list(MODES), ["ndconv", "ndimage"])
    param_names = ("padding_mode", "library")

    def setup(self, mode, library):
        x, kernel = normal(np.float32, (1024, 1024), (7, 7))
        calls = {
            "ndconv": partial(ndconv.correlate_nd, x, kernel, mode="same", padding_mode=mode),
            "ndimage": partial(scipy.ndimage.correlate, x, kernel, mode=MODES[mode]),
        }
        self.call = calls[library]
        start_threads()

    def time_same(self, mode, library):
        self.call()


class AlongOneAxis:
    """64 recordings of 100 000 samples through one filter of 101 taps, recordings in rows and in columns."""

    params = (["rows", "columns"], ["ndconv", "ndimage", "oaconvolve"])
    param_names = ("recordings", "library")

    def setup(self, recordings, library):
        x, taps = normal(np.float32, (64, 100_000), (101,))
        axis = 1
        if recordings == "columns":
            x, axis = np.ascontiguousarray(x.T), 0
        shaped = taps.reshape(-1, 1) if axis == 0 else taps.reshape(1, -1)
        calls = {
            "ndconv": partial(ndconv.correlate_nd, x, shaped, mode="same", axes=axis),
            "ndimage": partial(scipy.ndimage.correlate1d, x, taps, axis=axis, mode="constant"),
            "oaconvolve": partial(scipy.signal.oaconvolve, x, shaped, mode="same", axes=axis),
        }
        self.call = calls[library]
        start_threads()

    def time_same(self, recordings, library):
        self.call()
