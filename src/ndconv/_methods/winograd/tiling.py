"""How outputs are cut into tiles, and tiles into blocks whose values stay in cache."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ... import _core
from ..._call.dtypes import compute_type
from ..._core import Core
from ..direct.planes import plane_samples
from ..problem import PROMISE, Problem

# Of an axis that is cut into tiles: as in the core's transforms, how many points it may have, and the most outputs of a
# tile; the longest stride; and the most taps of a phase, of which two outputs are a tile.
POINTS = (6, 5, 4)
MOST_OUTPUTS = 4
MOST_STEP = 4
MOST_TAPS = max(POINTS) - 1

# Bytes of the values that a block of tiles keeps for all workers, and of the planes of a band of tiles.
VALUE_BYTES = 8 << 20
BAND_BYTES = 128 << 10

# Tiles that are multiplied together, of two axes and of one, which have fewer products: a chunk's fill half an L2 cache
# at most. Where the values of so many tiles as of two axes do so, and there are so many blocks, a worker does one
# alone.
CHUNK_TILES = 56
CHUNK_TILES_OF_LINES = 160
OWN_VALUE_BYTES = 640 << 10
LEAST_BLOCKS = 16

# Products of one point that are added up before they are added to others. A sum of all of them in a row would round
# too often for the promised accuracy; each part costs as much as some ten products.
SUMMED_PRODUCTS = 128

# Largest errors, in eps, where all samples are of about one size and a single weight of 1 is all that there is: for
# tiles of so many points, along one axis and along two. Sums of more products, however small those are, add to their
# squares: as much again for so many sums. Measured on 60 tiles, of up to 1024 channels.
NOISE = {4: (3.0, 11.0), 5: (4.2, 20.0), 6: (7.2, 36.0)}
SUMS_PER_NOISE = 6.0

# The promise would be broken where a weight is so much larger than the others of its output channel, or a sample than
# the mean of its image, zeros apart, that few products make most of an output. So a single weight may have no larger
# part in the sum of all (in absolute values) than those errors, in units of the promise, to the power of -2, and no
# larger one than this; and times the largest sample that part may be no more than this many means, divided by the
# errors, nor more than one for so many outputs: few may miss all that is large.
MOST_SHARE = 0.125
OUTLIER = 3.0
OUTLIER_OUTPUTS = 1


class Tiling(NamedTuple):
    """How outputs are cut into tiles; the names are those of the core's `Tiling`."""

    rows: int
    columns: int
    row_points: int
    column_points: int
    row_taps: int
    column_taps: int
    row_step: int
    column_step: int
    row_dilation: int
    column_dilation: int
    outer: int
    positions: int
    lines: int
    depth: int
    grid_rows: int
    grid_columns: int
    block_images: int
    block_rows: int
    block_columns: int
    input_rows: int
    gemm_tiles: int
    private_blocks: bool
    k_block: int
    outlier: float
    most_share: float

    @property
    def points(self) -> int:
        """The points of a tile."""
        return self.row_points * self.column_points

    @property
    def phases(self) -> int:
        """The phases of both axes."""
        return self.row_step * self.column_step

    @property
    def weight_values(self) -> int:
        """The products of a tile: of each phase at all points, or all but the last."""
        rows = self.row_step * (self.row_points - 1) + (self.row_taps - 1) % self.row_step + 1
        return rows * (self.column_step * (self.column_points - 1) + (self.column_taps - 1) % self.column_step + 1)


def tile_sizes(g: Any, axis: int) -> dict[int, int]:
    """Return of the points that an axis can have the outputs of a tile, of at least two; none if it is not cut."""
    if axis < 0 or g.stride[axis] > MOST_STEP:
        return {}
    if g.dilation[axis] > 1 and (g.stride[axis] > 1 or 2 * g.dilation[axis] > g.out_shape[axis]):
        return {}
    taps = -(-g.kernel[axis] // g.stride[axis])  # of the phase of most
    sizes = {points: points - taps + 1 for points in POINTS}
    return {points: size for points, size in sizes.items() if 2 <= size <= MOST_OUTPUTS and taps > 1}


def cuts(problem: Problem) -> list[tuple[int, int, int]]:
    """Return (points, rows, columns) of the tiles whose values fit the memory for them; 1 row if only one axis is cut.

    Those that interlace stay together.
    """
    core = _core.load(compute_type(problem.dtype))
    g = problem.geometry
    columns = tile_sizes(g, g.ndim - 1)
    rows = tile_sizes(g, g.ndim - 2)
    both = [points for points in columns if points in rows]
    axes = 2 if both else 1
    blocks = -(-problem.channels[0] // core.lanes)
    of_point = blocks * core.lanes * core.compute_dtype.itemsize * math.prod(g.stride[-axes:])
    of_point *= math.prod(_reach(g, axis) for axis in range(g.ndim - axes))
    return [
        (points, rows[points] if both else 1, columns[points])
        for points in both or columns
        if of_point * points**axes * min(g.dilation[-1], _tiles(g.out_shape[-1], columns[points], g.dilation[-1]))
        <= VALUE_BYTES
    ]


def tiling_of(problem: Problem, core: Core, points: int, rows: int, columns: int) -> Tiling:
    """Return the tiling of a problem into tiles of `rows` and `columns` outputs; of 1 row if only one axis is cut.

    It has one block for each image, before `in_blocks` says more.
    """
    g = problem.geometry
    planar = rows > 1
    outer = g.ndim - (2 if planar else 1)
    positions = math.prod(_reach(g, axis) for axis in range(outer))
    grid_rows = _tiles(g.out_shape[-2], rows, g.dilation[-2]) if planar else 1
    grid_columns = _tiles(g.out_shape[-1], columns, g.dilation[-1])
    taps = math.prod(g.kernel[:outer])
    return Tiling(
        rows=rows,
        columns=columns,
        row_points=points if planar else 1,
        column_points=points,
        row_taps=g.kernel[-2] if planar else 1,
        column_taps=g.kernel[-1],
        row_step=g.stride[-2] if planar else 1,
        column_step=g.stride[-1],
        row_dilation=g.dilation[-2] if planar else 1,
        column_dilation=g.dilation[-1],
        outer=outer,
        positions=positions,
        lines=math.prod(g.out_shape[: outer - 1]) if outer else 1,
        depth=g.out_shape[outer - 1] if outer else 1,
        grid_rows=grid_rows,
        grid_columns=grid_columns,
        block_images=1,
        block_rows=grid_rows,
        block_columns=grid_columns,
        input_rows=1,
        gemm_tiles=CHUNK_TILES if planar else CHUNK_TILES_OF_LINES,
        private_blocks=False,
        k_block=max(SUMMED_PRODUCTS // (core.lanes * taps), 1),
        outlier=1.0,
        most_share=1.0,
    )


def _tiles(outputs: int, size: int, dilation: int) -> int:
    """Return the tiles of an axis: each has every `dilation`-th of its outputs, and as many interlace."""
    groups, rest = divmod(outputs, size * dilation)
    return groups * dilation + min(rest, dilation)


def _reach(g: Any, axis: int) -> int:
    """Return the plane samples of an axis that is not cut."""
    return plane_samples(g, axis, g.out_shape[axis])


def in_blocks(problem: Problem, core: Core, tiling: Tiling) -> Tiling:
    """Return the tiling with blocks of one worker each, or else with those that all workers share."""
    tiling = _guarded(problem, tiling)
    private = _private_blocks(problem, core, tiling)
    return private if private is not None else _shared_blocks(problem, core, tiling)


def _guarded(problem: Problem, tiling: Tiling) -> Tiling:
    """Return a tiling with what its errors allow: how large a part of an output's sum may be one weight's."""
    planar = tiling.rows > 1
    noise = NOISE[tiling.column_points][planar]
    products = problem.channels[0] * math.prod(problem.geometry.kernel[: tiling.outer]) * tiling.phases
    sums = min(products, SUMMED_PRODUCTS) + products // SUMMED_PRODUCTS
    noise *= math.sqrt(1 + sums / SUMS_PER_NOISE) / PROMISE
    few = math.prod(problem.geometry.out_shape) / OUTLIER_OUTPUTS
    return tiling._replace(outlier=min(OUTLIER / noise, few), most_share=min(noise**-2, MOST_SHARE))


def _private_blocks(problem: Problem, core: Core, tiling: Tiling) -> Tiling | None:
    """Return the tiling with blocks whose values stay in one worker's cache; None if they are too few or small."""
    if tiling.column_dilation > 1:
        return None
    columns = _evenly(tiling.grid_columns, 16 if tiling.rows > 1 else CHUNK_TILES)
    # Whole vectors of outputs.
    together = max(core.lanes // tiling.columns, 1)
    columns = min(-(-columns // together) * together, tiling.grid_columns)
    rows = _evenly(tiling.grid_rows, max(CHUNK_TILES // columns, 1))
    images = max(min(CHUNK_TILES // (rows * columns), problem.batch), 1) if rows == tiling.grid_rows else 1
    tiles = images * rows * columns
    blocks = -(-problem.batch // images) * -(-tiling.grid_rows // rows) * -(-tiling.grid_columns // columns)
    if blocks * problem.geometry.groups < LEAST_BLOCKS or 2 * tiles < CHUNK_TILES:
        return None
    if _value_bytes(problem, core, tiling, tiles) > OWN_VALUE_BYTES:
        return None
    return tiling._replace(
        block_images=images,
        block_rows=rows,
        block_columns=columns,
        input_rows=rows if tiling.row_dilation == 1 else 1,
        gemm_tiles=CHUNK_TILES,
        private_blocks=True,
    )


def _shared_blocks(problem: Problem, core: Core, tiling: Tiling) -> Tiling:
    """Return the tiling with blocks as large as their values fit the memory that all workers share."""
    most = max(VALUE_BYTES // _value_bytes(problem, core, tiling, 1), 1)
    images = rows = 1
    interlaced = tiling.column_dilation  # tiles that stay together
    columns = min(tiling.grid_columns, max(most // interlaced, 1) * interlaced)
    if columns == tiling.grid_columns:
        rows = max(min(tiling.grid_rows, most // columns), 1)
        if rows == tiling.grid_rows:
            images = max(min(problem.batch, most // (rows * columns)), 1)
    columns = _evenly(-(-tiling.grid_columns // interlaced), -(-columns // interlaced)) * interlaced
    width = (columns + 1) * tiling.columns * tiling.column_step
    band = BAND_BYTES // (width * core.lanes * core.compute_dtype.itemsize * tiling.rows * tiling.row_step)
    return tiling._replace(
        block_images=_evenly(problem.batch, images),
        block_rows=_evenly(tiling.grid_rows, rows),
        block_columns=min(columns, tiling.grid_columns),
        input_rows=max(min(band, rows), 1) if tiling.row_dilation == 1 else 1,
    )


def _evenly(total: int, most: int) -> int:
    """Return the size of about equal parts, none larger than `most`."""
    return -(-total // -(-total // most))


def _value_bytes(problem: Problem, core: Core, tiling: Tiling, tiles: int) -> int:
    """Return the bytes of the values of so many tiles (at all positions)."""
    lanes: int = core.lanes
    item: int = core.compute_dtype.itemsize
    blocks = -(-problem.channels[0] // lanes)
    return tiling.phases * tiling.points * blocks * lanes * tiles * tiling.positions * item
