"""What git says, in one line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from clearway.kernel import NotFound, Permanent
from clearway.source import Mirrors, resolve


@pytest.mark.parametrize("made", [False, True])
def test_a_folder_that_is_no_repository_is_one_clear_line(tmp_path: Path, made: bool) -> None:
    """Missing or no repository: its place is named, once, and what to do; without git's own advice."""
    if made:
        (tmp_path / "there").mkdir()
    with pytest.raises(Permanent) as caught:
        Mirrors(tmp_path / "mirrors").sync("shop", str(tmp_path / "there"))
    text = str(caught.value)
    assert "does not appear to be a git repository" in text
    assert str(tmp_path / "there") in text
    assert "\n" not in text
    assert ".." not in text


def test_an_empty_repository_is_called_so(tmp_path: Path) -> None:
    """Not a missing branch: there is nothing yet."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "new")], check=True)
    repo = Mirrors(tmp_path / "mirrors").sync("shop", str(tmp_path / "new"))
    with pytest.raises(NotFound, match="the repository is empty"):
        resolve(repo, "main")
