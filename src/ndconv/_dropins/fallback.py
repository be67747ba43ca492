"""What is handed on to SciPy: calls of the drop-ins that the engine does not promise to do. It happens only here.

These are arrays of a dtype that the engine does not compute in (longdouble, object and what else NumPy has), with which
SciPy computes or raises; empty arrays, for which it has a shape or an error; and, where it was told to accept them,
arrays of other libraries. A drop-in that finds out later that a call is for SciPy returns NotImplemented, as operators
do.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])

# The characters of NumPy's dtypes that the drop-ins compute with.
SIGNAL_DTYPES = frozenset("?bBhHiIlLqQefdFD")
NDIMAGE_DTYPES = SIGNAL_DTYPES - {"e"}
PLANE_DTYPES = NDIMAGE_DTYPES - {"?"}

# As SciPy does, once.
_ARRAY_API = os.environ.get("SCIPY_ARRAY_API", "0").lower() not in ("0", "false", "")


def handing_on(
    original: Callable[..., Any], arrays: int, dtypes: frozenset[str], *, empty: bool = True
) -> Callable[[Function], Function]:
    """Make a drop-in for SciPy's `original`, which still does the calls whose first `arrays` arguments ask for it.

    Whether that may be because they are empty, `empty` says.
    """
    names = list(inspect.signature(original).parameters)[:arrays]

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def drop_in(*args: Any, **keywords: Any) -> Any:
            given = args[:arrays]
            if len(given) < arrays:
                given += tuple(keywords[name] for name in names if name in keywords)
            if all(_is_promised(value, dtypes, empty) for value in given):
                result = function(*args, **keywords)
                if result is not NotImplemented:
                    return result
            read = {name: _readable(value) for name, value in keywords.items() if name in names}
            return original(*map(_readable, args[:arrays]), *args[arrays:], **keywords | read)

        return cast(Function, drop_in)

    return decorate


def _readable(value: Any) -> Any:
    """Return an argument, of an array a copy if SciPy may read it wrongly: some of its loops count whole samples."""
    if type(value) is np.ndarray and any(step == 0 or step % max(value.itemsize, 1) for step in value.strides):
        return value.copy()
    return value


def _is_promised(value: Any, dtypes: frozenset[str], empty: bool) -> bool:
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
