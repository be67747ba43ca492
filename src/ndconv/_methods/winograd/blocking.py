"""What the core is told of samples, weights and results: as for the direct method, with one box for all."""

from __future__ import annotations

import math

import numpy as np

from ..._call.dtypes import Array
from ..._core import Core
from ..direct.blocking import Blocking, fill_values
from ..direct.planes import axis_layout
from ..direct.taps import NONE
from ..problem import Problem
from .tiling import Tiling

# Tables of an axis that is cut: a plane has one sample of it.
_ZERO, _ONE = np.zeros(1, np.intp), np.ones(1, np.intp)


def blocking_of(problem: Problem, core: Core, tiling: Tiling) -> Blocking:
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
