"""The first tables of catalog."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002_pre_catalog"
down_revision = "0001_pre_access"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    _catalog_items()


def _catalog_items() -> None:
    op.create_table(
        "catalog_items",
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("spec", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name=op.f("pk_catalog_items")),
    )
