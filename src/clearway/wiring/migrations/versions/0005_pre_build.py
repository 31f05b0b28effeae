"""The first tables of build."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005_pre_build"
down_revision = "0004_pre_artifacts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    _build_build()


def _build_build() -> None:
    op.create_table(
        "build_build",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("twice", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("queued_at", sa.BigInteger(), nullable=False),
        sa.Column("commit", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("author", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("mode", sa.Text(), nullable=True),
        sa.Column("reproduced", sa.Boolean(), nullable=True),
        sa.Column("artifacts", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=True),
        sa.Column("tests", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("log_path", sa.Text(), nullable=False),
        sa.Column("cancel_asked", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_build_build")),
    )
    with op.batch_alter_table("build_build", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_build_build_commit"), ["commit"], unique=False)
        batch_op.create_index(batch_op.f("ix_build_build_service"), ["service"], unique=False)
