"""The blocking: the box of a task, the channels summed at a time, and the planes and taps laid out for the core."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..._call.dtypes import Array
from ..._core import Core
from .. import extent
from ..problem import Problem
from .boxes import cut, largest_box, smallest_box
from .kernels import ranked
from .layout import (
    BLOCK_PLANE_BYTES,
    STRETCH_BYTES,
    channel_blocks,
    evenly_cut,
    plane_bytes,
    reads_in_place,
)
from .planes import AxisLayout, axis_layout
from .taps import NONE, chains, least_step, taps_within

# Bytes of the planes of the kernel whose vectors are pixels' channels.
DEPTHWISE_PLANE_BYTES = 320 << 10

# Outputs of a box below which its weights, read once a box, would be what it waits for.
LEAST_PIXELS = 300

# Input and output channels above which a bank reads planes instead of x, where each channel's samples lie on pages of
# their own, and more often than not compete for the same places in cache.
IN_PLACE_CHANNELS = 16

# Bytes of a task's unfinished sums, kept while the input channels come in blocks.
SUM_BYTES = 2 << 20


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
    g = problem.geometry
    inputs, outputs = problem.channels
    item = core.compute_dtype.itemsize
    in_place = reads_in_place(problem)
    if kernel == "bank" and min(inputs, outputs) > IN_PLACE_CHANNELS:
        in_place = False
    if in_place:
        # Flat only where it already is: outputs follow each other as x's samples do.
        flat = g.ndim > 1 and g.stride[-2] == 1 and g.in_shape[-1] == g.out_shape[-1]
        # The other kernels read whole vectors, which must not reach past x.
        if kernel != "tile" and g.out_shape[-1] * (g.out_shape[-2] if flat else 1) < core.lanes:
            in_place = False

    interleave = 1
    channel_block = padded_channels = inputs
    if kernel == "tile":
        interleave, channel_block = channel_blocks(problem, core, in_place)
        in_place = in_place and interleave == 1
    elif kernel == "bank" and problem.y_in_place and g.out_shape[-1] * (g.out_shape[-2] if flat else 1) >= core.lanes:
        most = max(STRETCH_BYTES // (math.prod(g.kernel[:-1]) * core.bank_vectors * core.lanes * item), 1)
        channel_block = max(math.ceil(evenly_cut(inputs, most)[1]), 1)
    # Only where input channels come in blocks are there sums to keep, and to bound.
    sums = SUM_BYTES // (item * core.tile_channels) if kernel == "tile" and channel_block < inputs else 1 << 62
    copies = g.kernel[-1] if flat else 1
    if in_place:
        box: list[int] | None = list(g.out_shape)
        if channel_block < inputs and kernel == "tile":
            box = largest_box(g, 1 << 62, copies, core, flat, sums)
    else:
        box = largest_box(g, plane_bytes(problem) // (item * max(inputs, 1)), copies, core, flat, sums)
        if box is None and kernel != "tile":
            return None
        if box is None:
            # Too many input channels for one box: pad some at a time.
            sums = SUM_BYTES // (item * core.tile_channels)
            for blocks in range(-(-inputs // channel_block), 0, -1):
                padded_channels = min(blocks * channel_block, inputs)
                box = largest_box(g, BLOCK_PLANE_BYTES // (item * padded_channels), copies, core, flat, sums)
                if box is not None and (math.prod(box) >= LEAST_PIXELS or box == list(g.out_shape)):
                    break
    if box is None:
        box = smallest_box(g, core, flat)

    # A layer without outputs has one empty block, and an axis without any a box that is never reached.
    most = {"tile": core.tile_channels, "bank": core.bank_channels, "rows": 1}[kernel]
    n_blocks = max(-(-outputs // most), 1)
    box = [max(size, 1) for size in box]
    box, blocks_per_task, groups_per_task = cut(problem, core, kernel, box, n_blocks, in_place, flat)
    if padded_channels < inputs:
        # Each task pads all channels anew, so a task has as many outputs as its sums may have bytes for.
        pixels = math.prod(box) + core.strip * math.prod(box[:-1])
        blocks_per_task = max(min(n_blocks, SUM_BYTES // (pixels * core.tile_channels * item)), 1)
    axis, width = (g.ndim - 2, g.out_shape[-1]) if flat else (g.ndim - 1, 1)
    narrowest = (g.out_shape[axis] % box[axis] or box[axis]) * width
    if in_place and kernel != "tile" and narrowest < core.lanes:
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
        padded_channels=max(padded_channels, 1),
        stretch=_stretch(problem, core, channel_block),
        interleave=interleave,
    )


def _depthwise_blocking(problem: Problem, core: Core) -> Blocking | None:
    """Return the blocking of the kernel that takes a vector of groups, of one channel each, as one group."""
    g = problem.geometry
    lanes = int(core.lanes)
    samples = DEPTHWISE_PLANE_BYTES // (core.compute_dtype.itemsize * lanes)
    box = largest_box(g, samples, 1, core, False, 1 << 62)
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
    **sizes: int,
) -> Blocking:
    """Return the blocking with its planes and taps laid out."""
    g = problem.geometry
    last = g.ndim - 1
    inputs, outputs = problem.channels
    axes = [axis_layout(*each) for each in zip(box, g.kernel, g.stride, g.dilation, strict=True)]
    if in_place:
        plane_shape = g.in_shape
        sample_stride = tuple(math.prod(g.in_shape[axis + 1 :]) for axis in range(g.ndim))
        plane_stride = tuple(n * s for n, s in zip(sample_stride, g.stride, strict=True))
        tap_places = [
            np.arange(taps, dtype=np.intp) * (d * n)
            for taps, d, n in zip(g.kernel, g.dilation, sample_stride, strict=True)
        ]
    else:
        if flat:
            # One copy of all rows for each tap along the last axis: rows of outputs follow each other.
            axes[last] = AxisLayout(
                tuple(u * g.dilation[last] for u in range(g.kernel[last])),
                (box[last],) * g.kernel[last],
                np.zeros(g.kernel[last], np.intp),
            )
        row_length = box[last] if flat else axes[last].size
        plane_shape = (*(axis.size for axis in axes[:-1]), row_length)
        plane_stride = tuple(interleave * math.prod(plane_shape[axis + 1 :]) for axis in range(g.ndim))
        tap_places = [axis.tap * n for axis, n in zip(axes, plane_stride, strict=True)]
        if flat:
            tap_places[last] = np.arange(g.kernel[last], dtype=np.intp) * (math.prod(plane_shape) * interleave)
    tap_offset: Array = tap_places[0]
    for places in tap_places[1:]:
        tap_offset = (tap_offset[:, None] + places).ravel()

    tap_first, tap_end, skip = taps_within(problem, inputs)
    chain_step = plane_stride[last - 1] if last else least_step(tap_places[0])
    order = offsets = lengths = NONE
    if kernel == "rows":
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


def fill_values(problem: Problem, core: Core) -> Array:
    """Return what fills real and imaginary parts of samples outside x, in the compute type."""
    compute = core.compute_dtype
    fill = [problem.fill_value.real, problem.fill_value.imag]
    if compute.kind == "u":
        fill = [int(v) % 2 ** (8 * compute.itemsize) for v in fill]
    return np.array(fill, dtype=compute)
