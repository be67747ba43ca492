"""Naive references for layers and correlations, sharing no code with ndconv.

Everything is done the slow way: samples outside the array come from `numpy.pad`, one axis after the other; a view of
sliding windows is multiplied by one tap after the other. Arithmetic runs in a wider type than the result: float64 for
float16 and float32, long double for float64. Integers are computed modulo 2**64; the cast to the result type then wraps
them as NumPy does.

Zeros outside an array are no samples: they add nothing to a sum, where a product with infinity or NaN would be NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import erf, expit

#: Every name that `padding_mode` accepts, by the mode that it means.
MODE_NAMES = {
    "zeros": ("zeros", "zero", "constant", "fill"),
    "replicate": ("replicate", "edge", "nearest", "extend"),
    "reflect": ("reflect", "mirror", "reflect_101"),
    "symmetric": ("symmetric", "symm", "grid-mirror"),
    "circular": ("circular", "wrap", "periodic", "grid-wrap"),
}
MODES = tuple(MODE_NAMES)
NUMPY_NAME = {
    "zeros": "constant",
    "replicate": "edge",
    "reflect": "reflect",
    "symmetric": "symmetric",
    "circular": "wrap",
}
CANONICAL = {name: mode for mode, names in MODE_NAMES.items() for name in names}
ACTIVATIONS = {
    "relu": lambda v: np.maximum(v, 0),
    "relu6": lambda v: np.clip(v, 0, 6),
    "leaky_relu": lambda v: np.where(v < 0, v * 0.01, v),
    "silu": lambda v: v * expit(v),
    "gelu": lambda v: 0.5 * v * (1 + erf(v / math.sqrt(2))),
    "sigmoid": expit,
    "tanh": np.tanh,
    "hardswish": lambda v: v * (np.clip(v + 3, 0, 6) / 6),  # v times 6 may be too large
}


@dataclass(frozen=True)
class Reference:
    """The exact answer, the type that ndconv must return, and how far from exact it may be (None: not at all).

    With `magnitude`, the sums of the absolute values of what was added up, where that is a layer's.
    """

    value: np.ndarray
    dtype: np.dtype
    bound: np.ndarray | None
    magnitude: np.ndarray | None = None

    @property
    def shape(self):
        return self.value.shape

    def check(self, actual, slack=1.0):
        """Assert the type, the shape and the accuracy promise of `actual`."""
        assert isinstance(actual, np.ndarray)
        assert actual.dtype == self.dtype
        assert actual.dtype.isnative
        assert actual.shape == self.shape
        if self.bound is None:
            np.testing.assert_array_equal(actual, self.value)
            return
        finite = np.isfinite(self.value)
        np.testing.assert_array_equal(actual[~finite], self.value[~finite].astype(self.dtype))
        with np.errstate(invalid="ignore"):
            error = np.abs(actual.astype(self.value.dtype) - self.value)
            wrong = finite & ~(error <= slack * self.bound)
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise AssertionError(
                f"{wrong.sum()} of {wrong.size} values are wrong, first at {at}: "
                f"{actual[at]!r}, exactly {self.value[at]!r}, allowed error {float(self.bound[at]):.3g}"
            )


def per_axis(value, d):
    return (int(value),) * d if np.ndim(value) == 0 else tuple(int(v) for v in value)


def result_dtype(*arrays):
    dtype = np.result_type(*(a.dtype for a in arrays if a is not None))
    return np.dtype(np.int8) if dtype == np.bool_ else dtype.newbyteorder("=")


def exact_dtype(dtype):
    """Return the type in which the reference of a result of type `dtype` is computed."""
    if dtype.kind in "iu":
        return np.dtype(np.uint64)
    wide = {"e": np.float64, "f": np.float64, "d": np.longdouble, "F": np.complex128, "D": np.clongdouble}
    return np.dtype(wide[dtype.char])


def _widen(a, dtype):
    """Return the values of `a` as type `dtype` has them, in the exact type."""
    return np.array(a).astype(dtype).astype(exact_dtype(dtype))


def extend(x, axis, start, stop, mode, fill_value=0):
    """Return the samples `start` to `stop - 1` of an axis of `x`, which may lie outside it on either side."""
    size = x.shape[axis]
    before, after = max(0, -start), max(0, stop - size)
    if before or after:
        widths = [(0, 0)] * x.ndim
        widths[axis] = (before, after)
        name = NUMPY_NAME[CANONICAL[mode]]
        x = np.pad(x, widths, name, **({"constant_values": fill_value} if name == "constant" else {}))
    cut = [slice(None)] * x.ndim
    cut[axis] = slice(start + before, stop + before)
    return x[tuple(cut)]


def reach(kernel, dilation):
    """Count the samples from the first to the last tap of a dilated kernel."""
    return dilation * (kernel - 1) + 1


def resolve_padding(padding, sizes, kernel, stride, dilation):
    """Return one pair (before, after) per axis from any spelling of a layer's padding."""
    d = len(sizes)
    if not isinstance(padding, str):
        if np.ndim(padding) == 0:
            return ((int(padding), int(padding)),) * d
        return tuple((int(p), int(p)) if np.ndim(p) == 0 else (int(p[0]), int(p[1])) for p in padding)
    pairs = []
    for size, k, s, e in zip(sizes, kernel, stride, dilation, strict=True):
        span = reach(k, e)
        total = max((math.ceil(size / s) - 1) * s + span - size, 0)
        pairs.append(
            {
                "valid": (0, 0),
                "same": (total // 2, total - total // 2),
                "same_lower": (total - total // 2, total // 2),
                "full": (span - 1, span - 1),
                "causal": (span - 1, 0),
            }[padding]
        )
    return tuple(pairs)


def positions(padding, sizes, kernel, stride, dilation):
    """Return how many outputs a layer has along each axis."""
    pairs = resolve_padding(padding, sizes, kernel, stride, dilation)
    return tuple(
        (n + before + after - reach(k, e)) // s + 1
        for n, (before, after), k, e, s in zip(sizes, pairs, kernel, dilation, stride, strict=True)
    )


def _windows(x, axes, kernel, stride, dilation):
    """Return a view of `x`: its `axes` shortened to the output positions, and an axis per kernel axis at the end."""
    spans = tuple(reach(k, e) for k, e in zip(kernel, dilation, strict=True))
    view = sliding_window_view(x, spans, axis=axes)
    every = [slice(None)] * x.ndim
    for axis, s in zip(axes, stride, strict=True):
        every[axis] = slice(None, None, s)
    return view[(*every, *(slice(None, None, e) for e in dilation))]


def direct_bound(dtype, magnitude, count):
    """Return the promise of the direct method: 8 eps sqrt(K) B, for B the sum of the products' absolute values."""
    info = np.finfo(np.float32 if dtype == np.float16 else dtype)
    return 8 * float(info.eps) * math.sqrt(max(count, 1)) * magnitude + float(info.smallest_normal)


def fast_bound(dtype, magnitude, d):
    """Return the promise of the other methods: 32 eps times the largest B of the output channel."""
    others = tuple(axis for axis in range(magnitude.ndim) if axis != magnitude.ndim - d - 1)
    largest = magnitude.max(axis=others, keepdims=True, initial=0)
    return np.broadcast_to(32 * float(np.finfo(dtype).eps) * largest, magnitude.shape)


def _round_to_half(bound, value, dtype):
    """Add the rounding of a float32 to a float16 to the bound."""
    return bound + 2.0**-11 * np.abs(value) + 2.0**-25 if dtype == np.float16 else bound


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
    x, weight = _widen(x, dtype), _widen(weight, dtype)
    fill_value = _widen(np.asarray(fill_value), dtype)[()]
    there = np.ones((1, 1, *x.shape[2:]), bool)

    pairs = resolve_padding(padding, x.shape[2:], kernel, stride, dilation)
    for i, ((before, after), mode) in enumerate(zip(pairs, modes, strict=True)):
        stop = x.shape[2 + i] + after
        x, there = extend(x, 2 + i, -before, stop, mode, fill_value), extend(there, 2 + i, -before, stop, mode)
    windows = partial(_windows, axes=tuple(range(2, 2 + d)), kernel=kernel, stride=stride, dilation=dilation)
    there = None if fill_value else windows(there)
    value, magnitude = _sums(lambda x, weight: _products(windows(x), weight, groups, there), x, weight)
    winograd = method == "auto" and 1 < -(-kernel[-1] // stride[-1]) <= 5 and 1 in (stride[-1], dilation[-1])
    return _finish(
        value, magnitude, weight.shape[1] * math.prod(kernel), dtype, d, batched, channel_axis, bias, residual,
        activation, direct=method in ("direct", "auto"), fast=winograd or method not in ("direct", "auto"),
    )  # fmt: skip


def _by_group(a, axis, groups):
    """Return an array with an axis of channels split into groups and their channels."""
    return a.reshape(*a.shape[:axis], groups, a.shape[axis] // groups, *a.shape[axis + 1 :])


def _matrices(weight, groups):
    """Return filters (out, in, *kernel) as matrices of each tap and group: (*kernel, groups, out, in)."""
    grouped = _by_group(weight, 0, groups)
    return np.ascontiguousarray(np.moveaxis(grouped, (0, 1, 2), (-3, -2, -1)))


def _products(windows, weight, groups, there=None):
    """Return the sums of windows (N, in, *positions, *kernel) times weights, of what is `there`."""
    d = weight.ndim - 2
    batch, positions = windows.shape[0], windows.shape[2 : 2 + d]
    grouped, matrices = _by_group(windows, 1, groups), _matrices(weight, groups)
    total = np.zeros((batch, groups, weight.shape[0] // groups, *positions), windows.dtype)
    for tap in np.ndindex(*weight.shape[2:]):
        samples, matrix = grouped[(..., *tap)], matrices[tap]
        if there is None or np.isfinite(matrix).all():
            lines = samples.reshape(*samples.shape[:3], math.prod(positions))
            total += np.matmul(matrix, lines).reshape(total.shape)
            continue
        weights = matrix.reshape(*matrix.shape, *(1,) * d)
        total += _product(weights, samples[:, :, None], there[(..., *tap)][:, None, None]).sum(axis=3)
    return total.reshape(batch, weight.shape[0], *positions)


def _product(a, b, there):
    """Return a product, 0 where nothing is there."""
    with np.errstate(all="ignore"):
        return np.where(there, a * b, np.zeros((), np.result_type(a, b)))


def _sums(function, *operands):
    """Return sums of products, and the sums of their absolute values, which integers have no use for."""
    if operands[0].dtype.kind in "iu":
        return function(*operands), None
    return function(*operands), function(*_sizes(*operands))


def _sizes(*operands):
    """Return absolute values: as doubles, whose digits are enough for a bound, if they are far from overflow."""
    sizes = [np.abs(np.asarray(a)) for a in operands]
    if all(a.max(initial=0) < 1e100 for a in sizes):
        return [a.astype(np.float64, copy=False) for a in sizes]
    return sizes


def _finish(value, magnitude, count, dtype, d, batched, channel_axis, bias=None, residual=None, activation=None,
            *, direct=True, fast=False):  # fmt: skip
    """Return the reference of `count` products an output, after bias, residual and activation, as the user has it."""
    for extra in (None if bias is None else bias.reshape(-1, *(1,) * d), residual):
        if extra is not None:
            value = value + _widen(extra, dtype)
            magnitude = None if magnitude is None else magnitude + np.abs(_widen(extra, dtype))

    if dtype.kind in "iu":
        value, bound = value.astype(dtype), None
        if activation is not None:
            value = ACTIVATIONS[activation](value).astype(dtype)
    else:
        bound = direct_bound(dtype, magnitude, count) if direct else 0
        bound = np.maximum(bound, fast_bound(dtype, magnitude, d)) if fast else bound
        if activation is not None:
            before = value.astype(np.float64)
            value = ACTIVATIONS[activation](before)
            eps = float(np.finfo(np.float32 if dtype == np.float16 else dtype).eps)
            bound = 1.2 * bound + 16 * eps * np.maximum(1, np.abs(before))
        bound = _round_to_half(bound, value, dtype)

    def laid_out(a):
        a = a if batched else a[0]
        return np.moveaxis(a, -1 - d, -1) if channel_axis == -1 else a

    if bound is None:
        return Reference(laid_out(value), dtype, None)
    return Reference(laid_out(value), dtype, laid_out(bound), laid_out(magnitude))


def _batched(a, d, channel_axis):
    """Return an array as a batch with its channels before the spatial axes."""
    a = np.asarray(a)
    if channel_axis == -1:
        a = np.moveaxis(a, -1, -1 - d)
    return a if a.ndim == d + 2 else a[None]


def _spread(samples, weight, groups, stride, dilation):
    """Lay the filters (in, out, *kernel), scaled by each of the samples (N, in, *S), over an array and add them up."""
    kernel = weight.shape[2:]
    sizes = [(n - 1) * s + reach(k, e) for n, s, k, e in zip(samples.shape[2:], stride, kernel, dilation, strict=True)]
    batch, places = samples.shape[0], samples.shape[2:]
    lines = _by_group(samples.reshape(*samples.shape[:2], math.prod(places)), 1, groups)
    matrices = _matrices(weight, groups).swapaxes(-1, -2)
    total = np.zeros((batch, groups, weight.shape[1], *sizes), samples.dtype)
    for tap in np.ndindex(*kernel):
        there = tuple(
            slice(t * e, t * e + (n - 1) * s + 1, s) for t, e, n, s in zip(tap, dilation, places, stride, strict=True)
        )
        total[(..., *there)] += np.matmul(matrices[tap], lines).reshape(*total.shape[:3], *places)
    return total.reshape(batch, groups * weight.shape[1], *sizes)


def _meetings(windows, samples, shape, groups, there=None):
    """Return, for each weight of a shape, the sum of the products of the samples and what it met in their windows."""
    spoilt = there is not None and not np.isfinite(samples).all()
    samples, windows = _by_group(samples, 1, groups), _by_group(windows, 1, groups)
    of_groups = (groups, samples.shape[2], windows.shape[2])
    total = np.zeros((*of_groups, *shape[2:]), samples.dtype)

    def lines(a):
        """Return what each channel has, of the whole batch, as one line."""
        return np.moveaxis(a, 0, 2).reshape(*a.shape[1:3], a.shape[0] * math.prod(a.shape[3:]))

    outputs = lines(samples)
    for tap in np.ndindex(*shape[2:]):
        met = windows[(..., *tap)]
        if spoilt:
            products = _product(samples[:, :, :, None], met[:, :, None], there[(..., *tap)][:, None, None])
            total[(..., *tap)] = products.sum(axis=(0, *range(4, products.ndim)))
            continue
        total[(..., *tap)] = np.matmul(outputs, lines(met).swapaxes(-1, -2))
    return total.reshape(shape)


def fold(padded, axis, start, stop, size, mode):
    """Add the samples `start` to `stop - 1` of an axis to the samples that `extend` had them from: its adjoint."""
    source = extend(np.arange(size), 0, start, stop, mode, -1)
    padded = np.moveaxis(padded, axis, 0)
    total = np.zeros((size, *padded.shape[1:]), padded.dtype)
    np.add.at(total, source[source >= 0], padded[source >= 0])
    return np.moveaxis(total, 0, axis)


@dataclass(frozen=True)
class References:
    """What the gradients to x, weight and bias must be."""

    x: Reference
    weight: Reference
    bias: Reference

    def check(self, actual, needs=("x", "weight", "bias")):
        """Assert that the gradients asked for are there and right, and that there is no other."""
        for name in ("x", "weight", "bias"):
            if name in needs:
                getattr(self, name).check(getattr(actual, name))
            else:
                assert getattr(actual, name) is None


def _gradient(value, magnitude, count, dtype, primal, d, batched=True, channel_axis=None, fast=False):
    """Return the reference of a gradient: real if what it belongs to is."""
    if dtype.kind == "c" and primal.dtype.kind != "c":
        value, dtype = value.real, np.empty(0, dtype).real.dtype
    return _finish(value, magnitude, count, dtype, d, batched, channel_axis, fast=fast)


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

    dtype = result_dtype(grad_y, weight)
    folded = []
    spread = partial(_spread, groups=groups, stride=stride, dilation=dilation)
    for part in _sums(spread, _widen(grad_y, dtype), np.conj(_widen(weight, dtype))):
        for i, ((before, after), mode) in enumerate(zip(pairs, modes, strict=True)):
            if part is not None:
                part = extend(part, 2 + i, 0, before + sizes[i] + after, "zeros")  # what the last window did not reach
                part = fold(part, 2 + i, -before, sizes[i] + after, sizes[i], mode)
        folded.append(part)
    count = weight.shape[0] // groups * math.prod(kernel)
    grad_x = _gradient(*folded, count, dtype, given, d, batched, channel_axis, fast=dtype.kind not in "iu")

    dtype = result_dtype(grad_y, x)
    padded = _widen(x, dtype)
    for i, ((before, after), mode) in enumerate(zip(pairs, modes, strict=True)):
        padded = extend(padded, 2 + i, -before, sizes[i] + after, mode, _widen(np.asarray(fill_value), dtype)[()])
    windows = partial(_windows, axes=tuple(range(2, 2 + d)), kernel=kernel, stride=stride, dilation=dilation)
    sums = _sums(
        lambda x, samples: _meetings(windows(x), samples, weight.shape, groups), np.conj(padded), _widen(grad_y, dtype)
    )
    grad_weight = _gradient(*sums, len(grad_y) * math.prod(positions), dtype, weight, d)
    return References(grad_x, grad_weight, _bias_gradient(grad_y))


def _bias_gradient(grad_y):
    dtype = result_dtype(grad_y)
    others = (0, *range(2, grad_y.ndim))
    sums = _sums(lambda a: a.sum(axis=others), _widen(grad_y, dtype))
    return _gradient(*sums, grad_y.size // max(grad_y.shape[1], 1), dtype, grad_y, 0)


def transposed_size(padding, output_padding, sizes, kernel, stride, dilation):
    """Return the pairs of samples that a transposed layer leaves out, and the shape of its output."""
    whole = [n * s for n, s in zip(sizes, stride, strict=True)]
    pairs = resolve_padding(padding, whole, kernel, stride, dilation)
    if padding in ("same", "same_lower"):
        return pairs, tuple(n + e for n, e in zip(whole, per_axis(output_padding, len(sizes)), strict=True))
    return pairs, tuple(
        (n - 1) * s - before - after + reach(k, e) + extra
        for n, s, (before, after), k, e, extra in zip(
            sizes, stride, pairs, kernel, dilation, per_axis(output_padding, len(sizes)), strict=True
        )
    )


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
    spread = partial(_spread, groups=groups, stride=stride, dilation=dilation)
    for part in _sums(spread, _widen(x, dtype), _widen(weight, dtype)):
        for i, ((before, _), size) in enumerate(zip(pairs, shape, strict=True)):
            part = None if part is None else extend(part, 2 + i, before, before + size, "zeros")
        sums.append(part)
    count = weight.shape[0] // groups * math.prod(kernel)
    return _finish(
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
        return _windows(whole, tuple(range(2, 2 + d)), kernel, stride, dilation)

    dtype = result_dtype(grad_y, weight)
    there = windows(np.ones((1, 1, *grad_y.shape[2:]), bool))
    sums = _sums(
        lambda whole, weight: _products(windows(whole), weight, groups, there),
        _widen(grad_y, dtype), np.conj(_widen(weight, dtype)),
    )  # fmt: skip
    count = weight.shape[1] * math.prod(kernel)
    grad_x = _gradient(*sums, count, dtype, given, d, batched, channel_axis, fast=dtype.kind not in "iu")
    dtype = result_dtype(grad_y, x)
    sums = _sums(
        lambda whole, samples: _meetings(windows(whole), samples, weight.shape, groups, there),
        _widen(grad_y, dtype), np.conj(_widen(x, dtype)),
    )  # fmt: skip
    grad_weight = _gradient(*sums, len(x) * math.prod(x.shape[2:]), dtype, weight, d)
    return References(grad_x, grad_weight, _bias_gradient(grad_y))


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
    return _windows(x, axes, taps, stride, dilation), kernel, d


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
    x, kernel = _widen(x, dtype), _widen(kernel, dtype)
    fill_value = _widen(np.asarray(fill_value), dtype)[()]
    if conjugate:
        kernel = np.conj(kernel)
    arguments = (mode, padding_mode, stride, dilation, axes, lags)
    arguments = (mode, padding_mode, stride, dilation, axes, lags)
    windows, kernels, d = _correlated(x, kernel, fill_value, *arguments)
    taps = kernels.shape[-d:]
    there = None
    if not fill_value and not np.isfinite(kernel).all():
        there = _correlated(np.ones(x.shape, bool), kernel, False, *arguments)[0]

    def products(windows, kernels):
        if there is not None:
            each = [(..., *tap) for tap in np.ndindex(*taps)]
            return sum(_product(windows[tap], kernels[tap], there[tap]) for tap in each)
        lines = [(..., *tap, slice(None)) for tap in np.ndindex(*taps[:-1])]
        return sum(np.einsum("...t,...t->...", windows[line], kernels[line]) for line in lines)

    value = products(windows, kernels)
    if dtype.kind in "iu":
        return Reference(value.astype(dtype), dtype, None)
    magnitude = products(*_correlated(*_sizes(x, kernel, fill_value), *arguments)[:2])
    bound = direct_bound(dtype, magnitude, math.prod(taps))
    return Reference(value, dtype, _round_to_half(bound, value, dtype))


def pairs_of_windows(
    x, kernel, mode="full", *, padding_mode="zeros", fill_value=0.0, stride=1, dilation=1, axes=None, lags=None
):
    """Return, for each output of `correlate_nd`, the samples under the kernel and the kernel, each as a line."""
    windows, kernels, d = _correlated(
        np.asarray(x), np.asarray(kernel), fill_value, mode, padding_mode, stride, dilation, axes, lags
    )
    shape = np.broadcast_shapes(windows.shape, kernels.shape)
    lines = (*shape[: windows.ndim - d], math.prod(shape[windows.ndim - d :]))
    return tuple(np.broadcast_to(a, shape).reshape(lines) for a in (windows, kernels))


#: By the type of the result, how far off a coefficient may be.
TOLERANCE_OF_COEFFICIENTS = {"float16": 1e-3, "float32": 1e-6, "float64": 1e-9}


def normalized(x, kernel, *arguments, **keywords):
    """Return Pearson's coefficient of each window and the kernel: 0 where the window is constant, and finite."""
    windows, kernels = pairs_of_windows(
        np.asarray(x).astype(np.longdouble), np.asarray(kernel).astype(np.longdouble), *arguments, **keywords
    )
    with np.errstate(all="ignore"):
        # What 64-bit integers differ by fits a long double, their sum does not.
        w, k = (a - a[..., :1] for a in (windows, kernels))
        w, k = (a - a.mean(axis=-1, keepdims=True) for a in (w, k))
        y = (w * k).sum(axis=-1) / np.sqrt((w * w).sum(axis=-1) * (k * k).sum(axis=-1))
    constant = (windows == windows[..., :1]).all(axis=-1) & np.isfinite(windows[..., 0])
    return np.where(constant, 0, y).astype(np.float64)


def omitting(x, kernel, *arguments, **keywords):
    """Return the weighted means of the samples that are not NaN, times the sum of all weights."""
    kernel = np.conj(kernel)
    wide = np.clongdouble if np.iscomplexobj(x) or np.iscomplexobj(kernel) else np.longdouble
    windows, kernels = pairs_of_windows(np.asarray(x).astype(wide), kernel.astype(wide), *arguments, **keywords)
    there = ~np.isnan(windows)
    weights = np.where(there, kernels, 0)
    with np.errstate(all="ignore"):
        factor = np.where(there.all(axis=-1), 1, kernels.sum(axis=-1) / weights.sum(axis=-1))
        y = (weights * np.where(there, windows, 0)).sum(axis=-1) * factor
    return np.where(there.any(axis=-1), y, np.nan)


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


def touched(mask, weight_shape, **keywords):
    """Tell which outputs of a layer have a marked sample in their receptive field."""
    return layer(mask.astype(np.int64), np.ones(weight_shape, np.int64), **keywords).value > 0
