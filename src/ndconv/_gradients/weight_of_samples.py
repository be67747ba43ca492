"""The gradient to the weights of a layer to which padding is nothing, also where a number is not finite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._call.dtypes import Array
from .._call.geometry import Geometry, make_geometry
from .._transposed.samples import outputs_within
from .weight import weight_gradient


def _samples(g: Geometry, axis: int, tap: int, first: int, end: int) -> slice:
    """Return the samples that a tap finds for some outputs."""
    place, step = tap * g.dilation[axis] - g.padding[axis][0], g.stride[axis]
    return slice(place + first * step, place + (end - 1) * step + 1, step)


def weight_gradient_of_samples(
    grad_y: Array, x: Array, geometry: Geometry, dtype: np.dtype[Any], workers: int | None
) -> Array:
    """Return the gradients (out, in, *kernel) that `weight_gradient` does, with padding that is nothing."""
    g = geometry
    gradients, _ = weight_gradient(grad_y, x, g, dtype, 0.0, workers)
    if dtype.kind in "iu" or all(max(pair) <= 0 for pair in g.padding) or np.isfinite(gradients).all():
        return gradients
    for tap in np.ndindex(g.kernel):
        here: Any = (slice(None), slice(None), *tap)
        ranges = [outputs_within(g, axis, u) for axis, u in enumerate(tap)]
        shape = tuple(end - first for first, end in ranges)
        if shape == g.out_shape or np.isfinite(gradients[here]).all():
            continue
        gradients[here] = 0
        if math.prod(shape) == 0:
            continue
        outputs: Any = (..., *(slice(first, end) for first, end in ranges))
        samples: Any = (..., *(_samples(g, axis, tap[axis], *ranges[axis]) for axis in range(g.ndim)))
        one = make_geometry(
            channels_in=g.channels_in, channels_out=g.channels_out, groups=g.groups, in_shape=shape,
            kernel=(1,) * g.ndim, stride=(1,) * g.ndim, dilation=(1,) * g.ndim, padding=((0, 0),) * g.ndim,
            modes=g.modes,
        )  # fmt: skip
        sums, _ = weight_gradient(grad_y[outputs], x[samples], one, dtype, 0.0, workers)
        gradients[here] = sums.reshape(sums.shape[:2])
    return gradients
