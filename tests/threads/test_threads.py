"""Helper threads: how many there are and where, forked children, engines, and the end of the interpreter."""

import textwrap

import pytest

from ndconv._threads import tasks
from support import isolated
from support.processes import engines, forking, linux, needs_threadpoolctl, openmp, script, several_cpus


@linux
@pytest.mark.parametrize(
    "limit", ["OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "affinity", "workers", "set_workers", "threadpoolctl"]
)
def test_a_limit_of_one_starts_no_thread(limit):
    if limit == "threadpoolctl":
        needs_threadpoolctl()
    body = {
        "affinity": "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})",
        "workers": "keywords = {'workers': 1}",
        "set_workers": "ndconv.set_workers(1)",
        "threadpoolctl": "import threadpoolctl; limits = threadpoolctl.threadpool_limits(1)",
    }.get(limit, "")
    environment = {limit: "1"} if limit.startswith("OMP") else {}
    call = """
        before = threads()
        ndconv.conv_layer(x, weight, **keywords)
        assert threads() == before, (threads(), before)
    """
    isolated.run(script(f"keywords = {{}}\n{body}") + textwrap.dedent(call), **environment)


@linux
@openmp
@pytest.mark.parametrize("workers", [2, 3, 5])
def test_no_more_threads_than_asked_for(workers):
    """The calling thread is one of them; OpenMP may keep them for the next call, but adds no more."""
    isolated.run(
        script(f"""
        before = threads()
        for _ in range(3):
            ndconv.conv_layer(x, weight, workers={workers})
            assert threads() <= before + {workers} - 1, (threads(), before)
        """),
        NDCONV_THREADING="openmp",
    )


@linux
@pytest.mark.parametrize("workers", [2, 3, 64])
def test_one_helper_a_cpu(workers):
    """A crew asks the helpers of other CPUs when the caller is on another CPU; it never has more than there are."""
    isolated.run(
        script(f"""
        from ndconv._threads import tasks
        before = threads()
        for _ in range(30):
            ndconv.conv_layer(x, weight, workers={workers})
        assert threads() - before == tasks.helpers() <= len(os.sched_getaffinity(0))
        assert tasks.helpers() > 0 or len(os.sched_getaffinity(0)) == 1
        for number in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{{number}}/comm") as name:
                if name.read().strip() == "ndconv":
                    assert len(os.sched_getaffinity(int(number))) == 1
        """),
        NDCONV_THREADING="crew",
    )


@several_cpus
@pytest.mark.parametrize("whose", ["caller", "process"])
def test_no_helper_on_a_cpu_that_was_taken_away(whose):
    """After the affinity of the calling thread, or of all threads, shrank to one CPU, the others do nothing."""
    isolated.run(
        script(f"""
        import time
        def seconds(number):  # of a thread, so far
            with open(f"/proc/self/task/{{number}}/schedstat") as file:
                return int(file.read().split()[0]) / 1e9
        y = ndconv.conv_layer(x, weight, workers=1)
        everywhere = os.sched_getaffinity(0)
        for _ in range(2):
            for _ in range(10):
                assert np.array_equal(ndconv.conv_layer(x, weight), y)
            numbers = map(int, os.listdir("/proc/self/task"))
            helpers = [n for n in numbers if open(f"/proc/self/task/{{n}}/comm").read().strip() == "ndconv"]
            assert len(helpers) > 0
            for number in helpers if {whose!r} == "process" else []:
                os.sched_setaffinity(number, {{min(everywhere)}})
            os.sched_setaffinity(0, {{min(everywhere)}})
            time.sleep(0.05)
            before = sum(map(seconds, helpers))
            for workers in (None, 2, -1) * 5:
                assert np.array_equal(ndconv.conv_layer(x, weight, workers=workers), y)
            assert sum(map(seconds, helpers)) < before + 0.002  # at most they look at what came too late
            for number in helpers if {whose!r} == "process" else []:
                os.sched_setaffinity(number, everywhere)
            os.sched_setaffinity(0, everywhere)
        """),
        NDCONV_THREADING="crew",
    )


@linux
def test_small_calls_start_no_thread():
    isolated.run(
        script("""
        before = threads()
        for _ in range(10):
            ndconv.conv_layer(x[:1, :8, :8], weight[:1, :1])
        assert threads() == before
        """)
    )


@pytest.mark.slow
def test_other_threads_run_during_a_call():
    """A call without the interpreter's lock lets another thread count while it lasts."""
    isolated.run(
        script("""
        import threading
        large = rng.standard_normal((256, 256, 256), dtype=np.float32)
        filters = rng.standard_normal((128, 256, 3, 3), dtype=np.float32)
        done = threading.Event()
        def work():
            ndconv.conv_layer(large, filters, workers=1)
            done.set()
        thread = threading.Thread(target=work)
        thread.start()
        count = 0
        while not done.wait(0.001):
            count += 1
        thread.join()
        assert count > 20, count
        """)
    )


@forking
@engines
@pytest.mark.parametrize("workers", [2, None])
def test_a_forked_child_works(workers, engine):
    """The parent's threads do not exist in the child, which neither waits for them nor crashes, and starts its own."""
    output = isolated.run(
        script(f"""
        import warnings
        from ndconv._threads import tasks
        warnings.simplefilter("ignore")
        layer = ndconv.ConvLayer(weight, padding=1)
        y = layer(x, workers={workers})
        layer(x, workers=2)
        def child(generations):
            assert tasks.helpers() == 0
            for w in ({workers}, 2, None):
                assert np.array_equal(layer(x, workers=w), y)
                assert np.array_equal(ndconv.conv_layer(x, weight, padding=1, workers=w), y)
            assert tasks.engine() == "crew"
            assert (tasks.helpers() > 0) == (tasks.usable_cpus() > 1)
            if generations:
                in_a_child(generations - 1)
        def in_a_child(generations):
            pid = os.fork()
            if pid == 0:
                try:
                    child(generations)
                    os._exit(0)
                except BaseException:
                    import traceback
                    traceback.print_exc()
                    os._exit(4)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        for _ in range(3):
            in_a_child(1)
            assert np.array_equal(layer(x, workers=2), y)
        assert tasks.engine() == {engine!r}
        print("fine")
        """),
        timeout=60,
        NDCONV_THREADING=engine,
    )
    assert output.endswith("fine")


@forking
@engines
def test_tasks_of_python_work_in_a_forked_child(engine):
    isolated.run(
        script("""
        import warnings
        warnings.simplefilter("ignore")
        image, kernel = rng.standard_normal((700, 700)), rng.standard_normal((40, 40))
        call = lambda workers: ndconv.correlate_nd(image, kernel, "same", method="fft", workers=workers)
        y = call(1)
        assert np.array_equal(call(2), y)
        pid = os.fork()
        if pid == 0:
            os._exit(0 if np.array_equal(call(2), y) and np.array_equal(call(None), y) else 3)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        """),
        timeout=60,
        NDCONV_THREADING=engine,
    )


@forking
def test_children_of_a_process_pool_work():
    isolated.run(
        script("""
        import multiprocessing, warnings
        warnings.simplefilter("ignore")
        def work(i):
            return ndconv.conv_layer(x, weight)
        y = work(0)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            for other in pool.map(work, range(4)):
                assert np.array_equal(other, y)
        """),
        timeout=90,
    )


@forking
def test_a_child_forked_before_any_call_uses_threads():
    isolated.run(
        script("""
        import warnings
        warnings.simplefilter("ignore")
        pid = os.fork()
        if pid == 0:
            y = ndconv.conv_layer(x, weight, workers=1)
            os._exit(0 if np.array_equal(ndconv.conv_layer(x, weight, workers=3), y) else 3)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        """),
        timeout=60,
    )


def test_threads_of_python_beside_workers_do_not_hang():
    isolated.run(
        script("""
        from concurrent.futures import ThreadPoolExecutor
        y = ndconv.conv_layer(x, weight, workers=1)
        with ThreadPoolExecutor(6) as pool:
            for other in pool.map(lambda w: ndconv.conv_layer(x, weight, workers=w), [1, 2, 3, 4] * 6):
                assert np.array_equal(other, y)
        """),
        timeout=90,
    )


@engines
def test_the_engine_is_the_one_asked_for(engine):
    isolated.run(
        script(f"""
        assert ndconv.show_config(mode="dicts")["threading"] == {engine!r}
        y = ndconv.conv_layer(x, weight, workers=1)
        for workers in (2, 3, None):
            assert np.array_equal(ndconv.conv_layer(x, weight, workers=workers), y)
        """),
        NDCONV_THREADING=engine,
    )


def test_the_crew_is_the_default_where_threads_can_be_pinned():
    output = isolated.run("import ndconv; print(ndconv.show_config(mode='dicts')['threading'])", NDCONV_THREADING=None)
    assert output == ("crew" if tasks.can_pin() or not tasks.openmp_version else "openmp")


def test_an_unknown_engine_is_an_error():
    done = isolated.start("import ndconv", NDCONV_THREADING="tbb")
    assert done.returncode == 1
    assert "ImportError: NDCONV_THREADING='tbb': expected one of crew, openmp" in done.stderr


@pytest.mark.parametrize("how", ["return", "sys.exit(3)", "os._exit(3)", "daemon", "atexit"])
@pytest.mark.parametrize("method", ["direct", "separable"])
def test_the_end_of_the_interpreter_waits_for_nobody(method, how):
    """Helpers, asleep or awake, callers in daemon threads, and calls while the interpreter exits."""
    done = isolated.start(
        script(f"""
        import atexit, sys, threading, time
        image, kernel = np.ones((600, 600)), np.ones((30, 30))
        def call():
            return ndconv.correlate_nd(image, kernel, method={method!r}, workers=2)
        def forever():
            while True:
                call()
        call()
        if {how!r} == "daemon":
            for _ in range(3):
                threading.Thread(target=forever, daemon=True).start()
            time.sleep(0.1)
        elif {how!r} == "atexit":
            atexit.register(call)
        elif {how!r} != "return":
            {how if "exit(" in how else "pass"}
        """),
        timeout=60,
    )
    assert done.returncode == (3 if "exit(" in how else 0), done.stderr
    assert "Traceback" not in done.stderr, done.stderr


def test_imported_again_and_forked():
    isolated.run(
        script("""
        import importlib, sys
        y = ndconv.conv_layer(x, weight, workers=2)
        importlib.reload(sys.modules["ndconv._threads"])
        assert np.array_equal(ndconv.conv_layer(x, weight, workers=2), y)
        pid = os.fork()
        if pid == 0:
            os._exit(0 if np.array_equal(ndconv.conv_layer(x, weight, workers=2), y) else 3)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        """),
        timeout=60,
    )
