"""Large numbers: sizes that overflow, strides and dilations beyond the input, outputs that no memory holds."""

import numpy as np
import pytest

import ndconv
from support.layouts import floats


def test_too_large_an_output_is_a_memory_error():
    """Four pebibytes: more than any process can address."""
    with pytest.raises(MemoryError):
        ndconv.conv_layer(floats(1, 5), floats(1, 1, 3), padding=2**49)
    with pytest.raises(MemoryError):
        ndconv.correlate_nd(np.broadcast_to(np.float32(0), 2**50), floats(3))


@pytest.mark.parametrize(
    "call",
    [
        lambda: ndconv.conv_layer(floats(1, 5, 5), floats(1, 1, 3, 3), padding=2**61),
        lambda: ndconv.conv_layer(floats(1, 5, 5), floats(1, 1, 3, 3), padding=2**40),
        lambda: ndconv.conv_layer(floats(1, 5), floats(1, 1, 3), padding=2**62),
        lambda: ndconv.conv_layer(floats(1, 5), floats(1, 1, 3), padding=2**63),
        lambda: ndconv.conv_layer(floats(1, 5), floats(1, 1, 3), padding=2**62, dilation=2**62),
        lambda: ndconv.conv_layer(floats(0, 1, 5), floats(1, 1, 3), padding=2**62),
        lambda: ndconv.correlate_nd(floats(5), floats(3), lags=(-(2**63), 2**63 - 1)),
        lambda: ndconv.correlate_nd(floats(5), floats(3), dilation=2**62),
        lambda: ndconv.correlate_nd(floats(5, 5), floats(3, 3), lags=(0, 2**40)),
        lambda: ndconv.correlate_nd(
            np.broadcast_to(np.float32(0), (2**40, 1, 3)), np.broadcast_to(np.float32(0), (1, 2**40, 3)), axes=2
        ),
    ],
)
def test_sizes_that_overflow_64_bits(call):
    with pytest.raises((ValueError, MemoryError, OverflowError)):
        call()


def test_large_strides_are_no_errors():
    x, kernel = np.arange(1.0, 6), np.ones(2)
    np.testing.assert_array_equal(ndconv.correlate_nd(x, kernel, "valid", stride=2**40), [3])
    np.testing.assert_array_equal(ndconv.conv_layer(x[None], kernel[None, None], stride=2**62), [[3]])


@pytest.mark.parametrize("stride", [2**31, 2**40, 2**62, 2**63 - 1])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_a_stride_longer_than_the_input_is_any_such(stride, ndim):
    """Along one axis or along all, forward and backward, whatever the method and the dtype."""
    rng = np.random.default_rng(ndim)

    def alike(one, other):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=0.01 if one.dtype == "float32" else 0)

    for dtype in ("float32", "complex128", "int16"):
        x = (9 * rng.standard_normal((2, *(5,) * ndim))).astype(dtype)
        weight = (9 * rng.standard_normal((2, 2, *(3,) * ndim))).astype(dtype)
        for place in range(-1, ndim):
            strides = [
                [length if axis in (place, ndim + place) or place < 0 else 1 for axis in range(ndim)]
                for length in (99, stride)
            ]
            for padding, mode in ((0, "zeros"), (1, "zeros"), (7, "reflect"), ("same", "wrap"), ("causal", "edge")):
                keywords = {"padding": padding, "padding_mode": mode}
                usual, huge = (ndconv.conv_layer(x, weight, stride=each, **keywords) for each in strides)
                alike(huge, usual)
                alike(ndconv.ConvLayer(weight, stride=strides[1], **keywords)(x), usual)
                usual, huge = (
                    ndconv.conv_layer_backward(usual, x, weight, stride=each, **keywords) for each in strides
                )
                for one, other in zip(huge, usual, strict=True):
                    alike(one, other)
            usual, huge = (ndconv.correlate_nd(x[0], weight[0, 0], "valid", stride=each) for each in strides)
            alike(huge, usual)
            one = x[(slice(None), *(slice(0, 1) if s > 1 else slice(None) for s in strides[0]))]
            usual, huge = (ndconv.conv_transpose_layer(one, weight, stride=each) for each in strides)
            alike(huge, usual)
            usual, huge = (ndconv.conv_transpose_layer_backward(usual, one, weight, stride=each) for each in strides)
            for first, other in zip(huge, usual, strict=True):
                alike(first, other)


def test_a_stream_of_a_stride_longer_than_it(subtests):
    for stride in (2**31, 2**62, 2**63 - 1):
        with subtests.test(stride=stride):
            stream = ndconv.CorrelateStream([1.0, 2.0, 4.0], stride=stride)
            assert [stream.push([n]).tolist() for n in (1.0, 2.0)] == [[4.0], []]
            layer = ndconv.ConvLayer([[[1.0, 2.0, 4.0]]], stride=stride, padding="causal").stream()
            assert [layer.push([[n]]).tolist() for n in (1.0, 2.0)] == [[[4.0]], [[]]]


@pytest.mark.parametrize("dilation", [2**31, 3 * 10**9, 2**58, 2**61])
@pytest.mark.parametrize("mode", ["zeros", "edge", "reflect", "symmetric", "wrap"])
def test_a_dilation_longer_than_the_input(subtests, dilation, mode):
    """A layer made once does what a single call does; by spectra, there is no room for the kernel."""
    for ndim in (1, 2, 3):
        with subtests.test(ndim=ndim):
            x, weight = np.arange(2.0 * 4**ndim).reshape(2, *(4,) * ndim), np.ones((1, 2, *(2,) * ndim))
            keywords = {"padding": "same", "padding_mode": mode, "dilation": dilation}
            y = ndconv.conv_layer(x, weight, **keywords)
            assert y.shape == (1, *x.shape[1:])
            np.testing.assert_array_equal(ndconv.ConvLayer(weight, **keywords)(x), y)
            assert ndconv.ConvLayer(weight, **keywords).output_shape(x.shape) == y.shape
            if dilation**ndim >= 2**60:
                with pytest.raises(ValueError, match=r"^method='fft' cannot do this call: .* spans? .* samples"):
                    ndconv.conv_layer(x, weight, **keywords, method="fft")


@pytest.mark.parametrize(
    "make",
    [
        lambda: ndconv.CorrelateStream([1.0, 2.0, 3.0], dilation=2**61).push([1.0]),
        lambda: ndconv.CorrelateStream([1.0, 2.0, 3.0], dilation=2**63 - 1).push([1.0]),
        lambda: ndconv.CorrelateStream([1.0, 2.0], dilation=2**50).push(np.ones((2**10, 1))),
        lambda: ndconv.ConvLayer(np.ones((1, 1, 3)), dilation=2**57, padding="causal").stream().push([[1.0]]),
        lambda: ndconv.conv_transpose_layer(np.ones((1, 2)), np.ones((1, 1, 1)), stride=2**62),
        lambda: ndconv.conv_transpose_layer(np.ones((1, 2)), np.ones((1, 1, 2)), dilation=2**59),
    ],
)
def test_what_has_no_room_in_memory(make):
    with pytest.raises(MemoryError):
        make()
