"""Since when a look at a repository is queued or goes on, so that news told meanwhile start no other."""

import sqlalchemy as sa
from alembic import op

revision = "0023_pre_one_look_at_a_time"
down_revision = "0022_pre_deliveries"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; empty means that none is known, and the next news start one."""
    op.add_column("source_repositories", sa.Column("asked_at", sa.BigInteger(), nullable=True))
