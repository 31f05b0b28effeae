"""What every forge's form has in common: how a delivery is signed, named and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from clearway.source import PullRequest, Review

from .reading import Fields

Headers = Mapping[str, str]  # names in lower case


@dataclass(frozen=True)
class Facts:
    """What a delivery says, beside that it is time to fetch. Branches and tags are never taken from it."""

    about: str = ""  # one line for people: push to main, pull request 12 merged
    fetch: bool = True  # whether something may be new in the repository
    pull_request: PullRequest | None = None
    reviews: tuple[Review, ...] = ()


@dataclass(frozen=True)
class Heading:
    """What a delivery is called. Headers may not be covered by its signature, so this decides nothing."""

    delivery_id: str  # empty: the forge gave none
    event: str


@dataclass(frozen=True)
class Forge:
    """One forge's form, in pure functions."""

    name: str
    is_signed: Callable[[Headers, bytes, Sequence[bytes], datetime], bool]
    heading: Callable[[Headers, Fields, str], Heading]  # with the body's digest
    read: Callable[[str, str, Fields], Facts]  # repository, event, payload; raises Unreadable
    addresses: tuple[str, ...]  # where the payload says which repository it is about
    takes_forms: bool = False  # whether JSON may come as the field `payload` of a form


def is_elsewhere(location: str, told: Sequence[str]) -> bool:
    """Whether a delivery's addresses all belong to another repository than the one that is fetched.

    A webhook of a whole organisation sends every repository's deliveries here, and their pull requests
    have other numbers. Hosts go by several names, and Azure's paths differ by protocol, so only the last part
    is compared. A location on a disk is a copy of anything.
    """
    if location.startswith(("/", ".", "file://")) or not ("://" in location or ":" in location):
        return False
    names = {_last(each) for each in told if each}
    return bool(names) and _last(location) not in names


def _last(address: str) -> str:
    """The last part of an address or a path, as forges compare names."""
    plain = address.split("?")[0].split("#")[0].rstrip("/").replace(":", "/")
    return plain.rpartition("/")[2].removesuffix(".git").lower()


def pushed(ref: str) -> str:
    """What to say of a push to a branch or tag."""
    if ref.startswith("refs/tags/"):
        return f"tag {ref.removeprefix('refs/tags/')}"
    return f"push to {ref.removeprefix('refs/heads/')}" if ref else "push"


def told_of(pull_request: PullRequest) -> str:
    """What to say of a pull request."""
    return f"pull request {pull_request.number} {pull_request.state}"
