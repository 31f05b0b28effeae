"""The first tables of artifacts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004_pre_artifacts"
down_revision = "0003_pre_config"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    _artifacts_artifact()
    _artifacts_evidence()
    _artifacts_subject()
    # Reflection cannot see an index on an expression, so it is written by hand.
    parts: list[str | sa.TextClause] = ["digest", "name", sa.text("coalesce(build_id, '')")]
    op.create_index("uq_artifacts_artifact_made", "artifacts_artifact", parts, unique=True)


def _artifacts_artifact() -> None:
    op.create_table(
        "artifacts_artifact",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("purl", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("build_id", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artifacts_artifact")),
    )
    with op.batch_alter_table("artifacts_artifact", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_artifacts_artifact_build_id"), ["build_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_artifacts_artifact_digest"), ["digest"], unique=False)
        batch_op.create_index(batch_op.f("ix_artifacts_artifact_service"), ["service"], unique=False)


def _artifacts_evidence() -> None:
    op.create_table(
        "artifacts_evidence",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.Text(), nullable=False),
        sa.Column("predicate_type", sa.Text(), nullable=False),
        sa.Column("statement", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("envelope", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artifacts_evidence")),
        sa.UniqueConstraint("content_digest", name=op.f("uq_artifacts_evidence_content_digest")),
    )


def _artifacts_subject() -> None:
    op.create_table(
        "artifacts_subject",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("evidence_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["evidence_id"], ["artifacts_evidence.id"], name=op.f("fk_artifacts_subject_evidence_id")
        ),
        sa.PrimaryKeyConstraint("digest", "evidence_id", name=op.f("pk_artifacts_subject")),
    )
