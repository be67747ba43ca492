"""The weights of a Gaussian and of its derivatives, to the bits that SciPy's have."""

from __future__ import annotations

import numpy as np

from .._call.arguments import LARGEST
from .._call.dtypes import Array


def gaussian_weights(sigma: float, order: int, radius: int) -> Array:
    """Return a Gaussian's weights, or those of a derivative, in the order in which they are correlated."""
    # SciPy's very expressions: other ones round otherwise.
    square = sigma * sigma
    x = np.arange(-radius, radius + 1)
    weights: Array = np.exp(-0.5 / square * x**2)
    weights = weights / weights.sum()
    if order:
        # A derivative is the Gaussian times a polynomial q, of which the next derivative has q' - q x / sigma^2.
        powers = np.arange(order + 1)
        step = np.diag(powers[1:], 1) + np.diag(np.ones(order) / -square, -1)
        q = np.zeros(order + 1)
        q[0] = 1
        for _ in range(order):
            q = step.dot(q)
        if radius**order > LARGEST:
            x = x.astype(np.float64)
        weights = (x[:, None] ** powers).dot(q) * weights
    return weights[::-1]
