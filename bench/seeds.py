"""Large houses, written straight into the rooms' tables: what would take days to build and deploy.

The rows have the shapes that the rooms themselves write, with indexes and triggers of the real migrations;
what is missing is bytes (no blob stands behind a digest), git, and processes behind the instances.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from clearway import catalog, deploy, ledger
from clearway.artifacts import PROVENANCE, SBOM, TEST_RESULT
from clearway.artifacts import store as artifact_store
from clearway.deploy import store as deploy_store
from clearway.kernel import SYSTEM, Actor, sha256
from clearway.releases import store as release_store
from clearway.storage import UnitOfWork
from clearway.wiring import schema, settings, system

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PEOPLE = ("ana", "ben", "cleo")
STOPS = ("dev", "qa", "uat", "staging", "prod")
PROCESS = catalog.Process(
    command=("python", "-m", "shop"), health=catalog.Health(), metrics=catalog.Metrics()
)
PER_RELEASE = 10  # artifacts
BATCH = 2000


def house(home: Path) -> system.System:
    """The real wiring over a new folder, with the real migrations."""
    built = system.build_system(settings.load(home))
    schema.upgrade(built.database, home)
    system.first_start(built)
    return built


def digest(*parts: object) -> str:
    """A digest that stands for bytes."""
    return sha256("/".join(map(str, parts)).encode())


def write(uow: UnitOfWork, table: sa.Table, rows: Iterable[dict[str, Any]]) -> None:
    """Insert in bulk."""
    left = iter(rows)
    while batch := list(itertools.islice(left, BATCH)):
        uow.connection.execute(table.insert(), batch)


def platform(uow: UnitOfWork, services: int) -> None:
    """A team, five environments, a route, and services that travel it; by the catalog's own verb."""
    docs: list[catalog.CatalogDocument] = [catalog.KINDS["Team"](kind="Team", name="makers")]
    docs += [
        catalog.KINDS["Environment"](
            kind="Environment",
            name=name,
            order=order,
            type="production" if name == "prod" else "pre-production",
        )
        for order, name in enumerate(STOPS, 1)
    ]
    docs.append(catalog.KINDS["Route"](kind="Route", name="straight", environments=STOPS))
    docs += [
        catalog.KINDS["Service"](
            kind="Service", name=name, team="makers", repository=f"/repositories/{name}", route="straight"
        )
        for name in names(services)
    ]
    catalog.apply(uow, SYSTEM, docs)


def names(services: int) -> list[str]:
    """Names of services."""
    return [f"service-{number:04d}" for number in range(services)]


def release_row(number: int, service: str, artifacts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One release as releases writes it."""
    return {
        "id": f"rel_{number:08d}",
        "service": service,
        "version": f"1.{number}.0",
        "digest": digest("release", number),
        "content_digest": digest("content", number),
        "commit": digest("commit", number)[7:47],
        "artifacts": [{key: each[key] for key in ("digest", "name", "type", "size")} for each in artifacts],
        "bundle_digest": artifacts[0]["digest"],
        "definition": {"service": service, "process": PROCESS.model_dump(mode="json")},
        "config_schema_digest": digest("schema"),
        "policy_digest": digest("policy"),
        "notes_digest": digest("notes", number),
        "build_id": f"bld_{number:08d}",
        "created_by": "ana",
        "authors": [{"name": "Ana", "email": "ana@example.com"}],
        "at": NOW + timedelta(minutes=number),
        "since_version": None,
        "since_commit": None,
    }


def artifact_rows(number: int, service: str) -> list[dict[str, Any]]:
    """The artifacts of one build."""
    return [
        {
            "id": f"art_{number:08d}_{part}",
            "digest": digest("artifact", number, part),
            "size": 1000 + part,
            "name": f"{service}-{part}.whl" if part else f"{service}.bundle.tar",
            "type": "wheel" if part else "bundle",
            "purl": f"pkg:generic/{service}@1.{number}.0",
            "service": service,
            "version": f"1.{number}.0",
            "build_id": f"bld_{number:08d}",
            "at": NOW,
        }
        for part in range(PER_RELEASE)
    ]


def promotion_row(number: int, release: dict[str, Any], environment: str) -> dict[str, Any]:
    """One promotion that ended well."""
    return {
        "id": f"prm_{number:08d}",
        "release_id": release["id"],
        "release_digest": release["digest"],
        "service": release["service"],
        "version": release["version"],
        "environment": environment,
        "state": "succeeded",
        "why": "it runs",
        "kind": "promotion",
        "plan": {"content": {"steps": [{"kind": "start"}], "authors": []}, "hash": digest("plan", number)},
        "plan_hash": digest("plan", number),
        "requested_by": "ana",
        "requested_kind": "person",
        "reason": "bench",
        "override_freeze": False,
        "created_at": NOW,
        "gates": {},
        "deployment_id": f"dep_{number:08d}",
        "started_at": NOW,
        "finished_at": NOW,
        "wake_at": None,
        "revision": 3,
        "replaces_digest": None,
    }


def history(uow: UnitOfWork, artifacts: int, services: int = 100) -> str:
    """Artifacts in releases of ten, each with evidence, promotion and ledger entries; one wheel's digest."""
    called = names(services)
    count = artifacts // PER_RELEASE
    made = [artifact_rows(number, called[number % services]) for number in range(count)]
    rows = [release_row(number, called[number % services], each) for number, each in enumerate(made)]
    write(uow, artifact_store.artifact_table, itertools.chain.from_iterable(made))
    write(uow, release_store.releases, rows)
    held = ((row, each) for row, parts in zip(rows, made, strict=True) for each in parts)
    write(
        uow, release_store.contents, ({"release_id": r["id"], "digest": each["digest"]} for r, each in held)
    )
    write(
        uow,
        release_store.promotions,
        (promotion_row(number, row, "prod") for number, row in enumerate(rows)),
    )
    _evidence(uow, rows)
    for row, parts in zip(rows, made, strict=True):
        for kind, name in (("build", row["build_id"]), ("release", row["id"]), ("promotion", row["id"])):
            subject = f"{kind}:{name}".replace("promotion:rel", "promotion:prm")
            ledger.append(uow, Actor("ana"), f"{kind}.made", subject, digest=parts[0]["digest"])
    return str(made[count // 2][PER_RELEASE // 2]["digest"])


def _evidence(uow: UnitOfWork, rows: Sequence[dict[str, Any]]) -> None:
    kinds = (PROVENANCE, SBOM, TEST_RESULT)
    pairs = [(row, kind) for row in rows for kind in kinds]
    write(
        uow,
        artifact_store.evidence_table,
        (
            {
                "id": f"evi_{number:08d}",
                "content_digest": digest("evidence", number),
                "predicate_type": kind,
                "statement": {"predicateType": kind, "subject": [{"name": row["service"]}]},
                "envelope": {"payload": "x" * 2000, "signatures": []},
                "at": NOW,
            }
            for number, (row, kind) in enumerate(pairs)
        ),
    )
    subjects = (
        {"digest": row["bundle_digest"], "evidence_id": f"evi_{number:08d}"}
        for number, (row, _) in enumerate(pairs)
    )
    write(uow, artifact_store.subject_table, subjects)


def everything_runs(uow: UnitOfWork, services: int) -> None:
    """Every service serves in every environment, with two instances."""
    platform(uow, services)
    places = list(itertools.product(names(services), STOPS))
    rows = [_served(number, *place) for number, place in enumerate(places)]
    for table in (deploy_store.deployments, deploy_store.currents, deploy_store.listeners):
        keys = {column.name for column in table.columns}
        write(uow, table, ({key: row[key] for key in row if key in keys} for row in rows))
    write(uow, deploy_store.instances, (each for row in rows for each in _instances(row)))
    write(uow, release_store.places, (_place(row) for row in rows))


def _served(number: int, service: str, environment: str) -> dict[str, Any]:
    order = deploy.Order(
        service=service,
        environment=environment,
        version="1.0.0",
        release_digest=digest("release", service),
        bundle_digest=digest("bundle", service),
        process=PROCESS,
        instances=2,
        strategy=catalog.StrategySpec(),
        canary_metrics=(),
        reason="bench",
    )
    return {
        "id": f"dep_{number:08d}",
        "deployment_id": f"dep_{number:08d}",
        "service": service,
        "environment": environment,
        "version": "1.0.0",
        "release_digest": order.release_digest,
        "order": order.model_dump(mode="json"),
        "state": "succeeded",
        "previous_id": None,
        "stage": 3,
        "phase": "act",
        "phase_since": NOW,
        "weights": {f"dep_{number:08d}": 100},
        "traffic_since": NOW,
        "created_at": NOW,
        "started_at": NOW,
        "finished_at": NOW,
        "outcome": "succeeded",
        "reason": "",
        "judgement": None,
        "measured": {},
        "look": 0,
        "revision": 9,
        "wake_at": None,
        "going_back": False,
        "halted": "",
        "actor": "ana",
        "since": NOW,
        "port": 10_000 + number,
    }


def _instances(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": f"ins_{row['id'][4:]}_{number}",
            "deployment_id": row["id"],
            "service": row["service"],
            "environment": row["environment"],
            "side": "main",
            "version": row["version"],
            "release_digest": row["release_digest"],
            "bundle_digest": row["order"]["bundle_digest"],
            "port": 20_000 + row["port"] + number,
            "wanted": "running",
            "status": "healthy",
            "started_at": NOW,
            "stop_after": None,
            "pid": 1000 + number,
            "restarts": 0,
            "detail": "",
        }
        for number in range(2)
    ]


def _place(row: dict[str, Any]) -> dict[str, Any]:
    promotion = "prm_" + row["id"][4:]
    return {
        "service": row["service"],
        "environment": row["environment"],
        "release_digest": row["release_digest"],
        "version": row["version"],
        "promotion_id": promotion,
        "since": NOW,
        "last_promotion": promotion,
        "last_state": "succeeded",
        "last_version": row["version"],
        "last_at": NOW,
    }
