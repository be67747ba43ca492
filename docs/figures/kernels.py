"""The four micro-kernels: what stays in registers while the taps go by."""

import matplotlib.pyplot as plt
import numpy as np
from style import INPUT, OUTPUT, OUTPUT_PALE, blank, cell, frame, title, write

LANES = 4
# Accumulators down, vectors across, what they stand for, and what a tap does.
kernels = {
    "tile": (7, 2, "pixels", "output channels", "load weights,\nbroadcast one sample per pixel"),
    "bank": (4, 3, "output channels", "pixels", "load samples,\nbroadcast one weight per channel"),
    "rows": (4, 4, "output rows", "pixels of a row", "a row of input, once loaded,\nserves every output row above it"),
    "depthwise": (8, 1, "pixels", "channels", "load weights; a pixel,\nonce loaded, serves its neighbours"),
}

fig, axes = plt.subplots(1, 4, figsize=(11.6, 3.0))
for ax, (name, (down, across, rows, columns, tap)) in zip(axes, kernels.items(), strict=True):
    blank(ax, (-2.4, 13), (-4.6, 10))
    height, vector = 8 / down, 12 / across
    for i, j in np.ndindex(down, across * LANES):
        size = {"width": vector / LANES, "height": height}
        cell(ax, j * vector / LANES, i * height, face=OUTPUT_PALE, edge="white", line=1.0, **size)
    for i, j in np.ndindex(down, across):
        frame(ax, j * vector, i * height, vector, height, OUTPUT, line=1.0)
    title(ax, 6, 9.3, name)
    write(ax, 6, -0.4, columns, INPUT, 8.5, at="ct")
    write(ax, -0.9, 4, rows, INPUT, 8.5, rotation=90)
    write(ax, 6, -1.7, f"per tap: {tap}", size=8, at="ct")
note = f"each framed cell is one vector register, here of {LANES} lanes"
fig.text(0.5, 0.012, note, ha="center", fontsize=8.5, color=OUTPUT)
plt.show()
