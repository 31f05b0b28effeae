"""Repositories that are followed: where they are, who tells of news, how often to look. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationInfo, model_validator

from clearway.kernel import Document, Duration, Name, holds_credentials

RECORDED = "recorded"  # validation's context: this stands in the catalog already, and must stay readable
SHORTEST_POLL = timedelta(seconds=10)

Forge = Literal["github", "gitlab", "azure-devops", "gitea", "forgejo", "generic", "none"]
HostKey = Annotated[
    str,
    StringConstraints(
        pattern=r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]{20,2000}={0,2}$"
    ),
]


def check_address(location: str) -> None:
    """Refuse what git would take for an option or a program to run. Raises ValueError."""
    if location.startswith("-") or "::" in location.split("/")[0]:
        raise ValueError("that is not a repository; expected a URL or a path")


def check_no_secret(name: str, location: str, info: ValidationInfo) -> None:
    """Refuse an address with a password in it, unless it stands in the catalog already. Raises ValueError."""
    # Everybody may read a catalog, and a ledger never forgets. The message does not say it once more.
    recorded = isinstance(info.context, dict) and info.context.get(RECORDED)
    if not recorded and holds_credentials(location):
        raise ValueError(
            f"the repository of {name} holds a name or a password; expected an address without: "
            "private repositories are fetched with a credential that is kept sealed "
            "(`clearway source credential`), with an SSH key of the account that Clearway runs as "
            "(git@host:team/repository.git), or with the `git_credential_helper` of clearway.toml; "
            "a password that was ever written into a file should be replaced"
        )


class Repository(Document):
    """A git repository that Clearway follows; services name it."""

    name: Name
    """The repository's name; services name it in `repository`."""
    location: str = Field(min_length=1, max_length=1000)
    """Where git fetches it from: https, ssh or file URL, user@host:path, or a path."""
    forge: Forge = "none"
    """Whose webhooks come to /hooks/NAME; `generic` is Clearway's own form, `none` takes nobody's."""
    poll: Duration = timedelta(minutes=5)
    """How often Clearway looks by itself; 0s when only webhooks tell."""
    web: str = Field(default="", max_length=500, pattern=r"^(https?://[^\s<>\"']+)?$")
    """The address of its pages, for links to commits."""
    host_keys: tuple[HostKey, ...] = Field(default=(), max_length=10)
    """SSH only: the server's public keys; those that the machine's account knows when left out."""
    description: Annotated[str, StringConstraints(max_length=500)] = ""
    """What is in it."""

    @model_validator(mode="after")
    def _safe(self) -> Repository:
        check_address(self.location)
        if timedelta(0) != self.poll < SHORTEST_POLL:
            raise ValueError("`poll` below 10s; expected 0s for never, or 10s and more")
        return self


class RepositoryDocument(Repository):
    """`kind: Repository`."""

    kind: Literal["Repository"]

    @model_validator(mode="after")
    def _no_secret(self, info: ValidationInfo) -> RepositoryDocument:
        check_no_secret(self.name, self.location, info)
        return self
