"""The line ``.. methods::`` in a page stands for what the registered methods say of themselves."""

from typing import Any

from ndconv import _methods


def definitions() -> list[str]:
    """Return the lines of a definition list of all methods."""
    lines = []
    for method in _methods.METHODS:
        lines += [f'"{method.NAME}"', *(f"    {line}" for line in method.DESCRIPTION.splitlines())]
    return lines


def _insert(app: Any, page: str, source: list[str]) -> None:
    source[0] = source[0].replace(".. methods::\n", "\n".join([*definitions(), ""]))


def setup(app: Any) -> dict[str, bool]:
    """Let Sphinx read pages with that line."""
    app.connect("source-read", _insert)
    return {"parallel_read_safe": True}
