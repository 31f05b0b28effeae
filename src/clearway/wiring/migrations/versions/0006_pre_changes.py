"""The first tables of changes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006_pre_changes"
down_revision = "0005_pre_build"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    _changes_approvals()
    _changes_notes()
    _changes_requests()


def _changes_approvals() -> None:
    op.create_table(
        "changes_approvals",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("promotion_id", sa.String(length=40), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("actor_kind", sa.String(length=10), nullable=False),
        sa.Column("plan_hash", sa.String(length=80), nullable=False),
        sa.Column("meaning", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("voided_at", sa.BigInteger(), nullable=True),
        sa.Column("void_reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes_approvals")),
    )
    with op.batch_alter_table("changes_approvals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_changes_approvals_actor"), ["actor"], unique=False)
        batch_op.create_index(batch_op.f("ix_changes_approvals_promotion_id"), ["promotion_id"], unique=False)


def _changes_notes() -> None:
    op.create_table(
        "changes_notes",
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("body", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_changes_notes")),
    )


def _changes_requests() -> None:
    op.create_table(
        "changes_requests",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("promotion_id", sa.String(length=40), nullable=False),
        sa.Column("service", sa.String(length=60), nullable=False),
        sa.Column("environment", sa.String(length=60), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("risk", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("impact", sa.Text(), nullable=False),
        sa.Column("rollback_plan", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes_requests")),
        sa.UniqueConstraint("promotion_id", name=op.f("uq_changes_requests_promotion_id")),
    )
    with op.batch_alter_table("changes_requests", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_changes_requests_opened_at"), ["opened_at"], unique=False)
