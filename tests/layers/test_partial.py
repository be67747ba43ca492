"""`sample_weights` of `conv_layer`: the partial convolution."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ndconv
from support import oracle
from support.layouts import COMPLEX, FLOATS, INTEGERS, values
from support.strategies import examples, layer_calls


def drawn_weights(rng, shape, kind):
    """Return weights of some kind, among them such that are 0."""
    if kind == "bool":
        return rng.random(shape) < 0.6
    if kind == "uint8":
        return rng.integers(0, 4, shape, np.uint8)
    weights = rng.random(shape) if kind == "float" else 10.0 ** (12 * rng.random(shape) - 8)
    weights[rng.random(shape) < 0.3] = 0
    return weights


def shape_of_weights(rng, x, d, last, how):
    """Return x's shape, or that without channels, perhaps with ones to broadcast or without the axis of the batch."""
    shape = list(x.shape)
    if how == "pixels":
        del shape[-1 if last else -d - 1]
        if len(shape) > d and rng.random() < 0.3:
            del shape[0]
    return [n if rng.random() < 0.9 else 1 for n in shape]


def with_rubbish(rng, x, weights, d, last):
    """Return a copy of x with anything where the weights are 0."""
    x = np.array(x, x.dtype.newbyteorder("="))
    nothing = np.asarray(weights) == 0
    if nothing.ndim < x.ndim:
        nothing = np.broadcast_to(nothing, np.delete(x.shape, -1 if last else -d - 1))
        nothing = np.expand_dims(nothing, -1 if last else -d - 1)
    nothing = np.broadcast_to(nothing, x.shape)
    if x.dtype.kind in "fc":
        x[nothing] = rng.choice([np.nan, np.inf, -np.inf, 7], np.count_nonzero(nothing))
    return x


@examples(400)
@given(
    call=layer_calls(),
    kind=st.sampled_from(("bool", "bool", "uint8", "float", "wide")),
    how=st.sampled_from(("pixels", "samples")),
)
def test_random_calls(call, kind, how):
    """Every geometry, type and layout, with weights of either shape."""
    x, weight = call.arrays
    keywords = {name: value for name, value in call.keywords.items() if name != "fill_value"}
    if oracle.result_dtype(x, weight).kind in "iu":
        weight = np.sign(weight.astype(np.float64))
    rng, d, last = np.random.default_rng(x.size), weight.ndim - 2, keywords["channel_axis"] == -1
    weights = drawn_weights(rng, shape_of_weights(rng, x, d, last, how), kind)
    x = with_rubbish(rng, x, weights, d, last)
    expected = oracle.partial_layer(x, weight, sample_weights=weights, **keywords)
    place = call.place(expected)
    if place is None:
        expected.check(ndconv.conv_layer(x, weight, sample_weights=weights, **keywords))
        return
    assert ndconv.conv_layer(x, weight, sample_weights=weights, out=place.out, **keywords) is place.out
    expected.check(place.out)
    assert place.untouched_outside()


@pytest.mark.parametrize("padding_mode", oracle.MODES)
@pytest.mark.parametrize(("shape", "taps"), [((17,), (4,)), ((8, 9), (3, 2)), ((5, 6, 7), (2, 3, 2))])
@pytest.mark.parametrize("of_pixels", [True, False])
def test_by_windows_of_numpy_pad(rng, padding_mode, shape, taps, of_pixels):
    """The formula written out once more, with nothing between it and NumPy."""
    d = len(shape)
    x, weight = rng.standard_normal((3, 4, *shape)), rng.standard_normal((6, 2, *taps))
    weights, bias = rng.random((3, *shape) if of_pixels else x.shape), rng.standard_normal(6)
    weights[rng.random(weights.shape) < 0.7] = 0
    each = np.broadcast_to(weights[:, None], x.shape) if of_pixels else weights
    widths = [(0, 0), (0, 0), *[(2, 1)] * d]
    axes = tuple(range(2, 2 + d))
    every = (slice(None), slice(None), *[slice(None, None, 2)] * d)
    padded = (np.pad(a, widths, oracle.NUMPY_NAME[padding_mode]) for a in (x * each, each))
    samples, counts = (np.lib.stride_tricks.sliding_window_view(a, taps, axis=axes)[every] for a in padded)
    expected = np.zeros((3, 6, *samples.shape[2 : 2 + d]))
    for k, (filters, b) in enumerate(zip(weight, bias, strict=True)):
        group = slice(0, 2) if k < 3 else slice(2, 4)
        others = (1, *range(2 + d, 2 + 2 * d))
        sums = (samples[:, group] * filters.reshape(2, *(1,) * d, *taps)).sum(axis=others)
        total = counts[:, group].sum(axis=others)
        there = total > 0
        expected[:, k][there] = (sums[there] * filters.size / total[there]) + b
    options = {"stride": 2, "padding": [(2, 1)] * d, "padding_mode": padding_mode, "groups": 2}
    y = ndconv.conv_layer(x, weight, bias, sample_weights=weights, **options)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(3, 4, 1), (6, 6, 6), (4, 6, 2)])
@pytest.mark.parametrize("of_pixels", [True, False])
def test_agrees_with_pytorch(rng, torch, d, c_in, c_out, groups, of_pixels):
    """A mask and what it leaves, each through a layer, as in the paper's own code."""
    functional = torch.nn.functional
    convolve = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}[d]
    x = values(rng, (2, c_in, *(9, 8, 7)[:d]), "float64")
    weight, bias = values(rng, (c_out, c_in // groups, *(3,) * d), "float64"), values(rng, c_out, "float64")
    mask = rng.random((2, 1 if of_pixels else c_in, *x.shape[2:])) < 0.2
    arguments = {"stride": 2, "padding": 2, "dilation": 2, "groups": groups}
    masks = torch.from_numpy(np.broadcast_to(mask, x.shape).astype("float64"))
    sums = convolve(torch.from_numpy(x) * masks, torch.from_numpy(weight), **arguments).numpy()
    count = convolve(masks, torch.ones(weight.shape, dtype=torch.float64), **arguments).numpy()
    factor = math.prod(weight.shape[1:]) / np.maximum(count, 1)
    expected = np.where(count > 0, sums * factor + bias.reshape(-1, *(1,) * d), 0)
    weights = mask[:, 0] if of_pixels else mask
    y = ndconv.conv_layer(x, weight, bias, sample_weights=weights, **arguments)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", ["auto", "direct", "winograd", "fft"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_methods(rng, dtype, method):
    x, weight = values(rng, (8, 40, 50), dtype), values(rng, (16, 8, 3, 3), dtype)
    for weights in (rng.random((40, 50)) < 0.5, rng.random(x.shape)):
        expected = oracle.partial_layer(x, weight, padding="same", method=method, sample_weights=weights)
        expected.check(ndconv.conv_layer(x, weight, padding="same", method=method, sample_weights=weights))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_windows_in_which_little_counts(rng, dtype):
    """As exact as by the direct method, which takes the place of spectra."""
    x, weight = 1 + rng.random((1, 3000)).astype(dtype), rng.random((2, 1, 300)).astype(dtype)
    weights = 1 + rng.random(3000)
    weights[500:1000] *= 1e-9
    weights[1500:2500] *= 1e-60
    x[:, :400] *= 1e6
    y = ndconv.conv_layer(x, weight, sample_weights=weights)
    oracle.partial_layer(x, weight, sample_weights=weights, method="direct").check(y)


@pytest.mark.parametrize("dtype", [*FLOATS, *COMPLEX])
@pytest.mark.parametrize("weight", [True, 1, 4.0, 2.0**-100])
def test_equal_weights_change_nothing_without_padding(rng, dtype, weight):
    x, filters, bias = (values(rng, shape, dtype) for shape in ((2, 4, 20, 30), (6, 2, 5, 4), 6))
    options = {"stride": (1, 2), "groups": 2, "method": "direct"}
    clean = ndconv.conv_layer(x, filters, bias, **options)
    for shape in (x.shape, x.shape[2:], ()):
        y = ndconv.conv_layer(x, filters, bias, sample_weights=np.full(shape, weight), **options)
        oracle.layer(x, filters, bias, **options).check(y)
        assert y.dtype == clean.dtype
    repeated = {"padding": 3, "padding_mode": "reflect"}
    y = ndconv.conv_layer(x, filters, bias, sample_weights=weight, **options, **repeated)
    oracle.layer(x, filters, bias, **options, **repeated).check(y)


@pytest.mark.parametrize("factor", [1e-300, 1e-30, 0.1, 3.0, 2.0**100, 1e300])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_only_their_ratios_count(rng, dtype, factor):
    x, weight, weights = (rng.random(shape).astype(dtype) for shape in ((1, 20, 30), (1, 1, 3, 4), (20, 30)))
    y = ndconv.conv_layer(x, weight, padding=2, sample_weights=weights)
    scaled = ndconv.conv_layer(x, weight, padding=2, sample_weights=weights.astype("float64") * factor)
    np.testing.assert_allclose(scaled, y, rtol=3e-6 if dtype == "float32" else 1e-14)


def test_padding_with_zeros_counts_nothing():
    """So means at the border are means of what is inside."""
    x, mean = [[4.0, 2, 6]], np.ones((1, 1, 3)) / 3
    np.testing.assert_allclose(ndconv.conv_layer(x, mean, padding=1, sample_weights=1), [[3, 4, 4]])
    np.testing.assert_allclose(ndconv.conv_layer(x, mean, padding=1, sample_weights=[3, 1, 0]), [[3.5, 3.5, 2]])
    reflected = ndconv.conv_layer(x, mean, padding=1, padding_mode="reflect", sample_weights=[3, 1, 2])
    np.testing.assert_allclose(reflected, [[(12 + 2 + 2) / 5, 26 / 6, (12 + 2 + 2) / 4]])


@pytest.mark.parametrize("method", ["auto", "direct", "fft"])
def test_where_nothing_counts(method):
    """Neither sums nor a bias, also where filters are infinite; a residual and an activation."""
    x, weights = np.full((1, 8), np.nan), np.zeros(8)
    x[0, 0], weights[0] = 3, 2
    weight, bias = np.array([[[1.0, 1]], [[np.inf, 1]]]), np.array([10.0, 20])
    y = ndconv.conv_layer(x, weight, bias, sample_weights=weights, method=method)
    np.testing.assert_array_equal(y[0], [16, 0, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(y[1, 1:], 0)
    y = ndconv.conv_layer(x, weight, bias, sample_weights=weights, residual=np.ones((2, 7)), activation="sigmoid")
    np.testing.assert_allclose(y[:, 1:], 1 / (1 + math.exp(-1)))
    assert (ndconv.conv_layer(np.ones((2, 9)), np.ones((3, 2, 2)), np.ones(3), sample_weights=0) == 0).all()


def test_a_nan_that_counts():
    x = [[1.0, np.nan, 3, np.nan, 5]]
    y = ndconv.conv_layer(x, np.ones((1, 1, 2)), sample_weights=[1, 2, 3, 0, 1])
    np.testing.assert_allclose(y, [[np.nan, np.nan, 6, 10]])


def test_which_axes_weights_have(rng):
    """With as many as x they are for each sample, with fewer for each pixel, whatever their sizes."""
    x, weight = rng.random((3, 3, 9, 8)), rng.random((4, 3, 3, 3))
    of_items, of_channels = rng.random((3, 9, 8)), rng.random((1, 3, 9, 8))
    whole = np.broadcast_to(of_items[:, None], x.shape)
    y = ndconv.conv_layer(x, weight, sample_weights=whole)
    np.testing.assert_allclose(ndconv.conv_layer(x, weight, sample_weights=of_items), y, rtol=1e-12)
    y = ndconv.conv_layer(x, weight, sample_weights=np.broadcast_to(of_channels, x.shape))
    np.testing.assert_allclose(ndconv.conv_layer(x, weight, sample_weights=of_channels), y, rtol=1e-12)
    last = {"channel_axis": -1}
    turned = ndconv.conv_layer(np.moveaxis(x, 1, -1), weight, sample_weights=np.moveaxis(of_channels, 1, -1), **last)
    np.testing.assert_allclose(np.moveaxis(turned, -1, 1), y, rtol=1e-12)


def test_nothing_to_do():
    weights = np.ones((9, 8))
    assert ndconv.conv_layer(np.ones((0, 2, 9, 8)), np.ones((3, 2, 2, 2)), sample_weights=weights).shape == (0, 3, 8, 7)
    assert ndconv.conv_layer(np.ones((2, 9, 8)), np.ones((0, 2, 2, 2)), sample_weights=weights).shape == (0, 8, 7)
    none = np.ones((0, 9, 8)), np.ones((3, 0, 2, 2)), np.arange(3.0)
    y = ndconv.conv_layer(*none, sample_weights=weights)
    np.testing.assert_array_equal(y, ndconv.conv_layer(*none))


def test_out_may_be_an_argument(rng):
    arrays = {name: rng.random((1, 30, 40)) for name in ("x", "sample_weights", "residual")}
    weight = rng.random((1, 1, 3, 3))
    expected = ndconv.conv_layer(weight=weight, padding=1, **arrays)
    for name in arrays:
        copies = {other: a.copy() for other, a in arrays.items()}
        out = copies[name]
        assert ndconv.conv_layer(weight=weight, padding=1, out=out, **copies) is out
        np.testing.assert_array_equal(out, expected)


def test_the_arguments_stay_as_they_are(rng):
    x, weights, weight = rng.random((1, 30)), rng.random(30), rng.random((1, 1, 3))
    x[0, 3], weights[3] = np.nan, 0
    before = x.copy(), weights.copy()
    ndconv.conv_layer(x, weight, sample_weights=weights)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(weights, before[1])


def test_workers(rng):
    x, weight, weights = (rng.random(s).astype("float32") for s in ((8, 100, 90), (16, 8, 3, 3), (100, 90)))
    one, two = (ndconv.conv_layer(x, weight, padding=1, sample_weights=weights, workers=n) for n in (1, 2))
    np.testing.assert_array_equal(one, two)


ERRORS = [
    ({"sample_weights": np.full((9, 8), -0.5)}, ValueError, r"sample_weights must be finite and at least 0.*-0\.5"),
    ({"sample_weights": np.full((9, 8), np.nan)}, ValueError, "sample_weights must be finite and at least 0.*nan"),
    ({"sample_weights": np.full((9, 8), np.inf)}, ValueError, "sample_weights must be finite and at least 0.*inf"),
    ({"sample_weights": np.ones((9, 8), complex)}, TypeError, "sample_weights must be real.*complex128"),
    (
        {"sample_weights": np.ones((8, 9))},
        ValueError,
        r"sample_weights must have x's shape \(2, 9, 8\), or \(9, 8\) for all channels alike.*got \(8, 9\)",
    ),
    ({"sample_weights": np.ones((3, 9, 8))}, ValueError, r"sample_weights must have x's shape.*got \(3, 9, 8\)"),
    ({"sample_weights": np.ones((1, 2, 9, 8))}, ValueError, "sample_weights must have x's shape"),
    ({"sample_weights": "much"}, TypeError, "sample_weights must be an array"),
    ({"sample_weights": [[1, 2], [3]]}, ValueError, "sample_weights must be an array"),
    ({"sample_weights": np.ma.masked_array(np.ones((9, 8)), True)}, TypeError, "sample_weights must not be a masked"),
    ({"fill_value": 2.5}, ValueError, r"fill_value must be 0 with sample_weights.*2\.5"),
    ({"fill_value": np.nan}, ValueError, "fill_value must be 0 with sample_weights.*nan"),
    ({"fill_value": "none"}, TypeError, "fill_value must be a number"),
    ({"bias": np.ones(2)}, ValueError, "bias must have shape"),
    ({"residual": np.ones((2, 7, 7))}, ValueError, "residual must have the output's shape"),
    ({"activation": "square"}, ValueError, "activation"),
    ({"method": "fastest"}, ValueError, "method"),
]


@pytest.mark.parametrize(("change", "error", "match"), ERRORS)
def test_errors(change, error, match):
    arguments = {"x": np.ones((2, 9, 8)), "weight": np.ones((3, 2, 3, 2)), "sample_weights": np.ones((9, 8)), **change}
    out = np.full((3, 7, 7), 99.0)
    for extra in ({}, {"out": out}):
        with pytest.raises(error, match=match):
            ndconv.conv_layer(**arguments, **extra)
    assert (out == 99).all()


@pytest.mark.parametrize("dtype", ["bool", *INTEGERS])
def test_integer_results_are_refused(dtype):
    x, weight = np.ones((1, 5), dtype), np.ones((1, 1, 2), dtype)
    with pytest.raises(ValueError, match=r"sample_weights must be None for a result of dtype u?int.*float64"):
        ndconv.conv_layer(x, weight, sample_weights=np.ones(5))
    y = ndconv.conv_layer(x, weight.astype("float32"), sample_weights=[1, 0, 1, 1, 1])
    np.testing.assert_array_equal(y, [[2, 2, 2, 2]])


@pytest.mark.parametrize(("out", "match"), [(np.ones((1, 5)), "shape"), (np.ones((1, 4), "float32"), "dtype")])
def test_an_out_that_does_not_fit(out, match):
    with pytest.raises((ValueError, TypeError), match=f"out must have {match}"):
        ndconv.conv_layer(np.ones((1, 5)), np.ones((1, 1, 2)), sample_weights=np.ones(5), out=out)
    assert (out == 1).all()
