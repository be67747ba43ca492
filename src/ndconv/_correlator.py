"""A kernel that is prepared once for many arrays: `Correlator`."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ._call.arguments import (
    MODES,
    Pair,
    PerAxis,
    axes_of,
    checked_shape,
    flag,
    frozen,
    lag_ranges,
    one_of,
    padding_modes,
    per_axis,
)  # fmt: skip
from ._call.dtypes import Array, result_dtype, unmasked_array, wider_dtype
from ._call.fill import checked_fill_value
from ._call.geometry import Shape
from ._correlation.check import MOST_AXES, Arguments
from ._correlation.correlate import correlate
from ._correlation.missing import POLICIES
from ._correlation.slide import call_of
from ._engine import packings_of
from ._methods import checked_method
from ._methods.explain import explained
from ._runtime.caches import Cache
from ._runtime.workers import checked_workers
from ._streams.correlate import CorrelateStream


class Correlator:
    """A correlation made once and called with many arrays: its kernel is packed, or transformed, and its plans kept.

    The keywords are those of `correlate_nd`. A correlator is immutable and may be called from many threads at once.

    Parameters
    ----------
    kernel : array_like
        What slides over the arrays; a complex one is conjugated. The correlator keeps a copy.
    mode, padding_mode, fill_value, stride, dilation, axes, lags, method, dtype, normalized, nan_policy : optional
        As in `correlate_nd`.
    workers : int, optional
        The number of threads of calls that do not say.

    Attributes
    ----------
    kernel : ndarray
        Read-only.

    Raises
    ------
    ValueError, TypeError
        As `correlate_nd` does; what depends on x is checked when the correlator is called.

    See Also
    --------
    correlate_nd : The same in one call.
    ConvLayer : The same with channels.
    CorrelateStream : The same for a signal that comes in chunks.

    Notes
    -----
    What is kept of the kernel, such as its spectra for each size of blocks, is bounded, and counts towards
    `set_cache_limit`. A normalised correlation, and one that omits NaN, have other kernels for each call: of these, the
    arguments alone are kept.

    Examples
    --------
    >>> import numpy as np
    >>> import ndconv
    >>> smooth = ndconv.Correlator(np.ones((3, 3)) / 9, "same", padding_mode="reflect")
    >>> images = np.arange(24.0).reshape(2, 3, 4)
    >>> for image in images:
    ...     print(smooth(image)[1].round(2))
    [4.67 5.   6.   6.33]
    [16.67 17.   18.   18.33]
    """

    __slots__ = (
        "__weakref__",
        "_arguments",
        "_dtype",
        "_kept",
        "_kernel",
        "_nan_policy",
        "_normalized",
        "_workers",
    )  # fmt: skip

    _arguments: Arguments
    _dtype: np.dtype[Any] | None
    _kernel: Array
    _nan_policy: str
    _normalized: bool
    _kept: Cache[Any]
    _workers: int | None

    def __init__(
        self,
        kernel: ArrayLike,
        mode: str = "full",
        *,
        padding_mode: str | tuple[str, ...] = "zeros",
        fill_value: complex = 0.0,
        stride: PerAxis = 1,
        dilation: PerAxis = 1,
        axes: PerAxis | None = None,
        lags: Pair | tuple[Pair, ...] | None = None,
        method: str = "auto",
        dtype: DTypeLike | None = None,
        normalized: bool = False,
        nan_policy: str = "propagate",
        workers: int | None = None,
    ) -> None:
        kernel = np.array(unmasked_array(kernel, "kernel"), order="C")
        kernel.flags.writeable = False
        arguments = Arguments(
            mode, frozen(padding_mode), fill_value, frozen(stride), frozen(dilation), frozen(axes), frozen(lags), method
        )
        _check_alone(kernel, arguments)
        for name, value in (
            ("_kernel", kernel),
            ("_arguments", arguments),
            ("_dtype", None if dtype is None else wider_dtype(dtype, kernel)),
            ("_normalized", flag(normalized, "normalized")),
            ("_nan_policy", one_of(nan_policy, "nan_policy", POLICIES)),
            ("_workers", checked_workers(workers)),
            ("_kept", packings_of(kernel)),
        ):
            object.__setattr__(self, name, value)

    @property
    def kernel(self) -> Array:
        """What slides, read-only."""
        return self._kernel

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Correlator cannot be changed: cannot set {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Correlator cannot be changed: cannot delete {name!r}")

    def __reduce__(self) -> tuple[Callable[..., Correlator], tuple[Array, dict[str, Any]]]:
        return _correlator_of, (self._kernel, self._keywords())

    def __repr__(self) -> str:
        parameters = signature(type(self)).parameters
        given = [f"{name}={value!r}" for name, value in self._keywords().items() if value != parameters[name].default]
        return f"<Correlator: {', '.join([f'kernel {self.kernel.shape} {self.kernel.dtype}', *given])}>"

    def __call__(self, x: ArrayLike, out: Array | None = None, workers: int | None = None) -> Array:
        """Correlate an array with the kernel.

        Parameters
        ----------
        x, out, workers
            As in `correlate_nd`.

        Returns
        -------
        ndarray
            As from `correlate_nd`.
        """
        return correlate(
            x, self._kernel, self._arguments, self._dtype, self._normalized, self._nan_policy, out,
            self._workers if workers is None else workers, mirror=False, kept=self._kept,
        )  # fmt: skip

    def explain(self, x_shape: Shape) -> str:
        """Return, as a readable table, which method runs for an array of a shape, and why.

        The array is taken to be contiguous and of the kernel's dtype. Times are predictions for one core of the machine
        that the constants of the methods were measured on. A normalised correlation, and one that omits NaN, are made
        of several: the table is that of the sums of products.
        """
        shape, dtype = checked_shape(x_shape, "x_shape"), self._dtype or result_dtype(self._kernel)
        x = np.empty(shape, dtype)  # never read, nor written to
        call = call_of(x, self._kernel.astype(dtype, copy=False), self._arguments, None, False)
        title = f"{self!r} on {dtype} {shape}"
        return explained(call.prepared.problem, self._arguments.method, call.prepared.plan, title)

    def stream(self) -> CorrelateStream:
        """Return a stream: the correlation for a signal that comes in chunks.

        Returns
        -------
        CorrelateStream
            With the methods ``push(chunk)`` and ``flush()``. Streams are independent of each other.

        Raises
        ------
        ValueError
            If the kernel slides along more than one axis; for `lags`, `dtype`, `normalized` and a `nan_policy`, which a
            stream has not; as `CorrelateStream` does.
        """
        a = self._arguments
        for name, value, least in (
            ("lags", a.lags, None), ("dtype", self._dtype, None), ("normalized", self._normalized, False),
            ("nan_policy", self._nan_policy, "propagate"),
        ):  # fmt: skip
            if value != least:
                raise ValueError(f"{name} must be {least!r} for a stream, got {value!r}")
        axes = (-1,) * self._kernel.ndim if a.axes is None else a.axes if isinstance(a.axes, tuple) else (a.axes,)
        if len(axes) != 1:
            raise ValueError(f"axes must name the one axis of time for a stream, got {a.axes!r}")
        stride, dilation, mode = (_only(value) for value in (a.stride, a.dilation, a.padding_mode))
        return CorrelateStream(
            self._kernel, a.mode, axis=axes[0], padding_mode=mode, fill_value=a.fill_value, stride=stride,
            dilation=dilation, method=a.method, workers=self._workers,
        )  # fmt: skip

    def _keywords(self) -> dict[str, Any]:
        """Return all arguments but the kernel."""
        return {
            **self._arguments._asdict(), "dtype": self._dtype, "normalized": self._normalized,
            "nan_policy": self._nan_policy, "workers": self._workers,
        }  # fmt: skip


def _check_alone(kernel: Array, arguments: Arguments) -> None:
    """Raise for what is wrong with a correlator whatever its x."""
    if kernel.ndim == 0:
        raise ValueError("kernel must have at least one axis, got a scalar")
    if 0 in kernel.shape:
        raise ValueError(f"kernel must have at least one tap per axis, got shape {kernel.shape}")
    one_of(arguments.mode, "mode", MODES)
    checked_method(arguments.method)
    checked_fill_value(arguments.fill_value, np.dtype(np.complex128))
    ndim = kernel.ndim if arguments.axes is None else len(axes_of(arguments.axes, MOST_AXES, kernel.ndim))
    per_axis(arguments.stride, ndim, "stride", minimum=1)
    per_axis(arguments.dilation, ndim, "dilation", minimum=1)
    padding_modes(arguments.padding_mode, ndim)
    if arguments.lags is not None:
        lag_ranges(arguments.lags, ndim)


def _only(value: Any) -> Any:
    """Return what an argument says of the only axis."""
    return value[0] if isinstance(value, tuple) else value


def _correlator_of(kernel: Array, keywords: dict[str, Any]) -> Correlator:
    return Correlator(kernel, **keywords)
