"""`nan_policy` of `correlate_nd` and `convolve_nd`."""

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

import ndconv
import ndconv.ndimage
import ndconv.signal
from support import oracle
from support.layouts import COMPLEX, FLOATS, INTEGERS, Place, values
from support.strategies import correlation_calls

FUNCTIONS = (ndconv.correlate_nd, ndconv.convolve_nd)
TOLERANCE = {"float16": 4e-3, "float32": 3e-5, "float64": 1e-12, "complex64": 3e-5, "complex128": 1e-12}


def with_holes(rng, a, part=0.3):
    """Return a copy of an array in which some samples are missing, in both parts of complex ones or in one."""
    a = np.array(a, a.dtype.newbyteorder("="))
    holes = rng.random(a.shape) < part
    a[holes] = np.nan
    if a.dtype.kind == "c":
        a.imag[holes & (rng.random(a.shape) < 0.5)] = 1
        a.real[rng.random(a.shape) < part / 2] = np.nan
    return a


def positive(kernel):
    """Return weights of one sign, with none near zero."""
    return (np.abs(kernel.astype(float)) % 4 + 1).astype(kernel.dtype)


def check(x, kernel, *arguments, **keywords):
    dtype = oracle.result_dtype(np.asarray(x), np.asarray(kernel))
    expected = oracle.omitting(x, kernel, *arguments, **keywords)
    y = ndconv.correlate_nd(x, kernel, *arguments, nan_policy="omit", **keywords)
    assert y.dtype == dtype
    scale = np.abs(expected[~np.isnan(expected)]).max(initial=1)
    np.testing.assert_allclose(y, expected, rtol=0, atol=TOLERANCE[str(dtype)] * float(scale))
    return y


@given(call=correlation_calls(), part=st.sampled_from((0.0, 0.02, 0.3, 0.9)))
def test_random_calls(call, part):
    """Every geometry, type and layout."""
    x, kernel = call.arrays
    rng = np.random.default_rng(x.size)
    kernel = kernel if oracle.result_dtype(x, kernel).kind in "iu" else positive(kernel.real) + kernel.dtype.type(0)
    if x.dtype.kind in "fc":
        x = with_holes(rng, x, part)
    if oracle.result_dtype(x, kernel).kind in "iu":
        oracle.correlate(x, kernel, **call.keywords).check(
            ndconv.correlate_nd(x, kernel, nan_policy="omit", **call.keywords)
        )
        return
    y = check(x, kernel, **call.keywords)
    if call.out is not None:
        place = Place(y.shape, y.dtype, call.out)
        assert ndconv.correlate_nd(x, kernel, nan_policy="omit", out=place.out, **call.keywords) is place.out
        np.testing.assert_array_equal(place.out, y)
        assert place.untouched_outside()


@given(call=correlation_calls(mirrored=True))
def test_random_convolutions(call):
    x, kernel = (a.astype("complex128" if a.dtype.kind == "c" else "float64") for a in call.arrays)
    kernel = positive(kernel.real) + (0.3j * kernel.imag.clip(-1, 1) if kernel.dtype.kind == "c" else 0)
    x = with_holes(np.random.default_rng(x.size), x / np.abs(x).max(initial=1))
    names = ("axes", "lags", "dilation")
    others = {name: value for name, value in call.keywords.items() if name not in names}
    mirrored, arguments = oracle.mirror(kernel, **{k: call.keywords[k] for k in names if k in call.keywords})
    expected = oracle.omitting(x, np.conj(mirrored), **arguments, **others)
    y = ndconv.convolve_nd(x, kernel, nan_policy="omit", **call.keywords)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("padding_mode", oracle.MODES)
@pytest.mark.parametrize("method", ["auto", "direct", "fft", "separable"])
def test_methods(rng, padding_mode, method):
    x = with_holes(rng, rng.standard_normal((50, 40)))
    kernel = np.outer(np.hanning(11)[1:-1], np.hanning(9)[1:-1])
    y = ndconv.correlate_nd(x, kernel, "same", padding_mode=padding_mode, method=method, nan_policy="omit")
    expected = oracle.omitting(x, kernel, "same", padding_mode=padding_mode)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [*FLOATS, *COMPLEX])
def test_weights_of_any_sign_and_phase(rng, dtype):
    x = with_holes(rng, values(rng, (30, 40), dtype))
    kernel = (values(rng, (4, 5), dtype) + np.array(3, dtype)).astype(dtype)
    check(x, kernel, "same")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["auto", "direct"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_last_that_a_window_sees_of_the_world(rng, method, dtype):
    """A tail of the weights, a millionth of them all, is as exact as the whole."""
    x = (rng.random((90, 90)) + 1).astype(dtype)
    x[5:85, 5:85] = np.nan
    rows, columns = np.mgrid[-30:31, -30:31]
    kernel = np.exp(-np.hypot(rows, columns) / 3).astype(dtype)  # no outer product
    y = ndconv.correlate_nd(x, kernel, "same", padding_mode="reflect", method=method, nan_policy="omit")
    expected = oracle.omitting(x, kernel, "same", padding_mode="reflect")
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
    np.testing.assert_allclose(y, expected, rtol=3e-5 if dtype == "float32" else 1e-11)


def test_a_constant_stays_constant(rng):
    x = with_holes(rng, np.full((40, 50), 7.0), 0.6)
    y = ndconv.correlate_nd(x, np.full((5, 5), 0.04), "same", padding_mode="reflect", nan_policy="omit")
    np.testing.assert_allclose(y, 7, rtol=1e-14)


def test_windows_without_holes_are_as_they_would_be(rng):
    x, kernel = rng.standard_normal((60, 70)), rng.random((5, 4))
    clean = ndconv.correlate_nd(x, kernel, "same", method="direct")
    np.testing.assert_array_equal(ndconv.correlate_nd(x, kernel, "same", method="direct", nan_policy="omit"), clean)
    x[20, 30] = np.nan
    y = ndconv.correlate_nd(x, kernel, "same", method="direct", nan_policy="omit")
    plain = ndconv.correlate_nd(x, kernel, "same", method="direct")
    np.testing.assert_array_equal(y[~np.isnan(plain)], clean[~np.isnan(plain)])
    assert not np.isnan(y).any()


def test_windows_without_samples_or_weights():
    x = [1.0, np.nan, np.nan, np.nan, 5.0, np.nan, 7.0]
    y = ndconv.correlate_nd(x, [1, 2, 1], "valid", nan_policy="omit")
    np.testing.assert_allclose(y, [4, np.nan, 20, 20, 24])
    y = ndconv.correlate_nd(x, [0, 1, 0], "valid", nan_policy="omit")
    np.testing.assert_array_equal(y, [np.nan, np.nan, np.nan, 5, np.nan])
    y = ndconv.correlate_nd([1.0, 2, np.nan, 3], [-1, 1, 2], "valid", nan_policy="omit")
    np.testing.assert_array_equal(y, [np.nan, 8])
    y = ndconv.correlate_nd([1.0, 2, 3, np.nan], [0.1, 0.2, -0.3, 0.5], "valid", nan_policy="omit")
    np.testing.assert_array_equal(y, [np.nan])


def test_nothing_at_all():
    assert np.isnan(ndconv.correlate_nd(np.full((9, 9), np.nan), np.ones((3, 3)), "valid", nan_policy="omit")).all()
    assert ndconv.correlate_nd(np.ones((0, 9)), [1.0, 2], nan_policy="omit").shape == (0, 10)


def test_samples_outside_are_there_unless_they_are_nan():
    x = np.array([4.0, 2.0, 6.0])
    zeros = ndconv.correlate_nd(x, [1, 1, 1], "same", nan_policy="omit")
    np.testing.assert_array_equal(zeros, [6, 12, 8])
    nothing = ndconv.correlate_nd(x, [1, 1, 1], "same", fill_value=np.nan, nan_policy="omit")
    np.testing.assert_allclose(nothing, [9, 12, 12], rtol=1e-15)
    x[0] = np.nan
    filled = ndconv.correlate_nd(x, [1, 1, 1], "same", fill_value=10, nan_policy="omit")
    np.testing.assert_allclose(filled, [18, 12, 18], rtol=1e-15)
    integers = ndconv.correlate_nd([4, 2, 6], [1.0, 1, 1], "same", fill_value=np.nan, nan_policy="omit")
    np.testing.assert_allclose(integers, [9, 12, 12], rtol=1e-15)


def test_infinity_is_no_missing_sample():
    y = ndconv.correlate_nd([1.0, np.inf, np.nan, 3, 4], [1, 1], "valid", nan_policy="omit")
    np.testing.assert_array_equal(y, [np.inf, np.inf, 6, 7])


@pytest.mark.parametrize("part", ["real", "imag"])
def test_a_complex_sample_is_missing_when_a_part_is(part):
    x = np.array([1 + 1j, 2 + 2j, 3 + 3j])
    getattr(x, part)[1] = np.nan
    np.testing.assert_array_equal(ndconv.correlate_nd(x, [1, 1], "valid", nan_policy="omit"), [2 + 2j, 6 + 6j])


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_raise(rng, function, dtype):
    x, kernel = values(rng, (9, 8), dtype), values(rng, (3, 2), dtype)
    np.testing.assert_array_equal(function(x, kernel, nan_policy="raise"), function(x, kernel))
    out = np.full((11, 9), 99, dtype)
    for name in ("x", "kernel"):
        arrays = {"x": x.copy(), "kernel": kernel.copy()}
        arrays[name][1, 1] = np.nan
        with pytest.raises(ValueError, match=rf"The input contains nan values: {name}\b"):
            function(**arrays, nan_policy="raise", out=out)
    assert (out == 99).all()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_propagate_is_the_default(rng, function):
    x, kernel = with_holes(rng, rng.standard_normal(40), 0.1), rng.standard_normal(4)
    np.testing.assert_array_equal(function(x, kernel, nan_policy="propagate"), function(x, kernel))
    assert np.isnan(function(x, kernel)).any()


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_have_no_nan(rng, subtests, function, dtype):
    """Whatever their weights sum to."""
    x, kernel = values(rng, (9, 8), dtype), np.array([[1, 2], [3, -6]]).astype(dtype)
    for policy in ("omit", "raise"):
        with subtests.test(policy=policy):
            np.testing.assert_array_equal(function(x, kernel, nan_policy=policy), function(x, kernel))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("kernel", "match"),
    [
        ([1.0, -2, 1], "kernel must have weights that do not sum to zero"),
        ([0.1, 0.2, -0.3], "kernel must have weights that do not sum to zero"),
        (np.float32([0.1, 0.2, -0.3]), "kernel must have weights that do not sum to zero"),
        (np.float16([0.1, 0.2, -0.3]), "kernel must have weights that do not sum to zero"),
        ([0.0, 0, 0], "kernel must have weights that do not sum to zero"),
        ([1, 1j, -1, -1j], "kernel must have weights that do not sum to zero"),
        ([1.0, np.nan, 1], "kernel must have no nan"),
        ([1j, np.nan, 1], "kernel must have no nan"),
    ],
)
@pytest.mark.parametrize("hole", [np.nan, 1.0])
def test_refused_weights(function, kernel, match, hole):
    """Whether or not a sample is missing."""
    x = np.array([1.0, 2, 3, hole, 5])
    out = np.full(5, 99, np.result_type(x, np.asarray(kernel)))
    with pytest.raises(ValueError, match=match):
        function(x, kernel, "same", nan_policy="omit", out=out)
    assert (out == 99).all()


def test_an_infinite_weight_is_a_weight():
    y = ndconv.correlate_nd([1.0, 2, np.nan, 3], [np.inf, 1], "valid", nan_policy="omit")
    assert y[0] == np.inf


def test_weights_that_nearly_sum_to_zero(rng):
    x = with_holes(rng, rng.standard_normal(50), 0.1)
    np.testing.assert_allclose(
        ndconv.correlate_nd(x, [1, -1 + 1e-9], "valid", nan_policy="omit"),
        oracle.omitting(x, [1, -1 + 1e-9], "valid").astype(float),
        atol=1e-14,
    )


@pytest.mark.parametrize("filter_", [0, 1])
def test_one_bad_filter_among_others(filter_):
    kernels = np.array([[1.0, 2, 3], [1, 1, 1]])
    kernels[filter_] = [1, -2, 1]
    with pytest.raises(ValueError, match="kernel"):
        ndconv.correlate_nd(np.ones((1, 9)), kernels, axes=1, nan_policy="omit")


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("change", "error", "name"),
    [
        ({"nan_policy": "ignore"}, ValueError, "nan_policy"),
        ({"nan_policy": ""}, ValueError, "nan_policy"),
        ({"nan_policy": None}, ValueError, "nan_policy"),
        ({"nan_policy": True}, TypeError, "nan_policy"),
        ({"method": "fastest"}, ValueError, "method"),
        ({"stride": 0}, ValueError, "stride"),
        ({"mode": "half"}, ValueError, "mode"),
        ({"fill_value": "a"}, TypeError, "fill_value"),
        ({"kernel": np.ones((1, 1, 1))}, ValueError, "kernel"),
        ({"workers": 0}, ValueError, "workers"),
    ],
)
def test_errors(function, change, error, name):
    x = np.ones((9, 8))
    x[2, 3] = np.nan
    arguments = {"x": x, "kernel": np.ones((3, 2)), "nan_policy": "omit", **change}
    out = np.full((11, 9), 99.0)
    for extra in ({}, {"out": out}):
        with pytest.raises(error, match=rf"\b({name})\b"):
            function(**arguments, **extra)
    assert (out == 99).all()


def test_the_message_lists_the_policies():
    with pytest.raises(ValueError, match="nan_policy must be one of propagate, omit, raise; got 'ignore'"):
        ndconv.correlate_nd([1.0], [1.0], nan_policy="ignore")


@pytest.mark.parametrize("out", [np.zeros((9, 8)), np.zeros((11, 9), "float32")])
def test_out_is_checked(out):
    with pytest.raises((ValueError, TypeError), match="out must have"):
        ndconv.correlate_nd(np.full((9, 8), np.nan), np.ones((3, 2)), nan_policy="omit", out=out)
    assert (out == 0).all()


def test_workers(rng, subtests):
    x = with_holes(rng, rng.standard_normal((400, 500)).astype("float32"))
    x[100:200, 100:200] = np.nan
    for taps in ((5, 5), (31, 30)):
        with subtests.test(taps=taps):
            kernel = rng.random(taps).astype("float32")
            one, two = (ndconv.correlate_nd(x, kernel, "same", nan_policy="omit", workers=n) for n in (1, 2))
            np.testing.assert_array_equal(one, two)


def test_out_may_be_x(rng):
    x, kernel = with_holes(rng, rng.standard_normal((30, 40))), rng.random((4, 3))
    expected = ndconv.correlate_nd(x, kernel, "same", nan_policy="omit")
    assert ndconv.correlate_nd(x, kernel, "same", nan_policy="omit", out=x) is x
    np.testing.assert_array_equal(x, expected)


def test_dtype(rng):
    x = with_holes(rng, rng.standard_normal((30, 40)).astype("float32"))
    kernel = rng.random((4, 3)).astype("float32")
    y = ndconv.correlate_nd(x, kernel, "same", nan_policy="omit", dtype="float64")
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, oracle.omitting(x, kernel, "same").astype(float), rtol=0, atol=1e-13)


def masked(rng, shape, dtype, part=0.2):
    """Return a masked array with rubbish under its mask, and with a missing sample at least."""
    mask = rng.random(shape) < part
    mask.flat[0] = True
    data = values(rng, shape, dtype)
    data[mask] = np.inf if data.dtype.kind in "fc" else 99
    return np.ma.masked_array(data, mask)


def marked(x, dtype):
    """Return a masked array as a plain one, with NaN for what is masked."""
    a = x.data.astype(dtype)
    a[x.mask] = np.nan
    return a


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("policy", ["propagate", "omit"])
@pytest.mark.parametrize("dtype", [*FLOATS, *COMPLEX])
@pytest.mark.parametrize("keywords", [{}, {"mode": "same", "padding_mode": "reflect"}, {"mode": "valid", "stride": 2}])
def test_masked_samples_are_missing(rng, function, policy, dtype, keywords):
    x, kernel = masked(rng, (12, 13), dtype), positive(values(rng, (3, 4), dtype).real)
    expected = function(marked(x, dtype), kernel, nan_policy=policy, **keywords)
    before = x.copy()
    y = function(x, kernel, nan_policy=policy, **keywords)
    assert type(y) is np.ndarray
    np.testing.assert_array_equal(y, expected)
    out = np.empty_like(expected)
    assert function(x, kernel, nan_policy=policy, out=out, **keywords) is out
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(x.data, before.data)
    np.testing.assert_array_equal(x.mask, before.mask)


@pytest.mark.parametrize("policy", ["propagate", "omit"])
@pytest.mark.parametrize("dtype", ["bool", *INTEGERS])
@pytest.mark.parametrize("kernel_dtype", ["float32", "complex64"])
def test_masked_integers(rng, policy, dtype, kernel_dtype):
    x, kernel = masked(rng, 40, dtype), np.array([1, 2, 4], kernel_dtype)
    wide = np.result_type(x.dtype, kernel_dtype)
    y = ndconv.correlate_nd(x, kernel, nan_policy=policy)
    assert y.dtype == wide
    expected = ndconv.correlate_nd(marked(x, np.finfo(wide).dtype), kernel.astype(wide), nan_policy=policy)
    np.testing.assert_array_equal(y, expected)
    y = ndconv.correlate_nd(x, [1, 2, 4], nan_policy=policy, dtype="float64")
    np.testing.assert_array_equal(y, ndconv.correlate_nd(marked(x, "f8"), [1, 2, 4], nan_policy=policy))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("policy", ["propagate", "omit"])
def test_masked_samples_of_an_integer_result_are_refused(function, policy):
    x, out = np.ma.masked_array([1, 2, 3], [False, True, False]), np.full(4, 99)
    with pytest.raises(ValueError, match=r"x must have no masked samples.*int64.*dtype='float64'.*x\.filled\(0\)"):
        function(x, [1, 1], nan_policy=policy, out=out)
    assert (out == 99).all()


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_masked_samples_are_refused(function, dtype):
    x = np.ma.masked_array(np.ones(4, dtype), [True, False, False, False])
    with pytest.raises(ValueError, match="The input contains masked values: x"):
        function(x, np.ones(2, dtype), nan_policy="raise")


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("mask", [np.ma.nomask, False, True])
def test_a_masked_kernel_is_refused(function, mask):
    kernel = np.ma.masked_array([1.0, 2.0], mask)
    with pytest.raises(TypeError, match=r"kernel must not be a masked array.*kernel\.filled\(0\)"):
        function(np.ones(5), kernel)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_out_must_not_be_masked(function):
    with pytest.raises(TypeError, match="out must not be a masked array"):
        function(np.ones(5), np.ones(1), out=np.ma.zeros(5))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("policy", ["propagate", "omit", "raise"])
@pytest.mark.parametrize("mask", [np.ma.nomask, False])
def test_a_mask_of_nothing(subtests, function, policy, mask):
    for dtype in ("int16", "float32", "complex128"):
        with subtests.test(dtype=dtype):
            x = np.ma.masked_array(np.arange(1, 6).astype(dtype), mask)
            y = function(x, np.array([1, 2], dtype), nan_policy=policy)
            assert type(y) is np.ndarray
            np.testing.assert_array_equal(y, function(x.data, np.array([1, 2], dtype)))


@pytest.mark.parametrize("dtype", ["float32", "int16", "int64"])
def test_masked_samples_have_no_coefficient(rng, dtype):
    x, kernel = masked(rng, (14, 15), dtype, 0.05), values(rng, (3, 4), "int16").astype(dtype)
    wide = dtype if dtype == "float32" else "float64"
    y = ndconv.correlate_nd(x, kernel, "same", normalized=True)
    expected = ndconv.correlate_nd(marked(x, wide), kernel, "same", normalized=True)
    # Integers of 64 bits are not rounded to floats, as those that are marked with NaN are.
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12 if dtype == "int64" else 0)
    assert np.isnan(y).any()
    assert not np.isnan(y).all()


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
@pytest.mark.parametrize(
    "keywords",
    [{"mode": "valid"}, {"stride": 2}, {"padding_mode": "circular"}, {"fill_value": 2**60}, {"axes": (0, 1)}],
)
def test_masked_samples_beside_integers_that_are_no_floats(rng, dtype, keywords):
    """What there is has the coefficients that it has beside samples that are there."""
    x = np.ma.masked_array(2**60 + rng.integers(0, 9, (7, 40)).astype(dtype), rng.random((7, 40)) < 0.05)
    x.data[x.mask] = rng.integers(0, 9, np.count_nonzero(x.mask))
    kernel = np.arange(6).reshape(2, 3) ** 2 if "axes" in keywords else np.array([1, 5, 3])
    keywords = {"axes": 1, "fill_value": 2**60} | keywords
    y = ndconv.correlate_nd(x, kernel, normalized=True, **keywords)
    there = ndconv.correlate_nd(x.filled(2**60 + 4), kernel, normalized=True, **keywords)
    unknown = ndconv.correlate_nd(x.mask.astype(int), np.ones_like(kernel), **keywords | {"fill_value": 0}) > 0
    assert unknown.any()
    np.testing.assert_array_equal(np.isnan(y), unknown)
    np.testing.assert_allclose(y[~unknown], there[~unknown], rtol=1e-12, atol=1e-12)


def test_masked_samples_of_64_bits_alone():
    x = np.ma.masked_array(np.full(4, 2**62), True)
    np.testing.assert_array_equal(ndconv.correlate_nd(x, [1, 2], "valid", normalized=True), [np.nan] * 3)
    x[0] = 2**61
    np.testing.assert_array_equal(ndconv.correlate_nd(x, [1, 2], "valid", normalized=True), [np.nan] * 3)


def test_masked_and_nan_are_both_missing():
    x = np.ma.masked_array([1.0, np.nan, 3, 7, 5], [False, False, False, True, False])
    np.testing.assert_array_equal(ndconv.correlate_nd(x, [1, 1], "valid", nan_policy="omit"), [2, 6, 6, 10])


def test_the_drop_ins_do_what_scipy_does():
    x, kernel = np.ma.masked_array([1.0, 2, 3, 4], [False, True, False, False]), np.array([1.0, 2])
    np.testing.assert_array_equal(ndconv.signal.convolve(x, kernel), scipy.signal.convolve(x, kernel))
    np.testing.assert_array_equal(ndconv.ndimage.convolve(x, kernel), scipy.ndimage.convolve(x, kernel))
