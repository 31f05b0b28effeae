"""clearway-maven.lock: every file of a Maven repository that a build uses, by its digest. Pure.

Maven itself has no lock. The form is what `sha256sum` writes, so that one command makes it and another checks
it: a digest, two spaces, a path below the repository.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from packageurl import PackageURL

from clearway.kernel import Invalid

FILE = "clearway-maven.lock"
MOST_FILES = 20_000
_LINE = re.compile(r"([0-9a-f]{64}) [ *](?:\./)?([A-Za-z0-9._+/-]{1,500})\Z")


@dataclass(frozen=True)
class MavenFile:
    """One file of the repository."""

    path: str  # below the repository: group/artifact/version/file
    digest: str

    @property
    def purl(self) -> str | None:
        """The package URL of a jar; None for another file, or another layout."""
        parts = PurePosixPath(self.path).parts
        if len(parts) < 4 or not parts[-1].endswith(".jar"):
            return None
        group, artifact, version = ".".join(parts[:-3]), parts[-3], parts[-2]
        prefix = f"{artifact}-{version}"
        if not parts[-1].startswith(prefix):
            return None
        classifier = parts[-1].removeprefix(prefix).removesuffix(".jar").lstrip("-")
        qualifiers = {"classifier": classifier} if classifier else {}
        return PackageURL("maven", group, artifact, version, qualifiers).to_string()


def parse(text: str, source: str = FILE) -> list[MavenFile]:
    """The files, sorted by path. Raises Invalid with the line."""
    found: dict[str, MavenFile] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        where = f"{source}:{number}"
        match = _LINE.match(line)
        if match is None:
            raise Invalid(f"`{line[:80]}`", where=where, expected="a SHA-256, two spaces and a path")
        path = match[2]
        if path.startswith("/") or not {"", ".", ".."}.isdisjoint(path.split("/")):
            raise Invalid(f"`{path[:80]}` leaves the repository", where=where, expected="a path below it")
        if path in found:
            raise Invalid(f"`{path[:80]}` is there twice", where=where, expected="each file once")
        found[path] = MavenFile(path, f"sha256:{match[1]}")
    if len(found) > MOST_FILES:
        raise Invalid(f"{len(found)} files", where=source, expected=f"{MOST_FILES} at most")
    return sorted(found.values(), key=lambda each: each.path)
