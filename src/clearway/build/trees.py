"""A folder that a job left, packed by us into an archive of which no byte depends on when and where.

Rules:
1. Names are sorted; times are the commit's; owners are nobody; modes are 755 and 644.
2. A link stays a link, and is never followed; anything that is neither file, folder nor link is refused.
3. Two names of one file are two files: whether a copy was linked is an accident of the machine.
"""

from __future__ import annotations

import os
import stat
import tarfile
from pathlib import Path

from . import outputs
from .model import BuildFailed

MOST_FILES = 200_000


def entries(bench: Path, root: str) -> list[tuple[str, str | None]]:
    """Everything below `root`, a folder of the bench, sorted: each name, and a link's target.

    Folders end with a slash. Raises BuildFailed for what is no file, FileNotFoundError without the folder.
    """
    found: list[tuple[str, str | None]] = []
    with outputs.folder(bench, root) as held:
        try:
            for here, folders, files, opened in os.fwalk(".", dir_fd=held):
                inner = f"{here[2:]}/" if here != "." else ""
                found += [_entry(inner, name, opened) for name in (*folders, *files)]
                if len(found) > MOST_FILES:
                    raise BuildFailed(f"the tree has more than {MOST_FILES} files")
        except (RecursionError, OSError) as error:
            raise BuildFailed(f"the folders below {root} cannot be walked: {error}") from error
    return sorted(found)


def _entry(inner: str, name: str, opened: int) -> tuple[str, str | None]:
    path, mode = f"{inner}{name}", os.stat(name, dir_fd=opened, follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        return path, os.readlink(name, dir_fd=opened)
    if stat.S_ISDIR(mode):
        return f"{path}/", None
    if not stat.S_ISREG(mode):
        raise BuildFailed(f"the output {path} is not a plain file")
    return path, None


def pack(bench: Path, root: str, target: Path, *, epoch: int, prefix: str = "") -> int:
    """Write the tree below `root` as a tar; returns how many files it holds. Raises BuildFailed."""
    files = 0
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, link in entries(bench, root):
            info = tarfile.TarInfo(prefix + name.rstrip("/"))
            info.mtime, info.mode = epoch, 0o755
            if link is not None:
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, link, 0o777
                archive.addfile(info)
            elif name.endswith("/"):
                info.type = tarfile.DIRTYPE
                archive.addfile(info)
            else:
                with outputs.file(bench, f"{root}/{name}") as stream:
                    about = os.fstat(stream.fileno())
                    info.size = about.st_size
                    info.mode = 0o755 if about.st_mode & 0o111 else 0o644
                    archive.addfile(info, stream)
                files += 1
    return files
