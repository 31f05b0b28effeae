"""The notes of every tag of a history, newest first: a changelog. Pure.

Rules:
1. A commit is told once: under the first tag that reached it, whatever branch that tag is on.
2. Tags on one commit share one part. What no tag reached yet stands on top.
3. Everything is one walk long: each commit is looked at once, however many tags there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Generic

from .change import Told
from .notes import Known, Notes, make_notes

__all__ = ["Part", "changelog", "split", "tags_of"]

UNRELEASED = "Unreleased"
_NUMBERS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Part(Generic[Told]):
    """What one tagged commit brought."""

    commit: str
    names: tuple[str, ...]  # the tags on it; none: it is the branch, and not released
    commits: tuple[Told, ...]  # newest first
    since: Part[Told] | None  # the newest tagged commit that it builds on


def changelog(
    service: str,
    commits: Sequence[Told],
    tags: Mapping[str, str],
    tip: str,
    known: Known | None = None,
    own: Set[str] | None = None,
) -> Iterator[Notes]:
    """The notes of each tag, newest first. `commits` is all that tags and tip reach, newest first.

    `own` are the commits that are the service's, in a repository that it shares; None: all.
    """
    for part in reversed(split(commits, tags, tip)):
        since = part.since
        yield make_notes(
            service,
            ", ".join(part.names) or UNRELEASED,
            part.commit,
            part.commits if own is None else [each for each in part.commits if each.sha in own],
            since_version=", ".join(since.names) if since else None,
            since_commit=since.commit if since else None,
            known=known,
        )


def split(commits: Sequence[Told], tags: Mapping[str, str], tip: str) -> list[Part[Told]]:
    """The commits by the first tag that reached each, oldest tag first; the branch's own at the end."""
    place = {each.sha: index for index, each in enumerate(commits)}
    names: dict[str, list[str]] = {}
    for name, sha in tags.items():
        names.setdefault(sha, []).append(name)
    marked = sorted((sha for sha in names if sha in place), key=place.__getitem__, reverse=True)
    owner: dict[str, Part[Told]] = {}
    order: dict[str, int] = {}
    parts: list[Part[Told]] = []
    for sha in marked if tip in names or tip not in place else [*marked, tip]:
        found, met = _reach(sha, commits, place, owner)
        since = max(met, key=lambda part: order[part.commit], default=None)
        own = tuple(commits[index] for index in sorted(found))
        part = Part(sha, tuple(sorted(names.get(sha, ()), key=_natural)), own, since)
        if not part.names and not own:
            continue
        owner.update((each.sha, part) for each in own)
        order[sha] = len(parts)
        parts.append(part)
    return parts


def _reach(
    start: str, commits: Sequence[Told], place: Mapping[str, int], owner: Mapping[str, Part[Told]]
) -> tuple[set[int], list[Part[Told]]]:
    """Commits from here that no tag reached before, and the tags' parts where the search ended."""
    found: set[int] = set()
    met: list[Part[Told]] = []
    ahead = [start]
    while ahead:
        sha = ahead.pop()
        if sha in owner:
            met.append(owner[sha])
        elif (index := place.get(sha)) is not None and index not in found:  # else: a shallow history's end
            found.add(index)
            ahead += commits[index].parents
    return found, met


def _natural(name: str) -> list[tuple[int, str]]:
    """v1.10 after v1.9; the same order everywhere."""
    return [(int(each), "") if each.isdecimal() else (-1, each) for each in _NUMBERS.split(name)]


def tags_of(tags: Mapping[str, str], prefix: str | None) -> dict[str, str]:
    """The tags that name versions of a service: the prefix and a digit; all of them without a prefix."""
    if prefix is None:
        return dict(tags)
    size = len(prefix)
    return {
        name: sha for name, sha in tags.items() if name.startswith(prefix) and name[size : size + 1].isdigit()
    }
