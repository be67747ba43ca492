r"""
The layer in numbers
====================

Why a convolution layer, and not a fully connected one? What is said in answer can be computed, and here it is: an edge
detector by hand, the price of looking at a photograph, the sizes of maps, and the two symmetries. The idea is that of
LeCun and others [1]_; the :doc:`guide </guide/layer>` explains it at leisure.

.. [1] Y. LeCun, B. Boser, J. S. Denker, D. Henderson, R. E. Howard, W. Hubbard, L. D. Jackel, "Backpropagation
   Applied to Handwritten Zip Code Recognition", Neural Computation 1 (4), 1989, pages 541–551,
   :doi:`10.1162/neco.1989.1.4.541`.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from matplotlib.patches import Rectangle

import ndconv

rng = np.random.default_rng(0)

# %%
# An edge detector, by hand
# -------------------------
# The image is black above and white below. The filter subtracts what lies above from what lies below.

image = np.repeat([0, 0, 1, 1, 1], 5).reshape(1, 5, 5)
kernel = np.repeat([-1, 0, 1], 3).reshape(1, 1, 3, 3)
y = ndconv.conv_layer(image, kernel)
print(y[0])

# %%
# The output in the middle lies on rows 1 to 3 and columns 1 to 3, one row of zeros above two rows of ones, and is

patch = image[0, 1:4, 1:4]
print(" + ".join(f"({weight} · {value})" for weight, value in zip(kernel.ravel(), patch.ravel(), strict=True)))
assert (kernel[0, 0] * patch).sum() == y[0, 1, 1] == 3

# %%
# The other eight come about in the same way, with the same weights. The last row lies in the white and sees no edge.

cost = ndconv.layer_cost(image.shape, kernel.shape, bias=False)
print(f"{cost.parameters} weights at {y.size} positions: {cost.multiply_adds} multiply-adds")
assert (cost.parameters, y.size, cost.multiply_adds) == (9, 9, 81)
assert y.tolist() == [[[3, 3, 3], [3, 3, 3], [0, 0, 0]]]

fig, axes = plt.subplots(1, 3, figsize=(7, 2.7), width_ratios=[5, 3, 3])
for ax, title, values in zip(axes, ["image", "filter", "output"], [image[0], kernel[0, 0], y[0]], strict=True):
    look = {"cmap": "gray", "vmax": 1.2} if title == "image" else {"cmap": "RdBu_r", "vmin": -5, "vmax": 5}
    ax.imshow(values, **look)
    for (row, column), value in np.ndenumerate(values):
        dark = title == "image" and value == 0
        text = f"{value:+}" if title == "filter" and value else value
        ax.text(column, row, text, ha="center", va="center", color="white" if dark else "black")
    margin = (5 - len(values)) / 2
    ax.set_ylim(len(values) - 0.5 + margin, -0.5 - margin)  # cells of one size in all three
    ax.set_title(title, y=1 - margin / 5)
    ax.axis("off")
for ax, size in ((axes[0], 3), (axes[2], 1)):
    ax.add_patch(Rectangle((0.5, 0.5), size, size, fill=False, edgecolor="C0", linewidth=3))

# %%
# The price of a photograph
# -------------------------
# To a fully connected layer, an image of 224 × 224 pixels and 3 colours is 150,528 numbers that have nothing to do with
# each other, and each of its outputs has a weight for every one of them. A convolution layer from :math:`C` to
# :math:`C'` channels with filters of :math:`k \times k` has :math:`C' C k^2 + C'` parameters, whatever the size of the
# image: a map of 14 × 14 pixels passes through the same 1792 as a photograph of 224 × 224.

dense, parameters, work = [], [], []
sides = np.array([14, 28, 56, 112, 224])
for side in sides.tolist():
    cost = ndconv.layer_cost((3, side, side), (64, 3, 3, 3), padding="same")
    assert cost.parameters == 64 * 3 * 3**2 + 64 == 1792
    assert cost.multiply_adds == 64 * 3 * 3**2 * side**2
    assert cost.dense_parameters == (3 * side**2) * (64 * side**2)
    dense.append(cost.dense_parameters)
    parameters.append(cost.parameters)
    work.append(cost.multiply_adds)
assert 3 * sides[-1] ** 2 == 150_528
print(cost)

# %%
# Its work does grow with the image, by a factor for every pixel. But it is done where the fully connected layer would
# not even fit into memory:

fig, ax = plt.subplots(figsize=(7, 2.8))
for values, label in ((dense, "weights, fully connected"), (work, "multiply-adds"), (parameters, "parameters")):
    ax.loglog(sides, values, "o-", markersize=4)
    ax.annotate(f"{label}: {values[-1]:,}", (sides[-1], values[-1]), (8, 0), textcoords="offset points", va="center")
ax.set(title="A layer from 3 to 64 channels, 3 × 3", xlabel="pixels along each side", xlim=(12, 2100))
ax.set_xticks(sides, sides)
ax.minorticks_off()
ax.spines["bottom"].set_bounds(12, 260)

# %%
# The sizes of maps
# -----------------
# With a padding of :math:`p` and a stride of :math:`s`, :math:`H` pixels become
# :math:`\lfloor (H + 2p - k) / s \rfloor + 1`. So no padding ("valid") loses :math:`k - 1` of them,
# :math:`p = (k - 1) / 2` ("same") none, and a stride of 2 half.

for k in (1, 3, 5, 7):
    shape, weight_shape = (3, 224, 224), (64, 3, k, k)
    _, valid, _ = ndconv.output_shape(shape, weight_shape)
    _, same, _ = ndconv.output_shape(shape, weight_shape, padding="same")
    _, halved, _ = ndconv.output_shape(shape, weight_shape, padding=(k - 1) // 2, stride=2)
    print(f"{k} x {k}: 224 pixels become {valid} (valid), {same} (same), {halved} (stride 2)")
    assert (valid, same, halved) == (224 - (k - 1), 224, 112)

# %%
# One by one
# ----------
# A layer of 1 × 1 multiplies the channels of each pixel by a matrix, the same one everywhere. For example, one that
# makes luminance and two colour differences out of red, green and blue:

photograph = np.moveaxis(skimage.data.coffee() / 255, -1, 0)
matrix = np.array([[0.299, 0.587, 0.114], [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]])
channels = ndconv.conv_layer(photograph, matrix[:, :, np.newaxis, np.newaxis])
np.testing.assert_allclose(channels, np.einsum("oc,chw->ohw", matrix, photograph), atol=1e-14)

fig, axes = plt.subplots(1, 4, figsize=(8, 1.7))
axes[0].imshow(np.moveaxis(photograph, 0, -1))
for ax, channel, cmap in zip(axes[1:], channels, ["gray", "PuOr", "PiYG_r"], strict=True):
    ax.imshow(channel, cmap=cmap, **({} if cmap == "gray" else {"vmin": -0.4, "vmax": 0.4}))
for ax, title in zip(axes, ["photograph", "luminance", "blue less luminance", "red less luminance"], strict=True):
    ax.set_title(title)
    ax.axis("off")

# %%
# Two symmetries
# --------------
# Move the image, and the output moves along; here around a circle, so that nothing is lost at the border.

layer = ndconv.ConvLayer(rng.standard_normal((4, 3, 3, 3)), padding="same", padding_mode="circular")
moved = np.roll(photograph, (30, 50), axis=(1, 2))
np.testing.assert_allclose(layer(moved), np.roll(layer(photograph), (30, 50), axis=(1, 2)), atol=1e-12)

# %%
# Nodes of a graph have no places that one could move them between, but they have names. Rename them, and the outputs
# are renamed:

nodes, edges, weight = rng.standard_normal((9, 3)), rng.integers(0, 2, (9, 9)), rng.standard_normal((3, 4))
order = rng.permutation(9)
renamed = ndconv.graph_conv(nodes[order], edges[np.ix_(order, order)], weight)
np.testing.assert_allclose(renamed, ndconv.graph_conv(nodes, edges, weight)[order], atol=1e-12)

plt.show()
