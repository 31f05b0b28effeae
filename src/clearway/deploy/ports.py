"""What deploy needs from outside, small and with promises; the fakes live beside and break in nasty ways."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from clearway.kernel import Permanent, Retry
from clearway.storage import UnitOfWork

from .model import Deployment, Instance


@dataclass(frozen=True)
class Launch:
    """How to start one instance. `variables` may hold secrets: it is never written or logged."""

    instance_id: str
    bundle_digest: str
    command: tuple[str, ...]
    port: int
    variables: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Seen:
    """What a look at an instance found."""

    alive: bool
    healthy: bool
    pid: int | None = None
    detail: str = ""  # why it is not healthy, in words


class Target(Protocol):
    """Runs instances."""

    def install(self, bundle_digest: str, bundle: Path) -> str:
        """Unpack a bundle, complete or not at all; a second time does nothing. Raises Permanent, Retry.

        What is installed is compared with what was: when it was changed, it is replaced, and the answer
        says what had changed. Usually the answer is empty."""

    def start(self, launch: Launch) -> None:
        """Start an instance unless it is alive already: twice is once. Raises Permanent, Retry."""

    def stop(self, instance_id: str, grace_s: float) -> None:
        """Ask it to end, wait for `grace_s`, then kill it; returns when it is gone. Twice is once."""

    def observe(self, instance_id: str, port: int, health_path: str) -> Seen:
        """Look at it. Never raises for the state of the instance."""

    def log_tail(self, instance_id: str, lines: int = 20) -> str:
        """The last lines it printed; empty when there are none."""


@dataclass(frozen=True)
class Route:
    """Where the traffic of one service in one environment goes."""

    name: str  # environment/service
    port: int  # the listener's, on the loopback interface
    groups: Mapping[str, Sequence[int]]  # group -> ports of its instances
    weights: Mapping[str, int]  # group -> per cent; sums to 100, or empty: nobody serves
    leaving: Mapping[str, Sequence[int]] = field(default_factory=dict)  # group -> ports that get nothing new


class Router(Protocol):
    """Moves traffic without dropping requests."""

    def apply(self, routes: Sequence[Route]) -> Mapping[str, str]:
        """Make exactly these routes true, and return when the router confirmed them. The same again is
        cheap and harmless. A group is known before it gets traffic, and forgotten after it has none.
        Starts the router when it is not running. Raises Retry when it does not confirm in time.

        A route whose port another program holds is answered by name with the reason, is tried again at
        later calls, and keeps no other route from being true."""

    def under_way(self, ports: Collection[int]) -> int:
        """How many requests instances at these ports have yet to answer; 0 when it cannot be known."""

    def alive(self) -> bool:
        """Whether the router answers."""

    def stop(self) -> None:
        """End the router; nothing is served any more."""


@dataclass(frozen=True)
class Sample:
    """One Prometheus sample."""

    name: str
    labels: Mapping[str, str]
    value: float


class MetricSource(Protocol):
    """Reads the metrics of one instance."""

    def scrape(self, port: int, path: str) -> Sequence[Sample]:
        """All samples as they are now. Raises Retry when they cannot be had or read."""


class Permit(Protocol):
    """Says whether a rollout may take its next step now."""

    def check(self, uow: UnitOfWork, deployment: Deployment) -> str | None:
        """None: go. Else why it must wait. Raising counts as a reason to wait: gates fail closed."""


class FakeTarget:
    """Instances in memory. `broken` never become healthy; `refuse` cannot be started."""

    def __init__(self) -> None:
        self.launched: dict[str, Launch] = {}
        self.alive: set[str] = set()
        self.installed: set[str] = set()
        self.changed: dict[str, str] = {}  # by bundle: what somebody changed of it on disk
        self.starts: list[str] = []
        self.stops: list[str] = []
        self.broken: set[str] = set()  # versions
        self.refuse: Exception | None = None

    def install(self, bundle_digest: str, bundle: Path) -> str:
        """See Target."""
        self.installed.add(bundle_digest)
        return self.changed.pop(bundle_digest, "")

    def start(self, launch: Launch) -> None:
        """See Target."""
        if self.refuse:
            raise self.refuse
        if launch.bundle_digest not in self.installed:
            raise Permanent(f"bundle {launch.bundle_digest} is not installed")
        if launch.instance_id not in self.alive:
            self.alive.add(launch.instance_id)
            self.launched[launch.instance_id] = launch
            self.starts.append(launch.instance_id)

    def stop(self, instance_id: str, grace_s: float) -> None:
        """See Target."""
        if instance_id in self.alive:
            self.alive.discard(instance_id)
            self.stops.append(instance_id)

    def observe(self, instance_id: str, port: int, health_path: str) -> Seen:
        """See Target."""
        if instance_id not in self.alive:
            return Seen(False, False, None, "it is not running")
        broken = self.launched[instance_id].variables.get("CLEARWAY_VERSION") in self.broken
        return Seen(True, not broken, 1, "it answers 500" if broken else "")

    def log_tail(self, instance_id: str, lines: int = 20) -> str:
        """See Target."""
        return ""

    def die(self, instance: Instance) -> None:
        """The nasty part: the process is gone, without a word."""
        self.alive.discard(instance.id)


class FakeRouter:
    """Remembers every state it was told. `down` makes it raise Retry; ports in `taken` cannot be opened;
    `unanswered` are requests under way, by port."""

    def __init__(self) -> None:
        self.history: list[dict[str, Route]] = []
        self.down = False
        self.taken: set[int] = set()
        self.unanswered: dict[int, int] = {}

    def apply(self, routes: Sequence[Route]) -> Mapping[str, str]:
        """See Router."""
        if self.down:
            raise Retry("the router does not answer")
        state = {route.name: route for route in routes if route.port not in self.taken}
        if not self.history or self.history[-1] != state:
            self.history.append(state)
        taken = [route for route in routes if route.port in self.taken]
        return {route.name: f"port {route.port} cannot be opened: it is taken" for route in taken}

    def under_way(self, ports: Collection[int]) -> int:
        """See Router."""
        return 0 if self.down else sum(self.unanswered.get(port, 0) for port in ports)

    def alive(self) -> bool:
        """See Router."""
        return not self.down

    def stop(self) -> None:
        """See Router."""
        self.history.append({})


class FakeMetrics:
    """Counters by port; what is not set cannot be read."""

    def __init__(self) -> None:
        self.samples: dict[int, list[Sample]] = {}

    def scrape(self, port: int, path: str) -> Sequence[Sample]:
        """See MetricSource."""
        if port not in self.samples:
            raise Retry(f"port {port} shows no metrics")
        return list(self.samples[port])


class OpenPermit:
    """Always lets go, or holds for the reason that is set."""

    def __init__(self) -> None:
        self.hold: str | None = None

    def check(self, uow: UnitOfWork, deployment: Deployment) -> str | None:
        """See Permit."""
        return self.hold
