"""May this actor do that here?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from clearway.access import store
from clearway.access.decide import Judge, Question, advice
from clearway.access.model import Verdict
from clearway.kernel import Actor, Refused
from clearway.storage import UnitOfWork

_MEMO = "access.judge"
_compiled: WeakKeyDictionary[sa.Engine, tuple[str, Judge]] = WeakKeyDictionary()


def judge(uow: UnitOfWork) -> Judge:
    """The compiled state of people and roles, as this transaction sees it."""
    known: Judge | None = uow.memo.get(_MEMO)
    if known is None:
        known = uow.memo[_MEMO] = _compile(uow.connection)
    return known


def _compile(connection: sa.Connection) -> Judge:
    engine, stamp = connection.engine, store.read_stamp(connection)
    cached = _compiled.get(engine)
    if cached is not None and cached[0] == stamp:
        return cached[1]
    made = Judge(*store.everything(connection))
    if stamp:  # without a stamp nothing tells two states apart
        _compiled[engine] = (stamp, made)
    return made


def forget(uow: UnitOfWork) -> None:
    """People or roles changed in this transaction."""
    store.change_stamp(uow.connection)
    uow.memo.pop(_MEMO, None)


def may(
    uow: UnitOfWork,
    actor: Actor,
    action: str,
    *,
    service: str | None = None,
    environment: str | None = None,
    author_of: Sequence[str] = (),
    owner: str | None = None,
) -> Verdict:
    """The decision, with the policy that made it. A no says what to do.

    `author_of` names who wrote or asked for what is acted on: users, e-mail addresses or author names.
    `owner` is whose token or password it is; for token actions it is the actor when left out.
    """
    question = Question(actor, action, environment, service, tuple(author_of), owner)
    verdict = judge(uow).decide(question)
    if verdict.allowed or verdict.todo or verdict.policy == "unknown-action":
        return verdict
    return replace(verdict, todo=advice(question))


def require(
    uow: UnitOfWork,
    actor: Actor,
    action: str,
    *,
    service: str | None = None,
    environment: str | None = None,
    author_of: Sequence[str] = (),
    owner: str | None = None,
) -> None:
    """Returns when the actor may; raises Refused, naming the policy, when not. Arguments as for `may`."""
    verdict = may(
        uow, actor, action, service=service, environment=environment, author_of=author_of, owner=owner
    )
    if verdict.allowed:
        return
    place = f" in {environment}" if environment else ""
    raise Refused(
        f"{actor.name} may not {action}{place}: {verdict.reason} (policy {verdict.policy})",
        todo=verdict.todo or None,
        detail={
            "action": action,
            "policy": verdict.policy,
            **({"environment": environment} if environment else {}),
            **({"service": service} if service else {}),
        },
    )


def known(uow: UnitOfWork, *names: str) -> bool:
    """Whether any of these names and e-mail addresses of one author belongs to a user."""
    return judge(uow).knows(names)


def who_may(
    uow: UnitOfWork, action: str, environment: str | None, author_of: Sequence[str] = ()
) -> list[str]:
    """The enabled users who may do it, by name: whom to ask, and the access review."""
    return judge(uow).who_may(action, environment, author_of)
