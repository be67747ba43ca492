"""Phases of a transposed layer along its last axis, computed together by the direct method.

They read the same padded samples, and their outputs take turns in y's rows, which so are written once, whole cache
lines at a time; ``_core/methods/polyphase.pxi`` does it.
"""

from __future__ import annotations

import math
from typing import Any

from .. import _core
from .._call.activations import ACTIVATIONS
from .._call.dtypes import Array, compute_type, real_vector, real_weights
from .._call.geometry import batch_of
from .._methods.direct.blocking import finish_blocking
from .._methods.direct.boxes import UNBOUNDED, cut, largest_box
from .._methods.direct.kernels import kernels
from .._methods.direct.layout import PLANE_BYTES, ROW_PLANE_BYTES, pays_to_interleave
from .._methods.problem import MANY_TAPS, Problem
from .._runtime.caches import PLAN_BYTES, Cache
from .._runtime.workers import Threads
from .phases import Phase


def run_interleaved(
    phase: Phase,
    x: Array,
    weight: Array,
    y: Array,
    bias: Array | None,
    residual: Array | None,
    activation: str | None,
    packed: Cache[Any] | None,
    workers: int | None,
) -> bool:
    """Compute y (*batch, channels, *out) from x (*batch, channels, *in); whether that can be, and should."""
    g = phase.geometry
    if y.dtype.kind in "iu" or g.taps >= MANY_TAPS:
        return False
    batch = math.prod(batch_of(y.shape, g.ndim))
    x_is_complex = x.dtype.kind == "c"
    problem = Problem(
        geometry=g, dtype=y.dtype, x_is_complex=x_is_complex, fill_value=0, batch=batch, x_in_place=False,
        y_in_place=False,
    )  # fmt: skip
    n_taps = tuple(column.n_taps if column else 0 for column in phase.columns)
    core = _plan(problem, phase.starts, n_taps)
    if core is None:
        return False
    work = g.multiply_adds * batch
    key = (phase.name, core.phases[0].blocking.kernel, y.dtype, x_is_complex)
    with Threads(work, workers) as threads:
        weights = None if packed is None else packed.get(key)
        if weights is None:
            taps: list[Any] = [(..., *each) for each in phase.column_taps]
            weights = core.pack([real_weights(weight[each], y.dtype, x_is_complex) for each in taps], threads)
            if packed is not None:
                packed.keep(key, weights)
        vector = None if bias is None else real_vector(bias, y.dtype)
        code = ACTIVATIONS.index(activation)
        core.run(x, weights, vector, residual, y, code, threads)
    return True


@Cache[Any]("plans of transposed layers", 2 * PLAN_BYTES).remembered
def _plan(problem: Problem, starts: tuple[int, ...], n_taps: tuple[int, ...]) -> Any:
    """Return the plan of phases that begin at `starts` among the taps of the last axis, or None.

    It is one for each phase, and so takes more room than others.
    """
    g = problem.geometry
    core = _core.load(compute_type(problem.dtype))
    inputs, outputs = problem.channels
    cycles = {kernel: each for kernel, flat, each in kernels(problem, core) if not flat}
    kernel = "tile" if cycles["tile"] <= cycles["rows"] else "rows"
    interleave = core.lanes if kernel == "tile" and pays_to_interleave(problem, core, False) else 1
    limit = PLANE_BYTES if inputs > 1 else ROW_PLANE_BYTES
    box = largest_box(g, limit // (core.compute_dtype.itemsize * max(inputs, 1)), 1, core, False, UNBOUNDED)
    if box is None:
        return None
    n_blocks = max(-(-outputs // (core.tile_channels if kernel == "tile" else 1)), 1)
    box, blocks_per_task, groups_per_task = cut(
        problem, core, kernel, [max(size, 1) for size in box], n_blocks, False, False
    )
    blocking = finish_blocking(
        problem, core, kernel=kernel, box=tuple(box), flat=False, in_place=False, interleave=interleave,
        n_blocks=n_blocks, blocks_per_task=blocks_per_task, groups_per_task=groups_per_task, channel_block=inputs,
        padded_channels=inputs, stretch=1,
    )  # fmt: skip
    return core.Polyphase([blocking.with_taps(g.kernel, start, n) for start, n in zip(starts, n_taps, strict=True)])
