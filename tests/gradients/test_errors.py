"""Wrong calls of `conv_layer_backward` and `ConvLayer.backward`."""

import numpy as np
import pytest

import ndconv
from support.layouts import floats
from support.tables import names_of_changes

# Arguments are refused before anything is computed.
pytestmark = pytest.mark.once

CALL = {"grad_y": floats(6, 7, 7), "x": floats(4, 9, 8), "weight": floats(6, 4, 3, 2)}

#: (what is changed in a call that is right, the error, what the message must hold)
ERRORS = [
    ({"grad_y": floats(6, 7, 6)}, ValueError, r"grad_y .* \(6, 7, 7\), got \(6, 7, 6\)"),
    ({"grad_y": floats(1, 6, 7, 7)}, ValueError, r"grad_y .* \(6, 7, 7\), got \(1, 6, 7, 7\)"),
    ({"grad_y": floats(7, 7, 6)}, ValueError, r"grad_y .* \(6, 7, 7\)"),
    ({"grad_y": np.float32(1)}, ValueError, r"grad_y .* got \(\)"),
    ({"grad_y": floats(6, 7, 7), "x": floats(9, 8, 4), "channel_axis": -1}, ValueError, r"grad_y .* \(7, 7, 6\)"),
    ({"grad_y": floats(6, 7, 7).astype(object)}, TypeError, "grad_y .* object"),
    ({"grad_y": None}, TypeError, "grad_y"),
    ({"grad_y": [[1.0], [1.0, 2.0]]}, ValueError, "grad_y"),
    ({"x": floats(3, 9, 8)}, ValueError, r"x must have 4 channels .* got 3"),
    ({"x": floats(9, 8)}, ValueError, r"x must have 3 axes,.* got shape \(9, 8\)"),
    ({"x": np.float32(3), "channel_axis": -1}, ValueError, r"x must have 3 axes,.* got shape \(\)"),
    ({"x": floats(4, 2, 8)}, ValueError, "weight .* padded x"),
    ({"x": floats(4, 9, 8).astype(object)}, TypeError, "x .* object"),
    ({"x": floats(4, 9, 8).astype("longdouble")}, TypeError, "x must have"),
    ({"weight": floats(6, 5, 3, 2)}, ValueError, r"x must have 5 channels .* got 4"),
    ({"weight": floats(6, 4)}, ValueError, r"weight .* got \(6, 4\)"),
    ({"weight": np.float32(1), "channel_axis": -1}, ValueError, r"weight .* got \(\)"),
    ({"weight": floats(6, 4, 0, 2)}, ValueError, "weight .* tap"),
    ({"weight": floats(6, 4, 3, 2).astype(str)}, TypeError, "weight"),
    ({"needs": "y"}, ValueError, "needs must be .* x, weight, bias; got 'y'"),
    ({"needs": ("x", "weights")}, ValueError, r"needs .* got \('x', 'weights'\)"),
    ({"needs": b"x"}, ValueError, "needs"),
    ({"needs": "xw"}, ValueError, "needs"),
    ({"needs": [["x"]]}, ValueError, "needs"),
    ({"needs": None}, TypeError, "needs .* got None"),
    ({"needs": 3}, TypeError, "needs .* got 3"),
    ({"stride": 0}, ValueError, "stride must be at least 1, got 0"),
    ({"stride": (1, -2)}, ValueError, "stride must be at least 1, got -2"),
    ({"stride": 1.5}, TypeError, "stride .* 1.5"),
    ({"dilation": 0}, ValueError, "dilation must be at least 1, got 0"),
    ({"dilation": -1}, ValueError, "dilation must be at least 1, got -1"),
    ({"dilation": 2**62}, ValueError, "dilation"),
    ({"padding": -1}, ValueError, "padding must be at least 0, got -1"),
    ({"padding": ((0, 0), (0, -1))}, ValueError, "padding must be at least 0, got -1"),
    ({"padding": "some"}, ValueError, "padding .* 'some'"),
    ({"padding_mode": "mirrored"}, ValueError, "padding_mode .* 'mirrored'"),
    ({"padding_mode": ("reflect",) * 3}, ValueError, "padding_mode"),
    ({"fill_value": "a"}, TypeError, "fill_value .* 'a'"),
    ({"fill_value": [1.0, 2.0]}, TypeError, "fill_value"),
    ({"groups": 3}, ValueError, "groups must divide .* 3 for 4 in"),
    ({"groups": 0}, ValueError, "groups must be at least 1, got 0"),
    ({"groups": 2}, ValueError, "x must have 8 channels"),
    ({"groups": 4, "weight": floats(6, 1, 3, 2)}, ValueError, "groups must divide .* 4 for 4 in and 6 out"),
    ({"channel_axis": 1}, ValueError, "channel_axis .* 1"),
    ({"workers": 0}, ValueError, "workers"),
    ({"workers": 1.5}, TypeError, "workers"),
]


@pytest.mark.parametrize(("change", "error", "message"), ERRORS, ids=names_of_changes(ERRORS))
def test_errors(change, error, message):
    arguments = {**CALL, **change}
    with pytest.raises(error, match=message):
        ndconv.conv_layer_backward(**arguments)
    of_a_call = {name: arguments.pop(name) for name in ("grad_y", "x", "needs", "workers") if name in arguments}
    with pytest.raises(error, match=message):
        ndconv.ConvLayer(**arguments).backward(**of_a_call)


def test_fill_values_that_the_gradients_cannot_have():
    whole = {"grad_y": np.ones((1, 5), int), "x": np.ones((1, 5), int), "padding": 1, "fill_value": 0.5}
    for weight in (np.ones((1, 1, 3), int), np.ones((1, 1, 3))):
        with pytest.raises(ValueError, match=r"fill_value .* 0\.5"):
            ndconv.conv_layer_backward(**whole, weight=weight)


@pytest.mark.parametrize("activation", [None, "relu"])
def test_a_residual_of_another_shape_or_type(activation):
    layer = ndconv.ConvLayer(CALL["weight"], activation=activation)
    with pytest.raises(ValueError, match=r"residual .* \(6, 7, 7\), got \(6, 7, 6\)"):
        layer.backward(CALL["grad_y"], CALL["x"], residual=floats(6, 7, 6))
    with pytest.raises(TypeError, match="residual"):
        layer.backward(CALL["grad_y"], CALL["x"], residual="no")


@pytest.mark.parametrize(("dtype", "activation"), [("int32", "silu"), ("complex64", "relu")])
def test_activations_that_a_type_has_not(dtype, activation):
    x, weight, g = (np.ones(shape, dtype) for shape in ((1, 5), (1, 1, 3), (1, 3)))
    with pytest.raises(TypeError, match=f"activation '{activation}' .* {dtype}"):
        ndconv.ConvLayer(weight, activation=activation).backward(g, x)
