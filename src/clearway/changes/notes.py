"""Release notes: what is new for those who run the service. Pure: commits in, the same bytes out, always.

Rules:
1. The commits are a set difference, "in what will run, and not in what runs". A roll-up by version number
   would be wrong after a rollback.
2. Breaking changes come first, then the kinds in a fixed order, each sorted by scope, then by commit order.
3. A merge commit says nothing that its parts don't say. A commit and its revert cancel out. A cherry-pick
   beside its original counts once.
4. Nothing in a commit can change the shape of the page: its text is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from clearway.kernel import digest_of

from .change import (
    ORDER,
    Change,
    CommitLike,
    change_from_json,
    changes_of,
    without_reverted,
    without_twins,
)

__all__ = ["Notes", "make_notes", "notes_from_json"]

MOST_LISTED = 1000

_SPECIAL = re.compile(r"([\\`*<>\[\]|])")
_LEADING = re.compile(r"^(\d*)([#+=.)-])")


@dataclass(frozen=True)
class Notes:
    """What one release brings to an environment."""

    service: str
    version: str
    commit: str
    since_version: str | None  # what ran when the notes were made; None: nothing did
    since_commit: str | None
    changes: tuple[Change, ...]
    authors: tuple[tuple[str, int], ...]  # name and number of commits, most first
    commits: int  # all commits of the difference, merges included
    cancelled: int = 0  # commits that another one of the difference took back

    @property
    def breaking(self) -> tuple[Change, ...]:
        """The changes that break something."""
        return tuple(change for change in self.changes if change.breaking)

    @property
    def sections(self) -> tuple[tuple[str, tuple[Change, ...]], ...]:
        """The changes under their headings, in the order of the page; no empty section."""
        found = ((name, tuple(c for c in self.changes if c.heading == name)) for name in ORDER)
        return tuple((name, changes) for name, changes in found if changes)

    def to_json(self) -> dict[str, Any]:
        """The notes as JSON values; what the digest covers."""
        plain = asdict(self)
        plain["changes"] = [each.to_json() for each in self.changes]
        plain["authors"] = [list(author) for author in plain["authors"]]
        return plain

    @property
    def digest(self) -> str:
        """The digest of the notes' canonical JSON."""
        return digest_of(self.to_json())

    @property
    def markdown(self) -> str:
        """The notes as a page."""
        return "\n".join([*_head(self), *_body(self), *_authors(self)]) + "\n"


def notes_from_json(value: Mapping[str, Any]) -> Notes:
    """The notes that `to_json` wrote."""
    changes = tuple(change_from_json(each) for each in value["changes"])
    authors = tuple((str(name), int(count)) for name, count in value["authors"])
    return Notes(**{**value, "changes": changes, "authors": authors})


def make_notes(
    service: str,
    version: str,
    commit: str,
    commits: Iterable[CommitLike],
    *,
    since_version: str | None = None,
    since_commit: str | None = None,
) -> Notes:
    """The notes of a set difference of commits, given newest first."""
    everything = list(commits)
    own = [each for each in everything if len(each.parents) < 2]
    kept = without_twins(own)
    standing = without_reverted(kept)
    changes = [change for each in standing for change in changes_of(each)]
    ordered = sorted(changes, key=lambda c: (ORDER.index(c.heading), not c.breaking, (c.scope or "").lower()))
    return Notes(
        service,
        version,
        commit,
        since_version,
        since_commit,
        tuple(ordered),
        _count(each.author for each in own),
        len(everything),
        len(kept) - len(standing),
    )


def _count(names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _head(notes: Notes) -> list[str]:
    since = "the first release here"
    if notes.since_commit:
        since = f"since {_plain(notes.since_version or '?')} ({notes.since_commit[:10]})"
    counted = f"{notes.commits} commit{'' if notes.commits == 1 else 's'}"
    line = f"Commit {notes.commit[:10]}, {since}: {counted}."
    if notes.cancelled:
        line += f" {notes.cancelled} of them cancel each other out."
    return [f"# {_plain(notes.service)} {_plain(notes.version)}", "", line, ""]


def _body(notes: Notes) -> list[str]:
    lines: list[str] = []
    if notes.breaking:
        lines += ["## Breaking changes", ""]
        for change in notes.breaking:
            lines += [_line(change, " ".join(part.split())) for part in change.breaking]
        lines.append("")
    room = MOST_LISTED
    for heading, changes in notes.sections:
        lines += [f"## {heading}", ""]
        lines += [_line(change, change.text) for change in changes[:room]]
        if len(changes) > room:
            lines.append(f"- and {len(changes) - room} more")
        room = max(0, room - len(changes))
        lines.append("")
    return lines or ["Nothing new.", ""]


def _line(change: Change, text: str) -> str:
    scope = f"**{_plain(change.scope)}:** " if change.scope else ""
    told = _plain(text) if scope else _LEADING.sub(r"\1\\\2", _plain(text))  # "1." would start a list
    return f"- {scope}{told} ({change.commit[:10]}, {_plain(change.author)})"


def _authors(notes: Notes) -> list[str]:
    if not notes.authors:
        return []
    return ["## Authors", "", *(f"- {_plain(name)} ({count})" for name, count in notes.authors)]


def _plain(text: str) -> str:
    """Text that stays text in Markdown and in a terminal."""
    line = "".join(" " if char in "\n\t" else char for char in text if char.isprintable() or char in "\n\t")
    return _SPECIAL.sub(r"\\\1", line.strip())
