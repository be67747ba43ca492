"""Every example in a public docstring runs and prints what it says."""

import dataclasses
import doctest
import inspect

import numpy as np
import pytest

import ndconv

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def public_objects():
    yield "ndconv", ndconv
    for name in ndconv.__all__:
        yield name, getattr(ndconv, name)


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
CALLED = [n for n, thing in public_objects() if callable(thing) and not dataclasses.is_dataclass(thing)]


@pytest.mark.parametrize("name", CALLED)
def test_there_are_examples(name):
    assert examples(name, getattr(ndconv, name)), f"{name} shows no example"
