"""Answers about the platform: who is there, what is declared, how it is configured, how the server does."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from clearway import catalog

from .shapes import Declared, Paged, Person, Place, Shape, When
from .shapes import Service as ServiceName


class Team(catalog.Team, Declared):
    """People who own services."""


class TeamPage(Paged):
    """A page of teams."""

    items: list[Team]
    """By name."""


class Service(catalog.Service, Declared):
    """Something that is released."""


class ServicePage(Paged):
    """A page of services."""

    items: list[Service]
    """By name."""


class Environment(catalog.Environment, Declared):
    """A place where releases run."""


class EnvironmentPage(Paged):
    """A page of environments."""

    items: list[Environment]
    """From the left of the pages to the right."""


class Route(catalog.Route, Declared):
    """The order of environments that releases travel."""


class RoutePage(Paged):
    """A page of routes."""

    items: list[Route]
    """By name."""


class TrustedCI(catalog.TrustedCI, Declared):
    """A CI system whose jobs may send artifacts and evidence, shown by its OIDC token."""


class TrustedCIPage(Paged):
    """A page of trusted CI systems."""

    items: list[TrustedCI]
    """By name."""


class FieldChange(Shape):
    """One key that differs."""

    key: Annotated[str, Field(examples=["approvals.count"])]
    """Which, with dots into what it is part of."""
    before: Any
    """What is recorded; null when it is not there."""
    after: Any
    """What the documents say; null when it goes."""


class Difference(Shape):
    """One object of the platform against what is recorded."""

    kind: Annotated[str, Field(examples=["Environment"])]
    """The document's kind."""
    name: str
    """The object's name."""
    action: Literal["create", "update", "delete", "none"]
    """What applying does with it."""
    changes: list[FieldChange]
    """Each key that differs."""


class Applied(Shape):
    """What applying documents changed, or would change."""

    dry_run: bool
    """Whether it was only a rehearsal."""
    diffs: list[Difference]
    """One for each object."""


class Grant(Shape):
    """A role somewhere."""

    role: Annotated[str, Field(examples=["approver"])]
    """The role."""
    environments: list[Place] | None
    """Where it holds; null: everywhere."""


class User(Shape):
    """A person or a robot account."""

    name: Person
    """What the ledger calls them."""
    account: Literal["person", "robot"]
    """Whether somebody is behind it."""
    full_name: str
    """For people to read."""
    email: str
    """How commits name them, with the aliases."""
    aliases: list[str]
    """Further addresses or author names in commits."""
    signing_keys: list[str]
    """Public keys, SSH or OpenPGP: commits signed with them are theirs."""
    groups: list[str]
    """What approval rules may ask for."""
    grants: list[Grant]
    """The roles."""
    disabled: bool
    """Whether they may do nothing any more."""
    has_password: bool
    """Whether they can sign in with one."""


class UserPage(Paged):
    """A page of users."""

    items: list[User]
    """By name."""


class Me(Shape):
    """Who asks."""

    user: User
    """The owner of the token."""
    scopes: Annotated[list[str], Field(examples=[["*:read", "promotion:create"]])]
    """The actions that the token reaches."""
    token_id: str | None
    """Which token it was."""


class Token(Shape):
    """An API token; its secret is not in it."""

    id: Annotated[str, Field(examples=["tok_01jd8kfz3v"])]
    """Names it, to revoke it."""
    user: Person
    """Whose it is."""
    label: str
    """What it is for."""
    scopes: Annotated[list[str], Field(examples=[["build:*", "release:create"]])]
    """Actions; `*` for any on either side of the colon."""
    environments: list[Place] | None
    """Where it reaches; null: everywhere."""
    created_at: When
    """When it was made."""
    created_by: Person
    """Who made it."""
    expires_at: When
    """From then on it opens nothing."""
    last_used_at: When | None
    """To the minute; null: never."""
    revoked_at: When | None
    """When somebody ended it."""
    handed_by: str
    """Who is behind it when not its user: then it approves nothing. Empty: its user made it."""


class NewToken(Token):
    """A token that was just made."""

    token: Annotated[str, Field(examples=["cwy_01jd8kfz3v_5b1c…"])]
    """The secret: in this answer and nowhere else."""


class TokenPage(Paged):
    """A page of tokens."""

    items: list[Token]
    """Oldest first."""


class ConfigEntry(Shape):
    """What one layer says about one key."""

    key: Annotated[str, Field(examples=["GREETING"])]
    """As in the service's clearway.yaml."""
    service: ServiceName | None
    """The layer's service; null: every one."""
    environment: Place | None
    """The layer's environment; null: every one."""
    version: int
    """Counts how often it was set."""
    value: bool | int | float | str | None
    """What it says; null for a secret."""
    secret: bool
    """Whether its value is never shown."""
    actor: Person
    """Who set it."""
    at: When
    """When."""
    reason: str
    """Why."""
    deleted: bool
    """The layer says nothing any more."""
    origin: Literal["service", "environment", "service+environment"]
    """The layer in a word."""


class ConfigEntries(Shape):
    """What is set for a service in an environment."""

    service: ServiceName | None
    """The service; null: every one."""
    environment: Place | None
    """The environment; null: every one."""
    entries: list[ConfigEntry]
    """Every layer that reaches there, by key."""


class SecretSet(Shape):
    """That a secret was set."""

    key: str
    """The key."""
    service: ServiceName | None
    """The layer's service; null: every one."""
    environment: Place | None
    """The layer's environment; null: every one."""
    version: int
    """The secret's new version: what plans and approvals name."""


class Check(Shape):
    """One part of the server."""

    status: Literal["ok", "degraded", "failing"]
    """How it does."""
    message: str = ""
    """What is wrong; not there when nothing is."""


class Health(Shape):
    """Whether the server can do its work."""

    status: Literal["ok", "degraded", "failing"]
    """The worst of its parts."""
    checks: Annotated[
        dict[str, Check], Field(examples=[{"database": {"status": "ok"}, "disk": {"status": "ok"}}])
    ]
    """Each part: database, disk, worker."""


class JsonSchema(Shape):
    """A JSON Schema (2020-12)."""

    title: str
    """What it describes."""
    type: str
    """Always `object`."""
    properties: dict[str, Any]
    """Its fields."""
