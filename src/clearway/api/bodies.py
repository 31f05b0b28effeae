"""What requests carry. Unknown keys are errors; every text has a limit."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from clearway.kernel import Described

from .wrong import SECRET

Name = Annotated[str, Field(min_length=1, max_length=100)]
Reason = Annotated[str, Field(max_length=2000)]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Span = Annotated[str, Field(max_length=40, examples=["90s", "2h", "7d"])]
Secret = Annotated[str, Field(max_length=64 * 1024, json_schema_extra=SECRET)]


class Body(Described):
    """Base of all request bodies."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ApplyBody(Body):
    """Platform documents."""

    files: dict[Annotated[str, Field(max_length=500)], str]
    """Name and content of each file; names appear in errors."""
    variables: dict[Name, Annotated[str, Field(max_length=4000)]] = Field(default={})
    """Values for ${NAME} in the files."""
    prune: bool = False
    """Delete what the files do not name from the catalog."""


class TokenBody(Body):
    """A new API token."""

    user: Name | None = None
    """Whose token; one's own when left out."""
    name: Annotated[str, Field(max_length=100)] = ""
    """What it is for."""
    scopes: Annotated[list[Name], Field(max_length=100)] = Field(default=["*"])
    """Actions such as promotion:create, promotion:*, *:read; all that the user may when left out."""
    environments: Annotated[list[Name], Field(max_length=100)] | None = None
    """The environments it reaches; all when left out."""
    expires_in: Span = "90d"
    """How long it lives."""


class SignInBody(Body):
    """Somebody's name and password, for a token of their own."""

    name: Name
    """The user."""
    password: Annotated[str, Field(max_length=1024)]
    """The present one."""
    new_password: Annotated[str, Field(max_length=1024)] | None = None
    """Another one from now on; needed when somebody else set the present one."""
    label: Annotated[str, Field(max_length=100)] = ""
    """What the token is for."""
    expires_in: Span = "90d"
    """How long the token lives."""


class PasswordBody(Body):
    """A new password."""

    password: Annotated[str, Field(max_length=1024, json_schema_extra=SECRET)]
    """The new one."""
    current: Annotated[str | None, Field(max_length=1024, json_schema_extra=SECRET)] = None
    """The present one, to change one's own."""


class BuildBody(Body):
    """A build."""

    service: Name
    """The service, as in the catalog."""
    ref: Annotated[str, Field(max_length=200)] = ""
    """A tag, branch or commit; the service's branch when left out."""
    twice: bool = True
    """Build a second time in a fresh sandbox, and compare digests."""


class ReproduceBody(Body):
    """What is to be rebuilt: an artifact, a build, or the newest build of a service or of its version."""

    artifact: Digest | None = None
    """The artifact's digest."""
    build: Name | None = None
    """A build, whose first artifact is meant."""
    service: Name | None = None
    """A service, of whose newest build the first artifact is meant."""
    version: Annotated[str, Field(max_length=100)] | None = None
    """With `service`: of this version."""


class ReleaseBody(Body):
    """A release."""

    service: Name
    """The service."""
    build_id: Name | None = None
    """The build that it is made of."""
    version: Name | None = None
    """Or the version: the newest good build of it."""


class NextVersionBody(Body):
    """Which next version is asked for."""

    service: Name
    """The service."""
    ref: Annotated[str, Field(max_length=200)] = ""
    """A branch, tag or commit; the service's branch when left out."""
    channel: Annotated[str, Field(max_length=40)] | None = None
    """A prerelease channel such as rc, or empty for a final version; what the branch says when left out."""


class CutBody(NextVersionBody):
    """A release to be cut."""

    reason: Reason = ""
    """Why; the tag says it too."""


class PromotionBody(Body):
    """A promotion of a release to an environment."""

    service: Name
    """The service."""
    version: Name
    """The release's version."""
    environment: Name
    """Where it goes."""
    reason: Reason = ""
    """Why; kept in the ledger."""
    override_freeze: bool = False
    """Go in spite of a freeze; takes a permission of its own, and makes the change an emergency."""


class DecisionBody(Body):
    """A signature under a plan."""

    plan_hash: Digest
    """The hash of the plan that was read."""
    meaning: Annotated[str, Field(min_length=1, max_length=200)] = "reviewed and approved"
    """What the signature says."""
    comment: Reason = ""
    """A remark."""


class ReasonBody(Body):
    """A reason."""

    reason: Reason = ""
    """Why; kept in the ledger."""


class RegistryPromotionBody(Body):
    """A version of a package for another registry."""

    package: Annotated[str, Field(min_length=1, max_length=400)]
    """The package's name."""
    version: Annotated[str, Field(min_length=1, max_length=200)]
    """A version, tag or digest."""
    to: Name
    """The registry that shall have it."""
    reason: Reason
    """Why; kept in the ledger."""


class RollbackBody(Body):
    """A way back."""

    service: Name
    """The service."""
    environment: Name
    """Where."""
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    """Why; kept in the ledger."""
    to: Name | None = None
    """The version to go back to; the one that ran before when left out."""


class NoteBody(Body):
    """A note on an incident."""

    text: Annotated[str, Field(min_length=1, max_length=10_000)]
    """What happened, or what was found."""


class IncidentBody(Body):
    """A loss of service that a person saw."""

    service: Name
    """The service."""
    environment: Name
    """Where."""
    summary: Annotated[str, Field(min_length=1, max_length=500)]
    """What happened, in a line."""


class ActionBody(Body):
    """Something to be done after an incident."""

    text: Annotated[str, Field(min_length=1, max_length=2000)]
    """What."""
    owner: Name
    """Who sees to it."""


class LineBody(Body):
    """Stopping the line, or letting it go on."""

    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    """Why; kept in the ledger."""
    environment: Name | None = None
    """Where; everywhere when left out."""


class ValueBody(Body):
    """A configuration value."""

    key: Name
    """The key, as in the service's clearway.yaml."""
    value: Any = None
    """The value; null removes it from this layer."""
    reason: Reason = ""
    """Why; kept in the ledger."""


class CredentialBody(Body):
    """What git, or a webhook, is given for a repository: sealed at rest, never shown again."""

    value: Secret
    """The password or token, the private SSH key, or the webhook's secret."""
    username: Annotated[str, Field(max_length=200)] = ""
    """The name that goes with a password."""
    reason: Reason = ""
    """Why; kept in the ledger."""


class AgainBody(Body):
    """The same commit is to be built again."""

    anew: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """The step from which everything runs again, or `*` for all; else only what had not ended well runs."""


class BuildSecretBody(Body):
    """A secret for steps of a service's builds: sealed at rest, never shown again."""

    value: Secret
    """What the step reads."""
    anywhere: bool = False
    """Also for what has not landed on the service's branch: other branches, and work trees."""
    reason: Reason = ""
    """Why; kept in the ledger."""


class SyncBody(Body):
    """A repository is to be fetched."""


class SecretBody(Body):
    """A secret value: encrypted at rest, never shown again."""

    key: Name
    """The key, as in the service's clearway.yaml."""
    value: Secret
    """The secret."""
    reason: Reason = ""
    """Why; kept in the ledger."""
