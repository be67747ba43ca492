"""Sums of products, tap by tap, and the sums of their absolute values."""

from __future__ import annotations

import math

import numpy as np

from support.oracle.windows import reach


def _by_group(a, axis, groups):
    """Return an array with an axis of channels split into groups and their channels."""
    return a.reshape(*a.shape[:axis], groups, a.shape[axis] // groups, *a.shape[axis + 1 :])


def _matrices(weight, groups):
    """Return filters (out, in, *kernel) as matrices of each tap and group: (*kernel, groups, out, in)."""
    grouped = _by_group(weight, 0, groups)
    return np.ascontiguousarray(np.moveaxis(grouped, (0, 1, 2), (-3, -2, -1)))


def products_of_windows(windows, weight, groups, there=None):
    """Return the sums of windows (N, in, *positions, *kernel) times weights, of what is `there`."""
    d = weight.ndim - 2
    batch, positions = windows.shape[0], windows.shape[2 : 2 + d]
    grouped, matrices = _by_group(windows, 1, groups), _matrices(weight, groups)
    total = np.zeros((batch, groups, weight.shape[0] // groups, *positions), windows.dtype)
    for tap in np.ndindex(*weight.shape[2:]):
        samples, matrix = grouped[(..., *tap)], matrices[tap]
        if there is None or np.isfinite(matrix).all():
            lines = samples.reshape(*samples.shape[:3], math.prod(positions))
            total += np.matmul(matrix, lines).reshape(total.shape)
            continue
        weights = matrix.reshape(*matrix.shape, *(1,) * d)
        total += product_where(weights, samples[:, :, None], there[(..., *tap)][:, None, None]).sum(axis=3)
    return total.reshape(batch, weight.shape[0], *positions)


def product_where(a, b, there):
    """Return a product, 0 where nothing is there."""
    with np.errstate(all="ignore"):
        return np.where(there, a * b, np.zeros((), np.result_type(a, b)))


def sums_and_magnitudes(function, *operands):
    """Return sums of products, and the sums of their absolute values, which integers have no use for."""
    if operands[0].dtype.kind in "iu":
        return function(*operands), None
    return function(*operands), function(*magnitudes(*operands))


def magnitudes(*operands):
    """Return absolute values: as doubles, whose digits are enough for a bound, if they are far from overflow."""
    sizes = [np.abs(np.asarray(a)) for a in operands]
    if all(a.max(initial=0) < 1e100 for a in sizes):
        return [a.astype(np.float64, copy=False) for a in sizes]
    return sizes


def laid_over(samples, weight, groups, stride, dilation):
    """Lay the filters (in, out, *kernel), scaled by each of the samples (N, in, *S), over an array and add them up."""
    kernel = weight.shape[2:]
    sizes = [(n - 1) * s + reach(k, e) for n, s, k, e in zip(samples.shape[2:], stride, kernel, dilation, strict=True)]
    batch, places = samples.shape[0], samples.shape[2:]
    lines = _by_group(samples.reshape(*samples.shape[:2], math.prod(places)), 1, groups)
    matrices = _matrices(weight, groups).swapaxes(-1, -2)
    total = np.zeros((batch, groups, weight.shape[1], *sizes), samples.dtype)
    for tap in np.ndindex(*kernel):
        there = tuple(
            slice(t * e, t * e + (n - 1) * s + 1, s) for t, e, n, s in zip(tap, dilation, places, stride, strict=True)
        )
        total[(..., *there)] += np.matmul(matrices[tap], lines).reshape(*total.shape[:3], *places)
    return total.reshape(batch, groups * weight.shape[1], *sizes)


def met_in_windows(windows, samples, shape, groups, there=None):
    """Return, for each weight of a shape, the sum of the products of the samples and what it met in their windows."""
    spoilt = there is not None and not np.isfinite(samples).all()
    samples, windows = _by_group(samples, 1, groups), _by_group(windows, 1, groups)
    of_groups = (groups, samples.shape[2], windows.shape[2])
    total = np.zeros((*of_groups, *shape[2:]), samples.dtype)

    def lines(a):
        """Return what each channel has, of the whole batch, as one line."""
        return np.moveaxis(a, 0, 2).reshape(*a.shape[1:3], a.shape[0] * math.prod(a.shape[3:]))

    outputs = lines(samples)
    for tap in np.ndindex(*shape[2:]):
        met = windows[(..., *tap)]
        if spoilt:
            products = product_where(samples[:, :, :, None], met[:, :, None], there[(..., *tap)][:, None, None])
            total[(..., *tap)] = products.sum(axis=(0, *range(4, products.ndim)))
            continue
        total[(..., *tap)] = np.matmul(outputs, lines(met).swapaxes(-1, -2))
    return total.reshape(shape)
