"""GitHub: `X-Hub-Signature-256` over the body, `X-GitHub-Delivery`, `X-GitHub-Event`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from clearway.source import PullRequest, Review, State, Verdict

from .forge import Facts, Forge, Headers, Heading, pushed, told_of
from .reading import Fields
from .signatures import hex_hmac

_VERDICTS: dict[str, Verdict] = {
    "approved": "approved",
    "changes_requested": "refused",
    "dismissed": "withdrawn",
}


def _is_signed(headers: Headers, body: bytes, secrets: Sequence[bytes], now: datetime) -> bool:
    return hex_hmac(headers.get("x-hub-signature-256", ""), body, secrets, "sha256=")


def _heading(headers: Headers, told: Fields, digest: str) -> Heading:
    return Heading(headers.get("x-github-delivery", ""), headers.get("x-github-event", ""))


def _read(repository: str, event: str, told: Fields) -> Facts:
    if event == "ping":
        return Facts("the webhook was set up")
    if event == "push":
        return Facts(pushed(told.text("ref", 300)))
    if event in ("create", "delete"):
        return Facts(f"{event} {told.name('ref_type')} {told.name('ref')}".strip())
    if event in ("pull_request", "pull_request_review"):
        found = pull_request(repository, told.inside("pull_request"))
        reviews = _reviews(found, told) if event == "pull_request_review" else ()
        return Facts(told_of(found), pull_request=found, reviews=reviews)
    return Facts(fetch=False)


def pull_request(repository: str, told: Fields) -> PullRequest:
    """A pull request in GitHub's form, which Gitea and Forgejo speak too. Raises Unreadable."""
    merged = told.flag("merged") or told.instant("merged_at") is not None
    state: State = "merged" if merged else "open" if told.at("state") == "open" else "closed"
    return PullRequest(
        repository=repository,
        number=told.need_number("number"),
        title=told.text("title", 1_000),
        body=told.text("body"),
        author=told.first_name("user.login"),
        state=state,
        target=told.need_branch("base.ref"),
        head=told.need_sha("head.sha"),
        url=told.address("html_url"),
        labels=told.names("labels", "name"),
        approvers=(),
        commits=(),
        updated_at=told.need_instant("updated_at"),
        merge_commit=told.sha("merge_commit_sha") if merged else None,  # before, it is only a rehearsal
        merged_by=told.first_name("merged_by.login") if merged else "",
        merged_at=told.instant("merged_at") if merged else None,
    )


def _reviews(about: PullRequest, told: Fields) -> tuple[Review, ...]:
    review = told.inside("review")
    verdict = _VERDICTS.get(review.text("state", 40).lower())
    reviewer = review.name("user.login")
    if verdict is None or not reviewer:
        return ()  # a comment takes no verdict back
    return (
        Review(
            about.repository,
            about.number,
            reviewer,
            review.instant("submitted_at") or about.updated_at,
            verdict,
            review.need_sha("commit_id"),
        ),
    )


_ADDRESSES = ("repository.clone_url", "repository.ssh_url", "repository.html_url")
FORGE = Forge("github", _is_signed, _heading, _read, _ADDRESSES, takes_forms=True)
