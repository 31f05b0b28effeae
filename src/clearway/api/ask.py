"""One authenticated request: its reads with ETags, its writes that happen once.

Rules:
1. A write, its ledger entries and the kept answer of its Idempotency-Key commit in one transaction.
2. The same key with the same request gets the same answer; with another request it is a Conflict.
3. An answer that holds a secret is never kept: the key then only prevents the second write.
4. If-Match is compared inside the write's transaction, with what a GET would have shown.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from clearway import access
from clearway.kernel import Actor, Conflict, Invalid, sha256
from clearway.storage import Database, UnitOfWork

from . import store
from .problems import problem
from .shown import as_text

JSON = "application/json"
KEPT_FOR = timedelta(hours=24)
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True)
class Answer:
    """What a write answers when it is not simply the value with the route's usual status."""

    value: Any
    status: int = 200
    location: str = ""


class _Rehearsed(Exception):
    """Ends a rehearsal's transaction."""


@dataclass
class Ask:
    """Who asks, for what; handed to every handler."""

    database: Database
    principal: access.Principal
    bearer: str
    request: Request
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def actor(self) -> Actor:
        """The one who asks, with the limits of their token."""
        return self.principal.actor

    def read(
        self, look: Callable[[UnitOfWork], Any], *, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Answer from one snapshot; 304 when the reader already has it."""
        with self.database.read() as uow:
            found = look(uow)
        return self.show(found, headers=headers)

    def show(self, found: Any, *, headers: Mapping[str, str] | None = None) -> Response:
        """Answer with a value that was read already; 304 when the reader already has it."""
        text = as_text(found)
        tag = etag(text)
        sent = {"ETag": tag, "Cache-Control": "private, no-cache", **self.headers, **(headers or {})}
        if matches(self.request.headers.get("if-none-match"), tag):
            return Response(status_code=304, headers=sent)
        return Response(text, media_type=JSON, headers=sent)

    def rehearse(self, act: Callable[[UnitOfWork], Any]) -> Response:
        """Do it in a transaction that is rolled back: what would happen, exactly, and nothing did."""
        done: Any = None
        with contextlib.suppress(_Rehearsed), self.database.begin() as uow:
            done = act(uow)
            raise _Rehearsed
        return _answer(as_text(done), 200, "", self.headers)

    def write(
        self,
        act: Callable[[UnitOfWork], Any],
        *,
        status: int = 200,
        secret: bool = False,
        current: Callable[[UnitOfWork], Any] | None = None,
    ) -> Response:
        """Do it in one transaction, once for each Idempotency-Key; `current` is what If-Match guards."""
        key = self._key()
        try:
            return self._write(act, key, status, secret, current)
        except sa.exc.IntegrityError:
            if key is None:
                raise
            # Another connection did the same request between our look and our commit: answer as it did.
            return self._write(act, key, status, secret, current)

    def _write(
        self,
        act: Callable[[UnitOfWork], Any],
        key: str | None,
        status: int,
        secret: bool,
        current: Callable[[UnitOfWork], Any] | None,
    ) -> Response:
        with self.database.begin() as uow:
            # Again, in the transaction of the write: a token revoked meanwhile writes nothing.
            access.authenticate(uow, self.bearer)
            request = self._digest(secret)
            kept = store.find(uow, self.actor.name, key) if key else None
            if kept is not None:
                return _replay(kept, request)
            if refused := self._outdated(uow, current):
                return refused
            done = act(uow)
            answer = done if isinstance(done, Answer) else Answer(done, status)
            text = "" if answer.value is None else as_text(answer.value)
            if key:
                store.forget(uow, uow.now() - KEPT_FOR)
                body = None if secret else text
                store.keep(
                    uow, self.actor.name, key, store.Kept(request, answer.status, answer.location, body)
                )
        return _answer(text, answer.status, answer.location, self.headers)

    def _key(self) -> str | None:
        key = self.request.headers.get("idempotency-key")
        if key is not None and not _KEY.fullmatch(key):
            raise Invalid("the Idempotency-Key is not usable", expected="1 to 200 printable characters")
        return key

    def _digest(self, secret: bool) -> str:
        # The body of a request with a password is left out: a plain hash of it could be guessed offline.
        content = b"" if secret else self.body
        address = f"{self.request.method} {self.request.url.path}?{self.request.url.query}\n"
        return sha256(address.encode() + content)

    def _outdated(self, uow: UnitOfWork, current: Callable[[UnitOfWork], Any] | None) -> Response | None:
        wanted = self.request.headers.get("if-match")
        if wanted is None or current is None:
            return None
        tag = etag(as_text(current(uow)))
        if matches(wanted, tag):
            return None
        return problem(
            412,
            "It changed meanwhile",
            "what you looked at has changed since; nothing was done",
            kind="changed",
            headers={"ETag": tag},
            todo="Read it again, and decide again.",
        )


def _replay(kept: store.Kept, request: str) -> Response:
    if kept.request != request:
        raise Conflict(
            "this Idempotency-Key was used for another request",
            expected="a new key for each new request",
            todo="Send the request with a fresh key.",
        )
    if kept.body is None:
        raise Conflict(
            "this request was already done; its answer held a secret, which is shown only once",
            todo="Make a new one, and revoke the one that was lost.",
        )
    return _answer(kept.body, kept.status, kept.location, {"Idempotency-Replayed": "true"})


def _answer(text: str, status: int, location: str, headers: Mapping[str, str]) -> Response:
    answer = Response(text, 204 if not text and status == 200 else status)
    if text:
        answer.headers["Content-Type"] = "application/problem+json" if status >= 400 else JSON
    if location:
        answer.headers["Location"] = location
    answer.headers["Cache-Control"] = "no-store"
    answer.headers.update(headers)
    return answer


def etag(text: str) -> str:
    """The entity tag of a representation."""
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def matches(header: str | None, tag: str) -> bool:
    """Whether an If-Match or If-None-Match header names this tag."""
    if header is None:
        return False
    given = [each.strip().removeprefix("W/") for each in header.split(",")]
    return "*" in given or tag in given


def ask_of(request: Request) -> Ask:
    """The Ask that the guard made for this request."""
    made: Ask = request.state.ask
    return made


Asked = Annotated[Ask, Depends(ask_of)]
