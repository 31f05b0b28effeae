"""The first tables of metrics."""

import sqlalchemy as sa
from alembic import op

revision = "0010_pre_metrics"
down_revision = "0009_pre_incidents"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    _metrics_change()
    _metrics_deployment()


def _metrics_change() -> None:
    op.create_table(
        "metrics_change",
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("sha", sa.Text(), nullable=False),
        sa.Column("deployment_id", sa.Text(), nullable=False),
        sa.Column("committed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("service", "environment", "sha", name=op.f("pk_metrics_change")),
    )
    with op.batch_alter_table("metrics_change", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_metrics_change_deployment_id"), ["deployment_id"], unique=False)


def _metrics_deployment() -> None:
    op.create_table(
        "metrics_deployment",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("intent", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=False),
        sa.Column("commit", sa.Text(), nullable=True),
        sa.Column("first", sa.Boolean(), nullable=False),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metrics_deployment")),
    )
    with op.batch_alter_table("metrics_deployment", schema=None) as batch_op:
        batch_op.create_index(
            "ix_metrics_deployment_place", ["service", "environment", "finished_at"], unique=False
        )
