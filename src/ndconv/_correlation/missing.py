"""Missing samples: what NaN in x, and the mask of a masked array, mean to a correlation, by `nan_policy`."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._call.dtypes import Array

POLICIES = ("propagate", "omit", "raise")

# --- Masked arrays ------------------------------------------------------------------------------------------------


def is_masked(array: object) -> bool:
    """Whether something is a masked array; there are none before ``numpy.ma`` is imported."""
    return type(array) is not np.ndarray and "numpy.ma" in sys.modules and isinstance(array, np.ma.MaskedArray)


def mask_of(x: ArrayLike, kernel: ArrayLike) -> Array | None:
    """Return where x is masked, None for nowhere; or raise for a kernel that is a masked array."""
    if is_masked(kernel):
        raise TypeError("kernel must not be a masked array: fill in what is masked, as by kernel.filled(0)")
    if not is_masked(x):
        return None
    mask = np.ma.getmask(x)
    return np.asarray(mask) if mask.any() else None


def refuse_masked(masked: Array | None) -> None:
    """Raise where samples of x are masked, in the words of scipy.stats."""
    if masked is not None:
        raise ValueError("The input contains masked values: x must have none under nan_policy='raise'")


def with_gaps(x: Array, missing: Array, dtype: np.dtype[Any]) -> Array:
    """Return x with NaN for the samples that are missing, in a real type beside a result's dtype where x has no NaN."""
    if dtype.kind in "iu":
        raise ValueError(
            f"x must have no masked samples for a result of dtype {dtype}, which has no NaN: ask for a floating dtype, "
            f"such as dtype='float64', or fill them in: x.filled(0)"
        )
    holes = np.array(x, x.dtype if x.dtype.kind in "fc" else np.finfo(dtype).dtype)
    holes[missing] = np.nan
    return holes


def with_gaps_filled(x: Array, missing: Array) -> Array:
    """Return x with one of its samples for those that are missing."""
    there = x[~missing]
    return np.where(missing, there.flat[0] if there.size else 0, x).astype(x.dtype.newbyteorder("="), copy=False)


# --- NaN ----------------------------------------------------------------------------------------------------------


def refuse_nan(array: Array, name: str) -> None:
    """Raise for an array that holds NaN, in the words of scipy.stats."""
    if has_nan(array):
        raise ValueError(f"The input contains nan values: {name} must have none under nan_policy='raise'")


def has_nan(array: Array) -> bool:
    """Whether an array holds NaN, in a real or in an imaginary part."""
    return array.dtype.kind in "fc" and bool(np.isnan(array).any())
