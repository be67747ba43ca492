"""`conv_layer` against the naive reference, PyTorch and SciPy: random calls, then each keyword by itself."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given

import ndconv
from support import oracle
from support.layouts import FLOATS, Place, values
from support.pairs import paired
from support.strategies import examples, layer_calls

#: One layer for each way that the work may be arranged: channels in, out, groups.
CHANNELS = [(1, 1, 1), (3, 2, 1), (16, 32, 1), (40, 20, 1), (6, 6, 6), (4, 12, 4), (6, 9, 3), (48, 64, 2)]


def sizes(d):
    return {1: (37,), 2: (9, 11), 3: (5, 6, 7)}[d]


@examples(500)
@given(call=layer_calls())
def test_random_calls(call):
    expected = oracle.layer(*call.arrays, **call.keywords)
    place = call.place(expected)
    if place is None:
        expected.check(ndconv.conv_layer(*call.arrays, **call.keywords))
        return
    assert ndconv.conv_layer(*call.arrays, **call.keywords, out=place.out) is place.out
    expected.check(place.out)
    assert place.untouched_outside()


@pytest.mark.parametrize("dtype", [*FLOATS, "complex64", "complex128", "int8", "int32", "int64", "uint16"])
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), CHANNELS)
def test_types_and_dimensions(rng, dtype, d, c_in, c_out, groups):
    x = values(rng, (2, c_in, *sizes(d)), dtype)
    weight = values(rng, (c_out, c_in // groups, *(3,) * d), dtype)
    expected = oracle.layer(x, weight, padding=1, groups=groups)
    expected.check(ndconv.conv_layer(x, weight, padding=1, groups=groups))


@pytest.mark.parametrize("d", [4, 5])
def test_more_dimensions(rng, d):
    x, weight = values(rng, (2, *range(3, 3 + d)), "float32"), values(rng, (3, 2, *(2,) * d), "float32")
    arguments = {"padding": 1, "stride": (2, *(1,) * (d - 1))}
    oracle.layer(x, weight, **arguments).check(ndconv.conv_layer(x, weight, **arguments))


@pytest.mark.parametrize(("dtype", "d"), [("float32", 1), ("float32", 2), ("float32", 3), ("float64", 2)])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), CHANNELS)
@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 1, 1), (1, 4, 2), (3, 2, 2)])
def test_agrees_with_pytorch(rng, torch, dtype, d, c_in, c_out, groups, stride, padding, dilation):
    x = values(rng, (2, c_in, *sizes(d)), dtype)
    weight = values(rng, (c_out, c_in // groups, *(3,) * d), dtype)
    bias = values(rng, c_out, dtype)
    arguments = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    function = getattr(torch.nn.functional, f"conv{d}d")
    theirs = function(*map(torch.from_numpy, (x, weight, bias)), **arguments).numpy()
    ours = ndconv.conv_layer(x, weight, bias, **arguments)
    bound = 2 * oracle.layer(x, weight, bias, **arguments).bound
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    assert (np.abs(ours - theirs) <= bound).all()


@pytest.mark.parametrize("name", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_agrees_with_pytorchs_padding(rng, torch, name, d):
    layer = getattr(torch.nn, f"Conv{d}d")(3, 5, 3, padding=2, padding_mode=name)
    x = values(rng, (2, 3, *sizes(d)), "float32")
    weight, bias = (p.detach().numpy() for p in (layer.weight, layer.bias))
    theirs = layer(torch.from_numpy(x)).detach().numpy()
    ours = ndconv.conv_layer(x, weight, bias, padding=2, padding_mode=name)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 6])
def test_same_agrees_with_pytorch(rng, torch, kernel):
    x, weight = values(rng, (2, 3, 17), "float64"), values(rng, (4, 3, kernel), "float64")
    theirs = torch.nn.functional.conv1d(torch.from_numpy(x), torch.from_numpy(weight), padding="same").numpy()
    np.testing.assert_allclose(ndconv.conv_layer(x, weight, padding="same"), theirs, atol=1e-13)


def test_agrees_with_scipy_channel_by_channel(rng):
    x, weight = values(rng, (3, 20, 21), "float64"), values(rng, (4, 3, 5, 4), "float64")
    planes = [[scipy.signal.correlate(x[c], w[c], mode="valid", method="direct") for c in range(3)] for w in weight]
    np.testing.assert_allclose(ndconv.conv_layer(x, weight), np.sum(planes, axis=1), atol=1e-12)


def test_horizontal_edges():
    x = np.array([[0] * 5, [0] * 5, [1] * 5, [1] * 5, [1] * 5])[None]
    weight = np.array([[-1] * 3, [0] * 3, [1] * 3])[None, None]
    np.testing.assert_array_equal(ndconv.conv_layer(x, weight), [[[3, 3, 3], [3, 3, 3], [0, 0, 0]]])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("activation", [None, *oracle.ACTIVATIONS])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), CHANNELS)
def test_activations(rng, dtype, activation, c_in, c_out, groups):
    x, weight = 2 * values(rng, (2, c_in, 9, 11), dtype), values(rng, (c_out, c_in // groups, 3, 3), dtype)
    arguments = {"bias": values(rng, c_out, dtype), "activation": activation, "groups": groups}
    oracle.layer(x, weight, **arguments).check(ndconv.conv_layer(x, weight, **arguments))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", oracle.ACTIVATIONS)
def test_activations_far_from_zero(dtype, activation):
    x = np.concatenate([np.linspace(-120, 120, 4001), [0.0, -0.0, 1e30, -1e30, 1e-30, -1e-30]]).astype(dtype)[None]
    weight = np.ones((1, 1, 1), dtype)
    oracle.layer(x, weight, activation=activation).check(ndconv.conv_layer(x, weight, activation=activation))


@pytest.mark.parametrize("activation", oracle.ACTIVATIONS)
def test_activations_of_infinity_and_nan(activation):
    x = np.array([[np.inf, -np.inf, np.nan, 1.0]], np.float32)
    y = ndconv.conv_layer(x, np.ones((1, 1, 1), np.float32), activation=activation)[0]
    high = {"relu6": 6.0, "sigmoid": 1.0, "tanh": 1.0}.get(activation, np.inf)
    assert y[0] == high
    assert np.isnan(y[2])
    assert np.isfinite(y[3])
    if activation in ("relu", "relu6", "sigmoid"):
        assert y[1] == 0
    elif activation == "tanh":
        assert y[1] == -1
    elif activation == "leaky_relu":
        assert y[1] == -np.inf


@pytest.mark.parametrize("dtype", ["int16", "uint8"])
def test_relu_of_integers(rng, dtype):
    x, weight = values(rng, (3, 30), dtype), values(rng, (5, 3, 4), dtype)
    oracle.layer(x, weight, activation="relu").check(ndconv.conv_layer(x, weight, activation="relu"))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "int32"])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), CHANNELS)
@pytest.mark.parametrize("channel_axis", [None, -1])
def test_bias_and_residual(rng, dtype, c_in, c_out, groups, channel_axis):
    shape = (2, 9, 11, c_in) if channel_axis == -1 else (2, c_in, 9, 11)
    x, weight = values(rng, shape, dtype), values(rng, (c_out, c_in // groups, 3, 3), dtype)
    arguments = {"stride": (1, 2), "groups": groups, "channel_axis": channel_axis}
    for bias in (None, values(rng, c_out, dtype)):
        shape = (2, 7, 5, c_out) if channel_axis == -1 else (2, c_out, 7, 5)
        for residual in (None, values(rng, shape, dtype), values(rng, shape[::-1], dtype).T):
            expected = oracle.layer(x, weight, bias, residual=residual, **arguments)
            expected.check(ndconv.conv_layer(x, weight, bias, residual=residual, **arguments))


def test_residual_comes_before_the_activation():
    x, weight = np.ones((1, 4)), np.ones((1, 1, 1))
    residual = np.array([[-3.0, -1.0, 0.0, 2.0]])
    y = ndconv.conv_layer(x, weight, np.array([0.5]), residual=residual, activation="relu")
    np.testing.assert_array_equal(y, [[0, 0.5, 1.5, 3.5]])


@pytest.mark.parametrize("dtype", ["float32", "complex128", "int16"])
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), CHANNELS)
@pytest.mark.parametrize("batch", [(), (2,)])
def test_channels_last(rng, dtype, d, c_in, c_out, groups, batch):
    x = values(rng, (*batch, *sizes(d), c_in), dtype)
    weight = values(rng, (c_out, c_in // groups, *(3,) * d), dtype)
    arguments = {"padding": 1, "stride": 2, "groups": groups, "padding_mode": "reflect", "channel_axis": -1}
    y = ndconv.conv_layer(x, weight, **arguments)
    oracle.layer(x, weight, **arguments).check(y)
    assert y.flags.c_contiguous


def test_channels_last_is_the_transposed_answer(rng):
    x, weight = values(rng, (2, 5, 9, 8), "float32"), values(rng, (7, 5, 3, 3), "float32")
    first = ndconv.conv_layer(x, weight)
    last = ndconv.conv_layer(np.ascontiguousarray(np.moveaxis(x, 1, -1)), weight, channel_axis=-1)
    np.testing.assert_allclose(np.moveaxis(last, -1, 1), first, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("channel_axis", [None, -1])
@pytest.mark.parametrize(
    ("channels", "layout", "dtype"), paired(CHANNELS, Place.layouts, ["float16", "float32", "complex64", "int8"])
)
def test_out(rng, channels, layout, dtype, channel_axis):
    c_in, c_out, groups = channels
    shape = (2, 6, 35, c_in) if channel_axis == -1 else (2, c_in, 6, 35)
    x, weight = values(rng, shape, dtype), values(rng, (c_out, c_in // groups, 3, 3), dtype)
    arguments = {"groups": groups, "channel_axis": channel_axis}
    expected = oracle.layer(x, weight, **arguments)
    place = Place(expected.shape, expected.dtype, layout)
    assert ndconv.conv_layer(x, weight, out=place.out, **arguments) is place.out
    expected.check(place.out)
    assert place.untouched_outside()


def test_unbatched_is_a_batch_of_one(rng):
    x, weight = values(rng, (3, 9, 8), "float32"), values(rng, (4, 3, 3, 3), "float32")
    np.testing.assert_array_equal(ndconv.conv_layer(x, weight), ndconv.conv_layer(x[None], weight)[0])


def test_direct_is_what_auto_may_take(rng):
    x, weight = values(rng, (3, 9, 8), "float32"), values(rng, (4, 3, 3, 3), "float32")
    oracle.layer(x, weight).check(ndconv.conv_layer(x, weight, method="direct"))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("c_in", "taps"), [(1, 4000), (2000, 1), (300, 27), (64, 400)])
def test_accuracy_of_long_sums(rng, dtype, c_in, taps):
    x, weight = values(rng, (c_in, taps + 20), dtype), values(rng, (3, c_in, taps), dtype)
    oracle.layer(x, weight).check(ndconv.conv_layer(x, weight))
