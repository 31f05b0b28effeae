"""What anybody may have sent, read without trusting it. Pure.

Rules:
1. Nothing here raises anything but Unreadable, whatever the bytes are: nested a million deep, numbers of a
   million digits, halves of characters, other types than the forge documents.
2. What is kept is bounded and can be stored anywhere: no text longer than its column, no NUL, no surrogate.
3. Addresses are web addresses, or nothing: they become links on pages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn
from urllib.parse import parse_qs

__all__ = ["MOST_NAMES", "Fields", "Unreadable", "fields_of", "form_field"]

NAME, TITLE, TEXT, BRANCH, ADDRESS = 200, 1_000, 65_536, 255, 2_000
MOST_NAMES = 100  # labels or reviewers of one pull request
MOST_COMMITS = 2_000
MOST_NUMBER = 2**63 - 1
_SHA = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_NONE = re.compile(r"0+\Z")
_WEB = re.compile(r"https?://[^\s<>\"'\\^`{|}\x00-\x20\x7f]+\Z")


class Unreadable(Exception):
    """The delivery does not have the form that the forge documents; the message says where."""


def _refuse(text: str) -> NoReturn:
    raise Unreadable(f"{text} is no JSON number")


def fields_of(body: bytes) -> Fields:
    """The object of a JSON document. Raises Unreadable."""
    try:
        told = json.loads(body.decode("utf-8"), parse_constant=_refuse)
    except UnicodeDecodeError:
        raise Unreadable("the body is not UTF-8") from None
    except RecursionError:
        raise Unreadable("the body is nested too deep") from None
    except ValueError:  # also a number with too many digits to be read
        raise Unreadable("the body is not JSON") from None
    if not isinstance(told, dict):
        raise Unreadable("the body is not a JSON object")
    return Fields(told)


def form_field(body: bytes, name: str) -> bytes:
    """One field of a form, as browsers send it. Raises Unreadable."""
    try:
        found = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=20)
        return found[name][0].encode("utf-8")
    except (ValueError, KeyError):
        raise Unreadable(f"the form has no field {name}") from None


class Fields:
    """An object as it was told, asked by paths: `fields.text("head.repo.name")`. What is missing is empty."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = told

    def at(self, path: str) -> Any:
        """Whatever is there; None for nothing."""
        found: Any = self._told
        for part in path.split("."):
            if not isinstance(found, dict):
                return None
            found = found.get(part)
        return found

    def has(self, path: str) -> bool:
        """Whether an object is there."""
        return isinstance(self.at(path), dict)

    def inside(self, path: str) -> Fields:
        """The object there; an empty one when it is something else."""
        found = self.at(path)
        return Fields(found if isinstance(found, dict) else {})

    def each(self, path: str, most: int = MOST_NAMES) -> Iterator[Fields]:
        """The objects of a list, no more than `most` of them."""
        found = self.at(path)
        for item in (found if isinstance(found, list) else [])[:most]:
            if isinstance(item, dict):
                yield Fields(item)

    def text(self, path: str, longest: int = TEXT) -> str:
        """A text, cut to a length, without what cannot be stored."""
        found = self.at(path)
        if not isinstance(found, str):
            return ""
        cut = found[:longest]
        return cut.encode("utf-8", "replace").decode("utf-8").replace("\0", "")

    def name(self, path: str) -> str:
        """A person's or label's name: one line."""
        return " ".join(self.text(path, NAME).split())

    def first_name(self, *paths: str) -> str:
        """The first of these names that was told."""
        return next((name for path in paths if (name := self.name(path))), "")

    def names(self, path: str, key: str) -> tuple[str, ...]:
        """The names that a list of objects carries under a key, each once."""
        return tuple(dict.fromkeys(name for each in self.each(path) if (name := each.name(key))))

    def address(self, path: str) -> str:
        """A web address; empty for anything else."""
        found = self.text(path, ADDRESS)
        return found if _WEB.match(found) else ""

    def flag(self, path: str) -> bool:
        """Whether it was told as true."""
        return self.at(path) is True

    def sha(self, path: str) -> str | None:
        """A full commit id; None for anything else, also for the forge's row of zeros."""
        found = self.at(path)
        usable = isinstance(found, str) and _SHA.match(found) and not _NONE.match(found)
        return found if usable else None

    def shas(self, path: str, key: str) -> tuple[str, ...]:
        """The commit ids that a list of objects carries; nothing when some are missing or too many."""
        found = self.at(path)
        if not isinstance(found, list) or len(found) > MOST_COMMITS:
            return ()
        shas = [each.sha(key) for each in self.each(path, MOST_COMMITS)]
        return tuple(sha for sha in shas if sha) if len(shas) == len(found) and all(shas) else ()

    def need_sha(self, path: str) -> str:
        """A full commit id. Raises Unreadable."""
        found = self.sha(path)
        if found is None:
            raise Unreadable(f"{path} is no commit id")
        return found

    def need_number(self, path: str) -> int:
        """A number that counts things, from 1. Raises Unreadable."""
        found = self.at(path)
        if not isinstance(found, int) or isinstance(found, bool) or not 1 <= found <= MOST_NUMBER:
            raise Unreadable(f"{path} is no number from 1 up")
        return found

    def number(self, path: str) -> int | None:
        """A whole number that fits into a column; None for anything else."""
        found = self.at(path)
        usable = isinstance(found, int) and not isinstance(found, bool) and abs(found) <= MOST_NUMBER
        return found if usable else None

    def need_branch(self, path: str) -> str:
        """A branch's name, without `refs/heads/`. Raises Unreadable."""
        found = self.text(path, BRANCH + 20).removeprefix("refs/heads/")
        if not found or len(found) > BRANCH:
            raise Unreadable(f"{path} is no branch")
        return found

    def instant(self, path: str) -> datetime | None:
        """A moment in one of the forms that forges write; None for anything else."""
        told = self.text(path, 40).strip()
        if told.endswith(" UTC"):
            told = told.removesuffix(" UTC") + "+00:00"
        try:
            found = datetime.fromisoformat(told)
            return found.astimezone(UTC) if found.tzinfo else None
        except (ValueError, OverflowError):
            return None

    def need_instant(self, path: str) -> datetime:
        """A moment. Raises Unreadable."""
        found = self.instant(path)
        if found is None:
            raise Unreadable(f"{path} is no moment with a time zone")
        return found
