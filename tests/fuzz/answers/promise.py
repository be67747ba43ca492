"""What an answer must be: exact or within a bound, and what breaking a promise is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from support import oracle

#: An expected answer that any is as good as.
ANYTHING = object()


class Find(AssertionError):
    """A promise that is broken: its kind, and in which way."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail = kind, detail


@dataclass(frozen=True)
class Expected:
    """The exact answer and its type, how far off a result may be (None: not at all), and where it may be anything."""

    value: np.ndarray
    dtype: np.dtype
    bound: np.ndarray | None
    free: np.ndarray | bool = False

    def check(self, actual: Any) -> None:
        if not isinstance(actual, np.ndarray | np.generic) or actual.dtype != self.dtype or not actual.dtype.isnative:
            raise Find("dtype", f"got {getattr(actual, 'dtype', type(actual))}, expected {self.dtype}")
        if actual.shape != np.shape(self.value):
            raise Find("shape", f"got {actual.shape}, expected {np.shape(self.value)}")
        actual, free = np.asarray(actual), np.broadcast_to(self.free, actual.shape)
        if self.bound is None:
            self._raise_at("integer", (actual != self.value) & ~free, actual)
            return
        with np.errstate(all="ignore"):
            wide = np.asarray(self.value)
            finite = np.isfinite(wide)
            same = (actual == wide) | (np.isnan(actual) & np.isnan(wide)) | (self.dtype.kind == "c")
            self._raise_at("spread", finite & ~np.isfinite(actual) & ~free, actual)
            self._raise_at("lost", ~finite & np.isfinite(actual) & ~free, actual)
            self._raise_at("infinity", ~finite & ~same & ~free, actual)
            error = np.abs(actual.astype(np.result_type(actual, wide)) - wide)
            self._raise_at("error", finite & ~(error <= self.bound) & ~free, actual)

    def _raise_at(self, kind: str, wrong: np.ndarray, actual: np.ndarray) -> None:
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            allowed = (
                "" if self.bound is None else f", allowed {float(np.broadcast_to(self.bound, wrong.shape)[at]):.3g}"
            )
            raise Find(
                kind,
                f"{wrong.sum()} of {wrong.size}, first {at}: got {actual[at]!r}, exactly {self.value[at]!r}{allowed}",
            )


def computing(dtype: np.dtype) -> np.finfo:
    return np.finfo(np.float32 if dtype == np.float16 else dtype)


def sizes_of(a: Any, dtype: np.dtype) -> Any:
    """Return absolute values, 0 for what is not finite, in the type of real numbers of a result."""
    with np.errstate(all="ignore"):
        a = np.abs(np.asarray(a).astype(np.complex128 if np.iscomplexobj(a) else np.float64))
        return np.where(np.isfinite(a), a, 0).astype(computing(dtype).dtype)


def without_blas(arrays: list[np.ndarray], fill_value: complex = 0) -> list[np.ndarray]:
    """Return arrays that the references compute without BLAS, which loses 0 times infinity, if that may matter."""
    if all(np.isfinite(a).all() for a in (*arrays, fill_value)):
        return arrays
    wide = {"f": np.float64, "c": np.complex128}
    return [a.astype(wide.get(a.dtype.kind, a.dtype)) for a in arrays]


def rounded_fill(keywords: dict, dtype: np.dtype) -> dict:
    """Return keywords whose fill value, if there is one, is what a result's type has for it."""
    if "fill_value" not in keywords or dtype.kind not in "fc" or np.iscomplexobj(keywords["fill_value"]):
        return keywords
    with np.errstate(all="ignore"):
        return keywords | {"fill_value": np.asarray(keywords["fill_value"]).astype(dtype).real[()]}


def promise(value, sizes, count, dtype, method, mixing, activation=None) -> Expected:
    """Return the promise: 8 eps sqrt(K) B, never worse than plain sums; 32 eps times the largest B for other methods.

    The largest is taken over the axes `mixing`, the spatial ones. Where products are larger than the type holds, sums
    may be anything.
    """
    if dtype.kind in "iub":
        return Expected(value.astype(dtype), dtype, None)
    with np.errstate(all="ignore"):
        info = computing(dtype)
        eps, tiny = float(info.eps), float(info.smallest_subnormal)
        sizes = np.asarray(sizes, np.longdouble)
        bound = max(8 * math.sqrt(max(count, 1)), count) * eps * sizes
        if method != "direct" and sizes.size:
            bound = np.maximum(bound, 32 * eps * sizes.max(axis=mixing, keepdims=True))
        bound = bound + (count + 32) * tiny
    return within(value, bound, sizes, dtype, activation)


def within(value, bound, sizes, dtype, activation=None) -> Expected:
    """Return sums that may be so far off, after an activation and the rounding of the type."""
    info = computing(dtype)
    eps = float(info.eps)
    with np.errstate(all="ignore"):
        free = ~(sizes < float(info.max) / 4)
        if activation is not None:
            before = value.astype(np.float64)
            value = oracle.ACTIVATIONS[activation](before)
            free |= ~np.isfinite(before)
            bound = 1.2 * bound + 16 * eps * (np.abs(before) + np.abs(value))
        if dtype == np.float16:
            bound = bound + 2.0**-11 * np.abs(value) + 2.0**-25
            free |= np.isfinite(value) & (np.abs(value) + bound >= 65504)
    return Expected(value, dtype, bound, free)


def own(dtype, primal):
    """Return the type of the gradient of an operand: real if the operand is."""
    return np.empty(0, dtype).real.dtype if dtype.kind == "c" and primal.dtype.kind != "c" else dtype


def spatial(ndim, d, channel_axis):
    return tuple(range(ndim - d - 1, ndim - 1) if channel_axis == -1 else range(ndim - d, ndim))
