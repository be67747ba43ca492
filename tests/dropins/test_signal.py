"""`ndconv.signal` against scipy.signal: drawn calls of every drop-in, and what draws seldom hit."""

import inspect

import numpy as np
import pytest
import scipy.signal
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ndconv import _engine, signal
from ndconv._methods import fourier
from ndconv.signal import _convolve, _limbs, _upfirdn
from support import isolated
from support.dropins import arrays, check_same, outcome, spoilt
from support.strategies import examples

MODES = st.sampled_from(["full", "same", "valid"])
SINGLE = np.finfo(np.float32).eps


@st.composite
def pairs(draw, dtypes, max_dims=3):
    """Return two arrays of as many axes, often of the same dtype."""
    shape = draw(npst.array_shapes(max_dims=max_dims, max_side=7))
    other = draw(st.tuples(*[st.integers(1, 7)] * len(shape)))
    first = draw(st.sampled_from(dtypes))
    second = draw(st.just(first) | st.sampled_from(dtypes))
    return draw(arrays(first, shape)), draw(arrays(second, other))


def eps_of(*operands):
    """Return what results may be compared to: SciPy transforms an operand in its own precision."""
    return SINGLE if any(x.dtype.char in "fF" for x in operands) else None


@pytest.mark.parametrize("name", ["correlate", "convolve"])
@examples(60)
@given(data=st.data(), mode=MODES, method=st.sampled_from(["auto", "direct", "fft"]))
def test_drawn_calls(name, data, mode, method):
    x, kernel = data.draw(pairs("bBhHiIlLfdFD"))
    call = [x, kernel], {"mode": mode, "method": method}
    theirs = outcome(getattr(scipy.signal, name), *call)
    check_same(outcome(getattr(signal, name), *call), theirs, eps_of(x, kernel))


@pytest.mark.parametrize("name", ["correlate", "convolve"])
@examples(100)
@given(data=st.data(), mode=MODES, method=st.sampled_from(["auto", "direct"]))
def test_drawn_calls_that_are_not_finite(name, data, mode, method):
    """What is not finite reaches the outputs that it reaches in SciPy's direct sums, by "auto" too."""
    x, kernel = (data.draw(spoilt(st.just(each))) for each in data.draw(pairs("ilfdFD")))
    call = [x, kernel], {"mode": mode}
    theirs = outcome(getattr(scipy.signal, name), [x, kernel], {"mode": mode, "method": "direct"})
    check_same(outcome(getattr(signal, name), call[0], call[1] | {"method": method}), theirs, eps_of(x, kernel))


@pytest.mark.parametrize("name", ["correlate", "convolve", "oaconvolve"])
@pytest.mark.parametrize("sizes", [(20_000, 3000), (3000, 20_000)])
def test_long_signals_that_are_not_finite(rng, name, sizes):
    """Where spectra are quicker, too, outputs are lost that see what is not finite, and no others."""
    x, kernel = map(rng.standard_normal, sizes)
    expected = getattr(signal, name)(x, kernel)
    (x if sizes[0] > sizes[1] else kernel)[5000] = np.nan
    y = getattr(signal, name)(x, kernel)
    lost = slice(5000, 8000)
    if name == "correlate" and sizes[0] < sizes[1]:
        lost = slice(15_000 - 1, 18_000 - 1)
    expected[lost] = np.nan
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("place", "last"), [(0, 20_000), (700, 20_700), (2999, 22_999)])
def test_long_signals_by_a_kernel_that_is_not_finite(rng, place, last):
    x, kernel = rng.standard_normal(20_000), rng.standard_normal(3000)
    expected = signal.convolve(x, kernel)
    kernel[place] = np.nan
    expected[place:last] = np.nan
    np.testing.assert_allclose(signal.convolve(x, kernel), expected, rtol=0, atol=1e-9)
    kernel[place] = -np.inf
    expected[place:last] = -np.inf * x
    np.testing.assert_allclose(signal.convolve(kernel, x), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["fftconvolve", "oaconvolve"])
@examples(60)
@given(data=st.data(), mode=MODES)
def test_drawn_calls_along_axes(name, data, mode):
    x, kernel = data.draw(pairs("?bilfdFD"))
    axes = data.draw(st.none() | st.sets(st.integers(0, x.ndim - 1), min_size=1).map(list))
    if axes is not None and data.draw(st.booleans()):
        # Broadcast along the others.
        kernel = kernel[tuple(slice(None) if axis in axes else slice(0, 1) for axis in range(x.ndim))]
    call = [x, kernel], {"mode": mode, "axes": axes}
    theirs = outcome(getattr(scipy.signal, name), *call)
    check_same(outcome(getattr(signal, name), *call), theirs, eps_of(x, kernel))


@examples(60)
@given(data=st.data(), mode=MODES)
def test_drawn_calls_along_axes_that_are_not_finite(data, mode):
    """All along the axes is lost, as by one transform, and nothing beside."""
    x, kernel = (data.draw(spoilt(st.just(each))) for each in data.draw(pairs("ifdD")))
    call = [x, kernel], {"mode": mode, "axes": data.draw(st.integers(0, x.ndim - 1))}
    ours, theirs = (outcome(module.fftconvolve, *call) for module in (signal, scipy.signal))
    if isinstance(theirs, Exception):
        check_same(ours, theirs)
    else:
        np.testing.assert_array_equal(np.isfinite(ours), np.isfinite(theirs))


@pytest.mark.parametrize("name", ["correlate2d", "convolve2d"])
@examples(60)
@given(
    data=st.data(),
    mode=MODES,
    boundary=st.sampled_from(["fill", "pad", "wrap", "circular", "symm", "symmetric", "reflect"]),
    fill=st.sampled_from(
        [
            *(0, 1, 2.5, -1, 300, 2**70, 1e300, 1j, np.nan, np.inf, True, None, "7", "x", object()),
            *([4], [[2.5]], [None], [1, 2], [], np.array([2.5]), np.array(3, np.int8)),
            *(np.float64(2.5), np.float64(-300), np.complex64(1)),
        ]
    ),
)
def test_drawn_planes(name, data, mode, boundary, fill):
    dtype = data.draw(st.sampled_from("bBhHiIlLfdFD"))
    shapes = st.tuples(*[st.integers(1, 7)] * 2)
    x, kernel = (data.draw(spoilt(arrays(dtype, data.draw(shapes)))) for _ in range(2))
    call = [x, kernel], {"mode": mode, "boundary": boundary, "fillvalue": fill}
    check_same(outcome(getattr(signal, name), *call), outcome(getattr(scipy.signal, name), *call))


@pytest.mark.parametrize("by_ndconv", [True, False], ids=["always", "where that is quicker"])
@examples(80)
@given(
    data=st.data(),
    up=st.integers(1, 9),
    down=st.integers(1, 9),
    mode=st.sampled_from(
        ["constant", "wrap", "edge", "smooth", "symmetric", "reflect", "antisymmetric", "antireflect", "line", "Edge"]
    ),
    cval=st.sampled_from([0, 1.5, np.nan, np.inf]),
)
def test_drawn_resampling(by_ndconv, data, up, down, mode, cval):
    shape = data.draw(npst.array_shapes(max_dims=3, max_side=9))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    assume(shape[axis] > 1)  # SciPy divides by zero in some modes
    x = data.draw(spoilt(arrays(data.draw(st.sampled_from("ilfdFD")), shape)))
    h = data.draw(spoilt(arrays(data.draw(st.sampled_from("ilfdFD")), data.draw(st.integers(1, 30)))))
    call = [h, x, up, down, axis, mode, cval], {}
    with pytest.MonkeyPatch.context() as patch:
        if by_ndconv:
            patch.setattr(_upfirdn, "WEIGHT_PRODUCTS", 0)
        check_same(outcome(signal.upfirdn, *call), outcome(scipy.signal.upfirdn, *call))


@pytest.mark.parametrize(("up", "down"), [(160, 147), (147, 160), (3, 2), (1, 50), (50, 1)])
def test_resampling(rng, up, down):
    x, h = rng.standard_normal((2, 3000)), rng.standard_normal(2001)
    check_same(signal.upfirdn(h, x, up, down), scipy.signal.upfirdn(h, x, up, down))


@pytest.mark.parametrize(("samples", "taps", "up", "down"), [(40, 7, 4001, 3989), (3, 5000, 999_983, 1_000_003)])
def test_resampling_by_factors_whose_phases_do_not_repeat(rng, monkeypatch, samples, taps, up, down):
    """They are SciPy's: there is nothing to do side by side."""
    monkeypatch.setattr(_upfirdn, "filtered_phases", None)
    x, h = rng.standard_normal(samples), rng.standard_normal(taps)
    np.testing.assert_array_equal(signal.upfirdn(h, x, up, down), scipy.signal.upfirdn(h, x, up, down))


def test_resampling_what_is_not_finite(rng):
    np.testing.assert_array_equal(signal.upfirdn([1.0, 1.0], [np.nan, 1.0, 2.0], 2, 3), [np.nan, 1])
    x, h = rng.standard_normal((2, 3000)), rng.standard_normal(400)
    x[1, 700] = np.nan
    check_same(signal.upfirdn(h, x, 160, 147), scipy.signal.upfirdn(h, x, 160, 147))


@given(first=st.integers(1, 20), second=st.integers(1, 20), mode=st.sampled_from(["full", "same", "valid", "all"]))
def test_lags(first, second, mode):
    call = [first, second, mode], {}
    check_same(outcome(signal.correlation_lags, *call), outcome(scipy.signal.correlation_lags, *call))


@pytest.mark.parametrize("name", signal.__all__)
def test_signatures(name):
    def parameters(module):
        told = inspect.signature(getattr(module, name)).parameters.values()
        return [(p.name, p.kind, p.default) for p in told]

    assert parameters(signal) == parameters(scipy.signal)


@examples(20)
@given(data=st.data(), mode=st.sampled_from(["full", "valid"]))
def test_bools(data, mode):
    """In one dimension SciPy has them too."""
    x, kernel = data.draw(pairs("?", max_dims=1))
    np.testing.assert_array_equal(signal.convolve(x, kernel, mode), scipy.signal.convolve(x, kernel, mode, "direct"))


@pytest.mark.slow
def test_the_faster_method():
    assert signal.choose_conv_method(np.ones(100_000), np.ones(5)) == "direct"
    assert signal.choose_conv_method(np.ones(100_000), np.ones(50_000)) == "fft"
    assert signal.choose_conv_method(np.ones(100_000, bool), np.ones(50_000, bool)) == "direct"
    large = np.full(100_000, 2**40)
    assert signal.choose_conv_method(large, large) == "direct"
    method, times = signal.choose_conv_method(np.ones(1000), np.ones(10), measure=True)
    assert times[method] == min(times.values())


def extremes(rng, dtype, size):
    """Return integers of the whole range of their dtype, the ends of it among them."""
    limits = np.iinfo(dtype)
    array = rng.integers(limits.min, limits.max, size, dtype, endpoint=True)
    array.flat[:2] = limits.min, limits.max
    return array


@pytest.mark.parametrize(
    ("name", "mode", "sizes"),
    [
        ("correlate", "full", (6000, 5000)),  # by spectra under "auto" as well
        ("correlate", "same", (900, 700)),
        ("convolve", "valid", (900, 700)),
        ("convolve", "same", (30, 20, 20)),
    ],
)
@pytest.mark.parametrize("dtype", "bBhHiIlLqQ")
def test_long_integers_wrap_as_short_ones_do(rng, dtype, name, mode, sizes):
    """By spectra, which alone would round them, and whichever operand is the longer one."""
    x, kernel = extremes(rng, dtype, sizes[0]), extremes(rng, dtype, sizes[1])
    if len(sizes) == 3:
        x, kernel = extremes(rng, dtype, sizes[:2]), extremes(rng, dtype, sizes[2])[None]
    for call in ([x, kernel], [kernel, x]):
        expected = getattr(scipy.signal, name)(*call, mode, "direct")
        for method in ("auto", "fft", "direct"):
            check_same(getattr(signal, name)(*call, mode, method), expected)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "int64"])
def test_long_constants_of_the_largest_size(dtype):
    """Whose products all have the same sign, so that what spectra round is most."""
    limits = np.iinfo(dtype)
    x, kernel = np.full(40_000, limits.max, dtype), np.full(20_000, limits.min or limits.max, dtype)
    rising = np.arange(1, 20_000)
    pairs = np.concatenate([rising, np.full(20_001, 20_000), rising[::-1]]).astype(np.uint64)
    product = np.uint64(int(x[0]) * int(kernel[0]) % 2**64)
    np.testing.assert_array_equal(signal.convolve(x, kernel), (pairs * product).astype(dtype))


@examples(100)
@given(data=st.data(), mode=MODES, bits=st.tuples(*[st.integers(1, 62)] * 2))
def test_drawn_integers_by_spectra(data, mode, bits):
    shape = data.draw(npst.array_shapes(max_dims=3, max_side=9))
    other = data.draw(st.tuples(*[st.integers(1, 9)] * len(shape)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    dtypes = data.draw(st.sampled_from(["bb", "bB", "hB", "iI", "ll", "LL", "Lb", "li", "?l"]))
    x, kernel = (
        rng.integers(-(2**n), 2**n, size, endpoint=True).astype(dtype)
        for n, size, dtype in zip(bits, (shape, other), dtypes, strict=False)
    )
    theirs = outcome(scipy.signal.convolve, [x, kernel], {"mode": mode, "method": "direct"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fourier, "MANY_TAPS", 0)  # few taps, too, which it would not pay for
        patch.setattr(_convolve, "costs", _convolve.costs.__wrapped__)
        check_same(outcome(signal.convolve, [x, kernel], {"mode": mode, "method": "fft"}), theirs)


@pytest.mark.slow
def test_integers_by_spectra_of_one_limb_or_several(rng, monkeypatch):
    """Small ones take a single product of spectra, and one operand may have more limbs than the other."""
    products = []
    convolve = _engine.convolve
    monkeypatch.setattr(_limbs, "convolve", lambda *call, **how: products.append(call) or convolve(*call, **how))
    cases = {(2**10, 2**10): 1, (2**62, 1): 3, (2**62, 2**62): 21}
    for limits, number in cases.items():
        x, kernel = rng.integers(-limits[0], limits[0], 40_000), rng.integers(-limits[1], limits[1], 20_000)
        y = signal.convolve(x, kernel)
        assert 0 < len(products) <= number
        products.clear()
        np.testing.assert_array_equal(y, signal.convolve(x, kernel, method="direct"))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite(rng, bad):
    np.testing.assert_array_equal(signal.convolve([bad, 1, 1], np.ones(5))[-2:], [2, 1])
    np.testing.assert_array_equal(signal.correlate(np.ones(5), [1, 1, bad])[-2:], [2, 1])
    x, kernel = rng.standard_normal((3, 500)), rng.standard_normal((1, 9))
    x[1, 100] = bad
    y = signal.fftconvolve(x, kernel, axes=1)
    assert np.isnan(y[1]).all()
    assert np.isfinite(y[[0, 2]]).all()
    assert (~np.isfinite(signal.convolve(x[1], kernel[0]))).sum() == 9
    with pytest.warns(RuntimeWarning, match="Use of fft convolution"):
        signal.convolve(x[1], kernel[0], method="fft")


@pytest.mark.parametrize("dtype", [np.longdouble, np.clongdouble, object])
def test_what_scipy_does(subtests, dtype):
    x, kernel = np.arange(5).astype(dtype), np.arange(3).astype(dtype)
    for name in ("correlate", "convolve"):
        with subtests.test(name=name):
            ours = getattr(signal, name)(x, kernel, method="direct")
            assert ours.dtype == dtype
            np.testing.assert_array_equal(ours, getattr(scipy.signal, name)(x, kernel, method="direct"))


@pytest.mark.parametrize(("up", "down"), [(1, 1), (1, 3), (2, 3), (1000, 999)])
@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128", "int16"])
def test_upfirdn_of_fields_of_records(rng, up, down, dtype):
    """Their samples are no whole number of samples apart, which SciPy takes for granted."""
    records = np.zeros(50, [("before", "u1"), ("x", dtype), ("after", "u1", 2)])
    records["x"] = rng.integers(-9, 9, 50)
    h = records["x"][:7]
    for one, other in ((h, records["x"]), (h.copy(), np.broadcast_to(records["x"][:, None], (50, 3)))):
        expected = scipy.signal.upfirdn(one.copy(), other.copy(), up, down, axis=0)
        np.testing.assert_allclose(signal.upfirdn(one, other, up, down, axis=0), expected, rtol=1e-6)
        np.testing.assert_allclose(signal.upfirdn(h=one, x=other, up=up, down=down, axis=0), expected, rtol=1e-6)


def test_what_is_empty():
    assert signal.fftconvolve([], [1]).shape == (0,)
    with pytest.raises(ValueError, match="empty"):
        signal.convolve([], [1.0], method="direct")
    assert signal.convolve2d(np.zeros((0, 3)), np.ones((2, 2)), boundary="wrap").shape == (1, 4)


@pytest.mark.parametrize("name", ["correlate2d", "convolve2d"])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("fillvalue", [0, 5])
@pytest.mark.parametrize(
    ("x", "kernel"),
    [
        ((0, 1), (1, 1)), ((0, 3), (2, 2)), ((3, 0), (2, 2)), ((2, 2), (0, 1)), ((2, 2), (1, 0)), ((0, 2), (3, 2)),
        ((0, 0), (0, 0)), ((0, 3), (0, 3)), ((3, 0), (2, 0)), ((0, 0), (2, 2)),
    ],
)  # fmt: skip
def test_planes_that_are_empty(name, mode, fillvalue, x, kernel):
    arguments = np.ones(x), np.ones(kernel), mode, "fill", fillvalue
    try:
        expected = getattr(scipy.signal, name)(*arguments)
    except ValueError as error:
        with pytest.raises(ValueError, match="negative dimensions" if "negative" in str(error) else "'valid' mode"):
            getattr(signal, name)(*arguments)
        return
    result = getattr(signal, name)(*arguments)
    assert result.shape == expected.shape
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("name", ["correlate2d", "convolve2d"])
@pytest.mark.parametrize("boundary", ["wrap", "symm"])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_nothing_repeated_is_zero(name, boundary, mode):
    """Where SciPy divides by zero, and ends the process."""
    for x, kernel in (((0, 3), (2, 2)), ((2, 2), (0, 1)), ((0, 0), (2, 2))):
        if mode == "valid" and x == (0, 3):
            continue  # neither lies within the other
        arguments = np.ones(x), np.ones(kernel), mode
        result = getattr(signal, name)(*arguments, boundary)
        np.testing.assert_array_equal(result, getattr(scipy.signal, name)(*arguments))


@pytest.mark.parametrize("mode", [*_upfirdn._MODES, *_upfirdn._EXTRAPOLATING])
@pytest.mark.parametrize(("shape", "axis"), [((0,), -1), ((2, 0), -1), ((0, 2), 0), ((0, 2), 1), ((0, 0), 0)])
@pytest.mark.parametrize("h", [[1.0], [1.0, 2.0], [1.0, 2.0, 3.0]])
def test_upfirdn_of_nothing(mode, shape, axis, h):
    """There is nothing to continue; SciPy divides by zero, or reads what is not there."""
    x, cval = np.zeros(shape), 5 if mode == "constant" else 0
    if mode != "constant" and len(h) == 3 and shape[axis] == 0 and shape != (0, 0):
        with pytest.raises(ValueError, match=f"x must have samples along axis {axis} in mode '{mode}'"):
            signal.upfirdn(h, x, 2, axis=axis, mode=mode, cval=cval)
        return
    try:
        expected = scipy.signal.upfirdn(h, x, 2, axis=axis, mode=mode, cval=cval)
    except ValueError:
        with pytest.raises(ValueError, match="negative dimensions"):
            signal.upfirdn(h, x, 2, axis=axis, mode=mode, cval=cval)
        return
    result = signal.upfirdn(h, x, 2, axis=axis, mode=mode, cval=cval)
    assert result.shape == expected.shape
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("name", "arguments", "keywords"),
    [
        ("correlate", ([1], [[1]]), {}),
        ("convolve", ([1], [[1]]), {}),
        ("correlate", ([1], [1]), {"mode": "some"}),
        ("correlate", ([1], [1]), {"method": "some"}),
        ("correlate", ([1], [1]), {"mode": ["full"]}),
        ("correlate2d", ([[1]], [[1]]), {"mode": ["full"]}),
        ("convolve2d", ([[1]], [[1]]), {"boundary": ["fill"]}),
        ("convolve", (np.ones((2, 3)), np.ones((3, 2))), {"mode": "valid"}),
        ("fftconvolve", ([1], [1]), {"axes": 1}),
        ("fftconvolve", ([1], [1]), {"axes": 0.5}),
        ("fftconvolve", ([1], [1]), {"axes": []}),
        ("fftconvolve", ([[1]], [[1]]), {"axes": [0, 0]}),
        ("oaconvolve", (np.ones((2, 3)), np.ones((3, 3))), {"axes": 1}),
        ("convolve2d", ([1], [1]), {}),
        ("convolve2d", ([[1]], [[1]]), {"boundary": "edge"}),
        ("convolve2d", ([[1]], [[1]]), {"fillvalue": "x"}),
        ("convolve2d", (np.ones((2, 2), bool), np.ones((2, 2), bool)), {}),
        ("upfirdn", ([], [1]), {}),
        ("upfirdn", ([[1]], [1]), {}),
        ("upfirdn", ([1], [1]), {"up": 0}),
        ("upfirdn", ([1], [1]), {"up": None}),
        ("upfirdn", ([1], [1]), {"mode": "some"}),
        ("upfirdn", ([1], [1]), {"mode": b"edge"}),
        ("upfirdn", ([1], [1]), {"mode": None}),
        ("upfirdn", ([1], [1]), {"mode": "edge", "cval": None}),
        ("upfirdn", ([1], [1]), {"cval": "1"}),
        ("upfirdn", ([1], [1]), {"cval": 1j}),
        ("upfirdn", ([1], [1]), {"axis": 1}),
        ("correlation_lags", (1, 1), {"mode": "some"}),
    ],
)
def test_errors(name, arguments, keywords):
    theirs = outcome(getattr(scipy.signal, name), arguments, keywords)
    assert isinstance(theirs, Exception)
    with pytest.raises(type(theirs)):
        getattr(signal, name)(*arguments, **keywords)


@pytest.mark.parametrize(
    "name", ["correlate", "convolve", "fftconvolve", "oaconvolve", "correlate2d", "convolve2d", "upfirdn"]
)
def test_masks_are_ignored(rng, name):
    x, kernel = np.ma.masked_greater(rng.random((9, 8)), 0.5), np.ma.masked_greater(rng.random((3, 2)), 0.5)
    call = [kernel[0], x] if name == "upfirdn" else [x, kernel]
    ours, theirs = (getattr(module, name)(*call) for module in (signal, scipy.signal))
    assert type(ours) is type(theirs) is np.ndarray
    check_same(ours, theirs)


@pytest.mark.slow
def test_masked_arrays_that_scipy_refuses():
    """Told to accept arrays of other libraries, SciPy refuses masked ones."""
    code = """
        import numpy as np, pytest
        from ndconv import ndimage, signal
        masked = np.ma.ones(3)
        for call in (signal.convolve, signal.upfirdn, ndimage.correlate):
            with pytest.raises(TypeError, match="Masked"):
                call(masked, masked)
        assert signal.convolve([1.0, 2.0], np.float64([1.0])).tolist() == [1, 2]
    """
    isolated.run(code, SCIPY_ARRAY_API="1")
