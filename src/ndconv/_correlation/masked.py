"""Normalised cross-correlation by masks: Pearson's coefficient of the samples that count in both window and kernel.

How many these are, and the sums over them of samples, of kernel, of squares and of products, are six correlations of
samples, kernel and masks (D. Padfield, Masked Object Registration in the Fourier Domain, 2012). As without masks, all
is done in double precision on what is centred before, and where digits are lost, again, at last window by window.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import numpy as np

from .._call.dtypes import Array
from .._methods import AUTO, PLAIN_SUMS
from .check import Arguments
from .normalized import (
    ACCURACY,
    DOUBLE,
    METHOD_ERROR,
    SUM_ERROR,
    check_variation,
    coefficient_dtype,
    do_again,
    doubles,
    levelled,
    sample_dtype,
    scaled,
    unit,
)
from .windows import Places, Slices, Windows, windows_of

# Taps up to which sums are made of products, which are exact enough without looking; beyond, spectra take less time.
FEW_TAPS = 1024


class Template(NamedTuple):
    """A kernel, of which not all counts."""

    there: Array  # where it counts
    values: Array  # exact
    units: Array  # centred, of norm 1, and 0 where it does not count


def masked_correlation(
    x: Array, template: Array, masked: Array | None, mask: Array | None, kernel_mask: Array | None,
    fill_counts: bool, dtype: np.dtype[np.generic], arguments: Arguments, out: Array | None, workers: int | None,
) -> Array:  # fmt: skip
    """Return the normalised cross-correlation of what counts, also of a fill value if it does, for a result of a dtype.

    Coefficients of windows in which samples that count are `masked` are NaN, whatever x has there.
    """
    dtype = coefficient_dtype(dtype)
    windows = windows_of(x, template, dtype, arguments, out, workers, False)
    axes, method = windows.axes, arguments.method
    kernel = _template(windows.placed(template), None if kernel_mask is None else windows.placed(kernel_mask), axes)
    if 0 in windows.checked.y_shape:
        return np.empty(windows.checked.y_shape, dtype) if out is None else out
    samples, there = _padded(windows, x, mask, cast(float, arguments.fill_value) if fill_counts else None)
    unknown = there & ~np.isfinite(samples)
    if masked is not None:
        unknown |= there & windows.padded(masked, bool, 0)
    there &= ~unknown
    y = _coefficients(windows, filled(samples, there, axes), there, kernel, dtype, method)
    if unknown.any():
        y[windows.correlate(unknown.astype(DOUBLE), kernel.there.astype(DOUBLE), PLAIN_SUMS) > 0] = np.nan
    return windows.delivered(y, out)


def _template(kernel: Array, mask: Array | None, axes: tuple[int, ...]) -> Template:
    """Return a kernel of which some counts, or raise where that does not vary."""
    there = np.ones(kernel.shape, bool) if mask is None else mask
    kernel = filled(kernel, there, axes)
    check_variation(kernel, axes)
    kernel = kernel.astype(sample_dtype(kernel, 0))
    units = unit(scaled(doubles(kernel, axes)), axes, there)
    if kernel.dtype == DOUBLE:
        kernel[~np.isfinite(units)] = np.nan
    return Template(there, kernel, units)


def _padded(windows: Windows, x: Array, mask: Array | None, fill_value: float | None) -> tuple[Array, Array]:
    """Return the samples of all windows, exactly, and which of them count; a fill value does if it is given."""
    there = np.ones(x.shape, bool) if mask is None else mask
    x = filled(x, there, tuple(range(x.ndim)))
    outside = fill_value if windows.geometry.is_filled and fill_value is not None else 0
    exact = sample_dtype(x, outside)
    fill = complex(windows.checked.fill_value if outside else 0) if exact.kind == "f" else int(outside)
    return windows.padded(x, exact, fill), windows.padded(there, bool, fill_value is not None)


def filled(array: Array, there: Array, axes: tuple[int, ...]) -> Array:
    """Return an array with the first number that counts, of all along some axes, for each that does not."""
    if there.all() or array.size == 0:
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    behind = range(-len(axes), 0)
    lines, flags = (np.moveaxis(each, axes, behind) for each in (array, there))
    lines, flags = (each.reshape(*each.shape[: each.ndim - len(axes)], -1) for each in (lines, flags))
    first = np.take_along_axis(lines, flags.argmax(axis=-1)[..., None], axis=-1)[..., 0]
    return np.where(there, array, np.expand_dims(first, axes))


def _continued(samples: Array, there: Array, axis: int) -> Array:
    """Return samples with the last before it on an axis that counts for each that does not."""
    shape = [-1 if each == axis else 1 for each in range(samples.ndim)]
    last = np.where(there, np.arange(samples.shape[axis]).reshape(shape), 0)
    return np.take_along_axis(samples, np.maximum.accumulate(last, axis=axis), axis)


def _coefficients(
    windows: Windows, samples: Array, there: Array, template: Template, dtype: np.dtype[Any], method: str
) -> Array:
    """Return the coefficients, exact enough for a dtype, of what counts of padded samples and a template."""
    axes, taps = windows.axes, math.prod(windows.geometry.kernel)
    accuracy = max(ACCURACY, float(np.finfo(dtype).eps) / 2)
    is_rough = taps > FEW_TAPS and method != PLAIN_SUMS
    by_sums = AUTO if is_rough else PLAIN_SUMS
    whole, counts = template.there.astype(DOUBLE), there.astype(DOUBLE)

    def of_window(values: Array) -> Array:
        """Return sums of what lies where the template counts."""
        return windows.sums(values) if template.there.all() else windows.correlate(values, whole, by_sums)

    with np.errstate(all="ignore"):
        centred = scaled(doubles(samples, axes))
        total = np.maximum(counts.sum(axis=axes, keepdims=True), 1)
        centred = np.where(there, centred - centred.sum(axis=axes, keepdims=True, where=there) / total, 0)
        count = np.rint(of_window(counts))
        x_sums, x_squares = of_window(centred), of_window(centred * centred)
        kernel_sums, kernel_squares = np.zeros(1), np.ones(1)
        if not there.all():
            kernel_sums = windows.correlate(counts, template.units, by_sums)
            kernel_squares = windows.correlate(counts, template.units * template.units, by_sums)
        of_x = x_squares - x_sums * x_sums / count
        of_kernel = kernel_squares - kernel_sums * kernel_sums / count
        y = windows.correlate(centred, template.units, method) - x_sums * kernel_sums / count
        loudest = x_squares.max(axis=axes, keepdims=True)
        # What rounding may have made of these, in parts of what is let pass.
        rounding, noise = SUM_ERROR / accuracy, METHOD_ERROR / accuracy
        lost = (of_x <= rounding * x_squares) | (of_kernel <= rounding * kernel_squares)
        x_noise, kernel_noise = loudest, np.ones(1)
        if is_rough:
            x_noise = np.maximum(loudest, taps * x_squares / count)
            kernel_noise = np.maximum(1, taps * kernel_squares / count)
            lost |= of_x <= 2 * noise * np.sqrt(loudest * x_noise)
            lost |= of_kernel <= 2 * noise * np.sqrt(kernel_noise)
        lost = lost | (of_x * of_kernel <= noise**2 * x_noise * kernel_noise)
        y /= np.sqrt(of_x) * np.sqrt(of_kernel)
        nothing = count < 2
        if lost.any():
            constant = windows.changes(_continued(samples, there, axes[-1])) == 0
            nothing = nothing | (lost & constant)

            def of_part(part: Slices) -> Array:
                return _coefficients(windows, samples[part], there[part], template, dtype, method)

            def of_each(chosen: Array) -> Iterator[tuple[Places, Array]]:
                some = windows.some(samples, template.values, chosen), windows.some(there, template.there, chosen)
                for (places, rows, kernels), (_, flags, kernel_flags) in zip(*some, strict=True):
                    yield places, _coefficients_of(rows, kernels, flags & kernel_flags)

            do_again(windows, np.broadcast_to(lost & ~nothing, y.shape), y, of_part, of_each)
        np.copyto(y, 0, where=nothing)
    return np.clip(y, -1, 1, out=y)


def _coefficients_of(rows: Array, kernels: Array, there: Array) -> Array:
    """Return the coefficients of what is there of windows, each a row, and of kernels: 0 where one is constant."""
    both = [filled(each, there, (1,)) for each in (rows, np.broadcast_to(kernels, rows.shape))]
    constant = np.logical_or(*((each == each[:, :1]).all(axis=1) for each in both))
    windows, templates = (_less_mean(levelled(each), there) for each in both)
    products = np.einsum("ij,ij->i", windows, templates)
    squares = [np.einsum("ij,ij->i", each, each) for each in (windows, templates)]
    return np.where(constant, 0, products / np.sqrt(squares[0] * squares[1]))


def _less_mean(rows: Array, there: Array) -> Array:
    """Return each row less the mean of what is there, and 0 for the rest."""
    return np.where(there, rows - rows.mean(axis=1, keepdims=True, where=there), 0)
