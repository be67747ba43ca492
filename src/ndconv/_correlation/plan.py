"""A call whose arguments fit: which axis is what to the engine, and the plan."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from .._call.arrays import is_in_place, is_new_in_place
from .._call.dtypes import Array, compute_type
from .._call.geometry import Geometry, Shape
from .._call.modes import BY_NAME
from .._engine import Prepared, prepare
from .._methods import allows_plain_sums
from .check import Arguments, Checked

# Multiply-adds that must be saved before a kernel and an x that is shorter change places, for a second call of Python.
TURNED_MULTIPLY_ADDS = 500_000


class Call(NamedTuple):
    """All that can be known of a call before its numbers."""

    checked: Checked
    prepared: Prepared | None  # unless it is turned
    order: tuple[int, ...]  # (*batch, channel, *spatial), for the engine; there may be more spatial axes than kernel's
    n_batch: int
    channel: int  # the axis of the bank of filters; a new last one, if there is none
    turned: Arguments | None  # those of the same call with x and kernel in each other's place, where that is less work
    nbytes: int  # about what it takes in memory, beside a fixed amount


def planned(
    checked: Checked, x: Array, kernel: Array, out: Array | None, method: str, by_lags: bool, seen: tuple[str, ...]
) -> Call:
    """Return the call of a kernel with as many axes as x, whose values the methods named in `seen` like."""
    g, axes = checked.geometry, checked.axes
    taps, plain_sums = g.taps, allows_plain_sums(method)
    others = [axis for axis in range(x.ndim) if axis not in axes]
    # An axis that only the kernel has is a bank of filters: the longest becomes the output channels.
    banks = [axis for axis in others if kernel.shape[axis] > 1 and x.shape[axis] == 1]
    channel = max(banks, key=kernel.shape.__getitem__, default=x.ndim)
    split_k = by_lags and plain_sums
    trailing = () if split_k else _trailing_axes(x, kernel, checked)
    batch = tuple(axis for axis in others if axis != channel and axis not in trailing)
    order = (*batch, channel, *axes, *trailing)
    turned = _turned(checked, taps, method) if plain_sums else None
    if turned is not None:
        return Call(checked, None, order, len(batch), channel, turned, 0)
    geometry = _with_axes(g, tuple(x.shape[axis] for axis in trailing)) if trailing else g
    if channel < x.ndim:
        geometry = replace(geometry, channels_out=kernel.shape[channel])
    items = math.prod(checked.y_shape[axis] for axis in batch)
    sizes = [kernel.shape[axis] for axis in batch]
    weight_batch = tuple(math.prod(sizes[i + 1 :]) if sizes[i] > 1 else 0 for i in range(len(sizes)))
    x, ndim, compute = for_engine(x, channel, order), len(axes) + len(trailing), compute_type(checked.dtype)
    x_in_place = is_in_place(x, ndim, compute)
    if out is None:
        y_in_place = is_new_in_place(checked.y_shape, order, ndim, checked.dtype)
    else:
        y_in_place = is_in_place(for_engine(out, channel, order), ndim, compute)
    prepared = prepare(
        geometry, checked.dtype, items,
        x_in_place=x_in_place, y_in_place=y_in_place, x_is_complex=x.dtype.kind == "c", fill_value=checked.fill_value,
        method=method, seen=seen if kernel.size == taps else (), split_k=split_k, weight_batch=weight_batch,
    )  # fmt: skip
    return Call(checked, prepared, order, len(batch), channel, None, prepared.nbytes)


def for_engine(array: Array, channel: int, order: tuple[int, ...]) -> Array:
    """Return an array with its axes as the engine wants them."""
    return (array if channel < array.ndim else array[..., None]).transpose(order)


def _trailing_axes(x: Array, kernel: Array, checked: Checked) -> tuple[int, ...]:
    """Return x's last axes, such as an image's colours, where the kernel slides along others and is the same for all.

    With a single tap it slides along these as well: what is next in memory is then next to a micro-kernel.
    """
    trailing = tuple(range(checked.axes[-1] + 1, x.ndim))
    if len(checked.axes) == 1 and checked.geometry.stride[0] > 1:
        return ()  # sums along one axis have one order, and with several axes a stride would give them another
    if any(kernel.shape[axis] > 1 for axis in trailing) or x.strides[-1] != x.itemsize or x.size == 0:
        return ()
    return trailing


def _with_axes(geometry: Geometry, sizes: Shape) -> Geometry:
    """Return the geometry with more spatial axes, of so many samples, along which the kernel has a single tap."""
    ones = (1,) * len(sizes)
    return replace(
        geometry,
        in_shape=geometry.in_shape + sizes,
        kernel=geometry.kernel + ones,
        stride=geometry.stride + ones,
        dilation=geometry.dilation + ones,
        padding=geometry.padding + ((0, 0),) * len(sizes),
        modes=geometry.modes + (BY_NAME["zeros"],) * len(sizes),
        out_shape=geometry.out_shape + sizes,
    )


def _turned(checked: Checked, taps: int, method: str) -> Arguments | None:
    """Return the arguments for x and kernel in each other's place, or None where they had better stay.

    Both are padded with zeros, with which only one needs to be multiplied: the longer.
    """
    g = checked.geometry
    saved = (taps - math.prod(g.in_shape)) * math.prod(checked.y_shape)
    if saved < TURNED_MULTIPLY_ADDS or checked.fill_value != 0 or any(mode.name != "zeros" for mode in g.modes):
        return None
    # With a stride, the sums of floats would be taken in another order than in a stream.
    if 0 in g.in_shape or set(g.dilation) != {1} or (checked.dtype.kind in "fc" and set(g.stride) != {1}):
        return None
    lags = tuple(
        (before - (n - 1) * step, before)
        for (before, _), n, step in zip(g.padding, g.out_shape, g.stride, strict=True)
    )  # fmt: skip
    return Arguments("full", "zeros", 0.0, g.stride, 1, checked.axes, lags, method)
