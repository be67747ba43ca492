"""The plugin that runs SciPy's tests: it puts drop-ins in place, counts their calls, and wrong ones are noticed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

TESTS = Path(__file__).parents[1]
FILTERS = "scipy.ndimage.tests.test_filters"
TOOLS = "scipy.signal.tests.test_signaltools"

#: Of some drop-ins, a few of SciPy's tests that need them.
CASES = {
    "ndimage.sobel": f"{FILTERS}::TestNdimageFilters::test_sobel01",
    "ndimage.uniform_filter1d": f"{FILTERS}::test_uniform_filter1d_roundoff_errors",
    "signal.convolve2d": f"{TOOLS}::TestConvolve2d::test_2d_arrays",
    "signal.savgol_filter": "scipy.signal.tests.test_savitzky_golay::test_sg_filter_basic",
    "signal.upfirdn": "scipy.signal.tests.test_upfirdn::TestUpfirdn::test_shift_x",
}


def run(*arguments):
    """Run some of SciPy's tests with the drop-ins in place."""
    path = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
    settings = ["-c", str(TESTS / "support" / "scipy_standin.ini"), "--quiet", "--assert=plain"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *settings, *arguments],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_drop_ins_stand_in(subtests):
    done = run("--pyargs", *CASES.values())
    assert done.returncode == 0, done.stdout
    for name in CASES:
        with subtests.test(name=name):
            (count,) = re.findall(rf"(\d+)  {re.escape(name)}$", done.stdout, re.MULTILINE)
            assert int(count) > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ndimage.sobel", "signal.upfirdn"])
def test_a_wrong_result_is_noticed(name):
    done = run("--spoil", name, "--pyargs", CASES[name])
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "failed" in done.stdout


@pytest.mark.slow
def test_a_drop_in_that_is_never_called_is_noticed():
    done = run("--every-drop-in", "--pyargs", CASES["ndimage.sobel"])
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "passed" in done.stdout
    assert "ndimage.laplace  NEVER CALLED" in done.stdout
