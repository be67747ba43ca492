"""The expected answer of each public function, by code that ndconv has no part in."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from fuzz.answers import correlations, dropins, gaussians, graphs, layers, shapes
from fuzz.answers.promise import Find
from fuzz.calls import Call

EXPECTED = {
    "conv_layer": layers.layer,
    "ConvLayer": layers.layer,
    "ConvLayer.stream": layers.layer,
    "ConvLayer.backward": layers.gradients,
    "ConvLayer.explain": shapes.explained,
    "conv_layer_backward": layers.gradients,
    "conv_transpose_layer": layers.layer,
    "conv_transpose_layer_backward": layers.gradients,
    "correlate_nd": correlations.correlation,
    "convolve_nd": correlations.correlation,
    "Correlator": correlations.correlation,
    "CorrelateStream": correlations.correlate_stream,
    "gaussian": gaussians.gaussian,
    "graph_conv": graphs.graph,
    "graph_conv_backward": graphs.graph,
    "fold_batch_norm": layers.fold_batch_norm,
    "output_shape": shapes.shape_or_cost,
    "layer_cost": shapes.shape_or_cost,
    "receptive_field": shapes.receptive_field,
    "ndimage": dropins.ndimage,
    "signal": dropins.signal,
}


def expect(call: Call, arrays: dict) -> list[Any]:
    """Return the expected answer; where there is none, such as an error of SciPy's, that is a find as well."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return EXPECTED[call.function.split(".")[0] if call.is_drop_in else call.function](call, arrays)
    except Exception as error:
        at = error.__traceback__
        while at is not None and at.tb_next is not None:
            at = at.tb_next
        where = f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at else ""
        raise Find(f"no expectation: {type(error).__name__}", f"{error} at {where}") from error
