"""The first tables of api."""

import sqlalchemy as sa
from alembic import op

revision = "0014_pre_api"
down_revision = "0013_pre_workflow"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    _api_idempotency()


def _api_idempotency() -> None:
    op.create_table(
        "api_idempotency",
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("request", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("location", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("actor", "key", name=op.f("pk_api_idempotency")),
    )
    with op.batch_alter_table("api_idempotency", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_idempotency_at"), ["at"], unique=False)
