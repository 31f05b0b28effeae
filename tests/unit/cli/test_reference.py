"""The reference pages say what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from scripts.publish_interfaces import PAGES, ROOT, page

from clearway.cli.exits import MEANINGS


@pytest.mark.parametrize("name", PAGES)
def test_generated_parts_are_up_to_date(name: str) -> None:
    """`python scripts/publish_interfaces.py` would change nothing."""
    file = Path(ROOT) / "docs" / "reference" / name
    text = file.read_text(encoding="utf-8")
    assert page(name, text) == text


def test_exit_codes_are_those_of_the_program() -> None:
    """The table of the page is the program's table."""
    text = (Path(ROOT) / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    found = {
        int(code): meaning for code, meaning in re.findall(r"^\| (\d) \| ([^|]+) \|", text, re.MULTILINE)
    }
    assert found == MEANINGS


def test_links_lead_somewhere() -> None:
    """Every relative link of the pages has a target."""
    for name in PAGES:
        file = Path(ROOT) / "docs" / "reference" / name
        for target in re.findall(r"\]\(([^)#:]+)\)", file.read_text(encoding="utf-8")):
            assert (file.parent / target).exists(), target
