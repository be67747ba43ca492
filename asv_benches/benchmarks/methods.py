"""Time of every method, in each dtype and dimension: whichever "auto" would choose, all of them are watched."""

from functools import partial

import numpy as np

import ndconv

from .shapes import Layer, Signal

DTYPES = ["float32", "float64", "complex64", "float16"]

LAYERS = {
    "1-D": Layer(1, 32, (16_000,), 32, (3,), padding=1),
    "2-D": Layer(1, 32, (56, 56), 32, (3, 3), padding=1),
    "3-D": Layer(1, 32, (16, 16, 16), 32, (3, 3, 3), padding=1),
    "2-D, strided": Layer(1, 64, (56, 56), 64, (3, 3), stride=2, padding=1),
    "2-D, dilated": Layer(1, 32, (56, 56), 32, (3, 3), dilation=2, padding=2),
    "2-D, 5 taps": Layer(1, 32, (56, 56), 32, (5, 5), padding=2),
}

SIGNALS = {
    "1-D": Signal((100_000,), (101,)),
    "2-D": Signal((512, 512), (15, 15)),
    "3-D": Signal((64, 64, 64), (7, 7, 7)),
}


class Layers:
    """A layer of 32 to 32 or 64 to 64 channels, weights packed beforehand; with 3 taps an axis unless it says more."""

    params = (["direct", "winograd", "fft"], DTYPES, list(LAYERS))
    param_names = ("method", "dtype", "dimension")

    def setup(self, method, dtype, dimension):
        layer = LAYERS[dimension]
        x, weight, bias = layer.arrays(dtype)
        self.call = partial(ndconv.ConvLayer(weight, bias, method=method, **layer.options), x)
        self.call()

    def time_layer(self, method, dtype, dimension):
        self.call()


class Correlations:
    """A single channel, with a kernel that is an outer product: 101 taps, 15x15, 7x7x7."""

    params = (["direct", "fft", "separable"], DTYPES, list(SIGNALS))
    param_names = ("method", "dtype", "dimension")

    def setup(self, method, dtype, dimension):
        if method == "separable" and (dtype == "complex64" or dimension == "1-D"):
            raise NotImplementedError("it is for real numbers and two axes or more")
        x, _ = SIGNALS[dimension].arrays(dtype)
        kernel = np.ones(SIGNALS[dimension].kernel, dtype)
        self.call = partial(ndconv.correlate_nd, x, kernel, mode="same", method=method)
        self.call()

    def time_same(self, method, dtype, dimension):
        self.call()
