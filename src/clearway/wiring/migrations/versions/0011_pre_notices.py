"""The first tables of notices."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011_pre_notices"
down_revision = "0010_pre_metrics"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    _notices_cursor()
    _notices_delivery()
    _notices_notice()


def _notices_cursor() -> None:
    op.create_table(
        "notices_cursor",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices_cursor")),
    )


def _notices_delivery() -> None:
    op.create_table(
        "notices_delivery",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("notice", sa.Text(), nullable=False),
        sa.Column("entry", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices_delivery")),
    )
    with op.batch_alter_table("notices_delivery", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_notices_delivery_notice"), ["notice"], unique=False)


def _notices_notice() -> None:
    op.create_table(
        "notices_notice",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("spec", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_notices_notice")),
    )
