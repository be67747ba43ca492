"""The horizontal-edge detector at one position: input, kernel and output, with one output cell's receptive field."""

import matplotlib.pyplot as plt
import numpy as np
from style import FAINT, INPUT, INPUT_PALE, OUTPUT, OUTPUT_PALE, arrow, blank, cell, frame, write

import ndconv

image = np.repeat([0, 0, 1, 1, 1], 5).reshape(5, 5)
kernel = np.repeat([-1, 0, 1], 3).reshape(3, 3)
result = ndconv.conv_layer(image[None], kernel[None, None])[0]
row, column = 0, 1  # the output that is marked

fig, ax = plt.subplots(figsize=(7.2, 2.75))
blank(ax, (-0.3, 17.6), (-0.9, 5.9))


def draw(array: np.ndarray, left: float, bottom: float, name: str, marked: int = 0, face: str = "white") -> None:
    """Draw an array whose cells from (row, column) on, `marked` along each axis, have a face of their own."""
    height, width = array.shape
    for i, j in np.ndindex(height, width):
        chosen = row <= i < row + marked and column <= j < column + marked
        text = {-1: "−1", 1: "+1"}.get(array[i, j], "0") if array is kernel else str(array[i, j])
        cell(ax, left + j, bottom + height - 1 - i, text, face if chosen else "white", size=11)
    write(ax, left + width / 2, bottom + height + 0.25, f"{name}, {height} × {width}", size=10, at="cb")


draw(image, 0, 0, "input", 3, INPUT_PALE)
draw(kernel, 7.2, 1, "kernel")
draw(result, 13.4, 1, "output", 1, OUTPUT_PALE)
frame(ax, column, 5 - row - 3, 3, 3, INPUT)
frame(ax, 13.4 + column, 1 + 3 - row - 1, 1, 1, OUTPUT)
write(ax, 6.1, 2.5, "⋆", size=30)
arrow(ax, (10.9, 2.5), (12.7, 2.5), colour=FAINT, line=1.6)
write(ax, 2.5, -0.25, "receptive field of the marked output", INPUT, 8.5, at="ct")
write(ax, 14.9, 0.75, "−(0 + 0 + 0) + (1 + 1 + 1) = 3", OUTPUT, 8.5, at="ct")
plt.show()
