"""Every way to falsify an exported folder that we could think of, done; and found, offline, by name."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from databases import make_database
from hypothesis import given, settings
from hypothesis import strategies as st

from clearway import ledger
from clearway.kernel import Actor, Permanent
from clearway.ledger import standalone_verify
from clearway.ledger.note import TreeHead, format_head
from clearway.ledger.tiles import bundle_path, pack_entries, tile_path, tiles_of, unpack_entries
from clearway.ledger.tree import leaf_hash, root_of
from clearway.storage import Database

from .conftest import SIZE, Fill, Found, attack, found, live, sign


@pytest.fixture
def folder(database: Database, fill: Fill, tmp_path: Path) -> Path:
    fill(SIZE)
    target = tmp_path / "export"
    with database.begin() as uow:
        ledger.export(uow, target)
    return target


def entries_of(folder: Path, number: int) -> list[bytes]:
    return unpack_entries((folder / bundle_path(number, width(number))).read_bytes())


def put_entries(folder: Path, number: int, entries: list[bytes]) -> None:
    (folder / bundle_path(number, width(number))).write_bytes(pack_entries(entries))


def width(number: int) -> int:
    return min(256, SIZE - number * 256)


def rehash(folder: Path) -> None:
    """Makes every tile fit the entries again, as somebody who knows the design would."""
    leaves = [leaf_hash(entry) for number in range(3) for entry in entries_of(folder, number)]
    assert len(leaves) == SIZE
    roots = [root_of(leaves[:256]), root_of(leaves[256:512])]
    for level, number, count in tiles_of(SIZE):
        hashes = [leaves, roots][level][number * 256 : number * 256 + count]
        (folder / tile_path(level, number, count)).write_bytes(b"".join(hashes))


def edit(number: int, change: Callable[[list[bytes]], Any]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        entries = entries_of(folder, number)
        change(entries)
        put_entries(folder, number, entries)

    return apply


def replaced(at: int, old: bytes, new: bytes) -> Callable[[list[bytes]], None]:
    def change(entries: list[bytes]) -> None:
        assert old in entries[at]
        entries[at] = entries[at].replace(old, new)

    return change


def swap(entries: list[bytes]) -> None:
    entries[3], entries[4] = entries[4], entries[3]


def swap_with_numbers(entries: list[bytes]) -> None:
    swap(entries)
    for at in (3, 4):
        entries[at] = entries[at].replace(b'"index":%d' % (7 - at), b'"index":%d' % at)


def flip(path: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        raw = bytearray((folder / path).read_bytes())
        raw[40] ^= 1
        (folder / path).write_bytes(bytes(raw))

    return apply


def remove(path: str) -> Callable[[Path], None]:
    return lambda folder: (folder / path).unlink()


def cut(path: str, length: int) -> Callable[[Path], None]:
    return lambda folder: (folder / path).write_bytes((folder / path).read_bytes()[:length])  # type: ignore[return-value]


EDGE = bundle_path(2, SIZE - 512)

ATTACKS: dict[str, tuple[Callable[[Path], None], Found]] = {
    "an entry changed": (edit(0, replaced(7, b"dana", b"anna")), [("changed", 7, 7)]),
    "the last entry changed": (edit(2, replaced(87, b"dana", b"anna")), [("changed", 599, 599)]),
    "an entry's number changed": (
        edit(0, replaced(7, b'"index":7', b'"index":9')),
        [("extra", 9, 9), ("missing", 7, 7), ("moved", 8, 8), ("changed", 9, 9)],
    ),
    "an entry no longer JSON": (edit(0, replaced(7, b"{", b"[")), [("changed", 7, 7)]),
    "an entry dropped": (edit(1, lambda entries: entries.pop(44)), [("missing", 300, 300)]),
    "the last entry dropped": (edit(2, lambda entries: entries.pop()), [("missing", 599, 599)]),
    "entries dropped apart": (
        edit(0, lambda entries: (entries.pop(5), entries.pop(0))),
        [("missing", 0, 0), ("missing", 5, 5)],
    ),
    "an entry twice": (edit(0, lambda entries: entries.append(entries[9])), [("extra", 9, 9)]),
    "an entry from elsewhere": (
        edit(0, lambda entries: entries.append(b'{"index":999}')),
        [("extra", 999, 999)],
    ),
    "two swapped": (edit(0, swap), [("moved", 3, 3)]),
    "two swapped with numbers": (edit(0, swap_with_numbers), [("changed", 3, 3), ("changed", 4, 4)]),
    "a bundle removed": (remove(bundle_path(1)), [("missing", 256, 511)]),
    "a bundle cut": (cut(EDGE, 1000), [("changed", 512, 599)]),
    "a tile changed": (flip(tile_path(0, 1)), [("tile", 257, 257)]),
    "a tile removed": (remove(tile_path(0, 1)), [("tile", 256, 511)]),
    "a tile cut": (cut(tile_path(0, 2, 88), 64), [("tile", 512, 599)]),
    "an upper tile changed": (flip(tile_path(1, 0, 2)), [("tile", 0, 511)]),
    "an upper tile removed": (remove(tile_path(1, 0, 2)), [("tile", 0, 511), ("tile", 0, 511)]),
}


@pytest.mark.parametrize("how", ATTACKS)
def test_every_falsified_folder_is_found_and_the_entry_named(
    folder: Path, signer: ledger.NoteSigner, how: str
) -> None:
    """Changed, dropped, doubled, swapped, cut, in entries or in hashes; the right one is accused."""
    falsify, expected = ATTACKS[how]
    falsify(folder)
    result = ledger.verify_folder(folder, signer.verifier_key)
    problems = found(result)
    assert [problem for problem in problems if problem not in expected and problem[0] != "missing"] == []
    assert [problem for problem in expected if problem not in problems] == []
    assert not result.ok


def test_an_honest_folder_verifies(folder: Path, signer: ledger.NoteSigner, database: Database) -> None:
    """And gives the root that the live ledger has."""
    result = ledger.verify_folder(folder, signer.verifier_key)
    assert (found(result), result.entries, result.origin) == ([], SIZE, "clearway.local/ledger")
    assert result.root == live(database).root


def test_the_folder_is_laid_out_as_the_specification_says(folder: Path) -> None:
    """Any C2SP client finds what it needs; nothing half-written stays."""
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    tiles = {tile_path(*tile) for tile in tiles_of(SIZE)}
    bundles = {bundle_path(number, width(number)) for number in range(3)}
    assert names == tiles | bundles | {"checkpoint", "verifier-key", "verify.py"}


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257])
def test_folders_of_every_size_verify(
    database: Database, fill: Fill, tmp_path: Path, signer: ledger.NoteSigner, size: int
) -> None:
    """Empty, partial, full, and one more; also when written over an earlier export."""
    target = tmp_path / "export"
    if size:
        fill(1)
        with database.begin() as uow:
            ledger.export(uow, target)
        fill(size - 1)
    with database.begin() as uow:
        exported = ledger.export(uow, target)
    result = ledger.verify_folder(target, signer.verifier_key, exported.note)
    assert (found(result), result.entries, result.root) == ([], size, exported.root)


def test_entries_rewritten_with_their_tiles_contradict_the_signature(
    folder: Path, signer: ledger.NoteSigner
) -> None:
    """Without the key the root cannot be signed again."""
    edit(0, replaced(7, b"dana", b"anna"))(folder)
    rehash(folder)
    assert found(ledger.verify_folder(folder, signer.verifier_key)) == [("root", 0, SIZE - 1)]


def test_a_forged_checkpoint_is_found(folder: Path, signer: ledger.NoteSigner) -> None:
    """Rewritten history signed by another key of the same name; a size or root edited; nothing there."""
    good = (folder / "checkpoint").read_text()
    edit(0, replaced(7, b"dana", b"anna"))(folder)
    rehash(folder)
    leaves = [leaf_hash(entry) for number in range(3) for entry in entries_of(folder, number)]
    other = ledger.NoteSigner(signer.name, Ed25519PrivateKey.generate())
    forged = other.sign(format_head(TreeHead(signer.name, SIZE, root_of(leaves))))
    for note in (
        forged,
        good.replace("\n600\n", "\n599\n"),
        good.replace("\n600\n", f"\n{10**15}\n"),
        "",
        "\xff" * 9,
    ):
        (folder / "checkpoint").write_text(note)
        assert ("checkpoint", None, None) in found(ledger.verify_folder(folder, signer.verifier_key))
    (folder / "checkpoint").unlink()
    assert found(ledger.verify_folder(folder, signer.verifier_key)) == [("checkpoint", None, None)]


def test_a_cut_folder_is_found_by_an_older_checkpoint(
    folder: Path, database: Database, fill: Fill, signer: ledger.NoteSigner, tmp_path: Path
) -> None:
    """A whole earlier export looks fine in itself; who holds a later checkpoint sees that the end is gone."""
    fill(5)
    later = sign(database).note
    assert ledger.verify_folder(folder, signer.verifier_key).ok
    assert found(ledger.verify_folder(folder, signer.verifier_key, later)) == [("cut", 600, 604)]


def test_a_rewritten_folder_is_found_by_an_older_checkpoint_even_with_the_key(
    folder: Path, database: Database, signer: ledger.NoteSigner
) -> None:
    """Whoever has the key can sign a new history, but not one that begins with what was signed before."""
    older = (folder / "checkpoint").read_text()
    edit(1, replaced(7, b"dana", b"anna"))(folder)
    rehash(folder)
    leaves = [leaf_hash(entry) for number in range(3) for entry in entries_of(folder, number)]
    for size in (SIZE, 300):
        head = TreeHead(signer.name, SIZE, root_of(leaves))
        (folder / "checkpoint").write_text(signer.sign(format_head(head)))
        if size < SIZE:
            with database.begin() as uow:
                honest = bytes.fromhex(ledger.consistency_proof(uow, size).old_root)
            older = signer.sign(format_head(TreeHead(signer.name, size, honest)))
        assert ledger.verify_folder(folder, signer.verifier_key).ok
        assert not ledger.verify_folder(folder, signer.verifier_key, older).ok


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512, 599, 600])
def test_an_honest_folder_extends_every_older_checkpoint(
    folder: Path, database: Database, signer: ledger.NoteSigner, size: int
) -> None:
    """Wherever in a tile it ended; and one of another root of that size is refused."""
    with database.read() as uow:
        root = bytes.fromhex(ledger.consistency_proof(uow, size).old_root)
    for head, fine in ((root, True), (sha256(root).digest(), False)):
        note = signer.sign(format_head(TreeHead(signer.name, size, head)))
        assert ledger.verify_folder(folder, signer.verifier_key, note).ok is fine


def test_an_older_checkpoint_of_another_log_or_key_is_no_proof(
    folder: Path, signer: ledger.NoteSigner
) -> None:
    """It is said, not passed over."""
    note = (folder / "checkpoint").read_text()
    stranger = ledger.NoteSigner("other.example/log", Ed25519PrivateKey.generate())
    for old in (
        stranger.sign(note.split("\n\n")[0] + "\n"),
        signer.sign(note.replace("clearway", "other").split("\n\n")[0] + "\n"),
        "x",
    ):
        assert found(ledger.verify_folder(folder, signer.verifier_key, old)) == [("checkpoint", None, None)]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder of 300 entries and its key, made once."""
    home = tmp_path_factory.mktemp("small")
    signer = ledger.load_or_create_key(home / "key")
    database = make_database(home, tools={ledger.NoteSigner: signer})
    with database.begin() as uow:
        for number in range(300):
            ledger.append(uow, Actor("dana"), "a.b", f"s:{number}")
        ledger.export(uow, home / "export")
    database.dispose()
    return home / "export", signer.verifier_key


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_no_bit_can_change(small: tuple[Path, str], data: st.DataObject) -> None:
    """Whichever bit of whichever file: of entries, of hashes, of what was signed."""
    folder, key = small
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    name = data.draw(st.sampled_from([each for each in names if each not in ("verify.py", "verifier-key")]))
    honest = (folder / name).read_bytes()
    at = data.draw(st.integers(0, len(honest) - 1))
    try:
        (folder / name).write_bytes(
            honest[:at] + bytes([honest[at] ^ 1 << data.draw(st.integers(0, 7))]) + honest[at + 1 :]
        )
        assert not ledger.verify_folder(folder, key).ok
    finally:
        (folder / name).write_bytes(honest)
    assert ledger.verify_folder(folder, key).ok


def test_a_damaged_ledger_is_not_exported(database: Database, fill: Fill, tmp_path: Path) -> None:
    """A folder with a checkpoint always verifies; a damaged ledger gives none."""
    fill(20)
    attack(database, "update ledger_entry set actor = 'nobody' where \"index\" = 7")
    with pytest.raises(Permanent, match="damaged"), database.begin() as uow:
        ledger.export(uow, tmp_path / "export")
    assert not (tmp_path / "export" / "checkpoint").exists()


# ---------------------------------------------------------------- the small program alone


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Isolated from this package, from the environment, and from the current folder."""
    program = folder / "verify.py"
    command = [sys.executable, "-I", "-S", "-c", LONELY.format(program=str(program)), str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/", check=False)


# `python -I` still sees site-packages, where an editable clearway is; this makes importing it fail.
LONELY = """
import sys, site
sys.path += site.getsitepackages()
sys.modules["clearway"] = None
import runpy
sys.argv[0] = {program!r}
runpy.run_path({program!r}, run_name="__main__")
"""


def test_the_program_in_the_folder_verifies_it_alone(
    folder: Path, signer: ledger.NoteSigner, tmp_path: Path
) -> None:
    """With Python and cryptography only: the key as text or file, with an older checkpoint, as JSON."""
    text = run(folder, "--key", signer.verifier_key)
    assert (text.returncode, text.stderr) == (0, "")
    assert text.stdout.startswith("verified: 600 entries of clearway.local/ledger, root ")
    old = tmp_path / "old"
    shutil.copy(folder / "checkpoint", old)
    result = run(folder, "--key", str(folder / "verifier-key"), "--old", str(old), "--json")
    assert result.returncode == 0
    assert json.loads(result.stdout)["ok"] is True


def test_the_program_runs_isolated(folder: Path, signer: ledger.NoteSigner) -> None:
    """`python -I verify.py` is all it takes."""
    command = [sys.executable, "-I", str(folder / "verify.py"), str(folder), "--key", signer.verifier_key]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/", check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_program_names_the_entry_and_fails(folder: Path, signer: ledger.NoteSigner) -> None:
    """Exit 1 for a falsified log, exit 2 for a wrong call."""
    edit(0, replaced(7, b"dana", b"anna"))(folder)
    result = run(folder, "--key", signer.verifier_key)
    assert result.returncode == 1
    assert "WRONG  entry 7 was changed" in result.stdout
    assert "NOT verified" in result.stdout
    assert json.loads(run(folder, "--key", signer.verifier_key, "--json").stdout)["problems"][0]["first"] == 7
    assert run(folder, "--key", "a+b+c").returncode == 2
    assert run(folder, "--key", "/no/such/file").returncode == 2


def test_the_program_imports_nothing_of_clearway() -> None:
    """Its text says so: only the standard library and cryptography."""
    text = Path(standalone_verify.__file__).read_text()
    imported = {
        line.split()[1].split(".")[0]
        for line in text.splitlines()
        if line.lstrip().startswith(("import ", "from "))
    }
    assert "clearway" not in imported
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}


def test_an_export_in_steps_is_the_same_folder_and_keeps_no_writer_waiting(
    database: Database, fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every block is read in a transaction of its own; what is appended meanwhile is in the next export."""
    fill(SIZE)
    whole, stepped = tmp_path / "whole", tmp_path / "stepped"
    with database.begin() as uow:
        first = ledger.export(uow, whole)
    steps = sys.modules["clearway.ledger.service.export"]
    monkeypatch.setattr(steps, "_STEP", 256)
    read, reads = Database.read, list[int]()

    def counted(self: Database) -> Any:
        reads.append(1)
        fill(1)  # between two steps, somebody writes
        return read(self)

    monkeypatch.setattr(Database, "read", counted)
    exported = ledger.export_in_steps(database, stepped)
    monkeypatch.undo()
    assert len(reads) == 3
    assert exported == first
    files = {path.relative_to(whole) for path in whole.rglob("*") if path.is_file()}
    assert files == {path.relative_to(stepped) for path in stepped.rglob("*") if path.is_file()}
    assert all((whole / path).read_bytes() == (stepped / path).read_bytes() for path in files)


def test_an_export_in_steps_of_a_damaged_ledger_has_no_checkpoint(
    database: Database, fill: Fill, tmp_path: Path
) -> None:
    """A folder with a checkpoint is complete and true; this one is neither."""
    fill(SIZE)
    with database.begin() as uow:
        ledger.checkpoint(uow)
    attack(database, "UPDATE ledger_entry SET reason = 'nicer' WHERE \"index\" = 7")
    with pytest.raises(Permanent):
        ledger.export_in_steps(database, tmp_path / "export")
    assert not (tmp_path / "export" / "checkpoint").exists()
