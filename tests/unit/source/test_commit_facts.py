"""What one commit changed, and which points of a history contain which commits."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from edits import Edited
from hypothesis import given, settings
from hypothesis import strategies as st
from repositories import Made

from clearway import source
from clearway.source import patches


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "work")


def patch(made: Made, ref: str = "HEAD") -> source.Patch:
    return source.patch_of(source.Repo(made.root / ".git"), made.git("rev-parse", ref))


def test_files_are_told_with_their_lines(made: Made) -> None:
    """Added, changed, removed, renamed, made executable; against the parent, or against nothing."""
    made.commit({"a": "1\n2\n", "b": "x\ny\nz\n", "c": "c\n", "d": "d\n"}, "first")
    assert {each.how for each in patch(made).files} == {"added"}
    assert patch(made).parent is None
    made.git("mv", "b", "moved")
    made.git("rm", "--quiet", "c")
    (made.root / "d").chmod(0o755)
    made.commit({"a": "1\n3\n", "new": "n\n"}, "second")
    found = patch(made)
    told = [(each.path, each.how, each.before, each.additions, each.deletions) for each in found.files]
    assert told == [
        ("a", "changed", "", 1, 1),
        ("c", "removed", "", 0, 1),
        ("d", "changed", "", 0, 0),
        ("moved", "renamed", "b", 0, 0),
        ("new", "added", "", 1, 0),
    ]
    assert (found.total, found.additions, found.deletions) == (5, 2, 2)
    assert found.files[0].text == "@@ -1,2 +1,2 @@\n 1\n-2\n+3"
    assert found.files[2].note == "mode 644 to 755"


def test_what_has_no_lines_has_a_note(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Binary files, huge ones, submodules: named, and not compared; huge ones are not even loaded."""
    (made.root / "bin").write_bytes(b"\0\1")
    made.git("update-index", "--add", "--cacheinfo", f"160000,{'a' * 40},sub")
    (made.root / "huge").write_text("x" * (5 << 20))
    made.git("add", "bin", "huge")
    made.git("commit", "--quiet", "-m", "first")
    notes = {each.path: (each.note, each.additions) for each in patch(made).files}
    assert notes == {
        "bin": ("binary", None),
        "huge": (f"{5 << 20} bytes: too big to be compared", None),
        "sub": ("submodule aaaaaaaaaa", None),
    }


def test_a_huge_commit_is_cut_and_says_so(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files, lines, and the length of a line have limits; the number of files is always right."""
    monkeypatch.setattr(patches, "MOST_FILES", 3)
    monkeypatch.setattr(patches, "MOST_FILE_TEXT", 3000)
    monkeypatch.setattr(patches, "MOST_TEXT", 5000)
    made.commit({f"f{n}": "".join(f"line {i}\n" for i in range(1000)) for n in range(5)}, "much")
    found = patch(made)
    assert (found.total, len(found.files), found.additions) == (5, 3, 3000)
    assert [each.note for each in found.files] == [
        "only its beginning is shown",
        "only its beginning is shown",
        "not shown: the commit changes too much",
    ]
    assert sum(len(each.text) for each in found.files) <= 5000
    made.commit({"f0": "y" * 9000}, "long")
    (first,) = (each for each in patch(made).files if each.path == "f0")
    assert all(len(line) <= patches.MOST_LINE + 2 for line in first.text.split("\n"))


def test_what_takes_too_long_is_only_named(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing can be made slow by whoever writes the files; the page comes all the same."""
    monkeypatch.setattr(patches, "LONGEST_S", -1.0)
    made.commit({"a": "1\n"}, "first")
    (each,) = patch(made).files
    assert (each.note, each.text) == ("not compared: the commit changes too much", "")


def test_a_merge_is_what_it_brought(made: Made) -> None:
    """Against its first parent."""
    made.commit({"a": "1\n"}, "first")
    made.git("checkout", "--quiet", "-b", "side")
    made.commit({"b": "1\n"}, "side")
    made.git("checkout", "--quiet", "main")
    first = made.commit({"c": "1\n"}, "main")
    made.git("merge", "--quiet", "--no-edit", "side")
    found = patch(made)
    assert (found.parent, [each.path for each in found.files]) == (first, ["b"])


def test_names_and_texts_that_are_no_utf_8(made: Made) -> None:
    """They are shown as well as they can be; nothing breaks."""
    (made.root / "caf\udce9").write_bytes(b"caf\xe9\n")
    made.git("add", "--all")
    made.git("commit", "--quiet", "-m", "latin")
    (each,) = patch(made).files
    assert each.path.startswith("caf")
    assert "+caf\ufffd" in each.text


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**9))
def test_the_index_agrees_with_reaching(seed: int) -> None:
    """One walk says the same as asking for each pair; tips that are not there contain nothing."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        made = Edited(Path(folder) / "r")
        for number in range(chance.randint(1, 20)):
            near = range(max(0, number - 4), number)
            made.commit([made.word()], sorted({chance.choice(near) for _ in range(number and 2)}))
        ids = made.made()
        repo = source.Repo(made.folder)
        tips = [chance.choice(ids) for _ in range(chance.randint(1, 5))] + ["f" * 40]
        asked = [chance.choice(ids) for _ in range(chance.randint(1, 5))]
        reach = source.Reach(repo, tips)
        for sha in asked:
            expected = [tip for tip in dict.fromkeys(tips[:-1]) if repo.reaches(tip, sha)]
            assert [tip for tip in dict.fromkeys(tips) if reach.has(tip, sha)] == expected
