"""The earlier taps of a long filter, by spectra, for a signal that comes in chunks.

A chunk's outputs are those of one call for the whole signal, since the direct method adds up an output's products in an
order that does not depend on the signal's length. Of a long filter it does only the latest taps, so that outputs need
not wait. The earlier taps see samples that came at least a block ago; they are cut into partitions of a block's length,
and at the end of each block the spectra of the last blocks, times those of the partitions, give the next block's share
(T. G. Stockham, High-speed convolution and correlation, 1966; W. G. Gardner, Efficient convolution without input-output
delay, 1995). A block is always computed by itself, so chunks do not change the bits of these outputs either.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .._call.arguments import LARGEST
from .._call.dtypes import Array
from .state import State
from .taps import Taps, Weights

# Numbers up to so many times the smallest normal one lose digits in products of spectra.
QUIET = 2.0**26

# The exponent of zero, below that of any number.
SILENT = -(1 << 14)


class Partitions:
    """The early taps of a filter, `block` of its samples and more before the present, as spectra of partitions."""

    def __init__(self, weights: Weights, block: int) -> None:
        import scipy.fft

        self.weights, self.block = weights, block
        self.number = -(-(weights.reach + 1) // block) - 1
        compute = np.result_type(weights.dtype, np.float32)
        early = early_and_late(weights, block)[0]
        # What is added to other sums is not rounded to half precision before.
        self.taps = Taps(replace(early, taps=early.taps.astype(compute, copy=False), dtype=compute))
        self.length = scipy.fft.next_fast_len(2 * block, real=compute.kind == "f")
        self.met = _first_met(weights, early.taps.shape[-1], block)
        # Of tiny weights, spectra have a scale in which they are normal numbers.
        self.exponents = _exponents(np.abs(self.taps.weights.taps).max(axis=(1, 2), initial=0), compute)
        response = np.zeros((*weights.taps.shape[:2], (self.number + 1) * block), compute)
        with np.errstate(over="ignore"):  # of late taps
            taps = _scaled(weights.taps.astype(compute, copy=False), -self.exponents[:, None, None])
        response[..., weights.reach :: -weights.dilation] = taps
        parts = response.reshape(weights.groups, -1, weights.taps.shape[1], self.number + 1, block)[..., 1:, :]
        # Mirrored, as the ring of blocks runs against them, and twice, so that they can begin anywhere in it.
        spectra = np.roll(np.moveaxis(self.transform(parts), -2, 0)[::-1], 1, axis=0)
        self.spectra = np.concatenate([spectra, spectra])

    def transform(self, samples: Array) -> Array:
        """Return spectra along the last axis."""
        import scipy.fft

        compute = np.result_type(self.weights.dtype, np.float32)
        if compute.kind == "c":
            return np.asarray(scipy.fft.fft(samples.astype(compute, copy=False), self.length))
        return np.asarray(scipy.fft.rfft(samples.astype(compute, copy=False), self.length))

    def begin(self, rows: int, history: Array) -> State:
        """Return the state before any sample; outputs begin with a block."""
        lead, channels = -self.weights.reach % self.block, history.shape[1]
        nothing = self.transform(np.zeros(2 * self.block, history.dtype))
        return State(
            start=-self.block,
            due=lead + self.weights.reach,
            history=np.zeros((rows, channels, self.block + lead), history.dtype),
            spectra=np.zeros((self.number, rows, channels, nothing.size), nothing.dtype),
            past=np.zeros((self.number + 1, rows, channels, self.block), history.dtype),
            exponents=np.full((self.number, rows, self.weights.groups), SILENT, np.intc),
        )

    def complete(self, state: State, samples: Array, end: int, workers: int | None) -> None:
        """Take in a block, given with the one before it, and prepare the next one."""
        assert state.spectra is not None
        assert state.past is not None
        assert state.exponents is not None
        number, rows, _, frequencies = state.spectra.shape
        groups = self.weights.groups
        block = end // self.block - 1
        with np.errstate(all="ignore"):  # what is not finite is done again
            times = np.arange(end - 2 * self.block, end)
            heard = samples.astype(np.result_type(samples, np.float32), copy=False)
            if (times < self.met).any():
                heard = np.where(times < self.met, 0, heard)
            heard = heard.reshape(rows, groups, samples.shape[1] // groups, 2 * self.block)
            exponents = _exponents(np.abs(heard).max(axis=(2, 3), initial=0), heard.dtype)
            state.exponents[block % number] = exponents
            heard = _scaled(heard, -exponents[..., None, None])
            state.spectra[block % number] = self.transform(heard.reshape(samples.shape))
            state.past[block % (number + 1)] = samples[..., self.block :]
            if end + self.block <= state.due:
                return
            begin = -block % number
            loudest = state.exponents.max(axis=0)
            quieter = np.where(state.exponents == SILENT, 0, state.exponents - loudest)
            spectra = state.spectra.reshape(number, rows, groups, samples.shape[1] // groups, frequencies)
            spectra = _scaled(spectra, quieter[..., None, None])
            sums = np.einsum("pgoif,prgif->rgof", self.spectra[begin : begin + number], spectra)
            tail = self._samples(sums.reshape(rows, groups * sums.shape[2], frequencies))
            exponents = loudest[..., None] + self.exponents.reshape(groups, -1)
            state.tail = _scaled(tail, exponents.reshape(rows, groups * sums.shape[2], 1))
            if not np.isfinite(state.tail).all():
                state.tail = self._directly(state, block, workers)

    def _samples(self, spectra: Array) -> Array:
        import scipy.fft

        inverse = scipy.fft.irfft if self.weights.dtype.kind == "f" else scipy.fft.ifft
        return np.asarray(inverse(spectra, self.length)[..., self.block : 2 * self.block : self.weights.stride])

    def _directly(self, state: State, block: int, workers: int | None) -> Array:
        """Return the tail by the direct method: in spectra, infinity and NaN reach all of a block."""
        assert state.past is not None
        assert state.tail is not None
        past = state.past
        order = np.arange(block - self.number, block + 1) % (self.number + 1)
        samples = np.moveaxis(past[order], 0, 2).reshape(*past.shape[1:3], -1)
        first = samples.shape[-1] - self.weights.reach
        window = self.block - self.weights.stride + self.taps.weights.reach + 1
        tail = np.empty(state.tail.shape, self.taps.weights.dtype)
        start = (block + 1) * self.block - self.weights.reach
        self.taps(samples[..., first : first + window], None, tail, workers, state.outside(start, start + window))
        return tail


def _first_met(weights: Weights, taps: int, block: int) -> Array:
    """Return from which time on the first taps meet the samples of two blocks: never what a stride passes over."""
    stride, lead = weights.stride, -weights.reach % block
    met = np.full(stride, LARGEST)
    offsets = np.arange(min(taps, stride))[::-1] * weights.dilation
    met[(lead + offsets) % stride] = lead + offsets
    return np.tile(met, 2 * block // stride)


def _exponents(largest: Array, dtype: np.dtype[Any]) -> Array:
    """Return the exponents of the largest of some numbers where these are so small that products lose their digits."""
    limit = np.finfo(dtype).smallest_normal * QUIET
    return np.where(largest == 0, SILENT, np.where(largest < limit, np.frexp(largest)[1], 0)).astype(np.intc)


def _scaled(numbers: Array, exponents: Array) -> Array:
    """Return numbers times powers of two."""
    if not exponents.any():
        return numbers
    real = np.ascontiguousarray(numbers).view(numbers.real.dtype)
    return np.asarray(np.ldexp(real, exponents).view(numbers.dtype))


def early_and_late(weights: Weights, block: int) -> tuple[Weights, Weights]:
    """Return the taps apart: those that see the last `block` samples are late."""
    first_late = weights.taps.shape[-1] - -(-block // weights.dilation)
    early, late = weights.taps[..., :first_late], weights.taps[..., first_late:]
    return replace(weights, taps=early, bias=None, activation=None), replace(weights, taps=late)
