"""GitLab: a signing token by Standard Webhooks' form, or the older secret token. Pure.

The older token proves who sends, not what: it travels with every delivery, and covers no byte of it. Take the
signing token wherever GitLab offers it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from clearway.source import PullRequest, Review, State, Verdict

from .forge import Facts, Forge, Headers, Heading, pushed, told_of
from .reading import Fields
from .signatures import is_key, password, standard

_STATES: dict[str, State] = {"opened": "open", "locked": "open", "merged": "merged", "closed": "closed"}
_VERDICTS: dict[str, Verdict] = {
    "approved": "approved",  # with which it has all that it needs
    "approval": "approved",
    "unapproved": "withdrawn",
    "unapproval": "withdrawn",
}


def _is_signed(headers: Headers, body: bytes, secrets: Sequence[bytes], now: datetime) -> bool:
    keys = [each for each in secrets if is_key(each)]
    tokens = [each for each in secrets if not is_key(each)]
    by_key = standard(headers, body, keys, now)
    return password(headers.get("x-gitlab-token", ""), tokens) or by_key


def _heading(headers: Headers, told: Fields, digest: str) -> Heading:
    event = headers.get("x-gitlab-event", "")
    for name in ("webhook-id", "idempotency-key"):
        if found := headers.get(name):
            return Heading(found, event)
    # Before 17.4 there was only an id of what set the webhooks off: a merge sends a push and a merge request
    # under one. A retry has the same bytes, so both together name a delivery.
    cause = headers.get("x-gitlab-event-uuid", "")
    return Heading(f"{cause}/{digest[-16:]}" if cause else "", event)


def _read(repository: str, event: str, told: Fields) -> Facts:
    if event in ("Push Hook", "Tag Push Hook"):
        return Facts(pushed(told.text("ref", 300)))
    if event == "Merge Request Hook":
        found = _merge_request(repository, told)
        return Facts(told_of(found), pull_request=found, reviews=_reviews(found, told))
    return Facts(fetch=False)


def _merge_request(repository: str, told: Fields) -> PullRequest:
    its = told.inside("object_attributes")
    state = _STATES.get(its.text("state", 20), "open")
    merged = state == "merged"
    merging = merged and its.at("action") == "merge"  # later events name whoever did something else
    updated = its.need_instant("updated_at")
    return PullRequest(
        repository=repository,
        number=its.need_number("iid"),
        title=its.text("title", 1_000),
        body=its.text("description"),
        author=_author(told),
        state=state,
        target=its.need_branch("target_branch"),
        head=its.need_sha("last_commit.id"),
        url=its.address("url"),
        labels=told.names("labels", "title"),
        approvers=(),
        commits=(),
        updated_at=updated,
        merge_commit=its.sha("merge_commit_sha") if merged else None,
        merged_by=told.first_name("user.username", "user.name") if merging else "",
        merged_at=updated if merging else None,
    )


def _author(told: Fields) -> str:
    """The author, who is told by number alone: the one of those named who has it, or who just opened it."""
    number = told.number("object_attributes.author_id")
    people = [told.inside("user"), *told.each("assignees"), *told.each("reviewers")]
    for each in people:
        if number is not None and each.number("id") == number:
            return each.first_name("username", "name")
    opening = told.at("object_attributes.action") == "open"
    return told.first_name("user.username", "user.name") if opening else ""


def _reviews(about: PullRequest, told: Fields) -> tuple[Review, ...]:
    verdict = _VERDICTS.get(told.text("object_attributes.action", 40))
    reviewer = told.first_name("user.username", "user.name")
    if verdict is None or not reviewer:
        return ()
    return (Review(about.repository, about.number, reviewer, about.updated_at, verdict, about.head),)


_ADDRESSES = ("project.git_http_url", "project.git_ssh_url", "project.web_url")
FORGE = Forge("gitlab", _is_signed, _heading, _read, _ADDRESSES)
