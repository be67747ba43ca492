"""The face of the package: what importing it loads, its public names, their signatures and annotations."""

import importlib.resources
import inspect
import re
import sys

import pytest

import ndconv
from support import isolated

pytestmark = pytest.mark.once

FUNCTIONS = (
    "conv_layer",
    "conv_layer_backward",
    "conv_transpose_layer",
    "conv_transpose_layer_backward",
    "convolve_nd",
    "correlate_nd",
    "fold_batch_norm",
    "graph_conv",
    "graph_conv_backward",
    "layer_cost",
    "output_shape",
    "receptive_field",
    "patch_scipy",
    "patched",
    "set_workers",
    "show_config",
    "unpatch_scipy",
)
NAMES = (*FUNCTIONS, "ConvLayer", "CorrelateStream", "LayerStream")

LAYER = {
    "stride": 1,
    "padding": 0,
    "padding_mode": "zeros",
    "fill_value": 0.0,
    "dilation": 1,
    "groups": 1,
    "activation": None,
    "residual": None,
    "sample_weights": None,
    "channel_axis": None,
    "method": "auto",
    "out": None,
    "workers": None,
}
CORRELATION = {
    "padding_mode": "zeros",
    "fill_value": 0.0,
    "stride": 1,
    "dilation": 1,
    "axes": None,
    "lags": None,
    "method": "auto",
    "out": None,
    "workers": None,
}

NEEDS = {"needs": ("x", "weight", "bias")}
GRAPH = {"normalization": "symmetric", "self_loops": True}


#: What costs much to import, or belongs to others.
HEAVY = (
    "scipy",
    "scipy.signal",
    "scipy.ndimage",
    "scipy.fft",
    "scipy.sparse",
    "scipy.stats",
    "matplotlib",
    "torch",
    "cv2",
    "threadpoolctl",
    "pytest",
    "multiprocessing",
    "concurrent.futures",
    "asyncio",
    "importlib.metadata",
)


def test_importing_does_not_load_what_is_heavy():
    loaded = isolated.run("""
        import sys, numpy
        before = set(sys.modules)
        import ndconv
        print(*set(sys.modules) - before)
    """)
    assert "ndconv" in loaded.split()
    assert set(loaded.split()).isdisjoint(HEAVY)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ndimage", "signal"])
def test_submodules_are_found_when_they_are_asked_for(name):
    isolated.run(f"""
        import sys, ndconv
        assert "ndconv.{name}" not in sys.modules
        assert "{name}" in dir(ndconv) and "{name}" not in vars(ndconv)
        module = ndconv.{name}
        assert module is sys.modules["ndconv.{name}"] is vars(ndconv)["{name}"]
        assert module.convolve([1, 2], [1, 1]).size in (2, 3)
        from ndconv import {name} as again
        assert again is module
    """)


def test_what_is_no_submodule_is_no_attribute():
    with pytest.raises(AttributeError, match="module 'ndconv' has no attribute 'signals'"):
        _ = ndconv.signals


def test_importing_starts_no_thread_and_says_nothing():
    output = isolated.run("""
        import threading, numpy
        import ndconv
        assert threading.active_count() == 1
    """)
    assert output == ""


def test_importing_raises_no_warning():
    isolated.run("import warnings; warnings.simplefilter('error'); import ndconv")


def test_public_names():
    assert {*NAMES, "ConvGradients"} <= set(ndconv.__all__)
    assert len(ndconv.__all__) == len(set(ndconv.__all__))
    for name in ndconv.__all__:
        assert hasattr(ndconv, name)
    assert set(ndconv.__all__) <= set(dir(ndconv))
    assert re.match(r"\d+\.\d+\.\d+", ndconv.__version__)


def test_nothing_else_is_public():
    """A name without an underscore is a promise."""
    public = {n for n in vars(ndconv) if not n.startswith("_") and not inspect.ismodule(getattr(ndconv, n))}
    assert public <= set(ndconv.__all__)


def keywords_of(function, first):
    parameters = list(inspect.signature(function).parameters.values())
    assert [p.name for p in parameters[: len(first)]] == first
    rest = parameters[len(first) :]
    assert all(p.kind is p.KEYWORD_ONLY for p in rest)
    return {p.name: p.default for p in rest}


def test_signatures():
    assert keywords_of(ndconv.conv_layer, ["x", "weight", "bias"]) == LAYER
    assert list(keywords_of(ndconv.conv_layer, ["x", "weight", "bias"])) == list(LAYER)
    beyond = {"dtype": None, "nan_policy": "propagate", "sample_weights": None}
    for function, more in (
        (ndconv.correlate_nd, {"normalized": False, "mask": None, "kernel_mask": None, **beyond}),
        (ndconv.convolve_nd, beyond),
    ):
        assert keywords_of(function, ["x", "kernel", "mode"]) == {**CORRELATION, **more}
        assert inspect.signature(function).parameters["mode"].default == "full"
    of_shapes = {name: LAYER[name] for name in ("stride", "padding", "dilation", "groups")}
    assert keywords_of(ndconv.output_shape, ["input_shape", "weight_shape"]).items() >= of_shapes.items()
    assert (
        keywords_of(ndconv.layer_cost, ["input_shape", "weight_shape"]).items() >= {**of_shapes, "bias": True}.items()
    )


def test_signatures_of_gradients_and_transposed_layers():
    own = ("activation", "residual", "sample_weights", "method", "out")
    backward = {name: value for name, value in LAYER.items() if name not in own} | NEEDS
    assert keywords_of(ndconv.conv_layer_backward, ["grad_y", "x", "weight"]) == backward
    unknown = ("padding_mode", "fill_value", "sample_weights")
    transposed = {name: value for name, value in LAYER.items() if name not in unknown}
    transposed["output_padding"] = 0
    assert keywords_of(ndconv.conv_transpose_layer, ["x", "weight", "bias"]) == transposed
    backward = {name: value for name, value in transposed.items() if name not in own} | NEEDS
    assert keywords_of(ndconv.conv_transpose_layer_backward, ["grad_y", "x", "weight"]) == backward
    told = inspect.signature(ndconv.ConvLayer.backward).parameters
    assert list(told) == ["self", "grad_y", "x", "needs", "workers", "residual"]
    assert told["needs"].default == NEEDS["needs"]
    assert told["residual"].kind is inspect.Parameter.KEYWORD_ONLY


def test_signatures_of_graph_layers():
    forward, backward = {"activation": None}, NEEDS
    assert keywords_of(ndconv.graph_conv, ["x", "adjacency", "weight", "bias"]) == GRAPH | forward | {"workers": None}
    told = keywords_of(ndconv.graph_conv_backward, ["grad_y", "x", "adjacency", "weight"])
    assert told == GRAPH | backward | {"workers": None}


def test_signature_of_a_stream():
    told = keywords_of(ndconv.CorrelateStream, ["kernel", "mode"])
    shared = {k: CORRELATION[k] for k in ("padding_mode", "fill_value", "stride", "dilation", "method", "workers")}
    assert told == shared | {"axis": -1}
    assert inspect.signature(ndconv.CorrelateStream).parameters["mode"].default == "full"
    assert list(inspect.signature(ndconv.LayerStream).parameters) == ["layer"]


def test_signature_of_a_plan(subtests):
    told = inspect.signature(ndconv.ConvLayer).parameters
    for name in ("stride", "padding", "padding_mode", "fill_value", "dilation", "groups", "activation", "channel_axis"):
        with subtests.test(name=name):
            assert told[name].default == LAYER[name]
    assert list(told)[:2] == ["weight", "bias"]


@pytest.mark.parametrize("name", NAMES)
def test_annotations_and_docstrings(name):
    thing = getattr(ndconv, name)
    functions = [thing]
    if inspect.isclass(thing):
        members = inspect.getmembers(thing, inspect.isfunction)
        functions = [f for name, f in members if not name.startswith("_") or name in ("__init__", "__call__")]
    assert inspect.getdoc(thing)
    for function in functions:
        signature = inspect.signature(function)
        for parameter in signature.parameters.values():
            assert parameter.name == "self" or parameter.annotation is not parameter.empty, (function, parameter)
        assert signature.return_annotation is not signature.empty, function


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_is_documented(name):
    function = getattr(ndconv, name)
    documentation = inspect.getdoc(function)
    for parameter in inspect.signature(function).parameters:
        assert re.search(rf"\b{parameter}\b", documentation), f"{name} says nothing of {parameter}"


def test_types_are_shipped():
    assert importlib.resources.files("ndconv").joinpath("py.typed").is_file()


@pytest.mark.skipif(
    "editable" in type(ndconv.__spec__.loader).__module__,
    reason="an editable install starts a process to build, which a sub-interpreter may not",
)
@pytest.mark.parametrize("first", ["", "import ndconv"])
def test_a_sub_interpreter_is_told_so(first):
    pytest.importorskip("_xxsubinterpreters" if sys.version_info < (3, 13) else "_interpreters")
    done = isolated.start(f"""
        {first}
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        try:
            failure = interpreters.run_string(interpreters.create(), "import ndconv")
        except Exception as error:
            failure = error
        print(failure)
    """)
    assert "ImportError" in done.stdout, done.stderr
    assert "cannot be imported in a sub-interpreter" in done.stdout
