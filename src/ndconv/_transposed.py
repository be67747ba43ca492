"""The transposed convolution: every input sample spreads over the outputs that its taps reach.

One phase of the stride at a time: the outputs that lie a stride apart meet the same taps, and are an ordinary
convolution of stride 1 of the input with those taps, last one first. So no zero is inserted and multiplied (the
sub-pixel convolution of Shi et al., 2016, and the backward-data pass of every framework).
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from ._dtypes import Array
from ._engine import convolve
from ._geometry import Geometry, Shape, make_geometry
from ._methods.epilogue import activate
from ._modes import BY_NAME
from ._tuning import REMEMBERED_CALLS


@dataclass(frozen=True, slots=True)
class Phase:
    """The outputs that lie a stride apart, as a convolution of stride 1; without geometry, they meet no tap."""

    outputs: tuple[slice, ...]
    taps: tuple[slice, ...]
    geometry: Geometry | None


@dataclass(frozen=True, slots=True)
class _AxisPhase:
    outputs: slice
    taps: slice
    n_taps: int
    dilation: int
    padding: tuple[int, int]


def _axis_phases(size: int, taps: int, stride: int, dilation: int, first: int, outputs: int) -> list[_AxisPhase]:
    """Return the phases of one axis: of `outputs` outputs from position `first`, where position 0 meets sample 0 alone.

    The output at position p gets from tap u the sample (p - dilation * u) / stride, where that is whole.
    """
    step = stride // math.gcd(stride, dilation)  # from one tap of a phase to the next
    phases = []
    for start in range(min(stride, outputs)):
        place = slice(start, None, stride)
        count = len(range(start, outputs, stride))
        sample, phase = divmod(first + start, stride)
        members = [u for u in range(min(step, taps)) if u * dilation % stride == phase]
        if not members:
            phases.append(_AxisPhase(place, slice(0), 0, 1, (0, 0)))
            continue
        n_taps = len(range(members[0], taps, step))
        last = members[0] + (n_taps - 1) * step
        spread = dilation * step // stride
        before = (last * dilation - phase) // stride - sample
        after = count + spread * (n_taps - 1) - size - before
        end = members[0] - step
        phases.append(_AxisPhase(place, slice(last, end if end >= 0 else None, -step), n_taps, spread, (before, after)))
    return phases


@lru_cache(REMEMBERED_CALLS)
def transposed_phases(geometry: Geometry, first: Shape, outputs: Shape) -> tuple[Phase, ...]:
    """Return the phases of the transpose of a convolution, for a box of its padded input.

    `geometry` is that of the convolution; its output is the input here. `first` is the box's first padded sample,
    `outputs` its shape.
    """
    g = geometry
    axes = map(_axis_phases, g.out_shape, g.kernel, g.stride, g.dilation, first, outputs)
    phases = []
    for phase in product(*axes):
        turned = None
        if all(axis.n_taps for axis in phase):
            turned = make_geometry(
                channels_in=g.channels_out,
                channels_out=g.channels_in,
                groups=g.groups,
                in_shape=g.out_shape,
                kernel=tuple(axis.n_taps for axis in phase),
                stride=(1,) * g.ndim,
                dilation=tuple(axis.dilation for axis in phase),
                padding=tuple(axis.padding for axis in phase),
                modes=(BY_NAME["zeros"],) * g.ndim,
            )
        phases.append(Phase(tuple(axis.outputs for axis in phase), tuple(axis.taps for axis in phase), turned))
    return tuple(phases)


def transposed_sets(weight: Array, groups: int) -> Array:
    """Return weights (out, in // groups, *kernel) of a convolution as (groups, in, out, *kernel) of its transpose."""
    return weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:]).swapaxes(1, 2)


def run_transposed(
    phases: tuple[Phase, ...],
    x: Array,
    weight: Array,
    y: Array,
    *,
    bias: Array | None = None,
    residual: Array | None = None,
    activation: str | None = None,
    method: str = "auto",
    packed: dict[Any, Any] | None = None,
    workers: int | None = None,
) -> None:
    """Compute y (*batch, channels, *box) from x (*batch, channels, *in) and weight (groups, out, in, *kernel).

    Packed weights are kept in `packed` for the next call.
    """
    if y.size == 0:
        return
    if residual is None and any(phase.geometry is None for phase in phases):
        _finish_empty(y, bias, None, activation, weight.ndim - 3)
        phases = tuple(phase for phase in phases if phase.geometry is not None)
    for phase in phases:
        place: Any = (..., *phase.outputs)
        taps: Any = (..., *phase.taps)
        target, other = y[place], None if residual is None else residual[place]
        if phase.geometry is None or x.size == 0:
            _finish_empty(target, bias, other, activation, weight.ndim - 3)
            continue
        convolve(
            phase.geometry, x, weight[taps], target, bias=bias, residual=other, activation=activation,
            method=method, packed=packed, key=("transposed", str(phase.taps)), workers=workers,
        )  # fmt: skip


def _finish_empty(y: Array, bias: Array | None, residual: Array | None, activation: str | None, ndim: int) -> None:
    """Write the outputs that no sample reaches: what the epilogue makes of nothing."""
    y[...] = 0 if bias is None else bias.reshape(-1, *(1,) * ndim)
    if residual is not None:
        y += residual
    if activation is not None:
        y[...] = activate(y.astype(np.result_type(y, np.float32) if y.dtype.kind == "f" else y.dtype), activation)
