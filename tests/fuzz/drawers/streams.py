"""Drawn streams, and the chunks that are pushed into them."""

from __future__ import annotations

from hypothesis import strategies as st

from fuzz.calls import Call, Name
from fuzz.operands import operands
from support import oracle, streams


def _cuts(draw, samples):
    return sorted(draw(st.lists(st.integers(0, samples), max_size=6)))


@st.composite
def layer_stream(draw):
    x, weight, keywords = draw(streams.layers(taps=(*streams.SHORT, 300)))
    keywords = dict(keywords, method=draw(st.sampled_from(("auto", "direct", "fft"))))
    arrays = {"x": x, "weight": weight} | ({"bias": keywords["bias"]} if "bias" in keywords else {})
    axis = -2 if keywords["channel_axis"] == -1 else -1
    text = f"streamed(ndconv.ConvLayer(weight{{keywords}}{{more}}).stream(), x, {_cuts(draw, x.shape[axis])}, {axis})"
    made = {name: draw(operands(a.shape, a.dtype)) for name, a in arrays.items()}
    keywords = {name: Name(name) if name in made else value for name, value in keywords.items()}
    return Call("ConvLayer.stream", text, made, keywords, refusals=("method=",))


@st.composite
def correlate_stream(draw):
    ndim = draw(st.sampled_from((1, 1, 2, 3)))
    axis = draw(st.integers(-ndim, -1))
    shape = [draw(st.integers(1, 4)) for _ in range(ndim)]
    shape[axis] = draw(st.sampled_from((1, 5, 31, 200, 400)))
    taps = draw(st.sampled_from((1, 2, 3, 5, 9, 40, 300)))
    one = ndim == 1 or draw(st.booleans())
    kernel = [taps] if one else [draw(st.sampled_from((1, n))) for n in shape]
    kernel[-1 if one else axis] = taps
    dtype = draw(st.sampled_from(streams.DTYPES))
    keywords = {
        "mode": draw(st.sampled_from(("full", "same", "valid"))),
        "axis": axis,
        "padding_mode": draw(st.sampled_from(("zeros", "replicate"))),
        "fill_value": draw(st.sampled_from((0, 0, 3))),
        "stride": draw(st.sampled_from((1, 1, 2, 3))),
        "dilation": draw(st.sampled_from((1, 1, 2, 7))),
        "method": draw(st.sampled_from(("auto", "direct", "fft"))),
    }
    if keywords["mode"] == "valid":
        shape[axis] = max(shape[axis], oracle.reach(taps, keywords["dilation"]))
    text = f"streamed(ndconv.CorrelateStream(kernel{{keywords}}{{more}}), x, {_cuts(draw, shape[axis])}, {axis})"
    made = {"x": draw(operands(shape, dtype)), "kernel": draw(operands(kernel, dtype))}
    return Call("CorrelateStream", text, made, keywords, refusals=("method=",))
