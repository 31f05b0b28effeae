"""What releases need from outside: facts for gates that live in rooms above."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from clearway.storage import UnitOfWork


class FactsProvider(Protocol):
    """Further facts, such as open incidents."""

    def facts(self, uow: UnitOfWork, service: str, environment: str) -> Mapping[str, Any]:
        """Top-level facts by name (JSON values), read in this transaction.

        A name that is missing makes the gates that read it answer "error", which is a no.
        """
        ...
