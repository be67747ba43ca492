"""Errors of the methods on random data, measured here and now, in units of eps times the largest B of a channel."""

import matplotlib.pyplot as plt
import numpy as np
from style import FAINT, INK, INPUT, OUTPUT, OUTSIDE

import ndconv

CHANNELS = (1, 4, 16, 64, 256)
# Layers of 3 × 3 on images whose outputs are one tile: of 2 × 2 for F(2, 3), of 4 × 4 for F(4, 3).
LINES = {
    "direct": ("direct", 4, OUTPUT),
    "F(2×2, 3×3)": ("winograd", 2, INPUT),
    "F(4×4, 3×3)": ("winograd", 4, OUTSIDE),
    "fft": ("fft", 4, FAINT),
}


def exactly(x, weight, size):
    """Return a layer's outputs in the type of its arguments, one tap after the other."""
    taps = np.ndindex(weight.shape[2:])
    products = (np.tensordot(weight[..., u, v], x[..., u : u + size, v : v + size], (1, 1)) for u, v in taps)
    return np.moveaxis(sum(products), 0, 1)


def errors(method, size, channels, dtype):
    """Return the errors of a layer's outputs."""
    random = np.random.default_rng(0)
    x = random.standard_normal((1000 // size**2, channels, size + 2, size + 2)).astype(dtype)
    weight = random.standard_normal((16, channels, 3, 3)).astype(dtype)
    layer = ndconv.ConvLayer(weight, method=method)
    assert method != "winograd" or f"F({size}x{size}, 3x3)" in layer.explain(x.shape)
    wide = np.float64 if dtype == "float32" else np.longdouble
    arrays = x.astype(wide), weight.astype(wide)
    largest = exactly(*map(np.abs, arrays), size).max(axis=(0, 2, 3), keepdims=True)
    return np.abs(layer(x) - exactly(*arrays, size)) / largest / np.finfo(dtype).eps


fig, axes = plt.subplots(1, 2, figsize=(8.6, 3.2), sharey=True)
for ax, dtype in zip(axes, ("float32", "float64"), strict=True):
    ax.axhline(32, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
    ax.text(1, 36, "the promise: 32", color=INK, fontsize=8.5, va="bottom")
    for name, (method, size, colour) in LINES.items():
        measured = [errors(method, size, channels, dtype) for channels in CHANNELS]
        ax.plot(CHANNELS, [e.max() for e in measured], "o-", color=colour, markersize=4, label=name)
        ax.plot(CHANNELS, [np.sqrt((e**2).mean()) for e in measured], "o:", color=colour, markersize=3, linewidth=1)
    ax.set(xscale="log", yscale="log", ylim=(0.05, 80), xlabel="input channels", title=dtype, xticks=CHANNELS)
    ax.set_xticklabels(CHANNELS)
    ax.minorticks_off()
    ax.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
    ax.grid(color=FAINT, alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("error / (ε · max B)")
axes[1].legend(frameon=False, fontsize=8.5, loc="center right", bbox_to_anchor=(1, 0.72))
plt.show()
