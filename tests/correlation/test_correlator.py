"""`Correlator`: the same bits as `correlate_nd`, from a kernel that is packed once."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given

import ndconv
from ndconv._engine import Prepared
from support.layouts import values
from support.strategies import correlation_calls


@given(call=correlation_calls())
def test_random_correlators(call):
    x, kernel = call.arrays
    expected = ndconv.correlate_nd(x, kernel, **call.keywords)
    correlator = ndconv.Correlator(kernel, **call.keywords)
    np.testing.assert_array_equal(correlator(x), expected, strict=True)
    out = np.empty_like(expected)
    assert correlator(x, out) is out
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(correlator))(x), expected, strict=True)


@pytest.mark.parametrize("method", ["direct", "fft", "separable", "auto"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_method_meets_many_inputs(rng, method, dtype):
    kernel = np.multiply.outer(*values(rng, (2, 9), dtype))
    correlator = ndconv.Correlator(kernel, "same", padding_mode="reflect", method=method)
    for shape in ((40, 50), (9, 9), (40, 50), (3, 30, 31)):
        x = values(rng, shape, dtype)
        expected = ndconv.correlate_nd(x, kernel, "same", padding_mode="reflect", method=method)
        np.testing.assert_array_equal(correlator(x), expected)


def test_inputs_of_other_types(rng):
    kernel = values(rng, (5,), "float32")
    correlator = ndconv.Correlator(kernel)
    for dtype in ("float32", "float64", "complex64", "int16", "complex128", "float32"):
        x = values(rng, (30,), dtype)
        np.testing.assert_array_equal(correlator(x), ndconv.correlate_nd(x, kernel), strict=True)


@pytest.mark.parametrize(
    "keywords",
    [{"normalized": True}, {"nan_policy": "omit"}, {"dtype": "float64"}, {"normalized": True, "mode": "valid"}],
)
def test_what_is_made_of_several_sums(rng, keywords):
    x, kernel = values(rng, (20, 30), "float32"), np.abs(values(rng, (3, 4), "float32")) + 1
    if "nan_policy" in keywords:
        x[3, 4] = np.nan
    correlator = ndconv.Correlator(kernel, **keywords)
    np.testing.assert_array_equal(correlator(x), ndconv.correlate_nd(x, kernel, **keywords), strict=True)


def test_the_kernel_is_packed_once(rng, monkeypatch):
    packed = []
    pack = Prepared.pack
    monkeypatch.setattr(
        Prepared, "pack", lambda *arguments, **keywords: packed.append(1) or pack(*arguments, **keywords)
    )
    correlator = ndconv.Correlator(values(rng, (9, 9), "float32"), "same")
    x = values(rng, (50, 60), "float32")
    first = correlator(x)
    assert len(packed) == 1
    np.testing.assert_array_equal(correlator(x), first)
    correlator(x[:40].copy())
    assert len(packed) <= 2
    ndconv.clear_caches()
    np.testing.assert_array_equal(correlator(x), first)


def test_it_keeps_a_copy_of_the_kernel(rng):
    kernel, x = values(rng, (5,), "float64"), values(rng, (20,), "float64")
    correlator = ndconv.Correlator(kernel)
    expected = correlator(x)
    kernel[:] = 0
    np.testing.assert_array_equal(correlator(x), expected)
    with pytest.raises(ValueError, match="read-only"):
        correlator.kernel[0] = 1
    with pytest.raises(AttributeError, match="a Correlator cannot be changed: cannot set 'kernel'"):
        correlator.kernel = kernel
    with pytest.raises(AttributeError, match="a Correlator cannot be changed: cannot delete '_kernel'"):
        del correlator._kernel
    np.testing.assert_array_equal(copy.deepcopy(correlator)(x), expected)


def test_threads_may_share_it(rng):
    correlator = ndconv.Correlator(values(rng, (31,), "float64"), "same", method="fft")
    signals = [values(rng, (n,), "float64") for n in (2000, 3000, 4000) * 8]
    with ThreadPoolExecutor(4) as pool:
        for x, y in zip(signals, pool.map(correlator, signals), strict=True):
            np.testing.assert_array_equal(y, ndconv.correlate_nd(x, correlator.kernel, "same", method="fft"))


def test_its_stream_is_the_correlation_in_chunks(rng):
    x, kernel = values(rng, (3, 100), "float64"), values(rng, (7,), "float64")
    correlator = ndconv.Correlator(kernel, "same", padding_mode="replicate", stride=2, method="direct")
    stream = correlator.stream()
    chunks = [stream.push(x[:, :40]), stream.push(x[:, 40:]), stream.flush()]
    np.testing.assert_array_equal(np.concatenate(chunks, axis=-1), correlator(x))
    assert ndconv.Correlator(kernel, axes=0, stride=(2,)).stream().push(x.T).shape == (50, 3)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"lags": (0, 3)}, r"lags must be None for a stream, got \(0, 3\)"),
        ({"dtype": "complex128"}, "dtype must be None for a stream"),
        ({"normalized": True}, "normalized must be False for a stream, got True"),
        ({"nan_policy": "omit"}, "nan_policy must be 'propagate' for a stream, got 'omit'"),
        ({"axes": (0, 1)}, r"axes must name the one axis of time for a stream, got \(0, 1\)"),
        ({"padding_mode": "reflect"}, "padding_mode"),
    ],
)
def test_a_stream_has_not_everything(keywords, message):
    kernel = np.ones((3, 3)) if "axes" in keywords else np.arange(3.0)
    with pytest.raises(ValueError, match=message):
        ndconv.Correlator(kernel, **keywords).stream()


def test_explain_says_what_runs():
    correlator = ndconv.Correlator(np.ones((31, 31)), "same", padding_mode="reflect")
    lines = correlator.explain((100, 120)).splitlines()
    assert lines[0].startswith("<Correlator: kernel (31, 31) float64, mode='same', padding_mode='reflect'> on float64")
    assert sum("chosen:" in line for line in lines) == 1
    with pytest.raises(ValueError, match="kernel must not have more axes than x, got 2 against 1"):
        correlator.explain((100,))
    with pytest.raises(TypeError, match="x_shape must be a sequence of integers, got 100"):
        correlator.explain(100)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"mode": "sane"}, ValueError, "mode must be one of full, same, valid; got 'sane'"),
        ({"stride": 0}, ValueError, "stride must be at least 1, got 0"),
        ({"stride": (1, 2)}, ValueError, r"stride must be an integer or one per spatial axis \(1\), got \(1, 2\)"),
        ({"padding_mode": "none"}, ValueError, "padding_mode"),
        ({"lags": (3, 0)}, ValueError, r"lags must not end before they begin, got \(3, 0\)"),
        ({"method": "quick"}, ValueError, "method"),
        ({"dtype": "int8"}, TypeError, "dtype"),
        ({"normalized": 1}, TypeError, "normalized must be True or False, got 1"),
        ({"nan_policy": "skip"}, ValueError, "nan_policy"),
        ({"fill_value": "0"}, TypeError, "fill_value must be a number, got '0'"),
        ({"workers": 0}, ValueError, "workers"),
    ],
)
def test_wrong_arguments_are_refused_at_once(keywords, error, message):
    with pytest.raises(error, match=message):
        ndconv.Correlator(np.ones(3), **keywords)


@pytest.mark.parametrize("kernel", [1.0, np.ones((0, 2)), np.ma.masked_array([1.0, 2.0])])
def test_wrong_kernels_are_refused_at_once(kernel):
    with pytest.raises((TypeError, ValueError), match="kernel must"):
        ndconv.Correlator(kernel)
