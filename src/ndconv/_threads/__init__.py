"""Threads that never hold a call up: tasks go to whoever is there, and a call waits for work, not for threads.

`tasks` runs compiled tasks, by one of two engines; `python_tasks` runs those that are Python. Who uses them says how
many workers there may be at most (`_workers`), and gives each of them scratch memory of its own.
"""

import os

try:
    from . import tasks
except ImportError as error:
    if "interpreter" not in str(error):  # that is what Cython says when it was loaded by another one before
        raise
    raise ImportError(
        "ndconv works in one interpreter of a process: like NumPy, it cannot be imported in a sub-interpreter"
    ) from error

from .quota import container_quota

ENGINES = ("crew", "openmp")

# Microseconds for which a helper looks out for the next call of a loop before it sleeps; to wake takes about as long.
# Where a quota pays for the time of all threads together, as good as none.
SPIN = 50
SPIN_UNDER_QUOTA = 2


def _choose_engine() -> str:
    forced = os.environ.get("NDCONV_THREADING")
    if not forced:
        return "crew" if tasks.can_pin() or not tasks.openmp_version else "openmp"
    if forced not in ENGINES:
        raise ImportError(f"NDCONV_THREADING={forced!r}: expected one of {', '.join(ENGINES)}")
    if forced == "openmp" and not tasks.openmp_version:
        raise ImportError("NDCONV_THREADING='openmp': this build of ndconv has no OpenMP, expected crew")
    return forced


tasks.begin(_choose_engine(), SPIN if container_quota() == float("inf") else SPIN_UNDER_QUOTA)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=tasks.forget_team)
