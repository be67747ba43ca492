"""Tasks of Python that threads share: nested, with errors, and interrupted."""

import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from ndconv._threads.python_tasks import for_each
from support import isolated
from support.processes import script, several_cpus


def test_tasks_of_python_within_tasks_of_python():
    """Callers that are helpers of another's job have helpers of their own, and nobody waits for himself."""
    total = []

    def inner(number):
        total.append(number)

    def outer(number):
        for_each(inner, range(5), 3)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(for_each, outer, range(20), 4) for _ in range(4)]:
            done.result(timeout=60)
    assert sorted(total) == sorted(list(range(5)) * 80)


def test_an_error_in_a_task_of_python_is_raised_and_ends_the_job(subtests):
    done = []

    def task(number):
        done.append(number)
        if number == 3:
            raise ValueError("number 3")

    for workers in (1, 2, 4):
        with subtests.test(workers=workers):
            done.clear()
            with pytest.raises(ValueError, match="number 3"):
                for_each(task, range(1000), workers)
            assert len(done) <= 3 + 2 * workers


def test_late_helpers_keep_no_arrays_alive():
    class Item:
        pass

    item = Item()
    alive = weakref.ref(item)
    for_each(lambda each: each, [item] * 8, 4)
    del item
    for _ in range(100):
        if alive() is None:
            break
        time.sleep(0.01)
    assert alive() is None


@pytest.mark.slow
@several_cpus
def test_an_interrupt_waits_for_those_who_are_inside():
    """After it nobody writes any more, and the calling thread may run where it might before."""
    isolated.run(
        script("""
        import signal, threading, time
        from ndconv._threads.python_tasks import for_each
        def interrupt(*_):
            raise KeyboardInterrupt
        signal.signal(signal.SIGALRM, interrupt)
        mask, inside = os.sched_getaffinity(0), []
        def task(number):
            inside.append(number)
            try:
                end = time.monotonic() + (0.2 if threading.current_thread() is not threading.main_thread() else 0.01)
                while time.monotonic() < end:
                    time.sleep(0.001)
            finally:
                inside.remove(number)
        for delay in (0.001, 0.02, 0.05, 0.15, 0.25):
            signal.setitimer(signal.ITIMER_REAL, delay)
            try:
                for_each(task, range(60), 2)
                assert False
            except KeyboardInterrupt:
                pass
            assert not inside, inside
            assert os.sched_getaffinity(0) == mask
        """),
        timeout=60,
    )
