"""Normalised convolution: samples count as much as is certain of them, and what is missing is filled by the others.

See H. Knutsson and C.-F. Westin, Normalized and differential convolution, CVPR 1993.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._call.dtypes import Array
from .gaussian_passes import filter_by_passes
from .gaussian_spectra import Pass

# All is computed in double precision. Where an output has less than this part of the certainty that others have, those
# of a float64 result would lose more than six bits by spectra; those of a narrower one have bits to lose.
THIN = 1 / 64
DOUBLE = np.dtype(np.float64)


def filter_certain(
    x: Array, certainty: Array, passes: Sequence[Pass], dtype: np.dtype[Any], workers: int | None
) -> Array:
    """Return the means of samples by certainty, in double precision, for a result of a dtype; NaN where none is known.

    Outside x, zeros that are filled in are as certain as a sample of weight 1.
    """
    wide = np.dtype(np.complex128) if x.dtype.kind == "c" else DOUBLE
    # A scale that all have changes nothing, but that there is room for sums.
    filled = any(each.mode.name == "zeros" for each in passes)
    exponent = 1 - np.frexp(max(float(certainty.max()), float(filled)))[1]
    certainty = np.ldexp(certainty.astype(np.float64), exponent)
    passes = [each._replace(fill_value=float(np.ldexp(1.0, exponent))) for each in passes]
    there = certainty > 0
    samples = np.zeros(x.shape, wide)
    np.multiply(x, certainty, out=samples, where=there)
    of_x = [each._replace(fill_value=0.0) for each in passes]
    y, sums = np.empty_like(samples), np.empty_like(certainty)
    reached = _within_reach(there, passes)
    for plain in (False, True):
        filter_by_passes(samples, of_x, y, workers, plain)
        filter_by_passes(certainty, passes, sums, workers, plain)
        thin = THIN * float(np.finfo(DOUBLE).eps) / float(np.finfo(dtype).eps) * sums.max()
        if sums.min(where=reached, initial=np.inf) >= thin:
            break
    with np.errstate(all="ignore"):
        y /= sums
    y[~reached | (sums <= 0)] = np.nan
    return y


def _within_reach(there: Array, passes: Sequence[Pass]) -> Array:
    """Return which outputs have a sample that is there among those that they are made of."""
    if there.all():
        return there
    for each in passes:
        n = there.shape[each.axis]
        reach = min(each.radius, 2 * n)  # all that there is
        places = np.arange(-reach, n + reach)
        if each.mode.name == "zeros":
            padding = [(0, 0)] * there.ndim
            padding[each.axis] = (reach + 1, reach)
            padded = np.pad(there, padding, constant_values=each.fill_value > 0)
        else:
            places = np.concatenate([places[:1], places])
            padded = there.take(each.mode.source(places, n), axis=each.axis)
        lines = np.moveaxis(padded, each.axis, -1)
        counts = np.cumsum(lines, axis=-1, dtype=np.intp)
        there = np.moveaxis(counts[..., 2 * reach + 1 :] > counts[..., : -2 * reach - 1], -1, each.axis)
    return there
