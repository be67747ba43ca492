"""Infinite and NaN weights meet the samples that there are: zeros outside x are none, other padding is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ndconv
from support import oracle
from support.layouts import values
from support.strategies import padding_modes

SPECIAL = (np.nan, np.inf, -np.inf)


def meetings(x, weight, padding, stride, dilation, mode):
    """Return a layer's sums (N, C_out, *out) of the products of weights and samples, not of zeros outside."""
    d = weight.ndim - 2
    modes = (mode,) * d if isinstance(mode, str) else mode
    pairs = oracle.resolve_padding(padding, x.shape[2:], weight.shape[2:], stride, dilation)
    outputs = oracle.positions(pairs, x.shape[2:], weight.shape[2:], stride, dilation)
    total = np.zeros((x.shape[0], weight.shape[0], *outputs), np.result_type(x, weight, np.float64))
    for tap in np.ndindex(*weight.shape[2:]):
        samples, there = x, np.ones((1,) * d, bool)
        for axis in range(d):
            places = stride[axis] * np.arange(outputs[axis]) + dilation[axis] * tap[axis] - pairs[axis][0]
            size, first = x.shape[2 + axis], min(int(places.min()), 0)
            numbers = oracle.extend(np.arange(size), 0, first, int(places.max()) + 1, modes[axis], -1)[places - first]
            samples = samples.take(numbers, axis=2 + axis)
            there = there & (numbers >= 0).reshape([-1 if i == axis else 1 for i in range(d)])
        for out, inner in np.ndindex(*weight.shape[:2]):
            products = samples[:, inner] * weight[(out, inner, *tap)]
            total[:, out] += np.where(there, products, 0)
    return total


@st.composite
def layers(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    d = draw(st.sampled_from((1, 1, 2, 2, 3)))
    taps = [draw(st.integers(1, {1: 9, 2: 4, 3: 3}[d])) for _ in range(d)]
    sizes = [draw(st.integers(1, {1: 40, 2: 12, 3: 6}[d])) for _ in range(d)]
    step = st.sampled_from((1, 1, 1, 2, 3))
    stride, dilation = tuple(draw(step) for _ in taps), tuple(draw(step) for _ in taps)
    padding = tuple((draw(st.integers(0, 6)), draw(st.integers(0, 6))) for _ in taps)
    for i, (before, after) in enumerate(padding):
        sizes[i] = max(sizes[i], oracle.reach(taps[i], dilation[i]) - before - after)
    inputs, outputs = draw(st.sampled_from((1, 1, 2, 5, 33))), draw(st.sampled_from((1, 1, 2, 5, 18)))
    dtype = draw(st.sampled_from(("float16", "float32", "float64")))
    x, weight = values(rng, (2, inputs, *sizes), dtype), values(rng, (outputs, inputs, *taps), dtype)
    for _ in range(draw(st.integers(1, 4))):
        weight.flat[rng.integers(weight.size)] = rng.choice(SPECIAL)
    for _ in range(draw(st.integers(0, 3))):
        x.flat[rng.integers(x.size)] = rng.choice((0, 0, *SPECIAL))
    mode = draw(st.one_of(st.just("zeros"), padding_modes(d)))
    return x, weight, {"padding": padding, "stride": stride, "dilation": dilation, "padding_mode": mode}


def agree(y, expected):
    assert y.shape == expected.shape
    special = ~np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(y), ~special)
    np.testing.assert_array_equal(y[special], expected[special].astype(y.dtype))
    eps = np.finfo(y.dtype).eps
    np.testing.assert_allclose(y[~special], expected[~special], rtol=4 * eps, atol=400 * eps)


@pytest.mark.filterwarnings("ignore:invalid value")
@given(call=layers(), method=st.sampled_from(("direct", "winograd", "fft", "auto")))
def test_random_layers(call, method):
    x, weight, keywords = call
    modes = keywords["padding_mode"]
    expected = meetings(x.astype(float), weight.astype(float), keywords["padding"], keywords["stride"],
                        keywords["dilation"], modes)  # fmt: skip
    try:
        y = ndconv.conv_layer(x, weight, method=method, **keywords)
    except ValueError:
        return
    agree(y, expected)
    agree(ndconv.ConvLayer(weight, method=method, **keywords)(x), expected)
    agree(ndconv.conv_layer(x[0], weight, method=method, **keywords), expected[0])


@pytest.mark.filterwarnings("ignore:invalid value")
@given(call=layers(), method=st.sampled_from(("direct", "fft", "auto")), mirror=st.booleans())
def test_random_correlations(call, method, mirror):
    x, weight, keywords = call
    x, kernel = x[:, 0], weight[0, 0]
    kernel.flat[0] = np.inf
    padding = "full"
    d = kernel.ndim
    arguments = {name: keywords[name] for name in ("stride", "dilation", "padding_mode")}
    taps = np.flip(kernel) if mirror else kernel
    expected = meetings(x[:, None].astype(float), taps[None, None].astype(float), padding, keywords["stride"],
                        keywords["dilation"], keywords["padding_mode"])[:, 0]  # fmt: skip
    function = ndconv.convolve_nd if mirror else ndconv.correlate_nd
    if method == "fft" and max(kernel.shape) == 1:
        return
    agree(function(x, kernel, method=method, **arguments), expected)
    one = function(x[0], kernel, method=method, **arguments)
    assert one.ndim == d
    agree(one, expected[0])


def test_convolutions_end_as_numpys_do():
    np.testing.assert_array_equal(ndconv.convolve_nd([1.0, 2, 3], [np.nan, 1]), [np.nan, np.nan, np.nan, 3])
    np.testing.assert_array_equal(ndconv.convolve_nd([1.0, 2, 3], [np.inf, 1]), [np.inf, np.inf, np.inf, 3])
    np.testing.assert_array_equal(ndconv.correlate_nd([1.0, 0, 3], [1, -np.inf]), [-np.inf, np.nan, -np.inf, 3])


@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize(("n", "k"), [(3, 5), (40, 7), (30, 80), (400, 300), (20_000, 9_000)])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("method", ["auto", "direct", "fft"])
def test_agrees_with_numpy(rng, special, n, k, dtype, method):
    x, kernel = values(rng, n, dtype), values(rng, k, dtype)
    kernel[k // 3] = special
    with np.errstate(invalid="ignore"):
        expected = np.convolve(x, kernel)
    y = ndconv.convolve_nd(x, kernel, method=method)
    np.testing.assert_array_equal(np.isfinite(y), np.isfinite(expected))
    there = np.isfinite(expected)
    np.testing.assert_allclose(y[there], expected[there], rtol=0, atol=1e-10)
    if dtype == "float64":
        np.testing.assert_array_equal(y[~there], expected[~there])
    if n > 9000:
        for lags in ((0, 20), (n + k - 30, n + k - 2), (k // 3 - 9, k // 3 + 9)):
            some = ndconv.convolve_nd(x, kernel, lags=lags, method=method)
            np.testing.assert_array_equal(np.isfinite(some), there[lags[0] : lags[1] + 1])


@pytest.mark.parametrize("fill_value", [1.0, -2.0])
def test_other_fills_are_samples(fill_value):
    y = ndconv.correlate_nd([1.0, 2, 3], [1, np.inf, 1], "same", fill_value=fill_value)
    np.testing.assert_array_equal(y, [np.inf] * 3)
    y = ndconv.correlate_nd([1.0, 2, 3], [np.inf, 1], fill_value=fill_value)
    np.testing.assert_array_equal(y, [fill_value * np.inf, np.inf, np.inf, np.inf])


@pytest.mark.parametrize("method", ["direct", "winograd", "fft", "auto"])
@pytest.mark.parametrize(
    ("c_in", "c_out", "groups", "dtype"),
    [(1, 1, 1, "f4"), (3, 2, 1, "f8"), (40, 20, 1, "f4"), (5, 5, 5, "f4"), (6, 9, 3, "f2"), (4, 6, 2, "c8")],
)
@pytest.mark.parametrize("special", SPECIAL)
def test_the_epilogue_comes_after(rng, subtests, method, c_in, c_out, groups, dtype, special):
    x, weight = values(rng, (2, c_in, 9, 20), dtype), values(rng, (c_out, c_in // groups, 3, 3), dtype)
    bias, residual = values(rng, c_out, dtype), values(rng, (2, c_out, 9, 20), dtype)
    x[x == 0] = 1
    weight[-1, -1, 0, 0] = special
    arguments = {"groups": groups, "padding": 1, "method": method, "bias": bias, "residual": residual}
    if dtype != "c8":
        arguments["activation"] = "leaky_relu"
    plain = np.where(np.isfinite(weight), weight, 0)
    expected = ndconv.conv_layer(x, plain, **arguments)
    touched = np.zeros(expected.shape, bool)
    touched[:, -1, 1:, 1:] = True
    for workers in (1, 3):
        with subtests.test(workers=workers):
            y = ndconv.conv_layer(x, weight, **arguments, workers=workers)
            np.testing.assert_array_equal(~np.isfinite(y), touched)
            atol = 2000 * np.finfo(dtype).eps if dtype != "f2" else 0.1
            np.testing.assert_allclose(y[~touched], expected[~touched], rtol=0, atol=atol)
    if np.isinf(special) and dtype != "c8":
        signs = np.sign(special * x[:, -1, :-1, :-1].astype(float))
        np.testing.assert_array_equal(y[:, -1, 1:, 1:], signs * np.inf)
    last = np.moveaxis(residual, 1, -1)
    turned = ndconv.conv_layer(np.moveaxis(x, 1, -1), weight, **arguments | {"residual": last}, channel_axis=-1)
    np.testing.assert_array_equal(~np.isfinite(np.moveaxis(turned, -1, 1)), touched)


@pytest.mark.parametrize("part", ["real", "imag"])
def test_complex_weights_are_two_numbers(rng, part):
    x, kernel = values(rng, 6, "complex128"), np.array([1 + 1j, 2, 3])
    getattr(kernel, part)[2] = np.inf
    y = ndconv.correlate_nd(x, kernel)
    np.testing.assert_array_equal(np.isfinite(y.real) | np.isfinite(y.imag), [False] * 6 + [True] * 2)
    y = ndconv.correlate_nd(x.real, kernel)
    assert np.isfinite(y[6:]).all()
    assert not np.isfinite(y[:6]).any()


def test_kernels_that_differ_along_a_batch(rng, subtests):
    x, kernel = values(rng, (3, 4, 30), "float64"), values(rng, (3, 4, 5), "float64")
    kernel[1, 2, 0] = np.nan
    kernel[2, 0, 4] = np.inf
    for method in ("direct", "fft", "auto"):
        with subtests.test(method=method):
            y = ndconv.convolve_nd(x, kernel, axes=2, method=method)
            for at in np.ndindex(3, 4):
                expected = np.convolve(x[at], kernel[at])
                np.testing.assert_array_equal(np.isfinite(y[at]), np.isfinite(expected))


def test_a_layer_of_nan_alone(rng):
    """As training makes them that has gone astray."""
    x, weight = values(rng, (64, 14, 14), "float32"), np.full((64, 64, 3, 3), np.nan, np.float32)
    assert np.isnan(ndconv.conv_layer(x, weight, padding=1)).all()
    y = ndconv.conv_layer(x, weight, padding=3)
    assert (y[:, 0] == 0).all()
    assert np.isnan(y[:, 1:-1, 1:-1]).all()


def test_a_layer_with_and_without_padding(rng, subtests):
    """The same packed weights must not serve both."""
    weight = values(rng, (3, 2, 3), "float32")
    weight[0, 0, 0] = np.nan
    layer = ndconv.ConvLayer(weight, stride=2, padding="same")
    for size in (2, 9, 10, 11, 30):
        with subtests.test(size=size):
            x = values(rng, (2, size), "float32")
            agree(layer(x), meetings(x[None].astype(float), weight.astype(float), "same", (2,), (1,), "zeros")[0])


@pytest.mark.parametrize("method", ["auto", "direct", "fft"])
@pytest.mark.parametrize("bad", SPECIAL)
def test_an_axis_without_samples(method, bad):
    y = ndconv.conv_layer(np.ones((2, 0)), np.array([[[bad, 1.0]] * 2]), [3.0], padding=2, method=method)
    np.testing.assert_array_equal(y, [[3.0] * 3])


@pytest.mark.parametrize("bad", SPECIAL)
def test_the_sign_of_a_zero_is_kept(bad):
    """That of a sum which none of them meets."""
    x, weight = np.full((1, 4), -0.0), np.array([[[1.0, 1.0]], [[bad, 1.0]]])
    y = ndconv.conv_layer(x, weight, padding=((1, 0),), method="direct", residual=np.full((2, 4), -0.0))
    alone = ndconv.conv_layer(x, weight[:1], padding=((1, 0),), method="direct", residual=np.full((1, 4), -0.0))
    np.testing.assert_array_equal(np.signbit(y[:1]), np.signbit(alone))
