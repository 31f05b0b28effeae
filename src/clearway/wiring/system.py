"""Builds the system: one database, every port bound to its adapter, every room's flows and subscribers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from clearway import (
    access,
    artifacts,
    build,
    config,
    deploy,
    incidents,
    ledger,
    metrics,
    notices,
    policy,
    releases,
    source,
    workflow,
)
from clearway.integrations.age import AgeCipher
from clearway.integrations.apprise import AppriseSender
from clearway.integrations.bubblewrap import make_sandbox
from clearway.integrations.cel import CelEvaluator
from clearway.integrations.envoy import EnvoyRouter
from clearway.integrations.fetch import HttpFetcher
from clearway.integrations.images import Skopeo
from clearway.integrations.local import LocalTarget, Program
from clearway.integrations.maven_repository import Mirror
from clearway.integrations.oidc_issuers import FetchedIssuers
from clearway.integrations.prometheus import TextScraper
from clearway.integrations.python_packages import PythonPackages
from clearway.integrations.release_history import ReleaseHistory
from clearway.integrations.release_schemas import ReleaseSchemas
from clearway.integrations.signer_process import ProcessSigner
from clearway.storage import Blobs, Database, FileBlobs
from clearway.workflow import Chore, Flow

from . import rooms
from .processes import replace_private
from .settings import Settings


@dataclass(frozen=True)
class System:
    """Everything a process needs, built once."""

    settings: Settings
    database: Database
    flows: Mapping[str, Flow]
    chores: list[Chore]


def build_system(settings: Settings) -> System:
    """The system of these settings; opens the database, touches nothing else of the world."""
    database = Database(settings.database, lambda: datetime.now(UTC), bus=rooms.make_bus())
    flows = rooms.collect_flows()
    database.tools[workflow.Starter] = workflow.Starter(
        database,
        workflow.queue_table(flows),
        settings.home / "worker.bell",
        builds=settings.builds_at_once,
    )
    database.tools.update(_tools(settings))
    return System(settings, database, flows, rooms.collect_chores())


def _tag_key(settings: Settings) -> source.TagKey | None:
    if not settings.tag_signing:
        return None
    return source.TagKey("ssh" if settings.tag_signing == "ssh" else "openpgp", settings.tag_signing_key)


def _tools(settings: Settings) -> dict[type[Any], Any]:
    """Every port with its adapter. Adapters open nothing before they are used."""
    keys = settings.folder("keys")
    cipher = AgeCipher.create(keys / "secrets.age")
    return {
        Blobs: FileBlobs(settings.folder("blobs")),
        ledger.NoteSigner: ledger.load_or_create_key(keys / "ledger.pem"),
        policy.Evaluator: CelEvaluator(),
        config.Cipher: cipher,
        source.Cipher: cipher,
        config.Schemas: ReleaseSchemas(),
        source.Mirrors: source.Mirrors(
            settings.folder("mirrors"),
            home=settings.home,
            credential_helper=settings.git_credential_helper,
            tag_key=_tag_key(settings),
        ),
        artifacts.Signer: ProcessSigner(settings.signer_socket, settings.signer_key, settings.signer_user),
        build.Sandbox: make_sandbox(settings.sandbox),
        build.Packages: PythonPackages(settings.folder("wheelhouse")),
        build.Issuers: FetchedIssuers(),
        build.Jars: Mirror(settings.folder("jars"), settings.maven_repository),
        build.Images: Skopeo(settings.folder("images")),
        build.Fetcher: HttpFetcher(
            settings.folder("packages"), settings.fetch_hosts.replace(",", " ").split()
        ),
        build.Workshop: build.Workshop(settings.folder("builds")),
        build.Cache: build.Cache(settings.folder("cache")),
        deploy.Target: LocalTarget(settings.folder("run")),
        deploy.Router: EnvoyRouter(settings.folder("router"), Program),
        deploy.MetricSource: TextScraper(),
        deploy.Permit: releases.DeployPermit(),
        releases.FactsProvider: incidents.IncidentFacts(),
        metrics.History: ReleaseHistory(),
        notices.Sender: AppriseSender(),
    }


def first_start(built: System) -> None:
    """The administrator's token, made once, in a file that only its owner may read."""
    with built.database.begin() as uow:
        # Written before the commit: a crash in between leaves a dead file, and the next start replaces it.
        if token := access.bootstrap(uow):
            replace_private(built.settings.home / "admin.token", token + "\n")
