"""What a commit holds, without writing any of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clearway.kernel import Invalid

from .repo import MAX_ENTRIES, Repo

_FOLDER = 0o040000


def inventory(repo: Repo, sha: str) -> Iterator[tuple[str, int, str]]:
    """Path, mode and object id of every file, link and submodule of a commit, in git's order.

    Raises NotFound, or Invalid for a commit with more entries than any export would write.
    """
    waiting: list[tuple[str, Any]] = [("", repo.tree(sha, "."))]
    count = 0
    while waiting:
        prefix, tree = waiting.pop()
        below = []
        for entry in tree:
            count += 1
            if count > MAX_ENTRIES:
                raise Invalid(f"the commit holds more than {MAX_ENTRIES} files")
            if entry.filemode == _FOLDER:
                below.append((f"{prefix}{entry.name}/", entry))
            else:
                yield f"{prefix}{entry.name}", entry.filemode, str(entry.id)
        waiting += reversed(below)
