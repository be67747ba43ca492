"""What tests of gradients share: gradients to begin with, and those of PyTorch beside ours."""

import numpy as np

import ndconv
from support.layouts import values
from support.strategies import NEEDS


def torch_gradients(torch, g, function, *arrays):
    tensors = [torch.from_numpy(a).requires_grad_() for a in arrays]
    function(*tensors).backward(torch.from_numpy(g))
    return [t.grad.numpy() for t in tensors]


def check_close(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        size = max(float(np.abs(theirs).max(initial=0)), 1)
        tolerance = 1e-12 if theirs.dtype in ("float64", "complex128") else 1e-5
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * 30 * size)
        assert ours.dtype == theirs.dtype


def gradient_for(rng, x, weight, dtype=None, **keywords):
    """Return a random gradient of the output's shape."""
    y = ndconv.conv_layer(x, weight, **keywords)
    return values(rng, y.shape, dtype or y.dtype)


def same_bits(one, other):
    for name in NEEDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
