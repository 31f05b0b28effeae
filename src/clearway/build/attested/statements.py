"""What Clearway says about a build that it did not run: only what it checked, and who claimed the rest. Pure.

Rules:
1. The builder is the CI, by the identity that its token proved; Clearway is who recorded it.
2. What was verified and what was not stands in the statement itself, in words.
3. Level 1: provenance exists. Level 2 only where the CI itself signed provenance about these very bytes with
   a key that was declared for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from clearway import __version__
from clearway.artifacts import CLAIMED, PROVENANCE, SBOM, TEST_RESULT
from clearway.build.provenance import test_result
from clearway.build.reports import counted, statements
from clearway.catalog import Licences

from .admit import Admitted, Place
from .received import Piece

BUILD_TYPE = "https://clearway.dev/build/external/v1"
_BUILD_PROPERTY = "clearway:build"
_NOT_VERIFIED = (
    "that the artifacts were built from this commit",
    "how, with which commands, dependencies and isolation they were built",
    "that evidence sent by the job is true",
)


def level_of(pieces: Sequence[Piece]) -> int:
    """The level of SLSA's build track that the build is recorded at."""
    return 2 if any(each.verified for each in pieces) else 1


def provenance(
    build_id: str, admitted: Admitted, place: Place, pieces: Sequence[Piece], at: datetime
) -> dict[str, Any]:
    """The SLSA provenance v1 predicate."""
    who = admitted.identity
    level = level_of(pieces)
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "service": admitted.service,
                "repository": who.repository,
                "ref": who.ref,
                "workflow": who.workflow,
                "event": who.event,
                "environment": who.environment,
            },
            "internalParameters": {
                "recordedBy": {"clearway": __version__, "build": build_id},
                "level": f"SLSA Build L{level}",
                "trustedCI": who.ci,
                "issuer": who.issuer,
                "subject": who.subject,
                "runner": who.runner,
                "version": place.version,
                "verified": _verified(admitted, place, level),
                "notVerified": list(_NOT_VERIFIED),
            },
            "resolvedDependencies": [
                {
                    "name": "source",
                    "uri": f"git+{place.repository}@{who.ref}",
                    "digest": {"gitCommit": who.commit},
                }
            ],
        },
        "runDetails": {
            "builder": {"id": who.builder},
            "metadata": {"invocationId": who.run_url, "finishedOn": at.strftime("%Y-%m-%dT%H:%M:%SZ")},
            "byproducts": [
                {**resource(each), "annotations": {"kind": each.kind, "verified": each.verified}}
                for each in pieces
            ],
        },
    }


def _verified(admitted: Admitted, place: Place, level: int) -> list[str]:
    who = admitted.identity
    found = [
        f"a token of {who.issuer} for {admitted.trusted.audience}, by its signature and times",
        f"that the job ran for {who.ref} of {who.repository}, at commit {who.commit}",
        f"that the commit is on {who.ref} of {place.repository}",
        "the SHA-256 of each artifact, computed when it arrived",
    ]
    if level == 2:
        found.append("provenance that the CI signed about these artifacts, with a key declared for it")
    return found


def claimed_by(build_id: str, admitted: Admitted) -> dict[str, str]:
    """Whose word it is, and about which build."""
    who = admitted.identity
    return {"ci": who.ci, "builder": who.builder, "run": who.run_url, "build": build_id}


def claimed_for(predicate: Mapping[str, Any]) -> str | None:
    """The one build that another CI's word is about; None for what Clearway says by itself."""
    told = _inside(predicate, "claimedBy", "build") or _inside(
        predicate, "buildDefinition", "internalParameters", "recordedBy", "build"
    )
    properties = _inside(predicate, "metadata", "properties")
    for each in properties if isinstance(properties, list) else ():
        if isinstance(each, Mapping) and each.get("name") == _BUILD_PROPERTY:
            told = each.get("value")
    return str(told) if told else None


def _inside(value: Any, *path: str) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def counted_tests(pieces: Sequence[Piece]) -> dict[str, Any] | None:
    """What all JUnit reports say together; None without any."""
    counts = counted([each for each in (piece.as_report() for piece in pieces) if each])
    return None if counts is None else {"ok": not counts["failed"], **counts}


def claimed(build_id: str, admitted: Admitted, pieces: Sequence[Piece]) -> dict[str, Any]:
    """What the job sent along: by digest, as its own claims."""
    return {
        "claimedBy": claimed_by(build_id, admitted),
        "evidence": [
            {**resource(each), "kind": each.kind, "size": each.file.size, "verified": each.verified}
            for each in pieces
        ],
    }


def resource(piece: Piece) -> dict[str, Any]:
    """In-toto's ResourceDescriptor of a file of evidence."""
    return {"name": piece.file.name, "digest": {"sha256": piece.file.digest.removeprefix("sha256:")}}


def predicates(
    build_id: str, admitted: Admitted, place: Place, pieces: Sequence[Piece], at: datetime
) -> list[tuple[str, dict[str, Any]]]:
    """Each predicate with its type, the provenance first."""
    found = [(PROVENANCE, provenance(build_id, admitted, place, pieces, at))]
    if pieces:
        found.append((CLAIMED, claimed(build_id, admitted, pieces)))
    by = claimed_by(build_id, admitted)
    reports = [each for each in (piece.as_report() for piece in pieces) if each]
    if tests := counted_tests(pieces):
        junit = [each.as_resource() for each in reports if each.kind == "junit"]
        found.append((TEST_RESULT, {**test_result(tests, (), junit), "claimedBy": by}))
    for kind, said in statements(reports, (), Licences()):
        found.append((kind, {**said, "claimedBy": by}))
    boms = [each for each in pieces if each.kind == "sbom"]
    if len(boms) == 1:
        found.append((SBOM, _marked(boms[0].content, by)))
    return found


def _marked(bom: Mapping[str, Any], by: Mapping[str, str]) -> dict[str, Any]:
    """The job's bill of materials, with a note in it whose it is."""
    about = bom.get("metadata")
    about = dict(about) if isinstance(about, Mapping) else {}
    said = about.get("properties")
    own = [
        {"name": "clearway:claimedBy", "value": by["builder"]},
        {"name": _BUILD_PROPERTY, "value": by["build"]},
    ]
    others = (
        [each for each in said if _inside(each, "name") != _BUILD_PROPERTY] if isinstance(said, list) else []
    )
    about["properties"] = [*others, *own]
    return {**bom, "metadata": about}
