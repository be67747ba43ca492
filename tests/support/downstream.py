"""Another library's own tests, first with SciPy and then with `ndconv.patch_scipy` in force: none may fail only then.

``python tests/support/downstream.py skimage.filters ...`` runs them, as `make test-skimage` does. Tests that fail with
SciPy as well, such as those whose data would have to be downloaded, say nothing, and are not counted.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Where a run that is this module's plugin, too, writes which tests passed; the plugin patches where it is told to.
RESULTS, PATCH = "DOWNSTREAM_RESULTS", "DOWNSTREAM_PATCH"

passed = []


def pytest_configure(config):
    if os.environ[PATCH] == "1":
        import ndconv

        ndconv.patch_scipy(min_size=1)


def pytest_runtest_logreport(report):
    if report.when == "call" and report.passed and not hasattr(report, "wasxfail"):
        passed.append(report.nodeid)


def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):
        Path(os.environ[RESULTS]).write_text(json.dumps(passed))


def passing(packages, patch):
    """Return which tests of some packages pass."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "passed.json")
        subprocess.run(
            [sys.executable, "-m", "pytest", "-p", Path(__file__).stem, "-p", "no:cacheprovider", "--quiet",
             "--numprocesses", "auto", "--tb", "line" if patch else "no", "--rootdir", folder, "--pyargs", *packages],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parent), RESULTS: str(results), PATCH: str(int(patch))},
            cwd=folder,
        )  # fmt: skip
        return set(json.loads(results.read_text()))


def main(packages):
    with_scipy = passing(packages, patch=False)
    lost = sorted(with_scipy - passing(packages, patch=True))
    print(*lost, f"{len(with_scipy)} tests pass with SciPy; of these {len(lost)} fail with ndconv", sep="\n")
    return 1 if lost or not with_scipy else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
