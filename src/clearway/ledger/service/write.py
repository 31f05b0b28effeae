"""Adding entries, and reading them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from clearway.kernel import Actor, Conflict, Invalid
from clearway.ledger import store
from clearway.ledger.model import Entry, Record, checked_bytes, make_record, read_record
from clearway.ledger.tiles import TILE_WIDTH
from clearway.ledger.tree import Frontier, leaf_hash
from clearway.storage import Page, UnitOfWork, decode_cursor, encode_cursor

_Head = tuple[int, bytes]  # size and edge
_MEMO = "ledger.head"
#: What the head was after this process's last append: a guess that saves reading it. It is only built upon
#: when the database still has exactly that one.
_committed: WeakKeyDictionary[sa.Engine, _Head] = WeakKeyDictionary()
_MOST = 1000


def append(
    uow: UnitOfWork,
    actor: Actor,
    action: str,
    subject: str,
    *,
    reason: str = "",
    digest: str | None = None,
    data: Any = None,
) -> Entry:
    """Adds an entry in this transaction: who did what to which subject, why, to which digest.

    `data` is small JSON without secrets: whoever may read the ledger sees it for ever. Append late: from here
    to the end of the transaction no other one can append. What was done through a token says so: `via`.
    """
    for what, text in (("action", action), ("subject", subject), ("actor", actor.name)):
        if not text:
            raise Invalid(f"a ledger entry needs its {what}")
    if actor.via and (data is None or isinstance(data, Mapping)):
        data = {**(data or {}), "via": actor.via}
    words = (action, subject, reason, digest)
    engine = uow.connection.engine
    guess: _Head | None = uow.memo.get(_MEMO) or _committed.get(engine)
    added = guess and _try(uow, guess, actor, words, data)
    if not added:
        # Somebody else appended, or a savepoint was rolled back and took our last entry with it.
        locked = store.lock_head(uow.connection)
        added = _try(uow, (locked.size, locked.to_bytes()), actor, words, data)
    if not added:
        raise Conflict("the ledger's head moved while it was locked")
    record, head = added
    if _MEMO not in uow.memo:
        uow.after_commit(lambda: _committed.__setitem__(engine, uow.memo[_MEMO]))
    uow.memo[_MEMO] = head
    return read_record(record)


def _try(
    uow: UnitOfWork, head: _Head, actor: Actor, words: tuple[str, str, str, str | None], data: Any
) -> tuple[Record, _Head] | None:
    """Appends, if the stored head is the given one."""
    action, subject, reason, digest = words
    edge = Frontier.from_bytes(*head)
    record = make_record(
        Entry(edge.size, uow.now(), actor.name, actor.kind, action, subject, reason, digest, data)
    )
    leaf = leaf_hash(checked_bytes(record))
    edge.append(leaf)
    if not store.move_head(uow.connection, *head, edge):
        return None
    store.add_entry(uow.connection, record, leaf)
    if edge.size % TILE_WIDTH == 0:
        store.seal_tiles(uow.connection, edge.size)
    return record, (edge.size, edge.to_bytes())


def entries(
    uow: UnitOfWork,
    *,
    subject: str | None = None,
    action_prefix: str | None = None,
    actor: str | None = None,
    after: str | int | None = None,
    limit: int = 100,
    newest_first: bool = False,
) -> Page[Entry]:
    """Entries that fit every given condition, oldest first unless asked otherwise.

    `after` is a cursor of an earlier page, or the index of the last entry that the caller has seen.
    """
    if not 1 <= limit <= _MOST:
        raise Invalid(f"a page of {limit} entries", expected=f"1 to {_MOST}")
    where = []
    if subject is not None:
        where.append(store.subject_is(subject))
    if actor is not None:
        where.append(store.actor_is(actor))
    if action_prefix:
        where.append(store.action_starts(action_prefix))
    if after is not None:
        seen = after if isinstance(after, int) else decode_cursor(after)
        if not isinstance(seen, int):
            raise Invalid("the cursor is not one that the ledger gave", todo="Start again without a cursor.")
        where.append(store.beyond(seen, newest_first))
    rows = store.records(uow.connection, where, limit + 1, newest_first)
    more = encode_cursor(rows[limit - 1].index) if len(rows) > limit else None
    return Page([read_record(row) for row in rows[:limit]], more)


def entries_about(uow: UnitOfWork, subjects: Sequence[str]) -> dict[str, list[Entry]]:
    """The entries about each of at most 1,000 subjects, oldest first: one question for all of them."""
    if len(subjects) > _MOST:
        raise Invalid(f"{len(subjects)} subjects at once", expected=f"at most {_MOST}")
    found: dict[str, list[Entry]] = {each: [] for each in subjects}
    if subjects:
        rows = store.records(uow.connection, [store.subject_in(subjects)], _MOST * len(subjects), False)
        for row in rows:
            entry = read_record(row)
            found[entry.subject].append(entry)
    return found
