"""A drawer for each public function, and calls that are wrong."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import nan

from hypothesis import strategies as st

import ndconv.ndimage
import ndconv.signal
from fuzz.drawers import correlations, dropins, gaussians, graphs, layers, shapes, streams
from fuzz.operands import Operand

DRAWERS = {
    "conv_layer": layers.conv_layer,
    "ConvLayer": layers.layer_object,
    "ConvLayer.backward": layers.layer_object_backward,
    "ConvLayer.stream": streams.layer_stream,
    "ConvLayer.explain": shapes.explain,
    "conv_layer_backward": layers.conv_layer_backward,
    "conv_transpose_layer": layers.conv_transpose_layer,
    "conv_transpose_layer_backward": layers.conv_transpose_layer_backward,
    "correlate_nd": correlations.correlate_nd,
    "convolve_nd": correlations.convolve_nd,
    "Correlator": correlations.correlator,
    "CorrelateStream": streams.correlate_stream,
    "gaussian": gaussians.gaussian,
    "graph_conv": graphs.graph_calls,
    "graph_conv_backward": partial(graphs.graph_calls, backward=True),
    "fold_batch_norm": layers.fold_batch_norm,
    "output_shape": partial(shapes.shape_calls, "output_shape"),
    "layer_cost": partial(shapes.shape_calls, "layer_cost"),
    "receptive_field": shapes.receptive_field,
    **{f"ndimage.{name}": partial(dropins.filter_calls, name) for name in ndconv.ndimage.__all__},
    **{
        f"signal.{name}": partial(dropins.convolution_calls, name)
        for name in ("correlate", "convolve", "fftconvolve", "oaconvolve", "correlate2d", "convolve2d")
    },
    "signal.upfirdn": dropins.upfirdn,
    **{
        f"signal.{name}": partial(dropins.signal_filters, name)
        for name in ("lfilter", "filtfilt", "resample_poly", "decimate", "savgol_filter")
    },
    "signal.savgol_coeffs": dropins.savgol_coeffs,
    "signal.correlation_lags": partial(dropins.scipy_only, "correlation_lags"),
    "signal.choose_conv_method": partial(dropins.scipy_only, "choose_conv_method"),
}

#: With some modes, SciPy does not survive arrays that are empty.
DEADLY = ("upfirdn", "2d")

#: Values that are wrong for most keywords.
WRONG = (2**62, 2**63, 2**70, -(2**70), -1, 0, 1.5, nan, "x", b"x", (), (1, 2, 3, 4, 5), [[1]], ((1,),), {}, True, 1j)
NOT_SPOILED = ("bias", "residual", "needs", "weights", "output")


@st.composite
def spoiled(draw, calls):
    """Draw a call, now and then with a wrong value for one of its keywords, or with an array that is empty."""
    call = draw(calls)
    names = [name for name in call.keywords if name not in NOT_SPOILED]
    arrays = [name for name, o in call.operands.items() if isinstance(o, Operand) and o.shape]
    how = draw(st.integers(0, 19))
    if how == 18 and arrays and not call.function.endswith(DEADLY):
        name = draw(st.sampled_from(arrays))
        o = call.operands[name]
        axis = draw(st.integers(0, len(o.shape) - 1))
        emptied = replace(o, shape=(*o.shape[:axis], 0, *o.shape[axis + 1 :]), spots=(), layout="contiguous")
        operands = call.operands | {name: emptied}
        return replace(call, operands=operands, out=None, bad=None if call.is_drop_in else name)
    if how == 19 and names and not call.is_drop_in:
        name = draw(st.sampled_from(names))
        return replace(call, keywords=call.keywords | {name: draw(st.sampled_from(WRONG))}, out=None, bad=name)
    return call
