"""The examples of the README and of the documentation run and print what they say.

The scripts of the gallery run when the documentation is built.
"""

import doctest
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GENERATED = {"_build", "gallery"}
PAGES = sorted(
    page
    for page in (path.relative_to(ROOT) for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.rst")])
    if GENERATED.isdisjoint(page.parts)
)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_examples_of_a_page(page):
    failed, _ = doctest.testfile(str(ROOT / page), module_relative=False)
    assert failed == 0
