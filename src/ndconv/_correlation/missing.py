"""Missing samples: what NaN in x, and the mask of a masked array, mean to a correlation, by `nan_policy`.

"omit" is the normalised convolution (H. Knutsson and C.-F. Westin, Normalized and differential convolution, CVPR 1993),
with a certainty of 1 for a sample that is there and of 0 for one that is missing.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._call.dtypes import Array, compute_type
from .._methods import AUTO, PLAIN_SUMS
from .check import Arguments, placed
from .normalized import DOUBLE, coefficient_dtype, sample_dtype
from .slide import delivered, slide
from .windows import Windows, windows_of

POLICIES = ("propagate", "omit", "raise")

# Where the weights of the samples that are there add up to less than this part of all, they must be more exact than
# spectra make them.
THIN = 1 / 64

# --- Masked arrays ------------------------------------------------------------------------------------------------


def is_masked(array: object) -> bool:
    """Whether something is a masked array; there are none before ``numpy.ma`` is imported."""
    return type(array) is not np.ndarray and "numpy.ma" in sys.modules and isinstance(array, np.ma.MaskedArray)


def unmasked(array: ArrayLike) -> tuple[ArrayLike, Array | None]:
    """Return what is under the mask of a masked array, and where it is masked; None for nowhere."""
    if not is_masked(array):
        return array, None
    mask = np.ma.getmask(array)
    return np.ma.getdata(array), np.asarray(mask) if mask.any() else None


def refuse_masked_kernel(kernel: ArrayLike) -> None:
    """Raise for a kernel that is a masked array."""
    if is_masked(kernel):
        raise TypeError("kernel must not be a masked array: fill in what is masked, as by kernel.filled(0)")


def with_mask(
    x: Array, masked: Array, dtype: np.dtype[np.generic], policy: str, normalized: bool
) -> tuple[Array, Array | None]:
    """Return x with NaN where it is masked, for a result of a dtype; or where it has no NaN, x and the mask."""
    if policy == "raise":
        raise ValueError("The input contains masked values: x must have none under nan_policy='raise'")
    if normalized:
        filled = with_gaps_filled(x, masked)
        if sample_dtype(filled, 0) != DOUBLE:
            return filled, masked
        dtype = coefficient_dtype(dtype)
    return with_gaps(x, masked, dtype), None


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


# --- Sums over the samples that are there -------------------------------------------------------------------------


def omitting(
    x: Array, kernel: Array, arguments: Arguments, out: Array | None, workers: int | None, mirror: bool
) -> Array:
    """Return the correlation, or the convolution if `mirror`, without the samples of x that are missing."""
    checked, windows = windows_of(x, kernel, arguments, out, workers, mirror)
    weights = placed(kernel, x.ndim, checked.kernel_axes)
    check_weights(weights, windows.axes, checked.dtype)
    if 0 in checked.y_shape or not (has_nan(x) or np.isnan(checked.fill_value)):
        return slide(x, kernel, arguments, out, workers, mirror)
    if mirror:
        weights = np.flip(weights, windows.axes).conj()  # which correlation conjugates once more
    y = interpolated(windows, x, complex(checked.fill_value), weights, checked.dtype, arguments.method)
    return delivered(y, checked, out)


def check_weights(kernel: Array, axes: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
    """Raise for a kernel that does not tell what a missing sample should count for."""
    if has_nan(kernel):
        raise ValueError("kernel must have no nan under nan_policy='omit', which leaves out samples of x")
    exact = kernel.astype(np.result_type(kernel, np.float64))
    # Weights may be rounded from some whose sum is zero.
    own = float(np.finfo(kernel.dtype).eps) if kernel.dtype.kind in "fc" else 0.0
    with np.errstate(all="ignore"):
        weight = np.abs(exact).sum(axis=axes)
        zero = np.abs(exact.sum(axis=axes)) <= max(own, _rounding(kernel, axes, dtype)) * weight
    if (zero & np.isfinite(weight)).any():
        raise ValueError(
            "kernel must have weights that do not sum to zero under nan_policy='omit', which divides by their sum"
        )


def interpolated(
    windows: Windows, x: Array, fill_value: complex, kernel: Array, dtype: np.dtype[np.generic], method: str
) -> Array:
    """Return the sums over the samples that are there, times the sum of all weights over the sum of theirs."""
    real = np.dtype(compute_type(dtype))
    kernel = kernel.astype(np.result_type(real, np.complex64) if kernel.dtype.kind == "c" else real)
    samples = windows.padded(x, np.result_type(real, np.complex64) if x.dtype.kind == "c" else real, fill_value)
    missing = np.isnan(samples)
    samples[missing] = 0
    there = (~missing).astype(real)
    count = windows.sums(there)
    whole = np.conj(kernel).sum(axis=windows.axes, keepdims=True)
    weight = np.abs(kernel).sum(axis=windows.axes, keepdims=True)
    partial = count < math.prod(windows.geometry.kernel)
    y, weights = (windows.correlate(each, kernel, method) for each in (samples, there))
    if method == AUTO and (partial & (count > 0) & (np.abs(weights) < THIN * weight)).any():
        y, weights = (windows.correlate(each, kernel, PLAIN_SUMS) for each in (samples, there))
    one_sign = kernel.dtype.kind != "c" and ((kernel >= 0).all() or (kernel <= 0).all())
    sizes = np.abs(weights) if one_sign else windows.correlate(there, np.abs(kernel), method)
    with np.errstate(all="ignore"):
        nothing = (count == 0) | (np.abs(weights) <= _rounding(kernel, windows.axes, dtype) * sizes)
        factor = np.where(partial, whole / weights, 1)
        factor[partial & nothing] = np.nan
        y *= factor
    return y


def _rounding(kernel: Array, axes: tuple[int, ...], dtype: np.dtype[np.generic]) -> float:
    """Return what a sum of weights may be wrong by, in parts of their sizes."""
    taps = math.prod(kernel.shape[axis] for axis in axes)
    return 8 * float(np.finfo(compute_type(dtype)).eps) * math.sqrt(taps)
