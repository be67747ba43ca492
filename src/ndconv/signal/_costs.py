"""What a convolution costs, by sums and by spectra."""

from __future__ import annotations

import math

import numpy as np

from .._call.geometry import Geometry, Shape, single_channel_geometry
from .._call.modes import BY_NAME
from .._methods import direct, fourier
from .._methods.problem import Problem
from .._runtime.caches import CHOICE_BYTES, Cache
from ._sliding import parts_of_full


@Cache[tuple[Geometry, float, float]]("choices of a method", CHOICE_BYTES).remembered
def costs(mode: str, shape: Shape, kernel: Shape, dtype: np.dtype[np.generic]) -> tuple[Geometry, float, float]:
    """Return what the shorter of two operands slides over, and the cycles that sums and spectra are predicted to take.

    Of integers, spectra are those of a limb each.
    """
    parts = parts_of_full(mode, zip(shape, kernel, strict=True))
    if mode != "valid" and math.prod(kernel) > math.prod(shape):
        shape, kernel = kernel, shape
    padding = tuple(
        (taps - 1 - first, first + count - n) for (first, count), n, taps in zip(parts, shape, kernel, strict=True)
    )
    geometry = single_channel_geometry(shape, kernel, padding, (BY_NAME["zeros"],) * len(kernel), names=("in1", "in2"))
    floating = np.result_type(dtype, np.float16 if dtype.kind in "fc" else np.float64)
    cycles = []
    for method, computed in ((direct, dtype), (fourier, floating)):
        problem = Problem(geometry, computed, computed.kind == "c", 0, 1, x_in_place=False, y_in_place=True)
        cycles.append(method.cost(problem) if method.why_not(problem) is None else math.inf)
    return geometry, cycles[0], cycles[1]
