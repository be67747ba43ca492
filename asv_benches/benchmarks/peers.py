"""The same work by SciPy, and what it would cost to wait for it."""

from math import prod

import numpy as np
import scipy.ndimage
import scipy.signal

from .shapes import Layer, Signal

# Multiply-adds per second on one channel with a large kernel, by number of dimensions: rough, from below, and used for
# nothing but to leave out what would take too long.
SLOWEST_RATES = {
    "scipy": {1: 5e9, 2: 9e7, 3: 8e7},
    "ndimage": {1: 9e8, 2: 9e8, 3: 9e8},
    "pytorch": {1: 3e8, 2: 3e8, 3: 3e9},
    "jax": {1: 2e9, 2: 1e9, 3: 5e7},
}


def seconds_needed(library: str, problem: Signal) -> float:
    """Return about how long one correlation takes at the most; 0 where that is not known."""
    return problem.multiply_adds / SLOWEST_RATES.get(library, {}).get(len(problem.spatial), np.inf)


def scipy_correlate(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the correlation in mode "same" by scipy.signal's direct method."""
    return scipy.signal.correlate(x, kernel, mode="same", method="direct")


def scipy_fft(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the correlation in mode "same" by scipy.signal's Fourier transforms of the whole."""
    return scipy.signal.correlate(x, kernel, mode="same", method="fft")


def scipy_overlap_add(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the correlation in mode "same" by scipy.signal's Fourier transforms of blocks."""
    return scipy.signal.oaconvolve(x, np.flip(kernel).conj(), mode="same")


def ndimage_correlate(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the correlation in mode "same" by scipy.ndimage."""
    return scipy.ndimage.correlate(x, kernel, mode="constant")


def ndimage_layer(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, layer: Layer) -> np.ndarray:
    """Return a whole layer by scipy.ndimage: one correlation for each sample and each pair of channels."""
    inputs, outputs = weight.shape[1], layer.channels_out // layer.groups
    padded = np.pad(x, [(0, 0), (0, 0), *[(layer.padding, layer.padding)] * len(layer.kernel)])
    y = np.empty(layer.output_shape, x.dtype)
    # ndimage puts the middle of the kernel on every sample; the first whole window starts half a kernel further in.
    window = tuple(
        slice(width // 2, width // 2 + layer.stride * (size - 1) + 1, layer.stride)
        for width, size in zip(layer.widths, y.shape[2:], strict=True)
    )
    for sample, answer in zip(padded, y, strict=True):
        for out, filters in enumerate(spread(weight, layer)):
            group = slice(out // outputs * inputs, (out // outputs + 1) * inputs)
            answer[out] = bias[out] + sum(plane[window] for plane in map(ndimage_correlate, sample[group], filters))
    return y


def spread(weight: np.ndarray, layer: Layer) -> np.ndarray:
    """Return the filters with zeros between their taps, as wide as dilation makes them."""
    wide = np.zeros((*weight.shape[:2], *layer.widths), weight.dtype)
    wide[(..., *[slice(None, None, layer.dilation)] * len(layer.widths))] = weight
    return wide


def seconds_needed_by_layer(layer: Layer) -> float:
    """Return about how long `ndimage_layer` takes: its pairs of channels, each with the cost of a call."""
    pairs = layer.batch * layer.channels_out * layer.channels_in // layer.groups
    return pairs * (2e-5 + prod(layer.spatial) * prod(layer.widths) / SLOWEST_RATES["ndimage"][2])
