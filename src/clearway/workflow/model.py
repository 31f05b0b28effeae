"""What a flow is, and what it may do while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from clearway.kernel import Permanent
from clearway.storage import Database

QueueName = Literal["runs", "builds", "notices"]


class Run(Protocol):
    """The running flow, as its function sees it."""

    key: str  # the key it was started with, once

    def step(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function and keep its JSON result: after a crash a finished step is not run again, an
        interrupted one is. So the function must be idempotent."""


class Changed(Permanent):
    """Another version of Clearway began this flow, with other steps: what finished cannot be told."""


@dataclass(frozen=True)
class Flow:
    """A function that runs durably: `function(database, run, **args)`."""

    function: Callable[..., None]
    queue: QueueName = "runs"


@dataclass(frozen=True)
class Chore:
    """Level-triggered work that a worker repeats: it looks at what is, and mends what should not be."""

    name: str
    every_s: float
    function: Callable[[Database], None]
    only_after_writes: bool = False  # no clock and no process makes work for it, only what somebody wrote


Flows = Mapping[str, Flow]
