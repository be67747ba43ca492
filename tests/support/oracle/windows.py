"""Which samples an output reads: padding, positions, and views of sliding windows."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

#: Every name that `padding_mode` accepts, by the mode that it means.
MODE_NAMES = {
    "zeros": ("zeros", "zero", "constant", "fill"),
    "replicate": ("replicate", "edge", "nearest", "extend"),
    "reflect": ("reflect", "mirror", "reflect_101"),
    "symmetric": ("symmetric", "symm", "grid-mirror"),
    "circular": ("circular", "wrap", "periodic", "grid-wrap"),
}
MODES = tuple(MODE_NAMES)
NUMPY_NAME = {
    "zeros": "constant",
    "replicate": "edge",
    "reflect": "reflect",
    "symmetric": "symmetric",
    "circular": "wrap",
}
CANONICAL = {name: mode for mode, names in MODE_NAMES.items() for name in names}


def per_axis(value, d):
    return (int(value),) * d if np.ndim(value) == 0 else tuple(int(v) for v in value)


def extend(x, axis, start, stop, mode, fill_value=0):
    """Return the samples `start` to `stop - 1` of an axis of `x`, which may lie outside it on either side."""
    size = x.shape[axis]
    before, after = max(0, -start), max(0, stop - size)
    if before or after:
        widths = [(0, 0)] * x.ndim
        widths[axis] = (before, after)
        name = NUMPY_NAME[CANONICAL[mode]]
        x = np.pad(x, widths, name, **({"constant_values": fill_value} if name == "constant" else {}))
    cut = [slice(None)] * x.ndim
    cut[axis] = slice(start + before, stop + before)
    return x[tuple(cut)]


def reach(kernel, dilation):
    """Count the samples from the first to the last tap of a dilated kernel."""
    return dilation * (kernel - 1) + 1


def resolve_padding(padding, sizes, kernel, stride, dilation):
    """Return one pair (before, after) per axis from any spelling of a layer's padding."""
    d = len(sizes)
    if not isinstance(padding, str):
        if np.ndim(padding) == 0:
            return ((int(padding), int(padding)),) * d
        return tuple((int(p), int(p)) if np.ndim(p) == 0 else (int(p[0]), int(p[1])) for p in padding)
    pairs = []
    for size, k, s, e in zip(sizes, kernel, stride, dilation, strict=True):
        span = reach(k, e)
        total = max((math.ceil(size / s) - 1) * s + span - size, 0)
        pairs.append(
            {
                "valid": (0, 0),
                "same": (total // 2, total - total // 2),
                "same_lower": (total - total // 2, total // 2),
                "full": (span - 1, span - 1),
                "causal": (span - 1, 0),
            }[padding]
        )
    return tuple(pairs)


def positions(padding, sizes, kernel, stride, dilation):
    """Return how many outputs a layer has along each axis."""
    pairs = resolve_padding(padding, sizes, kernel, stride, dilation)
    return tuple(
        (n + before + after - reach(k, e)) // s + 1
        for n, (before, after), k, e, s in zip(sizes, pairs, kernel, dilation, stride, strict=True)
    )


def windows_of(x, axes, kernel, stride, dilation):
    """Return a view of `x`: its `axes` shortened to the output positions, and an axis per kernel axis at the end."""
    spans = tuple(reach(k, e) for k, e in zip(kernel, dilation, strict=True))
    view = sliding_window_view(x, spans, axis=axes)
    every = [slice(None)] * x.ndim
    for axis, s in zip(axes, stride, strict=True):
        every[axis] = slice(None, None, s)
    return view[(*every, *(slice(None, None, e) for e in dilation))]


def fold(padded, axis, start, stop, size, mode):
    """Add the samples `start` to `stop - 1` of an axis to the samples that `extend` had them from: its adjoint."""
    source = extend(np.arange(size), 0, start, stop, mode, -1)
    padded = np.moveaxis(padded, axis, 0)
    total = np.zeros((size, *padded.shape[1:]), padded.dtype)
    np.add.at(total, source[source >= 0], padded[source >= 0])
    return np.moveaxis(total, 0, axis)


def transposed_size(padding, output_padding, sizes, kernel, stride, dilation):
    """Return the pairs of samples that a transposed layer leaves out, and the shape of its output."""
    whole = [n * s for n, s in zip(sizes, stride, strict=True)]
    pairs = resolve_padding(padding, whole, kernel, stride, dilation)
    if padding in ("same", "same_lower"):
        return pairs, tuple(n + e for n, e in zip(whole, per_axis(output_padding, len(sizes)), strict=True))
    return pairs, tuple(
        (n - 1) * s - before - after + reach(k, e) + extra
        for n, s, (before, after), k, e, extra in zip(
            sizes, stride, pairs, kernel, dilation, per_axis(output_padding, len(sizes)), strict=True
        )
    )
