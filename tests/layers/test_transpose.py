"""`conv_transpose_layer` and its gradients: against naive sums, inner products and PyTorch."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ndconv
from support import isolated, oracle
from support.blocks import always_whole_blocks
from support.layouts import FLOATS, LAYOUTS, Place, floats, read_only, values
from support.pairs import paired
from support.strategies import NEEDS, examples, generators, names_of, transpose_backward_calls, transpose_calls
from support.tables import names_of_changes

#: Channels in and out, groups.
CHANNELS = [(1, 1, 1), (3, 2, 1), (16, 33, 1), (40, 20, 1), (6, 6, 6), (4, 12, 4), (6, 9, 3), (48, 64, 2)]


def sizes(d):
    return {1: (17,), 2: (5, 6), 3: (3, 4, 3)}[d]


def agree(x, weight, bias=None, **keywords):
    """Check the layer and, without what is not linear in it, its gradients."""
    y = ndconv.conv_transpose_layer(x, weight, bias, **keywords)
    oracle.transpose_layer(x, weight, bias, **keywords).check(y)
    return y


def agree_backward(grad_y, x, weight, **keywords):
    oracle.transpose_layer_gradients(grad_y, x, weight, **keywords).check(
        ndconv.conv_transpose_layer_backward(grad_y, x, weight, **keywords)
    )


def agree_call(call):
    """Check a drawn call, and that it writes to where it is asked to and nowhere else."""
    expected = oracle.transpose_layer(*call.arrays, **call.keywords)
    place = call.place(expected)
    if place is None:
        expected.check(ndconv.conv_transpose_layer(*call.arrays, **call.keywords))
        return
    assert ndconv.conv_transpose_layer(*call.arrays, **call.keywords, out=place.out) is place.out
    expected.check(place.out)
    assert place.untouched_outside()


@given(call=transpose_calls())
def test_random_calls(call):
    agree_call(call)


@given(call=transpose_calls())
def test_random_calls_by_whole_blocks(call):
    with always_whole_blocks():
        agree_call(call)


@examples(150)
@given(call=transpose_backward_calls())
def test_random_gradients(call):
    keywords = dict(call.keywords)
    needs = names_of(keywords.pop("needs"))
    references = oracle.transpose_layer_gradients(*call.arrays, **keywords)
    references.check(ndconv.conv_transpose_layer_backward(*call.arrays, **call.keywords), needs)


@examples(100)
@given(call=transpose_backward_calls(), rng=generators(), dtype=st.sampled_from(["float64", "complex128"]))
def test_inner_products(call, rng, dtype):
    """<layer(x), g> = <x, gradient of x to g>, and likewise for the weights: the layer is linear in each."""
    g, x, weight = (values(rng, a.shape, dtype) for a in call.arrays)
    keywords = {name: v for name, v in call.keywords.items() if name != "needs"}
    y = ndconv.conv_transpose_layer(x, weight, **keywords, method="direct")
    found = ndconv.conv_transpose_layer_backward(g, x, weight, **keywords)
    size = np.vdot(ndconv.conv_transpose_layer(abs(x), abs(weight), **keywords), abs(g)) + 1
    assert abs(np.vdot(g, y) - np.vdot(found.x, x)) <= 1e-10 * size
    assert abs(np.vdot(g, y) - np.vdot(found.weight, weight)) <= 1e-10 * size


@pytest.mark.parametrize("d", [1, 2, 3])
def test_it_is_the_transpose_of_the_layer(rng, subtests, d):
    """<conv_layer(y), x> = <y, conv_transpose_layer(x)> with the same weights and keywords."""
    keywords = {"stride": 3, "dilation": 2, "groups": 2, "padding": [(i + 1, 2 * i) for i in range(d)]}
    weight = values(rng, (6, 2, *(3,) * d), "complex128")
    for size in (10, 11, 12):
        with subtests.test(size=size):
            y = values(rng, (2, 4, *(size,) * d), "complex128")
            x = values(rng, ndconv.conv_layer(y, weight, **keywords).shape, "complex128")
            smallest = ndconv.conv_transpose_layer(x, weight.conj(), **keywords).shape
            missing = tuple(n - m for n, m in zip(y.shape[2:], smallest[2:], strict=True))
            spread = ndconv.conv_transpose_layer(x, weight.conj(), output_padding=missing, **keywords)
            assert spread.shape == y.shape
            np.testing.assert_allclose(
                np.vdot(ndconv.conv_layer(y, weight, **keywords), x), np.vdot(y, spread), rtol=1e-10
            )
            np.testing.assert_allclose(
                ndconv.conv_layer_backward(x, y, weight, **keywords).x, spread, rtol=1e-10, atol=1e-12
            )


@pytest.mark.parametrize("dtype", ["float16", "float32", "complex64", "int8"])
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), CHANNELS)
def test_types_and_dimensions(rng, dtype, d, c_in, c_out, groups):
    x, weight = values(rng, (2, c_in, *sizes(d)), dtype), values(rng, (c_in, c_out // groups, *(3,) * d), dtype)
    keywords = {"stride": 2, "padding": 1, "output_padding": 1, "groups": groups}
    y = agree(x, weight, values(rng, c_out, dtype), **keywords)
    agree_backward(values(rng, y.shape, dtype), x, weight, **keywords)


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("dilation", [1, 2, 3, 4])
def test_phases(rng, kernel, stride, dilation):
    """Strides and dilations with and without a common factor, and filters that leave outputs untouched."""
    weight, bias = values(rng, (2, 3, kernel), "float64"), values(rng, 3, "float64")
    span = 4 * stride + dilation * (kernel - 1) + 1
    for extra in {0, max(stride, dilation) - 1}:
        for padding in (0, ((0, span - 1),), ((span - 1, 0),), ((span // 2, span // 3),), "same", "same_lower"):
            keywords = {"stride": stride, "dilation": dilation, "output_padding": extra, "padding": padding}
            x = values(rng, (2, 5), "float64")
            y = agree(x, weight, bias, **keywords, activation="sigmoid")
            agree_backward(values(rng, y.shape, "float64"), x, weight, **keywords)


def test_four_dimensions(rng):
    x, weight = values(rng, (2, 3, 2, 3, 2, 3), "float64"), values(rng, (3, 4, 2, 3, 2, 3), "float64")
    keywords = {"stride": (2, 1, 2, 3), "padding": 1, "output_padding": (1, 0, 0, 2)}
    y = agree(x, weight, **keywords)
    agree_backward(values(rng, y.shape, "float64"), x, weight, **keywords)


@pytest.mark.parametrize("stride", [1, 2, 3, 5])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 7])
def test_same_is_as_many_samples_as_strides(rng, subtests, stride, kernel):
    for name in ("same", "same_lower"):
        with subtests.test(name=name):
            x, weight = values(rng, (2, 6, 5), "float64"), values(rng, (2, 1, kernel, 2), "float64")
            y = ndconv.conv_transpose_layer(x, weight, stride=stride, padding=name)
            assert y.shape == (1, 6 * stride, 5 * stride)
            back = ndconv.conv_layer(y, weight, stride=stride, padding=name)
            assert back.shape == x.shape


def test_padding_as_an_array(rng):
    x, weight = values(rng, (2, 5, 6), "float32"), values(rng, (2, 3, 3, 3), "float32")
    expected = ndconv.conv_transpose_layer(x, weight, padding=(1, 2), stride=(2, 3))
    found = ndconv.conv_transpose_layer(x, weight, padding=np.array([1, 2]), stride=np.array([2, 3]))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "keywords"),
    [
        ((64, 30, 31), (64, 32, 4, 4), {"stride": 2, "padding": 1}),
        ((64, 30, 31), (64, 64, 3, 3), {"padding": 1}),
        ((1, 70, 80), (1, 1, 31, 31), {}),
        ((1, 5000), (1, 1, 801), {"stride": 2}),
        ((3, 100, 101), (3, 1, 5, 5), {"stride": 3, "groups": 3}),
        ((16, 8, 9), (16, 3, 16, 16), {"stride": 16}),
        ((9, 6, 20, 21), (9, 8, 3, 3, 3), {"stride": (1, 2, 2), "padding": 1, "output_padding": (0, 1, 1)}),
    ],
)
def test_large(rng, x_shape, weight_shape, keywords):
    x, weight = values(rng, x_shape, "float32"), values(rng, weight_shape, "float32")
    y = agree(x, weight, **keywords)
    agree_backward(values(rng, y.shape, "float32"), x, weight, **keywords)


@pytest.mark.parametrize("method", ["auto", "direct", "winograd", "fft"])
def test_methods(rng, method):
    x, weight = values(rng, (2, 16, 20, 21), "float32"), values(rng, (16, 20, 3, 3), "float32")
    keywords = {"padding": 1, "activation": "relu", "residual": values(rng, (2, 20, 20, 21), "float32")}
    agree(x, weight, values(rng, 20, "float32"), **keywords, method=method)
    # Each phase of a stride of 2 has 3 by 3 of these taps.
    agree(x[:, :, :9, :9], values(rng, (16, 4, 6, 6), "float32"), method=method, stride=2)


@pytest.mark.parametrize(("stride", "padding", "kernel"), [(2, 0, 3), (2, 1, 11), (3, 1, 4), ((1, 2), 0, (3, 3))])
def test_a_method_that_cannot_do_every_phase_writes_none(stride, padding, kernel):
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    x, weight = np.ones((1, 9, 9), np.float32), np.ones((1, 1, *kernel), np.float32)
    out = np.full_like(ndconv.conv_transpose_layer(x, weight, stride=stride, padding=padding), 99)
    with pytest.raises(ValueError, match="method='winograd' cannot do this call"):
        ndconv.conv_transpose_layer(x, weight, stride=stride, padding=padding, method="winograd", out=out)
    assert (out == 99).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("activation", [None, *oracle.ACTIVATIONS])
@pytest.mark.parametrize("stride", [1, 4])
def test_activations(rng, dtype, activation, stride):
    """Also where the stride is longer than the filter, and bias and residual are all that there is."""
    x, weight = 2 * values(rng, (2, 3, 5, 6), dtype), values(rng, (3, 4, 2, 3), dtype)
    keywords = {"stride": stride, "output_padding": stride - 1, "activation": activation}
    y = agree(x, weight, 3 * values(rng, 4, dtype), **keywords)
    agree(x, weight, 3 * values(rng, 4, dtype), residual=3 * values(rng, y.shape, dtype), **keywords)


@pytest.mark.parametrize("dtype", ["int16", "uint8"])
def test_relu_of_integers(rng, subtests, dtype):
    x, weight = values(rng, (3, 9), dtype), values(rng, (3, 5, 2), dtype)
    for activation in ("relu", "relu6"):
        with subtests.test(activation=activation):
            agree(x, weight, values(rng, 5, dtype), activation=activation, stride=4)


@pytest.mark.parametrize("channel_axis", [None, -1])
@pytest.mark.parametrize(
    ("channels", "layout", "dtype"), paired(CHANNELS, Place.layouts, ["float16", "float32", "complex64"])
)
def test_out(rng, channels, layout, dtype, channel_axis):
    c_in, c_out, groups = channels
    shape = (2, 4, 15, c_in) if channel_axis == -1 else (2, c_in, 4, 15)
    x, weight = values(rng, shape, dtype), values(rng, (c_in, c_out // groups, 3, 3), dtype)
    keywords = {"groups": groups, "channel_axis": channel_axis, "stride": (1, 2)}
    expected = oracle.transpose_layer(x, weight, **keywords)
    place = Place(expected.shape, expected.dtype, layout)
    assert ndconv.conv_transpose_layer(x, weight, out=place.out, **keywords) is place.out
    expected.check(place.out)
    assert place.untouched_outside()


def test_out_may_overlap_everything(rng, subtests):
    for stride in (1, 3):
        with subtests.test(stride=stride):
            base = values(rng, 3 * 3 * 64, "float32")
            x, weight, residual = (
                base[:36].reshape(3, 12),
                base[9:27].reshape(3, 3, 2),
                base[30 : 30 + 3 * 40].reshape(3, 40),
            )
            size = 11 * stride + 2
            arguments = {"bias": base[2:5].copy(), "residual": residual[:, :size].copy(), "stride": stride}
            expected = ndconv.conv_transpose_layer(x.copy(), weight.copy(), **arguments)
            arguments.update(bias=base[2:5], residual=residual[:, :size])
            out = base[1 : 1 + 3 * size].reshape(3, size)
            np.testing.assert_array_equal(ndconv.conv_transpose_layer(x, weight, **arguments, out=out), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "complex64", "int16"])
def test_layouts(rng, subtests, layout, dtype):
    keywords = {"padding": 1, "groups": 2, "stride": (1, 3)}
    shapes = ((2, 4, 9, 5), (4, 3, 3, 2), (6,), (2, 6, 9, 12))
    for position in range(4):
        with subtests.test(position=position):
            arrays = [values(rng, shape, dtype) for shape in shapes]
            arrays[position] = LAYOUTS[layout](arrays[position])
            x, weight, bias, residual = arrays
            agree(x, weight, bias, residual=residual, **keywords)
            agree_backward(residual, x, weight, **keywords)


@pytest.mark.parametrize("dtype", ["float32", "complex128", "int16"])
@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), CHANNELS)
def test_channels_last(rng, dtype, batch, c_in, c_out, groups):
    x, weight = values(rng, (*batch, 4, 5, c_in), dtype), values(rng, (c_in, c_out // groups, 3, 3), dtype)
    keywords = {"padding": 1, "stride": (2, 1), "groups": groups, "channel_axis": -1}
    y = agree(x, weight, values(rng, c_out, dtype), **keywords)
    assert y.flags.c_contiguous
    agree_backward(values(rng, y.shape, dtype), x, weight, **keywords)


@pytest.mark.parametrize(
    ("x_shape", "weight_shape"),
    [((0, 3, 9), (3, 4, 3)), ((2, 0, 9), (0, 4, 3)), ((0, 9), (0, 4, 3)), ((3, 9), (3, 0, 3)), ((2, 0, 9), (0, 0, 3))],
)
def test_empty(rng, subtests, x_shape, weight_shape):
    for dtype in ("float32", "float16", "int32", "complex64"):
        with subtests.test(dtype=dtype):
            x, weight = values(rng, x_shape, dtype), values(rng, weight_shape, dtype)
            y = agree(x, weight, values(rng, weight_shape[1], dtype), stride=4, padding=1)
            agree_backward(values(rng, y.shape, dtype), x, weight, stride=4, padding=1)


def test_mixed_types(rng):
    x, weight, bias = values(rng, (2, 3, 9), "float32"), values(rng, (3, 4, 3), "complex64"), values(rng, 4, "float64")
    y = agree(x, weight, bias, stride=2)
    assert y.dtype == "complex128"
    agree_backward(values(rng, y.shape, "complex64"), x, weight, stride=2)
    agree_backward(values(rng, y.shape, "int16"), x, weight, stride=2)


@given(call=transpose_backward_calls(), rng=generators(), value=st.sampled_from((np.nan, np.inf, -np.inf)))
def test_special_weights_reach_what_their_taps_feed(call, rng, value):
    """Beyond the samples of x there is nothing: no zero that times infinity were NaN. The same in the gradients."""
    g, x, weight = (np.abs(values(rng, a.shape, "float64")) + 0.1 for a in call.arrays)
    keywords = {name: v for name, v in call.keywords.items() if name != "needs"}
    ones = [np.ones(a.shape, int) for a in (g, x, weight)]
    for place, names in ((2, "x"), (1, "weight")):
        mask = np.zeros(call.arrays[place].shape, int)
        mask.flat[rng.integers(0, max(mask.size, 1), 2 if mask.size else 0)] = 1
        marked = [mask if i == place else each for i, each in enumerate(ones)]
        special = [np.where(mask, value, a) if i == place else a for i, a in enumerate((g, x, weight))]
        found = ndconv.conv_transpose_layer_backward(*special, **keywords, needs=names)
        clean = ndconv.conv_transpose_layer_backward(g, x, weight, **keywords, needs=names)
        seen = getattr(oracle.transpose_layer_gradients(*marked, **keywords), names).value > 0
        stands_out(getattr(found, names), getattr(clean, names), seen, value)
        found = ndconv.conv_transpose_layer(*special[1:], **keywords)
        seen = oracle.transpose_layer(*marked[1:], **keywords).value > 0
        stands_out(found, ndconv.conv_transpose_layer(x, weight, **keywords), seen, value)


@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 4), (2, 5), (4, 2)])
def test_special_samples_reach_what_taps_feed_by_whole_blocks(kernel, stride, value):
    x, weight = floats(1, 6), floats(1, 2, kernel)
    x[0, 3] = value
    with always_whole_blocks():
        y = ndconv.conv_transpose_layer(x, weight, stride=stride)
    reached = np.zeros(y.shape[1], bool)
    reached[3 * stride : 3 * stride + kernel] = True
    assert np.isfinite(y[:, ~reached]).all()
    assert not np.isfinite(y[:, reached]).any()


def stands_out(found, clean, seen, value):
    """Check that a result is `value` where it is seen, and elsewhere what it was."""
    np.testing.assert_array_equal(found[seen], value)
    np.testing.assert_allclose(found[~seen], clean[~seen], rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32", "complex64"])
def test_special_weights_with_an_epilogue(rng, dtype):
    x, weight = values(rng, (4, 9, 8), dtype), values(rng, (4, 2, 3, 3), dtype)
    weight[1, 0, 2, 0] = np.nan
    keywords = {"stride": (2, 1), "padding": 1, "groups": 2, "bias": values(rng, 4, dtype)}
    if dtype != "complex64":
        keywords["activation"] = "silu"
    keywords["residual"] = values(rng, ndconv.conv_transpose_layer(x, weight, **keywords).shape, dtype)
    expected = oracle.transpose_layer(x, weight, **keywords)
    y = ndconv.conv_transpose_layer(x, weight, **keywords)
    nan = np.isnan(expected.value)
    assert 0 < nan.sum() < nan.size / 4
    np.testing.assert_array_equal(np.isnan(y), nan)
    clean = oracle.transpose_layer(x, np.nan_to_num(weight, nan=0.5), **keywords)
    clean.check(np.where(nan, clean.value.astype(dtype), y))


@pytest.mark.parametrize("dtype", ["float16", "float32", "complex64"])
@pytest.mark.parametrize("added", ["bool", "int8", ">f4", "float16", "float32", "complex64"])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_residuals_of_other_types(rng, subtests, dtype, added, stride):
    """A real one has no imaginary part, not even in memory."""
    x, weight = values(rng, (3, 17), dtype), values(rng, (3, 5, 3), dtype)
    shape = ndconv.conv_transpose_layer(x, weight, stride=stride).shape
    for layout in ("contiguous", "sliced", "fortran"):
        with subtests.test(layout=layout):
            agree(x, weight, stride=stride, residual=LAYOUTS[layout](values(rng, shape, added)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "keywords"),
    [
        ((2, 3, 12), (3, 4, 3), {}),
        ((2, 4, 9, 8), (4, 3, 3, 3), {"padding": 1, "groups": 2, "stride": 2}),
        ((1, 1, 2000), (1, 1, 301), {}),
        ((1, 40, 20, 20), (40, 40, 3, 3), {"padding": 1}),
        ((1, 3, 6, 6), (3, 5, 2, 2), {"stride": 3, "output_padding": 1}),
    ],
)
def test_what_is_not_finite_reaches_what_saw_it(rng, value, x_shape, weight_shape, keywords):
    x, weight = values(rng, x_shape, "float32"), np.abs(values(rng, weight_shape, "float32")) + 0.1
    ones = np.ones(weight_shape, int)
    g = values(rng, ndconv.conv_transpose_layer(x, weight, **keywords).shape, "float32")
    for at in [(0,) * x.ndim, tuple(n - 1 for n in x_shape), tuple(n // 2 for n in x_shape)]:
        mask = np.zeros(x_shape, int)
        mask[at] = 1
        seen = oracle.transpose_layer(mask, ones, **keywords).value > 0
        spoilt = np.where(mask, value, x).astype("f")
        np.testing.assert_array_equal(~np.isfinite(ndconv.conv_transpose_layer(spoilt, weight, **keywords)), seen)
        assert np.isfinite(ndconv.conv_transpose_layer_backward(g, spoilt, weight, **keywords).x).all()
    for at in [(0,) * g.ndim, tuple(n - 1 for n in g.shape), tuple(n // 2 for n in g.shape)]:
        mask = np.zeros(g.shape, int)
        mask[at] = 1
        seen = oracle.transpose_layer_gradients(mask, np.ones(x_shape, int), ones, **keywords)
        found = ndconv.conv_transpose_layer_backward(np.where(mask, value, g).astype("f"), x, weight, **keywords)
        for name in NEEDS:
            np.testing.assert_array_equal(~np.isfinite(getattr(found, name)), getattr(seen, name).value > 0)


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(4, 12, 4)])
@pytest.mark.parametrize(
    ("stride", "padding", "output_padding", "dilation"), [(2, 1, 1, 1), (3, 1, 2, 2), (1, 2, 1, 2)]
)
def test_agrees_with_pytorch(rng, torch, dtype, d, c_in, c_out, groups, stride, padding, output_padding, dilation):
    x, weight = values(rng, (2, c_in, *sizes(d)), dtype), values(rng, (c_in, c_out // groups, *(3,) * d), dtype)
    bias = values(rng, c_out, dtype)
    keywords = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    keywords["output_padding"] = output_padding
    tensors = [torch.from_numpy(a).requires_grad_() for a in (x, weight, bias)]
    theirs = getattr(torch.nn.functional, f"conv_transpose{d}d")(*tensors, **keywords)
    ours = ndconv.conv_transpose_layer(x, weight, bias, **keywords)
    tolerance = {"rtol": 1e-12, "atol": 1e-12} if dtype == "complex128" else {"rtol": 1e-5, "atol": 1e-4}
    np.testing.assert_allclose(ours, theirs.detach().numpy(), **tolerance)
    assert ours.dtype == dtype
    g = values(rng, ours.shape, dtype)
    theirs.backward(torch.from_numpy(g))
    found = ndconv.conv_transpose_layer_backward(g, x, weight, **keywords)
    for one, tensor in zip(found, tensors, strict=True):
        np.testing.assert_allclose(one, tensor.grad.numpy(), **tolerance)


# --- Workers, threads, forks -----------------------------------------------------------------------------------------

SHARED = {
    "layer": ((2, 48, 20, 21), (48, 40, 4, 4), {"stride": 2, "padding": 1}),
    "stride 1": ((2, 48, 30, 31), (48, 40, 3, 3), {"padding": 1}),
    "signal": ((1, 200_000), (1, 1, 51), {"stride": 3}),
    "channels last": ((2, 30, 30, 32), (32, 40, 3, 3), {"channel_axis": -1, "stride": 2}),
    "untouched": ((8, 100, 101), (8, 8, 1, 1), {"stride": 2}),
}


@pytest.mark.parametrize("dtype", ["float32", "complex64", "int32"])
@pytest.mark.parametrize("name", SHARED)
def test_the_same_bits_for_every_number_of_workers(rng, subtests, name, dtype):
    x_shape, weight_shape, keywords = SHARED[name]
    x, weight = values(rng, x_shape, dtype), values(rng, weight_shape, dtype)
    first = ndconv.conv_transpose_layer(x, weight, **keywords, workers=1)
    g = values(rng, first.shape, dtype)
    gradients = ndconv.conv_transpose_layer_backward(g, x, weight, **keywords, workers=1)
    for workers in (2, 3, 3):
        with subtests.test(workers=workers):
            np.testing.assert_array_equal(ndconv.conv_transpose_layer(x, weight, **keywords, workers=workers), first)
            found = ndconv.conv_transpose_layer_backward(g, x, weight, **keywords, workers=workers)
            for name in NEEDS:
                np.testing.assert_array_equal(getattr(found, name), getattr(gradients, name))


def test_many_threads_at_once(rng):
    x, weight = values(rng, (2, 6, 20, 21), "float32"), values(rng, (6, 24, 4, 4), "float32")
    first = ndconv.conv_transpose_layer(x, weight, stride=2, workers=1)

    def call(workers):
        return ndconv.conv_transpose_layer(x, weight, stride=2, workers=workers)

    with ThreadPoolExecutor(8) as pool:
        for other in pool.map(call, [1, 2, 3, None] * 10):
            np.testing.assert_array_equal(other, first)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_works():
    output = isolated.run("""
        import os, warnings
        import numpy as np, ndconv
        warnings.simplefilter("ignore")
        rng = np.random.default_rng(0)
        x = rng.standard_normal((32, 60, 60), dtype=np.float32)
        weight = rng.standard_normal((32, 32, 4, 4), dtype=np.float32)
        def call(workers):
            y = ndconv.conv_transpose_layer(x, weight, stride=2, workers=workers)
            return y, *ndconv.conv_transpose_layer_backward(y, x, weight, stride=2, workers=workers)
        first = call(2)
        pid = os.fork()
        if pid == 0:
            same = all(np.array_equal(a, b) for w in (2, None) for a, b in zip(call(w), first))
            os._exit(0 if same else 3)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        print("fine")
    """)
    assert output == "fine"


# --- Errors ----------------------------------------------------------------------------------------------------------


CALL = {"x": floats(4, 5, 6), "weight": floats(4, 3, 3, 2), "stride": 2}
Y_SHAPE = (6, 11, 12)

#: (what is changed in a call that is right, the error, what the message must hold)
ERRORS = [
    ({"x": floats(3, 5, 6)}, ValueError, "x must have 4 channels.* got 3"),
    ({"x": floats(5, 6)}, ValueError, r"x must have 3 axes,.* got shape \(5, 6\)"),
    ({"x": np.float32(1), "channel_axis": -1}, ValueError, r"x must have 3 axes,.* got shape \(\)"),
    ({"x": floats(4, 0, 6)}, ValueError, r"x must have at least one sample.* \(4, 0, 6\)"),
    ({"x": floats(4, 5, 6), "channel_axis": -1}, ValueError, "x must have 4 channels.* got 6"),
    ({"x": floats(4, 5, 6).astype(object)}, TypeError, "x .* object"),
    ({"weight": floats(4, 3)}, ValueError, r"weight .* got \(4, 3\)"),
    ({"weight": np.float32(1), "channel_axis": -1}, ValueError, r"weight .* got \(\)"),
    ({"weight": floats(4, 3, 0, 2), "padding": 0, "stride": 5}, ValueError, "weight .* tap"),
    ({"weight": floats(4, 3, 3, 2).astype(object)}, TypeError, "weight .* object"),
    ({"stride": 0}, ValueError, "stride must be at least 1, got 0"),
    ({"stride": (2, -1)}, ValueError, "stride must be at least 1, got -1"),
    ({"stride": 2.0}, TypeError, r"stride .* 2\.0"),
    ({"stride": (1, 2, 3)}, ValueError, r"stride .* \(1, 2, 3\)"),
    ({"dilation": 0}, ValueError, "dilation must be at least 1, got 0"),
    ({"dilation": -2}, ValueError, "dilation must be at least 1, got -2"),
    ({"padding": -1}, ValueError, "padding must be at least 0, got -1"),
    ({"padding": ((0, 0), (0, -1))}, ValueError, "padding must be at least 0, got -1"),
    ({"padding": "some"}, ValueError, "padding .* 'some'"),
    ({"padding": 6}, ValueError, r"padding must leave at least one output per axis, got 6"),
    ({"padding": ((0, 0), (6, 6))}, ValueError, r"padding must leave .* got \(\(0, 0\), \(6, 6\)\)"),
    ({"output_padding": 2}, ValueError, "output_padding must be smaller than stride 2 or dilation 1, got 2"),
    (
        {"output_padding": (0, 3), "dilation": (1, 3)},
        ValueError,
        r"output_padding .* stride 2 or dilation 3, got \(0, 3\)",
    ),
    ({"output_padding": 1, "stride": (1, 2)}, ValueError, "output_padding .* stride 1 or dilation 1, got 1"),
    ({"output_padding": -1}, ValueError, "output_padding must be at least 0, got -1"),
    ({"output_padding": "same"}, TypeError, "output_padding .* 'same'"),
    ({"output_padding": 1.0}, TypeError, r"output_padding .* 1\.0"),
    ({"groups": 3}, ValueError, "groups must divide .* 3 for 4 in"),
    ({"groups": 0}, ValueError, "groups must be at least 1, got 0"),
    ({"groups": 2.0}, TypeError, r"groups .* 2\.0"),
    ({"channel_axis": 1}, ValueError, "channel_axis .* 1"),
    ({"workers": 0}, ValueError, "workers"),
    ({"workers": "all"}, TypeError, "workers"),
    ({"stride": 2**62}, ValueError, "padding, dilation and shapes"),
]
FORWARD = [
    ({"bias": floats(4)}, ValueError, r"bias must have shape \(6,\).* got \(4,\)"),
    ({"bias": 1.0}, ValueError, r"bias .* got \(\)"),
    ({"bias": [None] * 6}, TypeError, "bias"),
    ({"residual": floats(6, 11, 11)}, ValueError, r"residual .* \(6, 11, 12\), got \(6, 11, 11\)"),
    ({"residual": floats(1, *Y_SHAPE)}, ValueError, r"residual .* got \(1, 6, 11, 12\)"),
    ({"residual": "no"}, TypeError, "residual"),
    ({"activation": "softmax"}, ValueError, "activation .* relu.* 'softmax'"),
    ({"activation": 3}, TypeError, "activation .* 3"),
    ({"x": floats(4, 5, 6).astype("complex64"), "activation": "relu"}, TypeError, "activation 'relu' .* complex64"),
    (
        {"x": np.ones((4, 5, 6), int), "weight": np.ones((4, 3, 3, 2), int), "activation": "silu"},
        TypeError,
        "activation",
    ),
    ({"method": "fastest"}, ValueError, "method .* 'fastest'"),
    ({"method": None}, (TypeError, ValueError), "method"),
    ({"method": "winograd"}, ValueError, "method='winograd' cannot"),
    ({"method": "separable"}, ValueError, "method='separable' cannot"),
]
BACKWARD = [
    ({"grad_y": floats(6, 11, 11)}, ValueError, r"grad_y .* \(6, 11, 12\), got \(6, 11, 11\)"),
    ({"grad_y": floats(1, *Y_SHAPE)}, ValueError, r"grad_y .* got \(1, 6, 11, 12\)"),
    ({"grad_y": floats(*Y_SHAPE), "x": floats(5, 6, 4), "channel_axis": -1}, ValueError, r"grad_y .* \(11, 12, 6\)"),
    ({"grad_y": floats(*Y_SHAPE).astype(object)}, TypeError, "grad_y .* object"),
    ({"needs": "y"}, ValueError, "needs must be .* x, weight, bias; got 'y'"),
    ({"needs": ("x", "weights")}, ValueError, r"needs .* got \('x', 'weights'\)"),
    ({"needs": None}, TypeError, "needs .* got None"),
]


@pytest.mark.parametrize(("change", "error", "message"), ERRORS + FORWARD, ids=names_of_changes(ERRORS + FORWARD))
def test_errors(change, error, message):
    arguments = {"groups": 2, **CALL, **change}
    with pytest.raises(error, match=message):
        ndconv.conv_transpose_layer(**arguments)
    out = np.full(Y_SHAPE, 99, np.float32)
    with pytest.raises(error, match=rf"{message}|\bout\b"):
        ndconv.conv_transpose_layer(**arguments, out=out)
    assert (out == 99).all()


@pytest.mark.parametrize(("change", "error", "message"), ERRORS + BACKWARD, ids=names_of_changes(ERRORS + BACKWARD))
def test_errors_of_gradients(change, error, message):
    with pytest.raises(error, match=message):
        ndconv.conv_transpose_layer_backward(**{"groups": 2, "grad_y": floats(*Y_SHAPE), **CALL, **change})


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (floats(6, 11, 11), ValueError, r"out must have shape \(6, 11, 12\), got \(6, 11, 11\)"),
        (floats(1, *Y_SHAPE), ValueError, "out must have shape"),
        (floats(*Y_SHAPE).astype("float64"), TypeError, "out must have dtype float32, got float64"),
        (floats(*Y_SHAPE).astype(">f4"), TypeError, "out must have dtype float32, got >f4"),
        (floats(*Y_SHAPE).astype(object), TypeError, "out must have dtype float32, got object"),
        (read_only(floats(*Y_SHAPE)), ValueError, "out must be writeable"),
        (np.broadcast_to(np.float32(0), Y_SHAPE), ValueError, "out"),
        (floats(*Y_SHAPE).tolist(), TypeError, "out must be a NumPy array, got list"),
    ],
)
def test_wrong_outs(out, error, message):
    with pytest.raises(error, match=message):
        ndconv.conv_transpose_layer(**CALL, groups=2, out=out)


def test_too_large_an_output_is_a_memory_error():
    with pytest.raises(MemoryError):
        ndconv.conv_transpose_layer(floats(1, 2), floats(1, 1, 3), stride=2**50)


def test_large_strides_are_quick():
    """Samples that no tap reaches are no phases to go through."""
    x, weight = np.ones((1, 4), np.float32), np.ones((1, 1, 2), np.float32)
    y = ndconv.conv_transpose_layer(x, weight, [-1], stride=999_999, activation="leaky_relu")
    reached = np.add.outer([0, 999_999, 1_999_998, 2_999_997], [0, 1]).ravel()
    np.testing.assert_array_equal(np.flatnonzero(y[0] == 0), reached)
    assert np.unique(np.delete(y[0], reached)).tolist() == [np.float32(-0.01)]
    assert ndconv.conv_transpose_layer(x[:, :1], weight, stride=2**62, padding=((0, 1),)).tolist() == [[1]]


@pytest.mark.parametrize("stride", range(1, 20))
def test_phases_together_are_at_most_the_cores(stride):
    """Whatever the stride: more of them come one by one."""
    x, weight = floats(2, 9), floats(2, 3, 2 * stride + 1)
    y = ndconv.conv_transpose_layer(x, weight, stride=stride)
    assert y.sum() == x.sum() * weight.sum() / 2
