"""Which tiling is the cheapest: the cycles of each."""

from __future__ import annotations

import math

from ... import _core
from ..._call.dtypes import compute_type
from ..._core import Core
from ..._runtime.caches import CHOICE_BYTES, Cache
from ..direct import kernels
from ..problem import Problem
from .tiling import Tiling, cuts, in_blocks, tiling_of

# Cycles that a vector of values of a tile takes beside its products, on its way in, and on its way out into y; bytes of
# values of weights, which are asked for early, that arrive in one; and cycles in which such a value is packed.
VALUE_IN_CYCLES = 8.0
VALUE_OUT_CYCLES = 18.0
WEIGHT_VALUE_BYTES_PER_CYCLE = 8.0
PACK_VALUE_CYCLES = 3.0


def cheapest(problem: Problem) -> tuple[float, Tiling]:
    """Return what `best` does for a problem that the method can do."""
    found = best(problem)
    assert found is not None
    return found


@Cache[tuple[float, Tiling] | None]("tilings of Winograd's method", CHOICE_BYTES).remembered
def best(problem: Problem) -> tuple[float, Tiling] | None:
    """Return the cheapest tiling and its cost, but for packing: a layer that is kept has the same bits.

    None if there is no tile whose values fit the memory for them.
    """
    core = _core.load(compute_type(problem.dtype))
    found: tuple[float, Tiling] | None = None
    for cut in cuts(problem):
        tiling = tiling_of(problem, core, *cut)
        cycles = _cycles(problem, core, tiling)
        if found is None or cycles < found[0]:  # before its weights are read
            tiling = in_blocks(problem, core, tiling)
            cycles += _weight_cycles(problem, core, tiling)
            if found is None or cycles < found[0]:
                found = cycles, tiling
    return found


def _cycles(problem: Problem, core: Core, tiling: Tiling) -> float:
    """Return the predicted cycles of a tiling on one core, but for those that wait for weights."""
    g = problem.geometry
    inputs, outputs = problem.channels
    taps = math.prod(g.kernel[: tiling.outer])
    images = problem.batch * g.groups
    grid = tiling.grid_rows * tiling.grid_columns
    tiles_in = images * grid * tiling.positions
    tiles_out = images * grid * math.prod(g.out_shape[: tiling.outer])
    blocks_in, blocks_out = -(-inputs // core.lanes), -(-outputs // core.lanes)
    rows = tiling.rows * tiling.row_step if tiling.row_dilation == 1 else tiling.row_points
    samples = tiles_in * rows * tiling.columns * tiling.column_step * blocks_in * core.lanes
    values_in = tiles_in * blocks_in * tiling.weight_values
    values_out = tiles_out * blocks_out * tiling.points
    per_product = 0.5 + kernels.TILE_TAP_CYCLES / (core.tile_pixels[-1] * core.tile_vectors)
    return float(
        kernels.PAD_CYCLES * samples
        + VALUE_IN_CYCLES * values_in
        + VALUE_OUT_CYCLES * values_out
        + taps * inputs * per_product * tiles_out * blocks_out * tiling.weight_values
    )


def _weight_cycles(problem: Problem, core: Core, tiling: Tiling) -> float:
    """Return the cycles in which the weights' values are read, once for each chunk of tiles."""
    g = problem.geometry
    inputs, outputs = problem.channels
    grid = tiling.grid_rows * tiling.grid_columns
    tiles = problem.batch * g.groups * grid * math.prod(g.out_shape[: tiling.outer])
    # While the tiles of a micro-kernel are multiplied, the weights of the next ones arrive; but there must be some.
    in_time = min(tiles, tiling.gemm_tiles) >= 2 * core.tile_pixels[-1]
    rate = WEIGHT_VALUE_BYTES_PER_CYCLE if in_time else kernels.WEIGHT_BYTES_PER_CYCLE
    values = (
        math.prod(g.kernel[: tiling.outer]) * inputs * tiling.weight_values * -(-outputs // core.lanes) * core.lanes
    )
    return float(max(tiles / tiling.gemm_tiles, 1.0) * values * core.compute_dtype.itemsize / rate)
