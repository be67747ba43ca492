"""A filter along one axis by spectra: its price does not grow with the kernel, however far that reaches.

Each padding mode has the transform in which its extension of a line is a matter of course: "symmetric" the cosine
transform of type II and "reflect" that of type I, whose results are sine series where the weights are odd; "circular"
the Fourier transform (S. A. Martucci, Symmetric convolution and the discrete sine and cosine transforms, 1994). The
weights are folded modulo the extension's period. "zeros" and "replicate" have none: there, only the weights that touch
x go into spectra, and what a constant beside x adds is a sum of weights.
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
    name = each.mode.name
    if name == "circular":
        return _by_fourier(_response(each.weights, n), n, n, dtype)
    if name in ("zeros", "replicate"):
        return _beside_constants(each, n, dtype)
    # A single sample is repeated by both.
    kind, period = (1, 2 * n - 2) if name == "reflect" and n > 1 else (2, 2 * n)
    response = _response(each.weights, period)[:n]
    return _to_sines(response.imag, kind, n, dtype) if each.is_odd else _to_cosines(response.real, kind, dtype)


def _response(weights: Array, period: int) -> Array:
    """Return the spectrum of weights, folded modulo a period."""
    import scipy.fft

    start = -(weights.size // 2) % period
    folds = -(-(start + weights.size) // period)
    spread = np.zeros(folds * period)
    spread[start : start + weights.size] = weights
    # In a wider type: there may be many folds.
    folded = spread.reshape(folds, period).sum(axis=0, dtype=np.longdouble).astype(np.float64)
    return np.asarray(scipy.fft.rfft(folded))


def _to_cosines(response: Array, kind: int, dtype: np.dtype[np.generic]) -> Filter:
    """Return what multiplies cosine series by a response."""
    import scipy.fft

    factors = response.astype(dtype)[:, np.newaxis]

    def filtered(lines: Array) -> Array:
        series = scipy.fft.dct(lines, kind, axis=1)
        series *= factors
        return np.asarray(scipy.fft.idct(series, kind, axis=1, overwrite_x=True))

    return filtered


def _to_sines(response: Array, kind: int, n: int, dtype: np.dtype[np.generic]) -> Filter:
    """Return what turns cosine series into sine series, multiplied by a response."""
    import scipy.fft

    # The constant has no sine. Of type I, neither has the highest frequency, and both ends are zero; of type II, the
    # highest sine has no cosine.
    last = n - 1 if kind == 1 else n
    factors = response[1:last].astype(dtype)[:, np.newaxis]

    def filtered(lines: Array) -> Array:
        result = np.zeros_like(lines)
        series = scipy.fft.dct(lines, kind, axis=1)
        series = series[:, 1:last] * factors
        if kind == 2:
            result[:, : n - 1] = series
            return np.asarray(scipy.fft.idst(result, kind, axis=1, overwrite_x=True))
        if n > 2:
            result[:, 1:-1] = scipy.fft.idst(series, kind, axis=1, overwrite_x=True)
        return result

    return filtered


def _by_fourier(response: Array, n: int, length: int, dtype: np.dtype[np.generic]) -> Filter:
    """Return what multiplies Fourier spectra of lines, with zeros up to a length, by a response."""
    import scipy.fft

    factors = response.conj().astype(np.result_type(dtype, np.complex64))[:, np.newaxis]

    def filtered(lines: Array) -> Array:
        spectra = scipy.fft.rfft(lines, length, axis=1)
        spectra *= factors
        return np.asarray(scipy.fft.irfft(spectra, length, axis=1, overwrite_x=True)[:, :n])

    return filtered


def _beside_constants(each: Pass, n: int, dtype: np.dtype[np.generic]) -> Filter:
    """Return what filters lines that have a constant on each side: a value, or the line's own end."""
    import scipy.fft

    radius = min(each.radius, n - 1)
    touching = each.weights[each.radius - radius : each.radius + radius + 1]
    length = scipy.fft.next_fast_len(n + radius, real=True)
    inside = _by_fourier(_response(touching, length), n, length, dtype)
    if each.mode.name == "zeros" and each.fill_value == 0:
        return inside
    # The weights that lie before x, and those that lie after it, for each output.
    places = np.clip(each.radius - np.arange(n), 0, None)
    before, after = (
        np.concatenate([[0], np.cumsum(weights, dtype=np.longdouble)])[places].astype(dtype)[:, np.newaxis]
        for weights in (each.weights, each.weights[::-1])
    )
    after = after[::-1]
    if each.mode.name == "zeros":
        outside = each.fill_value * (before + after)
        return lambda lines: inside(lines) + outside
    return lambda lines: inside(lines) + before * lines[:, :1] + after * lines[:, -1:]
