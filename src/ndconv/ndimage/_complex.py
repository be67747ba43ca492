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
    if x.dtype.kind != "c" and np.iscomplexobj(cval):
        raise ValueError(f"cval must not be complex where the input is real, got {cval!r}")

    def product(part: Array, kernel: Array, dtype: np.dtype[np.generic], outside: complex) -> Array:
        result = new_output(y.shape, dtype)
        filter(part, kernel, result, outside)
        return result

    outside = np.real(cval), np.imag(cval)
    of_y = y.real.dtype
    # As in SciPy, what is added to a product, or subtracted from it, has the input's precision.
    if x.dtype.kind != "c":
        real, imag = product(x, weights.real, of_y, cval), product(x, weights.imag, of_y, cval)
    elif weights.dtype.kind != "c":
        real, imag = product(x.real, weights, of_y, outside[0]), product(x.imag, weights, of_y, outside[1])
    else:
        real = product(x.real, weights.real, of_y, outside[0])
        real -= product(x.imag, weights.imag, x.real.dtype, outside[1])
        imag = product(x.real, weights.imag, of_y, outside[0])
        imag += product(x.imag, weights.real, x.real.dtype, outside[1])
    y.real, y.imag = real, imag
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
