"""The catalog and the configuration on a real PostgreSQL, with several writers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from postgres import make_postgres
from pydantic import BaseModel

from clearway import access, catalog, config
from clearway.catalog import ConfigKey
from clearway.kernel import SYSTEM, Actor, Retry, by_kind, load_documents
from clearway.storage import Database

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("postgres")]

ANN = Actor("ann")
PLATFORM = """\
kind: Team
name: t
---
kind: Gate
name: g
rule: evidence.tests.failed == 0
reason: A failing test stops here.
---
kind: Environment
name: prod
order: 1
soak: 250ms
gates: [g]
strategy: {kind: canary, steps: [{weight: 10, hold: 6s}, {weight: 100}]}
---
kind: Route
name: r
environments: [prod]
---
kind: Service
name: shop
team: t
route: r
repository: /srv/shop.git
---
kind: Config
service: shop
environment: prod
values: {TEXT: "5", WHOLE: 5, REAL: 5.0, TRUTH: true, EMPTY: ""}
"""


def read(text: str) -> list[BaseModel]:
    kinds: dict[str, type[BaseModel]] = {**catalog.KINDS, **config.KINDS}
    return [document for document, _ in load_documents(text, "platform.yaml", by_kind(kinds))]


def apply(database: Database, text: str = PLATFORM) -> list[str]:
    with database.begin() as uow:
        found = catalog.apply(uow, SYSTEM, read(text)) + config.apply(uow, SYSTEM, read(text))
    return [diff.action for diff in found]


@pytest.fixture
def database() -> Iterator[Database]:
    tools: dict[type[Any], Any] = {config.Cipher: config.FakeCipher()}
    database = make_postgres(tools=tools)
    with database.begin() as uow:
        people = [access.UserDocument(name="ann", roles=[access.GrantDocument(role="admin")])]
        access.apply(uow, SYSTEM, people)
    yield database
    database.dispose()


def test_what_is_applied_is_the_same_afterwards(database: Database) -> None:
    """A JSON column that sorts keys and rewrites numbers must not make the second apply see a change."""
    assert set(apply(database)) == {"create"}
    assert set(apply(database)) == {"none"}
    with database.read() as uow:
        prod = catalog.environment(uow, "prod")
        assert prod.soak.total_seconds() == 0.25
        assert prod.gates[0].name == "g"
        values = {entry.key: entry.value for entry in config.entries(uow, "shop", "prod")}
    assert values == {"TEXT": "5", "WHOLE": 5, "REAL": 5.0, "TRUTH": True, "EMPTY": ""}
    assert values["TRUTH"] is True


def test_secrets_resolve_by_version(database: Database) -> None:
    """What was resolved is revealed, whatever was set since."""
    apply(database)
    schema = {"S": ConfigKey(type="string", secret=True)}
    with database.begin() as uow:
        config.set_secret(uow, ANN, "shop", "prod", "S", "first value")
        resolved = config.resolve(uow, "shop", "prod", schema)
        config.set_secret(uow, ANN, "shop", "prod", "S", "second value")
    with database.read() as uow:
        assert config.reveal(uow, config.Resolved.from_json(resolved.to_json())) == {"S": "first value"}


def test_writers_at_the_same_moment_lose_nothing(database: Database) -> None:
    """Two who set one key at once get two versions, or one of them is asked to try again."""
    apply(database)
    outcomes: list[object] = []

    def work(name: str) -> None:
        for number in range(15):
            try:
                with database.begin() as uow:
                    outcomes.append(config.set_value(uow, ANN, "shop", "prod", "BUSY", f"{name}{number}"))
            except Retry as error:
                outcomes.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 45
    written = sorted(outcome for outcome in outcomes if isinstance(outcome, int))
    assert written == list(range(1, len(written) + 1))
    with database.read() as uow:
        assert [entry.version for entry in config.history(uow, "shop", "prod", "BUSY")] == written
