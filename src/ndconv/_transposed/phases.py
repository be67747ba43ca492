"""The phases of a transposed convolution: outputs that lie a stride apart, as an ordinary convolution of stride 1."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product

from .._call.dtypes import Array
from .._call.geometry import Geometry
from .._call.modes import BY_NAME
from .._runtime.caches import ENTRY_BYTES, Cache


@dataclass(frozen=True, slots=True)
class Phase:
    """Outputs that lie a stride apart and meet a tap, as a convolution of stride 1.

    With `columns`, these are all outputs along the last axis, and the geometry has the taps of all its phases. Those
    are the columns, in the order of their outputs, None for one that meets no tap; their taps begin at `starts`.
    """

    outputs: tuple[slice, ...]
    taps: tuple[slice, ...]
    geometry: Geometry
    columns: tuple[Phase | None, ...] = ()
    starts: tuple[int, ...] = ()

    @property
    def nbytes(self) -> int:
        """About the bytes of its geometry and of those of its columns."""
        return ENTRY_BYTES * (1 + len(self.columns))


@dataclass(frozen=True, slots=True)
class _AxisPhase:
    outputs: slice
    taps: slice
    n_taps: int
    dilation: int
    padding: tuple[int, int]


def _axis_phases(size: int, taps: int, stride: int, dilation: int, outputs: range) -> list[_AxisPhase]:
    """Return the phases of one axis: of outputs at some positions, of which position 0 meets sample 0 alone.

    The output at position p gets from tap u the sample (p - dilation * u) / stride, where that is whole. Positions are
    neighbours, or a stride apart.
    """
    step = stride // math.gcd(stride, dilation)  # from one tap of a phase to the next
    phases = []
    for tap in range(min(step, taps)):  # the first of a phase
        start = (tap * dilation - outputs.start) % stride
        if start % outputs.step:
            continue
        places = slice(start // outputs.step, None, stride // outputs.step)
        count = len(outputs[places])
        if not count:
            continue
        n_taps = len(range(tap, taps, step))
        last = tap + (n_taps - 1) * step
        spread = dilation * step // stride
        before = (last * dilation - outputs.start - start) // stride
        after = count + spread * (n_taps - 1) - size - before
        turned = slice(last, tap - step if tap >= step else None, -step)
        phases.append(_AxisPhase(places, turned, n_taps, spread, (before, after)))
    return phases


def box_of_samples(geometry: Geometry) -> tuple[range, ...]:
    """Return where a convolution's padded input holds x."""
    return tuple(
        range(before, before + size) for (before, _), size in zip(geometry.padding, geometry.in_shape, strict=True)
    )


@Cache[tuple[Phase, ...]]("phases of transposed layers").remembered
def transposed_phases(geometry: Geometry, box: tuple[range, ...], most_columns: int) -> tuple[Phase, ...]:
    """Return the phases of the transpose of a convolution, for a box of its padded input.

    `geometry` is that of the convolution; its output is the input here. `box` has the padded samples along each axis:
    neighbours, or a stride apart. Phases along the last axis are computed together where they are at most so many.
    """
    g = geometry
    axes = [_axis_phases(*each) for each in zip(g.out_shape, g.kernel, g.stride, g.dilation, box, strict=True)]
    n_columns = min(g.stride[-1] // box[-1].step, len(box[-1]))
    together = None
    if 2 <= n_columns <= most_columns:
        together = _together(axes[-1], g.out_shape[-1], len(box[-1]), n_columns)
    phases: list[Phase] = []
    for rows in product(*axes[:-1]):
        columns = {column.outputs.start: (column, _phase(g, (*rows, column))) for column in axes[-1]}
        if together is None:
            phases.extend(phase for _, phase in columns.values())
            continue
        found = [columns.get(place) for place in range(n_columns)]
        phases.append(
            replace(
                _phase(g, (*rows, together)),
                columns=tuple(each[1] if each else None for each in found),
                starts=tuple(together.padding[0] - each[0].padding[0] if each else 0 for each in found),
            )
        )
    return tuple(phases)


def _phase(g: Geometry, axes: tuple[_AxisPhase, ...]) -> Phase:
    """Return what is a phase along each axis as one of the whole."""
    sizes, kernel = g.out_shape, tuple(axis.n_taps for axis in axes)
    dilation, padding = tuple(axis.dilation for axis in axes), tuple(axis.padding for axis in axes)
    # What a checked convolution comes apart into needs no check of its own.
    geometry = Geometry(
        channels_in=g.channels_out,
        channels_out=g.channels_in,
        groups=g.groups,
        in_shape=sizes,
        kernel=kernel,
        stride=(1,) * g.ndim,
        dilation=tuple(spread if taps > 1 else 1 for spread, taps in zip(dilation, kernel, strict=True)),
        padding=padding,
        modes=(BY_NAME["zeros"],) * g.ndim,
        out_shape=tuple(
            size + before + after - spread * (taps - 1)
            for size, taps, spread, (before, after) in zip(sizes, kernel, dilation, padding, strict=True)
        ),
    )
    return Phase(tuple(axis.outputs for axis in axes), tuple(axis.taps for axis in axes), geometry)


def _together(phases: list[_AxisPhase], size: int, outputs: int, n_columns: int) -> _AxisPhase | None:
    """Return the phases of an axis as one with the taps of all, or None where those are no dense row of a few."""
    if not phases or any(p.n_taps > 1 and p.dilation > 1 for p in phases):
        return None
    before = max(phase.padding[0] for phase in phases)
    n_taps = max(phase.n_taps - phase.padding[0] for phase in phases) + before
    after = len(range(0, outputs, n_columns)) + n_taps - 1 - size - before
    return _AxisPhase(slice(None), slice(None), n_taps, 1, (before, after))


def transposed_sets(weight: Array, groups: int) -> Array:
    """Return weights (out, in // groups, *kernel) of a convolution as (groups, in, out, *kernel) of its transpose."""
    return weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:]).swapaxes(1, 2)
