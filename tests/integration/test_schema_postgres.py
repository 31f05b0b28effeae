"""Two processes of one start bring an empty PostgreSQL to the present schema."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from postgres import empty_postgres

from clearway.storage import Database
from clearway.wiring import schema

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("postgres")]


def test_two_upgrades_at_once_both_end(tmp_path: Path) -> None:
    """One does it, the other waits without holding up the concurrent index builds of the first."""
    database = empty_postgres()
    errors: list[Exception] = []

    def upgrade() -> None:
        own = Database(database.url, database.clock)
        try:
            schema.upgrade(own, tmp_path)
        except Exception as error:  # noqa: BLE001 - told by the test itself
            errors.append(error)
        finally:
            own.dispose()

    threads = [threading.Thread(target=upgrade, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert not any(thread.is_alive() for thread in threads)
    assert errors == []
    assert schema.is_current(database)
    database.dispose()
