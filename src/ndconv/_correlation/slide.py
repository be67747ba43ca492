"""A kernel that slides over x: arguments -> what is checked of them -> a call that is planned -> its run."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .._call.arguments import MODES, Pair, axes_of, lag_ranges, one_of, padding_modes, per_axis
from .._call.arrays import checked_out, copy_if_overlapping, is_in_place, is_new_in_place, new_output
from .._call.dtypes import Array, compute_type, result_dtype
from .._call.geometry import Geometry, Shape, reordered, single_channel_geometry
from .._call.modes import BY_NAME, PaddingMode
from .._call.values import checked_fill_value
from .._engine import Prepared, exact_key, prepare, remember
from .._methods import AUTO, allows_plain_sums, checked_method, lookers
from .._runtime.caches import Cache

# NumPy's limit, less the channel axis that the engine wants.
MOST_AXES = 63

# Multiply-adds that must be saved before a kernel and an x that is shorter change places, for a second call of Python.
TURNED_MULTIPLY_ADDS = 500_000


class Arguments(NamedTuple):
    """What says where the kernel goes, as given."""

    mode: Any
    padding_mode: Any
    fill_value: Any
    stride: Any
    dilation: Any
    axes: Any
    lags: Any
    method: Any


class Checked(NamedTuple):
    """Arguments that fit the operands: what they come to."""

    geometry: Geometry  # its axes are x's, in their order
    dtype: np.dtype[Any]
    fill_value: complex
    y_shape: Shape
    kernel_axes: tuple[int, ...]  # as given: the axes that a kernel with fewer axes than x has

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes that the kernel slides along, in x's order."""
        return tuple(sorted(self.kernel_axes))


class _Call(NamedTuple):
    """All that can be known of a call before its numbers."""

    checked: Checked
    prepared: Prepared | None  # unless it is turned
    order: tuple[
        int, ...
    ]  # (*batch, channel, *spatial), for the engine, whose spatial axes may be more than the kernel's
    n_batch: int
    channel: int  # the axis of the bank of filters; a new last one, if there is none
    turned: Arguments | None  # those of the same call with x and kernel in each other's place, where that is less work

    @property
    def nbytes(self) -> int:
        """About what it takes in memory, beside a fixed amount."""
        return 0 if self.prepared is None else self.prepared.nbytes


# What was prepared for recent calls; never their data.
_calls = Cache[_Call]("correlation calls")


def slide(x: Array, kernel: Array, arguments: Arguments, out: Array | None, workers: int | None, mirror: bool) -> Array:
    """Correlate, or convolve if `mirror`."""
    method = checked_method(arguments.method)
    looking = lookers(method, x.size * kernel.size)
    seen = tuple(each.NAME for each in looking if each.sees(kernel, result_dtype(x, kernel))) if looking else ()
    call = key = None
    if out is None:
        key = (mirror, seen, x.shape, x.strides, x.dtype, kernel.shape, kernel.dtype, *map(exact_key, arguments))
        try:
            call = _calls.get(key)
        except TypeError:  # lists are welcome, but have no hash
            key = None
    if call is None:
        checked = check(x, kernel, arguments, out, mirror)
        call = _planned(checked, x, kernel, out, method, arguments.lags is not None, seen)
        if key is not None:
            remember(_calls, key, call, checked.geometry)
    if call.turned is not None:
        return _run_turned(call, x, kernel, out, workers, mirror)
    if out is None:
        y = new_output(call.checked.y_shape, call.checked.dtype)
    else:
        y, x, kernel = out, copy_if_overlapping(x, out), copy_if_overlapping(kernel, out)
    _run(call, x, placed(kernel, x.ndim, call.checked.kernel_axes), y, workers, mirror)
    return y


def delivered(y: Array, checked: Checked, out: Array | None) -> Array:
    """Return a result where it was asked for, in the call's dtype."""
    with np.errstate(over="ignore"):
        if out is None:
            return y.astype(checked.dtype, copy=False)
        out[...] = y
    return out


def placed(kernel: Array, ndim: int, kernel_axes: tuple[int, ...]) -> Array:
    """Return the kernel with as many axes as x: one with the sliding axes alone has each put in its place."""
    if kernel.ndim == ndim:
        return kernel
    kernel = kernel.reshape((1,) * (ndim - len(kernel_axes)) + kernel.shape)
    return np.moveaxis(kernel, range(ndim - len(kernel_axes), ndim), kernel_axes)


# --- Arguments -> what is checked ---------------------------------------------------------------------------------


def check(x: Array, kernel: Array, arguments: Arguments, out: Array | None, mirror: bool) -> Checked:
    """Return what the arguments come to, or raise for what does not fit; all but the method."""
    mode = one_of(arguments.mode, "mode", MODES)
    kernel_axes = _sliding_axes(x, kernel, arguments.axes)
    ndim = len(kernel_axes)
    kernel = placed(kernel, x.ndim, kernel_axes)
    dilation = per_axis(arguments.dilation, ndim, "dilation", minimum=1)
    in_shape, taps = (tuple(array.shape[axis] for axis in kernel_axes) for array in (x, kernel))
    modes = padding_modes(arguments.padding_mode, ndim)
    geometry = single_channel_geometry(
        in_shape,
        taps,
        padding_of_mode(mode, arguments.lags, in_shape, taps, dilation, mirror, modes),
        modes,
        stride=per_axis(arguments.stride, ndim, "stride", minimum=1),
        dilation=dilation,
        names=("x", "kernel"),
        may_be_empty=mode != "valid" and arguments.lags is None,
    )
    dtype = result_dtype(x, kernel)
    fill_value = checked_fill_value(arguments.fill_value, dtype)
    y_shape = _y_shape(x.shape, kernel.shape, kernel_axes, geometry.out_shape)
    if out is not None:
        checked_out(out, y_shape, dtype)
    in_order = reordered(geometry, sorted(range(ndim), key=lambda i: kernel_axes[i]))
    return Checked(in_order, dtype, fill_value, y_shape, kernel_axes)


def _sliding_axes(x: Array, kernel: Array, axes: Any) -> tuple[int, ...]:
    """Return the axes of x that the kernel slides along, in the order of all arguments that have one entry per axis."""
    if kernel.ndim == 0:
        raise ValueError("kernel must have at least one axis, got a scalar")
    if kernel.ndim > x.ndim:
        raise ValueError(f"kernel must not have more axes than x, got {kernel.ndim} against {x.ndim}")
    if x.ndim > MOST_AXES:
        raise ValueError(f"x must have at most {MOST_AXES} axes, got {x.ndim}")
    kernel_axes = axes_of(axes, x.ndim, kernel.ndim)
    if kernel.ndim < x.ndim and len(kernel_axes) != kernel.ndim:
        raise ValueError(
            f"axes must be as many as kernel's axes ({kernel.ndim}) where x has more ({x.ndim}), got {axes!r}"
        )
    return kernel_axes


def _y_shape(x_shape: Shape, kernel_shape: Shape, kernel_axes: tuple[int, ...], out_shape: Shape) -> Shape:
    """Return the shape of the result, whose other axes broadcast."""
    shape = list(x_shape)
    for axis, size in enumerate(kernel_shape):
        if axis in kernel_axes:
            shape[axis] = out_shape[kernel_axes.index(axis)]
        elif x_shape[axis] != size and 1 not in (x_shape[axis], size):
            raise ValueError(
                f"kernel must broadcast with x on the axes that it does not slide along: axis {axis} has "
                f"{size} against {x_shape[axis]}"
            )
        elif size != 1:
            shape[axis] = size
    return tuple(shape)


def padding_of_mode(
    mode: str, lags: Any, in_shape: Shape, kernel: Shape, dilation: Shape, mirror: bool, modes: tuple[PaddingMode, ...]
) -> tuple[Pair, ...]:
    """Return the samples to add before and after x on each axis; fewer than none, to leave some out."""
    reaches = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if lags is None:
        if mode == "full":
            return tuple((reach, reach) for reach in reaches)
        if mode == "same":
            return tuple((reach - reach // 2, reach // 2) for reach in reaches)
        return tuple((0, 0) for _ in reaches)
    if mode != "full":
        raise ValueError(f"lags stands instead of a mode, got lags={lags!r} and mode={mode!r}")
    pairs = []
    for (first, last), size, reach, outside in zip(
        lag_ranges(lags, len(kernel)), in_shape, reaches, modes, strict=True
    ):
        lowest = 0 if mirror else -reach
        highest = lowest + size + reach - 1
        # Where kernel and x do not touch, a repeated x still has something to say; zeros have not.
        if outside.name == "zeros" and (first < lowest or last > highest):
            raise ValueError(
                f"lags must lie in {lowest}..{highest}, where kernel and x touch, under padding_mode 'zeros'; "
                f"got {(first, last)!r}"
            )
        before = lowest + reach - first if mirror else -first
        pairs.append((before, last - first + reach + 1 - size - before))
    return tuple(pairs)


# --- What is checked -> a call that is planned --------------------------------------------------------------------


def _planned(
    checked: Checked, x: Array, kernel: Array, out: Array | None, method: str, by_lags: bool, seen: tuple[str, ...]
) -> _Call:
    """Return the call: which axis is what to the engine, and the plan."""
    g, axes = checked.geometry, checked.axes
    kernel = placed(kernel, x.ndim, checked.kernel_axes)
    others = [axis for axis in range(x.ndim) if axis not in axes]
    turned = None
    if allows_plain_sums(method):
        turned = _turned_arguments(checked, math.prod(checked.y_shape[axis] for axis in others))
    # An axis that only the kernel has is a bank of filters: the longest becomes the output channels.
    banks = [axis for axis in others if kernel.shape[axis] > 1 and x.shape[axis] == 1]
    channel = max(banks, key=lambda axis: kernel.shape[axis], default=x.ndim)
    split_k = by_lags and allows_plain_sums(method)
    trailing = () if split_k else _trailing_axes(x, kernel, axes, g)
    batch = tuple(axis for axis in others if axis != channel and axis not in trailing)
    order = (*batch, channel, *axes, *trailing)
    if turned is not None:
        return _Call(checked, None, order, len(batch), channel, turned._replace(method=method))
    banked = replace(g, channels_out=kernel.shape[channel] if channel < x.ndim else 1)
    slides = _with_axes(banked, tuple(x.shape[axis] for axis in trailing))
    compute = compute_type(checked.dtype)
    if out is None:
        y_in_place = is_new_in_place(checked.y_shape, order, slides.ndim, checked.dtype)
    else:
        y_in_place = is_in_place(_laid_out(out, channel, order), slides.ndim, compute)
    sizes = [kernel.shape[axis] for axis in batch]
    prepared = prepare(
        slides,
        checked.dtype,
        math.prod(checked.y_shape[axis] for axis in batch),
        x_in_place=is_in_place(_laid_out(x, channel, order), slides.ndim, compute),
        y_in_place=y_in_place,
        x_is_complex=x.dtype.kind == "c",
        fill_value=checked.fill_value,
        method=method,
        seen=seen if kernel.size == g.taps else (),
        split_k=split_k,
        weight_batch=tuple(math.prod(sizes[i + 1 :]) if sizes[i] > 1 else 0 for i in range(len(sizes))),
    )
    return _Call(checked, prepared, order, len(batch), channel, None)


def _trailing_axes(x: Array, kernel: Array, kernel_axes: tuple[int, ...], geometry: Geometry) -> tuple[int, ...]:
    """Return x's last axes, such as an image's colours, where the kernel slides along others and is the same for all.

    With a single tap it slides along these as well: what is next in memory is then next to a micro-kernel.
    """
    trailing = tuple(range(max(kernel_axes) + 1, x.ndim))
    if geometry.ndim == 1 and geometry.stride[0] > 1:
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


def _turned_arguments(checked: Checked, items: int) -> Arguments | None:
    """Return the arguments for x and kernel in each other's place, or None where they had better stay.

    Both are padded with zeros, with which only one needs to be multiplied: the longer.
    """
    g = checked.geometry
    saved = (g.taps - math.prod(g.in_shape)) * math.prod(g.out_shape) * items
    if saved < TURNED_MULTIPLY_ADDS or checked.fill_value != 0 or any(mode.name != "zeros" for mode in g.modes):
        return None
    # With a stride, the sums of floats would be taken in another order than in a stream.
    if 0 in g.in_shape or set(g.dilation) != {1} or (checked.dtype.kind in "fc" and set(g.stride) != {1}):
        return None
    lags = tuple(
        (before - (n - 1) * step, before)
        for (before, _), n, step in zip(g.padding, g.out_shape, g.stride, strict=True)
    )  # fmt: skip
    return Arguments("full", "zeros", 0.0, g.stride, 1, checked.axes, lags, AUTO)


# --- The run ------------------------------------------------------------------------------------------------------


def _run(call: _Call, x: Array, kernel: Array, y: Array, workers: int | None, mirror: bool) -> None:
    """Lay the operands out for the engine: (*batch, channel, *spatial) and (*sets, out, in, *kernel)."""
    if y.size == 0:
        return
    assert call.prepared is not None
    xs, ys, filters = (_laid_out(array, call.channel, call.order) for array in (x, y, kernel))
    n = call.n_batch
    if mirror:
        filters = np.flip(filters, tuple(range(n + 1, filters.ndim)))
    elif kernel.dtype.kind == "c":
        filters = filters.conj()
    if xs.shape[:n] != ys.shape[:n]:
        xs = np.broadcast_to(xs, (*ys.shape[:n], 1, *xs.shape[n + 1 :]))
    filters = filters.reshape(math.prod(filters.shape[:n]), filters.shape[n], 1, *filters.shape[n + 1 :])
    call.prepared.run(xs, call.prepared.pack(filters, workers), ys, workers=workers)


def _laid_out(array: Array, channel: int, order: tuple[int, ...]) -> Array:
    """Return an array with its axes as the engine wants them."""
    return (array if channel < array.ndim else array[..., None]).transpose(order)


def _run_turned(call: _Call, x: Array, kernel: Array, out: Array | None, workers: int | None, mirror: bool) -> Array:
    """Correlate by sliding x over the kernel, which gives the outputs in the opposite order."""
    assert call.turned is not None
    kernel_axes = call.checked.kernel_axes
    kernel = placed(kernel, x.ndim, kernel_axes)
    samples = np.flip(kernel, kernel_axes) if mirror else kernel.conj()
    if out is None:
        y = slide(samples, x.conj(), call.turned, None, workers, False)
        return np.ascontiguousarray(np.flip(y, kernel_axes))
    slide(samples, x.conj(), call.turned, np.flip(out, kernel_axes), workers, False)
    return out
