"""The statements about a build: SLSA provenance v1, test result, reproduced. Pure.

Rules:
1. Claims are kept apart: what the sandbox promised is in the builder's id, whether two runs agreed is its own
   statement, and nothing says "hermetic".
2. Whatever a caller or a repository can say about a build is an external parameter; the rest is ours, or was
   resolved by us.
3. The same build of the same inputs gives the same bytes, but for its name, its times and its log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from clearway import __version__

from .parts import Part, digest_set

Resource = Mapping[str, Any]  # in-toto's ResourceDescriptor


@dataclass(frozen=True)
class Origin:
    """What a provenance is made of."""

    build_id: str
    service: str
    ref: str
    twice: bool
    trigger: str  # "person" or "system"
    retry_of: str | None
    anew: str | None  # the step from which nothing was answered by an earlier build
    commit: str
    repository: str
    recipe: str
    definition: Mapping[str, Any]  # the build section of clearway.yaml
    definition_path: str
    definition_digest: str
    path: str
    version: str
    epoch: int
    builder_id: str
    mode: str
    promises: Sequence[str]
    limits: Mapping[str, Any]
    surroundings: Mapping[str, Any]  # what is fixed for every command
    parts: Sequence[Part]
    materials: Sequence[Resource]  # of the machine, and what else the recipe resolved
    started_at: datetime
    finished_at: datetime
    byproducts: Sequence[Resource]
    signer: str  # where the key is: see artifacts.Signer.kind
    internal: Mapping[str, Any] = field(default_factory=dict)  # what the recipe says beside


def provenance(origin: Origin) -> dict[str, Any]:
    """The SLSA provenance v1 predicate."""
    return {
        "buildDefinition": {
            "buildType": f"https://clearway.dev/build/{origin.recipe}/v1",
            "externalParameters": {
                "service": origin.service,
                "repository": origin.repository,
                "ref": origin.ref,
                "path": origin.path,
                "definition": {
                    "path": origin.definition_path,
                    "digest": digest_set(origin.definition_digest),
                },
                "build": dict(origin.definition),
                "twice": origin.twice,
                "trigger": origin.trigger,
                "retry_of": origin.retry_of,
                "anew": origin.anew,
            },
            "internalParameters": {
                **origin.internal,
                "sandbox": {"mode": origin.mode, "promises": sorted(origin.promises)},
                "signer": {"key": origin.signer},
                "limits": dict(origin.limits),
                "surroundings": dict(origin.surroundings),
                "sourceDateEpoch": origin.epoch,
                "version": origin.version,
            },
            "resolvedDependencies": resolved(origin),
        },
        "runDetails": {
            "builder": {"id": origin.builder_id, "version": {"clearway": __version__}},
            "metadata": {
                "invocationId": origin.build_id,
                "startedOn": _instant(origin.started_at),
                "finishedOn": _instant(origin.finished_at),
            },
            "byproducts": [dict(each) for each in origin.byproducts],
        },
    }


def resolved(origin: Origin) -> list[dict[str, Any]]:
    """The source, what of the machine was there, and every package with its digest."""
    found: list[dict[str, Any]] = [
        {
            "name": "source",
            "uri": f"git+{origin.repository}@{origin.ref}",
            "digest": {"gitCommit": origin.commit},
        }
    ]
    found += [dict(each) for each in origin.materials]
    for part in origin.parts:
        row: dict[str, Any] = {"name": part.name, "uri": part.purl}
        if known := digest_set(part.digest):
            row["digest"] = known
        if part.location:
            row["downloadLocation"] = part.location
        found.append({**row, "annotations": {"origin": part.origin}})
    return found


def test_result(
    tests: Mapping[str, Any], command: Sequence[str], reports: Sequence[Resource]
) -> dict[str, Any]:
    """The in-toto test-result v0.1 predicate: with names where reports told them, with counts where known."""
    failed = not tests["ok"] or bool(tests.get("failed"))
    found: dict[str, Any] = {
        "result": "FAILED" if failed else "PASSED",
        "configuration": [
            {"name": "command", "annotations": {"argv": list(command)}},
            *(dict(each) for each in reports),
        ],
        "counts": {name: tests[name] for name in ("passed", "failed", "skipped", "total")},
    }
    for name, key in (("passedTests", "passed_names"), ("failedTests", "failed_names")):
        if key in tests:
            found[name] = list(tests[key])
    return found


def reproduced(first: Mapping[str, str], second: Mapping[str, str], mode: str) -> dict[str, Any]:
    """Two runs of one commit in fresh sandboxes of one machine, with every output's digest."""
    return {"identical": dict(first) == dict(second), "runs": [dict(first), dict(second)], "sandbox": mode}


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
