"""The Fourier method: within its promise for every kernel, mode and type, and exact about what is not finite."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ndconv
from ndconv._methods.fourier import blocks, spectra
from support import oracle
from support.layouts import values
from support.strategies import layer_calls


@pytest.fixture
def small_blocks(monkeypatch):
    """Make blocks and what is transformed together so small that a call has many."""
    monkeypatch.setattr(blocks, "SPECTRUM_SAMPLES", 256)
    monkeypatch.setattr(blocks, "SPECTRUM_BYTES", 1 << 9)
    monkeypatch.setattr(blocks, "BLOCK_CYCLES", 0.0)
    ndconv.clear_caches()
    yield
    ndconv.clear_caches()


def check(x, weight, slack=1.0, workers=None, **keywords):
    expected = oracle.layer(x, weight, method="fft", **keywords)
    y = ndconv.conv_layer(x, weight, method="fft", workers=workers, **keywords)
    expected.check(y, slack)
    return y


@given(call=layer_calls())
def test_random_layers(call):
    x, weight = call.arrays
    keywords = dict(call.keywords, method="fft")
    expected = oracle.layer(x, weight, **keywords)
    if expected.dtype.kind in "iu" or 0 in expected.shape or 0 in x.shape or max(weight.shape[2:]) == 1:
        with pytest.raises(ValueError, match="method"):
            ndconv.conv_layer(x, weight, **keywords)
        return
    expected.check(ndconv.conv_layer(x, weight, **keywords))


@pytest.mark.parametrize("mode", ["zeros", "replicate", "reflect", "symmetric", "circular"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(1, 1, 1), (3, 2, 1), (4, 6, 2), (5, 5, 5)])
def test_many_blocks(rng, subtests, small_blocks, mode, dtype, c_in, c_out, groups):
    x = values(rng, (2, c_in, 41, 60), dtype)
    weight = values(rng, (c_out, c_in // groups, 7, 9), dtype)
    for stride, dilation in ((1, 1), ((2, 3), 1), (1, (2, 1))):
        with subtests.test(stride=stride, dilation=dilation):
            check(x, weight, groups=groups, padding=5, padding_mode=mode, stride=stride, dilation=dilation)


@pytest.mark.parametrize("stride", [1, 3])
def test_the_same_bits_for_every_number_of_workers(rng, subtests, small_blocks, stride):
    x, weight = values(rng, (3, 2, 500), "float32"), values(rng, (4, 2, 65), "float32")
    first = check(x, weight, workers=1, padding="same_lower" if stride == 1 else 7, stride=stride)
    for workers in (2, 3, 5):
        with subtests.test(workers=workers):
            y = check(x, weight, workers=workers, padding="same_lower" if stride == 1 else 7, stride=stride)
            np.testing.assert_array_equal(y, first)


@pytest.mark.parametrize("activation", [None, *sorted(oracle.ACTIVATIONS)])
def test_epilogue(rng, activation):
    x, weight = values(rng, (2, 3, 50, 40), "float32"), values(rng, (5, 3, 9, 9), "float32")
    bias, residual = values(rng, 5, "float32"), values(rng, (2, 5, 50, 40), "float32")
    check(x, weight, bias=bias, residual=residual, activation=activation, padding=4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_what_is_not_finite_stays_in_its_receptive_field(rng, small_blocks, bad, dtype):
    x, weight = values(rng, (2, 2, 60, 70), dtype), values(rng, (3, 2, 7, 8), dtype)
    weight[weight == 0] = 1
    mask = np.zeros(x.shape, bool)
    mask.flat[rng.integers(0, mask.size, 3)] = True
    y = ndconv.conv_layer(np.where(mask, bad, x).astype(dtype), weight, padding=3, method="fft")
    touched = oracle.touched(mask, weight.shape, padding=3)
    np.testing.assert_array_equal(~np.isfinite(y), touched)
    expected = oracle.layer(x, weight, padding=3, method="fft")
    expected.check(np.where(touched, expected.value.astype(dtype), y))


def test_large_values_do_not_overflow_where_the_result_does_not(rng):
    x = np.full((1, 4000), 1e36, np.float32)
    weight = np.full((1, 1, 129), 0.5, np.float32)
    np.testing.assert_allclose(ndconv.conv_layer(x, weight, method="fft"), 64.5e36, rtol=1e-4)


@given(size=st.integers(1, 300), taps=st.integers(2, 200), mode=st.sampled_from(("full", "same", "valid")))
def test_correlations(size, taps, mode):
    rng = np.random.default_rng(size * 1000 + taps)
    x, kernel = rng.standard_normal((2, size)), rng.standard_normal((2, taps))
    if mode == "valid" and taps > size:
        return
    y = ndconv.correlate_nd(x, kernel, mode, axes=1, method="fft")
    rows = [np.correlate(a, k, "full") for a, k in zip(x, kernel, strict=True)]
    first = {"full": 0, "same": taps - 1 - taps // 2, "valid": taps - 1}[mode]
    np.testing.assert_allclose(y, np.array(rows)[:, first : first + y.shape[1]], atol=1e-11)


def test_kernels_that_differ_along_the_batch(rng):
    x, kernel = values(rng, (4, 3, 900), "float32"), values(rng, (4, 3, 101), "float32")
    y = ndconv.correlate_nd(x, kernel, "valid", axes=2, method="fft")
    for i in np.ndindex(4, 3):
        np.testing.assert_allclose(y[i], np.correlate(x[i], kernel[i], "valid"), atol=2e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", ["fft", "winograd", "auto"])
@pytest.mark.parametrize("mode", ["zeros", "replicate", "reflect", "symmetric", "circular"])
@pytest.mark.parametrize("shape", [(1, 400), (3, 20, 21)])
def test_weights_that_are_not_finite(rng, shape, mode, method, bad):
    """They are what the direct method makes of them, and reach the outputs of their channel alone."""
    taps = (
        {"fft": 31, "winograd": 4, "auto": 65}[method]
        if len(shape) == 2
        else {"fft": 7, "winograd": 3, "auto": 9}[method]
    )
    x, weight = values(rng, shape, "float32"), values(rng, (4, shape[0], *(taps,) * (len(shape) - 1)), "float32")
    keywords = {"padding": taps // 2, "padding_mode": mode}
    clean = oracle.layer(x, weight, **keywords, method="fft")
    weight[2].flat[0] = bad
    y = ndconv.conv_layer(x, weight, **keywords, method=method)
    np.testing.assert_array_equal(y[2], ndconv.conv_layer(x, weight, **keywords, method="direct")[2])
    assert not np.isfinite(y[2]).all()
    right = clean.value.astype(np.float32)
    others = np.arange(4) != 2
    right[others] = y[others]
    clean.check(right)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
def test_outputs_that_see_nothing_but_zeros_outside_are_zero(rng, subtests, small_blocks, dtype):
    for shape, kernel, keywords in (
        ((2, 40), (9,), {"padding": 30}),
        ((2, 3), (9,), {"padding": 40, "dilation": 5}),
        ((2, 50), (16,), {"padding": ((45, 3),), "stride": 3}),
        ((2, 20, 30), (7, 8), {"padding": ((12, 0), (3, 20))}),
        ((2, 20, 2), (7, 8), {"padding": 25, "dilation": (1, 3), "padding_mode": ("circular", "zeros")}),
    ):
        with subtests.test(shape=shape, kernel=kernel, keywords=keywords):
            x, weight = np.abs(values(rng, shape, dtype)) + 1, np.abs(values(rng, (3, 2, *kernel), dtype)) + 1
            x, weight = x.astype(dtype), weight.astype(dtype)
            y = check(x, weight, **keywords)
            np.testing.assert_array_equal(y == 0, ndconv.conv_layer(x, weight, **keywords, method="direct") == 0)
            assert (y == 0).any()
            check(x, weight, **keywords, bias=values(rng, 3, dtype), fill_value=2)


def test_a_kernel_that_cancels_a_constant_is_not_done_directly(rng, subtests, monkeypatch):
    """Its outputs are small, but so is none of the sums of absolute values."""
    monkeypatch.setattr(spectra.FourierPlan, "_directly", None)
    kernel = rng.standard_normal(101)
    kernel -= kernel.mean()
    x = 1e5 + rng.standard_normal(5000)
    for dtype in ("float32", "float64"):
        with subtests.test(dtype=dtype):
            check(x[None].astype(dtype), kernel[None, None].astype(dtype))


def test_an_outlier_that_its_outputs_hardly_see(rng, subtests):
    """The only output that reaches the first sample has a tiny weight for it."""
    kernel = np.hanning(101) + 1e-7
    x = rng.standard_normal(5000)
    x[[0, -1]] = 1e7
    for dtype in ("float32", "float64"):
        with subtests.test(dtype=dtype):
            check(x[None].astype(dtype), kernel[None, None].astype(dtype))
    # With a stride, every other tap meets every other sample.
    kernel[1::2] = 1e-7
    x[1::2] *= 1e6
    for dtype in ("float32", "float64"):
        with subtests.test(dtype=dtype):
            check(x[None].astype(dtype), kernel[None, None].astype(dtype), stride=2)


def test_refusals():
    with pytest.raises(ValueError, match=r"method.*fft.*integers"):
        ndconv.correlate_nd(np.arange(9), np.arange(3), method="fft")
    with pytest.raises(ValueError, match=r"method.*fft.*single tap"):
        ndconv.conv_layer(np.ones((1, 9)), np.ones((1, 1, 1)), method="fft")


def test_auto_takes_it_for_a_large_kernel():
    layer = ndconv.ConvLayer(np.ones((1, 1, 5001), np.float32))
    assert "chosen" in next(line for line in layer.explain((1, 100_000)).splitlines() if line.startswith("fft"))


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_products_of_matrices_in_parts(rng, subtests, monkeypatch, dtype):
    """Channels are summed by matrix products of some rows at a time: of one, of three, the last of what is left."""
    x, weight = values(rng, (3, 6, 20, 21), dtype), values(rng, (10, 3, 7, 7), dtype)
    for products in (1, 3 * 16 * 6, 1 << 40):
        with subtests.test(products=products):
            monkeypatch.setattr(spectra, "MATRIX_PRODUCTS", products)
            y = ndconv.conv_layer(x, weight, groups=2, method="fft")
            oracle.layer(x, weight, groups=2, method="fft").check(y)
