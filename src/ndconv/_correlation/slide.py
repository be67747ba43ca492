"""A kernel that slides over x: what is checked and planned is remembered for the next call like it, and run."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._call.arrays import copy_if_overlapping, new_output
from .._call.dtypes import Array, result_dtype
from .._engine import remember
from .._methods import checked_method, lookers
from .._runtime.caches import Cache, exact_keys
from .check import Arguments, check
from .plan import Call, planned

# What was prepared for recent calls; never their data.
_calls = Cache[Call]("correlation calls")


def slide(
    x: Array, kernel: Array, arguments: Arguments, out: Array | None, workers: int | None, mirror: bool,
    kept: Cache[Any] | None = None,
) -> Array:  # fmt: skip
    """Correlate, or convolve if `mirror`; of a kernel that is always the same, what is made of it may be `kept`."""
    call = call_of(x, kernel, arguments, out, mirror, kept)
    if out is None:
        y = new_output(call.checked.y_shape, call.checked.dtype)
    else:
        y, x, kernel = out, copy_if_overlapping(x, out), copy_if_overlapping(kernel, out)
    if y.size:
        call.run(x, kernel, y, workers, mirror, kept)
    return y


def call_of(
    x: Array, kernel: Array, arguments: Arguments, out: Array | None, mirror: bool, kept: Cache[Any] | None = None
) -> Call:
    """Check and plan a call, or return one like it that was."""
    method = checked_method(arguments.method)
    looking = lookers(method, x.size * kernel.size)
    seen = _seen(looking, kernel, result_dtype(x, kernel), kept) if looking else ()
    call = key = None
    if out is None:
        key = (mirror, seen, x.shape, x.strides, x.dtype, kernel.shape, kernel.dtype, *exact_keys(arguments))
        try:
            call = _calls.get(key)
        except TypeError:  # lists are welcome, but have no hash
            key = None
    if call is None:
        checked = check(x.shape, kernel.shape, result_dtype(x, kernel), arguments, out, mirror)
        call = planned(checked, x, kernel, out, method, arguments.lags is not None, seen)
        if key is not None:
            remember(_calls, key, call, checked.geometry)
    return call


def _seen(looking: list[Any], kernel: Array, dtype: np.dtype[np.generic], kept: Cache[Any] | None) -> tuple[str, ...]:
    """Return the names of the methods, of those that want to look at a kernel, that like what they see."""
    key = ("seen", dtype, *(method.NAME for method in looking))
    seen: tuple[str, ...] | None = None if kept is None else kept.get(key)
    if seen is None:
        seen = tuple(method.NAME for method in looking if method.sees(kernel, dtype))
        if kept is not None:
            kept.keep(key, seen)
    return seen
