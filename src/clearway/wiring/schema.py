"""Brings the database to the present schema, once, whoever starts first."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from clearway import workflow
from clearway.storage import Database

MIGRATIONS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 0x636C656172776179  # "clearway"


def alembic_config(connection: sa.Connection | None = None) -> Config:
    """Alembic's settings without a file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("file_template", "%%(rev)s")
    config.attributes["connection"] = connection
    return config


def upgrade(database: Database, home: Path) -> None:
    """Make or upgrade every table, ours and the engine's. Safe to call from several processes at once."""
    with _one_at_a_time(database, home):
        workflow.migrate(database)
        with database.engine.begin() as connection:
            command.upgrade(alembic_config(connection), "head")


@contextmanager
def _one_at_a_time(database: Database, home: Path) -> Iterator[None]:
    if database.engine.dialect.name == "sqlite":
        with (home / "migrate.lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
        return
    with database.engine.connect() as connection:
        # Outside a transaction: an open one would keep the engine's concurrent index builds waiting for ever.
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(sa.text("select pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
        try:
            yield
        finally:
            connection.execute(sa.text("select pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
