"""Whether arrays are finite, found out quickly."""

from __future__ import annotations

import cmath

import numpy as np

from .._call.dtypes import Array

# Samples up to which a product of vectors is taken, for which no BLAS library starts threads.
SMALL = 4096


def is_finite(array: Array) -> bool:
    """Whether all of an array is finite; now and then it is, but its sum is not, and the answer is no."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.add.reduce(array, axis=None)))


def all_finite(array: Array) -> bool:
    """Whether all of an array is finite; of a small one, where the sum of its squares is, that takes no time at all."""
    if array.dtype.kind not in "fc":
        return True
    sum_is = cmath.isfinite(np.vdot(array, array)) if array.size <= SMALL else is_finite(array)
    return sum_is or bool(np.isfinite(array).all())
