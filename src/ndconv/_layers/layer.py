"""The convolution layer: `conv_layer` and its prepared form, `ConvLayer`."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike

from .._call.activations import ACTIVATIONS, check_activation
from .._call.arguments import Padding, PerAxis, channel_axis_of, integer, one_of, padding_pairs, per_axis
from .._call.arrays import checked_out, copy_if_overlapping, is_in_place, new_output, with_components_of
from .._call.dtypes import Array, compute_type, promoted_for_fill, real_vector, result_dtype, unmasked_array
from .._call.fill import checked_fill_value
from .._call.geometry import Geometry, Shape, batch_of, channels_first, layer_geometry
from .._engine import Prepared, packings_of, prepare, remember
from .._gradients.layer import checked_gradient, layer_gradients
from .._gradients.result import ConvGradients, checked_needs
from .._methods import CYCLES_PER_SECOND, candidates, checked_method, choose, make_plan
from .._methods.epilogue import times_slope
from .._methods.problem import Problem
from .._runtime.caches import Cache, exact_key
from .._runtime.workers import checked_workers
from .._streams.layer import LayerStream
from .cost import LayerCost, checked_shape, cost_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Settings:
    """The keywords of a layer, as given."""

    stride: PerAxis = 1
    padding: Padding = 0
    padding_mode: str | tuple[str, ...] = "zeros"
    fill_value: complex = 0.0
    dilation: PerAxis = 1
    groups: int = 1
    activation: str | None = None
    channel_axis: int | None = None
    method: str = "auto"


class _Call(NamedTuple):
    """All that can be known of a call before its numbers: one for each shape, layout and dtype of x."""

    geometry: Geometry
    prepared: Prepared
    y_shape: Shape  # as returned
    channels_first: tuple[int, ...] | None  # the axes that turn x and y, where channels come last

    @property
    def nbytes(self) -> int:
        """About what it takes in memory, beside a fixed amount."""
        return self.prepared.nbytes


def _prepare(
    x: Array, weight: Array, bias: Array | None, residual: Array | None, settings: _Settings, out: Array | None
) -> _Call:
    """Check everything and make the plan."""
    activation = one_of(settings.activation, "activation", ACTIVATIONS)
    method = checked_method(settings.method)
    ndim = weight.ndim - 2
    order = None
    if channel_axis_of(settings.channel_axis) is not None:
        if x.ndim not in (ndim + 1, ndim + 2):
            layer_geometry(x.shape, weight.shape, 1, 0, "zeros", 1, 1)  # raises
        order = channels_first(x.ndim, ndim)
        x = x.transpose(order)
    geometry = layer_geometry(
        x.shape, weight.shape, settings.stride, settings.padding, settings.padding_mode, settings.dilation,
        settings.groups,
    )  # fmt: skip
    dtype = result_dtype(x, weight, *(a for a in (bias, residual) if a is not None))
    check_activation(activation, dtype)
    fill_value = checked_fill_value(settings.fill_value, dtype)
    batch, compute = batch_of(x.shape, ndim), compute_type(dtype)
    y_shape = geometry.y_shape(batch, channels_last=order is not None)
    y_in_place = order is None and dtype == compute
    if out is not None:
        checked_out(out, y_shape, dtype)
        y_in_place = y_in_place and is_in_place(out, ndim, compute)
    prepared = prepare(
        geometry, dtype, math.prod(batch), x_in_place=is_in_place(x, ndim, compute), y_in_place=y_in_place,
        x_is_complex=x.dtype.kind == "c", fill_value=fill_value, method=method, activation=activation,
        bias=bias is not None,
    )  # fmt: skip
    return _Call(geometry, prepared, y_shape, order)


def _layout(array: ArrayLike | None) -> object:
    """Return all that is checked of a residual or an `out`, or decides how a call is done: a part of its key."""
    if array is None:
        return None
    if type(array) is not np.ndarray:
        return type(array)
    return array.shape, array.strides, array.dtype, array.flags.aligned, array.flags.writeable


def _run(
    call: _Call, x: Array, packed: object, bias: Array | None, residual: Array | None, out: Array | None,
    workers: int | None,
) -> Array:  # fmt: skip
    """Return the layer's result."""
    if out is None:
        y = new_output(call.y_shape, call.prepared.dtype)
    else:
        y = out
        x = copy_if_overlapping(x, out)
        residual = None if residual is None else copy_if_overlapping(residual, out)
    if residual is not None:
        residual = with_components_of(residual, call.prepared.dtype)
    if call.channels_first is None:
        call.prepared.run(x, packed, y, bias, residual, workers)
    else:
        first = call.channels_first
        residual = None if residual is None else residual.transpose(first)
        call.prepared.run(x.transpose(first), packed, y.transpose(first), bias, residual, workers)
    return y


def _as_sets(weight: Array, groups: int) -> Array:
    """Return a layer's weights with its groups as an axis of their own."""
    return weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])


def _checked_bias(bias: ArrayLike | None, weight: Array) -> Array | None:
    if bias is None:
        return None
    bias = unmasked_array(bias, "bias")
    if bias.shape != weight.shape[:1]:
        raise ValueError(f"bias must have shape {weight.shape[:1]}, one entry per output channel; got {bias.shape}")
    return bias


def _check_residual(residual: Array | None, y_shape: Shape) -> None:
    if residual is not None and residual.shape != y_shape:
        raise ValueError(f"residual must have the output's shape {y_shape}, got {residual.shape}")


# What was prepared for recent calls of conv_layer. Only cheap, hashable descriptions are keys, never the data.
_calls = Cache[_Call]("layer calls")


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
        If shapes or values do not fit; the message names the argument.
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

    References
    ----------
    .. [1] Y. LeCun, B. Boser, J. S. Denker et al., "Backpropagation Applied to Handwritten Zip Code Recognition",
       Neural Computation 1(4), 1989, pp. 541-551. :doi:`10.1162/neco.1989.1.4.541`

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
    """
    key: tuple[object, ...] | None = None
    if type(x) is np.ndarray and type(weight) is np.ndarray:
        key = (
            x.shape, x.strides, x.dtype, weight.shape, weight.dtype, exact_key(stride), exact_key(padding),
            padding_mode, type(fill_value), fill_value, exact_key(dilation), exact_key(groups), activation,
            exact_key(channel_axis), method,
            None if bias is None else getattr(bias, "dtype", bias), _layout(residual), _layout(out),
        )  # fmt: skip
        try:
            call = _calls.get(key)
        except TypeError:  # lists are welcome, but have no hash
            key = call = None
        if call is not None:
            workers = checked_workers(workers)
            return _conv(call, x, weight, _checked_bias(bias, weight), cast("Array | None", residual), out, workers)
    given = x, residual
    x, weight = promoted_for_fill(unmasked_array(x, "x"), fill_value), unmasked_array(weight, "weight")
    if weight.ndim < 3:
        layer_geometry(x.shape, weight.shape, 1, 0, "zeros", 1, 1)  # raises
    bias = _checked_bias(bias, weight)
    residual = None if residual is None else unmasked_array(residual, "residual")
    settings = _Settings(
        stride, padding, padding_mode, fill_value, dilation, groups, activation, channel_axis, method
    )  # fmt: skip
    workers = checked_workers(workers)
    call = _prepare(x, weight, bias, residual, settings, out)
    _check_residual(residual, call.y_shape)
    if key is not None and all(map(operator.is_, given, (x, residual))):
        remember(_calls, key, call, call.geometry)
    return _conv(call, x, weight, bias, residual, out, workers)


def _conv(
    call: _Call, x: Array, weight: Array, bias: Array | None, residual: Array | None, out: Array | None,
    workers: int | None,
) -> Array:  # fmt: skip
    if out is not None:
        weight = copy_if_overlapping(weight, out)
        bias = None if bias is None else copy_if_overlapping(bias, out)
    packed = call.prepared.pack(_as_sets(weight, call.geometry.groups), workers, once=True)
    bias = None if bias is None else real_vector(bias, call.prepared.dtype)
    return _run(call, x, packed, bias, residual, out, workers)


class ConvLayer:
    r"""A convolution layer made once and called many times: its weights are packed, its plans remembered.

    The keywords are those of `conv_layer`. A layer is immutable and may be called from many threads at once.

    Parameters
    ----------
    weight : array_like
        Filters of shape (C_out, C_in // groups, \*K). The layer keeps a copy.
    bias : array_like, optional
        One number per output channel, shape (C_out,). The layer keeps a copy.
    stride, padding, padding_mode, fill_value, dilation, groups, activation, channel_axis, method : optional
        As in `conv_layer`.
    workers : int, optional
        The number of threads of calls that do not say.

    Attributes
    ----------
    weight, bias : ndarray
        Read-only; `bias` may be None.
    stride, padding, padding_mode, fill_value, dilation, groups, activation, channel_axis, method
        As given.

    Raises
    ------
    ValueError, TypeError
        As `conv_layer` does; what depends on x is checked when the layer is called.

    See Also
    --------
    conv_layer : The same in one call.

    Examples
    --------
    >>> import numpy as np
    >>> import ndconv
    >>> layer = ndconv.ConvLayer(np.ones((8, 3, 3, 3), np.float32), stride=2, padding=1)
    >>> layer(np.ones((3, 32, 32), np.float32)).shape
    (8, 16, 16)
    >>> layer.output_shape((3, 224, 224))
    (8, 112, 112)
    """

    __slots__ = ("__weakref__", "_bias", "_calls", "_geometries", "_packed", "_settings", "_weight", "_workers")

    _bias: Array | None
    _calls: Cache[tuple[_Call, object]]  # with their places among the packed weights
    _geometries: Cache[Geometry]  # of shapes of x
    _packed: Cache[Any]  # weights with a bias, as each kind of plan wants them; and what gradients and streams keep
    _settings: _Settings
    _weight: Array
    _workers: int | None

    def __init__(
        self,
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
        channel_axis: int | None = None,
        method: str = "auto",
        workers: int | None = None,
    ) -> None:
        weight = unmasked_array(weight, "weight")
        bias = _checked_bias(bias, weight) if weight.ndim else None
        settings = _Settings(
            _frozen(stride), _frozen(padding), _frozen(padding_mode), fill_value, _frozen(dilation), groups, activation,
            channel_axis, method,
        )  # fmt: skip
        _check_alone(weight, settings)
        for name, value in (
            ("_weight", _read_only(weight)),
            ("_bias", None if bias is None else _read_only(bias)),
            ("_settings", settings),
            ("_workers", checked_workers(workers)),
            ("_calls", Cache("layer calls")),
            ("_geometries", Cache("layer calls")),
            ("_packed", packings_of(weight)),
        ):
            object.__setattr__(self, name, value)

    @property
    def weight(self) -> Array:
        """The filters, read-only."""
        return self._weight

    @property
    def bias(self) -> Array | None:
        """The bias, read-only, or None."""
        return self._bias

    @property
    def stride(self) -> PerAxis:
        """Every how many samples there is an output, as given."""
        return self._settings.stride

    @property
    def padding(self) -> Padding:
        """Samples added around x, as given."""
        return self._settings.padding

    @property
    def padding_mode(self) -> str | tuple[str, ...]:
        """What stands outside x, as given."""
        return self._settings.padding_mode

    @property
    def fill_value(self) -> complex:
        """The samples outside x under "zeros", as given."""
        return self._settings.fill_value

    @property
    def dilation(self) -> PerAxis:
        """Samples from one tap to the next, as given."""
        return self._settings.dilation

    @property
    def groups(self) -> int:
        """Groups of channels, as given."""
        return self._settings.groups

    @property
    def activation(self) -> str | None:
        """What is applied to the sums, as given."""
        return self._settings.activation

    @property
    def channel_axis(self) -> int | None:
        """Where the channels stand, as given."""
        return self._settings.channel_axis

    @property
    def method(self) -> str:
        """How it is computed, as given."""
        return self._settings.method

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a ConvLayer cannot be changed: cannot set {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a ConvLayer cannot be changed: cannot delete {name!r}")

    def __reduce__(self) -> tuple[Callable[..., ConvLayer], tuple[Array, Array | None, dict[str, object]]]:
        return _layer_of, (self._weight, self._bias, {**asdict(self._settings), "workers": self._workers})

    def __repr__(self) -> str:
        given = [
            f"{name}={getattr(self._settings, name)!r}"
            for name, field in _Settings.__dataclass_fields__.items()
            if getattr(self._settings, name) != field.default
        ]
        shown = [f"weight {self.weight.shape} {self.weight.dtype}", "no bias" if self.bias is None else "bias", *given]
        return f"<ConvLayer: {', '.join(shown)}>"

    def __call__(
        self,
        x: ArrayLike,
        out: Array | None = None,
        workers: int | None = None,
        *,
        residual: ArrayLike | None = None,
    ) -> Array:
        """Compute the layer's output.

        Parameters
        ----------
        x, out, workers, residual
            As in `conv_layer`.

        Returns
        -------
        ndarray
            As from `conv_layer`.
        """
        key = None
        if type(x) is np.ndarray:
            key = (x.shape, x.strides, x.dtype, _layout(residual), _layout(out))
            found = self._calls.get(key)
            if found is not None:
                workers = self._workers if workers is None else checked_workers(workers)
                call, place = found
                packed, bias = self._packed.get(place) or self._pack(call, place)
                return _run(call, x, packed, bias, cast("Array | None", residual), out, workers)
        given = x, residual
        x = promoted_for_fill(unmasked_array(x, "x"), self.fill_value)
        residual = None if residual is None else unmasked_array(residual, "residual")
        workers = self._workers if workers is None else checked_workers(workers)
        call = _prepare(x, self.weight, self.bias, residual, self._settings, out)
        _check_residual(residual, call.y_shape)
        place = call.prepared.place
        packed, bias = self._packed.get(place) or self._pack(call, place)
        if key is not None and all(map(operator.is_, given, (x, residual))):
            remember(self._calls, key, (call, place), call.geometry)
        return _run(call, x, packed, bias, residual, out, workers)

    def backward(
        self,
        grad_y: ArrayLike,
        x: ArrayLike,
        needs: str | Iterable[str] = ("x", "weight", "bias"),
        workers: int | None = None,
        *,
        residual: ArrayLike | None = None,
    ) -> ConvGradients:
        """Compute the gradients with respect to the layer's input, weights and bias.

        Parameters
        ----------
        grad_y : array_like
            The gradient with respect to the layer's output, of the output's shape.
        x : array_like
            The layer's input.
        needs, workers
            As in `conv_layer_backward`.
        residual : array_like, optional
            What was added before the activation, if anything was.

        Returns
        -------
        ConvGradients
            As from `conv_layer_backward`. A layer with an activation first computes again what that was applied to.

        Examples
        --------
        >>> import numpy as np
        >>> import ndconv
        >>> layer = ndconv.ConvLayer(np.ones((1, 1, 2)), activation="relu")
        >>> layer.backward(np.ones((1, 3)), np.array([[2.0, 1.0, -4.0, 5.0]]))
        ConvGradients(x=array([[1., 1., 1., 1.]]), weight=array([[[-2.,  6.]]]), bias=array([2.]))
        """
        wanted = checked_needs(needs)
        grad_y, x = unmasked_array(grad_y, "grad_y"), unmasked_array(x, "x")
        workers = self._workers if workers is None else checked_workers(workers)
        last = self.channel_axis == -1
        geometry = self._geometries.get(x.shape)
        if geometry is None:
            geometry = self._geometries.keep(x.shape, self._geometry(x.shape))
        grad_y = checked_gradient(grad_y, geometry.y_shape(batch_of(x.shape, geometry.ndim)), geometry.ndim, last)
        residual = None if residual is None else unmasked_array(residual, "residual")
        if residual is not None:
            _check_residual(residual, self.output_shape(x.shape))
        if self.activation is not None:
            added = [a for a in (self.bias, residual) if a is not None]
            check_activation(self.activation, result_dtype(promoted_for_fill(x, self.fill_value), self.weight, *added))
            values = self._linear()(x, workers=workers, residual=residual)
            if last:
                values = values.transpose(channels_first(values.ndim, geometry.ndim))
            grad_y = times_slope(grad_y, values, self.activation)
        if last:
            x = x.transpose(channels_first(x.ndim, geometry.ndim))
        return layer_gradients(
            grad_y, x, self.weight, geometry, self.fill_value, wanted, last, workers, self.bias, self._packed
        )

    def stream(self) -> LayerStream:
        """Return a stream: the layer for a signal that comes in chunks.

        The outputs of all chunks together are those of one call for the whole signal; by the direct method, which is
        also what "auto" takes but for long kernels, they are so to the bit. An output is returned with the last sample
        that it depends on.

        Returns
        -------
        LayerStream
            With the methods ``push(chunk)`` and ``flush()``. Chunks have the layer's layout, with or without a batch,
            and any number of samples. Streams are independent of each other, and each belongs to one thread at a time.

        Raises
        ------
        ValueError
            If the layer has not one spatial axis, or its `padding` is not "causal", its `padding_mode` neither "zeros"
            nor "replicate", its `method` not "auto", "direct" or "fft".

        Examples
        --------
        >>> import numpy as np
        >>> import ndconv
        >>> difference = ndconv.ConvLayer([[[-1.0, 1.0]]], padding="causal", padding_mode="replicate")
        >>> stream = difference.stream()
        >>> stream.push([[3.0, 5.0]])
        array([[0., 2.]])
        >>> stream.push([[9.0, 9.0, 8.0]])
        array([[ 4.,  0., -1.]])
        >>> difference([[3.0, 5.0, 9.0, 9.0, 8.0]])
        array([[ 0.,  2.,  4.,  0., -1.]])
        """
        return LayerStream(self)

    def _linear(self) -> ConvLayer:
        """Return the layer without its activation, with the same packed weights."""
        linear = ConvLayer.__new__(ConvLayer)
        for name in ("_bias", "_geometries", "_packed", "_weight", "_workers"):
            object.__setattr__(linear, name, getattr(self, name))
        object.__setattr__(linear, "_settings", replace(self._settings, activation=None))
        object.__setattr__(linear, "_calls", Cache("layer calls"))
        return linear

    def _pack(self, call: _Call, place: object) -> tuple[object, Array | None]:
        """Return weights and bias as a plan wants them, kept for the next plan that wants them so."""
        packed = call.prepared.pack(_as_sets(self.weight, self.groups))
        bias = None if self.bias is None else real_vector(self.bias, call.prepared.dtype)
        kept: tuple[object, Array | None] = self._packed.keep(place, (packed, bias))
        return kept

    def _geometry(self, input_shape: Shape) -> Geometry:
        input_shape = checked_shape(input_shape, "input_shape")
        ndim = self.weight.ndim - 2
        if self.channel_axis == -1 and len(input_shape) > ndim:
            input_shape = tuple(input_shape[i] for i in channels_first(len(input_shape), ndim))
        s = self._settings
        return layer_geometry(input_shape, self.weight.shape, s.stride, s.padding, s.padding_mode, s.dilation, s.groups)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the output for an input of a shape."""
        g = self._geometry(input_shape)
        return g.y_shape(batch_of(tuple(input_shape), g.ndim), channels_last=self.channel_axis == -1)

    def cost(self, input_shape: Shape) -> LayerCost:
        """Return the parameters, multiply-adds and bytes of a call with an input of a shape; see `layer_cost`."""
        g = self._geometry(input_shape)
        return replace(
            cost_of(g, tuple(input_shape), self.bias is not None, self.weight.itemsize),
            output_shape=self.output_shape(input_shape),
        )

    def explain(self, input_shape: Shape) -> str:
        """Return, as a readable table, which method runs for an input of a shape, and why.

        The input is taken to be contiguous and of the weights' dtype. Times are predictions for one core of the machine
        that the constants of the methods were measured on.
        """
        g = self._geometry(input_shape)
        dtype = result_dtype(self.weight)
        problem = Problem(
            geometry=g, dtype=dtype, x_is_complex=dtype.kind == "c",
            fill_value=checked_fill_value(self.fill_value, dtype), batch=math.prod(batch_of(input_shape, g.ndim)),
            x_in_place=self.channel_axis is None and dtype.name == compute_type(dtype),
            y_in_place=self.channel_axis is None and dtype.name == compute_type(dtype),
            bias=self.bias is not None,
        )  # fmt: skip
        chosen = choose(problem, self.method)
        lines = [f"{self!r} on {dtype} {tuple(input_shape)}", f"{'method':<12}{'time':>12}  note"]
        for candidate in candidates(problem):
            cycles = math.inf if candidate.cycles is None else candidate.cycles
            time = f"{1e3 * cycles / CYCLES_PER_SECOND:.3g} ms" if math.isfinite(cycles) else ""
            note = candidate.reason or ("" if time else "too few taps to be considered")
            if candidate.name == chosen:
                note = f"chosen: {make_plan(problem, self.method)}"
            lines.append(f"{candidate.name:<12}{time:>12}  {note}".rstrip())
        return "\n".join(lines)


def _check_alone(weight: Array, settings: _Settings) -> None:
    """Raise for what is wrong with a layer whatever its input: with the least one that its filters fit."""
    one_of(settings.activation, "activation", ACTIVATIONS)
    checked_method(settings.method)
    channel_axis_of(settings.channel_axis)
    checked_fill_value(settings.fill_value, np.dtype(np.complex128))
    ndim, kernel = max(weight.ndim - 2, 1), weight.shape[2:] or (1,)
    stride = per_axis(settings.stride, ndim, "stride", minimum=1)
    spread = per_axis(settings.dilation, ndim, "dilation", minimum=1)
    pairs = padding_pairs(settings.padding, (1,) * ndim, kernel, stride, spread)
    least = (max(d * (k - 1) + 1 - sum(pair), 1) for d, k, pair in zip(spread, kernel, pairs, strict=True))
    channels = math.prod(weight.shape[1:2]) * integer(settings.groups, "groups", minimum=1)
    layer_geometry(
        (channels, *least), weight.shape, stride, settings.padding, settings.padding_mode, spread, settings.groups
    )


def _layer_of(weight: Array, bias: Array | None, keywords: dict[str, Any]) -> ConvLayer:
    return ConvLayer(weight, bias, **keywords)


def _frozen(value: T) -> T:
    """Return an argument that nobody else can change."""
    return cast(T, tuple(map(_frozen, value))) if isinstance(value, (list, tuple, np.ndarray)) else value


def _read_only(array: Array) -> Array:
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy
