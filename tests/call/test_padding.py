"""Every padding mode and every spelling of `padding`, against `numpy.pad` through layers that copy their input."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ndconv
from support import oracle
from support.layouts import values
from support.oracle import CANONICAL, MODE_NAMES, MODES, NUMPY_NAME

ONE = {d: np.ones((1,) * (d + 2)) for d in (1, 2, 3, 4)}
PAIRS = [(0, 0), (1, 0), (0, 1), (2, 2), (3, 5), (9, 4), (40, 33)]


def padded(x, pairs, modes, fill_value=0):
    """`x` with its samples beyond the border, one channel."""
    d = x.ndim
    keywords = {"fill_value": fill_value} if fill_value else {}
    return ndconv.conv_layer(x[None], ONE[d].astype(x.dtype), padding=pairs, padding_mode=modes, **keywords)[0]


def numpys(x, pairs, mode, fill_value=0):
    keywords = {"constant_values": fill_value} if CANONICAL[mode] == "zeros" else {}
    return np.pad(x, pairs, NUMPY_NAME[CANONICAL[mode]], **keywords)


@pytest.mark.parametrize("mode", CANONICAL)
@pytest.mark.parametrize("pair", PAIRS)
def test_every_name_means_what_numpy_pad_does(subtests, mode, pair):
    for length in (1, 2, 3, 4, 7, 30):
        with subtests.test(length=length):
            x = np.arange(1.0, length + 1)
            np.testing.assert_array_equal(padded(x, [pair], mode), numpys(x, [pair], mode))


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [
        ("zeros", [0, 0], [0, 0]),
        ("replicate", [1, 1], [4, 4]),
        ("reflect", [3, 2], [3, 2]),
        ("symmetric", [2, 1], [4, 3]),
        ("circular", [3, 4], [1, 2]),
    ],
)
def test_the_table(mode, before, after):
    x = np.array([1, 2, 3, 4])
    for name in MODE_NAMES[mode]:
        np.testing.assert_array_equal(padded(x, [(2, 2)], name), [*before, 1, 2, 3, 4, *after])


def test_bouncing_goes_on():
    x = np.array([1, 2, 3])
    np.testing.assert_array_equal(padded(x, [(7, 0)], "reflect"), [2, 3, 2, 1, 2, 3, 2, 1, 2, 3])
    np.testing.assert_array_equal(padded(x, [(0, 7)], "symmetric"), [1, 2, 3, 3, 2, 1, 1, 2, 3, 3])
    np.testing.assert_array_equal(padded(x, [(0, 7)], "circular"), [1, 2, 3, 1, 2, 3, 1, 2, 3, 1])


@pytest.mark.parametrize("mode", MODES)
def test_one_sample(mode):
    x = np.array([5.0])
    expected = [0, 0, 5, 0, 0, 0] if mode == "zeros" else [5] * 6
    np.testing.assert_array_equal(padded(x, [(2, 3)], mode), expected)


@pytest.mark.parametrize("name", MODE_NAMES["zeros"])
@pytest.mark.parametrize("dtype", ["float32", "int8", "complex128", "float16"])
def test_fill_value(name, dtype):
    x = np.arange(1, 5).astype(dtype)
    np.testing.assert_array_equal(padded(x, [(2, 1)], name, 7), [7, 7, 1, 2, 3, 4, 7])
    np.testing.assert_array_equal(padded(x, [(2, 1)], name), [0, 0, 1, 2, 3, 4, 0])


def test_fill_value_of_odd_kinds():
    x = np.arange(1.0, 4)
    np.testing.assert_array_equal(padded(x, [(1, 0)], "constant", np.float32(2.5)), [2.5, 1, 2, 3])
    np.testing.assert_array_equal(padded(x, [(1, 0)], "constant", np.inf), [np.inf, 1, 2, 3])
    np.testing.assert_array_equal(padded(x, [(1, 0)], "constant", np.nan), [np.nan, 1, 2, 3])
    np.testing.assert_array_equal(padded(x.astype(complex), [(1, 0)], "constant", 1 + 2j), [1 + 2j, 1, 2, 3])


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("int64", 2**62 + 1),
        ("int64", -(2**63)),
        ("int64", 2**63 - 1),
        ("uint64", 2**64 - 1),
        ("uint64", 2**53 + 1),
        ("int8", -128),
        ("uint8", 255),
        ("int16", -1),
        ("float32", 0.1),
        ("float64", 0.1),
        ("float16", 0.1),
    ],
)
def test_fill_value_is_exact(dtype, value):
    x = np.ones((1, 1), dtype)
    y = ndconv.conv_layer(x, np.ones((1, 1, 1), dtype), padding=1, padding_mode="constant", fill_value=value)
    np.testing.assert_array_equal(y, np.array([[value, 1, value]], dtype))


@pytest.mark.parametrize(
    ("dtype", "value"), [("float16", 0.1), ("float16", 1e30), ("float32", 0.1), ("float32", 1e300)]
)
def test_fill_value_is_rounded_as_a_sample_is(subtests, dtype, value):
    """Infinity, and what it makes of a zero, included."""
    with np.errstate(over="ignore"):
        around = np.full((1, 2), value).astype(dtype)
    x, weight = np.ones((1, 3), dtype), np.array([[[3.0, 0.0, 0.7]]], dtype)
    whole = np.concatenate([around, x, around], axis=1)
    for method in ("direct", "auto"):
        with subtests.test(method=method):
            y = ndconv.conv_layer(x, weight, padding=2, fill_value=value, method=method)
            np.testing.assert_array_equal(y, ndconv.conv_layer(whole, weight, method="direct"))


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("int8", 128), ("int8", -129), ("uint8", 256), ("uint8", -1), ("int16", 1e5), ("uint64", -1), ("int64", 2**63)],
)
def test_fill_value_fits_the_results_type(dtype, value):
    """As in numpy.pad; nothing is written before."""
    x, weight, out = np.ones((1, 4), dtype), np.ones((1, 1, 3), dtype), np.full((1, 4), 99, dtype)
    keywords, message = {"fill_value": value}, f"fill_value must lie in .* dtype {dtype}, got {re.escape(repr(value))}"
    layer = ndconv.ConvLayer(weight, padding="causal", **keywords)
    for call in (
        lambda: ndconv.conv_layer(x, weight, padding="same", out=out, **keywords),
        lambda: ndconv.correlate_nd(x, weight[0], "same", out=out, **keywords),
        lambda: ndconv.convolve_nd(x, weight[0], "same", out=out, **keywords),
        lambda: ndconv.conv_layer_backward(x, x, weight, padding="same", **keywords),
        lambda: layer(x, out=out),
        lambda: layer.backward(x, x),
        lambda: layer.stream().push(x),
        lambda: ndconv.CorrelateStream(weight[0, 0], **keywords).push(x),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert (out == 99).all()
    fits = ndconv.conv_layer(x, weight.astype("int64"), padding="same", fill_value=300) if dtype == "int8" else None
    assert fits is None or fits.tolist() == [[302, 3, 3, 302]]


@pytest.mark.parametrize(("x_type", "weight_type"), [("float64", "complex128"), ("complex128", "float64")])
def test_fill_value_is_of_the_results_type(x_type, weight_type):
    x, weight = np.ones((1, 1), x_type), np.ones((1, 1, 1), weight_type)
    y = ndconv.conv_layer(x, weight, padding=1, fill_value=2 + 3j)
    np.testing.assert_array_equal(y, [[2 + 3j, 1, 2 + 3j]])
    x, weight = np.ones((1, 1), np.int8), np.ones((1, 1, 1), np.float32)
    np.testing.assert_array_equal(ndconv.conv_layer(x, weight, padding=1, fill_value=0.5), [[0.5, 1, 0.5]])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("shape", "pairs"),
    [
        ((3, 4), [(1, 2), (3, 0)]),
        ((1, 5), [(4, 4), (12, 13)]),
        ((2, 3, 4), [(5, 1), (0, 7), (3, 3)]),
        ((1, 1, 1), [(2, 2)] * 3),
        ((2, 3, 2, 3), [(1, 2), (2, 1), (3, 0), (0, 4)]),
        ((40, 50), [(90, 3), (7, 120)]),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "int64", "complex64", "uint8"])
def test_several_axes(rng, mode, shape, pairs, dtype):
    x = values(rng, shape, dtype)
    np.testing.assert_array_equal(padded(x, pairs, mode), numpys(x, pairs, mode))


@pytest.mark.parametrize("first", MODES)
@pytest.mark.parametrize("second", MODES)
def test_a_mode_for_each_axis(rng, first, second):
    x = values(rng, (4, 3), "float64")
    expected = numpys(numpys(x, [(5, 2), (0, 0)], first), [(0, 0), (2, 7)], second)
    np.testing.assert_array_equal(padded(x, [(5, 2), (2, 7)], (first, second)), expected)
    np.testing.assert_array_equal(padded(x, [(5, 2), (2, 7)], [first, second]), expected)


@given(data=st.data())
def test_random_padding(data):
    d = data.draw(st.integers(1, 3))
    shape = [data.draw(st.integers(1, 6)) for _ in range(d)]
    pairs = [(data.draw(st.integers(0, 20)), data.draw(st.integers(0, 20))) for _ in range(d)]
    modes = [data.draw(st.sampled_from(sorted(CANONICAL))) for _ in range(d)]
    x = expected = np.arange(1, 1 + np.prod(shape)).reshape(shape)
    for axis, (pair, mode) in enumerate(zip(pairs, modes, strict=True)):
        expected = numpys(expected, [pair if i == axis else (0, 0) for i in range(d)], mode)
    np.testing.assert_array_equal(padded(x, pairs, modes), expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(1, 1, 1), (3, 2, 1), (16, 32, 1), (8, 8, 8)])
@pytest.mark.parametrize("channel_axis", [None, -1])
def test_padding_in_every_arrangement(rng, subtests, mode, c_in, c_out, groups, channel_axis):
    shape = (2, 5, 6, c_in) if channel_axis == -1 else (2, c_in, 5, 6)
    x, weight = values(rng, shape, "float32"), values(rng, (c_out, c_in // groups, 3, 3), "float32")
    for padding in (1, (2, 0), ((0, 3), (4, 1)), ((17, 18), (13, 25))):
        with subtests.test(padding=padding):
            arguments = {"padding": padding, "padding_mode": mode, "groups": groups, "channel_axis": channel_axis}
            oracle.layer(x, weight, **arguments).check(ndconv.conv_layer(x, weight, **arguments))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("output", ["full", "same"])
def test_correlations_see_the_same_samples(subtests, mode, output):
    x = np.arange(1.0, 6)
    kernel = np.zeros(8)
    for position in range(8):
        with subtests.test(position=position):
            kernel[:] = 0
            kernel[position] = 1
            whole = numpys(x, [(7, 7)], mode)[position : position + 12]
            expected = whole if output == "full" else whole[3:8]
            np.testing.assert_array_equal(ndconv.correlate_nd(x, kernel, output, padding_mode=mode), expected)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("mode", MODES)
def test_named_paddings_are_pairs(rng, kernel, dilation, mode):
    x, weight = values(rng, (3, 13), "float64"), values(rng, (2, 3, kernel), "float64")
    reach = dilation * (kernel - 1)
    half = reach // 2
    pairs = {
        "valid": (0, 0),
        "same": (half, reach - half),
        "same_lower": (reach - half, half),
        "full": (reach, reach),
        "causal": (reach, 0),
    }
    for name, pair in pairs.items():
        if name == "valid" and reach >= 13:
            continue
        actual = ndconv.conv_layer(x, weight, padding=name, padding_mode=mode, dilation=dilation)
        expected = ndconv.conv_layer(x, weight, padding=[pair], padding_mode=mode, dilation=dilation)
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("padding", ["same", "same_lower"])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("stride", [1, 2, 3, 5])
def test_same_keeps_the_size_divided_by_the_stride(padding, kernel, stride):
    weight = np.ones((1, 1, kernel))
    sizes = range(1, 14)
    shapes = [ndconv.conv_layer(np.ones((1, n)), weight, padding=padding, stride=stride).shape for n in sizes]
    assert shapes == [(1, -(-n // stride)) for n in sizes]


def test_same_with_a_stride_pads_no_more_than_needed():
    """As TensorFlow and JAX do: a total of (outputs - 1) * stride + kernel - size."""
    x, weight = np.arange(1.0, 7)[None], np.ones((1, 1, 3))
    np.testing.assert_array_equal(ndconv.conv_layer(x, weight, padding="same", stride=2), [[6, 12, 11]])
    np.testing.assert_array_equal(ndconv.conv_layer(x, weight, padding="same_lower", stride=2), [[3, 9, 15]])


def test_causal_looks_at_the_past_only(rng):
    x, weight = values(rng, (2, 30), "float64"), values(rng, (3, 2, 4), "float64")
    before = ndconv.conv_layer(x, weight, padding="causal", dilation=3)
    x[:, 17:] = 1e9
    after = ndconv.conv_layer(x, weight, padding="causal", dilation=3)
    assert before.shape == (3, 30)
    np.testing.assert_array_equal(before[:, :17], after[:, :17])
    assert (before[:, 17] != after[:, 17]).all()


@pytest.mark.parametrize(
    "spelling", [2, (2, 2), [2, 2], ((2, 2), (2, 2)), [[2, 2], [2, 2]], np.int64(2), np.array([2, 2]), (2, (2, 2))]
)
def test_spellings_of_padding(rng, spelling):
    x, weight = values(rng, (1, 5, 6), "float64"), values(rng, (1, 1, 3, 3), "float64")
    oracle.layer(x, weight, padding=2).check(ndconv.conv_layer(x, weight, padding=spelling))


def test_empty_spatial_axes():
    """Zeros can surround nothing at all; no other mode has anything to repeat."""
    x, weight = np.zeros((2, 0)), np.ones((3, 2, 2))
    y = ndconv.conv_layer(x, weight, np.arange(3.0), padding=1)
    np.testing.assert_array_equal(y, [[0], [1], [2]])
    for mode in MODES[1:]:
        with pytest.raises(ValueError, match=r"\b(x|padding|padding_mode)\b"):
            ndconv.conv_layer(x, weight, padding=1, padding_mode=mode)
