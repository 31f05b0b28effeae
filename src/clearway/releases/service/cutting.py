"""Cutting releases: the tag in the repository, then the build of it, then the release."""

from __future__ import annotations

from dataclasses import replace

from clearway import access, build, changes, ledger, source, workflow
from clearway.build import BuildFinished
from clearway.kernel import Actor, ClearwayError, Conflict, NotFound, Retry, new_id
from clearway.releases import store
from clearway.releases.cut import Cut
from clearway.releases.service.ahead import ahead_of_release
from clearway.releases.service.create import create
from clearway.releases.service.read import check_limit, cursor
from clearway.storage import Database, Page, UnitOfWork, encode_cursor

CUT = "releases.cut"
FINISH = "releases.finish-cut"
LONGEST_WHY = 500


def propose_cut(
    database: Database, actor: Actor, service: str, *, ref: str = "", channel: str | None = None
) -> changes.Proposed:
    """What cutting a release now would make, from the repository as it is now. Talks to the world.

    Raises Refused, NotFound, Invalid, Conflict, Retry.
    """
    with database.read() as uow:
        _may(uow, actor, service)
    source.sync(database, service)
    with database.read() as uow:
        return changes.propose_version(uow, service, ref=ref, channel=channel)


def cut(uow: UnitOfWork, actor: Actor, proposed: changes.Proposed, reason: str = "") -> Cut:
    """Begin a release of what was proposed. The same that is on its way already is that one.

    Raises Refused, and Conflict when nothing was proposed or the version is on its way for another commit.
    """
    service, coming = proposed.service, proposed.next
    _may(uow, actor, service)
    if coming.version is None or coming.tag is None:
        raise Conflict(
            f"there is no new version of {service}: {coming.why}", todo="Commit something, and push it."
        )
    version = coming.version.text
    known = store.cut_by(uow, service=service, version=version)
    if known is not None and not known.over:
        if known.commit == proposed.commit:
            return known
        raise Conflict(
            f"{service} {version} is being cut from commit {known.commit[:12]} already ({known.id})",
            todo="Wait until it has ended, and ask again.",
        )
    made = Cut(
        id=new_id("cut"),
        service=service,
        commit=proposed.commit,
        version=version,
        tag=coming.tag,
        why=coming.why[:LONGEST_WHY],
        state="tagging",
        requested_by=actor.name,
        requested_kind=actor.kind,
        reason=reason[:LONGEST_WHY],
        created_at=uow.now(),
    )
    store.add_cut(uow, made)
    data = {"service": service, "version": version, "commit": made.commit, "tag": made.tag, "why": made.why}
    ledger.append(uow, actor, "release.cut", f"cut:{made.id}", reason=reason, data=data)
    workflow.start(uow, CUT, made.id, {"cut_id": made.id})
    return made


def _may(uow: UnitOfWork, actor: Actor, service: str) -> None:
    for action in ("release:create", "build:run"):
        access.require(uow, actor, action, service=service)


def one_cut(uow: UnitOfWork, cut_id: str) -> Cut:
    """One cut. Raises NotFound."""
    found = store.cut_by(uow, id=cut_id)
    if found is None:
        raise NotFound(f"there is no cut {cut_id}")
    return found


def cuts(
    uow: UnitOfWork, *, service: str | None = None, after: str | None = None, limit: int = 50
) -> Page[Cut]:
    """Cuts, newest first. Raises Invalid."""
    check_limit(limit)
    found = store.cut_page(uow, service, cursor(after), limit + 1)
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None)


def make_tag(database: Database, cut_id: str) -> None:
    """Make the tag in the repository, then have it built. Twice is once. Raises Retry when it is away."""
    with database.read() as uow:
        found = one_cut(uow, cut_id)
        email = next((each.email for each in access.users(uow) if each.name == found.requested_by), "")
    if found.state != "tagging":
        return
    who = (found.requested_by, email or f"{found.requested_by}@clearway.invalid")
    tag = source.Tag(found.tag, found.commit, found.message, *who, found.created_at)
    try:
        source.make_tag(database, found.service, tag)
    except Retry:
        raise
    except ClearwayError as error:
        fail(database, found, f"its tag was not made: {error}")
        return
    with database.begin() as uow:
        _build(uow, found)


def _build(uow: UnitOfWork, found: Cut) -> None:
    actor = _actor(found)
    made = build.request(uow, actor, found.service, f"refs/tags/{found.tag}")
    if not store.change_cut(uow, replace(found, state="building", build_id=made.id), "tagging"):
        raise Conflict(f"{found.id} moved on meanwhile")
    data = {"service": found.service, "commit": found.commit, "tag": found.tag, "build": made.id}
    ledger.append(uow, actor, "tag.created", f"cut:{found.id}", reason=found.reason, data=data)


def on_cut_built(uow: UnitOfWork, happened: BuildFinished) -> None:
    """The release is made by a flow of its own: it reads history, which must keep no writer waiting."""
    found = store.cut_by(uow, build_id=happened.build_id)
    if found is not None and found.state == "building":
        workflow.start(uow, FINISH, f"{found.id}/built", {"cut_id": found.id})


def finish(database: Database, cut_id: str) -> None:
    """Make the release of the build that ended, or say why there is none. Twice is once."""
    with database.read() as uow:
        found = one_cut(uow, cut_id)
        if found.state != "building" or found.build_id is None:
            return
        built = build.get(uow, found.build_id)
        ahead_of_release(uow, found.service, build_id=found.build_id)
    if built.status != "succeeded":
        fail(database, found, f"build {built.id} {built.status}: {built.error or 'see its log'}")
        return
    try:
        with database.begin() as uow:
            made = create(uow, _actor(found), found.service, build_id=found.build_id)
            ended = replace(found, state="released", release_id=made.id, finished_at=uow.now())
            store.change_cut(uow, ended, "building")
    except Retry:
        raise
    except ClearwayError as error:
        fail(database, found, str(error))


def fail(database: Database, found: Cut, why: str) -> None:
    """End a cut badly. Its tag, if it was made, stays: tags are never moved."""
    with database.begin() as uow:
        ended = replace(found, state="failed", why=why[:LONGEST_WHY], finished_at=uow.now())
        if store.change_cut(uow, ended, found.state):
            data = {"service": found.service, "version": found.version, "commit": found.commit}
            about = f"cut:{found.id}"
            ledger.append(uow, _actor(found), "release.cut-failed", about, reason=ended.why, data=data)


def _actor(found: Cut) -> Actor:
    return Actor(found.requested_by, found.requested_kind)  # type: ignore[arg-type]
