"""Which changes arrive with a release, and since when each was on its way. Pure.

Rules (the lead time of changes, docs/reference/dora.md):
1. A commit that ran already under another id, as a cherry-pick, does not arrive again. What was undone and is
   made again does.
2. A cherry-pick was on its way since its original was committed; so was a commit that a rebase made anew.
3. A squashed pull request is its own commits. Where nobody knows those, it is the one commit, and said to be.
4. Of two commits with one patch that arrive together on merged branches, one counts: the older one.
5. Merged is when the commit came to the line of the release: by itself, or with the merge that brought it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from clearway.source import Commit, PullRequest

__all__ = ["Arrival", "Known", "arrivals"]

RAN = "ran already as a cherry-pick"
TWICE = "the same patch twice"


@dataclass(frozen=True)
class Arrival:
    """One change that arrives."""

    sha: str
    committed_at: datetime
    merged_at: datetime | None  # None: it did not come by the release's own line
    how: str = ""  # how its time was found, where that is not its own commit


@dataclass(frozen=True)
class Known:
    """What is known besides the new commits themselves."""

    patches: Mapping[str, str] = field(default_factory=dict)  # patch-ids of all commits here, but merges
    ran: Sequence[Commit] = ()  # what ran before and is not in the new history
    ahead: Sequence[Commit] = ()  # what the service's branch has and the new history has not
    pulls: Mapping[str, Sequence[PullRequest]] = field(default_factory=dict)  # merged ones, by commit
    originals: Mapping[str, Commit] = field(default_factory=dict)  # commits of pull requests, by id


def arrivals(
    tip: str, new: Sequence[Commit], known: Known, is_behind: Callable[[str, str], bool]
) -> tuple[list[Arrival], dict[str, int]]:
    """The changes that arrive, newest first, and what was left out: reasons with numbers.

    `new` is what the release's history has and nothing had that ran before, newest first; `is_behind(a, b)`
    tells whether b's history has a.
    """
    merged = _merged(tip, new)
    ran = {patch for each in known.ran if (patch := known.patches.get(each.sha))}
    first = _originals(known)
    seen: dict[str, list[str]] = {}
    out: dict[str, int] = {}
    found: dict[str, Arrival] = {}
    for each in reversed(new):  # the oldest of twins counts
        patch = known.patches.get(each.sha)
        if patch in ran:
            out[RAN] = out.get(RAN, 0) + 1
            continue
        twins = seen.setdefault(patch, []) if patch else []
        if any(not is_behind(other, each.sha) for other in twins):
            out[TWICE] = out.get(TWICE, 0) + 1
            continue
        twins.append(each.sha)
        for arrival in _of(each, patch, merged.get(each.sha), known, first):
            found.setdefault(arrival.sha, arrival)
    return list(reversed(found.values())), out


def _of(
    commit: Commit,
    patch: str | None,
    merged_at: datetime | None,
    known: Known,
    first: Mapping[str, Commit],
) -> list[Arrival]:
    pull = next((one for one in known.pulls.get(commit.sha, ()) if one.merge_commit == commit.sha), None)
    if pull is not None and len(commit.parents) < 2 and commit.sha not in pull.commits:
        told = [known.originals[sha] for sha in pull.commits if sha in known.originals]
        rebased = patch is not None and any(known.patches.get(each.sha) == patch for each in told)
        if told and len(told) == len(pull.commits) and not rebased:
            how = f"a commit of #{pull.number}, which was squashed"
            return [Arrival(each.sha, each.committed_at, pull.merged_at or merged_at, how) for each in told]
        if not rebased:
            how = f"#{pull.number} as a whole: its own commits are not known"
            return [Arrival(commit.sha, commit.committed_at, pull.merged_at or merged_at, how)]
    origin = first.get(patch) if patch else None
    if origin is not None and origin.committed_at < commit.committed_at:
        how = f"since {origin.sha[:10]}, of which it is a copy"
        return [Arrival(commit.sha, origin.committed_at, merged_at, how)]
    return [Arrival(commit.sha, commit.committed_at, merged_at)]


def _originals(known: Known) -> dict[str, Commit]:
    """The oldest commit of each patch that is not among the new ones: in a pull request, or ahead."""
    found: dict[str, Commit] = {}
    for each in (*known.ahead, *known.originals.values()):
        patch = known.patches.get(each.sha)
        if patch and (patch not in found or each.committed_at < found[patch].committed_at):
            found[patch] = each
    return found


def _merged(tip: str, new: Sequence[Commit]) -> dict[str, datetime]:
    """When each new commit came to the line of first parents that ends at the tip."""
    here = {each.sha: each for each in new}
    line = []
    sha: str | None = tip
    while sha is not None and sha in here:
        line.append(here[sha])
        sha = here[sha].parents[0] if here[sha].parents else None
    found: dict[str, datetime] = {}
    for step in reversed(line):
        waiting = [step.sha]
        while waiting:
            each = waiting.pop()
            if each in here and each not in found:
                found[each] = step.committed_at
                waiting += here[each].parents
    return found
