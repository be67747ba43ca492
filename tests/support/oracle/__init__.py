"""Naive references for layers and correlations, sharing no code with ndconv.

Everything is done the slow way: samples outside the array come from `numpy.pad`, one axis after the other; a view of
sliding windows is multiplied by one tap after the other. Arithmetic runs in a wider type than the result: float64 for
float16 and float32, long double for float64. Integers are computed modulo 2**64; the cast to the result type then wraps
them as NumPy does.

Zeros outside an array are no samples: they add nothing to a sum, where a product with infinity or NaN would be NaN.
"""

from support.oracle.correlations import (
    TOLERANCE_OF_COEFFICIENTS,
    convolve,
    correlate,
    masked,
    mirror,
    normalized,
    omitting,
)
from support.oracle.layers import layer, layer_gradients, touched, transpose_layer, transpose_layer_gradients
from support.oracle.partial import partial_layer
from support.oracle.reference import ACTIVATIONS, Reference, direct_bound, result_dtype
from support.oracle.windows import (
    CANONICAL,
    MODE_NAMES,
    MODES,
    NUMPY_NAME,
    extend,
    per_axis,
    positions,
    reach,
    resolve_padding,
    transposed_size,
)

__all__ = [
    "ACTIVATIONS",
    "CANONICAL",
    "MODES",
    "MODE_NAMES",
    "NUMPY_NAME",
    "TOLERANCE_OF_COEFFICIENTS",
    "Reference",
    "convolve",
    "correlate",
    "direct_bound",
    "extend",
    "layer",
    "layer_gradients",
    "masked",
    "mirror",
    "normalized",
    "omitting",
    "partial_layer",
    "per_axis",
    "positions",
    "reach",
    "resolve_padding",
    "result_dtype",
    "touched",
    "transpose_layer",
    "transpose_layer_gradients",
    "transposed_size",
]
