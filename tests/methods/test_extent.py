"""What no output reads changes no output, and what nothing reaches is zero: by every method, to the bit."""

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ndconv
from ndconv._methods.extent import unread
from support import oracle
from support.layouts import values
from support.strategies import padding_modes


def sources(size, first, outputs, stride, taps, dilation, mode):
    """Return the samples under each tap of each output, as numbers (outputs, taps); -1 outside x under zeros."""
    places = first + stride * np.arange(outputs)[:, None] + dilation * np.arange(taps)
    numbers = oracle.extend(np.arange(size), 0, int(places.min()), int(places.max()) + 1, mode, -1)
    return numbers[places - places.min()]


@st.composite
def calls(draw, methods, lags=True):
    """Draw a correlation with gaps: x, kernel, keywords, and which samples and outputs meet another, axis by axis."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    d = draw(st.sampled_from((1, 1, 2, 2, 3)))
    largest = {1: 90, 2: 24, 3: 9}[d]
    step = st.sampled_from((1, 1, 1, 2, 2, 3, 4, 6))
    modes = draw(padding_modes(d))
    modes = (modes,) * d if isinstance(modes, str) else modes
    shape, taps, strides, dilations, pairs, read, reached = [], [], [], [], [], [], []
    for axis in range(d):
        size, n = draw(st.integers(1, largest)), draw(st.integers(1, {1: 20, 2: 5, 3: 3}[d]))
        stride, dilation = draw(step), draw(step)
        zeros = oracle.CANONICAL[modes[axis]] == "zeros"
        span = oracle.reach(n, dilation)
        far = 0 if zeros else 5
        first = draw(st.integers(1 - span - far, size - 1 + far))
        last = draw(st.integers(first, size - 1 + far))
        places = sources(size, first, (last - first) // stride + 1, stride, n, dilation, modes[axis])
        shape.append(size)
        taps.append(n)
        strides.append(stride)
        dilations.append(dilation)
        pairs.append((first, last))
        read.append(np.isin(np.arange(size), places))
        reached.append((places >= 0).any(axis=1))
    keywords = {"padding_mode": modes, "stride": tuple(strides), "dilation": tuple(dilations), "lags": tuple(pairs)}
    keywords["method"] = draw(st.sampled_from(methods))
    return rng.standard_normal(shape), rng.standard_normal(taps), keywords, read, reached


def by_method(function, *arrays, method, **keywords):
    """Return a result, or None where the method cannot do the call."""
    try:
        return function(*arrays, method=method, **keywords)
    except ValueError as error:
        if f"method={method!r} cannot do" in str(error):
            return None
        raise


def everywhere(masks):
    return reduce(np.multiply.outer, masks)


@given(call=calls(("fft", "winograd", "direct", "auto", "separable")), dtype=st.sampled_from(("f4", "f8", "c8")))
def test_random_correlations(call, dtype):
    x, kernel, keywords, read, reached = call
    x, kernel = x.astype(dtype), kernel.astype(dtype)
    if keywords["method"] == "separable" and kernel.ndim > 1:
        kernel = kernel[..., :1] * kernel.ravel()[: kernel.shape[-1]]
    y = by_method(ndconv.correlate_nd, x, kernel, **keywords)
    if y is None:
        return
    for rubbish in (1e30, np.nan, np.inf):
        beside = np.where(everywhere(read), x, np.array(rubbish, dtype))
        np.testing.assert_array_equal(ndconv.correlate_nd(beside, kernel, **keywords), y)
    np.testing.assert_array_equal(y[~everywhere(reached)], 0)


@pytest.mark.parametrize("method", ["fft", "winograd", "auto"])
@pytest.mark.parametrize("mode", oracle.MODES)
@pytest.mark.parametrize(
    ("size", "taps", "keywords"),
    [
        (40, 3, {"stride": 2}),
        (41, 5, {"stride": 3, "padding": [(1, 0), (1, 0)]}),
        (41, 3, {"stride": 2, "padding": [(0, 1), (1, 0)]}),
        (43, 3, {"stride": 4, "dilation": 2}),
        (40, 2, {"stride": 5}),
        (30, 2, {"dilation": 20}),
        (30, 1, {"stride": 2}),
        (30, (3, 1), {"stride": 2}),
    ],
)
def test_layers(rng, subtests, method, mode, size, taps, keywords):
    taps = (taps, taps) if np.ndim(taps) == 0 else taps
    x, weight = values(rng, (2, 6, size, size), "float32"), values(rng, (5, 6, *taps), "float32")
    keywords = {**keywords, "padding_mode": mode, "method": method}
    pairs = oracle.resolve_padding(keywords.get("padding", 0), x.shape[2:], taps, (1, 1), (1, 1))
    stride, dilation = keywords.get("stride", 1), keywords.get("dilation", 1)
    outputs = oracle.positions(pairs, x.shape[2:], taps, (stride,) * 2, (dilation,) * 2)
    read = [
        np.isin(np.arange(size), sources(size, -before, n, stride, k, dilation, mode))
        for (before, _), n, k in zip(pairs, outputs, taps, strict=True)
    ]
    y = by_method(ndconv.conv_layer, x, weight, **keywords)
    if y is None:
        return
    for rubbish in (20.0, 1e30, np.nan):
        with subtests.test(rubbish=rubbish):
            beside = np.where(everywhere(read), x, np.float32(rubbish))
            np.testing.assert_array_equal(ndconv.conv_layer(beside, weight, **keywords), y)


def test_every_other_sample_of_a_long_signal():
    x = np.ones(300_000, np.float32)
    x[1::2] = 1e10
    y = ndconv.correlate_nd(x, np.full(50_001, 1 / 50_001, np.float32), "valid", stride=2, dilation=2)
    np.testing.assert_allclose(y, 1, rtol=1e-5)


@pytest.mark.parametrize("method", ["direct", "winograd", "fft"])
@pytest.mark.parametrize("dtype", ["float32", "complex64", "float16"])
@pytest.mark.parametrize("activation", [None, "relu"])
def test_outputs_that_see_padding_alone(rng, method, dtype, activation):
    activation = None if dtype == "complex64" else activation
    x, weight = values(rng, (2, 4, 9, 20), dtype), values(rng, (3, 4, 3, 3), dtype)
    bias, residual = values(rng, 3, dtype), values(rng, (2, 3, 17, 30), dtype)
    arguments = {"padding": (5, 6), "bias": bias, "activation": activation, "method": method}
    for keywords in (arguments, {**arguments, "residual": residual}):
        y = ndconv.conv_layer(x, weight, **keywords)
        oracle.layer(x, weight, **{**keywords, "method": "fft"}).check(y)
        alone = np.ones((17, 30), bool)
        alone[3:-3, 4:-4] = False
        expected = oracle.layer(0 * x, weight, **keywords).value.astype(dtype)
        np.testing.assert_array_equal(y[..., alone], expected[..., alone])


@given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 30), st.integers(1, 40))
def test_unread(outputs, stride, taps, dilation):
    places = np.add.outer(stride * np.arange(outputs), dilation * np.arange(taps))
    missed = ~np.isin(np.arange(places.max() + 1), places)
    found = unread(outputs, stride, taps, dilation)
    np.testing.assert_array_equal(np.zeros_like(missed) if found is None else found, missed)


@pytest.mark.parametrize("method", ["auto", "direct", "fft"])
@pytest.mark.parametrize("fill_value", [1e10, 1e30, np.inf, np.nan])
@pytest.mark.parametrize("keywords", [{}, {"stride": 3}, {"dilation": 2}, {"padding_mode": "replicate", "padding": 7}])
def test_a_fill_value_that_no_output_reads(method, fill_value, keywords):
    """However large it is, or none at all: 16 channels of a thousand ones each, whatever stands outside."""
    x, weight = np.ones((16, 3000), np.float32), np.ones((16, 16, 1000), np.float32)
    y = ndconv.conv_layer(x, weight, fill_value=fill_value, method=method, **keywords)
    np.testing.assert_allclose(y, 16000, rtol=1e-5)
