"""Arrays of every layout and origin as input, and what happens to `out` and to arrays that must not be written."""

import array
import itertools

import numpy as np
import pytest

import ndconv
from support import isolated, oracle
from support.layouts import LAYOUTS, Place, values
from support.pairs import paired

CHANNELS = [(1, 1, 1), (3, 2, 1), (17, 20, 1), (5, 5, 5)]


def refusal(call):
    """Return the message of the ValueError that `call` raises, or None if it works."""
    try:
        call()
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("layout", "dtype", "channels"),
    paired(LAYOUTS, ["float16", "float32", "float64", "complex64", "int16", "uint64", "bool"], CHANNELS),
)
def test_layouts_of_x(rng, subtests, layout, dtype, channels):
    c_in, c_out, groups = channels
    x = LAYOUTS[layout](values(rng, (2, c_in, 7, 30), dtype))
    weight = values(rng, (c_out, c_in // groups, 3, 3), dtype)
    kept = x.copy()
    for keywords in ({"padding": 1}, {"stride": 2}, {"padding": 3, "padding_mode": "symmetric"}):
        with subtests.test(keywords=keywords):
            expected = oracle.layer(x, weight, groups=groups, **keywords)
            expected.check(ndconv.conv_layer(x, weight, groups=groups, **keywords))
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "complex128", "int8"])
def test_layouts_of_the_other_arrays(rng, layout, dtype):
    x = values(rng, (2, 4, 9, 8), dtype)
    weight, bias = LAYOUTS[layout](values(rng, (6, 4, 3, 2), dtype)), LAYOUTS[layout](values(rng, (6,), dtype))
    residual = LAYOUTS[layout](values(rng, (2, 6, 7, 7), dtype))
    expected = oracle.layer(x, weight, bias, residual=residual)
    expected.check(ndconv.conv_layer(x, weight, bias, residual=residual))
    oracle.layer(x, weight, bias).check(ndconv.ConvLayer(weight, bias)(x))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(50,), (12, 13), (5, 6, 7)])
def test_layouts_of_a_correlation(rng, subtests, layout, shape):
    x = LAYOUTS[layout](values(rng, shape, "float32"))
    kernel = LAYOUTS[layout](values(rng, (3,) * len(shape), "float32"))
    for mode in ("full", "same", "valid"):
        with subtests.test(mode=mode):
            oracle.correlate(x, kernel, mode).check(ndconv.correlate_nd(x, kernel, mode))
            oracle.convolve(x, kernel, mode).check(ndconv.convolve_nd(x, kernel, mode))


def test_every_memory_order(rng):
    weight = values(rng, (4, 3, 2, 3), "float32")
    for order in itertools.permutations(range(4)):
        shape = (2, 3, 8, 9)
        x = values(rng, [shape[i] for i in order], "float32").transpose(np.argsort(order))
        assert x.shape == shape
        oracle.layer(x, weight).check(ndconv.conv_layer(x, weight))


def test_lists():
    y = ndconv.conv_layer([[1.0, 2.0, 4.0]], [[[1.0, 10.0]]], [0.5], padding=1)
    np.testing.assert_array_equal(y, [[10.5, 21.5, 42.5, 4.5]])
    y = ndconv.correlate_nd([1, 2, 3], (0, 1), "valid")
    np.testing.assert_array_equal(y, [2, 3])
    assert y.dtype == np.int64
    np.testing.assert_array_equal(ndconv.convolve_nd(array.array("d", [1, 2]), range(3)), [0, 1, 4, 4])


def test_objects_with_array_methods():
    class Holder:
        def __array__(self, dtype=None, copy=None):
            return np.array([[1.0, 2.0, 3.0]], dtype=dtype)

    np.testing.assert_array_equal(ndconv.conv_layer(Holder(), np.ones((1, 1, 2))), [[3, 5]])


def test_dlpack():
    class Exporter:
        def __init__(self, a):
            self.a = a

        def __dlpack__(self, **keywords):
            return self.a.__dlpack__(**keywords)

        def __dlpack_device__(self):
            return self.a.__dlpack_device__()

    x = Exporter(np.array([[1.0, 2.0, 3.0]]))
    np.testing.assert_array_equal(ndconv.conv_layer(x, Exporter(np.ones((1, 1, 2)))), [[3, 5]])
    np.testing.assert_array_equal(ndconv.correlate_nd(Exporter(np.arange(4.0)), Exporter(np.ones(1))), np.arange(4))


@pytest.mark.slow
def test_tensors(torch, rng):
    x, weight = values(rng, (2, 9), "float32"), values(rng, (3, 2, 2), "float32")
    y = ndconv.conv_layer(torch.from_numpy(x), torch.from_numpy(weight))
    assert isinstance(y, np.ndarray)
    oracle.layer(x, weight).check(y)


def test_subclasses_become_arrays(rng):
    class Special(np.ndarray):
        pass

    x = values(rng, (2, 9), "float32").view(Special)
    y = ndconv.conv_layer(x, np.ones((1, 2, 3), np.float32))
    assert type(y) is np.ndarray


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "int32", "float16"])
def test_inputs_are_never_written(rng, dtype):
    arrays = [values(rng, s, dtype) for s in ((2, 3, 9, 8), (4, 3, 3, 3), (4,), (2, 4, 9, 8))]
    kept = [a.copy() for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    x, weight, bias, residual = arrays
    ndconv.conv_layer(x, weight, bias, residual=residual, padding=1, padding_mode="reflect")
    ndconv.ConvLayer(weight, bias, padding=1)(x)
    for a, b in zip(arrays, kept, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["float32", "int64", "complex128", "float16", "bool"])
@pytest.mark.parametrize("channel_axis", [None, -1])
def test_no_items_in_the_batch(dtype, channel_axis):
    shape = (0, 8, 9, 3) if channel_axis == -1 else (0, 3, 8, 9)
    y = ndconv.conv_layer(np.zeros(shape, dtype), np.zeros((4, 3, 3, 3), dtype), channel_axis=channel_axis)
    assert y.shape == ((0, 6, 7, 4) if channel_axis == -1 else (0, 4, 6, 7))


def test_no_channels():
    """A sum of nothing is zero: only the bias is left."""
    y = ndconv.conv_layer(np.zeros((0, 5)), np.zeros((2, 0, 3)), np.array([1.0, 2.0]))
    np.testing.assert_array_equal(y, [[1, 1, 1], [2, 2, 2]])
    assert ndconv.conv_layer(np.zeros((3, 5)), np.zeros((0, 3, 2))).shape == (0, 4)


def test_empty_broadcast_axes():
    assert ndconv.correlate_nd(np.zeros((0, 9)), np.ones((1, 3)), "valid", axes=1).shape == (0, 7)
    assert ndconv.correlate_nd(np.zeros((0, 9)), np.ones(3), "same").shape == (0, 9)


@pytest.mark.parametrize(
    "call",
    [
        "ndconv.correlate_nd(x, np.ones(3), 'valid')",
        "ndconv.correlate_nd(x, np.ones((1,) * (x.ndim - 1) + (3,)), 'valid')",
        "ndconv.conv_layer(x, np.ones((1,) * x.ndim + (3,)))",
        "ndconv.conv_layer(x, np.ones((1,) * (x.ndim - 1) + (3,)))",
    ],
)
def test_as_many_axes_as_numpy_has_are_correct_or_refused(call):
    isolated.run(f"""
        import ndconv, numpy as np
        for ndim in (20, 31, 32, 33, 34, 35, 40, 62, 63, 64):
            x = np.arange(1.0, 11).reshape((1,) * (ndim - 2) + (2, 5))
            wanted = x[..., :-2] + x[..., 1:-1] + x[..., 2:]
            try:
                y = {call}
            except ValueError as error:
                message = str(error)
                assert ndim > 30, message
                assert any(name in message for name in ("x ", "weight", "kernel", "axes", "dimension")), message
            else:
                assert np.array_equal(y, wanted), ndim
    """)


@pytest.mark.parametrize(("c_in", "c_out", "groups"), CHANNELS)
def test_what_is_remembered_of_aligned_arrays_does_no_harm_to_others(rng, c_in, c_out, groups):
    weight = values(rng, (c_out, c_in // groups, 3, 3), "float32")
    layer = ndconv.ConvLayer(weight, groups=groups)
    x = values(rng, (c_in, 9, 33), "float32")
    expected = oracle.layer(x, weight, groups=groups)
    odd = LAYOUTS["misaligned"](x)
    assert odd.strides == x.strides
    for a in (x, odd, x, odd):
        expected.check(layer(a))
        expected.check(ndconv.conv_layer(a, weight, groups=groups))


def test_a_stride_of_zero_costs_no_memory(rng):
    """Twenty gigabytes of the same sample."""
    x = np.broadcast_to(np.float32(2), (1, 5_000_000_000))
    y = ndconv.conv_layer(x, np.ones((1, 1, 3), np.float32), stride=1_000_000)
    np.testing.assert_array_equal(y, np.full((1, 5000), 6))


def test_out_is_returned(rng):
    x, weight = values(rng, (3, 9), "float32"), values(rng, (2, 3, 2), "float32")
    out = np.full((2, 8), np.nan, np.float32)
    assert ndconv.conv_layer(x, weight, out=out) is out
    oracle.layer(x, weight).check(out)
    assert ndconv.ConvLayer(weight)(x, out=out) is out
    out = np.empty((5, 10), np.float32)
    assert ndconv.correlate_nd(x, weight[0], out=out) is out


@pytest.mark.parametrize("bias", [None, "float32"])
def test_what_out_held_before_does_not_matter(rng, subtests, bias):
    for c_in, c_out, groups in CHANNELS:
        with subtests.test(c_in=c_in, c_out=c_out, groups=groups):
            x, weight = values(rng, (c_in, 9, 8), "float32"), values(rng, (c_out, c_in // groups, 3, 3), "float32")
            b = None if bias is None else values(rng, c_out, bias)
            out = np.full((c_out, 7, 6), np.nan, np.float32)
            oracle.layer(x, weight, b, groups=groups).check(ndconv.conv_layer(x, weight, b, groups=groups, out=out))


@pytest.mark.parametrize("shift", [0, 1, 3, -2])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(1, 1, 1), (3, 3, 1), (20, 20, 1), (4, 4, 4)])
@pytest.mark.parametrize("taps", [1, 3])
def test_out_over_x_is_correct_or_refused(rng, shift, c_in, c_out, groups, taps):
    block = values(rng, (c_in, 9, 48), "float32")
    x = block[:, :, 4:-4]
    out = block[:, :, 4 + shift : 44 + shift]
    weight = values(rng, (c_out, c_in // groups, taps, taps), "float32")
    expected = oracle.layer(x.copy(), weight, padding=taps // 2, groups=groups)
    kept = block.copy()
    message = refusal(lambda: ndconv.conv_layer(x, weight, padding=taps // 2, groups=groups, out=out))
    if message is None:
        expected.check(np.ascontiguousarray(out))
    else:
        assert "out" in message
        np.testing.assert_array_equal(block, kept)


@pytest.mark.parametrize("what", ["weight", "bias", "residual", "shifted residual"])
def test_out_over_another_input_is_correct_or_refused(rng, what):
    x, block = values(rng, (4, 4, 6), "float32"), values(rng, (4, 4, 9), "float32")
    weight, bias, residual = values(rng, (4, 4, 1, 1), "float32"), values(rng, 4, "float32"), block[..., 1:7]
    out = {
        "weight": np.resize(weight, (4, 4, 6)),
        "bias": np.resize(bias, (4, 4, 6)),
        "residual": residual,
        "shifted residual": block[..., 2:8],
    }[what]
    if what == "weight":
        weight = out[:, :, :1, None]
    elif what == "bias":
        bias = out[:, 0, 0]
    expected = oracle.layer(x, weight.copy(), bias.copy(), residual=residual.copy())
    message = refusal(lambda: ndconv.conv_layer(x, weight, bias, residual=residual, out=out))
    if message is None:
        expected.check(np.ascontiguousarray(out))
    else:
        assert "out" in message


def test_out_beside_x_in_one_block_is_no_overlap(rng):
    block = values(rng, (6, 2, 20), "float32")
    weight = values(rng, (3, 3, 3), "float32")
    x, out = block[:3, 0], block[3:, 1, :18]
    expected = oracle.layer(x, weight)
    ndconv.conv_layer(x, weight, out=out)
    expected.check(np.ascontiguousarray(out))


def test_misaligned_out_is_correct_or_refused(rng):
    x, weight = values(rng, (3, 20), "float32"), values(rng, (2, 3, 3), "float32")
    out = np.ndarray((2, 18), np.float32, buffer=bytearray(2 * 18 * 4 + 1), offset=1)
    message = refusal(lambda: ndconv.conv_layer(x, weight, out=out))
    if message is None:
        oracle.layer(x, weight).check(out)
    else:
        assert "out" in message


def test_results_are_fresh_contiguous_arrays(rng):
    x, weight = values(rng, (3, 9, 8), "float32"), values(rng, (3, 3, 1, 1), "float32")
    y = ndconv.conv_layer(x, weight)
    assert y.flags.owndata or y.base is not x
    assert y.flags.c_contiguous
    assert y.flags.writeable
    assert not np.shares_memory(y, x)


@pytest.mark.parametrize("layout", Place.layouts)
def test_empty_out(layout):
    place = Place((0, 4, 6), "float32", layout)
    weight = np.zeros((4, 3, 3), np.float32)
    assert ndconv.conv_layer(np.zeros((0, 3, 8), np.float32), weight, out=place.out) is place.out
    assert place.untouched_outside()
