"""`ConvLayer`: the same answers as `conv_layer` from a plan that never changes, for inputs of any size."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given

import ndconv
from support import oracle
from support.layouts import DTYPES, values
from support.strategies import layer_calls


@given(call=layer_calls())
def test_random_plans(call):
    x, weight = call.arrays
    keywords = {name: value for name, value in call.keywords.items() if name != "residual"}
    expected = oracle.layer(x, weight, **keywords)
    layer = ndconv.ConvLayer(weight, **keywords)
    y = layer(x)
    expected.check(y)
    np.testing.assert_array_equal(layer(x), y)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(1, 1, 1), (3, 2, 1), (16, 40, 1), (6, 6, 6)])
def test_one_plan_meets_many_inputs(rng, subtests, dtype, c_in, c_out, groups):
    weight = values(rng, (c_out, c_in // groups, 3, 3), dtype)
    layer = ndconv.ConvLayer(weight, groups=groups, padding=1)
    for shape in ((5, 6), (1, 1), (30, 40), (5, 6), (2, 70)):
        for batch in ((), (3,), (0,)):
            with subtests.test(shape=shape, batch=batch):
                x = values(rng, (*batch, c_in, *shape), dtype)
                oracle.layer(x, weight, groups=groups, padding=1).check(layer(x))


@pytest.mark.parametrize("weight_type", ["float16", "float32", "int8", "complex64"])
@pytest.mark.parametrize("x_type", DTYPES[1:])
def test_inputs_of_another_type(rng, weight_type, x_type):
    x, weight = values(rng, (2, 20), x_type), values(rng, (3, 2, 4), weight_type)
    layer = ndconv.ConvLayer(weight)
    for _ in range(2):
        oracle.layer(x, weight).check(layer(x))


def test_whether_an_activation_fits_depends_on_the_inputs_type():
    layer = ndconv.ConvLayer(np.array([[[1, 2]]]), activation="silu")
    x = np.array([[0.5, 1.0, -2.0]])
    oracle.layer(x, layer.weight, activation="silu").check(layer(x))
    with pytest.raises((TypeError, ValueError), match="activation"):
        layer(np.array([[1, 2, 3]]))


@pytest.mark.parametrize("padding", ["same", "same_lower", "full", "causal"])
def test_named_padding_follows_the_input(rng, subtests, padding):
    weight = values(rng, (2, 3, 4), "float32")
    layer = ndconv.ConvLayer(weight, padding=padding, stride=2)
    for size in range(4, 12):
        with subtests.test(size=size):
            x = values(rng, (3, size), "float32")
            oracle.layer(x, weight, padding=padding, stride=2).check(layer(x))


def test_attributes(rng, subtests):
    weight, bias = values(rng, (6, 2, 3, 3), "float32"), values(rng, 6, "float32")
    layer = ndconv.ConvLayer(
        weight, bias, stride=(1, 2), padding=1, dilation=1, groups=2, padding_mode="reflect", activation="relu"
    )
    np.testing.assert_array_equal(layer.weight, weight)
    np.testing.assert_array_equal(layer.bias, bias)
    assert tuple(layer.stride) == (1, 2)
    assert layer.groups == 2
    assert layer.activation == "relu"
    assert ndconv.ConvLayer(weight).bias is None
    for name in ("padding", "dilation", "padding_mode"):
        with subtests.test(name=name):
            assert getattr(layer, name) is not None


def test_what_is_told_makes_the_same_layer_again(rng):
    x, weight, bias = values(rng, (4, 9, 8), "float32"), values(rng, (6, 2, 3, 3), "float32"), values(rng, 6, "float32")
    layer = ndconv.ConvLayer(weight, bias, stride=2, padding="same", groups=2, padding_mode="wrap", activation="silu")
    names = ("stride", "padding", "dilation", "groups", "padding_mode", "activation")
    again = ndconv.ConvLayer(layer.weight, layer.bias, **{name: getattr(layer, name) for name in names})
    np.testing.assert_array_equal(again(x), layer(x))


@pytest.mark.parametrize(
    "name", ["weight", "bias", "stride", "padding", "dilation", "groups", "padding_mode", "activation", "new"]
)
def test_a_plan_cannot_be_changed(rng, name):
    layer = ndconv.ConvLayer(values(rng, (2, 1, 3), "float32"))
    with pytest.raises((AttributeError, TypeError)):
        setattr(layer, name, 1)
    with pytest.raises((AttributeError, TypeError)):
        delattr(layer, name)


def test_a_plan_keeps_its_own_weights(rng):
    x, weight, bias = values(rng, (3, 20), "float32"), values(rng, (2, 3, 4), "float32"), values(rng, 2, "float32")
    layer = ndconv.ConvLayer(weight, bias)
    expected = oracle.layer(x, weight, bias)
    weight[...], bias[...] = 7, 8
    expected.check(layer(x))
    expected.check(layer(x.astype("float32")))
    # A type that the plan has not met yet
    told = oracle.layer(x.astype("float64"), np.asarray(layer.weight), np.asarray(layer.bias))
    assert not (np.asarray(layer.weight) == 7).any()
    told.check(layer(x.astype("float64")))
    for told in (layer.weight, layer.bias):
        with pytest.raises(ValueError, match="read-only"):
            told[...] = 0


def test_channels_last_and_out(rng):
    x, weight = values(rng, (2, 9, 8, 3), "float32"), values(rng, (5, 3, 3, 3), "float32")
    layer = ndconv.ConvLayer(weight, channel_axis=-1)
    expected = oracle.layer(x, weight, channel_axis=-1)
    out = np.empty(expected.shape, np.float32)
    assert layer(x, out=out) is out
    expected.check(out)
    expected.check(layer(x, workers=2))
    assert layer.output_shape(x.shape) == expected.shape


def test_copies_and_pickles_are_the_same_layer(rng):
    x, weight = values(rng, (2, 9, 8), "float32"), values(rng, (5, 2, 3, 3), "float32")
    layer = ndconv.ConvLayer(weight, np.ones(5, "float32"), stride=2, padding=((1, 0), (0, 1)), activation="relu")
    expected = layer(x)
    for other in (copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(other(x), expected)


def test_explanation_names_the_method(rng):
    layer = ndconv.ConvLayer(values(rng, (8, 4, 3, 3), "float32"))
    assert "direct" in str(layer.explain((4, 32, 32)))


def test_repr_tells_the_geometry(rng):
    text = repr(ndconv.ConvLayer(values(rng, (8, 4, 3, 5), "float32"), stride=2))
    assert "ConvLayer" in text
    assert "stride" in text
    assert len(text) < 500
