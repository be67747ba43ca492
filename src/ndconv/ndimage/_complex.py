"""Complex arrays: filters know real numbers alone, so that the parts of an input, and of weights, have their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .._call.arrays import new_output
from .._call.dtypes import Array
from ._arguments import Output, check_real, output_for, real
from ._passes import Pass


def by_components(
    filter: Callable[[Array, Array, Array, complex], None], x: Array, weights: Array, output: Output, cval: complex
) -> Array:
    """Filter the real and imaginary parts of a complex input, with those of complex weights."""
    y = output_for(output, x, complex_output=True)
    parts: list[tuple[Array, complex]]
    if x.dtype.kind == "c":
        parts = [(x.real, np.real(cval)), (x.imag, np.imag(cval))]
    elif np.iscomplexobj(cval):
        raise ValueError(f"cval must not be complex where the input is real, got {cval!r}")
    else:
        parts = [(x, cval)]
    kernels = [weights.real, weights.imag] if weights.dtype.kind == "c" else [weights]
    # Of each part of the input by each of the weights.
    products: list[list[Array]] = []
    for part, outside in parts:
        products.append([])
        for kernel in kernels:
            products[-1].append(new_output(y.shape, y.real.dtype))
            filter(part, kernel, products[-1][-1], outside)
    y.real = products[0][0]
    if len(kernels) == 2:
        y.imag = products[0][1]
        if len(parts) == 2:
            y.real -= products[1][1]
            y.imag += products[1][0]
    else:
        y.imag = products[1][0]
    return y


def filtered(
    filter: Callable[[Array, Sequence[Pass], Array, float], None], x: Array, passes: Sequence[Pass], y: Array,
    cval: complex,
) -> Array:  # fmt: skip
    """Write x to y after passes along its axes; the parts of a complex one have their own."""
    if not passes:
        y[...] = x
    elif x.dtype.kind == "c":
        if y.dtype.kind != "c":
            raise RuntimeError(f"output must have complex dtype, got {y.dtype}")
        filter(x.real, passes, y.real, real(np.real(cval), "cval"))
        filter(x.imag, passes, y.imag, real(np.imag(cval), "cval"))
    else:
        check_real(y)
        filter(x, passes, y, real(cval, "cval"))
    return y
