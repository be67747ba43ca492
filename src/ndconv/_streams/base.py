"""What all streams have in common."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from .._call.arguments import LARGEST, Pair, padding_modes
from .._call.dtypes import Array, promoted_for_fill, unmasked_array
from .._call.fill import checked_fill_value
from .._methods import AUTO, PLAIN_SUMS, checked_method, fourier
from .filter import Filter
from .state import State


class Stream:
    """What the two kinds of streams have in common."""

    _filter: Filter | None

    def __init__(self, reach: int, padding: Pair, padding_mode: str, fill_value: complex, workers: int | None) -> None:
        self._reach = reach
        self._latency = reach - padding[0]
        self._padding = padding
        self._padding_mode = padding_mode
        self._fill_value = fill_value
        self._workers = workers
        self._filter = None
        self._state: State | None = None
        self._first: Array | None = None  # the first chunk without its samples: what the others have to be like
        self._last: Array | None = None  # the last sample, once there is one
        self._flushed = False

    def _make_filter(self, x: Array) -> Filter:
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
            x = promoted_for_fill(x, self._fill_value)
        axis = self._axis(x.ndim)
        if self._first is None:
            self._check(x)
            first = x.take([], axis=axis)
            rows = self._inside(first).shape[:2]
            if 16 * math.prod(rows) * (self._reach + 1) > LARGEST:
                raise MemoryError(f"a stream has to keep the last {self._reach} samples of each of {rows} channels")
            made = self._make_filter(first)
            checked_fill_value(self._fill_value, made.weights.dtype)
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
        fill = checked_fill_value(self._fill_value, self._filter.weights.dtype)
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

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return the same as a shallow copy: what is shared never changes."""
        return self.__copy__()

    def __getstate__(self) -> dict[str, object]:
        """Return what is saved: the filter's tables are made again."""
        return {**self.__dict__, "_filter": None}

    def __setstate__(self, saved: dict[str, object]) -> None:
        """Restore what was saved."""
        self.__dict__.update(saved)
        if self._first is not None:
            self._filter = self._make_filter(self._first)


def stream_padding_mode(padding_mode: str | tuple[str, ...], reach: int) -> str:
    """Return the padding mode of a stream, or raise where it would have to know what is to come."""
    name = padding_modes(padding_mode, 1)[0].name
    if reach and name not in ("zeros", "replicate"):
        raise ValueError(
            f"padding_mode must be 'zeros' or 'replicate' for a stream, got {padding_mode!r}, which needs samples that "
            f"have not come yet"
        )
    return name if reach else "zeros"


def stream_method(method: str) -> str:
    """Return the method of a stream, or raise where it has no such method."""
    name = checked_method(method)
    if name not in (AUTO, PLAIN_SUMS, fourier.NAME):
        raise ValueError(f"method must be 'auto', 'direct' or 'fft' for a stream, got {name!r}")
    return name
