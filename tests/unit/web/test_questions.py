"""Pages ask the database a number of questions that does not grow with what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from showcase import ROOT, Showcase

from clearway import access, ledger
from clearway.build import store as builds
from clearway.incidents import store as incidents
from clearway.kernel import SYSTEM
from clearway.metrics import store as metrics
from clearway.releases import store as releases
from clearway.storage import UnitOfWork

MORE = 30
MOST = 40  # more questions than this on one page want a reason


def copies(uow: UnitOfWork, table: sa.Table, *new: str, where: Callable[[sa.Row], bool] | None = None) -> int:
    """Add copies of what is in a table; `new` are the columns that must differ."""
    rows = [row for row in uow.connection.execute(sa.select(table)) if where is None or where(row)]
    made = [
        {**row._mapping, **{name: f"{getattr(row, name)}{number:03}" for name in new}}
        for row in rows[:3]
        for number in range(MORE)
    ]
    uow.connection.execute(table.insert(), made)
    return len(made)


def grow(house: Showcase) -> None:
    """Much more of everything that the pages list."""
    house.many(MORE)
    with house.database.begin() as uow:
        people = [access.UserDocument(name=f"user-{n}", groups=["crowd"]) for n in range(MORE)]
        access.apply(uow, SYSTEM, people)
        counts = [
            copies(uow, releases.releases, "id", "version", "digest"),
            copies(uow, releases.promotions, "id", where=lambda row: row.state != "deploying"),
            copies(uow, builds.build_table, "id"),
            copies(uow, incidents.incidents, "id", where=lambda row: row.deployment_id is None),
            copies(uow, metrics.deployments, "id", "version", where=lambda row: row.counted),
        ]
        assert all(counts), counts
        for row in uow.connection.execute(sa.select(metrics.deployments)).all():
            where = {"service": row.service, "environment": row.environment, "deployment_id": row.id}
            uow.connection.execute(
                metrics.changes.insert(), {**where, "sha": row.id, "committed_at": row.finished_at}
            )
        found = uow.connection.execute(sa.select(incidents.incidents.c.id)).scalars().all()
        for number in range(MORE):
            at = uow.now() - timedelta(days=number)
            action = {"text": "x", "owner": "o", "added_by": "o", "added_at": at}
            uow.connection.execute(
                incidents.actions.insert(),
                [{"id": f"{each}-{number}", "incident_id": each, **action} for each in found],
            )
            for each in found[:3]:
                ledger.append(uow, ROOT, "incident.noted", f"incident:{each}", reason="more")


@pytest.fixture(scope="module")
def counted(
    tmp_path_factory: pytest.TempPathFactory, arrive: Callable[..., Any]
) -> Iterator[tuple[Any, Showcase, list[str]]]:
    house = Showcase(tmp_path_factory.mktemp("questions")).fill()
    with house.database.begin() as uow:
        for name in ("one", "two"):
            incidents.add(uow, _declared(uow, name))
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    visitor = arrive(house, "rita")
    visitor.get("/")  # whatever is done once is done
    sa.event.listen(house.database.engine, "before_cursor_execute", note)
    yield visitor, house, asked
    sa.event.remove(house.database.engine, "before_cursor_execute", note)
    visitor.close()
    house.database.dispose()


def _declared(uow: UnitOfWork, name: str) -> incidents.Incident:
    return incidents.Incident(f"inc_{name}", "shop", "prod", name, None, None, uow.now(), "otto")


def pages(house: Showcase) -> list[str]:
    """What people look at."""
    waits = house.one("waiting-approval").id
    done = house.one("succeeded").id
    back = house.one("rolled-back")
    with house.database.read() as uow:
        caused = incidents.of_deployment(uow, back.deployment_id or "")
    assert caused
    return [
        "/",
        "/?q=shop",
        "/services/shop",
        "/releases",
        "/releases/shop/1.1.0",
        "/promotions",
        f"/promotions/{waits}",
        f"/promotions/{done}",
        f"/promotions/{back.id}",
        "/approvals",
        "/builds",
        "/builds/bld_0_broken",
        "/incidents?show=all",
        f"/incidents/{caused.id}",
        "/figures",
        "/figures/shop/prod/change_fail_rate",
        "/figures/shop/prod/failed_deployment_recovery_time",
        "/environments/prod",
        "/configuration/shop",
        "/calendar?service=shop",
        "/people",
        "/audit",
        "/me",
    ]


def test_no_page_asks_more_of_a_larger_house(counted: tuple[Any, Showcase, list[str]]) -> None:
    """Thirty times as much of everything, and not one question more on any page; few of them at all."""
    visitor, house, asked = counted

    def count(page: str) -> int:
        visitor.app.state.snapshot.forget()
        asked.clear()
        answer = visitor.get(page)
        assert answer.status_code == 200, (page, answer.status_code, answer.text[:300])
        return sum(not each.startswith(("BEGIN", "PRAGMA")) for each in asked)

    listed = pages(house)
    for page in listed:
        count(page)
    before = {page: count(page) for page in listed}
    grow(house)
    count("/")  # the people are new: who may do what is learnt once
    after = {page: count(page) for page in listed}
    assert {page: (before[page], after[page]) for page in listed if after[page] > before[page]} == {}
    assert {page: number for page, number in after.items() if number > MOST} == {}
