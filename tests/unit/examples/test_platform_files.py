"""The example platform: every document is read, applied and decides as the story tells."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from databases import make_database
from pydantic import BaseModel

from clearway import access, catalog, config, notices, policy, releases
from clearway.catalog import load_definition
from clearway.integrations.age import AgeCipher
from clearway.integrations.cel import CelEvaluator
from clearway.kernel import SYSTEM, Actor, DocumentError, by_kind, load_documents
from clearway.storage import Database

EXAMPLES = Path(__file__).parents[3] / "examples"
ROOMS = ("access", "catalog", "config", "releases", "notices")
APPLIED = (access, catalog, config, releases, notices)


def kinds() -> dict[str, type[BaseModel]]:
    doors = [importlib.import_module(f"clearway.{room}") for room in ROOMS]
    return {kind: model for door in doors for kind, model in getattr(door, "KINDS", {}).items()}


def read(variables: Mapping[str, str]) -> list[BaseModel]:
    documents: list[BaseModel] = []
    for path in sorted([*(EXAMPLES / "platform").glob("*.yaml"), *(EXAMPLES / "notices").glob("*.yaml")]):
        text = path.read_text(encoding="utf-8")
        documents += [each for each, _ in load_documents(text, path.name, by_kind(kinds()), variables)]
    return documents


@pytest.fixture(scope="module")
def evaluator() -> Iterator[CelEvaluator]:
    evaluator = CelEvaluator()
    yield evaluator
    evaluator.close()


@pytest.fixture
def database(tmp_path: Path, evaluator: CelEvaluator) -> Iterator[Database]:
    tools: dict[type[Any], Any] = {
        policy.Evaluator: evaluator,
        config.Cipher: AgeCipher.create(tmp_path / "identity.txt"),
    }
    database = make_database(tmp_path, tools=tools)
    yield database
    database.dispose()


def apply(database: Database) -> set[str]:
    documents = read({"SHOP_REPOSITORY": "/srv/shop.git"})
    with database.begin() as uow:
        return {
            diff.action
            for room in APPLIED
            for diff in room.apply(
                uow, SYSTEM, [each for each in documents if isinstance(each, tuple(room.KINDS.values()))]
            )
        }


def test_the_example_is_applied_and_twice_changes_nothing(database: Database) -> None:
    """A newcomer's first apply works, and the second one has nothing to do."""
    assert apply(database) == {"create"}
    assert apply(database) == {"none"}


def test_the_repository_must_be_named() -> None:
    """Without the variable the file and line are named, with what to type."""
    with pytest.raises(DocumentError, match=r"services\.yaml:\d+:13: .*--set SHOP_REPOSITORY=VALUE"):
        read({})


def test_the_route_is_the_storys(database: Database) -> None:
    """Five stops; people decide before uat and prod, and prod is a canary of short holds."""
    apply(database)
    with database.read() as uow:
        route = catalog.route_of(uow, "shop")
        stops = [catalog.environment(uow, name) for name in route.environments]
        assert [stop.name for stop in stops] == ["dev", "qa", "uat", "staging", "prod"]
        assert [bool(stop.approvals) for stop in stops] == [False, False, True, False, True]
        kinds = [stop.strategy.kind for stop in stops if stop.strategy]
        assert kinds == ["recreate", "rolling", "rolling", "blue-green", "canary"]
        prod = stops[-1].strategy
        assert prod is not None
        assert [step.weight for step in prod.steps] == [10, 25, 50, 100]
        assert sum(step.hold.total_seconds() for step in prod.steps) <= 20


def test_the_people_may_do_their_part(database: Database) -> None:
    """Those whom the environments ask for approval can give it, and the authors cannot."""
    apply(database)
    with database.read() as uow:
        for environment, person in (("uat", "qa-lead"), ("prod", "release-manager")):
            rule = catalog.environment(uow, environment).approvals
            assert rule is not None
            assert set(rule.groups) & set(access.groups_of(uow, person))
            assert access.may(uow, _person(person), "promotion:approve", environment=environment).allowed
            assert not access.may(uow, _person("dev"), "promotion:approve", environment=environment).allowed
        assert not access.may(uow, _person("qa-lead"), "promotion:approve", environment="prod").allowed
        assert access.may(uow, _person("dev"), "promotion:create", environment="prod").allowed


def _person(name: str) -> Actor:
    return Actor(name)


FACTS: dict[str, Any] = {
    "release": {
        "version": "1.1.0",
        "commit": "0" * 40,
        "authors": ["dev"],
        "unknown_authors": [],
        "prerelease": False,
    },
    "evidence": {
        "tests": {"passed": 9, "failed": 0, "total": 9},
        "provenance": {"present": True, "builder": "x", "sandboxed": True},
        "sbom": {"present": True},
        "reproduced": True,
    },
    "promotion": {"environment": "prod", "kind": "rollout", "requested_by": "dev"},
    "previous": {"succeeded": True, "soaked_s": 3},
    "approvals": {"count": 0, "names": []},
    "incidents": {"open": 0},
    "calendar": {"frozen": False},
}


def changed(path: str, value: object) -> dict[str, Any]:
    first, *rest = path.split(".")
    inner = dict(FACTS[first])
    place = inner
    for step in rest[:-1]:
        place[step] = dict(place[step])
        place = place[step]
    place[rest[-1]] = value
    return {**FACTS, first: inner}


@pytest.mark.parametrize(
    ("path", "value", "refusals", "warnings"),
    [
        ("release.version", "1.1.0", [], []),
        ("evidence.tests.failed", 1, ["tests-passed"], []),
        ("evidence.tests.total", 0, ["tests-passed"], []),
        ("evidence.sbom.present", False, ["origin-known"], []),
        ("evidence.reproduced", None, ["reproduced"], []),
        ("evidence.provenance.sandboxed", False, [], ["sandboxed"]),
        ("previous.succeeded", False, ["proven-before"], []),
        ("release.prerelease", True, ["finished-version"], []),
        ("incidents.open", 1, ["calm"], []),
        ("incidents.open", None, ["calm"], []),
    ],
)
def test_the_gates_of_prod_say_what_their_reasons_say(
    database: Database,
    evaluator: CelEvaluator,
    path: str,
    value: object,
    refusals: list[str],
    warnings: list[str],
) -> None:
    """Each gate stops what it is for, and nothing else."""
    apply(database)
    with database.read() as uow:
        gates = catalog.environment(uow, "prod").gates
    decision = policy.decide(gates, changed(path, value), evaluator)
    assert [verdict.gate for verdict in decision.refusals] == refusals
    warned = [each.gate for each in decision.verdicts if each.answer != "yes" and not each.blocks]
    assert warned == warnings


def test_the_example_configuration_fits_the_shops_schema(database: Database) -> None:
    """What the shop asks for is there in every environment."""
    apply(database)
    definition = load_definition((EXAMPLES / "shop/clearway.yaml").read_text(encoding="utf-8"))
    with database.read() as uow:
        for environment in catalog.environments(uow):
            resolved = config.resolve(uow, "shop", environment.name, definition.config)
            assert resolved.problems == ()
            greeting = "Welcome" if environment.name == "prod" else "Hello"
            assert config.reveal(uow, resolved)["GREETING"] == greeting
