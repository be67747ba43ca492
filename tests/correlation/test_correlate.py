"""`correlate_nd` and `convolve_nd` against the naive reference, scipy.signal, scipy.ndimage and NumPy."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from hypothesis import given

import ndconv
from ndconv._engine import Prepared
from support import oracle
from support.layouts import DTYPES, Place, values
from support.pairs import paired
from support.strategies import correlation_calls, examples

SHAPES = [
    ((41,), (6,)),
    ((41,), (41,)),
    ((12, 15), (3, 4)),
    ((12, 15), (5, 1)),
    ((7, 8, 9), (3, 2, 4)),
    ((5,) * 4, (2,) * 4),
]


def close(actual, desired, bound):
    assert actual.shape == desired.shape
    assert (np.abs(actual - desired) <= 2 * bound).all()


@examples(500)
@given(call=correlation_calls())
def test_random_correlations(call):
    expected = oracle.correlate(*call.arrays, **call.keywords)
    place = call.place(expected)
    if place is None:
        expected.check(ndconv.correlate_nd(*call.arrays, **call.keywords))
        return
    assert ndconv.correlate_nd(*call.arrays, **call.keywords, out=place.out) is place.out
    expected.check(place.out)
    assert place.untouched_outside()


@given(call=correlation_calls(mirrored=True))
def test_random_convolutions(call):
    expected = oracle.convolve(*call.arrays, **call.keywords)
    expected.check(ndconv.convolve_nd(*call.arrays, **call.keywords))


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("shape", "taps"), SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_agrees_with_scipy_signal(rng, mode, shape, taps, dtype):
    x, kernel = values(rng, shape, dtype), values(rng, taps, dtype)
    bound = oracle.correlate(x, kernel, mode).bound
    close(ndconv.correlate_nd(x, kernel, mode), scipy.signal.correlate(x, kernel, mode, method="direct"), bound)
    bound = oracle.convolve(x, kernel, mode).bound
    close(ndconv.convolve_nd(x, kernel, mode), scipy.signal.convolve(x, kernel, mode, method="direct"), bound)


def test_full_is_the_default(rng):
    x, kernel = values(rng, 20, "float64"), values(rng, 5, "float64")
    np.testing.assert_array_equal(ndconv.correlate_nd(x, kernel), ndconv.correlate_nd(x, kernel, "full"))
    assert ndconv.convolve_nd(x, kernel).shape == (24,)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("boundary", "padding_mode"), [("fill", "fill"), ("wrap", "wrap"), ("symm", "symm")])
@pytest.mark.parametrize("dtype", ["float64", "complex128", "int32"])
def test_agrees_with_scipys_two_dimensional_functions(rng, mode, boundary, padding_mode, dtype):
    x, kernel = values(rng, (12, 10), dtype), values(rng, (5, 3), dtype)
    arguments = {"padding_mode": padding_mode, "fill_value": 2 if boundary == "fill" else 0}
    for ours, theirs in (
        (ndconv.correlate_nd, scipy.signal.correlate2d),
        (ndconv.convolve_nd, scipy.signal.convolve2d),
    ):
        expected = theirs(x, kernel, mode, boundary, fillvalue=2)
        if dtype == "int32":
            np.testing.assert_array_equal(ours(x, kernel, mode, **arguments), expected)
        else:
            np.testing.assert_allclose(ours(x, kernel, mode, **arguments), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["constant", "nearest", "mirror", "grid-mirror", "grid-wrap"])
@pytest.mark.parametrize("taps", [(3, 3), (5, 7), (4, 6), (2, 5)])
def test_agrees_with_scipy_ndimage(rng, name, taps):
    x, kernel = values(rng, (11, 9), "float64"), values(rng, taps, "float64")
    expected = scipy.ndimage.correlate(x, kernel, mode="constant" if name == "constant" else name, cval=0.75)
    actual = ndconv.correlate_nd(x, kernel, "same", padding_mode=name, fill_value=0.75 if name == "constant" else 0.0)
    np.testing.assert_allclose(actual, expected, atol=1e-12)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("dtype", ["int64", "float64", "complex128"])
def test_agrees_with_numpy(rng, mode, dtype):
    x, kernel = values(rng, 30, dtype), values(rng, 7, dtype)
    np.testing.assert_allclose(
        ndconv.convolve_nd(x, kernel, mode), np.convolve(x, kernel, mode), rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(
        ndconv.correlate_nd(x, kernel, mode), np.correlate(x, kernel, mode), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(("dtype", "shapes", "mode"), paired(DTYPES, SHAPES, ["full", "same", "valid"]))
def test_types(rng, dtype, shapes, mode):
    shape, taps = shapes
    x, kernel = values(rng, shape, dtype), values(rng, taps, dtype)
    oracle.correlate(x, kernel, mode).check(ndconv.correlate_nd(x, kernel, mode))
    oracle.convolve(x, kernel, mode).check(ndconv.convolve_nd(x, kernel, mode))


def test_correlation_conjugates_the_kernel_and_convolution_does_not():
    x, kernel = np.array([1 + 2j, 3 - 1j]), np.array([2 + 1j])
    np.testing.assert_array_equal(ndconv.correlate_nd(x, kernel), x * (2 - 1j))
    np.testing.assert_array_equal(ndconv.convolve_nd(x, kernel), x * (2 + 1j))
    np.testing.assert_array_equal(ndconv.correlate_nd(x.real, kernel), x.real * (2 - 1j))
    np.testing.assert_array_equal(ndconv.correlate_nd(x, kernel.real), x * 2)


@pytest.mark.parametrize(
    "keywords", [{"mode": "same"}, {"padding_mode": "wrap"}, {"mode": "valid", "stride": 2, "dilation": 3}]
)
@pytest.mark.parametrize("dtype", ["float64", "complex64"])
def test_convolution_mirrors_the_kernel(rng, keywords, dtype):
    x, kernel = values(rng, (14, 15), dtype), values(rng, (3, 4), dtype)
    mirrored = np.conj(kernel[::-1, ::-1])
    np.testing.assert_allclose(
        ndconv.convolve_nd(x, kernel, **keywords), ndconv.correlate_nd(x, mirrored, **keywords), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("stride", [2, 3, (1, 4)])
@pytest.mark.parametrize("padding_mode", oracle.MODES)
def test_stride_keeps_every_nth_output(rng, mode, stride, padding_mode):
    x, kernel = values(rng, (13, 16), "float64"), values(rng, (4, 3), "float64")
    whole = ndconv.correlate_nd(x, kernel, mode, padding_mode=padding_mode)
    rows, columns = (stride, stride) if np.ndim(stride) == 0 else stride
    actual = ndconv.correlate_nd(x, kernel, mode, stride=stride, padding_mode=padding_mode)
    np.testing.assert_allclose(actual, whole[::rows, ::columns], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("dilation", [2, 5, (3, 1)])
def test_dilation_is_a_kernel_with_holes(rng, mode, dilation):
    x, kernel = values(rng, (23, 25), "float64"), values(rng, (3, 4), "float64")
    down, across = (dilation, dilation) if np.ndim(dilation) == 0 else dilation
    holey = np.zeros(((kernel.shape[0] - 1) * down + 1, (kernel.shape[1] - 1) * across + 1))
    holey[::down, ::across] = kernel
    for function in (ndconv.correlate_nd, ndconv.convolve_nd):
        np.testing.assert_allclose(
            function(x, kernel, mode, dilation=dilation), function(x, holey, mode), rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize(("n", "k"), [(20, 5), (5, 20), (7, 7), (1, 4), (4, 1)])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_lags_are_scipys(rng, n, k, dtype):
    x, kernel = values(rng, n, dtype), values(rng, k, dtype)
    lags = scipy.signal.correlation_lags(n, k, "full")
    full = scipy.signal.correlate(x, kernel, "full", method="direct")
    for low in range(lags[0], lags[-1] + 1):
        for high in range(low, min(low + 6, lags[-1] + 1)):
            wanted = full[(lags >= low) & (lags <= high)]
            np.testing.assert_allclose(ndconv.correlate_nd(x, kernel, lags=(low, high)), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("lags", [(100, 104), (-104, -100), (-3, 0), (0, 8)])
def test_lags_without_any_overlap_are_refused(rng, lags):
    x, kernel = values(rng, 8, "float64"), values(rng, 3, "float64")
    with pytest.raises(ValueError, match=r"lags must lie in -2\.\.7"):
        ndconv.correlate_nd(x, kernel, lags=lags)


@pytest.mark.parametrize("padding_mode", ["replicate", "reflect", "symmetric", "circular"])
@pytest.mark.parametrize("lags", [(100, 104), (-104, -100), (-30, 25), (7, 9)])
def test_lags_without_any_overlap_have_a_meaning_where_padding_has(rng, padding_mode, lags):
    x, kernel = values(rng, 8, "float64"), values(rng, 3, "float64")
    arguments = {"lags": lags, "padding_mode": padding_mode}
    oracle.correlate(x, kernel, **arguments).check(ndconv.correlate_nd(x, kernel, **arguments))
    oracle.convolve(x, kernel, **arguments).check(ndconv.convolve_nd(x, kernel, **arguments))


def test_lags_may_lack_overlap_on_the_axis_alone_whose_padding_has_a_meaning(rng):
    x, kernel = values(rng, (6, 8), "float64"), values(rng, (2, 3), "float64")
    arguments = {"lags": ((-1, 5), (20, 24)), "padding_mode": ("zeros", "circular")}
    oracle.correlate(x, kernel, **arguments).check(ndconv.correlate_nd(x, kernel, **arguments))
    with pytest.raises(ValueError, match=r"lags must lie in -1\.\.5"):
        ndconv.correlate_nd(x, kernel, **arguments | {"lags": ((-1, 6), (20, 24))})


@pytest.mark.parametrize("mode", ["same", "valid"])
def test_lags_and_a_mode_exclude_each_other(mode):
    for function in (ndconv.correlate_nd, ndconv.convolve_nd):
        with pytest.raises(ValueError, match=rf"lags stands instead of a mode, got lags=\(0, 1\) and mode='{mode}'"):
            function(np.ones(5), np.ones(3), mode, lags=(0, 1))


@pytest.mark.parametrize("padding_mode", oracle.MODES)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "int16", "uint64"])
@pytest.mark.parametrize(("n", "k", "lags"), [(9000, 8192, (-40, 30)), (8200, 9001, (-900, 2)), (30000, 10000, (5, 6))])
def test_some_lags_of_long_signals(rng, padding_mode, dtype, n, k, lags):
    x, kernel = values(rng, n, dtype), values(rng, k, dtype)
    arguments = {"lags": lags, "padding_mode": padding_mode, "stride": 3, "dilation": 1, "fill_value": 2}
    oracle.correlate(x, kernel, **arguments).check(ndconv.correlate_nd(x, kernel, **arguments))


def test_some_lags_of_many_long_signals(rng):
    x, kernel = values(rng, (3, 20000), "float32"), values(rng, (3, 9000), "complex64")
    arguments = {"axes": 1, "lags": (-20, 20), "dilation": 2}
    oracle.correlate(x, kernel, **arguments).check(ndconv.correlate_nd(x, kernel, **arguments))
    oracle.convolve(x[::-1], kernel[0], lags=(30, 90)).check(ndconv.convolve_nd(x[::-1], kernel[0], lags=(30, 90)))
    swapped = np.array(x.T, x.dtype.newbyteorder())
    oracle.correlate(swapped, kernel[:1].T, axes=0, lags=(0, 9)).check(
        ndconv.correlate_nd(swapped, kernel[:1].T, axes=0, lags=(0, 9))
    )


def test_an_infinity_reaches_the_lags_that_see_it(rng):
    x, kernel = values(rng, 20000, "float64"), values(rng, 8200, "float64")
    x[8230] = np.inf
    y = ndconv.correlate_nd(x, kernel, lags=(0, 60))
    np.testing.assert_array_equal(np.isfinite(y), np.arange(61) < 31)


def test_lags_of_a_convolution_count_the_samples_of_the_full_result(rng):
    x, kernel = values(rng, (9, 12), "complex128"), values(rng, (3, 4), "complex128")
    full = scipy.signal.convolve(x, kernel, "full", method="direct")
    np.testing.assert_allclose(ndconv.convolve_nd(x, kernel, lags=((0, 3), (5, 14))), full[0:4, 5:15], atol=1e-12)
    np.testing.assert_allclose(ndconv.convolve_nd(x, kernel, lags=(2, 9)), full[2:10, 2:10], atol=1e-12)


def test_lags_of_every_axis(rng):
    x, kernel = values(rng, (9, 12), "float64"), values(rng, (3, 4), "float64")
    full = scipy.signal.correlate(x, kernel, "full", method="direct")
    rows, columns = scipy.signal.correlation_lags(9, 3), scipy.signal.correlation_lags(12, 4)
    wanted = full[np.ix_((rows >= -1) & (rows <= 2), (columns >= 4) & (columns <= 7))]
    np.testing.assert_allclose(ndconv.correlate_nd(x, kernel, lags=((-1, 2), (4, 7))), wanted, atol=1e-12)
    both = full[np.ix_((rows >= -1) & (rows <= 2), (columns >= -1) & (columns <= 2))]
    np.testing.assert_allclose(ndconv.correlate_nd(x, kernel, lags=(-1, 2)), both, atol=1e-12)


def test_lags_with_a_stride(rng):
    x, kernel = values(rng, 40, "float64"), values(rng, 6, "float64")
    whole = ndconv.correlate_nd(x, kernel, lags=(-4, 20))
    np.testing.assert_allclose(ndconv.correlate_nd(x, kernel, lags=(-4, 20), stride=3), whole[::3], atol=1e-12)


@pytest.mark.parametrize("axes", [0, 1, 2, -1, (0, 1), (0, 2), (2, 0), (-2, -1), (0, 1, 2)])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_axes_are_scipys(rng, subtests, axes, mode):
    """The other axes pair the arrays element by element, or broadcast."""
    each = [a % 3 for a in np.atleast_1d(axes)]
    x = values(rng, (6, 7, 8), "float64")
    for others in (1, None):
        with subtests.test(others=others):
            shape = [3 if i in each else (others or x.shape[i]) for i in range(3)]
            kernel = values(rng, shape, "float64")
            wanted = scipy.signal.fftconvolve(x, np.broadcast_to(kernel, shape), mode, axes=axes)
            np.testing.assert_allclose(ndconv.convolve_nd(x, kernel, mode, axes=axes), wanted, atol=1e-12)
            oracle.correlate(x, kernel, mode, axes=axes).check(ndconv.correlate_nd(x, kernel, mode, axes=axes))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "int16", "float16"])
@pytest.mark.parametrize("layout", Place.layouts)
@pytest.mark.parametrize("lags", [None, (-2, 0)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_kernel_of_one_axis(rng, subtests, dtype, layout, lags, axis):
    """It slides over what is next to each other in memory side by side, whatever the layouts, and with lags too."""
    mode = "full" if lags is not None else "same"
    for shape in ((11, 5, 3), (6, 13, 20), (4, 30, 1), (10, 10, 70)):
        with subtests.test(shape=shape):
            x, kernel = values(rng, shape, dtype), values(rng, 4, dtype)
            whole = np.expand_dims(kernel, [k for k in range(3) if k != axis])
            wanted = oracle.correlate(x, whole, mode, axes=axis, lags=lags)
            place = Place(wanted.shape, wanted.dtype, layout)
            ndconv.correlate_nd(x, kernel, mode, axes=axis, lags=lags, method="direct", out=place.out)
            wanted.check(place.out)
            assert place.untouched_outside()
            for view in (x, np.repeat(x, 2, axis=1)[:, ::2], np.flip(x, 0)):
                expected = oracle.correlate(view, whole, mode, axes=axis, lags=lags)
                y = ndconv.correlate_nd(view, kernel, mode, axes=axis, lags=lags, method="direct")
                expected.check(y)
                if view is x:
                    np.testing.assert_array_equal(y, place.out)


@pytest.mark.parametrize("keywords", [{"lags": (0, 99)}, {"mode": "same"}, {"mode": "full"}])
def test_axes_that_are_one_in_memory_are_one_to_the_engine(rng, monkeypatch, keywords):
    planned = []
    monkeypatch.setattr(Prepared, "run", spied(Prepared.run, planned))
    x, kernel = values(rng, (100, 20, 30), "float32"), values(rng, 7, "float32")
    ndconv.convolve_nd(x, kernel, axes=0, **keywords)
    (prepared,) = planned
    assert prepared.problem.geometry.in_shape == (100, 600)
    assert prepared.problem.batch == 1


def spied(function, seen):
    """Return a method that also notes what it is called on."""

    def spying(self, *args, **keywords):
        seen.append(self)
        return function(self, *args, **keywords)

    return spying


def test_x_broadcasts_too(rng):
    x, kernels = values(rng, (1, 50), "float32"), values(rng, (7, 9), "float32")
    y = ndconv.correlate_nd(x, kernels, "valid", axes=1)
    assert y.shape == (7, 42)
    oracle.correlate(x, kernels, "valid", axes=1).check(y)


def test_both_broadcast(rng):
    x, kernel = values(rng, (5, 1, 30), "float32"), values(rng, (1, 4, 6), "float32")
    y = ndconv.correlate_nd(x, kernel, "same", axes=-1)
    assert y.shape == (5, 4, 30)
    oracle.correlate(x, kernel, "same", axes=-1).check(y)


def test_stride_and_lags_belong_to_the_axes_as_given(rng):
    x, kernel = values(rng, (3, 20, 15), "float64"), values(rng, (1, 4, 5), "float64")
    arguments = {"stride": (2, 3), "lags": ((-1, 9), (0, 7)), "padding_mode": ("reflect", "wrap")}
    one = ndconv.correlate_nd(x, kernel, axes=(1, 2), **arguments)
    swapped = {name: value[::-1] for name, value in arguments.items()}
    np.testing.assert_array_equal(ndconv.correlate_nd(x, kernel, axes=(2, 1), **swapped), one)


@pytest.mark.parametrize("kernel_ndim", [1, 2, 3])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_a_kernel_with_fewer_dimensions_slides_along_the_last_axes(rng, kernel_ndim, mode):
    x, kernel = values(rng, (4, 5, 6, 9), "float32"), values(rng, (3,) * kernel_ndim, "float32")
    y = ndconv.correlate_nd(x, kernel, mode)
    oracle.correlate(x, kernel, mode).check(y)
    assert y.shape[: 4 - kernel_ndim] == x.shape[: 4 - kernel_ndim]


def test_many_channels_of_a_signal(rng):
    x, kernel = values(rng, (64, 2000), "float32"), values(rng, 31, "float32")
    oracle.correlate(x, kernel, "same").check(ndconv.correlate_nd(x, kernel, "same"))
    oracle.correlate(x.T, kernel[:, None], "same", axes=0).check(
        ndconv.correlate_nd(x.T, kernel[:, None], "same", axes=0)
    )


def test_many_pairs(rng):
    x, kernel = values(rng, (300, 40), "float64"), values(rng, (300, 7), "float64")
    oracle.correlate(x, kernel, axes=1).check(ndconv.correlate_nd(x, kernel, axes=1))


@pytest.mark.parametrize(
    ("n", "k", "dtype"),
    paired(
        [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 200],
        [1, 2, 3, 5, 8, 13, 64, 101, 300],
        ["float32", "float64", "int16"],
    ),
)
def test_lengths(rng, subtests, n, k, dtype):
    x, kernel = values(rng, n, dtype), values(rng, k, dtype)
    for mode in ("full", "same"):
        with subtests.test(mode=mode):
            oracle.correlate(x, kernel, mode).check(ndconv.correlate_nd(x, kernel, mode))


@pytest.mark.parametrize(("n", "k"), [(1_000_000, 101), (20_000, 3001), (300_000, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_long_signals(rng, n, k, dtype):
    x, kernel = values(rng, n, dtype), values(rng, k, dtype)
    y = ndconv.correlate_nd(x, kernel, "same", method="direct")
    exact = scipy.signal.oaconvolve(x.astype(float), kernel[::-1].astype(float), "full")[(k - 1) // 2 :][:n]
    magnitude = scipy.signal.oaconvolve(np.abs(x).astype(float), np.abs(kernel[::-1]).astype(float), "full")
    bound = oracle.direct_bound(np.dtype(dtype), magnitude[(k - 1) // 2 :][:n], k)
    # The FFT's own error is a few eps of the largest sum.
    assert (np.abs(y - exact) <= bound + 8 * np.finfo(float).eps * magnitude.max()).all()


@pytest.mark.parametrize(("shape", "taps"), [((700, 800), (7, 7)), ((300, 310), (31, 31)), ((50, 60, 70), (5, 4, 3))])
@pytest.mark.parametrize("padding_mode", oracle.MODES)
def test_large_arrays(rng, shape, taps, padding_mode):
    x, kernel = values(rng, shape, "float32"), values(rng, taps, "float32")
    expected = oracle.correlate(x, kernel, "same", padding_mode=padding_mode)
    expected.check(ndconv.correlate_nd(x, kernel, "same", padding_mode=padding_mode))


def test_operands_are_never_swapped(rng):
    x, kernel = values(rng, 3, "float64"), values(rng, 7, "float64")
    assert ndconv.correlate_nd(x, kernel, "same").shape == (3,)
    assert ndconv.correlate_nd(x, kernel, "full").shape == (9,)
    oracle.correlate(x, kernel, "full").check(ndconv.correlate_nd(x, kernel, "full"))


@pytest.mark.parametrize("layout", Place.layouts)
@pytest.mark.parametrize("dtype", ["float32", "complex128", "int8", "float16"])
@pytest.mark.parametrize(("shape", "taps"), SHAPES)
def test_out(rng, layout, dtype, shape, taps):
    x, kernel = values(rng, shape, dtype), values(rng, taps, dtype)
    expected = oracle.correlate(x, kernel, "same")
    place = Place(expected.shape, expected.dtype, layout)
    assert ndconv.correlate_nd(x, kernel, "same", out=place.out) is place.out
    expected.check(place.out)
    assert place.untouched_outside()


@pytest.mark.parametrize("function", [ndconv.correlate_nd, ndconv.convolve_nd])
@pytest.mark.parametrize("padding_mode", oracle.MODES)
@pytest.mark.parametrize(
    ("shape", "taps", "mode", "expected"),
    [
        ((0,), (3,), "same", (0,)),
        ((0,), (1,), "same", (0,)),
        ((0,), (1,), "full", (0,)),
        ((0, 4), (3, 2), "same", (0, 4)),
        ((4, 0), (3, 2), "same", (4, 0)),
        ((0, 0), (3, 2), "same", (0, 0)),
        ((0, 4), (1, 2), "full", (0, 5)),
        ((4, 0), (2, 1), "full", (5, 0)),
        ((3, 0), (2,), "same", (3, 0)),
        ((0, 4), (2,), "full", (0, 5)),
        ((0, 4), (2,), "valid", (0, 3)),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "int16", "complex128"])
def test_no_samples(subtests, function, padding_mode, shape, taps, mode, expected, dtype):
    x, kernel = np.ones(shape, dtype), np.arange(1, 1 + np.prod(taps)).reshape(taps).astype(dtype)
    for keywords in ({}, {"stride": 3}, {"dilation": 2}, {"nan_policy": "omit"}):
        with subtests.test(keywords=keywords):
            y = function(x, kernel, mode, padding_mode=padding_mode, **keywords)
            assert y.dtype == dtype
            assert y.size == 0
            if keywords != {"stride": 3} and mode == "same":
                assert y.shape == expected
    assert function(x, kernel, mode, padding_mode=padding_mode).shape == expected
    out = np.empty(expected, dtype)
    assert function(x, kernel, mode, padding_mode=padding_mode, out=out) is out


def test_no_samples_and_nothing_to_read_or_too_large_a_kernel():
    np.testing.assert_array_equal(ndconv.correlate_nd(np.ones(0), np.ones(3)), [0, 0])
    with pytest.raises(ValueError, match="padding_mode 'reflect' has nothing to read"):
        ndconv.correlate_nd(np.ones(0), np.ones(3), padding_mode="reflect")
    with pytest.raises(ValueError, match="kernel must not be larger"):
        ndconv.correlate_nd(np.ones(0), np.ones(1), "valid")
    with pytest.raises(ValueError, match="kernel must have at least one tap per axis"):
        ndconv.correlate_nd(np.ones(3), np.ones(0))


@pytest.mark.parametrize("far", [2**31, 2**40, 2**62, 2**63 - 1])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("shape", "taps"), SHAPES)
def test_steps_far_beyond_x(rng, subtests, far, mode, shape, taps):
    for dtype in ("float32", "int64"):
        with subtests.test(dtype=dtype):
            x, kernel = values(rng, shape, dtype), values(rng, taps, dtype)
            for padding_mode in ("zeros", "circular"):
                whole = ndconv.correlate_nd(x, kernel, mode, padding_mode=padding_mode, method="direct")
                for axis in range(x.ndim):
                    stride = tuple(far if i == axis else 1 for i in range(x.ndim))
                    y = ndconv.correlate_nd(x, kernel, mode, padding_mode=padding_mode, stride=stride)
                    np.testing.assert_allclose(y, whole.take([0], axis), rtol=1e-4, atol=1e-4)
            point = kernel[(slice(1),) * x.ndim]
            np.testing.assert_array_equal(ndconv.correlate_nd(x, point, dilation=far), x * point)


def test_taps_far_beyond_x(rng):
    x, kernel = values(rng, 5, "float64"), values(rng, 60, "float64")
    y = ndconv.correlate_nd(x, kernel, lags=(0, 1), dilation=2**55)
    np.testing.assert_array_equal(y, x[:2] * kernel[0])
    with pytest.raises(ValueError, match="method='fft' cannot do this call: kernel and outputs span"):
        ndconv.correlate_nd(x, kernel, lags=(0, 1), dilation=2**55, method="fft")


@pytest.mark.parametrize(
    ("shape", "strides", "good"),
    [
        ((5,), (8,), True),
        ((5,), (4,), False),
        ((5,), (-4,), False),
        ((5,), (0,), False),
        ((5,), (-24,), True),
        ((3, 4), (8, 8), False),
        ((3, 4), (16, 8), False),
        ((3, 4), (8, 24), True),
        ((3, 4), (32, 8), True),
        ((3, 4), (40, -8), True),
        ((3, 4), (36, 8), True),
        ((3, 4), (28, 8), False),
        ((3, 2), (16, 24), True),
        ((4, 3), (16, 24), False),
        ((1, 4), (0, 8), True),
        ((3, 1), (12, 0), True),
        ((3, 1), (7, 0), False),
        ((2, 2, 2), (8, 16, 24), False),
        ((2, 2, 2), (8, 16, 32), True),
    ],
)
def test_out_must_not_overlap_itself(shape, strides, good):
    memory = np.zeros(400)
    out = np.lib.stride_tricks.as_strided(memory[200:], shape, strides)
    x = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    arguments = (x, np.full((1,) * x.ndim, 2.0))
    if good:
        assert ndconv.correlate_nd(*arguments, out=out) is out
        np.testing.assert_array_equal(out, 2 * x)
        return
    with pytest.raises(ValueError, match=r"out must have a place of its own for each output, got strides .* shape"):
        ndconv.correlate_nd(*arguments, out=out)
    with pytest.raises(ValueError, match="out must have a place of its own"):
        ndconv.conv_layer(x[None], np.ones((1, 1, *(1,) * x.ndim)), out=out[None])
    assert (memory == 0).all()


@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 0)])
def test_an_empty_out_overlaps_nothing(shape):
    out = np.lib.stride_tricks.as_strided(np.zeros(9), shape, (0,) * len(shape))
    assert ndconv.correlate_nd(np.ones(shape), np.ones((1,) * len(shape)), "same", out=out) is out


@pytest.mark.parametrize("function", ["correlate", "convolve"])
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float32", "complex64"])
@pytest.mark.parametrize(
    ("shape", "taps", "keywords"),
    [
        ((3,), (2000,), {}),
        ((3,), (2000,), {"mode": "same"}),
        ((3,), (2000,), {"stride": 3}),
        ((300,), (2000,), {"stride": 7}),
        ((700,), (1500,), {}),
        ((1,), (3000,), {}),
        ((40,), (900,), {"dilation": 3}),
        ((4, 5), (60, 70), {}),
        ((4, 5), (60, 70), {"stride": (2, 3)}),
        ((4, 90), (60, 70), {"mode": "same"}),
        ((50, 3), (400,), {}),
        ((50, 3), (50, 400), {"axes": 1}),
        ((1, 3), (50, 400), {"axes": 1}),
        ((3, 2, 4), (50, 2, 40), {"axes": (2, 0)}),
        ((2, 3, 4), (9, 10, 30), {"mode": "same"}),
    ],
)
def test_kernels_longer_than_x(rng, subtests, function, dtype, shape, taps, keywords):
    x, kernel = values(rng, shape, dtype), values(rng, taps, dtype)
    expected = getattr(oracle, function)(x, kernel, **keywords)
    # "auto" might take spectra: each output's bound is then that of the largest, without the root of its products.
    promised = expected
    if expected.bound is not None:
        spectra = 4 / math.sqrt(math.prod(taps)) * expected.bound.max(initial=0)
        promised = replace(expected, bound=np.maximum(expected.bound, spectra))
    promised.check(getattr(ndconv, f"{function}_nd")(x, kernel, **keywords))
    ours = partial(getattr(ndconv, f"{function}_nd"), method="direct")
    expected.check(ours(x, kernel, **keywords))
    y = ours(x, kernel, **keywords)
    assert y.flags.c_contiguous
    assert y.flags.owndata or y.base is not x
    for layout in Place.layouts:
        with subtests.test(layout=layout):
            place = Place(expected.shape, expected.dtype, layout)
            assert ours(x, kernel, out=place.out, **keywords) is place.out
            expected.check(place.out)
            assert place.untouched_outside()


@pytest.mark.parametrize("dtype", ["int64", "float64", "complex128"])
def test_a_long_kernel_takes_no_longer_than_a_long_x(rng, dtype, monkeypatch):
    x, kernel = values(rng, 3, dtype), values(rng, 200_000, dtype)
    products = []
    run = Prepared.run

    def counting(call, *arguments, **keywords):
        products.append(call.multiply_adds)
        run(call, *arguments, **keywords)

    monkeypatch.setattr(Prepared, "run", counting)
    y = ndconv.convolve_nd(x, kernel)
    np.testing.assert_allclose(y, np.convolve(x, kernel), rtol=1e-14, atol=1e-13)
    np.testing.assert_allclose(
        ndconv.correlate_nd(x, kernel), np.convolve(x, kernel[::-1].conj()), rtol=1e-14, atol=1e-13
    )
    assert sum(products) < 2e6


def test_lags_of_a_kernel_longer_than_x(rng, subtests):
    x, kernel = values(rng, 30, "float64"), values(rng, 4000, "float64")
    for lags in ((-3999, 29), (-3000, 20), (-1, 2)):
        with subtests.test(lags=lags):
            oracle.correlate(x, kernel, lags=lags).check(ndconv.correlate_nd(x, kernel, lags=lags))
    for lags in ((0, 4028), (17, 3000)):
        with subtests.test(lags=lags):
            oracle.convolve(x, kernel, lags=lags).check(ndconv.convolve_nd(x, kernel, lags=lags))


@pytest.mark.parametrize("method", ["auto", "direct"])
@pytest.mark.parametrize("dtype", ["bool", "int32", "float32", "complex128"])
@pytest.mark.parametrize(
    ("x", "kernel", "shape"),
    [
        ((1, 3), (0, 2), (0, 4)), ((0, 3), (1, 2), (0, 4)), ((0, 3), (0, 2), (0, 4)),
        ((4, 1, 5), (1, 0, 2), (4, 0, 6)), ((1, 1, 5), (0, 3, 2), (0, 3, 6)),
    ],
)  # fmt: skip
def test_other_axes_of_no_samples(method, dtype, x, kernel, shape):
    """There are no outputs, whichever operand it is that has none."""
    x, kernel, out = np.ones(x, dtype), np.ones(kernel, dtype), np.empty(shape, "int8" if dtype == "bool" else dtype)
    for function in (ndconv.correlate_nd, ndconv.convolve_nd):
        y = function(x, kernel, axes=x.ndim - 1, method=method)
        assert (y.shape, y.dtype) == (shape, out.dtype)
        assert function(x, kernel, axes=x.ndim - 1, method=method, out=out) is out
        if dtype == "float32":
            assert function(x, kernel, axes=x.ndim - 1, method=method, nan_policy="omit").shape == shape
