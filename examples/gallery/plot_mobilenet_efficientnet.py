r"""
The blocks of MobileNet and EfficientNet
========================================

A layer of 3 × 3 mixes channels and looks around at the same time. MobileNet [1]_ does one after the other: a
*depthwise* layer gives each channel one filter of its own, and a *pointwise* layer of 1 × 1 mixes the channels.
EfficientNet's MBConv block [2]_ [3]_ expands the channels first, so that there is more to filter, lets a
*squeeze-and-excitation* [4]_ weigh them by what the whole map looks like, and reduces them again:

=========== ============================= ==============
step        layer                         activation
=========== ============================= ==============
expand      1 × 1                         SiLU
filter      5 × 5 depthwise               SiLU
squeeze     mean of the map, then 1 × 1   SiLU
excite      1 × 1                         sigmoid
project     1 × 1, plus the input         none
=========== ============================= ==============

Every row is one call of :func:`ndconv.conv_layer`, with batch normalisation folded into its weights.

.. [1] A. G. Howard, M. Zhu, B. Chen et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
   Applications", 2017, `arXiv:1704.04861 <https://arxiv.org/abs/1704.04861>`_.
.. [2] M. Tan, Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019,
   `arXiv:1905.11946 <https://arxiv.org/abs/1905.11946>`_.
.. [3] M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, "MobileNetV2: Inverted Residuals and Linear
   Bottlenecks", CVPR 2018, :doi:`10.1109/CVPR.2018.00474`.
.. [4] J. Hu, L. Shen, G. Sun, "Squeeze-and-Excitation Networks", CVPR 2018, :doi:`10.1109/CVPR.2018.00745`.
"""

import matplotlib.pyplot as plt
import numpy as np

import ndconv

try:
    import torch
    from torch.nn import functional
except ImportError:
    torch = None

rng = np.random.default_rng(0)

# %%
# A layer and its gradient
# ------------------------
# :meth:`ndconv.ConvLayer.backward` takes a gradient back through the activation and the layer. The layer has folded
# weights: every filter is scaled, and so is its gradient on the way back. The layers of the squeeze-and-excitation have
# a bias instead of a normalisation.


class Layer:
    """A layer with its parameters, and their gradients after the way back."""

    def __init__(self, *shape, groups=1, activation=None, normalized=True):
        channels_out, fan_in = shape[0], np.prod(shape[1:])
        self.weight = np.sqrt(2 / fan_in) * rng.standard_normal(shape)
        self.bias = 0.1 * rng.standard_normal(channels_out)
        folded, self.scale, self.normalization = (self.weight, self.bias), np.ones(channels_out), None
        if normalized:
            mean = 0.1 * rng.standard_normal(channels_out)
            gamma, var = rng.uniform(0.5, 1.5, (2, channels_out))
            self.normalization = {"running_mean": mean, "running_var": var, "weight": gamma}
            folded = ndconv.fold_batch_norm(self.weight, None, gamma, self.bias, mean, var)
            self.scale = gamma / np.sqrt(var + 1e-5)
        self.layer = ndconv.ConvLayer(*folded, padding="same", groups=groups, activation=activation)

    def forward(self, x, residual=None):
        """Return the output."""
        self.x = x
        return self.layer(x, residual=residual)

    def backward(self, grad_y):
        """Return the gradient of x, and keep those of the weights and the bias."""
        grad_x, grad_folded, grad_bias = self.layer.backward(grad_y, self.x)
        self.gradients = [grad_folded * self.scale[:, np.newaxis, np.newaxis, np.newaxis], grad_bias]
        return grad_x


# %%
# The blocks
# ----------


class Separable:
    """The depthwise-separable block of MobileNet."""

    def __init__(self, channels_out, channels_in):
        self.layers = {
            "depthwise": Layer(channels_in, 1, 3, 3, groups=channels_in, activation="relu"),
            "pointwise": Layer(channels_out, channels_in, 1, 1, activation="relu"),
        }

    def forward(self, x):
        """Return the output."""
        return self.layers["pointwise"].forward(self.layers["depthwise"].forward(x))

    def backward(self, grad_y):
        """Return the gradient of x."""
        return self.layers["depthwise"].backward(self.layers["pointwise"].backward(grad_y))


class MBConv:
    """The block of EfficientNet."""

    def __init__(self, channels, size, expansion=6):
        wide, narrow = expansion * channels, channels // 4
        self.layers = {
            "expand": Layer(wide, channels, 1, 1, activation="silu"),
            "filter": Layer(wide, 1, size, size, groups=wide, activation="silu"),
            "squeeze": Layer(narrow, wide, 1, 1, activation="silu", normalized=False),
            "excite": Layer(wide, narrow, 1, 1, activation="sigmoid", normalized=False),
            "project": Layer(channels, wide, 1, 1),
        }

    def forward(self, x):
        """Return the output."""
        expand, filter_, squeeze, excite, project = self.layers.values()
        self.filtered = filter_.forward(expand.forward(x))
        means = self.filtered.mean(axis=(2, 3), keepdims=True)
        self.gates = excite.forward(squeeze.forward(means))
        return project.forward(self.filtered * self.gates, residual=x)

    def backward(self, grad_y):
        """Return the gradient of x."""
        expand, filter_, squeeze, excite, project = self.layers.values()
        grad_product = project.backward(grad_y)
        grad_gates = (grad_product * self.filtered).sum(axis=(2, 3), keepdims=True)
        grad_means = squeeze.backward(excite.backward(grad_gates))
        grad_filtered = grad_product * self.gates + grad_means / self.filtered[0, 0].size
        return expand.backward(filter_.backward(grad_filtered)) + grad_y


# %%
# Are they right?
# ---------------
# The same blocks in PyTorch:


def torch_layer(x, layer, leaves):
    """Return a layer's sum in PyTorch, and add its parameters to the leaves of the graph."""
    weight, bias = (torch.tensor(array, requires_grad=True) for array in (layer.weight, layer.bias))
    leaves += [weight, bias]
    groups = layer.layer.groups
    if layer.normalization is None:
        return functional.conv2d(x, weight, bias, groups=groups)
    y = functional.conv2d(x, weight, padding="same", groups=groups)
    return functional.batch_norm(y, bias=bias, **{k: torch.tensor(v) for k, v in layer.normalization.items()})


def torch_separable(x, layers, leaves):
    """Return the output of MobileNet's block."""
    y = functional.relu(torch_layer(x, layers["depthwise"], leaves))
    return functional.relu(torch_layer(y, layers["pointwise"], leaves))


def torch_mbconv(x, layers, leaves):
    """Return the output of EfficientNet's block."""
    y = functional.silu(torch_layer(x, layers["expand"], leaves))
    y = functional.silu(torch_layer(y, layers["filter"], leaves))
    gates = functional.silu(torch_layer(y.mean(dim=(2, 3), keepdim=True), layers["squeeze"], leaves))
    gates = torch.sigmoid(torch_layer(gates, layers["excite"], leaves))
    return torch_layer(y * gates, layers["project"], leaves) + x


# %%
# Outputs and all gradients agree with them, where PyTorch is installed. The gradient of x is checked in any case, by
# moving x a little.

separable, mbconv = Separable(128, 128), MBConv(40, size=5)
for block, by_torch, channels in [(separable, torch_separable, 128), (mbconv, torch_mbconv, 40)]:
    x, direction = rng.standard_normal((2, 2, channels, 14, 14))
    y = block.forward(x)
    grad_y = rng.standard_normal(y.shape)
    gradients = [block.backward(grad_y), *(array for layer in block.layers.values() for array in layer.gradients)]

    step = 1e-8
    moved = block.forward(x + step * direction) - block.forward(x - step * direction)
    np.testing.assert_allclose(np.vdot(moved, grad_y) / (2 * step), np.vdot(gradients[0], direction), rtol=1e-4)
    verdict = "gradient agrees with finite differences"
    if torch:
        leaves = [torch.tensor(x, requires_grad=True)]
        expected = by_torch(leaves[0], block.layers, leaves)
        expected.backward(torch.tensor(grad_y))
        np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-10, atol=1e-10)
        for gradient, leaf in zip(gradients, leaves, strict=True):
            np.testing.assert_allclose(gradient, leaf.grad.numpy(), rtol=1e-9, atol=1e-9)
        verdict += f"; output and {len(gradients)} gradients with PyTorch"
    print(f"{type(block).__name__ + ':':<11}{verdict}")

# %%
# What they cost
# --------------
# Each block on a map of 28 × 28, beside a dense layer with filters of the same size between as many channels as the
# block filters. A separable block needs :math:`1/C' + 1/k^2` of the dense layer's multiply-adds, as MobileNet's authors
# say: here, an eighth.


def cost(layer, height=28, width=28):
    """Return what a layer costs on a map."""
    return layer.layer.cost((layer.weight.shape[1] * layer.layer.groups, height, width))


def dense_cost(channels, size):
    """Return what a layer costs that looks around and mixes at the same time."""
    return ndconv.layer_cost((channels, 28, 28), (channels, channels, size, size), padding="same")


costs = {
    "MobileNet": {name: cost(layer) for name, layer in separable.layers.items()},
    "dense 3 × 3, 128 → 128": {"dense": dense_cost(128, 3)},
    "EfficientNet": {
        name: cost(layer, *(1, 1) if name in ("squeeze", "excite") else ()) for name, layer in mbconv.layers.items()
    },
    "dense 5 × 5, 240 → 240": {"dense": dense_cost(240, 5)},
}
for title, layers in costs.items():
    print(title)
    for name, c in layers.items():
        print(f"    {name:<12}{' x '.join(map(str, c.output_shape)):<16}{c.parameters:>10,}{c.multiply_adds:>15,}")

totals = {
    title: np.sum([[c.parameters, c.multiply_adds] for c in layers.values()], axis=0) for title, layers in costs.items()
}
share = totals["MobileNet"][1] / totals["dense 3 × 3, 128 → 128"][1]
assert np.isclose(share, 1 / 128 + 1 / 3**2)

fig, axes = plt.subplots(1, 2, figsize=(8, 2.6))
for ax, quantity, title in zip(axes, (0, 1), ("parameters", "multiply-adds"), strict=True):
    numbers = [total[quantity] for total in totals.values()]
    bars = ax.barh(list(totals) if quantity == 0 else range(4), numbers, color=["C0", "C4", "C2", "C4"])
    ax.bar_label(bars, [f"{n:,}" if quantity == 0 else f"{n / 1e6:,.1f} million" for n in numbers], padding=3)
    ax.set(title=title, xticks=[], xlim=(0, 1.35 * max(numbers)))
    ax.spines["bottom"].set_visible(False)
    ax.invert_yaxis()
axes[1].set_yticks([])

# %%
# The layers as matrices
# ----------------------
# Every layer is linear, and so is a matrix: its columns are what it answers to single ones. Here with 4 channels of 8
# samples and filters of 3 taps. A depthwise layer stays within the channels, on the diagonal; a pointwise one within
# the samples; their product has an entry wherever the dense layer has one.

# sphinx_gallery_thumbnail_number = 2
CHANNELS, SAMPLES, TAPS = 4, 8, 3


def matrix(weight, groups=1):
    """Return a layer as a matrix."""
    ones = np.eye(CHANNELS * SAMPLES).reshape(-1, CHANNELS, SAMPLES)
    return ndconv.conv_layer(ones, weight, padding="same", groups=groups).reshape(len(ones), -1).T


dense, depthwise, pointwise = (
    rng.uniform(0.5, 1, shape) * rng.choice([-1, 1], shape)
    for shape in [(CHANNELS, CHANNELS, TAPS), (CHANNELS, 1, TAPS), (CHANNELS, CHANNELS, 1)]
)
matrices = {
    f"dense: {dense.size} weights": matrix(dense),
    f"depthwise: {depthwise.size}": matrix(depthwise, groups=CHANNELS),
    f"pointwise: {pointwise.size}": matrix(pointwise),
    f"both: {depthwise.size + pointwise.size}": matrix(pointwise) @ matrix(depthwise, groups=CHANNELS),
}
fig, axes = plt.subplots(1, 4, figsize=(8, 2.2))
for ax, (title, entries) in zip(axes, matrices.items(), strict=True):
    limit = np.abs(entries).max()
    ax.imshow(entries, cmap="RdBu_r", vmin=-limit, vmax=limit)
    ax.set(title=title, xticks=[], yticks=[])
    ax.spines[:].set_visible(True)

first, *_, last = matrices.values()
assert np.array_equal(first != 0, last != 0)

plt.show()
