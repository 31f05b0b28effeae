"""What a promotion will do, as a value: comparable, and named by its hash. Pure.

Rules:
1. The hash covers what will be done and under which rules: release, artifacts, steps, configuration (values,
   and versions of secrets, never what they say), environment, strategy, policy, migrations, the way back,
   what is replaced, and whose changes these are. An approval is a signature under this hash.
2. What is merely predicted stands beside it: the gates' answers now, the next window, the expected duration.
   It may change every minute, and voids nothing.
3. The same facts give the same plan on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from clearway.kernel import canonical, digest_of
from clearway.policy import Decision

from .calendar import ALWAYS, Answer
from .model import Author, Kind, Release

__all__ = ["ConfigLine", "Plan", "PlanContent", "RollbackInfo", "Step", "plan_diff", "way_back"]


@dataclass(frozen=True)
class Step:
    """One thing that the deployment will do."""

    kind: str
    text: str


@dataclass(frozen=True)
class ConfigLine:
    """One key of the configuration that the release will run with."""

    key: str
    value: str | None  # canonical JSON; None for a secret
    secret_version: int | None
    origin: str  # the layer that says so
    before: str | None  # what runs now: its value, or the secret's version as text; None: not there
    change: str  # "added", "changed", "same"


@dataclass(frozen=True)
class RollbackInfo:
    """Whether going back will be possible, known before going forward."""

    possible: bool
    to_version: str | None
    why: str


@dataclass(frozen=True)
class PlanContent:
    """Everything the hash covers."""

    kind: Kind
    service: str
    environment: str
    version: str
    commit: str
    release_digest: str
    bundle_digest: str
    artifacts: tuple[str, ...]  # digests
    replaces_version: str | None
    replaces_digest: str | None
    steps: tuple[Step, ...]
    strategy: str  # its kind and settings, as canonical JSON
    instances: int
    configuration: tuple[ConfigLine, ...]
    configuration_removed: tuple[str, ...]  # keys that run now and will not
    environment_digest: str
    policy_digest: str
    migrations: tuple[str, ...]
    rollback: RollbackInfo
    affected: tuple[str, ...]  # services that depend on this one, near and far
    authors: tuple[Author, ...]  # of the commits between what runs and what will run
    unknown_authors: tuple[Author, ...]  # of these, who is no user: one approval more must outweigh them
    commits: int
    approvals_needed: int
    approver_groups: tuple[str, ...]
    override_freeze: bool
    port_base: int | None  # the router's port that is wished for when the place has none yet

    def to_json(self) -> dict[str, Any]:
        """The content as JSON values."""
        return {key: _plain(value) for key, value in asdict(self).items()}

    @cached_property
    def hash(self) -> str:
        """What approvals are bound to."""
        return digest_of(self.to_json())


@dataclass(frozen=True)
class Plan:
    """The content, and beside it what is predicted at this moment."""

    content: PlanContent
    problems: tuple[str, ...] = ()  # why it cannot run at all, such as a key without a value
    gates: Decision = field(default_factory=Decision)
    window: Answer = ALWAYS
    expected_s: float | None = None  # median of the last promotions here
    breaking: int = 0  # breaking changes in the change set
    warnings: tuple[str, ...] = ()  # what people should know and nothing is stopped by
    waits: tuple[str, ...] = ()  # the stop of the route that must come first, and what to do

    @property
    def hash(self) -> str:
        """What approvals are bound to."""
        return self.content.hash

    @property
    def approvals_needed(self) -> int:
        """How many people must approve."""
        return self.content.approvals_needed

    @property
    def next_window(self) -> datetime | None:
        """When the calendar lets it move; None: not within the horizon."""
        return self.window.next_open

    @property
    def rollback(self) -> RollbackInfo:
        """The way back."""
        return self.content.rollback

    @property
    def allowed(self) -> bool:
        """Whether nothing stands against it now: neither a problem, a gate nor the route's order."""
        return not self.problems and not self.waits and self.gates.allowed

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return {
            "hash": self.hash,
            "content": self.content.to_json(),
            "problems": list(self.problems),
            "gates": self.gates.to_json(),
            "approvals_needed": self.approvals_needed,
            "window": self.window.to_json(),
            "next_window": self.next_window.isoformat() if self.next_window else None,
            "rollback": _plain(asdict(self.rollback)),
            "expected_s": self.expected_s,
            "breaking": self.breaking,
            "warnings": list(self.warnings),
            "waits": list(self.waits),
            "allowed": self.allowed,
        }


def way_back(new: Release, current: Release | None, obstacles: Sequence[str] = ()) -> RollbackInfo:
    """Whether what runs now could run again, as it runs now, after the new release has written data.

    `obstacles`: what is known to be gone of what it runs with.
    """
    if current is None:
        return RollbackInfo(False, None, "nothing ran here before")
    if new.writes not in current.reads:
        why = f"{new.version} writes data version {new.writes}, which {current.version} cannot read"
        return RollbackInfo(False, current.version, why)
    if obstacles:
        return RollbackInfo(False, current.version, "; ".join(obstacles))
    why = f"{current.version} reads data version {new.writes}, and comes back with its configuration of now"
    return RollbackInfo(True, current.version, why)


def config_lines(
    values: Mapping[str, Any], before: Sequence[Mapping[str, Any]]
) -> tuple[tuple[ConfigLine, ...], tuple[str, ...]]:
    """The configuration with its difference to the lines of the plan that runs, and the keys that go.

    `values` are config's: each has `value`, `origin`, `secret_version`.
    """
    old = {line["key"]: _shown(line["value"], line["secret_version"], line["origin"]) for line in before}
    lines = []
    for key in sorted(values):
        each = values[key]
        value = None if each.secret_version is not None else canonical(each.value).decode()
        now = _shown(value, each.secret_version, each.origin)
        change = "added" if key not in old else "same" if old[key] == now else "changed"
        lines.append(ConfigLine(key, value, each.secret_version, each.origin, old.get(key), change))
    return tuple(lines), tuple(sorted(set(old) - set(values)))


def plan_diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What differs between two plans' contents (JSON): path, before, after; sorted by path.

    Steps, artifacts and authors are compared as wholes; configuration by key.
    """
    before, after = _by_path(old), _by_path(new)
    return [
        {"path": path, "before": before.get(path), "after": after.get(path)}
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]


def in_words(difference: Sequence[Mapping[str, Any]]) -> str:
    """One sentence about what changed."""
    names = ", ".join(str(each["path"]) for each in difference[:8])
    more = f" and {len(difference) - 8} more" if len(difference) > 8 else ""
    return f"the plan changed: {names}{more}"


def _by_path(content: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in content.items():
        if key == "configuration":
            for line in value:
                shown = _shown(line["value"], line["secret_version"], line["origin"])
                found[f"configuration.{line['key']}"] = shown
                found[f"running.{line['key']}"] = line["before"]
        elif isinstance(value, Mapping):
            found.update({f"{key}.{inner}": each for inner, each in value.items()})
        else:
            found[key] = value
    return found


def _shown(value: str | None, secret_version: int | None, origin: str) -> str | None:
    """A value as people compare it; of a secret, its layer and version."""
    return value if secret_version is None else f"secret version {secret_version} of {origin}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
