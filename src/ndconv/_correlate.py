"""N-D correlation and convolution with SciPy's signature: `correlate_nd` and `convolve_nd`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ._arguments import MODES, Pair, PerAxis, axes_of, flag, lag_ranges, one_of, padding_modes, per_axis
from ._caches import Cache
from ._dtypes import Array, as_array, compute_type, result_dtype, wider_dtype
from ._engine import (
    apart_from,
    checked_out,
    execute,
    fill_in,
    is_in_place,
    new_output,
    pack_weights,
    plan_call,
    remember,
    typed,
    with_room_for,
)
from ._geometry import Geometry, Shape, make_geometry, reordered
from ._methods import AUTO, allows_plain_sums, checked_method, seen_in
from ._methods.problem import Plan
from ._missing import (
    POLICIES,
    check_weights,
    has_nan,
    interpolated,
    is_masked,
    refuse_masked,
    refuse_nan,
    unmasked,
    with_gaps,
    with_gaps_filled,
)
from ._modes import BY_NAME, PaddingMode
from ._normalized import DOUBLE, coefficient_dtype, coefficients, sample_dtype, unit_kernel
from ._windows import Windows
from ._workers import checked_workers

# NumPy's limit, less the channel axis that the engine wants.
MOST_AXES = 63

# Multiply-adds that must be saved before a kernel and an x that is shorter change places, for a second call of Python.
TURNED_MULTIPLY_ADDS = 500_000


def correlate_nd(
    x: ArrayLike,
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
    out: Array | None = None,
    workers: int | None = None,
) -> Array:
    r"""N-D cross-correlation, with SciPy's modes and every padding mode.

    Parameters
    ----------
    x : array_like
        Input. Any strides, byte order, alignment and supported dtype are read as they are. The masked samples of a
        masked array are missing: as NaN, whatever stands there.
    kernel : array_like
        What slides over x; a complex one is conjugated. The operands are never swapped. It must not be a masked array.
    mode : str, optional
        "full": all positions where kernel and x touch; "same": as many outputs as x has samples, the middle of "full";
        "valid": the positions where the kernel lies within x.
    padding_mode : str or tuple of str, optional
        What stands outside x: "zeros" (or `fill_value`), "replicate", "reflect", "symmetric" or "circular"; one name
        or one per axis of `axes`.
    fill_value : scalar, optional
        The samples outside x under "zeros". Where it is 0 there are none: an infinite or NaN weight makes no NaN there.
    stride : int or tuple of int, optional
        Every how many outputs to compute; one number or one per axis of `axes`.
    dilation : int or tuple of int, optional
        Samples of x from one sample of the kernel to the next.
    axes : int or tuple of int, optional
        The axes of x that the kernel slides along, as in :func:`scipy.signal.fftconvolve`; the other axes broadcast.
        By default all axes of the kernel; one with fewer axes than x slides along x's last ones.
    lags : tuple, optional
        (first, last), or one such pair per axis: compute only those lags, both ends included, instead of a mode. Lag k
        is the output for a kernel whose first sample lies on sample k of x. Under "zeros", kernel and x have to touch;
        the other padding modes give every lag a meaning.
    method : str, optional
        "auto" takes the fastest; "direct" multiplies and adds; "fft" multiplies spectra, for large kernels;
        "separable" makes a pass along each axis, for a kernel that is an outer product ("auto" finds that out).
    dtype : dtype, optional
        The dtype that sums are taken and returned in, wider than that of x and kernel together: so 8-bit images have
        exact sums in int32, and float32 signals sums in float64.
    normalized : bool, optional
        Return the normalised cross-correlation: Pearson's correlation coefficient of the kernel and the samples of x
        under it, between -1 and 1, as in template matching. Samples outside x count as `padding_mode` has them. A
        window that is constant has the coefficient 0. Real dtypes only; coefficients of integers and bools are float64.
    nan_policy : str, optional
        What NaN in x does: "propagate" to all sums that it is in; "raise" an error, also for NaN in the kernel; or
        "omit": a sample that is NaN is missing, and the others stand in for it. The sum over those that are there is
        multiplied by the sum of all weights over the sum of theirs (NaN where that is zero, as where there are none).
        Then `fill_value` may be NaN too: nothing is known of what stands outside x. Integers have no NaN, so that for
        them the policies are the same. What a masked array has masked is missing like NaN, of integers too, where
        `dtype` asks for a floating result.
    out : ndarray, optional
        Array of the result's shape and dtype to write to, of any strides. It may overlap x.
    workers : int, optional
        Number of threads; -1 for all usable CPUs, None for the default (see `set_workers`). The result does not depend
        on it.

    Returns
    -------
    ndarray
        The correlation, of dtype ``numpy.result_type(x, kernel)`` or the one asked for; never a masked array: where
        samples that are missing leave nothing known, it is NaN.

    Raises
    ------
    ValueError
        If shapes or values do not fit; the message names the argument. For `normalized`: if the kernel is constant, as
        one of a single sample is, or `nan_policy` is "omit". For "omit": if the kernel holds NaN, or its weights sum to
        zero. For "raise": if x or kernel holds NaN, or a sample of x is masked. If one is, and the result is of
        integers.
    TypeError
        If an argument has the wrong type or dtype; if `kernel` or `out` is a masked array; if the result's dtype cannot
        be cast to `dtype` safely, as :func:`numpy.can_cast` has it; if the result of `normalized` would be complex.

    See Also
    --------
    convolve_nd : The same with the kernel mirrored, and not conjugated.
    conv_layer : Many kernels over many channels, summed.

    Notes
    -----
    In one dimension, with x continued by `padding_mode`::

        y[k] = sum over n of x[k + dilation * n] * conj(kernel[n])

    `normalized` is computed in float64 from that sum and from the sums of windows and of their squares [1]_, with x
    centred before. Windows in which digits would be lost are computed again, with the means of smaller parts of x, at
    last with their own. Coefficients are good to about 1e-9, also far from 0, or to the rounding of a narrower result.
    NaN and infinity in a window make its coefficient NaN. 64-bit integers, such as time stamps, are not rounded before
    their level is taken off.

    "omit" is the normalised convolution of [2]_, and what astropy calls interpolation of NaN. A complex sample is
    missing if either of its parts is NaN.

    References
    ----------
    .. [1] J. P. Lewis, "Fast Normalized Cross-Correlation", Industrial Light & Magic, 1995.
    .. [2] H. Knutsson and C.-F. Westin, "Normalized and differential convolution: Methods for interpolation and
       filtering of incomplete and uncertain data", CVPR 1993.

    Examples
    --------
    >>> import numpy as np
    >>> import ndconv
    >>> ndconv.correlate_nd([1.0, 2, 3], [0, 1, 0.5])
    array([0.5, 2. , 3.5, 3. , 0. ])
    >>> ndconv.correlate_nd([1.0, 2, 3], [0, 1, 0.5], mode="same", padding_mode="replicate")
    array([2. , 3.5, 4.5])

    Exact sums of narrow integers, in a type that has room for them:

    >>> ndconv.correlate_nd(np.uint8([100, 200, 250]), np.uint8([2, 1]), mode="valid", dtype=np.int32)
    array([400, 650], dtype=int32)

    Where a signal looks like the kernel, whatever its level and contrast:

    >>> signal = [5.0, 5, 5, 6, 8, 6, 5, 7, 7, 7]
    >>> ndconv.correlate_nd(signal, [0, 1, 0], mode="valid", normalized=True).round(2)
    array([ 0.  , -0.5 , -0.19,  1.  , -0.19, -0.87,  0.5 ,  0.  ])

    A mean of the samples that there are:

    >>> ndconv.correlate_nd([1.0, np.nan, 3, 4], np.ones(3) / 3, mode="valid", nan_policy="omit")
    array([2. , 3.5])
    """
    arguments = _Arguments(mode, padding_mode, fill_value, stride, dilation, axes, lags, method)
    return _correlate(x, kernel, arguments, dtype, normalized, nan_policy, out, workers, mirror=False)


def convolve_nd(
    x: ArrayLike,
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
    nan_policy: str = "propagate",
    out: Array | None = None,
    workers: int | None = None,
) -> Array:
    """N-D convolution: `correlate_nd` with the kernel mirrored along its axes, and not conjugated.

    Parameters
    ----------
    x, kernel, mode, padding_mode, fill_value, stride, dilation, axes, method, dtype, nan_policy, out, workers
        As in `correlate_nd`.
    lags : tuple, optional
        (first, last), or one such pair per axis: compute only those samples of the "full" result, counted from 0, both
        ends included, instead of a mode.

    Returns
    -------
    ndarray
        The convolution, of dtype ``numpy.result_type(x, kernel)`` or the one asked for.

    Raises
    ------
    ValueError, TypeError
        As `correlate_nd` does.

    See Also
    --------
    correlate_nd : The same without the mirror.

    Notes
    -----
    In one dimension, with x continued by `padding_mode`::

        y[k] = sum over n of x[k - dilation * n] * kernel[n]

    Examples
    --------
    >>> import ndconv
    >>> ndconv.convolve_nd([1, 2, 3], [0, 1, 5])
    array([ 0,  1,  7, 13, 15])
    """
    arguments = _Arguments(mode, padding_mode, fill_value, stride, dilation, axes, lags, method)
    return _correlate(x, kernel, arguments, dtype, False, nan_policy, out, workers, mirror=True)


class _Arguments(NamedTuple):
    """What says where the kernel goes, as given."""

    mode: Any
    padding_mode: Any
    fill_value: Any
    stride: Any
    dilation: Any
    axes: Any
    lags: Any
    method: Any


class _Call(NamedTuple):
    """All that can be known of a call before its numbers."""

    geometry: Geometry
    plan: Plan | None  # unless it is turned
    dtype: np.dtype[Any]
    y_shape: Shape
    slid: tuple[int, ...]  # as given: the axes that a kernel with fewer axes than x has
    batch: tuple[int, ...]
    channel: int  # the axis of the bank of filters; a new last one, if there is none
    order: tuple[
        int, ...
    ]  # (*batch, channel, *spatial), for the engine, whose spatial axes may be more than those slid
    turned: _Arguments | None  # those of the same call with x and kernel in each other's place, where that is less work
    steps: tuple[int, ...]  # sets of weights from one item of each batch axis to the next
    multiply_adds: int

    @property
    def nbytes(self) -> int:
        """About what it takes in memory, beside a fixed amount."""
        return 0 if self.plan is None else self.plan.nbytes


# What was prepared for recent calls; never their data.
_calls = Cache[_Call]("correlation calls")


def _correlate(
    x: Any, kernel: Any, arguments: _Arguments, dtype: Any, normalized: Any, nan_policy: Any, out: Array | None,
    workers: Any, *, mirror: bool,
) -> Array:  # fmt: skip
    """Correlate, or convolve if `mirror`, in whichever of the ways."""
    missing = None
    if type(x) is not np.ndarray and is_masked(x):
        x, missing = unmasked(x)
    if type(kernel) is not np.ndarray and is_masked(kernel):
        raise TypeError("kernel must not be a masked array: fill in what is masked, as by kernel.filled(0)")
    x, kernel = with_room_for(as_array(x, "x"), arguments.fill_value), as_array(kernel, "kernel")
    threads = checked_workers(workers)
    template = kernel
    if dtype is not None:
        # Of the operands, only one needs that type for the result to have it.
        kernel = kernel.astype(wider_dtype(dtype, x, kernel), copy=False)
    policy = one_of(nan_policy, "nan_policy", POLICIES)
    if missing is not None:
        dtype = result_dtype(x, kernel)
        if policy == "raise":
            refuse_masked()
        filled = with_gaps_filled(x, missing) if flag(normalized, "normalized") else x
        if normalized and sample_dtype(filled, 0) != DOUBLE:
            x = filled  # with no room for NaN
        else:
            x, missing = with_gaps(x, missing, coefficient_dtype(dtype) if normalized else dtype), None
    if policy == "raise":
        refuse_nan(x, "x")
        refuse_nan(kernel, "kernel")
    if flag(normalized, "normalized"):
        if policy == "omit":
            raise ValueError("nan_policy must be 'propagate' or 'raise' for normalized=True, got 'omit'")
        return _normalized(x, kernel, template, missing, arguments, out, threads)
    if policy == "omit" and result_dtype(x, kernel).kind in "fc":
        return _omitting(x, kernel, arguments, out, threads, mirror)
    return _slide(x, kernel, arguments, out, threads, mirror)


def _normalized(
    x: Array, kernel: Array, template: Array, missing: Array | None, arguments: _Arguments, out: Array | None,
    threads: int | None,
) -> Array:  # fmt: skip
    """Return the normalised cross-correlation; the template is the kernel as given, not yet rounded.

    Where samples are `missing`, whatever x has instead, it is NaN.
    """
    kernel = kernel.astype(coefficient_dtype(result_dtype(x, kernel)), copy=False)
    call, windows, fill = _windows(x, kernel, arguments, out, threads, False)
    kernel = unit_kernel(_placed(template, x.ndim, call.slid), windows.axes)
    if 0 in call.y_shape:
        return new_output(call.y_shape, call.dtype) if out is None else out
    outside = arguments.fill_value if windows.are_filled else 0
    exact = sample_dtype(x, outside)
    samples = windows.padded(x, exact, fill if exact.kind == "f" else int(outside.real))
    y = coefficients(windows, samples, kernel, call.dtype, arguments.method)
    if missing is not None:
        np.copyto(y, np.nan, where=windows.sums(windows.padded(missing, np.float32, 0)) > 0)
    return _delivered(y, call, out)


def _omitting(
    x: Array, kernel: Array, arguments: _Arguments, out: Array | None, threads: int | None, mirror: bool
) -> Array:
    """Return the correlation, or the convolution if `mirror`, without the samples of x that are missing."""
    call, windows, fill = _windows(x, kernel, arguments, out, threads, mirror)
    placed = _placed(kernel, x.ndim, call.slid)
    check_weights(placed, windows.axes, call.dtype)
    if 0 in call.y_shape or not (has_nan(x) or np.isnan(fill)):
        return _slide(x, kernel, arguments, out, threads, mirror)
    if mirror:
        placed = np.flip(placed, windows.axes).conj()  # which correlation conjugates once more
    y = interpolated(windows, x, fill, placed, call.dtype, arguments.method)
    return _delivered(y, call, out)


def _windows(
    x: Array, kernel: Array, arguments: _Arguments, out: Array | None, threads: int | None, mirror: bool
) -> tuple[_Call, Windows, complex]:
    """Check everything but the method, and return the call, its windows, and what stands outside x."""
    checked_method(arguments.method)
    # The kernel that will slide is another one, for which the method may or may not do.
    call = _prepare(x, kernel, *arguments._replace(method=AUTO), out, mirror, ())

    axes = tuple(sorted(call.slid))

    def engine(x: Array, kernel: Array, stride: Shape, dilation: Shape, method: str) -> Array:
        valid = _Arguments("valid", "zeros", 0.0, stride, dilation, axes, None, method)
        return _slide(x, kernel, valid, None, threads, False)

    return call, Windows(axes, call.geometry, engine), complex(fill_in(arguments.fill_value, call.dtype))


def _delivered(y: Array, call: _Call, out: Array | None) -> Array:
    """Return a result where it was asked for, in the call's dtype."""
    with np.errstate(over="ignore"):
        if out is None:
            return y.astype(call.dtype, copy=False)
        out[...] = y
    return out


def _slide(
    x: Array, kernel: Array, arguments: _Arguments, out: Array | None, threads: int | None, mirror: bool
) -> Array:
    """Correlate, or convolve if `mirror`, by the engine."""
    method = checked_method(arguments.method)
    seen = seen_in(kernel, result_dtype(x, kernel), method, x.size * kernel.size)
    call = key = None
    if out is None:
        key = (mirror, seen, x.shape, x.strides, x.dtype, kernel.shape, kernel.dtype, *map(typed, arguments))
        try:
            call = _calls.get(key)
        except TypeError:  # lists are welcome, but have no hash
            key = None
    if call is None:
        call = _prepare(x, kernel, *arguments, out, mirror, seen)
        if key is not None:
            remember(_calls, key, call, call.geometry)
    if call.turned is not None:
        return _turned(call, x, kernel, out, threads, mirror)
    if out is None:
        y = new_output(call.y_shape, call.dtype)
    else:
        y, x, kernel = out, apart_from(x, out), apart_from(kernel, out)
    _run(call, x, _placed(kernel, x.ndim, call.slid), y, threads, mirror)
    return y


def _turned(call: _Call, x: Array, kernel: Array, out: Array | None, threads: int | None, mirror: bool) -> Array:
    """Correlate by sliding x over the kernel, which gives the outputs in the opposite order."""
    assert call.turned is not None
    kernel = _placed(kernel, x.ndim, call.slid)
    samples = np.flip(kernel, call.slid) if mirror else kernel.conj()
    if out is None:
        y = _slide(samples, x.conj(), call.turned, None, threads, False)
        return np.ascontiguousarray(np.flip(y, call.slid))
    _slide(samples, x.conj(), call.turned, np.flip(out, call.slid), threads, False)
    return out


def _turned_arguments(
    geometry: Geometry, slid: tuple[int, ...], dtype: np.dtype[Any], fill: complex, items: int
) -> Any:
    """Return the arguments for x and kernel in each other's place, or None where they had better stay.

    Both are padded with zeros, with which only one needs to be multiplied: the longer.
    """
    g = geometry
    saved = (g.taps - math.prod(g.in_shape)) * math.prod(g.out_shape) * items
    if saved < TURNED_MULTIPLY_ADDS or fill != 0 or any(mode.name != "zeros" for mode in g.modes):
        return None
    # With a stride, the sums of floats would be taken in another order than in a stream.
    if 0 in g.in_shape or set(g.dilation) != {1} or (dtype.kind in "fc" and set(g.stride) != {1}):
        return None
    lags = tuple(
        (before - (n - 1) * step, before)
        for (before, _), n, step in zip(g.padding, g.out_shape, g.stride, strict=True)
    )  # fmt: skip
    return _Arguments("full", "zeros", 0.0, g.stride, 1, slid, lags, AUTO)


def _placed(kernel: Array, ndim: int, slid: tuple[int, ...]) -> Array:
    """Return the kernel with as many axes as x: one with the sliding axes alone has each put in its place."""
    if kernel.ndim == ndim:
        return kernel
    kernel = kernel.reshape((1,) * (ndim - len(slid)) + kernel.shape)
    return np.moveaxis(kernel, range(ndim - len(slid), ndim), slid)


def _prepare(
    x: Array, kernel: Array, mode: Any, padding_mode: Any, fill_value: Any, stride: Any, dilation: Any, axes: Any,
    lags: Any, method: Any, out: Array | None, mirror: bool, seen: tuple[str, ...],
) -> _Call:  # fmt: skip
    """Check everything but the method, and make the plan."""
    mode = one_of(mode, "mode", MODES)
    slid = _sliding_axes(x, kernel, axes)
    ndim = len(slid)
    kernel = _placed(kernel, x.ndim, slid)
    dilations = per_axis(dilation, ndim, "dilation", minimum=1)
    in_shape = tuple(x.shape[axis] for axis in slid)
    taps = tuple(kernel.shape[axis] for axis in slid)
    modes = padding_modes(padding_mode, ndim)
    geometry = make_geometry(
        channels_in=1,
        channels_out=1,
        groups=1,
        in_shape=in_shape,
        kernel=taps,
        stride=per_axis(stride, ndim, "stride", minimum=1),
        dilation=dilations,
        padding=padding_of_mode(mode, lags, in_shape, taps, dilations, mirror, modes),
        modes=modes,
        names=("x", "kernel"),
        may_be_empty=mode != "valid" and lags is None,
    )
    dtype = result_dtype(x, kernel)
    fill = fill_in(fill_value, dtype)
    others = [axis for axis in range(x.ndim) if axis not in slid]
    shape = list(x.shape)
    for axis in others:
        if x.shape[axis] != kernel.shape[axis] and 1 not in (x.shape[axis], kernel.shape[axis]):
            raise ValueError(
                f"kernel must broadcast with x on the axes that it does not slide along: axis {axis} has "
                f"{kernel.shape[axis]} against {x.shape[axis]}"
            )
        shape[axis] = x.shape[axis] if kernel.shape[axis] == 1 else kernel.shape[axis]
    for axis, size in zip(slid, geometry.out_shape, strict=True):
        shape[axis] = size
    y = np.empty(shape, dtype) if out is None else checked_out(out, tuple(shape), dtype)
    # The kernels run along the last axis: whatever order the axes were given in, it should be x's last.
    by_axis = sorted(range(ndim), key=lambda i: slid[i])
    # An axis that only the kernel has is a bank of filters: the longest becomes the output channels.
    banks = [axis for axis in others if kernel.shape[axis] > 1 and x.shape[axis] == 1]
    channel = max(banks, key=lambda axis: kernel.shape[axis], default=x.ndim)
    few = lags is not None and allows_plain_sums(method)
    near = () if few else _near_axes(x, kernel, slid, geometry)
    batch = tuple(axis for axis in others if axis != channel and axis not in near)
    sizes = [kernel.shape[axis] for axis in batch]
    order = (*batch, channel, *sorted(slid), *near)
    items = math.prod(shape[axis] for axis in batch)
    turned = None
    if allows_plain_sums(method):
        turned = _turned_arguments(geometry, slid, dtype, fill, math.prod(shape[axis] for axis in others))
    geometry = replace(reordered(geometry, by_axis), channels_out=kernel.shape[channel] if channel < x.ndim else 1)
    slides = _with_axes(geometry, tuple(x.shape[axis] for axis in near))
    xs, ys = _laid_out(x, channel, order), _laid_out(y, channel, order)
    return _Call(
        geometry=geometry,
        plan=None
        if turned
        else plan_call(
            slides,
            xs,
            is_in_place(ys, slides.ndim, compute_type(dtype)),
            dtype,
            fill,
            method,
            items,
            seen if kernel.size == math.prod(taps) else (),
            few=few,
        ),
        dtype=dtype,
        y_shape=tuple(shape),
        slid=slid,
        batch=batch,
        channel=channel,
        order=order,
        turned=turned and turned._replace(method=method),
        steps=tuple(math.prod(sizes[i + 1 :]) if sizes[i] > 1 else 0 for i in range(len(sizes))),
        multiply_adds=slides.multiply_adds * items,
    )


def _near_axes(x: Array, kernel: Array, slid: tuple[int, ...], geometry: Geometry) -> tuple[int, ...]:
    """Return x's last axes, such as an image's colours, where the kernel slides along others and is the same for all.

    With a single tap it slides along these as well: what is next in memory is then next to a micro-kernel.
    """
    near = tuple(range(max(slid) + 1, x.ndim))
    if geometry.ndim == 1 and geometry.stride[0] > 1:
        return ()  # sums along one axis have one order, and with several axes a stride would give them another
    if any(kernel.shape[axis] > 1 for axis in near) or x.strides[-1] != x.itemsize or x.size == 0:
        return ()
    return near


def _with_axes(geometry: Geometry, sizes: Shape) -> Geometry:
    """Return the geometry with more spatial axes, of so many samples, along which the kernel has a single tap."""
    ones = (1,) * len(sizes)
    return replace(
        geometry,
        in_shape=geometry.in_shape + sizes,
        kernel=geometry.kernel + ones,
        stride=geometry.stride + ones,
        dilation=geometry.dilation + ones,
        padding=geometry.padding + ((0, 0),) * len(sizes),
        modes=geometry.modes + (BY_NAME["zeros"],) * len(sizes),
        out_shape=geometry.out_shape + sizes,
    )


def _laid_out(array: Array, channel: int, order: tuple[int, ...]) -> Array:
    """Return an array with its axes as the engine wants them."""
    return (array if channel < array.ndim else array[..., None]).transpose(order)


def _run(call: _Call, x: Array, kernel: Array, y: Array, workers: int | None, mirror: bool) -> None:
    """Lay the operands out for the engine: (*batch, channel, *spatial) and (*sets, out, in, *kernel)."""
    if y.size == 0:
        return
    xs, ys, filters = (_laid_out(array, call.channel, call.order) for array in (x, y, kernel))
    n = len(call.batch)
    if mirror:
        filters = np.flip(filters, tuple(range(n + 1, filters.ndim)))
    elif kernel.dtype.kind == "c":
        filters = filters.conj()
    if xs.shape[:n] != ys.shape[:n]:
        xs = np.broadcast_to(xs, (*ys.shape[:n], 1, *xs.shape[n + 1 :]))
    filters = filters.reshape(math.prod(filters.shape[:n]), filters.shape[n], 1, *filters.shape[n + 1 :])
    assert call.plan is not None
    packed = pack_weights(call.plan, filters, call.dtype, x.dtype.kind == "c", workers)
    work = call.multiply_adds
    if not execute(call.plan, xs, packed, None, None, ys, None, call.steps, work, workers):
        execute(call.plan, xs.copy(), packed, None, None, ys, None, call.steps, work, workers)


def _sliding_axes(x: Array, kernel: Array, axes: Any) -> tuple[int, ...]:
    """Return the axes of x that the kernel slides along, in the order of all arguments that have one entry per axis."""
    if kernel.ndim == 0:
        raise ValueError("kernel must have at least one axis, got a scalar")
    if kernel.ndim > x.ndim:
        raise ValueError(f"kernel must not have more axes than x, got {kernel.ndim} against {x.ndim}")
    if x.ndim > MOST_AXES:
        raise ValueError(f"x must have at most {MOST_AXES} axes, got {x.ndim}")
    slid = axes_of(axes, x.ndim, kernel.ndim)
    if kernel.ndim < x.ndim and len(slid) != kernel.ndim:
        raise ValueError(
            f"axes must be as many as kernel's axes ({kernel.ndim}) where x has more ({x.ndim}), got {axes!r}"
        )
    return slid


def padding_of_mode(
    mode: str, lags: Any, in_shape: Shape, kernel: Shape, dilation: Shape, mirror: bool, modes: tuple[PaddingMode, ...]
) -> tuple[Pair, ...]:
    """Return the samples to add before and after x on each axis; fewer than none, to leave some out."""
    reaches = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if lags is None:
        if mode == "full":
            return tuple((reach, reach) for reach in reaches)
        if mode == "same":
            return tuple((reach - reach // 2, reach // 2) for reach in reaches)
        return tuple((0, 0) for _ in reaches)
    if mode != "full":
        raise ValueError(f"lags stands instead of a mode, got lags={lags!r} and mode={mode!r}")
    pairs = []
    for (first, last), size, reach, outside in zip(
        lag_ranges(lags, len(kernel)), in_shape, reaches, modes, strict=True
    ):
        lowest = 0 if mirror else -reach
        highest = lowest + size + reach - 1
        # Where kernel and x do not touch, a repeated x still has something to say; zeros have not.
        if outside.name == "zeros" and (first < lowest or last > highest):
            raise ValueError(
                f"lags must lie in {lowest}..{highest}, where kernel and x touch, under padding_mode 'zeros'; "
                f"got {(first, last)!r}"
            )
        before = lowest + reach - first if mirror else -first
        pairs.append((before, last - first + reach + 1 - size - before))
    return tuple(pairs)
