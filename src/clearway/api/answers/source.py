"""Answers about repositories: where they are, how far they are known, what moved in them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .shapes import Paged, Person, Service, Shape, When

Sha = Annotated[str, Field(examples=["3f2a9c1d5e7b8a90c1d2e3f4a5b6c7d8e9f0a1b2"])]
RepositoryName = Annotated[str, Field(examples=["shop"])]


class Repository(Shape):
    """One repository."""

    name: RepositoryName
    """Its name: that of its document, or that of the one service that has it of its own."""
    location: Annotated[str, Field(examples=["https://git.example/team/shop.git"])]
    """Where git fetches it from."""
    forge: Literal["github", "gitlab", "azure-devops", "gitea", "forgejo", "generic", "none"]
    """Whose webhooks are taken."""
    web: str
    """The address of its pages; empty: none."""
    description: str
    """What is in it."""
    poll_s: float
    """Seconds between two looks; 0: nobody looks unasked."""
    declared: bool
    """Whether a document declares it, so that it is followed."""
    services: list[Service]
    """The services that come from it."""
    health: Literal["not followed", "not fetched yet", "up to date", "failing"]
    """How it is."""
    synced_at: When | None
    """When it was last fetched; null: never."""
    next_at: When | None
    """When it will be looked at next; null: when somebody asks."""
    failures: int
    """Looks in a row that failed."""
    error: str
    """Why the last look failed; empty: it did not."""


class RepositoryPage(Paged):
    """Repositories."""

    items: list[Repository]
    """By name."""


class RefMove(Shape):
    """One branch or tag that moved."""

    id: Annotated[str, Field(examples=["mov_01jd8kfz3vq4"])]
    """Names it."""
    repository: RepositoryName
    """Where."""
    ref: Annotated[str, Field(examples=["refs/heads/main"])]
    """The branch or tag."""
    old: Sha | None
    """What it named before; null: it is new."""
    new: Sha | None
    """What it names now; null: it is gone."""
    kind: Literal["created", "advanced", "rewritten", "deleted"]
    """`rewritten`: its old commit is not behind the new one (a force-push), or a tag was moved."""
    lost: int
    """Commits that no branch and no tag reached afterwards."""
    seen_at: When
    """When it was seen."""


class RefMovePage(Paged):
    """What moved in a repository."""

    items: list[RefMove]
    """Newest first."""


class WebhookDelivery(Shape):
    """What a forge told once."""

    id: Annotated[str, Field(examples=["dlv_01jd8kfz3vq4"])]
    """Names it here."""
    repository: RepositoryName
    """For which repository."""
    forge: Literal["github", "gitlab", "azure-devops", "gitea", "forgejo", "generic"]
    """In whose form."""
    delivery_id: Annotated[str, Field(examples=["72d3162e-cc78-11e3-81ab-4c9367dc0958"])]
    """Names it there; the digest of the body when the forge gave no name, `(refused)` for the one row that
    counts what was refused."""
    event: Annotated[str, Field(examples=["pull_request"])]
    """What happened, in the forge's words."""
    digest: Annotated[str, Field(examples=["sha256:9f86d081884c7d65"])]
    """Of the body's bytes."""
    about: Annotated[str, Field(examples=["pull request 12 merged"])]
    """The same for people; empty when nothing could be read."""
    number: int | None
    """The pull request that it tells of."""
    received_at: When
    """When it came first."""
    outcome: Literal[
        "fetch", "recorded", "outdated", "repeated", "ignored", "unreadable", "elsewhere", "unsigned"
    ]
    """What came of it: `fetch`: only a hint; `recorded`: facts about a pull request were kept; `outdated`:
    newer ones were known; `repeated`: the same bytes came under another id; `ignored`: an event of no use;
    `unreadable`: not in the documented form; `elsewhere`: it tells of another repository; `unsigned`:
    refused, as no valid secret signed it."""
    error: str
    """What is wrong with it; empty: nothing."""
    times: int
    """How often it came."""
    last_at: When
    """When it came last."""


class WebhookDeliveryPage(Paged):
    """What forges told."""

    items: list[WebhookDelivery]
    """Newest first."""


class Credential(Shape):
    """That something is kept sealed; what it says is never shown."""

    repository: RepositoryName
    """For which repository."""
    kind: Literal["password", "ssh-key", "webhook"]
    """What it is."""
    version: int
    """How often it was set."""
    host: Annotated[str, Field(examples=["https://git.example"])]
    """The only host that is given it; empty for a webhook's secret."""
    actor: Person
    """Who set it."""
    at: When
    """When."""


class CredentialList(Shape):
    """What is kept sealed for a repository."""

    items: list[Credential]
    """The newest of each kind; empty too for somebody who may not set secrets."""


class Violation(Shape):
    """One thing that the rules of a service's branches do not want."""

    rule: Literal[
        "unknown branch",
        "no such branch",
        "never reached",
        "tag off its branch",
        "merged from elsewhere",
        "not signed",
        "not reviewed",
    ]
    """Which rule."""
    commit: Sha
    """The commit."""
    branch: Annotated[str, Field(examples=["release/1.4"])]
    """The branch, or the tag."""
    subject: str
    """The first line of the commit's message."""
    author: str
    """Who wrote it."""
    why: str
    """What is wrong."""
    todo: str
    """What to do."""


class RuledBranch(Shape):
    """A branch, and the rule that it falls under."""

    branch: Annotated[str, Field(examples=["release/1.4"])]
    """The branch."""
    rule: Annotated[str, Field(examples=["release/*"])]
    """The pattern of its rule."""
    yields: Annotated[str, Field(examples=["final"])]
    """What its versions are: final, none, or a prerelease channel."""


class BranchCheck(Shape):
    """A service's history held against the rules of its branches."""

    service: Service
    """The service."""
    strategy: Literal["trunk", "gitflow", "github-flow", "release-branches", "own", ""]
    """How it uses branches; empty: any way."""
    fresh: bool
    """Whether it still says what is: no branch, rule, key or review changed since."""
    at: When | None
    """When it was made; null: never."""
    commits: int
    """How many commits were looked at."""
    whole: bool
    """False: more is wrong than is told, or a branch has more commits than are judged."""
    violations: list[Violation]
    """What is wrong."""
    branches: list[RuledBranch]
    """The branches that rules know."""
