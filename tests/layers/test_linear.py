"""A layer as a linear operator, and as a sparse matrix."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import lsqr

import ndconv
from support.layouts import values
from support.strategies import layer_calls

KEYWORDS = ("stride", "padding", "padding_mode", "dilation", "groups", "channel_axis", "method")


@st.composite
def linear_layers(draw):
    """Draw a layer without what is not linear, in a type whose sums tell, and a shape for its input."""
    call = draw(layer_calls())
    x, weight = call.arrays
    dtype = draw(st.sampled_from(("float64", "complex128")))
    weight = values(np.random.default_rng(0), weight.shape, dtype)
    layer = ndconv.ConvLayer(weight, **{name: call.keywords[name] for name in KEYWORDS if name in call.keywords})
    return layer, x.shape


@given(linear_layers())
def test_both_are_the_layer_and_its_adjoint(drawn):
    layer, shape = drawn
    rng, dtype = np.random.default_rng(1), layer.weight.dtype.name
    operator = layer.as_linear_operator(shape)
    x, y = values(rng, shape, dtype).ravel(), values(rng, layer.output_shape(shape), dtype).ravel()
    expected = layer(x.reshape(shape)).ravel()
    assert operator.shape == (y.size, x.size)
    assert operator.dtype == dtype
    np.testing.assert_array_equal(operator @ x, expected)
    adjoint = operator.H @ y
    np.testing.assert_allclose(np.vdot(y, operator @ x), np.vdot(adjoint, x), rtol=1e-9, atol=1e-9)
    if x.size * y.size <= 1 << 20:
        matrix = layer.to_sparse(shape)
        assert matrix.format == "csr"
        assert matrix.dtype == dtype
        assert matrix.has_canonical_format
        np.testing.assert_allclose(matrix @ x, expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(matrix.conj().T @ y, adjoint, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shape", [(2, 6, 7), (3, 2, 6, 7)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_columns_are_computed_together(rng, dtype, shape):
    layer = ndconv.ConvLayer(values(rng, (4, 2, 3, 3), dtype), padding=1, padding_mode="reflect")
    operator, matrix = layer.as_linear_operator(shape), layer.to_sparse(shape).toarray()
    eps = np.finfo(dtype).eps
    dense = operator @ np.eye(operator.shape[1], dtype=dtype)
    assert dense.dtype == dtype
    np.testing.assert_allclose(dense, matrix, atol=30 * eps)
    np.testing.assert_allclose(operator.H @ np.eye(operator.shape[0], dtype=dtype), matrix.conj().T, atol=30 * eps)


def test_a_complex_vector_meets_real_weights(rng):
    layer = ndconv.ConvLayer(values(rng, (2, 1, 3), "float64"))
    operator, matrix = layer.as_linear_operator((1, 9)), layer.to_sparse((1, 9))
    x, y = values(rng, (9,), "complex128"), values(rng, (14,), "complex128")
    np.testing.assert_allclose(operator @ x, matrix @ x)
    np.testing.assert_allclose(operator.H @ y, matrix.T @ y)


def test_integers_stay_exact(rng):
    layer = ndconv.ConvLayer(values(rng, (2, 1, 3), "int32"), padding=1)
    matrix = layer.to_sparse((1, 9))
    x = np.arange(9, dtype=np.int32)
    assert matrix.dtype == np.int32
    np.testing.assert_array_equal(matrix @ x, layer(x[None]).ravel())
    np.testing.assert_array_equal(layer.as_linear_operator((1, 9)) @ x, layer(x[None]).ravel())


def test_solvers_take_the_operator(rng):
    layer = ndconv.ConvLayer(values(rng, (3, 1, 5), "float64"), padding=2)
    truth = values(rng, (1, 40), "float64").ravel()
    operator = layer.as_linear_operator((1, 40))
    np.testing.assert_allclose(lsqr(operator, operator @ truth, atol=1e-13, btol=1e-13)[0], truth, atol=1e-8)


def test_an_operator_can_be_pickled(rng):
    operator = ndconv.ConvLayer(values(rng, (2, 1, 3), "float64")).as_linear_operator((1, 9))
    again = pickle.loads(pickle.dumps(operator))
    x = values(rng, (9,), "float64")
    np.testing.assert_array_equal(again @ x, operator @ x)


@pytest.mark.parametrize("name", ["as_linear_operator", "to_sparse"])
def test_what_is_not_linear_is_refused(name):
    weight = np.ones((1, 1, 3))
    for keywords, message in (
        ({"bias": [1.0]}, r"bias must be None for a linear map, got one of shape \(1,\)"),
        ({"activation": "relu"}, "activation must be None for a linear map, got 'relu'"),
        ({"padding": 1, "fill_value": 2.0}, r"fill_value must be 0 for a linear map, got 2\.0"),
    ):
        with pytest.raises(ValueError, match=message):
            getattr(ndconv.ConvLayer(weight, **keywords), name)((1, 5))
    # Where none of it stands in a window, it may be what it likes.
    getattr(ndconv.ConvLayer(weight, fill_value=2.0), name)((1, 5))


@pytest.mark.parametrize("name", ["as_linear_operator", "to_sparse"])
def test_the_shape_must_fit(name):
    layer = ndconv.ConvLayer(np.ones((1, 2, 3)))
    with pytest.raises(ValueError, match="x must have 2 channels"):
        getattr(layer, name)((1, 5))
    with pytest.raises(TypeError, match="input_shape"):
        getattr(layer, name)((2, "5"))
