"""The transposed convolution layer, which turns the stride round: `conv_transpose_layer` and its gradients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from numpy.typing import ArrayLike

from .._call.activations import ACTIVATIONS, check_activation
from .._call.arguments import (
    Padding,
    PerAxis,
    channel_axis_of,
    integer,
    one_of,
    padding_modes,
    padding_pairs,
    per_axis,
)
from .._call.arrays import checked_out, copy_if_overlapping, new_output, with_components_of
from .._call.dtypes import Array, like, result_dtype, unmasked_array
from .._call.geometry import Geometry, Shape, batch_of, channels_first, make_geometry
from .._engine import convolve
from .._gradients.layer import bias_gradient, checked_gradient
from .._gradients.result import ConvGradients, checked_needs
from .._gradients.weight_of_samples import weight_gradient_of_samples
from .._methods import checked_method
from .._runtime.workers import checked_workers
from .._transposed.phases import box_of_samples, transposed_sets
from .._transposed.run import run_transposed
from .._transposed.samples import convolve_samples, taps_not_finite


def conv_transpose_layer(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    output_padding: PerAxis = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    activation: str | None = None,
    residual: ArrayLike | None = None,
    channel_axis: int | None = None,
    method: str = "auto",
    out: Array | None = None,
    workers: int | None = None,
) -> Array:
    r"""Transposed convolution layer: every input sample lays the filters, scaled by it, over the output.

    It is the transpose of `conv_layer`, and so the gradient of one with respect to its input; with a stride it has
    more output than input samples.

    Parameters
    ----------
    x : array_like
        Input of shape (C_in, \*S) or (N, C_in, \*S).
    weight : array_like
        Filters of shape (C_in, C_out // groups, \*K): those of the convolution from C_out to C_in channels whose
        transpose this is.
    bias : array_like, optional
        One number per output channel, shape (C_out,).
    stride : int or tuple of int, optional
        Output samples from where one input sample lays its filters to where the next one does.
    padding : int, str or tuple, optional
        Samples left out of the output: one number, one per axis, one (before, after) pair per axis, or the name of the
        padding of the convolution whose transpose this is; with "same" and "same_lower" the output has ``S * stride``
        samples.
    output_padding : int or tuple of int, optional
        Samples added at the end of each axis, fewer than `stride` or `dilation`: a strided convolution turns inputs of
        several sizes into outputs of one.
    dilation : int or tuple of int, optional
        Output samples from one tap of the filter to the next.
    groups, activation, residual, channel_axis, method, out, workers : optional
        As in `conv_layer`.

    Returns
    -------
    ndarray
        Output of shape (C_out, \*S_out) or (N, C_out, \*S_out), with ``S_out = (S - 1) * stride - pad_before -
        pad_after + dilation * (K - 1) + output_padding + 1``, of the dtype that NumPy gives the sum of products.

    Raises
    ------
    ValueError, TypeError
        As `conv_layer` does.

    See Also
    --------
    conv_layer : The layer whose transpose this is.
    conv_transpose_layer_backward : The gradients.

    Notes
    -----
    Without padding, the layer computes [1]_::

        y[k, stride * i + dilation * u] += sum over c of weight[c, k, u] * x[c, i]

    Outputs that lie a stride apart meet the same taps; they are computed together, as an ordinary convolution by those
    taps, so that no zeros are put between the samples of x [2]_.

    References
    ----------
    .. [1] M. D. Zeiler, D. Krishnan, G. W. Taylor and R. Fergus, "Deconvolutional Networks", CVPR 2010, pp. 2528-2535.
       :doi:`10.1109/CVPR.2010.5539957`
    .. [2] W. Shi, J. Caballero, F. Huszár et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient
       Sub-Pixel Convolutional Neural Network", CVPR 2016, pp. 1874-1883. :doi:`10.1109/CVPR.2016.207`

    Examples
    --------
    >>> import numpy as np
    >>> import ndconv
    >>> ndconv.conv_transpose_layer(np.array([[1.0, 2.0, 3.0]]), np.array([[[1.0, 10.0]]]), stride=2)
    array([[ 1., 10.,  2., 20.,  3., 30.]])
    """
    x, weight = unmasked_array(x, "x"), unmasked_array(weight, "weight")
    bias = None if bias is None else unmasked_array(bias, "bias")
    residual = None if residual is None else unmasked_array(residual, "residual")
    one_of(activation, "activation", ACTIVATIONS)
    checked_method(method)
    call = _prepare(x, weight, stride, padding, output_padding, dilation, groups, channel_axis)
    g = call.geometry
    if bias is not None and bias.shape != (g.channels_in,):
        raise ValueError(f"bias must have shape {(g.channels_in,)}, one entry per output channel; got {bias.shape}")
    if residual is not None and residual.shape != call.y_shape:
        raise ValueError(f"residual must have the output's shape {call.y_shape}, got {residual.shape}")
    dtype = result_dtype(x, weight, *(a for a in (bias, residual) if a is not None))
    check_activation(activation, dtype)
    workers = checked_workers(workers)
    if out is None:
        y = new_output(call.y_shape, dtype)
    else:
        y = checked_out(out, call.y_shape, dtype)
        x, weight = copy_if_overlapping(x, out), copy_if_overlapping(weight, out)
        bias = None if bias is None else copy_if_overlapping(bias, out)
        residual = None if residual is None else copy_if_overlapping(residual, out)
    if residual is not None:
        residual = call.first(with_components_of(residual, dtype))
    run_transposed(
        g, box_of_samples(g), call.first(x), transposed_sets(weight, g.groups), call.first(y), bias=bias,
        residual=residual, activation=activation, method=method, workers=workers,
    )  # fmt: skip
    return y


def conv_transpose_layer_backward(
    grad_y: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    output_padding: PerAxis = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    needs: str | Iterable[str] = ("x", "weight", "bias"),
    channel_axis: int | None = None,
    workers: int | None = None,
) -> ConvGradients:
    r"""Gradients of a transposed convolution layer with respect to its input, weights and bias.

    Parameters
    ----------
    grad_y : array_like
        The gradient of a number with respect to the layer's output (before any activation), of the output's shape.
    x : array_like
        The layer's input, (C_in, \*S) or (N, C_in, \*S).
    weight : array_like
        The layer's filters, (C_in, C_out // groups, \*K).
    stride, padding, output_padding, dilation, groups, channel_axis, workers : optional
        As in `conv_transpose_layer`.
    needs : str or iterable of str, optional
        Which gradients to compute: "x", "weight", "bias".

    Returns
    -------
    ConvGradients
        The gradients `x`, `weight` and `bias`, as from `conv_layer_backward`.

    Raises
    ------
    ValueError, TypeError
        As `conv_layer` does.

    See Also
    --------
    conv_transpose_layer : The layer.
    conv_layer_backward : The gradients of `conv_layer`.

    Notes
    -----
    The transpose of a transpose: the gradient to x is `conv_layer` of `grad_y` [1]_.

    References
    ----------
    .. [1] V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", 2016.
       :doi:`10.48550/arXiv.1603.07285`

    Examples
    --------
    >>> import numpy as np
    >>> import ndconv
    >>> x, weight = np.array([[1.0, 2.0, 3.0]]), np.array([[[1.0, 10.0]]])
    >>> ndconv.conv_transpose_layer_backward(np.ones((1, 6)), x, weight, stride=2)
    ConvGradients(x=array([[11., 11., 11.]]), weight=array([[[6., 6.]]]), bias=array([6.]))
    """
    wanted = checked_needs(needs)
    grad_y, x, weight = unmasked_array(grad_y, "grad_y"), unmasked_array(x, "x"), unmasked_array(weight, "weight")
    workers = checked_workers(workers)
    call = _prepare(x, weight, stride, padding, output_padding, dilation, groups, channel_axis)
    g, batch = call.geometry, call.batch
    grad_y = checked_gradient(grad_y, (*batch, g.channels_in, *g.in_shape), g.ndim, call.channels_last)
    grad_x = grad_weight = grad_bias = None
    if "x" in wanted:
        grad_x = new_output(x.shape, result_dtype(grad_y, weight))
        sets = weight.reshape(g.groups, g.channels_out // g.groups, *weight.shape[1:]).conj()
        taps = taps_not_finite(sets)
        if grad_x.size and taps is None:
            convolve(g, grad_y, sets, call.first(grad_x), workers=workers)
        elif grad_x.size and taps is not None:
            convolve_samples(g, grad_y, sets, call.first(grad_x), taps, workers=workers)
        grad_x = like(grad_x, x)
    if "weight" in wanted:
        sums = weight_gradient_of_samples(call.first(x), grad_y, g, result_dtype(grad_y, x), workers)
        grad_weight = like(sums.conj(), weight)
    if "bias" in wanted:
        grad_bias = bias_gradient(grad_y, g.ndim)
    return ConvGradients(grad_x, grad_weight, grad_bias)


class _Call(NamedTuple):
    """The shapes of a call. The geometry is that of the convolution from y to x whose transpose the layer is."""

    geometry: Geometry
    batch: Shape
    channels_last: bool

    @property
    def y_shape(self) -> Shape:
        """The output's shape, as returned."""
        g = self.geometry
        if self.channels_last:
            return (*self.batch, *g.in_shape, g.channels_in)
        return (*self.batch, g.channels_in, *g.in_shape)

    def first(self, array: Array) -> Array:
        """Return a view of an array with its channels before the spatial axes."""
        return array.transpose(channels_first(array.ndim, self.geometry.ndim)) if self.channels_last else array


def _prepare(
    x: Array, weight: Array, stride: PerAxis, padding: Padding, output_padding: PerAxis, dilation: PerAxis,
    groups: int, channel_axis: int | None,
) -> _Call:  # fmt: skip
    """Check shapes and return them."""
    if weight.ndim < 3:
        raise ValueError(
            f"weight must have shape (C_in, C_out // groups, *kernel) with at least one kernel axis, got {weight.shape}"
        )
    ndim = weight.ndim - 2
    if x.ndim not in (ndim + 1, ndim + 2):
        raise ValueError(
            f"x must have {ndim + 1} axes, or {ndim + 2} with a batch, for a weight of shape {weight.shape}; "
            f"got shape {x.shape}"
        )
    channels_last = channel_axis_of(channel_axis) is not None
    shape = tuple(x.shape[i] for i in channels_first(x.ndim, ndim)) if channels_last else x.shape
    count = integer(groups, "groups", minimum=1)
    channels, in_shape, kernel = shape[-ndim - 1], shape[-ndim:], weight.shape[2:]
    if channels != weight.shape[0]:
        raise ValueError(f"x must have {weight.shape[0]} channels, as weight has on its first axis; got {channels}")
    if channels % count:
        raise ValueError(f"groups must divide the channels, got {count} for {channels} in")
    steps = per_axis(stride, ndim, "stride", minimum=1)
    spread = per_axis(dilation, ndim, "dilation", minimum=1)
    extra = per_axis(output_padding, ndim, "output_padding", minimum=0)
    for e, s, d in zip(extra, steps, spread, strict=True):
        if e >= max(s, d):
            raise ValueError(f"output_padding must be smaller than stride {s} or dilation {d}, got {output_padding!r}")
    if not all(in_shape):
        raise ValueError(f"x must have at least one sample per spatial axis, got shape {x.shape}")
    if isinstance(padding, str) and padding in ("same", "same_lower"):
        # A filter shorter than the stride leaves the last samples of S * stride untouched.
        reach = tuple(d * (k - 1) + 1 for d, k in zip(spread, kernel, strict=True))
        extra = tuple(e + max(s - r, 0) for e, s, r in zip(extra, steps, reach, strict=True))
    whole = tuple(n * s for n, s in zip(in_shape, steps, strict=True))
    pairs = padding_pairs(padding, whole, kernel, steps, spread)
    y_shape = tuple(
        (n - 1) * s - before - after + d * (k - 1) + e + 1
        for n, s, (before, after), d, k, e in zip(in_shape, steps, pairs, spread, kernel, extra, strict=True)
    )
    if min(y_shape) < 1:
        raise ValueError(f"padding must leave at least one output per axis, got {padding!r} for an output of {y_shape}")
    geometry = make_geometry(
        channels_in=weight.shape[1] * count,
        channels_out=channels,
        groups=count,
        in_shape=y_shape,
        kernel=kernel,
        stride=steps,
        dilation=spread,
        padding=tuple((before, after - e) for (before, after), e in zip(pairs, extra, strict=True)),
        modes=padding_modes("zeros", ndim),
    )
    return _Call(geometry, batch_of(shape, ndim), channels_last)
