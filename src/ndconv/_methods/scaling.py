"""Exact scaling: powers of two that bring tiny numbers, whose products might not be normal numbers, to about 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._call.dtypes import Array


def exponents_of_tiny(array: Array, axes: Sequence[int]) -> Array | None:
    """Return by which power of two to multiply what lies along some axes; None if none of it is tiny.

    Zero for what is not: the largest is larger than the root of the smallest normal number, or not finite.
    """
    largest = np.abs(array).max(axis=tuple(axes))
    tiny = (largest > 0) & (largest < math.sqrt(np.finfo(array.dtype).tiny))
    return np.where(tiny, -np.frexp(largest)[1], 0).astype(np.intc) if tiny.any() else None


def scaled(array: Array, exponents: Array, ndim: int) -> Array:
    """Return an array, whose first axes are those of the exponents and then `ndim` more, times two to the exponents."""
    places: Any = (..., *(np.newaxis,) * ndim)
    return np.asarray(np.ldexp(array, exponents[places]))
