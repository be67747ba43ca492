"""The naive references themselves, against NumPy, SciPy and PyTorch: two independent witnesses before a verdict."""

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from hypothesis import given

from support import oracle
from support.layouts import LAYOUTS, Place, values
from support.strategies import correlation_calls, examples, layer_calls

# The references have no instruction sets.
pytestmark = pytest.mark.once

NDIMAGE_NAME = {
    "zeros": "constant",
    "replicate": "nearest",
    "reflect": "mirror",
    "symmetric": "reflect",
    "circular": "grid-wrap",
}


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("shape", "taps"), [((30,), (4,)), ((9, 12), (3, 4)), ((6, 7, 8), (2, 3, 4))])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_correlation_is_scipys(rng, mode, shape, taps, dtype):
    x, kernel = values(rng, shape, dtype), values(rng, taps, dtype)
    oracle.correlate(x, kernel, mode).check(scipy.signal.correlate(x, kernel, mode, method="direct"))
    oracle.convolve(x, kernel, mode).check(scipy.signal.convolve(x, kernel, mode, method="direct"))


@pytest.mark.parametrize("mode", oracle.MODES)
@pytest.mark.parametrize("taps", [(3, 3), (4, 5)])
def test_borders_are_ndimages(rng, mode, taps):
    x, kernel = values(rng, (7, 9), "float64"), values(rng, taps, "float64")
    expected = scipy.ndimage.correlate(x, kernel, mode=NDIMAGE_NAME[mode])
    oracle.correlate(x, kernel, "same", padding_mode=mode).check(expected)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 3])
def test_layer_is_pytorchs(rng, torch, d, groups):
    x, weight = values(rng, (2, 6, *(9,) * d), "float64"), values(rng, (9, 6 // groups, *(3,) * d), "float64")
    bias = values(rng, 9, "float64")
    function = getattr(torch.nn.functional, f"conv{d}d")
    arguments = {"stride": 2, "padding": 2, "dilation": 2, "groups": groups}
    expected = function(*map(torch.from_numpy, (x, weight, bias)), **arguments).numpy()
    oracle.layer(x, weight, bias, **arguments).check(expected)


@pytest.mark.parametrize("activation", sorted(oracle.ACTIVATIONS))
def test_activations_are_pytorchs(torch, activation):
    v = np.linspace(-9, 9, 1001)
    expected = getattr(torch.nn.functional, activation)(torch.from_numpy(v)).numpy()
    np.testing.assert_allclose(oracle.ACTIVATIONS[activation](v), expected, rtol=1e-13, atol=1e-15)


def test_integers_wrap_as_numpys(rng):
    x, weight = values(rng, (3, 50), "int32"), values(rng, (2, 3, 7), "int32")
    windows = np.lib.stride_tricks.sliding_window_view(x, 7, axis=1)
    oracle.layer(x, weight).check(np.einsum("clt,oct->ol", windows, weight))


@examples(150)
@given(call=layer_calls())
def test_every_drawn_layer_has_an_answer(call):
    expected = oracle.layer(*call.arrays, **call.keywords)
    assert expected.bound is None or expected.bound.shape == expected.shape
    residual = call.keywords.get("residual")
    assert residual is None or residual.shape == expected.shape


@examples(150)
@given(call=correlation_calls())
def test_every_drawn_correlation_has_an_answer(call):
    expected = oracle.correlate(*call.arrays, **call.keywords)
    assert expected.bound is None or expected.bound.shape == expected.shape


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_keep_the_values(rng, layout):
    a = values(rng, (3, 4, 5), "float32")
    b = LAYOUTS[layout](a)
    assert b.shape == a.shape
    if not layout.startswith("constant"):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("layout", Place.layouts)
def test_places_see_what_is_written_outside(layout):
    place = Place((3, 4), "float32", layout)
    place.out[...] = 1
    assert place.untouched_outside()
    assert not place.untouched()
    if layout in ("sliced", "window"):
        place.base[0] = 1
        assert not place.untouched_outside()
