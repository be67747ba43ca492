"""A call of a layer: arguments -> what they come to for these operands -> the run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._call.activations import ACTIVATIONS, check_activation
from .._call.arguments import Padding, PerAxis, channel_axis_of, one_of
from .._call.arrays import checked_out, copy_if_overlapping, is_in_place, new_output, with_components_of
from .._call.dtypes import Array, compute_type, real_vector, result_dtype, unmasked_array
from .._call.fill import checked_fill_value
from .._call.geometry import Geometry, Shape, batch_of, channels_first, layer_geometry
from .._engine import Prepared, prepare
from .._methods import checked_method


@dataclass(frozen=True, slots=True)
class Settings:
    """The keywords of a layer, as given."""

    stride: PerAxis = 1
    padding: Padding = 0
    padding_mode: str | tuple[str, ...] = "zeros"
    fill_value: complex = 0.0
    dilation: PerAxis = 1
    groups: int = 1
    activation: str | None = None
    channel_axis: int | None = None
    method: str = "auto"


class Call(NamedTuple):
    """All that can be known of a call before its numbers: one for each shape, layout and dtype of x."""

    geometry: Geometry
    prepared: Prepared
    y_shape: Shape  # as returned
    channels_first: tuple[int, ...] | None  # the axes that turn x and y, where channels come last

    @property
    def nbytes(self) -> int:
        """About what it takes in memory, beside a fixed amount."""
        return self.prepared.nbytes

    def run(
        self, x: Array, packed: object, bias: Array | None, residual: Array | None, out: Array | None,
        workers: int | None,
    ) -> Array:  # fmt: skip
        """Return the layer's result."""
        if out is None:
            y = new_output(self.y_shape, self.prepared.dtype)
        else:
            y = out
            x = copy_if_overlapping(x, out)
            residual = None if residual is None else copy_if_overlapping(residual, out)
        if residual is not None:
            residual = with_components_of(residual, self.prepared.dtype)
        if self.channels_first is None:
            self.prepared.run(x, packed, y, bias, residual, workers)
        else:
            first = self.channels_first
            residual = None if residual is None else residual.transpose(first)
            self.prepared.run(x.transpose(first), packed, y.transpose(first), bias, residual, workers)
        return y

    def run_once(
        self, x: Array, weight: Array, bias: Array | None, residual: Array | None, out: Array | None,
        workers: int | None,
    ) -> Array:  # fmt: skip
        """Return the same for a weight and a bias as given, which are packed for this call alone."""
        if out is not None:
            weight = copy_if_overlapping(weight, out)
            bias = None if bias is None else copy_if_overlapping(bias, out)
        packed = self.prepared.pack(as_sets(weight, self.geometry.groups), workers, once=True)
        bias = None if bias is None else real_vector(bias, self.prepared.dtype)
        return self.run(x, packed, bias, residual, out, workers)


def prepare_call(
    x: Array, weight: Array, bias: Array | None, residual: Array | None, settings: Settings, out: Array | None
) -> Call:
    """Check everything and make the plan."""
    activation = one_of(settings.activation, "activation", ACTIVATIONS)
    method = checked_method(settings.method)
    ndim = weight.ndim - 2
    order = None
    if channel_axis_of(settings.channel_axis) is not None:
        if x.ndim not in (ndim + 1, ndim + 2):
            layer_geometry(x.shape, weight.shape, 1, 0, "zeros", 1, 1)  # raises
        order = channels_first(x.ndim, ndim)
        x = x.transpose(order)
    geometry = layer_geometry(
        x.shape, weight.shape, settings.stride, settings.padding, settings.padding_mode, settings.dilation,
        settings.groups,
    )  # fmt: skip
    dtype = result_dtype(x, weight, *(a for a in (bias, residual) if a is not None))
    check_activation(activation, dtype)
    fill_value = checked_fill_value(settings.fill_value, dtype)
    batch, compute = batch_of(x.shape, ndim), compute_type(dtype)
    y_shape = geometry.y_shape(batch, channels_last=order is not None)
    y_in_place = order is None and dtype == compute
    if out is not None:
        checked_out(out, y_shape, dtype)
        y_in_place = y_in_place and is_in_place(out, ndim, compute)
    prepared = prepare(
        geometry, dtype, math.prod(batch), x_in_place=is_in_place(x, ndim, compute), y_in_place=y_in_place,
        x_is_complex=x.dtype.kind == "c", fill_value=fill_value, method=method, activation=activation,
        bias=bias is not None,
    )  # fmt: skip
    return Call(geometry, prepared, y_shape, order)


def layout_of(array: ArrayLike | None) -> object:
    """Return all that is checked of a residual or an `out`, or decides how a call is done: a part of its key."""
    if array is None:
        return None
    if type(array) is not np.ndarray:
        return type(array)
    return array.shape, array.strides, array.dtype, array.flags.aligned, array.flags.writeable


def as_sets(weight: Array, groups: int) -> Array:
    """Return a layer's weights with its groups as an axis of their own."""
    return weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])


def checked_bias(bias: ArrayLike | None, weight: Array) -> Array | None:
    if bias is None:
        return None
    bias = unmasked_array(bias, "bias")
    if bias.shape != weight.shape[:1]:
        raise ValueError(f"bias must have shape {weight.shape[:1]}, one entry per output channel; got {bias.shape}")
    return bias


def check_residual(residual: Array | None, y_shape: Shape) -> None:
    if residual is not None and residual.shape != y_shape:
        raise ValueError(f"residual must have the output's shape {y_shape}, got {residual.shape}")
