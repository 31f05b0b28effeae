"""Teams, services, environments, routes: frozen records, and the documents that declare them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator

from clearway.kernel import Document, Duration, Name
from clearway.policy import Gate

from .branching import Branching
from .registry import RegistryDocument, misfits
from .repository import (
    RepositoryDocument,
    check_address,
    check_no_secret,
)
from .tickets import Tickets
from .trusted_ci import TrustedCIDocument
from .versioning import Versioning

Text = Annotated[str, StringConstraints(max_length=500)]
Member = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Team(Document):
    """People who own services."""

    name: Name
    """The team's name."""
    members: tuple[Member, ...] = ()
    """Names of users."""
    builds: int | None = Field(default=None, ge=1, le=1000)
    """How many builds of its services run at once, in all pools; as many as there are slots if left out."""
    description: Text = ""
    """What the team looks after."""


class Reproducing(Document):
    """That builds are tried again from their records, to see whether the same bytes come out."""

    every: Duration = timedelta(days=7)
    """How often the newest build is tried."""

    @field_validator("every")
    @classmethod
    def _not_all_the_time(cls, every: timedelta) -> timedelta:
        if every < timedelta(hours=1):
            raise ValueError("a rebuild more often than every hour; expected 1h or more")
        return every


DEFAULT_POOL = "default"


class Pool(Document):
    """Slots in which builds run; services name the pool of theirs."""

    name: Name
    """The pool's name; `default` is the one of services that name none."""
    slots: int = Field(ge=1, le=1000)
    """How many builds run in it at once; no more than all workers together have room for."""
    description: Text = ""
    """What is built there."""


class Service(Document):
    """Something that is released."""

    name: Name
    """The service's name, as in its clearway.yaml."""
    team: Name
    """The team that owns it."""
    repository: str = Field(min_length=1, max_length=1000)
    """The name of a Repository, or where git fetches it from: a URL or a path (a relative one starts in
    Clearway's home)."""
    branch: str = Field(default="main", min_length=1, max_length=200)
    """The branch that changes land on."""
    builds: Literal["asked", "pushed"] = "asked"
    """`pushed`: what comes to its branch, and version tags, are built when they are seen; for a declared
    Repository, which is looked at by itself."""
    path: str = Field(default=".", min_length=1, max_length=500)
    """The folder of its clearway.yaml inside the repository."""
    depends_on: tuple[Name, ...] = ()
    """Services that it needs to run."""
    route: Name
    """The route that its releases travel."""
    pool: Name = DEFAULT_POOL
    """The pool whose slots its builds use."""
    port_base: int | None = Field(default=None, ge=1024, le=65000)
    """The router's port at the route's first stop, the next stops following; any free one if unset."""
    tickets: tuple[Tickets, ...] = Field(default=(), max_length=10)
    """How tickets are named in commits, and where they are."""
    branching: Branching | None = None
    """How branches are used, and where their releases may go; anything goes when left out."""
    versioning: Versioning | None = None
    """How the next version follows from history; when left out, by SemVer from Conventional Commits."""
    reproduce: Reproducing | None = None
    """Whether its newest build is tried again from its record, and how often; never when left out."""
    description: Text = ""
    """What it does."""

    @model_validator(mode="after")
    def _safe(self) -> Service:
        check_address(self.repository)
        if self.branch.startswith("-"):
            raise ValueError(f"`{self.branch[:60]}` is not a branch; expected the name of a branch")
        if self.path.startswith("/") or ".." in self.path.split("/"):
            raise ValueError(f"`{self.path[:60]}` leaves the repository; expected a folder inside it")
        if self.name in self.depends_on:
            raise ValueError(f"{self.name} depends on itself; expected other services")
        return self


class ApprovalRule(Document):
    """How many people must approve before a release enters an environment. Authors never count."""

    count: int = Field(default=1, ge=1, le=20)
    """How many approvals are needed."""
    groups: tuple[Member, ...] = ()
    """Groups or roles whose members may give them; anybody with the permission when empty."""


class CanaryStep(Document):
    """One share of the traffic, held for a while."""

    weight: int = Field(ge=1, le=100)
    """Per cent of the traffic that goes to the new version."""
    hold: Duration = timedelta(0)
    """How long it stays so; the judge decides at its end."""


class JudgeSpec(Document):
    """How a canary is judged."""

    kind: Literal["native", "kayenta"] = "native"
    """`native` is Clearway's own judge, `kayenta` reproduces Spinnaker's."""
    error_rate: float = Field(default=0.05, gt=0, lt=0.5)
    """Share of good releases that may be refused by chance, over the whole canary."""
    inconclusive: Literal["continue", "hold", "rollback"] = "hold"
    """What happens when the traffic was too little to tell."""


class StrategySpec(Document):
    """How a new version takes over."""

    kind: Literal["recreate", "rolling", "blue-green", "canary"] = "rolling"
    """recreate: stop, start; rolling: one by one; blue-green: beside, then switch; canary: by shares."""
    steps: tuple[CanaryStep, ...] = ()
    """Canary only: the shares, ending with 100."""
    surge: int = Field(default=1, ge=0, le=100)
    """Rolling only: instances more than wanted while it rolls."""
    unavailable: int = Field(default=0, ge=0, le=100)
    """Rolling only: instances fewer than wanted while it rolls."""
    warm: Duration = timedelta(0)
    """How long the old version is kept running after the switch, to go back at once."""
    judge: JudgeSpec | None = None
    """Canary only: the judge's settings."""

    @model_validator(mode="after")
    def _coherent(self) -> StrategySpec:
        if self.kind == "canary":
            weights = [step.weight for step in self.steps]
            if weights != sorted(set(weights)) or weights[-1:] != [100]:
                raise ValueError("canary `steps` must grow to 100; expected weights such as 10, 25, 50, 100")
        elif self.steps or self.judge:
            raise ValueError(f"`steps` or `judge` with {self.kind}; expected them with canary only")
        if self.kind == "rolling" and self.surge + self.unavailable == 0:
            raise ValueError("rolling with neither `surge` nor `unavailable`; expected one of them above 0")
        return self


class _EnvironmentBase(Document):
    name: Name
    """The environment's name."""
    order: int = Field(ge=0, le=1000)
    """Where it stands on pages, from the left."""
    promotion: Literal["automatic", "manual"] = "manual"
    """`automatic`: a release that did well one stop earlier comes by itself."""
    approvals: ApprovalRule | None = None
    """Who must approve; nobody when left out."""
    soak: Duration = timedelta(0)
    """How long a release must have run at the previous stop."""
    strategy: StrategySpec | None = None
    """How new versions take over here; rolling when left out."""
    instances: int = Field(default=1, ge=1, le=100)
    """Instances of each service."""
    freezes_apply: bool = True
    """Whether the calendar's freezes stop promotions to here."""
    description: Text = ""
    """What happens here."""


class Environment(_EnvironmentBase):
    """A place where releases run."""

    kind: Literal["production", "pre-production"]
    """Whether real users are served here."""
    gates: tuple[Gate, ...] = ()
    """What must say yes before a release enters."""


class Route(Document):
    """The order of environments that releases travel."""

    name: Name
    """The route's name."""
    environments: tuple[Name, ...] = Field(min_length=1, max_length=50)
    """The stops, first to last."""
    description: Text = ""
    """Which services travel it."""

    @model_validator(mode="after")
    def _once(self) -> Route:
        if len(set(self.environments)) != len(self.environments):
            raise ValueError("an environment twice on one route; expected each stop once")
        return self

    def before(self, environment: str) -> str | None:
        """The stop before this one; None for the first. Raises ValueError when it is not on the route."""
        index = self.environments.index(environment)
        return self.environments[index - 1] if index else None

    def after(self, environment: str) -> str | None:
        """The stop after this one; None for the last. Raises ValueError when it is not on the route."""
        following = self.environments[self.environments.index(environment) + 1 :]
        return following[0] if following else None


class TeamDocument(Team):
    """`kind: Team`."""

    kind: Literal["Team"]


class PoolDocument(Pool):
    """`kind: Pool`."""

    kind: Literal["Pool"]


class ServiceDocument(Service):
    """`kind: Service`."""

    kind: Literal["Service"]

    @model_validator(mode="after")
    def _no_secret(self, info: ValidationInfo) -> ServiceDocument:
        check_no_secret(self.name, self.repository, info)
        return self


class GateDocument(Gate):
    """`kind: Gate`."""

    kind: Literal["Gate"]


class EnvironmentDocument(_EnvironmentBase):
    """`kind: Environment`; its gates are named, and declared by documents of kind Gate."""

    kind: Literal["Environment"]
    type: Literal["production", "pre-production"] = "pre-production"
    """Whether real users are served here."""
    gates: tuple[Name, ...] = ()
    """Names of gates, all of which must say yes."""


class RouteDocument(Route):
    """`kind: Route`."""

    kind: Literal["Route"]


KINDS: Mapping[str, type[Document]] = {
    "Team": TeamDocument,
    "Gate": GateDocument,
    "Environment": EnvironmentDocument,
    "Route": RouteDocument,
    "Repository": RepositoryDocument,
    "Pool": PoolDocument,
    "Service": ServiceDocument,
    "Registry": RegistryDocument,
    "TrustedCI": TrustedCIDocument,
}
"""The documents that this room applies, in the order in which they need each other."""

CatalogDocument = (
    TeamDocument
    | GateDocument
    | EnvironmentDocument
    | RouteDocument
    | RepositoryDocument
    | PoolDocument
    | ServiceDocument
    | RegistryDocument
    | TrustedCIDocument
)


def dangling(documents: Iterable[CatalogDocument]) -> list[tuple[CatalogDocument, str, str]]:
    """Every reference among the documents that leads nowhere: who, what is wrong, what was expected."""
    everything = list(documents)
    names = {kind: {each.name for each in everything if each.kind == kind} for kind in KINDS}
    found: list[tuple[CatalogDocument, str, str]] = []
    for each in everything:
        for kind, wanted in _references(each):
            for name in sorted(set(wanted) - names[kind]):
                known = ", ".join(sorted(names[kind])) or "none is declared"
                expected = f"a declared {kind} ({known})"
                found.append((each, f"{each.kind} {each.name} names the unknown {kind} {name}", expected))
    return found + _taken(everything) + _misfits(everything)


def _misfits(documents: list[CatalogDocument]) -> list[tuple[CatalogDocument, str, str]]:
    registries = [each for each in documents if isinstance(each, RegistryDocument)]
    by_name: dict[str, CatalogDocument] = {each.name: each for each in registries}
    return [(by_name[who.name], wrong, expected) for who, wrong, expected in misfits(registries)]


def _taken(documents: list[CatalogDocument]) -> list[tuple[CatalogDocument, str, str]]:
    """Services with a location of their own that carry a Repository's name: both would be one mirror."""
    declared = {each.name for each in documents if isinstance(each, RepositoryDocument)}
    return [
        (
            each,
            f"Service {each.name} has a location of its own, and a Repository has its name",
            f"`repository: {each.name}`, or another name for the Repository",
        )
        for each in documents
        if isinstance(each, ServiceDocument) and each.name in declared and each.repository not in declared
    ]


def _references(document: CatalogDocument) -> list[tuple[str, tuple[str, ...]]]:
    match document:
        case ServiceDocument():
            return [
                ("Team", (document.team,)),
                ("Route", (document.route,)),
                ("Service", document.depends_on),
                ("Pool", () if document.pool == DEFAULT_POOL else (document.pool,)),
            ]
        case RouteDocument():
            return [("Environment", document.environments)]
        case EnvironmentDocument():
            return [("Gate", document.gates)]
        case RegistryDocument():
            return [("Team", (document.team,) if document.team else ()), ("Registry", document.members)]
        case TrustedCIDocument():
            return [("Service", tuple(each.service for each in document.services))]
        case _:
            return []


def cycle(depends_on: Mapping[str, Iterable[str]]) -> list[str]:
    """One cycle of dependencies, first name repeated at the end; empty when there is none."""
    done: set[str] = set()
    for start in sorted(depends_on):
        trail: list[str] = []
        waiting = [(start, iter(sorted(depends_on[start])))] if start not in done else []
        if waiting:
            trail.append(start)
        while waiting:
            name, needs = waiting[-1]
            following = next((need for need in needs if need not in done), None)
            if following is None:
                done.add(name)
                waiting.pop()
                trail.pop()
            elif following in trail:
                return [*trail[trail.index(following) :], following]
            else:
                trail.append(following)
                waiting.append((following, iter(sorted(depends_on.get(following, ())))))
    return []
