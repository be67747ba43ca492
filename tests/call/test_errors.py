"""Every wrong argument: the type of the error, the argument's name in its message, and `out` left as it was."""

import numpy as np
import pytest

import ndconv
from support.functions import FILTERS, SIGNAL, call
from support.layouts import floats, read_only
from support.tables import names_of_rows, shown

# Arguments are refused before anything is computed.
pytestmark = pytest.mark.once

NAN = float("nan")
INTEGER_LIKE = (ValueError, TypeError)

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
    (read_only(floats(6, 7, 7)), ValueError),
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
    ({"out": read_only(floats(11, 9))}, ValueError, "out"),
    ({"out": [1, 2]}, TypeError, "out"),
]


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
