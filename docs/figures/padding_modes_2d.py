"""The padding modes on a small picture: the marked part is the input, the rest is what each mode puts around it."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from style import INK, INPUT

import ndconv

letter = np.array(
    [
        [*map(int, row)]
        for row in [
            "0000000000000",
            "0011111110000",
            "0011000011000",
            "0011000001100",
            "0011000001100",
            "0011000011000",
            "0011111110000",
            "0011001100000",
            "0011000110000",
            "0011000011000",
            "0011000001100",
            "0000000000000",
        ]
    ]
)
# A slope behind the letter shows what an even ground would hide.
rows, columns = np.indices(letter.shape)
picture = 0.30 + 0.022 * columns + 0.018 * rows - 0.30 * letter
margin = 10

fig, axes = plt.subplots(1, 5, figsize=(9.2, 2.2))
for ax, mode in zip(axes, ["zeros", "replicate", "reflect", "symmetric", "circular"], strict=True):
    padded = ndconv.conv_layer(picture[None], np.ones((1, 1, 1, 1)), padding=margin, padding_mode=mode)[0]
    ax.imshow(padded, cmap="bone", vmin=-0.05, vmax=0.85, interpolation="nearest")
    corner = (margin - 0.5, margin - 0.5)
    ax.add_patch(Rectangle(corner, *letter.shape[::-1], fill=False, edgecolor=INPUT, linewidth=1.8))
    ax.set_title(f'"{mode}"', fontsize=9.5, fontweight="bold", color=INK)
    ax.axis("off")
plt.show()
