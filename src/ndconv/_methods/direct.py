"""The direct method: multiply and add, one tap at a time. It can do every problem.

This module decides the blocking: which micro-kernel runs, into which boxes of outputs the work is cut, and in which
order a box's samples stand in the planes that the padding stage fills. ``_core/direct.pxi`` does what it says.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .. import _core
from .._call.dtypes import Array, compute_type
from .._call.geometry import reordered
from .._call.modes import BY_NAME
from .._core import Core
from .._runtime.caches import CHOICE_BYTES, Cache
from . import extent, nonfinite
from .problem import REMEMBERED_TAPS, Problem, remembered

NAME = "direct"
DESCRIPTION = """\
Multiplies and adds, tap by tap. It can do every call. It is the quickest for grouped and 1x1 layers, for few channels
and for small kernels."""

# --- Constants ----------------------------------------------------------------------------------------------------
# Bytes of padded planes that a task works on. Two thirds of an L2 cache, beside weights and sums; less for the kernels
# of one output channel, which read each sample only a few times, so that a plane is still in cache when it is read.
PLANE_BYTES = 800 << 10
ROW_PLANE_BYTES = 320 << 10

# The same where a kernel of one input and one output channel reads each sample fewer times than this, as strided ones
# do: half an L1 cache, for then it waits for nothing but samples.
NEAREST_PLANE_BYTES = 24 << 10
FEW_READS = 4

# The same where a group is one channel whose samples lie between those of others, as with channels last: so few that
# all groups are read, and written, while the cache lines that they share are near.
SCATTERED_PLANE_BYTES = 4 << 10

# The same of the kernel whose vectors are pixels' channels.
DEPTHWISE_PLANE_BYTES = 320 << 10

# The same where the planes of all input channels are more: they are then padded in blocks, for each task anew.
BLOCK_PLANE_BYTES = 1 << 20

# Bytes of a tile's weights, read again for each tile of pixels: a quarter of an L2 cache.
WEIGHT_BYTES = 300 << 10

# Input channels are interleaved where a vector's worth of them has no more bytes of weights than this, and, where x
# could be read in place, each sample is read for at least so many products.
INTERLEAVED_WEIGHT_BYTES = 600 << 10
INTERLEAVED_USES = 48

# Outputs of a box below which its weights, read once a box, would be what it waits for.
LEAST_PIXELS = 300

# Input and output channels above which a bank reads planes instead of x, where each channel's samples lie on pages of
# their own, and more often than not compete for the same places in cache.
IN_PLACE_CHANNELS = 16

# Outputs of the signal that decides in which order a kernel of one axis adds up products, whatever the length.
LONG_SIGNAL = 1 << 14

# Bytes of samples that a bank reads for all its output channels in turn: half an L1 cache.
STRETCH_BYTES = 24 << 10

# Bytes of a task's unfinished sums, kept while the input channels come in blocks.
SUM_BYTES = 2 << 20

# The smallest task, in multiply-adds: some 10 microseconds, against the fraction of one that a task costs.
TASK_MULTIPLY_ADDS = 400_000

# Tasks that a large call is cut into, whatever the number of workers: enough for 16 of them.
TASKS = 32

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

# Bytes of weights that arrive in a cycle, from a cache shared by all cores; and cycles in which one is packed.
WEIGHT_BYTES_PER_CYCLE = 5.0
PACK_WEIGHT_CYCLES = 4.0

FITTED: tuple[str, ...] = (
    "TILE_TAP_CYCLES", "BANK_TAP_CYCLES", "BANK_NEAR_TAP_CYCLES", "BANK_CHANNEL_CYCLES", "ROW_TAP_CYCLES",
    "STRIP_CYCLES", "BANK_CYCLES", "ROW_CYCLES", "PAD_CYCLES", "DEPTHWISE_TAP_CYCLES", "DEPTHWISE_CYCLES",
    "DEPTHWISE_TURN_CYCLES", "WEIGHT_BYTES_PER_CYCLE",
)  # fmt: skip

# No taps, or nothing known of them.
NONE = np.empty(0, np.intp)


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
            order, places, lengths = _chains(offsets, self.chain_step, max(len(kernel) - 2, 0))
        return self._replace(
            tap_offset=offsets.ravel(), skip=False, chain_offset=places, chain_length=lengths, tap_order=order
        )


def why_not(problem: Problem) -> str | None:
    """Return None: the direct method does everything."""
    return None


def cost(problem: Problem) -> float:
    """Return the predicted cycles on one core."""
    packing = PACK_WEIGHT_CYCLES * problem.geometry.weights if problem.packing else 0.0
    return packing + _ranked(problem, _core.load(compute_type(problem.dtype)))[0][2]


@remembered
def plan(problem: Problem) -> DirectPlan:
    """Return the plan of a problem."""
    return DirectPlan(problem)


class DirectPlan:
    """The direct method's `Plan`."""

    def __init__(self, problem: Problem) -> None:
        core = _core.load(compute_type(problem.dtype))
        self.blocking = b = make_blocking(problem, core)
        self._core = core.Direct(b)
        self._problem = problem
        self._key = (NAME, core.__name__, b.kernel, b.interleave, b.tap_order.tobytes(), b.zeros)
        self.run = self._run_beside_zeros if b.zeros else self._core.run
        self.nbytes = self._core.nbytes

    def pack_key(self) -> Any:
        """Return what tells packings of the same weights apart."""
        return self._key

    def pack(self, weights: Array, workers: int = 1, once: bool = False) -> Any:
        """Return packed weights; beside zeros, those that are not finite by themselves."""
        laid_out = _vectors_of_sets(weights, self.blocking) if self.blocking.kernel == "depthwise" else weights
        packed = self._core.pack(laid_out, workers)
        if packed.finite:
            return packed
        finite, others = nonfinite.split(weights)
        return nonfinite.Split(self.pack(finite, workers), others)

    def _run_beside_zeros(
        self, x: Array, packed: Any, bias: Array | None, residual: Array | None, y: Array, activation: int,
        weight_batch: Sequence[int] | None, workers: int,
    ) -> bool:  # fmt: skip
        """Compute y from x, part of whose padding is zeros."""
        if type(packed) is nonfinite.Split:
            residual = packed.added_to(residual, self._problem, plan, x, y, weight_batch, workers)
            packed = packed.finite
        return bool(self._core.run(x, packed, bias, residual, y, activation, weight_batch, workers))

    def __str__(self) -> str:
        b = self.blocking
        return f"{b.kernel} kernel, boxes of {'x'.join(map(str, b.box))}, {b.channel_block} input channels at a time"


def _vectors_of_sets(weights: Array, b: Blocking) -> Array:
    """Return weights (sets, 1, 1, *kernel) as (groups of the kernel, lanes, 1, *kernel), filled up with zeros."""
    sets = weights.reshape(-1, b.sets, *weights.shape[2:])
    filled: Array = np.zeros((len(sets), b.groups * b.channels_out, *sets.shape[2:]), weights.dtype)
    filled[:, : b.sets] = sets
    return filled.reshape(-1, b.channels_out, *sets.shape[2:])


# --- Which micro-kernel -------------------------------------------------------------------------------------------


def _split(total: int, most: int) -> tuple[int, float]:
    """Return into how many parts of at most `most` a total is cut, and their mean size."""
    parts = max(-(-total // most), 1)
    return parts, total / parts


def kernels(problem: Problem, core: Core) -> list[tuple[str, bool, float]]:
    """Return (kernel, flat, predicted cycles) of each way to run a problem, the first preferred among equals.

    A tap costs a cycle for two multiply-adds of vectors, never less than the latency of a sum, and something more for
    its loads, most where they cross cache lines.
    """
    g = problem.geometry
    inputs, outputs = channels(problem)
    lanes = core.lanes
    height = g.out_shape[-2] if g.ndim > 1 else 1
    shapes = [(False, g.out_shape[-1], height, 1)]
    if g.ndim > 1:
        reach = plane_samples(g, g.ndim - 2, height)
        flat_bytes = core.compute_dtype.itemsize * inputs * g.kernel[-1] * reach * g.out_shape[-1]
        if g.kernel[-1] == 1 or flat_bytes <= BLOCK_PLANE_BYTES:
            shapes.append((True, g.out_shape[-1] * height, 1, g.kernel[-1]))
    outer = math.prod(g.out_shape[:-2]) * g.groups * problem.batch
    products = g.taps * inputs
    seen = products * _part_within(problem, inputs)
    weights = problem.geometry.groups * products * outputs * core.compute_dtype.itemsize / WEIGHT_BYTES_PER_CYCLE
    # Where y's channels are last, what kernels along the pixels made is written sample by sample.
    write = SCATTERED_CYCLES if _is_scattered(problem) else 0.0
    ways = []
    for flat, width, lines, copies in shapes:
        padding = PAD_CYCLES * inputs * math.prod(g.stride[-2:]) * g.out_shape[-1] * height * copies
        strips, rest = divmod(width, core.strip)
        tile = 0.0
        for block in _tile_blocks(outputs, core):
            most = core.tile_pixels[block - 1]
            tiles = strips * -(-core.strip // most) + -(-rest // most)
            tap = max(width * block / 2, tiles * 4.0) + tiles * TILE_TAP_CYCLES
            tile += lines * (seen * tap + STRIP_CYCLES * block * width / core.lanes)
        ways.append(("tile", flat, weights + outer * (tile + padding)))

        vectors = -(-width // lanes)
        blocks, width_of_block = _split(outputs, core.bank_channels)
        tiles, length = _split(vectors, core.bank_vectors)
        tap_extra, channel_extra = BANK_TAP_CYCLES, BANK_CHANNEL_CYCLES
        if g.taps == 1:
            tile_bytes = inputs * core.bank_vectors * lanes * core.compute_dtype.itemsize
            tap_extra = BANK_NEAR_TAP_CYCLES if 2 * tile_bytes <= STRETCH_BYTES else tap_extra
            channel_extra = 0.0
        tap = max(length * width_of_block / 2, 4.0) + tap_extra
        bank = lines * tiles * blocks * (products * tap + inputs * channel_extra + BANK_CYCLES)
        if width < lanes:
            bank *= 1.5
        bank += write * outputs * width * lines
        ways.append(("bank", flat, weights + outer * (bank + padding)))
        if copies == 1:
            steps, rows = _split(lines, 4)
            chain = -(-g.kernel[-2] // g.stride[-2]) if g.ndim > 1 else 1
            tiles, length = _split(vectors, 4 if rows > 1 else 8)
            reads = (chain + rows - 1) / chain if _chained(g.stride, g.dilation) else rows
            tap = max(length * rows / 2, reads * length + rows / 2, 4.0) + ROW_TAP_CYCLES
            cycles = steps * tiles * outputs * (products * tap + ROW_CYCLES)
            if width < lanes:
                cycles *= 1.5
            cycles += write * outputs * width * lines
            ways.append(("rows", flat, weights + outer * (cycles + padding)))
    if inputs == outputs == 1 and g.groups > 1 and _may_take_channels(problem):
        vector = g.taps * DEPTHWISE_TAP_CYCLES + DEPTHWISE_CYCLES
        n_vectors = float(-(-g.groups // lanes))
        if not _has_gaps(problem):
            vector += DEPTHWISE_TURN_CYCLES * lanes
            n_vectors += 0.5 if g.groups % lanes else 0.0  # what does not fill a vector is turned more slowly
        ways.append(("depthwise", False, math.prod(g.out_shape) * problem.batch * n_vectors * vector))
    return ways


@Cache[list[tuple[str, bool, float]]]("rankings of kernels", CHOICE_BYTES).remembered
def _ranked(problem: Problem, core: Core) -> list[tuple[str, bool, float]]:
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
        interleave, channel_block = _channel_blocks(problem, core, _is_in_place(problem))
        by_taps = interleave > 1 and problem.geometry.taps > 1
        if problem.bias or by_taps or channel_block < channels(problem)[0]:
            return "tile", by_taps, channel_block
    return ("taps",)


def _has_room(problem: Problem, core: Core, kernel: str) -> bool:
    """Whether the planes of all input channels stay within bounds, along one axis, for a box of any length.

    Also where x itself would serve: it does not for few outputs, nor to every kernel.
    """
    inputs, _ = channels(problem)
    samples = _plane_bytes(problem) // (core.compute_dtype.itemsize * max(inputs, 1))
    return kernel == "tile" or bool(plane_samples(problem.geometry, 0, 4 * core.lanes) <= samples)


def _is_in_place(problem: Problem) -> bool:
    """Whether x itself may serve as the planes."""
    g = problem.geometry
    return problem.x_in_place and all(b <= 0 and a <= 0 for b, a in g.padding) and g.stride[-1] == 1


def _plane_bytes(problem: Problem) -> int:
    """Return how many bytes the planes of all input channels may have."""
    g = problem.geometry
    inputs, outputs = channels(problem)
    if _shares_lines(problem):
        return SCATTERED_PLANE_BYTES
    if inputs == 1 and g.taps * outputs < FEW_READS * math.prod(g.stride):
        return NEAREST_PLANE_BYTES
    return PLANE_BYTES if inputs > 1 else ROW_PLANE_BYTES


def _is_scattered(problem: Problem) -> bool:
    """Whether x and y have gaps between samples that need no conversion: most likely, their channels are last.

    Never of one axis, where the kernel, and so the order of sums, must not depend on it: see `_ranked`.
    """
    return problem.geometry.ndim > 1 and _has_gaps(problem)


def _has_gaps(problem: Problem) -> bool:
    return not (_is_converted(problem) or problem.x_in_place or problem.y_in_place)


def _is_converted(problem: Problem) -> bool:
    return problem.dtype != compute_type(problem.dtype)


def _may_take_channels(problem: Problem) -> bool:
    """Whether it may pay to take a pixel's channels as a vector: where they are last, or turned in whole blocks.

    Of one axis, only where that adds up products in the same order as the other kernels do.
    """
    g = problem.geometry
    if _has_gaps(problem):
        return g.ndim > 1 or g.stride == (1,)
    return g.ndim > 1 and set(g.stride) == {1} and not _is_converted(problem)


def _shares_lines(problem: Problem) -> bool:
    """Whether a group is a single channel whose samples lie between those of others."""
    return problem.geometry.groups > 1 and channels(problem)[0] == 1 and _is_scattered(problem)


def _channel_blocks(problem: Problem, core: Core, in_place: bool) -> tuple[int, int]:
    """Return how many input channels a tile's planes interleave, and how many it sums at a time.

    The latter does not depend on where x lies: of a single tap, that then leaves an output's bits as they are.
    """
    inputs, _ = channels(problem)
    interleave = core.lanes if pays_to_interleave(problem, core, in_place) else 1
    step = core.lanes if pays_to_interleave(problem, core, False) else 1
    each = problem.geometry.taps * core.tile_channels * core.compute_dtype.itemsize * step
    blocks = _split(-(-inputs // step), max(WEIGHT_BYTES // each, 1))[1]
    return interleave, max(min(math.ceil(blocks) * step, inputs), 1)


def _tile_blocks(outputs: int, core: Core) -> list[int]:
    """Return the vectors of each block of output channels."""
    vectors = -(-outputs // core.lanes)
    whole, rest = divmod(vectors, core.tile_vectors)
    return [core.tile_vectors] * whole + ([rest] if rest else [])


def _chained(stride: tuple[int, ...], dilation: tuple[int, ...]) -> bool:
    """Whether taps along the last axis but one fall on neighbouring plane rows."""
    return len(stride) > 1 and dilation[-2] % stride[-2] in (0, 1) and dilation[-2] <= max(stride[-2], 1)


def channels(problem: Problem) -> tuple[int, int]:
    """Return the real input and output channels of one group."""
    g = problem.geometry
    complex_out = problem.dtype.kind == "c"
    return (
        g.channels_in // g.groups * (2 if problem.x_is_complex else 1),
        g.channels_out // g.groups * (2 if complex_out else 1),
    )


# --- The order of a plane ------------------------------------------------------------------------------------------


class AxisLayout(NamedTuple):
    """Which input samples of one axis a box of outputs needs, in an order in which outputs are one sample apart.

    The samples are progressions, `start` + i * stride for i < `length`, one after another; tap u of the first output
    finds its sample at place `tap[u]`. Strided axes come apart into phases, widely dilated ones into one piece a tap.
    """

    start: tuple[int, ...]
    length: tuple[int, ...]
    tap: Array

    @property
    def size(self) -> int:
        return sum(self.length)

    def positions(self, stride: int) -> Array:
        """Return the samples' positions, from the box's first."""
        parts = [s + stride * np.arange(n, dtype=np.intp) for s, n in zip(self.start, self.length, strict=True)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def axis_layout(outputs: int, taps: int, stride: int, dilation: int) -> AxisLayout:
    """Return the layout of one axis for a box of `outputs` outputs."""
    if stride == 1 and dilation <= outputs:
        return AxisLayout((0,), (outputs + dilation * (taps - 1),), np.arange(taps, dtype=np.intp) * dilation)
    by_phase: dict[int, list[int]] = {}
    for u in range(taps):
        by_phase.setdefault(u * dilation % stride, []).append(u)
    start: list[int] = []
    length: list[int] = []
    tap = [0] * taps
    place = used = 0  # where the piece that is growing begins, and where all pieces end
    for phase, members in by_phase.items():
        first = end = -1  # of the piece that is growing, in outputs' steps
        for u in members:
            step = u * dilation // stride
            if first < 0 or step > end:
                place, first = used, step
                start.append(phase + step * stride)
                length.append(0)
            end = step + outputs
            length[-1] = end - first
            used = place + length[-1]
            tap[u] = place + step - first
    return AxisLayout(tuple(start), tuple(length), np.array(tap, np.intp))


def plane_samples(g: Any, axis: int, outputs: int) -> int:
    """Return the plane samples of one axis for a box of `outputs` outputs: the size of its `axis_layout`."""
    taps, stride, dilation = g.kernel[axis], g.stride[axis], g.dilation[axis]
    common = math.gcd(stride, dilation)
    phases = min(stride // common, taps)
    # A phase's first tap needs a sample for each output; each other one, so many more as lie between them.
    return int(phases * outputs + (taps - phases) * min(dilation // common, outputs))


# --- The blocking --------------------------------------------------------------------------------------------------


def make_blocking(problem: Problem, core: Core) -> Blocking:
    """Return the blocking of a problem for one core."""
    for kernel, flat, _ in _ranked(problem, core):
        blocking = _try_blocking(problem, core, kernel, flat)
        if blocking is not None:
            return blocking
    raise AssertionError("the tile kernel can always run")


def _try_blocking(problem: Problem, core: Core, kernel: str, flat: bool) -> Blocking | None:
    """Return the blocking for one kernel, or None where its planes would not stay within bounds."""
    if kernel == "depthwise":
        return _depthwise_blocking(problem, core)
    g = problem.geometry
    inputs, outputs = channels(problem)
    item = core.compute_dtype.itemsize
    in_place = _is_in_place(problem)
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
        interleave, channel_block = _channel_blocks(problem, core, in_place)
        in_place = in_place and interleave == 1
    elif kernel == "bank" and problem.y_in_place and g.out_shape[-1] * (g.out_shape[-2] if flat else 1) >= core.lanes:
        most = max(STRETCH_BYTES // (math.prod(g.kernel[:-1]) * core.bank_vectors * core.lanes * item), 1)
        channel_block = max(math.ceil(_split(inputs, most)[1]), 1)
    # Only where input channels come in blocks are there sums to keep, and to bound.
    sums = SUM_BYTES // (item * core.tile_channels) if kernel == "tile" and channel_block < inputs else 1 << 62
    copies = g.kernel[-1] if flat else 1
    if in_place:
        box: list[int] | None = list(g.out_shape)
        if channel_block < inputs and kernel == "tile":
            box = largest_box(g, 1 << 62, copies, core, flat, sums)
    else:
        box = largest_box(g, _plane_bytes(problem) // (item * max(inputs, 1)), copies, core, flat, sums)
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


def pays_to_interleave(problem: Problem, core: Core, in_place: bool) -> bool:
    """Return whether the tile reads enough more quickly to make up for a copy of x in another order."""
    g = problem.geometry
    inputs, outputs = channels(problem)
    block_bytes = core.lanes * g.taps * core.tile_channels * core.compute_dtype.itemsize
    if inputs < core.lanes or block_bytes > INTERLEAVED_WEIGHT_BYTES:
        return False
    return not in_place or g.taps * outputs >= INTERLEAVED_USES


def _stretch(problem: Problem, core: Core, channel_block: int) -> int:
    """Return how many pixels of a line a bank takes at a time: whole tiles whose samples stay in the nearest cache."""
    g = problem.geometry
    tile = int(core.bank_vectors * core.lanes)
    rows = channel_block * math.prod(g.kernel[:-1])
    return max(STRETCH_BYTES // (int(core.compute_dtype.itemsize) * max(rows, 1) * tile), 1) * tile


def _plane_size(g: Any, box: Sequence[int], copies: int, flat: bool) -> int:
    size = math.prod(plane_samples(g, axis, box[axis]) for axis in range(g.ndim - 1))
    return size * (box[-1] * copies if flat else plane_samples(g, g.ndim - 1, box[-1]))


def smallest_box(g: Any, core: Core, flat: bool) -> list[int]:
    """Return the least box that still fills a micro-kernel."""
    least = g.out_shape[-1] if flat else min(g.out_shape[-1], 4 * core.lanes)
    return [1] * (g.ndim - 1) + [least]


def largest_box(g: Any, samples: int, copies: int, core: Core, flat: bool, pixels: int) -> list[int] | None:
    """Return a box whose plane has at most so many samples, cut along outer axes first; None if there is none."""
    box = list(g.out_shape)
    for axis in range(g.ndim):
        least = 1
        if axis == g.ndim - 1:
            if flat:
                break
            least = min(g.out_shape[-1], 4 * core.lanes)

        def fits(size: int, axis: int = axis) -> bool:
            trial = [*box[:axis], size, *box[axis + 1 :]]
            return _plane_size(g, trial, copies, flat) <= samples and math.prod(trial) <= pixels

        if fits(box[axis]):
            return _even(g, box, core)
        low, high = least, box[axis]
        while low < high:
            middle = (low + high + 1) // 2
            if fits(middle):
                low = middle
            else:
                high = middle - 1
        box[axis] = low
        if fits(low):
            return _even(g, box, core)
    return None


def _even(g: Any, box: list[int], core: Core) -> list[int]:
    """Return a box no larger, of which whole numbers cover the output evenly."""
    even = [math.ceil(_split(size, part)[1]) if size else 1 for size, part in zip(g.out_shape, box, strict=True)]
    if even[-1] < g.out_shape[-1]:
        even[-1] = min(-(-even[-1] // core.lanes) * core.lanes, box[-1])
    return even


def cut(
    problem: Problem, core: Core, kernel: str, box: list[int], n_blocks: int, in_place: bool, flat: bool
) -> tuple[list[int], int, int]:
    """Return (box, blocks of output channels per task, groups per task), so that there are enough tasks for all cores.

    The cut depends on the problem alone, not on the number of workers.
    """
    g = problem.geometry
    batch = max(problem.batch, 1)
    wanted = max(min(TASKS, g.multiply_adds * batch // TASK_MULTIPLY_ADDS), 1)
    boxes = math.prod(-(-size // part) for size, part in zip(g.out_shape, box, strict=True))
    groups_per_task = max(g.groups * batch * boxes // max(wanted, 1), 1)
    least = TASK_MULTIPLY_ADDS * g.groups * boxes // max(g.multiply_adds, 1)
    groups_per_task = min(max(groups_per_task, 1), max(least, 1), g.groups)
    if _shares_lines(problem):
        groups_per_task = max(groups_per_task, min(g.groups, core.lanes))
    tasks = max(batch * boxes * -(-g.groups // groups_per_task), 1)
    blocks_per_task = n_blocks
    if tasks >= wanted:
        return box, blocks_per_task, groups_per_task
    weights_are_larger = g.weights > g.channels_in * math.prod(g.in_shape)
    missing = max(wanted // tasks, 1)
    if kernel == "tile" and n_blocks > 1 and (weights_are_larger or in_place):
        parts = min(missing, n_blocks)
        blocks_per_task = -(-n_blocks // parts)
        missing = -(-missing // parts)
    # Cut the box along its outermost long axis; what is left, among the output channels.
    for axis in range(g.ndim - 1 if flat or g.ndim > 1 else g.ndim):
        least = 4 * core.lanes if axis == g.ndim - 1 else _least_lines(g, core) if axis == g.ndim - 2 else 1
        parts = min(missing, max(box[axis] // least, 1))
        if parts > 1:
            box[axis] = -(-box[axis] // parts)
            missing = max(missing // parts, 1)
    if missing > 1 and blocks_per_task > 1:
        blocks_per_task = -(-blocks_per_task // min(missing, blocks_per_task))
    return box, blocks_per_task, groups_per_task


def _least_lines(g: Any, core: Core) -> int:
    """Return how many lines a box should have: enough to share a halo, or without one, to fill some strips."""
    return 4 if g.kernel[-2] > 1 else -(-4 * int(core.strip) // max(g.out_shape[-1], 1))


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
    inputs, outputs = channels(problem)
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

    tap_first, tap_end, skip = _taps_within(problem, inputs)
    chain_step = plane_stride[last - 1] if last else _least_step(tap_places[0])
    order = offsets = lengths = NONE
    if kernel == "rows":
        order, offsets, lengths = _chains(tap_offset.reshape(g.kernel), chain_step, max(last - 1, 0))
    elif kernel == "depthwise":
        order, offsets, lengths = _chains(tap_offset.reshape(g.kernel), interleave, last)
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


def _taps_within(problem: Problem, inputs: int) -> tuple[Array, Array, bool]:
    """Return the first and one past the last output, on each axis, for which a tap finds a sample, not padding.

    The third value tells whether leaving the other products out pays, and changes nothing.
    """
    within = _within_each_axis(problem, inputs)
    if within is None:
        return NONE, NONE, False
    first, end = (itertools.product(*([tap[i] for tap in axis] for axis in within)) for i in (0, 1))
    return np.array(list(first), np.intp).ravel(), np.array(list(end), np.intp).ravel(), True


def _within_each_axis(problem: Problem, inputs: int) -> list[list[tuple[int, int]]] | None:
    """Return the same (first, end) for the taps of each axis apart, or None where it is not worth while."""
    g = problem.geometry
    if problem.fill_value != 0 or inputs < 32 or g.taps > REMEMBERED_TAPS:
        return None
    axes = []
    pays = False
    for size, taps, stride, dilation, (before, _), outputs, mode in zip(
        g.in_shape, g.kernel, g.stride, g.dilation, g.padding, g.out_shape, g.modes, strict=True
    ):
        axis = [(0, outputs)] * taps
        if mode.name == "zeros":
            for u in range(taps):
                position = u * dilation - before
                first, end = -(position // stride), (size - 1 - position) // stride + 1
                axis[u] = (min(max(first, 0), outputs), min(max(end, 0), outputs))
            pays = pays or any(tap != (0, outputs) for tap in axis)
        axes.append(axis)
    return axes if pays else None


def _part_within(problem: Problem, inputs: int) -> float:
    """Return the part of the products that the tile kernel does not leave out."""
    within = _within_each_axis(problem, inputs)
    if within is None:
        return 1.0
    parts = [
        sum(end - first for first, end in axis) / (len(axis) * max(outputs, 1))
        for axis, outputs in zip(within, problem.geometry.out_shape, strict=True)
    ]
    return math.prod(parts)


def _least_step(places: Array) -> int:
    """Return the least distance between taps of one axis."""
    places = np.sort(places)
    steps = places[1:] - places[:-1]
    return int(steps.min()) if steps.size else 1


def _chains(offsets: Array, step: int, axis: int) -> tuple[Array, Array, Array]:
    """Return the taps in chains along an axis: (order of the taps, each chain's first offset, each chain's length)."""
    size, length = offsets.size, offsets.shape[axis]
    turned = (*range(axis), *range(axis + 1, offsets.ndim), axis)
    numbers: Array = np.arange(size, dtype=np.intp).reshape(offsets.shape).transpose(turned).ravel()
    lines: Array = offsets.transpose(turned).reshape(-1, length)
    places = lines.ravel()
    if size and (lines[:, 1:] < lines[:, :-1]).any():  # of phases that lie one after another
        order = (lines.argsort(axis=1, kind="stable") + np.arange(0, size, length)[:, None]).ravel()
        numbers, places = numbers.take(order), places.take(order)
    begins = np.empty(size, dtype=bool)
    begins[1:] = places[1:] - places[:-1] != step
    begins[::length] = True
    starts = begins.nonzero()[0]
    lengths = np.full(starts.size, size)
    lengths[:-1] = starts[1:]
    lengths -= starts
    return numbers, places.take(starts), lengths
