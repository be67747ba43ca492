"""Drawn layers whose signal comes in chunks."""

from hypothesis import strategies as st

from support.layouts import values
from support.strategies import generators

FLOATING = ("float16", "float32", "float64", "complex64", "complex128")
DTYPES = (*FLOATING, "int8", "int32", "uint64")

#: Kernels that are short, and that are long enough for the Fourier method.
SHORT, LONG = (1, 2, 3, 5, 9, 40, 130), (130, 300)
FEW, MANY = st.sampled_from((1, 1, 2, 3, 8, 20)), st.one_of(st.sampled_from((16, 32, 33, 64, 128)), st.integers(1, 300))


@st.composite
def layers(draw, dtypes=DTYPES, taps=SHORT, channels=FEW):
    """Draw the arguments of a causal layer, but its method, and a signal for it."""
    rng = draw(generators())
    groups = draw(st.sampled_from((1, 1, 1, 2, 3)))
    inputs, outputs = draw(channels), draw(st.sampled_from((1, 1, 2, 5, 17, 33)))
    dtype = draw(st.sampled_from(dtypes))
    weight = values(rng, (groups * outputs, inputs, draw(st.sampled_from(taps))), dtype)
    x_type = draw(st.sampled_from((dtype, "int8" if dtype in ("float32", "complex64") else dtype)))
    keywords = {
        "stride": draw(st.sampled_from((1, 1, 2, 3, 5, 9))),
        "dilation": draw(st.sampled_from((1, 1, 2, 7, 40))),
        "padding": "causal",
        "padding_mode": draw(st.sampled_from(("zeros", "replicate", "edge"))),
        "fill_value": draw(st.sampled_from((0, 0, 3))),
        "groups": groups,
        "channel_axis": draw(st.sampled_from((None, -1))),
    }
    if dtype.startswith("float"):
        keywords["activation"] = draw(st.sampled_from((None, "relu", "gelu", "hardswish")))
    if draw(st.booleans()):
        keywords["bias"] = values(rng, len(weight), dtype)
    batch = draw(st.sampled_from(((), (2,))))
    samples = draw(st.sampled_from((1, 5, 31, 200, 400)))
    shape = (samples, groups * inputs) if keywords["channel_axis"] == -1 else (groups * inputs, samples)
    return values(rng, (*batch, *shape), x_type), weight, keywords
