"""Links and pictures in the documentation lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_has_its_file(page: Path) -> None:
    """A link to another page, picture or file of the repository is not broken."""
    targets = [found[0] for found in LINK.findall(page.read_text()) if "://" not in found[0]]
    missing = [target for target in targets if not (page.parent / target).resolve().exists()]
    assert missing == []


def test_the_documentation_is_found() -> None:
    """The check above looks at the pages that there are."""
    assert ROOT / "README.md" in PAGES
    assert len(PAGES) > 10


def test_decisions_are_numbered_once_and_in_their_headings() -> None:
    """Two decisions of one number could not be spoken of."""
    files = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [int(file.name[:4]) for file in files]
    assert numbers == list(range(1, len(files) + 1))
    for file, number in zip(files, numbers, strict=True):
        assert file.read_text().startswith(f"# {number}. ")
