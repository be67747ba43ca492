"""The registry of methods: a method from outside the package is one like the others."""

import ast
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import ndconv
from ndconv import _methods
from ndconv._methods import direct


class ToyPlan:
    """A plan that leaves the work to the direct method, and counts."""

    nbytes = 0

    def __init__(self, problem):
        self.plan, self.runs = direct.plan(problem), 0
        self.pack = self.plan.pack

    def pack_key(self):
        return "toy", self.plan.pack_key()

    def run(self, *arguments):
        self.runs += 1
        return self.plan.run(*arguments)

    def __str__(self):
        return "a toy"


@pytest.fixture
def toy():
    """Register a method that claims to be the quickest of all, for real numbers."""
    plans = []

    def plan(problem):
        plans.append(ToyPlan(problem))
        return plans[-1]

    method = SimpleNamespace(
        NAME="toy",
        DESCRIPTION="Does as it is told.\nQuickly.",
        FITTED=(),
        plans=plans,
        why_not=lambda problem: "it is for real numbers" if problem.dtype.kind == "c" else None,
        cost=lambda problem: 0.0,
        plan=plan,
    )
    _methods.register(method)
    yield method
    _methods.unregister(method)


CALLS = {
    "conv_layer": lambda x, w, **how: ndconv.conv_layer(x, w, padding=1, **how),
    "ConvLayer": lambda x, w, **how: ndconv.ConvLayer(w, padding=1, **how)(x),
    "conv_transpose_layer": lambda x, w, **how: ndconv.conv_transpose_layer(x, w, stride=2, **how),
    "correlate_nd": lambda x, w, **how: ndconv.correlate_nd(x[0], w[0, 0], **how),
    "convolve_nd": lambda x, w, **how: ndconv.convolve_nd(x[0], w[0, 0], **how),
}


@pytest.fixture
def operands(rng):
    return rng.standard_normal((1, 9, 9)), rng.standard_normal((1, 1, 3, 3))


@pytest.mark.parametrize("name", CALLS)
def test_it_is_asked_for_by_name(toy, operands, name):
    call = CALLS[name]
    np.testing.assert_array_equal(call(*operands, method="toy"), call(*operands, method="direct"))
    assert sum(plan.runs for plan in toy.plans) > 0


@pytest.mark.parametrize("name", [name for name in CALLS if "transpose" not in name])
def test_auto_takes_it(toy, operands, name):
    CALLS[name](*operands)
    assert sum(plan.runs for plan in toy.plans) == 1


def test_explain_lists_it(toy, operands):
    told = ndconv.ConvLayer(operands[1]).explain(operands[0].shape).splitlines()
    (line,) = [line for line in told if line.startswith("toy")]
    assert line.endswith("chosen: a toy")


@pytest.mark.parametrize("name", CALLS)
def test_messages_know_it(toy, operands, name):
    x, w = operands
    with pytest.raises(ValueError, match="method='toy' cannot do this call: it is for real numbers"):
        CALLS[name](x + 1j, w, method="toy")
    with pytest.raises(ValueError, match=r"method must be one of auto, .*, toy; got 'tyo'"):
        CALLS[name](x, w, method="tyo")


def test_the_documentation_describes_it(toy):
    import methods

    lines = methods.definitions()
    place = lines.index('"toy"')
    assert lines[place + 1 : place + 3] == ["    Does as it is told.", "    Quickly."]


def test_a_name_is_taken_once(toy):
    with pytest.raises(ValueError, match="there is a method 'toy' already"):
        _methods.register(toy)


def test_nobody_else_names_a_method():
    """But for the drop-ins, whose names are SciPy's."""
    package = Path(ndconv.__file__).parent
    names = set(_methods.names()) - {_methods.AUTO}
    for path in package.rglob("*.py"):
        if not {package / "_methods", package / "signal"}.isdisjoint(path.parents):
            continue
        texts = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        assert not names & texts, path


@pytest.mark.parametrize("method", _methods.METHODS, ids=lambda method: method.NAME)
def test_what_can_be_fitted_is_there(method):
    assert all(attrgetter(path)(method) > 0 for path in method.FITTED)


def test_it_is_gone_again(operands):
    assert "toy" not in _methods.names()
    with pytest.raises(ValueError, match="got 'toy'"):
        ndconv.correlate_nd(*operands, method="toy")
