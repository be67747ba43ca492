"""What the backward functions return, and which of it is asked for."""

from collections.abc import Iterable
from typing import NamedTuple

from .._call.dtypes import Array


class ConvGradients(NamedTuple):
    """The gradients of a layer with respect to its operands; None where one was not asked for.

    Attributes
    ----------
    x : ndarray or None
        The gradient with respect to the input, of its shape.
    weight : ndarray or None
        The gradient with respect to the weights, of their shape.
    bias : ndarray or None
        The gradient with respect to the bias, of shape (C_out,).

    Examples
    --------
    >>> import numpy as np
    >>> import ndconv
    >>> x, weight, grad_y = np.ones((2, 3)), np.ones((3, 1)), np.ones((2, 1))
    >>> ndconv.graph_conv_backward(grad_y, x, np.eye(2), weight, needs="bias")
    ConvGradients(x=None, weight=None, bias=array([2.]))
    """

    x: Array | None
    weight: Array | None
    bias: Array | None


def checked_needs(needs: str | Iterable[str]) -> frozenset[str]:
    """Return which gradients to compute, named by one name or several."""
    expected = f"needs must be one or several of {', '.join(ConvGradients._fields)}"
    if not isinstance(needs, Iterable):
        raise TypeError(f"{expected}; got {needs!r}")
    names = (needs,) if isinstance(needs, str) else tuple(needs)
    if any(name not in ConvGradients._fields for name in names):
        raise ValueError(f"{expected}; got {needs!r}")
    return frozenset(names)
