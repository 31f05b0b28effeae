"""Adding entries, and reading them back."""

from __future__ import annotations

import string
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from databases import make_database
from hypothesis import given
from hypothesis import strategies as st

from clearway import ledger
from clearway.kernel import SYSTEM, Actor, Invalid, canonical
from clearway.ledger.model import Entry, entry_bytes, make_record
from clearway.ledger.store import all_records, read_head, stored_tiles
from clearway.ledger.tree import leaf_hash, root_of
from clearway.storage import Database

DANA = Actor("dana")


def test_an_entry_comes_back_as_it_was_appended(database: Database) -> None:
    """Actor, time, reason, digest and data survive exactly; indices count from 0."""
    digest = "sha256:" + "a" * 64
    with database.begin() as uow:
        first = ledger.append(uow, SYSTEM, "user.created", "user:dana")
        second = ledger.append(
            uow,
            DANA,
            "promotion.approved",
            "promotion:prm_1",
            reason="läuft ✓",
            digest=digest,
            data={"b": [1, None]},
        )
    with database.read() as uow:
        assert ledger.entries(uow).items == [first, second]
    assert (first.index, first.data, first.actor_kind) == (0, None, "system")
    assert second == Entry(
        1,
        database.clock(),
        "dana",
        "person",
        "promotion.approved",
        "promotion:prm_1",
        "läuft ✓",
        digest,
        {"b": [1, None]},
    )


def test_an_entry_falls_with_its_transaction(database: Database) -> None:
    """State and entry stand or fall together; a rolled back entry leaves no gap."""
    with pytest.raises(RuntimeError), database.begin() as uow:
        ledger.append(uow, DANA, "a.b", "s:1")
        raise RuntimeError
    with database.begin() as uow:
        assert ledger.append(uow, DANA, "a.c", "s:1").index == 0


def test_a_rolled_back_savepoint_takes_only_its_own_entries(database: Database) -> None:
    """An append after a rolled back savepoint continues from the entries that are left."""
    with database.begin() as uow:
        ledger.append(uow, DANA, "a.kept", "s:1")
        savepoint = uow.connection.begin_nested()
        ledger.append(uow, DANA, "a.dropped", "s:1")
        savepoint.rollback()
        ledger.append(uow, DANA, "a.next", "s:1")
    with database.read() as uow:
        rows = list(all_records(uow.connection, 0, 9))
        assert [(row.index, row.action) for row, _ in rows] == [(0, "a.kept"), (1, "a.next")]
        assert read_head(uow.connection).root() == root_of([leaf for _, leaf in rows])


def test_processes_that_take_turns_build_one_tree(database: Database) -> None:
    """What one process remembers of the head is never built upon once another one appended."""
    other = Database(database.url, database.clock)
    for number in range(6):
        for where in (database, other)[:: 1 if number % 2 else -1]:
            with where.begin() as uow:
                ledger.append(uow, DANA, "a.b", "s:1")
                ledger.append(uow, DANA, "a.c", "s:1")
            with pytest.raises(RuntimeError), where.begin() as uow:
                ledger.append(uow, DANA, "a.dropped", "s:1")
                raise RuntimeError
    other.dispose()
    with database.read() as uow:
        rows = list(all_records(uow.connection, 0, 99))
        assert [row.index for row, _ in rows] == list(range(24))
        assert read_head(uow.connection).root() == root_of([leaf for _, leaf in rows])


def test_entries_are_found_by_subject_actor_and_action(database: Database) -> None:
    """Conditions narrow together; a prefix of an action matches whole and begun words."""
    with database.begin() as uow:
        ledger.append(uow, DANA, "promotion.created", "promotion:1")
        ledger.append(uow, SYSTEM, "promotion.approved", "promotion:1")
        ledger.append(uow, DANA, "promotional", "promotion:2")
        ledger.append(uow, DANA, "Promotion.created", "promotion:1")

    def found(**conditions: Any) -> list[int]:
        with database.read() as uow:
            return [entry.index for entry in ledger.entries(uow, **conditions).items]

    assert found(subject="promotion:1") == [0, 1, 3]
    assert found(action_prefix="promotion.") == [0, 1]
    assert found(action_prefix="promotion") == [0, 1, 2]
    assert found(actor="dana", subject="promotion:1", action_prefix="promotion.") == [0]
    assert found(newest_first=True, limit=2) == [3, 2]
    assert found(after=1) == [2, 3]
    assert found(after=10**30) == []
    assert found(after=-(10**30)) == [0, 1, 2, 3]
    for odd in ("\U0010ffff", "promotion.\U0010ffff", "\ud7ff", "z", "é"):
        assert found(action_prefix=odd) == []


@pytest.mark.parametrize("newest_first", [False, True])
def test_pages_together_hold_every_entry_once(database: Database, newest_first: bool) -> None:
    """Following the cursors visits each entry once, in order; the last page has no cursor."""
    with database.begin() as uow:
        for number in range(7):
            ledger.append(uow, DANA, "a.b", f"s:{number}")
    seen: list[int] = []
    cursor, pages = None, 0
    with database.read() as uow:
        while True:
            page = ledger.entries(uow, limit=3, after=cursor, newest_first=newest_first)
            seen += [entry.index for entry in page.items]
            cursor, pages = page.next_cursor, pages + 1
            if cursor is None:
                break
    assert (seen, pages) == (sorted(range(7), reverse=newest_first), 3)


@pytest.mark.parametrize("bad", [{"limit": 0}, {"limit": 1001}, {"after": "nonsense"}, {"after": "InRleHQi"}])
def test_bad_pages_are_refused(database: Database, bad: dict[str, Any]) -> None:
    """A size out of range, or a cursor that no page gave, is Invalid."""
    with database.read() as uow, pytest.raises(Invalid):
        ledger.entries(uow, **bad)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("action", ""),
        ("subject", ""),
        ("reason", "nul \0"),
        ("reason", "\ud800"),
        ("reason", "x" * 70_000),
        ("data", {"x": "y" * 70_000}),
        ("data", {"at": datetime(2026, 1, 1, tzinfo=UTC)}),
        ("data", float("nan")),
        ("data", {1: 2}),
    ],
)
def test_what_cannot_be_hashed_the_same_everywhere_is_refused(
    database: Database, field: str, value: Any
) -> None:
    """No entry is stored that a verifier could not read; nothing else of the ledger changes."""
    words: dict[str, Any] = {"action": "a.b", "subject": "s:1"} | {field: value}
    with database.begin() as uow:
        with pytest.raises(Invalid):
            ledger.append(uow, DANA, **words)
        assert ledger.append(uow, DANA, "a.b", "s:1").index == 0


_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=6,
)


@given(_texts, _texts, _texts, st.none() | _texts, _data, st.datetimes(timezones=st.just(UTC)))
def test_the_bytes_of_an_entry_are_rfc_8785(
    actor: str, action: str, reason: str, digest: str | None, data: Any, at: datetime
) -> None:
    """The fast form equals the general canonical form, whatever the texts hold."""
    entry = Entry(7, at, actor, "person", action, "s:1", reason, digest, data)
    expected = {
        "action": action,
        "actor": actor,
        "actor_kind": "person",
        "at": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "data": data,
        "digest": digest,
        "index": 7,
        "reason": reason,
        "subject": "s:1",
    }
    assert entry_bytes(make_record(entry)) == canonical(expected)


def test_the_stored_edge_and_tiles_are_those_of_all_leaves(database: Database) -> None:
    """After 600 entries the head's root is that of 600 leaves, and the two full tiles hold the first 512."""
    for size in (3, 252, 2, 300, 43):
        with database.begin() as uow:
            for number in range(size):
                ledger.append(uow, DANA, "a.b", f"s:{number}", data={"n": number})
    with database.read() as uow:
        leaves = [leaf for _, leaf in all_records(uow.connection, 0, 600)]
        assert leaves == [leaf_hash(entry_bytes(row)) for row, _ in all_records(uow.connection, 0, 600)]
        assert len(leaves) == 600
        assert read_head(uow.connection).root() == root_of(leaves)
        tiles = list(stored_tiles(uow.connection, 0, 0, 9))
    assert [(number, hashes) for number, hashes, _ in tiles] == [
        (0, b"".join(leaves[:256])),
        (1, b"".join(leaves[256:512])),
    ]
    assert [root for *_, root in tiles] == [root_of(leaves[:256]), root_of(leaves[256:512])]


@pytest.mark.parametrize("table", ["ledger_entry", "ledger_tile", "ledger_checkpoint"])
@pytest.mark.parametrize("verb", ["delete from {}", "update {} set {}"])
def test_the_database_refuses_to_change_or_drop_rows(database: Database, table: str, verb: str) -> None:
    """The ledger is append-only below the program too."""
    column = {"ledger_entry": "reason = ''", "ledger_tile": "root = x'00'", "ledger_checkpoint": "note = ''"}[
        table
    ]
    with database.begin() as uow:
        for number in range(256):
            ledger.append(uow, DANA, "a.b", f"s:{number}")
        uow.connection.exec_driver_sql("insert into ledger_checkpoint values (1, 'o', 'r', 'n', 0)")
    with pytest.raises(sa.exc.IntegrityError, match="append-only"), database.begin() as uow:
        uow.connection.exec_driver_sql(verb.format(table, column))


def test_threads_append_without_gaps(tmp_path: Path) -> None:
    """Entries of several threads get contiguous indices, and one root over all."""
    database = make_database(tmp_path)

    def work(name: str) -> None:
        for number in range(20):
            with database.begin() as uow:
                ledger.append(uow, Actor(name), "a.b", f"s:{number}")
                ledger.append(uow, Actor(name), "a.c", f"s:{number}")

    threads = [threading.Thread(target=work, args=(letter,)) for letter in string.ascii_lowercase[:4]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as uow:
        rows = list(all_records(uow.connection, 0, 1000))
        assert [row.index for row, _ in rows] == list(range(160))
        assert read_head(uow.connection).root() == root_of([leaf for _, leaf in rows])
    database.dispose()


def test_entries_about_many_subjects_come_in_one_answer(database: Database) -> None:
    """Each subject has its own, oldest first; one that nobody wrote about has none; too many is refused."""
    with database.begin() as uow:
        for action, subject in (("x.made", "x:1"), ("x.made", "x:2"), ("x.ended", "x:1"), ("x.made", "x:10")):
            ledger.append(uow, DANA, action, subject)
        found = ledger.entries_about(uow, ["x:1", "x:2", "x:3"])
        assert {each: [entry.action for entry in told] for each, told in found.items()} == {
            "x:1": ["x.made", "x.ended"],
            "x:2": ["x.made"],
            "x:3": [],
        }
        assert ledger.entries_about(uow, []) == {}
        with pytest.raises(Invalid):
            ledger.entries_about(uow, [f"x:{number}" for number in range(1001)])
