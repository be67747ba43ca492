"""`ndconv.ndimage` has the bits of scipy.ndimage: drawn calls of every drop-in, and what draws seldom hit."""

import inspect
from functools import partial

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ndconv import ndimage
from support.dropins import DTYPES, arrays, check_bits, outcome, spoilt
from support.filters import MODES, derivative, keywords_of
from support.pairs import paired
from support.strategies import examples


@examples(40)
@pytest.mark.parametrize("name", ndimage.__all__)
@given(data=st.data())
def test_drawn_calls(name, data):
    shape = data.draw(npst.array_shapes(max_dims=3, max_side=7))
    x = data.draw(arrays(data.draw(st.sampled_from(DTYPES)), shape))
    keywords = data.draw(keywords_of(name, x.ndim))
    output = data.draw(st.none() | st.sampled_from(DTYPES).map(np.dtype))
    given = [output, output]
    if output is not None and data.draw(st.booleans()):
        given = [np.ones(x.shape, output) for _ in range(2)]
    ours, theirs = (
        outcome(getattr(module, name), [x], keywords | {"output": each})
        for module, each in zip((ndimage, scipy.ndimage), given, strict=True)
    )
    check_bits(ours, theirs)
    if isinstance(given[0], np.ndarray) and not isinstance(ours, Exception):
        assert ours is given[0]


@examples(40)
@pytest.mark.parametrize("name", ndimage.__all__)
@given(data=st.data())
def test_drawn_calls_that_are_not_finite(name, data):
    """What is not finite, among samples, weights or outside, reaches the outputs that it reaches in SciPy."""
    shape = data.draw(npst.array_shapes(max_dims=3, max_side=7))
    x = data.draw(spoilt(arrays(data.draw(st.sampled_from("fdD")), shape)))
    keywords = data.draw(keywords_of(name, x.ndim))
    if "weights" in keywords:
        keywords["weights"] = data.draw(spoilt(st.just(keywords["weights"])))
    if x.dtype.kind == "f":
        keywords["cval"] = data.draw(st.sampled_from([keywords["cval"], np.inf, np.nan]))
    ours, theirs = (outcome(getattr(module, name), [x], keywords) for module in (ndimage, scipy.ndimage))
    check_bits(ours, theirs)


@pytest.mark.parametrize("name", ndimage.__all__)
def test_signatures(name):
    def parameters(module):
        told = inspect.signature(getattr(module, name)).parameters.values()
        return [(p.name, p.kind, p.default) for p in told]

    assert parameters(ndimage) == parameters(scipy.ndimage)


ARGUMENTS = {
    "correlate": [np.array([[0, 1.5, 0.3], [0.2, -1, 0.1]])],
    "convolve": [np.array([[0, 1.5, 0.3], [0.2, -1, 0.1]])],
    "correlate1d": [[0.1, 0.7, 0.3, 2]],
    "convolve1d": [[0.1, 0.7, 0.3, 2]],
    "gaussian_filter": [2],
    "gaussian_filter1d": [2],
    "gaussian_laplace": [1.5],
    "gaussian_gradient_magnitude": [1.5],
    "uniform_filter": [5],
    "uniform_filter1d": [7],
    "generic_laplace": [derivative],
    "generic_gradient_magnitude": [partial(derivative, weights=(0.2, 0, -0.2))],  # whose squares are no large integers
}


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("name", ndimage.__all__)
def test_photographs(rng, name, dtype):
    """Of integers each is the same, also where a sum is so near to an integer that its last bit decides."""
    image = np.repeat(rng.integers(0, 256, (30, 5)), 20, axis=1).astype(dtype)
    arguments = ARGUMENTS.get(name, [])
    check_bits(getattr(ndimage, name)(image, *arguments), getattr(scipy.ndimage, name)(image, *arguments))


@pytest.mark.parametrize("name", ["correlate", "convolve"])
@pytest.mark.parametrize("factors", [False, True])
def test_large_windows_of_integers(rng, name, factors):
    """Of so many weights that spectra, or a pass along each axis, would be quicker, sums are exact, too."""
    x = np.full((256, 256), 100, np.uint8)
    weights = np.ones((49, 49), int)
    weights[0, 0] = 2
    if factors:
        x, weights = rng.integers(0, 256, (300, 300), np.uint8), np.multiply.outer(np.arange(3, 30), np.arange(3, 30))
    keywords = {"weights": weights, "output": np.int32}
    check_bits(getattr(ndimage, name)(x, **keywords), getattr(scipy.ndimage, name)(x, **keywords))


@pytest.mark.parametrize("mode", ["reflect", "constant"])
@pytest.mark.parametrize("name", ndimage.__all__)
def test_a_bright_sample_is_not_felt_far_away(rng, name, mode):
    image = rng.random((256, 256)) * 1e-3
    image[3, 3] = 1e14
    arguments = ARGUMENTS.get(name, [])
    if name in ("correlate", "convolve"):
        arguments = [rng.random((49, 49))]
    elif name in ("correlate1d", "convolve1d"):
        arguments = [rng.random(99)]
    ours, theirs = (getattr(m, name)(image, *arguments, mode=mode)[60:, 110:] for m in (ndimage, scipy.ndimage))
    check_bits(ours, theirs)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ndimage.__all__)
def test_what_is_not_finite(rng, name, bad):
    image = rng.standard_normal((12, 15))
    image[4, 6] = bad
    arguments = ARGUMENTS.get(name, [])
    with np.errstate(all="ignore"):
        check_bits(getattr(ndimage, name)(image, *arguments), getattr(scipy.ndimage, name)(image, *arguments))


@pytest.mark.parametrize("shape", [(1100, 1000), (70, 90, 110)])
@pytest.mark.parametrize(
    ("mode", "name", "kind"),
    paired(
        MODES,
        ["gaussian_filter", "gaussian_laplace", "gaussian_gradient_magnitude", "sobel", "uniform_filter"],
        ["float64", "float32", "reversed"],
    ),
)
def test_large_arrays(rng, shape, mode, name, kind):
    """Of many blocks and parts of lines, with passes along all axes."""
    x = rng.standard_normal(shape)
    x = x[::-1] if kind == "reversed" else x.astype(kind)
    arguments = ARGUMENTS.get(name, [])
    check_bits(getattr(ndimage, name)(x, *arguments, mode=mode), getattr(scipy.ndimage, name)(x, *arguments, mode=mode))


@pytest.mark.parametrize("size", [5, 9, 60, 1500])
@pytest.mark.parametrize("mode", ["reflect", "constant", "wrap"])
@pytest.mark.parametrize(("shape", "axis"), [((600_000,), 0), ((1100, 1000), 0), ((1100, 1000), 1), ((9, 300, 301), 1)])
def test_means_of_large_arrays(rng, shape, axis, mode, size):
    """Windows may be larger than the array, and samples not finite."""
    x = rng.standard_normal(shape)
    spoilt = x.copy()
    spoilt.flat[x.size // 2] = np.nan
    for array in (x, x.astype("float32"), spoilt):
        keywords = {"size": size, "axis": axis, "mode": mode, "cval": 2.5, "origin": 1}
        check_bits(ndimage.uniform_filter1d(array, **keywords), scipy.ndimage.uniform_filter1d(array, **keywords))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("shape", [(40, 3000), (5, 30, 2500), (40, 900, 3)])
def test_passes_of_wide_arrays(rng, shape, dtype, mode):
    """Of several blocks of columns, each with what lies beside it; first along either axis; of pixels; by many taps."""
    x = (rng.random(shape) * 200).astype(dtype)
    keywords = {"mode": mode, "cval": 2.5}
    for width in (3.5, 9):
        sigma = [width] * x.ndim if shape[-1] > 3 else [width, width, 0]
        check_bits(ndimage.gaussian_filter(x, sigma, **keywords), scipy.ndimage.gaussian_filter(x, sigma, **keywords))
    for axis in range(x.ndim):
        for array in (x, x[::-1, ..., ::-1]):
            check_bits(ndimage.sobel(array, axis, **keywords), scipy.ndimage.sobel(array, axis, **keywords))


@pytest.mark.parametrize("output", ["same", "int32", "int64", "float32"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
def test_small_integers(rng, subtests, dtype, output):
    """Of the largest magnitudes; windows are as wide as single precision holds their sums, or a little wider."""
    limits = np.iinfo(dtype)
    keywords = {"output": dtype if output == "same" else output, "mode": "constant"}
    for cval in (0, 100, 0.5, 1e6)[: 3 if output == "same" else 4]:
        keywords["cval"] = cval
        for x in (rng.choice([limits.min, limits.max], (20, 600)).astype(dtype), np.full((20, 600), limits.max, dtype)):
            for size in (5, 255, 256, 257, 300):
                with subtests.test(size=size, **keywords):
                    ours, theirs = (m.uniform_filter(x, (3, size), **keywords) for m in (ndimage, scipy.ndimage))
                    check_bits(ours, theirs)
            for name, weights in (("laplace", []), ("sobel", []), ("correlate", [[[1, -2, 3]]])):
                if output != "same":
                    with subtests.test(name=name, **keywords):
                        ours, theirs = (getattr(m, name)(x, *weights, **keywords) for m in (ndimage, scipy.ndimage))
                        check_bits(ours, theirs)


def test_cval_between_passes(rng, subtests):
    """Under "constant" it stands outside what lies between passes, too."""
    x = rng.standard_normal((1100, 1000))
    for name, keywords in (("uniform_filter", {"size": (5, 60)}), ("gaussian_filter", {"sigma": 2}), ("sobel", {})):
        with subtests.test(name=name, keywords=keywords):
            keywords |= {"mode": "constant", "cval": 7}
            check_bits(getattr(ndimage, name)(x, **keywords), getattr(scipy.ndimage, name)(x, **keywords))


@pytest.mark.parametrize("name", ["gaussian_filter", "uniform_filter", "correlate1d", "sobel", "laplace"])
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_in_place(rng, name, dtype):
    x = (rng.random((20, 30)) * 200).astype(dtype)
    expected = getattr(scipy.ndimage, name)(x, *ARGUMENTS.get(name, []))
    assert getattr(ndimage, name)(x, *ARGUMENTS.get(name, []), output=x) is x
    check_bits(x, expected)


@pytest.mark.parametrize(
    ("name", "arguments", "keywords"),
    [
        ("correlate1d", ([1, 2, 3], [1]), {"mode": "edge"}),
        ("correlate1d", ([1, 2, 3], []), {}),
        ("correlate1d", ([1, 2, 3], [[1]]), {}),
        ("correlate1d", ([1, 2, 3], [1, 2]), {"origin": 1}),
        ("correlate1d", ([1, 2, 3], [1, 2]), {"origin": 0.5}),
        ("correlate1d", ([1, 2, 3], [1, 2]), {"axis": 1}),
        ("correlate1d", ([1, 2, 3], [1, 2]), {"cval": 1j}),
        ("correlate", ([1, 2, 3], [1, 2]), {"mode": ["wrap"]}),
        ("correlate", ([1, 2, 3], [1, 2]), {"origin": [0, 0]}),
        ("correlate", ([1, 2, 3], [[1, 2]]), {}),
        ("correlate", ([1, 2, 3], [1, 2]), {"axes": (1,)}),
        ("correlate", ([1, 2, 3], [1, 2]), {"output": np.zeros(2)}),
        ("correlate", ([1, 2, 3], [1, 2]), {"output": "S1"}),
        ("correlate", ([1, 2, 3], [1, 2]), {"output": np.float16}),
        ("correlate", ([1j, 2, 3], [1, 2]), {"output": "f8"}),
        ("correlate", (np.ones(3, np.longdouble), [1, 2]), {}),
        ("uniform_filter1d", (np.ones(3, np.float16), 2), {}),
        ("uniform_filter1d", ([1, 2, 3], 0), {}),
        ("uniform_filter1d", ([1, 2, 3], 2.5), {}),
        ("uniform_filter1d", ([1, 2, 3], 2), {"origin": 1}),
        ("uniform_filter", ([[1, 2, 3]], [2]), {}),
        ("gaussian_filter1d", ([1, 2, 3], 1), {"radius": 1.5}),
        ("gaussian_filter1d", ([1, 2, 3], 1), {"order": -1}),
        ("gaussian_filter1d", ([1, 2, 3], 1), {"order": True}),
        ("gaussian_filter1d", ([1, 2, 3], "1"), {}),
        ("gaussian_filter", ([[1, 2, 3]], 1), {"axes": 2}),
        ("gaussian_laplace", ([1.0, 2, 3], 1), {"cval": 1j}),
        ("gaussian_gradient_magnitude", ([[1, 2, 3]], 1), {"axes": 2}),
        ("laplace", ([1j, 2, 3],), {"cval": "1"}),
        ("correlate", ([1, 2, 3], [1, 2]), {"cval": "1"}),
        ("uniform_filter", ([1, 2, 3], 2), {"cval": "1"}),
        ("gaussian_filter", ([[1, 2, 3]], 1), {"axes": (0, 0)}),
        ("sobel", ([[1, 2, 3]],), {"mode": ["wrap", "wrap", "wrap"]}),
    ],
)
def test_errors(name, arguments, keywords):
    theirs = outcome(getattr(scipy.ndimage, name), arguments, keywords)
    assert isinstance(theirs, Exception)
    with pytest.raises(type(theirs)):
        getattr(ndimage, name)(*arguments, **keywords)


def test_orders_are_integers_of_whatever_kind():
    for order in (np.array(1), np.int8(1)):
        check_bits(*(m.gaussian_filter1d([1.0, 2, 4], 1, order=order) for m in (ndimage, scipy.ndimage)))


@pytest.mark.parametrize("name", ndimage.__all__)
def test_masks_are_ignored(rng, name):
    x = np.ma.masked_greater(rng.random((9, 8)), 0.5)
    arguments = [np.ma.masked_less(each, 0.5) if np.ndim(each) else each for each in ARGUMENTS.get(name, [])]
    outputs = [np.ma.masked_all(x.shape) for _ in range(2)]
    calls = [(ndimage, outputs[0]), (scipy.ndimage, outputs[1])]
    ours, theirs = (getattr(module, name)(x, *arguments, output=output) for module, output in calls)
    assert type(ours) is type(theirs) is np.ndarray
    check_bits(ours, theirs)
    np.testing.assert_array_equal(outputs[0].data, ours)
    np.testing.assert_array_equal(outputs[0].mask, outputs[1].mask)


@pytest.mark.parametrize("name", ["correlate", "correlate1d", "gaussian_filter", "uniform_filter", "laplace"])
def test_memory_of_any_kind(rng, name):
    """Bytes at odd addresses, or the other way round, of the samples, the weights and the output."""

    def odd(array, dtype):
        place = np.empty(array.size * np.dtype(dtype).itemsize + 1, np.uint8)[1:].view(dtype).reshape(array.shape)
        place[...] = array
        return place

    x = rng.standard_normal((9, 20))
    arguments = [odd(np.asarray(each, float), "f8") if np.ndim(each) else each for each in ARGUMENTS.get(name, [])]
    expected = getattr(scipy.ndimage, name)(x, *arguments)
    for dtype in ("f8", ">f8"):
        y = odd(np.zeros_like(x), dtype)
        check_bits(getattr(ndimage, name)(odd(x, dtype), *arguments, output=y).astype(float), expected)


@pytest.mark.parametrize("name", ["generic_laplace", "generic_gradient_magnitude"])
def test_derivatives_of_any_kind(subtests, rng, name):
    """Of dtypes that are SciPy's, too, of no axes, and of what is written over."""
    ours, theirs = getattr(ndimage, name), getattr(scipy.ndimage, name)

    def slope(input, axis, output, mode, cval, *, power=1):
        found = np.gradient(input, axis=axis) ** power
        if isinstance(output, np.ndarray):
            output[...] = found
        return found.astype(getattr(output, "dtype", output))

    x = rng.random((5, 6))
    calls = [
        {"output": np.longdouble},
        {"output": np.float16},
        {"output": np.ones(3)},
        {"axes": ()},
        {"axes": 1},
        {"axes": (1, 0), "mode": ["a", "b"]},
        {"mode": ["a"]},
        {"extra_keywords": {"power": 2}},
        {"extra_keywords": {"strength": 2}},
    ]
    for how in calls:
        with subtests.test(how=how):
            check_bits(outcome(ours, [x, slope], how), outcome(theirs, [x, slope], how))
    expected = theirs(x, slope)
    assert ours(x, slope, x) is x
    check_bits(x, expected)


@pytest.mark.parametrize("shape", [(1, 1, 2), (1, 3, 1), (5, 1, 1), (2, 1, 3), (1, 1, 1), (1, 4)])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32", "float64"])
def test_axes_of_one_sample_may_have_any_strides(subtests, shape, dtype):
    def odd(array):
        """Return the array with other strides along axes of one sample, which count as contiguous."""
        strides = [step + 8 if n == 1 else step for n, step in zip(array.shape, array.strides, strict=True)]
        return np.lib.stride_tricks.as_strided(array, array.shape, strides)

    x = (np.arange(np.prod(shape)).reshape(shape) % 5).astype(dtype)
    for axis in range(len(shape)):
        for name, arguments in (("gaussian_filter1d", (1,)), ("uniform_filter1d", (3,)), ("correlate1d", ([1, 2, 4],))):
            for make in (odd, np.asfortranarray):
                with subtests.test(axis=axis, name=name, make=make.__name__):
                    output = make(np.zeros(shape, dtype))
                    getattr(ndimage, name)(make(x), *arguments, axis=axis, output=output)
                    check_bits(output, getattr(scipy.ndimage, name)(x, *arguments, axis=axis, output=np.dtype(dtype)))
    check_bits(ndimage.gaussian_filter(odd(x), 1), scipy.ndimage.gaussian_filter(x, 1))
