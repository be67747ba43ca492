"""NaN, infinity and overflow in tiles: Winograd's method leaves them to the direct one."""

import numpy as np
import pytest

import ndconv
from support import oracle
from support.layouts import values
from support.special import reached, special_call
from support.winograd import ROUNDS, calls_of, not_directly, rounds_of, tuned, winograd

SPECIAL = {
    "image": ((17, 15, 16), (33, 17, 3, 3), {"padding": 1}),
    "images": ((3, 8, 9, 9), (10, 8, 3, 3), {"padding": 3, "padding_mode": "reflect"}),
    "signal": ((16, 200), (20, 16, 3), {"padding": "causal"}),
    "rows": ((5, 14, 40), (7, 5, 2, 3), {"stride": (2, 1)}),
    "volume": ((4, 6, 7, 9), (5, 4, 3, 3, 3), {"padding": 1}),
    "groups": ((12, 12, 13), (30, 4, 3, 3), {"groups": 3}),
    "channels last": ((12, 13, 18), (20, 18, 3, 3), {"channel_axis": -1}),
    "bias and activation": ((20, 15, 16), (24, 20, 3, 3), {"bias": True, "activation": "relu"}),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "complex64"])
@pytest.mark.parametrize("name", SPECIAL)
def test_nan_in_x(rng, subtests, name, dtype):
    x, weight, keywords = special_call(rng, *SPECIAL[name], dtype)
    if dtype == "complex64":
        keywords.pop("activation", None)
    expected = oracle.layer(x, weight, **keywords, method="winograd")
    for places in (1, 2, 3):
        with subtests.test(places=places):
            mask = np.zeros(x.shape, bool)
            mask.flat[rng.integers(0, mask.size, places)] = True
            y = winograd(np.where(mask, np.nan, x).astype(dtype), weight, **keywords)
            touched = reached(mask, weight, keywords)
            np.testing.assert_array_equal(np.isnan(y), touched)
            expected.check(np.where(touched, expected.value.astype(dtype), y))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SPECIAL)
def test_infinity_in_x(rng, name, dtype):
    """With positive weights, infinity stays infinity."""
    x, weight, keywords = special_call(rng, *SPECIAL[name], dtype)
    weight = np.abs(weight)
    mask = np.zeros(x.shape, bool)
    mask.flat[rng.integers(0, mask.size, 2)] = True
    y = winograd(np.where(mask, np.array(np.inf, dtype), x), weight, **keywords)
    touched = reached(mask, weight, keywords)
    assert (y[touched] == np.inf).all()
    expected = oracle.layer(x, weight, **keywords, method="winograd")
    expected.check(np.where(touched, expected.value.astype(dtype), y))


@pytest.mark.parametrize("position", [0, 40, -1])
def test_nan_in_every_corner_of_many_rounds(rng, subtests, position):
    """Whichever round, worker or patch meets it."""
    x, weight = values(rng, (2, 17, 30, 31), "float32"), values(rng, (35, 17, 3, 3), "float32")
    mask = np.zeros(x.shape, bool)
    mask.reshape(-1)[position] = True
    for rounds in ROUNDS:
        for workers in (1, 3):
            with subtests.test(rounds=rounds, workers=workers):
                with tuned(**rounds_of(rounds, x, weight, padding=1)):
                    y = winograd(np.where(mask, np.float32("nan"), x), weight, padding=1, workers=workers)
                np.testing.assert_array_equal(np.isnan(y), reached(mask, weight, {"padding": 1}))


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("c_in", "c_out"), [(1, 3), (20, 33), (16, 70)])
def test_special_weights(rng, special, c_in, c_out):
    """They stay in their channel, and meet samples alone: a zero of the padding is none."""
    x, weight = np.abs(values(rng, (c_in, 9, 20), "float32")), values(rng, (c_out, c_in, 3, 3), "float32")
    clean = oracle.layer(x, weight, padding=1, method="winograd")
    weight[-1, 0, 0, 0] = special
    y = winograd(x, weight, padding=1)
    np.testing.assert_array_equal(y[-1, 1:, 1:], np.full((8, 19), special, np.float32))
    assert np.isfinite(y[-1, 0]).all()
    assert np.isfinite(y[-1, :, 0]).all()
    right = clean.value.astype(np.float32)
    right[:-1] = y[:-1]
    clean.check(right)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_special_bias(rng, special):
    x, weight = values(rng, (18, 9, 20), "float32"), values(rng, (35, 18, 3, 3), "float32")
    bias = np.ones(35, "float32")
    clean = winograd(x, weight, bias)
    bias[7] = special
    y = winograd(x, weight, bias)
    np.testing.assert_array_equal(y[7], np.full(y.shape[1:], special, np.float32))
    others = np.arange(35) != 7
    np.testing.assert_array_equal(y[others], clean[others])


def test_special_residual(rng):
    x, weight, residual = (values(rng, shape, "float32") for shape in ((18, 9, 20), (35, 18, 3, 3), (35, 7, 18)))
    clean = winograd(x, weight, residual=residual)
    residual[3, 4, 5] = np.nan
    mask = np.isnan(residual)
    y = winograd(x, weight, residual=residual)
    np.testing.assert_array_equal(np.isnan(y), mask)
    np.testing.assert_array_equal(y[~mask], clean[~mask])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("where", ["x", "weight"])
@pytest.mark.parametrize("size", [2, 4, 30])
def test_values_that_overflow_at_the_points(rng, dtype, where, size):
    """The results are finite, and those of the direct method to the bit, which does it again."""
    most = float(np.finfo(dtype).max)
    x, weight = rng.uniform(-1, 1, (18, size + 2, size + 2)), rng.uniform(-1, 1, (20, 18, 3, 3))
    scale = (0.99 * most, 1e-30) if where == "x" else (1e-30, 0.99 * most)
    x, weight = (x * scale[0]).astype(dtype), (weight * scale[1]).astype(dtype)
    (x if where == "x" else weight).flat[::7] = 0.99 * most
    y = winograd(x, weight)
    assert np.isfinite(y).all()
    np.testing.assert_array_equal(y, ndconv.conv_layer(x, weight, method="direct"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_that_overflow(rng, dtype):
    x, weight = values(rng, (18, 20, 21), dtype), values(rng, (20, 18, 3, 3), dtype)
    x[:, 8:11, 9:12] *= np.finfo(dtype).max / 10
    y = winograd(x, weight)
    assert not np.isfinite(y).all()
    np.testing.assert_array_equal(y, ndconv.conv_layer(x, weight, method="direct"))


@pytest.mark.parametrize("exponent", [-60, -30, 30, 60])
def test_huge_and_tiny_values_that_do_not_overflow(rng, exponent):
    x, weight = values(rng, (18, 20, 21), "float32"), values(rng, (20, 18, 3, 3), "float32")
    x, weight = np.ldexp(x, exponent), np.ldexp(weight, exponent // 2)
    with not_directly():  # but scaled, if tiny
        oracle.layer(x, weight, method="winograd").check(winograd(x, weight))


def shapes_of_unlike_kernels(c_in, c_out):
    """Return two shapes of x that Winograd's method does with the same weights, and the direct method with others."""
    found = {}
    for shape in ((3, 3), (6, 6), (9, 9), (14, 14), (30, 30), (4, 60), (60, 4), (60, 60)):
        x, weight = np.ones((c_in, *shape), np.float32), np.ones((c_out, c_in, 3, 3), np.float32)
        keys = []
        for method in ("winograd", "direct"):
            layer = ndconv.ConvLayer(weight, padding=1, method=method)
            layer(x)
            (call,) = calls_of(layer)
            keys.append(call.prepared.plan.pack_key())
        others = found.setdefault(keys[0], {})
        others.setdefault(keys[1], shape)
        if len(others) == 2:
            return list(others.values())
    return None


@pytest.mark.parametrize(("c_in", "c_out"), [(64, 2), (128, 2), (64, 3), (20, 20), (64, 40)])
def test_one_layer_does_sizes_again_that_need_other_kernels(rng, c_in, c_out):
    shapes = shapes_of_unlike_kernels(c_in, c_out)
    if shapes is None:
        pytest.skip("all sizes need the same kernel here")
    weight = values(rng, (c_out, c_in, 3, 3), "float32")
    layer = ndconv.ConvLayer(weight, padding=1, method="winograd")
    for shape in (*shapes, *shapes):
        x = values(rng, (c_in, *shape), "float32")
        x[0, 0, 0] = np.nan
        np.testing.assert_array_equal(layer(x), ndconv.conv_layer(x, weight, padding=1, method="direct"))
