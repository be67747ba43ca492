"""Drawn calls of `graph_conv` and of its gradients."""

from __future__ import annotations

from math import inf, nan

import numpy as np
from hypothesis import strategies as st

from fuzz.calls import Call, Name
from fuzz.operands import operands
from support import graphs, strategies


@st.composite
def graph_calls(draw, backward=False):
    drawn = draw(graphs.calls())
    names = {"x": drawn.x, "weight": drawn.weight}
    if backward:
        names["grad_y"] = np.empty((len(drawn.x), drawn.weight.shape[1]), drawn.weight.dtype)
    elif drawn.bias is not None:
        names["bias"] = drawn.bias
    made = {}
    for name, a in names.items():
        tame = ["ones", "ramp", "values", *(["mostly zero"] if a.dtype.kind in "fc" else [])]
        made[name] = draw(operands(a.shape, a.dtype, tame, (nan, inf) if name == "x" and not backward else ()))
    keywords = dict(drawn.keywords)
    container = {"dense": "adjacency", "list": "adjacency.tolist()"}
    graph = container.get(drawn.container, f"scipy.sparse.{drawn.container}(adjacency)")
    function = "graph_conv_backward" if backward else "graph_conv"
    arguments = f"grad_y, x, {graph}, weight" if backward else f"x, {graph}, weight"
    if "bias" in made:
        keywords["bias"] = Name("bias")
    if backward:
        keywords["needs"] = draw(strategies.needs())
    text = f"ndconv.{function}({arguments}{{keywords}}{{more}})"
    return Call(function, text, made | {"adjacency": drawn.adjacency}, keywords)
