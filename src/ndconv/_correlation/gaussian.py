"""Gaussian filters of any width, derivatives of them, and normalised convolution with them: `gaussian`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .._call.arguments import LARGEST, PerAxis, axes_of, is_sequence, one_of, padding_modes, per_axis
from .._call.arrays import checked_out, new_output
from .._call.dtypes import Array, as_array, compute_type
from .._runtime.workers import checked_workers
from .gaussian_certainty import filter_certain
from .gaussian_passes import filter_by_passes
from .gaussian_spectra import Pass
from .gaussian_weights import gaussian_weights
from .missing import POLICIES, checked_sample_weights, forgotten, has_nan, mask_of, refuse_missing, with_gaps

# How far weights may reach: these take several gigabytes for a while.
LONGEST_RADIUS = 1 << 26


def gaussian(
    x: ArrayLike,
    sigma: float | Sequence[float],
    order: PerAxis = 0,
    *,
    axes: PerAxis | None = None,
    padding_mode: str | tuple[str, ...] = "symmetric",
    truncate: float = 4.0,
    sample_weights: ArrayLike | None = None,
    nan_policy: str = "propagate",
    dtype: DTypeLike | None = None,
    out: Array | None = None,
    workers: int | None = None,
) -> Array:
    r"""Gaussian filter, or a derivative of it, at a price that stops growing with its width.

    Parameters
    ----------
    x : array_like
        Input, with at least one axis. Any strides, byte order, alignment and supported dtype are read as they are. The
        masked samples of a masked array are missing: as NaN, whatever stands there.
    sigma : float or sequence of float
        The Gaussian's standard deviation in samples, for all axes or for each of `axes`. Where it is 0, nothing is done
        along the axis.
    order : int or tuple of int, optional
        Which derivative of the Gaussian to take: 0 smooths, 1 is the slope, 2 the curvature, and so on; one number or
        one per axis of `axes`.
    axes : int or tuple of int, optional
        The axes along which to filter; by default all.
    padding_mode : str or tuple of str, optional
        What stands outside x: "symmetric", "reflect", "replicate", "circular" or "zeros"; one name or one per axis of
        `axes`. The default, which repeats the border sample, is what :mod:`scipy.ndimage` calls "reflect".
    truncate : float, optional
        At how many standard deviations the Gaussian ends: at ``int(truncate * sigma + 0.5)`` samples to each side.
    sample_weights : array_like, optional
        How certain each sample is: numbers of at least 0 in x's shape, or one that broadcasts to it. The result is the
        normalised convolution [1]_, the mean of the samples by Gaussian times certainty. A sample with certainty 0 is
        missing, whatever its value, and where no sample is known the answer is NaN. Outside x, certainty goes on by
        `padding_mode` as x does; zeros count with a weight of 1.
    nan_policy : str, optional
        What NaN in x does: "propagate" to all outputs whose window holds it; "raise" an error; or "omit": a sample that
        is NaN has certainty 0, and the others stand in for it. What a masked array has masked is missing like NaN, of
        integers too.
    dtype : dtype, optional
        The floating or complex dtype of the result: a wider one than x has, or any for integers and bools.
    out : ndarray, optional
        Array of the result's shape and dtype to write to, of any strides. It may overlap x.
    workers : int, optional
        Number of threads; -1 for all usable CPUs, None for the default (see `set_workers`). The result does not depend
        on it.

    Returns
    -------
    ndarray
        The filtered x, of x's shape and dtype; of float64 for integers and bools, or of `dtype`.

    Raises
    ------
    ValueError
        If shapes or values do not fit; the message names the argument. If `order` is not 0 where samples are weighted
        or left out, or where the Gaussian has a single sample. For "raise": if x holds NaN, or a sample is masked.
    TypeError
        If an argument has the wrong type or dtype; if `sample_weights` or `out` is a masked array.

    See Also
    --------
    correlate_nd : Any kernel.

    Notes
    -----
    The weights are those of :func:`scipy.ndimage.gaussian_filter`, made in float64 and rounded once. All else is done
    in the result's precision (float16 in float32, certainty in float64).

    Narrow Gaussians are sums along each axis. Wide ones, of 64 weights and more, go by spectra of whole lines, whose
    time grows at most threefold until the Gaussian is wider than x, and then no more, but for making the weights: the
    cosine transform under "symmetric" [2]_ and the Fourier transform under the others. Very long lines go by blocks.

    With :math:`B` the same sum of absolute weights and absolute samples, of the output where that is largest,

    .. math:: |y - y_\text{exact}| \le 32\, \epsilon\, B ,

    along the axes that are filtered. Infinities and NaN reach exactly the outputs whose windows hold them. An x that
    has some, or numbers near the largest of their type, does not go by spectra of whole lines, and takes longer.

    With certainty, the same is true of the sums that are divided by each other. Where an output has less than 1/64 of
    the certainty that others have, the sums of float64 results are products added up, whose errors are in proportion
    to the output's own :math:`B`; these take longer for large `sigma`.

    References
    ----------
    .. [1] H. Knutsson and C.-F. Westin, "Normalized and differential convolution: Methods for interpolation and
       filtering of incomplete and uncertain data", CVPR 1993.
    .. [2] S. A. Martucci, "Symmetric convolution and the discrete sine and cosine transforms", IEEE Transactions on
       Signal Processing 42, 1994.

    Examples
    --------
    >>> import numpy as np
    >>> import ndconv
    >>> ndconv.gaussian([0.0, 0, 1, 0, 0], 1).round(3)
    array([0.058, 0.242, 0.399, 0.242, 0.058])

    The slope of an image along its rows, smoothed along its columns:

    >>> image = np.add.outer(np.arange(6.0), 10 * np.arange(8.0))
    >>> ndconv.gaussian(image, 1, order=(0, 1))[3].round(2)
    array([3.64, 8.49, 9.85, 9.99, 9.99, 9.85, 8.49, 3.64])

    A mean of the samples that there are:

    >>> ndconv.gaussian([1.0, np.nan, 3, 3], 1, nan_policy="omit").round(2)
    array([1.18, 2.01, 2.85, 2.99])
    """
    masked = mask_of(x)
    x = as_array(x, "x")
    if x.ndim == 0:
        raise ValueError("x must have at least one axis, got a scalar")
    slid = axes_of(axes, x.ndim, x.ndim)
    orders = per_axis(order, len(slid), "order", minimum=0)
    passes = _passes(slid, sigma, orders, padding_mode, truncate)
    policy = one_of(nan_policy, "nan_policy", POLICIES)
    result = _result_dtype(x.dtype, dtype)
    certainty = None if sample_weights is None else checked_sample_weights(sample_weights, x.shape, result)
    if any(orders) and (certainty is not None or policy == "omit"):
        raise ValueError(
            f"order must be 0 for sample_weights and nan_policy='omit', which divide by sums of weights; got {order!r}"
        )
    if out is not None:
        checked_out(out, x.shape, result)
    workers = checked_workers(workers)
    if certainty is not None:
        x, masked = forgotten(x, masked, certainty == 0)
    if policy == "raise":
        refuse_missing(x, masked)
    if masked is not None:
        x = with_gaps(x, masked, result)
    if policy == "omit" and has_nan(x):
        if certainty is None:
            certainty = np.ones(x.shape)
        certainty = np.where(np.isnan(x), 0.0, certainty)
    if x.size == 0:
        return np.empty(x.shape, result) if out is None else out
    if certainty is None:
        return _filtered(x, passes, result, out, workers)
    return _delivered(filter_certain(x, certainty, passes, result, workers), result, out)


def _passes(
    axes: Sequence[int], sigma: Any, orders: Sequence[int], padding_mode: str | tuple[str, ...], truncate: Any
) -> list[Pass]:
    """Return the passes of a Gaussian."""
    sigmas = list(sigma) if is_sequence(sigma) else [sigma] * len(axes)
    if len(sigmas) != len(axes):
        raise ValueError(f"sigma must be a number or one per axis ({len(axes)}), got {sigma!r}")
    sigmas = [_not_negative(each, "sigma") for each in sigmas]
    reach = _not_negative(truncate, "truncate")
    passes = []
    for axis, width, order, mode in zip(axes, sigmas, orders, padding_modes(padding_mode, len(axes)), strict=True):
        if reach * width > LONGEST_RADIUS:
            raise MemoryError(f"ndconv needs memory for {2 * reach * width:.3g} weights, of sigma={width:g}")
        radius = int(reach * width + 0.5)
        if radius:
            with np.errstate(under="ignore"):
                weights = gaussian_weights(width, order, radius)
            passes.append(Pass(axis, weights, order % 2 == 1, mode))
        elif order:
            raise ValueError(
                f"sigma must be so large that truncate * sigma is 0.5 at least where order is {order}: a Gaussian of a "
                f"single sample has no derivatives; got sigma={sigma!r} and truncate={truncate!r}"
            )
    return passes


def _not_negative(value: Any, name: str) -> float:
    """Return a finite number of at least 0 as a float."""
    array = np.asarray(value)
    is_integer = isinstance(value, int) and not isinstance(value, bool)  # of whatever size
    if not is_integer and (array.ndim or array.dtype.kind not in "iuf"):
        raise TypeError(f"{name} must be a real number, got {value!r}")
    number = float(min(value, LARGEST) if is_integer else array)
    if not 0 <= number < np.inf:
        raise ValueError(f"{name} must be finite and at least 0, got {value!r}")
    return number


def _result_dtype(dtype: np.dtype[np.generic], wanted: DTypeLike | None) -> np.dtype[np.generic]:
    """Return the dtype of the result for an x of a dtype."""
    if wanted is None:
        return dtype.newbyteorder("=") if dtype.kind in "fc" else np.dtype(np.float64)
    try:
        result: np.dtype[np.generic] = np.dtype(wanted)
    except TypeError:
        raise TypeError(f"dtype must be something that numpy.dtype knows, got {wanted!r}") from None
    if result.kind not in "fc" or result.char in "gG" or (dtype.kind in "fc" and not np.can_cast(dtype, result)):
        raise TypeError(f"dtype must be a floating or complex type that {dtype} can be cast to safely, got {result}")
    return result.newbyteorder("=")


def _filtered(
    x: Array, passes: Sequence[Pass], dtype: np.dtype[np.generic], out: Array | None, workers: int | None
) -> Array:
    """Return the passes of x, in a dtype."""
    working = np.dtype(compute_type(dtype))
    if dtype.kind == "c":
        working = np.result_type(working, np.complex64)
    in_place = out is not None and out.dtype == working and out.flags.carray
    y = out if out is not None and in_place else new_output(x.shape, working)
    filter_by_passes(x.astype(working, copy=False), passes, y, workers)
    return y if in_place else _delivered(y, dtype, out)


def _delivered(y: Array, dtype: np.dtype[np.generic], out: Array | None) -> Array:
    """Return a result where it was asked for, in the dtype that was."""
    with np.errstate(over="ignore"):
        if out is None:
            return y.astype(dtype, copy=False)
        out[...] = y
    return out
