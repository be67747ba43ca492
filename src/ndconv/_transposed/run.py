"""The transposed convolution: every input sample spreads over the outputs that its taps reach.

One phase of the stride at a time: the outputs that lie a stride apart meet the same taps, and are an ordinary
convolution of stride 1 of the input with those taps, last one first. So no zero is inserted and multiplied (the
sub-pixel convolution of Shi et al., 2016, and the backward-data pass of every framework). Phases along the last axis
are computed together where that can be, so that rows are written once; see ``polyphase.py``. Where phases are many and
each has little to do, all of them are one convolution; see ``subpixel.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _core
from .._call.dtypes import Array, compute_type
from .._call.geometry import Geometry
from .._engine import convolve, prepare_for
from .._methods import AUTO, allows_plain_sums
from .._methods.epilogue import activate
from .._runtime.caches import Cache
from .phases import Phase, transposed_phases
from .polyphase import run_interleaved
from .samples import convolve_samples, taps_not_finite
from .subpixel import run_subpixel, subpixel_of


def run_transposed(
    geometry: Geometry,
    box: tuple[range, ...],
    x: Array,
    weight: Array,
    y: Array,
    *,
    bias: Array | None = None,
    residual: Array | None = None,
    activation: str | None = None,
    method: str = AUTO,
    packed: Cache[Any] | None = None,
    workers: int | None = None,
) -> None:
    """Compute y (*batch, channels, *box) from x (*batch, channels, *in) and weight (groups, out, in, *kernel).

    The geometry is that of the convolution whose transpose this is, and `box` a part of its padded input. Packed
    weights are kept in `packed` for the next call.
    """
    if y.size == 0:
        return
    ndim = weight.ndim - 3
    special = taps_not_finite(weight, packed)
    if special is None and x.size and method == AUTO:
        together = subpixel_of(geometry, box, x, y)
        if together is not None:
            run_subpixel(together, x, weight, y, bias, residual, activation, packed, workers)
            return
    phases = transposed_phases(geometry, box, _core.load(compute_type(y.dtype)).most_phases)
    if special is not None or not allows_plain_sums(method):
        phases = tuple(each for phase in phases for each in phase.apart())
        for phase in phases:
            prepare_for(phase.geometry, x, _part(y, phase), method)  # raises before anything is written
    reached = sum(math.prod(_part(y, phase).shape[-ndim:]) for phase in phases) if x.size else 0
    if reached < math.prod(y.shape[-ndim:]):
        _finish_empty(y, bias, residual, activation, ndim)
    for phase in phases if reached else ():
        if special is None:
            _run_phase(phase, x, weight, y, bias, residual, activation, method, packed, workers)
            continue
        taps: Any = (..., *phase.taps)
        convolve_samples(
            phase.geometry, x, weight[taps], _part(y, phase), special[taps], bias,
            None if residual is None else _part(residual, phase), activation, workers,
        )  # fmt: skip


def _part(array: Array, phase: Phase) -> Array:
    """Return the view of a phase's outputs."""
    place: Any = (..., *phase.outputs)
    part: Array = array[place]
    return part


def _run_phase(
    phase: Phase, x: Array, weight: Array, y: Array, bias: Array | None, residual: Array | None,
    activation: str | None, method: str, packed: Cache[Any] | None, workers: int | None,
) -> None:  # fmt: skip
    """Compute the outputs of one phase."""
    target, other = _part(y, phase), None if residual is None else _part(residual, phase)
    if not phase.columns:
        taps: Any = (..., *phase.taps)
        convolve(
            phase.geometry, x, weight[taps], target, bias=bias, residual=other, activation=activation, method=method,
            packed=packed, key=phase.name, workers=workers,
        )  # fmt: skip
    elif not run_interleaved(phase, x, weight, target, bias, other, activation, packed, workers):
        if None in phase.columns:
            _finish_empty(target, bias, other, activation, weight.ndim - 3)
        for each in phase.apart():
            _run_phase(each, x, weight, y, bias, residual, activation, method, packed, workers)


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
