"""The gradients to weights and bias: sums, over all outputs, of products of gradients and padded samples.

This module decides the blocking, as `_methods.direct` does forwards; ``_core/methods/weight_gradient`` does what it
says.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from .. import _core
from .._call.arrays import is_in_place
from .._call.dtypes import Array, compute_type
from .._call.fill import checked_fill_value
from .._call.geometry import Geometry, batch_of
from .._core import Core
from .._methods import is_remembered
from .._methods.direct.blocking import finish_blocking
from .._methods.direct.boxes import TASK_MULTIPLY_ADDS, TASKS, UNBOUNDED, largest_box, smallest_box
from .._methods.problem import Problem, run_aligned
from .._runtime.caches import Cache
from .._runtime.workers import Threads

# Of each task: bytes of the box's gradients to y and of padded samples, which are read again for each few pairs of a
# channel and a tap, together half an L2 cache; bytes of its sums; outputs of a box below which its sums, read and
# written once a box, would be what it waits for; products for which a padded sample should be read, and bytes of the
# parts of a small gradient that different tasks sum.
GRADIENT_BYTES = 256 << 10
PLANE_BYTES = 384 << 10
SUM_BYTES = 512 << 10
LEAST_PIXELS = 128
USES = 512
PART_BYTES = 2 << 20

# Cycles of a vector's product over a single vector of output channels, each with a sample to broadcast; and along
# lines, each with a vector of samples to load, for 1, 2 and at least 4 output channels together.
VECTOR_CYCLES = 1.0
LINE_CYCLES = (1.3, 0.75, 0.6)


class GradientBlocking(NamedTuple):
    """How the work is cut into tasks; the names are those of the core's `GradientBlocking`."""

    along_lines: bool  # vectors of outputs of one channel, instead of vectors of channels
    partial_sums: int  # of the boxes of the batch, whose gradients are added in the end
    groups: int  # of a task, as the next two
    outputs: int
    inputs: int


def weight_gradient(
    grad_y: Array, x: Array, geometry: Geometry, dtype: np.dtype[Any], fill_value: complex, workers: int | None
) -> tuple[Array, Array | None]:
    """Return the gradients (out, in, *kernel) and (out,) from grad_y (*batch, out, *out) and x (*batch, in, *in).

    The latter, made beside the former, is None where there are no weights or no samples.
    """
    shape = (geometry.channels_out, geometry.channels_in // geometry.groups, *geometry.kernel)
    real_x = x.dtype.kind != "c"
    if dtype.kind == "c" and grad_y.dtype.kind != "c":
        grad_y = grad_y.astype(dtype)  # the real parts of complex gradients
    batch = math.prod(batch_of(grad_y.shape, geometry.ndim))
    if grad_y.size == 0 or math.prod(shape) == 0:
        return np.zeros(shape, dtype), None
    problem = Problem(
        geometry=geometry, dtype=dtype, x_is_complex=not real_x, fill_value=checked_fill_value(fill_value, dtype),
        batch=batch, x_in_place=is_in_place(x, geometry.ndim, compute_type(dtype)), y_in_place=False,
    )  # fmt: skip
    core = (_remembered_plan if is_remembered(geometry.taps) else _make_plan)(problem)
    inputs, outputs = problem.channels
    real_shape = (geometry.groups, outputs, inputs, *geometry.kernel)
    size = math.prod(real_shape)
    real: Array = np.empty(size + geometry.groups * outputs, compute_type(dtype))
    with Threads(geometry.multiply_adds * batch, workers) as threads:
        run_aligned(core.accumulate, x, grad_y, real, threads)
    weights, bias = real[:size], real[size:]
    gradient = _of_real(weights.reshape(real_shape), dtype, real_x).reshape(shape)
    if dtype.kind == "c":
        return gradient, bias.view(dtype)
    with np.errstate(over="ignore"):  # as of weights
        return gradient, bias.astype(dtype, copy=False)


def _of_real(real: Array, dtype: np.dtype[Any], real_x: bool) -> Array:
    """Return gradients of a dtype from those of the real weights that the core has instead of complex ones.

    A complex weight ``a + bi`` stands there as a, -b and b, a (see `real_weights`); the gradients to a and b
    are the real and imaginary part of its own.
    """
    if dtype.kind != "c":
        with np.errstate(over="ignore"):  # an infinity, as from the kernels
            return real.astype(dtype, copy=False)
    groups, outputs, inputs, *kernel = real.shape
    of_x = 1 if real_x else 2
    parts = real.reshape(groups, outputs // 2, 2, inputs // of_x, of_x, *kernel)
    gradient = np.empty((groups, outputs // 2, inputs // of_x, *kernel), dtype)
    gradient.real, gradient.imag = parts[:, :, 0, :, 0], parts[:, :, 1, :, 0]
    if not real_x:
        gradient.real += parts[:, :, 1, :, 1]
        gradient.imag -= parts[:, :, 0, :, 1]
    return gradient


def _make_plan(problem: Problem) -> Any:
    core = _core.load(compute_type(problem.dtype))
    blocking, cut = _block(problem, core)
    return core.WeightGradient(blocking, cut)


_remembered_plan = Cache[Any]("plans of gradients").remembered(_make_plan)


def _along_lines(problem: Problem, core: Core) -> bool:
    """Return which micro-kernel takes fewer cycles for a product: that of lines, or that of channels."""
    g = problem.geometry
    _, outputs = problem.channels
    lanes, width = int(core.lanes), g.out_shape[-1]
    over_channels = 0.5 if outputs > lanes else VECTOR_CYCLES
    along_lines = LINE_CYCLES[min(outputs, 4).bit_length() - 1]
    return along_lines * -(-width // lanes) / width < over_channels * -(-outputs // lanes) / outputs


def _block(problem: Problem, core: Core) -> tuple[Any, GradientBlocking]:
    """Return the blocking of the padded samples and the cut into tasks, which depend on the problem alone."""
    g = problem.geometry
    inputs, outputs = problem.channels
    item, lanes = core.compute_dtype.itemsize, core.lanes
    along_lines = _along_lines(problem, core)
    unpadded = all(before <= 0 and after <= 0 for before, after in g.padding)
    in_place = problem.x_in_place and unpadded and g.stride[-1] == 1 and not along_lines
    flat = in_place and g.ndim > 1 and g.stride[-2] == 1 and g.in_shape[-1] == g.out_shape[-1]

    # Few taps read padded samples too seldom, unless for more output channels.
    block = lanes if along_lines else core.tile_channels
    most_outputs = min(outputs, block * max(USES // (block * g.taps), 1))
    rows = outputs if along_lines else -(-most_outputs // lanes) * lanes
    most_outputs = min(most_outputs, rows)
    sums_of_input = most_outputs * g.taps * item * (lanes if along_lines else 1)
    most_inputs = max(min(SUM_BYTES // sums_of_input, inputs), 1)
    pixels = max(GRADIENT_BYTES // (item * rows), 1)
    while True:
        task_inputs = _even(inputs, most_inputs)
        samples = UNBOUNDED if in_place else PLANE_BYTES // (item * task_inputs)
        box = largest_box(g, samples, 1, core, flat, pixels)
        wide_enough = box and math.prod(box) >= min(LEAST_PIXELS, pixels // 2, math.prod(g.out_shape))
        if wide_enough or task_inputs == 1:
            break
        most_inputs = -(-task_inputs // 2)
    box = [max(size, 1) for size in box or smallest_box(g, core, flat)]

    items = max(problem.batch, 1) * math.prod(-(-n // part) for n, part in zip(g.out_shape, box, strict=True))
    wanted = max(min(TASKS, g.multiply_adds * problem.batch // TASK_MULTIPLY_ADDS), 1)
    task_outputs = _even(outputs, most_outputs, 1 if along_lines else core.tile_channels)
    task_groups = max(SUM_BYTES // (sums_of_input * task_inputs), 1)
    task_groups = _even(g.groups, min(task_groups, max(g.groups // wanted, 1)))
    tasks = -(-g.groups // task_groups) * -(-outputs // task_outputs) * -(-inputs // task_inputs)
    weight_bytes = g.groups * outputs * inputs * g.taps * item
    parts = max(min(-(-wanted // tasks), items, PART_BYTES // weight_bytes), 1)
    # The gradient has micro-kernels of its own; of those forwards, the bank's needs the fewest tables.
    blocking = finish_blocking(
        problem, core, kernel="bank", box=tuple(box), flat=flat, in_place=in_place, interleave=1,
        n_blocks=max(-(-outputs // core.bank_channels), 1), blocks_per_task=1, groups_per_task=1,
        channel_block=task_inputs, padded_channels=task_inputs, stretch=1,
    )  # fmt: skip
    return blocking, GradientBlocking(along_lines, parts, task_groups, task_outputs, task_inputs)


def _even(total: int, most: int, step: int = 1) -> int:
    """Return the size of the parts, of at most `most` and whole steps, into which a total is cut evenly."""
    pieces = -(-total // max(most, 1))
    return min(-(-total // (pieces * step)) * step, max(most, 1))
