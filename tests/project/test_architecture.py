"""The folders of the package show its architecture: each imports from those below it alone."""

import ast
from pathlib import Path

import pytest

import ndconv

pytestmark = pytest.mark.once

PACKAGE = Path(ndconv.__file__).parent

#: From the top down, as in the documentation.
FOLDERS = (
    "__main__", "__init__", "_patch", "signal", "ndimage", "_layers", "_gradients", "_correlator", "_streams",
    "_dropins", "_transposed", "_correlation", "_engine", "_methods", "_runtime", "_call", "_core", "_threads",
)  # fmt: skip


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def imported(path):
    """Return the modules of the package that one imports, as tuples of names, wherever in it."""
    here = path.relative_to(PACKAGE).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = (*here[: len(here) - node.level + 1], *(node.module.split(".") if node.module else ()))
            for alias in node.names:
                whole = PACKAGE.joinpath(*base, alias.name)
                yield (*base, alias.name) if whole.with_suffix(".py").exists() or whole.is_dir() else base


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path):
    place = FOLDERS.index(path.relative_to(PACKAGE).with_suffix("").parts[0])
    for names in imported(path):
        if names and place:
            assert FOLDERS.index(names[0]) >= place, names


def test_no_import_runs_in_a_circle():
    graph = {}
    for path in modules():
        name = path.relative_to(PACKAGE).with_suffix("").parts
        name = name[:-1] if name[-1] == "__init__" else name
        graph[name] = {names for names in imported(path) if names not in ((), name)}
    done = set()

    def visit(name, above):
        assert name not in above, " -> ".join(".".join(each) for each in (*above, name))
        if name not in done:
            for other in graph.get(name, ()):
                visit(other, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())
