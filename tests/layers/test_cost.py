"""`output_shape`, `layer_cost`, `receptive_field`: formulas, known networks, and fields found by poking the input."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ndconv
from support import oracle
from support.layouts import values

#: (kernel, stride, dilation, padding) of the layers that widen the field of known networks.
VGG16 = [layer for n in (2, 2, 3, 3, 3) for layer in ((3, 1, 1, 1),) * n + ((2, 2, 1, 0),)]
ALEXNET = [(11, 4, 1, 0), (3, 2, 1, 0), (5, 1, 1, 2), (3, 2, 1, 0), *[(3, 1, 1, 1)] * 3, (3, 2, 1, 0)]
# As published with its field of 483: the last unit of each of the first three blocks has the stride.
RESNET50 = [(7, 2, 1, 3), (3, 2, 1, 1)]
for units, last_stride in ((3, 2), (4, 2), (6, 2), (3, 1)):
    for unit in range(1, units + 1):
        RESNET50 += [(1, 1, 1, 0), (3, last_stride if unit == units else 1, 1, 1), (1, 1, 1, 0)]
WAVENET = [(2, 1, 2**i) for i in range(10)]


@given(data=st.data())
def test_output_shape_is_the_formula(data):
    d = data.draw(st.integers(1, 3))
    number = st.integers(1, 5)
    stride, dilation, kernel = ([data.draw(number) for _ in range(d)] for _ in range(3))
    padding = [(data.draw(number), data.draw(number)) for _ in range(d)]
    sizes = [data.draw(st.integers(oracle.reach(k, e), 99)) for k, e in zip(kernel, dilation, strict=True)]
    expected = tuple(
        (n + b + a - e * (k - 1) - 1) // s + 1
        for n, (b, a), e, k, s in zip(sizes, padding, dilation, kernel, stride, strict=True)
    )
    keywords = {"stride": stride, "padding": padding, "dilation": dilation, "groups": 2}
    assert ndconv.output_shape((6, *sizes), (4, 3, *kernel), **keywords) == (4, *expected)
    assert ndconv.output_shape((9, 6, *sizes), (4, 3, *kernel), **keywords) == (9, 4, *expected)


@pytest.mark.parametrize("padding", [0, 1, (2, 0), ((1, 0), (0, 3)), "valid", "same", "same_lower", "full", "causal"])
@pytest.mark.parametrize("stride", [1, 2, (1, 3)])
@pytest.mark.parametrize("dilation", [1, (2, 1)])
def test_output_shape_is_the_layers(rng, padding, stride, dilation):
    x, weight = values(rng, (2, 4, 9, 10), "float32"), values(rng, (6, 2, 3, 2), "float32")
    keywords = {"stride": stride, "padding": padding, "dilation": dilation, "groups": 2}
    shape = ndconv.conv_layer(x, weight, **keywords).shape
    assert ndconv.output_shape(x.shape, weight.shape, **keywords) == shape
    assert ndconv.ConvLayer(weight, **keywords).output_shape(x.shape) == shape
    assert all(type(n) is int for n in ndconv.output_shape(x.shape, weight.shape, **keywords))


def test_output_shape_needs_no_memory():
    assert ndconv.output_shape((1, 10**15), (1, 1, 3)) == (1, 10**15 - 2)


def test_cost_of_the_edge_detector():
    cost = ndconv.layer_cost((1, 5, 5), (1, 1, 3, 3), bias=False)
    assert cost.parameters == 9
    assert cost.multiply_adds == 81
    assert cost.output_shape == (1, 3, 3)
    assert cost.dense_parameters == 25 * 9


def test_cost_of_a_layer_on_a_photograph():
    cost = ndconv.layer_cost((3, 224, 224), (64, 3, 3, 3), padding="same")
    assert cost.parameters == 64 * 3 * 9 + 64
    assert cost.output_shape == (64, 224, 224)
    assert cost.multiply_adds == 64 * 3 * 9 * 224 * 224
    assert cost.dense_parameters == 150_528 * 64 * 224 * 224


def test_parameters_do_not_depend_on_the_image():
    large, small = (ndconv.layer_cost((8, n, n), (16, 8, 3, 3)) for n in (224, 14))
    assert large.parameters == small.parameters == 16 * 8 * 9 + 16
    assert large.multiply_adds > small.multiply_adds


def test_cost_without_bias_with_groups_stride_and_batch():
    keywords = {"groups": 4, "stride": 2, "padding": 1}
    cost = ndconv.layer_cost((8, 32, 33), (12, 2, 3, 5), bias=False, **keywords)
    assert cost.parameters == 12 * 2 * 15
    assert cost.output_shape == ndconv.output_shape((8, 32, 33), (12, 2, 3, 5), **keywords)
    assert cost.multiply_adds == 12 * 2 * 15 * math.prod(cost.output_shape[1:])
    batch = ndconv.layer_cost((10, 8, 32, 33), (12, 2, 3, 5), bias=False, **keywords)
    assert batch.multiply_adds == 10 * cost.multiply_adds
    assert batch.parameters == cost.parameters
    assert batch.dense_parameters == cost.dense_parameters


def test_cost_is_exact_beyond_64_bits():
    cost = ndconv.layer_cost((10**4, 10**5, 10**5), (10**4, 10**4, 1, 1))
    assert cost.dense_parameters == 10**28


def test_cost_prints_as_a_table():
    cost = ndconv.layer_cost((3, 224, 224), (64, 3, 3, 3), padding="same")
    text = str(cost)
    assert len(text.splitlines()) > 3
    digits = text.replace(",", "").replace("_", "").replace(" ", "")
    for number in (cost.parameters, cost.multiply_adds, cost.dense_parameters):
        assert str(number) in digits
    assert cost.bytes > 0


def test_layers_tell_their_cost(rng):
    weight = values(rng, (12, 2, 3, 5), "float32")
    keywords = {"groups": 4, "stride": 2, "padding": 1}
    layer = ndconv.ConvLayer(weight, np.zeros(12, "float32"), **keywords)
    cost, expected = layer.cost((8, 32, 33)), ndconv.layer_cost((8, 32, 33), weight.shape, **keywords)
    assert (cost.parameters, cost.multiply_adds) == (expected.parameters, expected.multiply_adds)
    assert ndconv.ConvLayer(weight, **keywords).cost((8, 32, 33)).parameters == weight.size


def square(layers):
    return [tuple((n, n) for n in layer) for layer in layers]


@pytest.mark.parametrize(
    ("layers", "size", "jump"),
    [
        (VGG16, 212, 32),
        (ALEXNET, 195, 32),
        (RESNET50, 483, 32),
        (WAVENET, 1024, 1),
        ([(3, 1, 1, 1)], 3, 1),
        ([(5, 2, 3, 0)], 13, 2),
    ],
    ids=["VGG-16", "AlexNet", "ResNet-50", "WaveNet", "one layer", "one dilated layer"],
)
def test_known_networks(layers, size, jump):
    paddings = [layer[3] if len(layer) > 3 else 0 for layer in layers]
    start = -sum(p * math.prod(before[1] for before in layers[:i]) for i, p in enumerate(paddings))
    field = ndconv.receptive_field(square(layers))
    assert tuple(field.size) == (size, size)
    assert tuple(field.jump) == (jump, jump)
    assert tuple(field.start) == (start, start)


def test_published_padding_of_vgg():
    assert tuple(ndconv.receptive_field(square(VGG16)).start) == (-90, -90)


def test_spellings_of_layers(rng):
    weight = values(rng, (1, 1, 3, 5), "float32")
    spellings = [
        [ndconv.ConvLayer(weight, stride=2, dilation=(1, 2), padding=((1, 0), (3, 4)))],
        [((3, 5), 2, (1, 2), ((1, 0), (3, 4)))],
        [{"kernel": (3, 5), "stride": 2, "dilation": (1, 2), "padding": ((1, 0), (3, 4))}],
    ]
    for layers in spellings:
        field = ndconv.receptive_field(layers)
        assert tuple(field.size) == (3, 9)
        assert tuple(field.jump) == (2, 2)
        assert tuple(field.start) == (-1, -3)


def test_dictionaries_may_leave_out_what_has_a_default():
    field = ndconv.receptive_field([{"kernel": (3, 3)}, {"kernel": (2, 2), "stride": 2}])
    assert (tuple(field.size), tuple(field.jump), tuple(field.start)) == ((4, 4), (2, 2), (0, 0))


@given(data=st.data())
def test_fields_are_what_poking_finds(data):
    """The samples that change output cell `at` are those from start + at * jump, size long."""
    d = data.draw(st.integers(1, 2))
    layers = []
    for _ in range(data.draw(st.integers(1, 3))):
        one_of = [st.integers(1, 3), st.integers(1, 2), st.integers(1, 2), st.integers(0, 2)]
        kernel, stride, dilation, padding = (tuple(data.draw(s) for _ in range(d)) for s in one_of)
        layers.append(
            ndconv.ConvLayer(
                np.ones((1, 1, *kernel)), stride=stride, dilation=dilation, padding=[(p, p + 1) for p in padding]
            )
        )
    field = ndconv.receptive_field(layers)
    sizes = {1: (45,), 2: (34, 31)}[d]

    def run(x):
        for layer in layers:
            x = layer(x)
        return x

    y = run(np.zeros((1, *sizes)))
    at = tuple(n // 2 for n in y.shape[1:])
    for axis in range(d):
        x = np.zeros(sizes)
        moved = np.moveaxis(x, axis, -1)
        touched = []
        for position in range(sizes[axis]):
            moved[...] = 0
            moved[..., position] = 1
            if run(x[None])[(0, *at)] != 0:
                touched.append(position)
        first = field.start[axis] + at[axis] * field.jump[axis]
        last = first + field.size[axis] - 1
        assert touched, "the field lies inside the input"
        assert min(touched) >= first
        assert max(touched) <= last
        if first >= 0:
            assert min(touched) == first
        if last < sizes[axis]:
            assert max(touched) == last
