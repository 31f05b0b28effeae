"""Release notes: what is new for those who run the service. Pure: commits in, the same notes out, always.

Rules:
1. The commits are a set difference, "in what will run, and not in what runs". A roll-up by version number
   would be wrong after a rollback.
2. What runs and is not in what will run is told too: it goes away. The same patch on both sides is neither
   new nor lost: it was picked, or backported.
3. Breaking changes come first, then the kinds in a fixed order, each sorted by scope, then by commit order.
4. A merge commit says nothing that its parts don't say. A commit and its revert cancel out. The same patch
   twice counts once, and so do a squashed pull request and its own commits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from clearway.catalog import Tickets, tickets_in
from clearway.kernel import digest_of

from .change import (
    ORDER,
    Change,
    CommitLike,
    change_from_json,
    changes_of,
    picked_from,
    without_reverted,
    without_twins,
)

__all__ = ["Known", "Notes", "make_notes", "notes_from_json", "reviewers_of"]

_REVIEWED = re.compile(r"^[ \t]*Reviewed-by[ \t]*:[ \t]*([^<\n]{1,200})", re.IGNORECASE | re.MULTILINE)


class PullLike(Protocol):
    """What notes read of a pull request; `source.PullRequest` has it."""

    @property
    def number(self) -> int: ...
    @property
    def approvers(self) -> Sequence[str]: ...
    @property
    def commits(self) -> Sequence[str]: ...
    @property
    def merge_commit(self) -> str | None: ...


@dataclass(frozen=True)
class Known:
    """What is known of a difference besides the commits that are new."""

    gone: Sequence[CommitLike] = ()  # in what runs and not in what will run, newest first
    patches: Mapping[str, str] = field(default_factory=dict)  # patch ids of commits of both sides
    names: Mapping[str, str] = field(
        default_factory=dict
    )  # commits to authors, where a mailmap says otherwise
    pulls: Mapping[str, Sequence[PullLike]] = field(default_factory=dict)  # merged ones, by commit
    tickets: Sequence[Tickets] = ()
    configuration: tuple[str, ...] = ()  # what operators must know of configuration, in words
    migrations: tuple[str, ...] = ()  # names of migrations that are new
    flags: tuple[str, ...] = ()  # what changed of the repository's feature flags, in words


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
    picked: int = 0  # commits whose patch runs already
    removed: tuple[Change, ...] = ()  # what runs and goes away
    configuration: tuple[str, ...] = ()
    migrations: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()  # tickets with their addresses
    flags: tuple[str, ...] = ()

    @property
    def breaking(self) -> tuple[Change, ...]:
        """The changes that break something."""
        return tuple(change for change in self.changes if change.breaking)

    @property
    def sections(self) -> tuple[tuple[str, tuple[Change, ...]], ...]:
        """The changes under their headings, in the order of the page; no empty section."""
        return sections(self.changes)

    def to_json(self) -> dict[str, Any]:
        """The notes as JSON values, covered by the digest; what came later is there when not empty."""
        later = {
            "picked": self.picked,
            "removed": [each.to_json() for each in self.removed],
            "configuration": list(self.configuration),
            "migrations": list(self.migrations),
            "links": [list(each) for each in self.links],
            "flags": list(self.flags),
        }
        plain = {name: value for name, value in asdict(self).items() if name not in later}
        plain["changes"] = [each.to_json() for each in self.changes]
        plain["authors"] = [list(author) for author in self.authors]
        return plain | {name: value for name, value in later.items() if value}

    @property
    def digest(self) -> str:
        """The digest of the notes' canonical JSON."""
        return digest_of(self.to_json())


def notes_from_json(value: Mapping[str, Any]) -> Notes:
    """The notes that `to_json` wrote, today or in an earlier form."""
    changes = tuple(change_from_json(each) for each in value["changes"])
    authors = tuple((str(name), int(count)) for name, count in value["authors"])
    later = {
        "removed": tuple(change_from_json(each) for each in value.get("removed", ())),
        "configuration": tuple(value.get("configuration", ())),
        "migrations": tuple(value.get("migrations", ())),
        "flags": tuple(value.get("flags", ())),
        "links": tuple((str(ticket), str(url)) for ticket, url in value.get("links", ())),
    }
    return Notes(**{**value, "changes": changes, "authors": authors, **later})


def sections(changes: Iterable[Change]) -> tuple[tuple[str, tuple[Change, ...]], ...]:
    """Changes under their headings, in the order of the page; no empty section."""
    found: dict[str, list[Change]] = {}
    for change in changes:
        found.setdefault(change.heading, []).append(change)
    return tuple((name, tuple(found[name])) for name in ORDER if name in found)


def make_notes(
    service: str,
    version: str,
    commit: str,
    commits: Iterable[CommitLike],
    *,
    since_version: str | None = None,
    since_commit: str | None = None,
    known: Known | None = None,
) -> Notes:
    """The notes of a set difference of commits, given newest first."""
    more = known or Known()
    everything = list(commits)
    own = [each for each in everything if len(each.parents) < 2]
    lost = [each for each in more.gone if len(each.parents) < 2]
    standing = without_reverted(own)  # before copies are looked for: one may have been taken back, and redone
    kept = _without_copies(without_twins(_without_squashed(standing, more)), more.patches)
    new = _not_in(kept, lost, more)
    links: dict[str, str] = {}
    changes = [change for each in new for change in _told(each, more, links)]
    gone = without_reverted(_not_in(_without_copies(lost, more.patches), own, more))
    removed = [change for each in gone for change in _told(each, more, links)]
    return Notes(
        service,
        version,
        commit,
        since_version,
        since_commit,
        tuple(_ordered(changes)),
        _count(more.names.get(each.sha, each.author) for each in own),
        len(everything),
        len(own) - len(standing),
        len(kept) - len(new),
        tuple(_ordered(removed)),
        more.configuration,
        more.migrations,
        tuple((ticket, url) for ticket, url in sorted(links.items()) if url),
        more.flags,
    )


def _ordered(changes: Iterable[Change]) -> list[Change]:
    place = {heading: index for index, heading in enumerate(ORDER)}
    return sorted(changes, key=lambda c: (place[c.heading], not c.breaking, (c.scope or "").lower()))


def _without_copies(commits: Sequence[CommitLike], patches: Mapping[str, str]) -> list[CommitLike]:
    """The oldest of those with the same patch; they come newest first."""
    seen: set[str] = set()
    kept = []
    for each in reversed(commits):
        patch = patches.get(each.sha)
        if patch is None or patch not in seen:
            kept.append(each)
        if patch is not None:
            seen.add(patch)
    return kept[::-1]


def _not_in(commits: Sequence[CommitLike], others: Sequence[CommitLike], known: Known) -> list[CommitLike]:
    """Those whose patch is not on the other side, nor named there as picked from."""
    patches = {known.patches[each.sha] for each in others if each.sha in known.patches}
    ids = {each.sha for each in others}
    came = {sha for each in others for sha in picked_from(each)}
    return [
        each
        for each in commits
        if known.patches.get(each.sha) not in patches
        and each.sha not in came
        and not ids & set(picked_from(each))
    ]


def _without_squashed(commits: Sequence[CommitLike], known: Known) -> list[CommitLike]:
    """Without a pull request's own commits where the commit that it was squashed into is here too.

    Where the merge left one of its own commits, nothing was squashed: the branch was moved on.
    """
    here = {each.sha for each in commits}
    told = {
        sha
        for each in commits  # not all that is known: a changelog asks this for each of a thousand tags
        for pull in known.pulls.get(each.sha, ())
        if pull.merge_commit in here and pull.merge_commit not in pull.commits
        for sha in pull.commits
    }
    return [each for each in commits if each.sha not in told]


def _told(commit: CommitLike, known: Known, links: dict[str, str]) -> list[Change]:
    """What one commit changes, with its people and tickets; new tickets are added to the links."""
    text = f"{commit.subject}\n{commit.body}"
    tickets = tickets_in(known.tickets, text) if known.tickets else {}
    links.update(tickets)
    pulls = known.pulls.get(commit.sha, ())
    more = {
        "author": known.names.get(commit.sha, commit.author),
        "tickets": tuple(tickets),
        "reviewers": reviewers_of(commit.body, pulls),
        "pull": pulls[0].number if pulls else None,
    }
    return [replace(each, **more) for each in changes_of(commit)]  # type: ignore[arg-type]


def reviewers_of(body: str, pulls: Iterable[PullLike] = ()) -> tuple[str, ...]:
    """Who reviewed a commit: by the Reviewed-by lines of its message, and by approvals on the forge."""
    found = dict.fromkeys(name.strip() for name in _REVIEWED.findall(body))
    return tuple(found | dict.fromkeys(name for pull in pulls for name in pull.approvers))


def _count(names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
