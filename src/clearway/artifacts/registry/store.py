"""The tables of registries: files, tags, and how often each registry and package changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from clearway.storage import Instant, Json, UnitOfWork, metadata

from .model import File, PackageVersion, Tag, Usage

file_table = sa.Table(
    "artifacts_file",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("registry", sa.Text, nullable=False),
    sa.Column("package", sa.Text, nullable=False),
    sa.Column("version", sa.Text),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False, index=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("hashes", Json, nullable=False),
    sa.Column("facts", Json, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.UniqueConstraint("registry", "path", name="uq_artifacts_file_path"),
    sa.Index("ix_artifacts_file_package", "registry", "package", "version"),
)
tag_table = sa.Table(
    "artifacts_tag",
    metadata,
    sa.Column("registry", sa.Text, primary_key=True),
    sa.Column("package", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
)
# A package's number grows with each change to it, so that what was made of its rows can be kept until then.
change_table = sa.Table(
    "artifacts_change",
    metadata,
    sa.Column("registry", sa.Text, primary_key=True),
    sa.Column("package", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
)

# made once: faces ask it with every request, and making it costs as much as asking it
_CHANGES = sa.select(change_table.c.number).where(
    change_table.c.registry == sa.bindparam("registry"), change_table.c.package == sa.bindparam("package")
)
_FILE = tuple(each.name for each in fields(File))
_TAG = tuple(each.name for each in fields(Tag))


def _file(row: sa.Row[Any]) -> File:
    return File(**{name: getattr(row, name) for name in _FILE})


def file_at(uow: UnitOfWork, registry: str, path: str) -> File | None:
    """The file with this address."""
    where = (file_table.c.registry == registry, file_table.c.path == path)
    row = uow.connection.execute(sa.select(file_table).where(*where)).first()
    return _file(row) if row else None


def files(
    uow: UnitOfWork, registry: str, package: str, where: Sequence[sa.ColumnElement[bool]] = ()
) -> list[File]:
    """The files of a package that fit, in the order in which they came."""
    query = (
        sa.select(file_table)
        .where(file_table.c.registry == registry, file_table.c.package == package, *where)
        .order_by(file_table.c.id)
    )
    return [_file(row) for row in uow.connection.execute(query)]


def with_digest(uow: UnitOfWork, digest: str, limit: int) -> list[File]:
    """Every file with these bytes, oldest first."""
    query = sa.select(file_table).where(file_table.c.digest == digest).order_by(file_table.c.id)
    return [_file(row) for row in uow.connection.execute(query.limit(limit))]


def has_package(uow: UnitOfWork, registry: str, package: str) -> bool:
    """Whether the registry has any file of this name."""
    where = (file_table.c.registry == registry, file_table.c.package == package)
    return uow.connection.execute(sa.select(sa.literal(1)).where(*where).limit(1)).first() is not None


def packages(
    uow: UnitOfWork, registry: str, after: str | None, limit: int, part: str | None = None
) -> list[str]:
    """Names of packages, in order, after one of them."""
    query = sa.select(file_table.c.package).where(file_table.c.registry == registry).distinct()
    if after is not None:
        query = query.where(file_table.c.package > after)
    if part:
        query = query.where(file_table.c.package.contains(part, autoescape=True))
    return list(uow.connection.scalars(query.order_by(file_table.c.package).limit(limit)))


def add_file(uow: UnitOfWork, file: File) -> None:
    """Keep a new file. Raises IntegrityError of the database when the address is taken."""
    uow.connection.execute(sa.insert(file_table).values(**{name: getattr(file, name) for name in _FILE}))


def replace_file(uow: UnitOfWork, file: File) -> None:
    """Put another file at an address; it keeps the id."""
    values = {name: getattr(file, name) for name in _FILE if name not in ("id", "registry", "path")}
    where = (file_table.c.registry == file.registry, file_table.c.path == file.path)
    uow.connection.execute(sa.update(file_table).where(*where).values(**values))


def set_facts(uow: UnitOfWork, file: File, facts: Mapping[str, Any]) -> None:
    """Other facts of a file."""
    query = sa.update(file_table).where(file_table.c.id == file.id)
    uow.connection.execute(query.values(facts=dict(facts)))


def remove_files(uow: UnitOfWork, ids: Sequence[str]) -> None:
    """Forget files; their bytes stay until nothing names them."""
    uow.connection.execute(sa.delete(file_table).where(file_table.c.id.in_(ids)))


def tags(uow: UnitOfWork, registry: str, package: str) -> list[Tag]:
    """A package's tags, by name."""
    query = sa.select(tag_table).where(tag_table.c.registry == registry, tag_table.c.package == package)
    rows = uow.connection.execute(query.order_by(tag_table.c.name))
    return [Tag(**{name: getattr(row, name) for name in _TAG}) for row in rows]


def put_tag(uow: UnitOfWork, tag: Tag) -> None:
    """Make a tag name this."""
    remove_tag(uow, tag.registry, tag.package, tag.name)
    uow.connection.execute(sa.insert(tag_table).values(**{name: getattr(tag, name) for name in _TAG}))


def remove_tag(uow: UnitOfWork, registry: str, package: str, name: str) -> bool:
    """Forget a tag; whether there was one."""
    where = (tag_table.c.registry == registry, tag_table.c.package == package, tag_table.c.name == name)
    return bool(uow.connection.execute(sa.delete(tag_table).where(*where)).rowcount)


def changes(uow: UnitOfWork, registry: str, package: str) -> int:
    """How often a package changed."""
    named = {"registry": registry, "package": package}
    return uow.connection.execute(_CHANGES, named).scalar() or 0


def changed(uow: UnitOfWork, registry: str, package: str) -> None:
    """A package changed. Also what makes two writers of one package wait for each other."""
    dialect = postgresql if uow.connection.dialect.name == "postgresql" else sqlite
    query = dialect.insert(change_table).values(registry=registry, package=package, number=1)
    grown = {"number": change_table.c.number + 1}
    uow.connection.execute(query.on_conflict_do_update(index_elements=["registry", "package"], set_=grown))


def usage(uow: UnitOfWork) -> dict[str, Usage]:
    """How much is in each registry that holds anything: one question for all of them."""
    file = file_table.c
    query = sa.select(
        file.registry,
        sa.func.count(sa.distinct(file.package)),
        sa.func.count(),
        sa.func.sum(file.size),
        sa.func.max(file.at),
    ).group_by(file.registry)
    return {
        name: Usage(packages, count, int(size), at)
        for name, packages, count, size, at in uow.connection.execute(query)
    }


def versions(uow: UnitOfWork, registry: str, package: str) -> list[PackageVersion]:
    """The versions of a package, newest arrival first."""
    file = file_table.c
    first = sa.func.min(file.id)
    query = (
        sa.select(file.version, sa.func.count(), sa.func.sum(file.size), first)
        .where(file.registry == registry, file.package == package, file.version.is_not(None))
        .group_by(file.version)
        .order_by(first.desc())
    )
    rows = uow.connection.execute(query).all()
    brought = sa.select(file.id, file.at, file.by).where(file.id.in_([row[3] for row in rows[:5000]]))
    who = {identity: (at, by) for identity, at, by in uow.connection.execute(brought)}
    return [
        PackageVersion(version, count, int(size), *who[identity])
        for version, count, size, identity in rows[:5000]
    ]
