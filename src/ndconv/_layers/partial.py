"""`sample_weights` of `conv_layer`: the partial convolution, which makes up for samples that count less or not at all.

See G. Liu et al., Image Inpainting for Irregular Holes Using Partial Convolutions, ECCV 2018. With other weights than 0
and 1 it is the normalised convolution of Knutsson and Westin, whose window is the same at all of its samples.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._call.dtypes import Array, compute_type
from .._call.geometry import Geometry, Shape
from .._correlation.check import Checked
from .._correlation.interpolation import THIN, is_faint
from .._correlation.missing import finite_weights, forgotten, scaled_weights
from .._correlation.windows import Windows
from .._methods import AUTO, PLAIN_SUMS
from .._methods.epilogue import activate
from .call import Call, Settings, prepare_call

DOUBLE = np.dtype(np.float64)


def partial_layer(
    call: Call, x: Array, weight: Array, bias: Array | None, residual: Array | None, sample_weights: ArrayLike,
    settings: Settings, out: Array | None, workers: int | None,
) -> Array:  # fmt: skip
    """Return a layer's result if samples count as `sample_weights` say; all else is checked, and is the `call`."""
    dtype, ndim = call.prepared.dtype, call.geometry.ndim
    first = call.channels_first or tuple(range(x.ndim))
    weights = _checked(sample_weights, x.shape, first[-ndim - 1], settings.fill_value, dtype)
    if 0 in call.y_shape:
        return call.run_once(x, weight, bias, residual, out, workers)
    weights, _ = scaled_weights(weights, 0.0)
    factors = _factors(call.geometry, weights.transpose(first), workers).transpose(np.argsort(first))
    real = DOUBLE if is_faint(weights, 0.0) else np.dtype(compute_type(dtype))
    method = PLAIN_SUMS if settings.method == AUTO and factors.max() > 1 / THIN else settings.method
    plain = replace(settings, activation=None, method=method)
    with np.errstate(all="ignore"):
        samples, _ = forgotten(x, None, weights == 0)
        samples = samples.astype(np.result_type(real, np.complex64) if x.dtype.kind == "c" else real, copy=False)
        samples *= weights.astype(real, copy=False)
        y = prepare_call(samples, weight, None, None, plain, None).run_once(samples, weight, None, None, None, workers)
        y *= factors.astype(real, copy=False)
        if bias is not None:
            y = y + (bias.reshape(-1, *(1,) * ndim) if call.channels_first is None else bias)
        np.copyto(y, 0, where=factors == 0)
        if residual is not None:
            y = y + residual
        y = activate(y, settings.activation)
        if out is None:
            return y.astype(dtype, copy=False)
        out[...] = y
    return out


def _checked(
    sample_weights: ArrayLike, x_shape: Shape, channel: int, fill_value: complex, dtype: np.dtype[Any]
) -> Array:
    """Return weights with x's axes, of which the one of channels may have one for all; or raise."""
    weights = given = finite_weights(sample_weights)
    if dtype.kind in "iu":
        raise ValueError(
            f"sample_weights must be None for a result of dtype {dtype}, which has no quotients; got an array of shape "
            f"{given.shape}: make x a floating array, as by x.astype('float64')"
        )
    if fill_value != 0:
        raise ValueError(
            f"fill_value must be 0 with sample_weights, under which samples outside x count nothing; got {fill_value!r}"
        )
    if given.ndim < len(x_shape):
        weights = np.expand_dims(given[(np.newaxis,) * (len(x_shape) - 1 - given.ndim)], channel)
    shape = list(x_shape)
    if weights.shape[channel] == 1:
        shape[channel] = 1
    try:
        return np.broadcast_to(weights, shape)
    except ValueError:
        of_pixels = (*x_shape[:channel], *x_shape[channel + 1 :])
        raise ValueError(
            f"sample_weights must have x's shape {x_shape}, or {of_pixels} for all channels alike, or broadcast to "
            f"either; got {given.shape}"
        ) from None


def _factors(geometry: Geometry, weights: Array, workers: int | None) -> Array:
    """Return the size of each window over what counts of it, 0 where nothing does: for each channel, or one for all."""
    ndim = geometry.ndim
    *batch, channels = weights.shape[:-ndim]
    groups = geometry.groups if channels == geometry.channels_in else 1
    of_groups = weights.reshape(*batch, groups, channels // groups, *weights.shape[-ndim:])
    of_groups = of_groups.sum(axis=-ndim - 1, dtype=DOUBLE)
    axes = tuple(range(of_groups.ndim - ndim, of_groups.ndim))
    windows = Windows(Checked(geometry, DOUBLE, 0.0, of_groups.shape, axes, axes), workers)
    counts = windows.sums(windows.padded(of_groups, DOUBLE, 0))
    size = geometry.taps * (channels // groups)
    factors = np.divide(size, counts, out=np.zeros_like(counts), where=counts > 0)
    return np.repeat(factors, geometry.channels_out // groups, axis=-ndim - 1) if groups > 1 else factors
