"""Migrations and the rooms' tables say the same."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from databases import load_tables
from postgres import empty_postgres

from clearway.storage import Database, metadata
from clearway.wiring import schema


def compared(database: Database) -> list[object]:
    """What autogenerate would still change; the engine's own tables are not ours."""
    load_tables()

    def ours(name: str | None, kind: str, parents: object) -> bool:
        return kind != "table" or name in metadata.tables

    with database.engine.connect() as connection:
        options = {"include_name": ours, "compare_type": False}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_migrations_make_exactly_the_tables_of_the_rooms(tmp_path: Path) -> None:
    """A new database, migrated, has every table, column and index that a room declares, and no other."""
    database = Database(f"sqlite:///{tmp_path}/c.db", lambda: datetime.now(UTC))
    assert not schema.is_current(database)
    schema.upgrade(database, tmp_path)
    assert schema.is_current(database)
    schema.upgrade(database, tmp_path)
    assert compared(database) == []
    database.dispose()


@pytest.mark.parametrize(
    "change", ["delete from dbos_migrations", "update alembic_version set version_num = '0001'"]
)
def test_a_database_left_behind_is_upgraded(tmp_path: Path, change: str) -> None:
    """Whichever half is not at the latest, ours or the engine's, is not taken for current."""
    database = Database(f"sqlite:///{tmp_path}/c.db", lambda: datetime.now(UTC))
    schema.upgrade(database, tmp_path)
    with database.begin() as uow:
        uow.connection.execute(sa.text(change))
    assert not schema.is_current(database)
    database.dispose()


def test_the_latest_migration_is_the_head() -> None:
    """The names of the migrations are in their order."""
    assert ScriptDirectory.from_config(schema.alembic_config()).get_current_head() == schema.latest()


def test_the_migrated_ledger_refuses_changes(tmp_path: Path) -> None:
    """The guards against changing entries come with the migrations, not only with tests' tables."""
    database = Database(f"sqlite:///{tmp_path}/c.db", lambda: datetime.now(UTC))
    schema.upgrade(database, tmp_path)
    with database.engine.connect() as connection:
        names = {
            row[0]
            for row in connection.execute(sa.text("select name from sqlite_master where type='trigger'"))
        }
    assert any(name.startswith("ledger_entry") for name in names)
    database.dispose()


@pytest.mark.integration
def test_migrations_work_on_postgresql(tmp_path: Path) -> None:
    """The same on PostgreSQL."""
    database = empty_postgres(lambda: datetime.now(UTC))
    assert not schema.is_current(database)
    schema.upgrade(database, tmp_path)
    assert schema.is_current(database)
    assert compared(database) == []
    database.dispose()


def test_whoever_waited_for_another_does_it_not_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several that start at once one makes the tables; the others look again when it is their turn."""
    database = Database(f"sqlite:///{tmp_path}/c.db", lambda: datetime.now(UTC))
    schema.upgrade(database, tmp_path)
    looks = iter([False, True])
    monkeypatch.setattr(schema, "is_current", lambda _: next(looks))
    monkeypatch.setattr(schema.workflow, "migrate", lambda _: pytest.fail("it was done already"))
    schema.upgrade(database, tmp_path)
    assert list(looks) == []
    database.dispose()
