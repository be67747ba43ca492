"""Layers, transposed layers and their gradients."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from support.oracle.reference import References, finished, result_dtype, widen
from support.oracle.sums import laid_over, met_in_windows, products_of_windows, sums_and_magnitudes
from support.oracle.windows import extend, fold, per_axis, reach, resolve_padding, transposed_size, windows_of


def layer(
    x,
    weight,
    bias=None,
    *,
    stride=1,
    padding=0,
    padding_mode="zeros",
    fill_value=0.0,
    dilation=1,
    groups=1,
    activation=None,
    residual=None,
    channel_axis=None,
    method="auto",
):
    """Return what `conv_layer` must return, as exactly as its method promises."""
    x, weight = np.asarray(x), np.asarray(weight)
    bias = None if bias is None else np.asarray(bias)
    residual = None if residual is None else np.asarray(residual)
    d = weight.ndim - 2
    kernel = weight.shape[2:]
    stride, dilation = per_axis(stride, d), per_axis(dilation, d)
    modes = (padding_mode,) * d if isinstance(padding_mode, str) else tuple(padding_mode)
    dtype = result_dtype(x, weight, bias, residual)
    batched = x.ndim == d + 2
    if channel_axis == -1:
        x = np.moveaxis(x, -1, -1 - d)
        residual = None if residual is None else np.moveaxis(residual, -1, -1 - d)
    if not batched:
        x = x[None]
        residual = None if residual is None else residual[None]
    x, weight = widen(x, dtype), widen(weight, dtype)
    fill_value = widen(np.asarray(fill_value), dtype)[()]
    there = np.ones((1, 1, *x.shape[2:]), bool)

    pairs = resolve_padding(padding, x.shape[2:], kernel, stride, dilation)
    for i, ((before, after), mode) in enumerate(zip(pairs, modes, strict=True)):
        stop = x.shape[2 + i] + after
        x, there = extend(x, 2 + i, -before, stop, mode, fill_value), extend(there, 2 + i, -before, stop, mode)
    windows = partial(windows_of, axes=tuple(range(2, 2 + d)), kernel=kernel, stride=stride, dilation=dilation)
    there = None if fill_value else windows(there)
    value, magnitude = sums_and_magnitudes(
        lambda x, weight: products_of_windows(windows(x), weight, groups, there), x, weight
    )
    winograd = method == "auto" and 1 < -(-kernel[-1] // stride[-1]) <= 5 and 1 in (stride[-1], dilation[-1])
    return finished(
        value, magnitude, weight.shape[1] * math.prod(kernel), dtype, d, batched, channel_axis, bias, residual,
        activation, direct=method in ("direct", "auto"), fast=winograd or method not in ("direct", "auto"),
    )  # fmt: skip


def _batched(a, d, channel_axis):
    """Return an array as a batch with its channels before the spatial axes."""
    a = np.asarray(a)
    if channel_axis == -1:
        a = np.moveaxis(a, -1, -1 - d)
    return a if a.ndim == d + 2 else a[None]


def _gradient(value, magnitude, count, dtype, primal, d, batched=True, channel_axis=None, fast=False):
    """Return the reference of a gradient: real if what it belongs to is."""
    if dtype.kind == "c" and primal.dtype.kind != "c":
        value, dtype = value.real, np.empty(0, dtype).real.dtype
    return finished(value, magnitude, count, dtype, d, batched, channel_axis, fast=fast)


def layer_gradients(grad_y, x, weight, *, stride=1, padding=0, padding_mode="zeros", fill_value=0.0, dilation=1,
                    groups=1, channel_axis=None):  # fmt: skip
    """Return what `conv_layer_backward` must return."""
    grad_y, x, weight = map(np.asarray, (grad_y, x, weight))
    d, kernel, given = weight.ndim - 2, weight.shape[2:], x
    stride, dilation = per_axis(stride, d), per_axis(dilation, d)
    modes = (padding_mode,) * d if isinstance(padding_mode, str) else tuple(padding_mode)
    batched = x.ndim == d + 2
    grad_y, x = _batched(grad_y, d, channel_axis), _batched(x, d, channel_axis)
    sizes, positions = x.shape[2:], grad_y.shape[2:]
    pairs = resolve_padding(padding, sizes, kernel, stride, dilation)

    def to_x():
        dtype = result_dtype(grad_y, weight)
        folded = []
        spread = partial(laid_over, groups=groups, stride=stride, dilation=dilation)
        for part in sums_and_magnitudes(spread, widen(grad_y, dtype), np.conj(widen(weight, dtype))):
            for i, ((before, after), mode) in enumerate(zip(pairs, modes, strict=True)):
                if part is not None:
                    part = extend(part, 2 + i, 0, before + sizes[i] + after, "zeros")  # what no window reached
                    part = fold(part, 2 + i, -before, sizes[i] + after, sizes[i], mode)
            folded.append(part)
        count = weight.shape[0] // groups * math.prod(kernel)
        return _gradient(*folded, count, dtype, given, d, batched, channel_axis, fast=dtype.kind not in "iu")

    def to_weight():
        dtype = result_dtype(grad_y, x)
        padded = widen(x, dtype)
        for i, ((before, after), mode) in enumerate(zip(pairs, modes, strict=True)):
            padded = extend(padded, 2 + i, -before, sizes[i] + after, mode, widen(np.asarray(fill_value), dtype)[()])
        windows = partial(windows_of, axes=tuple(range(2, 2 + d)), kernel=kernel, stride=stride, dilation=dilation)
        sums = sums_and_magnitudes(
            lambda x, samples: met_in_windows(windows(x), samples, weight.shape, groups),
            np.conj(padded), widen(grad_y, dtype),
        )  # fmt: skip
        return _gradient(*sums, len(grad_y) * math.prod(positions), dtype, weight, d)

    return References(to_x, to_weight, partial(_bias_gradient, grad_y))


def _bias_gradient(grad_y):
    dtype = result_dtype(grad_y)
    others = (0, *range(2, grad_y.ndim))
    sums = sums_and_magnitudes(lambda a: a.sum(axis=others), widen(grad_y, dtype))
    return _gradient(*sums, grad_y.size // max(grad_y.shape[1], 1), dtype, grad_y, 0)


def transpose_layer(x, weight, bias=None, *, stride=1, padding=0, output_padding=0, dilation=1, groups=1,
                    activation=None, residual=None, channel_axis=None, method="auto"):  # fmt: skip
    """Return what `conv_transpose_layer` must return."""
    arrays = [None if a is None else np.asarray(a) for a in (x, weight, bias, residual)]
    dtype = result_dtype(*arrays)
    x, weight, bias, residual = arrays
    d, kernel, batched = weight.ndim - 2, weight.shape[2:], x.ndim == weight.ndim
    stride, dilation = per_axis(stride, d), per_axis(dilation, d)
    x = _batched(x, d, channel_axis)
    residual = None if residual is None else _batched(residual, d, channel_axis)
    pairs, shape = transposed_size(padding, output_padding, x.shape[2:], kernel, stride, dilation)
    sums = []
    spread = partial(laid_over, groups=groups, stride=stride, dilation=dilation)
    for part in sums_and_magnitudes(spread, widen(x, dtype), widen(weight, dtype)):
        for i, ((before, _), size) in enumerate(zip(pairs, shape, strict=True)):
            part = None if part is None else extend(part, 2 + i, before, before + size, "zeros")
        sums.append(part)
    count = weight.shape[0] // groups * math.prod(kernel)
    return finished(
        *sums, count, dtype, d, batched, channel_axis, bias, residual, activation,
        fast=method != "direct" and dtype.kind not in "iu",
    )  # fmt: skip


def transpose_layer_gradients(grad_y, x, weight, *, stride=1, padding=0, output_padding=0, dilation=1, groups=1,
                              channel_axis=None):  # fmt: skip
    """Return what `conv_transpose_layer_backward` must return."""
    grad_y, x, weight = map(np.asarray, (grad_y, x, weight))
    d, kernel, given = weight.ndim - 2, weight.shape[2:], x
    stride, dilation = per_axis(stride, d), per_axis(dilation, d)
    batched = x.ndim == d + 2
    grad_y, x = _batched(grad_y, d, channel_axis), _batched(x, d, channel_axis)
    pairs, _ = transposed_size(padding, output_padding, x.shape[2:], kernel, stride, dilation)

    def windows(whole):
        for i, (before, _) in enumerate(pairs):
            span = (x.shape[2 + i] - 1) * stride[i] + reach(kernel[i], dilation[i])
            whole = extend(whole, 2 + i, -before, span - before, "zeros")
        return windows_of(whole, tuple(range(2, 2 + d)), kernel, stride, dilation)

    there = windows(np.ones((1, 1, *grad_y.shape[2:]), bool))

    def to_x():
        dtype = result_dtype(grad_y, weight)
        sums = sums_and_magnitudes(
            lambda whole, weight: products_of_windows(windows(whole), weight, groups, there),
            widen(grad_y, dtype), np.conj(widen(weight, dtype)),
        )  # fmt: skip
        count = weight.shape[1] * math.prod(kernel)
        return _gradient(*sums, count, dtype, given, d, batched, channel_axis, fast=dtype.kind not in "iu")

    def to_weight():
        dtype = result_dtype(grad_y, x)
        sums = sums_and_magnitudes(
            lambda whole, samples: met_in_windows(windows(whole), samples, weight.shape, groups, there),
            widen(grad_y, dtype), np.conj(widen(x, dtype)),
        )  # fmt: skip
        return _gradient(*sums, len(x) * math.prod(x.shape[2:]), dtype, weight, d)

    return References(to_x, to_weight, partial(_bias_gradient, grad_y))


def touched(mask, weight_shape, **keywords):
    """Tell which outputs of a layer have a marked sample in their receptive field."""
    return layer(mask.astype(np.int64), np.ones(weight_shape, np.int64), **keywords).value > 0
