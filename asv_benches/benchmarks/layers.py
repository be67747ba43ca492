"""Time of convolution layers, after a first call that starts threads and chooses a plan."""

import numpy as np

import ndconv

from .peers import ndimage_layer, seconds_needed_by_layer
from .shapes import LAYERS, normal

PATIENCE = 2.0  # seconds: SciPy is left out of layers for which it would take longer

VARIANTS = {
    "plain": {},
    "relu": {"activation": "relu"},
    "gelu": {"activation": "gelu"},
    "reflect": {"padding_mode": "reflect"},
    "replicate": {"padding_mode": "replicate"},
    "circular": {"padding_mode": "circular"},
    "dilation 2": {"padding": 2, "dilation": 2},
    "channels last": {"channel_axis": -1},
    "1 worker": {"workers": 1},
    "float64": {},
    "big-endian": {},
}


class Networks:
    """Layers of well-known networks, weights packed beforehand; SciPy correlates each pair of channels."""

    rounds, repeat = 1, (1, 7, 3.0)  # SciPy takes seconds
    params = (list(LAYERS), ["ndconv", "scipy"])
    param_names = ("layer", "library")

    def setup(self, name, library):
        layer = LAYERS[name]
        if library == "scipy" and seconds_needed_by_layer(layer) > PATIENCE:
            raise NotImplementedError("SciPy would take too long")
        x, weight, bias = layer.arrays()
        plan = ndconv.ConvLayer(weight, bias, **layer.options)
        self.call = {"ndconv": lambda: plan(x), "scipy": lambda: ndimage_layer(x, weight, bias, layer)}[library]
        plan(x)

    def time_layer(self, name, library):
        self.call()


class Depthwise:
    """Depthwise layers of well-known networks, with channels first and last."""

    params = ([name for name, layer in LAYERS.items() if layer.groups == layer.channels_in > 1], ["first", "last"])
    param_names = ("layer", "channels")

    def setup(self, name, channels):
        layer = LAYERS[name]
        x, weight, bias = layer.arrays()
        last = channels == "last"
        self.x = np.ascontiguousarray(np.moveaxis(x, 1, -1)) if last else x
        self.plan = ndconv.ConvLayer(weight, bias, channel_axis=-1 if last else None, **layer.options)
        self.plan(self.x)

    def time_layer(self, name, channels):
        self.plan(self.x)


class Tiny:
    """A 3x3 layer on an 8x8 image: what a call costs beside its arithmetic."""

    params = ([1, 16], ["ConvLayer", "conv_layer"])
    param_names = ("channels", "function")

    def setup(self, channels, function):
        x, weight = normal(np.float32, (1, channels, 8, 8), (channels, channels, 3, 3))
        plan = ndconv.ConvLayer(weight, padding=1)
        calls = {"ConvLayer": lambda: plan(x), "conv_layer": lambda: ndconv.conv_layer(x, weight, padding=1)}
        self.call = calls[function]
        self.call()

    def time_call(self, channels, function):
        self.call()


class Variants:
    """One layer of 64 to 64 channels, 3x3 on 56x56, in every way to ask for it."""

    params = (list(VARIANTS),)
    param_names = ("variant",)

    def setup(self, variant):
        dtype = np.float64 if variant == "float64" else np.float32
        x, weight, bias = LAYERS["resnet_3x3_64_56"].arrays(dtype)
        if variant == "channels last":
            x = np.ascontiguousarray(np.moveaxis(x, 1, -1))
        self.x = x.astype(">f4") if variant == "big-endian" else x
        self.plan = ndconv.ConvLayer(weight, bias, **{"padding": 1, **VARIANTS[variant]})
        self.plan(self.x)

    def time_variant(self, variant):
        self.plan(self.x)
