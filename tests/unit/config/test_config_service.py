"""Setting, resolving and revealing values, over a real database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from databases import make_database
from pydantic import BaseModel

from clearway import access, catalog, config, ledger
from clearway.catalog import ConfigKey
from clearway.config import Cipher, FakeCipher, Resolved
from clearway.integrations.age import AgeCipher
from clearway.integrations.cel import CelEvaluator
from clearway.kernel import (
    SYSTEM,
    Actor,
    Conflict,
    DocumentError,
    Invalid,
    NotFound,
    Permanent,
    Refused,
    by_kind,
    load_documents,
)
from clearway.policy import Evaluator
from clearway.storage import Database, UnitOfWork

ANN = Actor("ann")
SECRET = "correct horse battery"
PLATFORM = """\
kind: Team
name: t
---
kind: Environment
name: prod
order: 1
---
kind: Environment
name: dev
order: 0
---
kind: Route
name: r
environments: [dev, prod]
---
kind: Service
name: shop
team: t
route: r
repository: /srv/shop.git
"""


def read(text: str) -> list[BaseModel]:
    kinds = {**catalog.KINDS, **config.KINDS}
    return [document for document, _ in load_documents(text, "platform.yaml", by_kind(kinds))]


@pytest.fixture(scope="module")
def evaluator() -> Iterator[CelEvaluator]:
    evaluator = CelEvaluator()
    yield evaluator
    evaluator.close()


@pytest.fixture
def database(tmp_path: Path, evaluator: CelEvaluator) -> Iterator[Database]:
    tools: dict[type[Any], Any] = {Cipher: AgeCipher.create(tmp_path / "identity.txt"), Evaluator: evaluator}
    database = make_database(tmp_path, tools=tools)
    with database.begin() as uow:
        people = [
            access.UserDocument(name="ann", roles=[access.GrantDocument(role="release-manager")]),
            access.UserDocument(
                name="dev", roles=[access.GrantDocument(role="developer", environments=["dev"])]
            ),
        ]
        access.apply(uow, SYSTEM, people)
        catalog.apply(uow, SYSTEM, read(PLATFORM))
    yield database
    database.dispose()


def schema(**keys: dict[str, Any]) -> dict[str, ConfigKey]:
    return {name: ConfigKey.model_validate({"type": "string", **given}) for name, given in keys.items()}


def said(uow: UnitOfWork) -> list[tuple[str, str, Any]]:
    found = ledger.entries(uow, action_prefix="config.").items
    return [(entry.action, entry.subject, entry.data) for entry in found]


def test_values_of_all_layers_reach_the_process(database: Database) -> None:
    """Defaults, plain values and secrets become the variables of a process, secrets only when revealed."""
    keys = schema(
        A={"default": "a"}, B={"type": "integer"}, C={"secret": True}, D={"type": "boolean", "default": True}
    )
    with database.begin() as uow:
        config.set_value(uow, ANN, "shop", None, "B", "5", "sized")
        config.set_secret(uow, ANN, "shop", "prod", "C", SECRET)
        resolved = config.resolve(uow, "shop", "prod", keys)
        assert resolved.problems == ()
        assert resolved.values["C"].value is None
        assert SECRET not in repr(resolved)
        assert config.reveal(uow, resolved) == {"A": "a", "B": "5", "C": SECRET, "D": "true"}
        assert config.masks(uow, "shop", "prod") == (SECRET,)
        assert config.masks(uow, "shop", "dev") == ()
        assert Resolved.from_json(resolved.to_json()) == resolved


def test_secrets_never_rest_in_plain(database: Database, tmp_path: Path) -> None:
    """Neither the database file, nor the ledger, nor a listing holds what a secret says."""
    with database.begin() as uow:
        assert config.set_secret(uow, ANN, None, "prod", "TOKEN", SECRET, "rotation") == 1
        assert config.set_secret(uow, ANN, None, "prod", "TOKEN", SECRET + "2", "rotation") == 2
        assert said(uow) == [
            ("config.secret-set", "config:*/prod", {"key": "TOKEN", "version": 1}),
            ("config.secret-set", "config:*/prod", {"key": "TOKEN", "version": 2}),
        ]
        (entry,) = config.entries(uow, "shop", "prod")
        assert (entry.secret, entry.value, entry.version) == (True, None, 2)
        assert [each.value for each in config.history(uow, None, "prod", "TOKEN")] == [None, None]
    assert b"horse" not in b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())


def test_an_approved_plan_keeps_its_versions(database: Database) -> None:
    """What was resolved is what is revealed, also when a secret was rotated in between; the digest tells."""
    keys = schema(C={"secret": True})
    with database.begin() as uow:
        config.set_secret(uow, ANN, "shop", "prod", "C", "first value")
        before = config.resolve(uow, "shop", "prod", keys)
        config.set_secret(uow, ANN, "shop", "prod", "C", "second value")
        after = config.resolve(uow, "shop", "prod", keys)
        assert config.reveal(uow, before) == {"C": "first value"}
        assert config.reveal(uow, after) == {"C": "second value"}
        assert before.digest != after.digest


def test_problems_come_in_the_order_of_the_schema(database: Database) -> None:
    """Types, patterns and secrets are all checked before a promotion, and a secret's value is not told."""
    keys = schema(
        PORT={"type": "integer"},
        COLOUR={"pattern": "red|green"},
        TOKEN={"secret": True, "pattern": "tok_[a-z]+"},
        LIMIT={"type": "integer", "secret": True},
        FINE={"pattern": "[a-z]+", "default": "ok"},
        SLOW={"pattern": "(x+x+)+y", "default": "xy"},
        ODD={"pattern": "(?=x)x", "default": "x"},
    )
    with database.begin() as uow:
        config.set_value(uow, ANN, "shop", "prod", "COLOUR", "reddish")
        config.set_secret(uow, ANN, "shop", "prod", "TOKEN", "tok_123456")
        config.set_secret(uow, ANN, "shop", "prod", "LIMIT", "many of them")
        config.set_value(uow, ANN, "shop", "prod", "SLOW", "x" * 5000)
        problems = config.resolve(uow, "shop", "prod", keys).problems
    assert [problem.key for problem in problems] == ["PORT", "COLOUR", "TOKEN", "LIMIT", "SLOW", "ODD"]
    told = " ".join(problem.message for problem in problems)
    assert "is missing" in problems[0].message
    assert problems[1].message == "does not match red|green"
    assert "is not a whole number (a secret" in problems[3].message
    assert "cannot be matched" in problems[5].message
    assert "123456" not in told
    assert "many" not in told


def test_setting_the_same_again_changes_nothing(database: Database) -> None:
    """A value that is there already is not a new version; 1, true and "1" are different values."""
    with database.begin() as uow:
        versions = [
            config.set_value(uow, ANN, "shop", "dev", "A", value) for value in (1, 1, "1", True, True)
        ]
        assert versions == [1, 1, 2, 3, 3]
        history = config.history(uow, "shop", "dev", "A")
        assert [(entry.value, entry.version) for entry in history] == [(1, 1), ("1", 2), (True, 3)]
        assert said(uow)[1] == (
            "config.set",
            "config:shop/dev",
            {"key": "A", "version": 2, "before": 1, "after": "1"},
        )


def test_unsetting_lets_the_layer_below_speak(database: Database) -> None:
    """A value that was taken away is gone for the service, and stays in the history."""
    keys = schema(A={"default": "default"})
    with database.begin() as uow:
        config.set_value(uow, ANN, "shop", None, "A", "service")
        config.set_value(uow, ANN, "shop", "prod", "A", "both")
        assert config.unset(uow, ANN, "shop", "prod", "A", "no longer") is True
        assert config.unset(uow, ANN, "shop", "prod", "A") is False
        assert config.resolve(uow, "shop", "prod", keys).values["A"].value == "service"
        assert [entry.deleted for entry in config.history(uow, "shop", "prod", "A")] == [False, True]
        assert config.set_value(uow, ANN, "shop", "prod", "A", "both") == 3


def test_a_secret_is_not_made_plain_by_accident(database: Database) -> None:
    """Setting a value over a secret is refused until the secret is taken away on purpose."""
    with database.begin() as uow:
        config.set_secret(uow, ANN, "shop", "prod", "A", SECRET)
        with pytest.raises(Conflict, match="is a secret here"):
            config.set_value(uow, ANN, "shop", "prod", "A", "plain")
        assert config.unset(uow, ANN, "shop", "prod", "A")
        assert said(uow)[-1][2] == {"key": "A", "version": 2, "before": None, "after": None}
        config.set_value(uow, ANN, "shop", "prod", "A", "plain")


@pytest.mark.parametrize(
    ("who", "service", "environment", "key", "value", "error", "said"),
    [
        ("dev", "shop", "prod", "A", "x", Refused, "dev may not config:write in prod"),
        ("dev", "shop", None, "A", "x", Refused, "dev may not config:write"),
        ("ann", None, None, "A", "x", Invalid, "neither a service nor an environment"),
        ("ann", "shoop", "prod", "A", "x", NotFound, "no service `shoop`"),
        ("ann", "shop", "pord", "A", "x", NotFound, "no environment `pord`"),
        ("ann", "shop", "prod", "A B", "x", Invalid, "cannot be a key"),
        ("ann", "shop", "prod", "A=B", "x", Invalid, "cannot be a key"),
        ("ann", "shop", "prod", "A", "x" * 10_001, Invalid, "10001 characters"),
        ("ann", "shop", "prod", "A", float("nan"), Invalid, "not hold exactly"),
        ("ann", "shop", "prod", "A", 2**53, Invalid, "not hold exactly"),
        ("ann", "shop", "prod", "A", ["x"], Invalid, "is a list"),
        ("ann", "shop", "prod", "A", "a\x00b", Invalid, "no process can be given"),
        ("ann", "shop", "prod", "A", "a\ud800", Invalid, "no process can be given"),
    ],
)
def test_what_makes_no_sense_or_is_not_allowed_is_refused(
    database: Database,
    who: str,
    service: str | None,
    environment: str | None,
    key: str,
    value: Any,
    error: type[Exception],
    said: str,
) -> None:
    """Every refusal names its cause, and nothing is written."""
    with database.begin() as uow:
        with pytest.raises(error, match=said):
            config.set_value(uow, Actor(who), service, environment, key, value)
        assert uow.connection.execute(sa.text("select count(*) from config_versions")).scalar() == 0


def test_secrets_need_their_own_permission(database: Database) -> None:
    """Who may set values may not set secrets; a secret that cannot be masked is refused."""
    with database.begin() as uow:
        config.set_value(uow, Actor("dev"), "shop", "dev", "A", "x")
        with pytest.raises(Refused, match="secret:write"):
            config.set_secret(uow, Actor("dev"), "shop", "dev", "B", SECRET)
        with pytest.raises(Invalid, match="no process can be given"):
            config.set_secret(uow, ANN, "shop", "dev", "B", "abcd\x00")
        with pytest.raises(Invalid, match="the secret B has 3 characters"):
            config.set_secret(uow, ANN, "shop", "dev", "B", "abc")


def test_a_lost_key_is_said_and_not_guessed(database: Database) -> None:
    """When the key that sealed a secret is gone, revealing fails for good with what to do."""
    keys = schema(C={"secret": True})
    with database.begin() as uow:
        config.set_secret(uow, ANN, "shop", "prod", "C", SECRET)
        resolved = config.resolve(uow, "shop", "prod", keys)
    database.tools[Cipher] = FakeCipher()
    with database.read() as uow, pytest.raises(Permanent, match="cannot be read"):
        config.reveal(uow, resolved)


CONFIG = "kind: Config\nservice: shop\nenvironment: prod\nvalues: {A: x, B: 2}\nreason: set up\n"


def test_config_documents_show_a_diff_and_apply_once(database: Database) -> None:
    """The same protocol as every other kind: a diff first, and the second time nothing."""
    with database.begin() as uow:
        (diff,) = config.plan_apply(uow, read(CONFIG))
        assert (diff.name, diff.action, diff.after) == ("shop/prod", "create", {"A": "x", "B": 2})
        assert said(uow) == []
        config.apply(uow, ANN, read(CONFIG))
        (diff,) = config.apply(uow, ANN, read(CONFIG))
        assert diff.action == "none"
        assert len(said(uow)) == 2
        (diff,) = config.apply(uow, ANN, read(CONFIG.replace("B: 2", "B: '2'")))
        assert diff.changes == (("B", 2, "2"),)


def test_pruning_takes_what_a_layer_does_not_name(database: Database) -> None:
    """Values set by hand stay, unless pruned; secrets are never touched by a file."""
    with database.begin() as uow:
        config.apply(uow, ANN, read(CONFIG))
        config.set_value(uow, ANN, "shop", "prod", "HAND", "made")
        config.set_secret(uow, ANN, "shop", "prod", "C", SECRET)
        (diff,) = config.plan_apply(uow, read(CONFIG))
        assert diff.action == "none"
        (diff,) = config.apply(uow, ANN, read(CONFIG), prune=True)
        assert diff.changes == (("HAND", "made", None),)
        assert [entry.key for entry in config.entries(uow, "shop", "prod")] == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: Config\nvalues: {A: x}\n", "values for everything everywhere"),
        ("kind: Config\nservice: shop\nvalues: {}\n", "at least 1 item"),
        ("kind: Config\nservice: shop\nvalues: {A: [x]}\n", "`values.A` is a list"),
        ("kind: Config\nservice: shop\nvalues: {A B: x}\n", "the key `A B`"),
        ("kind: Config\nservice: shop\nvalues: {A: null}\n", "`values.A` is nothing"),
    ],
)
def test_a_config_document_that_makes_no_sense_is_refused(text: str, said: str) -> None:
    """One error with file, line and what was expected."""
    with pytest.raises(DocumentError, match=r"platform\.yaml:\d+:\d+: ") as caught:
        read(text)
    assert said in str(caught.value)


def test_one_layer_is_declared_once(database: Database) -> None:
    """Two documents for one layer are an error that names the second."""
    with (
        database.begin() as uow,
        pytest.raises(Invalid, match=r"platform\.yaml:7: Config shop/prod is declared twice"),
    ):
        config.plan_apply(uow, read(CONFIG + "---\n" + CONFIG))


class Says:
    """One service's schema, in which API_KEY is a secret."""

    def secret_in(self, uow: UnitOfWork, service: str | None, key: str) -> str | None:
        return "shop" if key == "API_KEY" and service in ("shop", None) else None


@pytest.mark.parametrize(("service", "environment"), [("shop", "dev"), ("shop", None), (None, "dev")])
def test_what_a_schema_calls_a_secret_is_not_set_in_plain(
    database: Database, service: str | None, environment: str | None
) -> None:
    """Neither by hand nor by a document: what it said would stand in the ledger for ever."""
    database.tools[config.Schemas] = Says()
    head = "".join(
        f"{key}: {value}\n" for key, value in (("service", service), ("environment", environment)) if value
    )
    docs = read(f"kind: Config\n{head}values: {{API_KEY: hunter2-hunter2}}\n")
    with database.begin() as uow:
        for act in (
            lambda: config.set_value(uow, ANN, service, environment, "API_KEY", "hunter2-hunter2"),
            lambda: config.plan_apply(uow, docs),
            lambda: config.apply(uow, ANN, docs),
        ):
            with pytest.raises(Invalid, match="is a secret, says the newest release of shop"):
                act()
        config.set_value(uow, ANN, service, environment, "GREETING", "Hi")
        config.set_secret(uow, ANN, service, environment, "API_KEY", "hunter2-hunter2")
        told = [str(entry.data) for entry in ledger.entries(uow, action_prefix="config.").items]
    assert told
    assert "hunter2" not in str(told)
