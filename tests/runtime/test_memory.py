"""Memory beyond input and output: a bounded scratch, measured as the peak of a process of its own."""

import sys

import pytest

from support import isolated

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

#: `grown(call)` returns by how many MiB the peak rose above what was there before, without the result.
MEASURE = """
import numpy as np, ndconv

def status(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024

def grown(call):
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak starts anew
    before = status("VmRSS")
    result = call()
    return status("VmHWM") - before - result.nbytes / 2**20

ndconv.conv_layer(np.ones((1, 9), np.float32), np.ones((1, 1, 2), np.float32))
rng = np.random.default_rng(0)
"""

MANY = 40_000_000


@pytest.fixture(scope="module")
def megabytes():
    """Return what measures a piece of Python in a process of its own, whose imports are done."""
    with isolated.Forks(MEASURE) as forks:
        yield lambda body: float(forks.run(body))


def test_the_measure_sees_a_copy(megabytes):
    assert megabytes("x = np.ones(25 * 2**20, np.float32); print(grown(lambda: (x + x)[:0]))") > 90


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("mode", ["full", "valid"])
def test_a_long_signal(megabytes, workers, mode):
    used = megabytes(f"""
        x, kernel = np.ones({MANY}, np.float32), np.ones(101, np.float32)
        print(grown(lambda: ndconv.correlate_nd(x, kernel, {mode!r}, method="direct", workers={workers})))
    """)
    assert used < 40


@pytest.mark.slow
def test_a_long_signal_with_an_output_given(megabytes):
    used = megabytes(f"""
        x, kernel, out = np.ones({MANY}, np.float32), np.ones(101, np.float32), np.ones({MANY}, np.float32)
        print(grown(lambda: ndconv.correlate_nd(x, kernel, "same", out=out, workers=2)[:0]))
    """)
    assert used < 40


#: Inputs of 100 MB or more, none of which may be copied as a whole.
LARGE = {
    "channels last": (
        "x = np.ones((3000, 3000, 3), np.float32)",
        "conv_layer(x, np.ones((2, 3, 3, 3), np.float32), channel_axis=-1, stride=2, workers=2)",
    ),
    "channels last, many channels": (
        "x = np.ones((700, 700, 64), np.float32)",
        "conv_layer(x, np.ones((32, 64, 3, 3), np.float32), channel_axis=-1, padding=1, workers=2)",
    ),
    "transposed": (
        "x = np.ones((5000, 6000), np.float32).T",
        "correlate_nd(x, np.ones((3, 3), np.float32), 'valid', workers=2)",
    ),
    "every second sample": (
        "x = np.ones((10000, 6000), np.float32)[:, ::2]",
        "correlate_nd(x, np.ones((3, 3), np.float32), 'same', padding_mode='reflect', workers=2)",
    ),
    "negative strides": (
        "x = np.ones((5000, 6000), np.float32)[::-1, ::-1]",
        "correlate_nd(x, np.ones((3, 3), np.float32), 'valid', workers=2)",
    ),
    "byte-swapped": (
        "x = np.ones((5000, 6000), '>f4')",
        "correlate_nd(x, np.ones((3, 3), np.float32), 'valid', workers=2)",
    ),
    "misaligned": (
        "x = np.ndarray((5000, 6000), np.float32, buffer=np.ones(30_000_000 * 4 + 1, np.uint8), offset=1)",
        "correlate_nd(x, np.ones((3, 3), np.float32), 'valid', workers=2)",
    ),
    "read-only": (
        "x = np.ones((5000, 6000), np.float32); x.flags.writeable = False",
        "correlate_nd(x, np.ones((3, 3), np.float32), 'valid', workers=2)",
    ),
    "byte-swapped volume": (
        "x = np.ones((300, 300, 600), '>i2')",
        "correlate_nd(x, np.ones((3, 3, 3), np.int16), 'valid', workers=2)",
    ),
    "float16": (
        "x = np.ones((8000, 7000), np.float16)",
        "correlate_nd(x, np.ones((3, 3), np.float16), 'valid', workers=2)",
    ),
    "complex": (
        "x = np.ones((4000, 4000), np.complex64)",
        "correlate_nd(x, np.ones((3, 3), np.complex64), 'valid', workers=2)",
    ),
    "depthwise": (
        "x = np.ones((32, 1000, 1000), np.float32)",
        "conv_layer(x, np.ones((32, 1, 3, 3), np.float32), groups=32, padding=1, workers=2)",
    ),
    "many channels": (
        "x = np.ones((64, 700, 700), np.float32)",
        "conv_layer(x, np.ones((32, 64, 3, 3), np.float32), padding=1, workers=2)",
    ),
    "very many channels": (
        "x = np.ones((4096, 8000), np.float32)",
        "conv_layer(x, np.ones((8, 4096, 3), np.float32), padding=1, workers=2)",
    ),
    "signals, channels last": (
        "x = np.ones((500_000, 64), np.float32)",
        "conv_layer(x, np.ones((16, 64, 3), np.float32), channel_axis=-1, workers=2)",
    ),
    "wide": (
        "x = np.ones((3, 10_000_000), np.float32)",
        "correlate_nd(x, np.ones((3, 3), np.float32), 'same', workers=2)",
    ),
    "tall": (
        "x = np.ones((10_000_000, 3), np.float32)",
        "correlate_nd(x, np.ones((3, 3), np.float32), 'same', workers=2)",
    ),
    "dilated far": (
        "x = np.ones((1, 30_000_000), np.float32)",
        "conv_layer(x, np.ones((1, 1, 3), np.float32), dilation=10_000_000, padding=10_000_000, workers=2)",
    ),
    "wide stride": (
        "x = np.ones((1, 30_000_000), np.float32)",
        "conv_layer(x, np.ones((1, 1, 3), np.float32), stride=1000, workers=2)",
    ),
    "padded widely": (
        "x = np.ones((1, 5000), np.float32)",
        "conv_layer(x, np.ones((1, 1, 3), np.float32), padding=20_000_000, padding_mode='reflect', workers=2)",
    ),
    "along the first axis": (
        "x = np.ones((60_000, 500), np.float32)",
        "correlate_nd(x, np.ones((31, 1), np.float32), 'same', axes=0, workers=2)",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_large_inputs_are_not_copied(megabytes, name):
    """The scratch is at most 16 MiB per worker; a few more are for threads' stacks and the like."""
    make, call = LARGE[name]
    assert megabytes(f"{make}\nprint(grown(lambda: ndconv.{call}))") < 2 * 16 + 8


@pytest.mark.slow
def test_one_thread_needs_one_scratch(megabytes):
    make, call = LARGE["transposed"]
    assert megabytes(f"{make}\nprint(grown(lambda: ndconv.{call.replace('workers=2', 'workers=1')}))") < 16 + 4


#: Layers and kernels for which another method is the fastest, whose values or spectra take hundreds of MB in all.
FAST = {
    "winograd": ("(64, 600, 600)", "(64, 64, 3, 3)", "winograd"),
    "winograd, few tiles of many channels": ("(1024, 96, 96)", "(64, 1024, 3, 3)", "winograd"),
    "winograd, volume": ("(32, 16, 128, 128)", "(32, 32, 3, 3, 3)", "winograd"),
    "fft, volume": ("(1, 192, 256, 256)", "(1, 1, 15, 15, 15)", "fft"),
    "fft, image": ("(1, 4096, 4096)", "(1, 1, 129, 129)", "fft"),
    "fft, channels": ("(32, 700, 700)", "(32, 32, 11, 11)", "fft"),
    "fft, signal": ("(1, 10_000_000)", "(1, 1, 100_001)", "fft"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAST)
def test_the_scratch_of_fast_methods_is_bounded(megabytes, name):
    """At most 32 MiB per worker beyond transformed weights."""
    x_shape, weight_shape, method = FAST[name]
    used = megabytes(f"""
        x = np.ones({x_shape}, np.float32)
        layer = ndconv.ConvLayer(np.ones({weight_shape}, np.float32), padding=1, method={method!r})
        layer(x, workers=2)
        print(grown(lambda: layer(x, workers=2)))
    """)
    assert used < 2 * 32 + 8


#: Gradients and transposed layers on arrays of 100 MB or so: what is made, and the call.
LARGE_GRADIENTS = {
    "to x": (
        "x = np.broadcast_to(np.float32(1), (32, 1000, 1000)); g = np.ones((32, 1000, 1000), np.float32)",
        "conv_layer_backward(g, x, np.ones((32, 32, 3, 3), np.float32), padding=1, needs='x', workers=2).x",
    ),
    "to x, padded": (
        "x = np.broadcast_to(np.float32(1), (16, 1500, 1500)); g = np.ones((16, 1500, 1500), np.float32)",
        "conv_layer_backward(g, x, np.ones((16, 16, 3, 3), np.float32), padding=1, padding_mode='reflect',"
        " needs='x', workers=2).x",
    ),
    "to x, padded widely": (
        "x = np.ones((1, 5000), np.float32); g = np.ones((1, 10_004_970), np.float32)",
        "conv_layer_backward(g, x, np.ones((1, 1, 31), np.float32), padding=5_000_000, padding_mode='circular',"
        " needs='x', workers=2).x",
    ),
    "to x, long strides": (
        "x = np.broadcast_to(np.float32(1), (1, 30_000_000)); g = np.ones((1, 30), np.float32)",
        "conv_layer_backward(g, x, np.ones((1, 1, 3), np.float32), stride=1_000_000, needs='x', workers=2).x",
    ),
    "to the weights": (
        "x = np.ones((16, 1500, 1500), np.float32); g = np.ones((8, 1500, 1500), np.float32)",
        "conv_layer_backward(g, x, np.ones((8, 16, 3, 3), np.float32), padding=1, padding_mode='symmetric',"
        " needs='weight', workers=2).weight",
    ),
    "to the weights, byte-swapped": (
        "x = np.ones((3, 3000, 3000), '>f4'); g = np.ones((4, 1500, 1500), '>f4')",
        "conv_layer_backward(g, x, np.ones((4, 3, 3, 3), np.float32), padding=1, stride=2, needs='weight',"
        " workers=2).weight",
    ),
    "through an activation": (
        "x = np.ones((4, 1500, 1500), np.float32)",
        "ConvLayer(np.ones((4, 4, 3, 3), np.float32), padding=1, activation='silu').backward(x, x, needs='x',"
        " workers=2).x",
    ),
    "to the bias": (
        "x = np.broadcast_to(np.float32(1), (5000, 5000, 2)); g = np.ones((5000, 5000, 2), np.float32)",
        "conv_layer_backward(g, x, np.ones((2, 2, 1, 1)), channel_axis=-1, needs='bias').bias",
    ),
    "transposed": (
        "x = np.ones((32, 500, 500), np.float32)",
        "conv_transpose_layer(x, np.ones((32, 32, 4, 4), np.float32), stride=2, workers=2)",
    ),
    "transposed, with gaps": (
        "x = np.ones((1, 10_000), np.float32); residual = np.ones((1, 29_997_002), np.float32)",
        "conv_transpose_layer(x, np.ones((1, 1, 2), np.float32), [1], stride=3000, residual=residual,"
        " activation='gelu', workers=2)",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE_GRADIENTS)
def test_gradients_have_a_bounded_scratch(megabytes, name):
    """That of the layer, and the pieces of a border; an activation's slopes need the layer's output, too."""
    make, call = LARGE_GRADIENTS[name]
    outputs = 2 * 4 * 1500 * 1500 * 4 / 2**20 if "activation=" in call and "backward" in call else 0
    assert megabytes(f"{make}\nprint(grown(lambda: ndconv.{call}))") < 2 * 16 + 3 * 4 + 8 + outputs


@pytest.mark.slow
def test_what_is_remembered_of_calls_is_bounded(megabytes):
    """A plan of many taps is large; one for each length of x that was ever seen would fill the memory."""
    used = megabytes("""
        x, kernel = np.ones(100_200, np.float32), np.ones(100_000, np.float32)
        def call(lengths):
            for n in lengths:
                ndconv.correlate_nd(x[: 100_000 + n], kernel, "valid", method="direct")
            return x[:0]
        call(range(1, 80))
        print(grown(lambda: call(range(80, 140))))
    """)
    assert used < 16


def test_calls_leave_nothing_behind(megabytes):
    used = megabytes("""
        x, weight = np.ones((8, 100, 100), np.float32), np.ones((16, 8, 3, 3), np.float32)
        for _ in range(50):
            ndconv.conv_layer(x, weight)
        def call():
            for _ in range(300):
                ndconv.conv_layer(x, weight)
                ndconv.ConvLayer(weight)
                ndconv.correlate_nd(x, weight[0, 0])
                try:
                    ndconv.conv_layer(x, weight, stride=0)
                except ValueError:
                    pass
            return x[:0]
        print(grown(call))
    """)
    assert used < 8
