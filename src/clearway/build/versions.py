"""The version of a commit, as a repository and its files tell it."""

from __future__ import annotations

import re

from clearway import catalog, source
from clearway.kernel import ClearwayError

from .model import choose_version


def version_at(
    repo: source.Repo, known: catalog.Service, definition: catalog.ServiceDefinition, sha: str, asked: str
) -> str:
    """Its highest version tag, else what its files name, with the commit's mark; see `choose_version`."""
    named = definition.version or _project_version(repo, sha, known.path)
    return choose_version(tags_at(repo, sha), named, sha, rules=known.versioning, asked=asked)


def tags_at(repo: source.Repo, sha: str) -> list[str]:
    """The tags that name a commit."""
    return [name for name, target in source.tags(repo).items() if target == sha]


def _project_version(repo: source.Repo, sha: str, path: str) -> str | None:
    """The static version of pyproject.toml or package.json, when there is one."""
    for name, pattern in (
        ("pyproject.toml", rb'^version\s*=\s*"([^"]+)"'),
        ("package.json", rb'^\s*"version"\s*:\s*"([^"]+)"'),
    ):
        try:
            text = source.read_file(repo, sha, f"{path}/{name}")
        except ClearwayError:
            continue
        if found := re.search(pattern, text, re.MULTILINE):
            return found.group(1).decode(errors="replace")[:60]
    return None
