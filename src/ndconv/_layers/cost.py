"""Shapes and costs of layers, before any of them runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast

from .._call.arguments import Padding, PerAxis, checked_shape, integer, is_sequence, padding_pairs, per_axis
from .._call.dtypes import Array
from .._call.geometry import Geometry, Shape, batch_of, layer_geometry


def output_shape(
    input_shape: Shape,
    weight_shape: Shape,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Shape:
    r"""Return the shape of a layer's output.

    Parameters
    ----------
    input_shape : tuple of int
        (C_in, \*S) or (N, C_in, \*S).
    weight_shape : tuple of int
        (C_out, C_in // groups, \*K).
    stride, padding, dilation, groups : optional
        As in `conv_layer`.

    Returns
    -------
    tuple of int
        (C_out, \*S_out) or (N, C_out, \*S_out).

    Raises
    ------
    ValueError, TypeError
        If `conv_layer` would raise for arrays of these shapes.

    Examples
    --------
    >>> import ndconv
    >>> ndconv.output_shape((3, 224, 224), (64, 3, 7, 7), stride=2, padding=3)
    (64, 112, 112)
    """
    shape = checked_shape(input_shape, "input_shape")
    g = layer_geometry(shape, checked_shape(weight_shape, "weight_shape"), stride, padding, "zeros", dilation, groups)
    return g.y_shape(batch_of(shape, g.ndim))


@dataclass(frozen=True)
class LayerCost:
    """What a layer costs; prints as a table.

    Attributes
    ----------
    parameters : int
        Weights and, if there is one, bias: ``C_out * (C_in // groups) * prod(K) + C_out``.
    multiply_adds : int
        ``N * C_out * (C_in // groups) * prod(K) * prod(S_out)``; products with padding count, as everywhere.
    output_shape : tuple of int
        Shape of the output.
    dense_parameters : int
        Weights of the fully-connected layer between one input and one output: ``C_in * prod(S) * C_out * prod(S_out)``.
    bytes : int
        Input, weights, bias and output together.
    """

    parameters: int
    multiply_adds: int
    output_shape: Shape
    dense_parameters: int
    bytes: int

    def __str__(self) -> str:
        rows = [
            ("output shape", " x ".join(map(str, self.output_shape))),
            ("parameters", f"{self.parameters:,}"),
            ("multiply-adds", f"{self.multiply_adds:,}"),
            ("dense parameters", f"{self.dense_parameters:,}"),
            ("bytes", f"{self.bytes:,}"),
        ]
        width = max(len(value) for _, value in rows)
        return "\n".join(f"{name:<18}{value:>{width}}" for name, value in rows)


def layer_cost(
    input_shape: Shape,
    weight_shape: Shape,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    bias: bool = True,
    itemsize: int = 4,
) -> LayerCost:
    r"""Return the parameters, multiply-adds and bytes of a layer.

    Parameters
    ----------
    input_shape : tuple of int
        (C_in, \*S) or (N, C_in, \*S).
    weight_shape : tuple of int
        (C_out, C_in // groups, \*K).
    stride, padding, dilation, groups : optional
        As in `conv_layer`.
    bias : bool, optional
        Whether the layer has one.
    itemsize : int, optional
        Bytes of one number; 4 for float32.

    Returns
    -------
    LayerCost
        Its fields are numbers; printed, it is a table.

    Raises
    ------
    ValueError, TypeError
        If `conv_layer` would raise for arrays of these shapes.

    Examples
    --------
    A fully-connected layer between the same shapes would have 270 million times as many parameters:

    >>> import ndconv
    >>> print(ndconv.layer_cost((3, 224, 224), (64, 3, 3, 3), padding=1))
    output shape         64 x 224 x 224
    parameters                    1,792
    multiply-adds            86,704,128
    dense parameters    483,385,147,392
    bytes                    13,454,336
    """
    shape = checked_shape(input_shape, "input_shape")
    g = layer_geometry(shape, checked_shape(weight_shape, "weight_shape"), stride, padding, "zeros", dilation, groups)
    return cost_of(g, shape, bias, integer(itemsize, "itemsize", minimum=1))


def cost_of(g: Geometry, input_shape: Shape, bias: bool, itemsize: int) -> LayerCost:
    """Return the cost of a checked layer."""
    batch = batch_of(input_shape, g.ndim)
    out_shape = (*batch, g.channels_out, *g.out_shape)
    parameters = g.weights + (g.channels_out if bias else 0)
    return LayerCost(
        parameters=parameters,
        multiply_adds=math.prod(batch) * g.multiply_adds,
        output_shape=out_shape,
        dense_parameters=g.channels_in * math.prod(g.in_shape) * g.channels_out * math.prod(g.out_shape),
        bytes=itemsize * (math.prod(input_shape) + parameters + math.prod(out_shape)),
    )


@dataclass(frozen=True)
class ReceptiveField:
    """The input samples that one output of a stack of layers sees.

    Attributes
    ----------
    size : tuple of int
        Samples from the first to the last that an output sees, for each axis.
    jump : tuple of int
        Input samples from one output to the next.
    start : tuple of int
        Input position of the first sample that output 0 sees; negative within the padding.
    """

    size: Shape
    jump: Shape
    start: Shape

    def __str__(self) -> str:
        rows = [("size", self.size), ("jump", self.jump), ("start", self.start)]
        return "\n".join(f"{name:<6}{', '.join(map(str, value))}" for name, value in rows)


class Layer(Protocol):
    """What `receptive_field` asks of a `ConvLayer`."""

    @property
    def weight(self) -> Array: ...
    @property
    def stride(self) -> PerAxis: ...
    @property
    def dilation(self) -> PerAxis: ...
    @property
    def padding(self) -> Padding: ...


class _Entry(NamedTuple):
    """The same of any layer."""

    kernel: PerAxis
    stride: PerAxis = 1
    dilation: PerAxis = 1
    padding: Padding = 0


def receptive_field(
    layers: Iterable[Layer | Sequence[PerAxis | Padding] | Mapping[str, PerAxis | Padding]],
) -> ReceptiveField:
    """Return the receptive field of a stack of layers.

    Parameters
    ----------
    layers : iterable
        The layers, the first one first: each a `ConvLayer`, a tuple ``(kernel, stride, dilation, padding)`` whose end
        may be missing, or a dict with those keys. Their entries are as in `conv_layer`, and `kernel` is an int or one
        per axis. Pooling counts as a layer, too.

    Returns
    -------
    ReceptiveField
        Its size, the jump from output to output, and where it starts.

    Raises
    ------
    ValueError
        If layers have different numbers of axes, or a padding depends on the size of the input ("same" with a stride).
    TypeError
        If a layer is none of the above.

    Notes
    -----
    From layer to layer, ``size += dilation * (kernel - 1) * jump``, ``start -= pad_before * jump``, ``jump *= stride``.

    Examples
    --------
    Four layers of a WaveNet, whose dilation doubles:

    >>> import ndconv
    >>> print(ndconv.receptive_field([(2, 1, dilation, "causal") for dilation in (1, 2, 4, 8)]))
    size  16
    jump  1
    start -15
    """
    if not isinstance(layers, Iterable):
        raise TypeError(f"layers must be an iterable of layers, got {layers!r}")
    entries = [_as_entry(layer) for layer in layers]
    counts = {len(cast(Sized, value)) for entry in entries for value in entry if is_sequence(value)}
    if len(counts) > 1:
        raise ValueError(f"layers must have the same number of spatial axes, got {sorted(counts)}")
    ndim = counts.pop() if counts else 1
    size, jump, start = [1] * ndim, [1] * ndim, [0] * ndim
    for entry in entries:
        kernel = per_axis(entry.kernel, ndim, "kernel", minimum=1)
        stride = per_axis(entry.stride, ndim, "stride", minimum=1)
        dilation = per_axis(entry.dilation, ndim, "dilation", minimum=1)
        if entry.padding in ("same", "same_lower") and max(stride) > 1:
            raise ValueError(
                f"padding {entry.padding!r} with a stride depends on the input's size; give (before, after) pairs"
            )
        pairs = padding_pairs(entry.padding, kernel, kernel, stride, dilation)
        for axis in range(ndim):
            size[axis] += dilation[axis] * (kernel[axis] - 1) * jump[axis]
            start[axis] -= pairs[axis][0] * jump[axis]
            jump[axis] *= stride[axis]
    return ReceptiveField(tuple(size), tuple(jump), tuple(start))


def _as_entry(layer: Any) -> _Entry:
    """Return a layer's kernel, stride, dilation and padding; its type is what a user gave."""
    if hasattr(layer, "weight"):
        return _Entry(tuple(layer.weight.shape[2:]), layer.stride, layer.dilation, layer.padding)
    if isinstance(layer, Mapping):
        unknown = set(layer) - set(_Entry._fields)
        if unknown or "kernel" not in layer:
            raise ValueError(f"layers must have the keys kernel, stride, dilation and padding, got {sorted(layer)}")
        return _Entry(**layer)
    if is_sequence(layer) and 1 <= len(layer) <= 4:
        return _Entry(*layer)
    raise TypeError(f"layers must be ConvLayers, (kernel, stride, dilation, padding) tuples or dicts, got {layer!r}")
