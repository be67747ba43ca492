"""How exact Winograd's method is, and which samples are outliers."""

from contextlib import nullcontext

import numpy as np
import pytest

import ndconv
from support import oracle
from support.layouts import values
from support.winograd import ROUNDS, errors, is_left_to_direct_sums, largest, not_directly, rounds_of, tuned, winograd


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
    if len(x_shape) == 3:  # four tiles an axis are enough
        x_shape = (x_shape[0], *(15 * keywords.get("stride", 1) + taps for taps in weight_shape[2:]))
    assert shapes in layer.explain(x_shape)
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
