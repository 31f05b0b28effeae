"""Workers of one PostgreSQL, and when each was last heard."""

import sqlalchemy as sa
from alembic import op

revision = "0015_pre_workers"
down_revision = "0014_pre_api"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "workflow_worker",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("seen_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_workflow_worker")),
    )
