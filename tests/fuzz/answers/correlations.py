"""The answers of `correlate_nd` and `convolve_nd`, and of streams of them."""

from __future__ import annotations

import math

import numpy as np

from fuzz.answers.promise import Expected, computing, promise, rounded_fill, sizes_of
from fuzz.calls import Call
from support import oracle


def correlation(call: Call, arrays: dict) -> list[Expected]:
    keywords = call.resolved(arrays)
    x, kernel = arrays["x"], arrays["kernel"]
    method, policy = keywords.pop("method", "auto"), keywords.pop("nan_policy", "propagate")
    mirrored = call.function == "convolve_nd"
    if np.ma.isMaskedArray(x):
        x = np.ma.filled(x.astype(np.result_type(x, np.float16)), np.nan)
    if keywords.pop("normalized", False):
        return [_normalized(x, kernel, keywords)]
    wide = keywords.pop("dtype", None)
    dtype = oracle.result_dtype(x, kernel) if wide is None else np.dtype(wide)
    if policy == "omit" and dtype.kind in "fc":
        return [_omitting(x, kernel, keywords, dtype, mirrored)]
    reference = oracle.convolve if mirrored else oracle.correlate
    exact = reference(x, kernel, dtype=dtype, **keywords)
    axes = keywords.get("axes")
    axes = tuple(range(-kernel.ndim, 0)) if axes is None else tuple(np.atleast_1d(axes))
    count = math.prod(kernel.shape[a] for a in axes) if kernel.ndim == x.ndim else kernel.size
    sizes = None
    if dtype.kind in "fc":
        small = {"fill_value": sizes_of(keywords["fill_value"], dtype)} if "fill_value" in keywords else {}
        sizes = reference(sizes_of(x, dtype), sizes_of(kernel, dtype), **keywords | small).value
    return [promise(exact.value, sizes, count, exact.dtype, method, axes)]


def _normalized(x, kernel, keywords) -> Expected:
    dtype = oracle.result_dtype(x, kernel)
    dtype = dtype if dtype.kind == "f" else np.dtype(np.float64)
    value = oracle.normalized(x, kernel, **rounded_fill(keywords, dtype))
    return Expected(value, dtype, np.full(value.shape, oracle.TOLERANCE_OF_COEFFICIENTS[str(dtype)]))


def _omitting(x, kernel, keywords, dtype, mirrored) -> Expected:
    if mirrored:
        own_names = ("axes", "lags", "dilation")
        kernel, moved = oracle.mirror(kernel, **{k: keywords[k] for k in own_names if k in keywords})
        kernel, keywords = np.conj(kernel), keywords | moved
    keywords = rounded_fill(keywords, dtype)
    value = oracle.omitting(x.astype(dtype), kernel, **keywords)
    scale = np.nanmax(np.abs(value.astype(np.clongdouble)), initial=1)
    eps = max(float(computing(dtype).eps), float(np.finfo(dtype).eps) / 2)
    count = max(kernel.size, 1)
    return Expected(value, dtype, np.full(value.shape, 64 * math.sqrt(count) * eps * float(scale)))


def correlate_stream(call: Call, arrays: dict) -> list[Expected]:
    keywords, x, kernel = dict(call.keywords), arrays["x"], arrays["kernel"]
    axis = keywords.pop("axis")
    if kernel.ndim < x.ndim:
        kernel = kernel.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
    twin = Call("correlate_nd", "", call.operands, keywords | {"axes": (axis,)})
    return correlation(twin, {"x": x, "kernel": kernel})
