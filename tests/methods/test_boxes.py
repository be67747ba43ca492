"""Into which boxes of outputs the direct method cuts its work."""

import math

import numpy as np
import pytest

import ndconv
from ndconv._call.geometry import single_channel_geometry
from ndconv._call.modes import BY_NAME
from ndconv._methods import Problem
from ndconv._methods.direct import blocking
from ndconv._methods.direct.blocking import make_blocking
from support import oracle
from support.layouts import values
from support.problems import CORE


@pytest.mark.parametrize("taps", [3, 31, 65, 81, 101, 301, 501])
@pytest.mark.parametrize("shape", [(1000, 1000), (200, 40_000), (100, 60, 1000)])
def test_boxes_are_not_lower_than_their_halo(taps, shape):
    """Rather are lines cut: a plane has few more samples than its box has outputs."""
    axis = len(shape) - 2
    kernel = tuple(taps if k == axis else 1 for k in range(len(shape)))
    padding = tuple((n // 2, n // 2) for n in kernel)
    g = single_channel_geometry(shape, kernel, padding, (BY_NAME["zeros"],) * len(shape), names=("x", "kernel"))
    b = make_blocking(Problem(g, np.dtype("f4"), False, 0, 1, x_in_place=False, y_in_place=True), CORE)
    least = (taps - 1 + g.out_shape[axis]) / g.out_shape[axis]
    # Narrower boxes that read 1.5 samples for an output would be taken where they read less than half as many.
    assert b.plane_size <= max(3, least) * math.prod(b.box)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "int16"])
@pytest.mark.parametrize("taps", [200, 203, 501])
@pytest.mark.parametrize("size", [1, 30, 900, 50_000])
def test_shifted_copies_change_no_bit(rng, monkeypatch, dtype, taps, size):
    """Of a long kernel along one axis, every tap finds whole vectors of samples where a vector may begin."""
    x, kernel = values(rng, (2, size), dtype), values(rng, taps, dtype)
    shifted = ndconv.correlate_nd(x, kernel, axes=1, method="direct")
    monkeypatch.setattr(blocking, "SHIFTED_TAPS", range(0))
    ndconv.clear_caches()
    np.testing.assert_array_equal(ndconv.correlate_nd(x, kernel, axes=1, method="direct"), shifted)
    if size < 50_000:
        oracle.correlate(x, kernel[None], axes=1).check(shifted)


def test_taps_of_shifted_copies_lie_where_vectors_begin():
    g = single_channel_geometry((9000,), (333,), ((332, 332),), (BY_NAME["zeros"],), names=("x", "kernel"))
    b = make_blocking(Problem(g, np.dtype("f4"), False, 0, 1, x_in_place=False, y_in_place=True), CORE)
    assert not (b.tap_offset % CORE.lanes).any()
    assert b.tap_order.tolist() == list(range(333))
