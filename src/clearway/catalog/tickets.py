"""How a service's tickets are named in commits, and where they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

from pydantic import Field, model_validator

from clearway.kernel import Document, holds_credentials

_PREFIX = re.compile(r"[A-Za-z#!~][A-Za-z0-9_#!~ -]{0,38}\Z")
MOST = 20  # tickets of one commit


class Tickets(Document):
    """One kind of ticket: what stands before its number, and its address.

    Not a regular expression: whatever a commit says, finding its tickets takes no longer than reading it.
    """

    prefix: str = Field(min_length=1, max_length=40)
    """What stands before the number: `SHOP-` in Jira, `#` on GitHub, `AB#` in Azure Boards."""
    url: str = Field(default="", max_length=500)
    """Its address; `{ticket}` stands for all of it, `{number}` for its number."""

    @model_validator(mode="after")
    def _usable(self) -> Tickets:
        if not _PREFIX.match(self.prefix):
            raise ValueError(f"`{self.prefix[:40]}` begins no ticket; expected such as SHOP-, # or AB#")
        filled = self.url.replace("{ticket}", "").replace("{number}", "")
        wrong = "{" in filled or "}" in filled or any(each.isspace() or each in "\"'<>" for each in filled)
        if self.url and (not self.url.startswith(("https://", "http://")) or filled == self.url or wrong):
            raise ValueError(
                f"`{self.url[:80]}` is no address of a ticket; "
                "expected such as https://jira.example/browse/{ticket}"
            )
        if holds_credentials(self.url):
            raise ValueError("the address of tickets holds a name or a password; expected one without")
        return self

    def found(self, text: str) -> list[tuple[str, str]]:
        """The tickets in a text with their addresses, as they come."""
        pattern = _pattern(self.prefix)
        return [(each[0], self.link(each[1])) for each in pattern.finditer(text)]

    def link(self, number: str) -> str:
        """The address of a ticket; empty when none was said."""
        return self.url.replace("{ticket}", quote(f"{self.prefix}{number}", safe="")).replace(
            "{number}", number
        )


def _pattern(prefix: str) -> re.Pattern[str]:
    before = r"(?<![A-Za-z0-9_#])"
    return re.compile(rf"{before}{re.escape(prefix)}([0-9]{{1,10}})(?![0-9A-Za-z_])")


def tickets_in(rules: Iterable[Tickets], text: str) -> dict[str, str]:
    """Every ticket that a text names, with its address, in the order of the rules; some twenty at most."""
    found: dict[str, str] = {}
    for rule in rules:
        for ticket, url in rule.found(text):
            if len(found) < MOST:
                found.setdefault(ticket, url)
    return found
