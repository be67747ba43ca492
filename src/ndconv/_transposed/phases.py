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
class AxisPhase:
    """Outputs along one axis that lie a stride apart, and the taps that they meet, last one first."""

    outputs: slice
    taps: slice
    n_taps: int
    dilation: int
    padding: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Phase:
    """Outputs that lie a stride apart and meet a tap, as a convolution of stride 1.

    With `columns`, these are all outputs along the last axis, and the geometry has the taps of all its phases. Those
    are the columns, in the order of their outputs, None for one that meets no tap; their taps begin at `starts`.
    """

    geometry: Geometry
    outputs: tuple[slice, ...]
    taps: tuple[slice, ...]
    columns: tuple[AxisPhase | None, ...]
    name: str  # tells its weights from those of other phases

    @property
    def nbytes(self) -> int:
        """About the bytes of its geometry and of its columns."""
        return ENTRY_BYTES * (1 + len(self.columns))

    @property
    def column_taps(self) -> list[tuple[slice, ...]]:
        """Which taps those of each column meet."""
        return [(*self.taps[:-1], column.taps if column else slice(0)) for column in self.columns]

    @property
    def starts(self) -> tuple[int, ...]:
        """Where the taps of each column begin, among those of the last axis."""
        before = self.geometry.padding[-1][0]
        return tuple(before - column.padding[0] if column else 0 for column in self.columns)

    def apart(self) -> list[Phase]:
        """Return the same outputs as phases without columns."""
        if not self.columns:
            return [self]
        g = self.geometry
        return [
            _phase(_with_last_axis(g, each), (*self.outputs[:-1], each.outputs), (*self.taps[:-1], each.taps))
            for each in self.columns
            if each
        ]


def _axis_phases(size: int, taps: int, stride: int, dilation: int, outputs: range) -> list[AxisPhase]:
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
        reversed_taps = slice(last, tap - step if tap >= step else None, -step)
        phases.append(AxisPhase(places, reversed_taps, n_taps, spread if n_taps > 1 else 1, (before, after)))
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
    columns: tuple[AxisPhase | None, ...] = ()
    if 2 <= n_columns <= most_columns:
        merged = _merged(axes[-1], g.out_shape[-1], len(box[-1]), n_columns)
        if merged is not None:
            by_place = {column.outputs.start: column for column in axes[-1]}
            columns = tuple(by_place.get(place) for place in range(n_columns))
            axes[-1] = [merged]
    return tuple(
        _phase(_geometry(g, each), tuple([axis.outputs for axis in each]), tuple([axis.taps for axis in each]), columns)
        for each in product(*axes)
    )


def _phase(
    geometry: Geometry, outputs: tuple[slice, ...], taps: tuple[slice, ...],
    columns: tuple[AxisPhase | None, ...] = (),
) -> Phase:  # fmt: skip
    name = f"phase {taps} {[column and column.taps for column in columns]}"
    return Phase(geometry, outputs, taps, columns, name)


def _geometry(g: Geometry, axes: tuple[AxisPhase, ...]) -> Geometry:
    """Return the geometry of what is a phase along each axis; a part of what was checked needs no check."""
    return Geometry(
        channels_in=g.channels_out,
        channels_out=g.channels_in,
        groups=g.groups,
        in_shape=g.out_shape,
        kernel=tuple([axis.n_taps for axis in axes]),
        stride=(1,) * len(axes),
        dilation=tuple([axis.dilation for axis in axes]),
        padding=tuple([axis.padding for axis in axes]),
        modes=(BY_NAME["zeros"],) * len(axes),
        out_shape=tuple([_outputs(size, axis) for size, axis in zip(g.out_shape, axes, strict=True)]),
    )


def _with_last_axis(g: Geometry, axis: AxisPhase) -> Geometry:
    """Return the geometry of a phase with another one along its last axis."""
    return replace(
        g,
        kernel=(*g.kernel[:-1], axis.n_taps),
        dilation=(*g.dilation[:-1], axis.dilation),
        padding=(*g.padding[:-1], axis.padding),
        out_shape=(*g.out_shape[:-1], _outputs(g.in_shape[-1], axis)),
    )


def _outputs(size: int, axis: AxisPhase) -> int:
    before, after = axis.padding
    return size + before + after - axis.dilation * (axis.n_taps - 1)


def _merged(phases: list[AxisPhase], size: int, outputs: int, n_columns: int) -> AxisPhase | None:
    """Return the phases of an axis as one with the taps of all, or None where those are no dense row of a few."""
    if not phases or any(p.dilation > 1 for p in phases):
        return None
    before = max(phase.padding[0] for phase in phases)
    n_taps = max(phase.n_taps - phase.padding[0] for phase in phases) + before
    after = len(range(0, outputs, n_columns)) + n_taps - 1 - size - before
    return AxisPhase(slice(None), slice(None), n_taps, 1, (before, after))


def transposed_sets(weight: Array, groups: int) -> Array:
    """Return weights (out, in // groups, *kernel) of a convolution as (groups, in, out, *kernel) of its transpose."""
    return weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:]).swapaxes(1, 2)
