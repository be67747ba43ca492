"""ndconv: the convolution layer for NumPy.

Cross-correlation and convolution in one to three (and more) dimensions, with every padding mode, stride, dilation,
groups and channels, at the speed of the machine.
"""

from ._backward import conv_layer_backward
from ._config import show_config
from ._core import machine
from ._correlate import convolve_nd, correlate_nd
from ._cost import LayerCost, ReceptiveField, layer_cost, output_shape, receptive_field
from ._gradients import ConvGradients
from ._layer import ConvLayer, conv_layer
from ._workers import set_workers

__version__ = machine.version

__all__ = [
    "ConvGradients",
    "ConvLayer",
    "LayerCost",
    "ReceptiveField",
    "conv_layer",
    "conv_layer_backward",
    "convolve_nd",
    "correlate_nd",
    "layer_cost",
    "output_shape",
    "receptive_field",
    "set_workers",
    "show_config",
]
