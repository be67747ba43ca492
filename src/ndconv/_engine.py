"""The way from checked arguments to a result: geometry -> plan -> run."""

import math
from typing import Any, NamedTuple

import numpy as np

from ._call.activations import ACTIVATIONS
from ._call.arrays import is_in_place
from ._call.dtypes import Array, compute_type, real_vector, real_weights
from ._call.geometry import Geometry, batch_of
from ._methods import AUTO, is_remembered, make_plan
from ._methods.problem import Plan, Problem
from ._methods.split_k import SplitKPlan, pays_to_split_k
from ._runtime.caches import Cache
from ._runtime.workers import SERIAL_MULTIPLY_ADDS, Threads

# Multiply-adds in whose time a weight is packed. A layer's packed weights may be so many times its weights, as those of
# 3x3 filters are at Winograd's points, and beyond that a part of what all caches may hold.
PACKING_MULTIPLY_ADDS = 8
PACKINGS_OF_WEIGHTS = 4
PACKINGS_SHARE = 0.25


class Prepared(NamedTuple):
    """A call that is checked and planned: all that can be known of it before its numbers."""

    problem: Problem
    plan: Plan
    dtype: np.dtype[Any]  # of the result
    x_is_complex: bool
    multiply_adds: int  # of the whole batch
    activation: str | None = None
    code: int = 0  # the core's, of an activation that it applies
    weight_batch: tuple[int, ...] | None = None  # sets of weights from one item of each batch axis to the next

    @property
    def nbytes(self) -> int:
        """About what it takes in memory, beside a fixed amount."""
        return self.plan.nbytes

    @property
    def place(self) -> Any:
        """What tells apart the packed weights of one filter."""
        return self.plan.pack_key(), self.dtype, self.x_is_complex

    def pack(self, sets: Array, workers: int | None = None, once: bool = False) -> Any:
        """Return packed weights from (sets, out, in, *kernel) in any layout, for one call or for many."""
        real = real_weights(sets, self.dtype, self.x_is_complex)
        if workers is None and PACKING_MULTIPLY_ADDS * real.size < SERIAL_MULTIPLY_ADDS:
            return self.plan.pack(real, 1, once)
        with Threads(PACKING_MULTIPLY_ADDS * real.size, workers) as threads:
            return self.plan.pack(real, threads, once)

    def packed(self, sets: Array, kept: Cache[Any], key: Any = None, workers: int | None = None) -> Any:
        """Return the same from what is kept of some weights, where `key` tells which they are."""
        place = (key, self.place)
        packed = kept.get(place)
        return kept.keep(place, self.pack(sets, workers)) if packed is None else packed

    def run(
        self, x: Array, packed: Any, y: Array, bias: Array | None = None, residual: Array | None = None,
        workers: int | None = None,
    ) -> None:  # fmt: skip
        """Compute y (*batch, channels, *out), of any strides, from x (*batch, channels, *in); they must not overlap."""
        code = self.code
        if workers is None and self.multiply_adds < SERIAL_MULTIPLY_ADDS:
            done = self.plan.run(x, packed, bias, residual, y, code, self.weight_batch, 1)
        else:
            with Threads(self.multiply_adds, workers) as threads:
                done = self.plan.run(x, packed, bias, residual, y, code, self.weight_batch, threads)
        if not done:  # its samples must be aligned, and are not
            self.run(x.copy(), packed, y, bias, residual, workers)
        elif code == 0 and self.activation is not None:
            # Of integers: the sign is that of the narrow result type, which the core does not know.
            np.maximum(y, 0, out=y)
            if self.activation == "relu6":
                np.minimum(y, 6, out=y)


def prepare(
    geometry: Geometry,
    dtype: np.dtype[Any],
    batch: int,
    *,
    x_in_place: bool,
    y_in_place: bool,
    x_is_complex: bool = False,
    fill_value: complex = 0,
    method: str = AUTO,
    activation: str | None = None,
    bias: bool = False,
    packing: bool = False,
    seen: tuple[str, ...] = (),
    zeros_are_samples: bool = False,
    split_k: bool = False,
    weight_batch: tuple[int, ...] | None = None,
) -> Prepared:
    """Return a call that is planned; with `split_k`, few outputs of a long kernel may be had from its sections."""
    problem = Problem(
        geometry=geometry,
        dtype=dtype,
        x_is_complex=x_is_complex,
        fill_value=fill_value,
        batch=batch,
        x_in_place=x_in_place,
        y_in_place=y_in_place,
        bias=bias,
        seen=seen,
        packing=packing,
        zeros_are_samples=zeros_are_samples,
    )
    plan = SplitKPlan(problem) if split_k and pays_to_split_k(geometry) else make_plan(problem, method)
    code = ACTIVATIONS.index(activation) if dtype.kind == "f" else 0
    return Prepared(problem, plan, dtype, x_is_complex, geometry.multiply_adds * batch, activation, code, weight_batch)


def prepare_for(
    geometry: Geometry, x: Array, y: Array, method: str, activation: str | None = None, packing: bool = False,
    bias: bool = False,
) -> Prepared:  # fmt: skip
    """Return the call for y (*batch, channels, *out), of any strides, from x (*batch, channels, *in)."""
    compute = compute_type(y.dtype)
    return prepare(
        geometry, y.dtype, math.prod(batch_of(y.shape, geometry.ndim)),
        x_in_place=is_in_place(x, geometry.ndim, compute),
        y_in_place=y.dtype == compute and is_in_place(y, geometry.ndim, compute),
        x_is_complex=x.dtype.kind == "c", method=method, activation=activation, packing=packing, bias=bias,
    )  # fmt: skip


def packings_of(weight: Array) -> Cache[Any]:
    """Return a cache for packed weights and spectra of some weights."""
    return Cache[Any]("packed weights", PACKINGS_OF_WEIGHTS * weight.nbytes, PACKINGS_SHARE)


def convolve(
    geometry: Geometry,
    x: Array,
    sets: Array,
    y: Array,
    *,
    bias: Array | None = None,
    residual: Array | None = None,
    activation: str | None = None,
    method: str = AUTO,
    packed: Cache[Any] | None = None,
    key: Any = None,
    workers: int | None = None,
) -> None:
    """Compute y (*batch, channels, *out), of any strides, from x (*batch, channels, *in) and weights in sets.

    Packed weights are kept in `packed` for the next call, where `key` tells which they are. Others must not overlap y.
    """
    call = prepare_for(geometry, x, y, method, activation, packing=packed is None, bias=bias is not None)
    weights = call.pack(sets, workers, once=True) if packed is None else call.packed(sets, packed, key, workers)
    call.run(x, weights, y, None if bias is None else real_vector(bias, y.dtype), residual, workers)


def remember(calls: Cache[Any], key: Any, entry: Any, geometry: Geometry) -> None:
    """Keep an entry for the next call like this, where it is not itself large."""
    if is_remembered(geometry.taps):
        calls.keep(key, entry)
