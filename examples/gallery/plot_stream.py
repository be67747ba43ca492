r"""
An ECG, filtered while it is recorded
=====================================

A monitor beside a bed does not wait until the recording is over. Samples come in chunks of a tenth of a second or so,
and each has to be on the screen when the next one comes. A *stream* is a causal layer for that: it takes the chunks,
remembers what its filters still need of the past, and its outputs are those of one call for the whole recording, to the
last bit.

The ECG comes with PyWavelets [1]_: 1024 samples, three beats. It hums, as recordings do that are made near a socket. If
there are 360 samples a second, as in the best-known collection of such recordings [2]_, the hum stands at 60 and
120 Hz, which is where American mains should be.

.. [1] G. R. Lee, R. Gommers, F. Wasilewski et al., "PyWavelets: A Python package for wavelet analysis", Journal of Open
   Source Software 4 (36), 2019, :doi:`10.21105/joss.01237`.
.. [2] G. B. Moody, R. G. Mark, "The Impact of the MIT-BIH Arrhythmia Database", IEEE Engineering in Medicine and
   Biology 20 (3), 2001, pages 45–50, :doi:`10.1109/51.932724`.
"""

import pickle

import matplotlib.pyplot as plt
import numpy as np
import pywt
import scipy.signal

import ndconv

RATE = 360  # samples a second
ecg = pywt.data.ecg()[np.newaxis].astype(np.float64)

# %%
# The layer
# ---------
# Two filters of 101 taps: a low-pass below 45 Hz against the hum, and a band from 8 to 24 Hz, in which little is left
# but the beats. They are causal, so their outputs lag behind by half their length, 0.14 seconds: that is the price for
# a filter that knows no future and delays all frequencies alike. The stream itself adds nothing to it.
#
# Before the first sample there is none; "replicate" takes it that the signal was at rest there.

TAPS = 101
low_pass = scipy.signal.firwin(TAPS, 45, fs=RATE, window=("kaiser", 6.0))
beats_alone = scipy.signal.firwin(TAPS, [8, 24], fs=RATE, pass_zero=False, window=("kaiser", 4.0))
layer = ndconv.ConvLayer(
    np.stack([low_pass, beats_alone])[:, np.newaxis, ::-1],
    padding="causal",
    padding_mode="replicate",
    method="direct",
)
stream = layer.stream()
print(f"latency of the stream: {stream.latency} samples; of the filters: {TAPS // 2}")
assert stream.latency == 0

# %%
# As if live
# ----------
# Samples come when they come, some 36 at a time. After ten chunks the program is stopped, and another one goes on with
# the saved stream.

rng = np.random.default_rng(0)
ends = np.cumsum(rng.poisson(36, size=100))
chunks = np.split(ecg, ends[ends < ecg.size], axis=1)

screen = []
for number, chunk in enumerate(chunks):
    if number == 10:
        saved = pickle.dumps(stream)
        stream = pickle.loads(saved)
    screen.append(stream.push(chunk))
live = np.concatenate([*screen, stream.flush()], axis=1)
print(f"{len(chunks)} chunks of {min(c.shape[1] for c in chunks)} to {max(c.shape[1] for c in chunks)} samples")

# %%
# The same bits
# -------------
# One call for the whole recording gives the same numbers, not only nearly. So does SciPy, nearly.

offline = layer(ecg)
assert np.array_equal(live, offline)
at_rest = np.concatenate([np.full((1, TAPS - 1), ecg[0, 0]), ecg], axis=1)
for taps, channel in zip([low_pass, beats_alone], live, strict=True):
    np.testing.assert_allclose(channel, scipy.signal.lfilter(taps, 1, at_rest)[0, TAPS - 1 :], atol=1e-10)

# %%
# What became of the hum
# ----------------------
# The power around 60 and 120 Hz, before and after, against that of the beats.

frequency, before = scipy.signal.periodogram(ecg[0], RATE, window="hann")
after = scipy.signal.periodogram(live[0], RATE, window="hann")[1]
for low, high in [(5, 30), (59, 61), (119, 121)]:
    band = (low <= frequency) & (frequency <= high)
    change = 10 * np.log10(after[band].sum() / before[band].sum())
    print(f"{low:>3} to {high:>3} Hz: {change:6.1f} dB")
    assert abs(change) < 0.5 if high == 30 else change < -40

# %%
# The picture
# -----------
# Above, the ECG as it comes, what is shown of it, and the beats; the dotted lines are where chunks end. Below, their
# spectrograms: after the filter, nothing is left above 50 Hz.

transform = scipy.signal.ShortTimeFFT(scipy.signal.windows.hann(128, sym=False), hop=4, fs=RATE, scale_to="psd")
seconds = np.arange(ecg.size) / RATE

fig = plt.figure(figsize=(8, 5.6))
(top, middle, bottom), (left, right) = (
    part.subplots(*shape, sharex=True, sharey=shape[0] == 1)
    for part, shape in zip(fig.subfigures(2, 1, height_ratios=[1.25, 1]), [(3, 1), (1, 2)], strict=True)
)
for ax, title, signal, colour in [
    (top, "An ECG, in chunks", ecg[0], "C0"),
    (middle, "Below 45 Hz", live[0], "C2"),
    (bottom, "From 8 to 24 Hz", live[1], "C1"),
]:
    ax.plot(seconds, signal, linewidth=0.8, color=colour)
    ax.vlines(np.cumsum([c.shape[1] for c in chunks])[:-1] / RATE, *ax.get_ylim(), "C4", "dotted", linewidth=0.5)
    ax.set(yticks=[], xlim=(0, seconds[-1]))
    ax.set_title(title, loc="left")
bottom.set_xlabel("seconds")

for ax, title, signal in [(left, "Before", ecg[0]), (right, "After the low-pass", live[0])]:
    power = 10 * np.log10(np.maximum(transform.spectrogram(signal - signal.mean(), padding="even"), 1e-12))
    image = ax.imshow(
        power, cmap="magma", vmin=-40, vmax=25, origin="lower", aspect="auto", extent=transform.extent(ecg.size)
    )
    ax.set(xlim=(0, seconds[-1]), ylim=(0, RATE / 2), yticks=[0, 60, 120, 180], xlabel="seconds")
    ax.set_title(title, loc="left")
left.set_ylabel("Hz")
fig.colorbar(image, ax=(left, right), pad=0.01, label="dB")

plt.show()
