"""Drawn calls of what tells shapes, costs and plans, and computes nothing."""

from __future__ import annotations

from hypothesis import strategies as st

from fuzz.calls import Call
from fuzz.drawers.layers import large_layers
from fuzz.operands import Operand
from support import strategies

METHODS = st.sampled_from(("auto", "auto", "direct", "winograd", "fft"))


@st.composite
def shape_calls(draw, name):
    call = draw(strategies.layer_calls().filter(lambda c: c.keywords["channel_axis"] is None))
    x, weight = (a.shape for a in call.arrays)
    keywords = {key: call.keywords[key] for key in ("stride", "padding", "dilation", "groups")}
    if name == "layer_cost":
        keywords |= {"bias": draw(st.booleans()), "itemsize": draw(st.sampled_from((2, 4, 8)))}
    return Call(name, f"ndconv.{name}({x}, {weight}{{keywords}})", {}, keywords, facts=(x, weight))


@st.composite
def receptive_field(draw):
    layer = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), st.integers(0, 3))
    layers = draw(st.lists(layer, min_size=1, max_size=4))
    return Call("receptive_field", f"ndconv.receptive_field({layers})", {}, {}, facts=(layers,))


@st.composite
def explain(draw):
    """Draw what a layer tells of itself."""
    call = draw(strategies.layer_calls() | large_layers())
    x, weight = call.arrays
    names = ("stride", "padding", "padding_mode", "dilation", "groups", "channel_axis")
    keywords = {name: call.keywords[name] for name in names if name in call.keywords}
    keywords["method"] = draw(METHODS)
    told = (
        f"layer.output_shape({x.shape}), layer.cost({x.shape}).output_shape, layer.explain({x.shape}).count('chosen:')"
    )
    text = f"(lambda layer: ({told}))(ndconv.ConvLayer(weight{{keywords}}))"
    made = {"weight": Operand(weight.shape, str(weight.dtype.newbyteorder("=")))}
    return Call("ConvLayer.explain", text, made, keywords, refusals=("method=",), facts=(x.shape,))
