"""Answers about what is made: builds, artifacts, releases, their notes, and where they come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .shapes import Commit, Digest, Json, Paged, Person, Service, Shape, Version, When

BuildId = Annotated[str, Field(examples=["bld_01jd8kfz3vq4"])]


class Artifact(Shape):
    """Bytes with a digest and what they are called."""

    digest: Digest
    """The SHA-256 of the bytes."""
    size: int
    """In bytes."""
    name: Annotated[str, Field(examples=["shop-1.4.2.tar.gz"])]
    """The file's name."""
    type: Annotated[str, Field(examples=["bundle"])]
    """`bundle` is what is deployed; `wheel`, `file`."""
    purl: Annotated[str, Field(examples=["pkg:generic/shop@1.4.2"])]
    """The package URL."""
    service: Service
    """Whose it is."""
    version: Version
    """Of which version."""
    build_id: BuildId | None
    """The build that made it; null: it was uploaded."""
    at: When
    """When it was stored."""


class ArtifactPage(Paged):
    """A page of artifacts."""

    items: list[Artifact]
    """Newest first."""


class Tests(Shape):
    """What the test step said."""

    ok: bool
    """Whether it ended well."""
    passed: int | None
    """How many passed; null: nobody counted."""
    failed: int | None
    """How many failed."""
    skipped: int | None
    """How many were left out."""
    total: int | None
    """All of them."""


class ClaimedEvidence(Shape):
    """A file that another CI sent along with what it built."""

    name: str
    """The file's name."""
    digest: Digest
    """The SHA-256 of the bytes; they are kept as an artifact of the type `evidence`."""
    size: int
    """In bytes."""
    kind: str
    """`junit`, `sbom`, `sarif`, `in-toto`, `provenance`, `sigstore-bundle` or `file`, by its content."""
    verified: bool
    """Whether a declared key signed it, about these artifacts; otherwise it is what the job claims."""


class External(Shape):
    """The job of another CI that made a build, as its token proved it."""

    ci: Annotated[str, Field(examples=["github"])]
    """The TrustedCI document."""
    forge: Literal["github", "gitlab", "azure-devops"]
    """Whose tokens it has."""
    issuer: Annotated[str, Field(examples=["https://token.actions.githubusercontent.com"])]
    """Who signed the token."""
    subject: Annotated[str, Field(examples=["repo:acme/shop:ref:refs/heads/main"])]
    """The token's subject."""
    repository: Annotated[str, Field(examples=["acme/shop"])]
    """Where the job belongs, in the CI's words."""
    ref: Annotated[str, Field(examples=["refs/heads/main"])]
    """What it ran for."""
    commit: Commit
    """At which commit."""
    event: Annotated[str, Field(examples=["push"])]
    """What started it; empty where tokens do not say."""
    workflow: Annotated[str, Field(examples=["acme/shop/.github/workflows/release.yml@refs/heads/main"])]
    """The pipeline."""
    environment: str
    """The deployment environment that the job named; may be empty."""
    runner: Annotated[str, Field(examples=["github-hosted"])]
    """Whose machine; empty where tokens do not say."""
    run_url: Annotated[str, Field(examples=["https://github.com/acme/shop/actions/runs/1/attempts/1"])]
    """The job's page."""
    builder: str
    """`builder.id` of the provenance."""
    level: int
    """SLSA's build level that it is recorded at: 1, or 2 with provenance that the CI itself signed."""
    evidence: list[ClaimedEvidence]
    """What came along."""


class QueueSpot(Shape):
    """A build's place among those that wait for a slot of the same pool."""

    pool: Annotated[str, Field(examples=["default"])]
    """Whose slots it waits for."""
    position: int
    """1 is next, as long as no team is at its limit; teams take turns."""
    waiting: int
    """How many wait there."""


class Build(Shape):
    """One run of a service's recipe on one commit."""

    id: BuildId
    """Names it."""
    service: Service
    """What is built."""
    ref: Annotated[str, Field(examples=["v1.4.2"])]
    """What was asked for: a branch, tag or commit."""
    twice: bool
    """Built twice in fresh sandboxes, to compare digests."""
    status: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    """How far it is."""
    requested_by: Person
    """Who asked."""
    queued_at: When
    """When they asked."""
    commit: Commit | None
    """Known once the repository was fetched."""
    version: Version | None
    """Known once the commit is."""
    author: str | None
    """Of the commit."""
    subject: str | None
    """The first line of the commit's message."""
    mode: Literal["bubblewrap", "container", "plain"] | None
    """How it was kept apart from the machine."""
    reproduced: bool | None
    """Whether both builds gave the same bytes; null: it was built once."""
    artifacts: list[Artifact]
    """What came out; the deployable one first."""
    tests: Tests | None
    """The test step; null: there is none, or it was not reached."""
    started_at: When | None
    """When a worker took it."""
    finished_at: When | None
    """When it ended."""
    error: str | None
    """Why it failed or was cancelled, and what to do."""
    pool: Annotated[str, Field(examples=["default"])]
    """Whose slots it uses."""
    team: Annotated[str, Field(examples=["storefront"])]
    """Whose turn it uses: the service's team when it was asked for."""
    slot_at: When | None
    """When it got its slot; null: it waits in the queue."""
    queue: QueueSpot | None
    """Its place in the queue; null once it has its slot."""
    external: External | None
    """Built elsewhere, by this job; null: built here."""
    retry_of: BuildId | None
    """The build that this one does again."""
    anew: str | None
    """The step from which no earlier build answers; `*`: from the first."""


class BuildPage(Paged):
    """A page of builds."""

    items: list[Build]
    """Newest first."""


class ArtifactRef(Shape):
    """One artifact of a release."""

    digest: Digest
    """The SHA-256 of the bytes."""
    name: str
    """The file's name."""
    type: str
    """`bundle`, `wheel` or `file`."""
    size: int
    """In bytes."""


class Release(Shape):
    """An immutable manifest, named by its digest and a version."""

    id: Annotated[str, Field(examples=["rel_01jd8kfz3vq4"])]
    """Names it."""
    service: Service
    """What is released."""
    version: Version
    """As which version."""
    digest: Digest
    """Over the whole manifest: what plans and deployments name."""
    content_digest: Digest
    """The same without notes and policy, which are those of the moment."""
    commit: Commit
    """What it was built from."""
    artifacts: list[ArtifactRef]
    """What it is made of."""
    bundle_digest: Digest
    """The artifact that is deployed."""
    definition: Json
    """clearway.yaml at the commit."""
    config_schema_digest: Digest
    """Of the configuration schema in it."""
    policy_digest: Digest
    """Of route, environments and gates when it was made."""
    notes_digest: Digest
    """Of its notes."""
    build_id: BuildId
    """The build that made it."""
    created_by: Person
    """Who made it."""
    authors: Annotated[list[str], Field(examples=[["Dana <dana@example.com>"]])]
    """Who wrote what is new in it."""
    at: When
    """When it was made."""
    since_version: Version | None
    """What its notes compare with; null: nothing ran before."""
    since_commit: Commit | None
    """That version's commit."""
    prerelease: bool
    """Whether the version says that it is not meant for everybody."""


class ReleasePage(Paged):
    """A page of releases."""

    items: list[Release]
    """Newest first."""


class NotedChange(Shape):
    """One line of the notes."""

    commit: Commit
    """The commit."""
    author: str
    """Who wrote it."""
    heading: Annotated[str, Field(examples=["Features"])]
    """Under which heading it stands."""
    scope: str | None
    """Which part it concerns."""
    text: str
    """What it does."""
    breaking: list[str]
    """What it breaks, in the author's words."""
    type: str = ""
    """As in Conventional Commits: feat, fix and so on; left out when nobody said."""
    where: str = ""
    """What told of it, when not the commit's message; left out when it did."""
    tickets: list[str] = Field(default=[])
    """The tickets that it names; left out when there are none."""
    reviewers: list[str] = Field(default=[])
    """Who reviewed it; left out when nobody is known."""
    pull: int | None = None
    """The pull request that brought it; left out when none is known."""


class Notes(Shape):
    """What a release brings."""

    service: Service
    """The service."""
    version: Version
    """The version."""
    commit: Commit
    """Its commit."""
    since_version: Version | None
    """What it is compared with; null: nothing ran before."""
    since_commit: Commit | None
    """That version's commit."""
    changes: list[NotedChange]
    """Each change."""
    authors: Annotated[list[tuple[str, int]], Field(examples=[[["Dana", 7], ["Otto", 2]]])]
    """Names with the number of their commits, most first."""
    commits: int
    """All commits of the difference, merges included."""
    cancelled: int
    """Commits that another one of the difference took back."""
    picked: int = 0
    """Commits whose patch ran already, by another way; left out when there are none."""
    removed: list[NotedChange] = Field(default=[])
    """What runs and goes away; left out when nothing does."""
    configuration: list[str] = Field(default=[])
    """What operators must know of configuration; left out when there is nothing."""
    migrations: list[str] = Field(default=[])
    """New migrations, in their order; left out when there are none."""
    flags: list[str] = Field(default=[])
    """What changed of the feature flags, in words; left out when nothing did."""
    links: list[tuple[str, str]] = Field(default=[])
    """Tickets with their addresses; left out when there are none."""
    digest: Digest
    """Of the notes as data, whoever they are shown to."""
    markdown: str
    """The same as a page, for the audience that was asked for."""
    html: str
    """The same in HTML."""


class Changelog(Shape):
    """The notes of all tags of a service."""

    service: Service
    """Whose they are."""
    parts: int
    """Notes in it: one for each tagged commit, and one for what no tag reached yet."""
    tags: int
    """Tags in it."""
    commits: int
    """Commits in it, merges included."""
    text: str
    """All of it, newest first, in the format that was asked for."""


class Link(Shape):
    """One link of a trace."""

    kind: Annotated[str, Field(examples=["approval"])]
    """What it is: deployment, promotion, approval, release, build, evidence, commit, author and more."""
    id: str
    """Names the thing."""
    text: str
    """What it is, in a line."""
    digest: Digest | None
    """Its digest, where it has one."""
    data: Json
    """More about it."""
    ledger: list[int]
    """Indices of the ledger's entries about it."""


class Trace(Shape):
    """The chain from what runs to who wrote it."""

    subject: str
    """What was asked about."""
    links: list[Link]
    """From what runs to who wrote it."""
