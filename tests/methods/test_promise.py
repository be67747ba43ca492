"""The promise of accuracy where it is hardest to keep: outliers, wide ranges and subnormal numbers, by every method."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ndconv
from support import oracle
from support.strategies import generators


def normal(rng, shape):
    return rng.standard_normal(shape)


def alike(rng, shape):
    return rng.choice((-1.0, 1.0), shape) * rng.uniform(0.9, 1, shape)


def an_outlier(rng, shape):
    a = rng.standard_normal(shape)
    a.flat[rng.integers(a.size)] *= 10 ** rng.uniform(1, 8)
    return a


def an_outlier_in_a_corner(rng, shape):
    a = rng.standard_normal(shape)
    a.flat[rng.choice((0, -1))] *= 10 ** rng.uniform(1, 8)
    return a


def outliers(rng, shape):
    return rng.standard_normal(shape) * np.where(rng.random(shape) < 0.02, 10 ** rng.uniform(1, 8), 1)


def an_outlier_of_each(rng, shape):
    a = rng.standard_normal(shape).reshape(shape[0], -1)
    a[np.arange(len(a)), rng.integers(a.shape[1], size=len(a))] *= 10 ** rng.uniform(0.5, 6)
    return a.reshape(shape)


def wide(rng, shape):
    reach = rng.uniform(1, 8)
    return rng.choice((-1.0, 1.0), shape) * 10 ** rng.uniform(-reach, reach, shape)


def channels_apart(rng, shape):
    return rng.standard_normal(shape) * 10 ** rng.uniform(-4, 4, (shape[0], *(1,) * (len(shape) - 1)))


def sparse(rng, shape):
    return rng.standard_normal(shape) * (rng.random(shape) < 0.1)


def mostly_noise(rng, shape):
    a = 1e-4 * rng.standard_normal(shape)
    a[..., : shape[-1] // 2 + 1] *= 1e4
    return a


HARD = (normal, alike, an_outlier, an_outlier_in_a_corner, outliers, an_outlier_of_each, wide, channels_apart, sparse,
        mostly_noise)  # fmt: skip

#: Decimal exponents of samples and weights, in float32 and float64, some of whose products are normal numbers.
SCALES = {
    "float32": ((0, 0), (0, 0), (-41, 0), (-42, 10), (-42, 35), (10, -42), (33, -42), (0, -41), (-20, -20), (20, 10)),
    "float64": ((0, 0), (0, 0), (-310, 0), (-318, 100), (100, -318), (250, -320), (-160, -155), (150, 100)),
}


def hard(draw, rng, shape, dtype, exponent):
    return scaled(draw(st.sampled_from(HARD))(rng, shape), dtype, exponent)


def scaled(a, dtype, exponent):
    """Return an array whose largest number is 10 to an exponent, if it is not 0."""
    if exponent:
        a = a / (np.abs(a).max() or 1) * np.longdouble(10) ** exponent
    return a.astype(dtype)


def check(y, exact, sizes, ndim, products):
    """Check a result in units of the largest sum of absolute products of its channel, in each item by itself.

    Sums of numbers that are no normal ones round each time; of what is added up exactly, once.
    """
    axes = tuple(range(-ndim, 0))
    allowed = 32 * np.finfo(y.dtype).eps * sizes.max(axis=axes, keepdims=True)
    allowed = allowed + (1 + math.sqrt(products)) * np.finfo(y.dtype).smallest_subnormal
    error = np.abs(y - exact)
    assert (error <= allowed).all(), f"{(error / allowed).max() * 32} eps"


@st.composite
def hard_layers(draw):
    rng = draw(generators())
    dtype = draw(st.sampled_from(("float32", "float32", "float64")))
    method = draw(st.sampled_from(("auto", "winograd", "winograd", "fft")))
    d = draw(st.sampled_from((1, 2, 2)))
    groups = draw(st.sampled_from((1, 1, 1, 2)))
    c_in, c_out = draw(st.sampled_from((1, 3, 16, 40))), draw(st.sampled_from((1, 4, 18)))
    stride = draw(st.sampled_from((1, 1, 1, 2)))
    taps = draw(st.integers(2 * stride, {1: 20, 2: 7}[d] if method == "fft" else 5))
    size = draw(st.integers(taps, {1: 120, 2: 16}[d]))
    batch = draw(st.sampled_from(((), (), (1,), (3,))))
    x_exponent, weight_exponent = draw(st.sampled_from(SCALES[dtype]))
    x = [hard(draw, rng, (groups * c_in, *(size,) * d), dtype, x_exponent) for _ in range(math.prod(batch))]
    weight = hard(draw, rng, (groups * c_out, c_in, *(taps,) * d), dtype, weight_exponent)
    padding = draw(st.sampled_from((0, 0, 1, taps - 1, taps + 2)))
    mode = draw(st.sampled_from(("zeros", "zeros", "reflect", "circular")))
    keywords = {"stride": stride, "groups": groups, "padding": padding, "padding_mode": mode}
    return np.reshape(x, (*batch, *x[0].shape)), weight, keywords, method


@given(hard_layers())
def test_layers(call):
    x, weight, keywords, method = call
    y = ndconv.conv_layer(x, weight, **keywords, method=method)
    exact = oracle.layer(x, weight, **keywords).value
    sizes = oracle.layer(np.abs(x), np.abs(weight), **keywords).value
    check(y, exact, sizes, weight.ndim - 2, weight[0].size)
    layer = ndconv.ConvLayer(weight, **keywords, method=method)
    np.testing.assert_array_equal(layer(x), y)
    np.testing.assert_array_equal(layer(x, workers=3), y)


@st.composite
def hard_correlations(draw):
    rng = draw(generators())
    dtype = draw(st.sampled_from(("float32", "float64")))
    d = draw(st.sampled_from((1, 2, 3)))
    method = draw(st.sampled_from(("auto", "fft", "winograd", "separable") if d > 1 else ("auto", "fft", "winograd")))
    taps = [draw(st.integers(2, 5 if method == "winograd" else {1: 100, 2: 12, 3: 4}[d])) for _ in range(d)]
    sizes = [draw(st.integers(n, {1: 400, 2: 40, 3: 9}[d])) for n in taps]
    x_exponent, kernel_exponent = draw(st.sampled_from(SCALES[dtype]))
    x = hard(draw, rng, tuple(sizes), dtype, x_exponent)
    if method == "separable":
        kernel = np.ones(())
        for n in taps:
            kernel = kernel[..., None] * draw(st.sampled_from(HARD))(rng, (n,))
        kernel = scaled(kernel, dtype, kernel_exponent)
    else:
        kernel = hard(draw, rng, tuple(taps), dtype, kernel_exponent)
    return x, kernel, draw(st.sampled_from(("full", "same", "valid"))), method


@given(hard_correlations())
def test_correlations(call):
    x, kernel, mode, method = call
    try:
        y = ndconv.correlate_nd(x, kernel, mode, method=method)
    except ValueError:
        assert method == "separable"  # whose kernel was rounded to subnormal numbers
        return
    exact = oracle.correlate(x, kernel, mode).value
    check(y, exact, oracle.correlate(np.abs(x), np.abs(kernel), mode).value, x.ndim, kernel.size)


@pytest.mark.parametrize("channels", [64, 256])
@pytest.mark.parametrize("factor", [10, 100, 1e4, 1e8])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_weight_much_larger_than_the_others(rng, dtype, factor, channels):
    x = rng.standard_normal((channels, 20, 21)).astype(dtype)
    weight = rng.standard_normal((8, channels, 3, 3)).astype(dtype)
    weight[3, 5, 1, 0] *= factor
    check_layer(x, weight)


@pytest.mark.parametrize("factor", [1, 1e-30, 1e-38])
def test_an_outlier_of_a_faint_image_beside_a_bright_one(rng, factor):
    """Each item of a batch is looked at by itself."""
    x = rng.standard_normal((2, 32, 20, 20))
    x[1] *= 1e-6
    x[1, 4, 10, 10] = 1
    check_layer((x * factor).astype(np.float32), rng.standard_normal((20, 32, 3, 3)).astype(np.float32))


def test_one_output_channel_of_tiny_weights(rng):
    x, weight = rng.standard_normal((32, 20, 20)), rng.standard_normal((20, 32, 3, 3))
    weight[7] *= 1e-42
    x *= 1e20
    check_layer(x.astype(np.float32), weight.astype(np.float32))


def check_layer(x, weight):
    ndim = weight.ndim - 2
    exact = oracle.layer(x, weight, padding=1).value
    sizes = oracle.layer(np.abs(x), np.abs(weight), padding=1).value
    for method in ("auto", "winograd", "fft"):
        check(ndconv.conv_layer(x, weight, padding=1, method=method), exact, sizes, ndim, weight[0].size)
        layer = ndconv.ConvLayer(weight, padding=1, method=method)
        check(layer(x), exact, sizes, ndim, weight[0].size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_usual_data_are_not_done_twice(rng, dtype, monkeypatch):
    """Winograd's method does them, and not the direct one after it."""
    from ndconv._methods import direct

    def forbidden(*_):
        raise AssertionError("the direct method was asked for")

    ndconv.clear_caches()
    monkeypatch.setattr(direct.DirectPlan, "__init__", forbidden)
    for channels in (16, 32, 64, 256):
        for samples in (
            normal,
            alike,
            lambda rng, s: rng.laplace(size=s),
            lambda rng, s: np.maximum(normal(rng, s), 0),
        ):
            for weights in (normal, alike, lambda rng, s: rng.laplace(size=s), lambda rng, s: rng.uniform(-1, 1, s)):
                x = samples(rng, (2, channels, 30, 30)).astype(dtype)
                weight = weights(rng, (32, channels, 3, 3)).astype(dtype)
                ndconv.conv_layer(x, weight, method="winograd")
    ndconv.clear_caches()
