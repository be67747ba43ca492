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

from ._dtypes import Array, compute_type
from ._engine import convolve, plan_of
from ._geometry import Geometry, Shape, make_geometry
from ._methods.epilogue import activate
from ._modes import BY_NAME
from ._tuning import REMEMBERED_CALLS


@dataclass(frozen=True, slots=True)
class Phase:
    """Outputs that lie a stride apart and meet a tap, as a convolution of stride 1."""

    outputs: tuple[slice, ...]
    taps: tuple[slice, ...]
    geometry: Geometry


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
    for tap in range(min(step, taps)):  # the first of a phase
        start = (tap * dilation - first) % stride
        count = len(range(start, outputs, stride))
        if not count:
            continue
        n_taps = len(range(tap, taps, step))
        last = tap + (n_taps - 1) * step
        spread = dilation * step // stride
        before = (last * dilation - first - start) // stride
        after = count + spread * (n_taps - 1) - size - before
        turned = slice(last, tap - step if tap >= step else None, -step)
        phases.append(_AxisPhase(slice(start, None, stride), turned, n_taps, spread, (before, after)))
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
    ndim = weight.ndim - 3
    places: list[Any] = [(..., *phase.outputs) for phase in phases]
    for phase, place in zip(phases, places, strict=True):
        plan_of(phase.geometry, x, y[place], method)  # raises before anything is written
    reached = sum(math.prod(phase.geometry.out_shape) for phase in phases) if x.size else 0
    if reached < math.prod(y.shape[-ndim:]):
        _finish_empty(y, bias, residual, activation, ndim)
    for phase, place in zip(phases, places, strict=True) if reached else ():
        taps: Any = (..., *phase.taps)
        other = None if residual is None else residual[place]
        convolve(
            phase.geometry, x, weight[taps], y[place], bias=bias, residual=other, activation=activation,
            method=method, packed=packed, key=("transposed", str(phase.taps)), workers=workers,
        )  # fmt: skip


def _finish_empty(y: Array, bias: Array | None, residual: Array | None, activation: str | None, ndim: int) -> None:
    """Write to outputs what the epilogue makes of nothing: some of them, no sample reaches."""
    dtype = np.dtype(compute_type(y.dtype)) if y.dtype.kind == "f" else y.dtype
    start = np.zeros((1,) * (ndim + 1), dtype) if bias is None else bias.astype(dtype).reshape(-1, *(1,) * ndim)
    with np.errstate(over="ignore"):
        if residual is None:
            y[...] = activate(start, activation)
            return
        # A piece of the arrays at a time.
        with np.nditer(
            [y, residual, np.broadcast_to(start, y.shape)], ["external_loop", "buffered"],
            [["writeonly"], ["readonly"], ["readonly"]], [dtype] * 3, casting="same_kind",
        ) as pieces:  # fmt: skip
            for target, other, sums in pieces:
                target[...] = activate(sums + other, activation)
