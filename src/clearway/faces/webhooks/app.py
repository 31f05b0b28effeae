"""`POST /hooks/{repository}`: deliveries of the forge that the repository's document names.

Rules:
1. Nothing is parsed, recorded or told before the signature holds. A repository that nobody declared, one
   without a secret, and a wrong signature get the same answer, after the same reading of the body.
2. What is signed is recorded in one transaction with its facts and the wish to fetch; then it is answered. A
   forge that hears nothing sends again, and what was recorded is not recorded twice.
3. A signed delivery that cannot be read is answered well, or the forge would stop sending: it is still a
   hint, and it stands among the deliveries with what is wrong.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from clearway import catalog, source
from clearway.kernel import ClearwayError, NotFound, Retry, sha256
from clearway.storage import Database

from .forge import Facts, Forge, Headers, is_elsewhere
from .forges import FORGES
from .reading import Fields, Unreadable, fields_of, form_field

MOST_BYTES = 10 * 1024 * 1024
ATTEMPTS = 5
NOTED_EVERY_S = 60.0  # how often a refused delivery is worth a write
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}\Z")
_ID = re.compile(r"[A-Za-z0-9._:/={}-]{1,190}\Z")
_DECOY = secrets.token_bytes(32)
log = logging.getLogger("clearway.webhooks")


class TooLarge(ClearwayError):
    """The delivery is larger than any that a forge sends of a commit or a pull request."""

    status = 413
    title = "Too large"


@dataclass(frozen=True)
class Listener:
    """Who may deliver for a repository."""

    repository: str
    location: str
    forge: Forge
    secrets: tuple[bytes, ...]


def create_app(database: Database, *, most_bytes: int = MOST_BYTES) -> Starlette:
    """The application over one database."""
    app = Starlette(
        routes=[Route("/hooks/{repository}", deliver, methods=["POST"])],
        exception_handlers={ClearwayError: refuse},
    )
    app.state.database = database
    app.state.most_bytes = most_bytes
    app.state.noted = {}
    return app


async def deliver(request: Request) -> Response:
    """Check, record, answer."""
    database: Database = request.app.state.database
    name, headers, body = request.path_params["repository"], _headers(request), await _body(request)
    listener, recorded = await run_in_threadpool(_take, database, name, headers, body)
    if recorded is None:
        answer = await refuse(request, _nothing_here())
        if listener is not None and listener.secrets:
            noted = (database, listener, request.app.state.noted)
            answer.background = BackgroundTask(_note_refused, *noted)  # after the answer: it takes no longer
        return answer
    known = recorded.times > 1
    content = {
        "delivery": recorded.delivery_id,
        "outcome": "already known" if known else recorded.outcome,
    }
    return Response(json.dumps(content), 200 if known else 202, _QUIET, media_type="application/json")


def _take(
    database: Database, name: str, headers: Headers, body: bytes
) -> tuple[Listener | None, source.Delivery | None]:
    """Who listens for a repository, and what was recorded of a delivery that is signed."""
    listener = _listener(database, name)
    if not _is_signed(database, listener, headers, body) or listener is None:
        return listener, None
    return listener, _record(database, _told(listener, headers, body))


_QUIET = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def _listener(database: Database, name: str) -> Listener | None:
    if not _NAME.match(name):
        return None
    with database.read() as uow:
        known = next((each for each in catalog.repositories(uow) if each.name == name), None)
        if known is None or known.forge not in FORGES:
            return None
        try:
            valid = tuple(each for each in source.webhook_secrets(uow, name) if each)
        except ClearwayError as error:  # sealed for another key, or changed: as if there were none
            log.error("the webhook's secret of %s cannot be used: %s", name, error)
            valid = ()
        return Listener(name, known.location, FORGES[known.forge], valid)


async def _body(request: Request) -> bytes:
    """The body as it was sent. Raises TooLarge, before it is all here."""
    most: int = request.app.state.most_bytes
    told = request.headers.get("content-length", "")
    if told.isascii() and told.isdigit() and (len(told) > 12 or int(told) > most):
        raise _too_large(most)
    parts, length = [], 0
    try:
        async for part in request.stream():
            length += len(part)
            if length > most:
                raise _too_large(most)
            parts.append(part)
    except ClientDisconnect:
        raise Retry("the delivery ended in the middle") from None
    return b"".join(parts)


def _too_large(most: int) -> TooLarge:
    return TooLarge(
        "the delivery is too large",
        expected=f"{most} bytes or fewer",
        todo="Nothing is lost: Clearway fetches what it was about when it looks the next time.",
    )


def _headers(request: Request) -> Headers:
    """Headers by their names in lower case; one that is there twice says nothing."""
    found: dict[str, str] = {}
    for raw, value in request.headers.raw:
        name = raw.decode("latin-1").lower()
        found[name] = "" if name in found else value.decode("latin-1")
    return found


def _is_signed(database: Database, listener: Listener | None, headers: Headers, body: bytes) -> bool:
    if listener is None or not listener.secrets:
        FORGES["github"].is_signed(headers, body, [_DECOY], database.clock())  # it takes as long, and says no
        return False
    return listener.forge.is_signed(headers, body, listener.secrets, database.clock())


def _nothing_here() -> NotFound:
    return NotFound(
        "there is no webhook at this address, or the delivery is not signed with its secret",
        todo="Compare address, secret and forge with the repository's document and the forge's settings.",
    )


def _told(listener: Listener, headers: Headers, body: bytes) -> source.Received:
    """What the delivery says, as far as it can be read."""
    forge, digest = listener.forge, sha256(body)
    payload, facts, error = Fields({}), Facts(), ""
    try:
        payload = fields_of(_document(forge, headers, body))
    except Unreadable as problem:
        error = str(problem)
    heading = forge.heading(headers, payload, digest)
    outcome: source.Outcome | None = "unreadable" if error else None
    elsewhere = [payload.text(path, 2_000) for path in forge.addresses]
    if is_elsewhere(listener.location, elsewhere):
        told, ours = (
            source.public_location(each)[:200] for each in (next(filter(None, elsewhere)), listener.location)
        )
        outcome, error = "elsewhere", f"it tells of {told}, and {ours} is fetched"
        facts = Facts(fetch=False)
    elif not error:
        try:
            facts = forge.read(listener.repository, heading.event, payload)
        except Unreadable as problem:
            outcome, error = "unreadable", str(problem)
    return source.Received(
        repository=listener.repository,
        forge=forge.name,
        delivery_id=heading.delivery_id if _ID.match(heading.delivery_id) else digest,
        event=_printable(heading.event),
        digest=digest,
        about=facts.about,
        fetch=facts.fetch,
        pull_request=facts.pull_request,
        reviews=facts.reviews,
        outcome=outcome,
        error=error,
    )


def _document(forge: Forge, headers: Headers, body: bytes) -> bytes:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if forge.takes_forms and kind == "application/x-www-form-urlencoded":
        return form_field(body, "payload")
    return body


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isascii() and letter.isprintable())[:80]


def _record(database: Database, told: source.Received) -> source.Delivery:
    """Record it. Not every forge sends again, so a database that is busy is asked again."""
    for attempt in range(ATTEMPTS):
        try:
            with database.begin() as uow:
                return source.receive(uow, told)
        except Retry:
            if attempt + 1 == ATTEMPTS:
                raise
            time.sleep(0.02 * 2**attempt)
    raise AssertionError("unreachable")


def _note_refused(database: Database, listener: Listener, noted: dict[str, float]) -> None:
    """Tell whoever set it up, once a minute at most: anybody may send what is refused."""
    now = time.monotonic()
    if now - noted.get(listener.repository, -NOTED_EVERY_S) < NOTED_EVERY_S:
        return
    noted[listener.repository] = now
    error = "not signed with a secret that is set here, or its moment is more than five minutes off"
    log.warning("a delivery for %s was refused: %s", listener.repository, error)
    try:
        with database.begin() as uow:
            source.note_refused(uow, listener.repository, listener.forge.name, error)
    except Retry as busy:
        log.warning("that could not be noted: %s", busy)


async def refuse(_request: Request, error: Exception) -> Response:
    """An error as problem+json."""
    if not isinstance(error, ClearwayError):
        raise error
    content: dict[str, Any] = {
        "type": f"urn:clearway:problem:{type(error).__name__.lower()}",
        "title": error.title,
        "status": error.status,
        "detail": error.message,
    }
    content |= {name: value for name in ("expected", "todo") if (value := getattr(error, name))}
    headers: Mapping[str, str] = _QUIET | ({"Retry-After": "1"} if isinstance(error, Retry) else {})
    return Response(json.dumps(content), error.status, dict(headers), media_type="application/problem+json")
