"""The first tables of workflow."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013_pre_workflow"
down_revision = "0012_pre_ledger"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    _workflow_timer()


def _workflow_timer() -> None:
    op.create_table(
        "workflow_timer",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("flow", sa.Text(), nullable=False),
        sa.Column("args", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_workflow_timer")),
    )
    with op.batch_alter_table("workflow_timer", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_workflow_timer_due_at"), ["due_at"], unique=False)
