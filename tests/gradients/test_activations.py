"""`ConvLayer.backward`: the gradients of a layer with its activation."""

import numpy as np
import pytest

import ndconv
from support import oracle
from support.gradients import check_close, gradient_for, same_bits, torch_gradients
from support.layouts import COMPLEX, FLOATS, values


def torch_activation(torch, name):
    return torch.tanh if name == "tanh" else getattr(torch.nn.functional, name)


@pytest.mark.parametrize("activation", oracle.ACTIVATIONS)
@pytest.mark.parametrize("channel_axis", [None, -1])
def test_activations(rng, torch, activation, channel_axis):
    x, weight = values(rng, (2, 3, 9, 8), "float64"), values(rng, (4, 3, 3, 3), "float64")
    bias, g, residual = (values(rng, shape, "float64") for shape in ((4,), (2, 4, 5, 4), (2, 4, 5, 4)))

    def turned(a):
        return np.moveaxis(a, 1, -1) if channel_axis == -1 else a

    function = torch_activation(torch, activation)
    layer = ndconv.ConvLayer(weight, bias, stride=2, padding=1, activation=activation, channel_axis=channel_axis)
    for added in (None, residual):

        def theirs(x, weight, bias, added=added):
            y = torch.nn.functional.conv2d(x, weight, bias, stride=2, padding=1)
            return function(y if added is None else y + torch.from_numpy(added))

        expected = torch_gradients(torch, g, theirs, x, weight, bias)
        found = layer.backward(turned(g), turned(x), residual=None if added is None else turned(added))
        expected[0] = turned(expected[0])
        check_close(found, expected)


@pytest.mark.parametrize("activation", oracle.ACTIVATIONS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_slopes(activation, dtype):
    """The layer that hands samples on has the activation's derivative, by differences, for a gradient."""
    x = np.linspace(-9, 9, 4001).astype(dtype)[None]
    x = x[:, (np.abs(x[0, :, None].astype(float) - [-3, 0, 3, 6]) > 1e-3).all(1)]  # where there may be corners
    wide, h = x.astype(float), 1e-5
    function = oracle.ACTIVATIONS[activation]
    expected = (function(wide + h) - function(wide - h)) / (2 * h)
    layer = ndconv.ConvLayer(np.ones((1, 1, 1), dtype), activation=activation)
    found = layer.backward(np.ones_like(x), x, needs="x").x
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=0, atol=max(1e-8, 2 * np.finfo(dtype).eps))


@pytest.mark.parametrize("activation", oracle.ACTIVATIONS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_slopes_far_from_zero(activation, dtype):
    large = float(np.finfo(dtype).max)
    x = np.array([[-np.inf, -large, -300, 300, large, np.inf]], dtype)
    layer = ndconv.ConvLayer(np.ones((1, 1, 1), dtype), activation=activation)
    low, high = {"leaky_relu": (0.01, 1), "relu6": (0, 0), "sigmoid": (0, 0), "tanh": (0, 0)}.get(activation, (0, 1))
    found = layer.backward(np.ones_like(x), x, needs="x").x[0]
    np.testing.assert_allclose(found, [low] * 3 + [high] * 3, atol=1e-30, rtol=1e-3)


@pytest.mark.parametrize("activation", oracle.ACTIVATIONS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_has_no_slope(activation, dtype):
    x = np.array([[1.0, np.nan, -1.0, np.nan]], dtype)
    layer = ndconv.ConvLayer(np.ones((1, 1, 1), dtype), activation=activation)
    for g in (x * 0 + 1, np.ones_like(x), np.zeros_like(x)):
        np.testing.assert_array_equal(np.isnan(layer.backward(g, x, needs="x").x), np.isnan(x))


@pytest.mark.parametrize("channel_axis", [None, -1])
@pytest.mark.parametrize("mode", ["zeros", "wrap"])
def test_gradients_of_real_arrays_are_arrays_of_their_own(rng, channel_axis, mode):
    """Real and contiguous, not the real part of a complex array that stays in memory."""
    x, weight = values(rng, (2, 9, 9), "float64"), values(rng, (9, 9, 3), "complex128")
    keywords = {"padding": 1, "padding_mode": mode, "channel_axis": channel_axis}
    y = ndconv.conv_layer(x, weight, **keywords)
    found = [ndconv.conv_layer_backward(y, x, weight, **keywords).x]
    found.append(ndconv.conv_layer_backward(y, x + 0j, weight.real, **keywords, needs="weight").weight)
    del keywords["padding_mode"]
    y = ndconv.conv_transpose_layer(x, weight, **keywords)
    found.append(ndconv.conv_transpose_layer_backward(y, x, weight, **keywords, needs="x").x)
    found.append(ndconv.conv_transpose_layer_backward(y, x + 0j, weight.real, **keywords, needs="weight").weight)
    for gradient in found:
        assert gradient.dtype == "float64"
        assert gradient.flags.c_contiguous
        while gradient.base is not None:
            gradient = gradient.base
        assert gradient.dtype.kind != "c"


def test_small_slopes_are_exact(subtests):
    x = np.array([[8.0, 15.0, -12.0]])
    for activation in ("tanh", "sigmoid"):
        with subtests.test(activation=activation):
            found = (
                ndconv.ConvLayer(np.ones((1, 1, 1)), activation=activation).backward(np.ones((1, 3)), x, needs="x").x
            )
            exact = 1 / np.cosh(x) ** 2 if activation == "tanh" else 0.25 / np.cosh(x / 2) ** 2
            np.testing.assert_allclose(found, exact, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["int16", "uint8"])
def test_relu_of_integers(rng, subtests, dtype):
    x, weight, g = (values(rng, shape, dtype) for shape in ((3, 30), (5, 3, 4), (5, 27)))
    for activation in ("relu", "relu6"):
        with subtests.test(activation=activation):
            found = ndconv.ConvLayer(weight, activation=activation).backward(g, x)
            y = ndconv.conv_layer(x, weight)
            mask = (y > 0) & ((y < 6) | (activation == "relu"))
            oracle.layer_gradients(g * mask, x, weight).check(found)


@pytest.mark.parametrize("keywords", [{}, {"channel_axis": -1}, {"padding_mode": "reflect", "groups": 2}])
def test_a_layer_without_activation_is_the_function(rng, keywords):
    inputs = 6 // keywords.get("groups", 1)
    x, weight = values(rng, (2, 6, 7, 6), "float32"), values(rng, (4, inputs, 3, 3), "float32")
    keywords = {**keywords, "padding": 2, "stride": 2}
    g = gradient_for(rng, x, weight, **keywords)
    layer = ndconv.ConvLayer(weight, values(rng, 4, "float32"), **keywords)
    for _ in range(2):  # the second time with packed weights
        same_bits(layer.backward(g, x), ndconv.conv_layer_backward(g, x, weight, **keywords))
        same_bits(layer.backward(g[:1], x[:1]), ndconv.conv_layer_backward(g[:1], x[:1], weight, **keywords))
    layer(x)
    same_bits(
        layer.backward(g, x.astype("float64")), ndconv.conv_layer_backward(g, x.astype("float64"), weight, **keywords)
    )


@pytest.mark.parametrize("dtype", COMPLEX)
def test_a_real_bias_has_a_real_gradient(rng, dtype):
    x, weight = values(rng, (2, 9), dtype), values(rng, (3, 2, 3), dtype)
    g = gradient_for(rng, x, weight)
    layer = ndconv.ConvLayer(weight, np.ones(3, np.float32))
    found, expected = layer.backward(g, x), ndconv.conv_layer_backward(g, x, weight)
    assert found.bias.dtype.kind == "f"
    np.testing.assert_array_equal(found.bias, expected.bias.real)


def test_one_step_of_training_lowers_the_loss(rng):
    x, target = values(rng, (8, 3, 12, 12), "float64"), values(rng, (8, 4, 12, 12), "float64")
    weight, bias = 0.1 * values(rng, (4, 3, 3, 3), "float64"), np.zeros(4)
    losses = []
    for _ in range(20):
        layer = ndconv.ConvLayer(weight, bias, padding=1, padding_mode="reflect", activation="silu")
        error = layer(x) - target
        losses.append((error**2).mean())
        gradients = layer.backward(2 * error / error.size, x, needs=("weight", "bias"))
        weight, bias = weight - gradients.weight, bias - gradients.bias
    assert (np.diff(losses) < 0).all()
