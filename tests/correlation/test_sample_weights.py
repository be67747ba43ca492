"""`sample_weights` of `correlate_nd` and `convolve_nd`: how much each sample counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ndconv
from support import oracle
from support.layouts import COMPLEX, FLOATS, INTEGERS, Place, values
from support.strategies import correlation_calls

FUNCTIONS = (ndconv.correlate_nd, ndconv.convolve_nd)
TOLERANCE = {"float16": 4e-3, "float32": 3e-5, "float64": 1e-12, "complex64": 3e-5, "complex128": 1e-12}


def drawn_weights(rng, shape, kind):
    """Return weights of some kind, among them such that are 0."""
    if kind == "bool":
        return rng.random(shape) < 0.7
    if kind == "uint8":
        return rng.integers(0, 4, shape, np.uint8)
    weights = rng.random(shape)
    if kind == "wide":
        weights = 10.0 ** (6 * weights - 4)
    weights[rng.random(shape) < 0.3] = 0
    return weights


def positive(kernel):
    """Return weights of one sign, with none near zero."""
    return (np.abs(kernel.astype(float)) % 4 + 1).astype(kernel.dtype)


def with_rubbish(rng, x, weights):
    """Return a copy of x with anything where the weights are 0."""
    x = np.array(x, x.dtype.newbyteorder("="))
    nothing = np.broadcast_to(weights, x.shape) == 0
    if x.dtype.kind in "fc":
        x[nothing] = rng.choice([np.nan, np.inf, -np.inf, 7], np.count_nonzero(nothing))
    return x


def check(x, kernel, *arguments, sample_weights, **keywords):
    dtype = oracle.result_dtype(np.asarray(x), np.asarray(kernel))
    told = {name: value for name, value in keywords.items() if name not in ("method", "nan_policy")}
    expected = oracle.omitting(x, kernel, *arguments, sample_weights=sample_weights, **told)
    y = ndconv.correlate_nd(x, kernel, *arguments, sample_weights=sample_weights, **keywords)
    assert y.dtype == dtype
    scale = np.abs(expected[~np.isnan(expected)]).max(initial=1)
    np.testing.assert_allclose(y, expected, rtol=0, atol=TOLERANCE[str(dtype)] * float(scale))
    return y


@given(call=correlation_calls(), kind=st.sampled_from(("bool", "uint8", "float", "wide")), omit=st.booleans())
def test_random_calls(call, kind, omit):
    """Every geometry, type and layout."""
    x, kernel = call.arrays
    if oracle.result_dtype(x, kernel).kind in "iu":
        kernel = kernel.astype(np.float64)
    rng = np.random.default_rng(x.size)
    kernel = positive(kernel.real) + kernel.dtype.type(0)
    shape = [n if rng.random() < 0.8 else 1 for n in x.shape]
    weights = drawn_weights(rng, shape, kind)
    x, policy = with_rubbish(rng, x, weights), "propagate"
    if omit and x.dtype.kind in "fc":
        x[rng.random(x.shape) < 0.1] = np.nan
        policy = "omit"
    y = check(x, kernel, sample_weights=weights, nan_policy=policy, **call.keywords)
    if call.out is not None:
        place = Place(y.shape, y.dtype, call.out)
        keywords = call.keywords | {"sample_weights": weights, "nan_policy": policy, "out": place.out}
        assert ndconv.correlate_nd(x, kernel, **keywords) is place.out
        np.testing.assert_array_equal(place.out, y)
        assert place.untouched_outside()


@given(call=correlation_calls(mirrored=True))
def test_random_convolutions(call):
    x, kernel = (a.astype("complex128" if a.dtype.kind == "c" else "float64") for a in call.arrays)
    kernel = positive(kernel.real) + (0.3j * kernel.imag.clip(-1, 1) if kernel.dtype.kind == "c" else 0)
    rng = np.random.default_rng(x.size)
    weights = drawn_weights(rng, x.shape, "float")
    x = with_rubbish(rng, x / np.abs(x).max(initial=1), weights)
    names = ("axes", "lags", "dilation")
    others = {name: value for name, value in call.keywords.items() if name not in names}
    mirrored, arguments = oracle.mirror(kernel, **{k: call.keywords[k] for k in names if k in call.keywords})
    expected = oracle.omitting(x, np.conj(mirrored), sample_weights=weights, **arguments, **others)
    y = ndconv.convolve_nd(x, kernel, sample_weights=weights, **call.keywords)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("padding_mode", oracle.MODES)
@pytest.mark.parametrize("method", ["auto", "direct", "fft", "separable"])
def test_methods(rng, padding_mode, method):
    x, weights = rng.standard_normal((50, 40)), rng.random((50, 40))
    kernel = np.outer(np.hanning(11)[1:-1], np.hanning(9)[1:-1])
    keywords = {"padding_mode": padding_mode, "method": method}
    check(x, kernel, "same", sample_weights=weights, **keywords)
    check(x, kernel, "same", sample_weights=weights > 0.6, **keywords)


@pytest.mark.parametrize("padding_mode", oracle.MODES)
@pytest.mark.parametrize("dtype", [*FLOATS, *COMPLEX])
def test_weights_of_any_sign_and_phase(rng, padding_mode, dtype):
    x = values(rng, (30, 40), dtype)
    kernel = (values(rng, (4, 5), dtype) + np.array(3, dtype)).astype(dtype)
    check(x, kernel, "same", padding_mode=padding_mode, sample_weights=0.1 + rng.random((30, 40)))


@pytest.mark.parametrize("dtype", [*FLOATS, *COMPLEX])
def test_zeros_and_ones_are_omitted_and_there(rng, dtype):
    x, kernel = values(rng, (30, 40), dtype), positive(values(rng, (4, 5), dtype).real)
    there = rng.random(x.shape) < 0.6
    holes = x.copy()
    holes[~there] = np.nan
    expected = ndconv.correlate_nd(holes, kernel, "same", nan_policy="omit")
    for weights in (there, there.astype(np.int8), there.astype("float32")):
        np.testing.assert_array_equal(ndconv.correlate_nd(x, kernel, "same", sample_weights=weights), expected)
        np.testing.assert_array_equal(ndconv.correlate_nd(holes, kernel, "same", sample_weights=weights), expected)


@pytest.mark.parametrize("factor", [1e-300, 1e-30, 0.1, 3.0, 2.0**100, 1e300])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_only_their_ratios_count(rng, dtype, factor):
    x, kernel, weights = (rng.random(shape).astype(dtype) for shape in ((20, 30), (3, 4), (20, 30)))
    for keywords in ({"mode": "valid"}, {"padding_mode": "circular", "mode": "same"}):
        y = ndconv.correlate_nd(x, kernel, sample_weights=weights, **keywords)
        scaled = ndconv.correlate_nd(x, kernel, sample_weights=weights.astype("float64") * factor, **keywords)
        np.testing.assert_allclose(scaled, y, rtol=3e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_windows_of_small_weights_beside_large_ones(rng, dtype):
    """As exact as the others: also where single precision has no such numbers."""
    x, kernel = (1 + rng.random(2000)).astype(dtype), rng.random(300).astype(dtype)
    weights = 1 + rng.random(2000)
    weights[500:1000] *= 1e-9
    weights[1500:] *= 1e-60
    y = ndconv.correlate_nd(x, kernel, "valid", sample_weights=weights)
    expected = oracle.omitting(x, kernel, "valid", sample_weights=weights)
    np.testing.assert_allclose(y, expected.astype(float), rtol=3e-5 if dtype == "float32" else 1e-12)


def test_equal_weights_change_nothing(rng):
    x, kernel = rng.standard_normal((60, 70)), rng.random((5, 4))
    clean = ndconv.correlate_nd(x, kernel, "same", method="direct", padding_mode="reflect")
    for weight in (1, 4.0, 0.5, True):
        y = ndconv.correlate_nd(
            x, kernel, "same", method="direct", padding_mode="reflect", sample_weights=np.full(x.shape, weight)
        )
        np.testing.assert_array_equal(y, clean)


def test_a_mean_of_measurements():
    """Of which one is known twice as well as the others."""
    y = ndconv.correlate_nd([1.0, 4, 10], np.ones(3) / 3, "valid", sample_weights=[1, 2, 1])
    np.testing.assert_allclose(y, [19 / 4])


def test_samples_outside():
    """A fill value counts as much as a sample of weight 1, or nothing; others as much as those that they repeat."""
    x, weights, ones = [4.0, 2, 6], [3, 1, 2], np.ones(3)
    y = ndconv.correlate_nd(x, ones, "same", sample_weights=weights, fill_value=10)
    np.testing.assert_allclose(y, [3 * (10 + 12 + 2) / 5, 3 * 26 / 6, 3 * (2 + 12 + 10) / 4])
    y = ndconv.correlate_nd(x, ones, "same", sample_weights=weights, fill_value=np.nan, nan_policy="omit")
    np.testing.assert_allclose(y, [3 * 14 / 4, 3 * 26 / 6, 3 * 14 / 3])
    y = ndconv.correlate_nd(x, ones, "same", sample_weights=weights, padding_mode="reflect")
    np.testing.assert_allclose(y, [3 * (2 + 12 + 2) / 5, 3 * 26 / 6, 3 * (2 + 12 + 2) / 4])


def test_nothing_where_nothing_counts():
    y = ndconv.correlate_nd([1.0, 2, 3, 4], [1.0, 1], "valid", sample_weights=[0, 0, 0, 2])
    np.testing.assert_array_equal(y, [np.nan, np.nan, 8])
    assert np.isnan(ndconv.correlate_nd(np.ones(9), [1.0, 1], "valid", sample_weights=0)).all()
    assert ndconv.correlate_nd(np.ones((0, 9)), [1.0, 2], sample_weights=np.ones(9)).shape == (0, 10)


def test_a_nan_that_counts():
    x, weights = [1.0, np.nan, 3, np.nan, 5], [1, 2, 3, 0, 1]
    propagated = ndconv.correlate_nd(x, [1.0, 1], "valid", sample_weights=weights)
    np.testing.assert_allclose(propagated, [np.nan, np.nan, 6, 10])
    omitted = ndconv.correlate_nd(x, [1.0, 1], "valid", sample_weights=weights, nan_policy="omit")
    np.testing.assert_allclose(omitted, [2, 6, 6, 10])
    with pytest.raises(ValueError, match=r"The input contains nan values: x\b"):
        ndconv.correlate_nd(x, [1.0, 1], sample_weights=weights, nan_policy="raise")
    ndconv.correlate_nd(x, [1.0, 1], sample_weights=[1, 0, 1, 0, 1], nan_policy="raise")


@pytest.mark.parametrize("policy", ["propagate", "omit", "raise"])
def test_masked_samples(policy):
    """One that is masked and counts nothing is missing under every policy."""
    x = np.ma.masked_array([1.0, 2, 3, 4], [False, True, False, False])
    y = ndconv.correlate_nd(x, [1.0, 1], "valid", sample_weights=[1, 0, 1, 3], nan_policy=policy)
    np.testing.assert_allclose(y, [2, 6, 7.5])
    weights = [1, 5, 1, 3]
    if policy == "raise":
        with pytest.raises(ValueError, match="masked values"):
            ndconv.correlate_nd(x, [1.0, 1], "valid", sample_weights=weights, nan_policy=policy)
        return
    y = ndconv.correlate_nd(x, [1.0, 1], "valid", sample_weights=weights, nan_policy=policy)
    np.testing.assert_allclose(y, [2, 6, 7.5] if policy == "omit" else [np.nan, np.nan, 7.5])


@pytest.mark.parametrize("dtype", ["bool", *INTEGERS])
def test_integers_with_a_floating_result(rng, dtype):
    x, weights = values(rng, 40, dtype), rng.random(40)
    y = ndconv.correlate_nd(x, [1, 2, 4], dtype="float64", sample_weights=weights)
    np.testing.assert_array_equal(y, ndconv.correlate_nd(x.astype(float), [1, 2, 4], sample_weights=weights))


def test_a_bank_of_kernels(rng):
    x, kernels, weights = rng.random((1, 30)), rng.random((4, 5)), rng.random((1, 30))
    y = ndconv.correlate_nd(x, kernels, axes=1, sample_weights=weights)
    for kernel, line in zip(kernels, y, strict=True):
        np.testing.assert_allclose(line, ndconv.correlate_nd(x[0], kernel, sample_weights=weights[0]), rtol=1e-13)


def test_out_may_be_x_or_the_weights(rng):
    x, kernel, weights = rng.random((30, 40)), rng.random((4, 3)), rng.random((30, 40))
    expected = ndconv.correlate_nd(x, kernel, "same", sample_weights=weights)
    for name in ("x", "sample_weights"):
        arrays = {"x": x.copy(), "sample_weights": weights.copy()}
        out = arrays[name]
        assert ndconv.correlate_nd(kernel=kernel, mode="same", out=out, **arrays) is out
        np.testing.assert_array_equal(out, expected)


def test_the_arguments_stay_as_they_are(rng):
    x, weights = rng.random(30), rng.random(30)
    x[3], weights[3] = np.nan, 0
    before = x.copy(), weights.copy()
    ndconv.correlate_nd(x, [1.0, 2], sample_weights=weights)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(weights, before[1])


def test_workers(rng, subtests):
    x, weights = (rng.random((400, 500)).astype("float32") for _ in range(2))
    for taps in ((5, 5), (31, 30)):
        with subtests.test(taps=taps):
            kernel = rng.random(taps).astype("float32")
            one, two = (ndconv.correlate_nd(x, kernel, "same", sample_weights=weights, workers=n) for n in (1, 2))
            np.testing.assert_array_equal(one, two)


ERRORS = [
    ({"sample_weights": np.full((9, 8), -0.5)}, ValueError, r"sample_weights must be finite and at least 0.*-0\.5"),
    ({"sample_weights": np.full((9, 8), np.nan)}, ValueError, "sample_weights must be finite and at least 0.*nan"),
    ({"sample_weights": np.full((9, 8), np.inf)}, ValueError, "sample_weights must be finite and at least 0.*inf"),
    ({"sample_weights": np.ones((9, 8), complex)}, TypeError, "sample_weights must be real.*complex128"),
    ({"sample_weights": np.ones((8, 9))}, ValueError, r"sample_weights must have x's shape \(9, 8\).*\(8, 9\)"),
    ({"sample_weights": np.ones((1, 9, 8))}, ValueError, "sample_weights must have x's shape"),
    ({"sample_weights": "much"}, TypeError, "sample_weights must be an array"),
    ({"sample_weights": [[1, 2], [3]]}, ValueError, "sample_weights must be an array"),
    ({"sample_weights": np.ma.masked_array(np.ones((9, 8)), True)}, TypeError, "sample_weights must not be a masked"),
    ({"kernel": np.array([[1.0, -1]])}, ValueError, "kernel must have weights that do not sum to zero"),
    ({"kernel": np.array([[1.0, np.nan]])}, ValueError, "kernel must have no nan"),
    ({"method": "fastest"}, ValueError, "method"),
]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("change", "error", "match"), ERRORS)
def test_errors(function, change, error, match):
    arguments = {"x": np.ones((9, 8)), "kernel": np.ones((3, 2)), "sample_weights": np.ones((9, 8)), **change}
    out = np.full((9, 8), 99.0)
    for extra in ({}, {"out": out}):
        with pytest.raises(error, match=match):
            function(**arguments, mode="same", **extra)
    assert (out == 99).all()


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["bool", *INTEGERS])
def test_integer_results_are_refused(function, dtype):
    with pytest.raises(ValueError, match=r"sample_weights must be None for a result of dtype u?int.*float"):
        function(np.ones(5, dtype), np.ones(2, dtype), sample_weights=np.ones(5))


def test_not_with_normalized():
    with pytest.raises(ValueError, match=r"sample_weights must be None for normalized=True"):
        ndconv.correlate_nd(np.arange(5.0), [1.0, 2], normalized=True, sample_weights=np.ones(5))
