"""A filter's numbers, and neighbouring taps of it by the direct method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._call.arguments import Pair, padding_modes
from .._call.arrays import is_in_place
from .._call.dtypes import Array, compute_type, real_vector
from .._call.geometry import Shape, make_geometry
from .._engine import Prepared, packings_of, prepare
from .._methods import PLAIN_SUMS
from .._runtime.caches import Cache


@dataclass(frozen=True, slots=True)
class Weights:
    """A filter's numbers (C_out, C_in // groups, taps), and what becomes of them."""

    taps: Array
    bias: Array | None
    groups: int
    stride: int
    dilation: int
    activation: str | None
    dtype: np.dtype[np.generic]  # of the result
    x_is_complex: bool

    @property
    def reach(self) -> int:
        """The samples from the first tap to the last."""
        return self.dilation * (int(self.taps.shape[-1]) - 1)


class Taps:
    """Neighbouring taps of a filter, for the direct method."""

    def __init__(self, weights: Weights) -> None:
        self.weights = w = weights
        self.sets = w.taps.reshape(w.groups, -1, *w.taps.shape[1:])
        self.bias = None if w.bias is None else real_vector(w.bias, w.dtype)
        self.compute = compute_type(w.dtype)
        self.converts = w.dtype.name != self.compute
        self.calls = Cache[Prepared]("stream plans")
        self.packed = packings_of(w.taps)
        self.finite = w.dtype.kind not in "fc" or bool(np.isfinite(w.taps).all())

    def __call__(self, x: Array, residual: Array | None, y: Array, workers: int | None, outside: Pair = (0, 0)) -> None:
        """Compute y (rows, channels, outputs) from the samples x (rows, channels, samples) of their windows.

        Of these, so many at either end lie `outside` the signal, which matters to weights that are not finite.
        """
        w = self.weights
        padding = (0, 0) if self.finite else outside
        x = x[..., padding[0] : x.shape[-1] - padding[1]]
        # A call for the whole signal reads x in place where it has no padding.
        in_place = w.reach == 0 and is_in_place(x, 1, self.compute)
        y_in_place = not self.converts and y.strides[-1] == y.itemsize
        key = (x.shape, padding, in_place, y_in_place)
        call = self.calls.get(key)
        if call is None:
            call = self.calls.keep(key, self._prepare(x.shape, padding, in_place, y_in_place))
        packed = self.packed.get(call.plan.pack_key())
        if packed is None:
            packed = self.packed.keep(call.plan.pack_key(), call.pack(self.sets, workers))
        call.run(x, packed, y, self.bias, residual, workers)

    def _prepare(self, shape: Shape, padding: Pair, x_in_place: bool, y_in_place: bool) -> Prepared:
        w = self.weights
        geometry = make_geometry(
            channels_in=shape[1], channels_out=w.taps.shape[0], groups=w.groups, in_shape=shape[2:],
            kernel=w.taps.shape[2:], stride=(w.stride,), dilation=(w.dilation,), padding=(padding,),
            modes=padding_modes("zeros", 1),
        )  # fmt: skip
        return prepare(
            geometry, w.dtype, shape[0], x_in_place=x_in_place, y_in_place=y_in_place, x_is_complex=w.x_is_complex,
            method=PLAIN_SUMS, activation=w.activation, bias=w.bias is not None,
        )  # fmt: skip
