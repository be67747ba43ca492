"""`conv_layer_backward`: against naive sums, inner products, differences and PyTorch."""

import os
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ndconv
from ndconv._gradients import input as backward_input
from ndconv._gradients import padding as backward_padding
from support import isolated, oracle
from support.blocks import always_whole_blocks
from support.gradients import check_close, gradient_for, same_bits, torch_gradients
from support.layouts import LAYOUTS, values
from support.strategies import NEEDS, examples, generators, layer_backward_calls, names_of

#: One layer for each way that the work may be arranged: channels in, out, groups.
CHANNELS = [(1, 1, 1), (3, 2, 1), (16, 33, 1), (40, 20, 1), (6, 6, 6), (4, 12, 4), (6, 9, 3), (48, 64, 2)]
PADDED = [name for name in oracle.MODES if name != "zeros"]


def sizes(d):
    return {1: (37,), 2: (9, 11), 3: (5, 6, 7)}[d]


def agree(grad_y, x, weight, **keywords):
    oracle.layer_gradients(grad_y, x, weight, **keywords).check(
        ndconv.conv_layer_backward(grad_y, x, weight, **keywords)
    )


def agree_call(call):
    keywords = dict(call.keywords)
    needs = names_of(keywords.pop("needs"))
    references = oracle.layer_gradients(*call.arrays, **keywords)
    references.check(ndconv.conv_layer_backward(*call.arrays, **call.keywords), needs)


@given(call=layer_backward_calls())
def test_random_calls(call):
    agree_call(call)


@examples(100)
@given(call=layer_backward_calls())
def test_random_calls_by_whole_blocks(call):
    with always_whole_blocks():
        agree_call(call)


@examples(100)
@given(call=layer_backward_calls(), rng=generators(), dtype=st.sampled_from(["float64", "complex128"]))
def test_inner_products(call, rng, dtype):
    """<layer(x), g> = <x, gradient of x to g>, and likewise for the weights: the layer is linear in each."""
    g, x, weight = (values(rng, a.shape, dtype) for a in call.arrays)
    keywords = {name: v for name, v in call.keywords.items() if name not in ("needs", "fill_value")}
    y = ndconv.conv_layer(x, weight, **keywords, method="direct")
    found = ndconv.conv_layer_backward(g, x, weight, **keywords)
    size = np.vdot(ndconv.conv_layer(abs(x), abs(weight), **keywords), abs(g)) + 1
    assert abs(np.vdot(g, y) - np.vdot(found.x, x)) <= 1e-10 * size
    assert abs(np.vdot(g, y) - np.vdot(found.weight, weight)) <= 1e-10 * size


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("mode", oracle.MODES)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_differences(rng, dtype, mode, d):
    """How much a number changes that is a weighted sum of outputs: the step times the gradient."""
    x, weight, bias = (
        values(rng, (2, 4, *sizes(d)), dtype),
        values(rng, (6, 2, *(3,) * d), dtype),
        values(rng, 6, dtype),
    )
    keywords = {"stride": 2, "padding": (3,) * d, "padding_mode": mode, "dilation": 2, "groups": 2, "fill_value": 2}
    g = gradient_for(rng, x, weight, **keywords)
    found = ndconv.conv_layer_backward(g, x, weight, **keywords)
    operands = {"x": x, "weight": weight, "bias": bias}
    for name, operand in operands.items():
        step = values(rng, operand.shape, dtype)
        ends = [ndconv.conv_layer(**{**operands, name: operand + h * step}, **keywords) for h in (0.5, -0.5)]
        change = np.vdot(g, ends[0] - ends[1]).real
        np.testing.assert_allclose(np.vdot(getattr(found, name), step).real, change, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float16", "float32", "complex64", "int8"])
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), CHANNELS)
def test_types_and_dimensions(rng, dtype, d, c_in, c_out, groups):
    x = values(rng, (2, c_in, *sizes(d)), dtype)
    weight = values(rng, (c_out, c_in // groups, *(3,) * d), dtype)
    keywords = {"padding": 1, "groups": groups, "padding_mode": "reflect"}
    agree(gradient_for(rng, x, weight, **keywords), x, weight, **keywords)


@pytest.mark.parametrize("dtype", ["float32", "complex128", "int16"])
@pytest.mark.parametrize("width", [1, 2, 7, 8, 9, 15, 16, 17, 33])
def test_ragged_widths(rng, subtests, dtype, width):
    """Where vectors end within a line, or among channels."""
    for c_in, c_out, groups in ((1, 1, 1), (2, 3, 1), (3, 5, 1), (9, 17, 1), (4, 8, 4)):
        for stride in (1, 2):
            with subtests.test(c_in=c_in, c_out=c_out, groups=groups, stride=stride):
                x = values(rng, (2, c_in, 3, width + 2), dtype)
                weight = values(rng, (c_out, c_in // groups, 2, 3), dtype)
                g = gradient_for(rng, x, weight, stride=stride, groups=groups)
                agree(g, x, weight, stride=stride, groups=groups)


def test_four_dimensions(rng):
    x, weight = values(rng, (2, 3, 4, 5, 4, 6), "float64"), values(rng, (4, 3, 2, 3, 2, 3), "float64")
    keywords = {"padding": 1, "padding_mode": "circular", "stride": (1, 2, 1, 2)}
    agree(gradient_for(rng, x, weight, **keywords), x, weight, **keywords)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
@pytest.mark.parametrize("mode", PADDED)
@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 3])
def test_padding_wider_than_the_array(rng, subtests, dtype, mode, size, stride):
    """What was read many times receives as often."""
    x, weight = values(rng, (2, 3, size), dtype), values(rng, (4, 3, 3), dtype)
    for padding in (13, ((0, 17),), ((17, 1),)):
        with subtests.test(padding=padding):
            keywords = {"padding": padding, "padding_mode": mode, "stride": stride}
            agree(gradient_for(rng, x, weight, **keywords), x, weight, **keywords)
    x, weight = values(rng, (2, size, size + 1), dtype), values(rng, (3, 2, 3, 2), dtype)
    keywords = {"padding": ((9, 4), (0, 11)), "padding_mode": (mode, "replicate"), "stride": stride}
    agree(gradient_for(rng, x, weight, **keywords), x, weight, **keywords)


def test_the_adjoint_of_each_padding_by_hand():
    """A filter of one tap reads every padded sample once."""
    for mode, expected in {
        "zeros": [1, 1, 1, 1],
        "replicate": [4, 1, 1, 3],
        "reflect": [1, 3, 3, 2],
        "symmetric": [2, 2, 3, 2],
        "circular": [2, 3, 2, 2],
    }.items():
        found = ndconv.conv_layer_backward(
            np.ones((1, 3 + 4 + 2)), np.ones((1, 4)), np.ones((1, 1, 1)), padding=((3, 2),), padding_mode=mode
        )
        assert found.x[0].tolist() == expected, mode


@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "keywords"),
    [
        ((64, 40, 41), (64, 64, 3, 3), {"padding": 1}),
        ((3, 1, 200, 301), (4, 1, 5, 5), {"padding": "same", "padding_mode": "reflect"}),
        ((600, 6, 7), (64, 600, 3, 3), {"padding": 1, "padding_mode": "circular"}),
        ((50, 40, 30), (50, 1, 7, 7), {"groups": 50, "padding": 3, "padding_mode": "replicate"}),
        ((1, 200_000), (2, 1, 31), {"stride": 3, "padding": 40, "padding_mode": "symmetric"}),
        ((1, 70, 80), (1, 1, 31, 31), {"padding": 15}),
        ((1, 9_000), (1, 1, 801), {"padding": 400, "padding_mode": "reflect"}),
        ((9, 4, 30, 31), (8, 9, 3, 3, 3), {"padding": 1, "stride": (1, 2, 2)}),
        ((300, 2, 9, 9), (5, 2, 3, 3), {"padding": 1}),
        ((2048, 9, 9), (96, 2048, 1, 1), {"stride": 2}),
        ((40, 3, 20, 20), (30, 3, 4, 4), {"stride": 4}),
    ],
)
def test_large(rng, x_shape, weight_shape, keywords):
    """Many boxes, parts, pieces of a border, and the other methods."""
    x, weight = values(rng, x_shape, "float32"), values(rng, weight_shape, "float32")
    agree(gradient_for(rng, x, weight, **keywords), x, weight, **keywords)


@pytest.mark.parametrize("needs", [*NEEDS, (), ["bias", "x"], {"weight"}, iter(("x",)), ("x", "x"), np.array(NEEDS)])
def test_only_what_is_needed(rng, needs):
    x, weight = values(rng, (3, 9, 8), "float64"), values(rng, (4, 3, 3, 3), "float64")
    g = gradient_for(rng, x, weight)
    names = names_of(needs) if isinstance(needs, str) else {"x"} if hasattr(needs, "__next__") else set(needs)
    oracle.layer_gradients(g, x, weight).check(ndconv.conv_layer_backward(g, x, weight, needs=needs), names)
    layer = ndconv.ConvLayer(weight, activation="relu")
    for name, gradient in zip(NEEDS, layer.backward(g, x, needs=tuple(names)), strict=True):
        assert (gradient is not None) == (name in names)


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "complex64", "int16"])
def test_layouts(rng, position, layout, dtype):
    keywords = {"padding": 1, "padding_mode": "symmetric", "groups": 2, "stride": (1, 2)}
    arrays = [values(rng, shape, dtype) for shape in ((2, 6, 9, 6), (2, 4, 9, 12), (6, 2, 3, 3))]
    arrays[position] = LAYOUTS[layout](arrays[position])
    agree(*arrays, **keywords)


@pytest.mark.parametrize("mode", ["zeros", "reflect"])
@pytest.mark.parametrize("dtype", ["float16", "complex64"])
@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), CHANNELS)
def test_channels_last(rng, mode, dtype, batch, c_in, c_out, groups):
    x, weight = values(rng, (*batch, 9, 11, c_in), dtype), values(rng, (c_out, c_in // groups, 3, 3), dtype)
    keywords = {"padding": 1, "padding_mode": mode, "stride": (2, 1), "groups": groups, "channel_axis": -1}
    g = gradient_for(rng, x, weight, **keywords)
    agree(g, x, weight, **keywords)
    assert ndconv.conv_layer_backward(g, x, weight, **keywords, needs="x").x.flags.c_contiguous


@pytest.mark.parametrize("mode", ["zeros", "circular"])
@pytest.mark.parametrize(
    ("x_shape", "weight_shape"),
    [((0, 3, 9), (4, 3, 3)), ((2, 0, 9), (4, 0, 3)), ((0, 9), (4, 0, 3)), ((3, 9), (0, 3, 3)), ((2, 0, 9), (0, 0, 3))],
)
def test_empty(rng, subtests, mode, x_shape, weight_shape):
    for dtype in ("float32", "float16", "int32", "complex64"):
        with subtests.test(dtype=dtype):
            x, weight = values(rng, x_shape, dtype), values(rng, weight_shape, dtype)
            keywords = {"padding": 2, "padding_mode": mode, "stride": 2}
            agree(gradient_for(rng, x, weight, **keywords), x, weight, **keywords)


def test_an_axis_of_nothing_but_padding(rng, subtests):
    x, weight = values(rng, (3, 0, 4), "float64"), values(rng, (2, 3, 2, 2), "float64")
    for fill_value in (0, 3):
        with subtests.test(fill_value=fill_value):
            g = gradient_for(rng, x, weight, padding=2)
            agree(g, x, weight, padding=2, fill_value=fill_value)


def test_lists_and_scalars():
    found = ndconv.conv_layer_backward([[1, 1]], [[1, 2, 3]], [[[1, -1]]])
    assert [a.tolist() for a in found] == [[[1, 0, -1]], [[[3, 5]]], [2]]


def test_mixed_types(rng):
    """A gradient has the type of its products, and is real if what it belongs to is."""
    x, weight = values(rng, (2, 3, 9), "float32"), values(rng, (4, 3, 3), "complex128")
    g = gradient_for(rng, x, weight)
    agree(g, x, weight)
    found = ndconv.conv_layer_backward(g, x, weight)
    assert [a.dtype.name for a in found] == ["float64", "complex128", "complex128"]
    agree(values(rng, g.shape, "int16"), x, weight)
    agree(values(rng, g.shape, "float64"), values(rng, x.shape, "complex64"), values(rng, weight.shape, "int8"))


def test_bool(rng):
    arrays = [values(rng, shape, "bool") for shape in ((4, 7), (3, 9), (4, 3, 3))]
    agree(*arrays)
    assert ndconv.conv_layer_backward(*arrays).x.dtype == np.int8
    agree(arrays[0].astype("float32"), *arrays[1:])
    agree(arrays[0], values(rng, (3, 9), "int32"), arrays[2])


def test_integers_wrap_around():
    found = ndconv.conv_layer_backward(
        np.full((1, 5), 100, np.int8), np.full((1, 3), 3, np.int8), np.full((1, 1, 1), 3, np.int8), padding=1,
        padding_mode="replicate",
    )  # fmt: skip
    assert found.x.tolist() == [[600 % 256, 300 % 256, 600 % 256]] == [[88, 44, 88]]
    assert found.weight.tolist() == [[[1500 % 256 - 256]]]
    assert found.bias.tolist() == [500 % 256 - 256]


@pytest.mark.parametrize("operands", ["float16", "float64", "complex64"])
@pytest.mark.parametrize("dtype", ["int8", "int32", "uint64"])
def test_the_sum_of_integers_wraps_around_beside_floats(subtests, operands, dtype):
    """Whichever gradients are asked for, that to the bias is the sum of grad_y in its own type."""
    largest = np.iinfo(dtype).max
    g = np.array([[largest, largest, 5]], dtype)
    expected = np.array([5 - 2], dtype)  # the largest twice is -2
    x, weight = np.ones((1, 4), operands), np.ones((1, 1, 2), operands)
    transposed = np.ones((1, 2), operands)
    for needs in ("bias", NEEDS):
        with subtests.test(needs=needs):
            for found in (
                ndconv.conv_layer_backward(g, x, weight, needs=needs),
                ndconv.ConvLayer(weight).backward(g, x, needs=needs),
                ndconv.ConvLayer(weight, np.ones(1, operands)).backward(g, x, needs=needs),
                ndconv.conv_transpose_layer_backward(g, transposed, weight, needs=needs),
            ):
                assert found.bias.dtype == dtype
                np.testing.assert_array_equal(found.bias, expected)


def test_a_complex_fill_value(rng):
    """Samples outside a real x may be complex, as they may in the layer."""
    x, weight, padding = values(rng, (2, 7), "float32"), values(rng, (3, 2, 3), "float32"), 2
    keywords = {"padding": padding, "fill_value": 1 - 2j}
    g = gradient_for(rng, x, weight, **keywords)
    assert g.dtype == "complex64"
    expected = ndconv.conv_layer_backward(g, np.pad(x + 0j, ((0, 0), (2, 2)), constant_values=1 - 2j), weight + 0j)
    for found in (
        ndconv.conv_layer_backward(g, x, weight, **keywords),
        ndconv.ConvLayer(weight, **keywords).backward(g, x),
    ):
        np.testing.assert_allclose(found.weight, expected.weight.real, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found.x, expected.x.real[:, 2:-2], rtol=1e-5, atol=1e-5)
        assert found.x.dtype == found.weight.dtype == "float32"


def test_half_precision_is_rounded_once(rng, subtests):
    """What padding adds up is rounded to half precision in the end, and what is too large is infinite, silently."""
    x, weight = values(rng, (1, 4), "float16"), np.ones((1, 1, 1), np.float16)
    g = np.r_[np.full(4000, 0.3), np.zeros(4)].astype("float16")[None]
    found = ndconv.conv_layer_backward(
        g, x, weight, padding=((4000, 0),), padding_mode="replicate", needs=("x", "bias")
    )
    exact = g.astype(float).sum()
    np.testing.assert_allclose([found.x[0, 0], found.bias[0]], exact, rtol=2**-11)
    large = np.full((1, 6), 60_000, np.float16)
    for mode in ("zeros", "reflect"):
        with subtests.test(mode=mode):
            found = ndconv.conv_layer_backward(
                large, np.ones((1, 4), "e"), np.ones((1, 1, 3), "e"), padding=2, padding_mode=mode
            )
            assert np.isposinf(found.weight).all()
            assert np.isposinf(found.bias).all()


@pytest.mark.parametrize("function", [ndconv.conv_layer_backward, ndconv.conv_transpose_layer_backward])
@pytest.mark.parametrize("needs", [NEEDS, *NEEDS])
def test_what_half_precision_does_not_hold_is_infinite(function, needs):
    large, weight = np.full((1, 1, 2), 40000, "float16"), np.full((1, 1, 1), 40000, "float16")
    with np.errstate(all="raise"):
        found = function(large, large, weight, needs=needs)
    assert all(np.isposinf(gradient).all() for gradient in found if gradient is not None)


def test_the_sum_of_many_gradients():
    """More equal numbers than a float32 can count."""
    g = np.broadcast_to(np.float32(1), (20_000_000, 1))
    x, weight = np.broadcast_to(np.float32(1), (20_000_000, 1)), np.ones((1, 1, 1), np.float32)
    found = ndconv.conv_layer_backward(g, x, weight, channel_axis=-1, needs=("weight", "bias"))
    assert found.bias[0] == found.weight[0, 0, 0] == 20_000_000


# --- What padding repeats ---------------------------------------------------------------------------------------------


@examples(150)
@given(data=st.data(), rng=generators())
def test_strides_and_dilations_that_pass_over_padding(data, rng):
    """What padding repeats is read by few taps, or in runs far apart."""
    d = data.draw(st.sampled_from((1, 1, 2)))
    kernel, stride, dilation = (
        [data.draw(st.one_of(st.integers(1, small), st.integers(1, large))) for _ in range(d)]
        for small, large in ((3, 9), (3, 60 // d), (3, 40 // d))
    )
    sizes = [data.draw(st.integers(1, 20)) for _ in range(d)]
    padding = []
    for n, k, e in zip(sizes, kernel, dilation, strict=True):
        before = data.draw(st.integers(0, 400 // d**3))
        padding.append((before, max(data.draw(st.integers(0, 400 // d**3)), oracle.reach(k, e) - n - before)))
    mode = [data.draw(st.sampled_from(sorted(oracle.MODES))) for _ in range(d)]
    keywords = {"stride": stride, "dilation": dilation, "padding": padding, "padding_mode": mode}
    x, weight = values(rng, (2, *sizes), "float64"), values(rng, (1, 2, *kernel), "float64")
    with (
        mock.patch.object(backward_padding, "SPARSE_SAMPLES", data.draw(st.sampled_from((0, 3, 4096)))),
        mock.patch.object(backward_padding, "MOST_RUNS", data.draw(st.sampled_from((0, 64)))),
        mock.patch.object(backward_padding, "BORDER_BYTES", data.draw(st.sampled_from((500, 1 << 13, 4 << 20)))),
    ):
        agree(gradient_for(rng, x, weight, **keywords), x, weight, **keywords)


@pytest.mark.parametrize("mode", PADDED)
@pytest.mark.parametrize(
    ("padding", "stride", "dilation"), [(10**8, 10**7, 1), (10**7, 10**4, 3), (10**8, 1, 10**8 - 7), (10**8, 3, 10**8)]
)
def test_time_is_that_of_the_products(monkeypatch, mode, padding, stride, dilation):
    """Not that of the padding: what is computed of it are a few samples for each product."""
    made = []
    add_border = backward_input.add_border
    monkeypatch.setattr(
        backward_input, "add_border", lambda slab, *rest: (made.append(slab.size), add_border(slab, *rest))
    )
    x, weight = np.arange(10.0)[None], np.array([[[1.0, 10.0, 100.0]]])
    keywords = {"padding": padding, "padding_mode": mode, "stride": stride, "dilation": dilation}
    y = ndconv.conv_layer(x, weight, **keywords)
    found = ndconv.conv_layer_backward(np.ones_like(y), x, weight, **keywords)
    assert sum(made) <= 8 * weight.size * y.size
    np.testing.assert_allclose(np.vdot(found.x, x), y.sum())
    np.testing.assert_allclose(found.x.sum(), 111 * y.size)


# --- PyTorch ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(3, 2, 1), (4, 12, 4)])
@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 4, 1), (3, 1, 2)])
def test_agrees_with_pytorch(rng, torch, dtype, d, c_in, c_out, groups, stride, padding, dilation):
    """Complex gradients are dL/d(re) + 1j dL/d(im) there, too."""
    x, weight = values(rng, (2, c_in, *sizes(d)), dtype), values(rng, (c_out, c_in // groups, *(3,) * d), dtype)
    keywords = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    g, function = gradient_for(rng, x, weight, **keywords), getattr(torch.nn.functional, f"conv{d}d")
    expected = torch_gradients(torch, g, lambda *a: function(*a, **keywords), x, weight, values(rng, c_out, dtype))
    check_close(ndconv.conv_layer_backward(g, x, weight, **keywords), expected)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_agrees_with_pytorchs_padding(rng, torch, mode, d):
    x, weight = values(rng, (2, 3, *sizes(d)), "float64"), values(rng, (4, 3, *(3,) * d), "float64")
    pairs = [(i + 1, 3 - i) for i in range(d)]
    g = gradient_for(rng, x, weight, padding=pairs, padding_mode=mode)

    def layer(x, weight):
        padded = torch.nn.functional.pad(x, [n for pair in reversed(pairs) for n in pair], mode=mode)
        return getattr(torch.nn.functional, f"conv{d}d")(padded, weight)

    expected = torch_gradients(torch, g, layer, x, weight)
    check_close(ndconv.conv_layer_backward(g, x, weight, padding=pairs, padding_mode=mode)[:2], expected)


# --- Workers, threads, forks -----------------------------------------------------------------------------------------

SHARED = {
    "layer": ((2, 48, 30, 31), (40, 48, 3, 3), {"padding": 1, "padding_mode": "reflect"}),
    "strided": ((4, 24, 40, 41), (32, 24, 3, 3), {"padding": 1, "stride": 2}),
    "few channels": ((3, 200, 201), (4, 3, 5, 5), {"padding": "same", "padding_mode": "circular"}),
    "depthwise": ((48, 60, 50), (48, 1, 3, 3), {"groups": 48, "padding": 1, "padding_mode": "replicate"}),
    "signal": ((1, 200_000), (1, 1, 51), {}),
    "pointwise": ((2, 128, 30, 30), (96, 128, 1, 1), {}),
    "volume": ((2, 20, 21, 22), (3, 2, 3, 3, 3), {"padding": 1}),
    "channels last": ((2, 30, 30, 32), (40, 32, 3, 3), {"channel_axis": -1}),
}


@pytest.mark.parametrize("dtype", ["float32", "complex64", "int32"])
@pytest.mark.parametrize("name", SHARED)
def test_the_same_bits_for_every_number_of_workers(rng, name, dtype):
    x_shape, weight_shape, keywords = SHARED[name]
    x, weight = values(rng, x_shape, dtype), values(rng, weight_shape, dtype)
    g = gradient_for(rng, x, weight, **keywords)
    first = ndconv.conv_layer_backward(g, x, weight, **keywords, workers=1)
    layer = ndconv.ConvLayer(weight, **keywords, workers=2)
    for workers in (2, 3):
        same_bits(ndconv.conv_layer_backward(g, x, weight, **keywords, workers=workers), first)
        same_bits(layer.backward(g, x, workers=workers), first)


def test_many_threads_at_once(rng):
    x, weight = values(rng, (2, 6, 20, 21), "float32"), values(rng, (24, 6, 3, 3), "float32")
    keywords = {"padding": 1, "padding_mode": "reflect", "stride": 2}
    g = gradient_for(rng, x, weight, **keywords)
    first = ndconv.ConvLayer(weight, **keywords, activation="gelu").backward(g, x, workers=1)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            layer = ndconv.ConvLayer(weight, **keywords, activation="gelu")
            for other in pool.map(
                lambda workers, layer=layer: layer.backward(g, x, workers=workers), [1, 2, 3, None] * 3
            ):
                same_bits(other, first)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_works():
    output = isolated.run("""
        import os, warnings
        import numpy as np, ndconv
        warnings.simplefilter("ignore")
        rng = np.random.default_rng(0)
        x, g = (rng.standard_normal((32, 60, 60), dtype=np.float32) for _ in range(2))
        weight = rng.standard_normal((32, 32, 3, 3), dtype=np.float32)
        layer = ndconv.ConvLayer(weight, padding=1, padding_mode="reflect")
        first = layer.backward(g, x, workers=2)
        pid = os.fork()
        if pid == 0:
            same = all(np.array_equal(a, b) for w in (2, None) for a, b in zip(layer.backward(g, x, workers=w), first))
            os._exit(0 if same else 3)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        print("fine")
    """)
    assert output == "fine"


def test_large_strides_are_quick():
    """Samples between the windows are no phases to go through."""
    x, weight = np.ones((1, 3_000_001), np.float32), np.ones((1, 1, 2), np.float32)
    found = ndconv.conv_layer_backward(np.ones((1, 4), np.float32), x, weight, stride=999_999)
    np.testing.assert_array_equal(
        np.flatnonzero(found.x[0]), np.add.outer([0, 999_999, 1_999_998, 2_999_997], [0, 1]).ravel()
    )
    ndconv.conv_layer_backward(np.ones((1, 1)), np.ones((1, 3)), np.ones((1, 1, 3)), stride=2**62)
