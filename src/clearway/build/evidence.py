"""What is said about a build when it has succeeded: its predicates, gathered from what we know and hashed.

Nothing here is taken from a step's word but what is marked as such: test results, coverage, findings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from packageurl import PackageURL

from clearway import source
from clearway.artifacts import PROVENANCE, REPRODUCED, SBOM, TEST_RESULT, Signer
from clearway.kernel import SYSTEM, sha256

from . import provenance
from .parts import Part, read_parts
from .products import digest_file
from .reports import Report, counted, reports_of, statements
from .sbom import sbom
from .work import DEFINITION, Work

Predicate = tuple[str, dict[str, Any]]
_COMPILED = ("make", "cmake")  # recipes whose outputs are made by the machine's own compilers


def predicates(work: Work, made: Mapping[str, Any]) -> list[Predicate]:
    """Each predicate with its type, the provenance first."""
    tools, packages = read_parts(made["tools"]), read_parts(made["packages"])
    with work.database.read() as uow:
        kept = [each for each in reports_of(uow, work.build.id) if not each.error]
    origin = _origin(work, made, [*tools, *packages], kept)
    found: list[Predicate] = [
        (PROVENANCE, provenance.provenance(origin)),
        (SBOM, _sbom(work, made["products"], tools, packages)),
    ]
    if made["tests"]:
        found.append((TEST_RESULT, _tests(work, made["tests"], kept)))
    found += statements(kept, packages, work.definition.build.reports.licences)
    if made["compared"]:
        found.append((REPRODUCED, made["compared"]))
    return found


def _tests(work: Work, tests: Mapping[str, Any], kept: Sequence[Report]) -> dict[str, Any]:
    named = [each.as_resource() for each in kept if each.kind == "junit"]
    return provenance.test_result({**tests, **(counted(kept) or {})}, work.definition.build.test, named)


def _sbom(
    work: Work, products: Sequence[Mapping[str, Any]], tools: Sequence[Part], packages: Sequence[Part]
) -> dict[str, Any]:
    machine = _of_the_machine(work) if work.facts.recipe in _COMPILED else []
    made_by = [*tools, *machine]
    return sbom(work.build.service, work.facts.version, products, packages, made_by, work.facts.epoch)


def _of_the_machine(work: Work) -> list[Part]:
    """The tools that the sandbox showed of the machine: a compiler's runtime may be part of what it makes."""
    found = []
    for each in work.sandbox.materials:
        if str(each.get("uri", "")).startswith("pkg:deb/"):
            version = PackageURL.from_string(each["uri"]).version or ""
            found.append(Part(each["uri"], each["name"], version, "", origin="machine"))
    return found


def _origin(
    work: Work, made: Mapping[str, Any], parts: Sequence[Part], kept: Sequence[Report]
) -> provenance.Origin:
    build, facts, definition = work.build, work.facts, work.definition.build
    now = work.database.clock()
    name = str(PurePosixPath(facts.path) / DEFINITION)
    return provenance.Origin(
        build_id=build.id,
        service=build.service,
        ref=build.ref,
        twice=build.twice,
        trigger="system" if build.requested_by == SYSTEM.name else "person",
        retry_of=build.retry_of,
        anew=build.anew,
        commit=facts.commit,
        repository=facts.repository,
        recipe=definition.recipe,
        definition=definition.model_dump(mode="json", by_alias=True),
        definition_path=name,
        definition_digest=sha256(source.read_file(work.repo, facts.commit, name)),
        path=facts.path,
        version=facts.version,
        epoch=facts.epoch,
        builder_id=work.sandbox.builder_id,
        mode=work.sandbox.mode,
        promises=sorted(work.sandbox.promises),
        limits=asdict(work.workshop.limits),
        surroundings={"environment": work.environment(), **work.surroundings.as_json()},
        parts=_distinct(parts),
        materials=[*work.sandbox.materials, *made.get("materials", ())],
        internal=made.get("internal", {}),
        started_at=build.started_at or now,
        finished_at=now,
        byproducts=[_log_so_far(work), *(each.as_resource() for each in kept)],
        signer=work.database.tool(Signer).kind,
    )


def _distinct(parts: Sequence[Part]) -> list[Part]:
    """A package that was a tool and runs too is one dependency."""
    return sorted(set(parts), key=lambda part: (part.purl, part.digest))


def _log_so_far(work: Work) -> dict[str, Any]:
    """The log up to now: its first bytes. What is said after the provenance cannot be in it."""
    size = work.log.path.stat().st_size
    return {
        "name": "log.txt",
        "mediaType": "text/plain",
        "digest": {"sha256": digest_file(work.log.path).removeprefix("sha256:")},
        "annotations": {"bytes": size},
    }
