"""Stride, padding and dilation in one dimension: which input samples each output reads."""

import matplotlib.pyplot as plt
from style import FAINT, OUTPUT, blank, output, sample, title, write

import ndconv

SIZE, KERNEL = 9, 3
panels = {"as it is": {}, "stride=2": {"stride": 2}, "padding=1": {"padding": 1}, "dilation=2": {"dilation": 2}}

fig, axes = plt.subplots(2, 2, figsize=(7.6, 4.3))
for ax, (name, options) in zip(axes.flat, panels.items(), strict=True):
    blank(ax, (-1.6, SIZE + 1.6), (-0.9, 5.4))
    stride, padding, dilation = options.get("stride", 1), options.get("padding", 0), options.get("dilation", 1)
    _, outputs = ndconv.output_shape((1, SIZE), (1, 1, KERNEL), **options)
    for i in range(-padding, SIZE + padding):
        inside = 0 <= i < SIZE
        sample(ax, i, 0, "" if inside else "0", inside)
    for j in range(outputs):
        first = stride * j - padding
        place = first + dilation * (KERNEL - 1) / 2
        output(ax, place, 3.2, str(j))
        look = (OUTPUT, 2.2, 3) if j == outputs // 2 else (FAINT, 0.7, 1)
        for tap in range(KERNEL):
            ends = [place + 0.5, first + dilation * tap + 0.5]
            ax.plot(ends, [3.2, 1], color=look[0], linewidth=look[1], zorder=look[2])
    title(ax, SIZE / 2, 4.75, name)
    write(ax, SIZE / 2, -0.5, f"{SIZE} samples in, {outputs} out", size=8.5)
plt.show()
