"""A Maven repository, of which only files that a lock names are taken, each by its digest.

Rules:
1. Which repository is asked is said by this machine: `maven_repository` of clearway.toml, else the mirror in
   the settings of Maven. What a commit says of repositories is not asked.
2. What has another digest is thrown away before anybody saw it; what is kept is written by nobody any more.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from clearway.build import MavenFile
from clearway.build.ports import Watch, Write
from clearway.kernel import Permanent, Retry

_CHUNK = 1 << 16
_MOST = 1 << 30  # bytes of one file
_LATER = (408, 425, 429, 500, 502, 503, 504)
_MIRROR = re.compile(r"<mirror>(.*?)</mirror>", re.DOTALL)
_OF = re.compile(r"<mirrorOf>\s*(?:[^<]*,)?\s*(?:central|\*|external:\*)\s*(?:,[^<]*)?</mirrorOf>")
_URL = re.compile(r"<url>\s*([^<\s]+)\s*</url>")


def address_of(given: str, settings: Sequence[Path]) -> str:
    """The repository that this machine is set to; empty when nothing says."""
    if given:
        return given.rstrip("/") + "/"
    for path in settings:
        try:
            text = re.sub(r"<!--.*?-->", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        except (OSError, UnicodeDecodeError):
            continue
        for mirror in _MIRROR.findall(text):
            if _OF.search(mirror) and (found := _URL.search(mirror)):
                return found[1].rstrip("/") + "/"
    return ""


class Mirror:
    """Fulfils build's Jars port."""

    def __init__(self, root: Path, address: str = "", settings: Sequence[Path] | None = None) -> None:
        own = (Path.home() / ".m2" / "settings.xml", Path("/etc/maven/settings.xml"))
        self._root, self._given = root, address
        self._settings = own if settings is None else settings

    def tree(self, files: Sequence[MavenFile], write: Write, watch: Watch) -> Path:
        """See Jars.tree."""
        listed = "".join(f"{each.digest} {each.path}\n" for each in sorted(files, key=lambda each: each.path))
        place = self._root / "trees" / hashlib.sha256(listed.encode()).hexdigest()
        kept = [self._kept(each, write, watch) for each in files]
        if place.is_dir():
            if all(_same(place / each.path, path) for each, path in zip(files, kept, strict=True)):
                return place
            shutil.rmtree(place)  # a file of it was changed, and its good bytes came anew
        (self._root / "trees").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._root, prefix="incoming-") as folder:
            tree = Path(folder, "tree")
            tree.mkdir()
            for each, path in zip(files, kept, strict=True):
                target = tree / each.path
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, target)
            with contextlib.suppress(OSError):  # somebody else was quicker
                tree.rename(place)
        return place

    def _kept(self, file: MavenFile, write: Write, watch: Watch) -> Path:
        watch()
        name = file.digest.removeprefix("sha256:")
        path = self._root / "sha256" / name[:2] / name
        if path.is_file() and _digest(path) == name:
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, fresh = tempfile.mkstemp(dir=path.parent, prefix="incoming-")
        try:
            found, size = hashlib.sha256(), 0
            with os.fdopen(descriptor, "wb") as stream:
                for data in self._bytes(file):
                    found.update(data)
                    size += stream.write(data)
                    watch()
                    if size > _MOST:
                        raise Permanent(f"{file.path} is larger than {_MOST >> 20} MiB")
            if found.hexdigest() != name:
                raise Permanent(
                    f"{file.path}: the repository has other bytes than the lock names"
                    f" ({found.hexdigest()[:16]}… instead of {name[:16]}…)",
                    todo="Somebody changed the file or the lock. Find out who before you go on.",
                )
            os.chmod(fresh, 0o444)
            os.replace(fresh, path)
        finally:
            Path(fresh).unlink(missing_ok=True)
        write(f"{file.path} {size} bytes\n".encode())
        return path

    def _bytes(self, file: MavenFile) -> Iterator[bytes]:
        address = address_of(self._given, self._settings)
        if not address:
            raise Permanent(
                "this machine is set to no Maven repository",
                todo="Name it: `maven_repository` in clearway.toml, or a mirror of central in settings.xml.",
            )
        parts = urlsplit(address)
        if parts.scheme == "file":
            return _from_disk(Path(unquote(parts.path)) / file.path, file)
        if parts.scheme not in ("http", "https"):
            raise Permanent(f"the Maven repository has the address {address}; http(s) and file are known")
        return _from_network(urljoin(address, file.path), file)


def _same(one: Path, two: Path) -> bool:
    try:
        return one.samefile(two)
    except OSError:
        return False


def _from_disk(path: Path, file: MavenFile) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            while data := stream.read(_CHUNK):
                yield data
    except FileNotFoundError as error:
        raise Permanent(f"the Maven repository has no {file.path}") from error


def _from_network(url: str, file: MavenFile) -> Iterator[bytes]:
    import httpx  # a fifth of a second to import: only who fetches pays for it

    try:
        with httpx.stream("GET", url, timeout=60.0, follow_redirects=False) as answer:
            if answer.status_code in _LATER:
                raise Retry(f"{file.path}: the Maven repository answers {answer.status_code}")
            if answer.status_code != 200:
                raise Permanent(f"{file.path}: the Maven repository answers {answer.status_code}")
            yield from answer.iter_raw(_CHUNK)
    except httpx.HTTPError as error:
        raise Retry(f"{file.path}: the Maven repository cannot be reached: {error}") from error


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
