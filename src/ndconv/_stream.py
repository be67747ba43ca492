"""Streams: a filter whose signal comes in chunks, `CorrelateStream` and what `ConvLayer.stream` returns.

A chunk's outputs are those of one call for the whole signal, since the direct method adds up an output's products in an
order that does not depend on the signal's length. Of a long filter it does only the latest taps, so that outputs need
not wait. The earlier taps see samples that came at least a block ago; they are cut into partitions of a block's length,
and at the end of each block the spectra of the last blocks, times those of the partitions, give the next block's share
(T. G. Stockham, High-speed convolution and correlation, 1966; W. G. Gardner, Efficient convolution without input-output
delay, 1995). A block is always computed by itself, so chunks do not change the bits of these outputs either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ._arguments import LARGEST, MODES, Pair, integer, one_of, padding_modes, padding_pairs, per_axis
from ._caches import Cache
from ._correlation.slide import padding_of_mode
from ._dtypes import Array, compute_type, real_vector, result_dtype, unmasked_array
from ._engine import (
    Prepared,
    check_activation,
    fill_in,
    is_in_place,
    new_output,
    packings_of,
    prepare,
    with_room_for,
)
from ._geometry import Shape, make_geometry
from ._methods import AUTO, PLAIN_SUMS, checked_method, fourier
from ._workers import checked_workers

if TYPE_CHECKING:
    from ._layer import ConvLayer

# Taps from which on "auto" has the early ones go by spectra; and the samples of a block, for each in the root of those
# that the kernel spans.
STREAM_TAPS = 4096
STREAM_BLOCK = 8.0

# Numbers up to so many times the smallest normal one lose digits in products of spectra.
QUIET = 2.0**26

# The exponent of zero, below that of any number.
SILENT = -(1 << 14)


@dataclass(slots=True)
class _State:
    """What a stream has to remember. Time counts the samples fed, those before the signal included."""

    start: int  # the time of the history's first sample
    due: int  # the time of the next output's last sample
    history: Array  # (rows, channels, samples)
    spectra: Array | None = None  # of the last blocks, each with the block before it: a ring
    past: Array | None = None  # the samples of the last blocks: a ring
    exponents: Array | None = None  # of the powers of two by which quiet blocks were divided for their spectra: a ring
    tail: Array | None = None  # what the early taps add to the outputs of the block that is coming in
    first: int = -LARGEST  # the time of the first sample that is none of the zeros before the signal
    stop: int = LARGEST  # the time of the first of the zeros after it

    def copy(self) -> _State:
        """Return a state of its own; only the rings are ever written to."""
        spectra, past, exponents = (
            None if ring is None else ring.copy() for ring in (self.spectra, self.past, self.exponents)
        )
        return replace(self, spectra=spectra, past=past, exponents=exponents)

    @property
    def end(self) -> int:
        """The time of the next sample."""
        return self.start + int(self.history.shape[-1])

    def outside(self, start: int, end: int) -> Pair:
        """Return how many of the samples of some time are zeros before the signal, and after it."""
        before = min(max(self.first - start, 0), end - start)
        return before, min(max(end - self.stop, 0), end - start - before)


@dataclass(frozen=True, slots=True)
class _Weights:
    """A filter's numbers (C_out, C_in // groups, taps), and what becomes of them."""

    taps: Array
    bias: Array | None
    groups: int
    stride: int
    dilation: int
    activation: str | None
    dtype: np.dtype[Any]  # of the result
    x_is_complex: bool

    @property
    def reach(self) -> int:
        """The samples from the first tap to the last."""
        return self.dilation * (int(self.taps.shape[-1]) - 1)


class _Taps:
    """Neighbouring taps of a filter, for the direct method."""

    def __init__(self, weights: _Weights) -> None:
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


class _Partitions:
    """The early taps of a filter, `block` of its samples and more before the present, as spectra of partitions."""

    def __init__(self, weights: _Weights, block: int) -> None:
        import scipy.fft

        self.weights, self.block = weights, block
        self.number = -(-(weights.reach + 1) // block) - 1
        compute = np.result_type(weights.dtype, np.float32)
        early = _early_and_late(weights, block)[0]
        # What is added to other sums is not rounded to half precision before.
        self.taps = _Taps(replace(early, taps=early.taps.astype(compute, copy=False), dtype=compute))
        self.length = scipy.fft.next_fast_len(2 * block, real=compute.kind == "f")
        self.met = _first_met(weights, early.taps.shape[-1], block)
        # Of tiny weights, spectra have a scale in which they are normal numbers.
        self.exponents = _exponents(np.abs(self.taps.weights.taps).max(axis=(1, 2), initial=0), compute)
        response = np.zeros((*weights.taps.shape[:2], (self.number + 1) * block), compute)
        with np.errstate(over="ignore"):  # of late taps
            taps = _scaled(weights.taps.astype(compute, copy=False), -self.exponents[:, None, None])
        response[..., weights.reach :: -weights.dilation] = taps
        parts = response.reshape(weights.groups, -1, weights.taps.shape[1], self.number + 1, block)[..., 1:, :]
        # Mirrored, as the ring of blocks runs against them, and twice, so that they can begin anywhere in it.
        spectra = np.roll(np.moveaxis(self.transform(parts), -2, 0)[::-1], 1, axis=0)
        self.spectra = np.concatenate([spectra, spectra])

    def transform(self, samples: Array) -> Array:
        """Return spectra along the last axis."""
        import scipy.fft

        compute = np.result_type(self.weights.dtype, np.float32)
        if compute.kind == "c":
            return np.asarray(scipy.fft.fft(samples.astype(compute, copy=False), self.length))
        return np.asarray(scipy.fft.rfft(samples.astype(compute, copy=False), self.length))

    def begin(self, rows: int, history: Array) -> _State:
        """Return the state before any sample; outputs begin with a block."""
        lead, channels = -self.weights.reach % self.block, history.shape[1]
        nothing = self.transform(np.zeros(2 * self.block, history.dtype))
        return _State(
            start=-self.block,
            due=lead + self.weights.reach,
            history=np.zeros((rows, channels, self.block + lead), history.dtype),
            spectra=np.zeros((self.number, rows, channels, nothing.size), nothing.dtype),
            past=np.zeros((self.number + 1, rows, channels, self.block), history.dtype),
            exponents=np.full((self.number, rows, self.weights.groups), SILENT, np.intc),
        )

    def complete(self, state: _State, samples: Array, end: int, workers: int | None) -> None:
        """Take in a block, given with the one before it, and prepare the next one."""
        assert state.spectra is not None
        assert state.past is not None
        assert state.exponents is not None
        number, rows, _, frequencies = state.spectra.shape
        groups = self.weights.groups
        block = end // self.block - 1
        with np.errstate(all="ignore"):  # what is not finite is done again
            times = np.arange(end - 2 * self.block, end)
            heard = samples.astype(np.result_type(samples, np.float32), copy=False)
            if (times < self.met).any():
                heard = np.where(times < self.met, 0, heard)
            heard = heard.reshape(rows, groups, -1, 2 * self.block)
            exponents = _exponents(np.abs(heard).max(axis=(2, 3), initial=0), heard.dtype)
            state.exponents[block % number] = exponents
            heard = _scaled(heard, -exponents[..., None, None])
            state.spectra[block % number] = self.transform(heard.reshape(samples.shape))
            state.past[block % (number + 1)] = samples[..., self.block :]
            if end + self.block <= state.due:
                return
            begin = -block % number
            loudest = state.exponents.max(axis=0)
            quieter = np.where(state.exponents == SILENT, 0, state.exponents - loudest)
            spectra = state.spectra.reshape(number, rows, groups, -1, frequencies)
            spectra = _scaled(spectra, quieter[..., None, None])
            sums = np.einsum("pgoif,prgif->rgof", self.spectra[begin : begin + number], spectra)
            tail = self._samples(sums.reshape(rows, -1, frequencies))
            exponents = loudest[..., None] + self.exponents.reshape(groups, -1)
            state.tail = _scaled(tail, exponents.reshape(rows, -1, 1))
            if not np.isfinite(state.tail).all():
                state.tail = self._directly(state, block, workers)

    def _samples(self, spectra: Array) -> Array:
        import scipy.fft

        inverse = scipy.fft.irfft if self.weights.dtype.kind == "f" else scipy.fft.ifft
        return np.asarray(inverse(spectra, self.length)[..., self.block : 2 * self.block : self.weights.stride])

    def _directly(self, state: _State, block: int, workers: int | None) -> Array:
        """Return the tail by the direct method: in spectra, infinity and NaN reach all of a block."""
        assert state.past is not None
        assert state.tail is not None
        past = state.past
        order = np.arange(block - self.number, block + 1) % (self.number + 1)
        samples = np.moveaxis(past[order], 0, 2).reshape(*past.shape[1:3], -1)
        first = samples.shape[-1] - self.weights.reach
        window = self.block - self.weights.stride + self.taps.weights.reach + 1
        tail = np.empty(state.tail.shape, self.taps.weights.dtype)
        start = (block + 1) * self.block - self.weights.reach
        self.taps(samples[..., first : first + window], None, tail, workers, state.outside(start, start + window))
        return tail


def _first_met(weights: _Weights, taps: int, block: int) -> Array:
    """Return from which time on the first taps meet the samples of two blocks: never what a stride passes over."""
    stride, lead = weights.stride, -weights.reach % block
    met = np.full(stride, LARGEST)
    offsets = np.arange(min(taps, stride))[::-1] * weights.dilation
    met[(lead + offsets) % stride] = lead + offsets
    return np.tile(met, 2 * block // stride)


def _exponents(largest: Array, dtype: np.dtype[Any]) -> Array:
    """Return the exponents of the largest of some numbers where these are so small that products lose their digits."""
    limit = np.finfo(dtype).smallest_normal * QUIET
    return np.where(largest == 0, SILENT, np.where(largest < limit, np.frexp(largest)[1], 0)).astype(np.intc)


def _scaled(numbers: Array, exponents: Array) -> Array:
    """Return numbers times powers of two."""
    if not exponents.any():
        return numbers
    real = np.ascontiguousarray(numbers).view(numbers.real.dtype)
    return np.asarray(np.ldexp(real, exponents).view(numbers.dtype))


def _early_and_late(weights: _Weights, block: int) -> tuple[_Weights, _Weights]:
    """Return the taps apart: those that see the last `block` samples are late."""
    first_late = weights.taps.shape[-1] - -(-block // weights.dilation)
    early, late = weights.taps[..., :first_late], weights.taps[..., first_late:]
    return replace(weights, taps=early, bias=None, activation=None), replace(weights, taps=late)


class _Filter:
    """The way from samples to outputs, which streams of the same filter share."""

    def __init__(self, weights: _Weights, method: str) -> None:
        self.weights = weights
        block = _block(weights, method)
        self.partitions = None if block is None else _Partitions(weights, block)
        self.late = _Taps(weights if block is None else _early_and_late(weights, block)[1])

    @property
    def nbytes(self) -> int:
        """The bytes of its spectra; its taps keep count of theirs."""
        return 0 if self.partitions is None else self.partitions.spectra.nbytes

    def begin(self, rows: int, channels: int) -> _State:
        """Return the state before any sample."""
        dtype = self.weights.dtype
        real = dtype.kind == "c" and not self.weights.x_is_complex
        history = np.empty((rows, channels, 0), compute_type(dtype) if real else dtype)
        if self.partitions is not None:
            return self.partitions.begin(rows, history)
        return _State(start=0, due=self.weights.reach, history=history)

    def ready(self, state: _State, samples: int) -> int:
        """Return how many outputs so many more samples make ready."""
        end = state.start + int(state.history.shape[-1]) + samples
        return max((end - 1 - state.due) // self.weights.stride + 1, 0)

    def feed(self, state: _State, x: Array, y: Array, workers: int | None) -> None:
        """Compute the outputs y (rows, channels, outputs) that x (rows, channels, samples) makes ready."""
        stride, block = self.weights.stride, None if self.partitions is None else self.partitions.block
        while x.shape[-1]:
            n = x.shape[-1] if block is None else block - (state.start + state.history.shape[-1]) % block
            part, x = x[..., :n], x[..., n:]
            count = self.ready(state, part.shape[-1])
            samples = part if state.history.shape[-1] == 0 else np.concatenate([state.history, part], axis=-1)
            end = state.start + samples.shape[-1]
            if count:
                first = state.due - self.late.weights.reach - state.start
                tail = None
                if block is not None and state.tail is not None:
                    place = state.due % block // stride
                    tail = state.tail[..., place : place + count]
                outside = state.outside(state.start + first, end)
                self.late(samples[..., first:], tail, y[..., :count], workers, outside)
                y = y[..., count:]
                state.due += count * stride
            kept = state.due - self.weights.reach
            if self.partitions is not None and block is not None:
                kept = (end // block - 1) * block
                if end % block == 0:
                    self.partitions.complete(state, samples, end, workers)
            cut = min(max(kept - state.start, 0), samples.shape[-1])
            state.history = samples[..., cut:].copy()
            state.start += cut


def _block(weights: _Weights, method: str) -> int | None:
    """Return the samples of a partition, or None for the direct method alone."""
    reach, stride, dtype = weights.reach, weights.stride, weights.dtype
    if method == PLAIN_SUMS or (method == AUTO and (dtype.kind not in "fc" or weights.taps.shape[-1] < STREAM_TAPS)):
        return None
    if dtype.kind not in "fc":
        raise ValueError(f"method='fft' cannot do this stream: its transforms would round integers of dtype {dtype}")
    # Late taps are as many as a block has samples, partitions as many as the kernel has blocks: the root balances them.
    block = stride << max(round(math.log2(STREAM_BLOCK * math.sqrt(max(reach, 1)) / stride)), 0)
    if block <= reach:
        return block
    if method == fourier.NAME:
        raise ValueError(f"method='fft' cannot do this stream: a kernel that spans {reach + 1} samples is too short")
    return None


class _Stream:
    """What the two kinds of streams have in common."""

    _filter: _Filter | None

    def __init__(self, reach: int, padding: Pair, padding_mode: str, fill_value: complex, workers: int | None) -> None:
        self._reach = reach
        self._latency = reach - padding[0]
        self._padding = padding
        self._padding_mode = padding_mode
        self._fill_value = fill_value
        self._workers = workers
        self._filter = None
        self._state: _State | None = None
        self._first: Array | None = None  # the first chunk without its samples: what the others have to be like
        self._last: Array | None = None  # the last sample, once there is one
        self._flushed = False

    def _make_filter(self, x: Array) -> _Filter:
        """Return the filter for chunks like x."""
        raise NotImplementedError

    def _axis(self, ndim: int) -> int:
        """Return the axis of time of chunks of so many axes, or raise if they cannot have so many."""
        raise NotImplementedError

    def _check(self, x: Array) -> None:
        """Raise where the filter does not fit a first chunk."""
        raise NotImplementedError

    def _inside(self, x: Array) -> Array:
        """Return a chunk as (rows, channels, samples)."""
        raise NotImplementedError

    def _new_output(self, count: int) -> Array:
        """Return an array for so many outputs."""
        raise NotImplementedError

    @property
    def latency(self) -> int:
        """How many samples must follow a sample before the output of the same index is returned."""
        return self._latency

    def push(self, chunk: ArrayLike) -> Array:
        """Take the next samples, and return the outputs that they make ready.

        Parameters
        ----------
        chunk : array_like
            Samples along the axis of time, any number of them, also none. The first chunk decides the other axes and
            the dtype; those of later ones must be the same, or of a dtype that can be cast to it safely.

        Returns
        -------
        ndarray
            The outputs that are ready, perhaps none.

        Raises
        ------
        ValueError
            If the shape does not fit, or the stream was flushed. The stream stays as it was.
        TypeError
            If the dtype does not fit. The stream stays as it was.
        """
        if self._flushed:
            raise ValueError("chunk must come before the stream is flushed: copy the stream first to use it again")
        x = unmasked_array(chunk, "chunk")
        if x.ndim == 0:
            raise ValueError(f"chunk must have at least one axis, that of time, got the scalar {chunk!r}")
        if self._fill_value:
            x = with_room_for(x, self._fill_value)
        axis = self._axis(x.ndim)
        if self._first is None:
            self._check(x)
            first = x.take([], axis=axis)
            rows = self._inside(first).shape[:2]
            if 16 * math.prod(rows) * (self._reach + 1) > LARGEST:
                raise MemoryError(f"a stream has to keep the last {self._reach} samples of each of {rows} channels")
            made = self._make_filter(first)
            fill_in(self._fill_value, made.weights.dtype)
            self._state = made.begin(*rows)
            self._filter, self._first = made, first
        else:
            self._check_alike(x, axis)
        assert self._state is not None
        inside = self._inside(x).astype(self._state.history.dtype, copy=False)
        if inside.shape[-1] == 0:
            return self._new_output(0)
        last = inside[..., -1:].copy()
        if self._last is None:
            inside = np.concatenate([self._outside(inside[..., :1], self._padding[0]), inside], axis=-1)
            if self._pads_with_nothing:
                self._state.first = self._state.end + self._padding[0]
        y = self._feed(inside)
        self._last = last
        return y

    def flush(self) -> Array:
        """Return the outputs that are left, for which the signal goes on as `padding_mode` says, and end the stream.

        Returns
        -------
        ndarray
            The outputs that no push has returned; none of a causal layer, nor if there were no samples.

        Raises
        ------
        ValueError
            If the stream was flushed before.
        """
        if self._flushed:
            raise ValueError("flush must be called once: the stream was flushed before")
        y = self._new_output(0)
        if self._last is not None:
            assert self._state is not None
            if self._pads_with_nothing:
                self._state.stop = self._state.end
            y = self._feed(self._outside(self._last, self._padding[1]))
        self._flushed = True
        return y

    def _check_alike(self, x: Array, axis: int) -> None:
        """Raise where a chunk is not like the first one."""
        assert self._first is not None
        if (*x.shape[:axis], 0, *x.shape[axis + 1 :]) != self._first.shape:
            time = self._axis(self._first.ndim)
            sizes = ["n" if i == time else str(size) for i, size in enumerate(self._first.shape)]
            raise ValueError(f"chunk must have shape ({', '.join(sizes)}) as the first one had, got {x.shape}")
        if not np.can_cast(x.dtype, self._first.dtype, "safe"):
            raise TypeError(
                f"chunk must have a dtype that casts safely to {self._first.dtype}, the first one's; got {x.dtype}"
            )

    def _outside(self, sample: Array, count: int) -> Array:
        """Return samples outside the signal, of which one at its border is given."""
        if self._padding_mode == "replicate":
            return np.repeat(sample, count, axis=-1)
        assert self._filter is not None
        fill = fill_in(self._fill_value, self._filter.weights.dtype)
        number = np.asarray(fill if sample.dtype.kind == "c" else fill.real).astype(sample.dtype)
        return np.full((*sample.shape[:-1], count), number)

    @property
    def _pads_with_nothing(self) -> bool:
        """Whether what stands outside the signal are zeros, which are no samples."""
        return self._padding_mode == "zeros" and self._fill_value == 0

    def _feed(self, x: Array) -> Array:
        assert self._filter is not None
        assert self._state is not None
        y = self._new_output(self._filter.ready(self._state, x.shape[-1]))
        self._filter.feed(self._state, x, self._inside(y), self._workers)
        return y

    def __copy__(self) -> Self:
        """Return a stream that goes on by itself from here; the filter is shared."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._state = None if self._state is None else self._state.copy()
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return the same as a shallow copy: what is shared never changes."""
        return self.__copy__()

    def __getstate__(self) -> dict[str, Any]:
        """Return what is saved: the filter's tables are made again."""
        return {**self.__dict__, "_filter": None}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        """Restore what was saved."""
        self.__dict__.update(saved)
        if self._first is not None:
            self._filter = self._make_filter(self._first)


class LayerStream(_Stream):
    """A causal layer whose signal comes in chunks; made by `ConvLayer.stream`.

    Attributes
    ----------
    layer : ConvLayer
        The layer.
    latency : int
        Always 0: an output is returned with the last sample that it depends on.

    See Also
    --------
    CorrelateStream : The same for a kernel, without channels.

    Examples
    --------
    >>> import numpy as np
    >>> import ndconv
    >>> stream = ndconv.ConvLayer([[[1.0, 2.0, 3.0]]], padding="causal").stream()
    >>> stream.push([[1.0, 0.0]]), stream.push([[0.0, 0.0]])
    (array([[3., 2.]]), array([[1., 0.]]))
    """

    def __init__(self, layer: ConvLayer) -> None:
        weight = layer.weight
        if weight.ndim != 3:
            raise ValueError(f"weight must have one spatial axis for a stream, got shape {weight.shape}")
        (self._stride,) = per_axis(layer.stride, 1, "stride")
        (self._dilation,) = per_axis(layer.dilation, 1, "dilation")
        reach = self._dilation * (weight.shape[-1] - 1)
        # What "same" adds depends on the length; it is least and most for these.
        lengths = (self._stride * (reach + 1), self._stride * (reach + 1) + 1)
        pairs = {
            padding_pairs(layer.padding, (n,), weight.shape[2:], (self._stride,), (self._dilation,))[0] for n in lengths
        }
        if pairs != {(reach, 0)}:
            raise ValueError(
                f"padding must be 'causal' for a stream, here ({reach}, 0): {reach} samples before the signal and none "
                f"after it; got {layer.padding!r}"
            )
        self.layer = layer
        self._method = _stream_method(layer.method)
        mode = _stream_padding_mode(layer.padding_mode, reach)
        super().__init__(reach, (reach, 0), mode, layer.fill_value, layer._workers)

    def __repr__(self) -> str:
        return f"<LayerStream of {self.layer!r}>"

    def _axis(self, ndim: int) -> int:
        if ndim not in (2, 3):
            raise ValueError(f"chunk must have 2 axes, or 3 with a batch, got {ndim}")
        return ndim - (2 if self.layer.channel_axis == -1 else 1)

    def _check(self, x: Array) -> None:
        channels = self.layer.weight.shape[1] * self.layer.groups
        axis = -1 if self.layer.channel_axis == -1 else -2
        if x.shape[axis] != channels:
            raise ValueError(f"chunk must have {channels} channels on axis {axis}, got shape {x.shape}")

    def _make_filter(self, x: Array) -> _Filter:
        layer = self.layer
        dtype = result_dtype(*(a for a in (x, layer.weight, layer.bias) if a is not None))
        check_activation(layer.activation, dtype)
        key = ("stream", dtype, x.dtype.kind == "c")
        made: _Filter | None = layer._packed.get(key)
        if made is None:
            weights = _Weights(
                layer.weight.astype(dtype, copy=False), layer.bias, layer.groups, self._stride, self._dilation,
                layer.activation, dtype, x.dtype.kind == "c",
            )  # fmt: skip
            made = layer._packed.keep(key, _Filter(weights, self._method))
        return made

    def _inside(self, x: Array) -> Array:
        x = x if x.ndim == 3 else x[None]
        return np.moveaxis(x, -1, 1) if self.layer.channel_axis == -1 else x

    def _new_output(self, count: int) -> Array:
        batch: Shape = () if self._first is None else self._first.shape[:-2]
        channels = self.layer.weight.shape[0]
        sizes = (count, channels) if self.layer.channel_axis == -1 else (channels, count)
        dtype = result_dtype(self.layer.weight) if self._filter is None else self._filter.weights.dtype
        return new_output((*batch, *sizes), dtype)


class CorrelateStream(_Stream):
    """Cross-correlation of a signal that comes in chunks with a kernel.

    The outputs of all pushes and of `flush`, one after the other, are those of ``correlate_nd(x, kernel, mode,
    axes=axis, ...)`` for the whole signal x; by the direct method, to the bit. In mode "full" an output comes with
    the last sample that it depends on. Without those of `flush` they are a causal filter's, as many as samples.

    Parameters
    ----------
    kernel : array_like
        What slides along the signal: one axis, for all channels alike; or as many as the chunks have, whose other axes
        are those of the chunks or of length 1. A complex one is conjugated. The stream keeps a copy.
    mode : str, optional
        Which outputs: "full", "same" or "valid", as in `correlate_nd`.
    axis : int, optional
        The axis of time. The other axes of chunks are channels.
    padding_mode : str, optional
        What stands before the signal and after it: "zeros" (or `fill_value`) or "replicate". The other modes need
        samples that have not come yet.
    fill_value : scalar, optional
        The samples outside the signal under "zeros".
    stride : int, optional
        Every how many outputs to compute.
    dilation : int, optional
        Samples of the signal from one sample of the kernel to the next.
    method : str, optional
        "direct" multiplies and adds; "fft" does so with the latest samples alone, and multiplies spectra of the others
        in blocks, which adds no latency; "auto" takes "fft" for long kernels.
    workers : int, optional
        Number of threads; -1 for all usable CPUs, None for the default (see `set_workers`). The result does not depend
        on it.

    Attributes
    ----------
    latency : int
        How many samples must follow a sample before the output of the same index is returned: 0 in mode "full".

    Raises
    ------
    ValueError
        If shapes or values do not fit; the message names the argument.
    TypeError
        If an argument has the wrong type or dtype.

    See Also
    --------
    correlate_nd : The same for a signal that is all there.
    ConvLayer.stream : The same for a layer.

    Notes
    -----
    To filter with an impulse response h, as ``scipy.signal.lfilter(h, 1, x)`` does, give its mirror image ``h[::-1]``
    (of a complex one the conjugate, too).

    A stream can be copied, and saved by pickle, at any time. It belongs to one thread at a time.

    Examples
    --------
    >>> import ndconv
    >>> stream = ndconv.CorrelateStream([1.0, 2.0, 3.0])
    >>> stream.push([1.0]), stream.push([0.0, 0.0, 4.0]), stream.push([])
    (array([3.]), array([ 2.,  1., 12.]), array([], dtype=float64))
    >>> stream.flush()
    array([8., 4.])
    """

    def __init__(
        self,
        kernel: ArrayLike,
        mode: str = "full",
        *,
        axis: int = -1,
        padding_mode: str = "zeros",
        fill_value: complex = 0.0,
        stride: int = 1,
        dilation: int = 1,
        method: str = "auto",
        workers: int | None = None,
    ) -> None:
        self._kernel = np.array(unmasked_array(kernel, "kernel"))
        if self._kernel.ndim == 0:
            raise ValueError("kernel must have at least one axis, got a scalar")
        self._time = integer(axis, "axis")
        each = self._kernel if self._kernel.ndim == 1 else self._time_last(self._kernel)
        self._taps = each.conj() if each.dtype.kind == "c" else each
        if each.shape[-1] == 0:
            raise ValueError(f"kernel must have at least one tap, got shape {self._kernel.shape}")
        self._stride = integer(stride, "stride", minimum=1)
        self._dilation = integer(dilation, "dilation", minimum=1)
        self._method = _stream_method(method)
        taps, spread = each.shape[-1:], (self._dilation,)
        padding = padding_of_mode(one_of(mode, "mode", MODES), None, (0,), taps, spread, False, ())[0]
        fill_in(fill_value, np.dtype(np.complex128))
        reach = self._dilation * (taps[0] - 1)
        name = _stream_padding_mode(padding_mode, reach)
        super().__init__(reach, padding, name, fill_value, checked_workers(workers))

    def __repr__(self) -> str:
        return f"<CorrelateStream: kernel {self._kernel.shape} {self._kernel.dtype}>"

    def _axis(self, ndim: int) -> int:
        if self._kernel.ndim not in (1, ndim):
            raise ValueError(f"chunk must have as many axes as kernel, {self._kernel.ndim}, got {ndim}")
        if not -ndim <= self._time < ndim:
            raise ValueError(f"axis must lie in -{ndim}..{ndim - 1} for {ndim} axes, got {self._time}")
        return self._time % ndim

    def _time_last(self, x: Array) -> Array:
        axis = self._axis(x.ndim)
        return x if axis == x.ndim - 1 else np.moveaxis(x, axis, -1)

    def _check(self, x: Array) -> None:
        channels = self._time_last(x).shape[:-1]
        if self._kernel.ndim > 1 and any(
            n not in (1, size) for n, size in zip(self._taps.shape[:-1], channels, strict=True)
        ):
            raise ValueError(
                f"chunk must have the channels of kernel, whose shape is {self._kernel.shape}, got shape {x.shape}"
            )
        if self._kernel.ndim > 1 and 0 in channels:
            raise ValueError(f"chunk must have at least one channel, got shape {x.shape}")

    def _make_filter(self, x: Array) -> _Filter:
        dtype = result_dtype(x, self._kernel)
        taps = self._taps
        if taps.ndim > 1:
            taps = np.broadcast_to(taps, (*self._time_last(x).shape[:-1], taps.shape[-1]))
        taps = taps.reshape(-1, 1, taps.shape[-1]).astype(dtype, copy=False)
        weights = _Weights(
            taps, None, len(taps), self._stride, self._dilation, None, dtype, x.dtype.kind == "c"
        )  # fmt: skip
        return _Filter(weights, self._method)

    def _inside(self, x: Array) -> Array:
        # Channels with a kernel for all are a batch; those with one for each are groups.
        x = self._time_last(x)
        rows, samples = math.prod(x.shape[:-1]), x.shape[-1]
        return x.reshape((rows, 1, samples) if self._kernel.ndim == 1 else (1, rows, samples))

    def _new_output(self, count: int) -> Array:
        if self._first is None or self._filter is None:
            return np.empty(count, result_dtype(self._kernel))
        axis = self._axis(self._first.ndim)
        channels = (*self._first.shape[:axis], *self._first.shape[axis + 1 :])
        y = new_output((*channels, count), self._filter.weights.dtype)
        return y if axis == y.ndim - 1 else np.moveaxis(y, -1, axis)


def _stream_padding_mode(padding_mode: Any, reach: int) -> str:
    """Return the padding mode of a stream, or raise where it would have to know what is to come."""
    name = padding_modes(padding_mode, 1)[0].name
    if reach and name not in ("zeros", "replicate"):
        raise ValueError(
            f"padding_mode must be 'zeros' or 'replicate' for a stream, got {padding_mode!r}, which needs samples that "
            f"have not come yet"
        )
    return name if reach else "zeros"


def _stream_method(method: Any) -> str:
    """Return the method of a stream, or raise where it has no such method."""
    name = checked_method(method)
    if name not in (AUTO, PLAIN_SUMS, fourier.NAME):
        raise ValueError(f"method must be 'auto', 'direct' or 'fft' for a stream, got {name!r}")
    return name
