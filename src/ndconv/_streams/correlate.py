"""A correlation for a signal that comes in chunks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .._call.arguments import MODES, integer, one_of
from .._call.arrays import new_output
from .._call.dtypes import Array, result_dtype, unmasked_array
from .._call.fill import checked_fill_value
from .._correlation.check import padding_of_mode
from .._runtime.workers import checked_workers
from .base import Stream, stream_method, stream_padding_mode
from .filter import Filter
from .taps import Weights


class CorrelateStream(Stream):
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
        As in `correlate_nd`.

    Attributes
    ----------
    latency : int
        How many samples must follow a sample before the output of the same index is returned: 0 in mode "full".

    Raises
    ------
    ValueError, TypeError
        As `correlate_nd` does.

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
        self._method = stream_method(method)
        taps, spread = each.shape[-1:], (self._dilation,)
        padding = padding_of_mode(one_of(mode, "mode", MODES), None, (0,), taps, spread, False, ())[0]
        checked_fill_value(fill_value, np.dtype(np.complex128))
        reach = self._dilation * (taps[0] - 1)
        name = stream_padding_mode(padding_mode, reach)
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

    def _make_filter(self, x: Array) -> Filter:
        dtype = result_dtype(x, self._kernel)
        taps = self._taps
        if taps.ndim > 1:
            taps = np.broadcast_to(taps, (*self._time_last(x).shape[:-1], taps.shape[-1]))
        taps = taps.reshape(-1, 1, taps.shape[-1]).astype(dtype, copy=False)
        weights = Weights(
            taps, None, len(taps), self._stride, self._dilation, None, dtype, x.dtype.kind == "c"
        )  # fmt: skip
        return Filter(weights, self._method)

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
