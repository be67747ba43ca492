"""Where a kernel slides over x: arguments -> what they come to for these operands."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._call.arguments import MODES, Pair, PerAxis, axes_of, lag_ranges, one_of, padding_modes, per_axis
from .._call.arrays import checked_out
from .._call.dtypes import Array
from .._call.fill import checked_fill_value
from .._call.geometry import Geometry, Shape, reordered, single_channel_geometry
from .._call.modes import PaddingMode

# NumPy's limit, less the channel axis that the engine wants.
MOST_AXES = 63

Lags = Pair | tuple[Pair, ...] | None


class Arguments(NamedTuple):
    """What says where the kernel goes, as given."""

    mode: str
    padding_mode: str | tuple[str, ...]
    fill_value: complex
    stride: PerAxis
    dilation: PerAxis
    axes: PerAxis | None
    lags: Lags
    method: str


class Checked(NamedTuple):
    """Arguments that fit the operands: what they come to."""

    geometry: Geometry  # its axes are x's, in their order
    dtype: np.dtype[np.generic]
    fill_value: complex
    y_shape: Shape
    kernel_axes: tuple[int, ...]  # as given: the axes that a kernel with fewer axes than x has
    axes: tuple[int, ...]  # the same in x's order


def check(
    x_shape: Shape,
    kernel_shape: Shape,
    dtype: np.dtype[np.generic],
    arguments: Arguments,
    out: Array | None,
    mirror: bool,
) -> Checked:
    """Return what the arguments come to for a result of a dtype, or raise for what does not fit; all but the method."""
    _check_numbers_of_axes(len(x_shape), len(kernel_shape))
    mode = one_of(arguments.mode, "mode", MODES)
    # All arguments with one entry per axis have these axes' order.
    kernel_axes = axes_of(arguments.axes, len(x_shape), len(kernel_shape))
    ndim = len(kernel_axes)
    if ndim != len(kernel_shape) < len(x_shape):
        raise ValueError(
            f"axes must be as many as kernel's axes ({len(kernel_shape)}) where x has more ({len(x_shape)}), "
            f"got {arguments.axes!r}"
        )
    dilation = per_axis(arguments.dilation, ndim, "dilation", minimum=1)
    stride = per_axis(arguments.stride, ndim, "stride", minimum=1)
    modes = padding_modes(arguments.padding_mode, ndim)
    if mode != "full" and arguments.lags is not None:
        raise ValueError(f"lags stands instead of a mode, got lags={arguments.lags!r} and mode={mode!r}")
    lags = None if arguments.lags is None else lag_ranges(arguments.lags, ndim)
    kernel_shape = _placed_shape(kernel_shape, len(x_shape), kernel_axes)
    in_shape, taps = (tuple(shape[axis] for axis in kernel_axes) for shape in (x_shape, kernel_shape))
    padding = padding_of_mode(mode, lags, in_shape, taps, dilation, mirror, modes)
    geometry = single_channel_geometry(
        in_shape, taps, padding, modes, stride=stride, dilation=dilation, names=("x", "kernel"),
        may_be_empty=mode != "valid" and lags is None,
    )  # fmt: skip
    y_shape = _y_shape(x_shape, kernel_shape, kernel_axes, geometry.out_shape)
    axes = tuple(sorted(kernel_axes))
    if axes != kernel_axes:
        geometry = reordered(geometry, sorted(range(ndim), key=kernel_axes.__getitem__))
    fill_value = checked_fill_value(arguments.fill_value, dtype)
    if out is not None:
        checked_out(out, y_shape, dtype)
    return Checked(geometry, dtype, fill_value, y_shape, kernel_axes, axes)


def _check_numbers_of_axes(of_x: int, of_kernel: int) -> None:
    """Raise for operands whose numbers of axes do not fit together."""
    if of_kernel == 0:
        raise ValueError("kernel must have at least one axis, got a scalar")
    if of_kernel > of_x:
        raise ValueError(f"kernel must not have more axes than x, got {of_kernel} against {of_x}")
    if of_x > MOST_AXES:
        raise ValueError(f"x must have at most {MOST_AXES} axes, got {of_x}")


def placed(kernel: Array, ndim: int, kernel_axes: tuple[int, ...]) -> Array:
    """Return the kernel with as many axes as x: one with the sliding axes alone has each put in its place."""
    if kernel.ndim == ndim:
        return kernel
    kernel = kernel.reshape((1,) * (ndim - len(kernel_axes)) + kernel.shape)
    return np.moveaxis(kernel, range(ndim - len(kernel_axes), ndim), kernel_axes)


def _placed_shape(shape: Shape, ndim: int, kernel_axes: tuple[int, ...]) -> Shape:
    """Return the shape of a kernel that is placed."""
    if len(shape) == ndim:
        return shape
    sizes = dict(zip(kernel_axes, shape, strict=True))
    return tuple(sizes.get(axis, 1) for axis in range(ndim))


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
    mode: str, lags: tuple[Pair, ...] | None, in_shape: Shape, kernel: Shape, dilation: Shape, mirror: bool,
    modes: tuple[PaddingMode, ...],
) -> tuple[Pair, ...]:  # fmt: skip
    """Return the samples to add before and after x on each axis; fewer than none, to leave some out."""
    reaches = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if lags is None:
        if mode == "full":
            return tuple((reach, reach) for reach in reaches)
        if mode == "same":
            return tuple((reach - reach // 2, reach // 2) for reach in reaches)
        return tuple((0, 0) for _ in reaches)
    pairs = []
    for (first, last), size, reach, outside in zip(lags, in_shape, reaches, modes, strict=True):
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
