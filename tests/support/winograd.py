"""Winograd's method with other constants: in rounds of any size, and without help from the direct method."""

import re
from contextlib import contextmanager
from unittest import mock

import numpy as np

import ndconv
from ndconv._methods import direct
from ndconv._methods.winograd import tiling
from support import oracle

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
    with mock.patch.multiple(tiling, **constants):
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


def chunks(tiles):
    return {"CHUNK_TILES": tiles, "CHUNK_TILES_OF_LINES": tiles}


#: Ways to cut a call into rounds: each done by one worker alone, or shared by all. Shared rounds are as large as the
#: memory for their values, here given in tiles.
ROUNDS = {
    "alone": {**chunks(8), "LEAST_BLOCKS": 1, "OWN_VALUE_BYTES": NEVER},
    "alone, larger chunks": {**chunks(20), "LEAST_BLOCKS": 1, "OWN_VALUE_BYTES": NEVER},
    "shared": {**chunks(7), "LEAST_BLOCKS": NEVER, "BAND_BYTES": 1, "tiles": 1},
    "shared, larger rounds": {"LEAST_BLOCKS": NEVER, "BAND_BYTES": 24 << 10, "tiles": 8},
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

    usual = tile(tiling.VALUE_BYTES)
    return next(size for size in (1 << i for i in range(10, 40)) if tile(size) == usual)


#: Axes that are cut into tiles: taps, stride and dilation.
CUT = (
    *((3, 1, 1),) * 4,
    *((taps, 1, 1) for taps in (2, 4, 5)),
    *((taps, 2, 1) for taps in (3, 3, 4, 5, 7, 10)),
    *((4, 3, 1), (9, 3, 1), (11, 4, 1), (5, 4, 1)),
    *((3, 1, dilation) for dilation in (2, 2, 3, 5, 18)),
    *((2, 1, 4), (5, 1, 2)),
)
