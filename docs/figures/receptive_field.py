"""What one output sees through a stack of two-tap layers whose dilation doubles."""

import matplotlib.pyplot as plt
from style import FAINT, INPUT, INPUT_PALE, OUTPUT, OUTPUT_PALE, blank, write

dilations = [1, 2, 4, 8]
WIDTH = 20

fig, ax = plt.subplots(figsize=(7.4, 3.0))
blank(ax, (-0.8, WIDTH + 5.2), (-0.6, len(dilations) + 0.5), aspect="auto")
seen = [{WIDTH - 1}]
for dilation in reversed(dilations):
    seen.insert(0, seen[0] | {i - dilation for i in seen[0]})
for level, marked in enumerate(seen):
    dark, pale = (OUTPUT, OUTPUT_PALE) if level else (INPUT, INPUT_PALE)
    for i in range(WIDTH):
        for source in (i, i - dilations[level - 1]) if level else ():
            if source >= 0:
                look = (OUTPUT, 1.5, 2) if i in marked else (FAINT, 0.35, 1)
                ax.plot([i, source], [level, level - 1], color=look[0], linewidth=look[1], zorder=look[2])
        face, edge = (pale, dark) if i in marked else ("white", FAINT)
        ax.plot(i, level, "o", markersize=8.5, markerfacecolor=face, markeredgecolor=edge, zorder=3)
    text = f"dilation {dilations[level - 1]}, sees {1 + sum(dilations[:level])}" if level else "input"
    write(ax, WIDTH + 0.1, level, text, at="lc")
plt.show()
