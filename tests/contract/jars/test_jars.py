"""The Jars port: one suite for a repository on the disk, one behind HTTP, and the fake."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clearway.build import Jars, MavenFile
from clearway.build.ports import FakeJars
from clearway.integrations.maven_repository import Mirror, address_of
from clearway.kernel import Permanent, Retry, sha256

FILES = {"a/b/1/b-1.jar": b"jar", "a/b/1/b-1.pom": b"pom"}
WANTED = [MavenFile(path, sha256(data)) for path, data in FILES.items()]


@dataclass
class Stock:
    """A way to files."""

    jars: Jars
    change: Callable[[str, bytes], None]

    def tree(self, files: list[MavenFile]) -> Path:
        return self.jars.tree(files, lambda data: None, lambda: None)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(params=["disk", "http", "fake"])
def stock(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stock]:
    place = tmp_path / "repository"
    kept = dict(FILES)

    def change(path: str, data: bytes) -> None:
        kept[path] = data
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(data)

    for path, data in FILES.items():
        change(path, data)
    if request.param == "fake":
        yield Stock(FakeJars(tmp_path / "fake", kept), change)
    elif request.param == "disk":
        yield Stock(Mirror(tmp_path / "jars", place.as_uri()), change)
    else:
        with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(place))) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield Stock(Mirror(tmp_path / "jars", f"http://127.0.0.1:{server.server_address[1]}"), change)
            server.shutdown()
            thread.join()


def test_a_repository_of_exactly_these_files(stock: Stock) -> None:
    """Nothing else of what is there comes along."""
    stock.change("a/b/2/b-2.jar", b"newer")
    tree = stock.tree(WANTED)
    found = {str(each.relative_to(tree)): each.read_bytes() for each in tree.rglob("*") if each.is_file()}
    assert found == FILES


def test_other_bytes_are_refused(stock: Stock) -> None:
    """Whoever changed the repository, the build does not get it."""
    stock.change("a/b/1/b-1.jar", b"evil")
    with pytest.raises(Permanent, match=r"b-1\.jar"):
        stock.tree(WANTED)


def test_a_file_that_is_not_there_is_named(stock: Stock) -> None:
    """For good."""
    with pytest.raises(Permanent, match=r"b-3\.jar"):
        stock.tree([*WANTED, MavenFile("a/b/3/b-3.jar", sha256(b"x"))])


def test_an_exception_of_the_watch_ends_the_fetch(stock: Stock) -> None:
    """Cancelling goes through here."""

    def watch() -> None:
        raise InterruptedError("stop")

    with pytest.raises(InterruptedError):
        stock.jars.tree(WANTED, lambda data: None, watch)


def test_what_is_kept_is_not_asked_for_again_and_checked_again(tmp_path: Path) -> None:
    """A store that somebody changed heals itself from the repository."""
    place = tmp_path / "repository"
    for path, data in FILES.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(data)
    said: list[bytes] = []
    mirror = Mirror(tmp_path / "jars", place.as_uri())
    tree = mirror.tree(WANTED, said.append, lambda: None)
    assert (len(said), mirror.tree(WANTED, said.append, lambda: None)) == (2, tree)
    assert len(said) == 2
    kept = next(each for each in (tmp_path / "jars/sha256").rglob("*") if each.is_file())
    kept.chmod(0o644)
    kept.write_bytes(b"other")
    again = mirror.tree(WANTED, said.append, lambda: None)
    assert {each.name: each.read_bytes() for each in again.rglob("*.*") if each.is_file()} == {
        "b-1.jar": b"jar",
        "b-1.pom": b"pom",
    }


def test_a_repository_that_is_away_may_come_back(tmp_path: Path) -> None:
    """Retry, not Permanent; and without any repository the settings that are missing are named."""
    with pytest.raises(Retry, match="cannot be reached"):
        Mirror(tmp_path / "a", "http://127.0.0.1:9/").tree(WANTED, lambda data: None, lambda: None)
    with pytest.raises(Permanent, match="maven_repository"):
        Mirror(tmp_path / "b", "", []).tree(WANTED, lambda data: None, lambda: None)


def test_the_mirror_of_the_machine_s_maven_is_used(tmp_path: Path) -> None:
    """One of central or of everything; comments and mirrors of others do not count; our own setting wins."""
    settings = tmp_path / "settings.xml"
    mirror = "<mirror><mirrorOf>{}</mirrorOf><url> https://{}.example/m2 </url></mirror>"
    text = "<!--" + mirror.format("central", "comment") + "-->" + mirror.format("jboss", "other")
    settings.write_text(
        "<settings><mirrors>" + text + mirror.format("central", "ours") + "</mirrors></settings>"
    )
    assert address_of("", [tmp_path / "none.xml", settings]) == "https://ours.example/m2/"
    assert address_of("file:///m2", [settings]) == "file:///m2/"
    assert address_of("", []) == ""
