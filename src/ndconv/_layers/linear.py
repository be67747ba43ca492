"""A layer as a linear map between flat vectors: an operator with its exact adjoint, or a sparse matrix."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .._call.dtypes import Array, result_dtype
from .._call.geometry import Geometry, Shape
from .._gradients.result import ConvGradients

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import LinearOperator


class Layer(Protocol):
    """What is asked of a `ConvLayer`."""

    @property
    def weight(self) -> Array: ...
    @property
    def bias(self) -> Array | None: ...
    @property
    def activation(self) -> str | None: ...
    @property
    def fill_value(self) -> complex: ...
    @property
    def channel_axis(self) -> int | None: ...
    def __call__(self, x: Array) -> Array: ...
    def backward(self, grad_y: Array, x: Array, needs: str) -> ConvGradients: ...


def linear_operator(layer: Layer, input_shape: Shape, output_shape: Shape) -> LinearOperator:
    """Return the layer as SciPy's operator from flat inputs to flat outputs; the shapes are checked."""
    from scipy.sparse.linalg import LinearOperator  # takes longer than all of ndconv

    forward, adjoint = partial(_outputs, layer, input_shape), partial(_adjoint, layer, input_shape, output_shape)
    return LinearOperator(
        (math.prod(output_shape), math.prod(input_shape)), dtype=result_dtype(layer.weight),
        matvec=forward, matmat=forward, rmatvec=adjoint, rmatmat=adjoint,
    )  # fmt: skip


def check_linear(layer: Layer, geometry: Geometry) -> None:
    """Raise for a layer that is not linear: one that does not give zeros for zeros, and sums for sums."""
    if layer.bias is not None:
        raise ValueError(f"bias must be None for a linear map, got one of shape {layer.bias.shape}")
    if layer.activation is not None:
        raise ValueError(f"activation must be None for a linear map, got {layer.activation!r}")
    if geometry.is_filled and layer.fill_value != 0:
        raise ValueError(f"fill_value must be 0 for a linear map, got {layer.fill_value!r}")


def _outputs(layer: Layer, input_shape: Shape, x: Array) -> Array:
    """Return the outputs of a flat input, or of many, each a column."""
    y = layer(_as_batch(x, input_shape, layer.weight.ndim - 1))
    return y.ravel() if x.ndim == 1 else y.reshape(x.shape[1], -1).T


def _adjoint(layer: Layer, input_shape: Shape, output_shape: Shape, y: Array) -> Array:
    """Return the adjoint's values at a flat output, or at many, each a column."""
    grad_y = _as_batch(y, output_shape, layer.weight.ndim - 1)
    shape = (*grad_y.shape[: 1 - layer.weight.ndim], *input_shape[1 - layer.weight.ndim :])
    unread = np.broadcast_to(np.zeros((), result_dtype(layer.weight, y)), shape)
    x = layer.backward(grad_y, unread, needs="x").x
    assert x is not None
    return x.ravel() if y.ndim == 1 else x.reshape(y.shape[1], -1).T


def _as_batch(vectors: Array, shape: Shape, ndim: int) -> Array:
    """Return a flat array, or each column of a matrix, in its shape; columns, and a batch's items, along one axis."""
    if vectors.ndim == 1:
        return vectors.reshape(shape)
    return vectors.T.reshape(vectors.shape[1] * math.prod(shape[:-ndim]), *shape[-ndim:])


def sparse_matrix(layer: Layer, geometry: Geometry, items: int) -> csr_array:
    """Return the layer as SciPy's matrix that maps flat inputs, of so many items of a batch, to flat outputs."""
    from scipy.sparse import coo_array, csr_array, eye_array, kron

    g, weight = geometry, np.asarray(layer.weight, result_dtype(layer.weight))
    sources = _sources(g)
    output, tap = np.nonzero(sources >= 0)
    inputs, outputs = g.channels_in // g.groups, g.channels_out // g.groups
    to, of = np.indices((g.channels_out, inputs)).reshape(2, -1, 1)
    last = layer.channel_axis == -1
    rows = _flat(to, output, g.channels_out, math.prod(g.out_shape), last)
    columns = _flat(to // outputs * inputs + of, sources[output, tap], g.channels_in, math.prod(g.in_shape), last)
    values = weight.reshape(-1, g.taps)[:, tap]
    shape = g.channels_out * math.prod(g.out_shape), g.channels_in * math.prod(g.in_shape)
    # What a padding mode reads more than once is added up.
    matrix = csr_array(coo_array((values.ravel(), (rows.ravel(), columns.ravel())), shape=shape))
    return matrix if items == 1 else csr_array(kron(eye_array(items), matrix), dtype=weight.dtype)


def _sources(g: Geometry) -> Array:
    """Return which sample of x each tap reads, as flat indices (outputs, taps); -1 for none."""
    sources = np.zeros((1, 1), np.intp)
    for i in range(g.ndim):
        first = np.arange(g.out_shape[i])[:, None] * g.stride[i] - g.padding[i][0]
        position = first + np.arange(g.kernel[i]) * g.dilation[i]
        if g.modes[i].name == "zeros":
            position = np.where((position >= 0) & (position < g.in_shape[i]), position, -1)
        else:
            position = g.modes[i].source(position, g.in_shape[i])
        before, along = sources[:, None, :, None], position[None, :, None, :]
        sources = np.where((before < 0) | (along < 0), -1, before * g.in_shape[i] + along)
        sources = sources.reshape(sources.shape[0] * sources.shape[1], -1)
    return sources


def _flat(channel: Array, place: Array, channels: int, places: int, channels_last: bool) -> Array:
    """Return the flat indices of samples, from their channels and their flat places in the channel."""
    return place * channels + channel if channels_last else channel * places + place
