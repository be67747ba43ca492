"""Winograd's method: tiles, rounds and bands of every size, NaN and overflow, what it refuses, and how exact it is."""

import copy
import math
import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ndconv
from ndconv._methods import direct
from ndconv._methods import winograd as winograd_method
from support import oracle
from support.layouts import FLOATS, LAYOUTS, Place, values
from support.oracle import ACTIVATIONS, reach, resolve_padding, result_dtype
from support.special import reached, special_call
from support.strategies import NAMED_PADDINGS, Call, arrays, generators, padding_modes

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

NEVER = 1 << 40

#: No weight and no sample is too large beside the others.
UNGUARDED = {"PROMISE": 1e30, "MOST_SHARE": 1.0, "OUTLIER_OUTPUTS": 1e-30}


def forget():
    """Forget the plans of earlier calls, which were made with other constants."""
    ndconv.clear_caches()


@contextmanager
def tuned(**constants):
    """Let plans be made with other constants."""
    forget()
    with mock.patch.multiple(winograd_method, **constants):
        yield
    forget()


@contextmanager
def not_directly():
    """Forbid that the direct method does again what is finite: it would hide mistakes."""

    class Forbidden:
        def __init__(self, problem):
            raise AssertionError(f"the direct method was asked for {problem}")

    forget()
    with mock.patch.object(direct, "DirectPlan", Forbidden):
        yield
    forget()


def unguarded():
    """Let no weight and no sample be too large beside the others, where tiles are tested with few products."""
    return tuned(**UNGUARDED)


def is_left_to_direct_sums(x, weight):
    try:
        with not_directly():
            winograd(x, weight)
    except AssertionError:
        return True
    return False


def winograd(x, weight, bias=None, **keywords):
    return ndconv.conv_layer(x, weight, bias, method="winograd", **keywords)


def tilings(layer):
    """Return how a layer cuts the outputs of the calls that it remembers into tiles."""
    return [call.prepared.plan.tiling for call in calls_of(layer)]


def calls_of(layer):
    """Return what a layer remembers of its calls."""
    return [entry.value[0] for entry in layer._calls._entries.values()]


def largest(reference, weight):
    """Return for each output the largest B of its channel."""
    b = reference.magnitude
    others = tuple(axis for axis in range(b.ndim) if axis != b.ndim - weight.ndim + 1)
    return np.broadcast_to(b.max(axis=others, keepdims=True), b.shape)


def errors(y, x, weight, bias=None, **keywords):
    """Return the errors of a result in units of the promise: of eps times the largest B of its output channel."""
    reference = oracle.layer(x, weight, bias, **keywords)
    return np.abs(y - reference.value) / largest(reference, weight) / np.finfo(y.dtype).eps


# --- Random calls --------------------------------------------------------------------------------------------------


#: Axes that are cut into tiles: taps, stride and dilation.
CUT = (
    *((3, 1, 1),) * 4,
    *((taps, 1, 1) for taps in (2, 4, 5)),
    *((taps, 2, 1) for taps in (3, 3, 4, 5, 7, 10)),
    *((4, 3, 1), (9, 3, 1), (11, 4, 1), (5, 4, 1)),
    *((3, 1, dilation) for dilation in (2, 2, 3, 5, 18)),
    *((2, 1, 4), (5, 1, 2)),
)


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


def chunks(tiles):
    return {"CHUNK_TILES": tiles, "CHUNK_TILES_OF_LINES": tiles}


@st.composite
def constants(draw):
    """Draw what decides on rounds, bands and chunks; mostly such that even a small call has several of them."""
    chunk = draw(st.sampled_from((1, 2, 3, 5, 8, 56)))
    band = draw(st.sampled_from((0, 4 << 10, 128 << 10)))
    if draw(st.booleans()):
        return {**chunks(chunk), "BAND_BYTES": band, "LEAST_ROUNDS": 1, "OWN_VALUE_BYTES": NEVER}
    tiles = draw(st.sampled_from((1, 2, 5, 16)))
    return {**chunks(chunk), "BAND_BYTES": band, "LEAST_ROUNDS": NEVER, "tiles": tiles}


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


# --- Tiles, rounds and bands ---------------------------------------------------------------------------------------

#: Ways to cut a call into rounds: each done by one worker alone, or shared by all. Shared rounds are as large as the
#: memory for their values, here given in tiles.
ROUNDS = {
    "alone": {**chunks(8), "LEAST_ROUNDS": 1, "OWN_VALUE_BYTES": NEVER},
    "alone, larger chunks": {**chunks(20), "LEAST_ROUNDS": 1, "OWN_VALUE_BYTES": NEVER},
    "shared": {**chunks(7), "LEAST_ROUNDS": NEVER, "BAND_BYTES": 1, "tiles": 1},
    "shared, larger rounds": {"LEAST_ROUNDS": NEVER, "BAND_BYTES": 24 << 10, "tiles": 8},
}


def rounds_of(rounds, x, weight, **keywords):
    """Return the constants that cut a call into such rounds."""
    constants = dict(ROUNDS[rounds])
    tiles = constants.pop("tiles", None)
    if tiles is not None:
        constants["VALUE_BYTES"] = tiles * least_value_bytes(x, weight, **keywords)
    return constants


def least_value_bytes(x, weight, **keywords):
    """Return the least power of two that the values of a single tile fit in, of the tiles that are taken otherwise."""

    def tile(size):
        try:
            with tuned(VALUE_BYTES=size):
                told = ndconv.ConvLayer(weight, **keywords, method="winograd").explain(x.shape)
        except ValueError:
            return None
        return re.search(r"F\(.*?\)", told)[0]

    usual = tile(winograd_method.VALUE_BYTES)
    return next(size for size in (1 << i for i in range(10, 40)) if tile(size) == usual)


#: Calls that such rounds divide: x, weight, keywords.
LARGE = {
    "image": ((33, 45, 47), (70, 33, 3, 3), {"padding": 1}),
    "images": ((7, 17, 19, 18), (33, 17, 3, 3), {"padding": "full", "padding_mode": "reflect"}),
    "small images": ((40, 16, 5, 6), (16, 16, 3, 3), {"padding": 1, "activation": "relu"}),
    "wide": ((40, 5, 500), (20, 40, 3, 3), {}),
    "tall": ((40, 500, 5), (20, 40, 3, 3), {}),
    "groups": ((2, 60, 30, 31), (51, 20, 3, 3), {"groups": 3, "padding": 1}),
    "signals": ((3, 20, 1001), (65, 20, 3), {"padding": 2, "padding_mode": "circular"}),
    "rows": ((20, 30, 90), (24, 20, 5, 3), {"stride": (2, 1), "dilation": (3, 1), "padding": "full"}),
    "volume": ((2, 18, 6, 13, 14), (20, 18, 3, 3, 3), {"padding": 1, "padding_mode": "symmetric"}),
    "volume of rows": ((16, 9, 8, 90), (20, 16, 2, 3, 3), {"stride": (2, 3, 1)}),
    "channels last": ((3, 21, 22, 24), (40, 24, 3, 3), {"padding": 1, "channel_axis": -1}),
    "strided image": ((33, 65, 67), (70, 33, 3, 3), {"stride": 2, "padding": 1}),
    "strided signals": ((3, 20, 2001), (65, 20, 3), {"stride": 2, "padding": "full", "padding_mode": "reflect"}),
    "five taps": ((20, 33, 34), (33, 20, 5, 5), {"padding": 2, "padding_mode": "replicate"}),
    "strided, of many taps": ((9, 70, 71), (33, 9, 7, 6), {"stride": (2, 2), "padding": 3}),
    "strided along the columns": ((20, 40, 90), (24, 20, 2, 4), {"stride": (1, 2)}),
    "dilated image": ((33, 45, 67), (70, 33, 3, 3), {"dilation": 2, "padding": 2}),
    "dilated much": ((20, 70, 141), (33, 20, 3, 3), {"dilation": (5, 18), "padding": "same", "padding_mode": "wrap"}),
    "dilated signals": ((3, 20, 901), (65, 20, 3), {"dilation": 7, "activation": "silu"}),
    "dilated rows of strided columns": ((18, 50, 90), (24, 18, 3, 3), {"dilation": (3, 1), "stride": (1, 2)}),
    "dilated, channels last": ((41, 62, 24), (40, 24, 3, 2), {"dilation": (2, 4), "channel_axis": -1}),
}


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("name", LARGE)
def test_rounds_and_the_same_bits_for_every_number_of_workers(rng, subtests, name, rounds):
    x_shape, weight_shape, keywords = LARGE[name]
    x, weight = values(rng, x_shape, "float32"), values(rng, weight_shape, "float32")
    with not_directly(), tuned(**rounds_of(rounds, x, weight, **keywords)):
        layer = ndconv.ConvLayer(weight, **keywords, method="winograd")
        first = layer(x, workers=1)
        (t,) = tilings(layer)
        assert t.alone == ("alone" in rounds and t.column_dilation == 1)
        batch = x.shape[0] if x.ndim == weight.ndim else 1
        grid = (batch, t.grid_rows, t.grid_columns), (t.round_images, t.round_rows, t.round_columns)
        several = math.prod(-(-total // part) for total, part in zip(*grid, strict=True)) > 1
        assert several or ("alone" in rounds and t.column_dilation > 1)
        oracle.layer(x, weight, **keywords, method="winograd").check(first)
        for workers in (2, 3, 5):
            with subtests.test(workers=workers):
                np.testing.assert_array_equal(layer(x, workers=workers), first)


@pytest.mark.parametrize("dtype", ["float64", "float16", "complex64"])
@pytest.mark.parametrize("rounds", ["alone", "shared"])
def test_rounds_of_other_types(rng, subtests, dtype, rounds):
    x, weight, bias = values(rng, (2, 19, 33, 31), dtype), values(rng, (21, 19, 3, 3), dtype), values(rng, 21, dtype)
    with not_directly(), tuned(**rounds_of(rounds, x, weight, padding=1)):
        first = winograd(x, weight, bias, padding=1, workers=1)
        oracle.layer(x, weight, bias, padding=1, method="winograd").check(first)
        for workers in (2, 5):
            with subtests.test(workers=workers):
                np.testing.assert_array_equal(winograd(x, weight, bias, padding=1, workers=workers), first)


def test_rounds_change_only_where_work_is_done(rng, subtests):
    """All ways to cut tiles of one size into rounds give the same bits."""
    x, weight = values(rng, (2, 33, 45, 47), "float32"), values(rng, (70, 33, 3, 3), "float32")
    first = winograd(x, weight)
    for rounds in ROUNDS:
        with subtests.test(rounds=rounds), tuned(**rounds_of(rounds, x, weight)):
            np.testing.assert_array_equal(winograd(x, weight), first)


def test_smaller_tiles_where_larger_ones_do_not_fit(rng):
    x, weight = values(rng, (16, 21, 22), "float32"), values(rng, (8, 16, 3, 3), "float32")
    of_four = least_value_bytes(x, weight)
    with not_directly(), tuned(VALUE_BYTES=of_four // 2):
        assert "F(3x3, 3x3)" in ndconv.ConvLayer(weight, method="winograd").explain(x.shape)
        oracle.layer(x, weight, method="winograd").check(winograd(x, weight))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("height", [1, 2, 3, 4, 5, 9])
def test_every_width(rng, subtests, dtype, height):
    with unguarded(), not_directly():
        for width in range(1, 40):
            for c_in, c_out in ((1, 1), (9, 18)):
                with subtests.test(width=width, c_in=c_in, c_out=c_out):
                    x = values(rng, (c_in, height, width), dtype)
                    weight = values(rng, (c_out, c_in, 3, 3), dtype)
                    oracle.layer(x, weight, padding=1, method="winograd").check(winograd(x, weight, padding=1))


@pytest.mark.parametrize("c_in", [1, 4, 15, 16, 17, 48])
def test_channels(rng, subtests, c_in):
    with unguarded(), not_directly():
        for c_out in (1, 3, 4, 8, 16, 31, 32, 33, 64, 65, 100, 129):
            with subtests.test(c_out=c_out):
                x, weight = values(rng, (c_in, 9, 10), "float32"), values(rng, (c_out, c_in, 3, 3), "float32")
                oracle.layer(x, weight, method="winograd").check(winograd(x, weight))


@pytest.mark.parametrize(("taps", "sizes"), [(2, (3, 4)), (3, (2, 3, 4)), (4, (2, 3)), (5, (2,))])
def test_every_size_of_tiles(rng, taps, sizes):
    """Two outputs are a tile of two, four are a tile of four."""
    weight = values(rng, (32, 32, taps, taps), "float32")
    layer = ndconv.ConvLayer(weight, method="winograd")
    for size in sizes:
        shape = (50, 32, size + taps - 1, size + taps - 1)
        assert f"F({size}x{size}, {taps}x{taps})" in layer.explain(shape)
        x = values(rng, shape, "float32")
        oracle.layer(x, weight, method="winograd").check(layer(x))
    assert {(t.rows, t.columns) for t in tilings(layer)} == {(size, size) for size in sizes}
    layer = ndconv.ConvLayer(weight[:, :, 0], method="winograd")
    for size in sizes:
        assert f"F({size}, {taps})" in layer.explain((50, 32, size + taps - 1))
        x = values(rng, (50, 32, size + taps - 1), "float32")
        oracle.layer(x, weight[:, :, 0], method="winograd").check(layer(x))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("taps", "stride", "dilation"), sorted(set(CUT)))
def test_every_width_of_every_axis(rng, subtests, taps, stride, dilation, dtype):
    keywords = {"stride": stride, "dilation": dilation, "method": "winograd"}
    least = (taps - 1) * dilation + (2 * dilation if dilation > 1 else 1)
    with unguarded(), not_directly():
        for width in range(least, least + 40, 3):
            with subtests.test(width=width):
                x, weight = values(rng, (5, width), dtype), values(rng, (18, 5, taps), dtype)
                oracle.layer(x, weight, **keywords).check(ndconv.conv_layer(x, weight, **keywords))
                x, weight = values(rng, (2, 5, least + 5, width), dtype), values(rng, (18, 5, taps, taps), dtype)
                oracle.layer(x, weight, **keywords).check(ndconv.conv_layer(x, weight, **keywords))


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


# --- NaN, infinity, overflow ---------------------------------------------------------------------------------------

SPECIAL = {
    "image": ((17, 15, 16), (33, 17, 3, 3), {"padding": 1}),
    "images": ((3, 8, 9, 9), (10, 8, 3, 3), {"padding": 3, "padding_mode": "reflect"}),
    "signal": ((16, 200), (20, 16, 3), {"padding": "causal"}),
    "rows": ((5, 14, 40), (7, 5, 2, 3), {"stride": (2, 1)}),
    "volume": ((4, 6, 7, 9), (5, 4, 3, 3, 3), {"padding": 1}),
    "groups": ((12, 12, 13), (30, 4, 3, 3), {"groups": 3}),
    "channels last": ((12, 13, 18), (20, 18, 3, 3), {"channel_axis": -1}),
    "bias and activation": ((20, 15, 16), (24, 20, 3, 3), {"bias": True, "activation": "relu"}),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "complex64"])
@pytest.mark.parametrize("name", SPECIAL)
def test_nan_in_x(rng, subtests, name, dtype):
    x, weight, keywords = special_call(rng, *SPECIAL[name], dtype)
    if dtype == "complex64":
        keywords.pop("activation", None)
    expected = oracle.layer(x, weight, **keywords, method="winograd")
    for places in (1, 2, 3):
        with subtests.test(places=places):
            mask = np.zeros(x.shape, bool)
            mask.flat[rng.integers(0, mask.size, places)] = True
            y = winograd(np.where(mask, np.nan, x).astype(dtype), weight, **keywords)
            touched = reached(mask, weight, keywords)
            np.testing.assert_array_equal(np.isnan(y), touched)
            expected.check(np.where(touched, expected.value.astype(dtype), y))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SPECIAL)
def test_infinity_in_x(rng, name, dtype):
    """With positive weights, infinity stays infinity."""
    x, weight, keywords = special_call(rng, *SPECIAL[name], dtype)
    weight = np.abs(weight)
    mask = np.zeros(x.shape, bool)
    mask.flat[rng.integers(0, mask.size, 2)] = True
    y = winograd(np.where(mask, np.array(np.inf, dtype), x), weight, **keywords)
    touched = reached(mask, weight, keywords)
    assert (y[touched] == np.inf).all()
    expected = oracle.layer(x, weight, **keywords, method="winograd")
    expected.check(np.where(touched, expected.value.astype(dtype), y))


@pytest.mark.parametrize("position", [0, 40, -1])
def test_nan_in_every_corner_of_many_rounds(rng, subtests, position):
    """Whichever round, worker or patch meets it."""
    x, weight = values(rng, (2, 17, 30, 31), "float32"), values(rng, (35, 17, 3, 3), "float32")
    mask = np.zeros(x.shape, bool)
    mask.reshape(-1)[position] = True
    for rounds in ROUNDS:
        for workers in (1, 3):
            with subtests.test(rounds=rounds, workers=workers):
                with tuned(**rounds_of(rounds, x, weight, padding=1)):
                    y = winograd(np.where(mask, np.float32("nan"), x), weight, padding=1, workers=workers)
                np.testing.assert_array_equal(np.isnan(y), reached(mask, weight, {"padding": 1}))


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("c_in", "c_out"), [(1, 3), (20, 33), (16, 70)])
def test_special_weights(rng, special, c_in, c_out):
    """They stay in their channel, and meet samples alone: a zero of the padding is none."""
    x, weight = np.abs(values(rng, (c_in, 9, 20), "float32")), values(rng, (c_out, c_in, 3, 3), "float32")
    clean = oracle.layer(x, weight, padding=1, method="winograd")
    weight[-1, 0, 0, 0] = special
    y = winograd(x, weight, padding=1)
    np.testing.assert_array_equal(y[-1, 1:, 1:], np.full((8, 19), special, np.float32))
    assert np.isfinite(y[-1, 0]).all()
    assert np.isfinite(y[-1, :, 0]).all()
    right = clean.value.astype(np.float32)
    right[:-1] = y[:-1]
    clean.check(right)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_special_bias(rng, special):
    x, weight = values(rng, (18, 9, 20), "float32"), values(rng, (35, 18, 3, 3), "float32")
    bias = np.ones(35, "float32")
    clean = winograd(x, weight, bias)
    bias[7] = special
    y = winograd(x, weight, bias)
    np.testing.assert_array_equal(y[7], np.full(y.shape[1:], special, np.float32))
    others = np.arange(35) != 7
    np.testing.assert_array_equal(y[others], clean[others])


def test_special_residual(rng):
    x, weight, residual = (values(rng, shape, "float32") for shape in ((18, 9, 20), (35, 18, 3, 3), (35, 7, 18)))
    clean = winograd(x, weight, residual=residual)
    residual[3, 4, 5] = np.nan
    mask = np.isnan(residual)
    y = winograd(x, weight, residual=residual)
    np.testing.assert_array_equal(np.isnan(y), mask)
    np.testing.assert_array_equal(y[~mask], clean[~mask])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("where", ["x", "weight"])
@pytest.mark.parametrize("size", [2, 4, 30])
def test_values_that_overflow_at_the_points(rng, dtype, where, size):
    """The results are finite, and those of the direct method to the bit, which does it again."""
    most = float(np.finfo(dtype).max)
    x, weight = rng.uniform(-1, 1, (18, size + 2, size + 2)), rng.uniform(-1, 1, (20, 18, 3, 3))
    scale = (0.99 * most, 1e-30) if where == "x" else (1e-30, 0.99 * most)
    x, weight = (x * scale[0]).astype(dtype), (weight * scale[1]).astype(dtype)
    (x if where == "x" else weight).flat[::7] = 0.99 * most
    y = winograd(x, weight)
    assert np.isfinite(y).all()
    np.testing.assert_array_equal(y, ndconv.conv_layer(x, weight, method="direct"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_that_overflow(rng, dtype):
    x, weight = values(rng, (18, 20, 21), dtype), values(rng, (20, 18, 3, 3), dtype)
    x[:, 8:11, 9:12] *= np.finfo(dtype).max / 10
    y = winograd(x, weight)
    assert not np.isfinite(y).all()
    np.testing.assert_array_equal(y, ndconv.conv_layer(x, weight, method="direct"))


@pytest.mark.parametrize("exponent", [-60, -30, 30, 60])
def test_huge_and_tiny_values_that_do_not_overflow(rng, exponent):
    x, weight = values(rng, (18, 20, 21), "float32"), values(rng, (20, 18, 3, 3), "float32")
    x, weight = np.ldexp(x, exponent), np.ldexp(weight, exponent // 2)
    with not_directly():  # but scaled, if tiny
        oracle.layer(x, weight, method="winograd").check(winograd(x, weight))


def shapes_of_unlike_kernels(c_in, c_out):
    """Return two shapes of x that Winograd's method does with the same weights, and the direct method with others."""
    found = {}
    for shape in ((3, 3), (6, 6), (9, 9), (14, 14), (30, 30), (4, 60), (60, 4), (60, 60)):
        x, weight = np.ones((c_in, *shape), np.float32), np.ones((c_out, c_in, 3, 3), np.float32)
        keys = []
        for method in ("winograd", "direct"):
            layer = ndconv.ConvLayer(weight, padding=1, method=method)
            layer(x)
            (call,) = calls_of(layer)
            keys.append(call.prepared.plan.pack_key())
        others = found.setdefault(keys[0], {})
        others.setdefault(keys[1], shape)
        if len(others) == 2:
            return list(others.values())
    return None


@pytest.mark.parametrize(("c_in", "c_out"), [(64, 2), (128, 2), (64, 3), (20, 20), (64, 40)])
def test_one_layer_does_sizes_again_that_need_other_kernels(rng, c_in, c_out):
    shapes = shapes_of_unlike_kernels(c_in, c_out)
    if shapes is None:
        pytest.skip("all sizes need the same kernel here")
    weight = values(rng, (c_out, c_in, 3, 3), "float32")
    layer = ndconv.ConvLayer(weight, padding=1, method="winograd")
    for shape in (*shapes, *shapes):
        x = values(rng, (c_in, *shape), "float32")
        x[0, 0, 0] = np.nan
        np.testing.assert_array_equal(layer(x), ndconv.conv_layer(x, weight, padding=1, method="direct"))


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


# --- How exact it is -----------------------------------------------------------------------------------------------


def all_positive(rng, x_shape, weight_shape):
    return rng.random(x_shape), rng.random(weight_shape)


def positive_samples(rng, x_shape, weight_shape):
    """Return what the layers after a "relu" see."""
    return np.maximum(rng.standard_normal(x_shape), 0), rng.standard_normal(weight_shape)


def far_from_zero(rng, x_shape, weight_shape):
    return 1000 + rng.standard_normal(x_shape), rng.standard_normal(weight_shape)


def sparse(rng, x_shape, weight_shape):
    return rng.standard_normal(x_shape) * (rng.random(x_shape) < 0.01), rng.standard_normal(weight_shape)


def alternating(rng, x_shape, weight_shape):
    """Let all products of a sum have the same sign."""
    x, weight = (rng.random(shape) * (-1.0) ** np.arange(shape[-1]) for shape in (x_shape, weight_shape))
    return x, weight


def loud_and_quiet(rng, x_shape, weight_shape):
    """Channels a million times apart."""
    x = rng.standard_normal(x_shape) * 1000.0 ** rng.uniform(-1, 1, (x_shape[0], *(1,) * (len(x_shape) - 1)))
    return x, rng.standard_normal(weight_shape)


def constant(rng, x_shape, weight_shape):
    """Round all sums in the same direction."""
    return np.full(x_shape, 0.7), np.full(weight_shape, 0.7)


HARD = (constant, all_positive, positive_samples, far_from_zero, sparse, alternating, loud_and_quiet)

SHAPES = {
    "F(4x4, 3x3)": ((64, 30, 31), (20, 64, 3, 3)),
    "F(2x2, 3x3)": ((64, 4, 4), (20, 64, 3, 3)),
    "F(4, 3)": ((64, 60), (20, 64, 3)),
    "F(2, 3)": ((64, 4), (20, 64, 3)),
    "volume": ((16, 5, 10, 10), (20, 16, 3, 3, 3)),
    "F(3x3, 3x3)": ((64, 11, 11), (20, 64, 3, 3)),
    "F(4x4, 2x2)": ((128, 33, 33), (20, 128, 2, 2)),
    "F(3x3, 2x2)": ((64, 4, 4), (20, 64, 2, 2)),
    "F(3x3, 4x4)": ((64, 30, 31), (20, 64, 4, 4)),
    "F(2x2, 4x4)": ((64, 5, 5), (20, 64, 4, 4)),
    "F(2x2, 5x5)": ((24, 30, 31), (20, 24, 5, 5)),
    "F(4x4, 2x2) in 4 phases": ((64, 65, 65), (20, 64, 3, 3), {"stride": 2}),
    "F(4, 2) in 2 phases": ((64, 1025), (20, 64, 3), {"stride": 2}),
    "F(4x4, 3x3) of many channels": ((1000, 26, 30), (8, 1000, 3, 3)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("data", HARD)
def test_promise(rng, data, shapes, dtype):
    x_shape, weight_shape, *keywords = SHAPES[shapes]
    keywords = dict(*keywords)
    x, weight = (a.astype(dtype) for a in data(rng, x_shape, weight_shape))
    told = ndconv.ConvLayer(weight, **keywords, method="winograd").explain(x.shape)
    assert shapes.partition(" of")[0] in told or not shapes.startswith("F")
    if shapes == "F(2, 3)":
        # Of two outputs, the guard leaves some draws to direct sums: take one that it does not.
        while is_left_to_direct_sums(x, weight):
            x, weight = (a.astype(dtype) for a in data(rng, x_shape, weight_shape))
    with not_directly():
        y = winograd(x, weight, **keywords)
    assert errors(y, x, weight, **keywords).max() <= 32


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_promise_with_a_large_bias(rng, dtype):
    x, weight, bias = values(rng, (20, 14, 15), dtype), values(rng, (9, 20, 3, 3), dtype), values(rng, 9, dtype) * 1e6
    assert errors(winograd(x, weight, bias), x, weight, bias).max() <= 32


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shapes", ["F(4x4, 3x3)", "F(4, 3)", "F(4x4, 2x2)", "F(4x4, 2x2) in 4 phases", "F(2x2, 5x5)"])
@pytest.mark.parametrize("size", ["just no outlier", 1e6])
def test_promise_with_a_huge_sample(rng, size, shapes, dtype):
    """One huge sample, at every place of a tile; an outlier is left to the direct method."""
    x_shape, weight_shape, *keywords = SHAPES[shapes]
    keywords = dict(*keywords)
    weight = values(rng, weight_shape, dtype)
    layer = ndconv.ConvLayer(weight, **keywords, method="winograd")
    layer(np.ones(x_shape, dtype))
    ((call, place),) = (entry.value for entry in layer._calls._entries.values())
    packed, _ = layer._packed.get(place)
    just_no_outlier = 0.95 * call.prepared.plan.tiling.outlier / packed.values.share
    worst = 0
    for place in np.ndindex(*(4,) * (len(x_shape) - 1)):
        x = values(rng, x_shape, dtype)
        mean = np.abs(x).mean()
        x[(0, *(4 + i for i in place))] = size if size == 1e6 else just_no_outlier * mean
        with nullcontext() if size == 1e6 else not_directly():
            worst = max(worst, errors(winograd(x, weight, **keywords), x, weight, **keywords).max())
    assert worst <= 32


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("place", [0, -1])
def test_an_outlier_that_its_outputs_do_not_see(rng, place, dtype):
    """The only output that reaches the corner has a weight of zero for it, and so has the largest B no part of it."""
    x, weight = values(rng, (32, 20, 20), dtype), values(rng, (20, 32, 3, 3), dtype)
    x[0, place, place] = 1e6
    weight[:, 0, place, place] = 0
    assert errors(winograd(x, weight), x, weight).max() <= 32


@pytest.mark.parametrize("rounds", ROUNDS)
def test_an_outlier_is_found_whoever_pads_it(rng, subtests, rounds):
    x, weight = values(rng, (2, 19, 33, 31), "float32"), values(rng, (21, 19, 3, 3), "float32")
    x[1, 17, 30, 29] = 1e6
    expected = ndconv.conv_layer(x, weight, padding=1, method="direct")
    with tuned(**rounds_of(rounds, x, weight, padding=1)):
        for workers in (1, 2, 5):
            with subtests.test(workers=workers):
                np.testing.assert_array_equal(winograd(x, weight, padding=1, workers=workers), expected)


def test_sparse_samples_are_no_outliers(rng):
    x, weight = np.zeros((16, 60, 60), np.float32), values(rng, (20, 16, 3, 3), "float32")
    x[:, ::10, ::15] = 1
    with not_directly():
        assert errors(winograd(x, weight), x, weight).max() <= 32


def test_float16_is_rounded_once(rng):
    """It is computed in float32, whose errors are small beside one rounding to float16."""
    x, weight = values(rng, (64, 14, 15), "float16"), values(rng, (20, 64, 3, 3), "float16")
    reference = oracle.layer(x, weight)
    error = np.abs(winograd(x, weight).astype(np.float64) - reference.value)
    allowed = 0.51 * np.finfo(np.float16).eps * np.abs(reference.value) + 1e-4 * largest(reference, weight)
    assert (error <= allowed).all()
