"""The gradients of a layer, by the kernels of the forward pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._call.arguments import Padding, PerAxis, channel_axis_of
from .._call.dtypes import Array, like, promoted_for_fill, result_dtype, unmasked_array
from .._call.fill import checked_fill_value
from .._call.geometry import Geometry, Shape, batch_of, channels_first, layer_geometry
from .._runtime.caches import Cache
from .._runtime.workers import checked_workers
from .input import input_gradient
from .result import ConvGradients, checked_needs
from .weight import weight_gradient


def conv_layer_backward(
    grad_y: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    padding_mode: str | tuple[str, ...] = "zeros",
    fill_value: complex = 0.0,
    dilation: PerAxis = 1,
    groups: int = 1,
    needs: str | Iterable[str] = ("x", "weight", "bias"),
    channel_axis: int | None = None,
    workers: int | None = None,
) -> ConvGradients:
    r"""Gradients of a convolution layer with respect to its input, weights and bias.

    Parameters
    ----------
    grad_y : array_like
        The gradient of a number with respect to the layer's output (before any activation), of the output's shape,
        (C_out, \*S_out) or (N, C_out, \*S_out).
    x : array_like
        The layer's input, (C_in, \*S) or (N, C_in, \*S). Its samples are read only for the gradient to `weight`.
    weight : array_like
        The layer's filters, (C_out, C_in // groups, \*K). They are read only for the gradient to `x`.
    stride, padding, padding_mode, fill_value, dilation, groups, channel_axis, workers : optional
        As in `conv_layer`.
    needs : str or iterable of str, optional
        Which gradients to compute: "x", "weight", "bias".

    Returns
    -------
    ConvGradients
        The gradients `x`, `weight` and `bias`, of the shapes of what they belong to, None where not asked for. Their
        dtype is that of the products they are sums of; what belongs to real numbers is real. For complex arrays
        the gradient is ``dL/d(re) + 1j * dL/d(im)``, so that a step against it makes the number smaller.

    Raises
    ------
    ValueError
        If shapes or values do not fit; the message names the argument.
    TypeError
        If an argument has the wrong type or dtype.

    See Also
    --------
    ConvLayer.backward : The same for a prepared layer, with its activation.
    conv_transpose_layer : The gradient to `x` as a layer of its own.

    Notes
    -----
    With ``y[k, i] = bias[k] + sum over c, u of weight[k, c, u] * xp[c, stride * i + dilation * u]``, where xp is x with
    its padding, the gradients are [1]_::

        weight[k, c, u] = sum over n, i of grad_y[n, k, i] * conj(xp[n, c, stride * i + dilation * u])
        xp[n, c, stride * i + dilation * u] += conj(weight[k, c, u]) * grad_y[n, k, i]
        bias[k] = sum over n, i of grad_y[n, k, i]

    and what padding has read from x more than once adds up there: the exact adjoint of the layer.

    References
    ----------
    .. [1] Y. LeCun, B. Boser, J. S. Denker et al., "Backpropagation Applied to Handwritten Zip Code Recognition",
       Neural Computation 1(4), 1989, pp. 541-551. :doi:`10.1162/neco.1989.1.4.541`

    Examples
    --------
    >>> import numpy as np
    >>> import ndconv
    >>> x, weight = np.arange(5.0)[None], np.array([[[1.0, -1.0]]])
    >>> ndconv.conv_layer_backward(np.ones((1, 4)), x, weight)
    ConvGradients(x=array([[ 1.,  0.,  0.,  0., -1.]]), weight=array([[[ 6., 10.]]]), bias=array([4.]))
    """
    wanted = checked_needs(needs)
    gradient, array, filters = (
        unmasked_array(grad_y, "grad_y"),
        unmasked_array(x, "x"),
        unmasked_array(weight, "weight"),
    )
    threads = checked_workers(workers)
    ndim = filters.ndim - 2
    last = channel_axis_of(channel_axis) is not None
    if last and ndim > 0 and array.ndim in (ndim + 1, ndim + 2):
        array = array.transpose(channels_first(array.ndim, ndim))
    geometry = layer_geometry(array.shape, filters.shape, stride, padding, padding_mode, dilation, groups)
    shape = geometry.y_shape(batch_of(array.shape, ndim))
    gradient = checked_gradient(gradient, shape, ndim, last)
    checked_fill_value(fill_value, result_dtype(promoted_for_fill(array[..., :0], fill_value), filters))
    return layer_gradients(gradient, array, filters, geometry, fill_value, wanted, last, threads)


# What is not finite, or too large for half precision, is a result like any other, as it is in the kernels.
_silently = np.errstate(over="ignore", invalid="ignore")


@_silently
def layer_gradients(
    grad_y: Array, x: Array, weight: Array, geometry: Geometry, fill_value: complex, needs: frozenset[str],
    channels_last: bool, workers: int | None, bias: Array | None = None, packed: Cache[Any] | None = None,
) -> ConvGradients:  # fmt: skip
    """Return the gradients from checked arrays, channels first; that to x with its channels last if asked to."""
    grad_x = grad_weight = grad_bias = by_bias = None
    padded = promoted_for_fill(x, fill_value) if "weight" in needs else x
    if "weight" in needs:
        checked_fill_value(fill_value, result_dtype(grad_y, padded))
    if "x" in needs:
        grad_x = input_gradient(grad_y, x, weight, geometry, channels_last, packed, workers)
    if "weight" in needs:
        dtype = result_dtype(grad_y, padded)
        sums, by_bias = weight_gradient(grad_y, padded, geometry, dtype, fill_value, workers)
        grad_weight = like(sums, weight)
    if "bias" in needs:
        if by_bias is None or (by_bias.dtype.kind in "fc" and grad_y.dtype.kind not in "fc"):
            by_bias = bias_gradient(grad_y, geometry.ndim)  # of integers, which wrap around where floats round
        by_bias = like(by_bias, grad_y).astype(result_dtype(grad_y), copy=False)
        grad_bias = by_bias if bias is None else like(by_bias, bias)
    return ConvGradients(grad_x, grad_weight, grad_bias)


@_silently
def bias_gradient(grad_y: Array, ndim: int) -> Array:
    """Return the sums of gradients (*batch, channels, *out) over all but the channels."""
    dtype = result_dtype(grad_y)
    # In whatever order NumPy goes through them, millions of gradients are not too many for a float64.
    wide = np.result_type(dtype, np.float64) if dtype.kind in "fc" else dtype
    axes = (*range(grad_y.ndim - ndim - 1), *range(grad_y.ndim - ndim, grad_y.ndim))
    return np.asarray(grad_y.sum(axis=axes, dtype=wide)).astype(dtype, copy=False)


def checked_gradient(grad_y: Array, shape: Shape, ndim: int, channels_last: bool) -> Array:
    """Return the gradient to y, channels first as `shape` is, or raise if it has not y's shape."""
    expected = (*shape[: -ndim - 1], *shape[-ndim:], shape[-ndim - 1]) if channels_last else shape
    if grad_y.shape != expected:
        raise ValueError(f"grad_y must have the output's shape {expected}, got {grad_y.shape}")
    return grad_y.transpose(channels_first(grad_y.ndim, ndim)) if channels_last else grad_y
