"""How many CPUs' time a container may take, in either version of Linux's control groups.

A quota may be changed while the process runs, and stands in the group of the process or in any above it.
"""

import time

GROUPS = "/sys/fs/cgroup"
MEMBERSHIP = "/proc/self/cgroup"
KEPT = 1.0  # seconds until it is read again

_kept = (float("-inf"), float("inf"))  # when it was read, and what it was


def container_quota() -> float:
    """Return the CPUs whose time the process may take; infinity where it may take all."""
    global _kept
    read, quota = _kept
    now = time.monotonic()
    if now - read > KEPT:
        quota = read_quota(GROUPS, MEMBERSHIP)
        _kept = (now, quota)
    return quota


def read_quota(groups: str, membership: str) -> float:
    """Return the least quota of the groups that the process is a member of."""
    quotas = [float("inf")]
    for line in _read(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2
            for group in _upwards(path):
                quotas.append(_quota(_read(f"{groups}{group}/cpu.max")))
        elif "cpu" in controllers.split(","):
            for group in _upwards(path):
                files = (f"{groups}/cpu{group}/cpu.cfs_{name}_us" for name in ("quota", "period"))
                quotas.append(_quota(" ".join(map(_read, files))))
    return min(quotas)


def _upwards(path: str) -> list[str]:
    """Return a group and those above it; where a container does not see its path, the last one is the container's."""
    names = [name for name in path.split("/") if name]
    return ["".join(f"/{name}" for name in names[:count]) for count in range(len(names), -1, -1)]


def _read(name: str) -> str:
    try:
        with open(name) as file:
            return file.read()
    except OSError:
        return ""


def _quota(text: str) -> float:
    try:
        quota, period = map(float, text.split())
    except ValueError:  # "max", or nothing
        return float("inf")
    return quota / period if quota > 0 else float("inf")
