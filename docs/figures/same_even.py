"""Where a kernel of four taps stands over the first output, for the two meanings of "same"."""

import matplotlib.pyplot as plt
from style import OUTPUT, arrow, blank, frame, output, sample, title

SIZE, KERNEL = 6, 4

fig, axes = plt.subplots(1, 2, figsize=(7.6, 1.95))
for ax, before, name in zip(axes, (1, 2), ("same", "same_lower"), strict=True):
    blank(ax, (-2.4, SIZE + 2.4), (-0.4, 4.2))
    after = KERNEL - 1 - before
    for i in range(-before, SIZE + after):
        inside = 0 <= i < SIZE
        sample(ax, i, 0, str(i) if inside else "", inside)
    for j in range(SIZE):
        output(ax, j, 2.1, str(j))
    frame(ax, -before, 0, KERNEL, 1, OUTPUT)
    arrow(ax, (-before + KERNEL / 2, 1.05), (0.5, 2.05), OUTPUT)
    title(ax, SIZE / 2, 3.75, f'"{name}": {before} before, {after} after')
plt.show()
