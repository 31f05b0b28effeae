"""Apprise against a real web server and a real mail server."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from clearway.integrations.apprise import AppriseSender
from clearway.kernel import Permanent, Retry
from clearway.notices import Email, Message, Notice, SecretRef, Target
from clearway.notices.model import target_of

# Apprise's mail plug-in imports imghdr, which Python deprecates; that is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

MESSAGE = Message("hook/7", "shop 1.2.0 in prod: incident opened", "8 % errors\nby clearway", "warning")


class Hook:
    """A receiver that keeps what it gets, and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.answer = 200
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append((self.path, dict(self.headers.items()), json.loads(body)))
                self.send_response(hook.answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.stop()


def test_a_webhook_gets_the_message_its_id_and_its_secret(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON with title, message, type and id; the secret is read when it is sent, and quoted."""
    monkeypatch.setenv("HOOK_TOKEN", "a&b/c d")
    target = Target(
        f"json://127.0.0.1:{hook.port}/in?+X-Token={{token}}", {"token": SecretRef(env="HOOK_TOKEN")}
    )
    AppriseSender().send(target, MESSAGE)
    ((path, headers, body),) = hook.got
    assert path == "/in"
    assert headers["X-Token"] == "a&b/c d"
    assert (body["title"], body["message"], body["type"]) == (MESSAGE.title, MESSAGE.body, "warning")
    assert body["id"] == "hook/7"


def test_a_receiver_that_refuses_may_take_it_later(
    hook: Hook, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 500 and a dead port are to be tried again; neither the error nor any log holds the secret."""
    monkeypatch.setenv("HOOK_TOKEN", "hunter2")
    secrets = {"token": SecretRef(env="HOOK_TOKEN")}
    hook.answer = 500
    with caplog.at_level(logging.DEBUG):
        for port in (hook.port, 9):
            with pytest.raises(Retry) as caught:
                AppriseSender().send(Target(f"json://me:{{token}}@127.0.0.1:{port}/in", secrets), MESSAGE)
            assert "hunter2" not in str(caught.value)
    assert "hunter2" not in caplog.text
    assert len(hook.got) == 1


class MailServer(Controller):
    """A mail server on a free port."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def test_mail_arrives() -> None:
    """A real SMTP conversation: sender, receivers, subject and text."""
    got: list[Any] = []

    class Mailbox:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            got.append(envelope)
            return "250 OK"

    server = MailServer(Mailbox(), hostname="127.0.0.1", port=0)
    server.start()
    try:
        mail = Email(
            to=("ops@example.org", "dev@example.org"), sender="clearway@example.org", server="127.0.0.1",
            port=server.port, security="none",
        )  # fmt: skip
        AppriseSender().send(target_of(Notice(name="m", events=("*",), email=mail)), MESSAGE)
    finally:
        server.stop()
    assert {receiver for envelope in got for receiver in envelope.rcpt_tos} == {
        "ops@example.org",
        "dev@example.org",
    }
    letter = message_from_bytes(got[0].content, policy=default)
    assert letter["Subject"] == MESSAGE.title
    assert "clearway@example.org" in letter["From"]
    body = letter.get_body(("plain",))
    assert body is not None
    assert "8 % errors" in body.get_content()


def test_the_whole_address_may_be_a_secret(hook: Hook, tmp_path: Path) -> None:
    """Read from a file when it is sent."""
    secret = tmp_path / "address"
    secret.write_text(f"json://127.0.0.1:{hook.port}/whole\n")
    AppriseSender().send(Target("", whole=SecretRef(file=str(secret))), MESSAGE)
    assert hook.got[0][0] == "/whole"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (Target("json://h/{token}", {"token": SecretRef(env="NOT_THERE_AT_ALL")}), "NOT_THERE_AT_ALL"),
        (Target("", whole=SecretRef(file="/nowhere/at/all")), "/nowhere/at/all"),
        (Target("unheard-of://x"), "not one"),
    ],
)
def test_what_can_never_work_says_why(target: Target, said: str) -> None:
    """A missing secret is named by its place; an unknown kind of address is told as such."""
    with pytest.raises(Permanent, match=said):
        AppriseSender().send(target, MESSAGE)
