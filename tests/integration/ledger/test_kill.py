"""kill -9 while entries are appended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from databases import make_database

from clearway import ledger

pytestmark = pytest.mark.integration

WRITER = """
import sys
from datetime import UTC, datetime
from clearway import ledger
from clearway.kernel import Actor
from clearway.storage import Database
import sqlalchemy as sa

database = Database(sys.argv[1], lambda: datetime.now(UTC))
while True:
    with database.begin() as uow:
        size = uow.connection.scalar(sa.text("select count(*) from fact"))
        uow.connection.execute(sa.text("insert into fact values (:id)"), {"id": size})
        for number in range(size % 5 + 1):
            ledger.append(uow, Actor("writer"), "fact.stored", f"fact:{size}", data={"n": number})
    print("committed", flush=True)
"""


def test_a_killed_writer_leaves_facts_and_entries_that_fit(tmp_path: Path) -> None:
    """However often it is killed: each fact has all of its entries, no entry is without its fact, and the
    tree goes on where it was."""
    signer = ledger.load_or_create_key(tmp_path / "ledger.key")
    database = make_database(tmp_path, tools={ledger.NoteSigner: signer})
    with database.begin() as uow:
        uow.connection.execute(sa.text("create table fact (id integer primary key)"))
    facts = 0
    for kill in range(3):
        command = [sys.executable, "-c", WRITER, database.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(8 + 7 * kill):
                assert writer.stdout.readline() == "committed\n"
            writer.kill()
        with database.begin() as uow:
            result = ledger.verify_live(uow)
            before, facts = facts, uow.connection.scalar(sa.text("select count(*) from fact")) or 0
            ledger.checkpoint(uow)
        assert result.problems == ()
        assert result.entries == sum(fact % 5 + 1 for fact in range(facts))
        assert facts >= before + 8 + 7 * kill
    database.dispose()
