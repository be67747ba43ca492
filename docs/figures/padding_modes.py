"""Every padding mode, drawn: a short signal and its extension, wide enough to bounce or wrap more than twice."""

import matplotlib.pyplot as plt
import numpy as np
from style import FAINT, INK, INPUT, INPUT_PALE, OUTSIDE, blank, write

import ndconv

signal = np.array([1.0, 2.4, 2.9, 2.2, 2.6, 0.5])
letters = dict(zip([0.0, *signal.tolist()], "0abcdef", strict=True))
size, wide = signal.size, 14
# Where the first mirror of a reflection stands, or the first joint of a circle, and how far from one to the next.
lines = {"reflect": (0, size - 1), "symmetric": (-0.5, size), "circular": (-0.5, size)}

modes = ["zeros", "replicate", "reflect", "symmetric", "circular"]
fig, axes = plt.subplots(len(modes), 1, figsize=(7.6, 8.2))
for ax, mode in zip(axes, modes, strict=True):
    blank(ax, (-wide - 0.7, size + wide - 0.3), (-1.0, 3.5), aspect="auto")
    # One tap of weight 1 gives back the input as it was padded.
    extended = ndconv.conv_layer(signal[None], np.ones((1, 1, 1)), padding=wide, padding_mode=mode)[0]
    position = np.arange(-wide, size + wide)
    ax.axvspan(-0.5, size - 0.5, color=INPUT_PALE, alpha=0.65, linewidth=0)
    if mode in lines:
        first, step = lines[mode]
        ax.vlines(first + step * np.arange(-2, 4), 0, 3.4, color=INK, linewidth=0.8, linestyle=(0, (1.5, 2.5)))
    ax.axhline(0, color=FAINT, linewidth=0.8)
    ax.plot(position, extended, color=FAINT, linewidth=0.9, zorder=1)
    for p, value in zip(position.tolist(), extended.tolist(), strict=True):
        colour, weight = (INPUT, "bold") if 0 <= p < size else (OUTSIDE, "normal")
        ax.vlines(p, 0, value, color=colour, linewidth=1.6)
        ax.plot(p, value, "o", color=colour, markersize=5.2)
        write(ax, p, -0.34, letters[value], colour, 8.5, at="ct", fontweight=weight)
    ax.set_title(f'"{mode}"', loc="left", fontsize=10.5, fontweight="bold", color=INK, pad=3)
plt.show()
