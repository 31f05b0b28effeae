"""Applying platform documents: a diff first, once is enough, and nothing broken gets in."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from databases import make_database
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from clearway import access, catalog, ledger
from clearway.catalog.model import cycle
from clearway.kernel import (
    SYSTEM,
    Actor,
    Conflict,
    DocumentError,
    Invalid,
    NotFound,
    Refused,
    by_kind,
    load_documents,
)
from clearway.storage import Bus, Database, UnitOfWork

ANN = Actor("ann")

PLATFORM = """\
kind: Team
name: storefront
members: [dev]
---
kind: Gate
name: tests-passed
rule: evidence.tests.failed == 0
reason: A failing test stops here.
---
kind: Environment
name: dev
order: 0
promotion: automatic
---
kind: Environment
name: prod
type: production
order: 40
approvals: {count: 1, groups: [approver]}
gates: [tests-passed]
soak: 1h
strategy:
  kind: canary
  steps: [{weight: 10, hold: 5s}, {weight: 100}]
---
kind: Route
name: standard
environments: [dev, prod]
---
kind: Service
name: shop
team: storefront
repository: https://example.org/shop.git
route: standard
"""


def read(text: str) -> list[BaseModel]:
    return [document for document, _ in load_documents(text, "platform.yaml", by_kind(catalog.KINDS))]


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def database(tmp_path: Path, bus: Bus) -> Iterator[Database]:
    database = make_database(tmp_path, bus=bus)
    with database.begin() as uow:
        access.apply(
            uow, SYSTEM, [access.UserDocument(name="ann", roles=[access.GrantDocument(role="admin")])]
        )
        access.apply(
            uow, SYSTEM, [access.UserDocument(name="dev", roles=[access.GrantDocument(role="developer")])]
        )
    yield database
    database.dispose()


def apply(database: Database, text: str, *, prune: bool = False) -> dict[str, str]:
    with database.begin() as uow:
        found = catalog.apply(uow, ANN, read(text), prune=prune)
    return {f"{diff.kind} {diff.name}": diff.action for diff in found}


def written(uow: UnitOfWork) -> int:
    return len([entry for entry in ledger.entries(uow).items if not entry.action.startswith("user.")])


def test_what_was_applied_can_be_read(database: Database) -> None:
    """Every record comes back as it was declared, gates resolved."""
    apply(database, PLATFORM)
    with database.read() as uow:
        assert [environment.name for environment in catalog.environments(uow)] == ["dev", "prod"]
        prod = catalog.environment(uow, "prod")
        assert (prod.kind, prod.gates[0].rule) == ("production", "evidence.tests.failed == 0")
        assert prod.strategy is not None
        assert [step.weight for step in prod.strategy.steps] == [10, 100]
        assert prod.soak.total_seconds() == 3600
        route = catalog.route_of(uow, "shop")
        assert (route.before("dev"), route.before("prod"), route.after("dev"), route.after("prod")) == (
            None,
            "dev",
            "prod",
            None,
        )
        assert catalog.service(uow, "shop").branch == "main"
        assert catalog.team(uow, "storefront").members == ("dev",)
        assert [gate.name for gate in catalog.gates(uow)] == ["tests-passed"]


def test_planning_changes_nothing(database: Database) -> None:
    """The diff can be seen before anything happens."""
    with database.begin() as uow:
        planned = catalog.plan_apply(uow, read(PLATFORM))
        assert {diff.action for diff in planned} == {"create"}
    with database.read() as uow:
        assert catalog.services(uow) == ()
        assert written(uow) == 0


def test_applying_twice_changes_nothing(database: Database) -> None:
    """The second time every diff says none, and the ledger gets no entry."""
    assert set(apply(database, PLATFORM).values()) == {"create"}
    with database.read() as uow:
        before = written(uow)
    assert set(apply(database, PLATFORM).values()) == {"none"}
    with database.read() as uow:
        assert written(uow) == before == 6


def test_only_who_may_apply_applies(database: Database) -> None:
    """Permission is asked before anything else."""
    with database.begin() as uow, pytest.raises(Refused, match="dev may not platform:apply"):
        catalog.apply(uow, Actor("dev"), read(PLATFORM))


def test_a_change_is_shown_and_recorded_by_key(database: Database) -> None:
    """The diff and the ledger name the key that changes, from what, to what."""
    apply(database, PLATFORM)
    changed = PLATFORM.replace("soak: 1h", "soak: 2h")
    with database.begin() as uow:
        (diff,) = [diff for diff in catalog.apply(uow, ANN, read(changed)) if diff.action != "none"]
    assert diff.changes == (("soak", "1h", "2h"),)
    with database.read() as uow:
        entry = ledger.entries(uow, subject="environment:prod").items[-1]
        assert (entry.actor, entry.action, entry.data) == (
            "ann",
            "environment.updated",
            {"changes": [["soak", "1h", "2h"]]},
        )


def test_a_read_after_apply_in_one_transaction_sees_it(database: Database) -> None:
    """What a transaction remembers of the catalog is forgotten when it changes."""
    apply(database, PLATFORM)
    with database.begin() as uow:
        assert catalog.environment(uow, "prod").instances == 1
        catalog.apply(uow, ANN, read(PLATFORM.replace("soak: 1h", "instances: 3")))
        assert catalog.environment(uow, "prod").instances == 3


def test_what_is_left_out_stays_unless_pruned(database: Database) -> None:
    """Deletion happens only when it is asked for."""
    apply(database, PLATFORM)
    less = PLATFORM[: PLATFORM.index("---\nkind: Service")]
    assert "delete" not in apply(database, less).values()
    assert apply(database, less, prune=True)["Service shop"] == "delete"
    with database.read() as uow, pytest.raises(NotFound, match="no service `shop`"):
        catalog.service(uow, "shop")


def test_a_room_above_can_keep_what_it_needs(database: Database, bus: Bus) -> None:
    """A subscriber's Conflict stops the deletion, and the whole apply with it."""
    apply(database, PLATFORM)

    def keep(uow: UnitOfWork, event: catalog.Removing) -> None:
        raise Conflict(f"{event.kind} {event.name} still runs")

    bus.subscribe(catalog.Removing, keep)
    with pytest.raises(Conflict, match="Service shop still runs"):
        apply(database, PLATFORM[: PLATFORM.index("---\nkind: Service")], prune=True)
    with database.read() as uow:
        assert catalog.service(uow, "shop")


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ("team: storefront", "team: shopfront", 30, "Service shop names the unknown Team shopfront"),
        ("route: standard", "route: fast", 30, "names the unknown Route fast"),
        ("[dev, prod]", "[dev, qa, prod]", 26, "Route standard names the unknown Environment qa"),
        ("gates: [tests-passed]", "gates: [test-passed]", 15, "names the unknown Gate test-passed"),
        ("failed == 0", "failed == 0 &&& x", 5, "gate tests-passed"),
        ("evidence.tests.failed == 0", "a.map(x, a.map(y, y)) == a", 5, "inside another comprehension"),
    ],
)
def test_what_leads_nowhere_is_refused_with_its_line(
    database: Database, old: str, new: str, place: int, said: str
) -> None:
    """A dangling name or a costly gate is one error with file and line, and nothing is changed."""
    with pytest.raises(Invalid) as caught:
        apply(database, PLATFORM.replace(old, new))
    assert str(caught.value).startswith(f"platform.yaml:{place}: ")
    assert said in str(caught.value)
    with database.read() as uow:
        assert catalog.teams(uow) == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[dev, prod]", "[dev, prod, dev]", "twice on one route"),
        ("weight: 100", "weight: 90", "must grow to 100"),
        ("kind: canary", "kind: rolling", "with rolling"),
        ("https://example.org/shop.git", "ext::sh -c id", "is not a repository"),
        ("https://example.org/shop.git", "--upload-pack=id", "is not a repository"),
        ("route: standard\n", "route: standard\nbranch: --help\n", "is not a branch"),
        ("route: standard\n", "route: standard\npath: ../x\n", "leaves the repository"),
        ("route: standard\n", "route: standard\ndepends_on: [shop]\n", "depends on itself"),
        ("soak: 1h", "soak: 1 hour", "a number and a unit"),
        ("count: 1", "count: 0", "greater than or equal to 1"),
        ("order: 40", "oder: 40", "did you mean `order`?"),
    ],
)
def test_what_makes_no_sense_is_refused_when_read(old: str, new: str, said: str) -> None:
    """A document that contradicts itself, or would make git run a program, never reaches the catalog."""
    with pytest.raises(DocumentError, match=r"platform\.yaml:\d+:\d+: ") as caught:
        read(PLATFORM.replace(old, new))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "location",
    [
        "https://user:ghp_hunter2@example.org/shop.git",
        "https://ghp_hunter2@example.org/shop.git",
        "ssh://git:ghp_hunter2@example.org/shop.git",
        "https://example.org/shop.git?token=ghp_hunter2",
        "ext::https://ghp_hunter2@example.org",
    ],
)
def test_an_address_with_a_password_is_refused(location: str) -> None:
    """A catalog and a ledger are for everybody's eyes and for ever: no address in them holds a secret."""
    with pytest.raises(DocumentError) as caught:
        read(PLATFORM.replace("https://example.org/shop.git", location))
    assert "ghp_hunter2" not in str(caught.value) + repr(caught.value.detail)
    if not location.startswith("ext"):
        assert "git_credential_helper" in str(caught.value)


def test_an_address_recorded_before_can_be_read_and_replaced(database: Database) -> None:
    """A catalog that already holds such an address still opens, and the next apply can take it out."""
    apply(database, PLATFORM)
    with database.begin() as uow:
        spec = catalog.store.load_one(uow, "Service", "shop")
        assert spec is not None
        catalog.store.save(
            uow, "Service", "shop", {**spec, "repository": "https://u:pw@example.org/shop.git"}
        )
    with database.read() as uow:
        assert [each.name for each in catalog.services(uow)] == ["shop"]
    apply(database, "kind: Team\nname: other\n")
    apply(database, PLATFORM)
    with database.read() as uow:
        assert catalog.service(uow, "shop").repository == "https://example.org/shop.git"


def test_the_same_thing_twice_is_refused(database: Database) -> None:
    """Two documents for one name are an error that names both places."""
    with pytest.raises(
        Invalid, match=r"platform\.yaml:36: Team storefront is declared twice, first in pl.*:1;"
    ):
        apply(database, PLATFORM + "---\nkind: Team\nname: storefront\n")


def test_a_circle_of_services_is_refused(database: Database) -> None:
    """Dependencies that come back to where they started have no order to deploy in."""
    one = PLATFORM[PLATFORM.index("kind: Service") :]
    text = PLATFORM.replace("route: standard\n", "route: standard\ndepends_on: [cart]\n")
    text += "---\n" + one.replace("name: shop", "name: cart") + "depends_on: [shop]\n"
    with pytest.raises(Invalid, match="in a circle: cart -> shop -> cart"):
        apply(database, text)


def test_pruning_what_is_still_named_is_refused(database: Database) -> None:
    """The catalog as it would be is checked, not only the documents."""
    apply(database, PLATFORM)
    with pytest.raises(Invalid, match="names the unknown Team storefront"):
        apply(database, PLATFORM[PLATFORM.index("kind: Gate") :], prune=True)


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef"))))
def test_a_circle_is_found_exactly_when_there_is_one(graph: dict[str, set[str]]) -> None:
    """What is reported is a real circle; silence means that an order exists."""
    found = cycle(graph)
    if found:
        assert found[0] == found[-1]
        assert all(b in graph.get(a, set()) for a, b in pairwise(found))
    else:
        left = {name: set(needs) for name, needs in graph.items()}
        while free := [name for name, needs in left.items() if not needs & set(left)]:
            for name in free:
                del left[name]
        assert not left
