"""Filters along an axis in `ndconv.signal`, against scipy.signal: drawn calls, errors, and what draws seldom hit."""

import warnings
from functools import partial

import numpy as np
import pytest
import scipy.signal
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import ndconv
from ndconv import signal
from support import isolated
from support.dropins import DTYPES, arrays, check_bits, outcome, spoilt
from support.layouts import values
from support.strategies import examples

DTYPES_AND_HALF = [*DTYPES, "e"]
FLOATS = "fdFD"
AXES = st.integers(0, 2)


def shapes(axis_sizes):
    """Return a strategy for a shape, and an axis of it that has one of the sizes."""

    @st.composite
    def draw_both(draw):
        shape = list(draw(npst.array_shapes(min_dims=1, max_dims=3, max_side=4)))
        axis = draw(st.integers(-len(shape), len(shape) - 1))
        shape[axis] = draw(axis_sizes)
        return tuple(shape), axis

    return draw_both()


@st.composite
def signals(draw, dtypes, sizes):
    """Return signals, whole or some samples of larger ones, and the axis to filter."""
    shape, axis = draw(shapes(sizes))
    step = draw(st.sampled_from([1, 1, 2, -1]))
    x = draw(arrays(draw(st.sampled_from(dtypes)), tuple(n * abs(step) for n in shape)))
    return x[tuple(slice(None, None, step) for _ in shape)], axis


def magnitude(x):
    """Return the sizes of samples, in double precision."""
    return np.abs(np.asarray(x)).astype(float)


def check_close(ours, theirs, sizes, products):
    """Check that two outcomes are alike: the same error, or sums that differ by what rounds their products."""
    if isinstance(theirs, Exception) or isinstance(ours, Exception) or theirs.dtype.kind not in "fc":
        check_bits(ours, theirs)
        return
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    finite = np.isfinite(theirs)
    np.testing.assert_array_equal(np.isfinite(ours), finite)
    eps = np.finfo(theirs.dtype).eps
    bound = np.broadcast_to(
        4 * eps * np.sqrt(products) * np.asarray(sizes) + 4 * np.finfo(theirs.dtype).tiny, ours.shape
    )
    assert (np.abs(ours[finite] - theirs[finite]) <= bound[finite]).all()


@examples(150)
@given(data=st.data())
def test_drawn_lfilter(data):
    x, axis = data.draw(signals(DTYPES_AND_HALF, st.integers(1, 30)))
    b = data.draw(arrays(data.draw(st.sampled_from(DTYPES_AND_HALF)), data.draw(st.integers(1, 12))))
    a = data.draw(st.sampled_from([1, 1.0, [2.0], np.float32([-0.5]), [0.0], [1, 0.5], [[1.0]], np.array([2j])]))
    x, b = data.draw(spoilt(st.just(x))), data.draw(spoilt(st.just(b)))
    zi = None
    if data.draw(st.booleans()):
        state = [data.draw(st.sampled_from([n, n, 1])) for n in x.shape]
        state[axis] = max(b.size, np.size(a)) - 1 + data.draw(st.sampled_from([0, 0, 0, 1]))
        zi = data.draw(arrays(data.draw(st.sampled_from(DTYPES)), tuple(state)))
    ours, theirs = (outcome(m.lfilter, [b, a, x, axis], {"zi": zi}) for m in (signal, scipy.signal))
    if isinstance(theirs, Exception) or zi is None:
        ours, theirs = [ours], [theirs]
    assert len(ours) == len(theirs)
    with np.errstate(all="ignore"):
        size = np.nansum(magnitude(b)) / magnitude(a).max() * np.nan_to_num(magnitude(x)).max(initial=1)
        size += 0 if zi is None else magnitude(zi).max(initial=0)
    for one, other in zip(ours, theirs, strict=True):
        check_close(one, other, np.nan_to_num(size), 200)


@examples(40)
@given(data=st.data())
def test_lfilter_goes_on(data):
    """A signal in parts, with what each part leaves to the next, is filtered as a whole one is."""
    x, axis = data.draw(signals(FLOATS, st.integers(2, 30)))
    b = data.draw(arrays(x.dtype, data.draw(st.integers(1, 9))))
    cut = data.draw(st.integers(1, x.shape[axis] - 1))
    state = list(x.shape)
    state[axis] = b.size - 1
    first, last = np.split(x, [cut], axis)
    y, zi = signal.lfilter(b, x.dtype.type(1), first, axis, np.zeros(state, x.dtype))
    z, _ = signal.lfilter(b, x.dtype.type(1), last, axis, zi)
    size = magnitude(b).sum() * magnitude(x).max(initial=0)
    check_close(np.concatenate([y, z], axis), signal.lfilter(b, x.dtype.type(1), x, axis), size, b.size)


def test_lfilter_is_causal(rng):
    """Also a long one: before a sample comes, nothing is felt of it."""
    x = np.zeros(50_000)
    x[30_000] = 1e10
    y = signal.lfilter(rng.standard_normal(5000), 1, x)
    assert not y[:30_000].any()
    assert y[30_000:35_000].all()


@examples(150)
@given(data=st.data())
def test_drawn_filtfilt(data):
    x, axis = data.draw(signals(DTYPES_AND_HALF, st.integers(1, 40)))
    b = data.draw(arrays(data.draw(st.sampled_from(DTYPES_AND_HALF)), data.draw(st.integers(1, 9))))
    a = data.draw(st.sampled_from([1, 1.0, [2.0], np.float32([-0.5]), [1, 0.5]]))
    how = {
        "padtype": data.draw(st.sampled_from(["odd", "even", "constant", None, "some"])),
        "padlen": data.draw(st.none() | st.integers(-1, 30)),
        "method": data.draw(st.sampled_from(["pad", "pad", "pad", "pad", "gust", "some"])),
    }
    # Of so few samples, Gustafsson's method is anybody's guess.
    assume(how["method"] != "gust" or (x.shape[axis] > 2 * b.size and b.dtype.kind in "fc"))
    ours, theirs = (outcome(m.filtfilt, [b, a, x, axis], how) for m in (signal, scipy.signal))
    size = (magnitude(b).sum() / magnitude(a).max()) ** 2 * 3 * magnitude(x).max(initial=1)
    check_close(ours, theirs, size, 1000)


@examples(60)
@given(data=st.data())
def test_filtfilt_of_what_is_not_finite(data):
    x, axis = data.draw(signals("fd", st.integers(4, 40)))
    x = data.draw(spoilt(st.just(x)))
    b = data.draw(arrays(x.dtype, 3))
    ours, theirs = (outcome(m.filtfilt, [b, 1, x, axis], {"padlen": 3}) for m in (signal, scipy.signal))
    check_close(ours, theirs, magnitude(b).sum() ** 2 * 30, 1000)


PADTYPES = [
    "constant",
    "mean",
    "median",
    "minimum",
    "maximum",
    "line",
    "edge",
    "wrap",
    "reflect",
    "symmetric",
    "smooth",
]


@examples(150)
@given(data=st.data())
def test_drawn_resample_poly(data):
    x, axis = data.draw(signals(DTYPES_AND_HALF, st.integers(2, 60)))
    up, down = data.draw(st.sampled_from([1, 2, 3, 5, 7, 160])), data.draw(st.sampled_from([1, 2, 3, 4, 6, 147]))
    how = {"axis": axis, "padtype": data.draw(st.sampled_from(PADTYPES))}
    if how["padtype"] == "constant":
        how["cval"] = data.draw(st.sampled_from([None, 0, 1.5]))
    if data.draw(st.booleans()):
        taps = arrays(data.draw(st.sampled_from("dfliD")), data.draw(st.integers(1, 30)))
        how["window"] = data.draw(taps | taps.map(list))
    elif data.draw(st.booleans()):
        how["window"] = data.draw(st.sampled_from(["hann", 4.0, ("kaiser", 8.0), ("tukey", 0.5)]))
    ours, theirs = (outcome(m.resample_poly, [x, up, down], how) for m in (signal, scipy.signal))
    window = how.get("window")
    taps = 10 if window is None or isinstance(window, (str, float, tuple)) else magnitude(window).sum()
    longest = 40 if how["padtype"] in ("line", "smooth") else 1  # what they continue may be so many times as large
    check_close(ours, theirs, 2 * longest * up * taps * magnitude(x).max(initial=1), 400)


@examples(100)
@given(data=st.data())
def test_drawn_decimate(data):
    x, axis = data.draw(signals(DTYPES_AND_HALF, st.integers(1, 90)))
    how = {
        "n": data.draw(st.none() | st.integers(1, 40)), "axis": axis, "zero_phase": data.draw(st.booleans()),
        "ftype": data.draw(st.sampled_from(["fir", "fir", "fir", "iir", "some", scipy.signal.dlti([1.0, 1.0], [2.0])])),
    }  # fmt: skip
    q = data.draw(st.sampled_from([0, 1, 2, 3, 5, 13]))
    ours, theirs = (outcome(m.decimate, [x, q], how) for m in (signal, scipy.signal))
    check_close(ours, theirs, 10 * magnitude(x).max(initial=1), 400)


@examples(100)
@given(data=st.data(), delta=st.sampled_from([1, 1.0, 0.5, 3]), use=st.sampled_from(["conv", "dot", "some"]))
def test_drawn_savgol_coeffs(data, delta, use):
    window, order = data.draw(st.integers(0, 30)), data.draw(st.integers(-1, 6))
    deriv, pos = data.draw(st.integers(-1, 5)), data.draw(st.none() | st.integers(-1, 30) | st.sampled_from([0.5, 1.5]))
    call = [window, order, deriv, delta, pos, use], {}
    check_bits(outcome(signal.savgol_coeffs, *call), outcome(scipy.signal.savgol_coeffs, *call))


@examples(200)
@given(data=st.data())
def test_drawn_savgol_filter(data):
    """All but the ends that are fitted have SciPy's bits."""
    x, axis = data.draw(signals(DTYPES_AND_HALF, st.integers(1, 40)))
    how = {
        "window_length": data.draw(st.integers(1, 16)), "polyorder": data.draw(st.integers(0, 4)),
        "deriv": data.draw(st.integers(0, 3)), "delta": data.draw(st.sampled_from([1.0, 0.5])), "axis": axis,
        "mode": data.draw(st.sampled_from(["interp", "interp", "mirror", "constant", "nearest", "wrap", "some"])),
        "cval": data.draw(st.sampled_from([0.0, 1.5])),
    }  # fmt: skip
    ours, theirs = (outcome(m.savgol_filter, [x], how) for m in (signal, scipy.signal))
    if how["mode"] == "interp" and not isinstance(theirs, Exception):
        half = how["window_length"] // 2
        middle = [slice(None)] * x.ndim
        middle[axis] = slice(half, x.shape[axis] - half)
        check_bits(ours[tuple(middle)], theirs[tuple(middle)])
        largest = 1e3 * how["delta"] ** -how["deriv"] * magnitude(x).max(initial=1)
        check_close(ours, theirs, largest * (1 if theirs.dtype == float else 1e3), 16)
    else:
        check_bits(ours, theirs)


@pytest.mark.parametrize("mode", ["interp", "nearest"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", [1, 20])
def test_savgol_filter_of_what_is_not_finite(rng, mode, bad, place):
    """The ends cannot be fitted to it."""
    x = rng.standard_normal((3, 40))
    x[1, place] = bad
    ours, theirs = (outcome(m.savgol_filter, [x, 7, 2], {"mode": mode}) for m in (signal, scipy.signal))
    assert isinstance(theirs, ValueError) == (mode == "interp" and place == 1)
    if not isinstance(theirs, Exception):
        theirs[:, :3], theirs[:, -3:] = ours[:, :3], ours[:, -3:]
    check_bits(ours, theirs)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("window", "order", "deriv"), [(5, 4, 0), (31, 5, 1), (101, 4, 2), (1001, 3, 0), (40, 3, 1)])
def test_fitted_ends_are_exact(rng, dtype, window, order, deriv):
    """More so than SciPy's, which are computed in the samples' precision."""
    x = rng.standard_normal((1200, 3)).astype(dtype)
    basis = np.polynomial.chebyshev
    place, half = np.linspace(-1, 1, window), window // 2
    fits = basis.chebder(basis.chebfit(place, x[:window].astype(float), order), deriv) * (2 / (window - 1)) ** deriv
    exact = basis.chebval(place[:half], fits).T
    errors = [
        np.abs(m.savgol_filter(x, window, order, deriv, axis=0)[:half] - exact).max() for m in (signal, scipy.signal)
    ]
    assert errors[0] <= max(errors[1], 1e-12 if dtype == "float64" else 1e-6 * np.abs(exact).max())


def test_fits_that_are_poorly_conditioned_warn(rng):
    x = rng.standard_normal(200).astype(np.float32)
    for module in (signal, scipy.signal):
        with pytest.warns(np.exceptions.RankWarning, match="poorly conditioned"):
            module.savgol_filter(x, 41, 9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        signal.savgol_filter(x, 41, 4)


#: A call of each of a module's filters.
CALLS = {
    "lfilter": lambda module, x, axis: module.lfilter(np.arange(1, 9) / x.dtype.type(8), x.dtype.type(2), x, axis),
    "filtfilt": lambda module, x, axis: module.filtfilt([0.5, 0.25], 1.0, x, axis),
    "resample_poly": lambda module, x, axis: module.resample_poly(x, 2, 3, axis),
    "decimate": lambda module, x, axis: module.decimate(x, 3, 4, "fir", axis),
    "savgol_filter": lambda module, x, axis: module.savgol_filter(x, 3, 1, axis=axis),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (0, 20), (1,), (20, 0)])
def test_what_is_empty(name, shape):
    ours, theirs = (outcome(CALLS[name], [module, np.zeros(shape), -1], {}) for module in (signal, scipy.signal))
    check_bits(ours, theirs)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", [np.longdouble, object, np.float16, ">f8", "<U1"])
def test_dtypes_of_any_kind(rng, name, dtype):
    x = np.ones(30).astype(dtype)
    ours, theirs = (outcome(CALLS[name], [module, x, -1], {}) for module in (signal, scipy.signal))
    if np.dtype(dtype).kind == "O" and not isinstance(theirs, Exception):
        ours, theirs = ours.astype(float), theirs.astype(float)
    check_close(ours, theirs, 10, 30)


@pytest.mark.parametrize("name", CALLS)
def test_masks_are_ignored(rng, name):
    x = np.ma.masked_greater(rng.random((20, 30)), 0.5)
    ours, theirs = (outcome(CALLS[name], [module, x, -1], {}) for module in (signal, scipy.signal))
    assert type(ours) is type(theirs) is np.ndarray
    check_close(ours, theirs, 10, 30)


@pytest.mark.parametrize("name", ["lfilter", "filtfilt"])
def test_masks_of_coefficients_are_ignored(rng, name):
    b, a, x = np.ma.array([0.5, 1, 2], mask=[0, 1, 0]), np.ma.ones(1), rng.random(20)
    ours, theirs = (getattr(module, name)(b, a, x) for module in (signal, scipy.signal))
    assert type(ours) is type(theirs) is np.ndarray
    check_close(ours, theirs, 10, 30)


@pytest.mark.parametrize(
    ("name", "arguments", "keywords"),
    [
        ("lfilter", ([], 1, [1.0]), {}),
        ("lfilter", ([1.0], [], [1.0]), {}),
        ("lfilter", ([[1.0]], 1, [1.0]), {}),
        ("lfilter", ([1.0], 1, 1.0), {}),
        ("lfilter", ([1.0], 1, [1.0]), {"axis": 1}),
        ("lfilter", ([1.0, 2.0], 1, [1.0]), {"axis": 1, "zi": [1.0]}),
        ("lfilter", ([1, 2], 1, [1, 2]), {}),
        ("lfilter", ([1.0, 2.0], 1, [[1.0]]), {"zi": [1.0]}),
        ("lfilter", ([1.0, 2.0, 3.0], 1, [[1.0]]), {"zi": [[1.0]]}),
        ("filtfilt", ([1.0], 1, [1.0, 2.0, 3.0, 4.0]), {}),
        ("filtfilt", ([1.0, 2.0], 1, [1.0, 2.0]), {}),
        ("filtfilt", ([1.0, 2.0], 1, [1.0, 2.0]), {"padlen": 0.5}),
        ("filtfilt", ([1.0, 2.0], 1, [1.0, 2.0]), {"axis": 1}),
        ("filtfilt", ([1.0, 2.0], 1, [1.0, 2.0]), {"padtype": ["odd"]}),
        ("resample_poly", ([1.0], 1.5, 1), {}),
        ("resample_poly", ([1.0], "2", 1), {}),
        ("resample_poly", ([1.0], 0, 1), {}),
        ("resample_poly", ([1.0], 2, 1), {"cval": 1, "padtype": "line"}),
        ("resample_poly", ([1.0], 2, 1), {"padtype": "some"}),
        ("resample_poly", ([1.0], 2, 1), {"window": [[1.0]]}),
        ("resample_poly", ([1.0], 2, 1), {"window": [True]}),
        ("resample_poly", ([1.0], 2, 1), {"window": "some"}),
        ("resample_poly", ([1.0], 2, 1), {"window": None}),
        ("resample_poly", ([1.0], 2, 1), {"axis": 1}),
        ("decimate", ([1.0, 2.0], 2.0), {"ftype": "fir"}),
        ("decimate", ([1.0, 2.0], 2), {"ftype": "fir", "n": 1.5}),
        ("decimate", ([1.0, 2.0], 2), {"ftype": "fir", "axis": 1}),
        ("decimate", ([1.0, 2.0], 2), {"ftype": None}),
        ("savgol_coeffs", (3, 3), {}),
        ("savgol_coeffs", (5, 2.0), {}),
        ("savgol_coeffs", (5, 2), {"deriv": 0.5}),
        ("savgol_coeffs", (5, 2), {"deriv": 1, "delta": 0}),
        ("savgol_filter", ([1.0, 2.0], 3, 1), {}),
        ("savgol_filter", ([1.0, 2.0], 1, -1), {}),
        ("savgol_filter", ([1.0, 2.0], 1, 0), {"axis": 1}),
        ("savgol_filter", ([1.0, 2.0], 1, 0), {"axis": 1, "mode": "nearest"}),
    ],
)
def test_errors(name, arguments, keywords):
    theirs = outcome(getattr(scipy.signal, name), arguments, keywords)
    assert isinstance(theirs, Exception)
    with pytest.raises(type(theirs)):
        getattr(signal, name)(*arguments, **keywords)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "complex64"])
@pytest.mark.parametrize("axis", [0, 1])
def test_large_arrays_of_any_layout(rng, name, dtype, axis):
    """By several threads, and the same bits by one."""
    x = values(rng, (60, 4000), dtype)[::2, ::-2]
    call = [np.moveaxis(x, 1, axis), axis], {}
    ours, theirs = (outcome(partial(CALLS[name], module), *call) for module in (signal, scipy.signal))
    with ndconv.set_workers(1):
        check_bits(outcome(partial(CALLS[name], signal), *call), ours)
    check_close(ours, theirs, 100, 1000)


@pytest.mark.slow
def test_masked_arrays_are_refused_as_scipy_is_told_to():
    code = """
        import numpy as np, pytest
        from ndconv import signal
        masked = np.ma.ones(30)
        for call in (lambda x: signal.lfilter([1.0], 1.0, x), lambda x: signal.savgol_filter(x, 3, 1)):
            with pytest.raises(TypeError, match="Masked"):
                call(masked)
    """
    isolated.run(code, SCIPY_ARRAY_API="1")


@pytest.mark.slow
def test_arrays_of_other_libraries(torch):
    """Told to accept them, SciPy does their calls."""
    code = """
        import torch
        from ndconv import signal
        for call in (lambda x: signal.resample_poly(x, 2, 3), lambda x: signal.savgol_filter(x, 3, 1)):
            assert isinstance(call(torch.ones(30)), torch.Tensor)
        assert isinstance(signal.resample_poly(torch.ones(30), 2, 3, window=torch.ones(5)), torch.Tensor)
        assert isinstance(signal.savgol_coeffs(5, 2, xp=torch), torch.Tensor)
    """
    isolated.run(code, SCIPY_ARRAY_API="1")
