"""Winograd's method: random calls, layouts, layers that are kept, what it refuses and when it is taken."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ndconv
from support import oracle
from support.layouts import FLOATS, LAYOUTS, Place, values
from support.oracle import ACTIVATIONS, reach, resolve_padding, result_dtype
from support.strategies import NAMED_PADDINGS, Call, arrays, generators, padding_modes
from support.winograd import CUT, NEVER, UNGUARDED, chunks, least_value_bytes, not_directly, tuned, unguarded, winograd

REAL_AND_COMPLEX = (*FLOATS, "complex64", "complex128")

#: Types of x and weights whose result is no integer.
MIXED = (
    ("float16", "float32"),
    ("float32", "int8"),
    ("uint16", "float32"),
    ("int32", "float32"),
    ("float64", "int64"),
    ("float32", "complex64"),
    ("complex64", "float64"),
    ("int16", "complex64"),
    ("complex128", "complex64"),
)


# --- Random calls --------------------------------------------------------------------------------------------------


@st.composite
def winograd_calls(draw):
    """Draw a call of `conv_layer` that the method can do, with everything else that may vary."""
    rng = draw(generators())
    d = draw(st.sampled_from((1, 2, 2, 2, 3, 4)))
    few = {1: 9, 2: 5, 3: 3, 4: 2}[d]
    axes = [draw(st.sampled_from(CUT))] * d
    for i in range(d - 1):
        if draw(st.booleans()):
            axes[i] = draw(st.integers(1, max(few, 3))), draw(st.integers(1, 3)), draw(st.integers(1, 3))
        elif i == d - 2 and draw(st.booleans()):
            axes[i] = draw(st.sampled_from(CUT))
        elif i < d - 2:
            axes[i] = 3, 1, 1
    kernel, stride, dilation = (list(each) for each in zip(*axes, strict=True))
    sizes = [draw(st.integers(1, {1: 80, 2: 26, 3: 8, 4: 4}[d])) for _ in range(d)]

    groups = draw(st.sampled_from((1, 1, 1, 2, 3)))
    inputs = st.sampled_from((1, 2, 3, 5, 8, 15, 16, 17, 33, 64, 70) if groups == 1 and d < 3 else (1, 2, 5, 17))
    outputs = st.sampled_from((1, 2, 3, 8, 17, 32, 63, 65, 70, 131) if groups == 1 and d < 3 else (1, 3, 16, 35))
    c_in, c_out = draw(inputs), draw(outputs)

    padding = draw(st.sampled_from((*NAMED_PADDINGS, "number", "pairs", "wide")))
    if padding == "number":
        padding = draw(st.integers(0, 4))
    elif padding in ("pairs", "wide"):
        most = 3 if padding == "pairs" else {1: 40, 2: 12, 3: 6, 4: 3}[d]
        padding = [(draw(st.integers(0, most)), draw(st.integers(0, most))) for _ in range(d)]
    pairs = resolve_padding(padding, sizes, kernel, stride, dilation)
    for i, (before, after) in enumerate(pairs):
        sizes[i] = max(sizes[i], reach(kernel[i], dilation[i]) - before - after)
    if dilation[-1] > 1:  # at least two outputs for each step
        sizes[-1] = max(sizes[-1], reach(kernel[-1], dilation[-1]) - sum(pairs[-1]) + 2 * dilation[-1] - 1)
    pairs = resolve_padding(padding, sizes, kernel, stride, dilation)

    batch = draw(st.sampled_from((None, None, 1, 2, 5)))
    leading = () if batch is None else (batch,)
    channel_axis = draw(st.sampled_from((None, None, -1)))

    def shape(channels, sizes):
        return (*leading, *sizes, channels) if channel_axis == -1 else (*leading, channels, *sizes)

    same = st.sampled_from(("float32", "float32", *REAL_AND_COMPLEX)).map(lambda t: (t, t))
    x_type, weight_type = draw(st.one_of(same, same, st.sampled_from(MIXED)))
    x = draw(arrays(rng, shape(groups * c_in, sizes), x_type))
    weight = draw(arrays(rng, (groups * c_out, c_in, *kernel), weight_type))
    dtype = result_dtype(x, weight)
    keywords = {"stride": tuple(stride), "dilation": tuple(dilation), "padding": padding, "groups": groups}
    keywords |= {"padding_mode": draw(padding_modes(d)), "channel_axis": channel_axis}
    if draw(st.booleans()):
        keywords["fill_value"] = draw(st.integers(0, 3))
    if draw(st.booleans()):
        keywords["bias"] = draw(arrays(rng, (groups * c_out,), dtype))
    if dtype.kind == "f" and draw(st.booleans()):
        keywords["activation"] = draw(st.sampled_from(sorted(ACTIVATIONS)))
    if draw(st.integers(0, 3)) == 0:
        each = zip(sizes, pairs, kernel, stride, dilation, strict=True)
        positions = [(n + b + a - reach(k, e)) // s + 1 for n, (b, a), k, s, e in each]
        keywords["residual"] = draw(arrays(rng, shape(groups * c_out, positions), dtype))
    return Call((x, weight), keywords, draw(st.sampled_from((None, None, *Place.layouts))))


@st.composite
def constants(draw):
    """Draw what decides on rounds, bands and chunks; mostly such that even a small call has several of them."""
    chunk = draw(st.sampled_from((1, 2, 3, 5, 8, 56)))
    band = draw(st.sampled_from((0, 4 << 10, 128 << 10)))
    if draw(st.booleans()):
        return {**chunks(chunk), "BAND_BYTES": band, "LEAST_BLOCKS": 1, "OWN_VALUE_BYTES": NEVER}
    tiles = draw(st.sampled_from((1, 2, 5, 16)))
    return {**chunks(chunk), "BAND_BYTES": band, "LEAST_BLOCKS": NEVER, "tiles": tiles}


def check_call(call, **more):
    x, weight = call.arrays
    expected = oracle.layer(x, weight, **call.keywords, method="winograd")
    place = call.place(expected)
    y = winograd(x, weight, **call.keywords, **more, out=None if place is None else place.out)
    expected.check(y)
    if place is not None:
        assert y is place.out
        assert place.untouched_outside()


@given(call=winograd_calls())
def test_random_calls(call):
    with unguarded(), not_directly():
        check_call(call)


@given(call=winograd_calls(), constants=constants(), workers=st.sampled_from((1, 2, 3)))
def test_random_calls_in_many_rounds(call, constants, workers):
    tiles = constants.pop("tiles", None)
    if tiles is not None:
        x, weight = call.arrays
        keywords = {k: v for k, v in call.keywords.items() if k not in ("bias", "residual", "activation")}
        x, weight = (np.broadcast_to(np.array(0, result_dtype(x, weight)), a.shape) for a in (x, weight))
        constants["VALUE_BYTES"] = tiles * least_value_bytes(x, weight, **keywords)
    with not_directly(), tuned(**constants, **UNGUARDED):
        check_call(call, workers=workers)


# --- Channels, layouts, correlations ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_layouts_of_x_weights_and_residual(rng, layout, dtype):
    x, weight = LAYOUTS[layout](values(rng, (2, 18, 13, 14), dtype)), LAYOUTS[layout](values(rng, (5, 18, 3, 3), dtype))
    residual = LAYOUTS[layout](values(rng, (2, 5, 11, 12), dtype))
    keywords = {"bias": values(rng, 5, dtype), "residual": residual, "activation": "silu"}
    with not_directly():
        oracle.layer(x, weight, **keywords, method="winograd").check(winograd(x, weight, **keywords))


@pytest.mark.parametrize("layout", Place.layouts)
@pytest.mark.parametrize("channel_axis", [None, -1])
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_layouts_of_out(rng, layout, channel_axis, dtype):
    x, weight = values(rng, (2, 18, 13, 18), dtype), values(rng, (35, 18, 3, 3), dtype)
    expected = oracle.layer(x, weight, channel_axis=channel_axis, method="winograd")
    place = Place(expected.shape, expected.dtype, layout)
    with not_directly():
        assert winograd(x, weight, channel_axis=channel_axis, out=place.out) is place.out
    expected.check(np.array(place.out))
    assert place.untouched_outside()


def test_out_may_be_x_or_the_residual(rng, subtests):
    x, weight = values(rng, (16, 20, 21), "float32"), values(rng, (16, 16, 3, 3), "float32")
    expected = oracle.layer(x, weight, padding=1, residual=x, method="winograd")
    for special in (None, np.nan):
        with subtests.test(special=special):
            out = x.copy()
            if special is not None:
                out[3, 4, 5] = special
                expected = ndconv.conv_layer(out, weight, padding=1, residual=out, method="direct")
            y = winograd(out, weight, padding=1, residual=out, out=out)
            if special is None:
                expected.check(y)
            else:
                np.testing.assert_array_equal(y, expected)


def test_samples_beside_a_view_are_never_used(rng, subtests):
    """NaN all around the input would make the direct method do it again."""
    block = np.full((20, 13, 45), np.nan, np.float32)
    x = block[1:-1, 2:-2, 3:-3]
    x[...] = values(rng, x.shape, "float32")
    weight = values(rng, (33, 18, 3, 3), "float32")
    for keywords in ({}, {"padding": 1}, {"padding": 2, "padding_mode": "wrap"}):
        with subtests.test(keywords=keywords), not_directly():
            oracle.layer(x, weight, **keywords, method="winograd").check(winograd(x, weight, **keywords))


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_correlations(rng, mode):
    shapes = ((90,), (3,), None), ((5, 20, 21), (3, 3), None), ((9, 5, 30), (3, 1, 3), (0, 2))
    for x_shape, kernel_shape, axes in shapes:
        x, kernel = values(rng, x_shape, "float32"), values(rng, kernel_shape, "float32")
        for call, reference in ((ndconv.correlate_nd, oracle.correlate), (ndconv.convolve_nd, oracle.convolve)):
            y = call(x, kernel, mode, axes=axes, method="winograd")
            b = reference(np.abs(x), np.abs(kernel), mode, axes=axes).value.max()
            assert np.abs(y - reference(x, kernel, mode, axes=axes).value).max() <= 32 * np.finfo(np.float32).eps * b


# --- Layers to keep ------------------------------------------------------------------------------------------------


def test_one_layer_meets_many_sizes(rng, subtests):
    weight, bias = values(rng, (40, 18, 3, 3), "float32"), values(rng, 40, "float32")
    keywords = {"padding": 1, "padding_mode": "replicate", "activation": "hardswish", "method": "winograd"}
    layer = ndconv.ConvLayer(weight, bias, **keywords)
    with not_directly():
        for shape in ((1, 1), (2, 2), (30, 40), (5, 6), (2, 70), (5, 6)):
            for batch in ((), (3,)):
                with subtests.test(shape=shape, batch=batch):
                    x = values(rng, (*batch, 18, *shape), "float32")
                    y = layer(x)
                    oracle.layer(x, weight, bias, **keywords).check(y)
                    np.testing.assert_array_equal(layer(x, workers=3), y)
                    np.testing.assert_array_equal(ndconv.conv_layer(x, weight, bias, **keywords), y)
        x = values(rng, (18, 9, 10), "float64")
        oracle.layer(x, weight, bias, **keywords).check(layer(x))


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_weights_of_a_single_call(rng, workers):
    """Where a round is all, they are packed block by block, as they are needed."""
    calls = (
        ((40, 9, 10), (64, 40, 3, 3), {"padding": 1}, "float32"),
        ((2, 17, 20, 21), (330, 17, 3, 3), {"stride": 2}, "float32"),
        ((3, 35, 40), (130, 35, 3), {"padding": 1}, "float64"),
        ((16, 5, 6, 7), (200, 16, 2, 3, 3), {"dilation": (1, 2, 1)}, "complex64"),
        ((40, 9, 10), (128, 20, 3, 3), {"groups": 2}, "float16"),
    )
    for x_shape, weight_shape, keywords, dtype in calls:
        x, weight = values(rng, x_shape, dtype), np.asfortranarray(values(rng, weight_shape, dtype))
        keywords["bias"] = values(rng, weight_shape[0], dtype)
        with not_directly():
            y = winograd(x, weight, **keywords, workers=workers)
        oracle.layer(x, weight, **keywords, method="winograd").check(y)
        np.testing.assert_array_equal(ndconv.ConvLayer(weight, **keywords, method="winograd")(x), y)
        x[..., 2] = np.nan
        expected = ndconv.conv_layer(x, weight, **keywords, method="direct")
        np.testing.assert_array_equal(winograd(x, weight, **keywords, workers=workers), expected)


def test_out_may_be_the_weights(rng, subtests):
    x, weight = values(rng, (16, 5, 5), "float32"), values(rng, (16, 16, 3, 3), "float32")
    for special in (1, np.nan):
        with subtests.test(special=special):
            x[0, 2, 2] = special
            expected, filters = winograd(x, weight), weight.copy()
            winograd(x, filters, out=filters[0])
            np.testing.assert_array_equal(filters[0], expected)


def test_copies_and_pickles_are_the_same_layer(rng):
    x, weight = values(rng, (17, 19, 18), "float32"), values(rng, (35, 17, 3, 3), "float32")
    layer = ndconv.ConvLayer(weight, np.ones(35, "float32"), padding=((1, 0), (0, 1)), method="winograd")
    expected = layer(x)
    for other in (copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert other.method == "winograd"
        np.testing.assert_array_equal(other(x), expected)


def test_one_layer_in_many_threads(rng):
    """Some of the inputs hold NaN: whoever meets one first packs the weights for the direct method."""
    weight = values(rng, (33, 17, 3, 3), "float32")
    inputs = [values(rng, (17, 18, 19), "float32") for _ in range(12)]
    for x in inputs[::3]:
        x.flat[rng.integers(0, x.size)] = np.nan
    expected = [winograd(x, weight, padding=1) for x in inputs]
    for _ in range(5):
        layer = ndconv.ConvLayer(weight, padding=1, method="winograd")
        with ThreadPoolExecutor(6) as pool:
            for y, right in zip(pool.map(layer, inputs * 3), expected * 3, strict=True):
                np.testing.assert_array_equal(y, right)


# --- What it cannot do, and when it is taken -----------------------------------------------------------------------


def ones(*shape, dtype="float32"):
    return np.ones(shape, dtype)


@pytest.mark.parametrize(
    ("x", "weight", "keywords", "reason"),
    [
        (ones(2, 9, 9, dtype="int32"), ones(3, 2, 3, 3, dtype="int32"), {}, "integers of dtype int32"),
        (ones(2, 9, 9, dtype=bool), ones(3, 2, 3, 3, dtype=bool), {}, "integers"),
        (ones(2, 9, 9, dtype="uint8"), ones(3, 2, 3, 3, dtype="int8"), {}, "integers of dtype int16"),
        (ones(2, 9, 9), ones(3, 2, 3, 3), {"stride": 3}, "has stride 3, 3 taps, dilation 1 and 3 outputs"),
        (ones(2, 9, 9), ones(3, 2, 3, 3), {"stride": (1, 3)}, "has stride 3, 3 taps"),
        (ones(2, 9, 9), ones(3, 2, 3, 9), {"stride": 5}, "stride of at most 4"),
        (ones(2, 9, 9), ones(3, 2, 3, 3), {"stride": 2, "dilation": 2}, "no dilation beside a stride"),
        (ones(2, 9, 9), ones(3, 2, 3, 3), {"dilation": 3}, "dilation 3 and 3 outputs"),
        (ones(2, 5), ones(3, 2, 3), {"dilation": 1 << 40, "padding": "same"}, "of more than half its outputs"),
        (ones(2, 9, 9), ones(3, 2, 3, 6), {}, "at most 5 for each step"),
        (ones(2, 9, 9), ones(3, 2, 3, 1), {}, "at most 5 for each step"),
        (ones(2, 9), ones(3, 2, 2), {"stride": 2}, "at most 5 for each step"),
        (ones(600, 9000), ones(3, 600, 2), {"dilation": 3000}, "MiB"),
        (ones(0, 2, 9, 9), ones(3, 2, 3, 3), {}, "nothing"),
        (ones(2, 9, 9), ones(0, 2, 3, 3), {}, "nothing"),
        (ones(0, 9, 9), ones(3, 0, 3, 3), {}, "nothing"),
        (ones(1, 60_000, 3, 3), ones(1, 1, 3, 3, 3), {}, "MiB"),
    ],
)
def test_refusals(x, weight, keywords, reason):
    with pytest.raises(ValueError, match=f"method='winograd' cannot do this call: .*{reason}"):
        winograd(x, weight, **keywords)
    with pytest.raises(ValueError, match=f"method='winograd' .*{reason}"):
        ndconv.ConvLayer(weight, **keywords, method="winograd")(x)
    # The methods that are left can.
    ndconv.conv_layer(x, weight, **keywords)


def test_a_refusal_leaves_out_as_it_was():
    place = Place((3, 4, 4), "float32")
    with pytest.raises(ValueError, match="winograd"):
        winograd(ones(2, 12, 12), ones(3, 2, 3, 3), stride=3, out=place.out)
    assert place.untouched()


def chosen(weight_shape, input_shape, dtype="float32", **keywords):
    """Return the method that "auto" takes, as `explain` tells."""
    told = ndconv.ConvLayer(np.ones(weight_shape, dtype), **keywords).explain(input_shape)
    (line,) = [line for line in told.splitlines() if "chosen: " in line]
    return line.split()[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_auto(dtype):
    assert chosen((64, 64, 3, 3), (64, 56, 56), dtype, padding=1) == "winograd"
    assert chosen((64, 64, 3, 3), (8, 64, 56, 56), dtype) == "winograd"
    assert chosen((64, 64, 1, 1), (64, 56, 56), dtype) == "direct"
    assert chosen((128, 128, 3, 3), (128, 56, 56), dtype, padding=1, stride=2) == "winograd"
    assert chosen((64, 64, 3, 3), (64, 56, 56), dtype, padding=2, dilation=2) == "winograd"
    assert chosen((64, 64, 5, 5), (64, 56, 56), dtype, padding=2) == "winograd"
    assert chosen((64, 64, 3, 3), (64, 56, 56), dtype, padding=1, stride=3) == "direct"
    assert chosen((64, 1, 3, 3), (64, 56, 56), dtype, padding=1, groups=64) == "direct"
    assert chosen((1, 1, 3, 3), (1, 56, 56), dtype, padding=1) == "direct"
    assert chosen((64, 64, 3, 3), (64, 56, 56), "int32", padding=1) == "direct"


def test_auto_is_the_method_that_it_takes(rng):
    x, weight = values(rng, (64, 56, 56), "float32"), values(rng, (64, 64, 3, 3), "float32")
    y = ndconv.conv_layer(x, weight, padding=1)
    np.testing.assert_array_equal(y, winograd(x, weight, padding=1))
    assert (y != ndconv.conv_layer(x, weight, padding=1, method="direct")).any()


def test_explain_says_why_not():
    told = ndconv.ConvLayer(ones(4, 2, 3, 3), stride=3).explain((2, 20, 20))
    (line,) = [line for line in told.splitlines() if line.startswith("winograd")]
    assert "stride 3, 3 taps" in line
