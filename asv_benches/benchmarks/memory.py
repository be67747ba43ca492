"""Peak memory of a whole process; the library "none" only holds the input and an output."""

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
