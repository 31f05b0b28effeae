"""The statements about a build: SLSA provenance v1, test result, reproduced. Pure.

Claims are kept apart: what the sandbox promised is in the builder's id, whether two runs agreed is its own
statement, and nothing says "hermetic".
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from packageurl import PackageURL

from clearway import __version__


@dataclass(frozen=True)
class Origin:
    """What a provenance is made of."""

    build_id: str
    service: str
    ref: str
    commit: str
    repository: str
    recipe: str
    definition: Mapping[str, Any]  # the build section of clearway.yaml
    path: str
    epoch: int
    builder_id: str
    mode: str
    promises: Sequence[str]
    limits: Mapping[str, Any]
    packages: Sequence[Mapping[str, Any]]  # build wheels, then runtime wheels
    started_at: datetime
    finished_at: datetime
    log_digest: str
    signer: str  # where the key is: see artifacts.Signer.kind


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
                "build": dict(origin.definition),
            },
            "internalParameters": {
                "sandbox": {"mode": origin.mode, "promises": sorted(origin.promises)},
                "signer": {"key": origin.signer},
                "limits": dict(origin.limits),
                "sourceDateEpoch": origin.epoch,
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
            "byproducts": [
                {"name": "log.txt", "digest": {"sha256": origin.log_digest.removeprefix("sha256:")}}
            ],
        },
    }


def resolved(origin: Origin) -> list[dict[str, Any]]:
    """The source, the interpreter, and every package with its digest."""
    found: list[dict[str, Any]] = [
        {
            "uri": f"git+{origin.repository}@{origin.ref}",
            "digest": {"gitCommit": origin.commit},
            "name": "source",
        },
        {"uri": f"pkg:generic/{sys.implementation.name}@{platform.python_version()}", "name": "python"},
    ]
    seen = set()
    for wheel in origin.packages:
        uri = PackageURL("pypi", name=wheel["name"], version=wheel["version"]).to_string()
        if (uri, wheel["digest"]) not in seen:
            seen.add((uri, wheel["digest"]))
            digest = {"sha256": wheel["digest"].removeprefix("sha256:")}
            found.append({"uri": uri, "digest": digest, "annotations": {"origin": wheel["origin"]}})
    return found


def test_result(tests: Mapping[str, Any], command: Sequence[str]) -> dict[str, Any]:
    """The in-toto test-result v0.1 predicate, with the counts that the summary gave."""
    return {
        "result": "PASSED" if tests["ok"] else "FAILED",
        "configuration": [{"name": "command", "annotations": {"argv": list(command)}}],
        "counts": {name: tests[name] for name in ("passed", "failed", "skipped", "total")},
    }


def reproduced(first: Mapping[str, str], second: Mapping[str, str], mode: str) -> dict[str, Any]:
    """Two runs of one commit in fresh sandboxes of one machine, with every output's digest."""
    return {"identical": dict(first) == dict(second), "runs": [dict(first), dict(second)], "sandbox": mode}


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
