"""A pytest plugin for SciPy's own tests: ndconv's drop-ins stand in for SciPy's functions, wherever SciPy has them.

`make test-scipy` runs it. The report says how often each drop-in was called, and in how many tests any of them was.
With ``--every-drop-in`` a drop-in that was never called fails the run; ``--spoil NAME`` makes the results of one
drop-in wrong by 1%, which the tests have to notice.
"""

import functools
import sys
from collections import Counter

import numpy as np
import pytest

MODULES = ("signal", "ndimage")

calls = Counter()  # of each drop-in
touched = set()  # tests in which any of them was called
current = [None]  # the test that runs


def pytest_addoption(parser):
    group = parser.getgroup("drop-ins of ndconv")
    group.addoption("--every-drop-in", action="store_true", help="fail if a drop-in is never called")
    group.addoption(
        "--spoil", metavar="NAME", help="make the results of a drop-in, such as ndimage.sobel, wrong by 1%%"
    )


def pytest_configure(config):
    for module in MODULES:
        put_in_place(module, config.getoption("--spoil"))


def drop_ins(module):
    """Return the name, SciPy's function and the drop-in, of all in a module."""
    ours = sys.modules[f"ndconv.{module}"]
    theirs = sys.modules[f"scipy.{module}"]
    return [(f"{module}.{name}", getattr(theirs, name), getattr(ours, name)) for name in ours.__all__]


def put_in_place(module, spoilt):
    """Replace SciPy's functions in every part of SciPy that holds them."""
    __import__(f"ndconv.{module}")
    __import__(f"scipy.{module}")
    for name, theirs, ours in drop_ins(module):
        calls[name] = 0
        stand_in = counted(name, ours, spoilt == name)
        for part in [part for key, part in sys.modules.items() if key.startswith("scipy.") and part is not None]:
            for attribute in [key for key, value in vars(part).items() if value is theirs]:
                setattr(part, attribute, stand_in)
        # Where SciPy's tests look up which arrays of other libraries a function takes.
        table = getattr(sys.modules.get("scipy._lib._array_api"), "xp_capabilities_table", {})
        if theirs in table:
            table[stand_in] = table[theirs]


def counted(name, function, is_spoilt):
    @functools.wraps(function)
    def stand_in(*args, **keywords):
        calls[name] += 1
        touched.add(current[0])
        result = function(*args, **keywords)
        return spoil(result) if is_spoilt else result

    return stand_in


def spoil(result):
    """Return a result that is wrong by 1%, of integers by at least one."""
    if not isinstance(result, np.ndarray | np.generic) or result.dtype.kind not in "iufc":
        return {"fft": "direct", "direct": "fft"}.get(result, result) if isinstance(result, str) else result
    wrong = result * 1.01 + (np.sign(result) if result.dtype.kind in "iu" else 0)
    if isinstance(result, np.ndarray) and result.flags.writeable:
        np.copyto(result, wrong, casting="unsafe")  # it may be what was given as `output`
        return result
    return wrong.astype(result.dtype)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    current[0] = item.nodeid
    return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """Add what a process of pytest-xdist counted."""
    calls.update(node.workeroutput.get("calls", {}))
    touched.update(node.workeroutput.get("touched", []))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput.update(calls=dict(calls), touched=[test for test in touched if test])
    elif session.config.getoption("--every-drop-in") and 0 in calls.values():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    terminalreporter.section("calls of drop-ins")
    for name, count in calls.items():
        terminalreporter.line(f"{count:>8,}  {name}" + ("" if count else "  NEVER CALLED"))
    terminalreporter.line(f"{len(touched - {None}):>8,}  tests called any of them")
