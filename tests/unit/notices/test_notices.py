"""Notices: from the ledger, once, again after a failure, never in the way, never with a secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import make_database

from clearway import access, ledger, notices, workflow
from clearway.kernel import (
    SYSTEM,
    Actor,
    DocumentError,
    Invalid,
    Permanent,
    Refused,
    Retry,
    by_kind,
    load_documents,
)
from clearway.notices import FakeSender, Sender
from clearway.notices.model import ATTEMPTS, Fact, NoticeDocument, compose, concerns, pause, target_of
from clearway.storage import Database

ADMIN = Actor("admin")
HOOK = """
kind: Notice
name: hook
events: [incident.*, deployment.rolled-back]
environments: [prod]
url: jsons://hooks.example.org/x?+Authorization={token}
secrets: {token: {env: HOOK_TOKEN}}
"""


class Queued:
    """Stands where the engine stands: each key once."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.waiting: list[tuple[str, dict[str, Any]]] = []

    def enqueue(self, uow: object, flow: str, key: str, args: dict[str, Any]) -> None:
        if key not in self.keys:
            self.keys.add(key)
            self.waiting.append((flow, args))


class Here:
    key = "here"

    def step(self, name: str, function: Any, *args: Any) -> Any:
        return function(*args)


@pytest.fixture
def sender() -> FakeSender:
    return FakeSender()


@pytest.fixture
def queued() -> Queued:
    return Queued()


@pytest.fixture
def database(tmp_path: Path, sender: FakeSender, queued: Queued) -> Iterator[Database]:
    database = make_database(tmp_path, tools={workflow.Starter: queued, Sender: sender})
    with database.begin() as uow:
        access.bootstrap(uow)
    yield database
    database.dispose()


def load(text: str) -> list[Any]:
    return [model for model, _ in load_documents(text, "notices.yaml", by_kind(notices.KINDS))]


def declare(database: Database, text: str = HOOK, **options: bool) -> list[str]:
    with database.begin() as uow:
        return [diff.action for diff in notices.apply(uow, ADMIN, load(text), **options)]


def happen(
    database: Database, action: str = "incident.opened", subject: str = "incident:inc_1", **data: str
) -> None:
    with database.begin() as uow:
        ledger.append(uow, SYSTEM, action, subject, reason="8 % errors", data=data or {"environment": "prod"})


def work(database: Database, queued: Queued) -> None:
    """What chore, timers and engine do: watch, wake what is due, run what is queued."""
    notices.watch(database)
    workflow.wake_due(database)
    while queued.waiting:
        flow, args = queued.waiting.pop(0)
        notices.FLOWS[flow].function(database, Here(), **args)


def states(database: Database) -> list[tuple[str, int]]:
    with database.read() as uow:
        return [(found.state, found.attempts) for found in notices.deliveries(uow)]


def test_what_happens_is_told_once(database: Database, sender: FakeSender, queued: Queued) -> None:
    """Each entry that fits makes one message, however often the ledger is looked at."""
    happen(database)  # before the notice was declared: not its business
    assert declare(database) == ["create"]
    happen(database, "incident.opened", "incident:inc_2", service="shop", environment="prod", version="1.2.0")
    happen(database, "incident.opened", "incident:inc_3", service="shop", environment="uat")
    happen(database, "promotion.approved", "promotion:p", environment="prod")
    for _ in range(3):
        work(database, queued)
    ((target, message),) = sender.sent
    assert target.url == "jsons://hooks.example.org/x?+Authorization={token}"
    assert message.title == "shop 1.2.0 in prod: incident opened"
    assert "8 % errors" in message.body
    assert "incident:inc_2, ledger entry " in message.body
    assert message.type == "warning"
    assert states(database) == [("sent", 1)]


def test_a_replayed_flow_sends_nothing_again(database: Database, sender: FakeSender, queued: Queued) -> None:
    """The flow that already recorded its attempt returns at once."""
    declare(database)
    happen(database)
    notices.watch(database)
    ((flow, args),) = queued.waiting
    for _ in range(2):
        notices.FLOWS[flow].function(database, Here(), **args)
    assert len(sender.sent) == 1


def test_failures_are_tried_again_later(database: Database, sender: FakeSender, queued: Queued) -> None:
    """A bug and a busy receiver: again, after 5 and 15 seconds; no text of the bug is kept."""
    declare(database)
    happen(database)
    sender.failures = [ValueError("token=12345"), Retry("busy")]
    work(database, queued)
    assert states(database) == [("waiting", 1)]
    with database.read() as uow:
        assert "12345" not in notices.deliveries(uow)[0].reason
    work(database, queued)
    assert states(database) == [("waiting", 1)]  # not due yet
    database.clock.advance(6)  # type: ignore[attr-defined]
    work(database, queued)
    database.clock.advance(14)  # type: ignore[attr-defined]
    work(database, queued)
    assert (sender.sent, states(database)) == ([], [("waiting", 2)])
    database.clock.advance(2)  # type: ignore[attr-defined]
    work(database, queued)
    assert states(database) == [("sent", 3)]
    assert sender.sent[0][1].id.startswith("hook/")


@pytest.mark.parametrize(
    ("failures", "attempts"), [([Permanent("gone")], 1), ([Retry("busy")] * 20, ATTEMPTS)]
)
def test_giving_up_is_recorded(
    database: Database, sender: FakeSender, queued: Queued, failures: list[Exception], attempts: int
) -> None:
    """What can never work, or did not work eight times, ends as failed, in the ledger, with its reason."""
    declare(database)
    happen(database)
    sender.failures = failures
    for _ in range(ATTEMPTS + 2):
        work(database, queued)
        database.clock.advance(36_000)  # type: ignore[attr-defined]
    assert states(database) == [("failed", attempts)]
    with database.read() as uow:
        (entry,) = ledger.entries(uow, action_prefix="notice.failed").items
    assert (entry.subject, entry.data["attempts"]) == ("notice:hook", attempts)


def test_a_notice_about_everything_does_not_feed_itself(
    database: Database, sender: FakeSender, queued: Queued
) -> None:
    """Sending is recorded, and that record is never told."""
    declare(database, "{kind: Notice, name: all, events: ['*'], url: 'json://127.0.0.1/x'}")
    happen(database)
    for _ in range(3):
        work(database, queued)
    assert [message.title for _, message in sender.sent] == ["incident:inc_1 in prod: incident opened"]


def test_a_notice_that_was_taken_away_is_silent(
    database: Database, sender: FakeSender, queued: Queued
) -> None:
    """What still waited for it is dropped."""
    declare(database)
    happen(database)
    notices.watch(database)
    assert declare(database, "{kind: Notice, name: other, events: [x.y], url: 'json://h/x'}", prune=True) == [
        "create",
        "delete",
    ]
    work(database, queued)
    assert sender.sent == []
    assert states(database) == [("dropped", 1)]


def test_many_entries_are_read_in_batches(database: Database, sender: FakeSender, queued: Queued) -> None:
    """A ledger that grew by more than a batch is read to its end."""
    declare(database)
    with database.begin() as uow:
        for index in range(1100):
            action = "incident.opened" if index in (0, 700, 1099) else "build.finished"
            ledger.append(uow, SYSTEM, action, f"incident:{index}", data={"environment": "prod"})
    work(database, queued)
    assert len(sender.sent) == 3


def test_applying_shows_a_diff_and_twice_changes_nothing(database: Database) -> None:
    """Create, none, update: and only those who may."""
    assert declare(database) == ["create"]
    assert declare(database) == ["none"]
    assert declare(database, HOOK.replace("[prod]", "[prod, uat]")) == ["update"]
    with database.begin() as uow:
        with pytest.raises(Refused):
            notices.apply(uow, Actor("nobody"), load(HOOK))
        with pytest.raises(Invalid):
            notices.plan_apply(uow, load(HOOK) * 2)
        assert [notice.name for notice in notices.notices(uow)] == ["hook"]


@pytest.mark.parametrize(
    "wrong",
    [
        "url: jsons://user:hunter2@hooks.example.org/x",
        "url: jsons://ghp_hunter2@hooks.example.org/x",
        "url: json://a:{x}@h/a1b2c3d4e5f6a7b8c9d0hunter2\nsecrets: {x: {env: X}}",
        "url: jsons://hooks.slack.com/services/T0/B0/hunter2",
        "url: JSONS://Hooks.Slack.Com./services/T0/B0/hunter2",
        "url: jsons://acme.webhook.office.com/webhookb2/hunter2",
        "url: jsons://chat.example.org/hooks/hunter2",
        "url: jsons://discord.com/api/webhooks/1/hunter2",
        "url: jsons://api.example.org/notify/ghp_hunter2",
        "url: jsons://h/x?id=a1b2c3d4e5f6a7b8c9d0hunter2",
        "url: jsons://hooks.example.org/x?token=hunter2",
        "url: jsons://hooks.example.org/x?+X-Api-Key=hunter2",
        "url: slack://T0001/B0002/hunter2",
        "url: nonsense",
        "url: jsons://h/{token}",
        "url: jsons://h/x\nsecrets: {token: {env: X}}",
        "url: jsons://h/{token}\nsecrets: {token: {}}",
        "url: jsons://h/{token}\nsecrets: {token: {file: relative}}",
        "url: json://h/x\nurl_from: {env: X}",
        "services: [shop]",
        "email: {to: [], sender: a@b.c, server: mail}",
        "url: json://h/x\nevents: ['Bad Event']",
    ],
)
def test_what_holds_a_secret_or_makes_no_sense_is_refused(wrong: str) -> None:
    """An address with a secret in it never gets in, and the error does not repeat it."""
    head = "kind: Notice\nname: n\n" + ("" if "events" in wrong else "events: ['*']\n")
    with pytest.raises(DocumentError) as caught:
        load(head + wrong)
    assert "hunter2" not in str(caught.value).split("expected")[-1]


def test_mail_becomes_an_address_without_its_password() -> None:
    """User names are quoted, the password stays a reference."""
    (doc,) = load(
        "kind: Notice\nname: m\nevents: ['*']\nemail: {to: [a@x.org, b@x.org], sender: clearway@x.org, "
        "server: mail.x.org, port: 587, user: 'me@x.org', password: {env: MAIL}}"
    )
    target = target_of(doc)
    assert target.url == (
        "mailtos://me%40x.org:{password}@mail.x.org:587?from=clearway@x.org&to=a@x.org,b@x.org&mode=starttls"
    )
    assert target.secrets["password"].env == "MAIL"


def fact(action: str, subject: str = "x:1", **data: str) -> Fact:
    from datetime import UTC, datetime

    return Fact(7, datetime(2026, 1, 5, tzinfo=UTC), "ann", action, subject, "", data)


@pytest.mark.parametrize(
    ("events", "extra", "seen", "told"),
    [
        (["incident.*"], {}, fact("incident.opened"), True),
        (["incident.opened"], {}, fact("incident.noted"), False),
        (["*"], {}, fact("notice.sent"), False),
        (["*"], {"services": ["shop"]}, fact("a.b", service="shop"), True),
        (["*"], {"services": ["shop"]}, fact("a.b", service="cart"), False),
        (["*"], {"services": ["shop"]}, fact("a.b"), False),
        (["*"], {"services": ["shop"]}, fact("a.b", "service:shop"), True),
        (["*"], {"environments": ["prod"]}, fact("config.changed", "config:shop/prod"), True),
        (["*"], {"environments": ["prod"]}, fact("config.changed", "config:shop/uat"), False),
    ],
)
def test_filters(events: list[str], extra: dict[str, Any], seen: Fact, told: bool) -> None:
    """By action, service and environment; what does not say where it was fits no filter."""
    notice = NoticeDocument.model_validate(
        {"kind": "Notice", "name": "n", "events": tuple(events), "url": "json://h/x"}
        | {key: tuple(value) for key, value in extra.items()}
    )
    assert concerns(notice, seen) is told


def test_the_outcome_is_in_the_title() -> None:
    """How a deployment ended is what one wants to read first, and how loud the message is."""
    bad = fact(
        "deployment.finished", service="shop", version="1.2.0", environment="prod", outcome="rolled-back"
    )
    message = compose("n/1", bad)
    assert message.title == "shop 1.2.0 in prod: deployment finished, rolled-back"
    assert message.type == "warning"
    assert compose("n/1", fact("deployment.finished", outcome="succeeded")).type == "success"
    assert compose("n/1", fact("deployment.judged", verdict="pass")).type == "success"
    assert compose("n/1", fact("promotion.requested")).type == "info"


def test_messages_are_short_and_pauses_grow() -> None:
    """Titles and bodies are cut; pauses grow threefold, and end."""
    long = Fact(1, fact("a.b").at, "ann", "deployment.rolled-back", "deployment:d", "x" * 9999, None)
    message = compose("n/1", long)
    assert (len(message.body), message.type) == (4000, "warning")
    pauses = [pause(attempts) for attempts in range(1, ATTEMPTS + 1)]
    assert [p.total_seconds() for p in pauses[:3] if p] == [5, 15, 45]
    assert pauses[-1] is None


def test_the_documented_examples_load() -> None:
    """The YAML of docs/reference/notices.md is valid, each document of it."""
    page = (Path(__file__).parents[3] / "docs/reference/notices.md").read_text()
    examples = page.split("```yaml\n")[1:]
    loaded = [document.name for example in examples for document in load(example.split("```")[0])]
    assert loaded == ["production-hook", "on-call-mail", "chat"]
