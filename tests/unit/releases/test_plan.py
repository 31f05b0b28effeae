"""The plan is a value: what will be done is in the hash, what is predicted is not."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from house import DEFINITION

from clearway.catalog import load_definition
from clearway.config import Value
from clearway.policy import Decision, Verdict
from clearway.releases import ArtifactRef, Author, Plan, PlanContent, Release, RollbackInfo, plan_diff
from clearway.releases.model import manifest_of
from clearway.releases.plan import ConfigLine, Step, config_lines, way_back

CONTENT = PlanContent(
    kind="rollout",
    service="shop",
    environment="prod",
    version="1.1.0",
    commit="c" * 40,
    release_digest="sha256:1",
    bundle_digest="sha256:2",
    artifacts=("sha256:2",),
    replaces_version="1.0.0",
    replaces_digest="sha256:0",
    steps=(Step("start", "start it"),),
    strategy='{"kind":"canary"}',
    instances=2,
    configuration=(ConfigLine("GREETING", '"Hi"', None, "service", None, "added"),),
    configuration_removed=(),
    environment_digest="sha256:e",
    policy_digest="sha256:p",
    migrations=(),
    rollback=RollbackInfo(True, "1.0.0", "it reads"),
    affected=("cart",),
    authors=(Author("Ada", "ada@x"),),
    unknown_authors=(),
    commits=3,
    approvals_needed=1,
    approver_groups=(),
    override_freeze=False,
    port_base=None,
)
OTHER: dict[str, Any] = {
    "kind": "rollback",
    "steps": (Step("start", "start two"),),
    "configuration": (ConfigLine("GREETING", None, 2, "service", None, "added"),),
    "rollback": RollbackInfo(False, None, "no"),
    "authors": (),
    "unknown_authors": (Author("Ada", "ada@x"),),
    "instances": 3,
    "commits": 4,
    "approvals_needed": 2,
    "override_freeze": True,
    "port_base": 8000,
}


@pytest.mark.parametrize("name", [each.name for each in fields(PlanContent)])
def test_every_part_of_the_content_is_in_the_hash(name: str) -> None:
    """Another value anywhere is another plan, and the difference names the part."""
    value = getattr(CONTENT, name)
    changed = replace(CONTENT, **{name: OTHER.get(name, ("x",) if isinstance(value, tuple) else "x")})
    assert changed.hash != CONTENT.hash
    paths = [each["path"] for each in plan_diff(CONTENT.to_json(), changed.to_json())]
    assert paths
    assert all(path.split(".")[0] in (name, "running") for path in paths)


def test_predictions_are_beside_the_hash() -> None:
    """Gates' answers, problems and durations may change every minute; the hash stays."""
    plain = Plan(CONTENT)
    later = Plan(
        CONTENT,
        ("configuration A is missing",),
        Decision((Verdict("g", "no", "block", "r"),)),
        expected_s=3.0,
        breaking=2,
    )
    assert plain.hash == later.hash == CONTENT.hash
    assert plain.allowed
    assert not later.allowed
    assert len({CONTENT, replace(CONTENT)}) == 1


def test_a_plan_does_not_differ_from_itself() -> None:
    """The difference of equal plans is empty."""
    assert plan_diff(CONTENT.to_json(), replace(CONTENT).to_json()) == []


def test_configuration_is_compared_with_what_runs() -> None:
    """Added, changed, same and removed keys; a secret by layer and version, never by what it says."""
    lines, gone = config_lines({"A": Value("x", "service"), "S": Value(None, "environment", 1)}, [])
    assert {line.key: line.change for line in lines} == {"A": "added", "S": "added"}
    before = [{"key": line.key, **vars(line)} for line in lines] + [
        {"key": "OLD", "value": '"1"', "secret_version": None, "origin": "default"}
    ]
    lines, gone = config_lines({"A": Value("x", "service"), "S": Value(None, "environment", 2)}, before)
    assert {line.key: (line.change, line.before) for line in lines} == {
        "A": ("same", '"x"'),
        "S": ("changed", "secret version 1 of environment"),
    }
    assert gone == ("OLD",)


def release(version: str, reads: list[int], writes: int) -> Release:
    definition = load_definition(DEFINITION).model_dump(mode="json")
    definition["compatibility"] = {"reads": reads, "writes": writes}
    held = (ArtifactRef("sha256:a", "a", "bundle", 1),)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Release(
        version, "shop", version, "d", "c", "x", held, "sha256:a", definition, "", "", "", "", "", (), at
    )


def test_the_way_back_is_known_before_going_forward() -> None:
    """Going back is possible when what runs now reads what the new release writes."""
    old = release("1", [1], 1)
    assert way_back(release("2", [1, 2], 1), old).possible
    refused = way_back(release("2", [1, 2], 2), old)
    assert not refused.possible
    assert "writes data version 2, which 1 cannot read" in refused.why
    assert way_back(old, None).to_version is None
    gone = way_back(release("2", [1, 2], 1), old, ["configuration KEY is a secret that cannot be read"])
    assert not gone.possible
    assert "KEY" in gone.why


def test_prereleases_say_so() -> None:
    """A letter or a dash before the build mark."""
    said = {version: release(version, [1], 1).prerelease for version in ("1.2.0", "v1.2.0", "1.2.0+gabc")}
    assert not any(said.values())
    assert all(release(version, [1], 1).prerelease for version in ("1.2.0-rc1", "1.2.0rc1", "1.2.0.dev3"))


MANIFEST: dict[str, Any] = {
    "service": "shop",
    "version": "1",
    "commit": "c",
    "artifacts": (ArtifactRef("sha256:a", "a", "bundle", 1), ArtifactRef("sha256:b", "b", "wheel", 1)),
    "definition": load_definition(DEFINITION).model_dump(mode="json"),
}


@pytest.mark.parametrize("part", ["config", "migrations", "compatibility", "process", "canary"])
def test_a_release_is_its_content(part: str) -> None:
    """Artifacts in any order are the same; another schema, migration, range or process is another release."""
    same = manifest_of(**{**MANIFEST, "artifacts": MANIFEST["artifacts"][::-1]})
    assert same == manifest_of(**MANIFEST)
    other = {
        "config": {},
        "migrations": [{"name": "m", "phase": "pre"}],
        "compatibility": {"reads": [1, 2], "writes": 2},
        "process": None,
        "canary": {"metrics": []},
    }[part]
    assert manifest_of(**{**MANIFEST, "definition": {**MANIFEST["definition"], part: other}}) != same


@pytest.mark.parametrize("name", ["policy", "notes", "commit", "version", "service"])
def test_a_release_names_its_origin_and_rules(name: str) -> None:
    """Commit, version, policy and notes are in the digest too."""
    assert manifest_of(**{**MANIFEST, name: "other"}) != manifest_of(**MANIFEST)
