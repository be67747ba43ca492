"""The gradient to a layer's input: the transposed convolution of that to its output, and the adjoint of padding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._call.arrays import new_output
from .._call.dtypes import Array, compute_type, like, result_dtype
from .._call.geometry import Geometry, batch_of, channels_first
from .._runtime.caches import Cache
from .._transposed.phases import box_of_samples, transposed_sets
from .._transposed.run import run_transposed
from .padding import Box, add_border, borders, fold, is_small, padded_box, pieces


def input_gradient(
    grad_y: Array, x: Array, weight: Array, geometry: Geometry, channels_last: bool, packed: Cache[Any] | None,
    workers: int | None,
) -> Array:  # fmt: skip
    """Return the gradient of x's shape from that to y, channels first; with its channels last if asked to.

    Packed weights are kept in `packed` for the next call.
    """
    g = geometry
    dtype = result_dtype(grad_y, weight)
    sets = transposed_sets(weight.conj() if weight.dtype.kind == "c" else weight, g.groups)
    edges = borders(g)
    # What is added up is not rounded to half precision before.
    sum_dtype = np.dtype(compute_type(dtype)) if edges and dtype == np.float16 else dtype
    if channels_last:
        shape = (*batch_of(x.shape, g.ndim), *g.in_shape, g.channels_in)
        grad_x = new_output(shape, sum_dtype).transpose(channels_first(len(shape), g.ndim))
    else:
        grad_x = new_output(x.shape, sum_dtype)

    def compute(box: Box, items: Array, target: Array) -> None:
        run_transposed(g, box, items, sets, target, packed=packed, workers=workers)

    def slab_for(box: Box, items: Array) -> Array:
        slab: Array = np.empty((*batch_of(items.shape, g.ndim), g.channels_in, *map(len, box)), sum_dtype)
        compute(box, items, slab)
        return slab

    whole = padded_box(g)
    sample_bytes = g.channels_in * sum_dtype.itemsize
    if not edges:
        compute(box_of_samples(g), grad_y, grad_x)
    elif is_small(whole, math.prod(batch_of(grad_y.shape, g.ndim)), sample_bytes):
        fold(slab_for(whole, grad_y), g, grad_x)
    else:
        compute(box_of_samples(g), grad_y, grad_x)
        for edge in edges:
            for box, items in pieces(edge, grad_y, sample_bytes, g.ndim):
                add_border(slab_for(box, grad_y[items]), box, g, grad_x[items])
    if channels_last:
        grad_x = np.moveaxis(grad_x, -g.ndim - 1, -1)
    return like(grad_x.astype(dtype, copy=False), x)
