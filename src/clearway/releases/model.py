"""Releases and promotions: frozen records, their states, and a release's digest. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, get_args

from clearway.changes import Approval
from clearway.kernel import Actor, digest_of

__all__ = [
    "ENDED",
    "OPEN",
    "WAITING",
    "ArtifactRef",
    "Author",
    "Head",
    "Kind",
    "Permission",
    "Promotion",
    "Release",
    "State",
    "manifest_of",
]

Waiting = Literal["waiting-approval", "waiting-window", "waiting-soak", "held"]
Moving = Literal["deploying"]
Ended = Literal["succeeded", "rolled-back", "failed", "refused", "rejected", "cancelled", "superseded"]
State = Waiting | Moving | Ended
Kind = Literal["rollout", "rollback"]

WAITING: frozenset[str] = frozenset(get_args(Waiting))
OPEN: frozenset[str] = WAITING | frozenset(get_args(Moving))
ENDED: frozenset[str] = frozenset(get_args(Ended))

# What a promotion may become; what is missing here is a fault, and refused where states are written.
MOVES: Mapping[str, frozenset[str]] = {
    **{state: OPEN | (ENDED - {"succeeded", "rolled-back"}) for state in WAITING},
    "deploying": frozenset({"succeeded", "rolled-back", "failed"}),
    **{state: frozenset() for state in ENDED},
}

MANIFEST = "clearway.release/1"


@dataclass(frozen=True, order=True)
class Author:
    """Who wrote a commit, as git has it; `access` knows which user that is."""

    name: str
    email: str

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>" if self.email else self.name


@dataclass(frozen=True)
class ArtifactRef:
    """One artifact of a release."""

    digest: str
    name: str
    type: str
    size: int


@dataclass(frozen=True)
class Release:
    """An immutable manifest, named by its digest and a version."""

    id: str
    service: str
    version: str
    digest: str  # over everything that `manifest_of` holds
    content_digest: str  # the same without notes and policy, which are those of the moment
    commit: str
    artifacts: tuple[ArtifactRef, ...]
    bundle_digest: str  # the artifact that is deployed
    definition: Mapping[str, Any]  # clearway.yaml at the commit
    config_schema_digest: str
    policy_digest: str  # route, environments and gates when it was made
    notes_digest: str
    build_id: str
    created_by: str
    authors: tuple[Author, ...]  # of the commits that are new to the route's last environment
    at: datetime
    since_version: str | None = None  # what the notes compare with
    since_commit: str | None = None

    @property
    def prerelease(self) -> bool:
        """Whether the version says that it is not meant for everybody (1.2.0-rc1, 1.2.0rc1, 1.2.0.dev3)."""
        core = self.version.split("+")[0].lstrip("v")
        return any(char.isalpha() or char == "-" for char in core)

    @property
    def reads(self) -> frozenset[int]:
        """Versions of stored data that it can read."""
        return frozenset(self.definition.get("compatibility", {}).get("reads", (1,)))

    @property
    def writes(self) -> int:
        """The version of stored data that it writes."""
        return int(self.definition.get("compatibility", {}).get("writes", 1))

    def to_json(self) -> dict[str, Any]:
        """The release as JSON values."""
        plain = asdict(self)
        plain["artifacts"] = [asdict(each) for each in self.artifacts]
        plain["authors"] = [str(each) for each in self.authors]
        plain["at"] = self.at.isoformat()
        plain["prerelease"] = self.prerelease
        return plain


def manifest_of(
    *,
    service: str,
    version: str,
    commit: str,
    artifacts: Iterable[ArtifactRef],
    definition: Mapping[str, Any],
    policy: str = "",
    notes: str = "",
) -> dict[str, Any]:
    """What a release's digest covers. Without `policy` and `notes` it is what two builds must agree on."""
    return {
        "format": MANIFEST,
        "service": service,
        "version": version,
        "commit": commit,
        "artifacts": sorted(
            (asdict(each) for each in artifacts), key=lambda each: (each["name"], each["digest"])
        ),
        "configuration_schema": digest_of(definition.get("config", {})),
        "migrations": list(definition.get("migrations", [])),
        "compatibility": dict(definition.get("compatibility", {})),
        "process": definition.get("process"),
        "canary": definition.get("canary"),
        "policy": policy,
        "notes": notes,
    }


@dataclass(frozen=True)
class Promotion:
    """One release going to one environment."""

    id: str
    release_id: str
    release_digest: str
    service: str
    version: str
    environment: str
    state: State
    why: str  # why it is in this state, in a sentence
    kind: Kind
    plan: Mapping[str, Any]  # JSON of the Plan: content, hash, and what was predicted beside it
    plan_hash: str
    requested_by: str
    requested_kind: str
    reason: str
    override_freeze: bool
    created_at: datetime
    approvals: tuple[Approval, ...] = ()
    gates: Mapping[str, Any] = field(default_factory=dict)  # the decision that was taken last
    deployment_id: str | None = None
    started_at: datetime | None = None  # when the deployment began
    finished_at: datetime | None = None
    wake_at: datetime | None = None  # when it is looked at next, if no event comes before
    revision: int = 0
    replaces_digest: str | None = None  # the release that ran when the plan was made

    @property
    def requester(self) -> Actor:
        """Who asked for it."""
        kind: Any = self.requested_kind
        return Actor(self.requested_by, kind)

    @property
    def open(self) -> bool:
        """Whether it has not ended."""
        return self.state in OPEN

    @property
    def standing(self) -> tuple[Approval, ...]:
        """The approvals that stand under the present plan."""
        return tuple(each for each in self.approvals if each.counts and each.plan_hash == self.plan_hash)

    @property
    def authors(self) -> tuple[str, ...]:
        """Names and addresses of those who wrote the change set, and who asked: none of them approves."""
        names: list[str] = [self.requested_by]
        for author in self.plan["content"]["authors"]:
            names += [part for part in (author["name"], author["email"]) if part]
        return tuple(dict.fromkeys(names))

    def to_json(self) -> dict[str, Any]:
        """The promotion as JSON values."""
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        plain["plan"] = dict(self.plan)
        plain["gates"] = dict(self.gates)
        plain["approvals"] = [each.to_json() for each in self.approvals]
        return {key: _text(value) for key, value in plain.items()}


@dataclass(frozen=True)
class Head:
    """What decisions about a place read of a promotion there; without its plan, which is large."""

    id: str
    release_id: str
    release_digest: str
    service: str
    version: str
    environment: str
    state: str
    why: str
    kind: str
    deployment_id: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    replaces_digest: str | None


@dataclass(frozen=True)
class Permission:
    """Whether a running deployment may take its next step."""

    go: bool
    reason: str = ""


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
