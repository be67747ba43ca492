"""A call whose arguments fit: which axis is what to the engine, the plan, and its run."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .._call.arrays import is_in_place, is_new_in_place, mirrored
from .._call.dtypes import Array, compute_type
from .._call.geometry import Geometry, Shape
from .._call.modes import BY_NAME
from .._engine import Prepared, prepare
from .._methods import allows_plain_sums
from .._methods.split_k import pays_to_split_k
from .._runtime.caches import Cache
from .check import Checked, placed

# Multiply-adds that must be saved before a kernel and an x that is shorter change places: outputs are then written
# backwards.
TURNED_MULTIPLY_ADDS = 500_000

# Real numbers of x's last axes from which on a kernel that slides along others goes over them side by side, where they
# are converted. With fewer it takes up to 7 times as long, since each run of them is converted by itself.
LEAST_CONVERTED = 16


class Layout(NamedTuple):
    """Which axis is what to the engine, to which x and y are (*batch, channel, *spatial)."""

    order: tuple[int, ...]  # all of them so; there may be more spatial axes than the kernel slides along
    n_batch: int
    channel: int  # the axis of the bank of filters; a new last one, if there is none
    n_merged: int  # so many of the last axes are a single one to the engine
    view: tuple[slice | None, ...] | None  # what puts that new one in its place, where no other has to move

    def of(self, array: Array) -> Array:
        """Return an array with its axes as the engine wants them."""
        if self.view is not None:
            array = array[self.view]
        else:
            array = (array if self.channel < array.ndim else array[..., None]).transpose(self.order)
        if self.n_merged > 1:
            array = array.reshape(*array.shape[: -self.n_merged], math.prod(array.shape[-self.n_merged :]))
        return array


def _layout(
    batch: tuple[int, ...], channel: int, spatial: tuple[int, ...], merged: tuple[int, ...], ndim: int
) -> Layout:
    """Return the layout of arrays of so many axes."""
    stay = channel == ndim and (*batch, *spatial, *merged) == tuple(range(ndim))
    view = (*(slice(None) for _ in batch), None) if stay else None
    return Layout((*batch, channel, *spatial, *merged), len(batch), channel, len(merged), view)


class Call(NamedTuple):
    """All that can be known of a call before its numbers."""

    checked: Checked
    prepared: Prepared
    layout: Layout
    sets_shape: Shape  # of the kernel to the engine: (sets, out, 1, *kernel)
    x_shape: Shape | None  # of x to the engine, where it has fewer items than y
    is_turned: bool  # whether x slides over the kernel, which is less work and gives the outputs in the opposite order

    @property
    def nbytes(self) -> int:
        """About what it takes in memory, beside a fixed amount."""
        return self.prepared.nbytes

    def run(
        self, x: Array, kernel: Array, y: Array, workers: int | None, mirror: bool, kept: Cache[Any] | None = None
    ) -> None:
        """Write the correlation to y, or the convolution if `mirror`; of the kernel there may be `kept` packings."""
        kernel = placed(kernel, x.ndim, self.checked.kernel_axes)
        if mirror:
            kernel = mirrored(kernel, self.checked.axes)
        elif kernel.dtype.kind == "c":
            kernel = kernel.conj()
        if self.is_turned:
            x, kernel, y = kernel, x, mirrored(y, self.checked.axes)
        layout = self.layout
        x, sets, y = layout.of(x), layout.of(kernel).reshape(self.sets_shape), layout.of(y)
        if self.x_shape is not None:
            x = np.broadcast_to(x, self.x_shape)
        if kept is None or self.is_turned:
            packed = self.prepared.pack(sets, workers)
        else:
            packed = self.prepared.packed(sets, kept, layout.order, workers)
        self.prepared.run(x, packed, y, workers=workers)


def planned(
    checked: Checked, x: Array, kernel: Array, out: Array | None, method: str, by_lags: bool, seen: tuple[str, ...]
) -> Call:
    """Return the call of a kernel whose values the methods named in `seen` like."""
    kernel = placed(kernel, x.ndim, checked.kernel_axes)
    g, axes, plain_sums = checked.geometry, checked.axes, allows_plain_sums(method)
    is_turned = plain_sums and _pays_to_turn(checked)
    if is_turned:
        x, kernel, g, seen = kernel, x, _turned(g), ()
    others = [axis for axis in range(x.ndim) if axis not in axes]
    # An axis that only the kernel has is a bank of filters: the longest becomes the output channels.
    banks = [axis for axis in others if kernel.shape[axis] > 1 and x.shape[axis] == 1]
    channel = max(banks, key=kernel.shape.__getitem__, default=x.ndim)
    if channel < x.ndim:
        g = replace(g, channels_out=kernel.shape[channel])
    split_k = plain_sums and (by_lags or is_turned) and pays_to_split_k(g)
    trailing = () if split_k or is_turned else _trailing_axes(x, kernel, checked, out)
    batch = tuple(axis for axis in others if axis != channel and axis not in trailing)
    layout = _layout(batch, channel, axes, trailing, x.ndim)
    seen = seen if kernel.size == g.taps else ()
    if trailing:
        g = _with_axis(g, math.prod(x.shape[axis] for axis in trailing))
    n, to_engine = len(batch), layout.of(kernel).shape
    sets_shape = (math.prod(to_engine[:n]), to_engine[n], 1, *to_engine[n + 1 :])
    items_of_y = tuple(checked.y_shape[axis] for axis in batch)
    x_shape = layout.of(x).shape
    sizes = [kernel.shape[axis] for axis in batch]
    weight_batch = tuple(math.prod(sizes[i + 1 :]) if sizes[i] > 1 else 0 for i in range(len(sizes)))
    compute = compute_type(checked.dtype)
    if is_turned:  # the kernel may have other strides in the next call like this
        x_in_place = y_in_place = False
    else:
        x_in_place = is_in_place(layout.of(x), g.ndim, compute)
        if out is None:
            y_in_place = is_new_in_place(checked.y_shape, layout.order, g.ndim, checked.dtype)
        else:
            y_in_place = is_in_place(layout.of(out), g.ndim, compute)
    prepared = prepare(
        g, checked.dtype, math.prod(items_of_y),
        x_in_place=x_in_place, y_in_place=y_in_place, x_is_complex=x.dtype.kind == "c",
        fill_value=checked.fill_value, method=method, seen=seen, split_k=split_k, weight_batch=weight_batch,
    )  # fmt: skip
    broadcast = None if x_shape[:n] == items_of_y else (*items_of_y, 1, *x_shape[n + 1 :])
    return Call(checked, prepared, layout, sets_shape, broadcast, is_turned)


def _trailing_axes(x: Array, kernel: Array, checked: Checked, out: Array | None) -> tuple[int, ...]:
    """Return x's last axes, such as an image's colours, where the kernel slides along others and is the same for all.

    With a single tap it slides along these as well, as a single axis: what is next in memory is then next to a
    micro-kernel.
    """
    trailing = tuple(range(checked.axes[-1] + 1, x.ndim))
    if len(checked.axes) == 1 and checked.geometry.stride[0] > 1:
        return ()  # sums along one axis have one order, and with several axes a stride would give them another
    if any(kernel.shape[axis] > 1 for axis in trailing) or x.strides[-1] != x.itemsize or x.size == 0:
        return ()
    dense = min(_dense_axes(x), x.ndim if out is None else _dense_axes(out))
    trailing = trailing[-dense:]
    if x.itemsize == checked.dtype.itemsize == np.dtype(compute_type(checked.dtype)).itemsize:
        return trailing
    numbers = math.prod(x.shape[axis] for axis in trailing) * (2 if checked.dtype.kind == "c" else 1)
    return trailing if numbers >= LEAST_CONVERTED else ()


def _dense_axes(array: Array) -> int:
    """Return how many of an array's last axes are a single one in memory: one at least."""
    count = 1
    while count < array.ndim and array.strides[-count - 1] == array.strides[-count] * array.shape[-count]:
        count += 1
    return count


def _with_axis(geometry: Geometry, size: int) -> Geometry:
    """Return the geometry with one more spatial axis, of so many samples, along which the kernel has a single tap."""
    return replace(
        geometry,
        in_shape=(*geometry.in_shape, size),
        kernel=(*geometry.kernel, 1),
        stride=(*geometry.stride, 1),
        dilation=(*geometry.dilation, 1),
        padding=(*geometry.padding, (0, 0)),
        modes=(*geometry.modes, BY_NAME["zeros"]),
        out_shape=(*geometry.out_shape, size),
    )


def _pays_to_turn(checked: Checked) -> bool:
    """Whether x and kernel had better be in each other's place.

    Both are padded with zeros, with which only one needs to be multiplied: the longer.
    """
    g = checked.geometry
    saved = (g.taps - math.prod(g.in_shape)) * math.prod(checked.y_shape)
    if saved < TURNED_MULTIPLY_ADDS or checked.fill_value != 0 or any(mode.name != "zeros" for mode in g.modes):
        return False
    # With a stride, the sums of floats would be taken in another order than in a stream.
    return 0 not in g.in_shape and set(g.dilation) == {1} and (checked.dtype.kind not in "fc" or set(g.stride) == {1})


def _turned(geometry: Geometry) -> Geometry:
    """Return the geometry of x and kernel in each other's place, whose outputs come in the opposite order."""
    g = geometry
    padding = tuple(
        ((outputs - 1) * step - before, before + size - taps)
        for (before, _), outputs, step, size, taps in zip(
            g.padding, g.out_shape, g.stride, g.in_shape, g.kernel, strict=True
        )
    )
    return replace(g, in_shape=g.kernel, kernel=g.in_shape, padding=padding)
