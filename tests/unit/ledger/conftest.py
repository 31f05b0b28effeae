"""A ledger with a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from databases import make_database

from clearway import ledger
from clearway.kernel import Actor
from clearway.storage import Database

Fill = Callable[[int], None]


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
