"""A layer for a signal that comes in chunks."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from .._call.activations import check_activation
from .._call.arguments import Padding, PerAxis, padding_pairs, per_axis
from .._call.arrays import new_output
from .._call.dtypes import Array, result_dtype
from .._call.geometry import Shape
from .._runtime.caches import Cache
from .base import Stream, stream_method, stream_padding_mode
from .filter import Filter
from .taps import Weights


class Layer(Protocol):
    """What a stream asks of a `ConvLayer`."""

    @property
    def weight(self) -> Array: ...
    @property
    def bias(self) -> Array | None: ...
    @property
    def stride(self) -> PerAxis: ...
    @property
    def padding(self) -> Padding: ...
    @property
    def padding_mode(self) -> str | tuple[str, ...]: ...
    @property
    def fill_value(self) -> complex: ...
    @property
    def dilation(self) -> PerAxis: ...
    @property
    def groups(self) -> int: ...
    @property
    def activation(self) -> str | None: ...
    @property
    def channel_axis(self) -> int | None: ...
    @property
    def method(self) -> str: ...
    @property
    def _workers(self) -> int | None: ...
    @property
    def _packed(self) -> Cache[Any]: ...


class LayerStream(Stream):
    """A causal layer whose signal comes in chunks; made by `ConvLayer.stream`.

    Attributes
    ----------
    layer : ConvLayer
        The layer.
    latency : int
        Always 0: an output is returned with the last sample that it depends on.

    See Also
    --------
    CorrelateStream : The same for a kernel, without channels.

    Examples
    --------
    >>> import numpy as np
    >>> import ndconv
    >>> stream = ndconv.ConvLayer([[[1.0, 2.0, 3.0]]], padding="causal").stream()
    >>> stream.push([[1.0, 0.0]]), stream.push([[0.0, 0.0]])
    (array([[3., 2.]]), array([[1., 0.]]))
    """

    def __init__(self, layer: Layer) -> None:
        weight = layer.weight
        if weight.ndim != 3:
            raise ValueError(f"weight must have one spatial axis for a stream, got shape {weight.shape}")
        (self._stride,) = per_axis(layer.stride, 1, "stride")
        (self._dilation,) = per_axis(layer.dilation, 1, "dilation")
        reach = self._dilation * (weight.shape[-1] - 1)
        # What "same" adds depends on the length; it is least and most for these.
        lengths = (self._stride * (reach + 1), self._stride * (reach + 1) + 1)
        pairs = {
            padding_pairs(layer.padding, (n,), weight.shape[2:], (self._stride,), (self._dilation,))[0] for n in lengths
        }
        if pairs != {(reach, 0)}:
            raise ValueError(
                f"padding must be 'causal' for a stream, here ({reach}, 0): {reach} samples before the signal and none "
                f"after it; got {layer.padding!r}"
            )
        self.layer = layer
        self._method = stream_method(layer.method)
        mode = stream_padding_mode(layer.padding_mode, reach)
        super().__init__(reach, (reach, 0), mode, layer.fill_value, layer._workers)

    def __repr__(self) -> str:
        return f"<LayerStream of {self.layer!r}>"

    def _axis(self, ndim: int) -> int:
        if ndim not in (2, 3):
            raise ValueError(f"chunk must have 2 axes, or 3 with a batch, got {ndim}")
        return ndim - (2 if self.layer.channel_axis == -1 else 1)

    def _check(self, x: Array) -> None:
        channels = self.layer.weight.shape[1] * self.layer.groups
        axis = -1 if self.layer.channel_axis == -1 else -2
        if x.shape[axis] != channels:
            raise ValueError(f"chunk must have {channels} channels on axis {axis}, got shape {x.shape}")

    def _make_filter(self, x: Array) -> Filter:
        layer = self.layer
        dtype = result_dtype(*(a for a in (x, layer.weight, layer.bias) if a is not None))
        check_activation(layer.activation, dtype)
        key = ("stream", dtype, x.dtype.kind == "c")
        made: Filter | None = layer._packed.get(key)
        if made is None:
            weights = Weights(
                layer.weight.astype(dtype, copy=False), layer.bias, layer.groups, self._stride, self._dilation,
                layer.activation, dtype, x.dtype.kind == "c",
            )  # fmt: skip
            made = layer._packed.keep(key, Filter(weights, self._method))
        return made

    def _inside(self, x: Array) -> Array:
        x = x if x.ndim == 3 else x[None]
        return np.moveaxis(x, -1, 1) if self.layer.channel_axis == -1 else x

    def _new_output(self, count: int) -> Array:
        batch: Shape = () if self._first is None else self._first.shape[:-2]
        channels = self.layer.weight.shape[0]
        sizes = (count, channels) if self.layer.channel_axis == -1 else (channels, count)
        dtype = result_dtype(self.layer.weight) if self._filter is None else self._filter.weights.dtype
        return new_output((*batch, *sizes), dtype)
