"""What gates may ask about a promotion: recorded facts as plain JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clearway import access, artifacts, build, source
from clearway.artifacts import Evidence
from clearway.kernel import ClearwayError
from clearway.storage import UnitOfWork

from .back import ended
from .calendar import Answer
from .model import Author, Head, Kind, Release
from .ports import FactsProvider

# A builder's id is a claim of ours only under our own name: others' ids hold what others chose.
_OURS = "https://clearway.dev/builders/"
_SANDBOXES = ("bubblewrap", "container", "sandbox")

__all__ = ["Ran", "evidence_facts", "gather", "ran_there", "unknown_authors"]


@dataclass(frozen=True)
class Ran:
    """How long a release ran somewhere."""

    succeeded: bool
    since: datetime | None = None
    until: datetime | None = None  # None: it still runs

    def seconds(self, now: datetime) -> float:
        """How long, in seconds."""
        return ((self.until or now) - self.since).total_seconds() if self.since else 0.0


def ran_there(history: Sequence[Head], release_digest: str) -> Ran:
    """How a release did at a place; history: its successful promotions."""
    until: datetime | None = None
    for each in sorted(history, key=ended, reverse=True):
        if each.release_digest == release_digest:
            return Ran(True, each.finished_at, until)
        if each.kind == "rollback" and each.replaces_digest == release_digest:
            return Ran(False)  # somebody took it back
        until = each.finished_at
    return Ran(False)


def gather(
    uow: UnitOfWork,
    release: Release,
    environment: str,
    *,
    kind: Kind,
    requested_by: str,
    approvers: Iterable[str],
    previous: Ran,
    window: Answer,
) -> dict[str, Any]:
    """Every fact about one release going to one environment."""
    names = sorted(set(approvers))
    facts: dict[str, Any] = {
        "release": {
            "service": release.service,
            "version": release.version,
            "commit": release.commit,
            "digest": release.digest,
            "authors": [each.name for each in release.authors],
            "unknown_authors": [each.name for each in unknown_authors(uow, release.authors)],
            "prerelease": release.prerelease,
        },
        "evidence": evidence_facts(_evidence(uow, release)),
        "promotion": {"environment": environment, "kind": kind, "requested_by": requested_by},
        "previous": {"succeeded": previous.succeeded, "soaked_s": previous.seconds(uow.now())},
        "approvals": {"count": len(names), "names": names},
        "calendar": {"frozen": window.frozen, "open": window.open},
    }
    if (made := build.find(uow, release.build_id)) is not None:
        facts["build"] = build_facts(made)
    if (branching := branching_facts(uow, release, environment)) is not None:
        facts["branching"] = branching
    if uow.has_tool(FactsProvider):
        provider: FactsProvider = uow.tool(FactsProvider)
        facts |= provider.facts(uow, release.service, environment)
    return facts


def _evidence(uow: UnitOfWork, release: Release) -> list[Evidence]:
    """What is said about the bundle. What another CI claims counts for its own build alone: the same bytes,
    sent for a service where somebody may, say nothing about this one."""
    return [
        each
        for each in artifacts.evidence(uow, release.bundle_digest)
        if build.claimed_for(each.predicate) in (None, release.build_id)
    ]


def build_facts(made: build.Build) -> dict[str, Any]:
    """Who built it, and the level of SLSA's build track that is claimed for that kind of builder."""
    job = made.external or {}
    return {
        "origin": "external" if made.external is not None else "clearway",
        "level": made.level,
        "ci": str(job.get("ci", "")),
        "repository": str(job.get("repository", "")),
        "ref": str(job.get("ref", made.ref)),
        "runner": str(job.get("runner", "")),
    }


def branching_facts(uow: UnitOfWork, release: Release, environment: str) -> dict[str, Any] | None:
    """What the rules of its branches say about a release; None where the service has none.

    `violations` and `in_release` are there only while the check is fresh, so that a gate that asks says no
    when nobody knows.
    """
    try:
        origin = source.origin(uow, release.service, release.commit)
        found = source.checked(uow, release.service)
        if origin is None:
            return None
        facts: dict[str, Any] = {
            "branches": list(origin.branches),
            "allowed": origin.allows(environment),
            "fresh": found is not None and found.fresh and found.whole,
        }
        if found is not None and facts["fresh"]:
            own = source.violations_of(uow, release.service, found, release.commit)
            facts |= {"violations": len(found.violations), "in_release": len(own)}
        return facts
    except ClearwayError:
        return {"fresh": False}  # the mirror is gone: nothing can be said, and a gate that asks says no


def unknown_authors(uow: UnitOfWork, authors: Iterable[Author]) -> tuple[Author, ...]:
    """The authors whose name and address belong to no user, so that nobody is barred for their commits."""
    return tuple(each for each in authors if not access.known(uow, each.name, each.email))


def evidence_facts(statements: Iterable[Evidence]) -> dict[str, Any]:
    """What the signed statements about an artifact say; the newest of a kind counts."""
    newest: dict[str, Mapping[str, Any]] = {each.predicate_type: each.predicate for each in statements}
    tests = newest.get(artifacts.TEST_RESULT)
    provenance = newest.get(artifacts.PROVENANCE)
    builder = str(_inside(provenance, "runDetails", "builder", "id") or "")
    reproduced = newest.get(artifacts.REPRODUCED)
    return {
        "tests": {"present": tests is not None, **_counts(tests or {})},
        "provenance": {
            "present": provenance is not None,
            "builder": builder,
            "sandboxed": builder.startswith(_OURS) and any(word in builder for word in _SANDBOXES),
        },
        "sbom": {"present": artifacts.SBOM in newest},
        "coverage": _coverage(newest.get(artifacts.COVERAGE)),
        "findings": _findings(newest.get(artifacts.FINDINGS)),
        "licences": _licences(newest.get(artifacts.LICENCES)),
        "reproduced": reproduced is not None and reproduced.get("identical") is True,
        "rebuilt": _rebuilt(newest.get(artifacts.REBUILT)),
    }


def _rebuilt(said: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the newest rebuild from its record gave; everything is no as long as there is none."""
    listed = said.get("varied") if said is not None else None
    return {
        "present": said is not None,
        "identical": said is not None and said.get("identical") is True,
        "equivalent": said is not None and said.get("equivalent") is True,
        "varied": [str(each) for each in listed] if isinstance(listed, list) else [],
    }


def _counts(tests: Mapping[str, Any]) -> dict[str, int]:
    """How many tests passed and failed; a failed run without a list counts as one failure."""
    said = tests.get("counts")
    counts: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
    passed = _number(_first(counts, tests, "passed", "passedTests"))
    failed = _number(_first(counts, tests, "failed", "failedTests"))
    if not failed and str(tests.get("result", "PASSED")).upper() == "FAILED":
        failed = 1
    return {"passed": passed, "failed": failed, "total": max(passed + failed, _number(counts.get("total")))}


def _coverage(said: Mapping[str, Any] | None) -> dict[str, Any]:
    """Shares in percent; without a report they are missing, so that a gate that asks says no."""
    found: dict[str, Any] = {"present": said is not None}
    for kind in ("lines", "branches"):
        share = _inside(said, kind, "percent")
        if isinstance(share, int | float) and not isinstance(share, bool):
            found[kind] = float(share)
    return found


def _findings(said: Mapping[str, Any] | None) -> dict[str, Any]:
    """Counts by level; missing where no report was read, or its tool did not come to its end."""
    if said is None or said.get("complete") is not True:
        return {"present": False}
    names = {"errors": "error", "warnings": "warning", "notes": "note", "suppressed": "suppressed"}
    return {"present": True} | {name: _number(_inside(said, "counts", key)) for name, key in names.items()}


def _licences(said: Mapping[str, Any] | None) -> dict[str, Any]:
    """The packages whose licence is denied or unknown; missing where clearway.yaml has no list."""
    if said is None:
        return {"present": False}
    found: dict[str, Any] = {"present": True}
    for kind in ("denied", "unknown"):
        rows = said.get(kind)
        listed = rows if isinstance(rows, list) else []
        found[kind] = [str(_inside(each, "package")) for each in listed]
    return found


def _number(value: Any) -> int:
    if isinstance(value, int):
        return value
    return len(value) if isinstance(value, list | tuple) else 0


def _first(counts: Mapping[str, Any], tests: Mapping[str, Any], ours: str, standard: str) -> Any:
    """Our builder's count, else the list that the predicate's specification has."""
    return counts[ours] if counts.get(ours) is not None else tests.get(standard)


def _inside(value: Any, *path: str) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
