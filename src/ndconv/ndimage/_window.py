"""Correlation by a window of all axes, with the bits that SciPy's has: products are added from zero, in its order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import _core
from .._call.dtypes import Array
from .._call.modes import PaddingMode
from .._runtime.workers import Threads
from ._passes import NEGLIGIBLE
from ._results import bools_as_bytes, shares_memory


@bools_as_bytes
def correlate(x: Array, weights: Array, y: Array, mode: PaddingMode, before: Sequence[int], cval: float) -> None:
    """Write to y the sums of x's samples in a window around each, times weights, of as many axes as x."""
    places = np.argwhere(np.abs(weights) > NEGLIGIBLE)
    if not (places.size or weights.ndim == 0) or not len(places):
        y[...] = 0
        return
    if y.size == 0:
        return
    target = y
    if not y.dtype.isnative or shares_memory(x, y):
        target = np.empty(y.shape, y.dtype.newbyteorder("="))
    values = np.ascontiguousarray(weights[tuple(places.T)], np.float64)
    missing = max(2 - x.ndim, 0)  # the core wants rows and columns
    ones = (1,) * missing
    places = np.pad(places, ((0, 0), (missing, 0)))
    start = -np.array([*(0,) * missing, *before], np.intp)
    planes, plane_of = np.unique(places[:, :-2], axis=0, return_inverse=True)
    low, high = places[:, -2:].min(axis=0), places[:, -2:].max(axis=0)
    terms = np.column_stack([plane_of.reshape(-1), places[:, -2:] - low]).astype(np.intp)
    # Of the axis of the rows, each row of a plane has its own place.
    offsets = np.zeros((len(planes), start.size - 1), np.intp)
    offsets[:, :-1] = planes + start[:-2]
    with Threads(values.size * y.size, None) as threads:
        _core.load("float64").correlate_window(
            x.reshape(*ones, *x.shape), target.reshape(*ones, *y.shape), values, np.ascontiguousarray(terms), offsets,
            tuple(map(int, low + start[-2:])), tuple(map(int, high - low + 1)), mode.code, cval, threads,
        )  # fmt: skip
    if target is not y:
        y[...] = target
