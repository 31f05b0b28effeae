"""What is pushed is built by itself, when the service says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from building import Builder, Steps, declare_repository, script_service
from repositories import Made

from clearway import build, catalog, source
from clearway.build.ports import FakePackages, FakeSandbox
from clearway.kernel import SYSTEM, by_kind, load_documents
from clearway.storage import Bus

SERVICE = """\
kind: Service
name: shop
team: store
route: normal
repository: code
builds: {builds}
path: {path}
"""


@pytest.fixture
def made(tmp_path: Path) -> Made:
    found = Made(tmp_path / "repository")
    script_service(found, "  - {name: a, run: [x]}\n")
    return found


@pytest.fixture
def builder(tmp_path: Path, made: Made) -> Builder:
    bus = Bus()
    for kind, handler in build.SUBSCRIBERS:
        bus.subscribe(kind, handler)
    found = Builder(tmp_path, "/nowhere", FakeSandbox({}), FakePackages(tmp_path / "p"), bus)
    declare_repository(found.database, "code", str(made.root))
    return found


def service(builder: Builder, builds: str = "pushed", path: str = ".") -> None:
    text = SERVICE.format(builds=builds, path=path)
    with builder.database.begin() as uow:
        docs = [doc for doc, _ in load_documents(text, "p.yaml", by_kind(catalog.KINDS))]
        catalog.apply(uow, SYSTEM, docs)


def see(builder: Builder) -> list[str]:
    """Fetch, do the looks that were queued; what is built now, by its ref."""
    source.sync(builder.database, "shop")
    looks = [(name, args) for name, _, args in builder.queued.started if name == "build.pushed"]
    builder.queued.started.clear()
    for name, args in looks:
        build.FLOWS[name].function(builder.database, Steps(), **args)
    return [args["build_id"] for name, _, args in builder.queued.started if name == "build.run"]


def test_what_comes_to_the_branch_is_built(builder: Builder, made: Made) -> None:
    """The last commit, once, by its id; what was there before anybody looked is not."""
    service(builder)
    assert see(builder) == []
    made.commit({"one": "1"})
    sha = made.commit({"two": "2"})
    (build_id,) = see(builder)
    assert (builder.get(build_id).ref, builder.get(build_id).requested_by) == (sha, SYSTEM.name)
    assert see(builder) == []


def test_a_version_tag_is_built_and_another_tag_is_not(builder: Builder, made: Made) -> None:
    """Its build has the tag's version, though the commit was built before."""
    service(builder)
    see(builder)
    made.git("tag", "v1.2.3")
    made.git("tag", "nightly")
    (build_id,) = see(builder)
    assert builder.get(build_id).ref == "refs/tags/v1.2.3"


def test_other_branches_are_not_built(builder: Builder, made: Made) -> None:
    """Who wants that, asks."""
    service(builder)
    see(builder)
    made.git("checkout", "--quiet", "-b", "try")
    made.commit({"one": "1"})
    assert see(builder) == []


def test_only_what_changes_the_service_s_folder(builder: Builder, made: Made) -> None:
    """In a repository of several services each is built for its own changes."""
    (made.root / "shop").mkdir()
    made.commit({"shop/clearway.yaml": "service: shop\n"})
    service(builder, path="shop")
    see(builder)
    made.commit({"elsewhere": "1"})
    assert see(builder) == []
    made.commit({"shop/here": "1"})
    assert len(see(builder)) == 1


def test_a_service_that_does_not_say_so_is_left_alone(builder: Builder, made: Made) -> None:
    """Asking is the default."""
    service(builder, "asked")
    see(builder)
    made.commit({"one": "1"})
    assert see(builder) == []


def test_what_is_built_already_is_not_built_again(builder: Builder, made: Made) -> None:
    """A build that somebody asked for meanwhile is enough."""
    service(builder)
    see(builder)
    sha = made.commit({"one": "1"})
    builder.request(sha)
    builder.queued.started.clear()
    assert see(builder) == []
