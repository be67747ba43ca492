"""The way from samples to outputs: of a long filter, the latest taps directly and the early ones by spectra."""

from __future__ import annotations

import math

import numpy as np

from .._call.dtypes import Array, compute_type
from .._methods import AUTO, PLAIN_SUMS, fourier
from .partitions import Partitions, early_and_late
from .state import State
from .taps import Taps, Weights

# Taps from which on "auto" has the early ones go by spectra; and the samples of a block, for each in the root of those
# that the kernel spans.
STREAM_TAPS = 4096
STREAM_BLOCK = 8.0


class Filter:
    """The way from samples to outputs, which streams of the same filter share."""

    def __init__(self, weights: Weights, method: str) -> None:
        self.weights = weights
        block = _block(weights, method)
        self.partitions = None if block is None else Partitions(weights, block)
        self.late = Taps(weights if block is None else early_and_late(weights, block)[1])

    @property
    def nbytes(self) -> int:
        """The bytes of its spectra; its taps keep count of theirs."""
        return 0 if self.partitions is None else self.partitions.spectra.nbytes

    def begin(self, rows: int, channels: int) -> State:
        """Return the state before any sample."""
        dtype = self.weights.dtype
        real = dtype.kind == "c" and not self.weights.x_is_complex
        history = np.empty((rows, channels, 0), compute_type(dtype) if real else dtype)
        if self.partitions is not None:
            return self.partitions.begin(rows, history)
        return State(start=0, due=self.weights.reach, history=history)

    def ready(self, state: State, samples: int) -> int:
        """Return how many outputs so many more samples make ready."""
        end = state.start + int(state.history.shape[-1]) + samples
        return max((end - 1 - state.due) // self.weights.stride + 1, 0)

    def feed(self, state: State, x: Array, y: Array, workers: int | None) -> None:
        """Compute the outputs y (rows, channels, outputs) that x (rows, channels, samples) makes ready."""
        stride, block = self.weights.stride, None if self.partitions is None else self.partitions.block
        while x.shape[-1]:
            n = x.shape[-1] if block is None else block - (state.start + state.history.shape[-1]) % block
            part, x = x[..., :n], x[..., n:]
            count = self.ready(state, part.shape[-1])
            samples = part if state.history.shape[-1] == 0 else np.concatenate([state.history, part], axis=-1)
            end = state.start + samples.shape[-1]
            if count:
                first = state.due - self.late.weights.reach - state.start
                tail = None
                if block is not None and state.tail is not None:
                    place = state.due % block // stride
                    tail = state.tail[..., place : place + count]
                outside = state.outside(state.start + first, end)
                self.late(samples[..., first:], tail, y[..., :count], workers, outside)
                y = y[..., count:]
                state.due += count * stride
            kept = state.due - self.weights.reach
            if self.partitions is not None and block is not None:
                kept = (end // block - 1) * block
                if end % block == 0:
                    self.partitions.complete(state, samples, end, workers)
            cut = min(max(kept - state.start, 0), samples.shape[-1])
            state.history = samples[..., cut:].copy()
            state.start += cut


def _block(weights: Weights, method: str) -> int | None:
    """Return the samples of a partition, or None for the direct method alone."""
    reach, stride, dtype = weights.reach, weights.stride, weights.dtype
    if method == PLAIN_SUMS or (method == AUTO and (dtype.kind not in "fc" or weights.taps.shape[-1] < STREAM_TAPS)):
        return None
    if dtype.kind not in "fc":
        raise ValueError(f"method='fft' cannot do this stream: its transforms would round integers of dtype {dtype}")
    # Late taps are as many as a block has samples, partitions as many as the kernel has blocks: the root balances them.
    block = stride << max(round(math.log2(STREAM_BLOCK * math.sqrt(max(reach, 1)) / stride)), 0)
    if block <= reach:
        return block
    if method == fourier.NAME:
        raise ValueError(f"method='fft' cannot do this stream: a kernel that spans {reach + 1} samples is too short")
    return None
