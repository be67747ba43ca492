"""Numbers of workers: the same bits for each, how they are set, and which limits the default follows."""

import os

import numpy as np
import pytest

import ndconv
from support import isolated
from support.layouts import values
from support.processes import linux, needs_threadpoolctl, script

#: Calls that are large enough to be shared out: x, weight, keywords.
LARGE = {
    "many channels": ((64, 40, 41), (48, 64, 3, 3), {"padding": 1}),
    "many channels, few pixels": ((256, 7, 7), (256, 256, 3, 3), {"padding": 1}),
    "pointwise": ((2, 128, 30, 30), (96, 128, 1, 1), {}),
    "few channels": ((3, 300, 301), (4, 3, 5, 5), {"padding": "same", "padding_mode": "reflect"}),
    "depthwise": ((48, 100, 90), (48, 1, 3, 3), {"groups": 48, "stride": 2}),
    "groups": ((2, 60, 50, 40), (90, 20, 3, 3), {"groups": 3, "dilation": 3}),
    "one image": ((1, 900, 800), (1, 1, 7, 7), {}),
    "volume": ((2, 40, 41, 42), (3, 2, 3, 3, 3), {"padding": 1}),
    "signal": ((1, 600_000), (1, 1, 51), {}),
    "signals": ((8, 20_000), (24, 8, 9), {"stride": 3}),
    "batch": ((40, 4, 20, 20), (8, 4, 3, 3), {"padding": 1, "activation": "gelu"}),
    "channels last": ((2, 60, 60, 32), (40, 32, 3, 3), {"channel_axis": -1}),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "float16", "int32"])
@pytest.mark.parametrize("name", LARGE)
def test_the_same_bits_for_every_number_of_workers(rng, subtests, name, dtype):
    x_shape, weight_shape, keywords = LARGE[name]
    if dtype in ("complex64", "int32"):
        keywords = {k: v for k, v in keywords.items() if k != "activation"}
    x, weight = values(rng, x_shape, dtype), values(rng, weight_shape, dtype)
    first = ndconv.conv_layer(x, weight, **keywords, workers=1)
    layer = ndconv.ConvLayer(weight, **keywords)
    for workers in (2, 3, 7, 64, -1, None):
        with subtests.test(workers=workers):
            np.testing.assert_array_equal(ndconv.conv_layer(x, weight, **keywords, workers=workers), first)
            np.testing.assert_array_equal(layer(x, workers=workers), first)


@pytest.mark.parametrize("shape", [(500_000,), (700, 600), (50, 60, 70), (300, 2000)])
@pytest.mark.parametrize("axes", [None, -1])
def test_the_same_bits_for_correlations(rng, subtests, shape, axes):
    x = values(rng, shape, "float32")
    kernel = values(rng, (5,) * len(shape) if axes is None else (*(1,) * (len(shape) - 1), 9), "float32")
    first = ndconv.correlate_nd(x, kernel, "same", axes=axes, workers=1)
    for workers in (2, 3, 7, -1):
        with subtests.test(workers=workers):
            np.testing.assert_array_equal(ndconv.correlate_nd(x, kernel, "same", axes=axes, workers=workers), first)


def test_the_same_bits_from_run_to_run(rng):
    x, weight = values(rng, (32, 60, 60), "float32"), values(rng, (32, 32, 3, 3), "float32")
    first = ndconv.conv_layer(x, weight, workers=3)
    for _ in range(20):
        np.testing.assert_array_equal(ndconv.conv_layer(x, weight, workers=3), first)


def test_the_same_bits_wherever_the_arrays_lie(rng, subtests):
    x, weight = values(rng, (5, 30, 31), "float32"), values(rng, (20, 5, 3, 3), "float32")
    first = ndconv.conv_layer(x, weight)
    for offset in (4, 8, 12, 36):
        with subtests.test(offset=offset):
            moved = np.ndarray(x.shape, x.dtype, buffer=np.zeros(x.nbytes + 64, np.uint8), offset=offset)
            moved[...] = x
            np.testing.assert_array_equal(ndconv.conv_layer(moved, weight), first)


def default_workers():
    return ndconv.show_config(mode="dicts")["workers"]


def test_set_workers_as_a_context():
    before = default_workers()
    with ndconv.set_workers(3):
        assert default_workers() == 3
        with ndconv.set_workers(2):
            assert default_workers() == 2
        assert default_workers() == 3
    assert default_workers() == before


def test_set_workers_as_a_context_after_an_error():
    before = default_workers()
    with pytest.raises(RuntimeError, match="inside"), ndconv.set_workers(3):
        raise RuntimeError("inside")
    assert default_workers() == before


def test_set_workers_as_a_function():
    isolated.run(
        script("""
        ndconv.set_workers(3)
        assert default_workers() == 3
        ndconv.set_workers(-1)
        assert default_workers() == len(os.sched_getaffinity(0)) or default_workers() >= 1
        y = ndconv.conv_layer(x, weight)
        ndconv.set_workers(1)
        assert default_workers() == 1
        np.testing.assert_array_equal(ndconv.conv_layer(x, weight), y)
        """)
    )


def test_a_wrong_set_workers_changes_nothing():
    before = default_workers()
    for value in (0, -7, 1.5, "2"):
        with pytest.raises((ValueError, TypeError)):
            ndconv.set_workers(value)
    assert default_workers() == before


@linux
@pytest.mark.parametrize("how", ["OMP_NUM_THREADS", "affinity", "threadpoolctl"])
def test_the_default_follows_the_limits(how):
    if how == "threadpoolctl":
        needs_threadpoolctl()
    body = {
        "OMP_NUM_THREADS": "assert default_workers() == 1",
        "affinity": "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); assert default_workers() == 1",
        "threadpoolctl": """
import threadpoolctl
ndconv.conv_layer(x, weight)
before = default_workers()
with threadpoolctl.threadpool_limits(1):
    assert default_workers() == 1
assert default_workers() == before
""",
    }[how]
    isolated.run(script(body), **({how: "1"} if how.startswith("OMP") else {}))


def test_affinity_before_import():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("no affinity on this system")
    isolated.run("""
        import os
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        import ndconv
        assert ndconv.show_config(mode="dicts")["workers"] == 1
    """)
