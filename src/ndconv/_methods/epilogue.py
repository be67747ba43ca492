"""The epilogue in NumPy, for methods that are not in the core: bias, residual, activation, and the way into y."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._arguments import ACTIVATIONS
from .._dtypes import Array


def _gelu(v: Array) -> Array:
    from scipy.special import erf

    return np.asarray(v / 2 * (1 + erf(v * v.dtype.type(math.sqrt(0.5)))))


def _sigmoid(v: Array) -> Array:
    from scipy.special import expit

    return np.asarray(expit(v))


_FUNCTIONS: dict[str | None, Callable[[Array], Array]] = {
    None: lambda v: v,
    "relu": lambda v: np.maximum(v, 0),
    "relu6": lambda v: np.clip(v, 0, 6),
    "leaky_relu": lambda v: np.where(v < 0, v * v.dtype.type(0.01), v),
    "silu": lambda v: v * _sigmoid(v),
    "gelu": _gelu,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "hardswish": lambda v: v * np.clip(v + 3, 0, 6) / 6,
}


def activate(values: Array, activation: str | None) -> Array:
    """Return an activation of values, in their precision."""
    return np.asarray(_FUNCTIONS[activation](values))


def _gelu_slope(v: Array) -> Array:
    from scipy.special import ndtr

    v = np.clip(v, -_FAR, _FAR)
    return np.asarray(ndtr(v) + v * np.exp(-v * v / 2) * v.dtype.type(1 / math.sqrt(2 * math.pi)))


def _tanh_slope(v: Array) -> Array:
    v = np.clip(v, -_FAR, _FAR)
    return np.asarray(4 * _sigmoid(2 * v) * _sigmoid(-2 * v))


def _silu_slope(v: Array) -> Array:
    v = np.clip(v, -_FAR, _FAR)
    return np.asarray(_sigmoid(v) * (1 + v * _sigmoid(-v)))


# Where slopes are 0 or 1 in every precision, and nothing overflows.
_FAR = 1000.0

# Where a function has a corner, the slope is that on the left. (Of NaN it is NaN: see `times_slope`.)
_SLOPES: dict[str | None, Callable[[Array], Array]] = {
    "relu": lambda v: v > 0,
    "relu6": lambda v: (v > 0) & (v < 6),
    "leaky_relu": lambda v: np.where(v > 0, v.dtype.type(1), v.dtype.type(0.01)),
    "silu": _silu_slope,
    "gelu": _gelu_slope,
    "sigmoid": lambda v: _sigmoid(v) * _sigmoid(-v),
    "tanh": _tanh_slope,
    "hardswish": lambda v: np.where(v <= -3, 0, np.where(v < 3, v / 3 + v.dtype.type(0.5), 1)).astype(v.dtype),
}


def times_slope(gradient: Array, values: Array, activation: str) -> Array:
    """Return a gradient times the derivative of an activation at values, computed a piece of the arrays at a time."""
    dtype = np.result_type(gradient, values)
    wide = np.dtype(np.float32) if dtype == np.float16 else dtype
    with np.nditer(
        [gradient, values, None], ["external_loop", "buffered", "zerosize_ok"],
        [["readonly"], ["readonly"], ["writeonly", "allocate"]], [wide, wide, dtype], casting="same_kind",
    ) as pieces:  # fmt: skip
        with np.errstate(invalid="ignore", over="ignore"):  # infinity times a slope of 0
            for some, at, product in pieces:
                product[...] = some * _SLOPES[activation](at)
                if at.dtype.kind == "f":
                    product[np.isnan(at)] = np.nan
        return np.asarray(pieces.operands[2])


def finish(sums: Array, bias: Array | None, residual: Array | None, y: Array, activation: int) -> None:
    """Write sums (..., channels, *block), of real numbers and perhaps more than y has room for, to y.

    A complex channel of y is two of the sums: its parts. The bias is real as well.
    """
    ndim = y.ndim - 2
    there: Any = (..., *(slice(0, n) for n in y.shape[2:]))
    sums = sums[there]
    if bias is not None:
        sums = sums + bias.reshape(-1, *(1,) * ndim)
    if y.dtype.kind == "c":
        y.real = sums[:, 0::2]
        y.imag = sums[:, 1::2]
        if residual is not None:
            y += residual
        return
    if residual is not None:
        sums = sums + residual.astype(sums.dtype)
    y[...] = activate(sums, ACTIVATIONS[activation])
