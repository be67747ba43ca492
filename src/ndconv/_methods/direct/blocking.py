"""The blocking: the box of a task, the channels summed at a time, and the planes and taps laid out for the core."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..._call.dtypes import Array
from ..._call.geometry import Geometry, Shape
from ..._core import Core
from .. import extent
from ..problem import Problem
from .boxes import UNBOUNDED, cut, largest_box, smallest_box
from .kernels import ranked
from .layout import (
    BLOCK_PLANE_BYTES,
    STRETCH_BYTES,
    channel_blocks,
    evenly_cut,
    plane_bytes,
    reads_in_place,
)
from .planes import AxisLayout, axis_layout, shifted_layout
from .taps import NONE, chains, least_step, shifted_chains, taps_within

# Bytes of the planes of the kernel whose vectors are pixels' channels.
DEPTHWISE_PLANE_BYTES = 320 << 10

# Outputs of a box below which its weights, read once a box, would be what it waits for.
LEAST_PIXELS = 300

# Input and output channels above which a bank reads planes instead of x, where each channel's samples lie on pages of
# their own, and more often than not compete for the same places in cache.
IN_PLACE_CHANNELS = 16

# Bytes of a task's unfinished sums, kept while the input channels come in blocks.
SUM_BYTES = 2 << 20

# Taps along the only axis for which samples are copied for each lane of a vector, so that no vector of them crosses a
# cache line: fewer do not make up for the copies, and with more these are no longer near.
SHIFTED_TAPS = range(200, 4000)


class Blocking(NamedTuple):
    """What ``_core``'s `Direct` is told; `Plan` in ``_core/plan.pxi`` says what each is."""

    kernel: str
    groups: int
    sets: int
    channels_in: int
    channels_out: int
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    stride: tuple[int, ...]
    origin: tuple[int, ...]
    modes: tuple[int, ...]
    fill_values: Array
    box: tuple[int, ...]
    n_blocks: int
    blocks_per_task: int
    groups_per_task: int
    channel_block: int
    padded_channels: int
    stretch: int
    interleave: int
    in_place: bool
    flat: bool
    skip: bool
    zeros: bool
    plane_shape: tuple[int, ...]
    plane_stride: tuple[int, ...]
    plane_size: int
    row_length: int
    relative: tuple[Array, ...]
    segment_start: Array
    segment_length: Array
    tap_offset: Array
    tap_first: Array
    tap_end: Array
    chain_step: int
    chain_offset: Array
    chain_length: Array
    tap_order: Array

    def with_taps(self, kernel: tuple[int, ...], start: int, count: int) -> Blocking:
        """Return the same for some of the kernel's taps along the last axis."""
        offsets = self.tap_offset.reshape(kernel)[..., start : start + count]
        order = places = lengths = NONE
        if self.kernel == "rows" and count:
            order, places, lengths = chains(offsets, self.chain_step, max(len(kernel) - 2, 0))
        return self._replace(
            tap_offset=offsets.ravel(), skip=False, chain_offset=places, chain_length=lengths, tap_order=order
        )


def make_blocking(problem: Problem, core: Core) -> Blocking:
    """Return the blocking of a problem for one core."""
    for kernel, flat, _ in ranked(problem, core):
        blocking = _try_blocking(problem, core, kernel, flat)
        if blocking is not None:
            return blocking
    raise AssertionError("the tile kernel can always run")


def _try_blocking(problem: Problem, core: Core, kernel: str, flat: bool) -> Blocking | None:
    """Return the blocking for one kernel, or None where its planes would not stay within bounds."""
    if kernel == "depthwise":
        return _depthwise_blocking(problem, core)
    if kernel == "tile":
        return _tile_blocking(problem, core, flat)
    return _pixel_blocking(problem, core, kernel, flat)


def _tile_blocking(problem: Problem, core: Core, flat: bool) -> Blocking:
    """Return the blocking of the kernel whose vectors are output channels: for it there always is one."""
    g = problem.geometry
    inputs, outputs = problem.channels
    item = core.compute_dtype.itemsize
    in_place = reads_in_place(problem)
    flat = _is_flat(g) if in_place else flat
    interleave, channel_block = channel_blocks(problem, core, in_place)
    in_place = in_place and interleave == 1
    padded_channels = inputs
    # Only where input channels come in blocks are there sums to keep, and to bound.
    most_sums = SUM_BYTES // (item * core.tile_channels)
    sums = most_sums if channel_block < inputs else UNBOUNDED
    copies = g.kernel[-1] if flat else 1
    samples = UNBOUNDED if in_place else plane_bytes(problem) // (item * max(inputs, 1))
    box = (
        largest_box(g, samples, copies, core, flat, sums) if samples < UNBOUNDED or sums < UNBOUNDED else [*g.out_shape]
    )
    if box is None and not in_place:
        # Too many input channels for one box: pad some at a time.
        for blocks in range(-(-inputs // channel_block), 0, -1):
            padded_channels = min(blocks * channel_block, inputs)
            box = largest_box(g, BLOCK_PLANE_BYTES // (item * padded_channels), copies, core, flat, most_sums)
            if box is not None and (math.prod(box) >= LEAST_PIXELS or box == list(g.out_shape)):
                break
    if box is None:
        box = smallest_box(g, core, flat)

    # A layer without outputs has one empty block, and an axis without any a box that is never reached.
    n_blocks = max(-(-outputs // core.tile_channels), 1)
    box = [max(size, 1) for size in box]
    box, blocks_per_task, groups_per_task = cut(problem, core, "tile", box, n_blocks, in_place, flat)
    if padded_channels < inputs:
        # Each task pads all channels anew, so a task has as many outputs as its sums may have bytes for.
        pixels = math.prod(box) + core.strip * math.prod(box[:-1])
        blocks_per_task = max(min(n_blocks, SUM_BYTES // (pixels * core.tile_channels * item)), 1)
    return finish_blocking(
        problem,
        core,
        kernel="tile",
        box=tuple(box),
        flat=flat,
        in_place=in_place,
        n_blocks=n_blocks,
        blocks_per_task=blocks_per_task,
        groups_per_task=groups_per_task,
        channel_block=channel_block,
        padded_channels=max(padded_channels, 1),
        stretch=_stretch(problem, core, channel_block),
        interleave=interleave,
    )


def _pixel_blocking(problem: Problem, core: Core, kernel: str, flat: bool) -> Blocking | None:
    """Return the blocking of a kernel whose vectors are pixels, bank or rows."""
    g = problem.geometry
    inputs, outputs = problem.channels
    item = core.compute_dtype.itemsize
    in_place = reads_in_place(problem) and not (kernel == "bank" and min(inputs, outputs) > IN_PLACE_CHANNELS)
    flat = _is_flat(g) if in_place else flat
    # The kernels read whole vectors, which must not reach past x.
    fills_vectors = g.out_shape[-1] * (g.out_shape[-2] if flat else 1) >= core.lanes
    in_place = in_place and fills_vectors
    channel_block = inputs
    if kernel == "bank" and problem.y_in_place and fills_vectors:
        most = max(STRETCH_BYTES // (math.prod(g.kernel[:-1]) * core.bank_vectors * core.lanes * item), 1)
        channel_block = max(math.ceil(evenly_cut(inputs, most)[1]), 1)
    box: list[int] | None = list(g.out_shape)
    shifted = False
    if not in_place:
        copies = g.kernel[-1] if flat else 1
        samples = plane_bytes(problem) // (item * max(inputs, 1))
        box = largest_box(g, samples, copies, core, flat, UNBOUNDED)
        if kernel == "rows" and g.ndim == 1 and g.stride == g.dilation == (1,) and g.taps in SHIFTED_TAPS:
            shifted_box = largest_box(g, samples // core.lanes, 1, core, False, UNBOUNDED)
            shifted = shifted_box is not None
            box = shifted_box or box
    if box is None:
        return None

    n_blocks = max(-(-outputs // core.bank_channels), 1) if kernel == "bank" else max(outputs, 1)
    box = [max(size, 1) for size in box]
    box, blocks_per_task, groups_per_task = cut(problem, core, kernel, box, n_blocks, in_place, flat)
    axis, width = (g.ndim - 2, g.out_shape[-1]) if flat else (g.ndim - 1, 1)
    narrowest = (g.out_shape[axis] % box[axis] or box[axis]) * width
    if in_place and narrowest < core.lanes:
        box[axis] = g.out_shape[axis]
    elif kernel == "bank" and narrowest < core.lanes:
        # Sums of part of the input channels are kept in y, where whole vectors must have room.
        channel_block = inputs
    return finish_blocking(
        problem,
        core,
        kernel=kernel,
        box=tuple(box),
        flat=flat,
        in_place=in_place,
        n_blocks=n_blocks,
        blocks_per_task=blocks_per_task,
        groups_per_task=groups_per_task,
        channel_block=channel_block,
        padded_channels=max(inputs, 1),
        stretch=_stretch(problem, core, channel_block),
        interleave=1,
        shifted=shifted,
    )


def _is_flat(g: Geometry) -> bool:
    """Whether outputs follow each other as the samples do that are read in place."""
    return g.ndim > 1 and g.stride[-2] == 1 and g.in_shape[-1] == g.out_shape[-1]


def _depthwise_blocking(problem: Problem, core: Core) -> Blocking | None:
    """Return the blocking of the kernel that takes a vector of groups, of one channel each, as one group."""
    g = problem.geometry
    lanes = int(core.lanes)
    samples = DEPTHWISE_PLANE_BYTES // (core.compute_dtype.itemsize * lanes)
    box = largest_box(g, samples, 1, core, False, UNBOUNDED)
    if box is None:
        return None
    box, _, groups_per_task = cut(problem, core, "depthwise", [max(size, 1) for size in box], 1, False, False)
    return finish_blocking(
        problem,
        core,
        kernel="depthwise",
        box=tuple(box),
        flat=False,
        in_place=False,
        n_blocks=1,
        blocks_per_task=1,
        groups_per_task=max(groups_per_task // lanes, 1),
        channel_block=lanes,
        padded_channels=lanes,
        stretch=1,
        interleave=lanes,
    )._replace(groups=-(-g.groups // lanes), channels_in=lanes, channels_out=lanes)


def _stretch(problem: Problem, core: Core, channel_block: int) -> int:
    """Return how many pixels of a line a bank takes at a time: whole tiles whose samples stay in the nearest cache."""
    g = problem.geometry
    tile = int(core.bank_vectors * core.lanes)
    rows = channel_block * math.prod(g.kernel[:-1])
    return max(STRETCH_BYTES // (int(core.compute_dtype.itemsize) * max(rows, 1) * tile), 1) * tile


def finish_blocking(
    problem: Problem,
    core: Core,
    *,
    kernel: str,
    box: tuple[int, ...],
    flat: bool,
    in_place: bool,
    interleave: int,
    shifted: bool = False,
    **sizes: int,
) -> Blocking:
    """Return the blocking with its planes and taps laid out; of a single axis, they may be `shifted`."""
    g = problem.geometry
    last = g.ndim - 1
    inputs, outputs = problem.channels
    if in_place:
        axes = [axis_layout(*each) for each in zip(box, g.kernel, g.stride, g.dilation, strict=True)]
        plane_shape, plane_stride, tap_places = _planes_in_place(g)
    else:
        axes = [shifted_layout(box[0], g.taps, core.lanes)] if shifted else _axes(g, box, flat)
        plane_shape, plane_stride, tap_places = _planes(g, axes, flat, interleave)
    tap_offset: Array = tap_places[0]
    for places in tap_places[1:]:
        tap_offset = (tap_offset[:, None] + places).ravel()

    tap_first, tap_end, skip = taps_within(problem, inputs)
    chain_step = plane_stride[last - 1] if last else least_step(tap_places[0])
    order = offsets = lengths = NONE
    if shifted:
        chain_step = axes[0].length[0]
        order, offsets, lengths = shifted_chains(tap_offset, core.lanes)
    elif kernel == "rows":
        order, offsets, lengths = chains(tap_offset.reshape(g.kernel), chain_step, max(last - 1, 0))
    elif kernel == "depthwise":
        order, offsets, lengths = chains(tap_offset.reshape(g.kernel), interleave, last)
    return Blocking(
        kernel=kernel,
        groups=g.groups,
        sets=g.groups,
        channels_in=inputs,
        channels_out=outputs,
        in_shape=g.in_shape,
        out_shape=g.out_shape,
        stride=g.stride,
        origin=tuple(-before for before, _ in g.padding),
        modes=tuple(mode.code for mode in g.modes),
        fill_values=fill_values(problem, core),
        box=box,
        in_place=in_place,
        flat=flat,
        interleave=interleave,
        skip=skip and kernel == "tile",
        zeros=extent.sees_zeros(problem),
        plane_shape=plane_shape,
        plane_stride=plane_stride,
        plane_size=math.prod(plane_shape) * (g.kernel[last] if flat else 1),
        row_length=plane_shape[-1],
        relative=(
            *(axis.positions(stride) for axis, stride in zip(axes[:-1], g.stride[:-1], strict=True)),
            NONE,  # the last axis is told by its segments
        ),
        segment_start=np.asarray(axes[last].start, np.intp),
        segment_length=np.asarray(axes[last].length, np.intp),
        tap_offset=tap_offset,
        tap_first=tap_first,
        tap_end=tap_end,
        chain_step=chain_step,
        chain_offset=offsets,
        chain_length=lengths,
        tap_order=order,
        **sizes,
    )


def _axes(g: Geometry, box: tuple[int, ...], flat: bool) -> list[AxisLayout]:
    """Return the order of the samples of each axis; of the last one, for all of its taps if `flat`."""
    axes = [axis_layout(*each) for each in zip(box, g.kernel, g.stride, g.dilation, strict=True)]
    if flat:
        # One copy of all rows for each tap along the last axis: rows of outputs follow each other.
        taps = g.kernel[-1]
        starts = tuple(u * g.dilation[-1] for u in range(taps))
        axes[-1] = AxisLayout(starts, (box[-1],) * taps, np.zeros(taps, np.intp))
    return axes


def _planes(g: Geometry, axes: list[AxisLayout], flat: bool, interleave: int) -> tuple[Shape, Shape, list[Array]]:
    """Return the shape of the planes, their strides in samples, and where the taps of each axis find theirs."""
    shape = (*(axis.size for axis in axes[:-1]), axes[-1].length[0] if flat else axes[-1].size)
    stride = tuple(interleave * math.prod(shape[axis + 1 :]) for axis in range(g.ndim))
    places = [axis.tap * n for axis, n in zip(axes, stride, strict=True)]
    if flat:
        places[-1] = np.arange(g.kernel[-1], dtype=np.intp) * (math.prod(shape) * interleave)
    return shape, stride, places


def _planes_in_place(g: Geometry) -> tuple[Shape, Shape, list[Array]]:
    """Return the same of x itself."""
    samples = tuple(math.prod(g.in_shape[axis + 1 :]) for axis in range(g.ndim))
    places = [
        np.arange(taps, dtype=np.intp) * (d * n) for taps, d, n in zip(g.kernel, g.dilation, samples, strict=True)
    ]
    return g.in_shape, tuple(n * s for n, s in zip(samples, g.stride, strict=True)), places


def fill_values(problem: Problem, core: Core) -> Array:
    """Return what fills real and imaginary parts of samples outside x, in the compute type."""
    compute = core.compute_dtype
    fill = [problem.fill_value.real, problem.fill_value.imag]
    if compute.kind == "u":
        fill = [int(v) % 2 ** (8 * compute.itemsize) for v in fill]
    return np.array(fill, dtype=compute)
