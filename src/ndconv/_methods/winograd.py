"""Winograd's method, for axes of a few taps: fewer multiplications, on values at points instead of samples.

A tile of m outputs of an axis of r taps takes m + r - 1 products instead of r m; those of two axes multiply. An axis of
stride s is the sum of s axes of r / s taps, its phases; one of dilation d is d axes that interlace. Part of what is
saved is spent on transforming input and output, so the method pays where channels are many. The last axis is cut into
tiles, and the one before it if it can be; taps along the others are summed as in the direct method.
``_core/methods/winograd`` does it; ``_core/kernels/winograd_transforms.pxi`` says at which points, and where the method
comes from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import _core
from .._call.dtypes import Array, compute_type
from .._call.geometry import batch_of
from .._core import Core
from .._runtime.caches import CHOICE_BYTES, Cache
from . import direct, extent
from .direct import kernels
from .direct.blocking import Blocking, fill_values
from .direct.planes import axis_layout, plane_samples
from .direct.taps import NONE
from .epilogue import finish
from .problem import PROMISE, Problem, remembered
from .scaling import exponents_of_tiny, scaled

NAME = "winograd"
DESCRIPTION = """\
Takes fewer products: for 3x3 taps, a tile of 4x4 outputs takes 36 instead of 144. It needs a last axis of 2 to 5
taps. With a stride of 2 to 4, the axis must have more taps than the stride, and at most 5 in each step. A dilation
may be up to half the outputs, but does not go with a stride. The method is the quickest from some 16 channels on,
with a stride from some 64 on. Floating dtypes only."""

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

# Cycles that a vector of values of a tile takes beside its products, on its way in, and on its way out into y; bytes of
# values of weights, which are asked for early, that arrive in one; and cycles in which such a value is packed.
VALUE_IN_CYCLES = 8.0
VALUE_OUT_CYCLES = 18.0
WEIGHT_VALUE_BYTES_PER_CYCLE = 8.0
PACK_VALUE_CYCLES = 3.0

FITTED: tuple[str, ...] = ("VALUE_IN_CYCLES", "VALUE_OUT_CYCLES", "WEIGHT_VALUE_BYTES_PER_CYCLE")


# Tables of an axis that is cut: a plane has one sample of it.
_ZERO, _ONE = np.zeros(1, np.intp), np.ones(1, np.intp)


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


def why_not(problem: Problem) -> str | None:
    """Return the reason why the method cannot do a problem, or None."""
    g = problem.geometry
    if problem.dtype.kind not in "fc":
        return f"its divisions would round integers of dtype {problem.dtype}"
    last = g.ndim - 1
    if not _tile_sizes(g, last):
        return (
            f"the last axis must have a stride of at most {MOST_STEP}, more taps than that, at most {MOST_TAPS} for "
            "each step, and no dilation beside a stride or of more than half its outputs; "
            f"it has stride {g.stride[last]}, {g.kernel[last]} taps, dilation {g.dilation[last]} "
            f"and {g.out_shape[last]} outputs"
        )
    if 0 in g.out_shape or 0 in (g.channels_in, g.channels_out, problem.batch):
        return "there is nothing to compute"
    if _best(problem) is None:
        return f"the values of a single tile, or of those that interlace, take more than {VALUE_BYTES >> 20} MiB"
    return None


def cost(problem: Problem) -> float:
    """Return the predicted cycles on one core."""
    cycles, tiling = _cheapest(problem)
    if problem.packing:
        inputs, outputs = problem.channels
        taps = math.prod(problem.geometry.kernel[: tiling.outer])
        lanes = _core.load(compute_type(problem.dtype)).lanes
        values = problem.geometry.groups * taps * inputs * tiling.weight_values * -(-outputs // lanes) * lanes
        cycles += PACK_VALUE_CYCLES * values
    return cycles


@remembered
def plan(problem: Problem) -> WinogradPlan:
    """Return the plan of a problem."""
    return WinogradPlan(problem)


class WinogradPlan:
    """The `Plan` of Winograd's method, and beside it one of the direct method for what would not be exact enough."""

    def __init__(self, problem: Problem) -> None:
        core = _core.load(compute_type(problem.dtype))
        self._problem = problem
        self.tiling = _cheapest(problem)[1]
        # What a tile reaches beyond the last output must not be there.
        self._read = extent.read(problem, self.tiling.outer)
        self._core = core.Winograd(_blocking(self._read.problem, core, self.tiling), self.tiling)
        self._unreached = extent.unreached(problem)
        self._key = (NAME, core.__name__, self.tiling.row_points, self.tiling.column_points)
        self._zero = np.zeros((), compute_type(problem.dtype))
        self._direct: direct.DirectPlan | None = None
        self.nbytes = 2 * self._core.nbytes  # the other one's are about as many

    def pack_key(self) -> Any:
        """Return what tells packings of the same weights apart."""
        return self._key

    def pack(self, weights: Array, workers: int = 1, once: bool = False) -> Values:
        """Return the weights' values at the points; those of a single call are made when they are needed."""
        return Values(weights) if once and len(weights) == 1 else self._values(weights, workers)

    def _values(self, weights: Array, workers: int) -> Values:
        """Return the values of weights; those of output channels that are tiny, multiplied by powers of two."""
        values = self._core.pack(weights, workers)
        exponents = None if values.share <= 1 else _exponents(weights)
        if exponents is None:
            return Values(weights, values)
        return Values(weights, self._core.pack(scaled(weights, exponents, weights.ndim - 2), workers), exponents)

    def run(
        self,
        x: Array,
        packed: Values,
        bias: Array | None,
        residual: Array | None,
        y: Array,
        activation: int,
        weight_batch: Sequence[int] | None,
        workers: int,
    ) -> bool:
        """Compute y from x; by the direct method if weights differ within the batch, or if the core says so."""
        if weight_batch is None or not any(weight_batch):
            arguments = bias, residual, y, activation, weight_batch, workers
            part = self._read.part(x)
            values = packed.weights if packed.values is None else packed.values
            done = self._core.run(part, values, *arguments, packed.exponents)
            if not done and packed.values is None and _exponents(packed.weights) is not None:
                packed = self._values(packed.weights, workers)
                done = self._core.run(part, packed.values, *arguments, packed.exponents)
            if done:
                self._finish_unreached(bias, residual, y, activation)
                return True
        if self._direct is None:
            self._direct = direct.DirectPlan(self._problem)
        key = self._direct.pack_key()
        found, taps = packed.taps
        if found != key:
            taps = self._direct.pack(packed.weights)
            packed.taps = (key, taps)
        return bool(self._direct.run(x, taps, bias, residual, y, activation, weight_batch, workers))

    def _finish_unreached(self, bias: Array | None, residual: Array | None, y: Array, activation: int) -> None:
        """Write outputs that find nothing but zeros: others of their tiles have left rounding errors there."""
        ndim = self._problem.geometry.ndim
        for axis, outputs in self._unreached:
            at: Any = (..., outputs, *(slice(None),) * (ndim - axis - 1))
            for item in np.ndindex(*batch_of(y.shape, ndim)):
                part = y[item][at][None]
                channels = part.shape[1] * (2 if y.dtype.kind == "c" else 1)
                sums = np.broadcast_to(self._zero, (1, channels, *part.shape[2:]))
                finish(sums, bias, None if residual is None else residual[item][at][None], part, activation)

    def __str__(self) -> str:
        t = self.tiling
        size = f"{t.columns}, {t.column_points - t.columns + 1}"
        if t.rows > 1:
            size = f"{t.rows}x{t.columns}, {t.row_points - t.rows + 1}x{t.column_points - t.columns + 1}"
        phases = f" in {t.phases} phases" if t.phases > 1 else ""
        return f"F({size}){phases}, {t.weight_values} products a tile, {t.grid_rows}x{t.grid_columns} tiles"


def _exponents(weights: Array) -> Array | None:
    """Return by which power of two to multiply each output channel's weights (sets, out, in, *kernel), if any."""
    return exponents_of_tiny(weights, range(2, weights.ndim))


class Values:
    """Weights as they were, and at the points: None where they are packed as the core needs them."""

    __slots__ = ("exponents", "taps", "values", "weights")

    def __init__(self, weights: Array, values: Any = None, exponents: Array | None = None) -> None:
        self.weights = weights
        self.values = values
        self.exponents = exponents  # of two, by which the values of each output channel have been multiplied
        self.taps: tuple[Any, Any] = (None, None)  # how packed for the direct method, when that was needed, and what

    @property
    def nbytes(self) -> int:
        """The bytes of all of them, also of the taps that are still to come."""
        return int(getattr(self.values, "nbytes", 0) + 2 * self.weights.nbytes)


def _tile_sizes(g: Any, axis: int) -> dict[int, int]:
    """Return of the points that an axis can have the outputs of a tile, of at least two; none if it is not cut."""
    if axis < 0 or g.stride[axis] > MOST_STEP:
        return {}
    if g.dilation[axis] > 1 and (g.stride[axis] > 1 or 2 * g.dilation[axis] > g.out_shape[axis]):
        return {}
    taps = -(-g.kernel[axis] // g.stride[axis])  # of the phase of most
    sizes = {points: points - taps + 1 for points in POINTS}
    return {points: size for points, size in sizes.items() if 2 <= size <= MOST_OUTPUTS and taps > 1}


def _tiling(problem: Problem, core: Core, points: int, rows: int, columns: int) -> Tiling:
    """Return the tiling of a problem into tiles of `rows` and `columns` outputs; of 1 row if only one axis is cut.

    It has one block for each image, before `_in_blocks` says more.
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


def _guarded(problem: Problem, tiling: Tiling) -> Tiling:
    """Return a tiling with what its errors allow: how large a part of an output's sum may be one weight's."""
    planar = tiling.rows > 1
    noise = NOISE[tiling.column_points][planar]
    products = problem.channels[0] * math.prod(problem.geometry.kernel[: tiling.outer]) * tiling.phases
    sums = min(products, SUMMED_PRODUCTS) + products // SUMMED_PRODUCTS
    noise *= math.sqrt(1 + sums / SUMS_PER_NOISE) / PROMISE
    few = math.prod(problem.geometry.out_shape) / OUTLIER_OUTPUTS
    return tiling._replace(outlier=min(OUTLIER / noise, few), most_share=min(noise**-2, MOST_SHARE))


def _tiles(outputs: int, size: int, dilation: int) -> int:
    """Return the tiles of an axis: each has every `dilation`-th of its outputs, and as many interlace."""
    groups, rest = divmod(outputs, size * dilation)
    return groups * dilation + min(rest, dilation)


def _in_blocks(problem: Problem, core: Core, tiling: Tiling) -> Tiling:
    """Return the tiling with blocks of one worker each, or else with those that all workers share."""
    tiling = _guarded(problem, tiling)
    private = _private_blocks(problem, core, tiling)
    return private if private is not None else _shared_blocks(problem, core, tiling)


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


def _reach(g: Any, axis: int) -> int:
    """Return the plane samples of an axis that is not cut."""
    return plane_samples(g, axis, g.out_shape[axis])


def _cheapest(problem: Problem) -> tuple[float, Tiling]:
    """Return what `_best` does for a problem that the method can do."""
    best = _best(problem)
    assert best is not None
    return best


@Cache[tuple[float, Tiling] | None]("tilings of Winograd's method", CHOICE_BYTES).remembered
def _best(problem: Problem) -> tuple[float, Tiling] | None:
    """Return the cheapest tiling and its cost, but for packing: a layer that is kept has the same bits.

    None if there is no tile whose values fit the memory for them.
    """
    core = _core.load(compute_type(problem.dtype))
    best: tuple[float, Tiling] | None = None
    for cut in _cuts(problem):
        tiling = _tiling(problem, core, *cut)
        cycles = _cycles(problem, core, tiling)
        if best is None or cycles < best[0]:  # before its weights are read
            tiling = _in_blocks(problem, core, tiling)
            cycles += _weight_cycles(problem, core, tiling)
            if best is None or cycles < best[0]:
                best = cycles, tiling
    return best


def _cuts(problem: Problem) -> list[tuple[int, int, int]]:
    """Return (points, rows, columns) of the tiles whose values fit the memory for them; 1 row if only one axis is cut.

    Those that interlace stay together.
    """
    core = _core.load(compute_type(problem.dtype))
    g = problem.geometry
    columns = _tile_sizes(g, g.ndim - 1)
    rows = _tile_sizes(g, g.ndim - 2)
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


def _blocking(problem: Problem, core: Core, tiling: Tiling) -> Blocking:
    """Return what the padding stage and the micro-kernel are told: as for the direct method, with one box for all."""
    g, outer = problem.geometry, tiling.outer
    inputs, outputs = problem.channels
    axes = [axis_layout(g.out_shape[axis], g.kernel[axis], g.stride[axis], g.dilation[axis]) for axis in range(outer)]
    tap_offset: Array = _ZERO
    for axis, layout in enumerate(axes):
        step = math.prod(other.size for other in axes[axis + 1 :])
        tap_offset = (tap_offset[:, None] + layout.tap * step).ravel()
    cut = g.ndim - outer
    return Blocking(
        kernel="tile",
        groups=g.groups,
        sets=g.groups,
        channels_in=inputs,
        channels_out=outputs,
        in_shape=g.in_shape,
        out_shape=g.out_shape,
        stride=(*g.stride[:outer], *[1] * cut),  # bands have all samples of the axes that are cut
        origin=tuple(-before for before, _ in g.padding),
        modes=tuple(mode.code for mode in g.modes),
        fill_values=fill_values(problem, core),
        box=g.out_shape,
        n_blocks=1,
        blocks_per_task=1,
        groups_per_task=1,
        channel_block=inputs,
        padded_channels=1,
        stretch=1,
        interleave=core.lanes,
        in_place=False,
        flat=False,
        skip=False,
        zeros=False,
        plane_shape=(*(layout.size for layout in axes), *[1] * cut),
        plane_stride=(1,) * g.ndim,
        plane_size=math.prod(layout.size for layout in axes),
        row_length=1,
        relative=(
            *(layout.positions(stride) for layout, stride in zip(axes, g.stride, strict=False)),
            *[_ZERO] * cut,
        ),
        segment_start=_ZERO,
        segment_length=_ONE,
        tap_offset=tap_offset,
        tap_first=NONE,
        tap_end=NONE,
        chain_step=1,
        chain_offset=NONE,
        chain_length=NONE,
        tap_order=NONE,
    )
