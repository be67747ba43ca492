"""Where x and y of a problem lie, and so what the direct method may read in place and keep in cache."""

from __future__ import annotations

import math

from ..._call.dtypes import compute_type
from ..._core import Core
from ..problem import Problem

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

# The same where the planes of all input channels are more: they are then padded in blocks, for each task anew.
BLOCK_PLANE_BYTES = 1 << 20

# Bytes of a tile's weights, read again for each tile of pixels: a quarter of an L2 cache.
WEIGHT_BYTES = 300 << 10

# Bytes of samples that a bank reads for all its output channels in turn: half an L1 cache.
STRETCH_BYTES = 24 << 10

# Input channels are interleaved where a vector's worth of them has no more bytes of weights than this, and, where x
# could be read in place, each sample is read for at least so many products.
INTERLEAVED_WEIGHT_BYTES = 600 << 10
INTERLEAVED_USES = 48


def reads_in_place(problem: Problem) -> bool:
    """Whether x itself may serve as the planes."""
    g = problem.geometry
    return problem.x_in_place and all(b <= 0 and a <= 0 for b, a in g.padding) and g.stride[-1] == 1


def is_converted(problem: Problem) -> bool:
    """Whether samples are of another type than the kernels': half precision, or narrow integers."""
    return problem.dtype != compute_type(problem.dtype)


def has_gaps(problem: Problem) -> bool:
    """Whether neither x nor y has its samples side by side, and both need no conversion."""
    return not (is_converted(problem) or problem.x_in_place or problem.y_in_place)


def is_scattered(problem: Problem) -> bool:
    """Whether x and y have gaps between samples that need no conversion: most likely, their channels are last.

    Never of one axis, where the kernel, and so the order of sums, must not depend on it: see `ranked`.
    """
    return problem.geometry.ndim > 1 and has_gaps(problem)


def may_take_channels(problem: Problem) -> bool:
    """Whether it may pay to take a pixel's channels as a vector: where they are last, or turned in whole blocks.

    Of one axis, only where that adds up products in the same order as the other kernels do.
    """
    g = problem.geometry
    if has_gaps(problem):
        return g.ndim > 1 or g.stride == (1,)
    return g.ndim > 1 and set(g.stride) == {1} and not is_converted(problem)


def shares_lines(problem: Problem) -> bool:
    """Whether a group is a single channel whose samples lie between those of others."""
    return problem.geometry.groups > 1 and problem.channels[0] == 1 and is_scattered(problem)


def plane_bytes(problem: Problem) -> int:
    """Return how many bytes the planes of all input channels may have."""
    g = problem.geometry
    inputs, outputs = problem.channels
    if shares_lines(problem):
        return SCATTERED_PLANE_BYTES
    if inputs == 1 and g.taps * outputs < FEW_READS * math.prod(g.stride):
        return NEAREST_PLANE_BYTES
    return PLANE_BYTES if inputs > 1 else ROW_PLANE_BYTES


def pays_to_interleave(problem: Problem, core: Core, in_place: bool) -> bool:
    """Return whether the tile reads enough more quickly to make up for a copy of x in another order."""
    g = problem.geometry
    inputs, outputs = problem.channels
    block_bytes = core.lanes * g.taps * core.tile_channels * core.compute_dtype.itemsize
    if inputs < core.lanes or block_bytes > INTERLEAVED_WEIGHT_BYTES:
        return False
    return not in_place or g.taps * outputs >= INTERLEAVED_USES


def channel_blocks(problem: Problem, core: Core, in_place: bool) -> tuple[int, int]:
    """Return how many input channels a tile's planes interleave, and how many it sums at a time.

    The latter does not depend on where x lies: of a single tap, that then leaves an output's bits as they are.
    """
    inputs, _ = problem.channels
    interleave = core.lanes if pays_to_interleave(problem, core, in_place) else 1
    step = core.lanes if pays_to_interleave(problem, core, False) else 1
    each = problem.geometry.taps * core.tile_channels * core.compute_dtype.itemsize * step
    blocks = evenly_cut(-(-inputs // step), max(WEIGHT_BYTES // each, 1))[1]
    return interleave, max(min(math.ceil(blocks) * step, inputs), 1)


def evenly_cut(total: int, most: int) -> tuple[int, float]:
    """Return into how many parts of at most `most` a total is cut, and their mean size."""
    parts = max(-(-total // most), 1)
    return parts, total / parts
