"""The convolution layer that is prepared once: `ConvLayer`."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike

from .._call.activations import ACTIVATIONS, check_activation
from .._call.arguments import (
    Padding,
    PerAxis,
    channel_axis_of,
    checked_shape,
    frozen,
    integer,
    one_of,
    padding_pairs,
    per_axis,
)
from .._call.dtypes import Array, compute_type, promoted_for_fill, real_vector, result_dtype, unmasked_array
from .._call.fill import checked_fill_value
from .._call.geometry import Geometry, Shape, batch_of, channels_first, layer_geometry
from .._engine import packings_of, remember
from .._gradients.layer import checked_gradient, layer_gradients
from .._gradients.result import ConvGradients, checked_needs
from .._methods import checked_method, make_plan
from .._methods.epilogue import times_slope
from .._methods.explain import explained
from .._methods.problem import Problem
from .._runtime.caches import Cache
from .._runtime.workers import checked_workers
from .._streams.layer import LayerStream
from .call import Call, Settings, as_sets, check_residual, checked_bias, layout_of, prepare_call
from .cost import LayerCost, cost_of
from .linear import check_linear, linear_operator, sparse_matrix

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import LinearOperator


class ConvLayer:
    r"""A convolution layer made once and called many times: its weights are packed, its plans remembered.

    The keywords are those of `conv_layer`, but for `sample_weights`. A layer is immutable and may be called from many
    threads at once.

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
    _calls: Cache[tuple[Call, object]]  # with their places among the packed weights
    _geometries: Cache[Geometry]  # of shapes of x
    _packed: Cache[Any]  # weights with a bias, as each kind of plan wants them; and what gradients and streams keep
    _settings: Settings
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
        bias = checked_bias(bias, weight) if weight.ndim else None
        settings = Settings(
            frozen(stride), frozen(padding), frozen(padding_mode), fill_value, frozen(dilation), groups, activation,
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
            for name, field in Settings.__dataclass_fields__.items()
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
            key = (x.shape, x.strides, x.dtype, layout_of(residual), layout_of(out))
            found = self._calls.get(key)
            if found is not None:
                workers = self._workers if workers is None else checked_workers(workers)
                call, place = found
                packed, bias = self._packed.get(place) or self._pack(call, place)
                return call.run(x, packed, bias, cast("Array | None", residual), out, workers)
        given = x, residual
        x = promoted_for_fill(unmasked_array(x, "x"), self.fill_value)
        residual = None if residual is None else unmasked_array(residual, "residual")
        workers = self._workers if workers is None else checked_workers(workers)
        call = prepare_call(x, self.weight, self.bias, residual, self._settings, out)
        check_residual(residual, call.y_shape)
        place = call.prepared.place
        packed, bias = self._packed.get(place) or self._pack(call, place)
        if key is not None and all(map(operator.is_, given, (x, residual))):
            remember(self._calls, key, (call, place), call.geometry)
        return call.run(x, packed, bias, residual, out, workers)

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
            check_residual(residual, self.output_shape(x.shape))
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

    def _pack(self, call: Call, place: object) -> tuple[object, Array | None]:
        """Return weights and bias as a plan wants them, kept for the next plan that wants them so."""
        packed = call.prepared.pack(as_sets(self.weight, self.groups))
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

    def as_linear_operator(self, input_shape: Shape) -> LinearOperator:
        r"""Return the layer as a linear operator of SciPy, with its exact adjoint, for solvers and their like.

        Parameters
        ----------
        input_shape : tuple of int
            The shape of the input, with or without a batch.

        Returns
        -------
        scipy.sparse.linalg.LinearOperator
            It maps an input, made flat in C order, to the flat output; its ``H`` maps a flat output back, with the
            conjugate weights. Its columns are computed together.

        Raises
        ------
        ValueError
            If the layer is not linear, as with a bias, an activation or a fill value; if the shape does not fit.

        See Also
        --------
        ConvLayer.to_sparse : The same as a matrix.
        ConvLayer.backward : The adjoint, of arrays.

        Examples
        --------
        A signal from its differences, by least squares:

        >>> import numpy as np
        >>> import ndconv
        >>> from scipy.sparse.linalg import lsqr
        >>> difference = ndconv.ConvLayer([[[-1.0, 1.0]]]).as_linear_operator((1, 4))
        >>> lsqr(difference, [1.0, 1.0, 2.0])[0].round(6) + 1.75
        array([0., 1., 2., 4.])
        """
        check_linear(self, self._geometry(input_shape))
        return linear_operator(self, tuple(input_shape), self.output_shape(input_shape))

    def to_sparse(self, input_shape: Shape) -> csr_array:
        r"""Return the layer as a sparse matrix of SciPy, with an entry for every product that the layer sums.

        Parameters
        ----------
        input_shape : tuple of int
            The shape of the input, with or without a batch.

        Returns
        -------
        scipy.sparse.csr_array
            The matrix that maps an input, made flat in C order, to the flat output, in the dtype of the weights. It has
            about as many entries as the layer has multiply-adds (see `cost`), of 12 to 24 bytes each.

        Raises
        ------
        ValueError
            As `as_linear_operator` does.

        See Also
        --------
        ConvLayer.as_linear_operator : The same without a matrix.

        Examples
        --------
        >>> import ndconv
        >>> ndconv.ConvLayer([[[-1.0, 1.0]]], padding=((0, 1),), padding_mode="circular").to_sparse((1, 3)).toarray()
        array([[-1.,  1.,  0.],
               [ 0., -1.,  1.],
               [ 1.,  0., -1.]])
        """
        geometry = self._geometry(input_shape)
        check_linear(self, geometry)
        return sparse_matrix(self, geometry, math.prod(batch_of(tuple(input_shape), geometry.ndim)))

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
        plan = make_plan(problem, self.method)
        return explained(problem, self.method, plan, f"{self!r} on {dtype} {tuple(input_shape)}")


def _check_alone(weight: Array, settings: Settings) -> None:
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


def _read_only(array: Array) -> Array:
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy
