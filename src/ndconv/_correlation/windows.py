"""Windows: the samples that an output is made of, in a copy of x that has all that stand outside it as well."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import DTypeLike

from .._call.arguments import PerAxis
from .._call.dtypes import Array
from .._call.geometry import Geometry
from .._methods import PASSES, PLAIN_SUMS, checked_method
from .check import Arguments, Checked, check, placed
from .slide import slide

Places = tuple[Array, ...]
Slices = tuple[slice, ...]

# Samples that are summed along an axis at once, where only sums are asked for and there are four times as many: sums of
# sums then take fewer steps. And samples of the windows that are looked at one by one, for each step of NumPy.
BOX_TAPS = 32
WINDOW_SAMPLES = 1 << 17


def windows_of(
    x: Array, kernel: Array, dtype: np.dtype[np.generic], arguments: Arguments, out: Array | None, workers: int | None,
    mirror: bool,
) -> Windows:  # fmt: skip
    """Return the windows of a result of a dtype, or raise for arguments that do not fit."""
    checked_method(arguments.method)  # no more: it will have another kernel to slide
    return Windows(check(x.shape, kernel.shape, dtype, arguments, out, mirror), workers)


class Windows(NamedTuple):
    """Where the kernel lies for each output."""

    checked: Checked
    workers: int | None

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of x that the kernel slides along."""
        return self.checked.axes

    @property
    def geometry(self) -> Geometry:
        """The geometry, with its axes in that order."""
        return self.checked.geometry

    def placed(self, kernel: Array) -> Array:
        """Return the kernel as given with as many axes as x."""
        return placed(kernel, len(self.checked.y_shape), self.checked.kernel_axes)

    def delivered(self, y: Array, out: Array | None) -> Array:
        """Return a result where it was asked for, in the dtype that was."""
        with np.errstate(over="ignore"):
            if out is None:
                return y.astype(self.checked.dtype, copy=False)
            out[...] = y
        return out

    def _slide(self, x: Array, kernel: Array, stride: PerAxis, dilation: PerAxis, method: str) -> Array:
        """Return the sums of windows that lie within x times a kernel of as many axes."""
        valid = Arguments("valid", "zeros", 0.0, stride, dilation, self.axes, None, method)
        return slide(x, kernel, valid, None, self.workers, False)

    def padded(self, x: Array, dtype: DTypeLike, fill_value: complex) -> Array:
        """Return a copy of x, in a dtype, with the samples of all windows and no other."""
        g = self.geometry
        shape, target, source = list(x.shape), [slice(None)] * x.ndim, [slice(None)] * x.ndim
        for axis, size, (before, after), mode in zip(self.axes, g.in_shape, g.padding, g.modes, strict=True):
            shape[axis] = size + before + after
            if mode.name == "zeros" or (before <= 0 and after <= 0):
                first, end = max(-before, 0), size + min(after, 0)
                source[axis], target[axis] = slice(first, end), slice(first + before, end + before)
            else:
                x = x.take(mode.source(np.arange(-before, size + after), size), axis=axis)
        fill = fill_value if np.dtype(dtype).kind == "c" else fill_value.real
        outer = np.full(shape, fill, dtype)
        outer[tuple(target)] = x[tuple(source)]
        return outer

    def correlate(self, padded: Array, kernel: Array, method: str) -> Array:
        """Return the sums of windows times a kernel of as many axes as x."""
        g = self.geometry
        return self._slide(padded, kernel, g.stride, g.dilation, method)

    def halves(self, outputs: Array) -> list[tuple[Slices, Slices]]:
        """Return two parts of the outputs and of the samples for them; none where they would have most in common."""
        g = self.geometry
        reaches = [(k - 1) * d + 1 for k, d in zip(g.kernel, g.dilation, strict=True)]
        spans = [outputs.shape[axis] * step for axis, step in zip(self.axes, g.stride, strict=True)]
        i = max(range(g.ndim), key=lambda i: spans[i] / reaches[i])
        axis, step = self.axes[i], g.stride[i]
        size, lead = outputs.shape[axis], (slice(None),) * axis
        if size < 2 or spans[i] < 4 * reaches[i]:
            return []
        return [
            ((*lead, slice(first, end)), (*lead, slice(first * step, (end - 1) * step + reaches[i])))
            for first, end in ((0, size // 2), (size // 2, size))
        ]

    def sums(self, padded: Array, fewer: tuple[int, ...] | None = None) -> Array:
        """Return the sums of windows, with `fewer` samples along some axes.

        Neither by differences of running sums nor by spectra, which would bring the rounding of large samples into the
        sums of small ones.
        """
        g = self.geometry
        taps = tuple(k - f for k, f in zip(g.kernel, fewer or (0,) * g.ndim, strict=True))
        if sum(k > 1 for k in taps) > 1 and max(taps) <= 4 * BOX_TAPS:
            shape = [1] * padded.ndim
            for axis, count in zip(self.axes, taps, strict=True):
                shape[axis] = count
            return self._slide(padded, np.ones(shape, padded.dtype), g.stride, g.dilation, PASSES)
        for i in reversed(range(g.ndim)):
            padded = self._sums_along(padded, i, taps[i], g.dilation[i], g.stride[i])
        return padded

    def _sums_along(self, x: Array, i: int, taps: int, dilation: int, stride: int) -> Array:
        """Return the sums of a number of samples along an axis; of many, as sums of sums."""
        ones = [1] * len(self.axes)

        def box(x: Array, taps: int, stride: int) -> Array:
            shape, steps, gaps = [1] * x.ndim, ones.copy(), ones.copy()
            shape[self.axes[i]], steps[i], gaps[i] = taps, stride, dilation
            return self._slide(x, np.ones(shape, x.dtype), tuple(steps), tuple(gaps), PLAIN_SUMS)

        if taps <= 4 * BOX_TAPS:
            return x if taps == stride == 1 else box(x, taps, stride)
        count, rest = divmod(taps, BOX_TAPS)
        whole = count * BOX_TAPS * dilation
        total = self._sums_along(box(x, BOX_TAPS, 1), i, count, dilation * BOX_TAPS, stride)
        if rest:
            lead = (slice(None),) * self.axes[i]
            every = (*lead, slice((x.shape[self.axes[i]] - (taps - 1) * dilation - 1) // stride + 1))
            total = total[every] + box(x[(*lead, slice(whole, None))], rest, stride)[every]
        return total

    def changes(self, padded: Array) -> Array:
        """Return how often samples differ from their neighbours in the window: exactly 0 where it is constant."""
        g = self.geometry
        total: Array | int = 0
        for i, axis in enumerate(self.axes):
            if g.kernel[i] > 1:
                lead, step = (slice(None),) * axis, g.dilation[i]
                differ = padded[(*lead, slice(step, None))] != padded[(*lead, slice(-step))]
                total = total + self.sums(differ.astype(np.float32), tuple(int(j == i) for j in range(g.ndim)))
        return np.asarray(total)

    def some(self, padded: Array, kernel: Array, chosen: Array) -> Iterator[tuple[Places, Array, Array]]:
        """Yield, a few a time, the places of some chosen outputs, their windows as rows, and as many kernels or one."""
        g, d = self.geometry, self.geometry.ndim
        reaches = tuple((k - 1) * e + 1 for k, e in zip(g.kernel, g.dilation, strict=True))
        steps = [slice(None)] * padded.ndim
        for axis, step in zip(self.axes, g.stride, strict=True):
            steps[axis] = slice(None, None, step)
        view = sliding_window_view(padded, reaches, axis=self.axes)
        view = view[(*steps, *(slice(None, None, e) for e in g.dilation))]
        view = np.broadcast_to(view, (*chosen.shape, *g.kernel))
        kernels = np.expand_dims(np.moveaxis(kernel, self.axes, range(-d, 0)), self.axes)
        one = kernel.size == math.prod(g.kernel)
        kernels = kernels.reshape(1, -1) if one else np.broadcast_to(kernels, view.shape)
        where = chosen.nonzero()
        rows = max(WINDOW_SAMPLES // math.prod(g.kernel), 1)
        for first in range(0, where[0].size, rows):
            places = tuple(each[first : first + rows] for each in where)
            count = places[0].size
            yield places, view[places].reshape(count, -1), kernels if one else kernels[places].reshape(count, -1)
