"""All phases of a transposed layer at once, as the output channels of one convolution of stride 1.

The outputs are cut into blocks of one stride. Place p of block j is the sum over u of x[j - u] times tap
stride * u + p: so each place is an output channel of a convolution whose kernel is a stride times shorter, and whose
channels are then laid out in space (the sub-pixel convolution of Shi et al., 2016). Phases by themselves are quicker
where they are few, or have many channels: nothing is copied then.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import _core
from .._call.dtypes import Array, compute_type, real_vector
from .._call.geometry import Geometry, Shape, batch_of
from .._call.modes import BY_NAME
from .._engine import prepare_for
from .._methods import AUTO
from .._runtime.caches import ENTRY_BYTES, Cache

# What takes as long as so many multiply-adds: a phase by itself and one that is computed together with others of its
# row, an output that is laid out and a run of neighbours among those, a weight that changes its place. Chosen by hand
# from the times of some 170 layers both ways, of 8 to 256 channels in, 1 to 64 out and strides of 2 to 256, in one and
# two dimensions and float32, with two threads of an AMD EPYC with AVX2.
PHASE_MULTIPLY_ADDS = 800_000
COLUMN_MULTIPLY_ADDS = 350_000
OUTPUT_MULTIPLY_ADDS = 16
RUN_MULTIPLY_ADDS = 128
WEIGHT_MULTIPLY_ADDS = 64

# The outputs are in memory twice: no more of them than these.
LARGEST_BYTES = 64 << 20


class SubPixel(NamedTuple):
    """Blocks of outputs as a convolution of stride 1."""

    geometry: Geometry  # from x to blocks, with (channels, *stride) for channels
    stride: Shape
    box: tuple[slice, ...]  # those of the blocks' samples that are asked for
    has_gaps: bool  # whether blocks have places that the last taps do not reach

    @property
    def nbytes(self) -> int:
        """About its bytes."""
        return ENTRY_BYTES

    def sets_of(self, weight: Array) -> Array:
        """Return weights (groups, out, in, *kernel) as (groups, (out, *stride), in, *blocks), last block first."""
        blocks = self.geometry.kernel
        if self.has_gaps:
            weight = self._filled(weight, tuple([slice(size) for size in weight.shape[3:]]), blocks)
        places = np.moveaxis(self._places(weight, blocks), 2, -len(blocks) - 1)
        backwards: Any = (..., *(slice(None, None, -1),) * len(blocks))
        sets: Array = places[backwards].reshape(weight.shape[0], -1, weight.shape[2], *blocks)
        return sets

    def blocks_of(self, array: Array) -> Array:
        """Return an array (*batch, channels, *box) as blocks (*batch, (channels, *stride), *blocks)."""
        blocks = self.geometry.out_shape
        places = self._places(self._filled(array, self.box, blocks), blocks)
        return places.reshape(*batch_of(array.shape, len(blocks)), -1, *blocks)

    def lay_out(self, blocks: Array, y: Array) -> None:
        """Write blocks to where their outputs are in y (*batch, channels, *box)."""
        counts = self.geometry.out_shape
        shape = (*y.shape[: -len(counts)], *self._samples(counts))
        whole = y if y.shape == shape else np.empty(shape, y.dtype)
        places = self._places(whole, counts)
        places[...] = blocks.reshape(places.shape)
        if whole is not y:
            place: Any = (..., *self.box)
            y[...] = whole[place]

    def _samples(self, blocks: Shape) -> Shape:
        """Return how many samples so many blocks have."""
        return tuple([count * step for count, step in zip(blocks, self.stride, strict=True)])

    def _filled(self, array: Array, place: tuple[slice, ...], blocks: Shape) -> Array:
        """Return an array of whole blocks that has another one in its place, and zeros beside it."""
        whole: Array = np.zeros((*array.shape[: -len(blocks)], *self._samples(blocks)), array.dtype)
        there: Any = (..., *place)
        whole[there] = array
        return whole

    def _places(self, array: Array, blocks: Shape) -> Array:
        """Return a view of whole blocks (..., *samples) as (..., *stride, *blocks)."""
        ndim = len(blocks)
        lead = array.shape[:-ndim]
        apart = array.reshape(*lead, *(size for pair in zip(blocks, self.stride, strict=True) for size in pair))
        n = len(lead)
        return apart.transpose(*range(n), *range(n + 1, n + 2 * ndim, 2), *range(n, n + 2 * ndim, 2))


@Cache[tuple[SubPixel | None]]("sub-pixel convolutions").remembered
def _planned(
    geometry: Geometry, box: tuple[range, ...], batch: int, dtype: np.dtype[Any], lanes: int, most_columns: int
) -> tuple[SubPixel | None]:
    """Return the sub-pixel convolution for a box of the transpose's outputs, None where phases had better be apart."""
    g = geometry
    is_dilated = any(d > 1 and taps > 1 for d, taps in zip(g.dilation, g.kernel, strict=True))
    if is_dilated or any(each.step != 1 for each in box):
        return (None,)
    kernel = tuple([-(-taps // step) for taps, step in zip(g.kernel, g.stride, strict=True)])
    firsts = [each.start // step for each, step in zip(box, g.stride, strict=True)]
    counts = tuple([-(-each.stop // step) - first for each, step, first in zip(box, g.stride, firsts, strict=True)])
    padding = [
        (taps - 1 - first, count + first - size)
        for taps, first, count, size in zip(kernel, firsts, counts, g.out_shape, strict=True)
    ]
    whole = Geometry(
        channels_in=g.channels_out, channels_out=g.channels_in * math.prod(g.stride), groups=g.groups,
        in_shape=g.out_shape, kernel=kernel, stride=(1,) * g.ndim, dilation=(1,) * g.ndim, padding=tuple(padding),
        modes=(BY_NAME["zeros"],) * g.ndim, out_shape=counts,
    )  # fmt: skip
    outputs = whole.channels_out * math.prod(counts) * batch
    if outputs * dtype.itemsize > LARGEST_BYTES or not _pays(g, whole, box, batch, dtype, lanes, most_columns):
        return (None,)
    starts = [each.start - first * step for each, first, step in zip(box, firsts, g.stride, strict=True)]
    places = tuple([slice(start, start + len(each)) for start, each in zip(starts, box, strict=True)])
    has_gaps = any(taps % step for taps, step in zip(g.kernel, g.stride, strict=True))
    return (SubPixel(whole, g.stride, places, has_gaps),)


def _pays(
    g: Geometry, whole: Geometry, box: tuple[range, ...], batch: int, dtype: np.dtype[Any], lanes: int,
    most_columns: int,
) -> bool:  # fmt: skip
    """Whether whole blocks take less time than the phases by themselves."""
    phases = math.prod([min(taps, step) for taps, step in zip(g.kernel, g.stride, strict=True)])
    in_rows = dtype.kind in "fc" and 2 <= min(g.stride[-1], len(box[-1])) <= most_columns
    # Phases do without the zeros of gaps, but leave lanes empty where a group has few outputs.
    used = g.taps / math.prod([n * step for n, step in zip(whole.kernel, g.stride, strict=True)])
    idle = max(lanes * g.groups / g.channels_in, 1.0)
    per_phase = COLUMN_MULTIPLY_ADDS if in_rows else PHASE_MULTIPLY_ADDS
    apart = phases * per_phase + whole.multiply_adds * batch * used * idle
    outputs = whole.channels_out * math.prod(whole.out_shape) * batch
    laying_out = outputs * (OUTPUT_MULTIPLY_ADDS + RUN_MULTIPLY_ADDS / g.stride[-1])
    together = PHASE_MULTIPLY_ADDS + g.weights * WEIGHT_MULTIPLY_ADDS + whole.multiply_adds * batch + laying_out
    return together < apart


def subpixel_of(geometry: Geometry, box: tuple[range, ...], x: Array, y: Array) -> SubPixel | None:
    """Return the sub-pixel convolution from x to y where that pays, and where no sample makes NaN of a gap's zeros."""
    if math.prod(geometry.stride) == 1:
        return None
    core = _core.load(compute_type(y.dtype))
    batch = math.prod(batch_of(y.shape, geometry.ndim))
    (found,) = _planned(geometry, box, batch, y.dtype, core.lanes, core.most_phases)
    if found is not None and found.has_gaps and x.dtype.kind in "fc" and not np.isfinite(x).all():
        return None
    return found


def run_subpixel(
    plan: SubPixel, x: Array, weight: Array, y: Array, bias: Array | None, residual: Array | None,
    activation: str | None, packed: Cache[Any] | None, workers: int | None,
) -> None:  # fmt: skip
    """Compute y (*batch, channels, *box) from x (*batch, channels, *in) and weight (groups, out, in, *kernel)."""
    g = plan.geometry
    blocks = np.empty((*batch_of(y.shape, g.ndim), g.channels_out, *g.out_shape), y.dtype)
    call = prepare_for(g, x, blocks, AUTO, activation, packing=packed is None, bias=bias is not None)
    key = ("sub-pixel", call.place)
    weights = None if packed is None else packed.get(key)
    if weights is None:
        weights = call.pack(plan.sets_of(weight), workers, once=packed is None)
        if packed is not None:
            packed.keep(key, weights)
    vector = None if bias is None else real_vector(np.repeat(bias, math.prod(plan.stride)), y.dtype)
    call.run(x, weights, blocks, vector, None if residual is None else plan.blocks_of(residual), workers)
    plan.lay_out(blocks, y)
