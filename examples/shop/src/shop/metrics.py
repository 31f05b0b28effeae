"""Counts and times, in the text format that Prometheus reads."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Metrics:
    """One counter and one histogram of all requests of customers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[int] = Counter()
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0

    def observe(self, status: int, seconds: float) -> None:
        """Count one answered request."""
        with self._lock:
            self._requests[status] += 1
            self._buckets[bisect_left(BUCKETS, seconds)] += 1
            self._seconds += seconds

    def render(self) -> str:
        """The text that a scrape gets."""
        with self._lock:
            requests, buckets, seconds = dict(self._requests), list(self._buckets), self._seconds
        lines = ["# HELP shop_requests_total Answered requests.", "# TYPE shop_requests_total counter"]
        lines += [
            f'shop_requests_total{{status="{status}"}} {requests[status]}' for status in sorted(requests)
        ]
        lines += [
            "# HELP shop_request_seconds Time to answer a request.",
            "# TYPE shop_request_seconds histogram",
        ]
        total = 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), buckets, strict=True):
            total += count
            lines.append(f'shop_request_seconds_bucket{{le="{bound}"}} {total}')
        lines += [f"shop_request_seconds_sum {seconds:.6f}", f"shop_request_seconds_count {total}"]
        return "\n".join(lines) + "\n"
