"""A ledger with a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from databases import make_database

from clearway import ledger
from clearway.kernel import Actor
from clearway.storage import Database

Fill = Callable[[int], None]
Found = list[tuple[str, int | None, int | None]]
SIZE = 600  # two full tiles and a part of a third


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the ledgers of these tests take several."""
    monkeypatch.setattr("clearway.ledger.service.verify._STEP", 256)


@pytest.fixture
def signer(tmp_path: Path) -> ledger.NoteSigner:
    return ledger.load_or_create_key(tmp_path / "ledger.key")


@pytest.fixture
def database(tmp_path: Path, signer: ledger.NoteSigner) -> Iterator[Database]:
    database = make_database(tmp_path, tools={ledger.NoteSigner: signer})
    yield database
    database.dispose()


@pytest.fixture
def fill(database: Database) -> Fill:
    """Appends so many entries."""

    def append(count: int) -> None:
        with database.begin() as uow:
            for number in range(count):
                ledger.append(uow, Actor("dana"), "a.b", f"s:{number}", reason="why", data={"n": number})

    return append


def found(result: ledger.Verification) -> Found:
    """Each problem's kind, first and last entry."""
    return [(problem.kind, problem.first, problem.last) for problem in result.problems]


def live(database: Database, old: str | None = None) -> ledger.Verification:
    """Verifies the database, at once and step by step, which must say the same."""
    with database.read() as uow:
        at_once = ledger.verify_live(uow, old)
    assert ledger.verify_in_steps(database, old) == at_once
    return at_once


def sign(database: Database) -> ledger.Checkpoint:
    """Stores a checkpoint."""
    with database.begin() as uow:
        return ledger.checkpoint(uow)


def attack(database: Database, *statements: str) -> None:
    """Somebody with all rights on the database: the triggers are no obstacle to them."""
    with database.begin() as uow:
        triggers = sa.text("select 'drop trigger ' || name from sqlite_master where type = 'trigger'")
        for drop in uow.connection.scalars(triggers).all():
            uow.connection.exec_driver_sql(drop)
        for statement in statements:
            uow.connection.exec_driver_sql(statement)
