"""Naive references for layers and correlations, sharing no code with ndconv.

Everything is done the slow way: samples outside the array come from `numpy.pad`, one axis after the other; a view of
sliding windows is multiplied by one tap after the other. Arithmetic runs in a wider type than the result: float64 for
float16 and float32, long double for float64. Integers are computed modulo 2**64; the cast to the result type then wraps
them as NumPy does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

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
    "hardswish": lambda v: v * np.clip(v + 3, 0, 6) / 6,
}


@dataclass(frozen=True)
class Reference:
    """The exact answer, the type that ndconv must return, and how far from exact it may be (None: not at all)."""

    value: np.ndarray
    dtype: np.dtype
    bound: np.ndarray | None

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

    pairs = resolve_padding(padding, x.shape[2:], kernel, stride, dilation)
    for i, ((before, after), mode) in enumerate(zip(pairs, modes, strict=True)):
        x = extend(x, 2 + i, -before, x.shape[2 + i] + after, mode, fill_value)
    windows = _windows(x, tuple(range(2, 2 + d)), kernel, stride, dilation)

    n, c_in, c_out = x.shape[0], weight.shape[1], weight.shape[0]
    positions = windows.shape[2 : 2 + d]

    def products(windows, weight):
        total = np.zeros((n, c_out, *positions), windows.dtype)
        for g in range(groups):
            outputs = slice(g * (c_out // groups), (g + 1) * (c_out // groups))
            inputs = slice(g * c_in, (g + 1) * c_in)
            for tap in np.ndindex(*kernel):
                samples = windows[(slice(None), inputs, ..., *tap)]
                matrix = weight[(outputs, slice(None), *tap)]
                total[:, outputs] += np.moveaxis(np.tensordot(matrix, samples, axes=(1, 1)), 0, 1)
        return total

    value = products(windows, weight)
    magnitude = None if dtype.kind in "iu" else products(np.abs(windows), np.abs(weight))
    for extra in (None if bias is None else bias.reshape(-1, *(1,) * d), residual):
        if extra is not None:
            value = value + _widen(extra, dtype)
            magnitude = None if magnitude is None else magnitude + np.abs(_widen(extra, dtype))

    if dtype.kind in "iu":
        value, bound = value.astype(dtype), None
        if activation is not None:
            value = ACTIVATIONS[activation](value).astype(dtype)
    else:
        bound = direct_bound(dtype, magnitude, c_in * math.prod(kernel))
        if method not in ("direct", "auto"):
            bound = fast_bound(dtype, magnitude, d)
        elif method == "auto" and (kernel[-1], stride[-1], dilation[-1]) == (3, 1, 1):
            bound = np.maximum(bound, fast_bound(dtype, magnitude, d))
        if activation is not None:
            before = value.astype(np.float64)
            value = ACTIVATIONS[activation](before)
            eps = float(np.finfo(np.float32 if dtype == np.float16 else dtype).eps)
            bound = 1.2 * bound + 16 * eps * np.maximum(1, np.abs(before))
        bound = _round_to_half(bound, value, dtype)

    def laid_out(a):
        a = a if batched else a[0]
        return np.moveaxis(a, -1 - d, -1) if channel_axis == -1 else a

    return Reference(laid_out(value), dtype, None if bound is None else laid_out(bound))


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
):
    """Return what `correlate_nd` must return."""
    x, kernel = np.asarray(x), np.asarray(kernel)
    dtype = result_dtype(x, kernel)
    if axes is None:
        axes = tuple(range(x.ndim - kernel.ndim, x.ndim))
        kernel = kernel.reshape((1,) * (x.ndim - kernel.ndim) + kernel.shape)
    axes = tuple(int(a) % x.ndim for a in (axes if np.ndim(axes) else (axes,)))
    d = len(axes)
    stride, dilation = per_axis(stride, d), per_axis(dilation, d)
    modes = (padding_mode,) * d if isinstance(padding_mode, str) else tuple(padding_mode)
    if lags is not None and np.ndim(lags) == 1:
        lags = (lags,) * d
    x, kernel = _widen(x, dtype), _widen(kernel, dtype)
    fill_value = _widen(np.asarray(fill_value), dtype)[()]
    if conjugate:
        kernel = np.conj(kernel)

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
    windows = _windows(x, axes, taps, stride, dilation)

    def products(windows, kernel):
        total = 0
        for tap in np.ndindex(*taps):
            at = [slice(None)] * kernel.ndim
            for axis, t in zip(axes, tap, strict=True):
                at[axis] = slice(t, t + 1)
            total = total + windows[(..., *tap)] * kernel[tuple(at)]
        return total

    value = products(windows, kernel)
    if dtype.kind in "iu":
        return Reference(value.astype(dtype), dtype, None)
    bound = direct_bound(dtype, products(np.abs(windows), np.abs(kernel)), math.prod(taps))
    return Reference(value, dtype, _round_to_half(bound, value, dtype))


def convolve(x, kernel, mode="full", *, axes=None, lags=None, dilation=1, **keywords):
    """Return what `convolve_nd` must return; its lags count the samples of the full result."""
    kernel = np.asarray(kernel)
    mirrored = np.flip(kernel, axis=axes)
    if lags is not None:
        taps = kernel.shape if axes is None else [kernel.shape[a] for a in (axes if np.ndim(axes) else (axes,))]
        pairs = (lags,) * len(taps) if np.ndim(lags) == 1 else lags
        shifts = [reach(k, e) - 1 for k, e in zip(taps, per_axis(dilation, len(taps)), strict=True)]
        lags = [(low - shift, high - shift) for (low, high), shift in zip(pairs, shifts, strict=True)]
    return correlate(x, mirrored, mode, axes=axes, lags=lags, dilation=dilation, conjugate=False, **keywords)


def touched(mask, weight_shape, **keywords):
    """Tell which outputs of a layer have a marked sample in their receptive field."""
    return layer(mask.astype(np.int64), np.ones(weight_shape, np.int64), **keywords).value > 0
