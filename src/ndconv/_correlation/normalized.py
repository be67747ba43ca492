"""Normalised cross-correlation: Pearson's coefficient of each window with the kernel.

The numerator is a correlation with the centred kernel; what it is divided by comes from the sums of windows and of
their squares (J. P. Lewis, Fast Normalized Cross-Correlation, 1995). Sums of squares less a square lose digits where a
window varies little about a level far from 0. So all is done in double precision, on x less its mean; and the windows
that still would lose too much are done again, with the means of smaller and smaller parts of x, at last with their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np

from .._call.dtypes import Array
from .check import Arguments
from .missing import with_gaps, with_gaps_filled
from .windows import Places, Slices, Windows, windows_of

DOUBLE = np.dtype(np.float64)

# The error of a coefficient that is let pass, and those of sums of positive numbers and of any method.
ACCURACY = 2.0**-30
SUM_ERROR = 16 * np.finfo(DOUBLE).eps
METHOD_ERROR = 32 * np.finfo(DOUBLE).eps

# The integers up to here are doubles. Larger ones stay integers until their level is taken off.
LARGEST_EXACT = 2**53

# The part of all windows up to which those that lost too much are done one by one.
FEW = 1 / 256

# Samples whose exponents are larger than this, up or down, are scaled: their squares must be numbers.
EXPONENT = 300


def normalized_correlation(
    x: Array, template: Array, masked: Array | None, dtype: np.dtype[np.generic], arguments: Arguments,
    out: Array | None, workers: int | None,
) -> Array:  # fmt: skip
    """Return the normalised cross-correlation for a result of a dtype; the template is the kernel as given.

    Where samples are `masked`, whatever x has instead, it is NaN.
    """
    dtype = coefficient_dtype(dtype)
    if masked is not None:
        filled = with_gaps_filled(x, masked)
        if sample_dtype(filled, 0) == DOUBLE:
            x, masked = with_gaps(x, masked, dtype), None
        else:
            x = filled
    windows = windows_of(x, template, dtype, arguments, out, workers, False)
    kernel = windows.placed(template)
    check_variation(kernel, windows.axes)
    kernel = unit(scaled(doubles(kernel.astype(sample_dtype(kernel, 0)), windows.axes)), windows.axes)
    if 0 in windows.checked.y_shape:
        return np.empty(windows.checked.y_shape, dtype) if out is None else out
    outside = cast(float, arguments.fill_value) if windows.geometry.is_filled else 0  # as x and the kernel are real
    exact, fill_value = sample_dtype(x, outside), windows.checked.fill_value
    samples = windows.padded(x, exact, complex(fill_value) if exact.kind == "f" else int(outside.real))
    y = coefficients(windows, samples, kernel, dtype, arguments.method)
    if masked is not None:
        np.copyto(y, np.nan, where=windows.sums(windows.padded(masked, np.float32, 0)) > 0)
    return windows.delivered(y, out)


def coefficient_dtype(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    """Return the dtype of coefficients of operands with a common dtype."""
    if dtype.kind == "c":
        raise TypeError(f"normalized=True is for real x and kernel, got a result of dtype {dtype}")
    return dtype if dtype.kind == "f" else DOUBLE


def sample_dtype(x: Array, fill_value: float) -> np.dtype[np.generic]:
    """Return the dtype that holds all samples of x exactly, and what stands outside it."""
    if x.dtype.kind not in "iu" or x.itemsize < DOUBLE.itemsize or x.size == 0:
        return DOUBLE
    if max(-int(x.min()), int(x.max())) <= LARGEST_EXACT:
        return DOUBLE
    dtype, fill = x.dtype.newbyteorder("="), np.asarray(fill_value)
    limits = np.iinfo(dtype)
    whole = fill.dtype.kind in "iu" or (fill.dtype.kind == "f" and float(fill_value).is_integer())
    return dtype if whole and limits.min <= int(fill_value) <= limits.max else DOUBLE


def check_variation(kernel: Array, axes: tuple[int, ...]) -> None:
    """Raise for a kernel that is constant along the axes that it slides along."""
    first = kernel[tuple(slice(1) if axis in axes else slice(None) for axis in range(kernel.ndim))]
    if (kernel == first).all(axis=axes).any():
        raise ValueError(
            f"kernel must vary along the axes that it slides along for normalized=True, got the same value everywhere "
            f"in a kernel of shape {kernel.shape}"
        )


def unit(kernel: Array, axes: tuple[int, ...], there: Array | bool = True) -> Array:
    """Return doubles less their mean, of norm 1 over some axes: of those that are `there`, and 0 for others."""
    with np.errstate(all="ignore"):  # where it is not finite, neither are the coefficients
        for _ in range(2):  # once more, for what the first mean was rounded by
            kernel = kernel - kernel.mean(axis=axes, keepdims=True, where=there)
        if there is not True:
            kernel = np.where(there, kernel, 0)
        kernel = kernel / np.abs(kernel).max(axis=axes, keepdims=True)
        units: Array = kernel / np.sqrt((kernel * kernel).sum(axis=axes, keepdims=True))
    return units


def coefficients(windows: Windows, samples: Array, kernel: Array, dtype: np.dtype[Any], method: str) -> Array:
    """Return the coefficients, exact enough for a dtype, of the windows of padded samples with a unit kernel."""
    axes, taps = windows.axes, math.prod(windows.geometry.kernel)
    accuracy = max(ACCURACY, float(np.finfo(dtype).eps) / 2)
    with np.errstate(all="ignore"):
        centred = scaled(doubles(samples, axes))
        centred = centred - _means(centred, axes)
        y = windows.correlate(centred, kernel, method)
        sums = windows.sums(centred)
        squares = windows.sums(np.multiply(centred, centred, out=centred))
        del centred
        np.multiply(sums, sums, out=sums)
        sums /= taps
        deviations = np.subtract(squares, sums, out=sums)
        loudest = squares.max(axis=axes, keepdims=True)
        if not np.isfinite(loudest).all():
            loudest = squares.max(axis=axes, keepdims=True, initial=0, where=np.isfinite(squares))
        squares *= SUM_ERROR / accuracy
        lost = deviations <= np.maximum(squares, loudest * (METHOD_ERROR / accuracy) ** 2, out=squares)
        y /= np.sqrt(deviations, out=deviations)
        if lost.any():
            constant = windows.changes(samples) == 0
            np.copyto(y, 0, where=lost & constant)

            def of_part(part: Slices) -> Array:
                return coefficients(windows, samples[part], kernel, dtype, method)

            def of_each(chosen: Array) -> Iterator[tuple[Places, Array]]:
                for places, rows, kernels in windows.some(samples, kernel, chosen):
                    yield places, _coefficients_of(rows, kernels)

            do_again(windows, lost & ~constant, y, of_part, of_each)
    return np.clip(y, -1, 1, out=y)


def do_again(
    windows: Windows, lost: Array, y: Array, of_part: Callable[[Slices], Array],
    of_each: Callable[[Array], Iterator[tuple[Places, Array]]],
) -> None:  # fmt: skip
    """Write to y the coefficients that are lost: halves of x have means of their own, and so has every window."""
    halves = windows.halves(lost) if np.count_nonzero(lost) > FEW * lost.size else []
    for outputs, inputs in halves:
        if lost[outputs].any():
            y[outputs] = of_part(inputs)
    if not halves:
        for places, values in of_each(np.broadcast_to(lost, y.shape)):
            y[places] = values


def doubles(samples: Array, axes: tuple[int, ...]) -> Array:
    """Return doubles, or of 64-bit integers, what they differ by from the middle between the least and the largest."""
    if samples.dtype == DOUBLE:
        return samples
    # Modulo 2**64: half the distance from the least to the largest, and so each difference, is an int64.
    least, largest = (each(axis=axes, keepdims=True).view(np.uint64) for each in (samples.min, samples.max))
    distance = largest - least
    middle = least + distance - distance // 2
    return np.asarray((samples.view(np.uint64) - middle).view(np.int64), DOUBLE)


def scaled(samples: Array) -> Array:
    """Return samples times a power of two, where they are so large or so small that squares would not be numbers."""
    largest = max(-samples.min(initial=0), samples.max(initial=0))
    if not np.isfinite(largest):
        largest = np.abs(samples).max(initial=0, where=np.isfinite(samples))
    exponent = int(np.frexp(largest)[1])
    return samples if abs(exponent) <= EXPONENT else np.ldexp(samples, -exponent)


def _means(samples: Array, axes: tuple[int, ...]) -> Array:
    """Return the means, along axes, of the samples that are finite."""
    means: Array = samples.mean(axis=axes, keepdims=True)
    if np.isfinite(means).all():
        return means
    finite = np.isfinite(samples)
    count = finite.sum(axis=axes, keepdims=True)
    return np.asarray(samples.sum(axis=axes, keepdims=True, where=finite) / np.maximum(count, 1))


def _coefficients_of(windows: Array, kernels: Array) -> Array:
    """Return the coefficients of windows, each a row, and unit kernels, one or as many."""
    windows = levelled(windows)
    windows -= windows.mean(axis=1, keepdims=True)
    products = np.einsum("ij,ij->i", windows, np.broadcast_to(kernels, windows.shape))
    return np.asarray(products / np.sqrt(np.einsum("ij,ij->i", windows, windows)))


def levelled(rows: Array) -> Array:
    """Return rows as doubles, each less its first sample and in parts of its largest: NaN where it is constant."""
    rows = doubles(rows, (1,))
    # Each by itself: beside a large one, the squares of a small one would be nothing.
    exponents = np.frexp(np.abs(rows).max(axis=1, initial=0, keepdims=True))[1]
    exponents[np.abs(exponents) <= EXPONENT] = 0
    rows = np.ldexp(rows, -exponents) if exponents.any() else rows
    rows = rows - rows[:, :1]  # exactly, or nearly so
    rows /= np.maximum(rows.max(axis=1), -rows.min(axis=1))[:, None]
    return rows
