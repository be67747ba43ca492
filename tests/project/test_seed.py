"""What is said of convolution layers, in numbers: the formulas and examples that the package starts from."""

import math

import numpy as np
import pytest

import ndconv


def test_image_as_vector():
    cost = ndconv.layer_cost((3, 224, 224), (64, 3, 3, 3), padding="same")
    assert math.prod((3, 224, 224)) == 150_528
    assert cost.dense_parameters == 150_528 * math.prod(cost.output_shape)


def test_operation(rng):
    x, weight, bias = (rng.standard_normal(shape) for shape in ((3, 7, 6), (4, 3, 3, 2), 4))
    y = ndconv.conv_layer(x, weight, bias)
    for place in np.ndindex(y.shape):
        filter_, i, j = place
        assert y[place] == pytest.approx(bias[filter_] + (weight[filter_] * x[:, i : i + 3, j : j + 2]).sum())


def test_convolution_mirrors_the_kernel(rng):
    x, kernel = rng.standard_normal((6, 7)), rng.standard_normal((3, 2))
    mirrored = ndconv.correlate_nd(x, kernel[::-1, ::-1], mode="valid")
    np.testing.assert_allclose(ndconv.convolve_nd(x, kernel, mode="valid"), mirrored)


def test_edge_detector():
    image = np.repeat([0.0, 0, 1, 1, 1], 5).reshape(1, 5, 5)
    kernel = np.repeat([-1.0, 0, 1], 3).reshape(1, 1, 3, 3)
    y = ndconv.conv_layer(image, kernel)
    assert y.tolist() == [[[3, 3, 3], [3, 3, 3], [0, 0, 0]]]
    cost = ndconv.layer_cost(image.shape, kernel.shape, bias=False)
    assert (cost.parameters, cost.multiply_adds) == (9, 81)


@pytest.mark.parametrize(("channels_in", "channels_out", "k"), [(1, 1, 3), (3, 64, 7), (64, 128, 3), (256, 64, 1)])
def test_parameters_and_multiply_adds(channels_in, channels_out, k):
    weight = (channels_out, channels_in, k, k)
    large, small = (ndconv.layer_cost((channels_in, n, n), weight, padding=k // 2) for n in (224, 14))
    assert large.parameters == small.parameters == channels_out * channels_in * k**2 + channels_out
    assert large.multiply_adds == channels_out * channels_in * k**2 * 224 * 224
    assert small.multiply_adds == channels_out * channels_in * k**2 * 14 * 14
    assert large.dense_parameters == channels_in * 224 * 224 * channels_out * 224 * 224


def test_same_weights_on_maps_of_any_size(rng, subtests):
    layer = ndconv.ConvLayer(rng.standard_normal((4, 3, 3, 3)), padding="same")
    for size in (224, 14):
        with subtests.test(size=size):
            assert layer(rng.standard_normal((3, size, size))).shape == (4, size, size)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("k", [1, 3, 5, 7])
def test_output_size(subtests, k, padding, stride):
    for size in range(7, 15):
        with subtests.test(size=size):
            y = ndconv.conv_layer(np.ones((1, size)), np.ones((1, 1, k)), padding=padding, stride=stride)
            assert y.shape == (1, (size + 2 * padding - k) // stride + 1)


@pytest.mark.parametrize("k", [1, 3, 5, 7])
def test_valid_and_same_padding(k):
    x, weight = np.ones((1, 12, 9)), np.ones((1, 1, k, k))
    assert ndconv.conv_layer(x, weight, padding="valid").shape == (1, 12 - (k - 1), 9 - (k - 1))
    same = ndconv.conv_layer(x, weight, padding="same")
    assert same.shape == x.shape
    assert np.array_equal(same, ndconv.conv_layer(x, weight, padding=(k - 1) // 2))


def test_stride_takes_every_other_output(rng):
    x, weight = rng.standard_normal((3, 14, 14)), rng.standard_normal((2, 3, 3, 3))
    halved = ndconv.conv_layer(x, weight, padding=1, stride=2)
    assert halved.shape == (2, 7, 7)
    np.testing.assert_allclose(halved, ndconv.conv_layer(x, weight, padding=1)[:, ::2, ::2])


@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_dilation_spreads_the_taps(dilation, rng):
    x, weight = rng.standard_normal((3, 14, 14)), rng.standard_normal((2, 3, 3, 3))
    spread = np.zeros((2, 3, 2 * dilation + 1, 2 * dilation + 1))
    spread[..., ::dilation, ::dilation] = weight
    np.testing.assert_allclose(ndconv.conv_layer(x, weight, dilation=dilation), ndconv.conv_layer(x, spread))
    costs = [ndconv.layer_cost(x.shape, weight.shape, dilation=d, padding="same") for d in (1, dilation)]
    assert costs[0] == costs[1]


def test_one_by_one_is_a_matrix_product(rng):
    x, matrix = rng.standard_normal((32, 9, 8)), rng.standard_normal((16, 32))
    y = ndconv.conv_layer(x, matrix[:, :, np.newaxis, np.newaxis])
    np.testing.assert_allclose(y, np.einsum("oc,chw->ohw", matrix, x))


def test_one_by_one_layers_are_a_perceptron_at_each_position(rng):
    x = rng.standard_normal((8, 5, 4))
    (first, bias), (second, last_bias) = (
        (rng.standard_normal(shape), rng.standard_normal(shape[0])) for shape in ((16, 8), (4, 16))
    )
    hidden = ndconv.conv_layer(x, first[:, :, np.newaxis, np.newaxis], bias, activation="relu")
    y = ndconv.conv_layer(hidden, second[:, :, np.newaxis, np.newaxis], last_bias)
    for i, j in np.ndindex(5, 4):
        np.testing.assert_allclose(y[:, i, j], second @ np.maximum(first @ x[:, i, j] + bias, 0) + last_bias)


def test_bottleneck_is_cheaper():
    def multiply_adds(*weights):
        return sum(ndconv.layer_cost((w[1], 56, 56), w, padding="same").multiply_adds for w in weights)

    bottleneck = multiply_adds((64, 256, 1, 1), (64, 64, 3, 3), (256, 64, 1, 1))
    assert multiply_adds((256, 256, 3, 3)) > 8 * bottleneck


def test_translation_equivariance(rng):
    x, weight = rng.standard_normal((3, 16, 16)), rng.standard_normal((4, 3, 3, 3))
    layer = ndconv.ConvLayer(weight, padding="same", padding_mode="circular")
    moved = np.roll(x, (3, 5), axis=(1, 2))
    np.testing.assert_allclose(layer(moved), np.roll(layer(x), (3, 5), axis=(1, 2)))


def test_permutation_equivariance_of_graphs(rng):
    x, adjacency, weight = rng.standard_normal((9, 3)), rng.integers(0, 2, (9, 9)), rng.standard_normal((3, 4))
    adjacency |= adjacency.T
    order = rng.permutation(9)
    y = ndconv.graph_conv(x, adjacency, weight)
    np.testing.assert_allclose(ndconv.graph_conv(x[order], adjacency[np.ix_(order, order)], weight), y[order])


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_one_to_three_dimensions(ndim, rng):
    x, weight = rng.standard_normal((2, *(6,) * ndim)), rng.standard_normal((3, 2, *(3,) * ndim))
    y = ndconv.conv_layer(x, weight)
    assert y.shape == (3, *(4,) * ndim)
    assert y[(0,) * (ndim + 1)] == pytest.approx((weight[0] * x[(slice(None), *(slice(3),) * ndim)]).sum())


def test_receptive_fields_grow_with_depth():
    sizes = [ndconv.receptive_field([(3, 1, 1, 1)] * depth).size for depth in (1, 2, 3, 10)]
    assert sizes == [(3,), (5,), (7,), (21,)]
