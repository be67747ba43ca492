"""The benchmarks measure what they say: shapes, and peers that do the same work."""

import json
from dataclasses import asdict, replace

import compare
import contenders
import numpy as np
import programs
import pytest
from benchmarks.calls import CHANNELS, DROP_INS, LAGS
from benchmarks.shapes import LAYERS, TRANSPOSED, Gradients, Layer, Signal
from measure import Limits

import ndconv
import ndconv.ndimage
import ndconv.signal

FLOAT = np.dtype(np.float32)
LIMITS = Limits(multiply_adds=1e9, bytes=1e9)
PROGRAMS = sorted(path.name for path in programs.FOLDER.glob("*.py"))
SCIPY = [name for name, peer in contenders.SIGNAL_PEERS.items() if peer.modules == ("scipy",)]


@pytest.mark.parametrize("name", LAYERS)
def test_output_shape_of_a_layer(name):
    layer = LAYERS[name]
    assert layer.output_shape == ndconv.output_shape(layer.input_shape, layer.weight_shape, **layer.options)


@pytest.mark.parametrize("name", TRANSPOSED)
def test_output_shape_of_a_transposed_layer(name):
    layer = TRANSPOSED[name]
    y = ndconv.conv_transpose_layer(
        np.zeros(layer.input_shape, FLOAT), np.zeros(layer.weight_shape, FLOAT), **layer.options
    )
    assert layer.output_shape == y.shape


@pytest.mark.slow
def test_gradient_peers_agree():
    problem = Gradients(Layer(2, 4, (9, 8), 6, (3, 3), stride=2, padding=1))
    answers = [call() for call in contenders.gradient_calls(problem, FLOAT, workers=1).values()]
    for answer in answers:
        np.testing.assert_allclose(np.asarray(answer), answers[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", SCIPY)
@pytest.mark.parametrize(
    "signal", [Signal((50,), (7,)), Signal((20, 30), (3, 5)), Signal((8, 9, 10), (3, 5, 3))], ids=str
)
def test_signal_peer_agrees(name, signal):
    x, kernel = signal.arrays()
    answer = contenders.SIGNAL_PEERS[name].prepare(x, kernel)()
    np.testing.assert_allclose(answer, ndconv.correlate_nd(x, kernel, mode="same"), rtol=0, atol=1e-4)


def test_every_drop_in_is_measured():
    measured = {call.function for call in DROP_INS.values()}
    modules = {"signal": ndconv.signal, "ndimage": ndconv.ndimage}
    drop_ins = {f"{name}.{function}" for name, module in modules.items() for function in module.__all__}
    # Which touch no samples, or let others do so.
    none = {"signal.choose_conv_method", "signal.correlation_lags", "signal.savgol_coeffs"}
    assert drop_ins - measured == none | {"ndimage.generic_laplace", "ndimage.generic_gradient_magnitude"}


@pytest.mark.parametrize("name", [name for name in DROP_INS | CHANNELS | LAGS if name.endswith("float64")])
def test_drop_in_peers_agree(name):
    problem = (DROP_INS | CHANNELS | LAGS)[name]
    small = replace(problem, samples=tuple(min(n, 300 if len(problem.samples) == 1 else 20) for n in problem.samples))
    if problem.function == "lags":
        small = replace(small, kernel=(200,))
    ours, *theirs = contenders.drop_in_calls(small).values()
    for peer in theirs:
        np.testing.assert_allclose(ours(), peer(), rtol=0, atol=1e-10)


def test_a_row():
    layer = Layer(1, 2, (8, 8), 4, (3, 3), padding=1)
    x, weight, bias = layer.arrays()
    calls = {name: lambda: ndconv.conv_layer(x, weight, bias, padding=1) for name in (*compare.OURS, "peer")}
    row = compare.contest("tiny", layer, calls, LIMITS, seconds=0)
    assert row.agrees
    assert row.fastest == "peer"
    assert row.milliseconds.keys() == calls.keys()
    assert row.memory_share == pytest.approx(4 * (2 * 64 + 4 * 2 * 9 + 4 * 64) / row.milliseconds["ndconv"] * 1e3 / 1e9)
    assert json.loads(json.dumps(asdict(row)))["name"] == "tiny"
    compare.print_row(list(calls), row)
    compare.print_summary("tiny", [row])


def test_answers_that_differ():
    calls = {"ndconv": lambda: np.ones(3, FLOAT), "peer": lambda: np.full(3, 2, FLOAT)}
    row = compare.contest("wrong", Signal((3,), (1,)), calls, LIMITS, seconds=0)
    assert not row.agrees
    assert row.difference == 1.0


def test_the_guide_shows_every_program():
    page = programs.FOLDER.parents[1].joinpath("docs", "guide", "programs.rst").read_text()
    assert [name for name in PROGRAMS if f"examples/programs/{name}" not in page] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != f"{programs.NOT_CONVOLVING}.py"])
def test_programs_agree(name):
    pytest.importorskip("skimage")
    title, main = programs.program(name.removesuffix(".py"))
    expected = main()
    with ndconv.patch_scipy():
        assert programs.difference(main(), expected) <= programs.TOLERANCE
    assert "\n" not in title
