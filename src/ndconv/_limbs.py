"""Convolutions of integers by spectra that are exact, modulo the range of their dtype.

An integer is a sum of limbs, which are integers of fewer bits and either sign, times powers of two (as in A. Schönhage
and V. Strassen, Schnelle Multiplikation grosser Zahlen, 1971). Limbs of both operands are convolved in double
precision, each with each; the results are rounded to integers, and added up with wrap-around.

They are exact if what the transforms round is less than a half. By C. Percival (Rapid multiplication modulo the sum and
difference of highly composite numbers, 2003, Theorem 5.1), a cyclic convolution of x and k by transforms of n levels
errs by at most ``|x| |k| ((1 + e)^3n (1 + e sqrt(5))^(3n + 1) (1 + b)^3n - 1)``, where ``|x|`` is the root of the sum
of squares, e = 2^-53, and b the error of a root of unity, which scipy.fft rounds to nearest, so that b <= e. To first
order that is ``|x| |k| e (12.8 n + 2.3)``. The theorem is for two branches a level: a pass of scipy.fft of three counts
as two levels here, and one of five or more as three, which round no less often than it does. So ``|x| |k| e (16 n +
32)`` has something to spare, also for the terms of second order and for the rounding of the norms.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from ._dtypes import Array
from ._engine import convolve, plan_of
from ._geometry import Geometry
from ._methods import fourier

EPS = 2.0**-53


def exact_sums(geometry: Geometry, x: Array, kernel: Array, dtype: np.dtype[Any], most: float) -> Array | None:
    """Return sums of x in windows times the kernel, in an integer dtype; None if that takes more than `most` products.

    Neither has axes beside the geometry's, of a single channel each.
    """
    bits = 8 * dtype.itemsize
    # Of what 64 bits cannot hold, too, the limbs are right modulo 2**64.
    x, kernel = x.astype(np.int64)[None], kernel.astype(np.int64)[None, None, None]
    y = np.empty((1, *geometry.out_shape))
    plan = plan_of(geometry, x.astype(np.float64), y, fourier.NAME)
    assert isinstance(plan, fourier.FourierPlan)
    blocks = plan.blocks
    largest = max(_largest(x), _largest(kernel))
    for parts in itertools.count(1):
        width = -(-(largest.bit_length() + 2) // parts)
        xs, kernels = _limbs(x, width, bits), _limbs(kernel, width, bits)
        pairs = [(i, j) for j in range(len(kernels)) for i in range(len(xs)) if width * (i + j) < bits]
        if len(pairs) > most:
            return None
        within = max(_norm(limb, math.prod(blocks.samples)) for limb in xs) * max(_norm(limb) for limb in kernels)
        if within * _rounding(blocks.transform) < 0.5:
            break
    total: Array = np.zeros(y.shape, np.uint64)
    packed: dict[Any, Any] = {}
    for i, j in pairs:
        if i == 0:
            packed.clear()  # the spectra of the limb before
        convolve(geometry, xs[i], kernels[j], y, method=fourier.NAME, packed=packed, key=j)
        total += np.rint(y).astype(np.int64).view(np.uint64) << np.uint64(width * (i + j))
    result: Array = total[0].astype(dtype)
    return result


def _limbs(array: Array, width: int, bits: int) -> list[Array]:
    """Return limbs, the lowest first, as doubles: what they stand for is right modulo 2**bits."""
    half = 1 << (width - 1)
    limbs = []
    for _ in range(0, bits, width):
        limb = array if width >= 64 else ((array + half) & (2 * half - 1)) - half
        limbs.append(limb.astype(np.float64))
        array = (array - limb) >> min(width, 63)
        if not array.any():
            break
    return limbs


def _largest(array: Array) -> int:
    """Return the largest absolute value."""
    return max(int(array.max()), -int(array.min()))


def _norm(array: Array, most: int | None = None) -> float:
    """Return the root of the sum of squares, of the largest that `most` samples may have."""
    norm = math.sqrt(np.vdot(array, array))
    return norm if most is None else min(norm, math.sqrt(most) * np.abs(array).max())


def _rounding(transform: tuple[int, ...]) -> float:
    """Return what transforms round at most, in products of norms."""
    levels = sum(_levels(length) for length in transform)
    return EPS * (16 * levels + 32)


def _levels(length: int) -> int:
    """Return the levels of a transform along an axis."""
    levels = 0
    for branches in (2, 3, 5, 7, 11):
        while length % branches == 0:
            length //= branches
            levels += {2: 1, 3: 2}.get(branches, 3)
    assert length == 1, "its length has no other factors"
    return levels
