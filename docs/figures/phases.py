"""How a strided axis is laid out in a plane: phase by phase, so that outputs become neighbours."""

import matplotlib.pyplot as plt
from style import FAINT, INPUT, INPUT_PALE, OUTPUT, OUTPUT_PALE, blank, cell, frame, write

SIZE, KERNEL, STRIDE = 9, 3, 2
outputs = (SIZE - KERNEL) // STRIDE + 1
order = [i for phase in range(STRIDE) for i in range(phase, SIZE, STRIDE)]


def left_of(place: int) -> float:
    """Return where a plane sample is drawn: the phases stand a little apart."""
    return place - 0.25 + 0.5 * (order[place] % STRIDE)


fig, ax = plt.subplots(figsize=(7.6, 3.2))
blank(ax, (-4.2, 13.2), (-3.5, 4.0))
for i in range(SIZE):
    cell(ax, i, 2.6, str(i), INPUT_PALE, INPUT)
for place, i in enumerate(order):
    cell(ax, left_of(place), 0, str(i), INPUT_PALE, INPUT)
    ax.plot([i + 0.5, left_of(place) + 0.5], [2.6, 1], color=FAINT, linewidth=0.8)
for tap in range(KERNEL):
    place = order.index(tap)
    y = -1.3 - 0.85 * tap
    for k in range(outputs):
        cell(ax, left_of(place) + k, y, str(order[place + k]), OUTPUT_PALE, "white", height=0.7, size=8)
    frame(ax, left_of(place), y, outputs, 0.7, OUTPUT, line=1.2)
    write(ax, 10.2, y + 0.35, f"tap {tap}: offset +{place}", OUTPUT, 8.5, at="lc")
write(ax, -0.6, 3.1, "samples of x", at="rc")
write(ax, -0.6, 0.5, f"plane, stride {STRIDE}", at="rc")
write(ax, -0.6, -1.8, f"what each tap reads\nfor outputs 0 to {outputs - 1}", at="rc")
plt.show()
