"""The MetricSource port: one suite for Prometheus text and for the fake."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from clearway.deploy.ports import FakeMetrics, MetricSource, Sample
from clearway.integrations.prometheus import TextScraper
from clearway.kernel import Retry

GOOD = b"""# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{status="200",path="a\\"b"} 7
# TYPE took histogram
took_bucket{le="0.1"} 3
took_bucket{le="+Inf"} 4
took_sum 1.5
took_count 4
"""


class Page:
    """A server with one page."""

    def __init__(self) -> None:
        page = self
        self.status, self.body = 200, GOOD

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Silent."""

            def do_GET(self) -> None:
                self.send_response(page.status)
                self.end_headers()
                self.wfile.write(page.body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port


@pytest.fixture
def page() -> Iterator[Page]:
    page = Page()
    threading.Thread(target=page.server.serve_forever, args=(0.05,), daemon=True).start()
    yield page
    page.server.shutdown()
    page.server.server_close()


@pytest.fixture(params=["text", "fake"])
def source(request: pytest.FixtureRequest, page: Page) -> MetricSource:
    if request.param == "text":
        return TextScraper()
    fake = FakeMetrics()
    fake.samples[page.port] = [
        Sample("requests_total", {"status": "200", "path": 'a"b'}, 7.0),
        Sample("took_bucket", {"le": "0.1"}, 3.0),
        Sample("took_bucket", {"le": "+Inf"}, 4.0),
    ]
    return fake


def test_samples_have_name_labels_and_value(source: MetricSource, page: Page) -> None:
    """Counters and buckets come as they are shown."""
    found = source.scrape(page.port, "/metrics")
    assert Sample("requests_total", {"status": "200", "path": 'a"b'}, 7.0) in found
    assert Sample("took_bucket", {"le": "+Inf"}, 4.0) in found


def test_nobody_there_is_a_retry(source: MetricSource) -> None:
    """No data is no zero."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(Retry):
            source.scrape(unused.getsockname()[1], "/metrics")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, GOOD),
        (404, b"no"),
        (200, b'broken{le="0.1" 3\n'),
        (200, b"<html>hello</html>"),
        (200, b"a b c\n"),
    ],
)
def test_what_cannot_be_read_is_a_retry(page: Page, status: int, body: bytes) -> None:
    """Errors and nonsense are no metrics."""
    page.status, page.body = status, body
    with pytest.raises(Retry):
        TextScraper().scrape(page.port, "/metrics")


def test_an_endless_page_is_cut_off(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the limit is refused, not kept in memory."""
    from clearway.integrations import prometheus

    monkeypatch.setattr(prometheus, "MAX_BYTES", 100)
    with pytest.raises(Retry, match="bytes"):
        TextScraper().scrape(page.port, "/metrics")
