"""Prometheus text, read from the instances themselves."""

from __future__ import annotations

import http.client
from collections.abc import Sequence

from clearway.deploy.ports import Sample
from clearway.kernel import Retry

TIMEOUT_S = 2.0
MAX_BYTES = 8 << 20


class TextScraper:
    """Reads `/metrics` of a loopback port; see MetricSource."""

    def scrape(self, port: int, path: str) -> Sequence[Sample]:
        """See MetricSource."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", path, headers={"Accept": "text/plain", "Connection": "close"})
            response = connection.getresponse()
            body = response.read(MAX_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            raise Retry(f"port {port} shows no metrics: {type(error).__name__}") from error
        finally:
            connection.close()
        if response.status != 200 or len(body) > MAX_BYTES:
            raise Retry(f"port {port} answers {response.status} with {len(body)} bytes at {path}")
        return parse(body.decode(errors="replace"))


def parse(text: str) -> list[Sample]:
    """Every sample of an exposition. Raises Retry when it cannot be read."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        return [
            Sample(sample.name, dict(sample.labels), float(sample.value))
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise Retry(f"the metrics cannot be read: {error}") from error
