"""Every wrong argument: the type of the error, the argument's name in its message, and `out` left as it was."""

import numpy as np
import pytest

import ndconv
from ndconv import _core
from ndconv._call.geometry import layer_geometry
from ndconv._methods import Problem
from ndconv._methods.direct import make_blocking

NAN = float("nan")
INTEGER_LIKE = (ValueError, TypeError)


def floats(*shape):
    return np.ones(shape, np.float32)


def read_only(*shape):
    a = floats(*shape)
    a.flags.writeable = False
    return a


#: A call that is right: each row of the tables changes something in it.
LAYER = {"x": floats(4, 9, 8), "weight": floats(6, 4, 3, 2)}

#: (what is changed, the error, the name that the message must hold)
LAYER_TABLE = [
    # Shapes
    ({"x": floats(3, 9, 8)}, ValueError, "x"),
    ({"x": floats(9, 8)}, ValueError, "x"),
    ({"x": floats(1, 1, 4, 9, 8)}, ValueError, "x"),
    ({"x": np.float32(3)}, ValueError, "x"),
    ({"x": floats(4, 2, 8)}, ValueError, "weight|x"),
    ({"x": floats(4, 0, 8)}, ValueError, "weight|x"),
    ({"x": floats(4, 9, 8), "channel_axis": -1}, ValueError, "x"),
    ({"weight": floats(6, 4, 10, 2)}, ValueError, "weight"),
    ({"weight": floats(6, 4, 3, 2), "dilation": (1, 8)}, ValueError, "weight|dilation"),
    ({"weight": floats(6, 4, 0, 2)}, ValueError, "weight"),
    ({"weight": floats(6, 4)}, ValueError, "weight"),
    ({"weight": np.float32(1)}, ValueError, "weight"),
    ({"weight": floats(6, 5, 3, 2)}, ValueError, "x|weight"),
    ({"weight": floats(6, 4, 3, 2), "groups": 2}, ValueError, "x|weight|groups"),
    ({"bias": floats(5)}, ValueError, "bias"),
    ({"bias": floats(6, 1)}, ValueError, "bias"),
    ({"bias": 1.0}, ValueError, "bias"),
    ({"residual": floats(6, 7, 6)}, ValueError, "residual"),
    ({"residual": floats(1, 6, 7, 7)}, ValueError, "residual"),
    ({"residual": floats(1)}, ValueError, "residual"),
    ({"residual": floats(6, 7, 7), "channel_axis": -1, "x": floats(9, 8, 4)}, ValueError, "residual"),
    # Types of arrays
    ({"x": np.array([[["a"]]])}, TypeError, "x"),
    ({"x": "a picture"}, TypeError, "x"),
    ({"x": None}, TypeError, "x"),
    ({"x": {"a": 1}}, TypeError, "x"),
    ({"x": floats(4, 9, 8).astype(object)}, TypeError, "x"),
    ({"x": [[[1.0, 2.0], [3.0]]]}, ValueError, "x"),
    ({"weight": floats(6, 4, 3, 2).astype(object)}, TypeError, "weight"),
    ({"weight": floats(6, 4, 3, 2).astype(str)}, TypeError, "weight"),
    ({"weight": [[[1.0], [2.0, 3.0]]]}, ValueError, "weight"),
    ({"weight": None}, TypeError, "weight"),
    ({"bias": [None] * 6}, TypeError, "bias"),
    ({"bias": [1, [2, 3]]}, ValueError, "bias"),
    ({"residual": "no"}, TypeError, "residual"),
    # Stride and dilation
    *[
        ({name: value}, error, name)
        for name in ("stride", "dilation")
        for value, error in (
            (0, ValueError),
            (-1, ValueError),
            ((1, 0), ValueError),
            ((1, -2), ValueError),
            ((1, 2, 3), ValueError),
            ((1,), ValueError),
            ((), ValueError),
            (np.array([1, 0]), ValueError),
            (NAN, INTEGER_LIKE),
            (float("inf"), INTEGER_LIKE),
            (1.5, TypeError),
            (2.0, TypeError),
            ((1, NAN), INTEGER_LIKE),
            ("2", TypeError),
            ("same", TypeError),
            (None, TypeError),
            ((1, None), TypeError),
            (((1, 1), (1, 1)), INTEGER_LIKE),
            (1j, TypeError),
            ({1, 2}, TypeError),
        )
    ],
    ({"dilation": 2**70}, (ValueError, OverflowError), "dilation|weight"),
    ({"dilation": 2**62}, ValueError, "dilation|weight"),
    ({"dilation": 5}, ValueError, "dilation|weight"),
    # Padding
    ({"padding": -1}, ValueError, "padding"),
    ({"padding": (0, -1)}, ValueError, "padding"),
    ({"padding": ((0, 0), (0, -1))}, ValueError, "padding"),
    ({"padding": (1, 2, 3)}, ValueError, "padding"),
    ({"padding": (1,)}, ValueError, "padding"),
    ({"padding": ((1, 2),)}, ValueError, "padding"),
    ({"padding": ((1, 2, 3), (1, 2, 3))}, ValueError, "padding"),
    ({"padding": ((1, 2), (3,))}, ValueError, "padding"),
    ({"padding": "SAME_UPPER"}, ValueError, "padding"),
    ({"padding": "reflect"}, ValueError, "padding"),
    ({"padding": ""}, ValueError, "padding"),
    ({"padding": ("same", "same")}, INTEGER_LIKE, "padding"),
    ({"padding": 0.5}, TypeError, "padding"),
    ({"padding": NAN}, INTEGER_LIKE, "padding"),
    ({"padding": (1, 0.5)}, TypeError, "padding"),
    ({"padding": ((1, 0.5), (0, 0))}, TypeError, "padding"),
    ({"padding": None}, TypeError, "padding"),
    ({"padding": b"same"}, INTEGER_LIKE, "padding"),
    # Names
    ({"padding_mode": "mirrored"}, ValueError, "padding_mode"),
    ({"padding_mode": "same"}, ValueError, "padding_mode"),
    ({"padding_mode": ""}, ValueError, "padding_mode"),
    ({"padding_mode": "Reflect"}, ValueError, "padding_mode"),
    ({"padding_mode": ("reflect", "mirrored")}, ValueError, "padding_mode"),
    ({"padding_mode": ("reflect",)}, ValueError, "padding_mode"),
    ({"padding_mode": ("reflect",) * 3}, ValueError, "padding_mode"),
    ({"padding_mode": ("reflect", 3)}, INTEGER_LIKE, "padding_mode"),
    ({"padding_mode": 3}, INTEGER_LIKE, "padding_mode"),
    ({"padding_mode": None}, INTEGER_LIKE, "padding_mode"),
    ({"fill_value": "a"}, INTEGER_LIKE, "fill_value"),
    ({"fill_value": None}, INTEGER_LIKE, "fill_value"),
    ({"fill_value": [1.0, 2.0]}, INTEGER_LIKE, "fill_value"),
    ({"activation": "RELU"}, ValueError, "activation"),
    ({"activation": "softmax"}, ValueError, "activation"),
    ({"activation": ""}, ValueError, "activation"),
    ({"activation": 3}, INTEGER_LIKE, "activation"),
    ({"activation": max}, INTEGER_LIKE, "activation"),
    ({"method": "fastest"}, ValueError, "method"),
    ({"method": ""}, ValueError, "method"),
    ({"method": None}, INTEGER_LIKE, "method"),
    ({"method": 1}, INTEGER_LIKE, "method"),
    ({"method": "winograd", "stride": 5}, ValueError, "method|winograd"),
    ({"method": "separable"}, ValueError, "method|separable"),
    # Groups
    ({"groups": 0}, ValueError, "groups"),
    ({"groups": -1}, ValueError, "groups"),
    ({"groups": 3}, ValueError, "groups"),
    ({"groups": 5}, ValueError, "groups"),
    ({"groups": 4, "weight": floats(6, 1, 3, 2)}, ValueError, "groups"),
    ({"groups": 1.0}, TypeError, "groups"),
    ({"groups": NAN}, INTEGER_LIKE, "groups"),
    ({"groups": "2"}, TypeError, "groups"),
    ({"groups": (1, 1)}, TypeError, "groups"),
    ({"groups": None}, TypeError, "groups"),
    # Where the channels stand, and workers
    ({"channel_axis": 5}, ValueError, "channel_axis"),
    ({"channel_axis": "last"}, TypeError, "channel_axis"),
    ({"channel_axis": 0.5}, TypeError, "channel_axis"),
    ({"workers": 0}, ValueError, "workers"),
    ({"workers": -2}, ValueError, "workers"),
    ({"workers": 1.5}, TypeError, "workers"),
    ({"workers": NAN}, INTEGER_LIKE, "workers"),
    ({"workers": "all"}, TypeError, "workers"),
    ({"workers": (1, 2)}, TypeError, "workers"),
    # Activations of what has no order
    ({"x": floats(4, 9, 8).astype("complex64"), "activation": "relu"}, INTEGER_LIKE, "activation"),
]

OUT_TABLE = [
    (floats(6, 7, 6), ValueError),
    (floats(1, 6, 7, 7), ValueError),
    (floats(7, 7, 6), ValueError),
    (floats(6 * 7 * 7), ValueError),
    (np.float32(1), (TypeError, ValueError)),
    (floats(6, 7, 7).astype("float64"), (ValueError, TypeError)),
    (floats(6, 7, 7).astype("float16"), (ValueError, TypeError)),
    (floats(6, 7, 7).astype("int32"), (ValueError, TypeError)),
    (floats(6, 7, 7).astype("complex64"), (ValueError, TypeError)),
    (floats(6, 7, 7).astype(object), (ValueError, TypeError)),
    (floats(6, 7, 7).astype(">f4"), (ValueError, TypeError)),
    (read_only(6, 7, 7), ValueError),
    (np.broadcast_to(np.float32(0), (6, 7, 7)), ValueError),
    (floats(6, 7, 7).tolist(), TypeError),
    ("out", TypeError),
    (7, TypeError),
]

CORRELATION = {"x": floats(9, 8), "kernel": floats(3, 2)}

CORRELATION_TABLE = [
    ({"x": np.float32(1)}, ValueError, "x|kernel"),
    ({"x": "signal"}, TypeError, "x"),
    ({"x": None}, TypeError, "x"),
    ({"x": [[1.0], [1.0, 2.0]]}, ValueError, "x"),
    ({"x": floats(9, 8).astype(object)}, TypeError, "x"),
    ({"kernel": np.float32(1)}, ValueError, "kernel"),
    ({"kernel": floats(1, 3, 2)}, ValueError, "kernel"),
    ({"kernel": floats(0, 2)}, ValueError, "kernel"),
    ({"kernel": floats(10, 2), "mode": "valid"}, ValueError, "kernel"),
    ({"kernel": floats(2, 10), "mode": "valid"}, ValueError, "kernel"),
    ({"kernel": floats(3, 2), "mode": "valid", "dilation": 8}, ValueError, "kernel|dilation"),
    ({"kernel": floats(3, 2).astype(object)}, TypeError, "kernel"),
    ({"kernel": [[1.0], [1.0, 2.0]]}, ValueError, "kernel"),
    ({"kernel": "taps"}, TypeError, "kernel"),
    ({"mode": "Full"}, ValueError, "mode"),
    ({"mode": "reflect"}, ValueError, "mode"),
    ({"mode": "causal"}, ValueError, "mode"),
    ({"mode": 2}, INTEGER_LIKE, "mode"),
    ({"mode": None}, INTEGER_LIKE, "mode"),
    ({"stride": 0}, ValueError, "stride"),
    ({"stride": -1}, ValueError, "stride"),
    ({"stride": NAN}, INTEGER_LIKE, "stride"),
    ({"stride": 1.5}, TypeError, "stride"),
    ({"stride": (1, 2, 3)}, ValueError, "stride"),
    ({"stride": "2"}, TypeError, "stride"),
    ({"dilation": 0}, ValueError, "dilation"),
    ({"dilation": (1, -1)}, ValueError, "dilation"),
    ({"dilation": NAN}, INTEGER_LIKE, "dilation"),
    ({"dilation": (1,)}, ValueError, "dilation"),
    ({"padding_mode": "mirrored"}, ValueError, "padding_mode"),
    ({"padding_mode": ("wrap",)}, ValueError, "padding_mode"),
    ({"padding_mode": 1}, INTEGER_LIKE, "padding_mode"),
    ({"fill_value": "a"}, INTEGER_LIKE, "fill_value"),
    ({"axes": 2}, ValueError, "axes"),
    ({"axes": -3}, ValueError, "axes"),
    ({"axes": (0, 0)}, ValueError, "axes"),
    ({"axes": (0, -2)}, ValueError, "axes"),
    ({"axes": (0, 5)}, ValueError, "axes"),
    ({"axes": 0.5}, TypeError, "axes"),
    ({"axes": "rows"}, TypeError, "axes"),
    ({"axes": 0, "kernel": floats(3, 5)}, ValueError, "kernel|x"),
    ({"axes": 0, "stride": (1, 2)}, ValueError, "stride"),
    ({"lags": (3, 1)}, ValueError, "lags"),
    ({"lags": ((0, 1), (3, 1))}, ValueError, "lags"),
    ({"lags": (1, 2, 3)}, ValueError, "lags"),
    ({"lags": ((0, 1), (0, 1), (0, 1))}, ValueError, "lags"),
    ({"lags": (0.5, 2)}, TypeError, "lags"),
    ({"lags": (0, NAN)}, INTEGER_LIKE, "lags"),
    ({"lags": 3}, TypeError, "lags"),
    ({"lags": "all"}, INTEGER_LIKE, "lags"),
    ({"method": "fastest"}, ValueError, "method"),
    ({"method": "winograd", "stride": 5}, ValueError, "method|winograd"),
    ({"dtype": "float16"}, TypeError, "dtype"),
    ({"dtype": "int64"}, TypeError, "dtype"),
    ({"dtype": bool}, TypeError, "dtype"),
    ({"dtype": object}, TypeError, "dtype"),
    ({"dtype": "longdouble"}, TypeError, "dtype"),
    ({"dtype": "f4,f4"}, TypeError, "dtype"),
    ({"dtype": "wide"}, TypeError, "dtype"),
    ({"dtype": 3}, TypeError, "dtype"),
    ({"nan_policy": "ignore"}, ValueError, "nan_policy"),
    ({"nan_policy": 1}, TypeError, "nan_policy"),
    ({"nan_policy": "raise", "x": floats(9, 8) * np.float32(NAN)}, ValueError, "x"),
    ({"nan_policy": "raise", "kernel": floats(3, 2) * np.float32(NAN)}, ValueError, "kernel"),
    ({"nan_policy": "omit", "kernel": floats(3, 2) * np.float32(NAN)}, ValueError, "kernel"),
    ({"nan_policy": "omit", "kernel": np.float32([[1, 1], [-1, -1], [2, -2]])}, ValueError, "kernel"),
    ({"workers": 0}, ValueError, "workers"),
    ({"workers": 1.5}, TypeError, "workers"),
    ({"out": floats(11, 8)}, ValueError, "out"),
    ({"out": floats(11, 9).astype("float64")}, (ValueError, TypeError), "out"),
    ({"out": read_only(11, 9)}, ValueError, "out"),
    ({"out": [1, 2]}, TypeError, "out"),
]


def shown(value):
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}"
    if isinstance(value, dict):
        return ", ".join(f"{k}={shown(v)}" for k, v in value.items())
    return repr(value)


def names_of_rows(table):
    return [shown(row[0]) for row in table]


@pytest.mark.parametrize(("change", "error", "name"), LAYER_TABLE, ids=names_of_rows(LAYER_TABLE))
def test_layer(change, error, name):
    arguments = {**LAYER, **change}
    out = np.full((6, 7, 7), 99, np.float32)
    with pytest.raises(error, match=rf"\b({name})\b"):
        ndconv.conv_layer(**arguments)
    with pytest.raises(error, match=rf"\b({name}|out)\b"):
        ndconv.conv_layer(**arguments, out=out)
    assert (out == 99).all()


@pytest.mark.parametrize(("change", "error", "name"), LAYER_TABLE, ids=names_of_rows(LAYER_TABLE))
def test_plan(change, error, name):
    """The same errors, at the latest when the plan meets its input."""
    arguments = {**LAYER, **change}
    if "residual" in change:
        pytest.skip("a residual belongs to a call")
    x, workers = arguments.pop("x"), arguments.pop("workers", None)
    out = np.full((6, 7, 7), 99, np.float32)
    with pytest.raises(error, match=rf"\b({name}|out)\b"):
        ndconv.ConvLayer(**arguments)(x, out=out, workers=workers)
    assert (out == 99).all()


@pytest.mark.parametrize(("out", "error"), OUT_TABLE, ids=names_of_rows(OUT_TABLE))
def test_out(out, error):
    kept = np.array(out)
    with pytest.raises(error, match=r"\bout\b"):
        ndconv.conv_layer(**LAYER, out=out)
    with pytest.raises(error, match=r"\bout\b"):
        ndconv.ConvLayer(LAYER["weight"])(LAYER["x"], out=out)
    np.testing.assert_array_equal(np.array(out), kept)


@pytest.mark.parametrize("function", ["correlate_nd", "convolve_nd"])
@pytest.mark.parametrize(("change", "error", "name"), CORRELATION_TABLE, ids=names_of_rows(CORRELATION_TABLE))
def test_correlation(function, change, error, name):
    arguments = {**CORRELATION, **change}
    with pytest.raises(error, match=rf"\b({name})\b"):
        getattr(ndconv, function)(**arguments)
    if "out" not in change:
        out = np.full((11, 9), 99, np.float32)
        with pytest.raises(error, match=rf"\b({name}|out)\b"):
            getattr(ndconv, function)(**arguments, out=out)
        assert (out == 99).all()


@pytest.mark.parametrize("arguments", [{}, {"x": floats(1, 5)}, {"weight": floats(1, 1, 2)}])
def test_missing_arguments(arguments):
    with pytest.raises(TypeError):
        ndconv.conv_layer(**arguments)


def test_unknown_and_positional_arguments():
    with pytest.raises(TypeError, match="strides"):
        ndconv.conv_layer(**LAYER, strides=2)
    with pytest.raises(TypeError):
        ndconv.conv_layer(LAYER["x"], LAYER["weight"], None, 2)
    with pytest.raises(TypeError):
        ndconv.correlate_nd(CORRELATION["x"], CORRELATION["kernel"], "same", "reflect")


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("stride", 2, 2.0),
        ("stride", 1, True),
        ("stride", (1, 2), (1.0, 2.0)),
        ("dilation", (1, 1), (1.0, 1.0)),
        ("padding", 1, 1.0),
        ("padding", 1, True),
        ("padding", (1, 2), (1.0, 2.0)),
        ("padding", ((1, 0), (0, 1)), ((1.0, 0.0), (0.0, 1.0))),
        ("groups", 2, 2.0),
        ("channel_axis", -1, -1.0),
        ("workers", 1, 1.0),
    ],
)
def test_a_call_that_was_right_does_not_hide_an_error(name, good, bad):
    """Numbers that are equal are not the same: 2.0 is no stride, whatever is remembered of a stride of 2."""
    shape = (9, 8, 4) if name == "channel_axis" else (4, 9, 8)
    x, weight = floats(*shape), floats(6, 4 // (good if name == "groups" else 1), 3, 2)
    for _ in range(2):
        ndconv.conv_layer(x, weight, **{name: good})
        with pytest.raises(TypeError, match=rf"\b{name}\b"):
            ndconv.conv_layer(x, weight, **{name: bad})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stride": -3}, "-3"),
        ({"groups": 77}, "77"),
        ({"padding_mode": "mirrored"}, "'mirrored'"),
        ({"padding_mode": "mirrored"}, "reflect"),
        ({"activation": "softmax"}, "'softmax'"),
        ({"activation": "softmax"}, "relu"),
        ({"method": "fastest"}, "'fastest'"),
        ({"method": "fastest"}, "direct"),
        ({"padding": "some"}, "'some'"),
        ({"padding": "some"}, "same"),
        ({"x": floats(3, 9, 8)}, "3"),
        ({"x": floats(3, 9, 8)}, "4"),
        ({"bias": floats(5)}, "5"),
        ({"bias": floats(5)}, "6"),
        ({"out": floats(6, 7, 6)}, r"\(6, 7, 6\)"),
        ({"out": floats(6, 7, 6)}, r"\(6, 7, 7\)"),
        ({"out": floats(6, 7, 7).astype("float64")}, "float64"),
        ({"out": floats(6, 7, 7).astype("float64")}, "float32"),
        ({"workers": -5}, "-5"),
    ],
)
def test_messages_tell_what_was_given_and_what_was_expected(change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        ndconv.conv_layer(**{**LAYER, **change})


def test_too_large_an_output_is_a_memory_error():
    """Four pebibytes: more than any process can address."""
    with pytest.raises(MemoryError):
        ndconv.conv_layer(floats(1, 5), floats(1, 1, 3), padding=2**49)
    with pytest.raises(MemoryError):
        ndconv.correlate_nd(np.broadcast_to(np.float32(0), 2**50), floats(3))


@pytest.mark.parametrize(
    "call",
    [
        lambda: ndconv.conv_layer(floats(1, 5, 5), floats(1, 1, 3, 3), padding=2**61),
        lambda: ndconv.conv_layer(floats(1, 5, 5), floats(1, 1, 3, 3), padding=2**40),
        lambda: ndconv.conv_layer(floats(1, 5), floats(1, 1, 3), padding=2**62),
        lambda: ndconv.conv_layer(floats(1, 5), floats(1, 1, 3), padding=2**63),
        lambda: ndconv.conv_layer(floats(1, 5), floats(1, 1, 3), padding=2**62, dilation=2**62),
        lambda: ndconv.conv_layer(floats(0, 1, 5), floats(1, 1, 3), padding=2**62),
        lambda: ndconv.correlate_nd(floats(5), floats(3), lags=(-(2**63), 2**63 - 1)),
        lambda: ndconv.correlate_nd(floats(5), floats(3), dilation=2**62),
        lambda: ndconv.correlate_nd(floats(5, 5), floats(3, 3), lags=(0, 2**40)),
        lambda: ndconv.correlate_nd(
            np.broadcast_to(np.float32(0), (2**40, 1, 3)), np.broadcast_to(np.float32(0), (1, 2**40, 3)), axes=2
        ),
    ],
)
def test_sizes_that_overflow_64_bits(call):
    with pytest.raises((ValueError, MemoryError, OverflowError)):
        call()


def test_large_strides_are_no_errors():
    x, kernel = np.arange(1.0, 6), np.ones(2)
    np.testing.assert_array_equal(ndconv.correlate_nd(x, kernel, "valid", stride=2**40), [3])
    np.testing.assert_array_equal(ndconv.conv_layer(x[None], kernel[None, None], stride=2**62), [[3]])


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((("a", 5, 5), (1, 1, 3, 3)), "input_shape"),
        (((1, 5, 5), (1, 1, 3, 3.5)), "weight_shape"),
        (((1, -5, 5), (1, 1, 3, 3)), "input_shape"),
        (((1, 5, 5), (1, 1, -3, 3)), "weight_shape"),
        (((1, 5, 5), (1, 1, 0, 3)), "weight_shape|weight"),
        (((2, 5, 5), (1, 1, 3, 3)), "input_shape|x"),
        (((5, 5), (1, 1, 3, 3)), "input_shape|x"),
        (((1, 2, 5), (1, 1, 3, 3)), "weight_shape|weight|input_shape"),
        (((1, 5, 5), (1, 1)), "weight_shape|weight"),
        ((7, (1, 1, 3, 3)), "input_shape"),
        (((1, 5, 5), None), "weight_shape"),
    ],
)
@pytest.mark.parametrize("function", ["output_shape", "layer_cost"])
def test_shapes(function, arguments, name):
    with pytest.raises((ValueError, TypeError), match=rf"\b({name})\b"):
        getattr(ndconv, function)(*arguments)


@pytest.mark.parametrize("function", ["output_shape", "layer_cost"])
@pytest.mark.parametrize(
    ("keywords", "name"),
    [
        ({"stride": 0}, "stride"),
        ({"stride": NAN}, "stride"),
        ({"dilation": -1}, "dilation"),
        ({"padding": -1}, "padding"),
        ({"padding": "some"}, "padding"),
        ({"groups": 2}, "groups|input_shape|weight_shape"),
        ({"groups": 0}, "groups"),
    ],
)
def test_keywords_of_shapes(function, keywords, name):
    with pytest.raises((ValueError, TypeError), match=rf"\b({name})\b"):
        getattr(ndconv, function)((3, 9, 9), (3, 3, 2, 2), **keywords)


@pytest.mark.parametrize(
    "layers",
    [
        3,
        [3],
        ["conv"],
        [()],
        [(3, 1, 1, 0, 5)],
        [(0, 1, 1)],
        [(3, 0, 1)],
        [(3, 1, -1)],
        [(3, NAN, 1)],
        [{"stride": 1}],
        [{"kernel": 3, "strides": 2}],
        [((3, 3), (1, 1), (1, 1)), (3, 1, 1, (1, 2, 3))],
        [((3, 3), (1, 1), (1, 1)), ((3, 3, 3), 1, 1)],
    ],
    ids=repr,
)
def test_receptive_field(layers):
    with pytest.raises((ValueError, TypeError), match=r"\b(layers?|kernel|stride|strides|dilation|padding)\b"):
        ndconv.receptive_field(layers)


def test_show_config_and_set_workers():
    with pytest.raises((ValueError, TypeError), match="mode"):
        ndconv.show_config(mode="xml")
    for value, error in ((0, ValueError), (-2, ValueError), (1.5, TypeError), ("2", TypeError)):
        with pytest.raises(error, match=r"\bworkers\b"):
            ndconv.set_workers(value)


# ---------------------------------------------------------------------------------- arrays that are none, everywhere

SIGNAL, FILTERS = np.ones((3, 9)), np.ones((3, 3, 2))

#: Every function that takes arrays, and its arrays: what is wrong with one is said alike by all.
FUNCTIONS = {
    "conv_layer": (ndconv.conv_layer, {"x": SIGNAL, "weight": FILTERS, "bias": [1.0] * 3, "residual": SIGNAL[:, 1:]}),
    "ConvLayer": (ndconv.ConvLayer, {"weight": FILTERS, "bias": [1.0] * 3}),
    "ConvLayer()": (ndconv.ConvLayer(FILTERS), {"x": SIGNAL, "residual": SIGNAL[:, 1:]}),
    "ConvLayer().backward": (
        ndconv.ConvLayer(FILTERS, activation="relu").backward,
        {"grad_y": SIGNAL[:, 1:], "x": SIGNAL, "residual": SIGNAL[:, 1:]},
    ),
    "conv_layer_backward": (ndconv.conv_layer_backward, {"grad_y": SIGNAL[:, 1:], "x": SIGNAL, "weight": FILTERS}),
    "conv_transpose_layer": (
        ndconv.conv_transpose_layer,
        {"x": SIGNAL, "weight": FILTERS, "bias": [1.0] * 3, "residual": np.ones((3, 10))},
    ),
    "conv_transpose_layer_backward": (
        ndconv.conv_transpose_layer_backward,
        {"grad_y": np.ones((3, 10)), "x": SIGNAL, "weight": FILTERS},
    ),
    "graph_conv": (
        ndconv.graph_conv,
        {"x": SIGNAL, "adjacency": np.eye(3), "weight": np.ones((9, 2)), "bias": [1.0, 2.0]},
    ),
    "graph_conv_backward": (
        ndconv.graph_conv_backward,
        {"grad_y": np.ones((3, 2)), "x": SIGNAL, "adjacency": np.eye(3), "weight": np.ones((9, 2))},
    ),
    "fold_batch_norm": (
        ndconv.fold_batch_norm,
        {"weight": FILTERS, **{name: [1.0] * 3 for name in ("bias", "gamma", "beta", "mean", "var")}},
    ),
    "CorrelateStream": (ndconv.CorrelateStream, {"kernel": [1.0, 2.0]}),
    "CorrelateStream().push": (lambda chunk: ndconv.CorrelateStream([1.0, 2.0]).push(chunk), {"chunk": SIGNAL}),
    "ConvLayer().stream().push": (
        lambda chunk: ndconv.ConvLayer(FILTERS, padding="causal").stream().push(chunk),
        {"chunk": SIGNAL},
    ),
    "correlate_nd": (ndconv.correlate_nd, {"x": SIGNAL, "kernel": FILTERS[0]}),
    "convolve_nd": (ndconv.convolve_nd, {"x": SIGNAL, "kernel": FILTERS[0]}),
}
ARGUMENTS = [(function, name) for function, (_, arrays) in FUNCTIONS.items() for name in arrays]


class OnDevice:
    """What has the protocol of DLPack, for memory of some device."""

    def __init__(self, array, device):
        self.array, self.device = np.asarray(array, float), device

    def __dlpack_device__(self):
        return self.device, 0

    def __dlpack__(self, **keywords):
        if self.device != 1:
            raise BufferError("this is no CPU")
        return self.array.__dlpack__(**keywords)


class Stubborn:
    """What does not want to become an array."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("not me")


def call(function, **changed):
    f, arrays = FUNCTIONS[function]
    return f(**{**arrays, **changed})


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_the_tables_change_was_right(function):
    call(function)


@pytest.mark.parametrize(("function", "name"), ARGUMENTS)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("a signal", "must be an array.* got 'a signal'"),
        (b"12", "must be an array.* got b'12'"),
        ({1.0, 2.0}, "must be an array.* got {1.0, 2.0}"),
        ({"a": 1}, "must be an array.* got {'a': 1}"),
        ([["a", "b"]], "must have a boolean, integer.*got <U1"),
        (np.array([[1, 2]], object), "must have a boolean, integer.*got object"),
        (np.ones((3, 9), np.longdouble), "must have a boolean, integer.*got (float|longdouble)"),
        (np.array(["2020-01-01"], "M8[D]"), r"must have a boolean, integer.*got datetime64\[D\]"),
        (OnDevice([[1.0]], 2), "must be an array.* in the CPU's memory; got a OnDevice: .*type 2: copy it"),
        (Stubborn(), "must be an array.* got a Stubborn: not me"),
        (print, "must have a boolean, integer.*got object"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_array(function, name, value, message):
    with pytest.raises(TypeError, match=rf"^{name} {message}"):
        call(function, **{name: value})


@pytest.mark.parametrize(("function", "name"), [each for each in ARGUMENTS if each[1] != "bias"])
def test_none_is_no_array(function, name):
    if name in ("residual", "gamma", "beta"):
        pytest.skip("None is the default")
    with pytest.raises(TypeError, match=rf"^{name} must be an array.* got None"):
        call(function, **{name: None})


@pytest.mark.parametrize(("function", "name"), ARGUMENTS)
def test_ragged_lists(function, name):
    with pytest.raises(ValueError, match=rf"^{name} must be an array.* got a list: .*inhomogeneous"):
        call(function, **{name: [[1.0], [2.0, 3.0]]})


@pytest.mark.parametrize(("function", "name"), [each for each in ARGUMENTS if each[1] not in ("kernel", "adjacency")])
@pytest.mark.parametrize("form", ["csr_array", "coo_matrix", "dia_array"])
def test_sparse_arrays(function, name, form):
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match=rf"^{name} must be an array.* got a sparse {form}.*toarray"):
        call(function, **{name: getattr(sparse, form)(np.eye(3))})


@pytest.mark.parametrize(("function", "name"), ARGUMENTS)
def test_masked_arrays(function, name):
    """Nothing could stand for what is masked; but in correlations it is missing."""
    if function in ("correlate_nd", "convolve_nd"):
        pytest.skip("they know masks")
    good = np.asarray(FUNCTIONS[function][1][name])
    for masked in (np.ma.array(good, mask=good > 1), np.ma.array(good), np.ma.masked, [np.ma.array(good), good]):
        with pytest.raises(TypeError, match=rf"^{name} must not be a masked array.*{name}\.filled\(0\).*correlate_nd"):
            call(function, **{name: masked})


@pytest.mark.parametrize(
    "function", ["conv_layer", "ConvLayer()", "conv_transpose_layer", "correlate_nd", "convolve_nd"]
)
def test_a_masked_out(function):
    for out in (np.ma.zeros(call(function).shape), np.ma.masked_all(call(function).shape), np.ma.masked):
        with pytest.raises(TypeError, match=r"^out must .* (masked array|array, got Masked)"):
            call(function, out=out)


def test_masked_arrays_like_those_of_earlier_calls():
    """What is remembered of a call is not taken for a call with a masked array."""
    x = SIGNAL[:, :8].copy()
    layer = ndconv.ConvLayer(FILTERS)
    for _ in range(2):
        layer(x)
        ndconv.conv_layer(x, FILTERS)
        for f in (layer, lambda x: ndconv.conv_layer(x, FILTERS), lambda w: ndconv.conv_layer(x, FILTERS, residual=w)):
            with pytest.raises(TypeError, match="must not be a masked array"):
                f(np.ma.array(x))
        with pytest.raises(TypeError, match="bias must not be a masked array"):
            ndconv.conv_layer(x, FILTERS, np.ma.array([1.0, 2.0, 3.0]))


@pytest.mark.parametrize(("function", "name"), ARGUMENTS)
def test_tensors(torch, function, name):
    good = torch.asarray(np.array(FUNCTIONS[function][1][name], float))
    call(function, **{name: good})
    with pytest.raises(
        TypeError, match=rf"^{name} must be an array.* got a Tensor that requires gradients.*detach\(\)"
    ):
        call(function, **{name: good.clone().requires_grad_()})
    for wrong, message in (
        (good.to("meta"), "Unknown device type meta"),
        (good.to(torch.bfloat16), "BFloat16"),
        (good.to(torch.complex64).conj(), "resolve_conj"),
        (good.to_sparse(), "Sparse"),
    ):
        with pytest.raises(TypeError, match=rf"^{name} must be an array.* got a Tensor: .*{message}"):
            call(function, **{name: wrong})


def test_memory_that_the_cpu_reads_is_welcome():
    expected = ndconv.conv_layer(SIGNAL, FILTERS)
    np.testing.assert_array_equal(ndconv.conv_layer(OnDevice(SIGNAL, 1), FILTERS), expected)


# -------------------------------------------------------------------------------------- the rest of the functions

WRONG = [
    # Transposed layers
    (
        "conv_transpose_layer",
        {"x": np.ones(9)},
        ValueError,
        r"^x must have 2 axes, or 3 with a batch.*got shape \(9,\)",
    ),
    ("conv_transpose_layer", {"x": np.ones((2, 9))}, ValueError, "^x must have 3 channels.*got 2"),
    ("conv_transpose_layer", {"x": np.ones((3, 0))}, ValueError, r"^x must have at least one sample.*\(3, 0\)"),
    ("conv_transpose_layer", {"weight": np.ones((3, 3))}, ValueError, r"^weight must have shape.*got \(3, 3\)"),
    ("conv_transpose_layer", {"weight": np.ones((3, 3, 0))}, ValueError, "^weight must have at least one tap"),
    ("conv_transpose_layer", {"bias": [1.0]}, ValueError, r"^bias must have shape \(3,\).*got \(1,\)"),
    ("conv_transpose_layer", {"residual": SIGNAL}, ValueError, r"^residual must have.*\(3, 10\), got \(3, 9\)"),
    ("conv_transpose_layer", {"stride": 0}, ValueError, "^stride must be at least 1, got 0"),
    ("conv_transpose_layer", {"stride": 2**63}, ValueError, "^stride must fit in 64 bits, got 9223372036854775808"),
    ("conv_transpose_layer", {"dilation": 1.5}, TypeError, "^dilation must be an integer, got 1.5"),
    ("conv_transpose_layer", {"output_padding": 1}, ValueError, "^output_padding must be smaller than.*got 1"),
    ("conv_transpose_layer", {"output_padding": -1}, ValueError, "^output_padding must be at least 0, got -1"),
    ("conv_transpose_layer", {"padding": 5}, ValueError, "^padding must leave at least one output.*got 5"),
    ("conv_transpose_layer", {"padding": "some"}, ValueError, "^padding must be.*got 'some'"),
    ("conv_transpose_layer", {"groups": 2}, ValueError, "^groups must divide the channels, got 2"),
    ("conv_transpose_layer", {"activation": "softmax"}, ValueError, "^activation must be one of.*got 'softmax'"),
    ("conv_transpose_layer", {"method": 1}, TypeError, "^method must be one of.*got 1"),
    ("conv_transpose_layer", {"channel_axis": 1}, ValueError, "^channel_axis must be None.*got 1"),
    ("conv_transpose_layer", {"workers": 0}, ValueError, "workers.*0"),
    ("conv_transpose_layer", {"out": np.ones((3, 9))}, ValueError, r"^out must have shape \(3, 10\), got \(3, 9\)"),
    ("conv_transpose_layer", {"out": [1.0]}, TypeError, "^out must be a NumPy array, got list"),
    ("conv_transpose_layer_backward", {"grad_y": SIGNAL}, ValueError, r"^grad_y must have.*\(3, 10\), got \(3, 9\)"),
    ("conv_transpose_layer_backward", {"needs": "y"}, ValueError, "^needs must be one or several of.*got 'y'"),
    ("conv_transpose_layer_backward", {"output_padding": 3}, ValueError, "^output_padding must be smaller"),
    # Gradients
    ("conv_layer_backward", {"grad_y": SIGNAL}, ValueError, r"^grad_y must have.*\(3, 8\), got \(3, 9\)"),
    ("conv_layer_backward", {"x": np.ones((2, 9))}, ValueError, "^x must have 3 channels.*got 2"),
    ("conv_layer_backward", {"needs": 3}, TypeError, "^needs must be one or several of.*got 3"),
    ("conv_layer_backward", {"needs": [["x"]]}, ValueError, "^needs must be one or several of.*got"),
    ("conv_layer_backward", {"fill_value": "a"}, TypeError, "^fill_value must be a number, got 'a'"),
    ("conv_layer_backward", {"padding_mode": 3}, TypeError, "^padding_mode must be a name.*got 3"),
    ("conv_layer_backward", {"workers": "all"}, TypeError, "workers.*'all'"),
    ("ConvLayer().backward", {"grad_y": SIGNAL}, ValueError, r"^grad_y must have.*\(3, 8\), got \(3, 9\)"),
    ("ConvLayer().backward", {"residual": SIGNAL}, ValueError, r"^residual must have.*\(3, 8\), got \(3, 9\)"),
    ("ConvLayer().backward", {"needs": None}, TypeError, "^needs must be one or several of.*got None"),
    # Graphs
    ("graph_conv", {"x": np.ones(3)}, ValueError, r"^x must have shape \(nodes, C_in\), got \(3,\)"),
    ("graph_conv", {"adjacency": np.ones((3, 2))}, ValueError, r"^adjacency must have shape.*got \(3, 2\)"),
    ("graph_conv", {"adjacency": np.eye(2)}, ValueError, r"^adjacency must have shape \(3, 3\).*got \(2, 2\)"),
    ("graph_conv", {"weight": np.ones((8, 2))}, ValueError, r"^weight must have shape \(9, C_out\).*got \(8, 2\)"),
    ("graph_conv", {"bias": [1.0]}, ValueError, r"^bias must have shape \(2,\).*got \(1,\)"),
    ("graph_conv", {"normalization": "rows"}, ValueError, "^normalization must be one of.*got 'rows'"),
    ("graph_conv", {"self_loops": 1}, TypeError, "^self_loops must be True or False, got 1"),
    ("graph_conv", {"self_loops": "no"}, TypeError, "^self_loops must be True or False, got 'no'"),
    ("graph_conv", {"activation": 3}, TypeError, "^activation must be one of.*got 3"),
    ("graph_conv", {"workers": 1.5}, TypeError, "workers.*1.5"),
    ("graph_conv_backward", {"grad_y": SIGNAL}, ValueError, r"^grad_y must have.*\(3, 2\), got \(3, 9\)"),
    ("graph_conv_backward", {"self_loops": None}, TypeError, "^self_loops must be True or False, got None"),
    ("graph_conv_backward", {"needs": "all"}, ValueError, "^needs must be one or several of.*got 'all'"),
    # Folding
    ("fold_batch_norm", {"mean": [1.0]}, ValueError, r"^mean must have shape \(3,\).*got \(1,\)"),
    ("fold_batch_norm", {"var": [1j] * 3}, TypeError, "^var must have a real dtype, got complex128"),
    ("fold_batch_norm", {"eps": -1.0}, ValueError, "^eps must be finite and not negative, got -1.0"),
    ("fold_batch_norm", {"eps": "small"}, TypeError, "^eps must be a number, got 'small'"),
    # Streams
    ("CorrelateStream().push", {"chunk": 3.0}, ValueError, "^chunk must have at least one axis.*got the scalar 3.0"),
    ("ConvLayer().stream().push", {"chunk": 3}, ValueError, "^chunk must have at least one axis.*got the scalar 3"),
    # Numbers that no 64 bits hold
    ("conv_layer", {"fill_value": 2**70}, ValueError, f"^fill_value must fit in 64 bits, got {2**70}"),
    ("conv_layer", {"stride": -(2**70)}, ValueError, f"^stride must be at least 1, got -{2**70}"),
]


@pytest.mark.parametrize(
    ("function", "change", "error", "message"), WRONG, ids=[f"{r[0]} {shown(r[1])}" for r in WRONG]
)
def test_wrong_calls(function, change, error, message):
    with pytest.raises(error, match=message):
        call(function, **change)
    if function == "conv_transpose_layer" and "out" not in change:
        out = np.full((3, 10), 99.0)
        with pytest.raises(error, match=message):
            call(function, **change, out=out)
        assert (out == 99).all()


@pytest.mark.parametrize("method", ["output_shape", "cost", "explain"])
@pytest.mark.parametrize(
    ("shape", "error", "message"),
    [
        (3, TypeError, "^input_shape must be a sequence of integers, got 3"),
        (None, TypeError, "^input_shape must be a sequence of integers, got None"),
        ("ab", TypeError, "^input_shape must be a sequence of integers, got 'ab'"),
        ((3, "a"), TypeError, "^input_shape must be an integer, got 'a'"),
        ((3, 9.0), TypeError, "^input_shape must be an integer, got 9.0"),
        ((3, -9), ValueError, "^input_shape must be at least 0, got -9"),
        ((2, 9), ValueError, "^x must have 3 channels.*got 2"),
        ((9,), ValueError, r"^x must have 2 axes, or 3 with a batch.*got shape \(9,\)"),
        ((3, 1), ValueError, "^weight must not be larger than the padded x.*x has 1"),
    ],
)
def test_shapes_that_a_layer_is_asked_about(method, shape, error, message):
    with pytest.raises(error, match=message):
        getattr(ndconv.ConvLayer(FILTERS), method)(shape)


# ------------------------------------------------------------------------------------------------- large numbers


@pytest.mark.parametrize("stride", [2**31, 2**40, 2**62, 2**63 - 1])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_a_stride_longer_than_the_input_is_any_such(stride, ndim):
    """Along one axis or along all, forward and backward, whatever the method and the dtype."""
    rng = np.random.default_rng(ndim)

    def alike(one, other):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=0.01 if one.dtype == "float32" else 0)

    for dtype in ("float32", "complex128", "int16"):
        x = (9 * rng.standard_normal((2, *(5,) * ndim))).astype(dtype)
        weight = (9 * rng.standard_normal((2, 2, *(3,) * ndim))).astype(dtype)
        for place in range(-1, ndim):
            strides = [
                [length if axis in (place, ndim + place) or place < 0 else 1 for axis in range(ndim)]
                for length in (99, stride)
            ]
            for padding, mode in ((0, "zeros"), (1, "zeros"), (7, "reflect"), ("same", "wrap"), ("causal", "edge")):
                keywords = {"padding": padding, "padding_mode": mode}
                usual, huge = (ndconv.conv_layer(x, weight, stride=each, **keywords) for each in strides)
                alike(huge, usual)
                alike(ndconv.ConvLayer(weight, stride=strides[1], **keywords)(x), usual)
                usual, huge = (
                    ndconv.conv_layer_backward(usual, x, weight, stride=each, **keywords) for each in strides
                )
                for one, other in zip(huge, usual, strict=True):
                    alike(one, other)
            usual, huge = (ndconv.correlate_nd(x[0], weight[0, 0], "valid", stride=each) for each in strides)
            alike(huge, usual)
            one = x[(slice(None), *(slice(0, 1) if s > 1 else slice(None) for s in strides[0]))]
            usual, huge = (ndconv.conv_transpose_layer(one, weight, stride=each) for each in strides)
            alike(huge, usual)
            usual, huge = (ndconv.conv_transpose_layer_backward(usual, one, weight, stride=each) for each in strides)
            for first, other in zip(huge, usual, strict=True):
                alike(first, other)


def test_a_stream_of_a_stride_longer_than_it(subtests):
    for stride in (2**31, 2**62, 2**63 - 1):
        with subtests.test(stride=stride):
            stream = ndconv.CorrelateStream([1.0, 2.0, 4.0], stride=stride)
            assert [stream.push([n]).tolist() for n in (1.0, 2.0)] == [[4.0], []]
            layer = ndconv.ConvLayer([[[1.0, 2.0, 4.0]]], stride=stride, padding="causal").stream()
            assert [layer.push([[n]]).tolist() for n in (1.0, 2.0)] == [[[4.0]], [[]]]


@pytest.mark.parametrize("dilation", [2**31, 3 * 10**9, 2**58, 2**61])
@pytest.mark.parametrize("mode", ["zeros", "edge", "reflect", "symmetric", "wrap"])
def test_a_dilation_longer_than_the_input(subtests, dilation, mode):
    """A layer made once does what a single call does; by spectra, there is no room for the kernel."""
    for ndim in (1, 2, 3):
        with subtests.test(ndim=ndim):
            x, weight = np.arange(2.0 * 4**ndim).reshape(2, *(4,) * ndim), np.ones((1, 2, *(2,) * ndim))
            keywords = {"padding": "same", "padding_mode": mode, "dilation": dilation}
            y = ndconv.conv_layer(x, weight, **keywords)
            assert y.shape == (1, *x.shape[1:])
            np.testing.assert_array_equal(ndconv.ConvLayer(weight, **keywords)(x), y)
            assert ndconv.ConvLayer(weight, **keywords).output_shape(x.shape) == y.shape
            if dilation**ndim >= 2**60:
                with pytest.raises(ValueError, match=r"^method='fft' cannot do this call: .* spans? .* samples"):
                    ndconv.conv_layer(x, weight, **keywords, method="fft")


@pytest.mark.parametrize(
    "make",
    [
        lambda: ndconv.CorrelateStream([1.0, 2.0, 3.0], dilation=2**61).push([1.0]),
        lambda: ndconv.CorrelateStream([1.0, 2.0, 3.0], dilation=2**63 - 1).push([1.0]),
        lambda: ndconv.CorrelateStream([1.0, 2.0], dilation=2**50).push(np.ones((2**10, 1))),
        lambda: ndconv.ConvLayer(np.ones((1, 1, 3)), dilation=2**57, padding="causal").stream().push([[1.0]]),
        lambda: ndconv.conv_transpose_layer(np.ones((1, 2)), np.ones((1, 1, 1)), stride=2**62),
        lambda: ndconv.conv_transpose_layer(np.ones((1, 2)), np.ones((1, 1, 2)), dilation=2**59),
    ],
)
def test_what_has_no_room_in_memory(make):
    with pytest.raises(MemoryError):
        make()


# -------------------------------------------------------------------------------------- what the compiled core is given


@pytest.fixture(scope="module")
def plan():
    """Return a core, and a plan of its direct method with packed weights and arrays that fit it."""
    core = _core.load("float32")
    geometry = layer_geometry((4, 20), (3, 4, 3), 1, 1, "zeros", 1, 1)
    problem = Problem(
        geometry=geometry, dtype=np.dtype("f4"), x_is_complex=False, fill_value=0, batch=2, x_in_place=False,
        y_in_place=True, bias=True,
    )  # fmt: skip
    blocking = make_blocking(problem, core)
    direct = core.Direct(blocking)
    arguments = {"x": floats(2, 4, 20), "packed": direct.pack(floats(1, 3, 4, 3)), "bias": floats(3)}
    arguments |= {"residual": floats(2, 3, 20), "y": floats(2, 3, 20), "activation": 0, "weight_batch": None}
    return core, blocking, direct, {**arguments, "workers": 1}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"bias": np.ones(3)}, "a bias of another dtype, size or layout"),
        ({"bias": np.ones(3, ">f4")}, "a bias of another dtype, size or layout"),
        ({"bias": floats(2)}, "a bias of another dtype, size or layout"),
        ({"bias": floats(6)[::2]}, "a bias of another dtype, size or layout"),
        ({"x": floats(2, 3, 20)}, "an array of other channels"),
        ({"x": floats(2, 4, 20).astype("c8")}, "an array of other channels"),
        ({"x": floats(2, 4, 19)}, "an array of other spatial axes"),
        ({"x": floats(1, 4, 20)}, "an array of another batch"),
        ({"x": floats(4, 20)}, "an array of other axes"),
        ({"x": floats(2, 4, 20).astype(object)}, "an array of another dtype"),
        ({"x": floats(2, 4, 20).astype("longdouble")}, "an array of another dtype"),
        ({"y": floats(2, 3, 19)}, "an array of other spatial axes"),
        ({"y": floats(2, 2, 20)}, "an array of other channels"),
        ({"y": floats(20)}, "an output of other axes"),
        ({"residual": floats(2, 3, 21)}, "a residual of another shape"),
        ({"residual": floats(2, 2, 20)}, "an array of other channels"),
        ({"weight_batch": (1,)}, "weights that were packed for another plan"),
    ],
)
def test_arrays_of_another_plan(plan, changed, message):
    """Kernels trust what they are told: what is not so is an error where it enters the core, not other memory."""
    _, _, direct, arguments = plan
    assert direct.run(*arguments.values())
    with pytest.raises(ValueError, match=f"the core was given {message}"):
        direct.run(*(arguments | changed).values())


def test_weights_of_another_plan(plan):
    _, _, direct, _ = plan
    for weights in (np.ones((1, 3, 4, 3)), floats(1, 3, 4, 3).astype(">f4"), floats(3, 4, 3), floats(1, 2, 4, 3)):
        with pytest.raises(ValueError, match="the core was given weights of another dtype"):
            direct.pack(weights)
    with pytest.raises(ValueError, match="the core was given weights of another kernel"):
        direct.pack(floats(1, 3, 4, 5))


def test_plans_beyond_the_cores_bounds(plan):
    core, blocking, _, _ = plan
    for changed in ({"fill_values": np.zeros(2)}, {"interleave": 3}, {"n_blocks": 0}, {"box": (1,) * 65}, {"box": ()}):
        with pytest.raises(ValueError, match="the core was given"):
            core.Direct(blocking._replace(**changed))
    for number in (0, core.most_phases + 1):
        with pytest.raises(ValueError, match=f"the core was given {number} phases, of at most {core.most_phases}"):
            core.Interleaved([blocking] * number)


@pytest.mark.parametrize("stride", range(1, 20))
def test_phases_together_are_at_most_the_cores(stride):
    """Whatever the stride: more of them come one by one."""
    x, weight = floats(2, 9), floats(2, 3, 2 * stride + 1)
    y = ndconv.conv_transpose_layer(x, weight, stride=stride)
    assert y.sum() == x.sum() * weight.sum() / 2
