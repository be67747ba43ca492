"""ndconv: the convolution layer for NumPy.

Cross-correlation and convolution in one to three (and more) dimensions, with every padding mode, stride, dilation,
groups and channels, at the speed of the machine.
"""

import importlib as _importlib
import types as _types
import typing as _typing

# The first, since it refuses to be imported in a sub-interpreter.
from . import _threads as _threads
from ._core import machine
from ._correlation.correlate import convolve_nd, correlate_nd
from ._correlation.gaussian import gaussian
from ._correlator import Correlator
from ._gradients.layer import conv_layer_backward
from ._gradients.result import ConvGradients
from ._layers.batch_norm import fold_batch_norm
from ._layers.conv_layer import conv_layer
from ._layers.cost import LayerCost, ReceptiveField, layer_cost, output_shape, receptive_field
from ._layers.graph import graph_conv, graph_conv_backward
from ._layers.layer import ConvLayer
from ._layers.transposed import conv_transpose_layer, conv_transpose_layer_backward
from ._patch import patch_scipy, patched, unpatch_scipy
from ._runtime.caches import CacheInfo, cache_info, clear_caches, set_cache_limit
from ._runtime.config import show_config
from ._runtime.workers import set_workers
from ._streams.correlate import CorrelateStream
from ._streams.layer import LayerStream

if _typing.TYPE_CHECKING:
    from . import ndimage as ndimage
    from . import signal as signal

__version__ = machine.version

__all__ = [
    "CacheInfo",
    "ConvGradients",
    "ConvLayer",
    "CorrelateStream",
    "Correlator",
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
    "gaussian",
    "graph_conv",
    "graph_conv_backward",
    "layer_cost",
    "output_shape",
    "patch_scipy",
    "patched",
    "receptive_field",
    "set_cache_limit",
    "set_workers",
    "show_config",
    "unpatch_scipy",
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
