"""A load generator: keep-alive clients that never retry, so that a dropped request is seen."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

TIMEOUT_S = 10.0


@dataclass
class Traffic:
    """What the clients saw: answers and errors by version, and requests that got no answer of the service."""

    answers: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def requests(self) -> int:
        """All requests that were sent."""
        return sum(self.answers.values()) + self.dropped

    def as_json(self) -> dict[str, object]:
        """The form of the demo's data."""
        return {
            "requests": self.requests,
            "dropped": self.dropped,
            "answers_by_version": dict(sorted(self.answers.items())),
            "errors_by_version": {version: self.errors[version] for version in sorted(self.answers)},
            "dropped_reasons": dict(self.reasons),
        }


class Load:
    """Some clients, each on its own connection, together at about `rate` requests a second."""

    def __init__(
        self, address: tuple[str, int], *, path: str = "/", rate: float = 200.0, clients: int = 4
    ) -> None:
        self.address = address
        self.path = path
        self.pause_s = clients / rate
        self.traffic = Traffic()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(clients)]

    def start(self) -> None:
        """Begin sending."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> Traffic:
        """End after the requests under way, and say what was seen."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=TIMEOUT_S)
        return self.traffic

    def _client(self) -> None:
        connection = http.client.HTTPConnection(*self.address, timeout=TIMEOUT_S)
        due = time.monotonic()
        while not self._stop.is_set():
            self._request(connection)
            due = max(due + self.pause_s, time.monotonic() - 1.0)  # catch up on a second at most
            self._stop.wait(max(0.0, due - time.monotonic()))
        connection.close()

    def _request(self, connection: http.client.HTTPConnection) -> None:
        try:
            connection.request("GET", self.path)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self._count(None, type(error).__name__)
            return
        version = response.getheader("X-Shop-Version")
        # An answer without the service's own header came from the router: the service never saw it.
        self._count(version, str(response.status))

    def _count(self, version: str | None, outcome: str) -> None:
        with self._lock:
            if version is None:
                self.traffic.dropped += 1
                self.traffic.reasons[outcome] += 1
                return
            self.traffic.answers[version] += 1
            if outcome.startswith("5"):
                self.traffic.errors[version] += 1
