"""A correlation along a single axis, in double precision."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .. import _core
from .._call.dtypes import Array
from .._call.geometry import Shape, batch_of, single_channel_geometry
from .._call.modes import BY_NAME, PaddingMode
from .._engine import Prepared, prepare
from .._methods import PLAIN_SUMS
from .._runtime.caches import CHOICE_BYTES, Cache
from .._runtime.workers import Threads

DOUBLE = np.dtype(np.float64)

# Columns of the planes that a pass cuts an array into.
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


class Line:
    """A pass that can be called, and remembers its weights as plans read them.

    Doubles may be divided afterwards; `running`, it is the means over its window, by running sums.
    """

    def __init__(self, each: Pass, *, divisor: int = 1, running: bool = False) -> None:
        self.each, self.divisor, self.running = each, divisor, running
        self._packed: dict[object, object] = {}

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
