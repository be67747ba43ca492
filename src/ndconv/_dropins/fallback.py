"""What is handed on to SciPy: calls of the drop-ins that the engine does not promise to do. It happens only here.

These are arrays of a dtype that the engine does not compute in (longdouble, object and what else NumPy has), with which
SciPy computes or raises; empty arrays, for which it has a shape or an error; and, where it was told to accept them,
arrays of other libraries. A drop-in that finds out later that a call is for SciPy returns `FOR_SCIPY`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from .._call.dtypes import Array

P = ParamSpec("P")
R = TypeVar("R")

# The characters of NumPy's dtypes that the drop-ins compute with.
SIGNAL_DTYPES = frozenset("?bBhHiIlLqQefdFD")
NDIMAGE_DTYPES = SIGNAL_DTYPES - {"e"}
PLANE_DTYPES = NDIMAGE_DTYPES - {"?"}

# What a drop-in returns instead of a result, as operators do.
FOR_SCIPY: Array = NotImplemented

# As SciPy does, once.
_ARRAY_API = os.environ.get("SCIPY_ARRAY_API", "0").lower() not in ("0", "false", "")


def handing_on(
    original: Callable[..., Any], arrays: int, dtypes: frozenset[str], *, empty: bool = True
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a drop-in for SciPy's `original`, which still does the calls whose first `arrays` arguments ask for it.

    Whether that may be because they are empty, `empty` says.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        names = function.__code__.co_varnames[:arrays]

        @functools.wraps(function)
        def drop_in(*args: P.args, **keywords: P.kwargs) -> R:
            given = args[:arrays]
            if len(given) < arrays:
                given += tuple(keywords[name] for name in names if name in keywords)
            if all(_is_promised(value, dtypes, empty) for value in given):
                result = function(*args, **keywords)
                if result is not FOR_SCIPY:
                    return result
            read = {name: _readable(value) for name, value in keywords.items() if name in names}
            theirs: R = original(*map(_readable, args[:arrays]), *args[arrays:], **keywords | read)
            return theirs

        return drop_in

    return decorate


def _readable(value: object) -> object:
    """Return an argument, of an array a copy if SciPy may read it wrongly: some of its loops count whole samples."""
    if type(value) is np.ndarray and any(step == 0 or step % max(value.itemsize, 1) for step in value.strides):
        return value.copy()
    return value


def _is_promised(value: object, dtypes: frozenset[str], empty: bool) -> bool:
    """Whether the engine does what SciPy does with an array."""
    if type(value) is np.ndarray:
        return value.dtype.char in dtypes and (value.size > 0 or not empty)
    if _ARRAY_API and (
        isinstance(value, np.ndarray)  # a masked one, say: SciPy refuses it then
        or type(value).__module__.partition(".")[0] not in ("numpy", "builtins")
    ):
        return False
    array = np.asarray(value)
    return array.dtype.char in dtypes and (array.size > 0 or not empty)
