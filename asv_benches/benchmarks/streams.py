"""Time of signals that come in chunks, after a first one that starts threads and chooses plans."""

import numpy as np
import scipy.signal

import ndconv

from .shapes import normal

MOST_SAMPLES, MOST_CHUNKS = 1 << 16, 256


def chunks_of(signal: np.ndarray, length: int) -> list[np.ndarray]:
    """Return a signal's first chunks of some length."""
    number = min(signal.shape[-1] // length, MOST_CHUNKS)
    return [signal[..., n * length : (n + 1) * length] for n in range(number)]


class Filter:
    """One channel through causal filters, beside lfilter with the state that it hands from chunk to chunk."""

    params = ([64, 1024, 16_384], [101, 10_001], ["ndconv", "lfilter"])
    param_names = ("chunk", "taps", "library")

    def setup(self, chunk, taps, library):
        if library == "lfilter" and taps > 1000:
            raise NotImplementedError("lfilter would take too long")
        signal, response = normal(np.float32, (MOST_SAMPLES,), (taps,))
        self.chunks = chunks_of(signal, chunk)
        if library == "ndconv":
            self.push = ndconv.CorrelateStream(response[::-1]).push
        else:
            self.state = np.zeros(taps - 1, np.float32)
            self.push = lambda chunk: self.filter(response, chunk)
        self.push(self.chunks[0])

    def filter(self, response, chunk):
        y, self.state = scipy.signal.lfilter(response, 1, chunk, zi=self.state)
        return y

    def time_chunks(self, chunk, taps, library):
        for samples in self.chunks:
            self.push(samples)


class Layer:
    """A causal layer of 64 to 128 channels, 2 taps 512 samples apart, weights packed beforehand."""

    params = ([1, 64, 1024],)
    param_names = ("chunk",)

    def setup(self, chunk):
        signal, weight = normal(np.float32, (64, 16_384), (128, 64, 2))
        self.chunks = chunks_of(signal, chunk)
        self.push = ndconv.ConvLayer(weight, padding="causal", dilation=512).stream().push
        self.push(self.chunks[0])

    def time_chunks(self, chunk):
        for samples in self.chunks:
            self.push(samples)
