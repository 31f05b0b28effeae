"""The first tables of deploy."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007_pre_deploy"
down_revision = "0006_pre_changes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    _deploy_current()
    _deploy_deployment()
    _deploy_instance()
    _deploy_listener()
    _deploy_sample()


def _deploy_current() -> None:
    op.create_table(
        "deploy_current",
        sa.Column("service", sa.String(length=60), nullable=False),
        sa.Column("environment", sa.String(length=60), nullable=False),
        sa.Column("deployment_id", sa.String(length=40), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("service", "environment", name=op.f("pk_deploy_current")),
    )


def _deploy_deployment() -> None:
    op.create_table(
        "deploy_deployment",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("service", sa.String(length=60), nullable=False),
        sa.Column("environment", sa.String(length=60), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("release_digest", sa.String(length=71), nullable=False),
        sa.Column("order", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("previous_id", sa.String(length=40), nullable=True),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("phase", sa.String(length=10), nullable=False),
        sa.Column("phase_since", sa.BigInteger(), nullable=False),
        sa.Column("weights", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("traffic_since", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=30), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("judgement", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=True),
        sa.Column("measured", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("look", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("wake_at", sa.BigInteger(), nullable=True),
        sa.Column("going_back", sa.Boolean(), nullable=False),
        sa.Column("halted", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deploy_deployment")),
    )
    with op.batch_alter_table("deploy_deployment", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_deploy_deployment_release_digest"), ["release_digest"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_deploy_deployment_service_environment_created_at"),
            ["service", "environment", "created_at"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_deploy_deployment_state_wake_at"), ["state", "wake_at"], unique=False
        )
        batch_op.create_index(
            "uq_deploy_deployment_active",
            ["service", "environment"],
            unique=True,
            sqlite_where=sa.text("outcome IS NULL"),
            postgresql_where=sa.text("outcome IS NULL"),
        )


def _deploy_instance() -> None:
    op.create_table(
        "deploy_instance",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("deployment_id", sa.String(length=40), nullable=False),
        sa.Column("service", sa.String(length=60), nullable=False),
        sa.Column("environment", sa.String(length=60), nullable=False),
        sa.Column("side", sa.String(length=10), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("release_digest", sa.String(length=71), nullable=False),
        sa.Column("bundle_digest", sa.String(length=71), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("stop_after", sa.BigInteger(), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("restarts", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deploy_instance")),
    )
    with op.batch_alter_table("deploy_instance", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deploy_instance_deployment_id"), ["deployment_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_deploy_instance_service_environment_wanted"),
            ["service", "environment", "wanted"],
            unique=False,
        )


def _deploy_listener() -> None:
    op.create_table(
        "deploy_listener",
        sa.Column("service", sa.String(length=60), nullable=False),
        sa.Column("environment", sa.String(length=60), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("weights", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("service", "environment", name=op.f("pk_deploy_listener")),
        sa.UniqueConstraint("port", name=op.f("uq_deploy_listener_port")),
    )


def _deploy_sample() -> None:
    op.create_table(
        "deploy_sample",
        sa.Column("deployment_id", sa.String(length=40), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", "revision", name=op.f("pk_deploy_sample")),
    )
