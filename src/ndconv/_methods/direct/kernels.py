"""Which micro-kernel runs a problem: the cycles of each, and the order in which it adds up products."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

from ..._call.geometry import reordered
from ..._call.modes import BY_NAME
from ..._core import Core
from ..._runtime.caches import CHOICE_BYTES, Cache
from ..problem import Problem
from .layout import (
    BLOCK_PLANE_BYTES,
    STRETCH_BYTES,
    channel_blocks,
    evenly_cut,
    has_gaps,
    is_scattered,
    may_take_channels,
    plane_bytes,
    reads_in_place,
)
from .planes import plane_samples
from .taps import part_within

# Cycles that the micro-kernels need besides their multiply-adds: for each tap, and for each channel that a bank turns
# to; for a strip's transposition and its way into y (for each vector of channels and of pixels), and for a bank's or a
# row's start and end; to pad one sample; and to write one to a place apart from its neighbours'.
TILE_TAP_CYCLES = 1.5
BANK_TAP_CYCLES = 2.5
BANK_NEAR_TAP_CYCLES = 1.5  # of a kernel of one tap, where the samples of two tiles stay in the nearest cache
BANK_CHANNEL_CYCLES = 3.0
ROW_TAP_CYCLES = 5.0
STRIP_CYCLES = 110.0
BANK_CYCLES = 60.0
ROW_CYCLES = 40.0
PAD_CYCLES = 1.0
SCATTERED_CYCLES = 3.0

# Cycles of a vector of channels of a depthwise layer: for each tap, for its way in and out, and, where channels are not
# last, for each of its samples to be turned on the way.
DEPTHWISE_TAP_CYCLES = 0.5
DEPTHWISE_CYCLES = 10.0
DEPTHWISE_TURN_CYCLES = 1.4

# Bytes of weights that arrive in a cycle, from a cache shared by all cores.
WEIGHT_BYTES_PER_CYCLE = 5.0

# Outputs of the signal that decides in which order a kernel of one axis adds up products, whatever the length.
LONG_SIGNAL = 1 << 14


class _Lines(NamedTuple):
    """How outputs come in lines: those of the last axis, or `flat`, where those of the last two follow each other."""

    flat: bool
    width: int  # outputs of a line
    number: int
    copies: int  # of the planes


def kernels(problem: Problem, core: Core) -> list[tuple[str, bool, float]]:
    """Return (kernel, flat, predicted cycles) of each way to run a problem, the first preferred among equals.

    A tap costs a cycle for two multiply-adds of vectors, never less than the latency of a sum, and something more for
    its loads, most where they cross cache lines.
    """
    g = problem.geometry
    inputs, outputs = problem.channels
    height = g.out_shape[-2] if g.ndim > 1 else 1
    shapes = [_Lines(False, g.out_shape[-1], height, 1)]
    if g.ndim > 1:
        reach = plane_samples(g, g.ndim - 2, height)
        flat_bytes = core.compute_dtype.itemsize * inputs * g.kernel[-1] * reach * g.out_shape[-1]
        if g.kernel[-1] == 1 or flat_bytes <= BLOCK_PLANE_BYTES:
            shapes.append(_Lines(True, g.out_shape[-1] * height, 1, g.kernel[-1]))
    outer = math.prod(g.out_shape[:-2]) * g.groups * problem.batch
    products = g.taps * inputs
    weights = g.groups * products * outputs * core.compute_dtype.itemsize / WEIGHT_BYTES_PER_CYCLE
    # Where y's channels are last, what kernels along the pixels made is written sample by sample.
    write = SCATTERED_CYCLES * outputs * g.out_shape[-1] * height if is_scattered(problem) else 0.0
    ways = []
    for lines in shapes:
        padding = PAD_CYCLES * inputs * math.prod(g.stride[-2:]) * g.out_shape[-1] * height * lines.copies
        tile, bank = _tile_cycles(problem, core, lines), _bank_cycles(problem, core, lines) + write
        ways.append(("tile", lines.flat, weights + outer * (tile + padding)))
        ways.append(("bank", lines.flat, weights + outer * (bank + padding)))
        if lines.copies == 1:
            rows = _row_cycles(problem, core, lines) + write
            ways.append(("rows", lines.flat, weights + outer * (rows + padding)))
    if inputs == outputs == 1 and g.groups > 1 and may_take_channels(problem):
        ways.append(("depthwise", False, _depthwise_cycles(problem, core)))
    return ways


def _tile_cycles(problem: Problem, core: Core, lines: _Lines) -> float:
    inputs, outputs = problem.channels
    seen = problem.geometry.taps * inputs * part_within(problem, inputs)
    whole, rest = divmod(-(-outputs // core.lanes), core.tile_vectors)  # vectors, in blocks of output channels
    strips, pixels = divmod(lines.width, core.strip)
    cycles = 0.0
    for vectors in [core.tile_vectors] * whole + ([rest] if rest else []):
        most = core.tile_pixels[vectors - 1]
        tiles = strips * -(-core.strip // most) + -(-pixels // most)
        tap = max(lines.width * vectors / 2, tiles * 4.0) + tiles * TILE_TAP_CYCLES
        cycles += lines.number * (seen * tap + STRIP_CYCLES * vectors * lines.width / core.lanes)
    return cycles


def _bank_cycles(problem: Problem, core: Core, lines: _Lines) -> float:
    g = problem.geometry
    inputs, outputs = problem.channels
    blocks, width_of_block = evenly_cut(outputs, core.bank_channels)
    tiles, length = evenly_cut(-(-lines.width // core.lanes), core.bank_vectors)
    tap_extra, channel_extra = BANK_TAP_CYCLES, BANK_CHANNEL_CYCLES
    if g.taps == 1:
        tile_bytes = inputs * core.bank_vectors * core.lanes * core.compute_dtype.itemsize
        tap_extra = BANK_NEAR_TAP_CYCLES if 2 * tile_bytes <= STRETCH_BYTES else tap_extra
        channel_extra = 0.0
    tap = max(length * width_of_block / 2, 4.0) + tap_extra
    cycles = lines.number * tiles * blocks * (g.taps * inputs * tap + inputs * channel_extra + BANK_CYCLES)
    return cycles * (1.5 if lines.width < core.lanes else 1.0)


def _row_cycles(problem: Problem, core: Core, lines: _Lines) -> float:
    g = problem.geometry
    inputs, outputs = problem.channels
    steps, rows = evenly_cut(lines.number, 4)
    chain = -(-g.kernel[-2] // g.stride[-2]) if g.ndim > 1 else 1
    tiles, length = evenly_cut(-(-lines.width // core.lanes), 4 if rows > 1 else 8)
    reads = (chain + rows - 1) / chain if _chained(g.stride, g.dilation) else rows
    tap = max(length * rows / 2, reads * length + rows / 2, 4.0) + ROW_TAP_CYCLES
    cycles = steps * tiles * outputs * (g.taps * inputs * tap + ROW_CYCLES)
    return cycles * (1.5 if lines.width < core.lanes else 1.0)


def _depthwise_cycles(problem: Problem, core: Core) -> float:
    g = problem.geometry
    vector = g.taps * DEPTHWISE_TAP_CYCLES + DEPTHWISE_CYCLES
    vectors = float(-(-g.groups // core.lanes))
    if not has_gaps(problem):
        vector += DEPTHWISE_TURN_CYCLES * core.lanes
        vectors += 0.5 if g.groups % core.lanes else 0.0  # what does not fill a vector is transposed more slowly
    return math.prod(g.out_shape) * problem.batch * vectors * vector


@Cache[list[tuple[str, bool, float]]]("rankings of kernels", CHOICE_BYTES).remembered
def ranked(problem: Problem, core: Core) -> list[tuple[str, bool, float]]:
    """Return the ways to run a problem, best first.

    Of taps along one axis, all that add up products in the same order as the way that is best for a long signal come
    first: so an output's bits depend neither on the length nor on what follows, and a signal may come in chunks.
    """
    g = problem.geometry
    ways = sorted(kernels(problem, core), key=lambda way: way[2])
    along = [axis for axis in range(g.ndim) if g.ndim == 1 or g.kernel[axis] > 1]
    if len(along) != 1:
        return ways
    signal = _long_signal(problem, along[0])
    best = min((way for way in kernels(signal, core) if _has_room(signal, core, way[0])), key=lambda way: way[2])
    order = _sum_order(problem, along[0], core, best[0])
    return sorted(ways, key=lambda way: _sum_order(problem, along[0], core, way[0]) != order)


def _long_signal(problem: Problem, axis: int) -> Problem:
    """Return the same for one long signal, whose taps along one axis find samples alone: for all lengths the same."""
    g = problem.geometry
    outputs = LONG_SIGNAL
    samples = (outputs - 1) * g.stride[axis] + (g.kernel[axis] - 1) * g.dilation[axis] + 1
    line = replace(
        reordered(g, [axis]), in_shape=(samples,), out_shape=(outputs,), padding=((0, 0),), modes=(BY_NAME["zeros"],)
    )
    # In y's own layout: depthwise is for others, and adds up as bank and rows do.
    return replace(problem, geometry=line, batch=1, y_in_place=True)


def _sum_order(problem: Problem, axis: int, core: Core, kernel: str) -> tuple[Any, ...]:
    """Return what tells apart the orders in which kernels add up the products of an output, of taps along one axis."""
    if kernel == "rows" and problem.geometry.stride[axis] > 1:
        return ("phases",)
    if kernel == "tile":
        # Its sums, of each block of channels, are added to the bias; the other kernels' sums begin with it.
        interleave, channel_block = channel_blocks(problem, core, reads_in_place(problem))
        by_taps = interleave > 1 and problem.geometry.taps > 1
        if problem.bias or by_taps or channel_block < problem.channels[0]:
            return "tile", by_taps, channel_block
    return ("taps",)


def _has_room(problem: Problem, core: Core, kernel: str) -> bool:
    """Whether the planes of all input channels stay within bounds, along one axis, for a box of any length.

    Also where x itself would serve: it does not for few outputs, nor to every kernel.
    """
    inputs, _ = problem.channels
    samples = plane_bytes(problem) // (core.compute_dtype.itemsize * max(inputs, 1))
    return kernel == "tile" or bool(plane_samples(problem.geometry, 0, 4 * core.lanes) <= samples)


def _chained(stride: tuple[int, ...], dilation: tuple[int, ...]) -> bool:
    """Whether taps along the last axis but one fall on neighbouring plane rows."""
    return len(stride) > 1 and dilation[-2] % stride[-2] in (0, 1) and dilation[-2] <= max(stride[-2], 1)
