"""The examples of the README and of the documentation run and print what they say."""

import doctest
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    p.relative_to(ROOT) for p in [ROOT / "README.md", *(ROOT / "docs").rglob("*.rst")] if "_build" not in p.parts
)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_examples_of_a_page(page):
    failed, _ = doctest.testfile(str(ROOT / page), module_relative=False)
    assert failed == 0
