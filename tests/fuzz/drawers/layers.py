"""Drawn calls of layers, their gradients, and what folds a normalisation into one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import inf, nan

import numpy as np
from hypothesis import strategies as st

from fuzz.calls import Call, Name
from fuzz.drawers.redrawn import redrawn
from fuzz.operands import operands
from support import strategies
from support.layouts import FLOATS

#: What arrays hold whose products with weights of samples are normal numbers.
TAME = ("ones", "ramp", "values", "outer")


@st.composite
def large_layers(draw):
    """Draw layers for which "auto" may take another method than the direct one."""
    d = draw(st.sampled_from((1, 2, 2)))
    kernel = tuple(draw(st.sampled_from((2, 3, 3, 4, 5, 9) if d == 2 else (2, 3, 5, 40, 90, 300))) for _ in range(d))
    c_in, c_out = (draw(st.sampled_from((1, 3, 16, 20) if d == 2 else (1, 4, 16))) for _ in range(2))
    sizes = tuple(draw(st.integers(1, 40 if d == 2 else 800)) + k for k in kernel)
    dtype = draw(st.sampled_from(("float32", "float32", "float64", "complex64", "float16")))
    keywords = {
        "padding": draw(st.sampled_from((0, "same", "full", 1))),
        "padding_mode": draw(strategies.padding_modes(d)),
        "stride": draw(st.sampled_from((1, 1, 2))),
        "dilation": draw(st.sampled_from((1, 1, 2))),
        "channel_axis": draw(st.sampled_from((None, -1))),
        "fill_value": 0,
        "method": "auto",
    }
    sizes = tuple(max(n, 2 * k) for n, k in zip(sizes, kernel, strict=True))
    batch = draw(st.sampled_from(((), (2,))))
    x = np.zeros((*batch, *sizes, c_in) if keywords["channel_axis"] else (*batch, c_in, *sizes), dtype)
    return strategies.Call((x, np.zeros((c_out, c_in, *kernel), dtype)), keywords)


def conv_layer():
    text = "ndconv.conv_layer(x, weight{keywords}{more})"
    some = partial(redrawn, "conv_layer", text, names=("x", "weight"))
    calls = strategies.layer_calls() | large_layers()
    return some(strategies.layer_calls()) | some(large_layers()) | partial_layers(some(calls, contents=TAME))


@st.composite
def partial_layers(draw, calls):
    """Draw layers of samples that count more, less, or not at all."""
    call = draw(calls)
    shape, d = list(call.operands["x"].shape), len(call.operands["weight"].shape) - 2
    if draw(st.booleans()):
        del shape[-1 if call.keywords["channel_axis"] == -1 else -d - 1]
        shape = shape[draw(st.integers(0, len(shape) - d)) :]
    shape = [draw(st.sampled_from((n, n, n, 1))) for n in shape]
    weights = draw(operands(shape, draw(st.sampled_from(("bool", "bool", "uint8", "uint16"))), special=()))
    keywords = {name: value for name, value in call.keywords.items() if name != "fill_value"}
    return replace(
        call, operands=call.operands | {"sample_weights": weights},
        keywords=keywords | {"sample_weights": Name("sample_weights")},
        refusals=(*call.refusals, "sample_weights must be None for a result of dtype"),
    )  # fmt: skip


def layer_object():
    """`ConvLayer`, whose residual belongs to the call."""

    def prepared(call):
        own = {name: value for name, value in call.keywords.items() if name != "residual"}
        added = ", residual=residual" if "residual" in call.keywords else ""
        return replace(call, keywords=own, text=f"ndconv.ConvLayer(weight{{keywords}})(x{added}{{more}})")

    some = partial(redrawn, "ConvLayer", "", names=("x", "weight"))
    return (some(strategies.layer_calls()) | some(large_layers())).map(prepared)


def conv_layer_backward():
    text = "ndconv.conv_layer_backward(grad_y, x, weight{keywords}{more})"
    return redrawn("conv_layer_backward", text, strategies.layer_backward_calls(), ("grad_y", "x", "weight"))


def layer_object_backward():
    def prepared(call):
        own = {name: value for name, value in call.keywords.items() if name != "needs"}
        text = f"ndconv.ConvLayer(weight{{keywords}}).backward(grad_y, x, needs={call.keywords['needs']!r}{{more}})"
        return replace(call, keywords=own, text=text, facts=(call.keywords["needs"],))

    return redrawn(
        "ConvLayer.backward", "", strategies.layer_backward_calls(), ("grad_y", "x", "weight")
    ).map(prepared)  # fmt: skip


def conv_transpose_layer():
    text = "ndconv.conv_transpose_layer(x, weight{keywords}{more})"
    return redrawn("conv_transpose_layer", text, strategies.transpose_calls(), ("x", "weight"))


def conv_transpose_layer_backward():
    text = "ndconv.conv_transpose_layer_backward(grad_y, x, weight{keywords}{more})"
    return redrawn(
        "conv_transpose_layer_backward", text, strategies.transpose_backward_calls(), ("grad_y", "x", "weight")
    )


@st.composite
def fold_batch_norm(draw):
    channels = draw(st.integers(0, 5))
    shape = (channels, *draw(st.lists(st.integers(1, 3), max_size=3)))
    dtype = st.sampled_from((*FLOATS, "complex64", "int8", "int64"))
    tame = ["ones", "ramp", "values"]
    made = {"weight": draw(operands(shape, draw(dtype), masked=False))}
    for name in ("bias", "gamma", "beta", "mean"):
        if name == "mean" or draw(st.booleans()):
            made[name] = draw(operands((channels,), draw(dtype), tame, (nan, inf, -0.0), masked=False))
    made["var"] = draw(operands((channels,), draw(st.sampled_from(FLOATS)), tame, (), masked=False))
    given = ", ".join(name if name in made else "None" for name in ("weight", "bias", "gamma", "beta", "mean", "var"))
    keywords = {"eps": draw(st.sampled_from((1e-5, 0, 4.0)))}
    text = f"ndconv.fold_batch_norm({given}{{keywords}})"
    return Call("fold_batch_norm", text, made, keywords, refusals=("var",))
