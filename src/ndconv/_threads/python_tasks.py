"""Tasks that are Python, such as transforms by scipy.fft, by the rule of the crew.

The caller takes tasks too, and waits only for those that others have begun. Each helper stays on a CPU of its own, is
started when it is first asked for, and is not waited for at exit. Tasks start no threads: these would stay there too.
"""

import _thread
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Any

from . import tasks


class _Job:
    """What a caller wants done: a function, and the items that nobody has taken yet."""

    def __init__(self, function: Callable[[Any], object], items: Iterable[Any]) -> None:
        self.function = function
        self.items = deque(items)
        self.error: BaseException | None = None
        self._guests = 0
        self._closed = False
        self._changed = threading.Condition(threading.Lock())

    def take_items(self) -> None:
        """Do one item after the other until none is left."""
        try:
            while True:
                try:
                    item = self.items.popleft()
                except IndexError:
                    return
                self.function(item)
        except BaseException as error:
            self.items.clear()
            self.error = self.error or error

    @property
    def is_closed(self) -> bool:
        """Whether helpers are too late."""
        return self._closed

    def visit(self) -> None:
        """Help, unless the job is done."""
        with self._changed:
            if self._closed:
                return
            self._guests += 1
        try:
            self.take_items()
        finally:
            with self._changed:
                self._guests -= 1
                self._changed.notify()

    def close(self) -> None:
        """Let nobody in any more, and wait for those who are: also when an interrupt comes, which is kept for later."""
        while True:
            try:
                with self._changed:
                    self._closed = True
                    while self._guests:
                        self._changed.wait()
                break
            except BaseException as error:
                self.items.clear()
                self.error = self.error or error
        del self.function  # late helpers shall not keep a caller's arrays alive


class _Helper:
    """A thread on a CPU of its own, and the jobs that it is invited to."""

    def __init__(self, cpu: int) -> None:
        self.busy = False
        self._cpu = cpu
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        # A `threading.Thread` would be waited for until it has begun.
        _thread.start_new_thread(self._serve, ())

    def invite(self, job: _Job) -> None:
        """Ask the helper to a job, after those that it was asked to before."""
        self._jobs.put(job)

    def _serve(self) -> None:
        while True:
            job = self._jobs.get()
            self.busy = True
            if not job.is_closed and (
                tasks.current_cpu() == self._cpu or tasks.pin_to(self._cpu) or not tasks.can_pin()
            ):
                with contextlib.suppress(BaseException):  # it is the job's
                    job.visit()
            del job
            self.busy = False


_helpers: dict[int, _Helper] = {}
_starting = threading.Lock()


def _helper(cpu: int) -> _Helper | None:
    """Return the helper of a CPU; None if the system, or an interpreter that exits, gives us no thread."""
    helper = _helpers.get(cpu)
    if helper is None:
        with _starting:
            helper = _helpers.get(cpu)
            if helper is None:
                try:
                    helper = _helpers[cpu] = _Helper(cpu)
                except RuntimeError:
                    return None
    return helper


def _after_fork() -> None:
    global _starting
    _helpers.clear()
    _starting = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextlib.contextmanager
def _away_from(cpus: set[int]) -> Iterator[None]:
    """Keep the calling thread from the CPUs of helpers.

    When it waits for the interpreter's lock, the helper that hands it over wakes it, and Linux would put it beside.
    """
    if not cpus or not tasks.can_pin():
        yield
        return
    before = os.sched_getaffinity(0)
    during = before - cpus
    try:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, during)
        yield
    finally:
        with contextlib.suppress(OSError):
            if os.sched_getaffinity(0) == during:  # else somebody has changed it since
                os.sched_setaffinity(0, before)


def for_each(function: Callable[[Any], object], items: Iterable[Any], workers: int) -> None:
    """Call a function of each item, on the calling thread and at most workers - 1 others.

    If a call raises, those that have not begun are not made, and one of the errors is raised again.
    """
    job = _Job(function, items)
    wanted = min(workers, len(job.items)) - 1
    cpus = tasks.nearest_cpus() if wanted > 0 else []
    cpus.sort(key=lambda cpu: cpu in _helpers and _helpers[cpu].busy)
    helpers = {cpu: helper for cpu in cpus[: max(wanted, 0)] if (helper := _helper(cpu))}
    with _away_from(set(helpers)):
        try:
            for helper in helpers.values():
                helper.invite(job)
            job.take_items()
        except BaseException:  # an interrupt before the first item
            job.items.clear()
            raise
        finally:
            job.close()
    if job.error is not None:
        try:
            raise job.error
        finally:
            del job  # which its own traceback holds
