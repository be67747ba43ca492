"""The way of a call: what each stage is given, what it hands on, and where it lives."""

from itertools import pairwise

import matplotlib.pyplot as plt
from style import FAINT, INPUT_PALE, OUTPUT_PALE, OUTSIDE_PALE, PAPER, arrow, blank, box, write

SIZE = width, height = 2.6, 1.45
LEFT = [0.2, 3.3, 6.4, 9.5]
ABOVE, BELOW = 5.0, 1.45

fig, ax = plt.subplots(figsize=(9.2, 5.5))
blank(ax, (0, 12.4), (0.3, 7.7), aspect="auto")

python = {
    "public function": "conv_layer, ConvLayer,\ncorrelate_nd, convolve_nd\n_layers/, _correlation/",
    "arguments": "names and numbers to one\nspelling, by pure functions\n_call/",
    "Geometry": "all arithmetic on shapes,\nchecked and frozen\n_call/geometry.py",
    "Plan": "method, blocks, offsets;\nfrozen\n_methods/",
}
for x, (name, text) in zip(LEFT, python.items(), strict=True):
    box(ax, (x, ABOVE), SIZE, name, text)
cython = {
    "y": ("written once, in its own\nlayout and dtype", PAPER),
    "epilogue": ("residual, activation,\nconversion to y's dtype\nepilogue.pxi", OUTPUT_PALE),
    "kernel": ("stride 1, no borders:\ntile, bank, rows, depthwise\ntile.pxi and so on", INPUT_PALE),
    "pad": ("a box of input becomes\nplanes of the compute type\npad.pxi, axis.pxi", OUTSIDE_PALE),
}
for x, (name, (text, face)) in zip(LEFT, cython.items(), strict=True):
    box(ax, (x, BELOW), SIZE, name, text, face)
for left, right in pairwise(LEFT):
    arrow(ax, (left + width + 0.06, ABOVE + height / 2), (right - 0.05, ABOVE + height / 2))
    arrow(ax, (right - 0.06, BELOW + height / 2), (left + width + 0.05, BELOW + height / 2))

arrow(ax, (10.8, ABOVE - 0.06), (10.8, BELOW + height + 0.06))
write(
    ax, 10.65, 4.0, "weights packed once;\none box of outputs after another,\nshared among the workers", size=8, at="rc"
)
arrow(ax, (4.6, BELOW - 0.06), (10.8, BELOW - 0.06), FAINT, bend=0.13)
write(ax, 7.7, 0.55, "again for every box, without the interpreter lock", size=8)
box(ax, (5.6, 7.0), (4.2, 0.55), "output_shape, layer_cost, receptive_field")
arrow(ax, (7.7, 6.95), (7.7, ABOVE + height + 0.06), FAINT)

ax.plot([0.1, 12.3], [3.4, 3.4], color=FAINT, linewidth=0.8, linestyle=(0, (4, 4)))
write(ax, 0.15, 3.5, "Python: knows users", at="lb", style="italic")
write(ax, 0.15, 3.3, "Cython: knows planes", at="lt", style="italic")
plt.show()
