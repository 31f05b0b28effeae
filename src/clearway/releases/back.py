"""What can be gone back to at a place. Pure.

Rules:
1. It is what ran well there before what runs now, and was not taken back since: a rollback never brings
   anything that is newer, or that people have not approved for this place.
2. It comes back as it ran: the release together with its configuration of then. What was set since is
   exactly what may have done the harm, and nobody has approved it for the old release.
3. It must be able to read what was written since, and to run: its secrets and its bytes are still there.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from .model import Head, Release

__all__ = ["ended", "in_words", "trail", "unread", "written_since"]


def trail(history: Iterable[Head]) -> tuple[Head, ...]:
    """The good runs of a place that lead to what runs now, which is the first of them; newest first."""
    stack: list[Head] = []
    for each in sorted((head for head in history if head.state == "succeeded"), key=ended):
        below = stack[:-1] if each.kind == "rollback" else []
        while below and below[-1].release_digest != each.release_digest:
            below.pop()
        stack = [*below[:-1], each] if below else [*stack, each]
    return tuple(reversed(stack))


def written_since(history: Iterable[Head], target: Head) -> list[str]:
    """Digests of the releases that may have written data there since the target took over."""
    return [each.release_digest for each in history if ended(each) > ended(target)]


def unread(target: Release, since: Iterable[Release]) -> Release | None:
    """The first release whose data the target cannot read."""
    return next((each for each in since if each.writes not in target.reads), None)


def in_words(target: Release, writer: Release) -> str:
    """Why the target cannot come back."""
    return f"{writer.version} wrote data version {writer.writes}, which {target.version} cannot read"


def ended(head: Head) -> tuple[datetime, str]:
    """What runs are ordered by: not by id alone, for what was asked for first may have waited longest."""
    return head.finished_at or head.created_at, head.id
