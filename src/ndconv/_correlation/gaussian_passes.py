"""Passes along axes, one after the other, each by whichever way is cheaper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._call.arrays import copy_if_overlapping
from .._call.dtypes import Array
from .._methods import AUTO, PLAIN_SUMS
from .._methods.fourier import NAME as BLOCKS
from .check import Arguments
from .gaussian_spectra import Pass, filter_by_spectra
from .slide import slide

# The weights from which on a pass is by spectra of whole lines, or by those of the engine's blocks: for lines that are
# so long that they leave the caches, if the weights' part of them is small. Measured for lines of 256 to 2**20 samples.
SPECTRAL_TAPS = 64
LONG_LINE = 1 << 15
LONG_LINE_PART = 1 / 8
BLOCKED_TAPS = 128

# Transforms are unnormalised sums, of so many times the samples of a line at most.
LARGEST_SUM = 16


def filter_by_passes(x: Array, passes: Sequence[Pass], y: Array, workers: int | None, plain: bool = False) -> None:
    """Write to y, which is C-contiguous, the passes of x, of the same type; as `plain` sums, or in the cheapest way."""
    x = copy_if_overlapping(x, y)
    wide = [] if plain else [each for each in passes if _is_wide(each, x.shape[each.axis])]
    if wide and not _has_room_for_sums(x, [each.axis for each in wide]):
        wide = []
    by_spectra = {each.axis for each in wide}
    by_sums = [each for each in passes if each.axis not in by_spectra]
    for each in by_sums:
        is_last = each is by_sums[-1] and not wide
        method = PLAIN_SUMS if plain else BLOCKS if each.weights.size >= BLOCKED_TAPS else AUTO
        arguments = Arguments("same", each.mode.name, each.fill_value, 1, 1, (each.axis,), None, method)
        kernel = each.weights.astype(x.real.dtype)
        x = slide(x, kernel, arguments, y if is_last else None, workers, False)
    if wide:
        x = np.ascontiguousarray(x)
    for each in wide:
        filter_by_spectra(x, each, y, workers)
        x = y
    if not passes:
        y[...] = x


def _is_wide(each: Pass, n: int) -> bool:
    """Whether a pass along lines of n samples is cheaper by their spectra."""
    taps = each.weights.size
    return taps >= SPECTRAL_TAPS and (n <= LONG_LINE or taps > LONG_LINE_PART * n)


def _has_room_for_sums(x: Array, axes: Sequence[int]) -> bool:
    """Whether the sums along axes are finite, which those with NaN are not."""
    longest = max(x.shape[axis] for axis in axes)
    parts = [x.real, x.imag] if x.dtype.kind == "c" else [x]
    largest = max(float(max(part.max(), -part.min())) for part in parts)
    return bool(largest <= np.finfo(x.dtype).max / (LARGEST_SUM * longest))
