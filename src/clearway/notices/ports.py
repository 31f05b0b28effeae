"""What notices need from outside: something that sends."""

from __future__ import annotations

from typing import Protocol

from clearway.kernel import Permanent, Retry

from .model import Message, Target


class Sender(Protocol):
    """Brings a message to a place."""

    def send(self, target: Target, message: Message) -> None:
        """Send now, within seconds. Raises Retry when it may work later, Permanent when it never will.
        No error's message holds an address or a secret."""


class FakeSender:
    """Keeps what was sent; fails as often as it is told to, the nasty ways first."""

    def __init__(self) -> None:
        self.sent: list[tuple[Target, Message]] = []
        self.failures: list[Exception] = []

    def send(self, target: Target, message: Message) -> None:
        """See Sender."""
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append((target, message))

    def break_down(self) -> None:
        """A bug, a busy receiver, then a dead end."""
        self.failures += [ValueError("a bug with a token=12345 in it"), Retry("busy"), Permanent("gone")]
