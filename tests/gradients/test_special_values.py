"""NaN and infinity in gradients reach what saw them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ndconv
from support import oracle
from support.gradients import gradient_for
from support.layouts import values
from support.strategies import generators, layer_backward_calls

GEOMETRIES = [
    ((2, 3, 12), (4, 3, 3), {}),
    ((2, 4, 9, 8), (6, 2, 3, 3), {"padding": 1, "groups": 2}),
    ((2, 4, 9, 8), (6, 2, 3, 3), {"padding": 2, "padding_mode": "reflect", "groups": 2, "stride": 2}),
    ((1, 1, 30, 31), (1, 1, 5, 4), {"padding": 3, "padding_mode": "circular"}),
    ((1, 1, 4000), (1, 1, 301), {"stride": 1}),
    ((1, 40, 20, 20), (40, 40, 3, 3), {"padding": 1}),
    ((1, 32, 6, 6), (64, 32, 1, 1), {"stride": 2}),
]


@given(call=layer_backward_calls(), rng=generators(), value=st.sampled_from((np.nan, np.inf, -np.inf)))
def test_special_weights_reach_what_their_taps_read(call, rng, value):
    """The gradient to x sums over outputs that there are; there is no zero beyond them."""
    g, x, weight = (np.abs(values(rng, a.shape, "float64")) + 0.1 for a in call.arrays)
    keywords = {name: v for name, v in call.keywords.items() if name not in ("needs", "fill_value")}
    mask = np.zeros(weight.shape, int)
    mask.flat[rng.integers(0, max(mask.size, 1), 2 if mask.size else 0)] = 1
    seen = oracle.layer_gradients(np.ones(g.shape, int), np.ones(x.shape, int), mask, **keywords).x.value > 0
    found = ndconv.conv_layer_backward(g, x, np.where(mask, value, weight), **keywords, needs="x").x
    clean = ndconv.conv_layer_backward(g, x, weight, **keywords, needs="x").x
    np.testing.assert_array_equal(found[seen], value)
    np.testing.assert_allclose(found[~seen], clean[~seen], rtol=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("x_shape", "weight_shape", "keywords"), GEOMETRIES)
def test_what_is_not_finite_reaches_what_saw_it(rng, value, x_shape, weight_shape, keywords):
    x, weight = values(rng, x_shape, "float32"), np.abs(values(rng, weight_shape, "float32")) + 0.1
    g = gradient_for(rng, x, weight, **keywords)
    ones = np.ones(weight_shape, int)
    for at in [(0,) * x.ndim, tuple(n - 1 for n in x_shape), tuple(n // 2 for n in x_shape)]:
        mask = np.zeros(x_shape, int)
        mask[at] = 1
        seen = oracle.layer_gradients(np.ones(g.shape, int), mask, ones, **keywords).weight.value > 0
        found = ndconv.conv_layer_backward(g, np.where(mask, value, x).astype("f"), weight, **keywords)
        np.testing.assert_array_equal(~np.isfinite(found.weight), seen)
        assert np.isfinite(found.x).all()
    for at in [(0,) * x.ndim, tuple(n - 1 for n in g.shape), tuple(n // 2 for n in g.shape)]:
        mask = np.zeros(g.shape, int)
        mask[at] = 1
        seen = oracle.layer_gradients(mask, np.ones(x_shape, int), ones, **keywords)
        found = ndconv.conv_layer_backward(np.where(mask, value, g).astype("f"), x, weight, **keywords)
        np.testing.assert_array_equal(~np.isfinite(found.x), seen.x.value > 0)
        np.testing.assert_array_equal(~np.isfinite(found.bias), seen.bias.value > 0)
        np.testing.assert_array_equal(~np.isfinite(found.weight).all((1, *range(2, x.ndim))), seen.bias.value > 0)
        assert np.isfinite(found.weight[seen.bias.value == 0]).all()
