"""Gitea and Forgejo: a signature in bare hexadecimal digits, and payloads much like GitHub's. Pure.

Both send GitHub's and Gogs' headers too. Forgejo's own go first, then Gitea's; the first one that is there is
the one that counts, so a bad signature is not rescued by another header.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from clearway.source import PullRequest, Review, Verdict

from .forge import Facts, Forge, Headers, Heading, pushed, told_of
from .github import pull_request
from .reading import Fields
from .signatures import hex_hmac

_VERDICTS: dict[str, Verdict] = {
    "pull_request_review_approved": "approved",
    "pull_request_review_rejected": "refused",
}
_ABOUT_PULLS = ("pull_request", "pull_request_approved", "pull_request_rejected")


def _is_signed(headers: Headers, body: bytes, secrets: Sequence[bytes], now: datetime) -> bool:
    for name in ("x-forgejo-signature", "x-gitea-signature"):
        if name in headers:
            return hex_hmac(headers[name], body, secrets)
    return hex_hmac(headers.get("x-hub-signature-256", ""), body, secrets, "sha256=")


def _heading(headers: Headers, told: Fields, digest: str) -> Heading:
    return Heading(_own(headers, "delivery"), _own(headers, "event"))


def _own(headers: Headers, what: str) -> str:
    found = (headers.get(f"x-{name}-{what}", "") for name in ("forgejo", "gitea"))
    return next(filter(None, found), "")


def _read(repository: str, event: str, told: Fields) -> Facts:
    if event == "push":
        return Facts(pushed(told.text("ref", 300)))
    if event in ("create", "delete"):
        return Facts(f"{event} {told.name('ref_type')} {told.name('ref')}".strip())
    if event.startswith("pull_request") and told.has("pull_request"):
        found = pull_request(repository, told.inside("pull_request"))
        return Facts(told_of(found), pull_request=found, reviews=_reviews(found, told))
    return Facts(fetch=event in _ABOUT_PULLS)


def _reviews(about: PullRequest, told: Fields) -> tuple[Review, ...]:
    verdict = _VERDICTS.get(told.text("review.type", 60))
    reviewer = told.name("sender.login")
    if verdict is None or not reviewer:
        return ()
    commit = told.sha("commit_id") or about.head
    return (Review(about.repository, about.number, reviewer, about.updated_at, verdict, commit),)


_ADDRESSES = ("repository.clone_url", "repository.ssh_url", "repository.html_url")
GITEA = Forge("gitea", _is_signed, _heading, _read, _ADDRESSES)
FORGEJO = Forge("forgejo", _is_signed, _heading, _read, _ADDRESSES)
