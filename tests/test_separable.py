"""The separable method: kernels that are outer products, found and run as passes."""

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st

import ndconv
from ndconv import _methods, _tuning
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
    before = _tuning.SLAB_BYTES
    try:
        _tuning.SLAB_BYTES = slab
        _methods._remembered_plan.cache_clear()
        ndconv._correlate._calls.clear()
        check(x, kernel, workers=workers, **keywords)
    finally:
        _tuning.SLAB_BYTES = before
        _methods._remembered_plan.cache_clear()
        ndconv._correlate._calls.clear()


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


def test_the_same_bits_for_every_number_of_workers(rng):
    x, kernel = rng.standard_normal((900, 800)), outer([rng.standard_normal(9), rng.standard_normal(9)])
    first = ndconv.correlate_nd(x, kernel, "same", method="separable", workers=1)
    for workers in (2, 3, 5):
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
