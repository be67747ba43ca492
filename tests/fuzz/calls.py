"""Calls for the fuzzer: a drawer for each public function, of arrays that are awkward in layout and in value.

A call is kept as the text of an expression and the recipes of its arrays. That text is what runs, and what is printed
where it fails.
"""

from __future__ import annotations

import functools
import inspect
import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse  # noqa: F401 - in the text of calls
from hypothesis import strategies as st

import ndconv
import ndconv.ndimage
import ndconv.signal
from support import filters, graphs, layouts, oracle, strategies, streams
from support.layouts import DTYPES, FLOATS, LAYOUTS, Place

nan, inf = math.nan, math.inf

# --- Arrays -----------------------------------------------------------------------------------------------------------


def _limits(dtype):
    return np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)


def _ramp(rng, shape, dtype):
    return (np.arange(math.prod(shape)) % 7 - (0 if dtype.kind == "u" else 3)).reshape(shape)


def _outer(rng, shape, dtype):
    """Return an outer product, which passes along each axis may take the place of."""
    product = np.ones((1,) * len(shape))
    for axis, size in enumerate(shape):
        line = rng.integers(1, 3, size) if dtype.kind in "biu" else rng.standard_normal(size)
        product = product * line.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return product


def _outlier(rng, shape, dtype):
    a = layouts.values(rng, shape, dtype)
    if a.size:
        a.flat[rng.integers(a.size)] = {2: 3e4, 4: 1e9}.get(a.real.itemsize, 1e14)
    return a


def _spread(rng, shape, dtype):
    """Return magnitudes all over the type's range, the squares of which would mostly be too large or too small."""
    largest = {2: 4, 4: 30}.get(layouts.values(rng, (), dtype).real.itemsize, 250)
    return layouts.values(rng, shape, dtype) * 10.0 ** rng.integers(-largest, largest, shape)


#: What an array holds, from the simplest on; those of the second table are for floating types alone.
CONTENTS = {
    "ones": lambda rng, shape, dtype: np.ones(shape),
    "ramp": _ramp,
    "values": layouts.values,
    "outer": _outer,
    "limits": lambda rng, shape, dtype: rng.choice(np.array([_limits(dtype).min, _limits(dtype).max], dtype), shape),
}
FLOATING_CONTENTS = {
    "outlier": _outlier,
    "spread": _spread,
    "tiny": lambda rng, shape, dtype: layouts.values(rng, shape, dtype) * np.finfo(dtype).smallest_subnormal * 8,
    "mostly zero": lambda rng, shape, dtype: layouts.values(rng, shape, dtype) * (rng.random(shape) < 0.1),
}
SPECIAL = (nan, inf, -inf, -0.0)
ARRANGEMENTS = ("contiguous", *sorted(set(LAYOUTS) - {"contiguous"}))


@dataclass(frozen=True)
class Operand:
    """The recipe of an array."""

    shape: tuple[int, ...]
    dtype: str
    content: str = "ones"
    seed: int = 0
    spots: tuple[tuple[int, float], ...] = ()
    layout: str = "contiguous"

    def plain(self) -> np.ndarray:
        """Return the array without its layout."""
        dtype = np.dtype(self.dtype)
        with np.errstate(all="ignore"):
            fill = (CONTENTS | FLOATING_CONTENTS)[self.content]
            a = np.asarray(fill(np.random.default_rng(self.seed), self.shape, dtype)).astype(dtype)
            for index, value in self.spots:
                a.flat[index] = value
        return a

    def array(self) -> np.ndarray:
        a = self.plain()
        if self.layout == "masked":  # the first element
            return np.ma.array(a, mask=np.arange(a.size).reshape(a.shape) == 0)
        return LAYOUTS[self.layout](a)

    def code(self) -> str:
        """Return an expression for the array: its numbers if they are few, else the recipe."""
        a = self.plain()
        if a.size > 60 or self.layout == "masked" or not a.size:
            return f"{self!r}.array()"
        text = f"np.array({a.tolist()!r}, {str(a.dtype)!r})"
        return text if self.layout == "contiguous" else f"layouts.{LAYOUTS[self.layout].__name__}({text})"


@st.composite
def operands(draw, shape, dtype, contents=None, special=SPECIAL, masked=True):
    """Draw an array of a shape and a type."""
    dtype, size = np.dtype(dtype).newbyteorder("="), math.prod(shape)
    floating = dtype.kind in "fc"
    if contents is None:
        contents = [name for name in CONTENTS if not (name == "limits" and dtype.kind in "bfc")]
        contents += [*FLOATING_CONTENTS, "values", "values"] if floating else []
    content = draw(st.sampled_from(contents))
    seed = 0 if content in ("ones", "ramp") else draw(st.integers(0, 99))
    spots = ()
    if floating and size and special and draw(st.integers(0, 2)) == 2:
        spots = tuple(draw(st.lists(st.tuples(st.integers(0, size - 1), st.sampled_from(special)), max_size=2)))
    layout = draw(st.sampled_from(ARRANGEMENTS))
    if masked and size and draw(st.integers(0, 199)) == 199:
        layout = "masked"
    return Operand(tuple(shape), str(dtype), content, seed, spots, layout)


# --- Calls ------------------------------------------------------------------------------------------------------------


class Name(str):
    """The name of an operand, as a keyword's value."""

    __slots__ = ()
    __repr__ = str.__str__


@functools.cache
def _defaults(function: str) -> dict[str, Any]:
    """Return the defaults of a function's keywords, which a call need not say."""
    called = ndconv
    for part in function.split(".")[: 1 if function[0].isupper() else 2]:
        called = getattr(called, part)
    return {name: p.default for name, p in inspect.signature(called).parameters.items()}


@dataclass(frozen=True, repr=False)
class Call:
    """A call of a public function.

    `text` is its expression, with `{keywords}` in the place of keywords and `{more}` in that of `out` and `workers`.
    """

    function: str
    text: str
    operands: dict[str, Operand | np.ndarray]
    keywords: dict[str, Any]
    out: str | None = None  # a layout, or the operand to write over
    refusals: tuple[str, ...] = ()  # what a ValueError may say of a call that is well-formed
    bad: str | None = None  # the argument that is wrong
    facts: tuple = ()  # what else the expected answer depends on

    @property
    def is_drop_in(self) -> bool:
        return self.function.startswith(("ndimage.", "signal."))

    @property
    def masked(self) -> set[str]:
        """The names of the operands that are masked arrays."""
        return {name for name, o in self.operands.items() if isinstance(o, Operand) and o.layout == "masked"}

    @property
    def traits(self) -> str:
        """What is uncommon about the call: finds with other traits are of other kinds."""
        told = [f"{n}={self.keywords[n]}" for n in ("method", "normalized", "nan_policy") if n in self.keywords]
        contents = {o.content for o in self.operands.values() if isinstance(o, Operand)}
        told += ["masked"] * bool(self.masked) + ["sizes far apart"] * bool(contents & {"outlier", "spread", "tiny"})
        return ", ".join(each for each in told if each not in ("method=auto", "method=direct", "nan_policy=raise"))

    def arrays(self) -> dict[str, np.ndarray]:
        return {name: o.array() if isinstance(o, Operand) else o for name, o in self.operands.items()}

    def resolved(self, arrays: dict) -> dict[str, Any]:
        """Return the keywords with arrays in the place of their names."""
        return {key: arrays[value] if isinstance(value, Name) else value for key, value in self.keywords.items()}

    def expression(self, **more) -> str:
        defaults = _defaults(self.function)
        told = {n: v for n, v in self.keywords.items() if type(v) is not type(defaults.get(n)) or v != defaults[n]}
        parts = ("".join(f", {name}={value!r}" for name, value in each.items()) for each in (told, more))
        return self.text.format(**dict(zip(("keywords", "more"), parts, strict=True)))

    def run(self, arrays: dict, **more) -> Any:
        """Return what the expression gives for arrays."""
        return eval(self.expression(**more), globals() | arrays)

    def __repr__(self) -> str:
        """Return the call as a piece of Python to paste, with this folder on the path."""
        lines = ["from fuzz.calls import *"]
        for name, o in self.operands.items():
            code = o.code() if isinstance(o, Operand) else f"np.array({o.tolist()!r}, '{o.dtype}')"
            lines.append(f"{name} = {code}")
        lines.append(f"y = {self.expression()}")
        if self.out is not None:
            lines.append(f"# and with {'output' if self.is_drop_in else 'out'}: {self.out}")
        return "\n".join(lines)


def streamed(stream, x, cuts, axis):
    """Return all outputs of a stream for x cut into chunks."""
    return np.concatenate([*map(stream.push, np.split(x, cuts, axis)), stream.flush()], axis)


@st.composite
def _redrawn(draw, function, text, strategy, names, *, contents=None, special=SPECIAL, masked=True):
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


METHODS = st.sampled_from(("auto", "auto", "direct", "winograd", "fft"))


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


@st.composite
def large_correlations(draw):
    """Draw correlations for which "auto" may take another method than the direct one."""
    d = draw(st.sampled_from((1, 2, 2, 3)))
    taps = tuple(draw(st.integers(1, {1: 300, 2: 20, 3: 7}[d])) for _ in range(d))
    sizes = tuple(draw(st.integers(1, {1: 3000, 2: 90, 3: 20}[d])) + k for k in taps)
    dtype = draw(st.sampled_from(("float32", "float64", "complex128", "int16")))
    keywords = {
        "mode": draw(st.sampled_from(("full", "same", "valid"))),
        "padding_mode": draw(strategies.padding_modes(d)),
        "stride": draw(st.sampled_from((1, 1, 2))),
        "dilation": draw(st.sampled_from((1, 1, 2))),
    }
    sizes = tuple(max(n, 2 * k) for n, k in zip(sizes, taps, strict=True))
    return strategies.Call((np.zeros(sizes, dtype), np.zeros(taps, dtype)), keywords)


def conv_layer():
    text = "ndconv.conv_layer(x, weight{keywords}{more})"
    some = partial(_redrawn, "conv_layer", text, names=("x", "weight"))
    return some(strategies.layer_calls()) | some(large_layers())


def layer_object():
    """`ConvLayer`, whose residual belongs to the call."""

    def prepared(call):
        own = {name: value for name, value in call.keywords.items() if name != "residual"}
        added = ", residual=residual" if "residual" in call.keywords else ""
        return replace(call, keywords=own, text=f"ndconv.ConvLayer(weight{{keywords}})(x{added}{{more}})")

    some = partial(_redrawn, "ConvLayer", "", names=("x", "weight"))
    return (some(strategies.layer_calls()) | some(large_layers())).map(prepared)


def conv_layer_backward():
    text = "ndconv.conv_layer_backward(grad_y, x, weight{keywords}{more})"
    return _redrawn("conv_layer_backward", text, strategies.layer_backward_calls(), ("grad_y", "x", "weight"))


def layer_object_backward():
    def prepared(call):
        own = {name: value for name, value in call.keywords.items() if name != "needs"}
        text = f"ndconv.ConvLayer(weight{{keywords}}).backward(grad_y, x, needs={call.keywords['needs']!r}{{more}})"
        return replace(call, keywords=own, text=text, facts=(call.keywords["needs"],))

    return _redrawn(
        "ConvLayer.backward", "", strategies.layer_backward_calls(), ("grad_y", "x", "weight")
    ).map(prepared)  # fmt: skip


def conv_transpose_layer():
    text = "ndconv.conv_transpose_layer(x, weight{keywords}{more})"
    return _redrawn("conv_transpose_layer", text, strategies.transpose_calls(), ("x", "weight"))


def conv_transpose_layer_backward():
    text = "ndconv.conv_transpose_layer_backward(grad_y, x, weight{keywords}{more})"
    return _redrawn(
        "conv_transpose_layer_backward", text, strategies.transpose_backward_calls(), ("grad_y", "x", "weight")
    )


@st.composite
def _correlations(draw, name):
    text = f"ndconv.{name}(x, kernel{{keywords}}{{more}})"
    strategy = strategies.correlation_calls(mirrored=name == "convolve_nd") | large_correlations()
    kind = draw(st.sampled_from(("plain", "plain", "plain", "dtype", "normalized", "omit", "raise")))
    names = ("x", "kernel")
    if kind == "omit":  # whose quotients have no promise for other weights than positive ones, and numbers alike
        call = draw(_redrawn(name, text, strategy, names, contents=["ones", "ramp", "values"], special=(nan,)))
        kernel = replace(call.operands["kernel"], content="ones", spots=())
        return replace(
            call, operands=call.operands | {"kernel": kernel}, keywords=call.keywords | {"nan_policy": "omit"},
            refusals=("method=", "nan_policy='omit'"),
        )  # fmt: skip
    call = draw(_redrawn(name, text, strategy, names, masked=kind == "plain"))
    if kind == "dtype":
        wide = draw(st.sampled_from(("int64", "float32", "float64", "complex128")))
        return replace(call, keywords=call.keywords | {"dtype": wide}, refusals=("method=", "dtype"))
    if kind == "raise":
        return replace(call, keywords=call.keywords | {"nan_policy": "raise"}, refusals=("method=", "nan_policy"))
    if kind == "normalized" and name == "correlate_nd":
        return replace(
            call, keywords=call.keywords | {"normalized": True}, refusals=("method=", "kernel must vary", "real x")
        )
    return call


def correlate_nd():
    return _correlations("correlate_nd")


def convolve_nd():
    return _correlations("convolve_nd")


# --- Streams ----------------------------------------------------------------------------------------------------------


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


# --- Graphs, normalisation, shapes ------------------------------------------------------------------------------------


@st.composite
def _graphs(draw, backward=False):
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


@st.composite
def _shapes(draw, name):
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


# --- Drop-ins ---------------------------------------------------------------------------------------------------------

DROP_IN_DTYPES = [t for t in DTYPES if t != "float16"]


@st.composite
def _ndimage(draw, name):
    ndim = draw(st.sampled_from((1, 1, 2, 2, 3)))
    longest = draw(st.sampled_from((7, 7, {1: 500, 2: 40, 3: 12}[ndim])))
    shape = draw(st.tuples(*[st.integers(1, longest)] * ndim))
    keywords = draw(filters.keywords_of(name, ndim))
    dtype = draw(st.sampled_from(DROP_IN_DTYPES))
    # Several passes cast what lies between them, and out of range that is anybody's guess.
    one_pass = name.endswith("1d") or name in ("correlate", "convolve")
    tame = None if one_pass or not dtype.endswith("int64") else ["ones", "ramp"]
    made = {"x": draw(operands(shape, dtype, tame))}
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
    return Call(f"ndimage.{name}", f"ndconv.ndimage.{name}(x{{keywords}}{{more}})", made, keywords, out)


@st.composite
def _convolutions(draw, name):
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
def _scipy_only(draw, name):
    mode = draw(st.sampled_from(("full", "same", "valid")))
    sizes = tuple(draw(st.integers(1, 300)) for _ in range(2))
    if name == "correlation_lags":
        return Call(f"signal.{name}", f"ndconv.signal.{name}({sizes[0]}, {sizes[1]}{{keywords}})", {}, {"mode": mode})
    made = {
        key: draw(operands((n,), draw(st.sampled_from(DTYPES)))) for key, n in zip(("in1", "in2"), sizes, strict=True)
    }
    return Call(f"signal.{name}", f"ndconv.signal.{name}(in1, in2{{keywords}})", made, {"mode": mode})


# --- The table --------------------------------------------------------------------------------------------------------

DRAWERS = {
    "conv_layer": conv_layer,
    "ConvLayer": layer_object,
    "ConvLayer.backward": layer_object_backward,
    "ConvLayer.stream": layer_stream,
    "ConvLayer.explain": explain,
    "conv_layer_backward": conv_layer_backward,
    "conv_transpose_layer": conv_transpose_layer,
    "conv_transpose_layer_backward": conv_transpose_layer_backward,
    "correlate_nd": correlate_nd,
    "convolve_nd": convolve_nd,
    "CorrelateStream": correlate_stream,
    "graph_conv": _graphs,
    "graph_conv_backward": partial(_graphs, backward=True),
    "fold_batch_norm": fold_batch_norm,
    "output_shape": partial(_shapes, "output_shape"),
    "layer_cost": partial(_shapes, "layer_cost"),
    "receptive_field": receptive_field,
    **{f"ndimage.{name}": partial(_ndimage, name) for name in ndconv.ndimage.__all__},
    **{
        f"signal.{name}": partial(_convolutions, name)
        for name in ("correlate", "convolve", "fftconvolve", "oaconvolve", "correlate2d", "convolve2d")
    },
    "signal.upfirdn": upfirdn,
    "signal.correlation_lags": partial(_scipy_only, "correlation_lags"),
    "signal.choose_conv_method": partial(_scipy_only, "choose_conv_method"),
}

#: With some modes, SciPy does not survive arrays that are empty.
DEADLY = ("upfirdn", "2d")

#: Values that are wrong for most keywords.
WRONG = (2**62, 2**63, 2**70, -(2**70), -1, 0, 1.5, nan, "x", b"x", (), (1, 2, 3, 4, 5), [[1]], ((1,),), {}, True, 1j)
NOT_SPOILED = ("bias", "residual", "needs", "weights", "output")


@st.composite
def spoiled(draw, calls):
    """Draw a call, now and then with a wrong value for one of its keywords, or with an array that is empty."""
    call = draw(calls)
    names = [name for name in call.keywords if name not in NOT_SPOILED]
    arrays = [name for name, o in call.operands.items() if isinstance(o, Operand) and o.shape]
    how = draw(st.integers(0, 19))
    if how == 18 and arrays and not call.function.endswith(DEADLY):
        name = draw(st.sampled_from(arrays))
        o = call.operands[name]
        axis = draw(st.integers(0, len(o.shape) - 1))
        emptied = replace(o, shape=(*o.shape[:axis], 0, *o.shape[axis + 1 :]), spots=(), layout="contiguous")
        operands = call.operands | {name: emptied}
        return replace(call, operands=operands, out=None, bad=None if call.is_drop_in else name)
    if how == 19 and names and not call.is_drop_in:
        name = draw(st.sampled_from(names))
        return replace(call, keywords=call.keywords | {name: draw(st.sampled_from(WRONG))}, out=None, bad=name)
    return call
