"""The bits that `ndconv.signal` shares with scipy.signal: sums of planes and of polyphase filters, and all integers."""

import numpy as np
import pytest
import scipy
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ndconv import signal
from ndconv.signal import _upfirdn
from support.dropins import arrays, check_bits, check_same, outcome, spoilt
from support.strategies import examples

INTEGERS = "bBhHiIlLqQ"
DTYPES = INTEGERS + "fdFD"
MODES = ["full", "same", "valid"]
EXTENSIONS = [*_upfirdn._MODES, *_upfirdn._EXTRAPOLATING]

# Before, SciPy added the taps of planes one by one, not by fours.
ADDS_PLANES_BY_FOURS = np.lib.NumpyVersion(scipy.__version__) >= "1.16.0"


def check_call(name, *arguments, **keywords):
    """Check that a call of both has the same bits."""
    ours, theirs = (outcome(getattr(module, name), arguments, keywords) for module in (signal, scipy.signal))
    if name.endswith("2d") and not ADDS_PLANES_BY_FOURS:
        check_same(ours, theirs)
    else:
        check_bits(ours, theirs)


@st.composite
def operands(draw, first, second):
    """Return two arrays of these shapes, often of the same dtype, now and then not finite."""
    dtype = draw(st.sampled_from(DTYPES))
    other = draw(st.just(dtype) | st.sampled_from(DTYPES))
    return draw(spoilt(arrays(dtype, first))), draw(spoilt(arrays(other, second)))


def integers(rng, shape, dtype):
    """Return integers of all sizes, whose sums wrap around."""
    return rng.integers(0, 2**64, shape, np.uint64).astype(dtype)


def floats(rng, shape, dtype):
    """Return floats or complex numbers."""
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype in "FD" else x).astype(dtype)


@pytest.mark.parametrize("name", ["correlate2d", "convolve2d"])
@examples(300)
@given(
    data=st.data(),
    mode=st.sampled_from(MODES),
    boundary=st.sampled_from(["fill", "wrap", "symm"]),
    fillvalue=st.sampled_from([0, 1, 2.5, -1, 1j, np.nan, np.inf]),
)
def test_planes(name, data, mode, boundary, fillvalue):
    sides = st.integers(1, 11)
    x, kernel = data.draw(operands(data.draw(st.tuples(sides, sides)), data.draw(st.tuples(sides, sides))))
    check_call(name, x, kernel, mode, boundary, fillvalue)


@pytest.mark.parametrize("name", ["correlate2d", "convolve2d"])
@pytest.mark.parametrize("boundary", ["fill", "wrap", "symm"])
@pytest.mark.parametrize("dtype", "fdFD")
def test_large_planes(rng, name, boundary, dtype):
    """Several blocks of columns and parts of rows."""
    for shape, kernel in (((90, 700), (3, 4)), ((40, 130), (15, 15)), ((7, 3000), (2, 41)), ((30, 20), (33, 27))):
        check_call(name, floats(rng, shape, dtype), floats(rng, kernel, dtype), "same", boundary)


@pytest.mark.parametrize("name", ["correlate2d", "convolve2d"])
def test_planes_whose_products_overflow(name):
    """A complex product whose parts are both lost is one of SciPy's compiler."""
    x, kernel = np.full((5, 6), 1e200 + 1e200j), np.full((2, 3), 1e200 + 1e200j)
    check_call(name, x, kernel)
    check_call(name, x.real, kernel)
    check_call(name, x.real, kernel.real)


@examples(300)
@given(
    data=st.data(),
    up=st.integers(1, 12),
    down=st.integers(1, 12),
    mode=st.sampled_from(EXTENSIONS),
    cval=st.sampled_from([0, 1.5, np.nan, np.inf]),
    always=st.booleans(),
)
def test_polyphase_filters(data, up, down, mode, cval, always):
    """By ndconv, too, where SciPy would be as quick."""
    shape = data.draw(npst.array_shapes(max_dims=3, min_side=2, max_side=20))  # SciPy divides by zero for one sample
    x, h = data.draw(operands(shape, data.draw(st.integers(1, 40))))
    with pytest.MonkeyPatch.context() as patch:
        if always:
            patch.setattr(_upfirdn, "WEIGHT_PRODUCTS", 0)
        check_call("upfirdn", h, x, up, down, data.draw(st.integers(-len(shape), len(shape) - 1)), mode, cval)


@pytest.mark.parametrize("dtype", "fdFD")
@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 4), (2, 3), (3, 2), (160, 147), (7, 50)])
def test_large_polyphase_filters(rng, dtype, up, down):
    """Several blocks of a line and of columns, lines side by side, and complex filters."""
    for shape, axis in (((2, 5001), 1), ((900, 70), 0), ((40, 23), 1), ((3, 301, 2), 1)):
        x = floats(rng, shape, dtype)
        for taps in (17, 701):
            check_call("upfirdn", floats(rng, taps, dtype), x, up, down, axis)
        check_call("upfirdn", floats(rng, 61, "d"), x, up, down, axis, "antireflect")
        check_call("upfirdn", floats(rng, 61, "F"), x, up, down, axis, "constant", 2)


@pytest.mark.parametrize("mode", EXTENSIONS)
@pytest.mark.parametrize("dtype", "fdFD")
def test_extensions_many_times_as_long_as_the_signal(rng, mode, dtype):
    for size in (2, 3, 7):
        check_call("upfirdn", floats(rng, 90, "f"), floats(rng, (40, size), dtype), 2, 1, -1, mode)


@pytest.mark.parametrize("dtype", "fdFD")
@pytest.mark.parametrize("padtype", ["constant", "line", "mean", "median", "minimum", "reflect"])
def test_resampling(rng, dtype, padtype):
    if dtype in "FD" and padtype in ("median", "minimum"):
        pytest.skip("complex numbers have no order")
    x = floats(rng, (3, 2000), dtype)
    check_call("resample_poly", x, 2, 3, 1, padtype=padtype)
    check_call("resample_poly", x, 160, 147, 1, padtype=padtype)
    check_call("resample_poly", x.T, 3, 2, 0, padtype=padtype)
    check_call("decimate", x, 3, ftype="fir", axis=1)
    check_call("decimate", x, 3, ftype="fir", axis=1, zero_phase=False)


@pytest.mark.parametrize("first", INTEGERS)
@pytest.mark.parametrize("second", INTEGERS)
def test_integers_wrap_around(rng, first, second):
    """At every length, by every function that takes them; int64 and uint64 make floats."""
    are_exact = np.result_type(first, second).kind in "iu"
    for name in ("correlate", "convolve"):
        for shape, kernel in are_exact * (((50,), (7,)), ((700,), (300,)), ((9, 12), (3, 4)), ((4, 5, 6), (2, 3, 2))):
            x, weights = integers(rng, shape, first), integers(rng, kernel, second)
            for mode in MODES:
                check_call(name, x, weights, mode, "direct")
                for method in ("auto", "fft"):
                    expected = getattr(scipy.signal, name)(x, weights, mode, "direct")
                    np.testing.assert_array_equal(getattr(signal, name)(x, weights, mode, method), expected)
        for mode in MODES:
            for boundary in ("fill", "wrap", "symm"):
                x, weights = integers(rng, (12, 15), first), integers(rng, (4, 3), second)
                check_call(name + "2d", x, weights, mode, boundary, 3)
    check_call("upfirdn", integers(rng, 20, second), integers(rng, (3, 200), first), 3, 2)


def test_long_integers_wrap_around(rng):
    """Where numbers are split into parts, and transformed."""
    for dtype in INTEGERS:
        x, kernel = integers(rng, 30_000, dtype), integers(rng, 2500, dtype)
        for name in ("correlate", "convolve"):
            expected = getattr(scipy.signal, name)(x, kernel, method="direct")
            np.testing.assert_array_equal(getattr(signal, name)(x, kernel), expected)
