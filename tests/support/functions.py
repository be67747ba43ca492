"""Every function that takes arrays, with arrays that are right."""

import numpy as np

import ndconv

SIGNAL, FILTERS = np.ones((3, 9)), np.ones((3, 3, 2))

#: What is wrong with an array is said alike by all.
FUNCTIONS = {
    "conv_layer": (ndconv.conv_layer, {"x": SIGNAL, "weight": FILTERS, "bias": [1.0] * 3, "residual": SIGNAL[:, 1:]}),
    "ConvLayer": (ndconv.ConvLayer, {"weight": FILTERS, "bias": [1.0] * 3}),
    "ConvLayer()": (ndconv.ConvLayer(FILTERS), {"x": SIGNAL, "residual": SIGNAL[:, 1:]}),
    "ConvLayer().backward": (
        ndconv.ConvLayer(FILTERS, activation="relu").backward,
        {"grad_y": SIGNAL[:, 1:], "x": SIGNAL, "residual": SIGNAL[:, 1:]},
    ),
    "conv_layer_backward": (ndconv.conv_layer_backward, {"grad_y": SIGNAL[:, 1:], "x": SIGNAL, "weight": FILTERS}),
    "conv_transpose_layer": (
        ndconv.conv_transpose_layer,
        {"x": SIGNAL, "weight": FILTERS, "bias": [1.0] * 3, "residual": np.ones((3, 10))},
    ),
    "conv_transpose_layer_backward": (
        ndconv.conv_transpose_layer_backward,
        {"grad_y": np.ones((3, 10)), "x": SIGNAL, "weight": FILTERS},
    ),
    "graph_conv": (
        ndconv.graph_conv,
        {"x": SIGNAL, "adjacency": np.eye(3), "weight": np.ones((9, 2)), "bias": [1.0, 2.0]},
    ),
    "graph_conv_backward": (
        ndconv.graph_conv_backward,
        {"grad_y": np.ones((3, 2)), "x": SIGNAL, "adjacency": np.eye(3), "weight": np.ones((9, 2))},
    ),
    "fold_batch_norm": (
        ndconv.fold_batch_norm,
        {"weight": FILTERS, **{name: [1.0] * 3 for name in ("bias", "gamma", "beta", "mean", "var")}},
    ),
    "CorrelateStream": (ndconv.CorrelateStream, {"kernel": [1.0, 2.0]}),
    "CorrelateStream().push": (lambda chunk: ndconv.CorrelateStream([1.0, 2.0]).push(chunk), {"chunk": SIGNAL}),
    "ConvLayer().stream().push": (
        lambda chunk: ndconv.ConvLayer(FILTERS, padding="causal").stream().push(chunk),
        {"chunk": SIGNAL},
    ),
    "correlate_nd": (ndconv.correlate_nd, {"x": SIGNAL, "kernel": FILTERS[0]}),
    "convolve_nd": (ndconv.convolve_nd, {"x": SIGNAL, "kernel": FILTERS[0]}),
}
ARGUMENTS = [(function, name) for function, (_, arrays) in FUNCTIONS.items() for name in arrays]


def call(function, **changed):
    f, arrays = FUNCTIONS[function]
    return f(**{**arrays, **changed})
