"""Azure DevOps service hooks: basic authentication; id and event stand in the payload. Pure.

It signs nothing: the secret is the password of the subscription, and travels with every delivery.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from clearway.source import PullRequest, Review, State, Verdict

from .forge import Facts, Forge, Headers, Heading, pushed, told_of
from .reading import Fields
from .signatures import basic

_STATES: dict[str, State] = {"active": "open", "completed": "merged", "abandoned": "closed"}
_PULLS = ("git.pullrequest.created", "git.pullrequest.updated", "git.pullrequest.merged")


def _is_signed(headers: Headers, body: bytes, secrets: Sequence[bytes], now: datetime) -> bool:
    return basic(headers.get("authorization", ""), secrets)


def _heading(headers: Headers, told: Fields, digest: str) -> Heading:
    # Two subscriptions, for pushes and for votes, may tell of one event, each with bytes of its own.
    parts = [told.text(name, 80) for name in ("subscriptionId", "id")]
    return Heading("/".join(filter(None, parts)) if parts[1] else "", told.text("eventType", 80))


def _read(repository: str, event: str, told: Fields) -> Facts:
    if event == "git.push":
        first = next(told.each("resource.refUpdates"), Fields({}))
        return Facts(pushed(first.text("name", 300)))
    if event in _PULLS:
        found = _pull_request(repository, told)
        return Facts(told_of(found), pull_request=found, reviews=_reviews(found, told))
    return Facts(fetch=False)


def _pull_request(repository: str, told: Fields) -> PullRequest:
    its = told.inside("resource")
    state = _STATES.get(its.text("status", 20), "open")
    merged = state == "merged"
    return PullRequest(
        repository=repository,
        number=its.need_number("pullRequestId"),
        title=its.text("title", 1_000),
        body=its.text("description"),
        author=its.first_name("createdBy.uniqueName", "createdBy.displayName"),
        state=state,
        target=its.need_branch("targetRefName"),
        head=its.need_sha("lastMergeSourceCommit.commitId"),
        url=_page(its),
        labels=its.names("labels", "name"),
        approvers=(),
        commits=tuple(reversed(its.shas("commits", "commitId"))),  # told newest first
        updated_at=told.need_instant("createdDate"),
        merge_commit=its.sha("lastMergeCommit.commitId") if merged else None,  # before, it is a rehearsal
        merged_by=its.first_name("closedBy.uniqueName", "closedBy.displayName") if merged else "",
        merged_at=its.instant("closedDate") if merged else None,
    )


def _page(its: Fields) -> str:
    """The pull request's page; `url` is that of the interface for programs."""
    repository = its.address("repository.remoteUrl")
    return its.address("_links.web.href") or (
        f"{repository}/pullrequest/{its.need_number('pullRequestId')}" if repository else ""
    )


def _reviews(about: PullRequest, told: Fields) -> tuple[Review, ...]:
    """Every reviewer's vote as it stands: 10 approved, 5 with suggestions, 0 none, -5 waits, -10 rejected."""
    found = []
    for each in told.each("resource.reviewers"):
        vote, name = each.number("vote"), each.first_name("uniqueName", "displayName")
        if vote is None or not name or each.flag("isContainer"):
            continue  # a team votes by its members
        verdict: Verdict = "approved" if vote >= 5 else "refused" if vote < 0 else "withdrawn"
        at = about.updated_at
        found.append(Review(about.repository, about.number, name, at, verdict, about.head, standing=True))
    return tuple(found)


_ADDRESSES = ("resource.repository.remoteUrl", "resource.repository.sshUrl")
FORGE = Forge("azure-devops", _is_signed, _heading, _read, _ADDRESSES)
