"""N-D correlation and convolution with SciPy's signature: `correlate_nd` and `convolve_nd`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .._call.arguments import Pair, PerAxis, flag, one_of
from .._call.dtypes import Array, as_array, promoted_for_fill, result_dtype, wider_dtype
from .._runtime.caches import Cache
from .._runtime.workers import checked_workers
from .check import Arguments
from .interpolation import interpolating
from .masked import masked_correlation
from .missing import (
    POLICIES,
    checked_mask,
    checked_sample_weights,
    forgotten,
    has_nan,
    mask_of,
    mask_without,
    refuse_masked_kernel,
    refuse_missing,
    with_gaps,
)
from .normalized import normalized_correlation
from .slide import slide


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
    sample_weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    kernel_mask: ArrayLike | None = None,
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
        window that is constant has the coefficient 0, and so has one in which fewer than two samples count. Real dtypes
        only; coefficients of integers and bools are float64.
    nan_policy : str, optional
        What NaN in x does: "propagate" to all sums that it is in; "raise" an error, also for NaN in the kernel; or
        "omit": a sample that is NaN is missing, and the others stand in for it. The sum over those that are there is
        multiplied by the sum of all weights over the sum of theirs (NaN where that is zero, as where there are none).
        Then `fill_value` may be NaN too: nothing is known of what stands outside x. Integers have no NaN, so that for
        them the policies are the same. What a masked array has masked is missing like NaN, of integers too, where
        `dtype` asks for a floating result.
    sample_weights : array_like, optional
        How much each sample of x counts: numbers of at least 0 in x's shape, or one that broadcasts to it. The samples
        are averaged accordingly: the sum of weight times kernel times sample is divided by the sum of weight times
        kernel, and multiplied by the sum of the kernel. So only the ratios of weights matter, and a sample of weight 0
        is missing, whatever stands there, NaN and infinity too; "omit" gives NaN the weight 0. Samples outside x have
        the weight of those that they repeat; `fill_value` has the weight 1, and none if it is NaN under "omit". Not for
        results of integers.
    mask : array_like of bool, optional
        For `normalized`: True where a sample of x counts, in x's shape. Coefficients are then those of the samples that
        count in x and in the kernel, so that it is no matter what stands at others, NaN and infinity too. Samples
        outside x count if those that they repeat do; `fill_value` does, unless it is NaN under "omit".
    kernel_mask : array_like of bool, optional
        The same for the kernel, in its shape: for templates that are not rectangles.
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
        one of a single sample is, or `nan_policy` is "omit" and there is neither a `mask` nor a `kernel_mask`. If there
        is one of these without `normalized`. For "omit", unless `normalized`: if the kernel holds NaN, or its weights
        sum to zero. For "raise": if x or kernel holds NaN, or a sample of x is masked. If one is, and the result is of
        integers. For `sample_weights`: if one is negative or not finite, if the kernel holds NaN or sums to zero, or if
        the result is of integers, or `normalized`.
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

    With masks, how many samples count in both, and the sums over them, are correlations too [3]_. NaN under "omit" is
    as a sample whose mask is False.

    `sample_weights` are the certainties of the normalised convolution of [2]_. "omit" is the case of certainties 0 and
    1, and what astropy calls interpolation of NaN. A complex sample is missing if either of its parts is NaN.

    References
    ----------
    .. [1] J. P. Lewis, "Fast Normalized Cross-Correlation", Industrial Light & Magic, 1995.
    .. [2] H. Knutsson and C.-F. Westin, "Normalized and differential convolution: Methods for interpolation and
       filtering of incomplete and uncertain data", CVPR 1993.
    .. [3] D. Padfield, "Masked object registration in the Fourier domain", IEEE Transactions on Image Processing 21(5),
       2012, pp. 2706-2718. :doi:`10.1109/TIP.2011.2181402`

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

    The same for a template of which the middle does not matter:

    >>> kernel, there = [0, 9, 1], [True, False, True]
    >>> ndconv.correlate_nd(signal, kernel, mode="valid", normalized=True, kernel_mask=there)
    array([ 0.,  1.,  1.,  0., -1.,  1.,  1.,  0.])

    A mean of the samples that there are:

    >>> ndconv.correlate_nd([1.0, np.nan, 3, 4], np.ones(3) / 3, mode="valid", nan_policy="omit")
    array([2. , 3.5])

    A mean of measurements, of which the second is worth as much as all others together:

    >>> ndconv.correlate_nd([1.0, 4, 10], np.ones(3) / 3, mode="valid", sample_weights=[1, 2, 1])
    array([4.75])
    """
    arguments = Arguments(mode, padding_mode, fill_value, stride, dilation, axes, lags, method)
    return correlate(
        x, kernel, arguments, dtype, normalized, nan_policy, out, workers, mirror=False,
        sample_weights=sample_weights, mask=mask, kernel_mask=kernel_mask,
    )  # fmt: skip


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
    sample_weights: ArrayLike | None = None,
    out: Array | None = None,
    workers: int | None = None,
) -> Array:
    """N-D convolution: `correlate_nd` with the kernel mirrored along its axes, and not conjugated.

    Parameters
    ----------
    x, kernel, mode, padding_mode, fill_value, stride, dilation, axes, method, dtype
        As in `correlate_nd`.
    nan_policy, sample_weights, out, workers
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
    arguments = Arguments(mode, padding_mode, fill_value, stride, dilation, axes, lags, method)
    return correlate(
        x, kernel, arguments, dtype, False, nan_policy, out, workers, mirror=True, sample_weights=sample_weights
    )


def correlate(
    x: ArrayLike, kernel: ArrayLike, arguments: Arguments, dtype: DTypeLike | None, normalized: bool, nan_policy: str,
    out: Array | None, workers: int | None, *, mirror: bool, sample_weights: ArrayLike | None = None,
    mask: ArrayLike | None = None, kernel_mask: ArrayLike | None = None, kept: Cache[Any] | None = None,
) -> Array:  # fmt: skip
    """Correlate, or convolve if `mirror`, in whichever of the ways; what is made of the kernel may be `kept`."""
    refuse_masked_kernel(kernel)
    masked = mask_of(x)
    x, template = as_array(x, "x"), as_array(kernel, "kernel")
    x = promoted_for_fill(x, arguments.fill_value)
    # Of the operands, only one needs the type that is asked for, for the result to have it.
    kernel = template if dtype is None else template.astype(wider_dtype(dtype, x, template), copy=False)
    nan_policy, normalized = one_of(nan_policy, "nan_policy", POLICIES), flag(normalized, "normalized")
    workers = checked_workers(workers)
    if normalized or mask is not None or kernel_mask is not None:
        return _normalized(
            x, template, masked, result_dtype(x, kernel), arguments, nan_policy, out, workers, normalized=normalized,
            sample_weights=sample_weights, mask=mask, kernel_mask=kernel_mask,
        )  # fmt: skip
    if nan_policy == "propagate" and masked is None and sample_weights is None:
        return slide(x, kernel, arguments, out, workers, mirror, kept)
    dtype, certainties = result_dtype(x, kernel), None
    if sample_weights is not None:
        certainties = checked_sample_weights(sample_weights, x.shape, dtype)
        x, masked = forgotten(x, masked, certainties == 0)
    if nan_policy == "raise":
        refuse_missing(x, masked, kernel)
    if masked is not None:
        x = with_gaps(x, masked, dtype)
    omit = nan_policy == "omit" and dtype.kind in "fc"
    if omit or certainties is not None:
        return interpolating(x, kernel, dtype, certainties, omit, arguments, out, workers, mirror)
    return slide(x, kernel, arguments, out, workers, mirror, kept)


def _normalized(
    x: Array, kernel: Array, masked: Array | None, dtype: np.dtype[np.generic], arguments: Arguments, nan_policy: str,
    out: Array | None, workers: int | None, *, normalized: bool, sample_weights: ArrayLike | None,
    mask: ArrayLike | None, kernel_mask: ArrayLike | None,
) -> Array:  # fmt: skip
    """Return the normalised correlation, of what counts if there are masks; these may omit NaN too."""
    if not normalized:
        name, given = ("mask", mask) if mask is not None else ("kernel_mask", kernel_mask)
        raise ValueError(
            f"{name} must be None for normalized=False, got an array of shape {as_array(given, name).shape}: use "
            f"sample_weights, or normalized=True"
        )
    if sample_weights is not None:
        shape = as_array(sample_weights, "sample_weights").shape
        raise ValueError(
            f"sample_weights must be None for normalized=True, got an array of shape {shape}: use mask, which says "
            f"which samples count"
        )
    if nan_policy == "omit" and mask is None and kernel_mask is None:
        raise ValueError(
            "nan_policy must be 'propagate' or 'raise' for normalized=True without a mask, got 'omit': beside a mask, "
            "which may be True everywhere, it leaves out NaN"
        )
    mask, kernel_mask = checked_mask(mask, x.shape, "mask"), checked_mask(kernel_mask, kernel.shape, "kernel_mask")
    if mask is not None:
        x, masked = forgotten(x, masked, ~mask)
    if kernel_mask is not None:
        kernel, _ = forgotten(kernel, None, ~kernel_mask)
    if nan_policy == "raise":
        refuse_missing(x, masked, kernel)
    fill_counts = True
    if nan_policy == "omit":
        fill_counts = not has_nan(np.asarray(arguments.fill_value))
        mask, masked = mask_without(mask, x, masked), None
    if mask is None and kernel_mask is None and fill_counts:
        return normalized_correlation(x, kernel, masked, dtype, arguments, out, workers)
    return masked_correlation(x, kernel, masked, mask, kernel_mask, fill_counts, dtype, arguments, out, workers)
