"""A door for code that cannot be changed: SciPy's functions are replaced where other modules hold them.

What is replaced is what a module's namespace holds, ``scipy.ndimage`` and ``scipy.signal`` among them, so that later
imports find the drop-ins, too. SciPy's own modules keep their functions.
"""

from __future__ import annotations

import functools
import importlib
import sys
import threading
from collections.abc import Callable, Iterable
from types import ModuleType, TracebackType
from typing import Any

import numpy as np

from ._call.arguments import integer

MODULES = ("ndimage", "signal")

# Samples of a call from which on a drop-in is worth its own way in.
MIN_SIZE = 1000

# Classes of these are arrays, or what NumPy makes arrays of; others have functions of their own, or go to SciPy.
_NUMPY = ("numpy", "builtins")


class Patch:
    """What `patch_scipy` returns: as a context manager, it is taken back at the end."""

    def __init__(self, modules: tuple[str, ...], min_size: int, verbose: bool) -> None:
        self.modules, self.min_size, self.verbose = modules, min_size, verbose

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _take_back(self)


_lock = threading.RLock()
_patches: list[Patch] = []  # in force, in their order
_in_force: dict[str, Patch] = {}  # by module, the last one
_originals: dict[Callable[..., Any], Callable[..., Any]] = {}  # of each stand-in, SciPy's function


def patch_scipy(modules: str | Iterable[str] = MODULES, *, min_size: int = MIN_SIZE, verbose: bool = False) -> Patch:
    """Let other people's code call ndconv where it calls SciPy.

    Every loaded module that holds a function of SciPy for which there is a drop-in holds the drop-in from now on, and
    so do ``scipy.ndimage`` and ``scipy.signal``, from which later imports take it. SciPy's own modules do not change.

    Parameters
    ----------
    modules : str or iterable of str, optional
        Of which of SciPy's modules: "ndimage", "signal"; both by default.
    min_size : int, optional
        Calls none of whose arrays has so many samples stay with SciPy.
    verbose : bool, optional
        Whether to tell, on standard error, which modules hold drop-ins now.

    Returns
    -------
    Patch
        A context manager, at the end of which the patch is taken back. Patches may be nested; of several, the last one
        decides on `min_size`.

    Raises
    ------
    ValueError
        If `modules` names another module, or `min_size` is negative.
    TypeError
        If `min_size` is no integer.

    See Also
    --------
    unpatch_scipy : Take back all patches.
    patched : Which functions are replaced.

    Notes
    -----
    ``python -m ndconv script.py`` runs a script so. Arrays of other libraries still go to SciPy, as do calls that a
    drop-in hands on. A function that was put into a list, a closure or a default argument stays what it was.

    Examples
    --------
    >>> import scipy.ndimage
    >>> import ndconv
    >>> with ndconv.patch_scipy("ndimage"):
    ...     print(len(ndconv.patched()), scipy.ndimage.sobel([0.0, 1.0, 4.0]))
    15 [1. 4. 3.]
    >>> ndconv.patched()
    ()
    """
    names = (modules,) if isinstance(modules, str) else tuple(modules)
    for name in names:
        if name not in MODULES:
            raise ValueError(f"modules must be some of {', '.join(map(repr, MODULES))}, got {name!r}")
    least = integer(min_size, "min_size", minimum=0)
    patch = Patch(names, least, bool(verbose))
    with _lock:
        _patches.append(patch)
        _put_in_force()
    return patch


def unpatch_scipy() -> None:
    """Take back all that `patch_scipy` has replaced.

    Examples
    --------
    >>> import ndconv
    >>> patch = ndconv.patch_scipy()
    >>> ndconv.unpatch_scipy()
    >>> ndconv.patched()
    ()
    """
    with _lock:
        _patches.clear()
        _put_in_force()


def patched() -> tuple[str, ...]:
    """Return the names of SciPy's functions that drop-ins stand in for, such as "ndimage.sobel".

    Examples
    --------
    >>> import ndconv
    >>> with ndconv.patch_scipy("signal", min_size=0):
    ...     ndconv.patched()[:2]
    ('signal.choose_conv_method', 'signal.convolve')
    """
    with _lock:
        return tuple(f"{module}.{name}" for module in sorted(_in_force) for name in sorted(_drop_ins(module)))


def _take_back(patch: Patch) -> None:
    with _lock:
        if patch in _patches:
            _patches.remove(patch)
            _put_in_force()


def _put_in_force() -> None:
    """Make modules hold what the patches say."""
    wanted = {name: patch for patch in _patches for name in patch.modules}
    for name in MODULES:
        if name in wanted and name not in _in_force:
            stand_ins = {id(theirs): stand_in for theirs, stand_in in _drop_ins(name).values()}
            _replace(stand_ins, wanted[name].verbose)
        elif name in _in_force and name not in wanted:
            _replace({id(stand_in): theirs for theirs, stand_in in _drop_ins(name).values()}, False)
    _in_force.clear()
    _in_force.update(wanted)


@functools.cache
def _drop_ins(module: str) -> dict[str, tuple[Callable[..., Any], Callable[..., Any]]]:
    """Return by name SciPy's functions, and what stands in for them."""
    ours = importlib.import_module(f".{module}", __package__)
    theirs = importlib.import_module(f"scipy.{module}")
    found = {}
    for name in ours.__all__:
        original = getattr(theirs, name)
        found[name] = original, _stand_in(module, name, original, getattr(ours, name))
    return found


def _stand_in(module: str, name: str, theirs: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
    """Return what takes the place of a function of SciPy: the drop-in, or for some calls the function itself."""

    @functools.wraps(theirs)
    def stand_in(*args: Any, **keywords: Any) -> Any:
        patch = _in_force.get(module)
        function = ours if patch is not None and _is_ours(args, keywords, patch.min_size) else theirs
        return function(*args, **keywords)

    # Where pickle finds it, and without ndconv SciPy's function.
    stand_in.__module__, stand_in.__qualname__ = f"scipy.{module}", name
    return stand_in


def _is_ours(args: tuple[object, ...], keywords: dict[str, object], min_size: int) -> bool:
    """Whether a call is of NumPy's arrays, one of which has enough samples."""
    given = (*args, *keywords.values())
    if not given or any(type(value).__module__.partition(".")[0] not in _NUMPY for value in given):
        return False
    return min_size == 0 or any(_size(value) >= min_size for value in given)


def _size(value: object) -> int:
    """Return the samples of an array, or of lists that make one."""
    if isinstance(value, (list, tuple)):
        return len(value) * _size(value[0]) if value else 0
    return value.size if type(value) is np.ndarray else 1


def _replace(functions: dict[int, Callable[..., Any]], verbose: bool) -> None:
    """Put functions, by the identity of what is there now, into all modules that are neither SciPy's nor ours."""
    for name, module in sorted(sys.modules.items()):
        if not isinstance(module, ModuleType) or not _may_be_changed(name):
            continue
        names = vars(module)
        held = [key for key, value in list(names.items()) if id(value) in functions]
        for key in held:
            names[key] = functions[id(names[key])]
        if held and verbose:
            print(f"ndconv: {name} holds {', '.join(held)}", file=sys.stderr)


def _may_be_changed(name: str) -> bool:
    root = name.partition(".")[0]
    return name in [f"scipy.{each}" for each in MODULES] or root not in ("scipy", __package__)
