"""Who declared what a deployment was for: a declaration goes before what is inferred."""

import sqlalchemy as sa
from alembic import op

revision = "0018_pre_declared_intents"
down_revision = "0017_pre_hands"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what was declared before is in the ledger."""
    op.add_column("metrics_deployment", sa.Column("declared_by", sa.Text(), nullable=True))
