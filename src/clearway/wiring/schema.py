"""Brings the database to the present schema, once, whoever starts first."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from clearway import workflow
from clearway.storage import Database

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
ASK_S = 0.1
_ADVISORY_LOCK = 0x636C656172776179  # "clearway"


def alembic_config(connection: sa.Connection | None = None) -> Config:
    """Alembic's settings without a file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("file_template", "%%(rev)s")
    config.attributes["connection"] = connection
    return config


def upgrade(database: Database, home: Path) -> None:
    """Make or upgrade every table, ours and the engine's. Safe to call from several processes at once."""
    if is_current(database):
        return
    with _one_at_a_time(database, home):
        if is_current(database):
            return  # somebody else did it meanwhile, and has loaded what it takes
        from alembic import command

        workflow.migrate(database)
        with database.engine.begin() as connection:
            command.upgrade(alembic_config(connection), "head")


def is_current(database: Database) -> bool:
    """Whether nothing is left to do. Asked at each start, so it loads neither Alembic nor the engine; our own
    migrations come last, in one transaction, so where they are done all is."""
    with database.read() as uow:
        if not sa.inspect(uow.connection).has_table("alembic_version"):
            return False
        at = uow.connection.scalars(sa.text("select version_num from alembic_version")).all()
    return at == [latest()] and workflow.is_migrated(database)


def latest() -> str:
    """The last migration; they are named in their order."""
    return max(file.stem for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


@contextmanager
def _one_at_a_time(database: Database, home: Path) -> Iterator[None]:
    if database.engine.dialect.name == "sqlite":
        with (home / "migrate.lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
        return
    with database.engine.connect() as connection:
        # The engine builds indexes concurrently, which waits for every open transaction and every running
        # statement, such as one that waits for this lock: so nothing stays open, and we ask again and again.
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        while not connection.scalar(sa.text("select pg_try_advisory_lock(:key)"), {"key": _ADVISORY_LOCK}):
            time.sleep(ASK_S)
        try:
            yield
        finally:
            connection.execute(sa.text("select pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
