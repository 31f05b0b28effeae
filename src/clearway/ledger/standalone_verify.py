"""Checks an exported ledger offline. This file works alone: it needs Python 3.11 and `cryptography`.

    python standalone_verify.py FOLDER --key 'clearway.local/ledger+1a2b3c4d+AbCd...' [--old CHECKPOINT]

FOLDER holds a log as C2SP tlog-tiles: `checkpoint`, `tile/<level>/...`, `tile/entries/...`. The key, and best
an older checkpoint, must come from somewhere else than the folder: a colleague, an auditor, a printout.

What is found out:
- an entry was changed, dropped, moved or added: its hash is not on record, or its number is missing;
- the tiles were changed too: the root over everything is not the one that the key signed;
- the end was cut off, or history rewritten: the folder does not extend the older checkpoint;
- the checkpoint was forged: the key did not sign it.

It is written apart from the code that writes the log, so that a mistake in one is seen by the other.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

WIDTH = 256
_SIGNATURE = re.compile("\N{EM DASH} (\\S+) (\\S+)")
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")


@dataclass(frozen=True)
class Problem:
    """Something that must not be."""

    kind: str  # checkpoint, changed, missing, moved, extra, tile, root, cut, rewritten
    first: int | None  # the first entry concerned
    last: int | None  # and the last
    message: str


@dataclass(frozen=True)
class Verification:
    """What was checked, and everything that is wrong with it."""

    origin: str  # name of the log
    entries: int  # how many the checkpoint vouches for
    root: str  # hex; of what was found
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


class BadNote(ValueError):
    """A checkpoint that says nothing, or that the key did not sign."""


class Edge:
    """The roots of the perfect subtrees on a tree's right edge."""

    def __init__(self) -> None:
        self.size = 0
        self.stack: list[tuple[int, bytes]] = []  # (leaves below, hash)

    def push(self, leaf: bytes) -> None:
        """Adds a leaf hash."""
        count, stack = 1, self.stack
        while stack and stack[-1][0] == count:
            leaf = sha256(b"\x01" + stack.pop()[1] + leaf).digest()
            count *= 2
        stack.append((count, leaf))
        self.size += 1

    def root(self) -> bytes:
        """RFC 6962 Merkle tree hash."""
        if not self.stack:
            return sha256(b"").digest()
        result = self.stack[-1][1]
        for _, left in self.stack[-2::-1]:
            result = sha256(b"\x01" + left + result).digest()
        return result

    def copy(self) -> Edge:
        """An edge that grows on its own."""
        other = Edge()
        other.size, other.stack = self.size, list(self.stack)
        return other


def read_checkpoint(note: str, verifier_key: str) -> tuple[str, int, bytes]:
    """(origin, size, root) of a checkpoint that the key signed. Raises BadNote."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    name, key_id, public = read_key(verifier_key)
    text, _, tail = note.rpartition("\n\n")
    text += "\n"
    if not tail.endswith("\n"):
        raise BadNote("it is no signed note")
    for line in tail[:-1].split("\n"):
        found = _SIGNATURE.fullmatch(line)
        if found is None:
            raise BadNote("it is no signed note")
        signature = _decode(found[2])
        if found[1] != name or signature[:4] != key_id:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], text.encode())
        except InvalidSignature:
            raise BadNote(f"the signature of {name} does not fit: it was forged or altered") from None
        return read_head(text)
    raise BadNote(f"{name}+{key_id.hex()} did not sign it")


def read_key(verifier_key: str) -> tuple[str, bytes, bytes]:
    """(name, id, public key) of `<name>+<id>+<base64>`. Raises BadNote."""
    name, _, rest = verifier_key.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = _decode(encoded)
    if len(raw) != 33 or raw[0] != 1 or sha256(name.encode() + b"\n" + raw).digest()[:4].hex() != key_id:
        raise BadNote("the key is not one: expected <name>+<id>+<base64> of an Ed25519 public key")
    return name, bytes.fromhex(key_id), raw[1:]


def read_head(text: str) -> tuple[str, int, bytes]:
    """(origin, size, root) of a checkpoint's text, signed or not. Raises BadNote."""
    lines = text.split("\n")
    if len(lines) < 4 or not lines[0] or not _SIZE.fullmatch(lines[1]) or len(_decode(lines[2])) != 32:
        raise BadNote("it has no origin, size and root")
    return lines[0], int(lines[1]), _decode(lines[2])


def _decode(text: str) -> bytes:
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if b64encode(raw).decode() != text:  # one text for one value: no bit of a note is free to change
        raise BadNote("it holds something that is not base64")
    return raw


def place(index: int, width: int) -> str:
    """`x001/x234/067`, with `.p/<width>` when it is not full."""
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*("x" + part for part in parts[:-1]), parts[-1]]) + (
        "" if width == WIDTH else f".p/{width}"
    )


class Scan:
    """Walks over a log block by block: what is there, against the hashes on record and the signed roots."""

    def __init__(self, signed: Mapping[int, tuple[bytes, str]]) -> None:
        self.signed = signed  # size -> (root, what signed it)
        self.good = 0  # the largest size so far whose signed root fitted
        self.blind = False  # an entry and its hash are both gone: no root can be known from there on
        self.problems: list[Problem] = []
        self.there = Edge()  # over the entries as they are
        self.recorded = self.there  # over the hashes on record; another tree from the first difference on
        self.full_there: list[bytes] = []  # roots of full blocks as they are,
        self.full: list[bytes] = []  # and on record: the hashes in the tiles of the level above

    def block(
        self, first: int, width: int, found: Sequence[tuple[int, bytes]], record: Sequence[bytes | None]
    ) -> None:
        """One block: entries as found, each (the number it says, its leaf hash), and the hashes on record."""
        leaves = self._sort(first, width, found)
        there, recorded = Edge(), Edge()
        for index, kept in zip(range(first, first + width), record, strict=True):
            leaf = leaves.get(index, kept)
            if leaf is not None and kept is not None and leaf != kept:
                self.say(
                    "changed", index, index, f"entry {index} was changed: its hash is not the one on record"
                )
            self.blind = self.blind or (leaf is None and kept is None)
            self._push(leaf or b"", kept or leaf or b"")
            there.push(leaf or b"")
            recorded.push(kept or leaf or b"")
            if index + 1 in self.signed:
                self._compare(*self.signed[index + 1])
        if width == WIDTH:
            self.full_there.append(there.root())
            self.full.append(recorded.root())

    def _sort(self, first: int, width: int, found: Sequence[tuple[int, bytes]]) -> dict[int, bytes]:
        """The leaf of each number, once; says what is out of order, too much or missing."""
        leaves: dict[int, bytes] = {}
        before = first - 1
        for index, leaf in found:
            if not first <= index < first + width or index in leaves:
                self.say("extra", index, index, f"entry {index} stands where it does not belong, or twice")
                continue
            if index < before:
                self.say(
                    "moved", index, index, f"entry {index} comes after entry {before}: the order was changed"
                )
            before = max(before, index)
            leaves[index] = leaf
        if len(leaves) < width:
            self._gaps([index for index in range(first, first + width) if index not in leaves])
        return leaves

    def _push(self, leaf: bytes, kept: bytes) -> None:
        if leaf != kept and self.recorded is self.there:
            self.recorded = self.there.copy()
        self.there.push(leaf)
        if self.recorded is not self.there:
            self.recorded.push(kept)

    def _gaps(self, missing: Sequence[int]) -> None:
        start = 0
        for at, index in enumerate(missing):
            if at + 1 == len(missing) or missing[at + 1] != index + 1:
                first, start = missing[start], at + 1
                which = f"entry {index} is" if first == index else f"entries {first} to {index} are"
                self.say("missing", first, index, f"{which} missing")

    def _compare(self, root: bytes, what: str) -> None:
        """Compares everything so far with a root that was signed."""
        size, since = self.there.size, self.good
        if self.blind:
            return  # what is missing has been said
        if root in (self.there.root(), self.recorded.root()):
            self.good = size
            return
        self.say(
            "root",
            since,
            size - 1,
            f"the first {size} entries do not give the root of {what}: "
            f"entries from {since} on were rewritten together with their hashes, or removed",
        )

    def settle(self, size: int) -> None:
        """At the end: when the entries give the signed root, it is the hashes on record that are wrong."""
        signed = self.signed.get(size)
        if signed is None or self.recorded is self.there or self.there.root() != signed[0]:
            return
        self.problems = [
            Problem("tile", each.first, each.last, f"the hash on record of entry {each.first} was changed")
            if each.kind == "changed"
            else each
            for each in self.problems
        ]

    def say(self, kind: str, first: int | None, last: int | None, message: str) -> None:
        """Notes a problem."""
        self.problems.append(Problem(kind, first, last, message))


def upper_levels(roots: list[bytes]) -> Iterator[tuple[int, int, list[bytes]]]:
    """(level, number, hashes) of every tile above level 0, from the roots of the full tiles of level 0."""
    level = 1
    while roots:
        above = []
        for number in range(-(-len(roots) // WIDTH)):
            hashes = roots[number * WIDTH : (number + 1) * WIDTH]
            yield level, number, hashes
            if len(hashes) == WIDTH:
                edge = Edge()
                for each in hashes:
                    edge.push(each)
                above.append(edge.root())
        level, roots = level + 1, above


def verify_folder(folder: Path | str, verifier_key: str, old_checkpoint: str | None = None) -> Verification:
    """Checks an exported log against the key, and against a checkpoint that was kept from earlier.

    Raises BadNote when the key itself is not one.
    """
    folder, signed = Path(folder), dict[int, tuple[bytes, str]]()
    read_key(verifier_key)
    scan = Scan(signed)
    origin, size, root = _head_of(folder, verifier_key, scan)
    _older(old_checkpoint, verifier_key, (origin, size), scan, signed)
    if root is not None:
        if size in signed and signed[size][0] != root:
            scan.say(
                "checkpoint", None, None, f"two roots were signed for {size} entries: the log has forked"
            )
        signed[size] = (root, "the checkpoint")
    for number in range(-(-size // WIDTH)):
        first = number * WIDTH
        width = min(WIDTH, size - first)
        found = _entries(folder, number, width, scan)
        record = _tile(folder, 0, number, width, scan)
        if not found and not any(record):
            scan.say(
                "missing", first, size - 1, f"entries {first} to {size - 1} are missing: the log was cut"
            )
            return Verification(origin, size, scan.there.root().hex(), tuple(scan.problems))
        scan.block(first, width, found, record)
    there = upper_levels(scan.full_there)
    for (level, number, hashes), (*_, others) in zip(upper_levels(scan.full), there, strict=True):
        if _tile(folder, level, number, len(hashes), scan) not in (hashes, others):
            first = number * WIDTH ** (level + 1)
            last = first + len(hashes) * WIDTH**level - 1
            message = f"tile {level}/{number} does not hold the hashes of entries {first} to {last}"
            scan.say("tile", first, last, message)
    scan.settle(size)
    return Verification(origin, size, scan.there.root().hex(), tuple(scan.problems))


def _head_of(folder: Path, verifier_key: str, scan: Scan) -> tuple[str, int, bytes | None]:
    """What the folder's checkpoint says; what an unsigned one says is only used to find out more."""
    try:
        note = (folder / "checkpoint").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        scan.say("checkpoint", None, None, f"the checkpoint cannot be read: {error}")
        return "", 0, None
    try:
        return read_checkpoint(note, verifier_key)
    except BadNote as error:
        scan.say("checkpoint", None, None, f"the checkpoint is not to be trusted: {error}")
    try:
        return read_head(note.rpartition("\n\n")[0] + "\n")
    except BadNote:
        return "", 0, None


def _older(
    note: str | None,
    verifier_key: str,
    head: tuple[str, int],
    scan: Scan,
    signed: dict[int, tuple[bytes, str]],
) -> None:
    """Adds the older checkpoint to what was signed, if it can be compared at all."""
    if note is None:
        return
    try:
        name, older, root = read_checkpoint(note, verifier_key)
    except BadNote as error:
        scan.say("checkpoint", None, None, f"the older checkpoint is not to be trusted: {error}")
        return
    origin, size = head
    if name != origin:
        scan.say("checkpoint", None, None, f"the older checkpoint is of another log: {name}, not {origin}")
    elif older > size:
        message = f"the log was cut: the older checkpoint vouches for {older} entries, only {size} are left"
        scan.say("cut", size, older - 1, message)
    else:
        signed[older] = (root, f"the older checkpoint of {older} entries")


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _tile(folder: Path, level: int, number: int, width: int, scan: Scan) -> list[bytes | None]:
    raw = _read(folder / "tile" / str(level) / place(number, width))
    if raw is None or len(raw) != width * 32:
        first = number * WIDTH ** (level + 1)
        last = first + width * WIDTH**level - 1
        scan.say("tile", first, last, f"tile {level}/{number} of entries {first} to {last} is missing or cut")
        return [None] * width
    return [raw[at : at + 32] for at in range(0, len(raw), 32)]


def _entries(folder: Path, number: int, width: int, scan: Scan) -> list[tuple[int, bytes]]:
    """(the number that an entry says it has, its leaf hash), in the order of the bundle."""
    raw, first = _read(folder / "tile" / "entries" / place(number, width)), number * WIDTH
    if raw is None:
        return []
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(raw):
        end = at + 2 + int.from_bytes(raw[at : at + 2], "big")
        if end > len(raw):
            last = first + width - 1
            scan.say("changed", first, last, f"the bundle of entries {first} to {last} ends inside an entry")
            break
        entry, at = raw[at + 2 : end], end
        try:
            index = json.loads(entry)["index"]
            index = index if type(index) is int else first + len(found)
        except (ValueError, KeyError, TypeError, RecursionError):
            index = first + len(found)  # its hash will not fit
        found.append((index, sha256(b"\x00" + entry).digest()))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The program. Returns 0 when all is well, 1 when the log is wrong, 2 when it was called wrongly."""
    parser = argparse.ArgumentParser(description="Checks an exported ledger offline.")
    parser.add_argument("folder", type=Path, help="folder with `checkpoint` and `tile`")
    parser.add_argument(
        "--key", required=True, help="verifier key <name>+<id>+<base64>, or a file that holds it"
    )
    parser.add_argument("--old", type=Path, help="file with a checkpoint from earlier")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args(arguments)
    try:
        key = options.key if "+" in options.key else Path(options.key).read_text(encoding="utf-8")
        old = options.old.read_text(encoding="utf-8") if options.old else None
        result = verify_folder(options.folder, key, old)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    if options.json:
        sys.stdout.write(json.dumps(asdict(result) | {"ok": result.ok}) + "\n")
    else:
        lines = [f"WRONG  {problem.message}" for problem in result.problems]
        state = "verified" if result.ok else "NOT verified"
        lines.append(f"{state}: {result.entries} entries of {result.origin or '?'}, root {result.root}")
        sys.stdout.write("\n".join(lines) + "\n")
    return 0 if result.ok else 1


if __name__ == "__main__":
    sys.exit(main())
