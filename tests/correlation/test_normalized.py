"""`correlate_nd(normalized=True)` against `numpy.corrcoef` of each window with the kernel."""

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st

import ndconv
from support import oracle
from support.layouts import FLOATS, INTEGERS, Place, values
from support.pairs import paired
from support.strategies import correlation_calls

SHAPES = [
    ((41,), (6,)),
    ((300,), (150,)),
    ((12, 15), (3, 4)),
    ((12, 15), (5, 1)),
    ((7, 8, 9), (3, 2, 4)),
    ((5,) * 4, (2,) * 4),
]


def check(x, kernel, *arguments, dtype="float64", **keywords):
    y = ndconv.correlate_nd(x, kernel, *arguments, normalized=True, **keywords)
    assert y.dtype == dtype
    expected = oracle.normalized(x, kernel, *arguments, **keywords)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=0, atol=oracle.TOLERANCE_OF_COEFFICIENTS[str(y.dtype)])
    return y


def test_the_oracle_is_corrcoef(rng):
    x, kernel = rng.standard_normal((9, 8)), rng.standard_normal((3, 2))
    y = ndconv.correlate_nd(x, kernel, "valid", normalized=True)
    assert y.shape == (7, 7)
    for i, j in np.ndindex(y.shape):
        exact = np.corrcoef(x[i : i + 3, j : j + 2].ravel(), kernel.ravel())[0, 1]
        assert y[i, j] == pytest.approx(exact, abs=1e-14)
    np.testing.assert_allclose(oracle.normalized(x, kernel, "valid"), y, atol=1e-14)


@given(call=correlation_calls())
def test_random_calls(call):
    """Every geometry, type and layout."""
    x, kernel = (a.real if a.dtype.kind == "c" else a for a in call.arrays)
    axes = call.keywords.get("axes", range(-kernel.ndim, 0))
    axes = tuple(np.atleast_1d(axes))
    if (np.ptp(kernel.astype(float), axis=axes) == 0).any():
        with pytest.raises(ValueError, match=r"\bkernel\b"):
            ndconv.correlate_nd(x, kernel, normalized=True, **call.keywords)
        return
    dtype = oracle.result_dtype(x, kernel)
    dtype = dtype if dtype.kind == "f" else np.dtype("float64")
    y = check(x, kernel, dtype=dtype, **call.keywords)
    if call.out is not None:
        place = Place(y.shape, dtype, call.out)
        assert ndconv.correlate_nd(x, kernel, normalized=True, out=place.out, **call.keywords) is place.out
        np.testing.assert_array_equal(place.out, y)
        assert place.untouched_outside()


@pytest.mark.parametrize(
    ("dtype", "shapes", "mode"), paired([*FLOATS, *INTEGERS, "bool"], SHAPES, ["full", "same", "valid"])
)
def test_types(rng, dtype, shapes, mode):
    shape, taps = shapes
    x, kernel = values(rng, shape, dtype), values(rng, taps, dtype)
    check(x, kernel, mode, dtype=dtype if dtype in FLOATS else "float64")


@pytest.mark.parametrize("n", [64, 127, 128, 129, 160, 161, 1000, 4097])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (3, 1), (1, 2), (4, 3)])
def test_long_kernels(rng, n, stride, dilation):
    """Whose sums are sums of sums."""
    x, kernel = rng.standard_normal(n * dilation + 200), rng.standard_normal(n)
    check(x, kernel, "valid", stride=stride, dilation=dilation)
    check(np.stack([x, -x], axis=1), kernel[:, None], "valid", axes=0, stride=stride, dilation=dilation)


@pytest.mark.parametrize("method", ["auto", "direct", "fft"])
@pytest.mark.parametrize("padding_mode", oracle.MODES)
def test_methods(rng, method, padding_mode):
    x, kernel = values(rng, (60, 70), "float32"), values(rng, (11, 13), "float32")
    y = ndconv.correlate_nd(x, kernel, "same", normalized=True, method=method, padding_mode=padding_mode)
    np.testing.assert_allclose(y, oracle.normalized(x, kernel, "same", padding_mode=padding_mode), atol=1e-6)


@pytest.mark.parametrize(("dtype", "level"), [("float32", 1e6), ("float64", 1e8), ("int32", 10**9), ("uint8", 200)])
@pytest.mark.parametrize("mode", ["same", "valid"])
def test_far_from_zero(rng, dtype, level, mode):
    x = (level + 20 * rng.standard_normal((30, 40))).astype(dtype)
    kernel = (level + 20 * rng.standard_normal((5, 6))).astype(dtype)
    check(x, kernel, mode, padding_mode="reflect", dtype=dtype if dtype in FLOATS else "float64")
    check(x, kernel, mode, padding_mode="zeros", dtype=dtype if dtype in FLOATS else "float64")


@pytest.mark.parametrize("dtype", FLOATS[1:])
def test_levels_that_no_single_mean_removes(rng, dtype):
    levels = np.repeat([0.0, 1e5, -1e7, 3e3, 3e3, 7e4], 50)
    x = (levels + np.where(levels < 0, 100, 1) * rng.standard_normal(levels.size)).astype(dtype)
    check(x, rng.standard_normal(9).astype(dtype), dtype=dtype)
    check(np.tile(x, (12, 1)) * (1 + np.arange(12)[:, None]) % 1000, rng.standard_normal((4, 6)))


@pytest.mark.slow
@pytest.mark.parametrize("keywords", [{}, {"stride": (2, 3)}, {"dilation": (2, 1)}, {"stride": 4, "dilation": 3}])
def test_a_step_between_two_quiet_levels(rng, keywords):
    """Most windows want another mean than that of all, those over the step a third one."""
    x = np.full((120, 90), -1e5)
    x[40:70, 20:75] = 4e4
    x[80:, 60:] = 1.5  # exactly constant
    noise = rng.standard_normal(x.shape)
    noise[80:, 60:] = 0
    y = check(x + noise, rng.standard_normal((7, 5)), "same", padding_mode="reflect", **keywords)
    assert (y == 0).any()
    both = np.stack([x + noise, noise - 3 * x])
    kernels = rng.standard_normal((2, 7, 5))
    check(both, kernels, "valid", axes=(1, 2), **keywords)
    check(both[:1], kernels, "valid", axes=(1, 2), **keywords)
    check(both[0].T, kernels[0].T, "valid", axes=(1, 0), **keywords)


def test_levels_of_signals_side_by_side(rng):
    x = rng.standard_normal((6, 200)) * 10.0 ** np.arange(-6, 6, 2)[:, None] + 10.0 ** np.arange(-4, 8, 2)[:, None]
    check(x, rng.standard_normal(20), "same")
    check(x.T, rng.standard_normal((20, 1)), "same", axes=0)


@pytest.mark.slow
def test_what_is_quiet_beside_something_loud(rng, subtests):
    """Also where numerators come from spectra, whose rounding is that of what is loud."""
    x = 1e-9 * rng.standard_normal(30_000)
    x[20_000:21_000] = 1e3 * rng.standard_normal(1000)
    kernel = rng.standard_normal(400)
    expected = oracle.normalized(x[15_000:], kernel, "valid")
    for method in ("auto", "fft", "direct"):
        with subtests.test(method=method):
            y = ndconv.correlate_nd(x[15_000:], kernel, "valid", normalized=True, method=method)
            np.testing.assert_allclose(y, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_squares_that_are_no_numbers_of_the_type(rng, dtype, scale):
    scale = scale if dtype == "float32" else scale**9
    x, kernel = (scale * values(rng, n, "float64") for n in (50, 6))
    check(x.astype(dtype), kernel.astype(dtype), dtype=dtype)


@pytest.mark.parametrize("largest", [1.7e308, 5e-324])
def test_the_largest_and_the_smallest_numbers(rng, largest):
    x, kernel = (largest * rng.integers(-1, 2, n) for n in (60, 6))
    kernel[:2] = -largest, largest
    y = ndconv.correlate_nd(x, kernel, normalized=True)
    expected = oracle.normalized(x, kernel)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-9)


def test_constant_windows_are_exactly_zero(rng):
    x = np.repeat(rng.standard_normal(40) * 1e3, 25)
    y = ndconv.correlate_nd(x, rng.standard_normal(7), "valid", normalized=True)
    constant = scipy.ndimage.maximum_filter1d(x, 7)[3:-3] == scipy.ndimage.minimum_filter1d(x, 7)[3:-3]
    assert constant.sum() > 700
    np.testing.assert_array_equal(y == 0, constant)


@pytest.mark.parametrize("constant", [0, 0.1, 1e6 / 3, -1e-30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "taps"), SHAPES)
def test_all_windows_constant(rng, constant, dtype, shape, taps):
    x, kernel = np.full(shape, constant, dtype), values(rng, taps, dtype)
    y = ndconv.correlate_nd(x, kernel, "full", padding_mode="replicate", normalized=True)
    np.testing.assert_array_equal(y, np.zeros_like(y))


def test_coefficients_stay_between_minus_one_and_one(rng):
    kernel = rng.standard_normal((6, 7)).astype("float32")
    x = np.tile(np.concatenate([kernel, -3 * kernel + 5], axis=1), (8, 9))
    y = ndconv.correlate_nd(x, kernel, "valid", normalized=True)
    assert y.max() == pytest.approx(1, abs=1e-6)
    assert y.min() == pytest.approx(-1, abs=1e-6)
    assert (np.abs(y) <= 1).all()


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", ["direct", "fft", "auto"])
def test_nan_reaches_the_windows_that_hold_it(rng, special, method):
    x, kernel = rng.standard_normal((50, 60)) + 100, rng.standard_normal((8, 9))
    clean = ndconv.correlate_nd(x, kernel, "same", normalized=True, method=method)
    x[20, 30] = special
    y = ndconv.correlate_nd(x, kernel, "same", normalized=True, method=method)
    touched = np.zeros((50, 60), bool)
    touched[17:25, 26:35] = True
    np.testing.assert_array_equal(np.isnan(y), touched)
    np.testing.assert_allclose(y[~touched], clean[~touched], rtol=0, atol=1e-9)


def test_nothing_but_nan(rng):
    y = ndconv.correlate_nd(np.full(9, np.nan), [1, 2, 3], "valid", normalized=True)
    assert np.isnan(y).all()
    assert np.isnan(ndconv.correlate_nd(rng.standard_normal(9), [1, np.nan, 3], normalized=True)).all()


def test_template_matching(rng):
    """As scikit-image does it, with the template's middle on the output."""
    match_template = pytest.importorskip("skimage.feature").match_template
    image = rng.random((40, 50))
    template = image[11:18, 20:29]
    y = ndconv.correlate_nd(image, template, "valid", normalized=True)
    assert np.unravel_index(y.argmax(), y.shape) == (11, 20)
    np.testing.assert_allclose(y, match_template(image, template), atol=1e-9)


def test_the_levels_and_contrasts_of_both_do_not_count(rng):
    x, kernel = rng.standard_normal(80), rng.standard_normal(9)
    y = ndconv.correlate_nd(x, kernel, "valid", normalized=True)
    np.testing.assert_allclose(ndconv.correlate_nd(5 * x - 30, kernel + 7, "valid", normalized=True), y, atol=1e-12)
    np.testing.assert_allclose(ndconv.correlate_nd(x, -3 * kernel, "valid", normalized=True), -y, atol=1e-12)


@pytest.mark.slow
def test_workers(rng, subtests):
    x = rng.standard_normal((400, 500)).astype("float32")
    x[:100, :100] = 3
    x[100:200, :100] += 1e6
    for taps in ((5, 5), (31, 30)):
        with subtests.test(taps=taps):
            kernel = rng.standard_normal(taps).astype("float32")
            one, two = (ndconv.correlate_nd(x, kernel, "same", normalized=True, workers=n) for n in (1, 2))
            np.testing.assert_array_equal(one, two)


def test_out_may_be_x(rng):
    x, kernel = rng.standard_normal((30, 40)), rng.standard_normal((4, 3))
    expected = ndconv.correlate_nd(x, kernel, "same", normalized=True)
    assert ndconv.correlate_nd(x, kernel, "same", normalized=True, out=x) is x
    np.testing.assert_array_equal(x, expected)


def test_dtype(rng):
    x, kernel = values(rng, (20, 30), "uint8"), values(rng, (4, 5), "uint8")
    wide = ndconv.correlate_nd(x, kernel, normalized=True)
    narrow = ndconv.correlate_nd(x, kernel, normalized=True, dtype="float32")
    assert narrow.dtype == np.float32
    np.testing.assert_array_equal(narrow, wide.astype("float32"))
    x, kernel = x.astype("float32"), kernel.astype("float32")
    np.testing.assert_array_equal(ndconv.correlate_nd(x, kernel, normalized=True, dtype="float64"), wide)


def test_empty():
    assert ndconv.correlate_nd(np.ones((0, 9)), [1, 2], normalized=True).shape == (0, 10)
    np.testing.assert_array_equal(ndconv.correlate_nd(np.ones(0), [1, 2, 4], normalized=True), [0, 0])


@pytest.mark.parametrize(
    ("change", "error", "name"),
    [
        ({"kernel": np.ones((3, 2))}, ValueError, "kernel"),
        ({"kernel": np.full((3, 2), 0.1)}, ValueError, "kernel"),
        ({"kernel": np.float32([[5]])}, ValueError, "kernel|out"),
        ({"kernel": np.zeros((3, 2), int)}, ValueError, "kernel"),
        ({"kernel": np.eye(3, 2) * 1j}, TypeError, "normalized"),
        ({"x": np.ones((9, 8), complex)}, TypeError, "normalized"),
        ({"fill_value": 1j}, TypeError, "normalized"),
        ({"dtype": complex}, TypeError, "normalized"),
        ({"dtype": "float32"}, TypeError, "dtype"),
        ({"normalized": 1}, TypeError, "normalized"),
        ({"normalized": "yes"}, TypeError, "normalized"),
        ({"normalized": None}, TypeError, "normalized"),
        ({"nan_policy": "omit"}, ValueError, "nan_policy"),
        ({"method": "separable"}, ValueError, "method"),
        ({"method": "fastest"}, ValueError, "method"),
        ({"stride": 0}, ValueError, "stride"),
        ({"mode": "half"}, ValueError, "mode"),
        ({"x": np.full((9, 8), np.nan), "nan_policy": "raise"}, ValueError, "x"),
    ],
)
def test_errors(change, error, name):
    arguments = {"x": np.eye(9, 8), "kernel": np.eye(3, 2), "normalized": True, **change}
    out = np.full((11, 9), 99.0)
    for extra in ({}, {"out": out}):
        with pytest.raises(error, match=rf"\b({name})\b"):
            ndconv.correlate_nd(**arguments, **extra)
    assert (out == 99).all()


def test_out_must_be_of_the_coefficients_type():
    x, kernel = np.eye(9, 8, dtype=int), np.eye(3, 2, dtype=int)
    with pytest.raises(TypeError, match="out must have dtype float64, got int64"):
        ndconv.correlate_nd(x, kernel, normalized=True, out=np.zeros((11, 9), int))
    with pytest.raises(ValueError, match="out must have shape"):
        ndconv.correlate_nd(x, kernel, normalized=True, out=np.zeros((9, 8)))


#: Where 64-bit integers begin that doubles do not hold: time stamps are such.
LEVELS = [2**53, 2**60, 2**62 + 1, 2**63 - 300, -(2**60), -(2**63), 2**63 + 5, 2**64 - 300]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("keywords", [{}, {"stride": 2}, {"dilation": 3}, {"padding_mode": "reflect", "mode": "same"}])
def test_integers_that_no_double_holds(rng, level, keywords):
    dtype = np.int64 if level < 2**63 else np.uint64
    x = np.array([level + int(n) for n in rng.integers(0, 300, 90)], dtype)
    kernel = np.array([level + int(n) for n in rng.integers(0, 300, 7)], dtype)
    arguments = {"mode": "valid", **keywords}
    for a, b in ((x, kernel), (x, kernel - kernel.min()), (x - x.min(), kernel), (x, kernel.astype(float))):
        if (b == b[0]).all():
            continue
        check(a, b, **arguments)
        check(a, b, dtype="float64", **arguments)
    check(x.astype(x.dtype.newbyteorder())[::-1], kernel[::-1], **arguments)
    check(x.reshape(9, 10), kernel[:6].reshape(2, 3), "valid", stride=keywords.get("stride", 1))


def test_time_stamps():
    t = np.int64(2) ** 60 + np.array([0, 1, 3, 2, 5, 4, 0, 7, 1, 2])
    assert ndconv.correlate_nd(t, [1, 3, 2, 5], "valid", normalized=True)[1] == pytest.approx(1, abs=1e-12)
    assert ndconv.correlate_nd(t, t[:4], "valid", normalized=True)[0] == pytest.approx(1, abs=1e-12)
    assert ndconv.correlate_nd(t, t[:4], "valid", normalized=True, dtype=float)[0] == pytest.approx(1, abs=1e-12)
    with pytest.raises(ValueError, match="kernel must vary"):
        ndconv.correlate_nd(t, np.full(3, 2**60 + 1), "valid", normalized=True)


@given(st.integers(0, 2**32), st.sampled_from(("int64", "uint64")), st.sampled_from(("full", "same", "valid")))
def test_large_integers_of_all_sizes(seed, dtype, mode):
    """Quiet stretches at several levels, also the least and the largest there are."""
    rng = np.random.default_rng(seed)
    info = np.iinfo(dtype)
    levels = [info.min, info.max - 9, 0, 2**62, *rng.integers(info.min, info.max - 9, 3, dtype)]
    levels = [int(level) for level in levels]
    stretches = rng.integers(0, len(levels), 6)
    x = np.array([levels[i] + int(n) for i in stretches for n in rng.integers(0, 9, 12)], dtype)
    kernel = rng.integers(0, 9, 5)
    kernel[:2] = 1, 2
    check(x, kernel, mode, padding_mode=rng.choice(oracle.MODES), fill_value=levels[rng.integers(len(levels))])


@pytest.mark.parametrize("fill_value", [0, 2**60, np.int64(2**60 + 3), 5.0, 0.5, np.nan, 2.0**70])
def test_what_stands_outside_large_integers(fill_value):
    x = 2**60 + np.array([0, 1, 3, 2, 5, 4, 0, 7, 1, 2])
    kernel = np.array([1, 3, 2, 5])
    inside = ndconv.correlate_nd(x, kernel, "valid", normalized=True)
    y = ndconv.correlate_nd(x, kernel, "valid", normalized=True, fill_value=fill_value)
    np.testing.assert_array_equal(y, inside)
    y = ndconv.correlate_nd(x, kernel, "full", normalized=True, fill_value=fill_value)
    assert y.shape == (13,)
    if isinstance(fill_value, (int, np.integer)) and fill_value < 2**63:
        np.testing.assert_allclose(
            y, oracle.normalized(x, kernel, "full", fill_value=int(fill_value)), rtol=0, atol=1e-9
        )


def test_magnitudes_all_over_the_range():
    """Windows of tiny samples alone have squares that are no numbers, and so have those of the largest."""
    x = 10.0 ** np.array([84, -250, -54, 178, 26, -234, 132, 113, 173, -164])
    kernel = np.array([-3.0, -2, -1, 0, 1])
    y = ndconv.correlate_nd(x, kernel, normalized=True)
    np.testing.assert_allclose(y, oracle.normalized(x, kernel), rtol=0, atol=1e-9)
