"""The answers of SciPy, and how exact they are."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.signal

from fuzz.answers.promise import (
    ANYTHING,
    Expected,
    promise,
    sizes_of,
)
from fuzz.calls import Call
from support import filters, oracle


def theirs(call: Call, arrays: dict, **changes) -> Any:
    """Return what SciPy gives."""
    keywords = call.resolved(arrays) | changes
    names = [name for name in ("h", "b", "in1", "in2", "x") if name in arrays]
    module, name = call.function.split(".")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        copies = [np.array(arrays[n]) for n in names]  # SciPy is wrong for some arrays with strides of 0
        given = dict(zip(names, copies, strict=True)) if module == "signal" else {"input": copies[0]}
        if name in filters.DERIVATIVES:
            given[filters.DERIVATIVES[name]] = filters.derivative
        return getattr(getattr(scipy, module), name)(**given, **keywords)


def _are_taken_for_symmetric(weights) -> bool:
    """Whether SciPy takes the second half of weights in one dimension for the first: NaN, or too small for its eps."""
    weights = np.atleast_1d(weights)
    for part in (weights.real, weights.imag):
        for differences in (part - part[::-1], part + part[::-1]):
            if differences.any() and not (np.abs(differences) > np.finfo(float).eps).any():
                return True
    return False


def ndimage(call: Call, arrays: dict) -> list[Expected]:
    expected = np.asarray(theirs(call, arrays))
    x, keywords, dtype = np.asarray(arrays["x"]), call.resolved(arrays), expected.dtype
    if dtype.kind in "iub":
        exact = theirs(call, arrays, output=np.complex128 if np.iscomplexobj(x) else np.float64)
        limits = np.iinfo(dtype) if dtype.kind in "iu" else np.iinfo(np.int8)
        with np.errstate(all="ignore"):
            free = ~(np.abs(exact) < limits.max) | (np.real(exact) < limits.min)
        # SciPy leaves other bytes than 0 and 1 in an array of bools.
        return [Expected(expected.view(np.uint8) != 0 if dtype.kind == "b" else expected, dtype, None, free)]
    sizes = {"x": sizes_of(x, np.dtype(np.float64))}
    how = {"mode": keywords["mode"], "cval": abs(keywords["cval"])}
    if "weights" in keywords:
        small = keywords | how | {"weights": sizes_of(keywords["weights"], np.dtype(np.float64)), "output": np.float64}
        size = getattr(scipy.ndimage, call.function.split(".")[1])(sizes["x"], **small)
    elif "uniform" in call.function:
        size = np.full(x.shape, max(sizes["x"].max(initial=0), how["cval"])) * 4 * max(x.shape)
    else:
        width = 3
        if "gaussian" in call.function:
            width = 2 * int(4 * np.max(keywords["sigma"]) + 0.5) + 1
            width = max(width, 2 * (keywords.get("radius") or 0) + 1)
        size = scipy.ndimage.maximum_filter(sizes["x"], width, **how) if x.ndim else sizes["x"]
        size = 256 * np.maximum(size, how["cval"])
    with np.errstate(all="ignore"):
        eps = float(np.finfo(dtype).eps)
        if "F" in (x.dtype.char, keywords.get("weights", x).dtype.char):
            eps = float(np.finfo(np.float32).eps)
        bound = 64 * eps * size + 64 * float(np.finfo(dtype).smallest_subnormal)
        free = ~(size < float(np.finfo(dtype).max) / 1e4)
        if call.function.endswith("1d") and _are_taken_for_symmetric(keywords.get("weights", 0)):
            free[...] = True
    return [Expected(expected, dtype, bound, free)]


def convolved(call: Call, arrays: dict) -> np.ndarray:
    """Return a convolution along axes in scipy.signal's modes: its transforms, even of long doubles, have errors."""
    x, kernel = (a.astype(np.complex128 if np.iscomplexobj(a) else np.float64) for a in arrays.values())
    axes = call.keywords["axes"]
    axes = tuple(range(x.ndim)) if axes is None else tuple(axes)
    full = oracle.convolve(x, kernel, axes=axes).value
    cut = [slice(None)] * x.ndim
    for axis in axes:
        n, taps = x.shape[axis], kernel.shape[axis]
        size = {"full": n + taps - 1, "same": n, "valid": abs(n - taps) + 1}[call.keywords["mode"]]
        first = (full.shape[axis] - size) // 2
        cut[axis] = slice(first, first + size)
    return full[tuple(cut)]


def filtered(call: Call, arrays: dict) -> list[Expected]:
    """Return a filter's answer, and as its sizes the most that it can make of its samples."""
    expected, taps = theirs(call, arrays), np.abs(sizes_of(arrays.get("b", 1), np.dtype(float))).sum()
    gain = taps / abs(call.keywords.get("a", 1))
    if call.function.endswith("filtfilt"):
        gain = 4 * gain**2
    elif call.function.endswith("savgol_filter"):
        gain = 1e3  # of the powers that are fitted
    elif "b" not in arrays:
        gain = 10 * call.keywords.get("up", 1)
    sizes = np.full(expected.shape, gain * sizes_of(arrays["x"], np.dtype(float)).max(initial=0))
    return [promise(expected, sizes, 400, expected.dtype, "direct", ())]


def signal(call: Call, arrays: dict) -> list[Any]:
    name = call.function.removeprefix("signal.")
    if name in ("lfilter", "filtfilt", "resample_poly", "decimate", "savgol_filter"):
        return filtered(call, arrays)
    if name in ("correlation_lags", "savgol_coeffs"):
        exact = eval(call.expression().replace("ndconv.", "scipy."))
        return [Expected(exact, exact.dtype, None)]
    direct = {"method": "direct"} if "method" in call.keywords else {}
    expected = theirs(call, arrays, **direct)
    if name == "choose_conv_method":
        return [ANYTHING]  # a matter of each one's speed
    dtype = expected.dtype
    if dtype.kind in "iu" or not all(a.size for a in arrays.values()):
        return [Expected(expected, dtype, None)]
    if name in ("correlate2d", "convolve2d", "upfirdn"):  # the same sums
        return [Expected(expected, dtype, np.zeros(()))]
    small = {n: sizes_of(a, np.dtype(np.float64)).astype(np.longdouble) for n, a in arrays.items()}
    wide = {n: a.astype(np.clongdouble if np.iscomplexobj(a) else np.longdouble) for n, a in arrays.items()}
    if name in ("fftconvolve", "oaconvolve"):
        finite = {n: np.where(np.isfinite(a), a, 0) for n, a in arrays.items()}
        exact, sizes = convolved(call, finite), convolved(call, small)
        transformed = theirs(call, wide)
        exact = np.where(np.isfinite(transformed), exact, transformed)
    else:
        exact, sizes = theirs(call, wide, **direct), theirs(call, small, **direct)
    axes = call.keywords.get("axes")
    mixing = tuple(range(exact.ndim)) if axes is None else tuple(axes)
    method = "direct" if call.keywords.get("method") == "direct" else "auto"
    found = promise(exact, sizes, min(a.size for a in arrays.values()), dtype, method, mixing)
    if name == "oaconvolve":  # what is not finite makes SciPy lose whole blocks, which are not ours
        return [replace(found, free=found.free | ~np.isfinite(exact))]
    if direct:  # SciPy multiplies zeros beside an operand, or does not
        reached = sum(
            theirs(call, {n: ~np.isfinite(a) if n == one else np.ones(a.shape) for n, a in wide.items()}, **direct)
            for one in wide
        )
        return [replace(found, free=found.free | (np.isfinite(exact) == (reached > 0.5)) | np.isnan(exact))]
    return [found]
