"""A work tree as it is, as a commit that nobody has: without touching index, branches or files."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .exits import CliError

_SENT = "refs/clearway/trial"
_NAME = re.compile(r"^service:\s*[\"']?([A-Za-z0-9._-]+)", re.MULTILINE)
MOST = 8 << 20  # bytes that the server takes


def find(folder: Path) -> Path:
    """The top of the work tree that the folder is in."""
    if not folder.is_dir():
        raise CliError(f"{folder} is no folder", expected="a git work tree")
    return Path(_git(folder, "rev-parse", "--show-toplevel"))


def service_of(folder: Path) -> str:
    """The service that the folder's clearway.yaml names."""
    file = folder / "clearway.yaml"
    try:
        found = _NAME.search(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(
            f"the service is not known: {error}",
            where=str(file),
            expected="clearway build SERVICE --here DIR",
        ) from None
    if found is None:
        raise CliError("it names no service", where=str(file), expected="service: NAME")
    return found.group(1)


def bundle(tree: Path, known: Sequence[str]) -> tuple[str, bytes | None]:
    """The work tree's commit, and a bundle of it on top of what the server has; none when it has it all.

    What git ignores stays out; everything else goes, committed or not.
    """
    with tempfile.TemporaryDirectory() as folder:
        commit = _commit(tree, Path(folder) / "index")
        without = [f"^{sha}" for sha in known if _holds(tree, sha)]
        if _git(tree, "rev-list", "--count", commit, *without) == "0":
            return commit, None
        name = f"{_SENT}-{os.getpid()}"
        file = Path(folder) / "bundle"
        _git(tree, "update-ref", name, commit)
        try:
            _git(tree, "bundle", "create", "--quiet", str(file), name, *without)
        finally:
            _git(tree, "update-ref", "-d", name)
        data = file.read_bytes().replace(name.encode(), _SENT.encode(), 1)
    if len(data) > MOST:
        raise CliError(
            f"the work tree brings {len(data) >> 20} MiB that the server does not have",
            expected=f"{MOST >> 20} MiB at most",
            todo="Push what it builds on, or keep large files out of git.",
        )
    return commit, data


def _commit(tree: Path, index: Path) -> str:
    own = {"GIT_INDEX_FILE": str(index)}
    head = _git(
        tree, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", fails="the work tree has no commit yet"
    )
    _git(tree, "read-tree", head, more=own)
    _git(tree, "add", "--all", "--", ".", more=own)
    written = _git(tree, "write-tree", more=own)
    if written == _git(tree, "rev-parse", f"{head}^{{tree}}"):
        return head  # nothing is different: the very commit
    # The time of HEAD: the same files on the same commit are the same trial, and find their cached steps.
    when = _git(tree, "log", "-1", "--format=%cI", head)
    dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    words = ["commit-tree", "--no-gpg-sign", "-p", head, "-m", "Work tree", written]
    return _git(tree, *words, more=dates)


def _holds(tree: Path, sha: str) -> bool:
    done = subprocess.run(
        ["git", "-C", str(tree), "cat-file", "-e", f"{sha}^{{commit}}"], capture_output=True, check=False
    )
    return done.returncode == 0


def _git(tree: Path, *words: str, more: dict[str, str] | None = None, fails: str = "") -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(tree), *words],
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, **(more or {})},
            check=False,
        )
    except FileNotFoundError:
        raise CliError("git is not installed", todo="Install git.") from None
    if done.returncode:
        said = fails or done.stderr.strip()[-300:] or f"git {words[0]} failed"
        raise CliError(said, where=str(tree), expected="a git work tree")
    return done.stdout.strip()
