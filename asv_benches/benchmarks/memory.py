"""Peak memory of a whole process; the library or method "none" only holds the input and an output."""

import numpy as np
import scipy.ndimage
import scipy.signal

import ndconv

from .shapes import LAYERS


def filled(shape, dtype=np.float32) -> np.ndarray:
    """Return an array that lies in memory, made without another of its size."""
    array = np.empty(shape, dtype)
    array[...] = 1
    return array


class LongSignal:
    """40 million float32 samples (153 MiB in, 153 MiB out) through 101 taps."""

    params = (["none", "ndconv", "scipy", "scipy fft", "ndimage"],)
    param_names = ("library",)

    def peakmem_same(self, library):
        x, kernel = filled(40_000_000), filled(101)
        if library == "none":
            y = filled(x.shape)
        elif library == "ndconv":
            y = ndconv.correlate_nd(x, kernel, mode="same")
        elif library == "ndimage":
            y = scipy.ndimage.correlate1d(x, kernel, mode="constant")
        else:
            y = scipy.signal.correlate(x, kernel, mode="same", method="fft" if library.endswith("fft") else "direct")
        return y


class Layers:
    """A layer of many channels, of many pixels, and of many samples."""

    params = (["vgg_64_64_224", "deeplab_aspp_d12", "c3d_64_128_16x56", "wav2vec_512_k3s2"], ["none", "ndconv"])
    param_names = ("layer", "library")

    def peakmem_layer(self, name, library):
        layer = LAYERS[name]
        x, weight = filled(layer.input_shape), filled(layer.weight_shape)
        if library == "none":
            return filled(layer.output_shape), filled(weight.shape)
        return ndconv.ConvLayer(weight, **layer.options)(x), None


class LayerMethods:
    """The layer vgg_64_64_224 (12 MiB in, 12 MiB out) by each method."""

    params = (["none", "direct", "winograd", "fft"],)
    param_names = ("method",)

    def peakmem_layer(self, method):
        layer = LAYERS["vgg_64_64_224"]
        x, weight = filled(layer.input_shape), filled(layer.weight_shape)
        if method == "none":
            return filled(layer.output_shape), filled(weight.shape)
        return ndconv.ConvLayer(weight, method=method, **layer.options)(x), None


class CorrelationMethods:
    """4096x4096 float32 samples (64 MiB in, 64 MiB out) with 31x31 by each method."""

    params = (["none", "direct", "fft", "separable"],)
    param_names = ("method",)

    def peakmem_same(self, method):
        x, kernel = filled((4096, 4096)), filled((31, 31))
        if method == "none":
            return filled(x.shape)
        return ndconv.correlate_nd(x, kernel, mode="same", method=method)
