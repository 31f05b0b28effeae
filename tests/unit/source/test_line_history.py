"""The history of lines: git's own `log -L` and `blame` are the measure, on histories nobody thought of."""

from __future__ import annotations

import importlib
import random
import re
import subprocess
import tempfile
from pathlib import Path

import pytest
from edits import Edited, git
from hypothesis import given, settings
from hypothesis import strategies as st
from repositories import Made

from clearway import source
from clearway.kernel import ClearwayError, Invalid, NotFound
from clearway.source import Spot, parse_spot

# The package's own name of it is the function's.
line_history = importlib.import_module("clearway.source.line_history")


def by_git(folder: Path, tip: str, path: str, first: int, last: int) -> set[str]:
    """What `git log -L` says, without merges."""
    said = git(folder, "log", f"-L{first},{last}:{path}", "--no-merges", "-s", "--format=%H", tip)
    return set(said.split())


def by_us(folder: Path, tip: str, path: str, first: int, last: int) -> list[source.Touch]:
    found = source.line_history(source.Repo(folder), tip, source.Spot(path, first, last))
    return [each for each in found.touches if each.how != "merged" and each.edited]


def compare(made: Edited, ids: list[str]) -> None:
    path, lines = made.texts[-1]
    for first, last in {(1, 1), (len(lines), len(lines)), (1, len(lines)), (len(lines) // 2 + 1,) * 2}:
        ours = by_us(made.folder, ids[-1], path, first, last)
        assert {each.commit for each in ours} == by_git(made.folder, ids[-1], path, first, last)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_a_line_of_history_agrees_with_git(seed: int) -> None:
    """On a line of edits: the commits of `git log -L`, and the newest of a single line is blame's."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        made = Edited(Path(folder) / "r")
        lines = [made.word() for _ in range(chance.randint(1, 12))]
        made.commit(lines, [])
        for number in range(chance.randint(1, 12)):
            lines = made.edited(chance, lines)
            made.commit(lines, [number])
        ids = made.made()
        compare(made, ids)
        blamed = git(made.folder, "blame", "-s", "-l", "--root", ids[-1], "--", "f").splitlines()
        for number, line in enumerate(blamed, 1):
            assert by_us(made.folder, ids[-1], "f", number, number)[0].commit == line.split()[0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9))
def test_a_history_with_merges_agrees_with_git(seed: int) -> None:
    """Branches that meet again, also in ways nobody meant: each commit that is no merge is found."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        made = Edited(Path(folder) / "r")
        made.commit([made.word() for _ in range(chance.randint(4, 12))], [])
        for number in range(chance.randint(3, 14)):
            parents = sorted(
                {chance.randint(max(0, number - 3), number) for _ in range(chance.randint(1, 3))}
            )
            lines = made.texts[chance.choice(parents)][1]
            if len(parents) == 1 or chance.random() < 0.5:
                lines = made.edited(chance, lines)
            else:
                other = made.texts[parents[-1]][1]
                lines = lines[: len(lines) // 2] + other[len(other) // 2 :]
            made.commit(lines, parents)
        compare(made, made.made())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_renames_agree_with_git(seed: int) -> None:
    """A file that takes another name on its way, changed or not in the same commit."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        made = Edited(Path(folder) / "r")
        lines = [made.word() for _ in range(chance.randint(8, 16))]
        path = "f"
        made.commit(lines, [], path)
        for number in range(chance.randint(2, 10)):
            if chance.random() < 0.4:
                path = f"{chance.choice('abc')}/{number}"
            if chance.random() < 0.8:
                lines = made.edited(chance, lines)
            made.commit(lines, [number], path)
        compare(made, made.made())


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "work")


def told(made: Made, what: str, ref: str = "HEAD") -> list[tuple[str, str]]:
    """Each change: how, and the commit's subject."""
    repo = source.Repo(made.root / ".git")
    tip = made.git("rev-parse", ref)
    found = source.line_history(repo, tip, parse_spot(what))
    return [(each.how, source.commit(repo, each.commit).subject) for each in found.touches]


def test_a_line_that_moved_sideways_is_followed(made: Made) -> None:
    """Re-indentation is told as that; who wrote the line is further back. Its neighbours are not asked."""
    made.commit({"a.py": "one\ntwo\nthree\n"}, "first")
    made.commit({"a.py": "one\nTWO\nthree\n"}, "two is loud")
    made.commit({"a.py": "one\nTWO\nTHREE\n"}, "three is loud")
    made.commit({"a.py": "if it:\n    one\n    TWO\n    THREE\n"}, "in a block")
    assert told(made, "a.py:3") == [
        ("indented", "in a block"),
        ("changed", "two is loud"),
        ("added", "first"),
    ]
    assert told(made, "a.py:1") == [("changed", "in a block")]
    assert [subject for _, subject in told(made, "a.py:2-4")] == [
        "in a block",
        "three is loud",
        "two is loud",
        "first",
    ]


def test_a_file_is_followed_through_names_copies_and_folders(made: Made) -> None:
    """Renamed with and without a change, copied, moved into a folder: each is told with the name before."""
    made.commit({"a": "1\n2\n3\n4\n5\n6\n"}, "first")
    made.git("mv", "a", "b")
    made.commit({}, "mere name")
    made.git("mv", "b", "c")
    made.commit({"c": "1\n2\n3\n4\n5\n7\n"}, "name and change")
    made.commit({"deep/er/d": "1\n2\n3\n4\n5\n7\n"}, "a copy")
    made.commit({"deep/er/d": "1\n2\n3\n4\n5\n8\n"}, "change of the copy")
    assert told(made, "deep/er/d") == [
        ("changed", "change of the copy"),
        ("copied", "a copy"),
        ("renamed", "name and change"),
        ("renamed", "mere name"),
        ("added", "first"),
    ]
    repo = source.Repo(made.root / ".git")
    touches = source.line_history(repo, made.git("rev-parse", "HEAD"), Spot("deep/er/d", 3, 3)).touches
    assert [(each.how, each.path, each.before, each.edited) for each in touches] == [
        ("copied", "deep/er/d", "c", False),
        ("renamed", "c", "b", False),
        ("renamed", "b", "a", False),
        ("added", "a", "", True),
    ]
    assert {each.lines for each in touches} == {((3, 3),)}


def test_what_went_away_and_came_again_is_told(made: Made) -> None:
    """The history of a file that is gone begins with who removed it; a line of it cannot be asked for."""
    made.commit({"a": "1\n", "b": "x\n"}, "first")
    made.git("rm", "--quiet", "a")
    made.commit({}, "away")
    made.commit({"a": "other\n"}, "again")
    made.git("rm", "--quiet", "a")
    made.commit({}, "away again")
    expected = [("removed", "away again"), ("added", "again"), ("removed", "away"), ("added", "first")]
    assert told(made, "a") == expected
    assert told(made, "a", "HEAD~1") == expected[1:]
    with pytest.raises(NotFound, match="its history says who removed or renamed it"):
        told(made, "a:1")
    with pytest.raises(NotFound, match="nor before it"):
        told(made, "never")


def test_a_merge_counts_only_where_it_is_like_no_parent(made: Made) -> None:
    """A clean merge changed nothing; one that settled a conflict by hand did, and one that lost a line."""
    made.commit({"a": "".join(f"{n}\n" for n in range(20))}, "first")
    made.git("checkout", "--quiet", "-b", "side")
    made.commit({"a": "".join(f"{n}\n" for n in range(19)) + "end\n"}, "on the side")
    made.git("checkout", "--quiet", "main")
    made.commit({"a": "start\n" + "".join(f"{n}\n" for n in range(1, 20))}, "on main")
    made.git("merge", "--quiet", "--no-edit", "-m", "clean", "side")
    clean = [("changed", "on main"), ("changed", "on the side"), ("added", "first")]
    assert sorted(told(made, "a")) == sorted(clean)
    assert told(made, "a:20") == [("changed", "on the side"), ("added", "first")]
    made.git("reset", "--quiet", "--hard", "HEAD~1")
    made.git("merge", "--quiet", "--no-commit", "side")
    text = (made.root / "a").read_text()
    (made.root / "a").write_text(text.replace("10\n", "").replace("15\n", "evil\n"))
    made.git("commit", "--quiet", "--all", "-m", "by hand")
    assert told(made, "a")[0] == ("merged", "by hand")
    assert told(made, "a:8-12")[0] == ("merged", "by hand")  # the tenth is lost
    assert told(made, "a:15")[0] == ("merged", "by hand")
    assert told(made, "a:3") == [("added", "first")]


def test_what_has_no_lines_answers_with_words(made: Made) -> None:
    """Binary and huge files, links, folders: no lines, but changes; nothing else breaks."""
    (made.root / "link").symlink_to("/etc/passwd")
    (made.root / "bin").write_bytes(b"\0\1")
    (made.root / "huge").write_bytes(b"x\n" * (3 << 20))
    made.commit({"folder/a": "1\n"}, "first")
    (made.root / "bin").write_bytes(b"\0\2")
    made.git("add", "bin")
    made.git("commit", "--quiet", "-m", "second")
    for path, word in (("bin", "binary"), ("link", "link"), ("folder", "folder"), ("huge", "bytes")):
        with pytest.raises(Invalid, match=rf"{path} .*{word}.* no lines"):
            told(made, f"{path}:1")
    assert told(made, "bin") == [("changed", "second"), ("added", "first")]
    assert told(made, "huge") == [("added", "first")]
    assert told(made, "folder") == [("added", "first")]
    with pytest.raises(Invalid, match="has 1 lines"):
        told(made, "folder/a:2")


def test_a_submodule_is_its_commits(made: Made) -> None:
    """Which commit it points at is a change like another; its own files are not here."""
    for number, name in enumerate("ab"):
        made.git("update-index", "--add", "--cacheinfo", f"160000,{name * 40},sub")
        made.git("commit", "--quiet", "-m", f"at {number}")
    assert told(made, "sub") == [("changed", "at 1"), ("added", "at 0")]
    with pytest.raises(Invalid, match="sub is a submodule, so it has no lines"):
        told(made, "sub:1")
    with pytest.raises(NotFound):
        told(made, "sub/inside")


def test_a_text_that_was_binary_ends_with_words(made: Made) -> None:
    """The walk stops where there are no lines, and says so."""
    (made.root / "a").write_bytes(b"\0")
    made.git("add", "a")
    made.git("commit", "--quiet", "-m", "first")
    tip = made.commit({"a": "1\n2\n"}, "text")
    found = source.line_history(source.Repo(made.root / ".git"), tip, Spot("a", 1, 1))
    assert ([each.how for each in found.touches], "binary or huge" in found.ends) == (["changed"], True)


def test_nothing_that_a_repository_asks_for_is_run(made: Made, tmp_path: Path) -> None:
    """No text conversion, no filter, no external difference, whatever its attributes and settings say."""
    ran = tmp_path / "ran"
    script = tmp_path / "evil"
    script.write_text(f"#!/bin/sh\ntouch {ran}\ncat $1\n")
    script.chmod(0o755)
    for name in ("diff.evil.textconv", "diff.evil.command", "filter.evil.smudge", "core.fsmonitor"):
        made.git("config", name, str(script))
    made.commit({".gitattributes": "* diff=evil\n", "a": "1\n"}, "first")
    made.git("config", "diff.external", str(script))
    made.git("config", "filter.evil.clean", str(script))
    made.commit({".gitattributes": "* diff=evil\n"}, "second")
    ran.unlink(missing_ok=True)
    assert told(made, "a:1") == [("added", "first")]
    assert told(made, ".gitattributes") == [("added", "first")]
    assert not ran.exists()


def test_an_empty_line_and_no_line_end_at_the_end_count(made: Made) -> None:
    """As editors number them: an empty line is one, and the last need not end."""
    made.commit({"a": "1\n\n3"}, "first")
    assert told(made, "a:2") == told(made, "a:3") == [("added", "first")]
    with pytest.raises(Invalid, match="has 3 lines"):
        told(made, "a:4")
    made.commit({"e": ""}, "empty")
    with pytest.raises(Invalid, match="has 0 lines"):
        told(made, "e:1")
    made.git("mv", "e", "f")
    made.commit({}, "an empty one comes from nowhere")
    assert told(made, "f") == [("added", "an empty one comes from nowhere")]


@pytest.mark.parametrize(
    ("text", "spot"),
    [
        ("a.py", Spot("a.py")),
        ("a.py:12", Spot("a.py", 12, 12)),
        ("src/a b.py:10-20", Spot("src/a b.py", 10, 20)),
        ("a:b", Spot("a:b")),
        ("a:1:2", Spot("a:1", 2, 2)),
        ("--help", Spot("--help")),
        ("./a.py:3", Spot("a.py", 3, 3)),
        ("folder/", Spot("folder")),
    ],
)
def test_a_spot_is_a_path_and_perhaps_lines(text: str, spot: Spot) -> None:
    """Only what looks like line numbers behind the last colon is that."""
    assert parse_spot(text) == spot


@pytest.mark.parametrize(
    "text", ["../etc/passwd", "/etc/passwd:1", "a/../../b:2", "a//b", "", ".", "a\0b", "a:0", "a:7-3", "/"]
)
def test_what_leaves_the_repository_is_refused(text: str) -> None:
    """Traversal, absolute paths, lines that there cannot be."""
    with pytest.raises(Invalid):
        parse_spot(text)


NAME = st.from_regex(re.compile(r"[^/\0:]{1,12}", re.ASCII), fullmatch=True).filter(
    lambda name: name not in (".", "..")
)


@given(st.lists(NAME, min_size=1, max_size=4), st.integers(1, 10**6), st.integers(0, 10**6))
def test_spots_are_read_as_they_are_written(names: list[str], first: int, more: int) -> None:
    """Any path with any lines comes back; the lines apart mean the same."""
    path = "/".join(names)
    spot = Spot(path, first, first + more)
    assert parse_spot(str(spot)) == spot == parse_spot(path, f"{first}-{first + more}")
    assert parse_spot(str(Spot(path, first, first))) == parse_spot(path, str(first))
    assert parse_spot(path) == Spot(path)


@given(st.text(max_size=60), st.text(max_size=12))
def test_any_text_is_a_spot_inside_or_refused(text: str, line: str) -> None:
    """Nothing else is raised, and nothing that is read leaves the repository."""
    try:
        spot = parse_spot(text, line)
    except ClearwayError:
        return
    assert not spot.path.startswith("/")
    assert ".." not in spot.path.split("/")
    assert spot.first is None or (spot.last is not None and 1 <= spot.first <= spot.last)


def test_a_spot_that_git_could_misread_reaches_no_git(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that looks like an option or a pathspec is only a name: no program is started at all."""
    made.commit({"--output=x": "1\n", ":(glob)": "2\n"}, "odd names")
    repo, tip = source.Repo(made.root / ".git"), made.git("rev-parse", "HEAD")
    monkeypatch.setattr(subprocess, "Popen", None)
    for name in ("--output=x", ":(glob)"):
        assert [each.how for each in source.line_history(repo, tip, parse_spot(f"{name}:1")).touches] == [
            "added"
        ]


def test_a_history_ends_and_says_so(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many changes, names, or seconds: what is known is told; what took too long is asked anew."""
    for number in range(6):
        made.commit({"a": f"{number}\n"}, str(number))
    tip = made.git("rev-parse", "HEAD")
    repo = source.Repo(made.root / ".git")
    monkeypatch.setattr(line_history, "LONGEST_S", -1.0)
    found = source.line_history(repo, tip, Spot("a", 1, 1))
    assert (len(found.touches), "too long" in found.ends) == (1, True)
    monkeypatch.setattr(line_history, "LONGEST_S", 30.0)
    assert len(source.line_history(repo, tip, Spot("a", 1, 1)).touches) == 6
    monkeypatch.setattr(line_history, "MOST_TOUCHES", 4)
    found = source.line_history(repo, tip, Spot("a"))
    assert (len(found.touches), found.ends) == (4, "only the newest 4 changes are told")


def test_too_many_names_are_said(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository that renames without end costs no more than that."""
    made.commit({"a0": "1\n2\n3\n"}, "first")
    for number in range(4):
        made.git("mv", f"a{number}", f"a{number + 1}")
        made.commit({}, f"to {number + 1}")
    monkeypatch.setattr(line_history, "MOST_ORIGINS", 2)
    tip = made.git("rev-parse", "HEAD")
    found = source.line_history(source.Repo(made.root / ".git"), tip, Spot("a4", 1, 1))
    assert [each.how for each in found.touches] == ["renamed", "renamed", "added"]
    assert "no other names were looked for" in found.ends
