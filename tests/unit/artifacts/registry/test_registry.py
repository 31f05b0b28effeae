"""Registries: addresses, tags, who may, and which member of a group answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import make_database

from clearway import access, artifacts, catalog, ledger
from clearway.access import UserDocument
from clearway.catalog import Registry
from clearway.kernel import (
    SYSTEM,
    Actor,
    Conflict,
    Invalid,
    NotFound,
    Refused,
    Unauthenticated,
    by_kind,
    load_documents,
)
from clearway.storage import Blobs, Database, FileBlobs, UnitOfWork

DEV, MANAGER, VIEWER = Actor("dev"), Actor("release-manager"), Actor("auditor")
PLATFORM = """
{kind: Registry, name: tools, format: generic}
---
{kind: Registry, name: released, format: generic, maturity: release, anonymous: read, writers: [builders]}
---
{kind: Registry, name: everything, format: generic, mode: group, members: [released, tools]}
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    tools: dict[type[Any], Any] = {Blobs: FileBlobs(tmp_path / "blobs")}
    database = make_database(tmp_path, tools=tools)
    with database.begin() as uow:
        people = [
            UserDocument(name="dev", roles=["developer"]),
            UserDocument(name="release-manager", roles=["release-manager"], groups=["builders"]),
            UserDocument(name="auditor", roles=["auditor"]),
        ]
        access.apply(uow, SYSTEM, people)
        apply(uow, PLATFORM)
    yield database
    database.dispose()


def apply(uow: UnitOfWork, text: str) -> None:
    catalog.apply(uow, SYSTEM, [doc for doc, _ in load_documents(text, "p.yaml", by_kind(catalog.KINDS))])


def put(
    uow: UnitOfWork,
    registry: str = "tools",
    path: str = "jq/1/jq",
    content: bytes = b"x",
    actor: Actor = MANAGER,
    **more: Any,
) -> artifacts.File:
    blob = uow.tool(Blobs).put([content])
    package, version, _ = path.split("/")
    known = catalog.registry(uow, registry)
    return artifacts.add_file(
        uow, actor, known, package=package, version=version, path=path, blob=blob, **more
    )


def test_what_has_an_address_keeps_its_bytes(database: Database) -> None:
    """The same again is what is there; other bytes are a conflict, and change nothing."""
    with database.begin() as uow:
        made = put(uow)
        assert put(uow, actor=DEV) == made
    with database.begin() as uow, pytest.raises(Conflict, match="never changes"):
        put(uow, content=b"y")
    with database.read() as uow:
        assert artifacts.file_at(uow, "tools", "jq/1/jq") == made
        assert artifacts.files_of(uow, "tools", "jq", "1") == [made]
        assert artifacts.files_of(uow, "tools", "jq", "2") == []
        assert artifacts.file_by_digest(uow, "tools", "jq", made.digest) == made
        assert artifacts.files_with(uow, made.digest) == [made]
        actions = [each.action for each in ledger.entries(uow, subject="registry:tools").items]
    assert actions[1:] == ["package.stored"]


def test_replacing_is_for_development(database: Database) -> None:
    """A format's moving files may be replaced in a dev registry; in a release registry nothing is."""
    with database.begin() as uow:
        first = put(uow)
        second = put(uow, content=b"y", replaces=True)
        assert (second.id, second.digest != first.digest) == (first.id, True)
        put(uow, "released")
    with database.begin() as uow, pytest.raises(Conflict):
        put(uow, "released", content=b"y", replaces=True)


def test_each_change_of_a_package_counts(database: Database) -> None:
    """So that what was made of its rows is made again then, and only then."""
    with database.begin() as uow:
        put(uow)
        before = artifacts.change_of(uow, "tools", "jq")
        put(uow, path="other/1/x")
        assert artifacts.change_of(uow, "tools", "jq") == before
        registry = catalog.registry(uow, "tools")
        artifacts.change_facts(uow, MANAGER, registry, "jq/1/jq", {"yanked": "broken"}, "it is broken")
        artifacts.set_tag(uow, MANAGER, registry, "jq", "latest", "1")
        artifacts.remove_tag(uow, MANAGER, registry, "jq", "latest")
        artifacts.remove_file(uow, MANAGER, registry, "jq/1/jq", "not ours")
        assert artifacts.change_of(uow, "tools", "jq") == before + 4
        assert artifacts.change_of(uow, "tools", "nothing") == 0
        with pytest.raises(NotFound):
            artifacts.remove_file(uow, MANAGER, registry, "jq/1/jq", "again")


def test_tags_move(database: Database) -> None:
    """A tag names one thing, and another when it is set again; only who may write moves it."""
    with database.begin() as uow:
        tools = catalog.registry(uow, "tools")
        artifacts.set_tag(uow, DEV, tools, "jq", "latest", "1")
        artifacts.set_tag(uow, DEV, tools, "jq", "latest", "2")
        assert artifacts.tags_of(uow, "tools", "jq") == {"latest": "2"}
        with pytest.raises(Refused):
            artifacts.set_tag(uow, VIEWER, tools, "jq", "latest", "1")
        with pytest.raises(NotFound):
            artifacts.remove_tag(uow, DEV, tools, "jq", "oldest")


def test_roles_allow_and_names_narrow(database: Database) -> None:
    """Reading is everybody's, pushing developers', deleting release managers'; a registry may name fewer."""
    with database.begin() as uow:
        tools, released = catalog.registry(uow, "tools"), catalog.registry(uow, "released")
        artifacts.require(uow, VIEWER, tools, "read")
        artifacts.require(uow, DEV, tools, "write")
        artifacts.require(uow, MANAGER, released, "write")
        artifacts.require(uow, artifacts.ANONYMOUS, released, "read")
        refused = [(VIEWER, tools, "write"), (DEV, released, "write"), (DEV, tools, "delete")]
        refused += [(DEV, tools, "promote")]
        for actor, registry, verb in refused:
            with pytest.raises(Refused):
                artifacts.require(uow, actor, registry, verb)  # type: ignore[arg-type]
        for registry, verb in ((tools, "read"), (released, "write")):
            with pytest.raises(Unauthenticated):
                artifacts.require(uow, artifacts.ANONYMOUS, registry, verb)  # type: ignore[arg-type]


def test_a_name_in_a_group_belongs_to_one_member(database: Database) -> None:
    """The first local member that has it answers alone, so that nobody outside can answer for us."""
    with database.begin() as uow:
        group = catalog.registry(uow, "everything")

        def owner(package: str) -> list[str]:
            return [each.name for each in artifacts.look_in(uow, group, package)]

        assert owner("jq") == []
        put(uow, "tools")
        assert owner("jq") == ["tools"]
        put(uow, "released")
        assert owner("jq") == ["released"]
        with pytest.raises(Invalid, match="is a group"):
            put(uow, "everything")


def test_packages_are_listed_and_searched(database: Database) -> None:
    """In order, page by page; a search takes no pattern from who searches."""
    with database.begin() as uow:
        for name in ("a", "b_b", "bxb", "c"):
            put(uow, path=f"{name}/1/x")
        first = artifacts.packages_in(uow, "tools", limit=3)
        rest = artifacts.packages_in(uow, "tools", limit=3, after=first.next_cursor)
        assert ([*first.items, *rest.items], rest.next_cursor) == (["a", "b_b", "bxb", "c"], None)
        assert artifacts.packages_in(uow, "tools", like="b_b").items == ["b_b"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{kind: Registry, name: a, format: pypi, mode: group}", "members"),
        ("{kind: Registry, name: a, format: pypi, members: [tools]}", "members"),
        ("{kind: Registry, name: a, format: pypi, mode: group, members: [tools]}", "format pypi"),
        (
            "{kind: Registry, name: a, format: generic, mode: group, members: [everything]}",
            "local registries",
        ),
        ("{kind: Registry, name: a, format: generic, mode: group, members: [nobody]}", "unknown Registry"),
        ("{kind: Registry, name: a, format: pypi, team: nobody}", "unknown Team"),
    ],
)
def test_a_registry_that_makes_no_sense_is_refused(database: Database, text: str, problem: str) -> None:
    """With what is wrong and what was expected."""
    with database.begin() as uow, pytest.raises(Invalid) as refused:
        apply(uow, text)
    assert problem in f"{refused.value} {refused.value.expected}"


def test_the_records_are_frozen() -> None:
    """A registry that was read stays as it was read."""
    with pytest.raises(ValueError, match="frozen"):
        Registry(name="a", format="pypi").name = "b"  # type: ignore[misc]
