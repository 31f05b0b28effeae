"""The real engine sends notices; kill -9 of the worker while it sends loses none."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from databases import make_database
from services import wait_until
from workers import Worker

from clearway import access, ledger, notices, workflow
from clearway.kernel import SYSTEM, Actor

pytestmark = pytest.mark.integration
WAIT_S = 60

WORKER = """
import sys, time
from datetime import UTC, datetime
sys.path.insert(0, sys.argv[1])
from clearway import notices, workflow
from clearway.integrations.apprise import AppriseSender
from clearway.storage import Database
database = Database(sys.argv[2], lambda: datetime.now(UTC), tools={notices.Sender: AppriseSender()})
database.tools[workflow.Starter] = workflow.Starter(database, workflow.queue_table(notices.FLOWS))
engine = workflow.Engine(database, notices.FLOWS, notices.CHORES, "worker")
engine.launch()
print("ready", flush=True)
time.sleep(600)
"""


class Hook:
    """A receiver whose first answer never comes while it is told to hang."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.hang = threading.Event()
        self.release = threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.got.append(body["id"])
                if hook.hang.is_set():
                    hook.release.wait(WAIT_S)
                    return
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def stop(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def test_a_message_survives_the_death_of_its_worker(tmp_path: Path) -> None:
    """Killed while the receiver holds the message: the next worker sends it, under the same id, and once."""
    hook = Hook()
    database = make_database(tmp_path, clock=lambda: datetime.now(UTC))
    workflow.migrate(database)
    hook.hang.set()
    with database.begin() as uow:
        access.bootstrap(uow)
        url = f"json://127.0.0.1:{hook.server.server_address[1]}/in"
        notice = {"kind": "Notice", "name": "hook", "events": ("incident.*",), "url": url}
        notices.apply(uow, Actor("admin"), [notices.NoticeDocument.model_validate(notice)])
        entry = ledger.append(uow, SYSTEM, "incident.opened", "incident:inc_1", reason="8 % errors")
    first = Worker(WORKER, database.url)
    try:
        wait_until(lambda: len(hook.got) == 1, "the first attempt", WAIT_S)
    finally:
        first.kill()
    hook.hang.clear()
    second = Worker(WORKER, database.url)
    try:

        def ended() -> bool:
            with database.read() as uow:
                return [found.state for found in notices.deliveries(uow)] == ["sent"]

        wait_until(ended, "the message to be sent", WAIT_S)
        assert hook.got == [f"hook/{entry.index}"] * 2
    finally:
        second.kill()
        hook.stop()
        database.dispose()
