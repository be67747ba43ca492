"""The transposed convolution: every input sample spreads over the outputs that its taps reach.

One phase of the stride at a time: the outputs that lie a stride apart meet the same taps, and are an ordinary
convolution of stride 1 of the input with those taps, last one first. So no zero is inserted and multiplied (the
sub-pixel convolution of Shi et al., 2016, and the backward-data pass of every framework). Phases along the last axis
are computed together where that pays, so that rows are written once; see ``_interleaved.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from ._dtypes import Array
from ._engine import convolve
from ._geometry import Geometry, Shape, make_geometry
from ._interleaved import run_interleaved
from ._methods.epilogue import activate
from ._modes import BY_NAME
from ._tuning import MOST_PHASES, REMEMBERED_CALLS


@dataclass(frozen=True, slots=True)
class Phase:
    """The outputs that lie a stride apart, as a convolution of stride 1; without geometry, they meet no tap.

    With `columns`, a phase of all axes but the last: those are its phases along that, and the geometry has the taps of
    all, of which theirs begin at the places `starts`.
    """

    outputs: tuple[slice, ...]
    taps: tuple[slice, ...]
    geometry: Geometry | None
    columns: tuple[Phase, ...] = ()
    starts: tuple[int, ...] = ()


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
    axes = [
        _axis_phases(*each) for each in zip(g.out_shape, g.kernel, g.stride, g.dilation, first, outputs, strict=True)
    ]
    together = _together(axes[-1], g.out_shape[-1], outputs[-1])
    phases: list[Phase] = []
    for rows in product(*axes[:-1]):
        columns = tuple(_phase(g, (*rows, column)) for column in axes[-1])
        if together is None or not all(axis.n_taps for axis in rows):
            phases.extend(columns)
        else:
            starts = tuple(together.padding[0] - column.padding[0] if column.n_taps else 0 for column in axes[-1])
            phases.append(replace(_phase(g, (*rows, together)), columns=columns, starts=starts))
    return tuple(phases)


def _phase(g: Geometry, axes: tuple[_AxisPhase, ...]) -> Phase:
    """Return what is a phase along each axis as one of the whole."""
    geometry = None
    if all(axis.n_taps for axis in axes):
        geometry = make_geometry(
            channels_in=g.channels_out,
            channels_out=g.channels_in,
            groups=g.groups,
            in_shape=g.out_shape,
            kernel=tuple(axis.n_taps for axis in axes),
            stride=(1,) * g.ndim,
            dilation=tuple(axis.dilation for axis in axes),
            padding=tuple(axis.padding for axis in axes),
            modes=(BY_NAME["zeros"],) * g.ndim,
        )
    return Phase(tuple(axis.outputs for axis in axes), tuple(axis.taps for axis in axes), geometry)


def _together(phases: list[_AxisPhase], size: int, outputs: int) -> _AxisPhase | None:
    """Return the phases of an axis as one with the taps of all, or None where those are no dense row of a few."""
    used = [phase for phase in phases if phase.n_taps]
    if not 2 <= len(phases) <= MOST_PHASES or not used or any(p.n_taps > 1 and p.dilation > 1 for p in used):
        return None
    before = max(phase.padding[0] for phase in used)
    n_taps = max(phase.n_taps - phase.padding[0] for phase in used) + before
    after = len(range(0, outputs, len(phases))) + n_taps - 1 - size - before
    return _AxisPhase(slice(None), slice(None), n_taps, 1, (before, after))


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
    for phase in phases:
        place: Any = (..., *phase.outputs)
        taps: Any = (..., *phase.taps)
        target, other = y[place], None if residual is None else residual[place]
        if phase.geometry is None or x.size == 0:
            _finish_empty(target, bias, other, activation, weight.ndim - 3)
            continue
        keywords: dict[str, Any] = {
            "bias": bias, "residual": other, "activation": activation, "method": method, "packed": packed,
            "workers": workers,
        }  # fmt: skip
        if not phase.columns:
            key = ("transposed", str(phase.taps))
            convolve(phase.geometry, x, weight[taps], target, key=key, **keywords)
        elif not run_interleaved(phase, x, weight, target, **keywords):
            run_transposed(phase.columns, x, weight, y, **{**keywords, "residual": residual})


def _finish_empty(y: Array, bias: Array | None, residual: Array | None, activation: str | None, ndim: int) -> None:
    """Write the outputs that no sample reaches: what the epilogue makes of nothing."""
    y[...] = 0 if bias is None else bias.reshape(-1, *(1,) * ndim)
    if residual is not None:
        y += residual
    if activation is not None:
        y[...] = activate(y.astype(np.result_type(y, np.float32) if y.dtype.kind == "f" else y.dtype), activation)
