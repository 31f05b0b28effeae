"""Anybody else, in the form of Standard Webhooks: signed over id, moment and body, and good for five minutes.

The payload is `{"type": ..., "timestamp": ..., "data": {...}}`, with our own words in `data`. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from clearway.source import PullRequest, Review, State, Verdict

from .forge import Facts, Forge, Headers, Heading, pushed, told_of
from .reading import Fields, Unreadable
from .signatures import standard

_STATES: dict[str, State] = {"open": "open", "merged": "merged", "closed": "closed"}
_VERDICTS: dict[str, Verdict] = {"approved": "approved", "refused": "refused", "withdrawn": "withdrawn"}


def _is_signed(headers: Headers, body: bytes, secrets: Sequence[bytes], now: datetime) -> bool:
    return standard(headers, body, secrets, now)


def _heading(headers: Headers, told: Fields, digest: str) -> Heading:
    return Heading(headers.get("webhook-id", ""), told.text("type", 80))


def _read(repository: str, event: str, told: Fields) -> Facts:
    if event == "push":
        return Facts(pushed(told.text("data.ref", 300)))
    if event == "pull_request":
        its = told.inside("data")
        found = _pull_request(repository, its, told.instant("timestamp"))
        reviews = _reviews(found, its)
        return Facts(told_of(found), pull_request=found, reviews=reviews)
    return Facts(fetch=event == "ping")


def _reviews(about: PullRequest, its: Fields) -> tuple[Review, ...]:
    found = []
    for each in its.each("reviews"):
        verdict, reviewer = _VERDICTS.get(each.text("verdict", 20)), each.name("reviewer")
        if verdict is None or not reviewer:
            raise Unreadable("data.reviews has one without a reviewer, or a verdict that is none of ours")
        at, commit = each.instant("at") or about.updated_at, each.sha("commit") or about.head
        found.append(Review(about.repository, about.number, reviewer, at, verdict, commit))
    return tuple(found)


def _pull_request(repository: str, its: Fields, sent: datetime | None) -> PullRequest:
    state = _STATES.get(its.text("state", 10))
    updated = its.instant("updated_at") or sent
    if state is None or updated is None:
        raise Unreadable("data.state is none of open, merged, closed, or no moment is told")
    merged = state == "merged"
    return PullRequest(
        repository=repository,
        number=its.need_number("number"),
        title=its.text("title", 1_000),
        body=its.text("body"),
        author=its.name("author"),
        state=state,
        target=its.need_branch("target"),
        head=its.need_sha("head"),
        url=its.address("url"),
        labels=_listed(its, "labels").names("all", "it"),
        approvers=(),
        commits=_listed(its, "commits").shas("all", "it"),
        updated_at=updated,
        merge_commit=its.sha("merge_commit") if merged else None,
        merged_by=its.name("merged_by") if merged else "",
        merged_at=its.instant("merged_at") if merged else None,
    )


def _listed(its: Fields, path: str) -> Fields:
    """A list of plain texts, as objects."""
    told = its.at(path)
    return Fields({"all": [{"it": each} for each in told] if isinstance(told, list) else []})


_ADDRESSES = ("data.repository",)
FORGE = Forge("generic", _is_signed, _heading, _read, _ADDRESSES)
