r"""
WaveNet's receptive field, on an ECG
====================================

A sound, or a heartbeat, has structure at every scale: neighbouring samples, waves, beats. To see far back, a stack of
plain layers would have to be as deep as it sees far. WaveNet [1]_ doubles the dilation from layer to layer instead, and
then the receptive field doubles, too. Padding is *causal*: all of it lies before the signal, so that no output knows
its future.

Each layer of the stack is gated, and has a residual connection around it,

.. math:: z = \tanh(W_f * x) \odot \sigma(W_g * x), \qquad y = x + W_{1 \times 1} z,

with two taps in :math:`W_f` and :math:`W_g`. The stack here has eight such layers, random weights, and an ECG to look
at.

.. [1] A. van den Oord, S. Dieleman, H. Zen et al., "WaveNet: A Generative Model for Raw Audio", 2016,
   `arXiv:1609.03499 <https://arxiv.org/abs/1609.03499>`_.
"""

import matplotlib.pyplot as plt
import numpy as np
import pywt

import ndconv

rng = np.random.default_rng(0)

# %%
# The signal
# ----------
# 1024 samples of an electrocardiogram, three beats, as one channel.

ecg = pywt.data.ecg()[np.newaxis].astype(np.float64)
ecg = (ecg - ecg.mean()) / ecg.std()

# %%
# The stack
# ---------

CHANNELS, TAPS = 16, 2
DILATIONS = [1, 2, 4, 8, 16, 32, 64, 128]


def random_layer(channels_out, channels_in, taps=1, **options):
    """Return a causal layer with random weights that keep the size of its input."""
    weight = rng.standard_normal((channels_out, channels_in, taps)) / np.sqrt(channels_in * taps)
    return ndconv.ConvLayer(weight, padding="causal", **options)


class GatedLayer:
    """One layer of WaveNet."""

    def __init__(self, dilation):
        self.filter = random_layer(CHANNELS, CHANNELS, TAPS, dilation=dilation, activation="tanh")
        self.gate = random_layer(CHANNELS, CHANNELS, TAPS, dilation=dilation, activation="sigmoid")
        self.project = random_layer(CHANNELS, CHANNELS)

    def __call__(self, x):
        """Return the output, as long as x."""
        return x + self.project(self.filter(x) * self.gate(x))


first = random_layer(CHANNELS, 1)
stack = [GatedLayer(dilation) for dilation in DILATIONS]


def run(signal):
    """Return what each layer of the stack makes of a signal."""
    maps = [first(signal)]
    for layer in stack:
        maps.append(layer(maps[-1]))
    return maps[1:]


# %%
# How far it sees
# ---------------
# :func:`ndconv.receptive_field` needs no signal to answer that: 256 samples, of which the last is the present.

fields = [ndconv.receptive_field([layer.filter for layer in stack[: depth + 1]]) for depth in range(len(stack))]
print(fields[-1])
assert fields[-1].size == (256,)
assert fields[-1].start == (-255,)

# %%
# As many layers without dilation would see 9. To see 256, they would have to be 255:

undilated = [{"kernel": TAPS, "padding": "causal"}]
assert ndconv.receptive_field(undilated * len(stack)).size == (9,)
assert ndconv.receptive_field(undilated * 255).size == (256,)

# %%
# Is it true?
# -----------
# Poke one sample of the ECG, and run the stack again. The outputs that change must be those that have the sample in
# their receptive field: none before it, for that would be a look into the future, and none after it has left the field.
# All others must be the same to the last bit.

POKED = 400
poked = ecg.copy()
poked[0, POKED] += 1
before, after = run(ecg), run(poked)
changes = np.array([np.abs(b - a).max(axis=0) for a, b in zip(before, after, strict=True)])

for dilation, field, change in zip(DILATIONS, fields, changes, strict=True):
    changed = np.flatnonzero(change)
    print(f"dilation {dilation:>3}: outputs {changed[0]} to {changed[-1]} change, {len(changed)} of them")
    assert changed[0] == POKED
    assert changed[-1] == POKED + field.size[0] - 1

# %%
# The picture shows the ECG, what the layers make of it, and which outputs the poked sample reaches. The line is the
# answer of :func:`ndconv.receptive_field`.

fig, (top, middle, bottom) = plt.subplots(3, 1, figsize=(8, 6.2), sharex=True, height_ratios=[1, 1.8, 1.8])
time = np.arange(ecg.size)
top.plot(time, ecg[0], linewidth=0.9, color="C0")
top.plot(POKED, ecg[0, POKED], "o", color="C1", markersize=5)
top.annotate("poked sample", (POKED, ecg[0, POKED]), (0, 9), textcoords="offset points", ha="center")
top.set(title="An ECG", yticks=[])

rows = {"aspect": "auto", "interpolation": "nearest", "origin": "lower"}
one_channel = np.array([layer[0] for layer in before])
one_channel = (one_channel - one_channel.mean(axis=1, keepdims=True)) / one_channel.std(axis=1, keepdims=True)
middle.imshow(one_channel, cmap="RdBu_r", vmin=-3, vmax=3, **rows)
middle.set_title("One channel of each layer")

reached = np.log10(np.where(changes, changes, np.nan))
image = bottom.imshow(reached, cmap="Oranges", **rows)
ends = [POKED + field.size[0] - 0.5 for field in fields]
bottom.stairs(ends, np.arange(len(ends) + 1) - 0.5, orientation="horizontal", baseline=POKED - 0.5, color="C0")
bottom.set(title="What the poke changes, as a power of ten", xlabel="sample")
fig.colorbar(image, ax=bottom, pad=0.01)
for ax in (middle, bottom):
    ax.set_yticks(range(len(DILATIONS)), DILATIONS)
    ax.set_ylabel("dilation")

plt.show()
