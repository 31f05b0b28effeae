"""Whose hand a token or a password comes from: what somebody else made does not approve."""

import sqlalchemy as sa
from alembic import op

revision = "0017_pre_hands"
down_revision = "0016_pre_asked_for_once"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. Empty ones read safely: a token by who created it, a password as another's."""
    op.add_column("access_token", sa.Column("handed_by", sa.String(), nullable=True))
    op.add_column("access_user", sa.Column("password_by", sa.String(), nullable=True))
