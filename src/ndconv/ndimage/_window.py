"""Correlation by a window of all axes, with the bits that SciPy's has: products are added from zero, in its order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._call.dtypes import Array
from .._call.modes import PaddingMode
from .._runtime.workers import Threads
from ._passes import core_for, prepared
from ._results import bools_as_bytes, shares_memory


@bools_as_bytes
def correlate(x: Array, weights: Array, y: Array, mode: PaddingMode, before: Sequence[int], cval: float) -> None:
    """Write to y the sums of x's samples in a window around each, times weights, of as many axes as x."""
    if y.size == 0:
        return
    target = y
    if not y.dtype.isnative or shares_memory(x, y):
        target = np.empty(y.shape, y.dtype.newbyteorder("="))
    core = core_for(x, y, [weights], cval)
    from_x, to_y, window = x, target, prepared(weights, core)
    for _ in range(2 - y.ndim):  # the core wants rows and columns
        from_x, to_y, window, before = from_x[None], to_y[None], window[None], (0, *before)
    with Threads(weights.size * y.size, None) as threads:
        core.correlate_window(from_x, to_y, window, before, mode.code, cval, threads)
    if target is not y:
        y[...] = target
