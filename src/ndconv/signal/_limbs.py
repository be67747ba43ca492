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
import operator

import numpy as np

from .._call.dtypes import Array
from .._call.geometry import Geometry
from .._engine import convolve, prepare_for
from .._methods import fourier
from .._methods.fourier.spectra import FourierPlan
from .._runtime.caches import CACHE_LIMIT, Cache

EPS = 2.0**-53


def exact_sums(geometry: Geometry, x: Array, kernel: Array, dtype: np.dtype[np.generic], most: float) -> Array | None:
    """Return sums of x in windows times the kernel, in an integer dtype; None if that takes more than `most` products.

    Neither has axes beside the geometry's, of a single channel each.
    """
    bits = 8 * dtype.itemsize
    samples, weights = _Integers(x[None]), _Integers(kernel[None, None, None])
    y = np.empty((1, *geometry.out_shape))
    plan = prepare_for(geometry, y, y, fourier.NAME).plan
    assert isinstance(plan, FourierPlan)
    block, rounding = math.prod(plan.blocks.samples), _rounding(plan.blocks.transform)
    for parts in itertools.count(1):
        width = -(-max(samples.bits, weights.bits) // parts)
        places = itertools.product(weights.places(width, bits), samples.places(width, bits))
        pairs = [(j, i) for j, i in places if width * (i + j) < bits]
        if len(pairs) > most:
            return None
        if samples.norm(width, bits, block) * weights.norm(width, bits) * rounding < 0.5:
            break
    total: Array = np.zeros(y.shape, np.uint64)
    for j, each in itertools.groupby(pairs, operator.itemgetter(0)):
        limb = weights.limb(j, width)
        spectra = Cache[object]("spectra of limbs", CACHE_LIMIT)
        for _, i in each:
            convolve(geometry, samples.limb(i, width), limb, y, method=fourier.NAME, packed=spectra)
            total += np.rint(y).astype(np.int64).view(np.uint64) << np.uint64(width * (i + j))
    result: Array = total[0].astype(dtype)
    return result


class _Integers:
    """Integers to be split into limbs, which are right modulo 2**64."""

    def __init__(self, array: Array) -> None:
        largest = max(int(array.max()), -int(array.min()))
        self.bits = largest.bit_length() + 2  # enough for the digits of either sign
        self.array = array.astype(np.int64)

    def places(self, width: int, bits: int) -> range:
        """Return the numbers of the limbs, the lowest first, that are not zero modulo 2**bits."""
        return range(-(-min(self.bits, bits) // width))

    def limb(self, place: int, width: int) -> Array:
        """Return a limb as doubles, from -half to half - 1."""
        if width >= self.bits:
            return self.array.astype(np.float64)
        half = 1 << (width - 1)
        # With a half added to each of them, all limbs are unsigned, and none needs to know of the others.
        halves = sum(half << first for first in range(0, 64, width)) % 2**64
        unsigned = (self.array.view(np.uint64) + np.uint64(halves)) >> np.uint64(place * width)
        return (unsigned & np.uint64(2 * half - 1)).astype(np.float64) - half

    def norm(self, width: int, bits: int, most: int | None = None) -> float:
        """Return the largest root of the sum of a limb's squares, or of those of at most so many of its samples."""
        norms = []
        for place in self.places(width, bits):
            limb = self.limb(place, width).ravel()
            largest = max(limb.max(), -limb.min())
            norms.append(math.sqrt(min(np.einsum("i,i", limb, limb), largest**2 * (most or limb.size))))
        return max(norms)


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
