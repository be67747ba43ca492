"""A kernel that slides over x: what is checked and planned is remembered for the next call like it, and run."""

from __future__ import annotations

import math

import numpy as np

from .._call.arrays import copy_if_overlapping, new_output
from .._call.dtypes import Array, result_dtype
from .._engine import exact_key, remember
from .._methods import checked_method, lookers
from .._runtime.caches import Cache
from .check import Arguments, Checked, check, placed
from .plan import Call, for_engine, planned

# What was prepared for recent calls; never their data.
_calls = Cache[Call]("correlation calls")


def slide(x: Array, kernel: Array, arguments: Arguments, out: Array | None, workers: int | None, mirror: bool) -> Array:
    """Correlate, or convolve if `mirror`."""
    method = checked_method(arguments.method)
    looking = lookers(method, x.size * kernel.size)
    seen = tuple(each.NAME for each in looking if each.sees(kernel, result_dtype(x, kernel))) if looking else ()
    call = key = None
    if out is None:
        key = (mirror, seen, x.shape, x.strides, x.dtype, kernel.shape, kernel.dtype, *map(exact_key, arguments))
        try:
            call = _calls.get(key)
        except TypeError:  # lists are welcome, but have no hash
            key = None
    if call is None:
        checked = check(x, kernel, arguments, out, mirror)
        kernel = placed(kernel, x.ndim, checked.kernel_axes)
        call = planned(checked, x, kernel, out, method, arguments.lags is not None, seen)
        if key is not None:
            remember(_calls, key, call, checked.geometry)
    else:
        kernel = placed(kernel, x.ndim, call.checked.kernel_axes)
    if call.turned is not None:
        return _run_turned(call.checked, call.turned, x, kernel, out, workers, mirror)
    if out is None:
        y = new_output(call.checked.y_shape, call.checked.dtype)
    else:
        y, x, kernel = out, copy_if_overlapping(x, out), copy_if_overlapping(kernel, out)
    if y.size:
        _run(call, x, kernel, y, workers, mirror)
    return y


def delivered(y: Array, checked: Checked, out: Array | None) -> Array:
    """Return a result where it was asked for, in the call's dtype."""
    with np.errstate(over="ignore"):
        if out is None:
            return y.astype(checked.dtype, copy=False)
        out[...] = y
    return out


def _run(call: Call, x: Array, kernel: Array, y: Array, workers: int | None, mirror: bool) -> None:
    """Lay the operands out for the engine: (*batch, channel, *spatial) and (*sets, out, in, *kernel)."""
    assert call.prepared is not None
    n = call.n_batch
    x, y, kernel = (for_engine(array, call.channel, call.order) for array in (x, y, kernel))
    if mirror:
        kernel = np.flip(kernel, tuple(range(n + 1, kernel.ndim)))
    elif kernel.dtype.kind == "c":
        kernel = kernel.conj()
    if x.shape[:n] != y.shape[:n]:
        x = np.broadcast_to(x, (*y.shape[:n], 1, *x.shape[n + 1 :]))
    sets = kernel.reshape(math.prod(kernel.shape[:n]), kernel.shape[n], 1, *kernel.shape[n + 1 :])
    call.prepared.run(x, call.prepared.pack(sets, workers), y, workers=workers)


def _run_turned(
    checked: Checked, turned: Arguments, x: Array, kernel: Array, out: Array | None, workers: int | None, mirror: bool
) -> Array:
    """Correlate by sliding x over the kernel, which gives the outputs in the opposite order."""
    samples = np.flip(kernel, checked.kernel_axes) if mirror else kernel.conj()
    if out is None:
        y = slide(samples, x.conj(), turned, None, workers, False)
        return np.ascontiguousarray(np.flip(y, checked.kernel_axes))
    slide(samples, x.conj(), turned, np.flip(out, checked.kernel_axes), workers, False)
    return out
