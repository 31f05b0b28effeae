"""Whether a history keeps to the rules of its branches: each violation with its commit, its rule, what to do.

Rules:
1. What counts is where commits are, not what branches are called in messages. A cherry-pick, by patch-id or
   by the line that `cherry-pick -x` leaves, is as good as the commit itself.
2. A merge brings nothing of its own: it need not reach anywhere. It may be asked where it came from, and
   there the message is all that git has.
3. What `since` reaches is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Literal

from clearway.catalog import FINAL, NOTHING, Branching, BranchRule, Versioning, fits, rule_for

from .model import Commit
from .reach import Reach
from .repo import Repo, commit, commits_between, patch_ids, resolve
from .signatures import Signature

Broken = Literal[
    "unknown branch",
    "no such branch",
    "never reached",
    "tag off its branch",
    "merged from elsewhere",
    "not signed",
    "not reviewed",
]
MOST_JUDGED = 5000  # commits of one branch, the newest ones
MOST_FOUND = 1000

_PICKED = re.compile(r"^\(cherry picked from commit ([0-9a-f]{40})\)$", re.MULTILINE)
_MERGED = (
    re.compile(r"Merge (?:remote-tracking )?branch '(?:origin/)?([^']{1,200})'"),
    re.compile(r"Merge pull request #\d+ from [^/\s]{1,100}/(\S{1,200})"),
)


@dataclass(frozen=True)
class Violation:
    """One thing that a rule does not want."""

    rule: Broken
    commit: str
    branch: str  # or the tag
    subject: str  # of the commit
    author: str
    why: str
    todo: str


@dataclass(frozen=True)
class Judged:
    """A history held against its rules."""

    violations: tuple[Violation, ...]
    branches: tuple[tuple[str, str, str], ...]  # branch, the rule's pattern, what it yields
    commits: int  # how many were looked at
    whole: bool  # False: some branch has more commits than are judged, or more is wrong than is told


@dataclass
class Case:
    """A repository and its rules, with what is asked of others."""

    repo: Repo
    branching: Branching
    branch: str  # the service's, for the trunk
    versioning: Versioning
    now: datetime
    signed: Callable[[Sequence[str]], Mapping[str, Signature]]
    reviewed: Callable[[Sequence[str]], set[str]]
    seen: set[str] = field(default_factory=set)
    whole: bool = True

    def __post_init__(self) -> None:
        prefix = "refs/heads/"
        self.rules = self.branching.all_rules(self.branch)
        self.heads = {
            name.removeprefix(prefix): sha
            for name, sha in self.repo.pointers().items()
            if name.startswith(prefix)
        }
        self.ruled = {name: rule_for(self.rules, name) for name in sorted(self.heads)}
        self.since = [resolve(self.repo, self.branching.since)] if self.branching.since else []

    def judge(self) -> Judged:
        """Everything that is wrong, branch by branch. Raises NotFound when `since` names nothing."""
        found = list(islice(self._all(), MOST_FOUND + 1))
        branches = [(name, rule.branch, rule.yields) for name, rule in self.ruled.items() if rule]
        whole = self.whole and len(found) <= MOST_FOUND
        return Judged(tuple(found[:MOST_FOUND]), tuple(branches), len(self.seen), whole)

    def _all(self) -> Iterator[Violation]:
        for name, rule in self.ruled.items():
            if rule is None:
                yield self._unknown(name)
                continue
            yield from self._never_reached(name, rule)
            yield from self._merged_from(name, rule)
        yield from self._tags_off()
        yield from self._unproven()

    def own(self, name: str, without: Iterable[str]) -> list[Commit]:
        """The newest commits of a branch that none of the others has, nor `since`."""
        found = commits_between(self.repo, [*without, *self.since], self.heads[name])
        self.whole = self.whole and len(found) <= MOST_JUDGED
        self.seen.update(each.sha for each in found[:MOST_JUDGED])
        return found[:MOST_JUDGED]

    def _unknown(self, name: str) -> Violation:
        tip = self._commit(self.heads[name])
        known = ", ".join(rule.branch for rule in self.rules)
        return _violation(
            "unknown branch", tip, name, f"no rule knows the branch {name}", f"Expected one of {known}."
        )

    def _never_reached(self, name: str, rule: BranchRule) -> Iterator[Violation]:
        for pattern in rule.reaches:
            targets = {other: sha for other, sha in self.heads.items() if fits(pattern, other)}
            targets.pop(name, None)
            if not targets:
                tip = self._commit(self.heads[name])
                why = f"commits of {name} must reach {pattern}, and there is no such branch"
                yield _violation("no such branch", tip, name, why, "Make it, or change the rule.")
                continue
            missing = [each for each in self.own(name, targets.values()) if len(each.parents) < 2]
            late = [each for each in missing if self.now - each.committed_at >= rule.within]
            picked = self._picked(late, targets, name) if late else set()
            for each in late:
                if each.sha not in picked:
                    yield _violation(
                        "never reached",
                        each,
                        name,
                        f"it is on {name} and never reached {pattern}",
                        f"Merge {name} into {pattern}, or git cherry-pick -x {each.sha[:12]} there.",
                    )

    def _picked(self, missing: Sequence[Commit], targets: Mapping[str, str], name: str) -> set[str]:
        """Those of the commits that a target has under another id."""
        there: list[Commit] = []
        for sha in targets.values():
            there += commits_between(self.repo, [self.heads[name], *self.since], sha)[:MOST_JUDGED]
        told = {sha for each in there for sha in _PICKED.findall(each.body)}
        patches = patch_ids(self.repo, [*missing, *there])
        same = {patches[each.sha] for each in there if each.sha in patches}
        found = {each.sha for each in missing if each.sha in told or patches.get(each.sha) in same}
        origins = {each.sha: _PICKED.findall(each.body) for each in missing if each.sha not in found}
        if any(origins.values()):
            reach = Reach(self.repo, targets.values())
            found |= {sha for sha, of in origins.items() if any(reach.tips_with(each) for each in of)}
        return found

    def _merged_from(self, name: str, rule: BranchRule) -> Iterator[Violation]:
        if rule.takes is None:
            return
        for each in self._first_parents(name):
            source = _source_of(each)
            if source and source != name and not any(fits(pattern, source) for pattern in rule.takes):
                yield _violation(
                    "merged from elsewhere",
                    each,
                    name,
                    f"{source} was merged into {name}, which takes only {', '.join(rule.takes) or 'nothing'}",
                    "Revert the merge, or let the rule take that branch.",
                )

    def _first_parents(self, name: str) -> Iterator[Commit]:
        """The merges on a branch itself, newest first."""
        ours = {each.sha: each for each in self.own(name, [])}
        sha = self.heads[name]
        while sha in ours:
            each = ours[sha]
            if len(each.parents) > 1:
                yield each
            if not each.parents:
                return
            sha = each.parents[0]

    def _tags_off(self) -> Iterator[Violation]:
        yielding: dict[str, list[str]] = {}
        for name, rule in self.ruled.items():
            if rule is not None and rule.yields != NOTHING:
                yielding.setdefault(rule.yields, []).append(self.heads[name])
        tagged = {
            name.removeprefix("refs/tags/"): self.repo.reference(name)
            for name in self.repo.pointers()
            if name.startswith("refs/tags/")
        }
        reach = Reach(self.repo, [*(sha for some in yielding.values() for sha in some), *self.since])
        before = sum(reach.mark(sha) for sha in self.since)
        marks = {kind: sum({reach.mark(sha) for sha in some}) for kind, some in yielding.items()}
        for tag, sha in sorted(tagged.items()):
            version = self.versioning.version_of(tag)
            if version is None or sha is None or reach.tips_with(sha) & before:
                continue
            # A prerelease may come from any branch that yields some; what is final only from those that may.
            kinds = [FINAL] if version.final else list(marks)
            if not any(reach.tips_with(sha) & marks.get(kind, 0) for kind in kinds):
                what = "final versions" if version.final else "versions"
                why = f"the tag {tag} is on no branch that yields {what}"
                yield _violation(
                    "tag off its branch", self._commit(sha), tag, why, "Release from such a branch."
                )

    def _unproven(self) -> Iterator[Violation]:
        """Commits that are to be signed or reviewed, each once, on the first branch that wants it."""
        asked: dict[str, tuple[Commit, str]] = {}
        looked: dict[str, tuple[Commit, str]] = {}
        for name, rule in self.ruled.items():
            if rule is None or not (wants := self._wants(rule)):
                continue
            for each in self.own(name, []):
                if "signed" in wants:
                    asked.setdefault(each.sha, (each, name))
                if "reviewed" in wants:
                    looked.setdefault(each.sha, (each, name))
        worth = self.signed(list(asked)) if asked else {}
        for sha, (each, name) in asked.items():
            if worth[sha].state != "good":
                todo = "Sign it with a key that its author's User document declares."
                yield _violation("not signed", each, name, worth[sha].why, todo)
        seen = self.reviewed(list(looked)) if looked else set()
        for sha, (each, name) in looked.items():
            if sha not in seen:
                why = "no pull request with it was approved by somebody else than its author"
                yield _violation("not reviewed", each, name, why, "Have it reviewed, or revert it.")

    def _wants(self, rule: BranchRule) -> set[str]:
        versions = rule.yields != NOTHING
        signed = rule.signed if rule.signed is not None else self.branching.signed and versions
        reviewed = rule.reviewed if rule.reviewed is not None else self.branching.reviewed and versions
        return {word for word, wanted in (("signed", signed), ("reviewed", reviewed)) if wanted}

    def _commit(self, sha: str) -> Commit:
        return commit(self.repo, sha)


def _violation(rule: Broken, commit: Commit, branch: str, why: str, todo: str) -> Violation:
    return Violation(rule, commit.sha, branch, commit.subject[:200], commit.author[:100], why, todo)


def _source_of(merge: Commit) -> str | None:
    found = next((match for form in _MERGED if (match := form.match(merge.subject))), None)
    return found[1] if found else None
