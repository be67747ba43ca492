"""The calls of SciPy's functions that are measured: each of those that ndconv has too, on signals, images and volumes.

The table is data, as those of `shapes` are, for `compare.py` and the asv benchmarks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from types import ModuleType

import numpy as np

from .shapes import normal, times

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class FunctionCall:
    """A function, its arrays, all of one dtype, and its other arguments."""

    function: str  # with its module
    samples: tuple[int, ...]
    kernel: tuple[int, ...] | None  # of functions that take a second array
    keywords: dict
    products: float  # for each sample, of all passes along axes together
    dtype: str

    @property
    def multiply_adds(self) -> float:
        return prod(self.samples) * self.products

    @property
    def values(self) -> int:
        """Numbers in samples, kernel and as many outputs as samples together."""
        return 2 * prod(self.samples) + prod(self.kernel or (0,))

    def arrays(self) -> tuple[np.ndarray, ...]:
        """Random samples, and a kernel if there is one, the same in every run."""
        return normal(np.dtype(self.dtype), *filter(None, (self.samples, self.kernel)))

    def of(self, library: ModuleType) -> partial:
        """Return the call of ndconv's function, or of SciPy's."""
        module, _, name = self.function.partition(".")
        function, (samples, *kernel) = getattr(getattr(library, module), name), self.arrays()
        if name == "upfirdn":
            return partial(function, *kernel, samples, **self.keywords)
        if name in ("lfilter", "filtfilt"):
            return partial(function, *kernel, np.ones(1, self.dtype), samples, **self.keywords)
        return partial(function, samples, *kernel, **self.keywords)

    def __str__(self) -> str:
        shapes = ", ".join(times(shape) for shape in (self.samples, self.kernel) if shape)
        return f"{self.function}({', '.join([shapes, *(f'{name}={value}' for name, value in self.keywords.items())])})"


Kernels = dict[int, tuple[int, ...]]  # for each number of axes


def calls(
    functions: str, sizes: dict[str, tuple[int, ...]], work: Kernels | Callable[[int], float], **keywords
) -> dict[str, FunctionCall]:
    """Return a call of each function on samples of each size and dtype.

    The work is a kernel, or the products for each sample of a function that has none, of each number of axes.
    """
    table = {}
    for function in functions.split():
        title = f"{function}({keywords['size']})" if "size" in keywords else function
        for size, samples in sizes.items():
            kernel = None if callable(work) else work[len(samples)]
            products = prod(kernel) if kernel else work(len(samples))
            for dtype in DTYPES:
                call = FunctionCall(function, samples, kernel, keywords, products, dtype)
                table[f"{title} {size} {dtype}"] = call
    return table


SIGNALS = {"1e4": (10_000,), "1e6": (1_000_000,)}
IMAGES = {"512x512": (512, 512), "2048x2048": (2048, 2048)}
VOLUMES = {"128x128x128": (128, 128, 128)}
FIELDS = IMAGES | VOLUMES
SIZES = SIGNALS | FIELDS

SIGMA, SIGMA_TAPS = 2, 17

DROP_INS = {
    **calls(
        "signal.correlate signal.convolve signal.fftconvolve signal.oaconvolve",
        SIZES,
        {1: (101,), 2: (15, 15), 3: (7, 7, 7)},
        mode="same",
    ),
    **calls("signal.correlate2d signal.convolve2d", IMAGES, {2: (7, 7)}, mode="same"),
    **calls("signal.upfirdn", SIGNALS | IMAGES, {1: (101,), 2: (101,)}, up=2, down=3),
    **calls("signal.lfilter", SIGNALS | IMAGES, {1: (101,), 2: (101,)}),
    **calls("signal.lfilter", SIGNALS | IMAGES, {1: (101,), 2: (101,)}),
    **calls("signal.filtfilt", SIGNALS | IMAGES, {1: (101,), 2: (101,)}, padlen=10),
    **calls("signal.resample_poly", SIGNALS | IMAGES, lambda axes: 41 * 2 / 3, up=2, down=3, axis=-1),
    **calls("signal.decimate", SIGNALS | IMAGES, lambda axes: 81 / 4, q=4, ftype="fir"),
    **calls("signal.savgol_filter", SIZES, lambda axes: 11, window_length=11, polyorder=3),
    **calls("ndimage.correlate ndimage.convolve", FIELDS, {2: (7, 7), 3: (5, 5, 5)}),
    **calls("ndimage.correlate1d ndimage.convolve1d", SIZES, {1: (15,), 2: (15,), 3: (15,)}),
    **calls("ndimage.gaussian_filter", FIELDS, lambda axes: SIGMA_TAPS * axes, sigma=SIGMA),
    **calls("ndimage.gaussian_filter1d", SIZES, lambda axes: SIGMA_TAPS, sigma=SIGMA),
    **calls(
        "ndimage.gaussian_laplace ndimage.gaussian_gradient_magnitude",
        FIELDS,
        lambda axes: SIGMA_TAPS * axes**2,
        sigma=SIGMA,
    ),
    **calls("ndimage.sobel ndimage.prewitt ndimage.laplace", FIELDS, lambda axes: 3 * axes),
    **calls("ndimage.uniform_filter", FIELDS, lambda axes: 5 * axes, size=5),
    **calls("ndimage.uniform_filter", FIELDS, lambda axes: 25 * axes, size=25),
    **calls("ndimage.uniform_filter1d", SIZES, lambda axes: 9, size=9),
    **calls("ndimage.uniform_filter1d", SIZES, lambda axes: 101, size=101),
}

# What takes SciPy more than one of its functions, or more than is asked for: `contenders` says how.
CHANNELS = calls("channels", {"2000x10000": (2000, 10_000)}, {2: (1, 64)})
LAGS = {
    f"lags 1e6 {dtype}": FunctionCall("lags", (1_000_000,), (1_000_000,), {"lags": (-50, 49)}, 100, dtype)
    for dtype in DTYPES
}
