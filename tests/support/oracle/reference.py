"""What an answer must be: exact values in a wider type, and how far from them a result may be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import erf, expit

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


def result_dtype(*arrays):
    dtype = np.result_type(*(a.dtype for a in arrays if a is not None))
    return np.dtype(np.int8) if dtype == np.bool_ else dtype.newbyteorder("=")


def exact_dtype(dtype):
    """Return the type in which the reference of a result of type `dtype` is computed."""
    if dtype.kind in "iu":
        return np.dtype(np.uint64)
    wide = {"e": np.float64, "f": np.float64, "d": np.longdouble, "F": np.complex128, "D": np.clongdouble}
    return np.dtype(wide[dtype.char])


def widen(a, dtype):
    """Return the values of `a` as type `dtype` has them, in the exact type."""
    return np.array(a).astype(dtype).astype(exact_dtype(dtype))


def direct_bound(dtype, magnitude, count):
    """Return the promise of the direct method: 8 eps sqrt(K) B, for B the sum of the products' absolute values."""
    info = np.finfo(np.float32 if dtype == np.float16 else dtype)
    return 8 * float(info.eps) * math.sqrt(max(count, 1)) * magnitude + float(info.smallest_normal)


def fast_bound(dtype, magnitude, d):
    """Return the promise of the other methods: 32 eps times the largest B of the output channel."""
    others = tuple(axis for axis in range(magnitude.ndim) if axis != magnitude.ndim - d - 1)
    largest = magnitude.max(axis=others, keepdims=True, initial=0)
    return np.broadcast_to(32 * float(np.finfo(dtype).eps) * largest, magnitude.shape)


def rounded_to_half(bound, value, dtype):
    """Add the rounding of a float32 to a float16 to the bound."""
    return bound + 2.0**-11 * np.abs(value) + 2.0**-25 if dtype == np.float16 else bound


def finished(value, magnitude, count, dtype, d, batched, channel_axis, bias=None, residual=None, activation=None,
            *, direct=True, fast=False):  # fmt: skip
    """Return the reference of `count` products an output, after bias, residual and activation, as the user has it."""
    for extra in (None if bias is None else bias.reshape(-1, *(1,) * d), residual):
        if extra is not None:
            value = value + widen(extra, dtype)
            magnitude = None if magnitude is None else magnitude + np.abs(widen(extra, dtype))

    if dtype.kind in "iu":
        value, bound = value.astype(dtype), None
        if activation is not None:
            value = ACTIVATIONS[activation](value).astype(dtype)
    else:
        bound = direct_bound(dtype, magnitude, count) if direct else 0
        bound = np.maximum(bound, fast_bound(dtype, magnitude, d)) if fast else bound
        if activation is not None:
            value, bound = activated(value, bound, dtype, activation)
        bound = rounded_to_half(bound, value, dtype)
    return laid_out(value, dtype, bound, magnitude, d, batched, channel_axis)


def activated(value, bound, dtype, activation):
    """Return an activation of exact values, and how far off that may be."""
    before = value.astype(np.float64)
    eps = float(np.finfo(np.float32 if dtype == np.float16 else dtype).eps)
    return ACTIVATIONS[activation](before), 1.2 * bound + 16 * eps * np.maximum(1, np.abs(before))


def laid_out(value, dtype, bound, magnitude, d, batched, channel_axis):
    """Return the reference for a layer's user, who may have no batch, and channels last."""

    def as_given(a):
        if a is None:
            return None
        a = a if batched else a[0]
        return np.moveaxis(a, -1 - d, -1) if channel_axis == -1 else a

    return Reference(as_given(value), dtype, as_given(bound), None if bound is None else as_given(magnitude))


class References:
    """What the gradients to x, weight and bias must be, each computed when it is first asked for."""

    def __init__(self, to_x, to_weight, to_bias):
        self._x, self._weight, self._bias = to_x, to_weight, to_bias

    x = cached_property(lambda self: self._x())
    weight = cached_property(lambda self: self._weight())
    bias = cached_property(lambda self: self._bias())

    def check(self, actual, needs=("x", "weight", "bias")):
        """Assert that the gradients asked for are there and right, and that there is no other."""
        for name in ("x", "weight", "bias"):
            if name in needs:
                getattr(self, name).check(getattr(actual, name))
            else:
                assert getattr(actual, name) is None
