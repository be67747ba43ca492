"""Calls of the shared strategies, with arrays that hold something else."""

from __future__ import annotations

from math import inf, nan

import numpy as np
from hypothesis import strategies as st

from fuzz.calls import Call, Name
from fuzz.operands import SPECIAL, operands


@st.composite
def redrawn(draw, function, text, strategy, names, *, contents=None, special=SPECIAL, masked=True):
    """Draw a call by one of the shared strategies, with arrays of the same shapes and types but other contents."""
    drawn = draw(strategy)
    made, keywords = {}, dict(drawn.keywords)
    arrays = dict(zip(names, drawn.arrays, strict=True))
    arrays |= {name: value for name, value in keywords.items() if isinstance(value, np.ndarray)}
    for name, array in arrays.items():
        made[name] = draw(operands(array.shape, array.dtype, contents, special, masked))
        if name in keywords:
            keywords[name] = Name(name)
    floating = arrays["x"].dtype.kind in "fc"
    if "fill_value" in keywords and floating and special:
        keywords["fill_value"] = draw(st.sampled_from((0, 1, 2.5, -3, nan, inf, 1e30)))
    if "backward" not in function:
        keywords["method"] = draw(st.sampled_from(("auto", "auto", "direct", "winograd", "fft", "separable")))
    out = draw(st.sampled_from((drawn.out, drawn.out, drawn.out, "x", "itself")))
    return Call(function, text, made, keywords, out, ("method=",))
