"""The crew alone: a harness in C under ThreadSanitizer, jobs of random sizes from several callers, forks."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "src" / "ndconv" / "_threads"
compiler = shutil.which(os.environ.get("CC", "cc"))

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(compiler is None or not SOURCES.exists(), reason="needs a C compiler and the sources"),
]

FAKE = ["-DFAKE_CPUS=8"]  # helpers for more CPUs than this machine may have
TSAN = ["-fsanitize=thread", "-g", "-O1"]


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    """Return what runs the harness, built once with each set of flags, and tells what it printed."""
    built = {}

    def run(flags, *arguments):
        key = tuple(flags)
        if key not in built:
            built[key] = build(tmp_path_factory.mktemp("harness") / "harness", flags)
        # ThreadSanitizer wants its own places in the address space.
        randomised = ["setarch", "-R"] if TSAN[0] in flags and shutil.which("setarch") else []
        command = [*randomised, built[key], *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def build(program, flags):
    sources = [
        HERE / "crew_harness.c",
        SOURCES / "crew.c",
        *([] if FAKE[0] in flags else [SOURCES / "cpus.c"]),
    ]
    command = [
        compiler,
        "-std=gnu11",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-O2",
        *flags,
        "-I",
        SOURCES,
        *sources,
        "-o",
        program,
    ]
    built = subprocess.run([*command, "-pthread"], capture_output=True, text=True, check=False)
    if built.returncode and TSAN[0] in flags and "tsan" in built.stderr:
        pytest.skip("the compiler has no ThreadSanitizer")
    assert built.returncode == 0, built.stderr
    return program


@pytest.mark.slow
@pytest.mark.parametrize(("jobs", "callers"), [("1000000", "4"), ("100000", "1"), ("100000", "40")])
def test_jobs_of_random_sizes(harness, jobs, callers):
    assert " 0 wrong" in harness(FAKE, jobs, callers)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("50000", "1"), ("50000", "4"), ("30000", "3", "nested")])
def test_no_race(harness, arguments):
    assert " 0 wrong" in harness(FAKE + TSAN, *arguments)


@pytest.mark.slow
def test_on_the_cpus_of_this_machine(harness):
    assert " 0 wrong" in harness([], "100000", "3", "nested")


@pytest.mark.slow
@pytest.mark.parametrize("flags", [[], FAKE])
def test_forks_at_any_time(harness, flags):
    assert " 0 wrong" in harness(flags, "100000", "4", "nested", "forks")
