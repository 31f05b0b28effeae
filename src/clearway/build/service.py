"""Asking for builds, watching them, stopping them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clearway import access, catalog, ledger, source
from clearway.kernel import Actor, Conflict, Invalid, NotFound, new_id
from clearway.storage import Page, UnitOfWork, decode_cursor, encode_cursor

from . import kept_log, store
from .events import BuildFinished
from .lanes import hand_out
from .model import OPEN, Build
from .workshop import Workshop


@dataclass(frozen=True)
class LogPart:
    """A piece of a log."""

    text: str
    offset: int  # in bytes: where the next piece begins
    complete: bool  # the build has ended, and this was the last piece


def request(
    uow: UnitOfWork,
    actor: Actor,
    service: str,
    ref: str = "",
    *,
    twice: bool = True,
    retry_of: str | None = None,
    anew: str | None = None,
) -> Build:
    """Queue a build of a branch, tag or commit (the service's branch when none is named).

    With `anew`, no earlier build answers that step and those after it; `*` is all of them. Raises Refused,
    NotFound for an unknown service, Invalid for a name that is none.
    """
    access.require(uow, actor, "build:run", service=service)
    known = catalog.service(uow, service)
    wanted = source.check_ref(ref or known.branch)
    identity = new_id("bld")
    build = Build(
        id=identity,
        service=service,
        ref=wanted,
        twice=twice,
        status="queued",
        requested_by=actor.name,
        queued_at=uow.now(),
        log_path=str(uow.tool(Workshop).log_path(identity)),
        retry_of=retry_of,
        anew=anew,
        pool=known.pool,
        team=known.team,
    )
    store.add(uow, build)
    ledger.append(
        uow,
        actor,
        "build.requested",
        f"build:{identity}",
        data={"service": service, "ref": wanted, "twice": twice, "retry_of": retry_of, "anew": anew},
    )
    hand_out(uow)
    return get(uow, identity)


def find(uow: UnitOfWork, build_id: str) -> Build | None:
    """One build; None when it is not there."""
    return store.find(uow, build_id)


def again(uow: UnitOfWork, actor: Actor, build_id: str, *, anew: str | None = None) -> Build:
    """Build the same commit again, asked for in the same way.

    Steps that ended well are answered by what they made then; with `anew`, that step and those after it run
    again, and with `*` all of them do: the same inputs, and nothing kept. Raises Refused, NotFound, Conflict
    while the build goes on.
    """
    before = get(uow, build_id)
    if before.status in OPEN:
        raise Conflict(f"build {build_id} is {before.status}", todo="Wait for its end, or cancel it.")
    if anew is not None and not 1 <= len(anew) <= 200:
        raise Invalid(f"{anew[:80]!r} is no name of a step", expected="a step of the build, or *")
    # The commit, not the branch: that may have moved since. A work tree keeps its own name.
    ref = before.ref if before.trial else before.commit or before.ref
    return request(uow, actor, before.service, ref, twice=before.twice, retry_of=build_id, anew=anew)


def get(uow: UnitOfWork, build_id: str) -> Build:
    """One build. Raises NotFound."""
    found = find(uow, build_id)
    if found is None:
        raise NotFound(f"there is no build {build_id}")
    return found


def look(uow: UnitOfWork, build_id: str) -> tuple[Build, str | None]:
    """One build, and who asked to stop it and why, if anybody did. Raises NotFound."""
    return get(uow, build_id), store.cancel_asked(uow, build_id)


def list_(
    uow: UnitOfWork,
    *,
    service: str | None = None,
    version: str | None = None,
    status: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> Page[Build]:
    """Builds that fit, newest first."""
    if not 1 <= limit <= 1000:
        raise Invalid(f"a page of {limit} builds", expected="1 to 1000")
    cursor = str(decode_cursor(after)) if after else None
    given = {"service": service, "version": version, "status": status}
    found = store.page(uow, {name: value for name, value in given.items() if value}, cursor, limit + 1)
    more = encode_cursor(found[limit - 1].id) if len(found) > limit else None
    return Page(found[:limit], more)


def points(uow: UnitOfWork, service: str, limit: int = 5000) -> list[store.Point]:
    """The commits of a service that were built well, oldest build first."""
    return store.points(uow, service, limit)


def cancel(uow: UnitOfWork, actor: Actor, build_id: str, reason: str = "") -> Build:
    """Stop a build: at once while it waits, within a second while it runs. Raises Conflict once it ended."""
    build = get(uow, build_id)
    access.require(uow, actor, "build:run", service=build.service)
    asked = f"cancelled by {actor.name}" + (f": {reason}" if reason else "")
    if not store.change_open(uow, build_id, cancel_asked=asked):
        raise Conflict(f"build {build_id} has ended: {build.status}")
    ledger.append(uow, actor, "build.cancel-requested", f"build:{build_id}", reason=reason)
    if build.status == "queued":
        close(uow, actor, build_id, status="cancelled", error=asked)
    return get(uow, build_id)


def close(uow: UnitOfWork, actor: Actor, build_id: str, **values: Any) -> bool:
    """End a build in this transaction: row, ledger entry, event. False when it had ended before."""
    if not store.change_open(uow, build_id, finished_at=uow.now(), **values):
        return False
    build = get(uow, build_id)
    ledger.append(
        uow,
        actor,
        f"build.{build.status}",
        f"build:{build_id}",
        reason=(build.error or "")[:2000],
        digest=build.artifacts[0].digest if build.artifacts else None,
        data={
            "service": build.service,
            "version": build.version,
            "commit": build.commit,
            "mode": build.mode,
            "reproduced": build.reproduced,
        },
    )
    uow.publish(
        BuildFinished(build.id, build.service, build.status, build.version, build.commit, build.reproduced)
    )
    hand_out(uow)
    return True


def log(uow: UnitOfWork, build_id: str, offset: int = 0, most: int = 1 << 20) -> LogPart:
    """The log from a byte offset on, whole lines only; readable while the build runs."""
    build = get(uow, build_id)  # before the file: what ended now was written before
    with kept_log.opened(uow.tool(Workshop).log_path(build_id).parent) as stored:
        data = stored.read(max(offset, 0), most)
    ended, more = build.status not in OPEN, len(data) == most
    if more or not ended:
        # Whole lines, but for one that is longer than what was asked for.
        data = data[: data.rfind(b"\n") + 1] or (data if more else b"")
    return LogPart(data.decode(errors="replace"), max(offset, 0) + len(data), ended and not more)
