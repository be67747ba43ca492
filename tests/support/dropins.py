"""Calls of SciPy's functions and of the drop-ins for them, side by side."""

import warnings

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

PLAIN_DTYPES = list("?bBhHiIlLfd")
DTYPES = [*PLAIN_DTYPES, "F", "D"]


def arrays(dtype, shape):
    """Return a strategy for arrays of values that are neither tiny nor huge, in C or Fortran order."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        elements = st.booleans()
    elif dtype.kind in "iu":
        elements = st.integers(-9 if dtype.kind == "i" else 0, 9)
    else:
        real = st.integers(-64, 64).map(lambda n: n / 7)
        elements = real if dtype.kind == "f" else st.builds(complex, real, real)
    built = npst.arrays(dtype, shape, elements=elements.map(dtype.type))
    return st.tuples(built, st.booleans()).map(lambda pair: np.asfortranarray(pair[0]) if pair[1] else pair[0])


@st.composite
def spoilt(draw, strategy):
    """Return a strategy for the same arrays of floats or complex numbers, a few of which are not finite."""
    array = draw(strategy)
    if array.dtype.kind not in "fc" or not array.size:
        return array
    array = array.copy(order="K")
    for place in draw(st.lists(st.integers(0, array.size - 1), max_size=3)):
        bad = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
        array.flat[place] = bad if array.dtype.kind == "f" else draw(st.sampled_from([bad, complex(0, bad)]))
    return array


def outcome(function, arguments, keywords):
    """Return what a call returns, or the exception that it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(*arguments, **keywords)
        except Exception as error:
            return error


def check_same(ours, theirs, eps=None):
    """Check that two outcomes are alike: the same error, the same integers, or floats equal to rounding."""
    if isinstance(theirs, Exception) or isinstance(ours, Exception):
        assert isinstance(ours, type(theirs)), (ours, theirs)
        return
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    if theirs.dtype.kind in "iu":
        np.testing.assert_array_equal(ours, theirs)
    elif theirs.dtype.kind == "b":
        # SciPy leaves other bytes than 0 and 1 in an array of bools.
        np.testing.assert_array_equal(ours, theirs.view(np.uint8) != 0)
    elif theirs.dtype.kind == "c" and not np.isfinite(theirs).all():
        # Which part is lost depends on how complex numbers are multiplied.
        finite = np.isfinite(theirs)
        np.testing.assert_array_equal(np.isfinite(ours), finite)
        check_same(ours[finite], theirs[finite], eps)
    elif theirs.size:
        finite = np.abs(theirs[np.isfinite(theirs)])
        bound = 200 * (np.finfo(theirs.dtype).eps if eps is None else eps) * max(finite.max(initial=0), 10)
        np.testing.assert_allclose(ours, theirs, rtol=bound, atol=bound)


def check_bits(ours, theirs):
    """Check that two outcomes are the same error, or have the same bits, but for those of a NaN."""
    if isinstance(theirs, Exception) or isinstance(ours, Exception):
        assert isinstance(ours, type(theirs)), (ours, theirs)
        return
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.dtype == theirs.dtype
    if theirs.dtype.kind == "b":
        theirs = theirs.view(np.uint8) != 0  # SciPy leaves other bytes than 0 and 1 in an array of bools
    np.testing.assert_array_equal(ours, theirs)
    if theirs.dtype.kind in "fc":
        for one, other in ((ours.real, theirs.real), (ours.imag, theirs.imag)):
            np.testing.assert_array_equal(np.signbit(one[~np.isnan(one)]), np.signbit(other[~np.isnan(other)]))
