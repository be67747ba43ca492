"""`gaussian` against scipy.ndimage and sums over the windows of numpy.pad."""

import itertools

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

import ndconv
from ndconv._correlation import gaussian_passes, gaussian_spectra
from support.layouts import COMPLEX, DTYPES, FLOATS, Place, values
from support.strategies import arrays, generators

#: Our name of each padding mode, SciPy's and NumPy's.
MODES = {
    "zeros": ("constant", "constant"),
    "replicate": ("nearest", "edge"),
    "reflect": ("mirror", "reflect"),
    "symmetric": ("reflect", "symmetric"),
    "circular": ("wrap", "wrap"),
}

#: What is promised, in eps of the largest sum of absolute values.
PROMISE = 32


def weights_of(sigma, order, truncate=4.0):
    """Return the weights that SciPy correlates with."""
    impulse = np.zeros(2 * int(truncate * sigma + 0.5) + 1)
    impulse[impulse.size // 2] = 1
    y = scipy.ndimage.gaussian_filter1d(impulse, sigma, order=order, mode="constant", truncate=truncate)
    return y[::-1]


def along(x, weights, axis, padding_mode):
    """Correlate along an axis, window by window."""
    radius = weights.size // 2
    padding = [(0, 0)] * x.ndim
    padding[axis] = (radius, radius)
    if x.shape[axis] == 1 and padding_mode == "reflect":
        padding_mode = "replicate"  # as NumPy does from 1.17 on, and as is documented
    padded = np.pad(x, padding, mode=MODES[padding_mode][1])
    return sliding_window_view(padded, weights.size, axis=axis) @ weights


def expected(x, sigmas, orders, axes, padding_modes, truncate=4.0):
    """Return the exact result and its bound before eps: the same of absolute values, where it is largest."""
    wide = x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)
    size = np.abs(wide)
    for sigma, order, axis, mode in zip(sigmas, orders, axes, padding_modes, strict=True):
        if sigma:
            weights = weights_of(sigma, order, truncate)
            wide, size = along(wide, weights, axis, mode), along(size, np.abs(weights), axis, mode)
    return wide, size.max(axis=tuple(axes), keepdims=True, initial=0)


def check(y, exact, bound, dtype):
    dtype = np.dtype(dtype)
    assert (y.dtype, y.shape) == (dtype, exact.shape)
    eps = np.finfo(np.float32 if dtype == np.float16 else dtype).eps
    error = np.abs(y.astype(exact.dtype) - exact)
    own = np.finfo(np.float16).eps * np.abs(exact) + 1e-7 if dtype == np.float16 else 0
    assert (error <= PROMISE * eps * bound + own).all(), float((error / (eps * bound)).max())


def result(dtype):
    return np.dtype(dtype).newbyteorder("=") if np.dtype(dtype).kind in "fc" else np.dtype(np.float64)


@st.composite
def calls(draw):
    rng = draw(generators())
    shape = tuple(draw(st.lists(st.integers(1, 40), min_size=1, max_size=3)))
    x = draw(arrays(rng, shape, draw(st.sampled_from(DTYPES))))
    axes = draw(st.lists(st.integers(0, x.ndim - 1), min_size=1, max_size=x.ndim, unique=True))
    each = [
        (draw(st.one_of(st.just(0.0), st.floats(0.3, 60))), draw(st.integers(0, 3)), draw(st.sampled_from([*MODES])))
        for _ in axes
    ]
    each = [(sigma, order if sigma else 0, mode) for sigma, order, mode in each]
    return x, tuple(axes), *map(tuple, zip(*each, strict=True)), draw(st.sampled_from([None, *Place.layouts]))


@given(call=calls(), taps=st.sampled_from([3, gaussian_passes.SPECTRAL_TAPS]))
def test_random_calls(call, taps):
    x, axes, sigmas, orders, modes, layout = call
    place = None if layout is None else Place(x.shape, result(x.dtype), layout)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gaussian_passes, "SPECTRAL_TAPS", taps)
        y = ndconv.gaussian(
            x, sigmas, orders, axes=axes, padding_mode=modes, out=None if place is None else place.out
        )  # fmt: skip
    if place is not None:
        assert y is place.out
        assert place.untouched_outside()
    with np.errstate(over="ignore"):
        check(y, *expected(x, sigmas, orders, axes, modes), result(x.dtype))


@pytest.mark.parametrize("padding_mode", MODES)
@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("n", [1, 2, 3, 64, 97])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_any_width(rng, padding_mode, order, n, dtype):
    """From less than a sample to many times the axis, of quick lengths and of primes."""
    x = values(rng, (3, n, 2), dtype)
    for sigma in (0.3, 2, 9, 20, 50, 400):
        y = ndconv.gaussian(x, sigma, order, axes=1, padding_mode=padding_mode)
        check(y, *expected(x, (sigma,), (order,), (1,), (padding_mode,)), dtype)


@pytest.mark.parametrize("padding_mode", MODES)
@pytest.mark.parametrize("sigma", [1, 12])
@pytest.mark.parametrize("dtype", FLOATS[1:])
def test_an_impulse_and_a_level(rng, padding_mode, sigma, dtype):
    """Nearly all of what is filtered is nothing, or the same."""
    for order in range(4):
        for x in (np.zeros((60, 70), dtype), np.full((60, 70), 1e6 / 3, dtype)):
            x[31, 42] += 1
            y = ndconv.gaussian(x, sigma, order, padding_mode=padding_mode)
            check(y, *expected(x, (sigma, sigma), (order, order), (0, 1), (padding_mode,) * 2), dtype)


@pytest.mark.parametrize(("padding_mode", "theirs"), [(ours, names[0]) for ours, names in MODES.items()])
@pytest.mark.parametrize("order", [0, 1, (2, 0, 1)])
@pytest.mark.parametrize("sigma", [(1, 2, 3), 25])
def test_agrees_with_scipy(rng, padding_mode, theirs, order, sigma):
    x = rng.standard_normal((20, 24, 30))
    y = ndconv.gaussian(x, sigma, order, padding_mode=padding_mode)
    # Where derivatives of wide Gaussians cancel, what is left is as exact as what was there before.
    np.testing.assert_allclose(y, scipy.ndimage.gaussian_filter(x, sigma, order, mode=theirs), rtol=0, atol=1e-14)


def test_truncate(rng):
    x = rng.standard_normal(200)
    for sigma, truncate in itertools.product((1, 30), (0.5, 2.5, 6)):
        y = ndconv.gaussian(x, sigma, truncate=truncate)
        check(y, *expected(x, (sigma,), (0,), (0,), ("symmetric",), truncate), "float64")


def test_nothing_is_done_where_sigma_is_zero(rng):
    x = rng.standard_normal((5, 6))
    y = ndconv.gaussian(x, 0)
    np.testing.assert_array_equal(y, x)
    assert not np.may_share_memory(x, y)
    np.testing.assert_array_equal(ndconv.gaussian(x, (0, 1)), ndconv.gaussian(x, 1, axes=1))


def test_types(rng):
    for dtype in DTYPES:
        assert ndconv.gaussian(np.ones((4, 5), dtype), 1).dtype == result(dtype)
    x = values(rng, (30, 40), "uint8")
    exact, bound = expected(x, (2, 9), (0, 0), (0, 1), ("symmetric",) * 2)
    check(ndconv.gaussian(x, (2, 9), dtype="float32"), exact, bound, "float32")
    assert ndconv.gaussian(x.astype(np.float32), 1, dtype="complex128").dtype == np.complex128
    assert ndconv.gaussian(np.float16([6e4] * 9), 20).dtype == np.float16


def test_large_orders_of_wide_gaussians():
    """Powers that are no 64-bit integers."""
    weights = ndconv.gaussian(np.eye(1, 4001, 2000)[0], 500, 7, padding_mode="zeros")
    z = np.arange(-2000, 2001) / 500
    exact = -(z**7 - 21 * z**5 + 105 * z**3 - 105 * z) * np.exp(-z * z / 2) / (500**8 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(weights, exact, rtol=0, atol=1e-3 * np.abs(exact).max())


@pytest.mark.parametrize("shape", [(0,), (0, 5), (3, 0, 4)])
def test_empty(shape):
    for mode in MODES:
        assert ndconv.gaussian(np.ones(shape, np.float32), 30, padding_mode=mode).shape == shape


# --- Not finite ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("padding_mode", MODES)
@pytest.mark.parametrize("sigma", [1, 10])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_reaches_its_windows(rng, padding_mode, sigma, value):
    x = rng.standard_normal((150, 140)).astype(np.float32)
    x[70, 20] = value
    there = np.zeros(x.shape)
    there[70, 20] = 1
    for axis in (0, 1):
        there = along(there, np.ones(2 * int(4 * sigma + 0.5) + 1), axis, padding_mode)
    y = ndconv.gaussian(x, sigma, padding_mode=padding_mode)
    np.testing.assert_array_equal(~np.isfinite(y), there > 0)
    np.testing.assert_array_equal(y[there > 0], np.float32(value))
    x[70, 20] = 0
    exact, bound = expected(x, (sigma, sigma), (0, 0), (0, 1), (padding_mode,) * 2)
    assert (np.abs(y - exact)[there == 0] <= PROMISE * np.finfo(np.float32).eps * bound).all()


def test_numbers_near_the_largest(rng):
    x = (rng.random((50, 60)) * 3e38).astype(np.float32)
    check(ndconv.gaussian(x, 30), *expected(x, (30, 30), (0, 0), (0, 1), ("symmetric",) * 2), "float32")


# --- Certainty ----------------------------------------------------------------------------------------------------


def normalised(x, weights, sigma, padding_mode):
    """Return the quotient, NaN where no sample is known."""
    known = weights > 0
    arguments = [(sigma,) * x.ndim, (0,) * x.ndim, tuple(range(x.ndim)), (padding_mode,) * x.ndim]
    above = expected(np.where(known, x, 0) * weights, *arguments)[0]
    below = expected(weights, *arguments)[0]
    if padding_mode == "zeros":  # those outside count with 1
        outside = 1 - expected(np.ones(x.shape), *arguments)[0]
        below = below + np.where(outside > 1e-12, outside, 0)
    with np.errstate(all="ignore"):
        return above / below


@pytest.mark.parametrize("padding_mode", MODES)
@pytest.mark.parametrize("sigma", [1, 3, 20])
@pytest.mark.parametrize("dtype", [*FLOATS, *COMPLEX, "int16"])
def test_certainty(rng, padding_mode, sigma, dtype):
    x = values(rng, (60, 50), dtype)
    weights = rng.random(x.shape) * (rng.random(x.shape) < 0.7)
    weights[20:45, 10:40] = 0
    if np.dtype(dtype).kind in "fc":
        x[weights == 0] = np.nan
    exact = normalised(x, weights, sigma, padding_mode)
    y = ndconv.gaussian(x, sigma, padding_mode=padding_mode, sample_weights=weights)
    assert y.dtype == result(dtype)
    tolerance = {np.dtype("float16"): 2e-3}.get(y.dtype, 64 * np.finfo(y.dtype).eps)
    np.testing.assert_allclose(y, exact, rtol=0, atol=tolerance * np.nanmax(np.abs(exact)))
    np.testing.assert_array_equal(np.isnan(y), np.isnan(exact))
    if padding_mode != "zeros":
        larger = ndconv.gaussian(x, sigma, padding_mode=padding_mode, sample_weights=weights * 1e300)
        np.testing.assert_allclose(larger, y, rtol=1e-6)


def test_omitted_samples_are_those_of_no_certainty(rng):
    x = rng.standard_normal((40, 50))
    x[rng.random(x.shape) < 0.3] = np.nan
    for sigma in (1, 20):
        y = ndconv.gaussian(x, sigma, nan_policy="omit")
        np.testing.assert_array_equal(y, ndconv.gaussian(x, sigma, sample_weights=~np.isnan(x)))
        zeros = ndconv.gaussian(x, sigma, padding_mode="zeros", sample_weights=~np.isnan(x))
        np.testing.assert_array_equal(zeros, ndconv.gaussian(x, sigma, padding_mode="zeros", nan_policy="omit"))
        kernel = np.outer(weights_of(sigma, 0), weights_of(sigma, 0))
        for mode in MODES:
            y = ndconv.gaussian(x, sigma, nan_policy="omit", padding_mode=mode)
            same = ndconv.correlate_nd(x, kernel, "same", nan_policy="omit", padding_mode=mode)
            np.testing.assert_allclose(y, same, rtol=1e-11, atol=1e-11)


def test_omitting_nothing_changes_nothing(rng):
    x = rng.standard_normal((40, 50))
    for mode in MODES:
        y = ndconv.gaussian(x, 3, padding_mode=mode, nan_policy="omit")
        np.testing.assert_array_equal(y, ndconv.gaussian(x, 3, padding_mode=mode))


def test_masked_samples_are_missing(rng):
    x = np.ma.masked_array(rng.integers(0, 9, (40, 50)), rng.random((40, 50)) < 0.1)
    holes = np.where(x.mask, np.nan, x.data)
    for policy in ("propagate", "omit"):
        y = ndconv.gaussian(x, 1, nan_policy=policy)
        assert type(y) is np.ndarray
        np.testing.assert_array_equal(y, ndconv.gaussian(holes, 1, nan_policy=policy))
    with pytest.raises(ValueError, match="contains masked values: x must have none under nan_policy='raise'"):
        ndconv.gaussian(x, 1, nan_policy="raise")
    y = ndconv.gaussian(x, 1, nan_policy="raise", sample_weights=~x.mask)
    np.testing.assert_array_equal(y, ndconv.gaussian(holes, 1, nan_policy="omit"))


def test_nothing_known():
    y = ndconv.gaussian(np.ones((5, 6)), 1, sample_weights=np.zeros((5, 6)))
    assert np.isnan(y).all()


# --- The call -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [2, 30])
def test_workers_do_not_change_a_bit(rng, sigma, monkeypatch):
    monkeypatch.setattr(gaussian_spectra, "BLOCK_SAMPLES", 1 << 12)
    x = rng.standard_normal((200, 190)).astype(np.float32)
    y = ndconv.gaussian(x, sigma, workers=1)
    for workers in (2, 3, None):
        np.testing.assert_array_equal(ndconv.gaussian(x, sigma, workers=workers), y)


@pytest.mark.parametrize("sigma", [2, 30, (2, 30), (30, 0)])
def test_out_may_overlap_x(rng, sigma):
    base = rng.standard_normal((101, 90))
    y = ndconv.gaussian(base[:-1], sigma)
    ndconv.gaussian(base[:-1], sigma, out=base[1:])
    np.testing.assert_array_equal(base[1:], y)
    y = ndconv.gaussian(base, sigma)
    np.testing.assert_array_equal(ndconv.gaussian(base, sigma, out=base), y)


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ValueError, "sigma must be finite and at least 0, got -1", {"sigma": -1}),
        (ValueError, "sigma must be finite and at least 0, got nan", {"sigma": np.nan}),
        (ValueError, "sigma must be finite and at least 0, got inf", {"sigma": np.inf}),
        (ValueError, r"sigma must be a number or one per axis \(2\), got \(1, 2, 3\)", {"sigma": (1, 2, 3)}),
        (TypeError, "sigma must be a real number, got '1'", {"sigma": "1"}),
        (TypeError, "sigma must be a real number, got 1j", {"sigma": 1j}),
        (MemoryError, r"ndconv needs memory for 8e\+15 weights, of sigma=1e\+15", {"sigma": 1e15}),
        (ValueError, "sigma must be so large that truncate .* got sigma=0.1", {"sigma": 0.1, "order": 1}),
        (ValueError, "order must be at least 0, got -1", {"order": -1}),
        (TypeError, "order must be an integer, got 1.5", {"order": 1.5}),
        (ValueError, "order must be 0 for sample_weights", {"order": 1, "sample_weights": np.ones((4, 5))}),
        (ValueError, "order must be 0 for sample_weights and nan_policy='omit'", {"order": 1, "nan_policy": "omit"}),
        (ValueError, "truncate must be finite and at least 0, got -2", {"truncate": -2}),
        (ValueError, "axes must lie in -2..1, got 2", {"axes": 2}),
        (ValueError, "padding_mode must be one of", {"padding_mode": "mirrored"}),
        (ValueError, "nan_policy must be one of", {"nan_policy": "ignore"}),
        (TypeError, "dtype must be a floating or complex type that float64 can", {"dtype": "float32"}),
        (TypeError, "dtype must be a floating or complex type", {"dtype": int}),
        (ValueError, r"sample_weights must have x's shape \(4, 5\), or .* got \(4,\)", {"sample_weights": np.ones(4)}),
        (ValueError, "sample_weights must be finite and at least 0, got -1", {"sample_weights": -np.ones((4, 5))}),
        (TypeError, "sample_weights must be real", {"sample_weights": np.ones((4, 5), complex)}),
        (TypeError, "sample_weights must not be a masked array", {"sample_weights": np.ma.ones((4, 5))}),
        (ValueError, "workers must be", {"workers": 0}),
    ],
)  # fmt: skip
def test_errors(error, message, arguments):
    place = Place((4, 5), "float64")
    with pytest.raises(error, match=message):
        ndconv.gaussian(np.ones((4, 5)), **{"sigma": 1, "out": place.out, **arguments})
    assert place.untouched()


def test_errors_of_arrays():
    with pytest.raises(ValueError, match="x must have at least one axis, got a scalar"):
        ndconv.gaussian(1.0, 1)
    with pytest.raises(TypeError, match="x must"):
        ndconv.gaussian(np.ones(3, object), 1)
    with pytest.raises(ValueError, match=r"out must have shape \(3,\), got \(4,\)"):
        ndconv.gaussian(np.ones(3), 1, out=np.empty(4))
    with pytest.raises(ValueError, match="contains nan values: x must have none under nan_policy='raise'"):
        ndconv.gaussian([1, np.nan], 1, nan_policy="raise")
