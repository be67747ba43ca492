"""Drawn calls of the drop-ins for `scipy.ndimage` and `scipy.signal`."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from fuzz.calls import Call, Name
from fuzz.operands import operands
from support import filters
from support.layouts import DTYPES, Place

DROP_IN_DTYPES = [t for t in DTYPES if t != "float16"]


@st.composite
def filter_calls(draw, name):
    ndim = draw(st.sampled_from((1, 1, 2, 2, 3)))
    longest = draw(st.sampled_from((7, 7, {1: 500, 2: 40, 3: 12}[ndim])))
    shape = draw(st.tuples(*[st.integers(1, longest)] * ndim))
    keywords = draw(filters.keywords_of(name, ndim))
    dtype = draw(st.sampled_from(DROP_IN_DTYPES))
    # Several passes cast what lies between them, and out of range that is anybody's guess.
    one_pass = name.endswith("1d") or name in ("correlate", "convolve")
    tame = None if one_pass or not dtype.endswith("int64") else ["ones", "ramp"]
    made = {"x": draw(operands(shape, dtype, tame))}
    given = "x"
    if name in filters.DERIVATIVES:
        del keywords[filters.DERIVATIVES[name]]
        given = "x, filters.derivative"
    if "weights" in keywords:
        taps = keywords["weights"].shape
        if draw(st.integers(0, 3)) == 3 and not np.any(keywords.get("origin", 0)):
            # SciPy itself miscounts reflections of windows that are much longer than the array.
            longest = min(60 if len(taps) == 1 else 11, 2 * min(shape))
            taps = tuple(draw(st.integers(1, longest)) for _ in taps)
            keywords.pop("origin", None)
        made["weights"] = draw(operands(taps, keywords["weights"].dtype))
        keywords["weights"] = Name("weights")
    output = draw(st.none() | st.sampled_from(DROP_IN_DTYPES))
    out = None
    if name.startswith("gaussian") and (output or made["x"].dtype).endswith("int64"):
        output = "float64"  # derivatives of 64-bit integers are larger than what doubles hold exactly
    if output is not None:
        keywords["output"] = output
        out = draw(st.sampled_from((None, *Place.layouts, "x")))
    return Call(f"ndimage.{name}", f"ndconv.ndimage.{name}({given}{{keywords}}{{more}})", made, keywords, out)


@st.composite
def convolution_calls(draw, name):
    ndim = 2 if name.endswith("2d") else draw(st.sampled_from((1, 1, 2, 3)))
    longest = draw(st.sampled_from((5, 9, {1: 2000, 2: 40, 3: 9}[ndim])))
    shapes = [draw(st.tuples(*[st.integers(1, longest)] * ndim)) for _ in range(2)]
    some = [t for t in DROP_IN_DTYPES if t != "bool"]
    first = draw(st.sampled_from(some))
    second = draw(st.just(first) | st.sampled_from(some))
    keywords = {"mode": draw(st.sampled_from(("full", "same", "valid")))}
    if name in ("correlate", "convolve"):
        keywords["method"] = draw(st.sampled_from(("auto", "direct")))
    elif name in ("fftconvolve", "oaconvolve"):
        axes = draw(st.none() | st.sets(st.integers(0, ndim - 1), min_size=1).map(sorted))
        if axes is not None:
            shapes[1] = tuple(n if axis in axes else 1 for axis, n in enumerate(shapes[1]))
        keywords["axes"] = axes
    else:
        keywords["boundary"] = draw(st.sampled_from(("fill", "wrap", "symm")))
        keywords["fillvalue"] = draw(st.sampled_from((0, 0, 1)))
    if keywords["mode"] == "valid":
        shapes[0] = tuple(map(max, *shapes))
    made = {"in1": draw(operands(shapes[0], first)), "in2": draw(operands(shapes[1], second))}
    return Call(f"signal.{name}", f"ndconv.signal.{name}(in1, in2{{keywords}})", made, keywords)


@st.composite
def upfirdn(draw):
    shape = draw(st.lists(st.integers(2, 9), min_size=1, max_size=3))
    axis = draw(st.integers(-len(shape), -1))
    shape[axis] = draw(st.sampled_from((2, 3, 9, 40, 300)))
    dtype = st.sampled_from(("float64", "float32", "complex64", "complex128", "int32", "uint8"))
    taps = draw(st.integers(1, 12) | st.sampled_from((60, 200)))
    made = {"h": draw(operands((taps,), draw(dtype))), "x": draw(operands(shape, draw(dtype)))}
    keywords = {
        "up": draw(st.integers(1, 9)), "down": draw(st.integers(1, 9)), "axis": axis,
        "mode": draw(st.sampled_from(("constant", "wrap", "edge", "symmetric", "reflect", "smooth", "line",
                                      "antisymmetric", "antireflect"))),
        "cval": draw(st.sampled_from((0, 0, 1.5))),
    }  # fmt: skip
    return Call("signal.upfirdn", "ndconv.signal.upfirdn(h, x{keywords})", made, keywords)


@st.composite
def signal_filters(draw, name):
    """Draw a call of a filter along an axis."""
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    axis = draw(st.integers(-len(shape), -1))
    shape[axis] = draw(st.sampled_from((40, 100, 300)))
    floats = st.sampled_from(("float64", "float32", "complex64", "complex128"))
    made = {"x": draw(operands(shape, draw(floats | st.sampled_from(("int32", "uint8")))))}
    keywords = {"axis": axis}
    if name in ("lfilter", "filtfilt"):
        made["b"] = draw(operands((draw(st.integers(2, 12)),), draw(floats)))
        keywords["a"] = draw(st.sampled_from((1.0, -0.5)))
        if name == "filtfilt":
            keywords |= {"padtype": draw(st.sampled_from(("odd", "even", "constant", None)))}
            keywords["padlen"] = draw(st.none() | st.integers(0, 39))
    elif name == "decimate":
        keywords |= {"q": draw(st.integers(2, 7)), "ftype": "fir", "zero_phase": draw(st.booleans())}
    elif name == "resample_poly":
        keywords |= {"up": draw(st.integers(1, 9)), "down": draw(st.integers(1, 9))}
        keywords["padtype"] = draw(st.sampled_from(("constant", "mean", "maximum", "edge", "wrap")))
    else:
        keywords |= {"window_length": draw(st.integers(4, 15)), "polyorder": draw(st.integers(0, 3))}
        keywords |= {"deriv": draw(st.integers(0, 2)), "mode": draw(st.sampled_from(("interp", "nearest", "wrap")))}
    given = ", ".join(f"{each}={each}" for each in made)
    return Call(f"signal.{name}", f"ndconv.signal.{name}({given}{{keywords}})", made, keywords)


@st.composite
def savgol_coeffs(draw):
    window = draw(st.integers(6, 40))
    keywords = {"deriv": draw(st.integers(0, 3)), "use": draw(st.sampled_from(("conv", "dot")))}
    call = f"ndconv.signal.savgol_coeffs({window}, {draw(st.integers(0, 5))}{{keywords}})"
    return Call("signal.savgol_coeffs", call, {}, keywords)


@st.composite
def scipy_only(draw, name):
    mode = draw(st.sampled_from(("full", "same", "valid")))
    sizes = tuple(draw(st.integers(1, 300)) for _ in range(2))
    if name == "correlation_lags":
        return Call(f"signal.{name}", f"ndconv.signal.{name}({sizes[0]}, {sizes[1]}{{keywords}})", {}, {"mode": mode})
    made = {
        key: draw(operands((n,), draw(st.sampled_from(DTYPES)))) for key, n in zip(("in1", "in2"), sizes, strict=True)
    }
    return Call(f"signal.{name}", f"ndconv.signal.{name}(in1, in2{{keywords}})", made, {"mode": mode})
