"""Where results go."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import numpy as np

from .._call.dtypes import Array

T = TypeVar("T")
P = ParamSpec("P")


def bools_as_bytes(
    filter: Callable[Concatenate[Array, T, Array, P], None],
) -> Callable[Concatenate[Array, T, Array, P], None]:
    """Let a filter write to bytes instead of bools, as SciPy does: what lies between passes may be larger than one."""

    @functools.wraps(filter)
    def wrapped(x: Array, what: T, y: Array, /, *how: P.args, **more: P.kwargs) -> None:
        if y.dtype.kind != "b":
            filter(x, what, y, *how, **more)
            return
        bytes = np.empty(y.shape, np.uint8)
        filter(x, what, bytes, *how, **more)
        y[...] = bytes

    return wrapped


def shares_memory(x: Array, y: Array) -> bool:
    """Whether what is written to y might change what is still to be read of x."""
    return bool(np.may_share_memory(x, y))
