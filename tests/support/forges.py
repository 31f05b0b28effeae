"""How each forge sends a delivery, for tests: its headers, its proof of the secret, its payload."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PAYLOADS = Path(__file__).parents[1] / "unit/faces/webhooks/payloads"
SECRET = b"whsec_" + base64.b64encode(b"a key of thirty-two bytes, at most")
TOKEN = b"a token that is long enough"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
FORGES = ("github", "gitlab", "azure-devops", "gitea", "forgejo", "generic")
# What each calls it: a push, then a pull request that is opened, approved, and merged.
STORY = {
    "github": (
        ("push", "github.push"),
        ("pull_request", "github.pull_request.opened"),
        ("pull_request_review", "github.pull_request_review"),
        ("pull_request", "github.pull_request.closed"),
    ),
    "gitlab": (
        ("Push Hook", "gitlab.push"),
        ("Merge Request Hook", "gitlab.merge_request.open"),
        ("Merge Request Hook", "gitlab.merge_request.approved"),
        ("Merge Request Hook", "gitlab.merge_request.merge"),
    ),
    "azure-devops": (
        ("git.push", "azure-devops.git.push"),
        ("git.pullrequest.created", "azure-devops.git.pullrequest.created"),
        ("git.pullrequest.updated", "azure-devops.git.pullrequest.updated"),
        ("git.pullrequest.merged", "azure-devops.git.pullrequest.merged"),
    ),
    "gitea": (
        ("push", "gitea.push"),
        ("pull_request", "gitea.pull_request.opened"),
        ("pull_request_approved", "gitea.pull_request.approved"),
        ("pull_request", "gitea.pull_request.closed"),
    ),
    "generic": (
        ("push", "generic.push"),
        ("pull_request", "generic.pull_request.opened"),
        ("pull_request", "generic.pull_request.approved"),
        ("pull_request", "generic.pull_request.merged"),
    ),
}
STORY["forgejo"] = STORY["gitea"]


def payload(name: str) -> dict[str, Any]:
    """A payload in its forge's documented form."""
    told: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
    return told


@dataclass(frozen=True)
class Sent:
    """A delivery as a forge sends it."""

    forge: str
    event: str
    body: bytes
    secret: bytes = SECRET
    id: str = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
    at: datetime = AT
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """Everything that goes with the body."""
        make = globals()[f"_{self.forge.replace('-', '_')}"]
        return {"Content-Type": "application/json", **make(self), **self.more}

    def but(self, **other: Any) -> Sent:
        """The same, signed anew, with something else."""
        return replace(self, **other)


def sent(forge: str, chapter: int, **more: Any) -> Sent:
    """A delivery of the forge's story."""
    event, name = STORY[forge][chapter]
    told = payload(name)
    if forge == "azure-devops" and "id" in more:
        told["id"] = more["id"]
    return Sent(forge, event, json.dumps(told).encode(), **more)


def _hex(one: Sent) -> str:
    return hmac.new(one.secret, one.body, hashlib.sha256).hexdigest()


def _standard(one: Sent) -> dict[str, str]:
    key = base64.b64decode(one.secret[6:]) if one.secret.startswith(b"whsec_") else one.secret
    stamp = str(int(one.at.timestamp()))
    signed = b".".join((one.id.encode(), stamp.encode(), one.body))
    found = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": one.id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{found}"}


def _github(one: Sent) -> dict[str, str]:
    return {
        "User-Agent": "GitHub-Hookshot/044aadd",
        "X-GitHub-Delivery": one.id,
        "X-GitHub-Event": one.event,
        "X-GitHub-Hook-ID": "292430182",
        "X-Hub-Signature": "sha1=7d38cdd689735b008b3c702edd92eea23791c5f6",
        "X-Hub-Signature-256": f"sha256={_hex(one)}",
    }


def _gitlab(one: Sent) -> dict[str, str]:
    common = {
        "User-Agent": "GitLab/19.1.0",
        "X-Gitlab-Event": one.event,
        "X-Gitlab-Event-UUID": "13792a34-cac6-4fda-95a8-c58e00a3954e",
        "X-Gitlab-Webhook-UUID": "02affd2d-2cba-4033-917d-ec22d5dc4b38",
        "Idempotency-Key": one.id,
    }
    if one.secret.startswith(b"whsec_"):
        return {**common, **_standard(one)}
    return {**common, "X-Gitlab-Token": one.secret.decode()}


def _azure_devops(one: Sent) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(b"clearway:" + one.secret).decode()}


def _gitea(one: Sent) -> dict[str, str]:
    own = {f"X-{name}-Delivery": one.id for name in ("Gitea", "Gogs", "GitHub")}
    own |= {f"X-{name}-Event": one.event for name in ("Gitea", "Gogs", "GitHub")}
    signatures = {"X-Gitea-Signature": _hex(one), "X-Gogs-Signature": _hex(one)}
    return {**own, **signatures, "X-Hub-Signature-256": f"sha256={_hex(one)}"}


def _forgejo(one: Sent) -> dict[str, str]:
    own = {"X-Forgejo-Delivery": one.id, "X-Forgejo-Event": one.event, "X-Forgejo-Signature": _hex(one)}
    return {**_gitea(one), **own}


def _generic(one: Sent) -> dict[str, str]:
    return _standard(one)
