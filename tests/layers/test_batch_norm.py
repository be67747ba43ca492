"""`fold_batch_norm`: one layer equals a layer and the normalisation after it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ndconv
from support.layouts import COMPLEX, FLOATS, values

VECTORS = ("bias", "gamma", "beta", "mean", "var")


def normalized(y, gamma, beta, mean, var, eps):
    """Return batch normalisation's formula, along the first axis of y."""
    column = (-1, *(1,) * (y.ndim - 1))
    result = (y - mean.reshape(column)) / np.sqrt(var.reshape(column) + eps)
    if gamma is not None:
        result = result * gamma.reshape(column)
    return result if beta is None else result + beta.reshape(column)


@st.composite
def calls(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kernel = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    c_in, c_out = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    vectors = {name: values(rng, c_out, "float64") for name in VECTORS}
    vectors["var"] = rng.uniform(0, 4, c_out)
    for name in ("bias", "gamma", "beta"):
        if draw(st.booleans()):
            vectors[name] = None
    dtype = draw(st.sampled_from(("float64", "complex128")))
    return (
        values(rng, (c_in, *(k + 2 for k in kernel)), dtype),
        values(rng, (c_out, c_in, *kernel), dtype),
        vectors,
        draw(st.sampled_from((1e-5, 1e-3, 0.5))),
    )


@given(call=calls())
def test_one_layer_does_both(call):
    x, weight, vectors, eps = call
    bias, gamma, beta, mean, var = vectors.values()
    expected = normalized(ndconv.conv_layer(x, weight, bias), gamma, beta, mean, var, eps)
    folded = ndconv.fold_batch_norm(weight, bias, gamma, beta, mean, var, eps)
    scale = 1 if gamma is None else np.abs(gamma).max()
    tolerance = 1e-12 * (1 + scale / np.sqrt((var + eps).min()))
    np.testing.assert_allclose(ndconv.conv_layer(x, *folded), expected, rtol=1e-12, atol=tolerance)
    assert folded[0].shape == weight.shape
    assert folded[1].shape == weight.shape[:1]


@pytest.mark.parametrize("d", [1, 2, 3])
def test_agrees_with_pytorch(rng, torch, d):
    layer = getattr(torch.nn, f"Conv{d}d")(3, 5, 3)
    norm = getattr(torch.nn, f"BatchNorm{d}d")(5).eval()
    vectors = [norm.weight, norm.bias, norm.running_mean, norm.running_var]
    for vector in vectors:
        vector.data = torch.from_numpy(rng.uniform(0.5, 2, 5).astype(np.float32))
    x = values(rng, (2, 3, *(7,) * d), "float32")
    theirs = norm(layer(torch.from_numpy(x))).detach().numpy()
    arrays = [t.detach().numpy() for t in (layer.weight, layer.bias, *vectors)]
    ours = ndconv.conv_layer(x, *ndconv.fold_batch_norm(*arrays, norm.eps))
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("dtype", [*FLOATS, *COMPLEX])
@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 3, 2), (4, 3, 2, 2), (4, 1, 2, 3, 2)])
def test_axes_and_dtypes(rng, dtype, shape):
    real = np.zeros(1, dtype).real.dtype
    weight, bias = values(rng, shape, dtype), values(rng, 4, dtype)
    gamma, beta, mean = values(rng, (3, 4), real)
    var = rng.uniform(0.5, 2, 4).astype(real)
    folded = ndconv.fold_batch_norm(weight, bias, gamma, beta, mean, var)
    wide = np.clongdouble if np.dtype(dtype).kind == "c" else np.longdouble
    scale = gamma.astype(wide) / np.sqrt(var.astype(np.longdouble) + np.longdouble(1e-5))
    expected = (
        weight.astype(wide) * scale.reshape(-1, *(1,) * (len(shape) - 1)),
        (bias.astype(wide) - mean) * scale + beta,
    )
    for ours, exact in zip(folded, expected, strict=True):
        assert ours.dtype == dtype
        # Rounded once, from float64, which itself is off by little.
        tiny = np.finfo(dtype).smallest_subnormal
        assert (
            np.abs(ours - exact) <= np.finfo(dtype).eps * (8 if real == "float64" else 1) * np.abs(exact) + tiny
        ).all()


def test_result_types():
    ones = np.ones(2, np.float32)
    folded = ndconv.fold_batch_norm(np.ones((2, 3), np.float16), None, None, None, ones, ones)
    assert {a.dtype for a in folded} == {np.dtype(np.float32)}
    folded = ndconv.fold_batch_norm(np.ones((2, 3), np.float32), None, None, None, ones.astype(">f4"), [1.0, 1.0])
    assert {a.dtype for a in folded} == {np.dtype(np.float64)}
    folded = ndconv.fold_batch_norm([[1], [2]], [1, 2], [1, 2], [3, 4], [0, 1], [1, 4], 0)
    np.testing.assert_array_equal(folded[0], [[1], [2]])
    np.testing.assert_array_equal(folded[1], [4, 5])
    assert folded[0].dtype == np.float64


@pytest.mark.parametrize(
    ("gamma", "mean", "var", "weight", "bias"),
    [
        (0.0, np.inf, 1.0, 0.0, np.nan),
        (1.0, 0.0, np.inf, 0.0, 0.0),
        (1.0, np.inf, np.inf, 0.0, np.nan),
        (np.inf, 0.0, 1.0, np.inf, np.nan),
        (np.inf, 1.0, 1.0, np.inf, -np.inf),
        (1e200, 1e200, 1.0, 1e200, -np.inf),
        (1e-200, 1e-200, 1.0, 1e-200, 0.0),
    ],
)
def test_what_is_not_finite_raises_no_warning(gamma, mean, var, weight, bias):
    with np.errstate(all="raise"):
        folded = ndconv.fold_batch_norm([[1.0]], None, [gamma], None, [mean], [var], eps=0)
    np.testing.assert_array_equal(folded[0], [[weight]])
    np.testing.assert_array_equal(folded[1], [bias])


def test_inputs_are_left_alone(rng):
    arrays = [np.ones((2, 3)), *np.ones((5, 2))]
    for array in arrays:
        array.flags.writeable = False
    weight, bias = ndconv.fold_batch_norm(*arrays)
    assert weight.flags.writeable
    assert bias.flags.writeable


RIGHT = {"weight": np.ones((4, 3, 2)), **dict.fromkeys(VECTORS, np.ones(4))}

TABLE = [
    ({"weight": np.float32(1)}, ValueError, r"weight must have shape \(C_out, ...\), got \(\)"),
    ({"weight": np.ones((4, 3)).astype(object)}, TypeError, "weight must .* got object"),
    *[
        row
        for name in VECTORS
        for row in (
            ({name: np.ones(3)}, ValueError, rf"^{name} must have shape \(4,\), .* got \(3,\)"),
            ({name: np.ones((4, 1))}, ValueError, rf"^{name} must .* got \(4, 1\)"),
            ({name: 1.0}, ValueError, rf"^{name} must .* got \(\)"),
            ({name: np.ones(4).astype(object)}, TypeError, f"^{name} must .* got object"),
        )
    ],
    ({"mean": None}, TypeError, "mean must"),
    ({"var": None}, TypeError, "var must"),
    ({"var": np.ones(4, np.complex64)}, TypeError, "var must have a real dtype, got complex64"),
    ({"var": [1, 1, -1, 1]}, ValueError, r"var \+ eps must be positive, got -0.99"),
    ({"var": np.zeros(4), "eps": 0}, ValueError, r"var \+ eps must be positive, got 0.0 with eps 0"),
    ({"var": [1, 1, np.nan, 1]}, ValueError, r"var \+ eps must be positive, got nan"),
    ({"eps": -1e-5}, ValueError, "eps must be finite and not negative, got -1e-05"),
    ({"eps": float("nan")}, ValueError, "eps must .* got nan"),
    ({"eps": float("inf")}, ValueError, "eps must .* got inf"),
    ({"eps": "small"}, TypeError, "eps must be a number, got 'small'"),
    ({"eps": None}, TypeError, "eps must .* got None"),
    ({"eps": True}, TypeError, "eps must .* got True"),
    ({"eps": 1j}, TypeError, "eps must .* got 1j"),
]


@pytest.mark.parametrize(("change", "error", "message"), TABLE)
def test_errors(change, error, message):
    with pytest.raises(error, match=message):
        ndconv.fold_batch_norm(**{**RIGHT, **change})
