"""Activations, as the epilogue computes them: vectors of samples, without a library's functions."""

import numpy as np
import pytest
import scipy.special

import ndconv
from ndconv._methods import epilogue

DTYPES = [np.float32, np.float64]


def normal_tail(v):
    """Return the part of a normal distribution beyond |v|, also where it is no normal number of float64."""
    size = np.abs(v)
    return scipy.special.erfcx((size / np.sqrt(2)).astype(float)) * np.exp(-size * size / 2) / 2


def gelu(v):
    return np.maximum(v, -100) * np.where(v < 0, normal_tail(v), 1 - normal_tail(v))


def sigmoid(v):
    return np.where(v < 0, np.exp(-np.abs(v)), 1) / (1 + np.exp(-np.abs(v)))


# In long double, which has digits to spare for both compute types.
EXACT = {
    "relu": lambda v: np.where(v < 0, 0, v),
    "relu6": lambda v: np.clip(v, 0, 6),
    "leaky_relu": lambda v: np.where(v < 0, v / 100, v),
    "silu": lambda v: np.maximum(v, -11000) * sigmoid(v),
    "gelu": gelu,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "hardswish": lambda v: np.maximum(v, -3) * np.clip(v + 3, 0, 6) / 6,
}

#: Their slopes, on the left of a corner.
SLOPES = {
    "relu": lambda v: np.where(v > 0, 1, 0),
    "relu6": lambda v: np.where((v > 0) & (v < 6), 1, 0),
    "leaky_relu": lambda v: np.where(v > 0, 1, np.longdouble(1) / 100),
    "silu": lambda v: sigmoid(v) * (1 + np.clip(v, -11000, 11000) * sigmoid(-v)),
    "gelu": lambda v: (
        np.where(v < 0, normal_tail(v), 1 - normal_tail(v))
        + np.clip(v, -100, 100) * np.exp(-(np.clip(v, -100, 100) ** 2) / 2) / np.sqrt(2 * np.longdouble(np.pi))
    ),
    "sigmoid": lambda v: sigmoid(v) * sigmoid(-v),
    "tanh": lambda v: 4 * sigmoid(2 * v) * sigmoid(-2 * v),
    "hardswish": lambda v: np.where(v <= -3, 0, np.where(v < 3, v / 3 + 0.5, 1)),
}


def everywhere(dtype):
    """Return numbers of every size: where the functions change, their tails, subnormal ones, the largest, infinity."""
    info = np.finfo(dtype)
    steps = np.concatenate([np.linspace(0, 12, 1201), np.linspace(12, 120, 1601), np.linspace(120, 1200, 801)])
    powers = 2.0 ** np.arange(info.minexp, info.maxexp, 7 if dtype != np.float16 else 1)
    few = [info.smallest_subnormal, 3 * info.smallest_subnormal, info.tiny, float(info.max), 0.6 * float(info.max)]
    v = np.concatenate([steps, powers, np.array(few, float), [np.inf]])
    with np.errstate(over="ignore"):
        return np.concatenate([v, -v]).astype(dtype)


def allowed(activation, v, exact, dtype):
    """Return how far from exact a result may be: tails of "gelu" are exponentials of rounded squares."""
    units = 8 + (2 * np.minimum(np.abs(v), 40) ** 2 if activation == "gelu" else 0)
    eps = np.finfo(np.float32 if dtype == np.float16 else dtype).eps
    with np.errstate(invalid="ignore"):
        return (
            units * eps * np.abs(exact)
            + 1.5 * np.finfo(np.float32 if dtype == np.float16 else dtype).smallest_subnormal
        )


def activate(values, activation):
    """Run values through a layer that does nothing else to them."""
    values = np.asarray(values)
    return ndconv.conv_layer(values[None], np.ones((1, 1, 1), values.dtype), activation=activation)[0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", EXACT)
def test_precision(activation, dtype):
    # Where results are normal numbers; beyond, see below.
    far = 9 if activation == "gelu" else 80
    v = np.concatenate([np.linspace(-far, far, 20_001), np.linspace(-0.01, 0.01, 2001), [1e-30, -1e-30]]).astype(dtype)
    exact = EXACT[activation](v.astype(np.longdouble))
    # The tail of gelu is an exponential of a rounded square, SciPy's as well.
    units = 8 + (2 * v**2 if activation == "gelu" else 0)
    assert np.all(np.abs(activate(v, activation) - exact) <= units * np.finfo(dtype).eps * np.abs(exact))


@pytest.mark.parametrize("dtype", [np.float16, *DTYPES])
@pytest.mark.parametrize("activation", EXACT)
@pytest.mark.parametrize("way", ["core", "numpy"])
def test_from_one_infinity_to_the_other(way, activation, dtype):
    v = everywhere(dtype)
    exact = EXACT[activation](v.astype(np.longdouble))
    bound = allowed(activation, v.astype(np.longdouble), exact, dtype)
    if way == "core":
        y = activate(v, activation)
        if dtype == np.float16:
            bound = bound + 2.0**-11 * np.abs(exact) + 2.0**-25
    else:
        y = epilogue.activate(v.astype(np.float32) if dtype == np.float16 else v, activation)
    limits = ~np.isfinite(exact)
    assert np.array_equal(y[limits], exact[limits].astype(dtype))
    with np.errstate(invalid="ignore"):
        wrong = ~limits & ~(np.abs(y - exact) <= bound)
    assert not wrong.any(), (v[wrong][:5], y[wrong][:5], exact[wrong][:5])


@pytest.mark.parametrize("dtype", [np.float16, *DTYPES])
@pytest.mark.parametrize("activation", SLOPES)
@pytest.mark.parametrize("gradient", [1.0, 2.0**100])
def test_slopes_from_one_infinity_to_the_other(gradient, activation, dtype):
    """Also where a slope is no normal number, but a large gradient times it is."""
    v = everywhere(dtype)
    wide = np.dtype(np.float32) if dtype == np.float16 else np.dtype(dtype)
    if activation == "gelu":
        v = v[np.abs(v) < (9 if wide == np.float32 else 25)]  # beyond, its exponent's rounding is larger than the slope
    if dtype == np.float16:
        gradient = min(gradient, 2.0)
    exact = gradient * SLOPES[activation](v.astype(np.longdouble))
    y = epilogue.times_slope(np.full(v.shape, gradient, dtype), v, activation)
    assert y.dtype == dtype
    # Where a slope goes through zero, it is the difference of parts of about their size.
    size = np.minimum(np.abs(v.astype(np.longdouble)), 11000)
    parts = gradient * np.minimum(1, np.exp(-size) * 4 * (1 + size)) * 8
    units = 8 + (size**2 if activation == "gelu" else 0)
    bound = 4 * np.finfo(wide).eps * (units * np.abs(exact) + parts) + 8 * np.finfo(wide).smallest_subnormal
    if dtype == np.float16:
        bound = bound + 2.0**-11 * np.abs(exact) + 2.0**-25
    wrong = ~(np.abs(y - exact) <= bound)
    assert not wrong.any(), (v[wrong][:5], y[wrong][:5], exact[wrong][:5])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", ["direct", "winograd", "fft"])
def test_hardswish_of_numbers_near_the_largest(method, dtype):
    """The product with x + 3 would overflow."""
    most = np.finfo(dtype).max
    x = np.array([[0.6 * most, -0.6 * most, 2, most / 4, 5, -7]], dtype)
    y = ndconv.conv_layer(x, np.array([[[0, 1, 0]]], dtype), padding=1, activation="hardswish", method=method)
    assert np.allclose(y, [[0.6 * most, 0, 5 / 3, most / 4, 5, 0]], rtol=1e-6)


def test_silu_where_its_exponential_is_no_normal_number():
    y = ndconv.conv_layer(
        np.array([[-89.5, -100, 0, 1]], np.float32), np.ones((1, 1, 1), np.float32), activation="silu"
    )
    assert np.allclose(y[0, :2], [-1.2092e-37, -3.72e-42], rtol=2e-3, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("activation", "below", "above"),
    [("relu", 0, 1), ("relu6", 0, 0), ("silu", 0, 1), ("gelu", 0, 1), ("hardswish", 0, 1), ("leaky_relu", 0.01, 1)],
)
def test_far_from_zero(activation, below, above, dtype):
    v = np.array([1e4, 1e30], dtype)
    assert np.allclose(activate(-v, activation), -below * v, rtol=1e-6)
    assert np.allclose(activate(v, activation), above * v if above else 6, rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_saturation(dtype):
    v = np.array([-np.inf, -1e30, -1000, 1000, 1e30, np.inf], dtype)
    assert np.array_equal(activate(v, "sigmoid"), [0, 0, 0, 1, 1, 1])
    assert np.array_equal(activate(v, "tanh"), [-1, -1, -1, 1, 1, 1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", EXACT)
def test_nan_stays_and_stays_alone(activation, dtype):
    v = np.linspace(-3, 3, 37).astype(dtype)
    v[[0, 17, 36]] = np.nan
    y = activate(v, activation)
    assert np.array_equal(np.isnan(y), np.isnan(v))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", EXACT)
def test_a_sample_decides_alone(subtests, activation, dtype, rng):
    # However its row is cut into vectors.
    v = (3 * rng.standard_normal(131)).astype(dtype)
    whole = activate(v, activation)
    for length in (1, 3, 7, 15, 16, 17, 40, 64, 65):
        with subtests.test(length=length):
            assert np.array_equal(activate(v[:length], activation), whole[:length])
            assert np.array_equal(activate(v[-length:], activation), whole[-length:])


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
def test_residual_with_channels_last(activation, groups, kernel, rng):
    """Where a pixel's channels are neighbours, they are finished together."""
    x = rng.standard_normal((2, 9, 21, 6)).astype(np.float32)
    residual = rng.standard_normal((2, 9, 21, 84)).astype(np.float32)
    weight = rng.standard_normal((84, 6 // groups, kernel, kernel)).astype(np.float32)
    keywords = {"padding": kernel // 2, "groups": groups, "activation": activation}
    y = ndconv.ConvLayer(weight, channel_axis=-1, **keywords)(x, residual=residual)
    first = ndconv.ConvLayer(weight, **keywords)(np.moveaxis(x, -1, 1).copy(), residual=np.moveaxis(residual, -1, 1))
    assert np.allclose(np.moveaxis(y, -1, 1), first, atol=1e-4)
    other = np.asfortranarray(residual)
    assert np.array_equal(ndconv.ConvLayer(weight, channel_axis=-1, **keywords)(x, residual=other), y)


@pytest.mark.parametrize("method", ["direct", "winograd"])
@pytest.mark.parametrize("channels", [1, 5, 40])
@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
def test_residual_in_any_layout(activation, channels, method, rng):
    x = rng.standard_normal((2, 6, 9, 21)).astype(np.float32)
    layer = ndconv.ConvLayer(
        rng.standard_normal((channels, 6, 3, 3)).astype(np.float32), padding=1, activation=activation, method=method
    )
    residual = rng.standard_normal((2, channels, 9, 21)).astype(np.float32)
    expected = layer(x, residual=residual)
    for other in (residual[..., ::-1].copy()[..., ::-1], np.asfortranarray(residual), residual.astype(">f4")):
        assert np.array_equal(layer(x, residual=other), expected)
    out = np.empty((2, channels, 9, 42), np.float32)[..., ::2]
    assert np.array_equal(layer(x, out, residual=residual), expected)
    # Where the sum goes to the residual's own place.
    assert np.array_equal(layer(x, residual, residual=residual), expected)
    assert np.array_equal(residual, expected)


def test_remembered_calls_are_checked(rng):
    x = rng.standard_normal((3, 8, 8))
    w = rng.standard_normal((4, 3, 3, 3))
    right, wrong = np.zeros((4, 6, 6)), np.zeros((4, 6, 7))
    layer = ndconv.ConvLayer(w)
    for call in (layer, lambda x, **others: ndconv.conv_layer(x, w, **others)):
        expected = call(x)
        for _ in range(2):
            assert np.array_equal(call(x, residual=right), expected)
            assert np.array_equal(call(x, out=np.empty_like(right)), expected)
            with pytest.raises(ValueError, match="residual must have the output's shape"):
                call(x, residual=wrong)
            with pytest.raises(ValueError, match="out must have shape"):
                call(x, out=wrong)
            with pytest.raises(TypeError, match="out must have dtype"):
                call(x, out=right.astype(np.float32))
            with pytest.raises(TypeError, match="out must be a NumPy array"):
                call(x, out=right.tolist())
            with pytest.raises(TypeError, match="residual must have"):
                call(x, residual=right.astype(object))
            read_only = np.zeros_like(right)
            read_only.flags.writeable = False
            with pytest.raises(ValueError, match="read-only"):
                call(x, out=read_only)
            assert call(x, residual=right.astype(complex)).dtype == complex
