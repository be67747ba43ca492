r"""
DeepLab's pyramid of dilated layers, on a photograph
====================================================

To say what a pixel belongs to, one must look around it, near and far, and yet answer for every pixel. DeepLab [1]_ does
so with an *atrous spatial pyramid*: layers of 3 × 3 side by side, with dilations (rates) of 6, 12 and 18, a layer of
1 × 1, and the mean of the whole map. All of them see the same map and answer at its full size; a last layer of 1 × 1
mixes their answers.

.. [1] L.-C. Chen, G. Papandreou, F. Schroff, H. Adam, "Rethinking Atrous Convolution for Semantic Image Segmentation",
   2017, `arXiv:1706.05587 <https://arxiv.org/abs/1706.05587>`_. The first pyramid is in L.-C. Chen, G. Papandreou,
   I. Kokkinos, K. Murphy, A. L. Yuille, "DeepLab", IEEE TPAMI 40 (4), 2018, :doi:`10.1109/TPAMI.2017.2699184`.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage
import skimage.data

import ndconv

RATES = [6, 12, 18]

# %%
# The photograph
# --------------
# In a network the map would come from many layers. Here it is the brightness of a photograph, smoothed a little, for
# the layers step over what is finer than their rate.

photograph = skimage.data.chelsea()
brightness = photograph.mean(axis=2) / 255
bell = np.exp(-np.square(np.arange(-6, 7) / 2.5) / 2)
bell /= bell.sum()
x = ndconv.correlate_nd(brightness, np.outer(bell, bell), mode="same", padding_mode="reflect")[np.newaxis]

# %%
# The pyramid
# -----------
# Its filters are not learned, so that one can say what they do: the first subtracts the surroundings from the centre,
# the second the left from the right, the third the upper part from the lower. Every rate has the same filters.

binomial = np.array([1, 2, 1]) / 4
across = np.outer(binomial, [-1, 0, 1])
surroundings = np.outer(binomial, binomial)
surroundings[1, 1] = 0
center = -surroundings / surroundings.sum()
center[1, 1] = 1
weight = np.array([center, across, across.T])[:, np.newaxis]
point = np.ones((1, 1, 1, 1))


def pyramid(x):
    """Return the answers of all branches as the channels of one map: 1 by 1 x 1, 3 for each rate, 1 mean."""
    dilated = [ndconv.conv_layer(x, weight, dilation=rate, padding=rate, padding_mode="replicate") for rate in RATES]
    mean = np.broadcast_to(x.mean(axis=(1, 2), keepdims=True), x.shape)
    return np.concatenate([ndconv.conv_layer(x, point), *dilated, mean])


answers = pyramid(x)
assert answers.shape == (11, *brightness.shape)
by_rate = answers[1:-1].reshape(3, 3, *brightness.shape)

# %%
# The last layer mixes the eleven channels at each pixel. This one asks for pixels that are darker than what is around
# them, near and far: it takes the first channel of every rate, with a minus sign.

mix = np.zeros((1, 11, 1, 1))
mix[0, [1, 4, 7]] = -1 / 3
dark = ndconv.conv_layer(answers, mix, activation="relu")[0]

# %%
# A dilated layer is one whose filter has zeros between its taps. SciPy, given those zeros, gets the same answer:

for rate, channels in zip(RATES, by_rate, strict=True):
    for kernel, channel in zip(weight[:, 0], channels, strict=True):
        spread = np.zeros((2 * rate + 1, 2 * rate + 1))
        spread[::rate, ::rate] = kernel
        np.testing.assert_allclose(channel, scipy.ndimage.correlate(x[0], spread, mode="nearest"), atol=1e-12)

# %%
# What differs from rate to rate is how far the filter sees, and not what it costs. A filter without gaps that sees as
# far would cost up to 152 times as much:

for rate in RATES:
    (size,) = ndconv.receptive_field([(3, 1, rate)]).size
    dilated = ndconv.layer_cost(x.shape, weight.shape, dilation=rate, padding=rate)
    dense = ndconv.layer_cost(x.shape, (3, 1, size, size), padding=rate)
    print(
        f"rate {rate:>2} sees {size} x {size}: {dilated.multiply_adds:,} multiply-adds, "
        f"{dense.multiply_adds:,} without gaps"
    )
    assert dilated == ndconv.layer_cost(x.shape, weight.shape, padding=1)
    assert dense.multiply_adds * 9 == dilated.multiply_adds * size**2

# %%
# What the rates answer
# ---------------------
# Left, the taps of each rate around one eye, and the answer of the last layer. Right, each filter at each rate: red is
# above zero, blue below. The higher the rate, the coarser what it responds to, at the same size of the map.

fig = plt.figure(figsize=(8, 3.5))
left, right = fig.subfigures(1, 2, width_ratios=[1.3, 3])
above, below = left.subplots(2, 1)
above.imshow(photograph)
for colour, rate in zip(["C0", "C1", "C2"], RATES, strict=True):
    columns, rows = np.meshgrid(*(center + rate * np.array([-1, 0, 1]) for center in (172, 112)))
    above.plot(columns, rows, "o", color=colour, markersize=3.5, markeredgecolor="white", markeredgewidth=0.5)
above.set_title("taps of rates 6, 12 and 18")
below.imshow(-dark, vmin=-np.percentile(dark, 99.5))
below.set_title("darker than around, near and far")

grid = right.subplots(3, 3)
for row, channels in zip(grid, by_rate.swapaxes(0, 1), strict=True):
    limit = np.percentile(np.abs(channels), 99.7)
    for ax, channel in zip(row, channels, strict=True):
        ax.imshow(channel, cmap="RdBu_r", vmin=-limit, vmax=limit)
for ax, rate in zip(grid[0], RATES, strict=True):
    ax.set_title(f"rate {rate}")
for ax in (above, below, *grid.flat):
    ax.axis("off")

# %%
# How many taps are left
# ----------------------
# Taps that fall outside the map see nothing but padding. A layer of ones on a map of ones, padded with zeros, counts
# the taps that remain: at rates near the size of the map, a filter of 3 × 3 shrinks to its middle tap, and sees no more
# than one of 1 × 1. For that reason the authors added the mean of the whole map.

SIDE = 65
ones = np.ones((1, SIDE, SIDE), np.float32)
rates = np.arange(1, SIDE + 1)
counts = np.array(
    [ndconv.conv_layer(ones, np.ones((1, 1, 3, 3), np.float32), dilation=rate, padding=rate) for rate in rates]
)
shares = {number: (counts == number).mean(axis=(1, 2, 3)) for number in (9, 6, 4, 3, 2, 1)}
np.testing.assert_allclose(shares[9], (np.maximum(SIDE - 2 * rates, 0) / SIDE) ** 2, atol=1e-7)
assert shares[1][-1] == 1

fig, ax = plt.subplots(figsize=(8, 2.6))
for number, label, place in [(9, "all 9 taps", (12, 62)), (4, "4 taps", (33, 82)), (1, "1 tap", (55, 62))]:
    (line,) = ax.plot(rates, 100 * shares[number])
    ax.annotate(label, place, color=line.get_color(), ha="center")
ax.set(title=f"Pixels of a map of {SIDE} × {SIDE} whose filter has so many taps on it, in percent", xlabel="rate")
ax.set(xlim=(1, SIDE), ylim=(0, 102), xticks=[1, 6, 12, 18, 24, 32, 48, 65])

plt.show()
