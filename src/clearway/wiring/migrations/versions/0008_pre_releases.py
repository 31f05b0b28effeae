"""The first tables of releases."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008_pre_releases"
down_revision = "0007_pre_deploy"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    _releases_calendars()
    _releases_places()
    _releases_releases()
    _releases_contents()
    _releases_promotions()


def _releases_calendars() -> None:
    op.create_table(
        "releases_calendars",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("spec", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_releases_calendars")),
    )


def _releases_places() -> None:
    op.create_table(
        "releases_places",
        sa.Column("service", sa.String(length=60), nullable=False),
        sa.Column("environment", sa.String(length=60), nullable=False),
        sa.Column("release_digest", sa.String(length=80), nullable=True),
        sa.Column("version", sa.String(length=200), nullable=True),
        sa.Column("promotion_id", sa.String(length=40), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("last_promotion", sa.String(length=40), nullable=False),
        sa.Column("last_state", sa.String(length=20), nullable=False),
        sa.Column("last_version", sa.String(length=200), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("service", "environment", name=op.f("pk_releases_places")),
    )


def _releases_releases() -> None:
    op.create_table(
        "releases_releases",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("service", sa.String(length=60), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("content_digest", sa.String(length=80), nullable=False),
        sa.Column("commit", sa.String(length=64), nullable=False),
        sa.Column("artifacts", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("bundle_digest", sa.String(length=80), nullable=False),
        sa.Column("definition", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("config_schema_digest", sa.String(length=80), nullable=False),
        sa.Column("policy_digest", sa.String(length=80), nullable=False),
        sa.Column("notes_digest", sa.String(length=80), nullable=False),
        sa.Column("build_id", sa.String(length=40), nullable=False),
        sa.Column("created_by", sa.String(length=100), nullable=False),
        sa.Column("authors", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("since_version", sa.String(length=200), nullable=True),
        sa.Column("since_commit", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_releases_releases")),
        sa.UniqueConstraint("digest", name=op.f("uq_releases_releases_digest")),
        sa.UniqueConstraint("service", "version", name=op.f("uq_releases_releases_service_version")),
    )
    with op.batch_alter_table("releases_releases", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_releases_releases_build_id"), ["build_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_releases_releases_bundle_digest"), ["bundle_digest"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_releases_releases_commit"), ["commit"], unique=False)
        batch_op.create_index("ix_releases_releases_version", ["version"], unique=False)


def _releases_contents() -> None:
    op.create_table(
        "releases_contents",
        sa.Column("release_id", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["release_id"], ["releases_releases.id"], name=op.f("fk_releases_contents_release_id")
        ),
        sa.PrimaryKeyConstraint("release_id", "digest", name=op.f("pk_releases_contents")),
    )
    with op.batch_alter_table("releases_contents", schema=None) as batch_op:
        batch_op.create_index("ix_releases_contents_digest", ["digest"], unique=False)


def _releases_promotions() -> None:
    op.create_table(
        "releases_promotions",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("release_id", sa.String(length=40), nullable=False),
        sa.Column("release_digest", sa.String(length=80), nullable=False),
        sa.Column("service", sa.String(length=60), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=False),
        sa.Column("environment", sa.String(length=60), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("plan", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("plan_hash", sa.String(length=80), nullable=False),
        sa.Column("requested_by", sa.String(length=100), nullable=False),
        sa.Column("requested_kind", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("override_freeze", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("gates", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("deployment_id", sa.String(length=40), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("wake_at", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("replaces_digest", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(
            ["release_id"], ["releases_releases.id"], name=op.f("fk_releases_promotions_release_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_releases_promotions")),
    )
    with op.batch_alter_table("releases_promotions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_releases_promotions_deployment_id"), ["deployment_id"], unique=False
        )
        batch_op.create_index("ix_releases_promotions_place", ["service", "environment", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_releases_promotions_plan_hash"), ["plan_hash"], unique=False)
        batch_op.create_index(batch_op.f("ix_releases_promotions_release_id"), ["release_id"], unique=False)
        batch_op.create_index(
            "ix_releases_promotions_state", ["state", "service", "environment"], unique=False
        )
        batch_op.create_index("ix_releases_promotions_version", ["service", "version"], unique=False)
        batch_op.create_index(batch_op.f("ix_releases_promotions_wake_at"), ["wake_at"], unique=False)
        batch_op.create_index(
            "uq_releases_promotions_deploying",
            ["service", "environment"],
            unique=True,
            sqlite_where=sa.text("state = 'deploying'"),
            postgresql_where=sa.text("state = 'deploying'"),
        )
