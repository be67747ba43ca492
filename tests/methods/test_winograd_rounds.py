"""Winograd's method cuts outputs into tiles, tiles into rounds, and rounds into bands and chunks, of every size."""

import math

import numpy as np
import pytest

import ndconv
from support import oracle
from support.layouts import values
from support.winograd import (
    CUT,
    ROUNDS,
    least_value_bytes,
    not_directly,
    rounds_of,
    tilings,
    tuned,
    unguarded,
    winograd,
)

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
        assert t.private_blocks == ("alone" in rounds and t.column_dilation == 1)
        batch = x.shape[0] if x.ndim == weight.ndim else 1
        grid = (batch, t.grid_rows, t.grid_columns), (t.block_images, t.block_rows, t.block_columns)
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
