"""The answer of `gaussian`: sums over windows, with the weights that SciPy has."""

from __future__ import annotations

import numpy as np
import scipy.ndimage

from fuzz.answers.promise import Expected, computing
from fuzz.calls import Call
from support import oracle

#: What is promised, in eps of the largest sum of absolute values.
PROMISE = 32


def gaussian(call: Call, arrays: dict) -> list[Expected]:
    keywords, x = call.keywords, arrays["x"]
    axes = keywords["axes"]
    modes = keywords["padding_mode"]
    modes = (modes,) * len(axes) if isinstance(modes, str) else modes
    dtype = x.dtype.newbyteorder("=") if x.dtype.kind in "fc" else np.dtype(np.float64)
    value = x.astype(np.clongdouble if x.dtype.kind == "c" else np.longdouble)
    size = np.abs(value)
    for sigma, order, axis, mode in zip(keywords["sigma"], keywords["order"], axes, modes, strict=True):
        if sigma:
            weights = _weights(sigma, order)
            value, size = _along(value, weights, axis, mode), _along(size, np.abs(weights), axis, mode)
    largest = size.max(axis=axes, keepdims=True, initial=0)
    eps = float(computing(dtype).eps)
    info = np.finfo(dtype)
    bound = PROMISE * eps * largest + float(info.eps) * np.abs(value) + float(info.smallest_subnormal)
    return [Expected(value, dtype, np.broadcast_to(bound, value.shape))]


def _weights(sigma: float, order: int) -> np.ndarray:
    impulse = np.zeros(2 * int(4 * sigma + 0.5) + 1)
    impulse[impulse.size // 2] = 1
    return scipy.ndimage.gaussian_filter1d(impulse, sigma, order=order, mode="constant")[::-1]


def _along(x: np.ndarray, weights: np.ndarray, axis: int, mode: str) -> np.ndarray:
    radius = weights.size // 2
    lines = oracle.extend(x, axis, -radius, x.shape[axis] + radius, mode)
    return np.lib.stride_tricks.sliding_window_view(lines, weights.size, axis=axis) @ weights
