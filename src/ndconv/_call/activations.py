"""Activations: their names, and which of them a dtype has."""

from typing import Any

import numpy as np

# The core's codes are the places in this tuple.
ACTIVATIONS = (None, "relu", "relu6", "leaky_relu", "silu", "gelu", "sigmoid", "tanh", "hardswish")


def check_activation(activation: str | None, dtype: np.dtype[Any]) -> None:
    """Raise for an activation that the result's dtype does not have."""
    if activation is None or dtype.kind == "f" or (dtype.kind in "iu" and activation in ("relu", "relu6")):
        return
    raise TypeError(f"activation {activation!r} needs a result of a floating dtype, got {dtype}")
