"""What the unit of work promises, on PostgreSQL."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from postgres import make_postgres

from clearway.kernel import Actor, Retry
from clearway.ledger import append

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("postgres")]


def test_a_read_is_one_snapshot_and_writes_nothing() -> None:
    """What is committed meanwhile is not seen; a write inside a read is refused."""
    database = make_postgres()
    count = sa.text("select count(*) from ledger_entry")
    with database.read() as uow:
        before = uow.connection.scalar(count)
        with database.begin() as writing:
            append(writing, Actor("dev"), "a.b", "c:d")
        assert uow.connection.scalar(count) == before
        with pytest.raises(sa.exc.DBAPIError, match="read-only"):
            uow.connection.execute(sa.text("delete from ledger_entry"))
    with database.begin() as uow:  # the connection came back as it was
        append(uow, Actor("dev"), "a.b", "c:d")
        assert uow.connection.scalar(count) == before + 2
    database.dispose()


def test_a_deadlock_says_try_again_at_once() -> None:
    """PostgreSQL tells of it with the word `blocked`, which is no lock of another process."""
    database = make_postgres()
    with database.begin() as uow:
        uow.connection.execute(sa.text("create table pair (id int primary key, n int)"))
        uow.connection.execute(sa.text("insert into pair values (1, 0), (2, 0)"))
    query = sa.text("update pair set n = 1 where id = :id")
    both, errors = threading.Barrier(2), []

    def update(first: int, second: int) -> None:
        try:
            with database.begin() as uow:
                uow.connection.execute(query, {"id": first})
                both.wait(20)
                uow.connection.execute(query, {"id": second})
        except Retry as error:
            errors.append(str(error))

    threads = [threading.Thread(target=update, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(errors) == 1
    assert "another transaction was in the way" in errors[0]
    database.dispose()
