"""Which type comes out, in which type it is computed, and which types are refused."""

import math

import numpy as np
import pytest

import ndconv
from support import oracle
from support.layouts import DTYPES, FLOATS, INTEGERS, values
from support.pairs import paired

CHANNELS = [(1, 1, 1), (3, 2, 1), (17, 20, 1), (5, 5, 5)]


@pytest.mark.parametrize("first", DTYPES)
@pytest.mark.parametrize("second", DTYPES)
def test_result_type(rng, first, second):
    x, weight = values(rng, (2, 9), first), values(rng, (3, 2, 2), second)
    dtype = np.result_type(first, second)
    dtype = np.dtype(np.int8) if dtype == np.bool_ else dtype
    assert ndconv.conv_layer(x, weight).dtype == dtype
    assert ndconv.correlate_nd(x, weight[0]).dtype == dtype
    oracle.layer(x, weight).check(ndconv.conv_layer(x, weight))
    oracle.correlate(x, weight[0]).check(ndconv.correlate_nd(x, weight[0]))


@pytest.mark.parametrize(
    ("x", "weight", "bias", "expected"),
    [
        ("float32", "float32", "float64", "float64"),
        ("float16", "float16", "float32", "float32"),
        ("int8", "int8", "int32", "int32"),
        ("float32", "float32", "complex64", "complex64"),
        ("float32", "float32", "float16", "float32"),
    ],
)
def test_bias_takes_part_in_the_result_type(rng, x, weight, bias, expected):
    arrays = values(rng, (2, 9), x), values(rng, (3, 2, 2), weight), values(rng, 3, bias)
    y = ndconv.conv_layer(*arrays)
    assert y.dtype == expected
    oracle.layer(*arrays).check(y)


@pytest.mark.parametrize("dtype", [*INTEGERS, "longlong", "ulonglong"])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), CHANNELS)
@pytest.mark.parametrize("taps", [(5,), (3, 3), (2, 3, 2)])
def test_integers_wrap_around(rng, dtype, c_in, c_out, groups, taps):
    x = values(rng, (c_in, *(9,) * len(taps)), dtype)
    weight = values(rng, (c_out, c_in // groups, *taps), dtype)
    bias = values(rng, c_out, dtype)
    expected = oracle.layer(x, weight, bias, groups=groups)
    expected.check(ndconv.conv_layer(x, weight, bias, groups=groups))


def test_integers_are_exact_beyond_2_to_53():
    x, weight = np.array([[2**62 + 1, 3]]), np.array([[[1, 1]]])
    assert ndconv.conv_layer(x, weight)[0, 0] == 2**62 + 4
    x = np.array([[2**64 - 1, 2]], np.uint64)
    assert ndconv.conv_layer(x, np.ones((1, 1, 2), np.uint64))[0, 0] == 1


def test_narrow_integers_wrap_as_numpys():
    x = np.array([[100, 100]], np.int8)
    np.testing.assert_array_equal(ndconv.conv_layer(x, np.ones((1, 1, 2), np.int8)), [[-56]])
    np.testing.assert_array_equal(ndconv.conv_layer(x.view(np.uint8), np.full((1, 1, 1), 3, np.uint8)), [[44, 44]])


@pytest.mark.parametrize(
    ("operands", "wide", "function"),
    paired([(t, t) for t in DTYPES] + [("uint8", "int8"), ("float32", "int16")], DTYPES[1:], ["correlate", "convolve"]),
)
def test_a_wider_type_for_sums(rng, operands, wide, function):
    """Whatever the operands can be cast to safely, and an error for anything else."""
    x, kernel = operands
    arrays = values(rng, (9, 30), x), values(rng, (3, 4), kernel)
    if wide == "float16" and x == "uint8":
        arrays = arrays[0], arrays[1] // 16  # sums that it can hold
    ours = getattr(ndconv, f"{function}_nd")
    if np.can_cast(np.result_type(*arrays), wide, "safe"):
        expected = getattr(oracle, function)(*arrays, "same", dtype=wide)
        y = ours(*arrays, "same", dtype=wide)
        expected.check(y)
        out = np.empty_like(y)
        assert ours(*arrays, "same", dtype=np.dtype(wide).newbyteorder(), out=out) is out
        np.testing.assert_array_equal(out, y)
    else:
        least = np.result_type(*arrays)
        with pytest.raises(TypeError, match=f"dtype must be .* {least} can be cast to safely, got {wide}"):
            ours(*arrays, dtype=wide)


@pytest.mark.parametrize(("narrow", "wide"), [("int8", "int32"), ("uint8", "uint32"), ("int32", "int64")])
def test_the_largest_integers_have_exact_sums_in_a_wider_type(subtests, narrow, wide):
    info = np.iinfo(narrow)
    x = np.full((40, 40), info.min if info.min else info.max, narrow)
    taps = (2, 1) if wide == "int64" else (16, 16)
    kernel = np.full(taps, info.max, narrow)
    exact = math.prod(taps) * int(x[0, 0]) * info.max
    assert abs(exact) <= np.iinfo(wide).max
    for method in ("auto", "direct"):
        with subtests.test(method=method):
            y = ndconv.correlate_nd(x, kernel, "valid", dtype=wide, method=method)
            assert y.dtype == wide
            assert set(y.ravel().tolist()) == {exact}
    assert ndconv.correlate_nd(x, kernel, "valid").dtype == narrow


def test_a_wider_type_and_what_stands_outside():
    y = ndconv.correlate_nd(np.uint8([1, 2]), np.uint8([1, 1]), dtype=int, fill_value=1000)
    np.testing.assert_array_equal(y, [1001, 3, 1002])


def test_a_wider_type_and_out():
    x, kernel = np.uint8([200, 200]), np.uint8([1, 1])
    out = np.zeros(1, np.int32)
    assert ndconv.correlate_nd(x, kernel, "valid", dtype="int32", out=out) is out
    assert out[0] == 400
    for dtype, narrow in (("int32", np.zeros(1, np.uint8)), (None, np.zeros(1, np.int32))):
        with pytest.raises(TypeError, match=r"\bout must have dtype"):
            ndconv.correlate_nd(x, kernel, "valid", dtype=dtype, out=narrow)
        assert narrow[0] == 0


def test_bools_count():
    x, kernel = np.ones(9, bool), np.ones(3, bool)
    y = ndconv.correlate_nd(x, kernel, "valid")
    assert y.dtype == np.int8
    np.testing.assert_array_equal(y, [3] * 7)
    many = ndconv.correlate_nd(np.ones(300, bool), np.ones(200, bool), "valid")
    np.testing.assert_array_equal(many, np.full(101, 200).astype(np.int8))


@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(1, 1, 1), (2, 2, 1), (4, 32, 1), (5, 5, 5)])
def test_float16_sums_in_float32(c_in, c_out, groups):
    """A float16 sum of ones would stop at 2048, where the gap between neighbours becomes 2."""
    x, weight = np.ones((c_in, 6000), np.float16), np.ones((c_out, c_in // groups, 3001), np.float16)
    y = ndconv.conv_layer(x, weight, groups=groups, method="direct")
    assert y.dtype == np.float16
    np.testing.assert_array_equal(y, np.full(y.shape, 3001 * c_in // groups, np.float16))
    # Another method may round a sum half way between two numbers to the other one.
    gap = np.spacing(y)
    assert (np.abs(ndconv.conv_layer(x, weight, groups=groups).astype(float) - y) <= gap).all()


def test_every_float16_is_read_and_written_exactly():
    bits = np.arange(2**16, dtype=np.uint16).view(np.float16)
    x = bits[~np.isnan(bits)][None]
    y = ndconv.conv_layer(x, np.ones((1, 1, 1), np.float16))
    np.testing.assert_array_equal(y, x)
    y = ndconv.conv_layer(bits[np.isnan(bits)][None], np.ones((1, 1, 1), np.float16))
    assert np.isnan(y).all()


def test_float16_rounds_to_nearest_even_and_overflows_to_infinity(rng):
    x = rng.uniform(-65000, 65000, (1, 50_000)).astype(np.float16)
    half = np.full((1, 1, 2), 0.75, np.float16)
    exact = (x[:, :-1].astype(float) + x[:, 1:].astype(float)) * 0.75
    with np.errstate(over="ignore"):
        expected = exact.astype(np.float16)
    np.testing.assert_array_equal(ndconv.conv_layer(x, half), expected)


@pytest.mark.parametrize("dtype", [*FLOATS, "complex64", "complex128"])
def test_own_precision(rng, dtype):
    """Neither a wider type (where the answer would be too good to be its own) nor a narrower one."""
    x, weight = values(rng, (2, 9), dtype), values(rng, (3, 2, 2), dtype)
    assert ndconv.conv_layer(x, weight).dtype == dtype
    oracle.layer(x, weight).check(ndconv.conv_layer(x, weight))


@pytest.mark.parametrize(
    "dtype", ["object", "U3", "S3", "longdouble", "clongdouble", "datetime64[s]", "timedelta64[s]"]
)
@pytest.mark.parametrize("position", ["x", "weight", "bias", "residual"])
def test_refused_types_of_a_layer(dtype, position):
    arrays = {"x": np.ones((2, 5)), "weight": np.ones((3, 2, 2)), "bias": np.ones(3), "residual": np.ones((3, 4))}
    arrays[position] = np.zeros(arrays[position].shape, dtype)
    with pytest.raises(TypeError, match=rf"\b{position}\b"):
        ndconv.conv_layer(**arrays)
    if position in ("weight", "bias"):
        with pytest.raises(TypeError, match=rf"\b{position}\b"):
            ndconv.ConvLayer(arrays["weight"], arrays["bias"])


@pytest.mark.parametrize("dtype", ["object", "U3", "S3", "longdouble", "clongdouble", "datetime64[s]", "i4,f4"])
@pytest.mark.parametrize("function", ["correlate_nd", "convolve_nd"])
def test_refused_types_of_a_correlation(dtype, function):
    bad, good = np.zeros(5, dtype), np.ones(5)
    with pytest.raises(TypeError, match=r"\bx\b"):
        getattr(ndconv, function)(bad, good)
    with pytest.raises(TypeError, match=r"\bkernel\b"):
        getattr(ndconv, function)(good, bad)


def test_subclasses_and_scalars_of_numpy(rng):
    x, weight = values(rng, (2, 9), "float32"), values(rng, (3, 2, 2), "float32")
    assert ndconv.conv_layer(x, weight, stride=np.uint8(2), padding=np.int16(1), groups=np.int64(1)).shape == (3, 5)
    y = ndconv.conv_layer(x, weight, fill_value=np.float64(2), padding=1)
    assert y.dtype == np.float32


@pytest.mark.parametrize("dtype", ["float16", "float32", "complex64"])
@pytest.mark.parametrize("added", ["bool", "int8", ">f4", "float16", "float32", "complex64"])
@pytest.mark.parametrize("method", ["direct", "winograd", "fft"])
@pytest.mark.parametrize("channel_axis", [None, -1])
def test_residuals_of_other_types(rng, dtype, added, method, channel_axis):
    """A real one has no imaginary part, not even in memory."""
    x, weight = values(rng, (2, 30, 3), dtype), values(rng, (5, 3 if channel_axis else 30, 3), dtype)
    keywords = {"method": method, "channel_axis": channel_axis, "padding": 1}
    residual = values(rng, ndconv.conv_layer(x, weight, **keywords).shape, added)
    expected = oracle.layer(x, weight, residual=residual, **keywords)
    layer = ndconv.ConvLayer(weight, **keywords)
    for _ in range(2):  # the second time with what is remembered
        expected.check(ndconv.conv_layer(x, weight, residual=residual, **keywords))
        expected.check(layer(x, residual=residual))
