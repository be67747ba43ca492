"""Layers whose sizes fall on, before and after the borders of tiles, blocks and boxes, against the naive reference."""

import numpy as np
import pytest

import ndconv
from support import oracle
from support.layouts import values

CHANNELS = (1, 2, 3, 5, 8, 12, 16, 17, 31, 32, 33, 48, 64, 100)


def check(rng, x_shape, weight_shape, dtype="float32", **keywords):
    x, weight = values(rng, x_shape, dtype), values(rng, weight_shape, dtype)
    oracle.layer(x, weight, **keywords).check(ndconv.conv_layer(x, weight, **keywords))


@pytest.mark.parametrize("c_in", CHANNELS)
@pytest.mark.parametrize("c_out", CHANNELS)
def test_channels(rng, c_in, c_out):
    check(rng, (c_in, 6, 9), (c_out, c_in, 3, 3), padding=1)
    check(rng, (c_in, 5, 7), (c_out, c_in, 1, 1))
    check(rng, (2, c_in, 19), (c_out, c_in, 2), "float64", stride=2)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("multiplier", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise(rng, channels, multiplier, stride):
    shape = (channels * multiplier, 1, 3, 3)
    check(rng, (2, channels, 8, 33), shape, groups=channels, padding=1, stride=stride)
    check(rng, (channels, 40), shape[:-1], "float64", groups=channels, padding="same", stride=stride)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_with_channels_last(rng, subtests, channels, dtype, stride):
    """Vectors of channels, of all widths up to those that a strip and a chain of taps have, and of several boxes."""
    shared = {"groups": channels, "channel_axis": -1, "stride": stride}
    for width in (3, 4, 7, 8, 9, 50):
        with subtests.test(width=width):
            check(rng, (2, 5, width, channels), (channels, 1, 3, 3), dtype, padding=1, **shared)
    for taps in (1, 2, 4, 5, 7):
        with subtests.test(taps=taps):
            check(
                rng,
                (9, 11, channels),
                (channels, 1, taps, taps),
                dtype,
                dilation=taps % 3 + 1,
                padding="same",
                **shared,
            )
    check(rng, (60, 45, channels), (channels, 1, 5, 3), dtype, padding=2, padding_mode="reflect", **shared)
    check(rng, (2, 70, channels), (channels, 1, 6), dtype, padding=2, fill_value=3, **shared)
    check(rng, (4, 5, 6, channels), (channels, 1, 2, 3, 2), dtype, padding="full", **shared)


@pytest.mark.parametrize("channels", [16, 37, 64])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("size", [(7, 7), (14, 14), (1, 5), (9, 2), (3, 15), (2, 4, 6), (40, 13)])
def test_depthwise_of_small_images(rng, subtests, channels, dtype, size):
    """Blocks of samples are turned that go over the ends of lines, of x and of y."""
    x_shape, ones = (2, channels, *size), (1,) * len(size)
    for taps in (3, 5):
        with subtests.test(taps=taps):
            weight_shape = (channels, 1, *(min(taps, n) for n in size))
            check(rng, x_shape, weight_shape, dtype, padding="same", groups=channels)
            check(rng, x_shape, weight_shape, dtype, padding=1, padding_mode="replicate", groups=channels)
            check(rng, x_shape, (channels, 1, *ones[1:], taps), dtype, padding=3, fill_value=2, groups=channels)
    x, weight = values(rng, x_shape, dtype), values(rng, (channels, 1, *[min(3, n) for n in size]), dtype)
    keywords = {"padding": "same", "groups": channels, "activation": "relu"}
    for y in (values(rng, x_shape, dtype), np.flip(values(rng, (*x_shape, 2), dtype)[..., 1], 2)):
        expected = oracle.layer(x, weight, residual=y, **keywords)
        expected.check(ndconv.conv_layer(x, weight, residual=y, **keywords))
        expected.check(ndconv.conv_layer(x, weight, residual=y, out=y, **keywords))
    wide = values(rng, (*x_shape[:-1], size[-1] + 3), dtype)
    oracle.layer(wide[..., 1:-2], weight, **keywords).check(ndconv.conv_layer(wide[..., 1:-2], weight, **keywords))


@pytest.mark.parametrize("channels", [3, 16, 37])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_epilogue_of_depthwise_layers_with_channels_last(rng, channels, dtype):
    x, weight = values(rng, (2, 9, 19, channels), dtype), values(rng, (channels, 1, 3, 3), dtype)
    keywords = {"padding": 1, "groups": channels, "channel_axis": -1, "activation": "silu"}
    bias = values(rng, (channels,), dtype)
    for residual in (values(rng, x.shape, dtype), values(rng, (2, channels, 9, 19), dtype).transpose(0, 2, 3, 1)):
        expected = oracle.layer(x, weight, bias, residual=residual, **keywords)
        expected.check(ndconv.conv_layer(x, weight, bias, residual=residual, **keywords))
        expected.check(ndconv.ConvLayer(weight, bias, **keywords)(x, residual=residual))
        out = residual.copy()
        expected.check(ndconv.conv_layer(x, weight, bias, residual=out, out=out, **keywords))
    out = np.empty((2, channels, 9, 19), dtype).transpose(0, 2, 3, 1)
    oracle.layer(x, weight, bias, **keywords).check(ndconv.conv_layer(x, weight, bias, out=out, **keywords))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
@pytest.mark.parametrize("last", [(1,), (2,), (3,), (16,), (37,), (2, 3), (40, 2)])
def test_axes_before_the_last_ones(rng, subtests, dtype, last):
    """A kernel that slides along an image, not along its colours, or along time, not along channels."""
    for shape, taps, axes in (((9, 30), (3, 5), (0, 1)), ((120,), (7,), 0), ((2, 4, 9), (2, 1, 4), (0, 1, 2))):
        with subtests.test(shape=shape, taps=taps, axes=axes):
            x, kernel = values(rng, (*shape, *last), dtype), values(rng, taps, dtype)
            keywords = {"mode": "same", "axes": axes}
            for more in ({}, {"stride": 2}, {"dilation": 2}, {"padding_mode": "reflect"}, {"fill_value": 2}):
                expected = oracle.correlate(x, kernel, **keywords, **more)
                expected.check(ndconv.correlate_nd(x, kernel, **keywords, **more))
            turned = np.moveaxis(values(rng, (*last, *shape), dtype), range(len(last)), range(-len(last), 0))
            oracle.correlate(turned, kernel, **keywords).check(ndconv.correlate_nd(turned, kernel, **keywords))


@pytest.mark.parametrize("groups", [2, 3, 4, 7])
@pytest.mark.parametrize(("c_in", "c_out"), [(1, 5), (3, 1), (5, 17), (16, 16), (33, 31)])
def test_groups(rng, groups, c_in, c_out):
    check(rng, (2, groups * c_in, 7, 18), (groups * c_out, c_in, 3, 3), groups=groups, padding=1)


@pytest.mark.parametrize("first", range(1, 71, 10))
@pytest.mark.parametrize(
    ("c_in", "c_out", "groups"), [(1, 1, 1), (1, 3, 1), (3, 2, 1), (5, 9, 1), (16, 32, 1), (17, 33, 1), (8, 8, 8)]
)
def test_widths(rng, subtests, first, c_in, c_out, groups):
    for width in range(first, first + 10):
        with subtests.test(width=width):
            for stride in (1, 2, 3):
                check(rng, (c_in, 3, width), (c_out, c_in // groups, 3, 3), padding=1, stride=stride, groups=groups)
            check(rng, (c_in, width), (c_out, c_in // groups, 1), groups=groups)


@pytest.mark.parametrize("dtype", ["float16", "float64", "complex64", "complex128", "int8", "int32", "uint64"])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(1, 1, 1), (3, 2, 1), (17, 33, 1), (5, 5, 5)])
def test_widths_of_every_type(rng, subtests, dtype, c_in, c_out, groups):
    for width in range(1, 71, 3):
        with subtests.test(width=width):
            check(rng, (c_in, 3, width), (c_out, c_in // groups, 3, 3), dtype, padding=1, groups=groups)


@pytest.mark.parametrize("height", range(1, 30))
@pytest.mark.parametrize(("c_in", "c_out"), [(1, 1), (2, 3), (20, 40)])
def test_heights(rng, height, c_in, c_out):
    check(rng, (c_in, height, 7), (c_out, c_in, 3, 3), padding=1)
    check(rng, (c_in, height, 5), (c_out, c_in, 5, 1), padding=((4, 0), (0, 0)))


@pytest.mark.parametrize("taps", [1, 2, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 31])
@pytest.mark.parametrize(("c_in", "c_out"), [(1, 1), (2, 3), (18, 20)])
def test_kernel_sizes(rng, taps, c_in, c_out):
    check(rng, (c_in, 90), (c_out, c_in, taps))
    check(rng, (c_in, 33, 35), (c_out, c_in, taps, 3), padding="same")
    check(rng, (c_in, 5, 40), (c_out, c_in, 2, taps))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(31, 31), (1, 129), (129, 1), (48, 50)])
@pytest.mark.parametrize(("c_in", "c_out"), [(1, 1), (2, 16)])
def test_large_kernels(rng, shape, c_in, c_out):
    check(rng, (c_in, 135, 140), (c_out, c_in, *shape))


@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(600, 16, 1), (600, 3, 1), (600, 600, 600), (16, 600, 1)])
@pytest.mark.parametrize("taps", [1, 3])
def test_many_channels(rng, c_in, c_out, groups, taps):
    check(rng, (c_in, 7, 7), (c_out, c_in // groups, taps, taps), groups=groups, padding=taps // 2)
    check(rng, (c_in, 33), (c_out, c_in // groups, taps), groups=groups, stride=2)


def test_many_channels_and_many_pixels(rng):
    check(rng, (256, 40, 41), (64, 256, 3, 3), padding=1)


@pytest.mark.parametrize("rate", [2, 6, 12, 18, 24, 33])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(1, 1, 1), (2, 3, 1), (32, 32, 1), (7, 7, 7)])
@pytest.mark.parametrize("padding_mode", ["zeros", "reflect"])
def test_dilation_as_large_as_the_image(rng, rate, c_in, c_out, groups, padding_mode):
    keywords = {"dilation": rate, "padding": rate, "groups": groups, "padding_mode": padding_mode}
    check(rng, (c_in, 33, 33), (c_out, c_in // groups, 3, 3), **keywords)


@pytest.mark.parametrize("dilation", [64, 512, 4096])
@pytest.mark.parametrize("channels", [1, 3, 24])
def test_dilation_along_a_signal(rng, dilation, channels):
    check(rng, (channels, 9000), (channels, channels, 2), dilation=dilation, padding="causal")


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
@pytest.mark.parametrize(
    ("shape", "c_out", "groups", "kernel"),
    [
        ((1, 1000, 900), 1, 1, (5, 5)),
        ((3, 500, 700), 2, 1, (3, 3)),
        ((8, 300, 400), 8, 8, (3, 3)),
        ((3, 200, 300), 24, 1, (3, 3)),
        ((2, 40, 50, 60), 3, 1, (3, 3, 3)),
        ((1, 300_000), 1, 1, (31,)),
        ((4, 60_000), 20, 1, (9,)),
        ((1, 3, 200_000), 1, 1, (3, 5)),
        ((1, 200_000, 3), 2, 1, (5, 3)),
    ],
)
def test_more_than_one_box(rng, dtype, shape, c_out, groups, kernel):
    keywords = {"padding": "same", "padding_mode": "symmetric", "groups": groups}
    if dtype == "float64":
        shape = (shape[0], *(-(-n // 2) for n in shape[1:]))
    check(rng, shape, (c_out, shape[0] // groups, *kernel), dtype, **keywords)


@pytest.mark.parametrize("channels", [(1, 1), (2, 3), (16, 32)])
def test_stride_wider_than_the_kernel(rng, channels):
    c_in, c_out = channels
    check(rng, (c_in, 50, 61), (c_out, c_in, 2, 3), stride=(7, 11))
    check(rng, (c_in, 50, 61), (c_out, c_in, 1, 1), stride=(60, 70))


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 64])
@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(1, 1, 1), (16, 16, 1), (6, 6, 6)])
def test_batches(rng, batch, c_in, c_out, groups):
    check(rng, (batch, c_in, 6, 7), (c_out, c_in // groups, 3, 3), padding=1, groups=groups)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_last_box_narrower_than_a_vector_of_many_channels(rng, subtests, dtype):
    """Where input channels come in blocks, sums wait in y, in which such a box has no room for them."""
    for height, width, kernel in ((25, 17, (5, 5)), (29, 13, (9, 5)), (21, 9, (5, 5)), (121, 19, (11, 9))):
        x, weight = values(rng, (32, height, width), dtype), values(rng, (17, 32, *kernel), dtype)
        for stride in (1, (3, 2)):
            with subtests.test(height=height, width=width, kernel=kernel, stride=stride):
                expected = oracle.layer(x, weight, stride=stride, method="direct")
                expected.check(ndconv.conv_layer(x, weight, stride=stride, method="direct"))


@pytest.mark.parametrize("method", ["direct", "auto"])
def test_out_whose_axis_of_one_sample_has_another_stride(rng, method):
    x, weight = values(rng, (64, 60, 1), "float64"), values(rng, (3, 64, 11, 1), "float64")
    expected = ndconv.conv_layer(x, weight, method=method)
    for out in (np.empty((3, 50, 1))[..., ::2], np.empty((3, 50, 4))[..., ::4], np.empty((1, 50, 3)).T):
        np.testing.assert_allclose(ndconv.conv_layer(x, weight, method=method, out=out), expected, rtol=0, atol=1e-10)
