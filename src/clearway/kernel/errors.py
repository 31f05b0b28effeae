"""What can go wrong, said to the person who can do something about it.

ClearwayError
├── Invalid            the input is wrong; nothing was changed              422
├── NotFound           no such thing                                       404
├── Conflict           the thing is there, in another state or content     409
├── Refused            permission or a gate says no                        403
├── Unauthenticated    nobody knows who is asking                          401
├── Retry              the world is busy; the same call may work later     503
└── Permanent          the world said no for good                          500
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ClearwayError(Exception):
    """What is wrong, where, what was expected, and what to do about it."""

    status = 500
    title = "Something failed"

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        expected: str | None = None,
        todo: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.expected = expected
        self.todo = todo
        self.detail: dict[str, Any] = dict(detail or {})

    def __str__(self) -> str:
        """One readable sentence or two; the parts stay available as attributes."""
        text = f"{self.where}: {self.message}" if self.where else self.message
        if self.expected:
            text += f"; expected {self.expected}"
        if self.todo:
            text += f". {self.todo}"
        return text


class Invalid(ClearwayError):
    """The input is wrong; nothing was changed."""

    status = 422
    title = "The input is not valid"


class NotFound(ClearwayError):
    """There is no such thing."""

    status = 404
    title = "Not found"


class Conflict(ClearwayError):
    """The thing is there, but in another state, or with other content."""

    status = 409
    title = "Conflict"


class Refused(ClearwayError):
    """Permission or a gate says no; the reason says who or what would say yes."""

    status = 403
    title = "Refused"


class Unauthenticated(ClearwayError):
    """Nobody knows who is asking."""

    status = 401
    title = "Not signed in"


class Retry(ClearwayError):
    """The world is busy or away; the same call may work later."""

    status = 503
    title = "Not available now"


class Permanent(ClearwayError):
    """The world said no for good; trying again changes nothing."""

    status = 500
    title = "It failed"
