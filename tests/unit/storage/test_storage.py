"""Transactions, blobs and pages."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from databases import make_database
from hypothesis import given
from hypothesis import strategies as st

from clearway.kernel import Conflict, Event, Invalid, NotFound, Retry, sha256
from clearway.storage import Bus, Database, FileBlobs, Instant, decode_cursor, encode_cursor
from clearway.storage.database import wal_is_safe


@dataclass(frozen=True)
class Happened(Event):
    what: str


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = make_database(tmp_path)
    with database.begin() as uow:
        uow.connection.execute(sa.text("create table t (v text)"))
    yield database
    database.dispose()


def count(database: Database) -> int:
    with database.read() as uow:
        return int(uow.connection.execute(sa.text("select count(*) from t")).scalar_one())


def test_a_subscriber_that_fails_takes_the_whole_transaction_with_it(database: Database) -> None:
    """An event's subscribers run in the transaction of the fact; all of it stands or falls."""

    def fail(uow: object, event: Happened) -> None:
        raise RuntimeError(event.what)

    bus = Bus()
    bus.subscribe(Happened, fail)
    database.bus = bus
    with pytest.raises(RuntimeError, match="boom"), database.begin() as uow:
        uow.connection.execute(sa.text("insert into t values ('x')"))
        uow.publish(Happened("boom"))
    assert count(database) == 0


def test_hints_run_only_after_a_commit(database: Database) -> None:
    """after_commit never runs for a transaction that was rolled back."""
    ran: list[str] = []
    with pytest.raises(RuntimeError), database.begin() as uow:
        uow.after_commit(lambda: ran.append("bad"))
        raise RuntimeError
    with database.begin() as uow:
        uow.after_commit(lambda: ran.append("good"))
    assert ran == ["good"]


def test_a_database_locked_by_another_process_is_a_retry(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock held elsewhere ends in a clear, temporary error, and nothing is lost."""
    other = sa.create_engine(database.url, connect_args={"timeout": 0.1})
    with database.engine.connect() as connection:
        connection.connection.execute("pragma busy_timeout = 50")  # type: ignore[attr-defined]
    with other.connect() as held:
        held.exec_driver_sql("begin exclusive")
        with pytest.raises(Retry, match="locked"), database.begin():
            pass
        held.exec_driver_sql("rollback")
    with database.begin() as uow:
        uow.connection.execute(sa.text("insert into t values ('x')"))
    assert count(database) == 1


YEARS = {"min_value": datetime(1, 1, 1), "max_value": datetime(9999, 12, 30)}  # noqa: DTZ001


@given(st.datetimes(**YEARS, timezones=st.just(UTC)))
def test_an_instant_keeps_every_microsecond(instant: datetime) -> None:
    """Instants survive storage exactly, before 1970 too."""
    kind = Instant()
    assert kind.process_result_value(kind.process_bind_param(instant, None), None) == instant


def test_a_naive_datetime_is_refused() -> None:
    """Which zone a naive datetime means is a guess."""
    with pytest.raises(ValueError, match="time zone"):
        Instant().process_bind_param(datetime(2026, 1, 1), None)  # noqa: DTZ001


def test_wal_is_used_only_with_the_fixed_library() -> None:
    """SQLite before the WAL-reset fix stays on the rollback journal."""
    assert [wal_is_safe(v) for v in [(3, 40, 1), (3, 51, 2), (3, 50, 6)]] == [False] * 3
    assert [wal_is_safe(v) for v in [(3, 51, 3), (3, 52, 0), (3, 50, 7), (3, 44, 6)]] == [True] * 4


def test_equal_bytes_are_one_blob(tmp_path: Path) -> None:
    """The store is addressed by content."""
    blobs = FileBlobs(tmp_path)
    first = blobs.put([b"ab", b"c"])
    assert blobs.put([b"abc"]) == first
    assert first.digest == sha256(b"abc")
    with blobs.open(first.digest) as stream:
        assert stream.read() == b"abc"
    assert blobs.verify(first.digest)


def test_wrong_bytes_and_full_disks_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A put that fails stores nothing and says why."""
    blobs = FileBlobs(tmp_path)
    with pytest.raises(Conflict):
        blobs.put([b"abc"], expected=sha256(b"other"))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Retry, match="full"):
        blobs.put([b"abc"])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_bytes_that_changed_on_disk_are_found(tmp_path: Path) -> None:
    """verify hashes again."""
    blobs = FileBlobs(tmp_path)
    blob = blobs.put([b"abc"])
    path = blobs.path(blob.digest)
    path.chmod(0o644)
    path.write_bytes(b"abd")
    assert not blobs.verify(blob.digest)


@pytest.mark.parametrize("digest", ["", "sha256:../../etc/passwd", "sha256:" + "A" * 64, "md5:" + "a" * 32])
def test_a_malformed_digest_never_becomes_a_path(tmp_path: Path, digest: str) -> None:
    """What is no digest is refused before the file system is asked."""
    with pytest.raises(Invalid):
        FileBlobs(tmp_path).exists(digest)


def test_an_unknown_digest_is_not_found(tmp_path: Path) -> None:
    """A well-formed digest without bytes is NotFound."""
    with pytest.raises(NotFound):
        FileBlobs(tmp_path).open(sha256(b"nothing"))


@given(st.one_of(st.text(), st.integers(-(2**63), 2**63 - 1)))
def test_a_cursor_survives(key: str | int) -> None:
    """Every key comes back from its cursor."""
    assert decode_cursor(encode_cursor(key)) == key


@given(st.text(max_size=60))
def test_a_forged_cursor_is_refused_or_a_key(text: str) -> None:
    """Whatever a stranger sends as a cursor is a key or a clear error."""
    with contextlib.suppress(Invalid):
        assert isinstance(decode_cursor(text), str | int)


@pytest.mark.parametrize("key", [2**63, -(2**63) - 1, 10**30])
def test_a_cursor_that_no_database_can_hold_is_refused(key: int) -> None:
    """A number beyond 64 bits is a clear error before any query."""
    with pytest.raises(Invalid, match="cursor"):
        decode_cursor(encode_cursor(key))
