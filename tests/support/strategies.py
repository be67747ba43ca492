"""Hypothesis strategies that draw whole calls: geometries, types, layouts and keywords that fit together."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from support.layouts import DTYPES, FLOATS, LAYOUTS, Place, swapped, values
from support.oracle import (
    ACTIVATIONS,
    CANONICAL,
    per_axis,
    positions,
    reach,
    resolve_padding,
    result_dtype,
    transposed_size,
)

NAMED_PADDINGS = ("valid", "same", "same_lower", "full", "causal")


#: A strategy takes long to make, beside what it takes to draw from it: those for the same tuple are one.
any_of = functools.cache(st.sampled_from)


def examples(count):
    """Let a test draw so many examples by default, and more or fewer by hypothesis' other profiles."""
    usual = settings.get_profile("default").max_examples
    return settings(max_examples=max(1, count * settings.default.max_examples // usual))


def _describe(a):
    return f"<{a.dtype} {a.shape} strides {a.strides}{'' if a.flags.writeable else ' read-only'}>"


@dataclass(frozen=True, repr=False)
class Call:
    """The arguments of a call; `out` is a layout's name, or None."""

    arrays: tuple[np.ndarray, ...]
    keywords: dict
    out: str | None = None

    def __repr__(self):
        shown = {k: _describe(v) if isinstance(v, np.ndarray) else v for k, v in self.keywords.items()}
        arguments = [*map(_describe, self.arrays), *(f"{k}={v!r}" for k, v in shown.items())]
        return f"({', '.join(arguments)}), out: {self.out}"

    def place(self, reference):
        """Return where to write the result, or None."""
        return None if self.out is None else Place(reference.shape, reference.dtype, self.out)


def generators():
    return st.integers(0, 2**32 - 1).map(np.random.default_rng)


@st.composite
def arrays(draw, rng, shape, dtype):
    """Draw an array of random values in a random layout, sometimes in the other byte order or read-only too."""
    a = values(rng, shape, dtype)
    if draw(st.integers(0, 5)) == 0:
        a = swapped(a)
    a = LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](a)
    if draw(st.booleans()):
        a = a.view()
        a.flags.writeable = False
    return a


def pairs_of_dtypes():
    """Draw two types: mostly equal, else any two. A bool beside another type is left to a test of its own."""
    same = st.sampled_from(DTYPES).map(lambda t: (t, t))
    floating = st.sampled_from(FLOATS).map(lambda t: (t, t))
    mixed = st.tuples(st.sampled_from(DTYPES[1:]), st.sampled_from(DTYPES[1:]))
    return st.one_of(floating, same, mixed)


def _maybe_scalar(draw, values):
    """Return one number for all axes where they agree and chance wants it."""
    if len(set(values)) == 1 and draw(st.booleans()):
        return values[0]
    return draw(any_of((tuple, list)))(values)


@st.composite
def padding_modes(draw, d):
    names = st.sampled_from(sorted(CANONICAL))
    return draw(names) if draw(st.booleans()) else tuple(draw(names) for _ in range(d))


@st.composite
def layer_calls(draw):
    """Draw a call of `conv_layer` with everything that may vary."""
    rng = draw(generators())
    d = draw(any_of((1, 1, 2, 2, 2, 3, 3, 4)))
    largest = {1: 80, 2: 24, 3: 9, 4: 5}[d]
    axis = st.integers(1, 3)
    kernel = [draw(st.integers(1, {1: 9, 2: 5, 3: 3, 4: 2}[d])) for _ in range(d)]
    stride = [draw(axis) for _ in range(d)]
    dilation = [draw(axis) for _ in range(d)]
    sizes = [draw(st.integers(1, largest)) for _ in range(d)]
    groups = draw(any_of((1, 1, 1, 2, 3, 5)))
    channels = any_of((1, 1, 2, 3, 4, 5, 8, 17) if d < 3 else (1, 1, 2, 3, 5))
    c_in, c_out = draw(channels), draw(channels)
    if draw(st.integers(0, 7)) == 0:
        groups, c_in, c_out = draw(any_of((3, 8, 19))), 1, draw(any_of((1, 1, 2)))
    modes = draw(padding_modes(d))

    padding = draw(any_of((*NAMED_PADDINGS, "number", "numbers", "pairs", "pairs", "wide")))
    if padding == "number":
        padding = draw(st.integers(0, 4))
    elif padding == "numbers":
        padding = [draw(st.integers(0, 4)) for _ in range(d)]
    elif padding == "pairs":
        padding = [(draw(st.integers(0, 5)), draw(st.integers(0, 5))) for _ in range(d)]
    elif padding == "wide":
        widest = {1: 40, 2: 12, 3: 6, 4: 3}[d]
        padding = [(draw(st.integers(0, widest)), draw(st.integers(0, widest))) for _ in range(d)]
    for i, (before, after) in enumerate(resolve_padding(padding, sizes, kernel, stride, dilation)):
        sizes[i] = max(sizes[i], reach(kernel[i], dilation[i]) - before - after)

    batch = draw(any_of((None, None, 1, 2, 3, 0)))
    channel_axis = draw(any_of((None, None, -1)))
    leading = () if batch is None else (batch,)
    inputs, outputs = groups * c_in, groups * c_out
    x_shape = (*leading, *sizes, inputs) if channel_axis == -1 else (*leading, inputs, *sizes)
    x_type, weight_type = draw(pairs_of_dtypes())
    x = draw(arrays(rng, x_shape, x_type))
    weight = draw(arrays(rng, (outputs, c_in, *kernel), weight_type))
    dtype = result_dtype(x, weight)

    keywords = {"padding": padding, "padding_mode": modes, "groups": groups, "channel_axis": channel_axis}
    keywords["stride"] = _maybe_scalar(draw, stride)
    keywords["dilation"] = _maybe_scalar(draw, dilation)
    if draw(st.booleans()):
        keywords["fill_value"] = draw(st.integers(0, 3))
    if draw(st.booleans()):
        keywords["bias"] = draw(arrays(rng, (outputs,), dtype))
    if dtype.kind == "f" and draw(st.booleans()):
        keywords["activation"] = draw(st.sampled_from(sorted(ACTIVATIONS)))
    if draw(st.integers(0, 3)) == 0:
        places = positions(padding, sizes, kernel, stride, dilation)
        shape = (*leading, *places, outputs) if channel_axis == -1 else (*leading, outputs, *places)
        keywords["residual"] = draw(arrays(rng, shape, dtype))
    keywords["method"] = draw(any_of(("direct", "direct", "auto")))
    out = draw(any_of((None, None, *Place.layouts)))
    return Call((x, weight), keywords, out)


NEEDS = ("x", "weight", "bias")


@st.composite
def layer_backward_calls(draw):
    """Draw a call of `conv_layer_backward`: that of a layer, with a gradient of any type."""
    call = draw(layer_calls())
    x, weight = call.arrays
    names = ("stride", "padding", "padding_mode", "fill_value", "dilation", "groups", "channel_axis")
    keywords = {name: call.keywords[name] for name in names if name in call.keywords}
    d, last = weight.ndim - 2, keywords["channel_axis"] == -1
    sizes = x.shape[-d - 1 : -1] if last else x.shape[-d:]
    stride, dilation = per_axis(keywords["stride"], d), per_axis(keywords["dilation"], d)
    places = positions(keywords["padding"], sizes, weight.shape[2:], stride, dilation)
    leading = x.shape[: x.ndim - d - 1]
    shape = (*leading, *places, weight.shape[0]) if last else (*leading, weight.shape[0], *places)
    grad_y = draw(arrays(draw(generators()), shape, draw(dtypes_beside(x, weight))))
    return Call((grad_y, x, weight), {**keywords, "needs": draw(needs())})


def names_of(needs):
    """Return the names of the gradients asked for, however they are given."""
    return {needs} if isinstance(needs, str) else set(needs)


def dtypes_beside(*others):
    """Draw a type: mostly that of the result. A bool beside another type is left to a test of its own."""
    dtype = result_dtype(*others)
    if any(a.dtype == np.bool_ for a in others):
        return st.just(np.dtype(bool))
    return st.one_of(st.just(dtype), st.just(dtype), st.sampled_from(DTYPES[1:]))


def needs():
    return st.one_of(st.just(NEEDS), st.lists(st.sampled_from(NEEDS), max_size=3), st.sampled_from(NEEDS))


@st.composite
def transpose_calls(draw):
    """Draw a call of `conv_transpose_layer` with everything that may vary."""
    rng = draw(generators())
    d = draw(any_of((1, 1, 2, 2, 2, 3, 3, 4)))
    kernel = [draw(st.integers(1, {1: 9, 2: 5, 3: 3, 4: 2}[d])) for _ in range(d)]
    stride = [draw(st.integers(1, {1: 6, 2: 4, 3: 3, 4: 2}[d])) for _ in range(d)]
    dilation = [draw(st.integers(1, 4)) for _ in range(d)]
    sizes = [draw(st.integers(1, {1: 40, 2: 12, 3: 5, 4: 3}[d])) for _ in range(d)]
    extra = [draw(st.integers(0, max(s, e) - 1)) for s, e in zip(stride, dilation, strict=True)]
    groups = draw(any_of((1, 1, 1, 2, 3, 5)))
    channels = any_of((1, 1, 2, 3, 4, 5, 8, 17) if d < 3 else (1, 1, 2, 3, 5))
    c_in, c_out = draw(channels), draw(channels)

    padding = draw(any_of(("same", "same_lower", "valid", "numbers", "pairs", "pairs")))
    spans = [(n - 1) * s + reach(k, e) for n, s, k, e in zip(sizes, stride, kernel, dilation, strict=True)]
    if padding == "numbers":
        padding = [draw(st.integers(0, (span - 1) // 2)) for span in spans]
    elif padding == "pairs":
        before = [draw(st.integers(0, span - 1)) for span in spans]
        padding = [(b, draw(st.integers(0, span - 1 - b))) for b, span in zip(before, spans, strict=True)]
    _, shape = transposed_size(padding, extra, sizes, kernel, stride, dilation)

    leading = draw(any_of(((), (), (1,), (2,), (3,), (0,))))
    channel_axis = draw(any_of((None, None, -1)))
    inputs, outputs = groups * c_in, groups * c_out
    x_shape = (*leading, *sizes, inputs) if channel_axis == -1 else (*leading, inputs, *sizes)
    y_shape = (*leading, *shape, outputs) if channel_axis == -1 else (*leading, outputs, *shape)
    x_type, weight_type = draw(pairs_of_dtypes())
    x = draw(arrays(rng, x_shape, x_type))
    weight = draw(arrays(rng, (inputs, c_out, *kernel), weight_type))
    dtype = result_dtype(x, weight)

    keywords = {"padding": padding, "groups": groups, "channel_axis": channel_axis}
    keywords["stride"] = _maybe_scalar(draw, stride)
    keywords["dilation"] = _maybe_scalar(draw, dilation)
    keywords["output_padding"] = _maybe_scalar(draw, extra)
    if draw(st.booleans()):
        keywords["bias"] = draw(arrays(rng, (outputs,), dtype))
    if dtype.kind == "f" and draw(st.booleans()):
        keywords["activation"] = draw(st.sampled_from(sorted(ACTIVATIONS)))
    if draw(st.integers(0, 3)) == 0:
        keywords["residual"] = draw(arrays(rng, y_shape, dtype))
    keywords["method"] = draw(any_of(("direct", "direct", "auto")))
    return Call((x, weight), keywords, draw(any_of((None, None, *Place.layouts))))


@st.composite
def transpose_backward_calls(draw):
    """Draw a call of `conv_transpose_layer_backward`: that of a layer, with a gradient of any type."""
    call = draw(transpose_calls())
    x, weight = call.arrays
    names = ("stride", "padding", "output_padding", "dilation", "groups", "channel_axis")
    keywords = {name: call.keywords[name] for name in names}
    d, last = weight.ndim - 2, keywords["channel_axis"] == -1
    sizes = x.shape[-d - 1 : -1] if last else x.shape[-d:]
    stride, dilation = per_axis(keywords["stride"], d), per_axis(keywords["dilation"], d)
    _, shape = transposed_size(
        keywords["padding"], keywords["output_padding"], sizes, weight.shape[2:], stride, dilation
    )
    leading, outputs = x.shape[: x.ndim - d - 1], weight.shape[1] * keywords["groups"]
    shape = (*leading, *shape, outputs) if last else (*leading, outputs, *shape)
    grad_y = draw(arrays(draw(generators()), shape, draw(dtypes_beside(x, weight))))
    return Call((grad_y, x, weight), {**keywords, "needs": draw(needs())})


@st.composite
def correlation_calls(draw, mirrored=False):
    """Draw a call of `correlate_nd`, or of `convolve_nd`: modes, lags, axes, broadcasting, types and layouts."""
    rng = draw(generators())
    ndim = draw(any_of((1, 1, 2, 2, 3, 4)))
    spelling = draw(any_of(("all", "fewer", "axes")))
    if spelling == "all":
        axes = tuple(range(ndim))
    elif spelling == "fewer":
        axes = tuple(range(ndim - draw(st.integers(1, ndim)), ndim))
    else:
        axes = tuple(draw(st.permutations(range(ndim)))[: draw(st.integers(1, ndim))])
    d = len(axes)
    largest = {1: 60, 2: 20, 3: 9, 4: 5}[ndim]
    stride = [draw(st.integers(1, 3)) for _ in range(d)]
    dilation = [draw(st.integers(1, 3)) for _ in range(d)]

    x_shape = [draw(st.integers(1, 4)) for _ in range(ndim)]
    kernel_shape = [1] * ndim
    for i in range(ndim):
        if i in axes:
            x_shape[i] = draw(st.integers(1, largest))
            kernel_shape[i] = draw(st.integers(1, {1: 20, 2: 7, 3: 4, 4: 3}[d]))
        elif spelling == "axes":
            kernel_shape[i] = draw(any_of((1, x_shape[i])))
            if draw(st.integers(0, 3)) == 0:
                x_shape[i], kernel_shape[i] = 1, draw(st.integers(1, 4))

    keywords = {"padding_mode": draw(padding_modes(d))}
    keywords["stride"] = _maybe_scalar(draw, stride)
    keywords["dilation"] = _maybe_scalar(draw, dilation)
    if draw(st.booleans()):
        keywords["fill_value"] = draw(st.integers(0, 3))
    what = draw(any_of(("full", "same", "valid", "lags")))
    if what == "lags":
        spans = [reach(kernel_shape[axis], dilation[i]) - 1 for i, axis in enumerate(axes)]
        lowest = [0 if mirrored else -span for span in spans]
        highest = [low + span + x_shape[axis] - 1 for low, span, axis in zip(lowest, spans, axes, strict=True)]
        keywords["lags"] = []
        for low, high in zip(lowest, highest, strict=True):
            first = draw(st.integers(low, high))
            keywords["lags"].append((first, draw(st.integers(first, high))))
        if len(set(keywords["lags"])) == 1 and draw(st.booleans()):
            keywords["lags"] = keywords["lags"][0]
    else:
        keywords["mode"] = what
    if what == "valid":
        for i, axis in enumerate(axes):
            x_shape[axis] = max(x_shape[axis], reach(kernel_shape[axis], dilation[i]))
    if spelling == "axes":
        keywords["axes"] = draw(any_of((axes, tuple(a - ndim for a in axes))))
        if d == 1 and draw(st.booleans()):
            keywords["axes"] = axes[0]
    elif spelling == "fewer":
        kernel_shape = [kernel_shape[a] for a in axes]

    x_type, kernel_type = draw(pairs_of_dtypes())
    x = draw(arrays(rng, x_shape, x_type))
    kernel = draw(arrays(rng, kernel_shape, kernel_type))
    out = draw(any_of((None, None, *Place.layouts)))
    return Call((x, kernel), keywords, out)
