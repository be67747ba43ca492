"""What processes of their own begin with, where they test threads, and what those need."""

import os
import sys
import textwrap

import pytest

from ndconv._threads import ENGINES, tasks

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
several_cpus = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs and affinity"
)
openmp = pytest.mark.skipif(not tasks.openmp_version, reason="built without OpenMP")
engines = pytest.mark.parametrize(
    "engine", [pytest.param(name, marks=openmp if name == "openmp" else ()) for name in ENGINES]
)

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
