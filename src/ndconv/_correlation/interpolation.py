"""Sums over the samples that count, as much as each does: the normalised convolution.

See H. Knutsson and C.-F. Westin, Normalized and differential convolution, CVPR 1993. The certainties of samples are
``sample_weights``; under ``nan_policy="omit"``, that of a NaN is 0.
"""

from __future__ import annotations

import math

import numpy as np

from .._call.dtypes import Array, compute_type
from .._methods import AUTO, PLAIN_SUMS
from .check import Arguments
from .missing import FAINT, has_nan, scaled_weights
from .slide import slide
from .windows import Windows, windows_of

# Where the weights of the samples that are there add up to less than this part of all, they must be more exact than
# spectra make them.
THIN = 1 / 64


def interpolating(
    x: Array, kernel: Array, dtype: np.dtype[np.generic], certainties: Array | None, omit: bool, arguments: Arguments,
    out: Array | None, workers: int | None, mirror: bool,
) -> Array:  # fmt: skip
    """Return the correlation, or the convolution if `mirror`, of the samples of x that count; to `omit` is not NaN."""
    windows = windows_of(x, kernel, dtype, arguments, out, workers, mirror)
    weights, fill_value = windows.placed(kernel), complex(windows.checked.fill_value)
    check_kernel(weights, windows.axes, dtype, "with sample_weights" if not omit else "under nan_policy='omit'")
    clean = certainties is None and not (has_nan(x) or np.isnan(fill_value))
    if 0 in windows.checked.y_shape or clean:
        return slide(x, kernel, arguments, out, workers, mirror)
    if mirror:
        weights = np.flip(weights, windows.axes).conj()  # which correlation conjugates once more
    real = np.dtype(compute_type(dtype))
    outside = 1.0
    if certainties is not None:
        certainties, outside = scaled_weights(certainties, outside if windows.geometry.is_filled else 0.0)
        if is_faint(certainties, outside):
            real = np.dtype(np.float64)
    samples, there = certain_samples(windows, x, fill_value, certainties, outside, omit, real)
    return windows.delivered(interpolated(windows, samples, there, weights, arguments.method), out)


def check_kernel(kernel: Array, axes: tuple[int, ...], dtype: np.dtype[np.generic], when: str) -> None:
    """Raise for a kernel that does not tell what a missing sample should count for."""
    if has_nan(kernel):
        raise ValueError(f"kernel must have no nan {when}, which leaves out samples of x")
    exact = kernel.astype(np.result_type(kernel, np.float64))
    # Weights may be rounded from some whose sum is zero.
    own = float(np.finfo(kernel.dtype).eps) if kernel.dtype.kind in "fc" else 0.0
    with np.errstate(all="ignore"):
        weight = np.abs(exact).sum(axis=axes)
        zero = np.abs(exact.sum(axis=axes)) <= max(own, _rounding(kernel, axes, dtype)) * weight
    if (zero & np.isfinite(weight)).any():
        raise ValueError(f"kernel must have weights that do not sum to zero {when}, which divides by their sum")


def certain_samples(
    windows: Windows, x: Array, fill_value: complex, certainties: Array | None, outside: float, omit: bool,
    real: np.dtype[np.generic],
) -> tuple[Array, Array]:  # fmt: skip
    """Return the padded samples times their certainties, and these: those of x and of what a fill value stands for."""
    samples = windows.padded(x, np.result_type(real, np.complex64) if x.dtype.kind == "c" else real, fill_value)
    there = np.ones(samples.shape, real) if certainties is None else windows.padded(certainties, real, outside)
    if omit:
        there[np.isnan(samples)] = 0
    with np.errstate(all="ignore"):
        samples *= there
    samples[there == 0] = 0
    return samples, there


def interpolated(windows: Windows, samples: Array, there: Array, kernel: Array, method: str) -> Array:
    """Return the sums of samples, times the sum of all weights over that of the weights times the certainties."""
    real, axes = there.dtype, windows.axes
    kernel = kernel.astype(np.result_type(real, np.complex64) if kernel.dtype.kind == "c" else real)
    whole = np.conj(kernel).sum(axis=axes, keepdims=True)
    certain, some = there == 1, there > 0
    count = windows.sums(some.astype(real))
    certain_count = windows.sums(certain.astype(real)) if (some & ~certain).any() else count
    partial = certain_count < math.prod(windows.geometry.kernel)
    weights = windows.correlate(there, kernel, method)
    if method == AUTO:
        size = np.abs(kernel).sum(axis=axes, keepdims=True)
        if (partial & (count > 0) & (np.abs(weights) < THIN * size)).any():
            method = PLAIN_SUMS
            weights = windows.correlate(there, kernel, method)
    y = windows.correlate(samples, kernel, method)
    one_sign = kernel.dtype.kind != "c" and ((kernel >= 0).all() or (kernel <= 0).all())
    sizes = np.abs(weights) if one_sign else windows.correlate(there, np.abs(kernel), method)
    with np.errstate(all="ignore"):
        nothing = (count == 0) | (np.abs(weights) <= _rounding(kernel, axes, kernel.dtype) * sizes)
        factor = np.where(partial, whole / weights, 1)
        factor[partial & nothing] = np.nan
        y *= factor
    return y


def is_faint(certainties: Array, outside: float) -> bool:
    """Whether some of the certainties would leave no normal numbers of products in single precision."""
    return 0 < outside < FAINT or bool(((certainties > 0) & (certainties < FAINT)).any())


def _rounding(kernel: Array, axes: tuple[int, ...], dtype: np.dtype[np.generic]) -> float:
    """Return what a sum of weights may be wrong by, in parts of their sizes."""
    taps = math.prod(kernel.shape[axis] for axis in axes)
    return 8 * float(np.finfo(compute_type(dtype)).eps) * math.sqrt(taps)
