"""Who takes part: ndconv, and every installed peer, with the same arrays and the same number of threads.

A peer is prepared as its users would prepare it, with the weights known beforehand, and becomes a call without
arguments. Its library is imported only then.
"""

import contextlib
import functools
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.ndimage
import scipy.signal
from benchmarks.calls import FunctionCall
from benchmarks.peers import ndimage_correlate, scipy_correlate, scipy_fft, scipy_overlap_add, seconds_needed
from benchmarks.shapes import Gradients, Layer, Signal, Transposed
from measure import Call, Calls

import ndconv
import ndconv.ndimage
import ndconv.signal

REAL, COMPLEX = ("float32", "float64"), ("complex64", "complex128")
PATIENCE = 12.0  # seconds: a contender that would take longer for one call is left out


@dataclass(frozen=True)
class Peer:
    """A library: the modules that it needs, how it prepares a problem (None: it cannot do that), and its dtypes."""

    modules: tuple[str, ...]
    prepare: Callable[..., Call | None]
    dtypes: tuple[str, ...] = REAL

    def takes_part(self, dtype: np.dtype) -> bool:
        return dtype.name in self.dtypes and all(map(importlib.util.find_spec, self.modules))


def names(peers: dict[str, Peer], dtype: np.dtype) -> list[str]:
    """Return which of these peers are installed and know the dtype."""
    return [name for name, peer in peers.items() if peer.takes_part(dtype)]


def layer_calls(layer: Layer, dtype: np.dtype, workers: int, method: str, last: bool = False) -> Calls:
    """Return ndconv's two calls of a layer, weights packed beforehand and in the call, and those of its peers.

    With `last`, ndconv takes and returns arrays whose channels are last; answers are views with channels first.
    """
    x, weight, bias = layer.arrays(dtype)
    options = {"method": method, "channel_axis": -1 if last else None, **layer.options}
    packed = ndconv.ConvLayer(weight, bias, **options)
    own = np.ascontiguousarray(np.moveaxis(x, 1, -1)) if last else x
    first = functools.partial(np.moveaxis, source=-1, destination=1) if last else np.asarray
    calls = {
        "ndconv": lambda: first(packed(own, workers=workers)),
        "conv_layer": lambda: first(ndconv.conv_layer(own, weight, bias, workers=workers, **options)),
    }
    for name in names(LAYER_PEERS, dtype):
        if call := LAYER_PEERS[name].prepare(x, weight, bias, layer, workers):
            calls[name] = call
    return calls


def gradient_calls(problem: Gradients, dtype: np.dtype, workers: int) -> Calls:
    """Return ndconv's two calls for all gradients of a layer, and those of its peers; each returns that to weights."""
    arrays, options = problem.arrays(dtype), problem.layer.options
    packed = ndconv.ConvLayer(arrays[2], **options)
    calls = {
        "ndconv": lambda: packed.backward(*arrays[:2], workers=workers).weight,
        "conv_layer": lambda: ndconv.conv_layer_backward(*arrays, workers=workers, **options).weight,
    }
    for name in names(GRADIENT_PEERS, dtype):
        if call := GRADIENT_PEERS[name].prepare(*arrays, problem.layer):
            calls[name] = call
    return calls


def transposed_calls(layer: Transposed, dtype: np.dtype, workers: int) -> Calls:
    """Return ndconv's call of a transposed layer, and those of its peers."""
    x, weight, bias = layer.arrays(dtype)
    calls = {"ndconv": lambda: ndconv.conv_transpose_layer(x, weight, bias, workers=workers, **layer.options)}
    for name in names(TRANSPOSED_PEERS, dtype):
        if call := TRANSPOSED_PEERS[name].prepare(x, weight, bias, layer):
            calls[name] = call
    return calls


def signal_calls(signal: Signal, dtype: np.dtype, workers: int, method: str) -> Calls:
    """Return ndconv's correlation, and those of the peers that do not take too long."""
    x, kernel = signal.arrays(dtype)
    calls = {"ndconv": lambda: ndconv.correlate_nd(x, kernel, mode="same", method=method, workers=workers)}
    for name in names(SIGNAL_PEERS, dtype):
        if seconds_needed(name, signal) < PATIENCE and (call := SIGNAL_PEERS[name].prepare(x, kernel)):
            calls[name] = call
    return calls


def drop_in_calls(problem: FunctionCall) -> Calls:
    """Return the call of a function of ndconv's in SciPy's place, and of SciPy's own."""
    if problem.function in SPECIAL_CALLS:
        return SPECIAL_CALLS[problem.function](*problem.arrays(), **problem.keywords)
    return {library.__name__: problem.of(library) for library in (ndconv, scipy)}


def channel_calls(x, taps) -> Calls:
    """Return calls of a causal filter along each row of x."""
    samples = x.shape[1]
    return {
        "ndconv": lambda: ndconv.signal.oaconvolve(x, taps, axes=1)[:, :samples],
        "scipy": lambda: scipy.signal.oaconvolve(x, taps, axes=1)[:, :samples],
        "scipy-lfilter": lambda: scipy.signal.lfilter(taps[0], 1, x),
    }


def lag_calls(x, kernel, lags: tuple[int, int]) -> Calls:
    """Return calls for the correlation at a few lags, of which SciPy computes all."""
    wanted = slice(*np.add(lags, (kernel.size - 1, kernel.size)))
    return {
        "ndconv": lambda: ndconv.correlate_nd(x, kernel, lags=lags),
        "scipy": lambda: scipy.signal.correlate(x, kernel)[wanted],
    }


@contextlib.contextmanager
def threads(workers: int) -> Iterator[None]:
    """Give every contender the same number of threads, and PyTorch no gradients to think of."""
    os.environ["NPROC"] = str(workers)  # read by XLA, once, when JAX starts: there is no other way to tell it
    with contextlib.ExitStack() as stack:
        stack.enter_context(ndconv.set_workers(workers))
        stack.enter_context(scipy.fft.set_workers(workers))
        if importlib.util.find_spec("cv2"):
            import cv2

            cv2.setNumThreads(workers)
        if importlib.util.find_spec("torch"):
            import torch

            torch.set_num_threads(workers)
            stack.enter_context(torch.inference_mode())
        yield


# ------------------------------------------------------------------------------------------------------------- PyTorch


def torch_layer(x, weight, bias, layer: Layer, workers: int) -> Call:
    """Return PyTorch's layer, channels first."""
    import torch

    x, weight, bias = map(torch.from_numpy, (x, weight, bias))
    conv = {3: torch.conv1d, 4: torch.conv2d, 5: torch.conv3d}[x.ndim]
    return functools.partial(conv, x, weight, bias, **layer.options)


def torch_last_layer(x, weight, bias, layer: Layer, workers: int) -> Call:
    """Return PyTorch's layer, channels last."""
    import torch

    x, weight, bias, options = channels_last(x, weight, bias, layer)
    conv = {4: torch.conv2d, 5: torch.conv3d}[x.ndim]
    return functools.partial(conv, x, weight, bias, **options)


def torch_packed_layer(x, weight, bias, layer: Layer, workers: int) -> Call | None:
    """Return PyTorch's layer as torch.compile makes it of frozen weights: channels last, weights laid out by oneDNN."""
    import torch

    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")):
        return None
    x, weight, bias, options = channels_last(x, weight, bias, layer)
    stride, padding, dilation = (options[name] for name in ("stride", "padding", "dilation"))
    shape = list(x.shape)
    packed = torch.ops.mkldnn._reorder_convolution_weight(weight, padding, stride, dilation, layer.groups, shape)
    conv = torch.ops.mkldnn._convolution_pointwise
    return lambda: conv(x, packed, bias, padding, stride, dilation, layer.groups, "none", [], "")


def channels_last(x, weight, bias, layer: Layer) -> tuple:
    """Return tensors with channels last, and the options; PyTorch knows 1-D so only as images one pixel high."""
    import torch

    x, weight, bias = map(torch.from_numpy, (x, weight, bias))
    axes = len(layer.spatial)
    options = {name: [value] * axes for name, value in layer.options.items() if name != "groups"}
    if axes == 1:
        x, weight = x.unsqueeze(2), weight.unsqueeze(2)
        flat = {"stride": 1, "padding": 0, "dilation": 1}
        options = {name: [flat[name], *values] for name, values in options.items()}
    layout = torch.channels_last if x.ndim == 4 else torch.channels_last_3d
    x, weight = x.to(memory_format=layout), weight.to(memory_format=layout)
    return x, weight, bias, options | {"groups": layer.groups}


def torch_gradients(grad_y, x, weight, layer: Layer, last: bool = False) -> Call | None:
    """Return PyTorch's backward pass of a layer with a bias, channels first or last."""
    import torch

    axes = len(layer.spatial)
    if last and axes == 1:
        return None
    layout = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d}[axes if last else 1]
    arrays = [torch.from_numpy(array).to(memory_format=layout) for array in (grad_y, x, weight)]
    moves = ([value] * axes for value in (layer.stride, layer.padding, layer.dilation))
    rest = ([layer.channels_out], *moves, False, [0] * axes, layer.groups, [True] * 3)
    return lambda: torch.ops.aten.convolution_backward(*arrays, *rest)[1]


def torch_transposed(x, weight, bias, layer: Transposed, last: bool = False) -> Call | None:
    """Return PyTorch's transposed layer, channels first or last."""
    import torch

    axes = len(layer.spatial)
    if last and axes == 1:
        return None
    layout = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d}[axes if last else 1]
    conv = {1: torch.conv_transpose1d, 2: torch.conv_transpose2d, 3: torch.conv_transpose3d}[axes]
    x, weight = (torch.from_numpy(array).to(memory_format=layout) for array in (x, weight))
    return functools.partial(conv, x, weight, torch.from_numpy(bias), **layer.options)


def torch_signal(x, kernel) -> Call:
    import torch

    conv = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}[x.ndim]
    padding = tuple(k // 2 for k in kernel.shape)
    return functools.partial(
        conv, torch.from_numpy(x)[None, None], torch.from_numpy(kernel)[None, None], None, 1, padding
    )


# -------------------------------------------------------------------------------------------------------- ONNX Runtime


def onnx_layer(x, weight, bias, layer: Layer, workers: int) -> Call:
    """Return a session that runs one Conv node, whose weights ONNX Runtime lays out when the session starts."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    axes = len(layer.spatial)
    node = helper.make_node(
        "Conv",
        ["x", "weight", "bias"],
        ["y"],
        strides=[layer.stride] * axes,
        pads=[layer.padding] * (2 * axes),
        dilations=[layer.dilation] * axes,
        group=layer.groups,
    )
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, layer.output_shape)],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = workers
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": x})[0]


# ------------------------------------------------------------------------------------------------------------ OpenVINO


def openvino_layer(x, weight, bias, layer: Layer, workers: int) -> Call:
    """Return a model of one convolution and its bias, compiled for the CPU; its result is not copied."""
    sys.modules.setdefault("openvino_telemetry", None)  # a measurement sends no reports: OpenVINO works without them
    import openvino
    from openvino import opset13 as ops

    axes = len(layer.spatial)
    stride, padding, dilation = ([value] * axes for value in (layer.stride, layer.padding, layer.dilation))
    if layer.groups == 1:
        convolution = ops.convolution
    else:
        convolution = ops.group_convolution
        weight = weight.reshape(layer.groups, -1, *weight.shape[1:])
    source = ops.parameter(x.shape, openvino.Type.f32)
    sums = convolution(source, ops.constant(weight), stride, padding, padding, dilation)
    model = openvino.Model([ops.add(sums, ops.constant(bias.reshape(1, -1, *[1] * axes)))], [source])
    hints = {"INFERENCE_NUM_THREADS": workers, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", hints)
    return lambda: compiled(x, share_inputs=True, share_outputs=True)[0]


# ----------------------------------------------------------------------------------------------------------------- JAX


def jax_layer(x, weight, bias, layer: Layer, workers: int) -> Call:
    axes = len(layer.spatial)
    options = {
        "window_strides": [layer.stride] * axes,
        "padding": [(layer.padding, layer.padding)] * axes,
        "rhs_dilation": [layer.dilation] * axes,
        "feature_group_count": layer.groups,
    }
    return jax_call(x, weight, bias.reshape(-1, *[1] * axes), **options)


def jax_signal(x, kernel) -> Call:
    padding = [(k // 2, k // 2) for k in kernel.shape]
    return jax_call(x[None, None], kernel[None, None], 0, window_strides=[1] * x.ndim, padding=padding)


def jax_call(x, weight, bias, **options) -> Call:
    """Return a convolution that XLA compiled with its weights as constants; in float64 XLA may crash."""
    import jax

    x = jax.device_put(x)
    compiled = jax.jit(lambda x: jax.lax.conv_general_dilated(x, weight, **options) + bias).lower(x).compile()
    return lambda: compiled(x).block_until_ready()


# ---------------------------------------------------------------------------------------------------- SciPy and OpenCV


def numpy_signal(correlate: Callable, x, kernel) -> Call:
    return functools.partial(correlate, x, kernel)


def opencv_signal(x, kernel) -> Call | None:
    import cv2

    if x.ndim != 2:
        return None
    return lambda: cv2.filter2D(x, -1, kernel, borderType=cv2.BORDER_CONSTANT)


# -------------------------------------------------------------------------------------------------------------- tables

LAYER_PEERS = {
    "pytorch": Peer(("torch",), torch_layer, ("float16", *REAL, *COMPLEX)),
    "pytorch-last": Peer(("torch",), torch_last_layer, ("float16", *REAL, *COMPLEX)),
    "pytorch-pack": Peer(("torch",), torch_packed_layer, ("float32",)),
    "onnxruntime": Peer(("onnx", "onnxruntime"), onnx_layer, ("float32",)),
    "openvino": Peer(("openvino",), openvino_layer, ("float32",)),
    "jax": Peer(("jax",), jax_layer, ("float32",)),
}

GRADIENT_PEERS = {
    "pytorch": Peer(("torch",), torch_gradients),
    "pytorch-last": Peer(("torch",), functools.partial(torch_gradients, last=True)),
}

TRANSPOSED_PEERS = {
    "pytorch": Peer(("torch",), torch_transposed),
    "pytorch-last": Peer(("torch",), functools.partial(torch_transposed, last=True)),
}

SIGNAL_PEERS = {
    "scipy": Peer(("scipy",), functools.partial(numpy_signal, scipy_correlate), REAL + COMPLEX),
    "scipy-fft": Peer(("scipy",), functools.partial(numpy_signal, scipy_fft), REAL + COMPLEX),
    "scipy-oa": Peer(("scipy",), functools.partial(numpy_signal, scipy_overlap_add), REAL + COMPLEX),
    "ndimage": Peer(("scipy",), functools.partial(numpy_signal, ndimage_correlate)),
    "opencv": Peer(("cv2",), opencv_signal),
    "pytorch": Peer(("torch",), torch_signal),
    "jax": Peer(("jax",), jax_signal, ("float32",)),
}

SPECIAL_CALLS = {"channels": channel_calls, "lags": lag_calls}
DROP_IN_PEERS = ("scipy", "scipy-lfilter")
