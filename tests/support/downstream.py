"""Another library's own tests, first with SciPy and then with `ndconv.patch_scipy` in force: none may fail only then.

``python tests/support/downstream.py skimage.filters ...`` runs them, as `make test-skimage` and `make test-dask-image`
do; folders of tests may be named, too. Tests that fail with SciPy as well, such as those whose data would have to be
downloaded, say nothing, and are not counted. Nor would a run say anything that never calls a drop-in: it fails.
"""

import functools
import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

# Where a run that is this module's plugin, too, writes what came of it; the plugin patches where it is told to.
RESULTS, PATCH = "DOWNSTREAM_RESULTS", "DOWNSTREAM_PATCH"

passed = []
calls = Counter()  # of each drop-in


def pytest_collection_finish():
    """Patch after collection: functions that a test has as parameters stay SciPy's, which the rest is compared with."""
    if os.environ[PATCH] == "1":
        import ndconv

        for module in ("ndimage", "signal"):
            count_calls(importlib.import_module(f"ndconv.{module}"))
        ndconv.patch_scipy(min_size=0)


def count_calls(module):
    def counted(function):
        @functools.wraps(function)
        def call(*args, **keywords):
            calls[f"{function.__module__}.{function.__name__}"] += 1
            return function(*args, **keywords)

        return call

    for name in module.__all__:
        setattr(module, name, counted(getattr(module, name)))


def pytest_runtest_logreport(report):
    if report.when == "call" and report.passed and not hasattr(report, "wasxfail"):
        passed.append(report.nodeid)


def pytest_testnodedown(node):
    """Add what a process of pytest-xdist counted."""
    calls.update(node.workeroutput["calls"])


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["calls"] = dict(calls)
    else:
        Path(os.environ[RESULTS]).write_text(json.dumps({"passed": passed, "calls": calls}))


def run(tests, patch):
    """Run packages of tests, or folders, and return which tests pass, and how often each drop-in was called."""
    tests = [str(Path(name).resolve()) if Path(name).is_dir() else name for name in tests]
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results.json")
        subprocess.run(
            [sys.executable, "-m", "pytest", "-p", Path(__file__).stem, "-p", "no:cacheprovider", "--quiet",
             "--numprocesses", "auto", "--tb", "line" if patch else "no", "--rootdir", folder, "--pyargs", *tests],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parent), RESULTS: str(results), PATCH: str(int(patch))},
            cwd=folder,
        )  # fmt: skip
        found = json.loads(results.read_text())
        return set(found["passed"]), Counter(found["calls"])


def main(tests):
    with_scipy, _ = run(tests, patch=False)
    with_ndconv, calls = run(tests, patch=True)
    lost = sorted(with_scipy - with_ndconv)
    for name, count in calls.most_common():
        print(f"{count:>8,}  {name}")
    print(f"{calls.total():,} calls of drop-ins", *lost, sep="\n")
    print(f"{len(with_scipy):,} tests pass with SciPy; of these {len(lost):,} fail with ndconv")
    return 1 if lost or not with_scipy or not calls else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
