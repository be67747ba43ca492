"""What the fuzzer demands of a call: the right answer, by code that ndconv has no part in, and good manners."""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.signal

import ndconv
from fuzz.calls import Call, Name
from support import graphs, oracle
from support.layouts import Place

#: An expected answer that any is as good as.
ANYTHING = object()


class Find(AssertionError):
    """A promise that is broken: its kind, and in which way."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail = kind, detail


# --- Expected answers -------------------------------------------------------------------------------------------------


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


def layer(call: Call, arrays: dict) -> list[Expected]:
    """Expect the output of `conv_layer`, `ConvLayer` and its stream, and `conv_transpose_layer`."""
    keywords = call.resolved(arrays)
    if "residual" in arrays:
        keywords["residual"] = arrays["residual"]
    method, activation = keywords.pop("method", "auto"), keywords.pop("activation", None)
    reference = oracle.transpose_layer if "transpose" in call.function else oracle.layer
    weight = arrays["weight"]
    given = [a for a in (arrays["x"], weight, keywords.get("bias"), keywords.get("residual")) if a is not None]
    dtype = oracle.result_dtype(*given)
    keywords = rounded_fill(keywords, dtype)
    exact = reference(*without_blas([arrays["x"], weight], keywords.get("fill_value", 0)), **keywords)
    d = weight.ndim - 2
    sizes = None
    if dtype.kind in "fc":
        small = {key: sizes_of(v, dtype) for key, v in keywords.items() if key in ("bias", "residual", "fill_value")}
        sizes = reference(*(sizes_of(arrays[n], dtype) for n in ("x", "weight")), **keywords | small).value
    count = weight.shape[0 if "transpose" in call.function else 1] * math.prod(weight.shape[2:])
    mixing = spatial(exact.value.ndim, d, keywords.get("channel_axis"))
    if dtype.kind in "iu" and activation:
        return [Expected(oracle.ACTIVATIONS[activation](exact.value).astype(dtype), dtype, None)]
    return [promise(exact.value, sizes, count, dtype, method, mixing, activation)]


def gradients(call: Call, arrays: dict) -> list[Expected | None]:
    """Expect the gradients of both layers; None for what is not asked for."""
    keywords = call.resolved(arrays)
    needs = keywords.pop("needs", None) if not call.facts else call.facts[0]
    needs = {needs} if isinstance(needs, str) else set(needs)
    keywords.pop("method", None)
    transposed = "transpose" in call.function
    reference = oracle.transpose_layer_gradients if transposed else oracle.layer_gradients
    given = [arrays[name] for name in ("grad_y", "x", "weight")]
    keywords = rounded_fill(keywords, oracle.result_dtype(*given[:2]))
    exact = reference(*without_blas(given, keywords.get("fill_value", 0)), **keywords)
    grad_y, x, weight = given
    dtypes = {
        "x": own(oracle.result_dtype(grad_y, weight), x),
        "weight": own(oracle.result_dtype(grad_y, x), weight),
        "bias": oracle.result_dtype(grad_y),
    }
    kind = np.result_type(*given)
    if kind.kind in "fc":
        small = {"fill_value": sizes_of(keywords["fill_value"], kind)} if "fill_value" in keywords else {}
        wide = np.complex128 if kind.kind == "c" else np.float64
        sizes = reference(*(sizes_of(a, np.dtype(wide)) for a in given), **keywords | small)
    d = weight.ndim - 2
    positions = math.prod(given[1 if transposed else 0].shape) // max(weight.shape[0], 1)
    counts = {
        "x": weight.shape[1 if transposed else 0] * math.prod(weight.shape[2:]),
        "weight": positions,
        "bias": positions,
    }
    if transposed:
        counts["bias"] = math.prod(given[0].shape)
    found: list[Expected | None] = []
    for name in ("x", "weight", "bias"):
        if name not in needs:
            found.append(None)
            continue
        one, dtype = getattr(exact, name), dtypes[name]
        size = getattr(sizes, name).value if dtype.kind in "fc" else None
        mixing = spatial(one.value.ndim, d, keywords.get("channel_axis")) if name == "x" else ()
        found.append(promise(one.value, size, counts[name], dtype, "auto" if name == "x" else "direct", mixing))
    return found


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


def whole_of(call: Call) -> Call | None:
    """Return the call for the whole signal whose bits a stream has, which the direct method promises."""
    if "streamed" not in call.text or call.keywords["method"] != "direct":
        return None
    if call.function == "CorrelateStream":
        keywords = {"axes" if name == "axis" else name: value for name, value in call.keywords.items()}
        return Call("correlate_nd", "ndconv.correlate_nd(x, kernel{keywords})", {}, keywords)
    return Call("conv_layer", "ndconv.conv_layer(x, weight{keywords})", {}, call.keywords)


# --- Graphs, normalisation, shapes ------------------------------------------------------------------------------------


def _gathered(matrix, x):
    """Return the matrix product with a graph, in which what is zero is no edge."""
    rows = [(matrix[i, edges, None] * x[edges]).sum(axis=0) for i, edges in enumerate(matrix != 0)]
    return np.array(rows).reshape(len(matrix), x.shape[1])


def graph(call: Call, arrays: dict) -> list[Expected | None]:
    keywords = call.resolved(arrays)
    adjacency = np.asarray(arrays["adjacency"].tolist()) if "tolist" in call.text else arrays["adjacency"]
    matrix = graphs.dense_matrix(adjacency, keywords["normalization"], keywords["self_loops"])
    backward = call.function.endswith("backward")
    names = ("grad_y", "x", "weight") if backward else ("x", "weight", "bias")
    given = {name: arrays[name] for name in names if name in arrays}
    dtype = graphs.expected_dtype(list(given.values()), adjacency, keywords["normalization"])
    if dtype.kind in "iu":
        a = adjacency.astype(dtype).astype(np.uint64) + np.eye(len(adjacency), dtype=np.uint64) * keywords["self_loops"]
        terms = {name: array.astype(dtype).astype(np.uint64) for name, array in given.items()}
        with np.errstate(all="ignore"):
            values = _graph_values(a, terms, backward)
        found = [Expected(v.astype(dtype), dtype, None) for v in values]
    else:
        wide = np.clongdouble if dtype.kind == "c" else np.longdouble
        with np.errstate(all="ignore"):
            values = _graph_values(matrix, {n: a.astype(wide) for n, a in given.items()}, backward)
            sizes = _graph_values(
                np.abs(matrix), {n: sizes_of(a, dtype).astype(np.longdouble) for n, a in given.items()}, backward
            )
        count = 4 * (len(matrix) + max(given["weight"].shape) + 8)
        primal = ("x", "weight", "grad_y") if backward else ("x",)
        found = []
        for value, size, name in zip(values, sizes, primal, strict=True):
            kind = own(dtype, arrays[name]) if backward and name != "grad_y" else dtype
            found.append(promise(value.real if kind.kind == "f" else value, size, count, kind, "direct", ()))
    if not backward:
        return found
    # That of the bias adds up grad_y, in its own type.
    grad_y, kind = arrays["grad_y"], oracle.result_dtype(arrays["grad_y"])
    wide = kind if kind.kind in "iu" else np.clongdouble if kind.kind == "c" else np.longdouble
    with np.errstate(all="ignore"):
        sums = grad_y.astype(wide).sum(axis=0, dtype=wide)
        sizes = sums if kind.kind in "iu" else sizes_of(grad_y, kind).astype(np.longdouble).sum(axis=0)
    found[2] = promise(sums, sizes, 4 * (len(grad_y) + 8), kind, "direct", ())
    needs = keywords["needs"]
    needs = {needs} if isinstance(needs, str) else set(needs)
    return [each if name in needs else None for name, each in zip(("x", "weight", "bias"), found, strict=True)]


def _graph_values(matrix, terms, backward):
    if backward:
        sent = _gathered(matrix.conj().T, terms["grad_y"])
        return sent @ terms["weight"].conj().T, terms["x"].conj().T @ sent, terms["grad_y"].sum(axis=0)
    product = _gathered(matrix, terms["x"]) @ terms["weight"]
    return (product + terms["bias"] if "bias" in terms else product,)


def fold_batch_norm(call: Call, arrays: dict) -> list[Expected]:
    dtype = np.result_type(*arrays.values())
    dtype = dtype if dtype.kind in "fc" else np.dtype(np.float64)
    wide = {n: a.astype(np.clongdouble if a.dtype.kind == "c" else np.longdouble) for n, a in arrays.items()}
    weight = wide["weight"]
    channels = len(weight)
    with np.errstate(all="ignore"):
        scale = wide.get("gamma", np.ones(channels)) / np.sqrt(wide["var"] + call.keywords["eps"])
        bias, beta = wide.get("bias", np.zeros(channels)), wide.get("beta", np.zeros(channels))
        values = weight * scale.reshape(-1, *(1,) * (weight.ndim - 1)), (bias - wide["mean"]) * scale + beta
        sizes = (np.abs(values[0]), (np.abs(bias) + np.abs(wide["mean"])) * np.abs(scale) + np.abs(beta))
        found = []
        for value, size in zip(values, sizes, strict=True):
            bound = 2 * float(np.finfo(dtype).eps) * size + float(np.finfo(dtype).smallest_subnormal)
            free = ~(size < float(np.finfo(dtype).max) / 4) & np.isfinite(value)
            found.append(Expected(value, dtype, bound, free))
    return found


def shapes(call: Call, arrays: dict) -> list[Any]:
    x, weight = call.facts
    d, k = len(weight) - 2, call.keywords
    stride, dilation = (oracle.per_axis(k[name], d) for name in ("stride", "dilation"))
    positions = oracle.positions(k["padding"], x[-d:], weight[2:], stride, dilation)
    shape = (*x[: len(x) - d - 1], weight[0], *positions)
    if call.function == "output_shape":
        return [shape]
    batch = math.prod(x[: len(x) - d - 1])
    parameters = math.prod(weight) + weight[0] * k["bias"]
    dense = math.prod(x[-d - 1 :]) * weight[0] * math.prod(positions)
    size = (math.prod(x) + parameters + math.prod(shape)) * k["itemsize"]
    return [ndconv.LayerCost(parameters, math.prod(weight) * math.prod(positions) * batch, shape, dense, size)]


def receptive_field(call: Call, arrays: dict) -> list[Any]:
    size, jump, start = 1, 1, 0
    for kernel, stride, dilation, padding in call.facts[0]:
        size, start, jump = size + dilation * (kernel - 1) * jump, start - padding * jump, jump * stride
    return [(size, jump, start)]


def explained(call: Call, arrays: dict) -> list[Any]:
    x = np.zeros(call.facts[0], arrays["weight"].dtype)
    keywords = {name: value for name, value in call.keywords.items() if name != "method"}
    shape = oracle.layer(x, arrays["weight"], **keywords).shape
    return [(shape, shape, 1)]


# --- SciPy's answers --------------------------------------------------------------------------------------------------


def theirs(call: Call, arrays: dict, **changes) -> Any:
    """Return what SciPy gives."""
    keywords = call.resolved(arrays) | changes
    names = ["h", "x"] if "h" in arrays else ["in1", "in2"] if "in1" in arrays else ["x"]
    module, name = call.function.split(".")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        given = [np.array(arrays[n]) for n in names]  # SciPy is wrong for some arrays with strides of 0
        return getattr(getattr(scipy, module), name)(*given, **keywords)


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


def signal(call: Call, arrays: dict) -> list[Any]:
    name = call.function.removeprefix("signal.")
    if name == "correlation_lags":
        return [Expected(eval(call.expression().replace("ndconv.", "scipy.")), np.dtype(np.intp), None)]
    direct = {"method": "direct"} if "method" in call.keywords else {}
    expected = theirs(call, arrays, **direct)
    if name == "choose_conv_method":
        return [ANYTHING]  # a matter of each one's speed
    dtype = expected.dtype
    if dtype.kind in "iu" or not all(a.size for a in arrays.values()):
        return [Expected(expected, dtype, None)]
    small = {n: sizes_of(a, np.dtype(np.float64)).astype(np.longdouble) for n, a in arrays.items()}
    if name == "upfirdn":  # which knows no longer doubles
        exact, small = expected, {n: a.astype(np.float64) for n, a in small.items()}
        sizes, count = theirs(call, small), len(arrays["h"])
        if call.keywords["mode"] not in ("constant", "wrap", "edge", "symmetric", "reflect"):
            longest = exact.shape[call.keywords["axis"]]
            largest = small["x"].max(initial=0) + float(np.finfo(dtype).smallest_normal)
            sizes = np.full(exact.shape, 40 * longest * small["h"].sum() * largest)
        return [promise(exact, sizes, 2 * count, dtype, "direct", ())]
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
    method = "direct" if call.keywords.get("method") == "direct" or name.endswith("2d") else "auto"
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


EXPECTED = {
    "conv_layer": layer,
    "ConvLayer": layer,
    "ConvLayer.stream": layer,
    "ConvLayer.backward": gradients,
    "ConvLayer.explain": explained,
    "conv_layer_backward": gradients,
    "conv_transpose_layer": layer,
    "conv_transpose_layer_backward": gradients,
    "correlate_nd": correlation,
    "convolve_nd": correlation,
    "CorrelateStream": correlate_stream,
    "graph_conv": graph,
    "graph_conv_backward": graph,
    "fold_batch_norm": fold_batch_norm,
    "output_shape": shapes,
    "layer_cost": shapes,
    "receptive_field": receptive_field,
    "ndimage": ndimage,
    "signal": signal,
}


def expect(call: Call, arrays: dict) -> list[Any]:
    """Return the expected answer; where there is none, such as an error of SciPy's, that is a find as well."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return EXPECTED[call.function.split(".")[0] if call.is_drop_in else call.function](call, arrays)
    except Exception as error:
        at = error.__traceback__
        while at is not None and at.tb_next is not None:
            at = at.tb_next
        where = f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at else ""
        raise Find(f"no expectation: {type(error).__name__}", f"{error} at {where}") from error


# --- Checks -----------------------------------------------------------------------------------------------------------

#: What a message may name an argument by.
NAMES = re.compile(
    r"\b(x|weight|bias|stride|padding|padding_mode|fill_value|dilation|groups|activation|residual|channel_axis|method|out"
    r"|workers|output_padding|grad_y|needs|kernel|mode|axes|axis|lags|dtype|normalized|nan_policy|chunk|layers"
    r"|adjacency|normalization|self_loops|gamma|beta|mean|var|eps|input_shape|weight_shape|itemsize)\b"
)
REFUSALS = (ValueError, TypeError, MemoryError)


def run(call: Call, arrays: dict, **more) -> Any:
    """Return what a call returns; a warning, or an error that is none of the promised ones, is a find."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if call.is_drop_in else "error")
            return call.run(arrays, **more)
    except REFUSALS as error:
        if not (call.is_drop_in or isinstance(error, MemoryError) or NAMES.search(str(error))):
            raise Find("message", f"{type(error).__name__}: {error}") from error
        raise
    except Warning as warning:
        raise Find("warning", f"{type(warning).__name__}: {warning}") from warning
    except Exception as error:
        if call.is_drop_in:
            raise
        raise Find(type(error).__name__, str(error)) from error


def flat(result: Any) -> list[Any]:
    """Return all parts of a result: three gradients, two arrays, or one."""
    several = isinstance(result, ndconv.ConvGradients) or (
        isinstance(result, tuple) and isinstance(result[0], np.ndarray)
    )
    return list(result) if several else [result]


def bits(result: Any) -> list[Any]:
    """Return all bits of a result but those of NaN."""
    parts = flat(result)
    cleared = [
        np.where(np.isnan(a), np.nan, a) if getattr(a, "dtype", np.dtype("i1")).kind in "fc" else a for a in parts
    ]
    return [a.tobytes() if isinstance(a, np.ndarray) else a for a in cleared]


def check_refusal(call: Call, arrays: dict, error: Exception) -> None:
    """Demand that an error was asked for, or is SciPy's."""
    if call.is_drop_in:
        try:
            theirs(call, arrays)
        except Exception as other:
            if isinstance(error, type(other)):
                return
            raise Find("other error", f"{error!r}, SciPy {other!r}") from error
        raise Find("refused", repr(error)) from error
    asked = call.bad or call.masked or any(words in str(error) for words in call.refusals)
    if not asked:
        raise Find("refused", repr(error)) from error


def check_answer(result: Any, expected: list[Any]) -> None:
    for actual, exact in zip(flat(result), expected, strict=True):
        if isinstance(exact, Expected):
            exact.check(actual)
        elif isinstance(actual, ndconv.ReceptiveField):
            if not all(
                np.all(np.equal(*each)) for each in zip((actual.size, actual.jump, actual.start), exact, strict=True)
            ):
                raise Find("value", f"got {actual}, expected {exact}")
        elif actual != exact and exact is not ANYTHING:
            raise Find("value", f"got {actual}, expected {exact}")


def check_inputs(arrays: dict, before: dict) -> None:
    for name, copy in before.items():
        if np.asarray(arrays[name]).tobytes() != copy:
            raise Find("input changed", name)


def check_bits(call: Call, arrays: dict, result: Any) -> None:
    """Demand the same bits again, for every number of workers, and of a stream's chunks and one whole."""
    if bits(run(call, arrays)) != bits(result):
        raise Find("run to run", "another call has other bits")
    if "{more}" in call.text and not call.is_drop_in:
        for n in (1, 2, 3):
            if bits(run(call, arrays, workers=n)) != bits(result):
                raise Find("workers", f"workers={n} has other bits")
    whole = whole_of(call)
    if whole is not None and bits(run(whole, arrays)) != bits(result):
        raise Find("stream bits", "not those of one call for the whole signal")


def check_out(call: Call, result: Any, expected: list[Any]) -> None:
    """Demand the same answer where it is asked for, and nothing beside it."""
    if call.out is None or not isinstance(result, np.ndarray):
        return
    arrays, name = call.arrays(), "output" if call.is_drop_in else "out"
    call = replace(call, keywords={key: value for key, value in call.keywords.items() if key != "output"})
    if call.out == "itself":
        if result.size and sum(n > 1 for n in result.shape) > 1:
            line = np.empty(sum(result.shape), result.dtype)
            arrays["out"] = np.lib.stride_tricks.as_strided(line, result.shape, line.strides * result.ndim)
            try:
                run(call, arrays, out=Name("out"))
            except ValueError:
                return
            raise Find("out overlaps itself", f"no error for strides {arrays['out'].strides}")
        return
    if call.out == "x":
        if call.masked:
            return
        x = np.array(arrays["x"])
        if (x.shape, x.dtype) != (result.shape, result.dtype):
            return
        returned = run(call, arrays | {"x": x, "out": x}, **{name: Name("out")})
        kind, out, untouched = "out is x: ", x, True
    else:
        place = Place(result.shape, result.dtype, call.out)
        returned = run(call, arrays | {"out": place.out}, **{name: Name("out")})
        kind, out, untouched = "out: ", place.out, place.untouched_outside()
    if returned is not out:
        raise Find("out: not returned", f"got {returned!r}")
    if not untouched:
        raise Find("out: canary", f"beside {call.out}")
    try:
        check_answer(np.array(out), expected)
    except Find as find:
        raise Find(kind + find.kind, find.detail) from None


def check(call: Call) -> None:
    """Raise a find for the first promise that a call breaks."""
    arrays = call.arrays()
    before = {name: np.asarray(a).tobytes() for name, a in arrays.items()}
    try:
        result = run(call, arrays)
    except Find:
        raise
    except Exception as error:
        check_refusal(call, arrays, error)
        return
    check_inputs(arrays, before)
    if call.bad is not None:
        return
    if call.masked and not call.is_drop_in:
        if not call.function.endswith("_nd"):
            raise Find("no error", f"for masked {call.masked}")
        if call.masked != {"x"} or np.result_type(*arrays.values()).kind not in "fc":
            return  # what that means is not promised
    expected = expect(call, arrays)
    check_answer(result, expected)
    check_bits(call, arrays, result)
    check_out(call, result, expected)
