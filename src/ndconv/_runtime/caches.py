"""What the package remembers from call to call: plans, packed weights, spectra. All of it is in a `Cache`.

Caches are bounded in bytes, each by itself and all together; what was used least recently goes first. A lookup takes
no lock: it is a dict's, and a stamp on what was found. Nothing depends on what a cache holds but time: whoever does not
find something makes it again, the same to the bit, and whoever has found it may use it however long.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Generic, TypeVar, TypeVarTuple

from .._call.arguments import integer
from .setting import Setting

# Bytes of all caches together, unless the user sets another limit; of a cache of plans or of calls, which is hundreds
# of them; of a cache of the choices that lead to plans; and of an entry beside its arrays, most of them its key's.
CACHE_LIMIT = 256 << 20
PLAN_BYTES = 3 << 19
CHOICE_BYTES = 1 << 20
ENTRY_BYTES = 1 << 10

# Of arguments of these types, what is equal is the same.
_TOLD_APART = frozenset((int, str, type(None)))

V = TypeVar("V")
Arguments = TypeVarTuple("Arguments")


def _default_limit() -> int:
    """Return the limit of all caches together, in bytes, unless one was set."""
    text = os.environ.get("NDCONV_CACHE_LIMIT")
    if not text:
        return CACHE_LIMIT
    if not text.isdecimal():
        raise ImportError(f"NDCONV_CACHE_LIMIT={text!r}: expected a number of bytes")
    return int(text)


class _State:
    """What the process knows of its caches."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # a finalizer may come back here while it is held
        self.default = self.limit = _default_limit()
        self.now = 0  # what recency is counted in: how many values were ever kept
        self.nbytes = 0  # of all caches, at most: those of layers that are gone are found out when it matters
        self.caches: weakref.WeakSet[Cache[Any]] = weakref.WeakSet()  # those that hold something, or did


_state = _State()

if hasattr(os, "register_at_fork"):
    # A child must not find a cache half changed, nor the lock of a thread that it has not got.
    os.register_at_fork(
        before=_state.lock.acquire, after_in_parent=_state.lock.release, after_in_child=_state.lock.release
    )


class _Entry(Generic[V]):
    __slots__ = ("nbytes", "used", "value")

    def __init__(self, value: V, nbytes: int) -> None:
        self.value = value
        self.nbytes = nbytes
        self.used = _state.now


class Cache(Generic[V]):
    """Values by keys: at most `nbytes` of them, and a share of what all caches together may hold.

    Values tell their size by an attribute `nbytes`, and so do the items of a tuple or list; what has none is small.
    """

    __slots__ = ("__weakref__", "_entries", "_most", "_share", "name", "nbytes")

    def __init__(self, name: str, nbytes: int = PLAN_BYTES, share: float = 0.0) -> None:
        self.name = name
        self.nbytes = 0  # of what it holds
        self._most, self._share = nbytes, share
        self._entries: dict[Hashable, _Entry[V]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def limit(self) -> int:
        """The bytes that it may hold."""
        return min(self._most + int(self._share * _state.limit), _state.limit)

    def get(self, key: Hashable) -> V | None:
        """Return the value of a key, or None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        entry.used = _state.now
        return entry.value

    def keep(self, key: Hashable, value: V) -> V:
        """Keep a value, unless it is larger than the cache may be; return it, or the one that is there already."""
        size = ENTRY_BYTES + _nbytes(value)
        with _state.lock:
            limit = self.limit
            if size > limit:
                return value
            _state.now += 1
            entry = _Entry(value, size)
            kept = self._entries.setdefault(key, entry)
            if kept is entry:
                if len(self._entries) == 1:
                    _state.caches.add(self)
                self.nbytes += size
                _state.nbytes += size
                if self.nbytes > limit:
                    _shrink([self], limit)
                if _state.nbytes > _state.limit:
                    _shrink_all(_state.limit)
            return kept.value

    def remembered(self, function: Callable[[*Arguments], V]) -> Callable[[*Arguments], V]:
        """Return a function that keeps its results here, by its arguments; for one function in a cache."""

        @wraps(function)
        def call(*arguments: *Arguments) -> V:
            entry = self._entries.get(arguments)
            if entry is None:
                return self.keep(arguments, function(*arguments))
            entry.used = _state.now
            return entry.value

        return call

    def _oldest_first(self) -> list[tuple[int, Cache[V], Hashable, int]]:
        return [(entry.used, self, key, entry.nbytes) for key, entry in self._entries.items()]

    def _let_go(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return  # the finalizer of another value was faster
        self.nbytes -= entry.nbytes
        _state.nbytes -= entry.nbytes


def _nbytes(value: object) -> int:
    """Return about how many bytes a value takes."""
    size: int | None = getattr(value, "nbytes", None)
    if size is not None:
        return size
    return sum(getattr(item, "nbytes", 0) for item in value) if isinstance(value, (tuple, list)) else 0


def _shrink(caches: Iterable[Cache[Any]], limit: int) -> None:
    """Let go of what was used least recently until caches hold no more than a limit; the lock is held.

    Small values go in numbers, an eighth of the limit at a time, so that they need not be sorted each time.
    """
    total = sum(cache.nbytes for cache in caches)
    entries = [(used, cache, key, size) for cache in caches for used, cache, key, size in cache._oldest_first()]
    for _, cache, key, size in sorted(entries, key=lambda entry: entry[0]):
        if total <= limit and (total <= limit - limit // 8 or size > limit // 64):
            break
        cache._let_go(key)
        total -= size


def _shrink_all(limit: int) -> None:
    """Let all caches together hold no more than a limit; the lock is held."""
    caches = list(_state.caches)
    _state.nbytes = sum(cache.nbytes for cache in caches)
    if _state.nbytes > limit:
        _shrink(caches, limit)


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What caches of one kind hold.

    Attributes
    ----------
    entries : int
        How many plans, packings or the like.
    bytes : int
        About how many bytes they take.
    """

    entries: int
    bytes: int


def cache_info() -> dict[str, CacheInfo]:
    """Return what ndconv remembers for the next call, and how much memory it takes.

    Returns
    -------
    dict of str to CacheInfo
        The number of entries and their bytes, about, for each kind of cache that holds anything. Those of all layers
        that are alive are counted together, under "packed weights" and "layer calls".

    See Also
    --------
    clear_caches : Let go of all of it.
    set_cache_limit : How many bytes it may be.

    Examples
    --------
    >>> import numpy as np
    >>> import ndconv
    >>> ndconv.clear_caches()
    >>> ndconv.cache_info()
    {}
    >>> layer = ndconv.ConvLayer(np.ones((8, 4, 3, 3)))
    >>> y = layer(np.ones((4, 9, 9)))
    >>> ndconv.cache_info()["packed weights"].entries
    1
    """
    found: dict[str, CacheInfo] = {}
    with _state.lock:
        for cache in list(_state.caches):
            if len(cache):
                before = found.get(cache.name, CacheInfo(0, 0))
                found[cache.name] = CacheInfo(before.entries + len(cache), before.bytes + cache.nbytes)
    return dict(sorted(found.items()))


def clear_caches() -> None:
    """Let go of all that ndconv remembers from earlier calls: plans, packed weights and spectra.

    Nothing but time depends on it: the next call makes again what it needs, with the same results. It may be called at
    any time, also while other threads compute.

    See Also
    --------
    cache_info : What there is to let go of.
    set_cache_limit : A bound that is kept by itself.

    Examples
    --------
    >>> import ndconv
    >>> ndconv.clear_caches()
    >>> sum(info.bytes for info in ndconv.cache_info().values())
    0
    """
    with _state.lock:
        _shrink_all(-1)


def set_cache_limit(nbytes: int | None) -> Setting[int]:
    """Set how many bytes ndconv may keep from call to call, in all caches together.

    Parameters
    ----------
    nbytes : int or None
        The limit, in bytes; 0 to remember nothing; None for the default, 256 MiB.

    Returns
    -------
    Setting
        A context manager that puts the former limit back; ignore it to set the limit for good.

    Raises
    ------
    TypeError
        If `nbytes` is not an integer.
    ValueError
        If `nbytes` is negative.

    See Also
    --------
    cache_info : What the caches hold.
    clear_caches : Let go of all of it, once.

    Notes
    -----
    The setting belongs to the process, not to the thread. What was used least recently goes first. The packed weights
    of a layer may take four times its weights and a quarter of the limit; what is larger than its cache is made for
    each call. So give networks of more than some 50 MiB of weights more room than the default. The environment
    variable ``NDCONV_CACHE_LIMIT``, read at import, is another default. Results do not depend on the limit.

    Examples
    --------
    >>> import numpy as np
    >>> import ndconv
    >>> with ndconv.set_cache_limit(0):
    ...     y = ndconv.correlate_nd(np.ones(4), np.ones(2))
    >>> y
    array([1., 2., 2., 2., 1.])
    """
    limit = _state.default if nbytes is None else integer(nbytes, "nbytes", minimum=0)
    return Setting(_set_limit, _set_limit(limit))


def _set_limit(limit: int) -> int:
    """Set the limit, and return the former one."""
    with _state.lock:
        former, _state.limit = _state.limit, limit
        if _state.nbytes > limit:
            _shrink_all(limit)
        for cache in list(_state.caches):
            if cache.nbytes > cache.limit:
                _shrink([cache], cache.limit)
    return former


def exact_key(value: Any) -> Any:
    """Return a key for an argument: 2.0 and True are equal to integers, but are none."""
    if type(value) in _TOLD_APART:
        return value
    return (tuple, *exact_keys(value)) if type(value) is tuple else (type(value), value)


def exact_keys(values: Iterable[Any]) -> list[Any]:
    """Return the keys for some arguments."""
    return [value if type(value) in _TOLD_APART else exact_key(value) for value in values]
