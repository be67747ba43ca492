"""How many threads a call uses."""

import os
import threading

from .._call.arguments import integer
from .._threads import tasks
from .._threads.quota import container_quota
from .setting import Setting

# Calls of fewer multiply-adds run on the calling thread: waking another costs about as long.
SERIAL_MULTIPLY_ADDS = 250_000


def _usable_cpus() -> int:
    """Return the CPUs that the calling thread may run on: its affinity, within its container's quota."""
    cpus = tasks.usable_cpus()
    quota = container_quota()
    return cpus if quota >= cpus else max(1, round(quota))


class _State:
    """What the process knows of its threads."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # a signal's handler, or a finalizer, may call while it is held
        self.default: int | None = None  # what set_workers set
        self.active = 0  # calls that run with threads of their own accord


_state = _State()


def _after_fork() -> None:
    _state.lock = threading.RLock()
    _state.active = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def default_workers() -> int:
    """Return the number of threads that a large call uses when it is not told."""
    if _state.default is not None:
        return _state.default
    return max(1, min(_usable_cpus(), tasks.openmp_threads()))


def checked_workers(workers: int | None, name: str = "workers") -> int | None:
    """Return a number of threads, or None for the default."""
    if workers is None:
        return None
    number = integer(workers, name)
    if number == -1:
        return _usable_cpus()
    if number < 1:
        raise ValueError(f"{name} must be None, -1 (all) or at least 1, got {workers!r}")
    return min(number, 1 << 15)


class Threads:
    """A call's threads: ``with Threads(multiply_adds, workers) as n``.

    Calls that leave the number to ndconv share the default number among those that run at once.
    """

    __slots__ = ("count", "shares")

    def __init__(self, multiply_adds: int, workers: int | None) -> None:
        self.shares = workers is None and multiply_adds >= SERIAL_MULTIPLY_ADDS
        self.count = workers or 1

    def __enter__(self) -> int:
        if self.shares:
            number = default_workers()
            with _state.lock:
                _state.active += 1
                self.count = max(1, number // _state.active)
        return self.count

    def __exit__(self, *error: object) -> None:
        if self.shares:
            with _state.lock:
                _state.active = max(0, _state.active - 1)  # a child that was forked within a call began at 0


def set_workers(workers: int | None) -> Setting[int | None]:
    """Set the number of threads that calls use when they are not told.

    Parameters
    ----------
    workers : int or None
        The number of threads; -1 for all usable CPUs; None for the process default: all usable CPUs (affinity and
        container quota), at most what OpenMP would use (``OMP_NUM_THREADS``, threadpoolctl).

    Returns
    -------
    Setting
        A context manager that puts the former number back; ignore it to set the number for good.

    Raises
    ------
    TypeError
        If `workers` is not an integer.
    ValueError
        If `workers` is 0 or less than -1.

    Notes
    -----
    The setting belongs to the process, not to the thread. Results do not depend on it: they are the same to the bit
    for every number of workers.

    Examples
    --------
    >>> import numpy as np
    >>> import ndconv
    >>> with ndconv.set_workers(1):
    ...     y = ndconv.correlate_nd(np.ones(4), np.ones(2))
    >>> y
    array([1., 2., 2., 2., 1.])
    """
    return Setting(_set_default, _set_default(checked_workers(workers)))


def _set_default(workers: int | None) -> int | None:
    """Set the default number, and return the former one."""
    with _state.lock:
        former, _state.default = _state.default, workers
    return former
