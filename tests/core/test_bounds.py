"""No call reads or writes a byte outside its arrays: each ends or begins beside a page that may not be touched.

At the level of the run; `make test-isa` runs the others.
"""

import sys

import pytest

from support import isolated

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="uses mprotect")

SETUP = """
import ctypes, math, mmap
import ndconv, numpy as np

PAGE = mmap.PAGESIZE
mprotect = ctypes.CDLL(None, use_errno=True).mprotect

def guarded(values, at_end):
    "A copy of an array between two forbidden pages, touching the one after it or the one before it."
    pages = max(-(-values.nbytes // PAGE), 1)
    block = mmap.mmap(-1, (pages + 2) * PAGE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(block))
    for page in (0, pages + 1):
        assert mprotect(ctypes.c_void_p(address + page * PAGE), ctypes.c_size_t(PAGE), 0) == 0
    offset = (pages + 1) * PAGE - values.nbytes if at_end else PAGE
    copy = np.ndarray(values.shape, values.dtype, buffer=block, offset=offset)
    copy[...] = values
    return copy

rng = np.random.default_rng(0)

def random(shape, dtype):
    return (100 * rng.standard_normal(shape)).astype(dtype)
"""

LAYERS = """
LAYERS = [
    # channels in and out, groups, kernel, keywords
    (1, 1, 1, (3, 3), {}),
    (1, 1, 1, (1, 1), {}),
    (3, 2, 1, (3, 3), {"padding": 1}),
    (3, 2, 1, (1, 1), {"stride": 2}),
    (16, 33, 1, (1, 1), {}),
    (17, 20, 1, (3, 3), {}),
    (20, 16, 1, (3, 3), {"padding": 1, "padding_mode": "reflect"}),
    (40, 3, 1, (2, 3), {"stride": 2}),
    (6, 6, 6, (3, 3), {}),
    (6, 12, 6, (3, 1), {"dilation": 2, "padding": 2}),
    (9, 6, 3, (2, 2), {"padding": 1, "padding_mode": "wrap"}),
]
for c_in, c_out, groups, kernel, keywords in LAYERS:
    for width in WIDTHS:
        for height in (3, 6):
            x = random((c_in, height, width), DTYPE)
            weight = random((c_out, c_in // groups, *kernel), DTYPE)
            try:
                shape = ndconv.output_shape(x.shape, weight.shape, groups=groups, **{
                    name: value for name, value in keywords.items() if name != "padding_mode"
                })
                expected = ndconv.conv_layer(x, weight, groups=groups, **keywords)
            except ValueError:
                continue
            bias, residual = random(c_out, DTYPE), random(shape, DTYPE)
            expected = ndconv.conv_layer(x, weight, bias, residual=residual, groups=groups, **keywords)
            for at_end in (True, False):
                out = guarded(np.zeros(shape, DTYPE), at_end)
                arrays = [guarded(a, at_end) for a in (x, weight, bias, residual)]
                ndconv.conv_layer(*arrays[:3], residual=arrays[3], groups=groups, out=out, **keywords)
                assert np.array_equal(out, expected)
                plain = ndconv.conv_layer(*arrays[:2], groups=groups, out=out, **keywords)
                backwards = guarded(weight[::-1], at_end)[::-1]
                assert np.array_equal(ndconv.conv_layer(arrays[0], backwards, groups=groups, **keywords), plain)
"""

GRADIENTS = """
for c_in, c_out, groups, kernel, keywords in LAYERS:
    for width in WIDTHS:
        x = random((c_in, 4, width), DTYPE)
        weight = random((c_out, c_in // groups, *kernel), DTYPE)
        try:
            y = ndconv.conv_layer(x, weight, groups=groups, **keywords)
        except ValueError:
            continue
        expected = ndconv.conv_layer_backward(y, x, weight, groups=groups, **keywords)
        transposed = {name: value for name, value in keywords.items() if name != "padding_mode"}
        spread = ndconv.conv_transpose_layer(y, weight, groups=groups, **transposed)
        for at_end in (True, False):
            arrays = [guarded(a, at_end) for a in (y, x, weight)]
            found = ndconv.conv_layer_backward(*arrays, groups=groups, **keywords)
            assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, expected))
            out = guarded(np.zeros(spread.shape, spread.dtype), at_end)
            ndconv.conv_transpose_layer(arrays[0], arrays[2], groups=groups, **transposed, out=out)
            assert np.array_equal(out, spread, equal_nan=True)
"""

CORRELATIONS = """
for shape, taps in [((n,), (k,)) for n in WIDTHS for k in (1, 3, 8)] + [((5, n), (3, 3)) for n in WIDTHS] + [
    ((3, 4, n), (2, 2, 2)) for n in WIDTHS
]:
    x, kernel = random(shape, DTYPE), random(taps, DTYPE)
    for mode in ("full", "same", "valid"):
        if mode == "valid" and any(k > n for n, k in zip(shape, taps)):
            continue
        expected = ndconv.correlate_nd(x, kernel, mode)
        for at_end in (True, False):
            out = guarded(np.zeros(expected.shape, expected.dtype), at_end)
            ndconv.correlate_nd(guarded(x, at_end), guarded(kernel, at_end), mode, out=out)
            assert np.array_equal(out, expected)
"""


def widths(dtype):
    """Most widths for the commonest type, those beside the sizes of vectors for the others."""
    if dtype == "float32":
        return [*range(1, 36), *range(46, 51), *range(62, 67)]
    return [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 70]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "complex64", "int8", "int32"])
def test_layers(dtype):
    isolated.run(f"{SETUP}\nDTYPE, WIDTHS = {dtype!r}, {widths(dtype)}\n{LAYERS}")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_gradients(dtype):
    table = LAYERS[: LAYERS.index("for c_in")]
    few = [1, 2, 7, 8, 9, 15, 16, 17, 33]
    isolated.run(f"{SETUP}\nDTYPE, WIDTHS = {dtype!r}, {few}\n{table}{GRADIENTS}")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "complex128", "uint8", "int64"])
def test_correlations(dtype):
    isolated.run(f"{SETUP}\nDTYPE, WIDTHS = {dtype!r}, {widths(dtype)}\n{CORRELATIONS}")


def test_the_guard_works():
    """A read of the sample beyond the array ends the process."""
    done = isolated.start(
        f"""{SETUP}
x = guarded(np.ones(10), True)
beyond = np.lib.stride_tricks.as_strided(x, (11,))
print("before", flush=True)
print(beyond.sum())
"""
    )
    assert done.stdout == "before\n"
    assert done.returncode < 0
