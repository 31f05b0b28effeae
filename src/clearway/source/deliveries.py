"""Deliveries of forges: what came in, and what came of it. Pure.

Rules:
1. A delivery is a hint to fetch, and facts about a pull request that have an order of their own. So one that
   is sent again, late, or by somebody who listened, can change nothing; it is refused all the same.
2. A delivery is known by its id, and by its bytes: ids stand in headers, which most forges do not sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from .pulls import PullRequest, Review

__all__ = ["KEPT", "REFUSED_ID", "Delivery", "Outcome", "Received"]

#: How long deliveries are remembered; where no moment is signed, one that is older could come once more.
KEPT = timedelta(days=400)
#: The one row of a repository that tells of refused deliveries: strangers must not fill the disk.
REFUSED_ID = "(refused)"  # no forge's id has such letters

Outcome = Literal[
    "fetch",  # to be fetched; nothing else was told
    "recorded",  # facts about a pull request were kept; to be fetched
    "outdated",  # facts that newer ones made useless; to be fetched
    "repeated",  # the same bytes came under another id; to be fetched
    "ignored",  # an event that Clearway has no use for
    "unreadable",  # not in the documented form; to be fetched
    "elsewhere",  # it tells of another repository
    "unsigned",  # refused: not signed with a secret that is valid
]


@dataclass(frozen=True)
class Received:
    """A delivery that was signed as it should be."""

    repository: str
    forge: str
    delivery_id: str
    event: str
    digest: str  # of the body's bytes
    about: str  # one line for people
    fetch: bool
    pull_request: PullRequest | None = None
    reviews: tuple[Review, ...] = ()
    outcome: Outcome | None = None  # when nothing can come of it any more
    error: str = ""


@dataclass(frozen=True)
class Delivery:
    """A delivery as it was recorded."""

    id: str
    repository: str
    forge: str
    delivery_id: str  # as the forge calls it
    event: str
    digest: str
    about: str
    number: int | None  # the pull request that it tells of
    received_at: datetime
    outcome: Outcome
    error: str
    times: int  # how often it came
    last_at: datetime
