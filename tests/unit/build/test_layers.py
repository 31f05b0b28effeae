"""What a step changed, as an archive: the same for the same changes, and no way out of the checkout."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearway.build.graph import layers
from clearway.build.model import BuildFailed

EPOCH = 1_700_000_000
NAMES = st.sampled_from(["a", "b", "c", "d e", "ü", "f\nn"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
TREES = st.dictionaries(PATHS, st.one_of(st.binary(max_size=20), st.just("link"), st.none()), max_size=6)


def fill(root: Path, tree: dict[str, bytes | str | None]) -> None:
    """Files, links and (None) empty folders; what cannot be beside something else is left out."""
    for path, what in tree.items():
        place = root / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if what is None:
                place.mkdir(exist_ok=True)
            elif isinstance(what, str):
                place.symlink_to("nowhere")
            else:
                place.write_bytes(what)
        except OSError:
            continue


def seen(root: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for folder, names, files in os.walk(root):
        for name in [*names, *files]:
            place = Path(folder, name)
            path = str(place.relative_to(root))
            if place.is_symlink():
                found[path] = ("link", os.readlink(place))
            elif place.is_dir():
                found[path] = "folder"
            else:
                found[path] = (place.read_bytes(), place.stat().st_mode & 0o777, int(place.stat().st_mtime))
    return found


def change(root: Path, act: object, target: Path) -> layers.Layer:
    before = layers.snapshot(root)
    act()  # type: ignore[operator]
    layer, _ = layers.capture(root, before, layers.snapshot(root), target, EPOCH, wanted=lambda _: True)
    return layer


@settings(max_examples=60)
@given(TREES, TREES, st.lists(PATHS, max_size=3))
def test_laid_over_the_same_checkout_it_is_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    first: dict[str, bytes | str | None],
    more: dict[str, bytes | str | None],
    less: list[str],
) -> None:
    """Whatever a step adds, changes and removes: the archive does the same to another copy."""
    root = tmp_path_factory.mktemp("layers")
    one, two = root / "one", root / "two"
    for place in (one, two):
        place.mkdir()
        fill(place, first)
        for each in seen(place):
            os.utime(place / each, (EPOCH, EPOCH), follow_symlinks=False)

    def act() -> None:
        from clearway.build.workshop import remove

        for path in less:
            if (one / path).parent.is_dir():
                remove(one / path)
        fill(one, more)

    layer = change(one, act, root / "layer")
    with (root / "layer").open("rb") as stream:
        layers.apply(stream, two)
    assert seen(two) == seen(one)
    again = root / "again"
    assert layers._digest(root / "layer") == layer.digest
    assert not again.exists()


def test_the_same_changes_are_the_same_bytes(tmp_path: Path) -> None:
    """Whenever, in whatever order, and with whatever umask they were made."""

    def made(root: Path, names: str, mask: int, time: int) -> str:
        def act() -> None:
            old = os.umask(mask)
            for name in names:
                (root / name).write_text(name)
                os.utime(root / name, (time, time))
            (root / "z").chmod(0o700)
            os.umask(old)

        root.mkdir()
        return change(root, act, root.with_suffix(".layer")).digest

    assert made(tmp_path / "one", "xyz", 0o022, 0) == made(tmp_path / "two", "zyx", 0o077, 1000)


def test_a_changed_file_is_seen_though_its_time_was_put_back(tmp_path: Path) -> None:
    """A job can forge an mtime; a ctime it cannot."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_text("one")

    def act() -> None:
        about = (root / "file").stat()
        (root / "file").write_text("two")
        os.utime(root / "file", ns=(about.st_atime_ns, about.st_mtime_ns))

    assert change(root, act, tmp_path / "layer").paths == ("file",)


def test_pipes_and_devices_are_dropped(tmp_path: Path) -> None:
    """Only files, links and folders go on."""
    root = tmp_path / "root"
    root.mkdir()
    assert change(root, lambda: os.mkfifo(root / "pipe"), tmp_path / "layer").paths == ()


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """A folder that another step replaced by a link leads nowhere."""
    one, two, outside = tmp_path / "one", tmp_path / "two", tmp_path / "outside"
    for place in (one, two, outside):
        place.mkdir()

    def act() -> None:
        (one / "folder").mkdir()
        (one / "folder" / "file").write_text("x")

    change(one, act, tmp_path / "layer")
    (two / "folder").symlink_to(outside)
    with (tmp_path / "layer").open("rb") as stream:
        layers.apply(stream, two)
    assert list(outside.iterdir()) == []
    assert (two / "folder" / "file").read_text() == "x"  # the link gave way to the folder


@pytest.mark.parametrize("name", ["/etc/passwd", "../out", "a/../../out"])
def test_an_archive_cannot_leave_the_checkout(tmp_path: Path, name: str) -> None:
    """Its bytes are checked by digest; its names are not trusted all the same."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    data.seek(0)
    (tmp_path / "root").mkdir()
    with pytest.raises(BuildFailed, match="leaves the checkout"):
        layers.apply(data, tmp_path / "root")
    assert not (tmp_path / "out").exists()


def test_folders_that_go_too_deep_are_an_error(tmp_path: Path) -> None:
    """A job may nest folders; walking them has a bound."""
    place = tmp_path / "root"
    place.mkdir()
    for _ in range(layers.MOST_DEPTH + 2):
        place = place / "d"
        place.mkdir()
    with pytest.raises(BuildFailed, match="deep"):
        layers.snapshot(tmp_path / "root")


def test_a_folder_that_was_shut_is_read_all_the_same(tmp_path: Path) -> None:
    """A job may take its own rights away; that hides nothing and stops nothing."""
    root = tmp_path / "root"
    root.mkdir()

    def act() -> None:
        (root / "shut").mkdir()
        (root / "shut" / "file").write_text("x")
        (root / "shut" / "file").chmod(0)
        (root / "shut").chmod(0)

    assert change(root, act, tmp_path / "layer").paths == ("shut/file",)


def test_pruning_leaves_what_is_wanted(tmp_path: Path) -> None:
    """Files that are not wanted go, with the folders that are empty then; what stays has one time."""
    root = tmp_path / "root"
    fill(root, {"keep/a": b"a", "keep/b": b"b", "drop/c": b"c", "d": b"d"})
    layers.prune(root, lambda path: path.endswith("a"), EPOCH)
    assert seen(root) == {"keep": "folder", "keep/a": (b"a", 0o644, EPOCH)}
