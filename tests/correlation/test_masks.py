"""`mask` and `kernel_mask` of `correlate_nd(normalized=True)`, and NaN that is omitted with them."""

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st

import ndconv
from support import oracle
from support.layouts import FLOATS, INTEGERS, Place, values
from support.strategies import correlation_calls


def check(x, kernel, *arguments, dtype="float64", nan_policy="propagate", **keywords):
    y = ndconv.correlate_nd(x, kernel, *arguments, normalized=True, nan_policy=nan_policy, **keywords)
    assert y.dtype == dtype
    told = {name: value for name, value in keywords.items() if name not in ("method", "out")}
    if nan_policy == "omit":
        there = told.get("mask", True) & ~np.isnan(x)
        told |= {"mask": there, "fill_counts": not np.isnan(told.get("fill_value", 0))}
    expected = oracle.masked(x, kernel, *arguments, **told)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=0, atol=oracle.TOLERANCE_OF_COEFFICIENTS[str(y.dtype)])
    return y


def with_rubbish(rng, x, mask):
    """Return a copy with anything where samples do not count."""
    x = np.array(x, x.dtype.newbyteorder("="))
    if x.dtype.kind == "f":
        x[~mask] = rng.choice([np.nan, np.inf, -np.inf, 7], np.count_nonzero(~mask))
    return x


def test_the_oracle_is_corrcoef(rng):
    x, kernel = rng.standard_normal((9, 8)), rng.standard_normal((3, 4))
    mask, kernel_mask = rng.random((9, 8)) < 0.8, rng.random((3, 4)) < 0.8
    expected = oracle.masked(x, kernel, "valid", mask=mask, kernel_mask=kernel_mask)
    for i, j in np.ndindex(expected.shape):
        there = mask[i : i + 3, j : j + 4] & kernel_mask
        exact = np.corrcoef(x[i : i + 3, j : j + 4][there], kernel[there])[0, 1]
        assert expected[i, j] == pytest.approx(exact, abs=1e-14)
    np.testing.assert_allclose(oracle.masked(x, kernel), oracle.normalized(x, kernel), rtol=0, atol=1e-15)


@given(call=correlation_calls(), parts=st.tuples(*[st.sampled_from((0.1, 0.7, 0.95, 1.0))] * 2), omit=st.booleans())
def test_random_calls(call, parts, omit):
    """Every geometry, type and layout."""
    x, kernel = (a.real if a.dtype.kind == "c" else a for a in call.arrays)
    rng = np.random.default_rng(x.size)
    mask, kernel_mask = (rng.random(a.shape) < part for a, part in zip((x, kernel), parts, strict=True))
    x, kernel = with_rubbish(rng, x, mask), with_rubbish(rng, kernel, kernel_mask)
    keywords = call.keywords | {"mask": mask, "kernel_mask": kernel_mask}
    if omit and x.dtype.kind == "f":
        x[rng.random(x.shape) < 0.1] = np.nan
        keywords["nan_policy"] = "omit"
    axes = tuple(np.atleast_1d(call.keywords.get("axes", range(-kernel.ndim, 0))))
    counted = np.where(kernel_mask, kernel, np.nan).astype(np.longdouble)
    with np.errstate(all="ignore"):
        varies = np.nanmax(counted, axis=axes, initial=-np.inf) > np.nanmin(counted, axis=axes, initial=np.inf)
    if not varies.all():
        with pytest.raises(ValueError, match=r"\bkernel\b"):
            ndconv.correlate_nd(x, kernel, normalized=True, **keywords)
        return
    dtype = oracle.result_dtype(x, kernel)
    dtype = dtype if dtype.kind == "f" else np.dtype("float64")
    y = check(x, kernel, dtype=dtype, **keywords)
    if call.out is not None:
        place = Place(y.shape, dtype, call.out)
        assert ndconv.correlate_nd(x, kernel, normalized=True, out=place.out, **keywords) is place.out
        np.testing.assert_array_equal(place.out, y)
        assert place.untouched_outside()


@pytest.mark.parametrize("padding_mode", oracle.MODES)
@pytest.mark.parametrize("method", ["auto", "direct", "fft"])
@pytest.mark.parametrize("which", ["mask", "kernel_mask", "both"])
def test_methods(rng, padding_mode, method, which):
    x, kernel = values(rng, (60, 70), "float32"), values(rng, (11, 13), "float32")
    masks = {"mask": rng.random(x.shape) < 0.7, "kernel_mask": rng.random(kernel.shape) < 0.7}
    masks = masks if which == "both" else {which: masks[which]}
    check(x, kernel, "same", padding_mode=padding_mode, method=method, dtype="float32", **masks)


@pytest.mark.parametrize("method", ["auto", "direct", "fft"])
@pytest.mark.parametrize("which", ["mask", "kernel_mask", "both"])
def test_large_kernels(rng, method, which):
    """Whose sums come from spectra."""
    x, kernel = 100 + rng.standard_normal((90, 80)), 5 + rng.standard_normal((40, 45))
    masks = {"mask": rng.random(x.shape) < 0.7, "kernel_mask": rng.random(kernel.shape) < 0.7}
    masks["mask"][:40, :50] = False
    masks = masks if which == "both" else {which: masks[which]}
    check(x, kernel, "valid", method=method, **masks)
    check(x, kernel, "full", stride=3, fill_value=np.nan, nan_policy="omit", method=method, **masks)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_few_samples_of_a_large_kernel(rng, dtype):
    """Where almost nothing counts, and that beside much that does."""
    x, kernel = rng.standard_normal(4000).astype(dtype), rng.standard_normal(1500).astype(dtype)
    mask = np.arange(4000) < 1000
    mask[2000::701] = True
    x[2000:] *= 1e-3
    kernel[700:800] *= 1e4
    check(x, kernel, "valid", mask=mask, dtype=dtype)


@pytest.mark.parametrize(("dtype", "level"), [("float32", 1e6), ("float64", 1e8), ("int32", 10**9), ("uint8", 200)])
def test_far_from_zero(rng, dtype, level):
    x = (level + 20 * rng.standard_normal((30, 40))).astype(dtype)
    kernel = (level + 20 * rng.standard_normal((5, 6))).astype(dtype)
    mask, kernel_mask = rng.random(x.shape) < 0.7, rng.random(kernel.shape) < 0.7
    wide = dtype if dtype in FLOATS else "float64"
    for padding_mode in ("reflect", "zeros"):
        check(x, kernel, "same", padding_mode=padding_mode, dtype=wide, mask=mask, kernel_mask=kernel_mask)


def test_levels_that_no_single_mean_removes(rng):
    levels = np.repeat([0.0, 1e5, -1e7, 3e3, 3e3, 7e4], 50)
    x = levels + np.where(levels < 0, 100, 1) * rng.standard_normal(levels.size)
    kernel = rng.standard_normal(9)
    kernel[:4] += 1e6
    mask, kernel_mask = rng.random(x.shape) < 0.6, np.arange(9) != 5
    check(x, kernel, mask=mask, kernel_mask=kernel_mask)
    check(x, kernel, mask=mask)
    check(x, kernel, kernel_mask=kernel_mask)


@pytest.mark.slow
@pytest.mark.parametrize("keywords", [{}, {"stride": (2, 3)}, {"dilation": (2, 1)}])
def test_a_step_between_two_quiet_levels(rng, keywords):
    x = np.full((120, 90), -1e5)
    x[40:70, 20:75] = 4e4
    x[80:, 60:] = 1.5  # exactly constant
    noise = rng.standard_normal(x.shape)
    noise[80:, 60:] = 0
    mask = rng.random(x.shape) < 0.8
    kernels = rng.standard_normal((2, 7, 5))
    kernel_masks = rng.random((2, 7, 5)) < 0.8
    y = check(x + noise, kernels[0], "same", padding_mode="reflect", mask=mask, kernel_mask=kernel_masks[0], **keywords)
    assert (y == 0).any()
    both = np.stack([x + noise, noise - 3 * x])
    masks = {"mask": np.stack([mask, ~mask]), "kernel_mask": kernel_masks}
    check(both, kernels, "valid", axes=(1, 2), **masks, **keywords)
    check(both[:1], kernels, "valid", axes=(1, 2), **{**masks, "mask": masks["mask"][:1]}, **keywords)
    check(both[0].T, kernels[0].T, "valid", axes=(1, 0), mask=mask.T, kernel_mask=kernel_masks[0].T, **keywords)


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, "bool"])
def test_masks_of_all_samples_change_nothing(rng, dtype):
    x, kernel = values(rng, (12, 15), dtype), values(rng, (3, 4), dtype)
    y = ndconv.correlate_nd(x, kernel, "same", normalized=True)
    masks = {"mask": np.ones(x.shape, bool), "kernel_mask": np.ones(kernel.shape, bool)}
    np.testing.assert_array_equal(ndconv.correlate_nd(x, kernel, "same", normalized=True, **masks), y)


def test_a_kernel_mask_is_a_smaller_kernel(rng):
    x, kernel = rng.standard_normal((20, 30)), rng.standard_normal((5, 7))
    kernel_mask = np.zeros(kernel.shape, bool)
    kernel_mask[1:4, 2:6] = True
    y = ndconv.correlate_nd(x, kernel, "valid", normalized=True, kernel_mask=kernel_mask)
    inner = ndconv.correlate_nd(x, kernel[1:4, 2:6], "valid", normalized=True)
    np.testing.assert_allclose(y, inner[1:17, 2:26], rtol=0, atol=1e-12)


def test_a_round_template_is_found(rng):
    scene = rng.random((60, 80))
    rows, columns = np.mgrid[-7:8, -7:8]
    disc = rows**2 + columns**2 <= 49
    template = np.where(disc, 3 * scene[20:35, 30:45] - 1, 1e6)
    y = check(scene, template, "valid", kernel_mask=disc)
    assert np.unravel_index(y.argmax(), y.shape) == (20, 30)
    assert y[20, 30] == pytest.approx(1, abs=1e-12)


def test_nothing_varies():
    """As without masks, there the coefficient is 0; and where fewer than two samples count."""
    x = np.array([1.0, 1, 5, 1, 1, 3, 2, 2])
    mask = np.array([True, True, False, True, True, False, False, False])
    y = ndconv.correlate_nd(x, [1.0, 2, 4], "valid", normalized=True, mask=mask)
    np.testing.assert_array_equal(y, np.zeros(6))
    y = ndconv.correlate_nd([1.0, 2, 3, 4], [5.0, 5, 7], "valid", normalized=True, mask=[True, True, False, True])
    np.testing.assert_allclose(y, [0, 1])  # the kernel is constant where the first two count
    nothing = ndconv.correlate_nd([1.0, 2, 3], [1.0, 2], normalized=True, mask=np.zeros(3, bool), mode="valid")
    np.testing.assert_array_equal(nothing, [0, 0])


def test_constant_windows_are_exactly_zero(rng):
    x = np.repeat(rng.standard_normal(40) * 1e3, 25)
    mask = rng.random(x.size) < 0.7
    y = ndconv.correlate_nd(x, rng.standard_normal(7), "valid", normalized=True, mask=mask)
    large, small = np.where(mask, x, -np.inf), np.where(mask, x, np.inf)
    constant = scipy.ndimage.maximum_filter1d(large, 7)[3:-3] <= scipy.ndimage.minimum_filter1d(small, 7)[3:-3]
    assert constant.sum() > 700
    np.testing.assert_array_equal(y == 0, constant)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", ["direct", "fft", "auto"])
def test_nan_reaches_the_windows_in_which_it_counts(rng, special, method):
    x, kernel = rng.standard_normal((50, 60)) + 100, rng.standard_normal((8, 9))
    masks = {"mask": rng.random(x.shape) < 0.8, "kernel_mask": rng.random(kernel.shape) < 0.6}
    masks["mask"][20, 30] = True
    clean = ndconv.correlate_nd(x, kernel, "valid", normalized=True, method=method, **masks)
    x[20, 30] = special
    y = check(x, kernel, "valid", method=method, **masks)
    touched = np.zeros(y.shape, bool)
    touched[13:21, 22:31] = masks["kernel_mask"][::-1, ::-1]
    np.testing.assert_array_equal(np.isnan(y), touched)
    np.testing.assert_allclose(y[~touched], clean[~touched], rtol=0, atol=1e-9)


def test_a_nan_in_the_kernel(rng):
    x, kernel = rng.standard_normal(30), rng.standard_normal(5)
    kernel[2] = np.nan
    there = ~np.isnan(kernel)
    check(x, kernel, "valid", kernel_mask=there)
    check(x, kernel, "valid", kernel_mask=there, nan_policy="raise")
    assert np.isnan(ndconv.correlate_nd(x, kernel, "valid", normalized=True, mask=np.arange(30) != 9)).all()
    with pytest.raises(ValueError, match="nan values: kernel"):
        ndconv.correlate_nd(x, kernel, normalized=True, nan_policy="raise", mask=np.arange(30) != 9)


def test_omitted_samples(rng):
    x, kernel = rng.standard_normal((20, 30)), rng.standard_normal((4, 5))
    x[rng.random(x.shape) < 0.1] = np.nan
    there = ~np.isnan(x)
    every = np.ones(x.shape, bool)
    y = check(x, kernel, "same", nan_policy="omit", padding_mode="reflect", mask=every)
    by_mask = ndconv.correlate_nd(x, kernel, "same", normalized=True, padding_mode="reflect", mask=there)
    np.testing.assert_array_equal(y, by_mask)
    masked = np.ma.masked_array(np.where(there, x, 1e9), ~there)
    keywords = {"normalized": True, "nan_policy": "omit", "mask": every}
    omitted = ndconv.correlate_nd(masked, kernel, "same", padding_mode="reflect", **keywords)
    np.testing.assert_array_equal(omitted, y)
    clean = rng.standard_normal((20, 30))
    np.testing.assert_array_equal(
        ndconv.correlate_nd(clean, kernel, **keywords),
        ndconv.correlate_nd(clean, kernel, normalized=True),
    )


def test_what_stands_outside(rng):
    """Counts as `padding_mode` has it; a fill value that is NaN does not, under "omit"."""
    x, kernel = rng.standard_normal(12), rng.standard_normal(5)
    mask = np.arange(12) != 4
    check(x, kernel, mask=mask, fill_value=3)
    y = check(x, kernel, mask=mask, fill_value=np.nan, nan_policy="omit")
    padded = np.pad(x, 4, constant_values=99)
    inside = np.pad(mask, 4)
    np.testing.assert_allclose(
        ndconv.correlate_nd(padded, kernel, "valid", normalized=True, mask=inside), y, rtol=0, atol=1e-12
    )
    propagated = check(x, kernel, mask=mask, fill_value=np.nan)
    np.testing.assert_array_equal(np.isnan(propagated), [*[True] * 4, *[False] * 8, *[True] * 4])


@pytest.mark.parametrize("dtype", ["float64", "int64"])
def test_masked_arrays(rng, dtype):
    """What is masked and counts makes NaN; what is masked and does not count is nothing."""
    level = 2**60 if dtype == "int64" else 0
    data, kernel = (level + rng.integers(0, 300, n).astype(dtype) for n in (60, 5))
    x = np.ma.masked_array(data, rng.random(60) < 0.1)
    mask = (rng.random(60) < 0.8) | x.mask
    y = ndconv.correlate_nd(x, kernel, "valid", normalized=True, mask=mask)
    expected = oracle.masked(data, kernel, "valid", mask=mask)
    expected[np.convolve(x.mask, np.ones(5), "valid") > 0] = np.nan
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-9)
    y = ndconv.correlate_nd(x, kernel, "valid", normalized=True, mask=mask & ~x.mask, nan_policy="raise")
    np.testing.assert_allclose(y, oracle.masked(data, kernel, "valid", mask=mask & ~x.mask), rtol=0, atol=1e-9)


@pytest.mark.parametrize("level", [2**53, 2**60, 2**63 - 300, -(2**63), 2**63 + 5, 2**64 - 300])
@pytest.mark.parametrize("keywords", [{}, {"stride": 2}, {"padding_mode": "reflect", "mode": "same"}])
def test_integers_that_no_double_holds(rng, level, keywords):
    dtype = np.int64 if level < 2**63 else np.uint64
    x = np.array([level + int(n) for n in rng.integers(0, 300, 90)], dtype)
    kernel = np.array([level + int(n) for n in rng.integers(0, 300, 7)], dtype)
    mask, kernel_mask = rng.random(90) < 0.8, np.arange(7) != 3
    x[~mask], kernel[3] = 17, 4
    check(x, kernel, **{"mode": "valid", **keywords}, mask=mask, kernel_mask=kernel_mask)
    check(x, kernel - kernel[0], **{"mode": "valid", **keywords}, mask=mask, kernel_mask=kernel_mask)


@pytest.mark.parametrize("largest", [1.7e308, 1e-300, 5e-324])
def test_the_largest_and_the_smallest_numbers(rng, largest):
    x, kernel = (largest * rng.integers(-1, 2, n) for n in (60, 6))
    kernel[:2] = -largest, largest
    check(x, kernel, mask=rng.random(60) < 0.8, kernel_mask=np.arange(6) != 4)


def test_agrees_with_scikit_image(rng):
    """Which knows nothing of what lies outside, and slides the kernel, its second image, the other way."""
    registration = pytest.importorskip("skimage.registration._masked_phase_cross_correlation")
    x, kernel = rng.random((24, 31)), rng.random((9, 12))
    mask, kernel_mask = rng.random(x.shape) < 0.8, rng.random(kernel.shape) < 0.8
    theirs = registration.cross_correlate_masked(
        x, kernel, mask, kernel_mask, mode="full", axes=(0, 1), overlap_ratio=0
    )
    keywords = {"fill_value": np.nan, "nan_policy": "omit", "mask": mask, "kernel_mask": kernel_mask}
    ours = ndconv.correlate_nd(x, kernel, normalized=True, **keywords)
    count = ndconv.correlate_nd(mask.astype(float), kernel_mask.astype(float))
    np.testing.assert_allclose(ours[count > 2.5], theirs[count > 2.5], rtol=0, atol=1e-7)


@pytest.mark.slow
def test_workers(rng, subtests):
    x = rng.standard_normal((400, 500)).astype("float32")
    x[:100, :100] = 3
    x[100:200, :100] += 1e6
    mask = rng.random(x.shape) < 0.9
    for taps in ((5, 5), (41, 40)):
        with subtests.test(taps=taps):
            kernel = rng.standard_normal(taps).astype("float32")
            keywords = {"mode": "same", "normalized": True, "mask": mask, "kernel_mask": rng.random(taps) < 0.9}
            one, two = (ndconv.correlate_nd(x, kernel, workers=n, **keywords) for n in (1, 2))
            np.testing.assert_array_equal(one, two)


def test_out_may_be_x(rng):
    x, kernel, mask = rng.standard_normal((30, 40)), rng.standard_normal((4, 3)), rng.random((30, 40)) < 0.8
    expected = ndconv.correlate_nd(x, kernel, "same", normalized=True, mask=mask)
    assert ndconv.correlate_nd(x, kernel, "same", normalized=True, mask=mask, out=x) is x
    np.testing.assert_array_equal(x, expected)


def test_empty():
    mask = np.ones((0, 9), bool)
    assert ndconv.correlate_nd(np.ones((0, 9)), [1, 2], normalized=True, mask=mask).shape == (0, 10)
    assert ndconv.correlate_nd(
        np.ones((0, 9)), [1, 2, 3], normalized=True, kernel_mask=np.array([True, False, True])
    ).shape == (0, 11)


ERRORS = [
    ({"normalized": False}, ValueError, r"^mask must be None for normalized=False, got an array of shape \(9, 8\)"),
    ({"normalized": False, "mask": None}, ValueError, r"^kernel_mask must be None.*, got .*\(3, 2\)"),
    ({"mask": np.ones((9, 7), bool)}, ValueError, r"\bmask must have x's shape \(9, 8\), got \(9, 7\)"),
    ({"mask": np.ones(8, bool)}, ValueError, r"\bmask must have x's shape"),
    ({"mask": np.ones((9, 8))}, TypeError, r"\bmask must be of bools.*float64"),
    ({"mask": np.ones((9, 8), "uint8")}, TypeError, r"\bmask must be of bools.*uint8"),
    ({"mask": "all"}, TypeError, r"\bmask must be an array"),
    ({"mask": np.ma.masked_array(np.ones((9, 8), bool), True)}, TypeError, r"\bmask must not be a masked array"),
    (
        {"kernel_mask": np.ones((9, 8), bool)},
        ValueError,
        r"kernel_mask must have kernel's shape \(3, 2\)",
    ),
    ({"kernel_mask": np.ones((3, 2))}, TypeError, "kernel_mask must be of bools.*float64"),
    ({"kernel_mask": np.zeros((3, 2), bool)}, ValueError, "kernel must vary"),
    ({"kernel_mask": np.eye(3, 2, dtype=bool)}, ValueError, "kernel must vary"),
    ({"x": np.full((9, 8), np.nan), "nan_policy": "raise"}, ValueError, "x must have none"),
    ({"x": np.ones((9, 8), complex)}, TypeError, "normalized"),
    ({"method": "fastest"}, ValueError, "method"),
    (
        {"sample_weights": np.ones((9, 8))},
        ValueError,
        r"sample_weights must be None for normalized=True, got an array of shape \(9, 8\)",
    ),
]


@pytest.mark.parametrize(("change", "error", "match"), ERRORS)
def test_errors(change, error, match):
    masks = {"mask": np.arange(72).reshape(9, 8) > 20, "kernel_mask": np.arange(6).reshape(3, 2) > 0}
    arguments = {"x": np.eye(9, 8), "kernel": np.eye(3, 2), "normalized": True, **masks, **change}
    out = np.full((11, 9), 99.0)
    for extra in ({}, {"out": out}):
        with pytest.raises(error, match=match):
            ndconv.correlate_nd(**arguments, **extra)
    assert (out == 99).all()
