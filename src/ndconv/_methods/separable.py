"""The separable method: a kernel that is an outer product is one pass along each axis, of that axis' taps alone.

Passes run on slabs of outputs, cut along the first axis, so that what is between two passes is small and stays in
cache; threads take slabs. Each pass is a plan of the direct method. Only `correlate_nd` and `convolve_nd` ask for it,
of a single kernel.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .._call.dtypes import Array, compute_type
from .._call.geometry import Geometry, batch_of, single_channel_geometry
from .._threads.python_tasks import for_each
from . import direct
from .problem import Problem, remembered, run_aligned

NAME = "separable"
DESCRIPTION = """\
Makes one pass along each axis, for a kernel that is an outer product, such as a Gaussian. :func:`ndconv.correlate_nd`
and :func:`ndconv.convolve_nd` find out by themselves whether a kernel is one, to within rounding."""

# What a kernel may differ from an outer product, in eps of each weight; and the multiply-adds from which on it is
# looked at unasked.
RANK_EPS = 8
LOOKED_AT_MULTIPLY_ADDS = 2_000_000

# Bytes of a slab; cycles of Python for each of its passes, and for the way of a sample through one.
SLAB_BYTES = 1 << 20
SLAB_CYCLES = 150e3
PASS_CYCLES = 4.0

FITTED: tuple[str, ...] = ()

# What the absolute values of a mean's weights add up to, rounding included.
MEAN = 1.001


def factors(kernel: Array) -> list[Array] | None:
    """Return vectors whose outer product is a kernel, to within rounding of each weight; None if there are none.

    The first pass, along the last axis, has the kernel's scale, and no other weights larger than 1: what is between two
    passes is then about as large as the result.
    """
    largest = np.unravel_index(np.argmax(np.abs(kernel)), kernel.shape)
    scale = kernel[largest]
    if not np.isfinite(scale) or scale == 0:
        return None
    with np.errstate(under="ignore"):
        return _factors(kernel, largest, scale)


def _factors(kernel: Array, largest: tuple[Any, ...], scale: Any) -> list[Array] | None:
    """Return the factors, from the lines through the largest weight."""
    # A difference of tiny weights would be rounded away. Multiplied by a power of two, they are as they were.
    exponent = max(-int(np.frexp(scale)[1]), 0)
    kernel, scale = np.ldexp(kernel, exponent), np.ldexp(scale, exponent)
    first = max((axis for axis, taps in enumerate(kernel.shape) if taps > 1), default=0)
    vectors = []
    for axis in range(kernel.ndim):
        line: Any = (*largest[:axis], slice(None), *largest[axis + 1 :])
        vectors.append(kernel[line] if axis == first else kernel[line] / scale)
    product: Array = vectors[0]
    for vector in vectors[1:]:
        product = product[..., None] * vector
    tolerance = RANK_EPS * np.finfo(kernel.dtype).eps
    if not bool((np.abs(kernel - product) <= tolerance * np.abs(kernel)).all()):
        return None
    vectors[first] = np.ldexp(vectors[first], -exponent)
    return vectors


def sees(kernel: Array, dtype: np.dtype[Any]) -> bool:
    """Whether a kernel of more than one axis is an outer product, in the type that results of `dtype` are computed in.

    A kernel that was rounded to a narrower type is none.
    """
    if dtype.kind != "f" or sum(taps > 1 for taps in kernel.shape) < 2 or kernel.size == 0:
        return False
    return factors(kernel.astype(compute_type(dtype))) is not None


def why_not(problem: Problem) -> str | None:
    """Return the reason why the method cannot do a problem, or None."""
    g = problem.geometry
    if problem.dtype.kind != "f" or problem.x_is_complex:
        return f"it is for real floating dtypes, not for {problem.dtype}"
    if (g.channels_in, g.channels_out) != (1, 1):
        return "it is for a single channel"
    if problem.fill_value != 0:
        return "what stands outside x must not be another number than zero"
    if 0 in g.out_shape or problem.batch == 0:
        return "there is nothing to compute"
    if NAME not in problem.seen:
        return "the kernel is not known to be an outer product"
    return None


def cost(problem: Problem) -> float:
    """Return the predicted cycles on one core."""
    g = problem.geometry
    slabs = SeparablePlan(problem).slabs
    rows = g.out_shape[0] / slabs
    halo = 1 + g.dilation[0] * (g.kernel[0] - 1) / (rows * g.stride[0])
    whole = [direct.cost(_problem(problem, _pass_geometry(g, axis, _between(g, axis)))) for axis in _order(g)]
    item = np.dtype(compute_type(problem.dtype)).itemsize
    through = PASS_CYCLES * item / 4 * math.prod(g.in_shape) * problem.batch
    whole = [problem.batch * cycles + through for cycles in whole]
    return SLAB_CYCLES * slabs * problem.batch * len(whole) + whole[-1] + halo * sum(whole[:-1])


@remembered
def plan(problem: Problem) -> SeparablePlan:
    """Return the plan of a problem."""
    return SeparablePlan(problem)


class Factors(NamedTuple):
    """The vectors of each axis, and the weights themselves."""

    vectors: list[Array] | None  # None where the last bits decide, and a mirrored kernel's decide otherwise
    weights: Array
    amplifies: bool  # whether outputs may be larger than the largest sample

    @property
    def nbytes(self) -> int:
        """The bytes of all of them."""
        return self.weights.nbytes + sum(vector.nbytes for vector in self.vectors or ())


class SeparablePlan:
    """The separable method's `Plan`, and the direct method's for a slab in which only its sums stay finite."""

    nbytes = 0

    def __init__(self, problem: Problem) -> None:
        g = problem.geometry
        self._problem = problem
        self._compute = np.dtype(compute_type(problem.dtype))
        # Slabs of a few times their halo, and about as large as a cache.
        row = max(math.prod(g.in_shape[1:]), math.prod(g.out_shape[1:])) * self._compute.itemsize * g.stride[0]
        halo = g.dilation[0] * (g.kernel[0] - 1) // g.stride[0]
        rows = max(SLAB_BYTES // row, 3 * halo, 1)
        self.slabs = -(-g.out_shape[0] // rows)

    def pack_key(self) -> Any:
        """Return what tells packings of the same weights apart."""
        return (NAME,)

    def pack(self, weights: Array, workers: int = 1, once: bool = False) -> Factors:
        """Return the factors of real weights (1, 1, 1, *kernel), and the weights."""
        return Factors(factors(weights[0, 0, 0]), weights, bool(np.abs(weights).sum(dtype=np.float64) > MEAN))

    def run(
        self,
        x: Array,
        packed: Factors,
        bias: Array | None,
        residual: Array | None,
        y: Array,
        activation: int,
        weight_batch: Sequence[int] | None,
        workers: int,
    ) -> bool:
        """Compute y (*batch, 1, *out) from x (*batch, 1, *in); always True."""
        batch = batch_of(y.shape, self._problem.geometry.ndim)
        tasks = list(itertools.product(np.ndindex(*batch), range(self.slabs)))

        def task(each: tuple[tuple[int, ...], int]) -> None:
            item, slab = each
            first, end = (n * y.shape[len(batch) + 1] // self.slabs for n in (slab, slab + 1))
            there = residual if residual is None else residual[item][:, first:end]
            last = bias, there, y[item][:, first:end], activation
            self._run_slab(x[item], packed, first, end, last)

        for_each(task, tasks, workers)
        return True

    def _run_slab(self, x: Array, packed: Factors, first: int, end: int, last: tuple[Any, ...]) -> None:
        """Compute outputs first to end of the first axis, of x (1, *in)."""
        g = self._problem.geometry
        # The samples that they need, in x's own rows where there are such.
        start = first * g.stride[0] - g.padding[0][0]
        stop = (end - 1) * g.stride[0] + g.dilation[0] * (g.kernel[0] - 1) - g.padding[0][0] + 1
        padding = (0, 0)
        size = g.in_shape[0]
        if start >= 0 and stop <= size:
            x = x[:, start:stop]
        elif g.modes[0].name == "zeros":
            low, high = min(max(start, 0), size), max(min(stop, size), 0)
            x = x[:, low : max(low, high)]
            padding = (low - start, stop - start - (low - start) - x.shape[1])
        else:
            x = x.take(g.modes[0].source(np.arange(start, stop), size), axis=1)
        g = replace(
            g, in_shape=(x.shape[1], *g.in_shape[1:]), out_shape=(end - first, *g.out_shape[1:]),
            padding=(padding, *g.padding[1:]),
        )  # fmt: skip
        if packed.vectors is None:
            self._pass(x, packed.weights, g, *last)
            return
        *order, final = _order(g)
        samples = x
        for axis in order:
            y = np.empty((1, *_between(g, axis, after=True)), self._compute)
            self._along(samples, packed.vectors, g, axis, None, None, y, 0)
            samples = y
        self._along(samples, packed.vectors, g, final, *last)
        if packed.amplifies and last[2].dtype == self._compute and _overflows(x, last[2]):
            # Sums of some products are too large; in the order of the direct method, they may not be.
            self._pass(x, packed.weights, g, *last)

    def _along(
        self, x: Array, vectors: list[Array], g: Geometry, axis: int, bias: Array | None, residual: Array | None,
        y: Array, activation: int,
    ) -> None:  # fmt: skip
        """Run the pass of x (1, *in) along one axis."""
        geometry = _pass_geometry(g, axis, x.shape[1:])
        taps = np.ascontiguousarray(vectors[axis], self._compute).reshape(1, 1, 1, *geometry.kernel)
        self._pass(x, taps, geometry, bias, residual, y, activation)

    def _pass(
        self, x: Array, weights: Array, geometry: Geometry, bias: Array | None, residual: Array | None, y: Array,
        activation: int,
    ) -> None:  # fmt: skip
        """Compute y from x (1, *in) by the direct method."""
        problem = _problem(self._problem, geometry)
        problem = replace(problem, x_in_place=x.flags.c_contiguous and x.dtype == self._compute)
        run = direct.plan(problem)
        taps = run.pack(weights, 1)
        run_aligned(run.run, x, taps, bias, residual, y, activation, None, 1)


def _overflows(x: Array, y: Array) -> bool:
    """Whether outputs (1, *out) are not finite although all samples are."""
    with np.errstate(over="ignore", invalid="ignore"):
        # Along the first axis, which NumPy adds up with whole vectors.
        return not np.isfinite(y.sum(axis=1)).all() and not np.isfinite(y).all() and bool(np.isfinite(x).all())


def _order(g: Geometry) -> list[int]:
    """Return the axes in the order of their passes, the first axis last: it may need the samples of the others."""
    needed = [k > 1 or s > 1 or pair != (0, 0) for k, s, pair in zip(g.kernel, g.stride, g.padding, strict=True)]
    return [*(axis for axis in range(g.ndim - 1, 0, -1) if needed[axis]), 0]


def _between(g: Geometry, axis: int, after: bool = False) -> tuple[int, ...]:
    """Return the shape before, or after, the pass along an axis."""
    done = _order(g)[: _order(g).index(axis) + after]
    return tuple(g.out_shape[a] if a in done else g.in_shape[a] for a in range(g.ndim))


def _pass_geometry(g: Geometry, axis: int, shape: Sequence[int]) -> Geometry:
    def only(values: Sequence[Any], other: Any) -> tuple[Any, ...]:
        return tuple(value if a == axis else other for a, value in enumerate(values))

    return single_channel_geometry(
        tuple(shape), only(g.kernel, 1), only(g.padding, (0, 0)), g.modes, stride=only(g.stride, 1),
        dilation=only(g.dilation, 1), names=("x", "kernel"),
    )  # fmt: skip


def _problem(problem: Problem, geometry: Geometry) -> Any:
    """Return the problem of a pass."""
    return replace(
        problem, geometry=geometry, dtype=np.dtype(compute_type(problem.dtype)), batch=1, x_in_place=False,
        y_in_place=True,
    )  # fmt: skip
