"""Commits and the words that name them.

Rules:
1. What reaches git as an argument is checked here first: nothing that begins with a dash, no `ext::`.
2. A name is looked up as written; nothing is guessed when two things carry it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from clearway.kernel import Invalid, holds_credentials

_REF = re.compile(r"[A-Za-z0-9_+=][A-Za-z0-9_+=.@/#-]{0,254}\Z")
_SHA = re.compile(r"[0-9a-f]{40}\Z")
_SCHEME = re.compile(r"(https|http|ssh|git|file)://[^\s]+\Z")
_SCP = re.compile(r"(?!-)[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:(?!:)[^\s:-][^\s:]*\Z")
_SECRET = re.compile(
    r"(?<=://)[^/@\s]+@|(?<![^\s'\"])[^/@\s:'\"]+:[^/@\s]+@(?=[A-Za-z0-9.-]+:)|(?<=\.git)\?[^\s'\"]+"
)


#: Committers that stand for a button on a forge's page, lower case.
FORGES = frozenset({("github", "noreply@github.com")})
_CO_AUTHOR = re.compile(
    r"^[ \t]*co-authored-by[ \t]*:[ \t]*([^<\n]{0,200})(?:<([^>\n]{0,200})>?)?", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit, as its author and committer left it."""

    sha: str
    author: str
    author_email: str
    authored_at: datetime
    committed_at: datetime
    subject: str  # the first line of the message
    body: str  # the rest, without the blank line between
    parents: tuple[str, ...]
    committer: str = ""  # who made this very commit: applied, rebased, or merged it
    committer_email: str = ""

    @property
    def people(self) -> tuple[tuple[str, str], ...]:
        """Everybody whose work it is, as (name, address): author, committer, and each Co-authored-by line.

        All of it is what git was told; a forge that commits when a button is pressed is nobody.
        """
        found = [(self.author, self.author_email)]
        if (self.committer.strip().lower(), self.committer_email.strip().lower()) not in FORGES:
            found.append((self.committer, self.committer_email))
        found += [(name.strip(), email.strip()) for name, email in _CO_AUTHOR.findall(self.body)]
        return tuple(dict.fromkeys(each for each in found if any(each)))


def check_ref(ref: str) -> str:
    """A branch, tag or commit id as a person gives it. Raises Invalid on what git could misread."""
    bad = (
        not _REF.match(ref)
        or ".." in ref
        or "//" in ref
        or "@{" in ref
        or ref.endswith((".", "/", ".lock"))
        or "/." in ref
    )
    if bad:
        raise Invalid(f"{ref[:80]!r} cannot name a commit", expected="a branch, a tag or a commit id")
    return ref


def is_sha(text: str) -> bool:
    """Whether this is a full commit id."""
    return bool(_SHA.match(text))


def check_location(location: str) -> str:
    """Where to fetch from: a URL git may use, or an absolute path. Raises Invalid."""
    if holds_credentials(location):  # a list of processes is no place for it, nor is this error
        raise Invalid(
            "the repository's address holds a name or a password",
            expected="an address without",
            todo="Use an SSH key, or the git_credential_helper of clearway.toml, and replace that password.",
        )
    usable = _SCHEME.match(location) or _SCP.match(location) or location.startswith("/")
    if not usable or "::" in location.split("/")[0] or "\0" in location or "://-" in location:
        raise Invalid(
            f"{location[:80]!r} is not a place that Clearway fetches from",
            expected="an https, ssh, git or file URL, user@host:path, or an absolute path",
        )
    return location


def public_location(location: str) -> str:
    """The location without the name and password that it may hold."""
    return _SECRET.sub("", location)


def check_path(path: str) -> str:
    """A path inside a repository. Raises Invalid when it leaves it."""
    parts = path.split("/")
    if path.startswith("/") or "\0" in path or any(part in ("..", "") for part in parts):
        raise Invalid(f"{path[:80]!r} leaves the repository", expected="a path inside it")
    return "/".join(part for part in parts if part != ".")
