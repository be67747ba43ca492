"""Workers: the same bits for every number of them, limits respected, plans shared by threads, forked children."""

import os
import sys
import textwrap
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import ndconv
from ndconv._threads import ENGINES, tasks
from ndconv._threads.python_tasks import for_each
from ndconv._threads.quota import read_quota
from support import isolated, oracle
from support.layouts import values

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
several_cpus = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs and affinity"
)
openmp = pytest.mark.skipif(not tasks.openmp_version, reason="built without OpenMP")
engines = pytest.mark.parametrize(
    "engine", [pytest.param(name, marks=openmp if name == "openmp" else ()) for name in ENGINES]
)

#: Calls that are large enough to be shared out: x, weight, keywords.
LARGE = {
    "many channels": ((64, 40, 41), (48, 64, 3, 3), {"padding": 1}),
    "many channels, few pixels": ((256, 7, 7), (256, 256, 3, 3), {"padding": 1}),
    "pointwise": ((2, 128, 30, 30), (96, 128, 1, 1), {}),
    "few channels": ((3, 300, 301), (4, 3, 5, 5), {"padding": "same", "padding_mode": "reflect"}),
    "depthwise": ((48, 100, 90), (48, 1, 3, 3), {"groups": 48, "stride": 2}),
    "groups": ((2, 60, 50, 40), (90, 20, 3, 3), {"groups": 3, "dilation": 3}),
    "one image": ((1, 900, 800), (1, 1, 7, 7), {}),
    "volume": ((2, 40, 41, 42), (3, 2, 3, 3, 3), {"padding": 1}),
    "signal": ((1, 600_000), (1, 1, 51), {}),
    "signals": ((8, 20_000), (24, 8, 9), {"stride": 3}),
    "batch": ((40, 4, 20, 20), (8, 4, 3, 3), {"padding": 1, "activation": "gelu"}),
    "channels last": ((2, 60, 60, 32), (40, 32, 3, 3), {"channel_axis": -1}),
}

SETUP = """
    import numpy as np, ndconv, os
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 80, 80), dtype=np.float32)
    weight = rng.standard_normal((64, 64, 3, 3), dtype=np.float32)
    def threads():
        return len(os.listdir("/proc/self/task"))
    def default_workers():
        return ndconv.show_config(mode="dicts")["workers"]
"""


def needs_threadpoolctl():
    pytest.importorskip("threadpoolctl")
    if not tasks.openmp_version:
        pytest.skip("threadpoolctl limits the threads of OpenMP")


def script(body):
    return textwrap.dedent(SETUP) + textwrap.dedent(body)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "float16", "int32"])
@pytest.mark.parametrize("name", LARGE)
def test_the_same_bits_for_every_number_of_workers(rng, subtests, name, dtype):
    x_shape, weight_shape, keywords = LARGE[name]
    if dtype in ("complex64", "int32"):
        keywords = {k: v for k, v in keywords.items() if k != "activation"}
    x, weight = values(rng, x_shape, dtype), values(rng, weight_shape, dtype)
    first = ndconv.conv_layer(x, weight, **keywords, workers=1)
    layer = ndconv.ConvLayer(weight, **keywords)
    for workers in (2, 3, 7, 64, -1, None):
        with subtests.test(workers=workers):
            np.testing.assert_array_equal(ndconv.conv_layer(x, weight, **keywords, workers=workers), first)
            np.testing.assert_array_equal(layer(x, workers=workers), first)


@pytest.mark.parametrize("shape", [(500_000,), (700, 600), (50, 60, 70), (300, 2000)])
@pytest.mark.parametrize("axes", [None, -1])
def test_the_same_bits_for_correlations(rng, subtests, shape, axes):
    x = values(rng, shape, "float32")
    kernel = values(rng, (5,) * len(shape) if axes is None else (*(1,) * (len(shape) - 1), 9), "float32")
    first = ndconv.correlate_nd(x, kernel, "same", axes=axes, workers=1)
    for workers in (2, 3, 7, -1):
        with subtests.test(workers=workers):
            np.testing.assert_array_equal(ndconv.correlate_nd(x, kernel, "same", axes=axes, workers=workers), first)


def test_the_same_bits_from_run_to_run(rng):
    x, weight = values(rng, (32, 60, 60), "float32"), values(rng, (32, 32, 3, 3), "float32")
    first = ndconv.conv_layer(x, weight, workers=3)
    for _ in range(20):
        np.testing.assert_array_equal(ndconv.conv_layer(x, weight, workers=3), first)


def test_the_same_bits_wherever_the_arrays_lie(rng, subtests):
    x, weight = values(rng, (5, 30, 31), "float32"), values(rng, (20, 5, 3, 3), "float32")
    first = ndconv.conv_layer(x, weight)
    for offset in (4, 8, 12, 36):
        with subtests.test(offset=offset):
            moved = np.ndarray(x.shape, x.dtype, buffer=np.zeros(x.nbytes + 64, np.uint8), offset=offset)
            moved[...] = x
            np.testing.assert_array_equal(ndconv.conv_layer(moved, weight), first)


def default_workers():
    return ndconv.show_config(mode="dicts")["workers"]


def test_set_workers_as_a_context():
    before = default_workers()
    with ndconv.set_workers(3):
        assert default_workers() == 3
        with ndconv.set_workers(2):
            assert default_workers() == 2
        assert default_workers() == 3
    assert default_workers() == before


def test_set_workers_as_a_context_after_an_error():
    before = default_workers()
    with pytest.raises(RuntimeError, match="inside"), ndconv.set_workers(3):
        raise RuntimeError("inside")
    assert default_workers() == before


def test_set_workers_as_a_function():
    isolated.run(
        script("""
        ndconv.set_workers(3)
        assert default_workers() == 3
        ndconv.set_workers(-1)
        assert default_workers() == len(os.sched_getaffinity(0)) or default_workers() >= 1
        y = ndconv.conv_layer(x, weight)
        ndconv.set_workers(1)
        assert default_workers() == 1
        np.testing.assert_array_equal(ndconv.conv_layer(x, weight), y)
        """)
    )


def test_a_wrong_set_workers_changes_nothing():
    before = default_workers()
    for value in (0, -7, 1.5, "2"):
        with pytest.raises((ValueError, TypeError)):
            ndconv.set_workers(value)
    assert default_workers() == before


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


@linux
@pytest.mark.parametrize("how", ["OMP_NUM_THREADS", "affinity", "threadpoolctl"])
def test_the_default_follows_the_limits(how):
    if how == "threadpoolctl":
        needs_threadpoolctl()
    body = {
        "OMP_NUM_THREADS": "assert default_workers() == 1",
        "affinity": "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); assert default_workers() == 1",
        "threadpoolctl": """
import threadpoolctl
ndconv.conv_layer(x, weight)
before = default_workers()
with threadpoolctl.threadpool_limits(1):
    assert default_workers() == 1
assert default_workers() == before
""",
    }[how]
    isolated.run(script(body), **({how: "1"} if how.startswith("OMP") else {}))


def test_affinity_before_import():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("no affinity on this system")
    isolated.run("""
        import os
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        import ndconv
        assert ndconv.show_config(mode="dicts")["workers"] == 1
    """)


@pytest.mark.parametrize("workers", [1, 2, None])
def test_one_plan_in_many_threads(rng, workers):
    weight, bias = values(rng, (24, 6, 3, 3), "float32"), values(rng, 24, "float32")
    layer = ndconv.ConvLayer(weight, bias, padding=1, padding_mode="reflect", activation="silu")
    inputs = [values(rng, (2, 6, 5 + 9 * (i % 7), 20 + i), "float32") for i in range(16)]
    inputs += [x.astype("float64") for x in inputs[:4]]
    expected = [layer(x, workers=1) for x in inputs]
    oracle.layer(inputs[3], weight, bias, padding=1, padding_mode="reflect", activation="silu").check(expected[3])

    def hammer(start):
        for i in range(3 * len(inputs)):
            at = (start * 5 + i) % len(inputs)
            np.testing.assert_array_equal(layer(inputs[at], workers=workers), expected[at])

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(hammer, i) for i in range(8)]:
            done.result()


def test_a_fresh_plan_meets_many_threads_at_once(rng):
    """The first call of a plan for a type may pack its weights: all threads make it together."""
    x, weight = values(rng, (6, 30, 30), "float32"), values(rng, (24, 6, 3, 3), "float32")
    with ThreadPoolExecutor(8) as pool:
        for dtype in ("float32", "float64", "float16", "complex64") * 3:
            layer = ndconv.ConvLayer(weight)
            y = list(pool.map(layer, [x.astype(dtype)] * 8))
            for other in y[1:]:
                np.testing.assert_array_equal(other, y[0])


def test_functions_in_many_threads(rng):
    x, kernels = values(rng, (60, 70), "float32"), [values(rng, (k, k), "float32") for k in range(1, 9)]
    expected = [ndconv.correlate_nd(x, k, "same", workers=1) for k in kernels]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for a, b in zip(
                pool.map(lambda k: ndconv.correlate_nd(x, k, "same", workers=2), kernels), expected, strict=True
            ):
                np.testing.assert_array_equal(a, b)


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


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, np.inf),
        ("0::/a.slice/b\n", {"a.slice/cpu.max": "200000 100000\n", "a.slice/b/cpu.max": "max 100000\n"}, 2.0),
        ("0::/a.slice/b\n", {"a.slice/cpu.max": "200000 100000\n", "a.slice/b/cpu.max": "50000 100000\n"}, 0.5),
        ("0::/of/the/host\n", {"cpu.max": "300000 100000\n"}, 3.0),
        ("4:cpu,cpuacct:/c\n0::/\n", {"cpu/c/cpu.cfs_quota_us": "70000\n", "cpu/c/cpu.cfs_period_us": "35000\n"}, 2.0),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, np.inf),
        ("2:cpuacct:/\n", {}, np.inf),
        (None, {}, np.inf),
    ],
)
def test_quota(tmp_path, membership, files, quota):
    if membership is not None:
        (tmp_path / "membership").write_text(membership)
    for name, text in files.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(text)
    assert read_quota(str(tmp_path / "groups"), str(tmp_path / "membership")) == quota
