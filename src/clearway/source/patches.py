"""What one commit changed: its files with their additions and deletions, and the difference itself, as text.

Rules:
1. Everything has a limit: the files that are named, those whose lines are read, the text that is given.
2. What was left out is said. Nothing of the repository is run, no attribute is looked at.
3. A merge is shown by what it changed against its first parent: what came to the branch by it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice
from typing import Any

from .repo import MAX_TEXT, Repo

__all__ = ["FileChange", "Patch", "patch_of"]

MOST_FILES = 500  # that are named
MOST_READ = 8 << 20  # bytes of both sides that are compared
LONGEST_S = 10.0  # after which the rest is only named
MOST_FILE_TEXT = 20_000  # characters of one file's difference
MOST_TEXT = 150_000
LEAST_TEXT = 200  # less would say nothing
MOST_LINE = 1000
MOST_SIMILAR = 40_000  # pairs of files that came and files that went, among which renames are looked for

_HOW = {"A": "added", "D": "removed", "R": "renamed", "C": "copied", "T": "changed", "M": "changed"}
_SUBMODULE = 0o160000


@dataclass(frozen=True)
class FileChange:
    """One file that a commit changed."""

    path: str
    how: str  # added, changed, removed, renamed
    before: str = ""  # its name before, when it was another one
    additions: int | None = None  # None: it has no lines
    deletions: int | None = None
    note: str = ""  # why it has no lines, or why its difference is not whole
    text: str = ""  # the difference, from the first @@ on


@dataclass(frozen=True)
class Patch:
    """What one commit changed."""

    parent: str | None  # that it is compared with; None: with nothing
    files: tuple[FileChange, ...]  # by path
    total: int  # of files, also those that are not named
    additions: int  # of the files that are named
    deletions: int


def patch_of(repo: Repo, sha: str) -> Patch:
    """What a commit changed against its first parent. Raises NotFound."""
    parents = [str(each) for each in repo.find(sha).parent_ids]
    parent = parents[0] if parents else None
    diff = repo.tree_diff(sha, parent)
    if _may_compare(repo, diff):
        diff.find_similar()
    reader = _Reader(repo)
    files = [reader.file(diff, *each) for each in islice(enumerate(diff.deltas), MOST_FILES)]
    return Patch(
        parent,
        tuple(sorted(files, key=lambda each: each.path)),
        len(diff),
        sum(each.additions or 0 for each in files),
        sum(each.deletions or 0 for each in files),
    )


def _may_compare(repo: Repo, diff: Any) -> bool:
    """Whether looking for renames is little work: few files that came and went, and none of them huge."""
    if len(diff) > MOST_SIMILAR:
        return False
    came = [each.new_file for each in diff.deltas if each.status_char() == "A"]
    went = [each.old_file for each in diff.deltas if each.status_char() == "D"]
    if not came or not went or len(came) * len(went) > MOST_SIMILAR:
        return False
    sizes = [repo.size(str(each.id)) for each in (*came, *went) if each.mode != _SUBMODULE]
    return all(size <= MAX_TEXT for size in sizes) and sum(sizes) <= 4 * MOST_READ


class _Reader:
    """Reads one commit's files until there was enough."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.read = 0
        self.until = time.monotonic() + LONGEST_S
        self.told = 0

    def file(self, diff: Any, number: int, delta: Any) -> FileChange:
        """One file; its contents are loaded only when they are not too big."""
        old, new = _name(delta.old_file), _name(delta.new_file)
        how = _HOW.get(delta.status_char(), "changed")
        before = old if old != new and how in ("renamed", "copied") else ""
        path = old if how == "removed" else new
        if why := self._unreadable(delta):
            return FileChange(path, how, before, note=why)
        patch = diff[number]
        if patch is None or patch.delta.is_binary:
            return FileChange(path, how, before, note="binary")
        _, additions, deletions = patch.line_stats
        text, note = self._text(patch)
        if not text and how == "changed":
            note = f"mode {delta.old_file.mode & 0o7777:o} to {delta.new_file.mode & 0o7777:o}"
        return FileChange(path, how, before, additions, deletions, note, text)

    def _unreadable(self, delta: Any) -> str:
        sides = [each for each in (delta.old_file, delta.new_file) if each.mode]
        if any(each.mode == _SUBMODULE for each in sides):
            return "submodule " + " to ".join(str(each.id)[:10] for each in sides)
        sizes = [self.repo.size(str(each.id)) for each in sides]
        if max(sizes, default=0) > MAX_TEXT:
            return f"{max(sizes)} bytes: too big to be compared"
        self.read += sum(sizes)
        much = self.read > MOST_READ or time.monotonic() > self.until
        return "not compared: the commit changes too much" if much else ""

    def _text(self, patch: Any) -> tuple[str, str]:
        data = bytes(patch.data)
        start = data.find(b"\n@@ ")
        if start < 0:
            return "", ""
        if MOST_TEXT - self.told < LEAST_TEXT:
            return "", "not shown: the commit changes too much"
        room = min(MOST_FILE_TEXT, MOST_TEXT - self.told)
        whole = data[start + 1 :].decode(errors="replace")
        lines, left = [], room
        for line in whole.split("\n"):
            cut = line if len(line) <= MOST_LINE else line[:MOST_LINE] + " …"
            left -= len(cut) + 1
            if left < 0:
                break
            lines.append(cut)
        text = "\n".join(lines).rstrip("\n")
        self.told += len(text)
        return text, "" if left >= 0 else "only its beginning is shown"


def _name(side: Any) -> str:
    return bytes(side.raw_path).decode(errors="replace")
