"""Missing samples: what NaN in x and the mask of a masked array mean, by `nan_policy`; and how much others count."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._call.dtypes import Array, as_array
from .._call.geometry import Shape

POLICIES = ("propagate", "omit", "raise")

# Weights of samples, in parts of the largest, whose products with samples may be no normal numbers in single precision.
FAINT = 2.0**-60

# --- Masked arrays ------------------------------------------------------------------------------------------------


def is_masked(array: object) -> bool:
    """Whether something is a masked array; there are none before ``numpy.ma`` is imported."""
    return type(array) is not np.ndarray and "numpy.ma" in sys.modules and isinstance(array, np.ma.MaskedArray)


def refuse_masked_kernel(kernel: ArrayLike) -> None:
    """Raise for a kernel that is a masked array."""
    if is_masked(kernel):
        raise TypeError("kernel must not be a masked array: fill in what is masked, as by kernel.filled(0)")


def mask_of(x: ArrayLike) -> Array | None:
    """Return where x is masked, None for nowhere."""
    if not is_masked(x):
        return None
    mask = np.ma.getmask(x)
    return np.asarray(mask) if mask.any() else None


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


def refuse_missing(x: Array, masked: Array | None, kernel: Array | None = None) -> None:
    """Raise where samples of x are masked, or where x or the kernel holds NaN, in the words of scipy.stats."""
    if masked is not None:
        raise ValueError("The input contains masked values: x must have none under nan_policy='raise'")
    for array, name in ((x, "x"), (kernel, "kernel")):
        if array is not None and has_nan(array):
            raise ValueError(f"The input contains nan values: {name} must have none under nan_policy='raise'")


def has_nan(array: Array) -> bool:
    """Whether an array holds NaN, in a real or in an imaginary part."""
    return array.dtype.kind in "fc" and bool(np.isnan(array).any())


# --- Masks --------------------------------------------------------------------------------------------------------


def checked_mask(mask: ArrayLike | None, shape: Shape, name: str) -> Array | None:
    """Return where samples count, None for everywhere; or raise for what does not tell that."""
    if mask is None:
        return None
    if is_masked(mask):
        raise TypeError(f"{name} must not be a masked array: fill it, as by {name}.filled(False)")
    array = as_array(mask, name)
    if array.dtype.kind != "b":
        raise TypeError(f"{name} must be of bools, True where a sample counts, got dtype {array.dtype}")
    if array.shape != shape:
        of = "x" if name == "mask" else "kernel"
        raise ValueError(f"{name} must have {of}'s shape {shape}, got {array.shape}")
    return None if array.all() else array


def mask_without(mask: Array | None, x: Array, masked: Array | None) -> Array | None:
    """Return where samples count that are neither NaN nor masked, None for everywhere."""
    missing = masked if not has_nan(x) else np.isnan(x) if masked is None else np.isnan(x) | masked
    if missing is None:
        return mask
    return ~missing if mask is None else mask & ~missing


# --- Weights of samples -------------------------------------------------------------------------------------------


def checked_sample_weights(sample_weights: ArrayLike, shape: Shape, dtype: np.dtype[Any]) -> Array:
    """Return how much each sample of x counts in a result of a dtype, or raise for what does not tell that."""
    weights = finite_weights(sample_weights)
    if dtype.kind in "iu":
        raise ValueError(
            f"sample_weights must be None for a result of dtype {dtype}, which has no quotients; got an array of shape "
            f"{weights.shape}: ask for a floating dtype, such as dtype='float64'"
        )
    return broadcast_to_x(weights, shape, "sample_weights")


def finite_weights(sample_weights: ArrayLike) -> Array:
    """Return weights of samples in whatever shape they have, or raise for what are none."""
    if is_masked(sample_weights):
        raise TypeError("sample_weights must not be a masked array: fill it, as by sample_weights.filled(0)")
    weights = as_array(sample_weights, "sample_weights")
    if weights.dtype.kind == "c":
        raise TypeError(f"sample_weights must be real, got dtype {weights.dtype}")
    wrong = ~(weights >= 0) | np.isinf(weights)
    if wrong.any():
        raise ValueError(f"sample_weights must be finite and at least 0, got {weights[wrong][0]}")
    return weights


def broadcast_to_x(array: Array, shape: Shape, name: str) -> Array:
    """Return an array with x's shape, or raise where there is none for each sample."""
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(f"{name} must have x's shape {shape}, or broadcast to it, got {array.shape}") from None


def scaled_weights(weights: Array, outside: float) -> tuple[Array, float]:
    """Return weights of x's samples and of those outside times a power of two, so that the largest is from 1 to 2."""
    weights = weights.astype(np.result_type(weights, np.float32), copy=False)
    exponent = 1 - int(np.frexp(weights.max(initial=outside))[1])
    return np.ldexp(weights, exponent), math.ldexp(outside, exponent)


def forgotten(x: Array, masked: Array | None, nothing: Array) -> tuple[Array, Array | None]:
    """Return x with 0 for samples that count for nothing, whatever they are; and which others are masked, if any."""
    if masked is not None:
        masked = masked & ~nothing
    x = np.where(nothing, 0, x).astype(x.dtype.newbyteorder("="), copy=False)
    return x, masked if masked is not None and masked.any() else None
