"""A filter along one axis by spectra of whole lines: its price does not grow with the kernel, however far that reaches.

Lines are extended as far as the weights reach, up to a length that is quick to transform. An extension that repeats
itself needs no more weights than its period: these are folded modulo it. Two need no extension, if the line's own
length is quick: "circular" under the Fourier transform, and "symmetric" under the cosine transform of type II, whose
result is a sine series where the weights are odd (S. A. Martucci, Symmetric convolution and the discrete sine and
cosine transforms, 1994). "zeros" and "replicate" do not repeat themselves, but what a constant beside x adds is a sum
of weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .._call.dtypes import Array
from .._call.modes import PaddingMode
from .._runtime.workers import Threads
from .._threads.python_tasks import for_each

# Samples that are transformed at a time, which stay in cache, and the fewest neighbouring lines, a cache line or two.
BLOCK_SAMPLES = 1 << 16
BLOCK_LINES = 16

# What the transforms of a sample are counted as.
SAMPLE_MULTIPLY_ADDS = 64

# From lines (before, n, after) to as many filtered lines.
Filter = Callable[[Array], Array]


class Pass(NamedTuple):
    """A correlation along one axis with an odd number of weights, even or odd about the middle one."""

    axis: int
    weights: Array  # of float64
    is_odd: bool
    mode: PaddingMode
    fill_value: float = 0.0  # outside x under "zeros"

    @property
    def radius(self) -> int:
        """How far the weights reach."""
        return self.weights.size // 2


def filter_by_spectra(x: Array, each: Pass, y: Array, workers: int | None) -> None:
    """Write to y the pass of x, of the same type and shape; both are C-contiguous, and may be the same."""
    shape = (math.prod(x.shape[: each.axis]), x.shape[each.axis], -1)
    lines, results = (array.view(array.real.dtype).reshape(shape) for array in (x, y))
    filtered = _filter_for(each, lines.shape[1], lines.dtype)
    before, n, after = lines.shape
    columns = min(after, max(BLOCK_SAMPLES // n, BLOCK_LINES))
    rows = max(BLOCK_SAMPLES // (n * columns), 1)
    blocks = [
        (slice(row, row + rows), slice(None), slice(column, column + columns))
        for row in range(0, before, rows)
        for column in range(0, after, columns)
    ]

    def task(block: tuple[slice, slice, slice]) -> None:
        results[block] = filtered(lines[block])

    with Threads(SAMPLE_MULTIPLY_ADDS * lines.size, workers) as threads:
        for_each(task, blocks, threads)


def _filter_for(each: Pass, n: int, dtype: np.dtype[np.generic]) -> Filter:
    """Return what filters lines of n samples of a real dtype."""
    import scipy.fft

    name = each.mode.name
    if name in ("zeros", "replicate"):
        return _beside_constants(each, n, dtype)
    if name != "reflect" and scipy.fft.next_fast_len(n) == n:
        if name == "circular":
            return _by_fourier(each.weights, n, dtype)
        return _by_sines(each.weights, n, dtype) if each.is_odd else _by_cosines(each.weights, n, dtype)
    period = {"circular": n, "symmetric": 2 * n, "reflect": max(2 * n - 2, 1)}[name]
    return _extended(_within(each.weights, period), each.mode, n, dtype)


def _folded(weights: Array, period: int) -> Array:
    """Return weights modulo a period, that of lag 0 first."""
    start = -(weights.size // 2) % period
    folds = -(-(start + weights.size) // period)
    spread = np.zeros(folds * period)
    spread[start : start + weights.size] = weights
    # In a wider type: there may be many folds.
    return np.asarray(spread.reshape(folds, period).sum(axis=0, dtype=np.longdouble), np.float64)


def _within(weights: Array, period: int) -> Array:
    """Return as many weights as do the same to what repeats itself after a period: no more than one for each lag."""
    reach = period // 2
    if weights.size <= 2 * reach + 1:
        return weights
    folded = np.roll(_folded(weights, period), reach)
    return folded if period % 2 else np.append(folded, 0)


def _response(weights: Array, period: int) -> Array:
    """Return the spectrum of weights modulo a period."""
    import scipy.fft

    return np.asarray(scipy.fft.rfft(_folded(weights, period)))


def _by_cosines(weights: Array, n: int, dtype: np.dtype[np.generic]) -> Filter:
    """Return what filters lines under "symmetric" by even weights."""
    import scipy.fft

    factors = _response(weights, 2 * n).real[:n].astype(dtype)[:, np.newaxis]

    def filtered(lines: Array) -> Array:
        series = scipy.fft.dct(lines, axis=1)
        series *= factors
        return np.asarray(scipy.fft.idct(series, axis=1, overwrite_x=True))

    return filtered


def _by_sines(weights: Array, n: int, dtype: np.dtype[np.generic]) -> Filter:
    """Return what filters lines under "symmetric" by odd weights."""
    import scipy.fft

    # The constant has no sine, and the highest sine no cosine.
    factors = _response(weights, 2 * n).imag[1:n].astype(dtype)[:, np.newaxis]

    def filtered(lines: Array) -> Array:
        cosines = scipy.fft.dct(lines, axis=1)
        sines = np.zeros_like(cosines)
        np.multiply(cosines[:, 1:], factors, out=sines[:, :-1])
        return np.asarray(scipy.fft.idst(sines, axis=1, overwrite_x=True))

    return filtered


def _by_fourier(weights: Array, length: int, dtype: np.dtype[np.generic]) -> Filter:
    """Return what filters lines that repeat themselves after a length, and are filled up to it by zeros."""
    import scipy.fft

    factors = _response(weights, length).conj().astype(np.result_type(dtype, np.complex64))[:, np.newaxis]

    def filtered(lines: Array) -> Array:
        spectra = scipy.fft.rfft(lines, length, axis=1)
        spectra *= factors
        return np.asarray(scipy.fft.irfft(spectra, length, axis=1, overwrite_x=True))

    return filtered


def _extended(weights: Array, mode: PaddingMode, n: int, dtype: np.dtype[np.generic]) -> Filter:
    """Return what filters lines that are extended by a mode as far as weights reach."""
    import scipy.fft

    reach = weights.size // 2
    sources = mode.source(np.arange(-reach, n + reach), n)
    filtered = _by_fourier(weights, scipy.fft.next_fast_len(sources.size, real=True), dtype)
    return lambda lines: filtered(lines.take(sources, axis=1))[:, reach : reach + n]


def _beside_constants(each: Pass, n: int, dtype: np.dtype[np.generic]) -> Filter:
    """Return what filters lines that have a constant on each side: a value, or the line's own end."""
    import scipy.fft

    radius = min(each.radius, n - 1)
    touching = each.weights[each.radius - radius : each.radius + radius + 1]
    filtered = _by_fourier(touching, scipy.fft.next_fast_len(n + radius, real=True), dtype)
    if each.mode.name == "zeros" and each.fill_value == 0:
        return lambda lines: filtered(lines)[:, :n]
    # The sums of the weights that lie before x, and of those that lie after it, for each output.
    counts = np.clip(each.radius - np.arange(n), 0, None)
    before, after = (
        np.concatenate([[0], np.cumsum(weights, dtype=np.longdouble)])[counts].astype(dtype)[:, np.newaxis]
        for weights in (each.weights, each.weights[::-1])
    )
    after = after[::-1]
    if each.mode.name == "zeros":
        outside = each.fill_value * (before + after)
        return lambda lines: filtered(lines)[:, :n] + outside
    return lambda lines: filtered(lines)[:, :n] + before * lines[:, :1] + after * lines[:, -1:]
