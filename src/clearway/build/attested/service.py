"""Recording what another CI built, as a build of its service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from clearway import artifacts, ledger
from clearway.artifacts import Artifact, Signer
from clearway.build import service as builds
from clearway.build import store as build_store
from clearway.build.events import BuildFinished
from clearway.build.model import Build
from clearway.build.reports import replace_reports
from clearway.build.workshop import Workshop
from clearway.kernel import Actor, Refused, digest_of
from clearway.storage import Blob, Blobs, Database, UnitOfWork

from . import store
from .admit import Admitted, Place
from .received import Piece, Received, check_names, purl_of, read_piece, type_of
from .statements import counted_tests, level_of, predicates

_COUNTS = ("ok", "passed", "failed", "skipped", "total")
_Statements = list[tuple[str, dict[str, Any]]]


def attest(
    database: Database, build_id: str, admitted: Admitted, place: Place, files: Sequence[Received]
) -> tuple[Build, bool]:
    """Record what a job sent as a build, and whether it is new: the same content is one build.

    Bytes are stored and statements signed outside transactions; what makes them count is one transaction.
    Raises Refused for a token that was used for something else, Invalid for what cannot be an attestation.
    """
    check_names(files)
    content = content_digest(admitted, place, files)
    if known := _known(database, admitted, content):
        return known, False
    made = [each for each in files if each.role == "artifact"]
    digests = [each.digest for each in made]
    keys = admitted.trusted.provenance_keys
    pieces = [read_piece(each, keys, digests) for each in files if each.role == "evidence"]
    for each in files:
        artifacts.keep_file(database.tool(Blobs), each.path, expected=each.digest)
    signer = database.tool(Signer)
    subjects = [(each.name, each.digest) for each in made]
    signed = [
        (kind, artifacts.sign(signer, artifacts.statement(subjects, kind, predicate)))
        for kind, predicate in predicates(build_id, admitted, place, pieces, database.clock())
    ]
    _tell(database, build_id, admitted, place, made, pieces)
    try:
        with database.begin() as uow:
            return _record(uow, build_id, admitted, place, made, pieces, signed, content), True
    except sa.exc.IntegrityError:
        # Another connection recorded the same between our look and our commit.
        if known := _known(database, admitted, content):
            return known, False
        raise


def content_digest(admitted: Admitted, place: Place, files: Sequence[Received]) -> str:
    """What names an attestation: the same bytes of the same commit from the same CI."""
    who = admitted.identity
    return digest_of(
        {
            "service": admitted.service,
            "version": place.version,
            "ci": who.ci,
            "repository": who.repository,
            "ref": who.ref,
            "commit": who.commit,
            "workflow": who.workflow,
            "artifacts": [[each.name, each.digest] for each in files if each.role == "artifact"],
            "evidence": sorted([each.name, each.digest] for each in files if each.role == "evidence"),
        }
    )


def _known(database: Database, admitted: Admitted, content: str) -> Build | None:
    """The build that was recorded for this content before. Raises Refused for a token used otherwise."""
    token = admitted.token
    with database.read() as uow:
        before = store.used_for(uow, token.issuer, token.token_id)
        if before not in (None, content):
            raise Refused(
                "this token was used before, for something else",
                expected="a token for each attestation",
                todo="Ask the CI for another one; GitLab gives as many as `id_tokens` names.",
            )
        known = store.attested_as(uow, content)
        return builds.get(uow, known) if known else None


def _record(
    uow: UnitOfWork,
    build_id: str,
    admitted: Admitted,
    place: Place,
    made: Sequence[Received],
    pieces: Sequence[Piece],
    signed: _Statements,
    content: str,
) -> Build:
    who, now = admitted.identity, uow.now()
    actor = Actor(f"ci/{who.ci}", "robot", via=admitted.token.token_id)
    store.use(uow, admitted.token, content)
    store.keep(uow, content, build_id)
    level = level_of(pieces)
    build = Build(
        id=build_id,
        service=admitted.service,
        ref=who.ref,
        twice=False,
        status="running",
        requested_by=actor.name,
        queued_at=now,
        commit=who.commit,
        version=place.version,
        author=place.author,
        subject=place.subject,
        started_at=now,
        log_path=str(uow.tool(Workshop).log_path(build_id)),
        external={**who.as_json(), "level": level, "evidence": [_about(each) for each in pieces]},
    )
    build_store.add(uow, build)
    kept = [
        _keep(uow, actor, build, each, type_of(each, first=not number)) for number, each in enumerate(made)
    ]
    for each in pieces:
        _keep(uow, actor, build, each.file, "evidence")
    reports = [each for each in (piece.as_report() for piece in pieces) if each]
    replace_reports(uow, build_id, {each.kind for each in reports}, reports)
    tests = counted_tests(pieces)
    for kind, envelope in signed:
        artifacts.attach(uow, kept[0].digest, kind, envelope)
    build_store.change_open(
        uow,
        build_id,
        status="succeeded",
        finished_at=now,
        tests=tests and {name: tests[name] for name in _COUNTS},
        artifacts=build_store.pack_artifacts(tuple(_deployable_first(kept))),
    )
    facts = {"service": build.service, "version": build.version, "commit": build.commit, "level": level}
    proof = {"ci": who.ci, "repository": who.repository, "ref": who.ref, "run": who.run_url}
    about = f"build:{build_id}"
    ledger.append(uow, actor, "build.attested", about, digest=kept[0].digest, data={**facts, **proof})
    uow.publish(BuildFinished(build_id, build.service, "succeeded", build.version, build.commit, None))
    return builds.get(uow, build_id)


def _keep(uow: UnitOfWork, actor: Actor, build: Build, file: Received, kind: str) -> Artifact:
    return artifacts.record(
        uow,
        actor,
        Blob(file.digest, file.size),
        name=file.name,
        type=kind,
        purl=purl_of(file, build.service, build.version or ""),
        service=build.service,
        version=build.version or "",
        build_id=build.id,
    )


def _deployable_first(kept: Sequence[Artifact]) -> list[Artifact]:
    return sorted(kept, key=lambda each: each.type != "bundle")


def _about(piece: Piece) -> dict[str, Any]:
    file = piece.file
    return {
        "name": file.name,
        "digest": file.digest,
        "size": file.size,
        "kind": piece.kind,
        "verified": piece.verified,
    }


def _tell(
    database: Database,
    build_id: str,
    admitted: Admitted,
    place: Place,
    made: Sequence[Received],
    pieces: Sequence[Piece],
) -> None:
    """The build's log: what was checked, and what came."""
    who = admitted.identity
    log = database.tool(Workshop).log(build_id)
    try:
        log.say("token", f"{who.ci}: {who.subject}, by {who.issuer}")
        log.say("token", f"run {who.run_url}")
        log.say("source", f"{who.ref} of {who.repository}, commit {who.commit}, version {place.version}")
        log.say("source", f"the commit is on {who.ref} of {place.repository}")
        for each in made:
            log.say("artifacts", f"{each.name} {each.digest}")
        for piece in pieces:
            worth = "signed by a declared key" if piece.verified else "as the job claims"
            log.say("evidence", f"{piece.file.name}: {piece.kind}, {worth}")
        log.say("level", f"SLSA Build L{level_of(pieces)}: built elsewhere")
    finally:
        log.close()
