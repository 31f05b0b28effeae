"""A database of the code before, with a promotion that two people asked for, is brought along."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command

from clearway.kernel import FixedClock
from clearway.storage import Database
from clearway.wiring import schema

BEFORE = "0015_pre_workers"
TEXTS = ("release_digest", "version", "why", "plan_hash", "requested_by", "requested_kind", "reason")
REST = {"service": "shop", "override_freeze": False, "created_at": 0, "revision": 0}
EMPTY = dict.fromkeys(TEXTS, "") | {"plan": {}, "gates": {}} | REST
NAMES = ("id", "release_id", "environment", "kind", "state")


def test_what_was_asked_for_twice_is_ended_once(tmp_path: Path) -> None:
    """What moves stays, else what was asked for last; the others end, and the index can be made."""
    database = Database(f"sqlite:///{tmp_path}/c.db", FixedClock())
    rows = [
        ("a", "r1", "uat", "rollout", "waiting-approval"),
        ("b", "r1", "uat", "rollout", "held"),
        ("c", "r1", "dev", "rollout", "deploying"),
        ("d", "r1", "dev", "rollout", "held"),
        ("e", "r1", "dev", "rollback", "held"),
        ("f", "r2", "dev", "rollback", "held"),
        ("g", "r2", "uat", "rollout", "waiting-soak"),
        ("h", "r1", "uat", "rollout", "succeeded"),
    ]
    with database.engine.begin() as connection:
        command.upgrade(schema.alembic_config(connection), BEFORE)
    plain = sa.create_engine(database.url)  # which asks for no release behind a promotion
    with plain.begin() as connection:
        table = sa.Table("releases_promotions", sa.MetaData(), autoload_with=connection)
        values = [{**EMPTY, **dict(zip(NAMES, row, strict=True))} for row in rows]
        connection.execute(table.insert(), values)
    plain.dispose()
    with database.engine.begin() as connection:
        command.upgrade(schema.alembic_config(connection), "head")
        query = "SELECT id, state, why FROM releases_promotions"
        found = {row.id: (row.state, row.why) for row in connection.exec_driver_sql(query)}
    database.dispose()
    ended = {key: why for key, (state, why) in found.items() if state == "superseded"}
    assert ended == dict.fromkeys("ade", "it was asked for twice")
