"""NaN and infinity reach exactly the outputs whose receptive field holds them, in every arrangement of the work."""

import numpy as np
import pytest

import ndconv
from support import oracle
from support.layouts import values
from support.special import reached, special_call

#: x, weight, keywords: one for each way that the work may be arranged.
ARRANGEMENTS = {
    "many channels": ((64, 15, 16), (48, 64, 3, 3), {"padding": 1}),
    "many channels, many pixels": ((32, 60, 61), (32, 32, 3, 3), {}),
    "blocked channels": ((600, 9, 9), (20, 600, 3, 3), {"padding": 1}),
    "odd channels": ((17, 15, 16), (33, 17, 3, 3), {}),
    "pointwise": ((40, 15, 16), (36, 40, 1, 1), {}),
    "few channels": ((3, 40, 50), (2, 3, 3, 3), {"padding": 1}),
    "few to many": ((3, 20, 30), (32, 3, 3, 3), {"stride": 2}),
    "many to few": ((40, 20, 30), (2, 40, 3, 3), {}),
    "one channel": ((1, 40, 70), (1, 1, 5, 5), {}),
    "depthwise": ((12, 20, 33), (12, 1, 3, 3), {"groups": 12, "padding": 1}),
    "depthwise with a stride": ((12, 20, 33), (24, 1, 3, 3), {"groups": 12, "stride": 2}),
    "groups": ((24, 12, 13), (30, 8, 3, 3), {"groups": 3}),
    "wide": ((1, 3, 900), (1, 1, 3, 3), {}),
    "narrow": ((4, 300, 2), (5, 4, 3, 2), {}),
    "dilated far over the border": ((2, 33, 33), (3, 2, 3, 3), {"dilation": 12, "padding": 12}),
    "many channels, dilated far": ((32, 33, 33), (32, 32, 3, 3), {"dilation": 12, "padding": 12}),
    "stride wider than the kernel": ((3, 30, 31), (20, 3, 2, 2), {"stride": 5}),
    "signal": ((1, 5000), (1, 1, 31), {"padding": "same"}),
    "signals": ((8, 500), (16, 8, 5), {"padding": "causal", "dilation": 7}),
    "volume": ((2, 12, 13, 14), (3, 2, 3, 3, 3), {"padding": 1}),
    "reflected": ((5, 14, 15), (18, 5, 3, 3), {"padding": 4, "padding_mode": "reflect"}),
    "wrapped": ((1, 14, 15), (1, 1, 5, 5), {"padding": 9, "padding_mode": "circular"}),
    "bias and activation": ((20, 15, 16), (24, 20, 3, 3), {"bias": True, "activation": "relu"}),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "complex64"])
@pytest.mark.parametrize("name", ARRANGEMENTS)
@pytest.mark.parametrize("method", ["direct", "auto"])
def test_nan(rng, name, dtype, method):
    x, weight, keywords = special_call(rng, *ARRANGEMENTS[name], dtype)
    keywords["method"] = method
    if dtype == "complex64":
        keywords.pop("activation", None)
    clean, expected = ndconv.conv_layer(x, weight, **keywords), oracle.layer(x, weight, **keywords)
    assert np.isfinite(clean).all()
    for _ in range(4):
        mask = np.zeros(x.shape, bool)
        mask.flat[rng.integers(0, mask.size, 2)] = True
        poisoned = np.where(mask, np.nan, x).astype(dtype)
        y = ndconv.conv_layer(poisoned, weight, **keywords)
        touched = reached(mask, weight, keywords)
        np.testing.assert_array_equal(np.isnan(y), touched)
        if method == "direct":
            # Elsewhere nothing changed, to the bit.
            np.testing.assert_array_equal(y[~touched], clean[~touched])
        else:
            expected.check(np.where(touched, expected.value.astype(dtype), y))


@pytest.mark.parametrize("name", ARRANGEMENTS)
@pytest.mark.parametrize("corner", [0, -1])
def test_nan_in_a_corner(rng, name, corner):
    x, weight, keywords = special_call(rng, *ARRANGEMENTS[name], "float32")
    mask = np.zeros(x.shape, bool)
    mask.flat[corner] = True
    y = ndconv.conv_layer(np.where(mask, np.float32("nan"), x), weight, **keywords)
    np.testing.assert_array_equal(np.isnan(y), reached(mask, weight, keywords))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_infinity(rng, name, dtype):
    """With positive weights, infinity stays infinity."""
    x, weight, keywords = special_call(rng, *ARRANGEMENTS[name], dtype)
    weight = np.abs(weight)
    mask = np.zeros(x.shape, bool)
    mask.flat[rng.integers(0, mask.size, 3)] = True
    y = ndconv.conv_layer(np.where(mask, np.array(np.inf, dtype), x), weight, **keywords)
    touched = reached(mask, weight, keywords)
    assert (y[touched] == np.inf).all()
    assert np.isfinite(y[~touched]).all()


def test_opposite_infinities_and_infinity_times_zero_are_nan():
    x = np.array([[np.inf, 1, -np.inf, 1, 1, np.inf]], np.float32)
    y = ndconv.conv_layer(x, np.array([[[1, 1, 1]]], np.float32))
    np.testing.assert_array_equal(y, [[np.nan, -np.inf, -np.inf, np.inf]])
    y = ndconv.conv_layer(x, np.array([[[0, 1]]], np.float32))
    np.testing.assert_array_equal(y, [[np.nan, -np.inf, np.nan, 1, np.inf]])


@pytest.mark.parametrize("shape", [(1, 1, 3, 3), (20, 1, 3, 3), (2, 1, 3, 3)])
def test_the_holes_of_a_dilated_kernel_see_nothing(shape):
    x = np.zeros((1, 9, 9), np.float32)
    x[0, 4, 4] = np.nan
    y = ndconv.conv_layer(x, np.ones(shape, np.float32), dilation=2, padding=2)
    expected = np.zeros((9, 9), bool)
    expected[2:7:2, 2:7:2] = True
    np.testing.assert_array_equal(np.isnan(y), np.broadcast_to(expected, y.shape))


@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(1, 1, 1), (3, 2, 1), (20, 40, 1), (5, 5, 5)])
def test_samples_beside_a_view_are_never_used(rng, subtests, c_in, c_out, groups):
    """NaN all around the input, in memory, must not leak into the output."""
    block = np.full((c_in + 2, 13, 45), np.nan, np.float32)
    x = block[1:-1, 2:-2, 3:-3]
    x[...] = values(rng, x.shape, "float32")
    weight = values(rng, (c_out, c_in // groups, 3, 3), "float32")
    for keywords in ({}, {"padding": 1}, {"stride": 2}, {"padding": 2, "padding_mode": "wrap"}):
        with subtests.test(keywords=keywords):
            expected = oracle.layer(x, weight, groups=groups, **keywords)
            expected.check(ndconv.conv_layer(x, weight, groups=groups, **keywords))


@pytest.mark.parametrize("position", range(3))
def test_nan_in_weights_and_bias_stays_in_its_channel(rng, subtests, position):
    for c_in, c_out in ((1, 3), (3, 4), (20, 33)):
        with subtests.test(c_in=c_in, c_out=c_out):
            x, weight, bias = values(rng, (c_in, 9, 20), "float32"), values(rng, (c_out, c_in, 3, 3), "float32"), None
            weight[position, 0, 0, 0] = np.nan
            y = ndconv.conv_layer(x, weight, bias)
            np.testing.assert_array_equal(np.isnan(y).all(axis=(1, 2)), np.arange(c_out) == position)
            np.testing.assert_array_equal(np.isnan(y).any(axis=(1, 2)), np.arange(c_out) == position)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(1, 1, 1), (3, 2, 1), (20, 40, 1), (64, 64, 1), (5, 5, 5)])
def test_special_weights_meet_samples_alone(rng, subtests, special, c_in, c_out, groups):
    """A zero of the padding is no sample, but what stands there by another mode or as a fill value is."""
    x, weight = np.abs(values(rng, (c_in, 9, 20), "float32")), values(rng, (c_out, c_in // groups, 3, 3), "float32")
    weight[-1, 0, 0, 0] = special
    y = ndconv.conv_layer(x, weight, padding=1, groups=groups)
    np.testing.assert_array_equal(y[-1, 1:, 1:], np.full((8, 19), special, np.float32))
    assert np.isfinite(y[-1, 0]).all()
    assert np.isfinite(y[-1, :, 0]).all()
    assert np.isfinite(y[:-1]).all()
    for keywords in ({"fill_value": 2.0}, {"padding_mode": "reflect"}):
        with subtests.test(keywords=keywords):
            y = ndconv.conv_layer(x, weight, padding=1, groups=groups, **keywords)
            np.testing.assert_array_equal(y[-1], np.full((9, 20), special, np.float32))


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("shape", [(200,), (20, 30), (7, 8, 9)])
def test_correlations(rng, mode, shape):
    x, kernel = values(rng, shape, "float64"), np.abs(values(rng, (3,) * len(shape), "float64"))
    mask = np.zeros(shape, bool)
    mask.flat[[5, -7]] = True
    y = ndconv.correlate_nd(np.where(mask, np.nan, x), kernel, mode)
    touched = oracle.correlate(mask.astype(int), np.ones(kernel.shape, int), mode).value > 0
    np.testing.assert_array_equal(np.isnan(y), touched)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_subnormal_numbers_survive(subtests, dtype):
    smallest = np.finfo(dtype).smallest_subnormal
    x = np.array([[smallest, 0, 3 * smallest, -smallest]], dtype)
    for c_out in (1, 20):
        with subtests.test(c_out=c_out):
            y = ndconv.conv_layer(x, np.ones((c_out, 1, 1), dtype))
            np.testing.assert_array_equal(y, np.broadcast_to(x, (c_out, 4)))
