"""A kernel that slides over x: what is checked and planned is remembered for the next call like it, and run."""

from __future__ import annotations

from .._call.arrays import copy_if_overlapping, new_output
from .._call.dtypes import Array, result_dtype
from .._engine import remember
from .._methods import checked_method, lookers
from .._runtime.caches import Cache, exact_key
from .check import Arguments, check
from .plan import Call, planned

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
        checked = check(x.shape, kernel.shape, result_dtype(x, kernel), arguments, out, mirror)
        call = planned(checked, x, kernel, out, method, arguments.lags is not None, seen)
        if key is not None:
            remember(_calls, key, call, checked.geometry)
    if out is None:
        y = new_output(call.checked.y_shape, call.checked.dtype)
    else:
        y, x, kernel = out, copy_if_overlapping(x, out), copy_if_overlapping(kernel, out)
    if y.size:
        call.run(x, kernel, y, workers, mirror)
    return y
