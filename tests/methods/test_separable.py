"""The separable method: kernels that are outer products, found and run as passes."""

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st

import ndconv
from ndconv._methods import separable
from ndconv._methods.separable import factors

MODES = ("zeros", "replicate", "reflect", "symmetric", "circular")


def outer(vectors):
    product = np.ones(())
    for vector in vectors:
        product = np.multiply.outer(product, vector)
    return product


def check(x, kernel, mode="same", workers=None, **keywords):
    wide, weights = x.astype(np.float64), kernel.astype(np.float64)
    exact = ndconv.correlate_nd(wide, weights, mode, method="direct", **keywords)
    bound = ndconv.correlate_nd(np.abs(wide), np.abs(weights), mode, method="direct", **keywords)
    y = ndconv.correlate_nd(x, kernel, mode, method="separable", workers=workers, **keywords)
    assert y.dtype == np.result_type(x, kernel)
    assert y.shape == exact.shape
    if y.size:
        assert np.abs(y - exact).max() <= 32 * np.finfo(y.dtype).eps * bound.max()
    return y


@st.composite
def calls(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    d = draw(st.integers(2, 4))
    shape = [draw(st.integers(1, {2: 40, 3: 12, 4: 7}[d])) for _ in range(d)]
    taps = [draw(st.integers(1, {2: 9, 3: 5, 4: 3}[d])) for _ in range(d)]
    taps[:2] = [max(n, 2) for n in taps[:2]]
    dtype = draw(st.sampled_from(("float32", "float64")))
    keywords = {
        "mode": draw(st.sampled_from(("full", "same"))),
        "padding_mode": draw(st.sampled_from((*MODES, tuple(draw(st.sampled_from(MODES)) for _ in range(d))))),
        "stride": draw(st.integers(1, 3)),
        "dilation": draw(st.integers(1, 3)),
    }
    kernel = outer([rng.standard_normal(n) for n in taps]).astype(dtype)
    return rng.standard_normal(shape).astype(dtype), kernel, keywords


@given(call=calls(), slab=st.sampled_from((1, 500, 1 << 20)), workers=st.sampled_from((1, 2, 3)))
def test_random_calls(call, slab, workers):
    x, kernel, keywords = call
    before = separable.SLAB_BYTES
    try:
        separable.SLAB_BYTES = slab
        ndconv.clear_caches()
        check(x, kernel, workers=workers, **keywords)
    finally:
        separable.SLAB_BYTES = before
        ndconv.clear_caches()


def test_a_gaussian_is_found_and_agrees_with_scipy(rng):
    line = np.exp(-(np.arange(-15, 16) ** 2) / 50)
    kernel = outer([line, line])
    kernel = (kernel / kernel.sum()).astype(np.float32)
    assert factors(kernel) is not None
    x = rng.standard_normal((300, 400)).astype(np.float32)
    y = check(x, kernel, padding_mode="symmetric")
    np.testing.assert_allclose(y, scipy.ndimage.correlate(x, kernel, mode="reflect"), atol=1e-5)


def test_axes_and_batches(rng):
    x, kernel = rng.standard_normal((3, 40, 2, 50)), outer([rng.standard_normal(5), rng.standard_normal(7)])
    check(x, kernel, axes=(1, 3))
    check(x, kernel, axes=(3, 1))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_receptive_field(rng, bad):
    x, kernel = rng.standard_normal((60, 70)), outer([rng.standard_normal(5), rng.standard_normal(7)])
    x[20, 30] = bad
    y = ndconv.correlate_nd(x, kernel, "same", method="separable")
    np.testing.assert_array_equal(
        ~np.isfinite(y), ~np.isfinite(ndconv.correlate_nd(x, kernel, "same", method="direct"))
    )


def test_the_same_bits_for_every_number_of_workers(rng, subtests):
    x, kernel = rng.standard_normal((900, 800)), outer([rng.standard_normal(9), rng.standard_normal(9)])
    first = ndconv.correlate_nd(x, kernel, "same", method="separable", workers=1)
    for workers in (2, 3, 5):
        with subtests.test(workers=workers):
            y = ndconv.correlate_nd(x, kernel, "same", method="separable", workers=workers)
            np.testing.assert_array_equal(y, first)


def test_what_is_not_an_outer_product_is_refused(rng):
    kernel = outer([np.arange(1.0, 6), np.arange(2.0, 8)])
    assert factors(kernel) is not None
    kernel[2, 3] *= 1 + 1e-12
    assert factors(kernel) is None
    assert factors(np.zeros((3, 3))) is None
    with pytest.raises(ValueError, match=r"method='separable'.*outer product"):
        ndconv.correlate_nd(rng.standard_normal((50, 50)), kernel, method="separable")
    with pytest.raises(ValueError, match=r"method='separable'"):
        ndconv.conv_layer(np.ones((1, 9, 9)), np.ones((1, 1, 3, 3)), method="separable")
    # Such a kernel is not taken for one that was remembered.
    x = rng.standard_normal((300, 300))
    for kernel in (outer([np.ones(9), np.arange(1.0, 10)]), rng.standard_normal((9, 9))):
        exact = ndconv.correlate_nd(x, kernel, method="direct")
        np.testing.assert_allclose(ndconv.correlate_nd(x, kernel), exact, atol=1e-9)


@pytest.mark.parametrize(("x_dtype", "kernel_dtype"), [("float64", "float32"), ("float16", "float16"), ("f4", "f2")])
def test_a_kernel_rounded_to_a_narrower_type_is_no_outer_product(rng, x_dtype, kernel_dtype):
    x = rng.standard_normal((700, 600)).astype(x_dtype)
    kernel = outer([rng.standard_normal(9), rng.standard_normal(11)]).astype(kernel_dtype)
    with pytest.raises(ValueError, match="separable"):
        ndconv.correlate_nd(x, kernel, method="separable")
    y = ndconv.correlate_nd(x, kernel)
    np.testing.assert_array_equal(y, ndconv.correlate_nd(x, kernel, method="direct"))


@pytest.mark.parametrize("x_dtype", ["float64", "float32", "float16"])
def test_a_kernel_of_a_narrower_type_that_is_an_outer_product(rng, x_dtype):
    x = rng.integers(-3, 4, (40, 50)).astype(x_dtype)
    kernel = outer([np.array([1, 2, 1]), np.array([1, 4, 2, 1])]).astype(np.float16)
    y = ndconv.correlate_nd(x, kernel, method="separable")
    np.testing.assert_array_equal(y, ndconv.correlate_nd(x, kernel, method="direct"))


@st.composite
def calls_with_lags(draw):
    """Draw axes of one tap among others, and lags or strides that shift or crop what they read."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    d = draw(st.integers(3, 4))
    shape = [draw(st.integers(1, 8)) for _ in range(d)]
    taps = [draw(st.sampled_from((1, 1, 2, 3))) for _ in range(d)]
    for axis in draw(st.permutations(range(d)))[:2]:
        taps[axis] = max(taps[axis], 2)
    modes = [draw(st.sampled_from(MODES)) for _ in range(d)]
    lags = []
    for size, n, mode in zip(shape, taps, modes, strict=True):
        beyond = 0 if mode == "zeros" else 3
        first = draw(st.integers(1 - n - beyond, size - 1 + beyond))
        last = draw(st.integers(first, size - 1 + beyond))
        # As often as not, as many outputs as samples, but for other ones.
        lags.append((first, first + size - 1 if mode != "zeros" and draw(st.booleans()) else last))
    keywords = {
        "lags": tuple(lags),
        "padding_mode": tuple(modes),
        "stride": tuple(draw(st.sampled_from((1, 1, 2, 3))) for _ in taps),
    }
    kernel = outer([rng.standard_normal(n) for n in taps])
    return rng.standard_normal(shape), kernel, keywords


@given(call=calls_with_lags())
def test_every_axis_has_its_lags_and_its_stride(call):
    x, kernel, keywords = call
    check(x, kernel, mode="full", **keywords)


def test_lags_along_an_axis_of_one_tap():
    x, kernel = np.arange(1.0, 61).reshape(3, 4, 5), outer([[1.0, 2], [1.0, 3]])[:, :, None]
    lags = ((0, 1), (0, 2), (-2, 2))
    y = ndconv.correlate_nd(x, kernel, lags=lags, padding_mode="circular", method="separable")
    np.testing.assert_array_equal(y[0, 0], [253, 265, 217, 229, 241])


@pytest.mark.parametrize("function", [ndconv.correlate_nd, ndconv.convolve_nd])
@pytest.mark.parametrize(
    ("size", "weight"), [(2e37, 1 / 961), (3.3e38, 1 / 1000), (1e8, 3e27), (1e35, 1), (1e-30, 1e30)]
)
def test_no_sum_on_the_way_overflows(subtests, function, size, weight):
    x, kernel = np.full((120, 130), size, np.float32), np.full((31, 31), weight, np.float32)
    for method in ("auto", "separable"):
        with subtests.test(method=method):
            y = function(x, kernel, "valid", method=method)
            np.testing.assert_allclose(y, float(x[0, 0]) * float(kernel[0, 0]) * 961, rtol=3e-5)


@pytest.mark.parametrize("scales", [(1e30, 1e-30), (1e-30, 1e-8), (1e-37, 1), (1e37, 1e-3)])
def test_scales_of_the_factors(rng, scales):
    size, weight = scales
    x = (size * rng.random((60, 70))).astype(np.float32)
    kernel = np.float32(weight) * outer([np.float32([1, 2, 4, 2]), np.float32([8, 1, 1])])
    check(x, kernel, "valid")


def test_what_cancels_before_it_overflows(rng):
    """As it does in the order in which the direct method adds up."""
    x, kernel = np.full((40, 50), 3e38, np.float32), outer([np.float32([1, 1]), np.float32([1, -1])])
    x[20, 30] = -3e38
    exact = ndconv.correlate_nd(x.T, kernel.T, "valid", method="direct")
    np.testing.assert_array_equal(ndconv.correlate_nd(x.T, kernel.T, "valid", method="separable"), exact)
    x[5, 5] = np.nan
    y = ndconv.correlate_nd(x, kernel, "valid", method="separable")
    np.testing.assert_array_equal(np.isnan(y), np.isnan(ndconv.correlate_nd(x, kernel, "valid", method="direct")))


@given(seed=st.integers(0, 2**32))
def test_a_kernel_that_is_mirrored_or_turned_is_still_one(seed):
    """Also where the last bits decide which lines its factors are."""
    rng = np.random.default_rng(seed)
    x, kernel = rng.random((9, 8)), outer([rng.choice([1.0, -1, 0.7], 4), rng.choice([1.0, -1, 0.3], 5)])
    kernel *= 1 + rng.integers(-5, 6, kernel.shape) * 2.0**-52
    if factors(kernel) is not None:
        for axes in ((0, 1), (1, 0)):
            expected = ndconv.convolve_nd(x, kernel, "same", axes=axes, method="direct")
            y = ndconv.convolve_nd(x, kernel, "same", axes=axes, method="separable")
            np.testing.assert_allclose(y, expected, rtol=0, atol=1e-13)
