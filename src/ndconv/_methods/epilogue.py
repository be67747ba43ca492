"""The epilogue in NumPy, for methods that are not in the core: bias, residual, activation, and the way into y."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._call.activations import ACTIVATIONS
from .._call.dtypes import Array


def _root_of_tail(v: Array) -> Array:
    """Return the root of e to the -|v|: where that is no normal number, a product with both of two roots may be one."""
    return np.asarray(np.exp(np.maximum(-np.abs(v), -_FAR) / 2))


def _sigmoid(v: Array) -> Array:
    root = _root_of_tail(v)
    tail = root * root
    return np.asarray(np.where(v < 0, tail, 1) / (1 + tail))


def _silu(v: Array) -> Array:
    root, v = _root_of_tail(v), np.maximum(v, -_FAR)
    return np.asarray(np.where(v < 0, v * root * root, v) / (1 + root * root))


def _gelu(v: Array) -> Array:
    from scipy.special import erfcx, ndtr

    v = np.maximum(v, -_FAR)
    below = np.minimum(v, 0)
    root = _root_of_tail(below * below / 2)
    tail = erfcx(below * v.dtype.type(-math.sqrt(0.5))) / 2
    return np.asarray(np.where(v < 0, below * tail * root * root, v * ndtr(v)))


_FUNCTIONS: dict[str | None, Callable[[Array], Array]] = {
    None: lambda v: v,
    "relu": lambda v: np.maximum(v, 0),
    "relu6": lambda v: np.clip(v, 0, 6),
    "leaky_relu": lambda v: np.where(v < 0, v * v.dtype.type(0.01), v),
    "silu": _silu,
    "gelu": _gelu,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "hardswish": lambda v: np.maximum(v, -3) * (np.clip(v + 3, 0, 6) / 6),
}

# Where sums of exponentials are 0 or 1 in every precision, and nothing overflows.
_FAR = 2000.0


def activate(values: Array, activation: str | None) -> Array:
    """Return an activation of values, in their precision."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # of branches that are not taken
        return np.asarray(_FUNCTIONS[activation](values))


def _times_gelu_slope(g: Array, v: Array) -> Array:
    from scipy.special import erfcx, ndtr

    v = np.clip(v, -_FAR, _FAR)
    density = v * v.dtype.type(1 / math.sqrt(2 * math.pi))
    root = _root_of_tail(v * v / 2)
    below = erfcx(np.minimum(v, 0) * v.dtype.type(-math.sqrt(0.5))) / 2 + density
    return np.asarray(np.where(v < 0, g * root * below * root, g * (ndtr(v) + density * root * root)))


def _times_silu_slope(g: Array, v: Array) -> Array:
    v = np.clip(v, -_FAR, _FAR)
    root = _root_of_tail(v)
    tail = root * root
    return np.asarray(np.where(v < 0, g * root * (1 + tail + v) * root, g * (1 + tail + v * tail)) / (1 + tail) ** 2)


def _times_bell(g: Array, v: Array) -> Array:
    """Return g times the slope of "sigmoid"."""
    root = _root_of_tail(v)
    return np.asarray(g * root / (1 + root * root) ** 2 * root)


# Where a function has a corner, the slope is that on the left, as everywhere else; of NaN it is NaN, see `times_slope`.
# The gradient comes first: times it a slope may be a normal number that is none itself.
_TIMES_SLOPE: dict[str | None, Callable[[Array, Array], Array]] = {
    "relu": lambda g, v: g * (v > 0),
    "relu6": lambda g, v: g * ((v > 0) & (v < 6)),
    "leaky_relu": lambda g, v: g * np.where(v > 0, v.dtype.type(1), v.dtype.type(0.01)),
    "silu": _times_silu_slope,
    "gelu": _times_gelu_slope,
    "sigmoid": _times_bell,
    "tanh": lambda g, v: 4 * _times_bell(g, 2 * np.clip(v, -_FAR, _FAR)),
    "hardswish": lambda g, v: g * np.where(v <= -3, 0, np.where(v < 3, v / 3 + v.dtype.type(0.5), 1)).astype(v.dtype),
}


def times_slope(gradient: Array, values: Array, activation: str) -> Array:
    """Return a gradient times the derivative of an activation at values, computed a piece of the arrays at a time."""
    dtype = np.result_type(gradient, values)
    wide = np.dtype(np.float32) if dtype == np.float16 else dtype
    with np.nditer(
        [gradient, values, None], ["external_loop", "buffered", "zerosize_ok"],
        [["readonly"], ["readonly"], ["writeonly", "allocate"]], [wide, wide, dtype], casting="same_kind",
    ) as pieces:  # fmt: skip
        with np.errstate(invalid="ignore", over="ignore", under="ignore"):  # infinity times a slope of 0
            for some, at, product in pieces:
                product[...] = _TIMES_SLOPE[activation](some, at)
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
    y[...] = activate(sums, ACTIVATIONS[activation]) if activation else sums
