"""Sums over the samples that are there: the normalised convolution that ``nan_policy="omit"`` asks for.

See H. Knutsson and C.-F. Westin, Normalized and differential convolution, CVPR 1993: the certainty of a sample that is
there is 1, and of one that is missing, 0.
"""

from __future__ import annotations

import math

import numpy as np

from .._call.dtypes import Array, compute_type
from .._methods import AUTO, PLAIN_SUMS
from .check import Arguments
from .missing import has_nan
from .slide import slide
from .windows import Windows, windows_of

# Where the weights of the samples that are there add up to less than this part of all, they must be more exact than
# spectra make them.
THIN = 1 / 64


def omitting(
    x: Array, kernel: Array, dtype: np.dtype[np.generic], arguments: Arguments, out: Array | None, workers: int | None,
    mirror: bool,
) -> Array:  # fmt: skip
    """Return the correlation, or the convolution if `mirror`, without the samples of x that are missing."""
    windows = windows_of(x, kernel, dtype, arguments, out, workers, mirror)
    weights, fill_value = windows.placed(kernel), complex(windows.checked.fill_value)
    check_weights(weights, windows.axes, dtype)
    if 0 in windows.checked.y_shape or not (has_nan(x) or np.isnan(fill_value)):
        return slide(x, kernel, arguments, out, workers, mirror)
    if mirror:
        weights = np.flip(weights, windows.axes).conj()  # which correlation conjugates once more
    return windows.delivered(interpolated(windows, x, fill_value, weights, dtype, arguments.method), out)


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
