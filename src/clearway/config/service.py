"""Setting values, and resolving them for a release."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel

from clearway import access, catalog, ledger, policy
from clearway.kernel import Actor, Conflict, Diff, Invalid, Permanent
from clearway.storage import UnitOfWork

from . import store
from .documents import VARIABLE, ConfigDocument
from .events import ConfigChanged
from .model import (
    MIN_SECRET,
    ConfigSchema,
    Entry,
    Origin,
    Problem,
    Resolved,
    Scalar,
    Value,
    as_text,
    choose,
    digest,
    is_exact,
    typed,
)
from .ports import Cipher, Schemas

MAX_VALUE = 10_000


def resolve(uow: UnitOfWork, service: str, environment: str, schema: ConfigSchema) -> Resolved:
    """The service's values in the environment, and everything that is wrong with them, all at once."""
    values, problems = choose(schema, entries(uow, service, environment))
    texts: dict[str, Scalar] = {}
    for key, value in values.items():
        if value.secret_version is not None:
            text, wrong = typed(schema[key], _open(uow, service, environment, key, value))
            problems += [Problem(key, f"{wrong} (a secret from {value.origin})")] if wrong else []
        else:
            text = value.value
        if schema[key].pattern is not None and isinstance(text, str):
            texts[key] = text
    problems += _unmatched(uow, schema, texts)
    order = list(schema)
    ordered = tuple(sorted(problems, key=lambda problem: order.index(problem.key)))
    return Resolved(service, environment, values, ordered, digest(values))


def reveal(uow: UnitOfWork, resolved: Resolved) -> dict[str, str]:
    """The variables of a process, secrets in plain, of exactly the versions that were resolved.

    Only for starting processes: what this returns goes nowhere else.
    """
    found: dict[str, str] = {}
    for key, value in resolved.values.items():
        if value.secret_version is not None:
            found[key] = _open(uow, resolved.service, resolved.environment, key, value)
        elif value.value is not None:
            found[key] = as_text(value.value)
    return found


def unreadable(uow: UnitOfWork, resolved: Resolved) -> tuple[Problem, ...]:
    """The secrets of an earlier resolution that cannot be revealed any more, in exactly those versions."""
    found = []
    for key, value in resolved.values.items():
        if value.secret_version is None:
            continue
        try:
            _open(uow, resolved.service, resolved.environment, key, value)
        except Permanent:
            message = f"is a secret whose version {value.secret_version} (from {value.origin}) cannot be read"
            found.append(Problem(key, message))
    return tuple(found)


def masks(uow: UnitOfWork, service: str, environment: str) -> tuple[str, ...]:
    """What every secret of the service in the environment says, to hide it in output with `mask`."""
    return tuple(
        _open(uow, service, environment, entry.key, Value(None, entry.origin, entry.version))
        for entry in entries(uow, service, environment)
        if entry.secret
    )


def entries(uow: UnitOfWork, service: str | None, environment: str | None) -> list[Entry]:
    """What is set in every layer that reaches the service in the environment; secrets without their value.

    With one of the two only, the entries of that layer.
    """
    scopes = {(service or "", ""), ("", environment or ""), (service or "", environment or "")} - {("", "")}
    if not scopes:
        raise _no_scope()
    return [entry for entry in store.newest(uow, *sorted(scopes)) if not entry.deleted]


def history(uow: UnitOfWork, service: str | None, environment: str | None, key: str) -> list[Entry]:
    """Every version of a key in one layer, oldest first; nothing is ever overwritten."""
    return store.history(uow, service or "", environment or "", key)


def set_value(
    uow: UnitOfWork,
    actor: Actor,
    service: str | None,
    environment: str | None,
    key: str,
    value: Scalar,
    reason: str = "",
) -> int:
    """Set a plain value and return its version; the value that is there already changes nothing."""
    access.require(uow, actor, "config:write", service=service, environment=environment)
    now = _current(uow, service, environment, key)
    if isinstance(value, str):
        _refuse_unprintable(key, value)
        if len(value) > MAX_VALUE:
            raise Invalid(f"{key} has {len(value)} characters", expected=f"at most {MAX_VALUE}")
    elif not isinstance(value, bool | int | float):
        raise Invalid(f"{key} is a {type(value).__name__}", expected="text, a number, true or false")
    elif not is_exact(value):
        raise Invalid(f"{key} is a number that JSON does not hold exactly", expected="below 2^53, or text")
    _refuse_known_secret(uow, service, key)
    if now is not None and now.secret:
        raise Conflict(f"{key} is a secret here", todo="Set it as a secret, or unset it first.")
    if now is not None and now.value == value and type(now.value) is type(value):
        return now.version
    version = store.add(
        uow, service or "", environment or "", key, value=value, actor=actor.name, reason=reason[:500]
    )
    change = {"key": key, "version": version, "before": now.value if now else None, "after": value}
    ledger.append(uow, actor, "config.set", _subject(service, environment), reason=reason, data=change)
    uow.publish(ConfigChanged(service, environment, key))
    return version


def set_secret(
    uow: UnitOfWork,
    actor: Actor,
    service: str | None,
    environment: str | None,
    key: str,
    value: str,
    reason: str = "",
) -> int:
    """Set a secret, encrypted at once, and return its version. What it says is in no record."""
    access.require(uow, actor, "secret:write", service=service, environment=environment)
    _current(uow, service, environment, key)
    if not MIN_SECRET <= len(value) <= MAX_VALUE:
        raise Invalid(
            f"the secret {key} has {len(value)} characters", expected=f"{MIN_SECRET} to {MAX_VALUE}"
        )
    _refuse_unprintable(key, value)
    sealed = uow.tool(Cipher).encrypt(value.encode())
    version = store.add(
        uow, service or "", environment or "", key, sealed=sealed, actor=actor.name, reason=reason[:500]
    )
    change = {"key": key, "version": version}
    ledger.append(uow, actor, "config.secret-set", _subject(service, environment), reason=reason, data=change)
    uow.publish(ConfigChanged(service, environment, key))
    return version


def unset(
    uow: UnitOfWork, actor: Actor, service: str | None, environment: str | None, key: str, reason: str = ""
) -> bool:
    """Make a layer say nothing about a key; whether it said something. Older versions stay recorded."""
    now = _current(uow, service, environment, key)
    action = "secret:write" if now and now.secret else "config:write"
    access.require(uow, actor, action, service=service, environment=environment)
    if now is None:
        return False
    version = store.add(
        uow, service or "", environment or "", key, deleted=True, actor=actor.name, reason=reason[:500]
    )
    change = {"key": key, "version": version, "before": None if now.secret else now.value, "after": None}
    ledger.append(uow, actor, "config.unset", _subject(service, environment), reason=reason, data=change)
    uow.publish(ConfigChanged(service, environment, key))
    return True


def plan_apply(uow: UnitOfWork, docs: Sequence[BaseModel], *, prune: bool = False) -> list[Diff]:
    """What applying the Config documents would change; with `prune`, plain values they do not name go."""
    found: list[Diff] = []
    seen: dict[str, ConfigDocument] = {}
    for doc in docs:
        if not isinstance(doc, ConfigDocument):
            continue
        first = seen.setdefault(doc.scope, doc)
        if first is not doc:
            raise Invalid(
                f"Config {doc.scope} is declared twice",
                where=doc.origin or None,
                expected="one document for each",
            )
        for key in doc.values:
            _refuse_known_secret(uow, doc.service, key, doc.origin or None)
        before = _plain(uow, doc)
        after = (before if not prune else {}) | dict(doc.values)
        action: Literal["none", "update", "create"] = "update" if before else "create"
        if _same(before, after):
            action = "none"
        found.append(Diff("Config", doc.scope, action, before or None, after))
    return found


def apply(uow: UnitOfWork, actor: Actor, docs: Sequence[BaseModel], *, prune: bool = False) -> list[Diff]:
    """Set what the Config documents say. The same again changes nothing."""
    found = plan_apply(uow, docs, prune=prune)
    for doc in docs:
        if not isinstance(doc, ConfigDocument):
            continue
        before = _plain(uow, doc)
        for key, value in doc.values.items():
            set_value(uow, actor, doc.service, doc.environment, key, value, doc.reason)
        for key in set(before) - set(doc.values) if prune else ():
            unset(uow, actor, doc.service, doc.environment, key, doc.reason)
    return found


def _plain(uow: UnitOfWork, doc: ConfigDocument) -> dict[str, Scalar]:
    scope = (doc.service or "", doc.environment or "")
    return {
        entry.key: entry.value
        for entry in store.newest(uow, scope)
        if entry.value is not None and not entry.deleted
    }


def _refuse_known_secret(uow: UnitOfWork, service: str | None, key: str, where: str | None = None) -> None:
    """A schema says that the key is a secret: in plain it would stand in the ledger for ever."""
    calls = uow.tool(Schemas).secret_in(uow, service, key) if uow.has_tool(Schemas) else None
    if calls is not None:
        raise Invalid(
            f"{key} is a secret, says the newest release of {calls}",
            where=where,
            expected="that it is set as a secret",
            todo="Set it with `clearway config set --secret`, and replace a value that others may have seen.",
        )


def _same(before: dict[str, Scalar], after: dict[str, Scalar]) -> bool:
    return before == after and all(type(before[key]) is type(after[key]) for key in before)


def _current(uow: UnitOfWork, service: str | None, environment: str | None, key: str) -> Entry | None:
    """What the layer says now. Raises when the layer or the key's name makes no sense."""
    if not service and not environment:
        raise _no_scope()
    if service:
        catalog.service(uow, service)
    if environment:
        catalog.environment(uow, environment)
    if not VARIABLE.fullmatch(key) or len(key) > 100:
        raise Invalid(
            f"`{key[:60]}` cannot be a key", expected="letters, digits and underscores, such as MAX_ITEMS"
        )
    scope = (service or "", environment or "")
    found = [entry for entry in store.newest(uow, scope) if entry.key == key and not entry.deleted]
    return found[0] if found else None


def _refuse_unprintable(key: str, value: str) -> None:
    """No process can be given a NUL, and half a character is in no encoding."""
    if re.search("[\x00\ud800-\udfff]", value):
        raise Invalid(f"{key} holds a character that no process can be given", expected="text")


def _open(uow: UnitOfWork, service: str, environment: str, key: str, value: Value) -> str:
    """What a secret says."""
    scopes: dict[Origin, tuple[str, str]] = {
        "service": (service, ""),
        "environment": ("", environment),
        "service+environment": (service, environment),
    }
    sealed = store.sealed(uow, *scopes[value.origin], key, value.secret_version or 0)
    if sealed is None:
        raise Permanent(f"version {value.secret_version} of the secret {key} is not recorded")
    return uow.tool(Cipher).decrypt(sealed).decode()


def _unmatched(uow: UnitOfWork, schema: ConfigSchema, texts: dict[str, Scalar]) -> list[Problem]:
    """Patterns are matched by CEL, whose regular expressions cannot be made to run for hours."""
    if not texts:
        return []
    keys = list(texts)
    facts: dict[str, Any] = {
        "texts": [texts[key] for key in keys],
        "patterns": [f"^(?:{schema[key].pattern})$" for key in keys],
    }
    rules = [f"texts[{index}].matches(patterns[{index}])" for index in range(len(keys))]
    answers = uow.tool(policy.Evaluator).evaluate(rules, facts)
    found: list[Problem] = []
    for key, answer in zip(keys, answers, strict=True):
        if isinstance(answer, policy.Failure):
            found.append(Problem(key, f"cannot be matched with {schema[key].pattern}: {answer.why}"))
        elif not answer:
            found.append(Problem(key, f"does not match {schema[key].pattern}"))
    return found


def _subject(service: str | None, environment: str | None) -> str:
    return f"config:{service or '*'}/{environment or '*'}"


def _no_scope() -> Invalid:
    return Invalid("neither a service nor an environment is named", expected="one of them, or both")
