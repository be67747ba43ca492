"""The convolution layer as a function: `conv_layer`."""

from __future__ import annotations

import operator
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from .._call.arguments import Padding, PerAxis
from .._call.dtypes import Array, promoted_for_fill, unmasked_array
from .._call.geometry import layer_geometry
from .._engine import remember
from .._runtime.caches import Cache, exact_key
from .._runtime.workers import checked_workers
from .call import Call, Settings, check_residual, checked_bias, layout_of, prepare_call
from .partial import partial_layer

# What was prepared for recent calls of conv_layer. Only cheap, hashable descriptions are keys, never the data.
_calls = Cache[Call]("layer calls")


def conv_layer(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    padding_mode: str | tuple[str, ...] = "zeros",
    fill_value: complex = 0.0,
    dilation: PerAxis = 1,
    groups: int = 1,
    activation: str | None = None,
    residual: ArrayLike | None = None,
    sample_weights: ArrayLike | None = None,
    channel_axis: int | None = None,
    method: str = "auto",
    out: Array | None = None,
    workers: int | None = None,
) -> Array:
    r"""Convolution layer: slide a bank of filters over the spatial axes of x.

    Parameters
    ----------
    x : array_like
        Input of shape (C_in, \*S) or (N, C_in, \*S). Any strides, byte order, alignment and supported dtype are read
        as they are, without a copy of the whole.
    weight : array_like
        Filters of shape (C_out, C_in // groups, \*K); they set the number of spatial axes.
    bias : array_like, optional
        One number per output channel, shape (C_out,).
    stride : int or tuple of int, optional
        Input samples from one output to the next, one number or one per spatial axis.
    padding : int, str or tuple, optional
        Samples added around x: one number, one per axis, one (before, after) pair per axis, or "valid" (none),
        "same" (so many that the output has ``ceil(S / stride)`` samples, the odd one after), "same_lower" (the odd one
        before), "full" (all positions where filter and input touch) or "causal" (all before).
    padding_mode : str or tuple of str, optional
        What the added samples are: "zeros" (or `fill_value`), "replicate", "reflect", "symmetric" or "circular"; one
        name or one per axis.
    fill_value : scalar, optional
        The added samples under "zeros". An infinite or NaN weight makes no NaN with 0.
    dilation : int or tuple of int, optional
        Input samples from one tap of the filter to the next.
    groups : int, optional
        Number of groups that channels are divided into; outputs see the inputs of their own group only.
    activation : str, optional
        Applied last: "relu", "relu6", "leaky_relu" (slope 0.01), "silu", "gelu" (exact), "sigmoid", "tanh" or
        "hardswish".
    residual : array_like, optional
        Array of the output's shape, added before the activation.
    sample_weights : array_like, optional
        How much each sample of x counts: numbers of at least 0 in x's shape or, with fewer axes, in that without the
        channels, which then count alike; either broadcasts. The layer is a partial convolution: the sum of weight times
        filter times sample is multiplied by the window's number of samples over the sum of their weights. So only the
        ratios of weights matter, and a sample of weight 0 is missing, whatever stands there, NaN and infinity too.
        Samples outside x have the weight of those that they repeat, and none under "zeros". Where no sample of a window
        counts, there is 0 instead of the sum and the bias. Not for results of integers.
    channel_axis : int, optional
        -1 if x has its channels last, (\*S, C_in) or (N, \*S, C_in); the output (and `residual` and `out`) then has,
        too.
    method : str, optional
        "auto" takes the fastest; "direct" multiplies and adds; "winograd" needs fewer multiplications, for axes of 2 to
        5 taps, or so many for each step of a stride; "fft" multiplies spectra, for large kernels.
    out : ndarray, optional
        Array of the output's shape and dtype to write to, of any strides. It may overlap x.
    workers : int, optional
        Number of threads; -1 for all usable CPUs, None for the default (see `set_workers`). The result does not depend
        on it.

    Returns
    -------
    ndarray
        Output of shape (C_out, \*S_out) or (N, C_out, \*S_out), with ``S_out = (S + pad_before + pad_after -
        dilation * (K - 1) - 1) // stride + 1``, of the dtype that NumPy gives the sum of products of its inputs.
        float16 is summed in float32; integers wrap around.

    Raises
    ------
    ValueError
        If shapes or values do not fit; the message names the argument. For `sample_weights`: if one is negative or not
        finite, if `fill_value` is not 0, or if the result is of integers.
    TypeError
        If an argument has the wrong type or dtype.

    See Also
    --------
    ConvLayer : The same with weights packed once, for many calls.
    correlate_nd : N-D correlation without channels.

    Notes
    -----
    The layer computes the cross-correlation that every framework calls convolution [1]_::

        y[k, i, j] = bias[k] + sum over c, u, v of
            weight[k, c, u, v] * x[c, stride * i + dilation * u, stride * j + dilation * v]

    `sample_weights` of 0 and 1 are the masks of [2]_; other numbers are the certainties of the normalised convolution
    of [3]_, with a window that is the same everywhere. With w for them, and sums over the window of one output::

        y[k] = bias[k] + taps * (C_in // groups) / sum(w) * sum(weight[k] * w * x)

    The factor multiplies rounding errors too. Where less than 1/64 of a window counts, "auto" is "direct".

    References
    ----------
    .. [1] Y. LeCun, B. Boser, J. S. Denker et al., "Backpropagation Applied to Handwritten Zip Code Recognition",
       Neural Computation 1(4), 1989, pp. 541-551. :doi:`10.1162/neco.1989.1.4.541`
    .. [2] G. Liu, F. A. Reda, K. J. Shih et al., "Image Inpainting for Irregular Holes Using Partial Convolutions",
       ECCV 2018, pp. 89-105. :doi:`10.1007/978-3-030-01252-6_6`
    .. [3] H. Knutsson and C.-F. Westin, "Normalized and differential convolution: Methods for interpolation and
       filtering of incomplete and uncertain data", CVPR 1993.

    Examples
    --------
    A horizontal edge in a 5x5 image, found by a 3x3 filter:

    >>> import numpy as np
    >>> import ndconv
    >>> image = np.repeat([[0.0], [0.0], [1.0], [1.0], [1.0]], 5, axis=1)
    >>> edge = np.array([[-1.0, -1, -1], [0, 0, 0], [1, 1, 1]])
    >>> ndconv.conv_layer(image[None], edge[None, None])[0]
    array([[3., 3., 3.],
           [3., 3., 3.],
           [0., 0., 0.]])

    Means of three samples, of which some are missing:

    >>> x, there = np.array([[1.0, 2, np.nan, 4, 8]]), [True, True, False, True, True]
    >>> ndconv.conv_layer(x, np.ones((1, 1, 3)) / 3, sample_weights=there)
    array([[1.5, 3. , 6. ]])
    """
    key: tuple[object, ...] | None = None
    if type(x) is np.ndarray and type(weight) is np.ndarray and sample_weights is None:
        key = (
            x.shape, x.strides, x.dtype, weight.shape, weight.dtype, exact_key(stride), exact_key(padding),
            padding_mode, type(fill_value), fill_value, exact_key(dilation), exact_key(groups), activation,
            exact_key(channel_axis), method,
            None if bias is None else getattr(bias, "dtype", bias), layout_of(residual), layout_of(out),
        )  # fmt: skip
        try:
            call = _calls.get(key)
        except TypeError:  # lists are welcome, but have no hash
            key = call = None
        if call is not None:
            workers = checked_workers(workers)
            bias = checked_bias(bias, weight)
            return call.run_once(x, weight, bias, cast("Array | None", residual), out, workers)
    given = x, residual
    x, weight = promoted_for_fill(unmasked_array(x, "x"), fill_value), unmasked_array(weight, "weight")
    if weight.ndim < 3:
        layer_geometry(x.shape, weight.shape, 1, 0, "zeros", 1, 1)  # raises
    bias = checked_bias(bias, weight)
    residual = None if residual is None else unmasked_array(residual, "residual")
    settings = Settings(
        stride, padding, padding_mode, fill_value, dilation, groups, activation, channel_axis, method
    )  # fmt: skip
    workers = checked_workers(workers)
    call = prepare_call(x, weight, bias, residual, settings, out)
    check_residual(residual, call.y_shape)
    if sample_weights is not None:
        return partial_layer(call, x, weight, bias, residual, sample_weights, settings, out, workers)
    if key is not None and all(map(operator.is_, given, (x, residual))):
        remember(_calls, key, call, call.geometry)
    return call.run_once(x, weight, bias, residual, out, workers)
