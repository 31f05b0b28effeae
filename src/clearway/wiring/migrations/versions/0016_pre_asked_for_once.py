"""The same promotion is asked for once at a time, and one rollback at a time for a place."""

import sqlalchemy as sa
from alembic import op

revision = "0016_pre_asked_for_once"
down_revision = "0015_pre_workers"
branch_labels = None
depends_on = None

WAITING = ("held", "waiting-approval", "waiting-soak", "waiting-window")
IS_OPEN = sa.text("state IN ('deploying', 'held', 'waiting-approval', 'waiting-soak', 'waiting-window')")
GOES_BACK = sa.text(f"kind = 'rollback' AND {IS_OPEN.text}")


def upgrade() -> None:
    """End what was asked for twice, but for the one that moves or was asked for last; then forbid it."""
    _end_twins("release_id", "kind")
    _end_twins("service", "kind", kind="rollback")
    with op.batch_alter_table("releases_promotions", schema=None) as batch_op:
        batch_op.create_index(
            "uq_releases_promotions_open",
            ["release_id", "environment", "kind"],
            unique=True,
            sqlite_where=IS_OPEN,
            postgresql_where=IS_OPEN,
        )
        batch_op.create_index(
            "uq_releases_promotions_back",
            ["service", "environment"],
            unique=True,
            sqlite_where=GOES_BACK,
            postgresql_where=GOES_BACK,
        )


def _end_twins(*same: str, **equal: str) -> None:
    columns = ("id", "release_id", "service", "environment", "kind", "state", "why", "revision")
    table = sa.table("releases_promotions", *map(sa.column, columns), sa.column("wake_at", sa.BigInteger))
    other = table.alias("other")
    later = sa.and_(other.c.state.in_(WAITING), other.c.id > table.c.id)
    twin = sa.exists().where(
        *(other.c[name] == table.c[name] for name in ("environment", *same)),
        other.c.id != table.c.id,
        sa.or_(other.c.state == "deploying", later),
    )
    op.execute(
        table.update()
        .where(table.c.state.in_(WAITING), *(table.c[name] == value for name, value in equal.items()), twin)
        .values(
            state="superseded",
            why="it was asked for twice",
            wake_at=None,
            revision=table.c.revision + 1,
        )
    )
