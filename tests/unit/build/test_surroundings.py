"""What surrounds a build is fixed, or changed one thing at a time."""

from __future__ import annotations

import os
import tempfile
from dataclasses import fields
from pathlib import Path

import pytest

from clearway.build.checkout import arrange
from clearway.build.surroundings import FIXED, NAMES, VARIATIONS, read_surroundings, varied


def test_each_variation_changes_something_of_its_own() -> None:
    """Two variations never change the same thing, so a difference has one name."""
    seen: set[str] = set()
    for each in VARIATIONS:
        changed = each.change(FIXED)
        names = {one.name for one in fields(FIXED) if getattr(changed, one.name) != getattr(FIXED, one.name)}
        assert names, each.name
        assert not names & seen, each.name
        seen |= names
    assert seen == {one.name for one in fields(FIXED)}


def test_a_record_tells_all_of_it() -> None:
    """What was written down is read again; what an older record does not tell has the fixed value."""
    for around in (FIXED, varied(NAMES)):
        assert read_surroundings(around.as_json()) == around
    assert read_surroundings({"umask": "0027", "unknown": 1}).umask == 0o027
    assert read_surroundings({}) == FIXED


def _tree(root: Path) -> Path:
    (root / "folder").mkdir(parents=True)
    for name in ("a", "b", "c", "folder/d", "folder/e"):
        (root / name).write_text(name)
        os.utime(root / name, (10**9, 10**9))
    (root / "link").symlink_to("/etc/passwd")
    return root


def test_a_checkout_is_aged_without_following_links(tmp_path: Path) -> None:
    """Every file is as much older as was said; what a link points to stays as it is."""
    before = os.stat("/etc/passwd").st_mtime
    root = _tree(tmp_path / "tree")
    arrange(root, varied(["file-times"]))
    assert {os.lstat(root / name).st_mtime for name in ("a", "folder/d")} == {10**9 - 400 * 86400}
    assert os.stat("/etc/passwd").st_mtime == before
    assert (root / "folder/e").read_text() == "folder/e"


def test_a_checkout_in_memory_lists_its_files_otherwise() -> None:
    """The order of the names in a folder changes, and nothing else does."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no file system in memory here")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        root = _tree(Path(folder, "tree"))
        before = os.listdir(root)
        arrange(root, varied(["file-order"]))
        assert os.listdir(root) != before
        assert sorted(os.listdir(root)) == sorted(before)
        assert os.stat(root / "a").st_mtime == 10**9
