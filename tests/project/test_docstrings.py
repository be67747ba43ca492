"""Every example in a public docstring runs and prints what it says."""

import dataclasses
import doctest
import inspect

import numpy as np
import pytest

import ndconv
import ndconv.ndimage
import ndconv.signal

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def public_objects():
    for module in (ndconv, ndconv.ndimage, ndconv.signal):
        yield module.__name__, module
        for name in module.__all__:
            yield f"{module.__name__}.{name}", getattr(module, name)


def examples(name, thing):
    finder = doctest.DocTestFinder(recurse=inspect.isclass(thing))
    return [test for test in finder.find(thing, name, module=False) if test.examples]


@pytest.mark.parametrize(("name", "thing"), list(public_objects()), ids=[name for name, _ in public_objects()])
def test_examples(name, thing):
    failures = []
    for test in examples(name, thing):
        test.globs = {"np": np, "ndconv": ndconv}
        runner = doctest.DocTestRunner(verbose=False, optionflags=FLAGS)
        with np.printoptions():
            runner.run(test, out=failures.append)
    assert not failures, "\n".join(failures)


#: What a user calls; the classes of results are shown where they are made.
CALLED = {n: thing for n, thing in public_objects() if callable(thing) and not dataclasses.is_dataclass(thing)}


@pytest.mark.parametrize("name", CALLED)
def test_there_are_examples(name):
    assert examples(name, CALLED[name]), f"{name} shows no example"
