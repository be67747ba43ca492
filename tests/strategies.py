"""Hypothesis strategies that draw whole calls: geometries, types, layouts and keywords that fit together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from layouts import DTYPES, FLOATS, LAYOUTS, Place, swapped, values
from oracle import ACTIVATIONS, CANONICAL, reach, resolve_padding, result_dtype

NAMED_PADDINGS = ("valid", "same", "same_lower", "full", "causal")


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
    return draw(st.sampled_from((tuple, list)))(values)


@st.composite
def padding_modes(draw, d):
    names = st.sampled_from(sorted(CANONICAL))
    return draw(names) if draw(st.booleans()) else tuple(draw(names) for _ in range(d))


@st.composite
def layer_calls(draw):
    """Draw a call of `conv_layer` with everything that may vary."""
    rng = draw(generators())
    d = draw(st.sampled_from((1, 1, 2, 2, 2, 3, 3, 4)))
    largest = {1: 80, 2: 24, 3: 9, 4: 5}[d]
    axis = st.integers(1, 3)
    kernel = [draw(st.integers(1, {1: 9, 2: 5, 3: 3, 4: 2}[d])) for _ in range(d)]
    stride = [draw(axis) for _ in range(d)]
    dilation = [draw(axis) for _ in range(d)]
    sizes = [draw(st.integers(1, largest)) for _ in range(d)]
    groups = draw(st.sampled_from((1, 1, 1, 2, 3, 5)))
    channels = st.sampled_from((1, 1, 2, 3, 4, 5, 8, 17) if d < 3 else (1, 1, 2, 3, 5))
    c_in, c_out = draw(channels), draw(channels)
    if draw(st.integers(0, 7)) == 0:
        groups, c_in, c_out = draw(st.sampled_from((3, 8, 19))), 1, draw(st.sampled_from((1, 1, 2)))
    modes = draw(padding_modes(d))

    padding = draw(st.sampled_from((*NAMED_PADDINGS, "number", "numbers", "pairs", "pairs", "wide")))
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

    batch = draw(st.sampled_from((None, None, 1, 2, 3, 0)))
    channel_axis = draw(st.sampled_from((None, None, -1)))
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
        pairs = resolve_padding(padding, sizes, kernel, stride, dilation)
        positions = [
            (n + b + a - reach(k, e)) // s + 1
            for n, (b, a), k, e, s in zip(sizes, pairs, kernel, dilation, stride, strict=True)
        ]
        shape = (*leading, *positions, outputs) if channel_axis == -1 else (*leading, outputs, *positions)
        keywords["residual"] = draw(arrays(rng, shape, dtype))
    keywords["method"] = draw(st.sampled_from(("direct", "direct", "auto")))
    out = draw(st.sampled_from((None, None, *Place.layouts)))
    return Call((x, weight), keywords, out)


@st.composite
def correlation_calls(draw, mirrored=False):
    """Draw a call of `correlate_nd`, or of `convolve_nd`: modes, lags, axes, broadcasting, types and layouts."""
    rng = draw(generators())
    ndim = draw(st.sampled_from((1, 1, 2, 2, 3, 4)))
    spelling = draw(st.sampled_from(("all", "fewer", "axes")))
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
            kernel_shape[i] = draw(st.sampled_from((1, x_shape[i])))
            if draw(st.integers(0, 3)) == 0:
                x_shape[i], kernel_shape[i] = 1, draw(st.integers(1, 4))

    keywords = {"padding_mode": draw(padding_modes(d))}
    keywords["stride"] = _maybe_scalar(draw, stride)
    keywords["dilation"] = _maybe_scalar(draw, dilation)
    if draw(st.booleans()):
        keywords["fill_value"] = draw(st.integers(0, 3))
    what = draw(st.sampled_from(("full", "same", "valid", "lags")))
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
        keywords["axes"] = draw(st.sampled_from((axes, tuple(a - ndim for a in axes))))
        if d == 1 and draw(st.booleans()):
            keywords["axes"] = axes[0]
    elif spelling == "fewer":
        kernel_shape = [kernel_shape[a] for a in axes]

    x_type, kernel_type = draw(pairs_of_dtypes())
    x = draw(arrays(rng, x_shape, x_type))
    kernel = draw(arrays(rng, kernel_shape, kernel_type))
    out = draw(st.sampled_from((None, None, *Place.layouts)))
    return Call((x, kernel), keywords, out)
