"""A call whose arguments fit: which axis is what to the engine, the plan, and its run."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .._call.arrays import is_in_place, is_new_in_place
from .._call.dtypes import Array, compute_type
from .._call.geometry import Geometry, Shape
from .._call.modes import BY_NAME
from .._engine import Prepared, prepare
from .._methods import allows_plain_sums
from .._runtime.caches import Cache
from .check import Checked, placed

# Multiply-adds that must be saved before a kernel and an x that is shorter change places: outputs are then written
# backwards.
TURNED_MULTIPLY_ADDS = 500_000


class Call(NamedTuple):
    """All that can be known of a call before its numbers."""

    checked: Checked
    prepared: Prepared
    order: tuple[int, ...]  # (*batch, channel, *spatial), for the engine; there may be more spatial axes than kernel's
    n_batch: int
    channel: int  # the axis of the bank of filters; a new last one, if there is none
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
            kernel = np.flip(kernel, self.checked.axes)
        elif kernel.dtype.kind == "c":
            kernel = kernel.conj()
        if self.is_turned:
            x, kernel, y = kernel, x, np.flip(y, self.checked.axes)
        n, channel, order = self.n_batch, self.channel, self.order
        x, kernel, y = for_engine(x, channel, order), for_engine(kernel, channel, order), for_engine(y, channel, order)
        if x.shape[:n] != y.shape[:n]:
            x = np.broadcast_to(x, (*y.shape[:n], 1, *x.shape[n + 1 :]))
        sets = kernel.reshape(math.prod(kernel.shape[:n]), kernel.shape[n], 1, *kernel.shape[n + 1 :])
        if kept is None or self.is_turned:
            packed = self.prepared.pack(sets, workers)
        else:
            packed = self.prepared.packed(sets, kept, (channel, order), workers)
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
    split_k = plain_sums and (by_lags or is_turned)
    trailing = () if split_k else _trailing_axes(x, kernel, checked)
    batch = tuple(axis for axis in others if axis != channel and axis not in trailing)
    order = (*batch, channel, *axes, *trailing)
    seen = seen if kernel.size == g.taps else ()
    if trailing:
        g = _with_axes(g, tuple(x.shape[axis] for axis in trailing))
    if channel < x.ndim:
        g = replace(g, channels_out=kernel.shape[channel])
    items = math.prod(checked.y_shape[axis] for axis in batch)
    sizes = [kernel.shape[axis] for axis in batch]
    weight_batch = tuple(math.prod(sizes[i + 1 :]) if sizes[i] > 1 else 0 for i in range(len(sizes)))
    compute = compute_type(checked.dtype)
    if is_turned:  # the kernel may have other strides in the next call like this
        x_in_place = y_in_place = False
    else:
        x_in_place = is_in_place(for_engine(x, channel, order), g.ndim, compute)
        if out is None:
            y_in_place = is_new_in_place(checked.y_shape, order, g.ndim, checked.dtype)
        else:
            y_in_place = is_in_place(for_engine(out, channel, order), g.ndim, compute)
    prepared = prepare(
        g, checked.dtype, items,
        x_in_place=x_in_place, y_in_place=y_in_place, x_is_complex=x.dtype.kind == "c",
        fill_value=checked.fill_value, method=method, seen=seen, split_k=split_k, weight_batch=weight_batch,
    )  # fmt: skip
    return Call(checked, prepared, order, len(batch), channel, is_turned)


def for_engine(array: Array, channel: int, order: tuple[int, ...]) -> Array:
    """Return an array with its axes as the engine wants them: x and y (*batch, channel, *spatial)."""
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
