"""The boxes of outputs into which work is cut, and the tasks: some groups and blocks of channels of a box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..._core import Core
from ..problem import Problem
from .layout import evenly_cut, shares_lines
from .planes import plane_samples

# The smallest task, in multiply-adds: some 10 microseconds, against the fraction of one that a task costs.
TASK_MULTIPLY_ADDS = 400_000

# Tasks that a large call is cut into, whatever the number of workers: enough for 16 of them.
TASKS = 32

# Boxes of parts of lines are worth while where they read no more than this part of the samples for each output.
LINES_CUT = 0.5

# As good as any number of samples.
UNBOUNDED = 1 << 62


def _plane_size(g: Any, box: Sequence[int], copies: int, flat: bool) -> int:
    size = math.prod(plane_samples(g, axis, box[axis]) for axis in range(g.ndim - 1))
    return size * (box[-1] * copies if flat else plane_samples(g, g.ndim - 1, box[-1]))


def smallest_box(g: Any, core: Core, flat: bool) -> list[int]:
    """Return the least box that still fills a micro-kernel."""
    least = g.out_shape[-1] if flat else min(g.out_shape[-1], 4 * core.lanes)
    return [1] * (g.ndim - 1) + [least]


def largest_box(g: Any, samples: int, copies: int, core: Core, flat: bool, pixels: int) -> list[int] | None:
    """Return a box whose plane has at most so many samples, cut along outer axes first; None if there is none.

    Lines are cut where boxes of whole ones would be so low that they read far more samples than they have outputs.
    """
    best: list[int] | None = None
    least_read = math.inf
    width = g.out_shape[-1]
    while True:
        box = _largest_box(g, [*g.out_shape[:-1], width], samples, copies, core, flat, pixels)
        if box is not None:
            read = _plane_size(g, box, copies, flat) / max(math.prod(box), 1)
            if read < LINES_CUT * least_read:
                best, least_read = box, read
        if flat or g.ndim == 1 or width <= 8 * core.lanes:
            return best
        width = -(-width // (2 * core.lanes)) * core.lanes


def _largest_box(
    g: Any, box: list[int], samples: int, copies: int, core: Core, flat: bool, pixels: int
) -> list[int] | None:
    """Return the same within a box."""
    for axis in range(g.ndim):
        least = 1
        if axis == g.ndim - 1:
            if flat:
                break
            least = min(box[-1], 4 * core.lanes)

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
    even = [math.ceil(evenly_cut(size, part)[1]) if size else 1 for size, part in zip(g.out_shape, box, strict=True)]
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
    if shares_lines(problem):
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
