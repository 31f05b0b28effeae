"""Trace and overview: from anything to everything, in a constant number of queries."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from house import House

from clearway import deploy, ledger, releases
from clearway.kernel import Conflict, NotFound
from clearway.releases import store
from clearway.storage import Database


@pytest.fixture
def told(house: House) -> House:
    """A house where 1.0.0 runs in uat."""
    house.release("1.0.0")
    house.to("uat", "1.0.0")
    return house


def subjects(house: House) -> dict[str, str]:
    with house.database.read() as uow:
        release = releases.release(uow, "shop", "1.0.0")
        promotion = releases.promotions(uow, environment="uat").items[0]
        runs = next(each for each in deploy.running(uow) if each.environment == "uat")
    return {
        "instance": runs.instances[0].id,
        "pid": f"pid:{runs.instances[0].pid}",
        "deployment": promotion.deployment_id,
        "promotion": promotion.id,
        "plan": promotion.plan_hash,
        "release": release.id,
        "release digest": release.digest,
        "artifact": release.bundle_digest,
        "bare digest": release.bundle_digest.removeprefix("sha256:"),
        "build": release.build_id,
        "commit": release.commit,
        "short commit": release.commit[:8],
        "version": "1.0.0",
        "service and version": "shop@1.0.0",
    }


NAMES = [
    *("instance", "pid", "deployment", "promotion", "plan", "release", "release digest", "build", "artifact"),
    *("bare digest", "commit", "short commit", "version", "service and version"),
]
PROVEN = {"deployment", "promotion", "plan", "release", "build", "evidence", "artifact", "commit", "author"}


@pytest.mark.parametrize("name", NAMES)
def test_everything_leads_to_commit_author_approver_and_evidence(told: House, name: str) -> None:
    """Whatever is asked about, the chain has every link, and the ledger entries that made it."""
    subject = subjects(told)[name]
    with told.database.read() as uow:
        chain = releases.trace(uow, subject)
        entries = {each.index: each for each in ledger.entries(uow, limit=1000).items}
    kinds = {link.kind for link in chain.links}
    assert kinds >= PROVEN
    assert ("instance" in kinds) == (name in ("instance", "pid"))
    release = next(link for link in chain.links if link.kind == "release")
    assert [entries[index].action for index in release.ledger] == ["release.created"]
    if name not in ("pid",):  # the fake target gives every instance the same pid
        assert [link.text for link in chain.of("approval")] == ["rita: reviewed"]
        assert {entries[index].action for link in chain.of("approval") for index in link.ledger} == {
            "promotion.approved"
        }
    assert chain.to_json()["links"][0]["kind"] == chain.links[0].kind


def test_what_nobody_knows_is_not_found(told: House) -> None:
    """The answer says what could be asked."""
    for subject in ("nothing", "sha256:" + "0" * 64, "deadbeef", "prm_x", "pid:99999999", "other@1.0.0"):
        with told.database.read() as uow, pytest.raises(NotFound):
            releases.trace(uow, subject)


def test_a_version_of_two_services_must_be_named_with_its_service(told: House) -> None:
    """Nothing is guessed."""
    with told.database.begin() as uow:
        known = store.release_by(uow, version="1.0.0")
        store.add_release(uow, replace(known, id="rel_2", service="cart", digest="sha256:" + "1" * 64))
        with pytest.raises(Conflict, match=r"cart@1\.0\.0, shop@1\.0\.0"):
            releases.trace(uow, "1.0.0")


def count_queries(database: Database, action) -> int:
    seen: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        seen.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", note)
    try:
        with database.read() as uow:
            action(uow)
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", note)
    return len(seen)


def test_the_overview_asks_the_same_number_of_questions_for_any_number_of_services(told: House) -> None:
    """A hundred services more, each with something that runs, and not one query more."""
    before = count_queries(told.database, releases.overview)
    more = "\n---\n".join(
        f"{{kind: Service, name: s-{n}, team: store, repository: /x, route: standard}}" for n in range(100)
    )
    told.apply(more)
    with told.database.begin() as uow:
        for number in range(100):
            uow.connection.execute(
                store.places.insert().values(
                    service=f"s-{number}",
                    environment="dev",
                    version="1",
                    release_digest="d",
                    promotion_id="p",
                    last_promotion="p",
                    last_state="succeeded",
                    last_version="1",
                )
            )
    assert count_queries(told.database, releases.overview) == before
    with told.database.read() as uow:
        shown = releases.overview(uow)
    assert len(shown.services) == 103
    assert shown.to_json()["services"][0].keys() == {"service", "team", "route", "environments"}


def test_the_overview_shows_what_runs_and_what_moves(told: House) -> None:
    """Version, health, address and instances of what runs; beside it the promotion that waits."""
    told.commit("feat: gifts")
    told.release("1.1.0")
    waiting = told.promote("1.1.0", "uat")
    with told.database.read() as uow:
        row = next(each for each in releases.overview(uow).services if each.service == "shop")
    cell = row.environments["uat"]
    assert (cell.version, cell.health) == ("1.0.0", "healthy")
    assert cell.address.startswith("http://127.0.0.1:")
    assert len(cell.instances) == 1
    assert cell.moving["promotion"] == waiting.id
    assert cell.last["state"] == "succeeded"
    assert row.environments["prod"].version is None


@pytest.mark.parametrize(
    "query",
    [
        sa.select(store.releases.c.id).where(store.releases.c.digest == "x"),
        sa.select(store.releases.c.id).where(store.releases.c.bundle_digest == "x"),
        sa.select(store.releases.c.id).where(store.releases.c.commit >= "x", store.releases.c.commit < "y"),
        sa.select(store.releases.c.id).where(store.releases.c.version == "x"),
        sa.select(store.releases.c.id).where(store.releases.c.build_id == "x"),
        sa.select(store.contents.c.release_id).where(store.contents.c.digest == "x"),
        sa.select(store.promotions.c.id).where(store.promotions.c.deployment_id == "x"),
        sa.select(store.promotions.c.id).where(store.promotions.c.plan_hash == "x"),
        sa.select(store.promotions.c.id).where(store.promotions.c.release_id == "x"),
        sa.select(store.promotions.c.why).where(
            store.promotions.c.service == "x", store.promotions.c.environment == "y"
        ),
        sa.select(store.promotions.c.why).where(store.promotions.c.state == "held"),
    ],
)
def test_every_question_has_its_index(house: House, query) -> None:
    """No look-up reads a whole table, however many rows it will have."""
    with house.database.read() as uow:
        text = str(query.compile(uow.connection, compile_kwargs={"literal_binds": True}))
        plan = " ".join(row.detail for row in uow.connection.exec_driver_sql(f"explain query plan {text}"))
    assert "USING" in plan
    assert "INDEX" in plan
    assert "SCAN" not in plan


def test_pages_go_from_new_to_old(told: House) -> None:
    """Every promotion once, over as many pages as it takes."""
    seen, cursor = [], None
    with told.database.read() as uow:
        while True:
            page = releases.promotions(uow, service="shop", after=cursor, limit=1)
            seen += [each.id for each in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert [each.version for each in releases.releases(uow, service="shop").items] == ["1.0.0"]
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 2
