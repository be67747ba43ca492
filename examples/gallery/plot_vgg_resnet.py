r"""
The blocks of VGG and ResNet
============================

Convolution layers seldom come alone. The block of VGG [1]_ stacks layers of 3 × 3 and halves the map. The blocks of
ResNet [2]_ add batch normalisation [3]_ and a residual connection: the *basic* block has two layers of 3 × 3, the
*bottleneck* reduces the channels by a layer of 1 × 1, does its 3 × 3 on few of them, and expands again.

Here each is a few calls of :func:`ndconv.conv_layer`. Batch normalisation is folded into the weights, and bias,
residual and rectifier are part of the calls, so nothing else passes over the maps. VGG gets batch normalisation, too,
as is usual today. Gradients are checked against finite differences and, where PyTorch is installed, everything against
the same blocks written in PyTorch.

.. [1] K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
   `arXiv:1409.1556 <https://arxiv.org/abs/1409.1556>`_.
.. [2] K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016,
   :doi:`10.1109/CVPR.2016.90`.
.. [3] S. Ioffe, C. Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
   Shift", ICML 2015, `arXiv:1502.03167 <https://arxiv.org/abs/1502.03167>`_.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

import ndconv

try:
    import torch
    from torch.nn import functional
except ImportError:
    torch = None

rng = np.random.default_rng(0)

# %%
# A layer with batch normalisation
# --------------------------------
# At work, batch normalisation divides by the standard deviation of its training and so is a scale and a shift of each
# channel: it goes into the weights and the bias, and costs nothing. The way back unfolds it again.

EPSILON = 1e-5


class NormalizedLayer:
    """A convolution layer, batch normalisation and a rectifier, with the gradients of all that it learns."""

    def __init__(self, channels_out, channels_in, size):
        scale = np.sqrt(2 / (channels_in * size**2))
        self.parameters = {
            "weight": scale * rng.standard_normal((channels_out, channels_in, size, size)),
            "gamma": rng.uniform(0.5, 1.5, channels_out),
            "beta": 0.1 * rng.standard_normal(channels_out),
        }
        self.mean = 0.1 * rng.standard_normal(channels_out)
        self.var = rng.uniform(0.5, 1.5, channels_out)

    def forward(self, x, residual=None):
        """Return the output; one call does it all."""
        weight, gamma, beta = self.parameters.values()
        self.folded, bias = ndconv.fold_batch_norm(weight, None, gamma, beta, self.mean, self.var, EPSILON)
        self.x = x
        self.y = ndconv.conv_layer(x, self.folded, bias, padding="same", residual=residual, activation="relu")
        return self.y

    def backward(self, grad_y):
        """Return the gradients of x and of the residual, and keep those of the parameters."""
        grad_sum = grad_y * (self.y > 0)
        grad_x, grad_folded, grad_bias = ndconv.conv_layer_backward(grad_sum, self.x, self.folded, padding="same")
        deviation = np.sqrt(self.var + EPSILON)
        weight, gamma, _ = self.parameters.values()
        self.gradients = {
            "weight": grad_folded * (gamma / deviation)[:, np.newaxis, np.newaxis, np.newaxis],
            "gamma": ((grad_folded * weight).sum(axis=(1, 2, 3)) - grad_bias * self.mean) / deviation,
            "beta": grad_bias,
        }
        return grad_x, grad_sum


# %%
# The blocks
# ----------


class Block:
    """Layers one after the other, with a residual connection around them or a pooling layer after them."""

    def __init__(self, *layers, residual=False, pooling=False):
        self.layers, self.residual, self.pooling = layers, residual, pooling

    def forward(self, x):
        """Return the output."""
        *inner, last = self.layers
        y = x
        for layer in inner:
            y = layer.forward(y)
        y = last.forward(y, residual=x if self.residual else None)
        return two_by_two(y).max(axis=(3, 5)) if self.pooling else y

    def backward(self, grad_y):
        """Return the gradient of x, and leave those of the parameters with the layers."""
        *inner, last = self.layers
        if self.pooling:  # to the largest of the four; where all are 0, the rectifier stops it
            windows = two_by_two(last.y)
            largest = windows == windows.max(axis=(3, 5), keepdims=True)
            grad_y = (largest * grad_y[:, :, :, np.newaxis, :, np.newaxis]).reshape(last.y.shape)
        grad, grad_residual = last.backward(grad_y)
        for layer in reversed(inner):
            grad, _ = layer.backward(grad)
        return grad + grad_residual if self.residual else grad


def two_by_two(y):
    """Return a view of maps in windows of two by two pixels."""
    samples, channels, height, width = y.shape
    return y.reshape(samples, channels, height // 2, 2, width // 2, 2)


blocks = {
    "VGG": Block(NormalizedLayer(64, 64, 3), NormalizedLayer(64, 64, 3), pooling=True),
    "ResNet basic": Block(NormalizedLayer(64, 64, 3), NormalizedLayer(64, 64, 3), residual=True),
    "ResNet bottleneck": Block(
        NormalizedLayer(64, 256, 1), NormalizedLayer(64, 64, 3), NormalizedLayer(256, 64, 1), residual=True
    ),
}

# %%
# Are they right?
# ---------------
# Gradients say how the output changes when everything, input and parameters, moves a little in some direction. So move
# it, and see.


def slope(block, x, grad_y, directions, step=1e-8):
    """Return how fast the output moves along grad_y when x and the parameters move in some directions."""
    places = [x, *(array for layer in block.layers for array in layer.parameters.values())]

    def output_after(step):
        for place, direction in zip(places, directions, strict=True):
            place += step * direction
        y = block.forward(x)
        for place, direction in zip(places, directions, strict=True):
            place -= step * direction
        return y

    return np.vdot(output_after(step) - output_after(-step), grad_y) / (2 * step)


# %%
# And the same blocks in PyTorch:


def by_torch(block, x, grad_y):
    """Return the output and all gradients, of x first, by PyTorch."""
    x = torch.tensor(x, requires_grad=True)
    leaves, y = [x], x
    for layer in block.layers:
        weight, gamma, beta = (torch.tensor(array, requires_grad=True) for array in layer.parameters.values())
        leaves += [weight, gamma, beta]
        y = functional.conv2d(y, weight, padding="same")
        y = functional.batch_norm(y, torch.tensor(layer.mean), torch.tensor(layer.var), gamma, beta, eps=EPSILON)
        if block.residual and layer is block.layers[-1]:
            y = y + x
        y = functional.relu(y)
    if block.pooling:
        y = functional.max_pool2d(y, 2)
    y.backward(torch.tensor(grad_y))
    return y.detach().numpy(), [leaf.grad.numpy() for leaf in leaves]


for name, block in blocks.items():
    channels = block.layers[0].parameters["weight"].shape[1]
    x = rng.standard_normal((2, channels, 14, 14))
    y = block.forward(x)
    grad_y = rng.standard_normal(y.shape)
    grad_x = block.backward(grad_y)
    gradients = [grad_x, *(array for layer in block.layers for array in layer.gradients.values())]

    directions = [rng.standard_normal(gradient.shape) for gradient in gradients]
    predicted = sum(map(np.vdot, gradients, directions))
    np.testing.assert_allclose(slope(block, x, grad_y, directions), predicted, rtol=1e-4)
    verdict = "gradients agree with finite differences"
    if torch:
        expected_y, expected_gradients = by_torch(block, x, grad_y)
        np.testing.assert_allclose(y, expected_y, rtol=1e-10, atol=1e-10)
        for gradient, expected in zip(gradients, expected_gradients, strict=True):
            np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-9)
        verdict += f"; output and {len(gradients)} gradients with PyTorch"
    print(f"{name + ':':<20}{verdict}")

# %%
# What they cost
# --------------
# On a map of 56 × 56. The bottleneck has four times as many channels as the basic block, for the same price; that is
# what it is for.

print(f"{'block':<20}{'weight':<20}{'output':<16}{'parameters':>10}{'multiply-adds':>15}")
costs = {}
for name, block in blocks.items():
    shapes = [layer.parameters["weight"].shape for layer in block.layers]
    costs[name] = [ndconv.layer_cost((shape[1], 56, 56), shape, padding="same") for shape in shapes]
    for shape, cost in zip(shapes, costs[name], strict=True):
        sizes = [" x ".join(map(str, sizes)) for sizes in (shape, cost.output_shape)]
        print(f"{name:<20}{sizes[0]:<20}{sizes[1]:<16}{cost.parameters:>10,}{cost.multiply_adds:>15,}")

work = {name: sum(cost.multiply_adds for cost in layers) for name, layers in costs.items()}
assert 0.9 < work["ResNet bottleneck"] / work["ResNet basic"] < 1.0

# %%
# What a stack of small filters sees
# ----------------------------------
# The argument of VGG: two layers of 3 × 3 see 5 × 5 pixels, three see 7 × 7, and have rectifiers in between. The three
# need 27 weights for each pair of channels where one layer of 7 × 7 needs 49.
#
# The pictures pull the gradient of one output back to the input through the layers above: what is not white has a say
# in that output. The frame is what :func:`ndconv.receptive_field` answers. The corners have few ways to the output, the
# middle has many.


def weights(kernel, channels=64):
    """Return how many weights a layer has."""
    return ndconv.layer_cost((channels, 56, 56), (channels, channels, kernel, kernel), bias=False).parameters


assert 3 * weights(3) == 27 * 64**2
assert weights(7) == 49 * 64**2

SIZE, CHANNELS = 27, 16
fig, axes = plt.subplots(1, 5, figsize=(8, 2.1))
for ax, depth in zip(axes, [1, 2, 3, 6, 12], strict=True):
    stack = Block(*(NormalizedLayer(CHANNELS, CHANNELS, 3) for _ in range(depth)))
    y = stack.forward(rng.standard_normal((32, CHANNELS, SIZE, SIZE)))
    one_output = np.zeros_like(y)
    one_output[:, :, SIZE // 2, SIZE // 2] = 1
    influence = np.abs(stack.backward(one_output)).mean(axis=(0, 1))
    influence[influence < 1e-12 * influence.max()] = 0  # rounding

    seen = ndconv.receptive_field([(3, 1, 1, 1)] * depth)
    (size,), (start,) = seen.size, seen.start
    (first, last) = np.flatnonzero(influence.any(axis=0))[[0, -1]]
    assert (first, last - first + 1) == (SIZE // 2 + start, size)

    ax.imshow(np.sqrt(np.where(influence, influence, np.nan)), cmap="Blues", vmin=0)
    ax.add_patch(Rectangle((first - 0.5, first - 0.5), size, size, fill=False, edgecolor="C1", linewidth=1.2))
    ax.set(title=f"layers: {depth}\npixels: {size} × {size}", xticks=[], yticks=[])
    ax.spines[:].set_visible(True)

plt.show()
