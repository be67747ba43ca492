"""Streams: chunks of any length give what one call gives for the whole signal, by the direct method to the bit."""

import copy
import pickle

import numpy as np
import pytest
import scipy.signal
from hypothesis import assume, given
from hypothesis import strategies as st

import ndconv
from support import oracle
from support.layouts import values
from support.strategies import examples, generators
from support.streams import DTYPES, FLOATING, LONG, MANY, SHORT, layers


def cut(x, sizes, axis=-1):
    """Return chunks of x of so many samples, and one of the rest."""
    return np.split(x, np.minimum(np.cumsum(sizes), x.shape[axis]), axis=axis)


def run(stream, chunks, axis=-1):
    return np.concatenate([*map(stream.push, chunks), stream.flush()], axis=axis)


def same(actual, expected):
    """Assert that arrays have the same bits."""
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected, strict=True)
    zero = np.asarray(expected == 0)  # whose signs are equal to NumPy
    for part in ("real", "imag"):
        assert np.array_equal(np.signbit(getattr(actual, part)[zero]), np.signbit(getattr(expected, part)[zero]))


sizes = st.lists(st.sampled_from((0, 1, 1, 2, 3, 7, 16, 40, 130)), max_size=25)


@examples(120)
@given(call=layers(), sizes=sizes, break_at=st.integers(0, 9), how=st.sampled_from(("pickle", "copy", "deepcopy")))
def test_chunks_of_a_layers_signal(call, sizes, break_at, how):
    x, weight, keywords = call
    axis = -2 if keywords["channel_axis"] == -1 else -1
    layer = ndconv.ConvLayer(weight, method="direct", **keywords)
    stream, chunks = layer.stream(), cut(x, sizes, axis)
    parts = [stream.push(chunk) for chunk in chunks[:break_at]]
    other = {"pickle": lambda s: pickle.loads(pickle.dumps(s)), "copy": copy.copy, "deepcopy": copy.deepcopy}[how](
        stream
    )
    stream.push(np.ones_like(chunks[0]))  # is none of the other's business
    parts += [other.push(chunk) for chunk in chunks[break_at:]]
    same(np.concatenate([*parts, other.flush()], axis=axis), layer(x))
    assert stream.latency == 0


@examples(150)
@given(call=layers(FLOATING, (1, 1, 2, 3, 9, 25), MANY), step=st.integers(1, 400), length=st.integers(1, 400))
def test_many_channels(call, step, length):
    """Chunks of a signal, and a part of it from its beginning, have the bits of the whole."""
    x, weight, keywords = call
    axis = -2 if keywords["channel_axis"] == -1 else -1
    samples = x.shape[axis]
    layer = ndconv.ConvLayer(weight, method="direct", **keywords)
    y = layer(x)
    same(run(layer.stream(), cut(x, [step] * (samples // step), axis), axis), y)
    length = min(length, samples)
    beginning = layer(x.take(range(length), axis))
    same(beginning, y.take(range(beginning.shape[axis]), axis))


@examples(60)
@given(call=layers(FLOATING, LONG), sizes=sizes, break_at=st.integers(0, 9))
def test_chunks_of_a_layers_signal_by_spectra(call, sizes, break_at):
    x, weight, keywords = call
    layer = ndconv.ConvLayer(weight, method="fft", **keywords)
    axis = -2 if keywords["channel_axis"] == -1 else -1
    chunks = cut(x, sizes, axis)
    stream = layer.stream()
    parts = [stream.push(chunk) for chunk in chunks[:break_at]]
    twin = pickle.loads(pickle.dumps(stream))
    y = np.concatenate([*parts, *map(stream.push, chunks[break_at:]), stream.flush()], axis=axis)
    check_accuracy(y, x, weight, keywords)
    same(np.concatenate([*parts, *map(twin.push, chunks[break_at:])], axis=axis), y)
    same(run(layer.stream(), [x], axis), y)


def check_accuracy(y, x, weight, keywords):
    """Assert the promise of all methods but the direct one: 32 eps of the channel's largest sum of magnitudes."""
    expected = oracle.layer(x, weight, **keywords)
    assert (y.shape, y.dtype) == (expected.shape, expected.dtype)
    magnitudes = keywords | {"activation": None, "fill_value": abs(keywords["fill_value"])}
    if "bias" in keywords:
        magnitudes["bias"] = np.abs(keywords["bias"]).astype(float)
    sums = oracle.layer(np.abs(x).astype(float), np.abs(weight).astype(float), **magnitudes).value
    last = keywords["channel_axis"] == -1
    largest = sums.max(axis=-2 if last else -1, keepdims=True)
    assert (np.abs(y.astype(expected.value.dtype) - expected.value) <= 32 * np.finfo(y.dtype).eps * largest).all()


@st.composite
def correlations(draw, dtypes=DTYPES, taps=SHORT):
    """Draw a kernel, the keywords that the stream and `correlate_nd` share, and a signal."""
    rng = draw(generators())
    dtype, taps = draw(st.sampled_from(dtypes)), draw(st.sampled_from(taps))
    shape = list(draw(st.sampled_from(((), (), (3,), (2, 3), (40,)))))
    axis = draw(st.integers(0, len(shape)))
    kernel_shape = [taps]
    if shape and draw(st.booleans()):
        kernel_shape = [draw(st.sampled_from((1, size))) for size in shape]
        kernel_shape.insert(axis, taps)
    # A signal that is shorter than a valid kernel has no outputs in a stream, and is an error in a call.
    shape.insert(axis, draw(st.sampled_from((1, 31, 200, 400))))
    keywords = {
        "mode": draw(st.sampled_from(("full", "same", "valid"))),
        "padding_mode": draw(st.sampled_from(("zeros", "replicate"))),
        "fill_value": draw(st.sampled_from((0, 0, 3))),
        "stride": draw(st.sampled_from((1, 1, 2, 5, 12))),
        "dilation": draw(st.sampled_from((1, 1, 2, 30))),
    }
    return values(rng, shape, dtype), values(rng, kernel_shape, dtype), axis, keywords


@examples(120)
@given(call=correlations(), sizes=sizes)
def test_chunks_of_a_signal(call, sizes):
    x, kernel, axis, keywords = call
    stream = ndconv.CorrelateStream(kernel, axis=axis, method="direct", **keywords)
    y = run(stream, cut(x, sizes, axis), axis)
    reach = keywords["dilation"] * (kernel.shape[0 if kernel.ndim == 1 else axis] - 1)
    if keywords["mode"] == "valid" and x.shape[axis] <= reach:
        assert y.shape == (*x.shape[:axis], 0, *x.shape[axis + 1 :])
        return
    same(y, ndconv.correlate_nd(x, kernel, axes=axis, method="direct", **keywords))


@examples(60)
@given(call=correlations(FLOATING, LONG), sizes=sizes)
def test_chunks_of_a_signal_by_spectra(call, sizes):
    x, kernel, axis, keywords = call
    stream = ndconv.CorrelateStream(kernel, axis=axis, method="fft", **keywords)
    y = run(stream, cut(x, sizes, axis), axis)
    if y.size == 0:
        return
    expected = ndconv.correlate_nd(x, kernel, axes=axis, method="direct", **keywords)
    sums = ndconv.correlate_nd(np.abs(x), np.abs(kernel), axes=axis, **keywords)
    assert y.dtype == expected.dtype
    with np.errstate(all="ignore"):  # float16 has little room
        assert (np.abs(y - expected) <= 33 * np.finfo(y.dtype).eps * sums.max(axis=axis, keepdims=True)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("chunk", [1, 64, 1000, 30_000])
def test_long_kernels(rng, dtype, chunk):
    x, kernel = values(rng, (3000 if chunk == 1 else 30_000), dtype), values(rng, 10_000, dtype)
    stream = ndconv.CorrelateStream(kernel[::-1].conj(), method="auto")
    y = run(stream, cut(x, [chunk] * (x.size // chunk)))
    assert stream.latency == 0
    exact = scipy.signal.fftconvolve(x.astype("complex128"), kernel)
    largest = scipy.signal.fftconvolve(np.abs(x).astype(float), np.abs(kernel)).max()
    assert y.shape == exact.shape
    assert y.dtype == dtype
    assert np.abs(y - exact).max() <= 33 * np.finfo(dtype).eps * largest


def test_a_prefix_of_a_signal_has_the_same_bits(rng):
    """That is what streams by the direct method rest on: sums do not know how long the signal is."""
    for inputs, outputs, taps, stride in [
        (1, 64, 9, 1),
        (3, 192, 130, 5),
        (33, 99, 3, 3),
        (2, 32, 130, 5),
        (1, 1, 9, 2),
    ]:
        x, weight = values(rng, (inputs, 700), "float32"), values(rng, (outputs, inputs, taps), "float32")
        bias = values(rng, outputs, "float32")
        whole = ndconv.conv_layer(x, weight, bias, stride=stride, padding="causal", method="direct")
        for n in (1, 2, 7, 33, 100, 401):
            y = ndconv.conv_layer(x[:, :n].copy(), weight, bias, stride=stride, padding="causal", method="direct")
            same(y, whole[:, : y.shape[1]])


def test_an_output_comes_with_its_last_sample():
    stream = ndconv.CorrelateStream([0.0, 1.0], "same", dilation=4)
    assert stream.latency == 2
    assert [stream.push([n]).tolist() for n in (1.0, 2.0, 3.0, 4.0)] == [[], [], [3.0], [4.0]]
    assert stream.flush().tolist() == [0.0, 0.0]
    assert [ndconv.CorrelateStream(np.ones(9), mode).latency for mode in ("full", "same", "valid")] == [0, 4, 8]


def test_a_causal_filter_is_scipys(rng):
    x, taps = values(rng, (4, 500), "float64"), values(rng, 31, "float64")
    stream = ndconv.CorrelateStream(taps[::-1])
    y = np.concatenate([stream.push(chunk) for chunk in cut(x, [100] * 5)], axis=1)
    np.testing.assert_allclose(y, scipy.signal.lfilter(taps, 1, x), atol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_what_is_not_finite_reaches_the_outputs_that_see_it(rng, bad):
    x, kernel = values(rng, 3000, "float64"), 1e10 * (1 + rng.random(700))
    x[1234] = bad
    y = run(ndconv.CorrelateStream(kernel, method="fft"), cut(x, [64] * 50))
    seen = np.zeros(y.size, bool)
    seen[1234 : 1234 + 700] = True
    np.testing.assert_array_equal(np.isfinite(y), ~seen)


def spoil(rng, weight):
    """Return weights of which a few are not finite."""
    weight = weight.copy()
    weight.flat[rng.integers(weight.size, size=rng.integers(1, 4))] = rng.choice((np.nan, np.inf, -np.inf))
    return weight


REAL = ("float16", "float32", "float64")


@examples(150)
@given(call=layers(REAL), rng=generators(), sizes=sizes)
def test_weights_of_a_layer_that_are_not_finite(call, rng, sizes):
    """They meet the samples of the signal alone, as in one call for all of it, whose bits the others keep."""
    x, weight, keywords = call
    axis = -2 if keywords["channel_axis"] == -1 else -1
    layer = ndconv.ConvLayer(spoil(rng, weight), method="direct", **keywords)
    same(run(layer.stream(), cut(x, sizes, axis), axis), layer(x))


@examples(150)
@given(call=correlations(REAL), rng=generators(), sizes=sizes)
def test_kernels_that_are_not_finite(call, rng, sizes):
    x, kernel, axis, keywords = call
    reach = keywords["dilation"] * (kernel.shape[0 if kernel.ndim == 1 else axis] - 1)
    assume(keywords["mode"] != "valid" or x.shape[axis] > reach)
    kernel = spoil(rng, kernel)
    stream = ndconv.CorrelateStream(kernel, axis=axis, method="direct", **keywords)
    same(
        run(stream, cut(x, sizes, axis), axis),
        ndconv.correlate_nd(x, kernel, axes=axis, method="direct", **keywords),
    )


@examples(80)
@given(call=correlations(("float32", "float64"), LONG), rng=generators(), sizes=sizes)
def test_kernels_that_are_not_finite_by_spectra(call, rng, sizes):
    x, kernel, axis, keywords = call
    reach = keywords["dilation"] * (kernel.shape[0 if kernel.ndim == 1 else axis] - 1)
    assume(keywords["mode"] != "valid" or x.shape[axis] > reach)
    spoilt = spoil(rng, kernel)
    stream = ndconv.CorrelateStream(spoilt, axis=axis, method="fft", **keywords)
    y = run(stream, cut(x, sizes, axis), axis)
    expected = ndconv.correlate_nd(x, spoilt, axes=axis, method="direct", **keywords)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(y[~finite], expected[~finite])
    sums = ndconv.correlate_nd(np.abs(x), np.abs(kernel), axes=axis, **keywords).max(axis=axis, keepdims=True)
    error = np.abs(np.where(finite, y, 0) - np.where(finite, expected, 0))
    assert (error <= 33 * np.finfo(y.dtype).eps * sums).all()


def test_half_precision_is_rounded_once(rng):
    """Also where NaN elsewhere has sums done directly, in two parts."""
    x, kernel = values(rng, 2000, "float16"), values(rng, 700, "float16")
    exact = np.convolve(x.astype(float), kernel[::-1].astype(float))
    x[0] = np.nan
    y = run(ndconv.CorrelateStream(kernel, method="fft"), cut(x, [64] * 30))
    assert np.isnan(y[:700]).all()
    largest = np.convolve(np.abs(x[1:]).astype(float), np.abs(kernel).astype(float)).max()
    error = np.abs(y[700:] - exact[700:])
    assert (error <= 2.0**-11 * np.abs(exact[700:]) + 32 * np.finfo("float32").eps * largest).all()
    weight = np.stack([kernel, kernel])[:, None]
    weight[0, 0, 3] = np.nan
    y = run(ndconv.ConvLayer(weight, padding="causal", method="fft").stream(), cut(x[None, 1:], [64] * 30))
    exact = np.convolve(x[1:].astype(float), kernel[::-1].astype(float))[: x.size - 1]
    error = np.abs(y[1] - exact)
    assert (error <= 2.0**-11 * np.abs(exact) + 32 * np.finfo("float32").eps * largest).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("loud", [1.0, 1e9])
@pytest.mark.parametrize("tiny", ["kernel", "x", "half of x", "some channels"])
@pytest.mark.parametrize("stride", [1, 4])
def test_tiny_numbers_by_spectra(rng, dtype, loud, tiny, stride):
    """Numbers that have few digits, or none to spare, are no less exact than others."""
    least = float(np.finfo(dtype).smallest_subnormal)
    x, kernel = values(rng, (3, 2000), dtype), values(rng, (3, 500), dtype)
    x, kernel = x / np.abs(x).max(), kernel / np.abs(kernel).max()
    quiet, other = (kernel, x) if tiny == "kernel" else (x, kernel)
    other *= loud
    quiet[{"half of x": np.s_[:, 1000:], "some channels": np.s_[1:]}.get(tiny, ...)] *= 100 * least
    y = run(ndconv.CorrelateStream(kernel, stride=stride, method="fft"), cut(x, [700] * 2))
    wide = np.result_type(dtype, np.longdouble)
    for got, samples, taps in zip(y, x.astype(wide), kernel.astype(wide)[:, ::-1].conj(), strict=True):
        exact = np.convolve(samples, taps)[::stride]
        largest = np.convolve(np.abs(samples), np.abs(taps)).max()
        assert np.abs(got - exact).max() <= 32 * np.finfo(dtype).eps * largest + 500 * least


@pytest.mark.parametrize(("stride", "dilation", "taps"), [(2, 2, 300), (4, 6, 300), (12, 30, 130), (128, 3, 100)])
@pytest.mark.parametrize("loud", [1e30, np.inf, np.nan])
def test_samples_that_no_output_reads(rng, stride, dilation, taps, loud):
    """Spectra, which mix neighbours, are of what the taps meet."""
    x, kernel = values(rng, 6000, "float32"), values(rng, taps, "float32")
    keywords = {"mode": "valid", "stride": stride, "dilation": dilation}
    met = np.add.outer(stride * np.arange(x.size), dilation * np.arange(taps))  # if the signal went on
    read = np.zeros(x.size, bool)
    read[met[met < x.size]] = True
    assert not read[:3000].all()
    x[~read] = 0
    expected = ndconv.correlate_nd(x, kernel, method="direct", **keywords)
    largest = ndconv.correlate_nd(np.abs(x), np.abs(kernel), **keywords).max()
    x[~read] = loud
    y = run(ndconv.CorrelateStream(kernel, method="fft", **keywords), cut(x, [500] * 9))
    assert np.abs(y - expected).max() <= 33 * np.finfo("float32").eps * largest


def test_nothing_in_is_nothing_out():
    assert ndconv.CorrelateStream([1.0, 2.0]).flush().shape == (0,)
    assert ndconv.ConvLayer(np.ones((5, 1, 3)), padding="causal").stream().flush().shape == (5, 0)
    stream = ndconv.ConvLayer(np.ones((5, 1, 3)), padding="causal", channel_axis=-1).stream()
    assert stream.push(np.ones((2, 0, 1))).shape == (2, 0, 5)
    assert stream.flush().shape == (2, 0, 5)


def test_a_layers_streams_share_its_filter(rng):
    layer = ndconv.ConvLayer(values(rng, (4, 3, 5), "float32"), padding="causal")
    x = values(rng, (3, 50), "float32")
    one, two = layer.stream(), layer.stream()
    for chunk in cut(x, [20, 5]):
        same(one.push(chunk), two.push(chunk))
    assert one._filter is two._filter


@pytest.mark.parametrize(("taps", "method"), [(200, "direct"), (20_000, "fft")])
def test_the_state_does_not_grow(rng, taps, method):
    stream = ndconv.CorrelateStream(values(rng, taps, "float64"), method=method)
    stream.push(np.ones(5000))
    before = len(pickle.dumps(stream))
    for n in (10, 5000, 100_000):
        stream.push(np.ones(n))
    assert len(pickle.dumps(stream)) <= before + 8 * 2 * 2048
    assert before <= 8 * (5 * taps + 4096)


GOOD = {"weight": np.ones((2, 3, 4)), "padding": "causal"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"weight": np.ones((2, 3, 4, 4))},
            r"weight must have one spatial axis for a stream, got shape \(2, 3, 4, 4\)",
        ),
        ({"padding": 0}, r"padding must be 'causal' for a stream, here \(3, 0\).*got 0"),
        ({"padding": "same"}, "padding must be 'causal'.*got 'same'"),
        ({"padding": ((3, 1),)}, r"padding must be 'causal'.*got \(\(3, 1\),\)"),
        ({"padding_mode": "reflect"}, "padding_mode must be 'zeros' or 'replicate' for a stream, got 'reflect'"),
        ({"method": "winograd"}, "method must be 'auto', 'direct' or 'fft' for a stream, got 'winograd'"),
    ],
)
def test_layers_without_streams(changed, message):
    keywords = GOOD | changed
    layer = ndconv.ConvLayer(keywords.pop("weight"), **keywords)
    with pytest.raises(ValueError, match=message):
        layer.stream()


def test_paddings_that_are_causal():
    for weight, padding in [(np.ones((2, 3, 4)), ((3, 0),)), (np.ones((2, 3, 1)), "same"), (np.ones((2, 3, 1)), 0)]:
        assert ndconv.ConvLayer(weight, padding=padding, stride=2).stream().latency == 0
    assert ndconv.ConvLayer(np.ones((2, 3, 2)), padding="same_lower").stream().latency == 0
    with pytest.raises(ValueError, match="padding must be 'causal'"):
        ndconv.ConvLayer(np.ones((2, 3, 2)), padding="same_lower", stride=2).stream()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"kernel": 3.0}, ValueError, "kernel must have at least one axis"),
        ({"kernel": []}, ValueError, r"kernel must have at least one tap, got shape \(0,\)"),
        ({"kernel": ["a"]}, TypeError, "kernel must have"),
        ({"mode": "causal"}, ValueError, "mode must be one of full, same, valid; got 'causal'"),
        ({"axis": 0.5}, TypeError, "axis must be an integer, got 0.5"),
        ({"kernel": np.ones((2, 3)), "axis": 2}, ValueError, r"axis must lie in -2\.\.1 for 2 axes, got 2"),
        ({"stride": 0}, ValueError, "stride must be at least 1, got 0"),
        ({"dilation": (1, 2)}, TypeError, r"dilation must be an integer, got \(1, 2\)"),
        ({"padding_mode": "wrap"}, ValueError, "padding_mode must be 'zeros' or 'replicate' for a stream, got 'wrap'"),
        ({"fill_value": "x"}, TypeError, "fill_value must be a number"),
        ({"method": "separable"}, ValueError, "method must be 'auto', 'direct' or 'fft' for a stream, got 'separable'"),
        ({"workers": 0}, ValueError, "workers"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        ndconv.CorrelateStream(**{"kernel": [1.0, 2.0, 3.0]} | arguments)


@pytest.mark.parametrize("method", ["direct", "fft"])
@pytest.mark.parametrize(
    ("chunk", "error", "message"),
    [
        (np.ones((4, 7), "f4"), ValueError, r"chunk must have shape \(3, n\) as the first one had, got \(4, 7\)"),
        (np.ones((1, 3, 7), "f4"), ValueError, r"chunk must have shape \(3, n\) as the first one had, got \(1, 3, 7\)"),
        (np.ones(7, "f4"), ValueError, "chunk must have 2 axes, or 3 with a batch, got 1"),
        (np.ones((3, 7)), TypeError, "chunk must have a dtype that casts safely to float32.*got float64"),
        (np.ones((3, 7), "c8"), TypeError, "chunk must have a dtype that casts safely to float32.*got complex64"),
        ([["a"] * 7] * 3, TypeError, "chunk must have a boolean, integer"),
        ([[1.0, 2.0], [3.0]], ValueError, "chunk must be an array"),
    ],
)
def test_an_error_leaves_the_stream_as_it_was(rng, method, chunk, error, message):
    x, weight = values(rng, (3, 700), "float32"), values(rng, (2, 3, 300), "float32")
    stream = ndconv.ConvLayer(weight, padding="causal", method=method).stream()
    first = stream.push(x[:, :333])
    twin = copy.deepcopy(stream)
    with pytest.raises(error, match=message):
        stream.push(chunk)
    same(stream.push(x[:, 333:]), twin.push(x[:, 333:]))
    assert first.shape == (2, 333)


def test_an_error_at_the_beginning_decides_nothing():
    stream = ndconv.ConvLayer(np.ones((1, 3, 2), "f4"), padding="causal", fill_value=0.5).stream()
    with pytest.raises(ValueError, match=r"chunk must have 3 channels on axis -2, got shape \(2, 9\)"):
        stream.push(np.ones((2, 9)))
    assert stream.push(np.ones((3, 2), "f4")).tolist() == [[4.5, 6.0]]
    integers = ndconv.CorrelateStream([1, 2], method="fft")
    with pytest.raises(ValueError, match="method='fft' cannot do this stream: its transforms would round integers"):
        integers.push([1, 2, 3])
    with pytest.raises(ValueError, match="method='fft' cannot do this stream: a kernel that spans 2 samples"):
        integers.push([1.0])
    with pytest.raises(ValueError, match="fill_value must be an integer"):
        ndconv.CorrelateStream([1, 2], fill_value=0.5).push([1, 2])
    with pytest.raises(ValueError, match=r"chunk must have the channels of kernel.*\(2, 3\), got shape \(4, 9\)"):
        ndconv.CorrelateStream(np.ones((2, 3))).push(np.ones((4, 9)))
    with pytest.raises(ValueError, match="chunk must have as many axes as kernel, 2, got 1"):
        ndconv.CorrelateStream(np.ones((2, 3))).push(np.ones(9))
    with pytest.raises(TypeError, match="activation 'gelu'"):
        ndconv.ConvLayer(np.ones((1, 1, 2), int), padding="causal", activation="gelu").stream().push([[1]])


def test_after_the_flush_comes_nothing():
    stream = ndconv.CorrelateStream([1.0, 2.0])
    stream.push([1.0])
    twin = copy.copy(stream)
    assert stream.flush().tolist() == [1.0]
    with pytest.raises(ValueError, match="chunk must come before the stream is flushed"):
        stream.push([1.0])
    with pytest.raises(ValueError, match="flush must be called once"):
        stream.flush()
    assert twin.push([1.0]).tolist() == [3.0]


def test_a_smaller_dtype_is_welcome_later():
    stream = ndconv.CorrelateStream([1.0, 2.0])
    parts = [stream.push([0.5]), stream.push(np.array([1, 2], "int8")), stream.push([True])]
    same(np.concatenate(parts), np.array([1.0, 2.5, 5.0, 4.0]))


def test_chunks_are_not_kept_by_reference():
    chunk = np.ones(4)
    stream = ndconv.CorrelateStream(np.ones(3))
    stream.push(chunk)
    chunk[:] = 99
    assert stream.push([1.0]).tolist() == [3.0]


def test_representations():
    assert repr(ndconv.CorrelateStream(np.ones((2, 3)))) == "<CorrelateStream: kernel (2, 3) float64>"
    layer = ndconv.ConvLayer(np.ones((1, 1, 2)), padding="causal")
    assert repr(layer.stream()) == f"<LayerStream of {layer!r}>"


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_a_batch_of_nothing_by_spectra(dtype):
    stream = ndconv.ConvLayer(np.ones((1, 1, 40), dtype), stride=9, padding="causal", method="fft").stream()
    assert stream.push(np.ones((0, 1, 300), dtype)).shape == (0, 1, 34)
