"""The layer whose samples count more, less, or not at all."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from support.oracle.reference import (
    activated,
    direct_bound,
    exact_dtype,
    fast_bound,
    laid_out,
    result_dtype,
    rounded_to_half,
    widen,
)
from support.oracle.sums import products_of_windows, sums_and_magnitudes
from support.oracle.windows import extend, per_axis, resolve_padding, windows_of


def partial_layer(x, weight, bias=None, *, sample_weights, stride=1, padding=0, padding_mode="zeros", fill_value=0,
                  dilation=1, groups=1, activation=None, residual=None, channel_axis=None, method="auto"):  # fmt: skip
    """Return what `conv_layer` must return with `sample_weights`."""
    assert fill_value == 0
    x, weight = np.asarray(x), np.asarray(weight)
    bias, residual = (None if a is None else np.asarray(a) for a in (bias, residual))
    dtype, d, kernel = result_dtype(x, weight, bias, residual), weight.ndim - 2, weight.shape[2:]
    stride, dilation, batched = per_axis(stride, d), per_axis(dilation, d), x.ndim == weight.ndim
    modes = (padding_mode,) * d if isinstance(padding_mode, str) else tuple(padding_mode)

    def whole(a):
        """Return an array as a batch with its channels before the spatial axes."""
        a = np.moveaxis(a, -1, -1 - d) if channel_axis == -1 else a
        return a if batched else a[None]

    counts = for_each_sample(sample_weights, x.shape, x.ndim - 1 if channel_axis == -1 else x.ndim - d - 1)
    x, counts = whole(x), whole(counts)
    counts = counts.astype(exact_dtype(np.empty(0, dtype).real.dtype))
    with np.errstate(all="ignore"):
        samples = widen(np.where(counts == 0, 0, x), dtype) * counts
    there = np.ones((1, 1, *x.shape[2:]), bool)
    pairs = resolve_padding(padding, x.shape[2:], kernel, stride, dilation)
    for i, ((before, after), mode) in enumerate(zip(pairs, modes, strict=True)):
        stop = x.shape[2 + i] + after
        samples, counts, there = (extend(a, 2 + i, -before, stop, mode) for a in (samples, counts, there))
    windows = partial(windows_of, axes=tuple(range(2, 2 + d)), kernel=kernel, stride=stride, dilation=dilation)
    there = windows(there)
    value, magnitude = sums_and_magnitudes(
        lambda samples, weight: products_of_windows(windows(samples), weight, groups, there),
        samples, widen(weight, dtype),
    )  # fmt: skip

    each = windows(counts).sum(axis=tuple(range(-d, 0)))
    each = each.reshape(len(each), groups, weight.shape[1], *each.shape[2:]).sum(axis=2)
    size = weight.shape[1] * math.prod(kernel)
    with np.errstate(all="ignore"):
        factor = np.where(each > 0, size / each, 0)
    factor = np.repeat(factor, weight.shape[0] // groups, axis=1)
    with np.errstate(all="ignore"):
        added = 0 if bias is None else widen(bias, dtype).reshape(-1, *(1,) * d)
        value = np.where(factor > 0, value * factor + added, 0)
        added = np.abs(added) if residual is None else np.abs(added) + np.abs(widen(whole(residual), dtype))
        value = value if residual is None else value + widen(whole(residual), dtype)
        fast = factor * fast_bound(dtype, magnitude, d)
        magnitude = factor * magnitude + added
        # Weights and factors are rounded as well.
        eps = float(np.finfo(np.float32 if dtype == np.float16 else dtype).eps)
        bound = direct_bound(dtype, magnitude, size) + 4 * eps * magnitude
    bound = bound if method == "direct" else np.maximum(bound, fast)
    if activation is not None:
        value, bound = activated(value, bound, dtype, activation)
    return laid_out(value, dtype, rounded_to_half(bound, value, dtype), magnitude, d, batched, channel_axis)


def for_each_sample(sample_weights, x_shape, channel):
    """Return weights in x's shape from such without an axis of channels too."""
    weights = np.asarray(sample_weights)
    if weights.ndim < len(x_shape):
        pixels = [n for axis, n in enumerate(x_shape) if axis != channel]
        weights = np.expand_dims(np.broadcast_to(weights, pixels), channel)
    return np.broadcast_to(weights, x_shape)
