"""The plan of the Fourier method: blocks are transformed, multiplied, and transformed back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..._call.dtypes import Array, compute_type
from ..._call.geometry import batch_of, make_geometry
from ..._threads.python_tasks import for_each
from .. import direct, extent
from ..epilogue import finish
from ..problem import PROMISE, Problem
from ..scaling import exponents_of_tiny, scaled
from . import blocks
from .blocks import Index

# Largest errors, in eps of a root mean square output; and the channels that double their squares.
NOISE = 12.0
CHANNELS_PER_NOISE = 256.0

# Products of two complex matrices, sixteen columns counted at least, that OpenBLAS makes without threads of its own: on
# a busy machine those made single calls take a second instead of 40 ms.
MATRIX_PRODUCTS = 1 << 15

# Parts that the transforms of a single block, of many channels or rows, are cut into for several workers, and the least
# samples of such a part: with fewer lines, scipy.fft would not make vectors of them.
TRANSFORM_PARTS = 8
TRANSFORM_SAMPLES = 1 << 17


class FourierPlan:
    """The `Plan` of the Fourier method; what it hands to the direct method has plans of its own."""

    nbytes = 0

    def __init__(self, problem: Problem) -> None:
        g = problem.geometry
        self._problem = problem
        self.geometry = g
        self._ends = extent.ends(g)
        self._unreached = extent.unreached(problem)
        self.blocks = b = blocks.best(problem)[1]
        self._compute = np.dtype(compute_type(problem.dtype))
        self._fill = (problem.fill_value.real, problem.fill_value.imag)
        self._channels = problem.channels
        self._key = (FourierPlan, self._compute.char, b.transform, b.axes, g.dilation)
        inputs, outputs = self._channels
        points = b.points * g.groups * max(inputs, outputs)
        self._together = max(blocks.SPECTRUM_SAMPLES // points, 1)

    def pack_key(self) -> Any:
        """Return what tells packings of the same weights apart."""
        return self._key

    def pack(self, weights: Array, workers: int = 1, once: bool = False) -> Spectra:
        """Return the spectra of real weights (sets of all groups, out, in, *kernel)."""
        taps = tuple(range(3, weights.ndim))
        exponents = exponents_of_tiny(weights, (2, *taps))
        usual = weights if exponents is None else scaled(weights, exponents, weights.ndim - 2)
        with np.errstate(over="ignore", invalid="ignore"):
            powers = np.square(usual, dtype=np.float64).sum(axis=taps)
            spectra = self._spectra(usual, workers)
        return Spectra(weights, spectra, powers.reshape(-1, self.geometry.groups, *powers.shape[1:]), exponents)

    def _spectra(self, weights: Array, workers: int) -> Array:
        """Return the spectra (sets, groups, ...) of usual weights, for `_multiply`."""
        import scipy.fft

        b, g = self.blocks, self.geometry
        inputs = weights.shape[2]
        spread = weights
        if any(d > 1 for d in g.dilation):
            reaches = tuple(d * (k - 1) + 1 for d, k in zip(g.dilation, g.kernel, strict=True))
            spread = np.zeros((*weights.shape[:3], *reaches), weights.dtype)
            places: Any = (..., *(slice(None, None, d) for d in g.dilation))
            spread[places] = weights
        axes = tuple(axis + 3 for axis in b.axes)
        # Of a mirrored kernel: the conjugate.
        lengths = [b.transform[axis] for axis in b.axes]
        spectra = _transformed(lambda part: scipy.fft.rfftn(part, s=lengths, axes=axes), spread, workers).conj()
        spectra = spectra.reshape(-1, g.groups, *spectra.shape[1:])
        if inputs > 1:
            spectra = np.ascontiguousarray(_frequencies_first(spectra, 2))
        return np.asarray(spectra)

    def run(
        self,
        x: Array,
        packed: Spectra,
        bias: Array | None,
        residual: Array | None,
        y: Array,
        activation: int,
        weight_batch: Sequence[int] | None,
        workers: int,
    ) -> bool:
        """Compute y (*batch, channels, *out) from x (*batch, channels, *in)."""
        if not packed.finite:
            whole = direct.plan(self._problem)
            taps = whole.pack(packed.weights, workers)
            return whole.run(x, taps, bias, residual, y, activation, weight_batch, workers)
        batch = batch_of(y.shape, self.geometry.ndim)
        steps = tuple(weight_batch or (0,) * len(batch))
        # An axis of length 1 stands for the batch that is not there.
        arrays = [array if array is None or batch else array[None] for array in (x, y, residual)]
        tasks = list(self._tasks(batch or (1,), steps or (0,)))
        is_single = len(tasks) == 1

        def task(each: tuple[Any, int, list[Index]]) -> None:
            index, weight_set, places = each
            xs, ys, rs = (array if array is None else array[index] for array in arrays)
            assert xs is not None
            assert ys is not None
            with np.errstate(all="ignore"):  # what is not finite is done again
                self._run_blocks(xs, packed, weight_set, bias, rs, ys, activation, places, workers if is_single else 1)

        for_each(task, tasks, workers)
        return True

    def _tasks(self, batch: Index, steps: Index) -> Iterator[tuple[Any, int, list[Index]]]:
        """Yield what is transformed together: some neighbours in the batch, their weights, and some blocks."""
        places = list(np.ndindex(*self.blocks.number))
        rows = 1 if steps[-1] else min(self._together, batch[-1])
        together = max(self._together // rows, 1)
        for prefix in np.ndindex(*batch[:-1]):
            for row in range(0, batch[-1], rows):
                weight_set = sum(i * step for i, step in zip((*prefix, row), steps, strict=True))
                for first in range(0, len(places), together):
                    yield (*prefix, slice(row, row + rows)), weight_set, places[first : first + together]

    def _run_blocks(
        self, x: Array, packed: Spectra, weight_set: int, bias: Array | None, residual: Array | None, y: Array,
        activation: int, places: list[Index], workers: int,
    ) -> None:  # fmt: skip
        """Compute some blocks of y (rows, channels, *out)."""
        b, g = self.blocks, self.geometry
        inputs = self._channels[0] * g.groups
        samples = np.empty((len(places), x.shape[0], inputs, *b.samples), self._compute)
        for i, place in enumerate(places):
            self._gather(x, place, samples[i])
        for axis, missed in self._unread():
            gaps: Any = (..., missed, *(slice(None),) * (g.ndim - axis - 1))
            samples[gaps] = 0
        exponents = None
        with np.errstate(all="ignore"):
            powers = self._powers(samples)
            if not powers.sum(axis=2).min() > np.finfo(self._compute).tiny ** 0.75:
                exponents = exponents_of_tiny(samples, range(2, samples.ndim))
        usual = samples
        if exponents is not None:
            usual = scaled(samples, exponents, samples.ndim - 2)
            powers = self._powers(usual)
        results = self._convolved(usual, packed.spectra[weight_set // g.groups], workers)
        noise = self._noise(powers, packed.powers[weight_set // g.groups])
        largest = _largest(results, g.ndim)
        for i, place in enumerate(places):
            start = [k * (n // s) for k, n, s in zip(place, b.outputs, g.stride, strict=True)]
            ends = [min(k + n, end) for k, n, end in zip(start, results.shape[3:], g.out_shape, strict=True)]
            at: Any = (..., *(slice(k, end) for k, end in zip(start, ends, strict=True)))
            there: Any = (..., *(slice(0, end - k) for k, end in zip(start, ends, strict=True)))
            result = results[i][there]
            most = largest[i] if result.shape == results.shape[1:] else _largest(result, g.ndim)
            if (noise[i] <= most).all() or self._is_exact(usual[i], packed, weight_set, noise[i], result, there):
                if exponents is not None or packed.exponents is not None:
                    result = self._unscaled(result, None if exponents is None else exponents[i], packed, weight_set)
            else:
                result = self._directly(samples[i], packed, weight_set)[there]
            for axis, nothing in self._unreached:
                first, end = (max(n - start[axis], 0) for n in (nothing.start, nothing.stop))
                result[(..., slice(first, end), *(slice(None),) * (g.ndim - axis - 1))] = 0
            finish(result, bias, None if residual is None else residual[at], y[at], activation)

    def _convolved(self, samples: Array, weights: Array, workers: int = 1) -> Array:
        """Return the outputs (blocks, rows, channels, *counts) of samples (blocks, rows, channels, *samples)."""
        import scipy.fft

        b, g = self.blocks, self.geometry
        axes = tuple(axis + 3 for axis in b.axes)
        lengths = [b.transform[axis] for axis in b.axes]
        spectra = _transformed(lambda part: scipy.fft.rfftn(part, s=lengths, axes=axes), samples, workers)
        spectra = self._multiply(spectra, weights)
        results = _transformed(
            lambda part: scipy.fft.irfftn(part, s=lengths, axes=axes, overwrite_x=True), spectra, workers
        )
        every: Any = (..., *(slice(0, n, s) for n, s in zip(b.outputs, g.stride, strict=True)))
        return np.asarray(results.reshape(*samples.shape[:2], -1, *results.shape[3:])[every])

    def _powers(self, samples: Array) -> Array:
        """Return the sums of squares (blocks, rows, channels) of what is transformed together: of the largest line."""
        every = list(range(samples.ndim))
        kept = [axis for axis in every if axis - 3 not in self.blocks.axes]
        powers = np.einsum(samples, every, samples, every, kept)
        return np.asarray(powers.max(axis=tuple(range(3, powers.ndim))))

    def _noise(self, powers: Array, weights: Array) -> Array:
        """Return for each output (blocks, rows, channels) how large it must be, for its errors to be as promised."""
        b, g = self.blocks, self.geometry
        samples = powers.reshape(*powers.shape[:2], g.groups, 1, -1).astype(np.float64)
        points = math.prod(b.transform[axis] for axis in b.axes)
        total = (samples * weights).sum(axis=-1).reshape(*powers.shape[:2], -1)
        noise = NOISE / PROMISE * math.sqrt(1 + self._channels[0] / CHANNELS_PER_NOISE)
        return np.asarray(noise * np.sqrt(total / points))

    def _is_exact(
        self, samples: Array, packed: Spectra, weight_set: int, noise: Array, result: Array, there: Any
    ) -> bool:
        """Whether a block (rows, channels, *samples) is as exact as promised, though its outputs are small.

        Products may have cancelled each other. So the sums of their absolute values are looked at.
        """
        if not (np.isfinite(noise).all() and np.isfinite(result).all()):
            return False
        weights = np.abs(packed.weights[weight_set : weight_set + self.geometry.groups])
        if packed.exponents is not None:
            weights = scaled(
                weights, packed.exponents[weight_set : weight_set + self.geometry.groups], weights.ndim - 2
            )
        sizes = self._convolved(np.abs(samples)[np.newaxis], self._spectra(weights, 1)[0])[0][there]
        return bool((noise <= _largest(sizes, self.geometry.ndim)).all())

    def _unscaled(self, result: Array, exponents: Array | None, packed: Spectra, weight_set: int) -> Array:
        """Return outputs (rows, channels, *counts) of scaled samples, of exponents (rows), and scaled weights."""
        total = np.zeros(result.shape[:2], np.intc)
        if exponents is not None:
            total -= exponents[:, np.newaxis]
        if packed.exponents is not None:
            total -= packed.exponents[weight_set : weight_set + self.geometry.groups].reshape(-1)
        return scaled(result, total, self.geometry.ndim)

    def _unread(self) -> Iterator[tuple[int, Array]]:
        """Yield the axes along which a block has samples that none of its outputs reads, and which they are."""
        g, b = self.geometry, self.blocks
        for axis, (n, stride, taps, dilation) in enumerate(
            zip(b.outputs, g.stride, g.kernel, g.dilation, strict=True)
        ):  # fmt: skip
            missed = extent.unread(-(-n // stride), stride, taps, dilation)
            if missed is not None:
                yield axis, np.pad(missed, (0, b.samples[axis] - missed.size), constant_values=True)

    def _multiply(self, spectra: Array, weights: Array) -> Array:
        """Return the products, summed over input channels, of spectra (blocks, rows, channels, *frequencies)."""
        groups, inputs = self.geometry.groups, self._channels[0]
        shape, frequencies = spectra.shape[:2], spectra.shape[3:]
        spectra = spectra.reshape(*shape, groups, 1, inputs, *frequencies)
        if inputs == 1:
            product = spectra[:, :, :, :, 0] * weights[:, :, 0]
            return product.reshape(*shape, -1, *frequencies)
        # One matrix product for each group and frequency: (out, in) by (in, blocks * rows).
        columns = spectra.reshape(math.prod(shape), groups, inputs, -1).transpose(1, 3, 2, 0)
        matrix = _products(weights.reshape(groups, -1, *weights.shape[-2:]), np.ascontiguousarray(columns))
        return np.ascontiguousarray(matrix.transpose(3, 0, 2, 1)).reshape(*shape, -1, *frequencies)

    def _gather(self, x: Array, place: Index, target: Array) -> None:
        """Copy the samples that a block reads of x (rows, channels, *in), or that stand outside it."""
        g, b = self.geometry, self.blocks
        slices: list[Any] = []  # of x
        places: list[Any] = []  # of the target, where they go
        maps: list[tuple[int, Array]] = []
        for axis, (k, size, n, count) in enumerate(zip(place, g.in_shape, b.outputs, b.samples, strict=True)):
            start = k * n - g.padding[axis][0]
            first, end = min(max(start, 0), size), max(min(start + count, size), 0)
            if (first == start and end == start + count) or g.modes[axis].name == "zeros":
                slices.append(slice(first, max(first, end)))
                places.append(slice(first - start, max(first, end) - start))
            else:
                slices.append(slice(None))
                places.append(slice(None))
                maps.append((axis, g.modes[axis].source(np.arange(start, start + count), size)))
        block = x[(slice(None), slice(None), *slices)]
        for axis, source in maps:
            block = block.take(source, axis=axis + 2)
        filled = block.shape[2:] != b.samples
        for part in range(2 if x.dtype.kind == "c" else 1):
            to = target[:, part::2] if x.dtype.kind == "c" else target
            if filled:
                to[...] = self._fill[part]
            to[(slice(None), slice(None), *places)] = (
                block if x.dtype.kind != "c" else block.imag if part else block.real
            )
        for axis, (k, n, count, end) in enumerate(zip(place, b.outputs, b.samples, self._ends, strict=True)):
            if end - k * n < count:
                beyond: Any = (..., slice(end - k * n, None), *(slice(None),) * (g.ndim - axis - 1))
                target[beyond] = 0

    def _directly(self, samples: Array, packed: Spectra, weight_set: int) -> Array:
        """Return the outputs of a block (rows, channels, *samples) by the direct method."""
        g = self.geometry
        inputs, outputs = (n * g.groups for n in self._channels)
        plan = direct.plan(self._block_problem(inputs, outputs, samples.shape[0]))
        taps = plan.pack(packed.weights[weight_set : weight_set + g.groups])
        counts = [-(-n // s) for n, s in zip(self.blocks.outputs, g.stride, strict=True)]
        result = np.empty((samples.shape[0], outputs, *counts), self._compute)
        plan.run(samples, taps, None, None, result, 0, None, 1)
        return result

    def _block_problem(self, inputs: int, outputs: int, rows: int) -> Any:

        g, b = self.geometry, self.blocks
        geometry = make_geometry(
            channels_in=inputs, channels_out=outputs, groups=g.groups, in_shape=b.samples, kernel=g.kernel,
            stride=g.stride, dilation=g.dilation, padding=((0, 0),) * g.ndim, modes=g.modes, names=("x", "weight"),
        )  # fmt: skip
        return Problem(
            geometry=geometry, dtype=self._compute, x_is_complex=False, fill_value=0.0, batch=rows, x_in_place=False,
            y_in_place=True,
        )  # fmt: skip

    def __str__(self) -> str:
        b = self.blocks
        return f"{math.prod(b.number)} blocks, transforms of {'x'.join(map(str, b.transform))}"


class Spectra:
    """Weights (sets of all groups, out, in, *kernel), and their spectra."""

    __slots__ = ("exponents", "finite", "powers", "spectra", "weights")

    def __init__(self, weights: Array, spectra: Array, powers: Array, exponents: Array | None) -> None:
        self.weights = weights
        self.spectra = spectra
        self.exponents = exponents  # of two, by which each output channel's were multiplied before
        self.powers = powers  # sums of squares (sets, groups, out, in)
        self.finite = bool(np.isfinite(powers).all())

    @property
    def nbytes(self) -> int:
        """The bytes of all of them."""
        return int(self.spectra.nbytes + self.weights.nbytes + self.powers.nbytes)


def _largest(result: Array, ndim: int) -> Array:
    """Return the largest absolute value along the last axes; NaN if there is one."""
    axes = tuple(range(-ndim, 0))
    return np.asarray(np.maximum(result.max(axis=axes), -result.min(axis=axes)))


def _transformed(transform: Callable[[Array], Array], arrays: Array, workers: int) -> Array:
    """Return the transforms of arrays, whose first three axes tell them apart, shared among workers.

    Those of scipy.fft itself would be waited for, also where they find no CPU to run on.
    """
    axis = int(np.argmax(arrays.shape[:3]))
    number = min(arrays.shape[axis], TRANSFORM_PARTS, arrays.size // TRANSFORM_SAMPLES)
    if workers == 1 or number <= 1:
        return transform(arrays)
    parts: list[Any] = np.array_split(arrays, number, axis)

    def replace(i: int) -> None:
        parts[i] = transform(parts[i])

    for_each(replace, range(number), workers)
    return np.concatenate(parts, axis)


def _products(matrices: Array, columns: Array) -> Array:
    """Return the matrix products (..., out, in) by (..., in, n), some rows at a time.

    Each is so small that no BLAS library starts threads for it: they would wait for each other inside ours.
    """
    outputs, inputs, n = *matrices.shape[-2:], columns.shape[-1]
    rows = max(MATRIX_PRODUCTS // (inputs * max(n, 16)), 1)
    result = np.empty((*matrices.shape[:-1], n), np.result_type(matrices, columns))
    for first in range(0, outputs, rows):
        part: Any = (..., slice(first, first + rows), slice(None))
        np.matmul(matrices[part], columns, out=result[part])
    return result


def _frequencies_first(spectra: Array, axis: int) -> Array:
    """Return (..., out, in, *frequencies) as (..., *frequencies, out, in)."""
    return np.moveaxis(spectra, (axis, axis + 1), (-2, -1))
