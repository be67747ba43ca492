"""Many threads call at once."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import ndconv
from support import oracle
from support.layouts import values


@pytest.mark.parametrize("workers", [1, 2, None])
def test_one_plan_in_many_threads(rng, workers):
    weight, bias = values(rng, (24, 6, 3, 3), "float32"), values(rng, 24, "float32")
    layer = ndconv.ConvLayer(weight, bias, padding=1, padding_mode="reflect", activation="silu")
    inputs = [values(rng, (2, 6, 5 + 9 * (i % 7), 20 + i), "float32") for i in range(16)]
    inputs += [x.astype("float64") for x in inputs[:4]]
    expected = [layer(x, workers=1) for x in inputs]
    oracle.layer(inputs[3], weight, bias, padding=1, padding_mode="reflect", activation="silu").check(expected[3])

    def hammer(start):
        for i in range(3 * len(inputs)):
            at = (start * 5 + i) % len(inputs)
            np.testing.assert_array_equal(layer(inputs[at], workers=workers), expected[at])

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(hammer, i) for i in range(8)]:
            done.result()


def test_a_fresh_plan_meets_many_threads_at_once(rng):
    """The first call of a plan for a type may pack its weights: all threads make it together."""
    x, weight = values(rng, (6, 30, 30), "float32"), values(rng, (24, 6, 3, 3), "float32")
    with ThreadPoolExecutor(8) as pool:
        for dtype in ("float32", "float64", "float16", "complex64") * 3:
            layer = ndconv.ConvLayer(weight)
            y = list(pool.map(layer, [x.astype(dtype)] * 8))
            for other in y[1:]:
                np.testing.assert_array_equal(other, y[0])


def test_functions_in_many_threads(rng):
    x, kernels = values(rng, (60, 70), "float32"), [values(rng, (k, k), "float32") for k in range(1, 9)]
    expected = [ndconv.correlate_nd(x, k, "same", workers=1) for k in kernels]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for a, b in zip(
                pool.map(lambda k: ndconv.correlate_nd(x, k, "same", workers=2), kernels), expected, strict=True
            ):
                np.testing.assert_array_equal(a, b)
