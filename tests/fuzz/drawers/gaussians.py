"""Drawn calls of `gaussian`."""

from __future__ import annotations

from hypothesis import strategies as st

from fuzz.calls import Call
from fuzz.operands import operands
from support import strategies
from support.layouts import DTYPES, Place

#: What its promise is for: sums that are finite, since what is not is left to tests of its own.
CONTENTS = ["ones", "ramp", "values", "outer"]


@st.composite
def gaussian(draw):
    ndim = draw(st.sampled_from((1, 1, 2, 2, 3)))
    shape = draw(st.tuples(*[st.integers(1, {1: 400, 2: 50, 3: 12}[ndim])] * ndim))
    axes = draw(st.permutations(range(ndim)))[: draw(st.integers(1, ndim))]
    sigmas = st.sampled_from((0, 0.3, 0.8, 1, 2.5, 9, 30))
    orders = st.sampled_from((0, 0, 0, 1, 2, 3))
    sigma, order = (tuple(draw(each) for _ in axes) for each in (sigmas, orders))
    # The derivative of a Gaussian of a single sample is an error.
    order = tuple(n if width >= 0.8 else 0 for n, width in zip(order, sigma, strict=True))
    keywords = {
        "sigma": sigma, "order": order, "axes": tuple(axes), "padding_mode": draw(strategies.padding_modes(len(axes))),
    }  # fmt: skip
    made = {"x": draw(operands(shape, draw(st.sampled_from(DTYPES)), CONTENTS, special=(), masked=False))}
    out = draw(st.sampled_from((None, None, *Place.layouts)))
    return Call("gaussian", "ndconv.gaussian(x{keywords}{more})", made, keywords, out)
