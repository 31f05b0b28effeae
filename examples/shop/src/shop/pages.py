"""What the shop answers."""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass

from .catalogue import ITEMS, price
from .settings import Settings


@dataclass(frozen=True)
class Answer:
    """Status, type and text of a response."""

    status: int
    kind: str
    text: str


class Shop:
    """Answers requests of customers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def answer(self, path: str, authorization: str = "") -> Answer:
        """The answer to a GET."""
        if path == "/":
            return self._front()
        if path == "/stock":
            return self._stock(authorization)
        return Answer(404, "text/plain", "there is no such page\n")

    def _front(self) -> Answer:
        lines = [f"{self.settings.greeting}, this is the shop."]
        lines += [f"{item.name} {price(item.cents)}" for item in ITEMS[: self.settings.max_items]]
        return Answer(200, "text/plain", "\n".join(lines) + "\n")

    def _stock(self, authorization: str) -> Answer:
        key = self.settings.api_key
        if not key or not hmac.compare_digest(authorization.encode(), f"Bearer {key}".encode()):
            return Answer(401, "text/plain", "this page needs a key\n")
        return Answer(200, "application/json", json.dumps({item.name: 100 for item in ITEMS}) + "\n")
