"""Correlation by a window of all axes, with the bits that SciPy's has: products are added from zero, in its order."""

from __future__ import annotations

import math
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
    if y.size == 0:
        return
    ones = (1,) * max(2 - x.ndim, 0)  # the core wants rows and columns
    weights, before = weights.reshape(*ones, *weights.shape), (*(0,) * len(ones), *before)
    *planes, rows, columns = weights.shape
    found = np.flatnonzero(np.abs(weights) > NEGLIGIBLE)
    if not found.size:
        y[...] = 0
        return
    target = y
    if not y.dtype.isnative or shares_memory(x, y):
        target = np.empty(y.shape, y.dtype.newbyteorder("="))
    terms = np.empty((found.size, 3), np.intp)
    terms[:, 0], rest = np.divmod(found, rows * columns)
    terms[:, 1], terms[:, 2] = np.divmod(rest, columns)
    # Where the planes lie from an output; of the axis of the rows, each row has its own place.
    offsets = np.zeros((math.prod(planes), len(planes) + 1), np.intp)
    for axis, (places, first) in enumerate(zip(np.indices(planes), before, strict=False)):
        offsets[:, axis] = places.ravel() - first
    values = weights.ravel()[found]
    with Threads(values.size * y.size, None) as threads:
        _core.load("float64").correlate_window(
            x.reshape(*ones, *x.shape), target.reshape(*ones, *y.shape), values, terms, offsets,
            (-before[-2], -before[-1]), (rows, columns), mode.code, cval, threads,
        )  # fmt: skip
    if target is not y:
        y[...] = target
