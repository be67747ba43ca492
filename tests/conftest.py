"""Settings and fixtures of all tests: hypothesis profiles, a quick run, seeded random numbers."""

import os
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

common = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("default", max_examples=200, derandomize=True, **common)
settings.register_profile("thorough", max_examples=5000, print_blob=True, **common)
settings.register_profile("quick", max_examples=10, derandomize=True, **common)


def pytest_addoption(parser):
    parser.addoption(
        "--quick", action="store_true", help="a sample of all tests: a case of each, few random calls, nothing slow"
    )


def pytest_configure(config):
    settings.load_profile("quick" if config.option.quick else os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_collection_modifyitems(config, items):
    kept = set(items)
    if os.environ.get("NDCONV_ISA"):
        kept = {item for item in kept if item.get_closest_marker("once") is None}
    if config.option.quick:
        kept &= one_case_of_each([item for item in items if item.get_closest_marker("slow") is None])
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = [item for item in items if item in kept]


def one_case_of_each(items):
    """Return one case of each test: the same each time, but not the first of all."""
    cases = {}
    for item in items:
        cases.setdefault((item.path, item.originalname), []).append(item)
    return {of_test[zlib.crc32(name.encode()) % len(of_test)] for (_, name), of_test in cases.items()}


def pytest_report_header():
    return f"ndconv {ndconv.__version__} at {ndconv._core.level()}, from {Path(ndconv.__file__).parent}"


@pytest.fixture
def rng(request):
    """Return a random generator whose numbers depend on the test's name alone."""
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))


@pytest.fixture(scope="session")
def torch(pytestconfig):
    """Return PyTorch, where it is installed, but not to quick runs: its import takes seconds."""
    if pytestconfig.option.quick:
        pytest.skip("no peer for a quick run")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("torch")
