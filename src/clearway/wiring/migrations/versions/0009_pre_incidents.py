"""The first tables of incidents."""

import sqlalchemy as sa
from alembic import op

revision = "0009_pre_incidents"
down_revision = "0008_pre_releases"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    _incidents_incident()
    _incidents_action()


def _incidents_incident() -> None:
    op.create_table(
        "incidents_incident",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("deployment_id", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("restored_at", sa.BigInteger(), nullable=True),
        sa.Column("restored_by_deployment", sa.Text(), nullable=True),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents_incident")),
        sa.UniqueConstraint("deployment_id", name=op.f("uq_incidents_incident_deployment_id")),
    )
    with op.batch_alter_table("incidents_incident", schema=None) as batch_op:
        batch_op.create_index(
            "ix_incidents_incident_place", ["service", "environment", "restored_at"], unique=False
        )


def _incidents_action() -> None:
    op.create_table(
        "incidents_action",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("incident_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("done_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents_incident.id"], name=op.f("fk_incidents_action_incident_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents_action")),
    )
    with op.batch_alter_table("incidents_action", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_incidents_action_incident_id"), ["incident_id"], unique=False)
