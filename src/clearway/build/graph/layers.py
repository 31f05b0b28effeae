"""What a step changed in the checkout, as one archive that can be laid over another checkout.

Rules:
1. The archive is put together by us after the job has ended: sorted, with one time, modes 644 and 755, no
   owner. The same changes are the same bytes, so that a later step's inputs can be compared.
2. What a job left is not trusted: folders are opened from their parents, links are kept as links and never
   followed, pipes and devices are dropped, and there are bounds.
3. What was removed is listed, and removed again where the archive is laid over.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from clearway.build.model import BuildFailed

MOST_ENTRIES = 200_000
MOST_DEPTH = 100
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LIST = "clearway.layer.json"  # the first member: what was removed

Mark = tuple[int, ...]
Snapshot = Mapping[str, Mark]


@dataclass(frozen=True)
class Layer:
    """An archive of changes."""

    digest: str
    size: int  # bytes
    paths: tuple[str, ...]  # files and links that it brings
    gone: tuple[str, ...]  # what it removes


def snapshot(root: Path) -> dict[str, Mark]:
    """What is below the folder, with marks that change when a file does; no job can forge a ctime."""
    found: dict[str, Mark] = {}
    held = _root(root)
    try:
        _walk(held, "", found, 0)
    finally:
        os.close(held)
    return found


def _walk(held: int, prefix: str, found: dict[str, Mark], depth: int) -> None:
    if depth > MOST_DEPTH:
        raise BuildFailed(f"the step left folders more than {MOST_DEPTH} deep")
    with os.scandir(held) as entries:
        for entry in entries:
            about = entry.stat(follow_symlinks=False)
            name = prefix + entry.name
            found[name] = _mark(about)
            if len(found) > MOST_ENTRIES:
                raise BuildFailed(f"the step left more than {MOST_ENTRIES} files")
            if stat.S_ISDIR(about.st_mode):
                below = _enter(entry.name, held, name)
                try:
                    _walk(below, name + "/", found, depth + 1)
                finally:
                    os.close(below)


def _root(root: Path) -> int:
    try:
        return os.open(root, _FOLDER)
    except OSError as error:
        raise BuildFailed(f"the checkout is gone, or a link: {error.strerror}") from error


def _enter(name: str, held: int, path: str) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=held)
    except PermissionError:
        os.chmod(name, stat.S_IRWXU, dir_fd=held)  # a job may shut its own folders; we are not its user
        return os.open(name, _FOLDER, dir_fd=held)
    except OSError as error:
        raise BuildFailed(f"{path} cannot be read: {error.strerror}") from error


def capture(
    root: Path, before: Snapshot, after: Snapshot, target: Path, epoch: int, *, wanted: Callable[[str], bool]
) -> tuple[Layer, Snapshot]:
    """Archive what differs between the two snapshots of `root`; also the snapshot as it is then.

    Times and modes become those of the archive in `root` too, so that it makes no difference to a later step
    whether it runs here or in another folder over which the archive was laid. Raises BuildFailed.
    """
    changed = sorted(path for path, mark in after.items() if before.get(path) != mark and wanted(path))
    gone = sorted(path for path in before if path not in after and wanted(path))
    gone = [path for path in gone if str(PurePosixPath(path).parent) not in set(gone)]
    with target.open("wb") as out, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        listed = json.dumps({"gone": gone}, sort_keys=True).encode()
        _add(archive, _LIST, tarfile.REGTYPE, 0o644, epoch, data=io.BytesIO(listed), size=len(listed))
        kept = [path for path in changed if _archive(archive, root, path, after[path][0], epoch)]
    settled = {**after, **_settle(root, kept, epoch)}
    return Layer(_digest(target), target.stat().st_size, tuple(kept), tuple(gone)), settled


def _archive(archive: tarfile.TarFile, root: Path, path: str, mode: int, epoch: int) -> bool:
    if stat.S_ISDIR(mode):
        _add(archive, path, tarfile.DIRTYPE, 0o755, epoch)
        return False
    with _parent(root, path) as (held, name):
        if stat.S_ISLNK(mode):
            _add(archive, path, tarfile.SYMTYPE, 0o777, epoch, link=os.readlink(name, dir_fd=held))
            return True
        if not stat.S_ISREG(mode):
            return False
        with os.fdopen(_open_file(name, held, path), "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            bits = 0o755 if mode & 0o111 else 0o644
            _add(archive, path, tarfile.REGTYPE, bits, epoch, data=stream, size=size)
    return True


def _open_file(name: str, held: int, path: str) -> int:
    try:
        return os.open(name, _FILE, dir_fd=held)
    except PermissionError:
        os.chmod(name, 0o644, dir_fd=held)
        return os.open(name, _FILE, dir_fd=held)
    except OSError as error:
        raise BuildFailed(f"{path} cannot be read: {error.strerror}") from error


def _add(
    archive: tarfile.TarFile,
    path: str,
    kind: bytes,
    mode: int,
    epoch: int,
    *,
    link: str = "",
    data: IO[bytes] | None = None,
    size: int = 0,
) -> None:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.mtime, info.linkname, info.size = kind, mode, epoch, link, size
    archive.addfile(info, data)


def _settle(root: Path, paths: list[str], epoch: int) -> dict[str, Mark]:
    """Give files and the folders above them the time of the archive; their marks after that."""
    marks: dict[str, Mark] = {}
    for path in paths:
        with _parent(root, path) as (held, name):
            about = os.stat(name, dir_fd=held, follow_symlinks=False)
            if stat.S_ISREG(about.st_mode):
                os.chmod(name, 0o755 if about.st_mode & 0o111 else 0o644, dir_fd=held)
            os.utime(name, (epoch, epoch), dir_fd=held, follow_symlinks=False)
            marks[path] = _mark(os.stat(name, dir_fd=held, follow_symlinks=False))
    _settle_folders(root, paths, epoch)
    return marks


def _settle_folders(root: Path, paths: Iterable[str], epoch: int) -> None:
    for folder in {str(above) for path in paths for above in PurePosixPath(path).parents} - {"."}:
        with _parent(root, folder) as (held, name):
            os.utime(name, (epoch, epoch), dir_fd=held, follow_symlinks=False)
    os.utime(root, (epoch, epoch))


def _mark(about: os.stat_result) -> Mark:
    if stat.S_ISDIR(about.st_mode):
        return (about.st_mode,)
    return about.st_mode, about.st_ino, about.st_ctime_ns, about.st_size


@contextmanager
def _parent(root: Path, path: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
    """The folder of a path, each part opened from the one above, and the last name."""
    parts = PurePosixPath(path).parts
    held = _root(root)
    try:
        for part in parts[:-1]:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=held)
            below = _enter(part, held, path)
            os.close(held)
            held = below
        yield held, parts[-1]
    finally:
        os.close(held)


def apply(archive: IO[bytes], root: Path) -> None:
    """Lay an archive that `capture` made over a folder. Raises BuildFailed where a link is in the way."""
    placed: list[str] = []
    epoch = 0
    with tarfile.open(fileobj=archive, mode="r|") as members:
        for info in members:
            placed.append(info.name)
            epoch = int(info.mtime)
            if info.name == _LIST:
                stream = members.extractfile(info)
                for path in json.loads(stream.read())["gone"] if stream else ():
                    _drop(root, path)
                continue
            _place(members, info, root)
    _settle_folders(root, placed, epoch)


def prune(root: Path, wanted: Callable[[str], bool], epoch: int) -> None:
    """Remove every file that is not wanted, and the folders that are empty then; what stays has one time."""
    found = snapshot(root)
    files = [path for path, mark in found.items() if not stat.S_ISDIR(mark[0])]
    kept = [path for path in files if wanted(path)]
    for path in set(files) - set(kept):
        _drop(root, path)
    full = {str(above) for path in kept for above in PurePosixPath(path).parents}
    for path in sorted(found.keys() - set(files) - full):
        _drop(root, path)
    for path in kept:
        with _parent(root, path) as (held, name):
            os.utime(name, (epoch, epoch), dir_fd=held, follow_symlinks=False)
    _settle_folders(root, kept, epoch)


def _drop(root: Path, path: str) -> None:
    try:
        with _parent(root, path) as (held, name):
            about = os.stat(name, dir_fd=held, follow_symlinks=False)
            if stat.S_ISDIR(about.st_mode):
                shutil.rmtree(name, dir_fd=held)
            else:
                os.unlink(name, dir_fd=held)
    except (FileNotFoundError, BuildFailed):
        return  # two steps may remove the same thing


def _place(members: tarfile.TarFile, info: tarfile.TarInfo, root: Path) -> None:
    if info.name.startswith("/") or ".." in PurePosixPath(info.name).parts:
        raise BuildFailed(f"{info.name} leaves the checkout")
    with _parent(root, info.name, create=True) as (held, name):
        if info.isdir():
            try:
                os.mkdir(name, 0o755, dir_fd=held)
            except FileExistsError:
                if not stat.S_ISDIR(os.stat(name, dir_fd=held, follow_symlinks=False).st_mode):
                    os.unlink(name, dir_fd=held)
                    os.mkdir(name, 0o755, dir_fd=held)
            return
        _clear(name, held)
        if info.issym():
            os.symlink(info.linkname, name, dir_fd=held)
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            stream = members.extractfile(info)
            with os.fdopen(
                os.open(name, flags, 0o755 if info.mode & 0o111 else 0o644, dir_fd=held), "wb"
            ) as out:
                if stream is not None:
                    shutil.copyfileobj(stream, out, 1 << 20)
        os.utime(name, (info.mtime, info.mtime), dir_fd=held, follow_symlinks=False)


def _clear(name: str, held: int) -> None:
    try:
        os.unlink(name, dir_fd=held)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):
            raise
        shutil.rmtree(name, dir_fd=held)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while data := stream.read(1 << 20):
            digest.update(data)
    return "sha256:" + digest.hexdigest()
