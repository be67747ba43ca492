"""Time of the functions that stand in for SciPy's, each beside SciPy's own."""

from dataclasses import replace

import scipy.ndimage
import scipy.signal

import ndconv.ndimage
import ndconv.signal

from .calls import DROP_INS

LIBRARIES = {"ndconv": ndconv, "scipy": scipy}


class DropIns:
    """Signals, images and a volume, in float32 and float64."""

    rounds, repeat = 1, (1, 7, 1.0)  # SciPy takes up to a second
    params = (list(DROP_INS), list(LIBRARIES))
    param_names = ("call", "library")

    def setup(self, name, library):
        self.call = DROP_INS[name].of(LIBRARIES[library])
        if library == "ndconv":
            self.call()

    def time_call(self, name, library):
        self.call()


class SmallImages:
    """An image of 32x32 in float64: what a call costs beside its arithmetic."""

    params = (["sobel", "laplace", "gaussian_filter", "uniform_filter"], list(LIBRARIES))
    param_names = ("function", "library")

    def setup(self, function, library):
        problem = DROP_INS[f"ndimage.{function}{'(5)' if function == 'uniform_filter' else ''} 512x512 float64"]
        self.call = replace(problem, samples=(32, 32)).of(LIBRARIES[library])
        self.call()

    def time_call(self, function, library):
        self.call()
