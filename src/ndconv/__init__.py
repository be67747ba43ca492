"""ndconv: the convolution layer for NumPy.

Cross-correlation and convolution in one to three (and more) dimensions, with every padding mode, stride, dilation,
groups and channels, at the speed of the machine.
"""

import importlib as _importlib
import types as _types
import typing as _typing

# The first, since it refuses to be imported in a sub-interpreter.
from . import _threads as _threads  # isort: split

from ._backward import conv_layer_backward
from ._caches import CacheInfo, cache_info, clear_caches, set_cache_limit
from ._config import show_config
from ._core import machine
from ._correlation.correlate import convolve_nd, correlate_nd
from ._cost import LayerCost, ReceptiveField, layer_cost, output_shape, receptive_field
from ._fold import fold_batch_norm
from ._gradients import ConvGradients
from ._graph import graph_conv, graph_conv_backward
from ._layer import ConvLayer, conv_layer
from ._stream import CorrelateStream, LayerStream
from ._transpose_layer import conv_transpose_layer, conv_transpose_layer_backward
from ._workers import set_workers

if _typing.TYPE_CHECKING:
    from . import ndimage as ndimage
    from . import signal as signal

__version__ = machine.version

__all__ = [
    "CacheInfo",
    "ConvGradients",
    "ConvLayer",
    "CorrelateStream",
    "LayerCost",
    "LayerStream",
    "ReceptiveField",
    "cache_info",
    "clear_caches",
    "conv_layer",
    "conv_layer_backward",
    "conv_transpose_layer",
    "conv_transpose_layer_backward",
    "convolve_nd",
    "correlate_nd",
    "fold_batch_norm",
    "graph_conv",
    "graph_conv_backward",
    "layer_cost",
    "output_shape",
    "receptive_field",
    "set_cache_limit",
    "set_workers",
    "show_config",
]

# Imported when they are first asked for, since they import SciPy.
_SUBMODULES = ("ndimage", "signal")


def __getattr__(name: str) -> _types.ModuleType:
    """Return a submodule that was not imported yet."""
    if name in _SUBMODULES:
        return _importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES})
