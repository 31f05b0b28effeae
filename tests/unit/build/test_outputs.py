"""Reading what a job left: no link is followed, wherever it was put."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.build import outputs
from clearway.build.model import BuildFailed
from clearway.build.workshop import remove


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "secret.pem").write_text("PRIVATE")
    made = tmp_path / "bench" / "source" / "svc"
    (made / "dist" / "deep" / "er").mkdir(parents=True)
    for name in ("a.txt", "dist/b.txt", "dist/.hidden.txt", "dist/deep/c.txt", "dist/deep/er/d.jar"):
        (made / name).write_text(name)
    return tmp_path / "bench"


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        ("a.txt", ["a.txt"]),
        ("*.txt", ["a.txt"]),
        ("dist/*", ["dist/.hidden.txt", "dist/b.txt"]),
        ("dist/?.txt", ["dist/b.txt"]),
        ("dist/[ab].txt", ["dist/b.txt"]),
        ("**/*.txt", ["a.txt", "dist/.hidden.txt", "dist/b.txt", "dist/deep/c.txt"]),
        ("dist/**/*.jar", ["dist/deep/er/d.jar"]),
        ("dist/deep/**", ["dist/deep/c.txt", "dist/deep/er/d.jar"]),
        ("dist/**/er/*", ["dist/deep/er/d.jar"]),
        ("dist", []),
        ("none/*", []),
        (".", []),
    ],
)
def test_globs_name_files_below_their_folder(bench: Path, glob: str, found: list[str]) -> None:
    """Stars stay within a name, two stars are any folders; folders are no outputs."""
    assert outputs.match(bench, "source/svc", glob) == found


PARTS = st.lists(st.sampled_from(["a", "b", "ab", "a.txt"]), min_size=1, max_size=4).map(tuple)
GLOBS = st.lists(st.sampled_from(["a", "b", "*", "a*", "?", "*.txt", "[ab]"]), min_size=1, max_size=4)


@given(PARTS, GLOBS)
def test_without_two_stars_it_matches_as_the_standard_library_does(
    path: tuple[str, ...], glob: list[str]
) -> None:
    """PurePath.match from the root, for absolute paths."""
    assert outputs.fits(path, tuple(glob)) == PurePosixPath("/", *path).match("/" + "/".join(glob))


def test_many_stars_cost_no_time() -> None:
    """A glob from a hostile clearway.yaml is matched in polynomial time."""
    assert not outputs.fits(("a",) * 60, ("**", "a") * 30 + ("b",))
    assert outputs.fits(("a",) * 60, ("**", "a") * 30)


def _source(bench: Path) -> None:
    os.rename(bench / "source", bench / "old")
    (bench / "source").symlink_to(bench.parent / "host")
    (bench.parent / "host" / "svc").mkdir()


def _service(bench: Path) -> None:
    os.rename(bench / "source" / "svc", bench / "old")
    (bench / "source" / "svc").symlink_to(bench.parent / "host")


def _inner(bench: Path) -> None:
    (bench / "source" / "svc" / "links").symlink_to(bench.parent / "host")


def _file(bench: Path) -> None:
    (bench / "source" / "svc" / "secret.pem").symlink_to(bench.parent / "host" / "secret.pem")


@pytest.mark.parametrize("attack", [_source, _service, _inner, _file])
@pytest.mark.parametrize("name", ["secret.pem", "links/secret.pem"])
def test_no_link_leads_out(bench: Path, attack: Callable[[Path], None], name: str, tmp_path: Path) -> None:
    """Whatever part of the path is a link, nothing of the host is read or copied."""
    attack(bench)
    target = tmp_path / "kept"
    for read in (
        lambda: outputs.read_text(bench, f"source/svc/{name}", 100),
        lambda: outputs.copy(bench, f"source/svc/{name}", target),
    ):
        with pytest.raises((BuildFailed, FileNotFoundError)):
            read()
    assert not target.exists()
    try:
        hits = outputs.match(bench, "source/svc", "**/*.pem") + outputs.match(bench, "source/svc", name)
    except BuildFailed:
        hits = []
    for hit in hits:  # a link may be found by its name; it cannot be read
        with pytest.raises(BuildFailed):
            outputs.copy(bench, f"source/svc/{hit}", target)


def test_only_plain_and_small_files_are_read(bench: Path) -> None:
    """A pipe does not block, two dots lead nowhere, a long text and bytes that are none are refused."""
    os.mkfifo(bench / "pipe")
    (bench / "long").write_text("x" * 11)
    (bench / "bytes").write_bytes(b"\xff\xfe")
    for name, says in [
        ("pipe", "plain"),
        ("../host/secret.pem", "leaves"),
        ("long", "longer than 10"),
        ("bytes", "not a text"),
    ]:
        with pytest.raises(BuildFailed, match=says):
            outputs.read_text(bench, name, 10)


def test_folders_without_end_are_refused_and_removed(bench: Path) -> None:
    """Deeper than a walk can go: said in words, and the bench can still be emptied."""
    held = os.open(bench / "source", os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=held)
        below = os.open("d", os.O_RDONLY, dir_fd=held)
        os.close(held)
        held = below
    os.close(held)
    with pytest.raises(BuildFailed, match="cannot be walked"):
        outputs.match(bench, "source", "**/*.txt")
    remove(bench)
    assert not bench.exists()
