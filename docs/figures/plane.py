"""A padded plane laid out flat: each tap of a 3 × 3 filter is one integer offset."""

import matplotlib.pyplot as plt
from style import INPUT_PALE, OUTPUT, OUTPUT_PALE, OUTSIDE_PALE, arrow, blank, cell, frame, write

HEIGHT, WIDTH, PAD = 3, 5, 1
rows, pitch = HEIGHT + 2 * PAD, WIDTH + 2 * PAD
offsets = [u * pitch + v for u in range(3) for v in range(3)]
base = 1 * pitch + 2  # the output at row 1, column 2

fig, (above, below) = plt.subplots(2, 1, figsize=(8.6, 3.6), height_ratios=[2.3, 1.2])
blank(above, (-0.5, 24), (-0.1, rows + 0.8))
blank(below, (-0.5, rows * pitch + 0.5), (-1.4, 4.4))
for n in range(rows * pitch):
    i, j = divmod(n, pitch)
    face = INPUT_PALE if PAD <= i < PAD + HEIGHT and PAD <= j < PAD + WIDTH else OUTSIDE_PALE
    weight = "bold" if n - base in offsets else "normal"
    cell(above, j, rows - 1 - i, str(n), face, "white", size=8, fontweight=weight)
    cell(below, n, 0, str(n), face, "white", size=6.5, fontweight=weight)
frame(above, 2, rows - 4, 3, 3, OUTPUT)
write(above, pitch / 2, rows + 0.4, f"a padded plane, rows of {pitch}", size=9.5)
for i, offset in enumerate(offsets):
    cell(above, 10 + 1.4 * (i % 3), 3.2 - i // 3, f"+{offset}", OUTPUT_PALE, "white", width=1.4)
    frame(below, base + offset, 0, 1, 1, OUTPUT, line=1.5)
    if offset:
        arrow(below, (base + 0.5, 1.05), (base + offset + 0.5, 1.08), OUTPUT, 0.7, bend=-0.3)
write(above, 12.1, 4.6, "offsets of the 9 taps", size=9.5)
reading = "output (1, 2) starts at sample 9;\nits taps are 9 + offset, whatever the\nnumber of dimensions was"
write(above, 15.6, 2.7, reading, at="lc")
write(below, 0, -0.8, "the same plane in memory", size=9.5, at="lc")
plt.show()
