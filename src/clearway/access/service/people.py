"""Declared people and roles, passwords, and the first administrator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel

from clearway import ledger
from clearway.access import store
from clearway.access.decide import Judge
from clearway.access.documents import RoleDocument, UserDocument
from clearway.access.events import PeopleChanged
from clearway.access.model import Binding, Grant, Token, TokenActor, User, expand_scopes
from clearway.access.passwords import check_password, check_rules, hash_password
from clearway.kernel import SYSTEM, Actor, Diff, Invalid, NotFound, Refused
from clearway.storage import UnitOfWork

from .permit import forget, judge, require
from .tokens import issue_token

_RESERVED = frozenset({SYSTEM.name, "system"})
_BOOTSTRAP = "first administrator"


@dataclass(frozen=True)
class _Change:
    diff: Diff
    value: User | Binding


def users(uow: UnitOfWork) -> list[User]:
    """Everybody, by name."""
    return store.users(uow.connection)


def user(uow: UnitOfWork, name: str) -> User:
    """One user. Raises NotFound."""
    found = store.user(uow.connection, name)
    if found is None:
        raise NotFound(f"there is no user {name}")
    return found


def bindings(uow: UnitOfWork) -> list[Binding]:
    """Every declared Role document: who else holds a role, and where; by name."""
    return sorted(store.bindings(uow.connection), key=lambda each: each.name)


def groups_of(uow: UnitOfWork, name: str) -> tuple[str, ...]:
    """The groups of a user; none for a name that nobody has."""
    found = judge(uow).users.get(name)
    return found.groups if found else ()


def standing(uow: UnitOfWork, name: str, environment: str) -> frozenset[str]:
    """What approval rules ask for: a user's groups, and the names of the roles that they hold there."""
    return judge(uow).standing(name, environment)


def plan_apply(uow: UnitOfWork, docs: Sequence[BaseModel]) -> list[Diff]:
    """What applying the documents would change. Raises Invalid."""
    return [change.diff for change in _changes(uow, docs)]


def apply(uow: UnitOfWork, actor: Actor, docs: Sequence[BaseModel]) -> list[Diff]:
    """Declares people and roles; the same documents twice change nothing. What is not named stays."""
    require(uow, actor, "platform:apply")
    changes = _changes(uow, docs)
    for change in changes:
        diff = change.diff
        if diff.action == "none":
            continue
        new = diff.action == "create"
        if isinstance(change.value, User):
            store.save_user(uow.connection, change.value, new=new)
            if change.value.disabled:
                store.end_sessions_of(uow.connection, diff.name)
        else:
            store.save_binding(uow.connection, change.value, new=new)
        before, after = diff.before or {}, diff.after or {}
        ledger.append(
            uow,
            actor,
            f"{diff.kind.lower()}.{'created' if new else 'changed'}",
            f"{diff.kind.lower()}:{diff.name}",
            data={key: [before.get(key), after[key]] for key in after if before.get(key) != after[key]},
        )
    if any(change.diff.action != "none" for change in changes):
        forget(uow)
        uow.publish(PeopleChanged())
    return [change.diff for change in changes]


def _changes(uow: UnitOfWork, docs: Sequence[BaseModel]) -> list[_Change]:
    people = {known.name: known for known in store.users(uow.connection)}
    roles = {known.name: known for known in store.bindings(uow.connection)}
    found = []
    seen: set[tuple[str, str]] = set()
    for doc in docs:
        if not isinstance(doc, UserDocument | RoleDocument):
            raise Invalid(f"{type(doc).__name__} declares no user and no role")
        if (doc.kind, doc.name) in seen:
            raise Invalid(
                f"{doc.kind} {doc.name} is declared twice",
                where=doc.origin or None,
                expected="one document for each",
            )
        seen.add((doc.kind, doc.name))
        if isinstance(doc, UserDocument):
            found.append(_user_change(doc, people.get(doc.name)))
        else:
            found.append(_role_change(doc, roles.get(doc.name)))
    declared = set(people) | {name for kind, name in seen if kind == "User"}
    for doc in docs:
        if isinstance(doc, RoleDocument) and not set(doc.users) <= declared:
            missing = ", ".join(sorted(set(doc.users) - declared))
            raise Invalid(
                f"Role {doc.name} names users that nothing declares: {missing}",
                where=doc.origin or None,
                expected="declared users",
            )
    _keep_an_administrator(people, roles, found)
    return found


def _keep_an_administrator(
    people: Mapping[str, User], roles: Mapping[str, Binding], changes: Sequence[_Change]
) -> None:
    """Nobody may lock everybody out."""
    changed = [change.value for change in changes if change.diff.action != "none"]
    later_people = {**people, **{value.name: value for value in changed if isinstance(value, User)}}
    later_roles = {**roles, **{value.name: value for value in changed if isinstance(value, Binding)}}
    if not changed or Judge(later_people.values(), later_roles.values()).who_may("platform:apply", None):
        return
    administrators = Judge(people.values(), roles.values()).who_may("platform:apply", None)
    if administrators:
        raise Invalid(
            "no enabled administrator would be left",
            expected="at least one user with the role admin for all environments",
            todo=f"Keep the role of {' or '.join(administrators)}, or give it to someone else.",
        )


def _user_change(doc: UserDocument, known: User | None) -> _Change:
    if doc.name in _RESERVED:
        raise Invalid(f"{doc.name} is the name of Clearway itself", expected="another user name")
    after = doc.user()
    before = None if known is None else _shown(known)
    return _Change(_diff("User", doc.name, before, _shown(after)), after)


def _role_change(doc: RoleDocument, known: Binding | None) -> _Change:
    after = doc.binding()
    before = None if known is None else _shown(known)
    return _Change(_diff("Role", doc.name, before, _shown(after)), after)


def _shown(value: User | Binding) -> dict[str, Any]:
    """The declared fields as JSON."""
    shown = asdict(value)
    shown.pop("has_password", None)
    plain: dict[str, Any] = _plain(shown)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple | list) else value


def _diff(kind: str, name: str, before: dict[str, Any] | None, after: dict[str, Any]) -> Diff:
    if before is None:
        return Diff(kind, name, "create", None, after)
    return Diff(kind, name, "none" if before == after else "update", before, after)


def set_password(
    uow: UnitOfWork, actor: Actor, name: str, password: str, *, current: str | None = None
) -> None:
    """Sets a user's password and ends their sessions.

    Someone who changes their own has to give the current one, if there is one. A password that somebody else
    set, or that was set through a token which somebody else made, opens a session that approves nothing until
    its owner has changed it, in such a session. Raises Invalid, Refused, NotFound.
    """
    require(uow, actor, "user:write", owner=name)
    person = user(uow, name)
    if person.account == "robot":
        raise Invalid(f"{name} is a robot account; it uses tokens, not passwords")
    known = store.password_of(uow.connection, name)
    if actor.name == name and known is not None and not (current and check_password(current, known)):
        raise Refused("the current password is wrong or missing", todo="Give the current password.")
    check_rules(password, name)
    by = _hand(actor, name)
    if known is not None and by == name and password == current:
        raise Invalid("the new password is the present one", expected="another, which only you know")
    store.save_password(uow.connection, name, hash_password(password), by)
    store.end_sessions_of(uow.connection, name)
    data = None if by == name else {"set_by": by}
    ledger.append(uow, actor, "user.password-changed", f"user:{name}", data=data)


def _hand(actor: Actor, name: str) -> str:
    """Whose hand a password comes from. The first administrator's token is Clearway's: nobody else has it."""
    through_token = isinstance(actor, TokenActor) and actor.via
    behind = actor.handed_by if isinstance(actor, TokenActor) and through_token else ""
    return behind if behind not in ("", SYSTEM.name) else actor.name


def bootstrap(uow: UnitOfWork, name: str = "admin") -> str | None:
    """On first start: makes the first administrator and returns their token. Later: changes nothing, None.

    Once that token has ended, and no administrator has a password or a token any more, it makes another:
    whoever can restart Clearway may administer it.
    """
    made = [token for token in store.tokens(uow.connection, None) if token.label == _BOOTSTRAP]
    if any(_plainly_administers(uow, token) for token in made):
        return None  # what nearly every start finds, without loading the language of the policies
    if made:
        administrators = judge(uow).who_may("platform:apply", None)
        if not administrators or any(_can_enter(uow, each) for each in administrators):
            return None
        name = name if name in administrators else administrators[0]
    if store.user(uow.connection, name) is None:
        admin = UserDocument(name=name, full_name="First administrator").user()
        admin = User(admin.name, full_name=admin.full_name, grants=(Grant("admin"),))
        store.save_user(uow.connection, admin, new=True)
        ledger.append(
            uow, SYSTEM, "user.created", f"user:{name}", reason="first start", data={"role": "admin"}
        )
        forget(uow)
    reason = "no administrator could sign in any more" if made else "first start"
    return issue_token(uow, SYSTEM, name, label=_BOOTSTRAP, reason=reason).secret


def _plainly_administers(uow: UnitOfWork, token: Token) -> bool:
    """Whether the token lasts and its user is an administrator by a grant of their own, everywhere."""
    holder = store.user(uow.connection, token.user)
    own = holder.grants if holder and not holder.disabled else ()
    everywhere = any(each.role == "admin" and each.environments is None for each in own)
    return everywhere and _lasts(uow, token)


def _can_enter(uow: UnitOfWork, name: str) -> bool:
    """Whether a user has a password, or a token that lasts and administers."""
    tokens = store.tokens(uow.connection, name)
    return user(uow, name).has_password or any(_lasts(uow, token) for token in tokens)


def _lasts(uow: UnitOfWork, token: Token) -> bool:
    return (
        token.revoked_at is None
        and token.expires_at > uow.now()
        and token.environments is None
        and "platform:apply" in expand_scopes(token.scopes)
    )
