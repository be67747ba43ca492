r"""
Handwritten digits, as in 1989
==============================

The network with which convolution layers began [1]_, trained here on real digits with nothing but NumPy and ndconv. A
digit of 16 × 16 pixels passes through four layers:

===== ================================ ============ =======================================================
layer filters                          units        what it is
===== ================================ ============ =======================================================
H1    12 of 5 × 5, stride 2            12 × 8 × 8   one filter for each map, a bias for each unit
H2    12 of 8 × 5 × 5, stride 2        12 × 4 × 4   the same; each map sees 8 of the 12 maps of H1
H3    30 of 12 × 4 × 4                 30           fully connected: a filter as large as the map it looks at
out   10 of 30 × 1 × 1                 10           one unit for each digit
===== ================================ ============ =======================================================

Every unit takes the scaled hyperbolic tangent :math:`1.7159 \tanh(\tfrac{2}{3} a)` of its sum, and what lies beyond the
border is -1, the colour of the paper.

Three things are not those of 1989. The digits are scikit-learn's, of 8 × 8 pixels, enlarged to 16 × 16. Which 8 maps of
H1 each map of H2 sees was not printed, so here they are neighbours in a circle. And training takes plain gradients of
small batches, with momentum.

.. [1] Y. LeCun, B. Boser, J. S. Denker, D. Henderson, R. E. Howard, W. Hubbard, L. D. Jackel, "Backpropagation
   Applied to Handwritten Zip Code Recognition", Neural Computation 1 (4), 1989, pages 541–551,
   :doi:`10.1162/neco.1989.1.4.541`.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage
from matplotlib.colors import CenteredNorm
from sklearn.datasets import load_digits
from tqdm import tqdm

import ndconv

rng = np.random.default_rng(1989)

# %%
# The digits
# ----------
# 1797 of them, of which 450 are held out. They are drawn at random, so the writers of both parts are the same people.

digits = load_digits()
enlarged = scipy.ndimage.zoom(digits.images, (1, 2, 2), order=1)
images = (enlarged / 8 - 1).astype(np.float32)[:, np.newaxis]  # one channel, from -1 (paper) to 1 (ink)
shuffled = rng.permutation(len(images))
held_out, training = shuffled[:450], shuffled[450:]

# %%
# The network
# -----------
# A layer is a call of :func:`ndconv.conv_layer`, and its gradient one of :func:`ndconv.conv_layer_backward`. The biases
# of the paper belong to units, not to maps: they are an array of the output's shape, and enter as a residual.

AMPLITUDE, SLOPE = 1.7159, 2 / 3


class Layer:
    """One layer of the network: its parameters, what it computed last, and its steps down the gradient."""

    def __init__(self, units, weight_shape, seen=1, **geometry):
        connected = np.zeros(weight_shape, np.float32) + seen
        self.fan_in = int(connected[0].sum())
        self.weight = connected * rng.uniform(-2.4 / self.fan_in, 2.4 / self.fan_in, weight_shape).astype(np.float32)
        self.bias = np.zeros(units, np.float32)
        self.connected = connected
        self.options = {**geometry, "workers": 1}  # the batches are too small to share among threads
        self.velocity = [np.zeros_like(self.weight), np.zeros_like(self.bias)]

    @property
    def parameters(self):
        """How many numbers it learns."""
        return int(self.connected.sum()) + self.bias.size

    @property
    def connections(self):
        """How many products and biases one input costs."""
        return self.bias.size * (self.fan_in + 1)

    def forward(self, x):
        """Return the units' outputs for a batch."""
        biases = np.broadcast_to(self.bias, (len(x), *self.bias.shape))
        self.x = x
        self.y = AMPLITUDE * np.tanh(SLOPE * ndconv.conv_layer(x, self.weight, residual=biases, **self.options))
        return self.y

    def backward(self, grad_y):
        """Take in the gradient of the outputs, and return that of the inputs."""
        grad_sum = grad_y * SLOPE * (AMPLITUDE - self.y**2 / AMPLITUDE)
        needs = ("x", "weight")
        gradients = ndconv.conv_layer_backward(grad_sum, self.x, self.weight, needs=needs, **self.options)
        self.gradients = [gradients.weight * self.connected, grad_sum.sum(axis=0)]
        return gradients.x

    def step(self, rate, momentum):
        """Move the parameters down their gradients."""
        parameters = [self.weight, self.bias]
        for parameter, velocity, gradient in zip(parameters, self.velocity, self.gradients, strict=True):
            velocity *= momentum
            velocity -= rate * gradient
            parameter += velocity


circle = (np.arange(12) - np.arange(12)[:, np.newaxis]) % 12
eight_of_twelve = (circle < 8)[:, :, np.newaxis, np.newaxis]
halving = {"stride": 2, "padding": 2, "fill_value": -1.0}
network = {
    "H1": Layer((12, 8, 8), (12, 1, 5, 5), **halving),
    "H2": Layer((12, 4, 4), (12, 12, 5, 5), seen=eight_of_twelve, **halving),
    "H3": Layer((30, 1, 1), (30, 12, 4, 4)),
    "out": Layer((10, 1, 1), (10, 30, 1, 1)),
}

# %%
# Its parameters and connections are those that the paper counts, 9760 and 64,660:

for name, layer in network.items():
    print(f"{name:<6}{layer.parameters:>6,} parameters{layer.connections:>8,} connections")

assert [layer.parameters for layer in network.values()] == [1068, 2592, 5790, 310]
assert [layer.connections for layer in network.values()] == [19968, 38592, 5790, 310]

# %%
# Training
# --------
# The loss is the squared distance from a target that is 1 for the digit's unit and -1 for the nine others. Steps become
# shorter from epoch to epoch.


def scores(which):
    """Return the outputs of the network for some of the images."""
    x = images[which]
    for layer in network.values():
        x = layer.forward(x)
    return x


def mistakes(which):
    """Return which of them it takes for another digit."""
    return scores(which)[:, :, 0, 0].argmax(axis=1) != digits.target[which]


one_hot = np.eye(10, dtype=np.float32)[digits.target]
targets = (2 * one_hot - 1)[:, :, np.newaxis, np.newaxis]
EPOCHS, BATCH = 20, 16
losses, errors = [], []
for epoch in (progress := tqdm(range(EPOCHS), unit="epoch")):
    loss, rate = 0.0, 0.02 * (1 - epoch / EPOCHS)
    for batch in np.array_split(rng.permutation(training), len(training) // BATCH):
        difference = scores(batch) - targets[batch]
        loss += np.square(difference).sum() / len(training)
        gradient = difference / len(batch)
        for layer in reversed(network.values()):
            gradient = layer.backward(gradient)
        for layer in network.values():
            layer.step(rate, momentum=0.9)
    losses.append(loss)
    errors.append([mistakes(part).mean() for part in (training, held_out)])
    progress.set_postfix_str(f"loss {loss:.3f}, held-out error {errors[-1][1]:.1%}")

print(f"error on {len(held_out)} held-out digits: {errors[-1][1]:.1%}")
assert errors[-1][1] < 0.05

# %%
# The paper reached 5 % on postal digits, which are much harder.


def picture(ax, image, title="", **options):
    """Show an image without frame and ticks."""
    ax.imshow(image, **{"cmap": "gray", **options})
    ax.set_title(title)
    ax.axis("off")


def signed(limit=None):
    """Return the options of a picture with red above zero, blue below, and white at zero."""
    return {"cmap": "RdBu_r", "norm": CenteredNorm(halfrange=limit)}


epochs = np.arange(1, EPOCHS + 1)
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8))
left.semilogy(epochs, losses)
left.set(title="Loss", xlabel="epoch")
for part, curve in zip(["training", "held out"], 100 * np.transpose(errors), strict=True):
    right.plot(epochs, curve, label=f"{part}: {curve[-1]:.1f} % at last")
right.set(title="Digits taken for another one, in percent", xlabel="epoch", ylim=(0, None))
right.legend()
for ax in (left, right):
    ax.set_xticks([1, 5, 10, 15, 20])

# %%
# What it has learned
# -------------------
# The 12 filters of H1, and below each the map that it makes of a digit. Many are edge detectors of some direction.

# sphinx_gallery_thumbnail_number = 2
example = images[held_out[digits.target[held_out] == 2][:1]]
maps = network["H1"].forward(example)[0]
fig = plt.figure(figsize=(8, 1.75))
left, right = fig.subfigures(1, 2, width_ratios=[1.3, 6])
picture(left.subplots(), -example[0, 0], "digit")
rows = right.subplots(2, 12)
for ax, (kernel,) in zip(rows[0], network["H1"].weight, strict=True):
    picture(ax, kernel, **signed())
for ax, channel in zip(rows[1], maps, strict=True):
    picture(ax, channel, **signed(AMPLITUDE))
rows[0, 0].set_title("filters", loc="left")
rows[1, 0].set_title("maps", loc="left")

# %%
# The held-out digits that it gets wrong:

wrong = held_out[mistakes(held_out)][:10]
answers = scores(wrong)[:, :, 0, 0].argmax(axis=1)
fig, axes = plt.subplots(1, 10, figsize=(8, 1.0))
for ax in axes:
    ax.axis("off")
for ax, index, answer in zip(axes, wrong, answers, strict=False):
    picture(ax, -images[index, 0], f"{digits.target[index]} as {answer}")

plt.show()
