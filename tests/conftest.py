"""Settings and fixtures of all tests: the path to the shared modules, hypothesis profiles, seeded random numbers."""

import os
import sys
import warnings
import zlib
from pathlib import Path

# The references are small: threads of BLAS beside the workers under test would only get in each other's way.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# Importing an editable install builds what is out of date: once here, before the processes of pytest-xdist start.
import ndconv
import ndconv._core

sys.path.insert(0, str(Path(__file__).parent))

common = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("default", max_examples=200, derandomize=True, **common)
settings.register_profile("thorough", max_examples=5000, print_blob=True, **common)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_report_header():
    return f"ndconv {ndconv.__version__} at {ndconv._core.level()}, from {Path(ndconv.__file__).parent}"


@pytest.fixture
def rng(request):
    """Return a random generator whose numbers depend on the test's name alone."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture(scope="session")
def torch():
    """Return PyTorch, where it is installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("torch")
