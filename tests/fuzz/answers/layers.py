"""The answers of layers, of their gradients, and of a normalisation that is folded into one."""

from __future__ import annotations

import math

import numpy as np

from fuzz.answers.promise import Expected, own, promise, rounded_fill, sizes_of, spatial, within, without_blas
from fuzz.calls import Call
from support import oracle


def layer(call: Call, arrays: dict) -> list[Expected]:
    """Expect the output of `conv_layer`, `ConvLayer` and its stream, and `conv_transpose_layer`."""
    keywords = call.resolved(arrays)
    if "residual" in arrays:
        keywords["residual"] = arrays["residual"]
    if "sample_weights" in keywords:
        return partial_layer(arrays["x"], arrays["weight"], keywords)
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


def partial_layer(x, weight, keywords: dict) -> list[Expected]:
    """Expect the output of `conv_layer` with `sample_weights`."""
    activation = keywords.pop("activation", None)
    exact = oracle.partial_layer(*without_blas([x, weight]), **keywords)
    dtype = oracle.result_dtype(x, weight, keywords.get("bias"), keywords.get("residual"))
    small = {key: sizes_of(keywords[key], dtype) for key in ("bias", "residual") if key in keywords}
    sizes = oracle.partial_layer(*(sizes_of(a, dtype) for a in (x, weight)), **keywords | small)
    # Never worse than plain sums.
    count = weight.shape[1] * math.prod(weight.shape[2:])
    bound = max(1, math.sqrt(count) / 8) * sizes.bound
    return [within(exact.value, bound, sizes.value, dtype, activation)]


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
