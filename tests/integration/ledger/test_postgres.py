"""The ledger and the people on a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from postgres import make_postgres

from clearway import access, ledger
from clearway.kernel import SYSTEM, Actor, Retry
from clearway.storage import Database, UnitOfWork

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("postgres")]


@pytest.fixture
def signer(tmp_path: Path) -> ledger.NoteSigner:
    return ledger.load_or_create_key(tmp_path / "ledger.key")


@pytest.fixture
def database(signer: ledger.NoteSigner) -> Iterator[Database]:
    database = make_postgres(tools={ledger.NoteSigner: signer})
    yield database
    database.dispose()


def test_threads_append_without_gaps(database: Database, signer: ledger.NoteSigner, tmp_path: Path) -> None:
    """Connections get contiguous indices and one tree; what was rolled back leaves no trace."""
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for number in range(40):
                with database.begin() as uow:
                    ledger.append(uow, Actor(name), "a.b", f"s:{number}")
                    if number % 5 == 0:
                        ledger.append(uow, Actor(name), "a.c", f"s:{number}", data={"n": number})
                with pytest.raises(ZeroDivisionError), database.begin() as uow:
                    ledger.append(uow, Actor(name), "a.dropped", f"s:{number}")
                    raise ZeroDivisionError
        except BaseException as error:  # noqa: BLE001 - handed to the main thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"worker-{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.begin() as uow:
        signed = ledger.checkpoint(uow)
        live = ledger.verify_live(uow)
        assert (live.problems, live.entries, live.root) == ((), 6 * 48, signed.root)
        ledger.export(uow, tmp_path / "export")
        order = uow.connection.scalars(sa.text('select "index" from ledger_entry order by "index"')).all()
    assert order == list(range(6 * 48))
    offline = ledger.verify_folder(tmp_path / "export", signer.verifier_key, signed.note)
    assert (offline.problems, offline.root) == ((), signed.root)


def test_the_first_appends_of_two_transactions_share_one_head(database: Database) -> None:
    """Two that find an empty ledger at once do not both make its head."""
    barrier, indices = threading.Barrier(2, timeout=30), []

    def work() -> None:
        with database.begin() as uow:
            assert uow.connection.scalar(sa.text("select count(*) from ledger_head")) == 0
            barrier.wait()
            indices.append(ledger.append(uow, SYSTEM, "a.b", "s:1").index)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(indices) == [0, 1]


def test_transactions_that_wait_for_each_other_end_with_one_retry(database: Database) -> None:
    """One appended and wants a row, the other holds that row and wants to append: one may retry."""
    with database.begin() as uow:
        uow.connection.exec_driver_sql("create table fact (id integer primary key, n integer)")
        uow.connection.exec_driver_sql("insert into fact values (1, 0)")
        ledger.append(uow, SYSTEM, "a.b", "s:0")
    barrier, ends = threading.Barrier(2, timeout=30), []

    def work(append_first: bool) -> None:
        def append(uow: UnitOfWork) -> None:
            ledger.append(uow, SYSTEM, "a.b", "s:1")

        def change(uow: UnitOfWork) -> None:
            uow.connection.exec_driver_sql("update fact set n = n + 1 where id = 1")

        first, second = (append, change) if append_first else (change, append)
        try:
            with database.begin() as uow:
                first(uow)
                barrier.wait()
                second(uow)
            ends.append("done")
        except Retry:
            ends.append("retry")

    threads = [threading.Thread(target=work, args=(first,)) for first in (True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["done", "retry"]
    with database.read() as uow:
        assert [entry.index for entry in ledger.entries(uow).items] == [0, 1]
        assert uow.connection.scalar(sa.text("select n from fact")) == 1


@pytest.mark.parametrize("table", ["ledger_entry", "ledger_tile", "ledger_checkpoint"])
@pytest.mark.parametrize("statement", ["update {} set {}", "delete from {}", "truncate {}"])
def test_the_database_refuses_to_change_or_drop_rows(database: Database, table: str, statement: str) -> None:
    """The ledger is append-only below the program too, for rows and for whole tables."""
    column = {"ledger_entry": "reason = ''", "ledger_tile": "level = 1", "ledger_checkpoint": "note = ''"}[
        table
    ]
    with database.begin() as uow:
        ledger.append(uow, SYSTEM, "a.b", "s:1")
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), database.begin() as uow:
        uow.connection.exec_driver_sql(statement.format(table, column))


def test_a_changed_entry_is_named(database: Database) -> None:
    """Somebody who may drop the triggers is found by the hashes."""
    with database.begin() as uow:
        for number in range(300):
            ledger.append(uow, SYSTEM, "a.b", f"s:{number}", data={"n": 1.5})
        ledger.checkpoint(uow)
        uow.connection.exec_driver_sql("alter table ledger_entry disable trigger all")
        uow.connection.exec_driver_sql("update ledger_entry set reason = 'other' where \"index\" in (7, 299)")
        problems = ledger.verify_live(uow).problems
    assert [(problem.kind, problem.first) for problem in problems] == [("changed", 7), ("changed", 299)]


def test_prefixes_are_found_in_byte_order(database: Database) -> None:
    """Whatever collation the server has."""
    with database.begin() as uow:
        for action in (
            "promotion.created",
            "promotion",
            "Promotion.created",
            "promotion-x",
            "promotion.z\u00e9",
        ):
            ledger.append(uow, SYSTEM, action, "s:1")
        found = [entry.index for entry in ledger.entries(uow, action_prefix="promotion.").items]
    assert found == [0, 4]


def test_people_tokens_and_sessions_work_the_same(database: Database) -> None:
    """Declare, decide, sign in, show a token: as on SQLite."""
    docs = [
        access.UserDocument(name="ana", groups=["board"]),
        access.RoleDocument(name="approvers", role="approver", environments=["prod"], groups=["board"]),
    ]
    with database.begin() as uow:
        secret = access.bootstrap(uow)
        assert secret is not None
        admin = access.authenticate(uow, secret).actor
        assert {diff.action for diff in access.apply(uow, admin, docs)} == {"create"}
        access.set_password(uow, Actor("ana"), "ana", "correct horse battery")
    assert access.sign_in(database, "ana", "wrong", "203.0.113.7").session is None
    opened = access.sign_in(database, "ana", "correct horse battery", "203.0.113.7")
    made = access.claim_token(database, "ana", "correct horse battery")
    assert made.token.handed_by == ""
    with database.begin() as uow:
        assert {diff.action for diff in access.apply(uow, admin, docs)} == {"none"}
        assert access.session(uow, opened.secret) == opened.session
        assert access.may(uow, Actor("ana"), "promotion:approve", environment="prod").allowed
        assert not access.may(uow, Actor("ana"), "promotion:approve", environment="qa").allowed
        assert [token.user for token in access.all_tokens(uow, admin)] == ["admin", "ana"]
