"""Correlations along single axes, one after the other, in double precision; and what is made of their results.

A large array goes through in slabs, cut along its first axis, so that what lies between two passes stays in cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import _core
from .._call.arrays import new_output
from .._call.dtypes import Array
from .._call.geometry import Shape, batch_of, single_channel_geometry
from .._call.modes import BY_NAME, PaddingMode
from .._engine import Prepared, prepare
from .._methods import PLAIN_SUMS
from .._runtime.caches import CHOICE_BYTES, Cache
from .._runtime.workers import Threads
from .._threads.python_tasks import for_each

DOUBLE = np.dtype(np.float64)

# Bytes of an output from which on it is gone through slab by slab; bytes of what is between two passes of a slab; and
# columns of the planes that a pass cuts a slab into.
SLAB_OUTPUT_BYTES = 4 << 20
SLAB_BYTES = 1 << 20
PLANE_COLUMNS = 512

# Samples of a window above which its means take less time by running sums. A few lines are cut into pieces, of at least
# so many samples, so that enough go abreast; and the multiply-adds in whose time one of those sums is made.
WINDOW_TAPS = 6
LINES_ABREAST = 32
PIECE_SAMPLES = 256
RUNNING_MULTIPLY_ADDS = 16


class Pass(NamedTuple):
    """A correlation along one axis; `before` samples of its window lie before the output."""

    axis: int
    weights: Array
    mode: PaddingMode
    before: int

    @property
    def after(self) -> int:
        """The samples of the window that lie after the output."""
        return self.weights.size - 1 - self.before


def is_finite(array: Array) -> bool:
    """Whether all of an array is finite; now and then it is, but its sum is not, and the answer is no."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.add.reduce(array, axis=None)))


def is_in_place(array: Array) -> bool:
    """Whether the engine may read and write an array of any axes as it is."""
    return array.dtype is DOUBLE and array.flags.c_contiguous and array.flags.aligned


# --- Filters of several passes ----------------------------------------------------------------------------------------


def can_combine(passes: Sequence[Pass], cval: float) -> bool:
    """Whether passes may be done in the order of their axes: `cval` stands outside what lies between them, too."""
    axes = [each.axis for each in passes]
    return cval == 0 or axes == sorted(axes) or all(each.mode.name != "zeros" for each in passes)


def combine(
    x: Array, filters: Sequence[Sequence[Pass]], y: Array, cval: float, *, squared: bool = False, mean: bool = False
) -> bool:
    """Write to y the sum of what filters, each of at least one pass, make of x; y is to hold native floats.

    Of `squared` results it is the root of the sum of squares. The passes of a `mean` are of ones; where it is not
    finite, the answer is False.
    """
    ordered = [sorted(passes, key=lambda each: each.axis) for passes in filters]
    lines = [_mean_lines(passes, y.dtype) if mean else list(map(Line, passes)) for passes in ordered]
    is_single = len(filters) == 1 and not squared
    slabs = [(0, len(y))] if is_single and len(lines[0]) == 1 else _slabs(lines, y)
    workers = None if len(slabs) == 1 else 1

    def run(slab: tuple[int, int]) -> bool:
        out = y[slice(*slab)]
        total: Any = None
        with np.errstate(all="ignore"):
            for passes in lines:
                part = out if is_single else np.empty(out.shape, y.dtype)
                _through(x, passes, slab, part, cval, workers)
                if squared:
                    np.multiply(part, part, out=part)
                total = part if total is None else np.add(total, part, out=total)
            if squared:
                np.sqrt(total, out=out)
            elif not is_single:
                out[...] = total
            return not mean or is_finite(out)

    if len(slabs) == 1:
        return run(slabs[0])
    with Threads(y.size * sum(line.each.weights.size for passes in lines for line in passes), None) as count:
        finite: list[bool] = []
        for_each(lambda slab: finite.append(run(slab)), slabs, count)
        return all(finite)


def _mean_lines(windows: Sequence[Pass], dtype: np.dtype[Any]) -> list[Line]:
    """Return what makes means over windows, one after the other, for a result of some dtype."""
    lines = []
    for window in windows:
        size = window.weights.size
        if size > WINDOW_TAPS:
            lines.append(Line(window, running=True))
        elif dtype.itemsize < DOUBLE.itemsize:
            lines.append(Line(window._replace(weights=window.weights / size)))  # rounded, but less than results are
        else:
            lines.append(Line(window, divisor=size))  # the mean of ones is one
    return lines


def _slabs(filters: Sequence[Sequence[Line]], y: Array) -> list[tuple[int, int]]:
    """Return the first and the last but one row of each slab; a single one for what stays in cache anyway."""
    if y.size * DOUBLE.itemsize < SLAB_OUTPUT_BYTES:
        return [(0, len(y))]
    rows = max(SLAB_BYTES * len(y) // (DOUBLE.itemsize * y.size), 1)
    for line in (line for passes in filters for line in passes):
        if line.each.axis == 0:
            # The samples around a slab shall be few beside its own.
            rows = max(rows, line.each.weights.size * (4 if line.running else 1))
    count = -(-len(y) // rows)
    return [(n * len(y) // count, (n + 1) * len(y) // count) for n in range(count)]


def _through(
    x: Array, passes: Sequence[Line], slab: tuple[int, int], y: Array, cval: float, workers: int | None
) -> None:
    """Write to y the rows of a slab of what passes make of x."""
    first, end = slab
    inside = False
    if end - first < len(x):
        lead = passes[0].each if passes[0].each.axis == 0 else None
        inside = lead is not None
        x = x[first:end] if lead is None else _rows(x, first - lead.before, end + lead.after, lead.mode, cval)
    for line in passes[:-1]:
        between = new_output(y.shape, DOUBLE)
        line(x, between, cval, workers, inside=inside)
        x, inside = between, False
    passes[-1](x, y, cval, workers, inside=inside)


def _rows(x: Array, start: int, stop: int, mode: PaddingMode, cval: float) -> Array:
    """Return rows of x, also those before its first and after its last one."""
    size = len(x)
    if start >= 0 and stop <= size:
        return x[start:stop]
    parts = [x[max(start, 0) : min(stop, size)]]
    for place, position in ((0, np.arange(start, min(stop, 0))), (2, np.arange(max(start, size), stop))):
        if mode.name == "zeros":
            part = np.full((position.size, *x.shape[1:]), cval, x.dtype if cval == 0 else DOUBLE)
        else:
            part = x.take(mode.source(position, size), axis=0)
        parts.insert(place, part)
    return np.concatenate(parts)


# --- One pass ---------------------------------------------------------------------------------------------------------


class Line:
    """A pass that can be called, and remembers its weights as plans read them.

    Doubles may be divided afterwards; `running`, it is the means over its window, by running sums.
    """

    def __init__(self, each: Pass, *, divisor: int = 1, running: bool = False) -> None:
        self.each, self.divisor, self.running = each, divisor, running
        self._packed: dict[Any, Any] = {}

    def __call__(self, x: Array, y: Array, cval: float, workers: int | None = None, *, inside: bool = False) -> None:
        """Write the pass of x to y; `inside`: x has all samples of all windows."""
        axis, weights, mode, before = self.each
        if self.running:
            running_means(x, self.each, y, cval, workers, inside=inside, in_pieces=True)
            return
        padding = (0, 0) if inside else (before, self.each.after)
        x, y, along, ndim = _as_planes(x, y, axis)
        call = _prepare(
            x.shape[-ndim:], math.prod(batch_of(x.shape, ndim)), along, weights.size, padding, mode, cval,
            _is_in_place(x, ndim), _is_in_place(y, ndim),
        )  # fmt: skip
        key = call.plan.pack_key()
        packed = self._packed.get(key)
        if packed is None:
            kernel = weights.reshape([-1 if axis == along else 1 for axis in range(ndim)])
            kernel = kernel if kernel.flags.aligned else kernel.copy()
            packed = self._packed[key] = call.plan.pack(kernel[None, None, None])
        call.run(x, packed, y, workers=workers)
        if self.divisor != 1:
            y /= self.divisor


def running_means(
    x: Array, window: Pass, y: Array, cval: float, workers: int | None = None, *, inside: bool = False,
    in_pieces: bool = False,
) -> bool:  # fmt: skip
    """Write to y the means over windows along an axis, each sum made from the one before; whether all are finite.

    What is not so spreads to the end of the line, as it does in SciPy; or of its piece, since in pieces a few long
    lines take less time.
    """
    axis, weights, mode, before = window
    outputs = y.shape[axis]
    pieces = 1
    if in_pieces:
        pieces = min(LINES_ABREAST * outputs // y.size, outputs // max(4 * weights.size, PIECE_SAMPLES))
    with Threads(RUNNING_MULTIPLY_ADDS * y.size, workers) as threads:
        finite = _core.load("float64").running_means(
            x, y, axis, weights.size, 0 if inside else before, BY_NAME["zeros"].code if inside else mode.code, cval,
            max(pieces, 1), threads,
        )  # fmt: skip
    return bool(finite)


def _as_planes(x: Array, y: Array, axis: int) -> tuple[Array, Array, int, int]:
    """Return x and y as (*batch, 1, *spatial), which of the spatial axes is the given one, and how many there are.

    Where it is not the last, the plane of it and of all that follow is cut into columns: a block of them, with the
    samples of many windows, then fits a cache.
    """
    if not (x.flags.c_contiguous and y.flags.c_contiguous):
        return x[None], y[None], axis, x.ndim
    outer, inner = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    if inner == 1:
        shape = (1, outer, -1) if outer > 1 else (1, -1)
        return x.reshape(shape), y.reshape(shape), len(shape) - 2, len(shape) - 1
    pieces = _pieces(inner)
    x, y = (a.reshape(outer, 1, a.shape[axis], pieces, inner // pieces).transpose(0, 3, 1, 2, 4) for a in (x, y))
    return x, y, 0, 2


@Cache[int]("pieces of filters", CHOICE_BYTES).remembered
def _pieces(columns: int) -> int:
    """Return into how many equal pieces to cut columns; 1 if their number has no divisor that fits."""
    if columns <= 2 * PLANE_COLUMNS:
        return 1
    counts = range(-(-columns // PLANE_COLUMNS), 4 * columns // PLANE_COLUMNS)
    return next((count for count in counts if columns % count == 0), 1)


def _is_in_place(planes: Array, ndim: int) -> bool:
    """Whether the engine may read and write planes of so many axes as they are."""
    return planes.dtype is DOUBLE and planes.flags.aligned and planes[(0,) * (planes.ndim - ndim)].flags.c_contiguous


@Cache[Prepared]("plans of filters").remembered
def _prepare(
    shape: Shape, batch: int, along: int, taps: int, padding: tuple[int, int], mode: PaddingMode, cval: float,
    x_in_place: bool, y_in_place: bool,
) -> Prepared:  # fmt: skip
    """Return the call for one axis of planes."""
    geometry = single_channel_geometry(
        shape,
        tuple(taps if axis == along else 1 for axis in range(len(shape))),
        tuple(padding if axis == along else (0, 0) for axis in range(len(shape))),
        (mode,) * len(shape),
        names=("input", "weights"),
    )
    return prepare(
        geometry, DOUBLE, batch, x_in_place=x_in_place, y_in_place=y_in_place, fill_value=cval, method=PLAIN_SUMS,
        zeros_are_samples=True,
    )  # fmt: skip
