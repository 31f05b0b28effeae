"""Builds: their states, their versions, and the words of the log. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from packaging.version import InvalidVersion, Version

from clearway import source
from clearway.artifacts import Artifact
from clearway.catalog import Versioning
from clearway.kernel import Permanent

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
UNNAMED = "0.0.0"
OPEN: tuple[Status, ...] = ("queued", "running")

# Addressed, self-assessed, and only where Clearway is a service for others.
_LEVELS = {
    "bubblewrap": 3,
    "container": 3,
}
_TAG = re.compile(r"v?(\d+\.\d+\.\d+(?:[-+.]?[0-9A-Za-z][0-9A-Za-z.+-]*)?)\Z")


@dataclass(frozen=True)
class Build:
    """One run of a service's recipe on one commit."""

    id: str
    service: str
    ref: str  # what was asked for: branch, tag or commit
    twice: bool  # built twice, in fresh sandboxes, to compare
    status: Status
    requested_by: str
    queued_at: datetime
    commit: str | None = None  # known once the repository was fetched
    version: str | None = None
    author: str | None = None  # of the commit
    subject: str | None = None  # first line of the commit's message
    mode: str | None = None  # "bubblewrap", "container" or "plain": how it was kept apart
    reproduced: bool | None = None  # None: built once
    artifacts: tuple[Artifact, ...] = ()  # the deployable one first
    tests: Mapping[str, Any] | None = None  # passed, failed, total; None: there are none
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str | None = None  # why it failed or was cancelled, and what to do
    log_path: str = ""  # of the log's file
    retry_of: str | None = None  # the build that this one does again
    anew: str | None = (
        None  # the step from which nothing is answered by an earlier build; "*": from the first
    )
    pool: str = "default"  # whose slots it uses
    team: str = ""  # the service's when it was asked for: whose turn it is
    slot_at: datetime | None = None  # when it left the queue
    external: Mapping[str, Any] | None = None  # made elsewhere: the job, and the level; None: made here

    @property
    def level(self) -> int:
        """The level of SLSA's build track that is claimed for its kind of builder; docs/security/slsa.md."""
        if self.external is not None:
            return int(self.external["level"])
        return _LEVELS.get(self.mode or "", 1)

    @property
    def trial(self) -> bool:
        """Built from somebody's work tree: nothing that can be released."""
        return self.ref.startswith(source.TRIALS)


class BuildFailed(Permanent):
    """A step of the build went wrong; the log says how."""

    title = "The build failed"


class Flooded(BuildFailed):
    """The build wrote more log than anyone would read."""


class Cancelled(BuildFailed):
    """Somebody asked for the build to stop."""


def choose_version(
    tags: Iterable[str],
    named: str | None,
    sha: str,
    *,
    rules: Versioning | None = None,
    asked: str = "",
) -> str:
    """The version of a commit: its highest version tag, else the named one with the commit's mark.

    With the service's own rules, only tags that are versions by them count; first the one that was asked for.
    """
    tags = list(tags)
    if rules is not None:
        wanted = asked.removeprefix("refs/tags/")
        found = rules.highest([wanted] if wanted in tags and rules.version_of(wanted) else tags)
        return found or f"{named or UNNAMED}+g{sha[:8]}"
    tagged = [match.group(1) for tag in tags if (match := _TAG.match(tag.rpartition("/")[2]))]
    if tagged:
        return max(tagged, key=_order)
    return f"{named or UNNAMED}+g{sha[:8]}"


def version_of_tag(tag: str, rules: Versioning | None = None) -> str | None:
    """The version that a tag names; None when it names none."""
    if rules is not None:
        return rules.highest([tag])
    match = _TAG.match(tag.rpartition("/")[2])
    return match.group(1) if match else None


def name_version(version: str, built: str) -> str:
    """A version that nothing named takes the name that the package gave itself when it was built."""
    if not version.startswith(f"{UNNAMED}+g"):
        return version
    return built.partition("+")[0] + version.removeprefix(UNNAMED)


def _order(text: str) -> tuple[bool, Version, str]:
    try:
        return True, Version(text), text
    except InvalidVersion:
        return False, Version("0"), text


_UNITTEST = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
_UNITTEST_BAD = re.compile(r"\b(failures|errors|unexpected successes)=(\d+)")
_PYTEST = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)\b")
_PYTEST_LINE = re.compile(r"^=*\s*((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s", re.MULTILINE)
_SKIPPED = re.compile(r"\bskipped=(\d+)")


def count_tests(log: str, code: int) -> dict[str, Any]:
    """What the summary lines of unittest and pytest say; counts are None when nobody summed up."""
    passed = failed = skipped = None
    if lines := _PYTEST_LINE.findall(log):
        counts: dict[str, int] = {}
        for number, word in _PYTEST.findall(lines[-1]):
            counts[word.rstrip("s") if word.startswith("error") else word] = int(number)
        passed, skipped = counts.get("passed", 0), counts.get("skipped", 0)
        failed = counts.get("failed", 0) + counts.get("error", 0)
    elif ran := _UNITTEST.findall(log):
        tail = log[log.rfind("Ran ") :]
        failed = sum(int(number) for _, number in _UNITTEST_BAD.findall(tail))
        skipped = sum(int(number) for number in _SKIPPED.findall(tail))
        passed = int(ran[-1]) - failed - skipped
    total = None if passed is None or failed is None else passed + failed + (skipped or 0)
    return {"ok": code == 0, "passed": passed, "failed": failed, "skipped": skipped, "total": total}


def tell_tests(tests: Mapping[str, Any]) -> str:
    """`13 of 14 tests passed`, or what can be said."""
    if tests["total"] is None:
        return "the tests passed" if tests["ok"] else "the tests failed"
    return f"{tests['passed']} of {tests['total']} tests passed"
