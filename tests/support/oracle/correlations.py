"""Correlations and convolutions along axes, normalised ones, and those that leave out what is missing."""

from __future__ import annotations

import math

import numpy as np

from support.oracle.reference import Reference, direct_bound, result_dtype, rounded_to_half, widen
from support.oracle.sums import magnitudes, product_where
from support.oracle.windows import extend, per_axis, reach, windows_of


def _correlated(x, kernel, fill_value, mode, padding_mode, stride, dilation, axes, lags):
    """Return the windows of x and the kernel, both with axes for taps behind those of x, and how many these are."""
    if axes is None:
        axes = tuple(range(x.ndim - kernel.ndim, x.ndim))
        kernel = kernel.reshape((1,) * (x.ndim - kernel.ndim) + kernel.shape)
    axes = tuple(int(a) % x.ndim for a in (axes if np.ndim(axes) else (axes,)))
    d = len(axes)
    stride, dilation = per_axis(stride, d), per_axis(dilation, d)
    modes = (padding_mode,) * d if isinstance(padding_mode, str) else tuple(padding_mode)
    if lags is not None and np.ndim(lags) == 1:
        lags = (lags,) * d
    for i, axis in enumerate(axes):
        size, span = x.shape[axis], reach(kernel.shape[axis], dilation[i])
        first, count = {
            "full": (1 - span, size + span - 1),
            "same": (-(span // 2), size),
            "valid": (0, size - span + 1),
        }[mode]
        if lags is not None:
            first, count = lags[i][0], lags[i][1] - lags[i][0] + 1
        last = first + (count - 1) // stride[i] * stride[i]
        x = extend(x, axis, first, last + span, modes[i], fill_value)
    taps = tuple(kernel.shape[axis] for axis in axes)
    kernel = np.expand_dims(np.moveaxis(kernel, axes, range(-d, 0)), axes)
    return windows_of(x, axes, taps, stride, dilation), kernel, d


def correlate(
    x,
    kernel,
    mode="full",
    *,
    padding_mode="zeros",
    fill_value=0.0,
    stride=1,
    dilation=1,
    axes=None,
    lags=None,
    conjugate=True,
    dtype=None,
):
    """Return what `correlate_nd` must return."""
    x, kernel = np.asarray(x), np.asarray(kernel)
    dtype = result_dtype(x, kernel) if dtype is None else np.dtype(dtype)
    x, kernel = widen(x, dtype), widen(kernel, dtype)
    fill_value = widen(np.asarray(fill_value), dtype)[()]
    if conjugate:
        kernel = np.conj(kernel)
    arguments = (mode, padding_mode, stride, dilation, axes, lags)
    windows, kernels, d = _correlated(x, kernel, fill_value, *arguments)
    there = None
    if not fill_value and not np.isfinite(kernel).all():
        there = _correlated(np.ones(x.shape, bool), kernel, False, *arguments)[0]
    value = _sums(windows, kernels, d, there)
    if dtype.kind in "iu":
        return Reference(value.astype(dtype), dtype, None)
    magnitude = _sums(*_correlated(*magnitudes(x, kernel, fill_value), *arguments), there)
    bound = direct_bound(dtype, magnitude, math.prod(kernels.shape[-d:]))
    return Reference(value, dtype, rounded_to_half(bound, value, dtype))


def _sums(windows, kernels, d, there=None):
    """Return the sums of products over the last d axes, those of the taps, of what is `there`."""
    taps = kernels.shape[-d:]
    if there is not None:
        each = [(..., *tap) for tap in np.ndindex(*taps)]
        return sum(product_where(windows[tap], kernels[tap], there[tap]) for tap in each)
    lines = [(..., *tap, slice(None)) for tap in np.ndindex(*taps[:-1])]
    return sum(np.einsum("...t,...t->...", windows[line], kernels[line]) for line in lines)


#: By the type of the result, how far off a coefficient may be.
TOLERANCE_OF_COEFFICIENTS = {"float16": 1e-3, "float32": 1e-6, "float64": 1e-9}


def normalized(x, kernel, mode="full", *, padding_mode="zeros", fill_value=0.0, stride=1, dilation=1, axes=None,
               lags=None):  # fmt: skip
    """Return Pearson's coefficient of each window and the kernel: 0 where the window is constant, and finite."""
    x, kernel = (np.asarray(a).astype(np.longdouble) for a in (x, kernel))
    windows, kernels, d = _correlated(x, kernel, fill_value, mode, padding_mode, stride, dilation, axes, lags)
    windows, kernels = (a.reshape(*a.shape[:-d], math.prod(a.shape[-d:])) for a in (windows, kernels))
    with np.errstate(all="ignore"):
        # What 64-bit integers differ by fits a long double, their sum does not.
        w, k = (a - a[..., :1] for a in (windows, kernels))
        w, k = (a - a.mean(axis=-1, keepdims=True) for a in (w, k))
        y = _sums(w, k, 1) / np.sqrt(_sums(w, w, 1) * _sums(k, k, 1))
    constant = (windows == windows[..., :1]).all(axis=-1) & np.isfinite(windows[..., 0])
    return np.where(constant, 0, y).astype(np.float64)


def masked(x, kernel, mode="full", *, mask=True, kernel_mask=True, fill_counts=True, padding_mode="zeros",
           fill_value=0.0, stride=1, dilation=1, axes=None, lags=None):  # fmt: skip
    """Return Pearson's coefficient of what counts of each window and the kernel: 0 where one of both is constant."""
    x, kernel = np.asarray(x), np.asarray(kernel)
    flags, kernel_flags = np.broadcast_to(mask, x.shape), np.broadcast_to(kernel_mask, kernel.shape)
    x, kernel = (np.where(counts, a, 0).astype(np.longdouble) for a, counts in ((x, flags), (kernel, kernel_flags)))
    arguments = (mode, padding_mode, stride, dilation, axes, lags)
    windows, kernels, d = _correlated(x, kernel, fill_value if fill_counts else 0, *arguments)
    flags, kernel_flags, _ = _correlated(flags, kernel_flags, fill_counts, *arguments)
    there = flags & kernel_flags
    shape = (*there.shape[:-d], math.prod(there.shape[-d:]))
    there, *both = (np.broadcast_to(a, there.shape).reshape(shape) for a in (there, windows, kernels))
    count, first = there.sum(axis=-1, keepdims=True), there.argmax(axis=-1)[..., None]
    wild = (there & ~np.isfinite(both[0] + both[1])).any(axis=-1)
    with np.errstate(all="ignore"):
        levelled = [np.where(there, a - np.take_along_axis(a, first, axis=-1), 0) for a in both]
        constant = np.logical_or(*((a == 0).all(axis=-1) for a in levelled)) | (count[..., 0] < 2)
        w, k = levelled
        for _ in range(2):
            w, k = (np.where(there, a - a.sum(axis=-1, keepdims=True) / count, 0) for a in (w, k))
        w, k = (a / np.abs(a).max(axis=-1, keepdims=True) for a in (w, k))
        y = _sums(w, k, 1) / np.sqrt(_sums(w, w, 1) * _sums(k, k, 1))
    return np.where(wild, np.nan, np.where(constant, 0, y)).astype(np.float64)


def omitting(x, kernel, mode="full", *, padding_mode="zeros", fill_value=0.0, stride=1, dilation=1, axes=None,
             lags=None, sample_weights=None):  # fmt: skip
    """Return the weighted means of the samples that are not NaN, times the sum of all weights.

    What `sample_weights` say that each counts, is 1 for a `fill_value`; a NaN counts nothing.
    """
    x, kernel = np.asarray(x), np.conj(kernel)
    wide = np.clongdouble if np.iscomplexobj(x) or np.iscomplexobj(kernel) else np.longdouble
    arguments = (mode, padding_mode, stride, dilation, axes, lags)
    counts = np.ones(x.shape) if sample_weights is None else np.broadcast_to(sample_weights, x.shape)
    counts = np.where(np.isnan(x), 0, counts).astype(np.longdouble)
    outside, fill_value = (0, 0) if np.isnan(fill_value) else (1, fill_value)
    samples = np.where(counts == 0, 0, x).astype(wide) * counts
    samples, kernels, d = _correlated(samples, kernel.astype(wide), fill_value, *arguments)
    counts, _, _ = _correlated(counts, kernel, np.longdouble(outside), *arguments)
    taps = tuple(range(-d, 0))
    with np.errstate(all="ignore"):
        spoilt = None if np.isfinite(kernel).all() else counts > 0
        weight = _sums(counts.astype(wide), kernels, d, spoilt)
        factor = np.where((counts == 1).all(axis=taps), 1, kernels.sum(axis=taps) / weight)
        y = _sums(samples, kernels, d, spoilt) * factor
    return np.where((counts > 0).any(axis=taps), y, np.nan)


def convolve(x, kernel, mode="full", *, axes=None, lags=None, dilation=1, **keywords):
    """Return what `convolve_nd` must return; its lags count the samples of the full result."""
    mirrored, arguments = mirror(kernel, axes=axes, lags=lags, dilation=dilation)
    return correlate(x, mirrored, mode, conjugate=False, **arguments, **keywords)


def mirror(kernel, *, axes=None, lags=None, dilation=1):
    """Return the kernel with which correlation is convolution, and the arguments that go with it."""
    kernel = np.asarray(kernel)
    mirrored = np.flip(kernel, axis=axes)
    if lags is not None:
        taps = kernel.shape if axes is None else [kernel.shape[a] for a in (axes if np.ndim(axes) else (axes,))]
        pairs = (lags,) * len(taps) if np.ndim(lags) == 1 else lags
        shifts = [reach(k, e) - 1 for k, e in zip(taps, per_axis(dilation, len(taps)), strict=True)]
        lags = [(low - shift, high - shift) for (low, high), shift in zip(pairs, shifts, strict=True)]
    return mirrored, {"axes": axes, "lags": lags, "dilation": dilation}
