"""A problem for the compiled core, and the core."""

import numpy as np

from ndconv import _core
from ndconv._call.geometry import layer_geometry
from ndconv._methods import Problem

CORE = _core.load("float32")


def problem(x_shape=(16, 12, 12), weight_shape=(16, 16, 3, 3), groups=1):
    return Problem(
        geometry=layer_geometry(x_shape, weight_shape, 1, 1, "zeros", 1, groups), dtype=np.dtype("f4"),
        x_is_complex=False, fill_value=0, batch=1, x_in_place=False, y_in_place=True, bias=True,
    )  # fmt: skip
