"""What was installed, file by file, so that what runs is what was installed."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

Manifest = dict[str, list[str | int]]


def read_tree(root: Path) -> Manifest:
    """Every file below: its path, and whether it may be executed, its size and its SHA-256."""
    found: Manifest = {}
    for folder, folders, files in os.walk(root):
        for name in sorted({*files, *(each for each in folders if (Path(folder) / each).is_symlink())}):
            path = Path(folder) / name
            about = path.lstat()
            if path.is_symlink() or not path.is_file():
                found[str(path.relative_to(root))] = ["no plain file"]  # installing makes none
                continue
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            found[str(path.relative_to(root))] = [int(bool(about.st_mode & 0o100)), about.st_size, digest]
    return found


def seal(root: Path, record: Path) -> None:
    """Let nobody write the files by mistake, and record them outside the tree."""
    for folder, _, files in os.walk(root):
        for name in files:
            path = Path(folder) / name
            path.chmod(path.stat().st_mode & 0o555)
    beside = record.with_name(f"{record.name}.{os.getpid()}.new")
    beside.write_text(json.dumps(read_tree(root), sort_keys=True))
    beside.chmod(0o600)
    os.replace(beside, record)


def difference(root: Path, record: Path) -> str | None:
    """What differs from the record, in words; empty: there is no record to compare with; None: nothing."""
    try:
        wanted = json.loads(record.read_text())
    except (FileNotFoundError, ValueError):
        return ""
    found = read_tree(root)
    if found == wanted:
        return None
    names = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
