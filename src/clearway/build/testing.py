"""The verdict on a test command: its exit code, what its reports count, else what its last lines say."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from clearway.kernel import ClearwayError

from .log import Step
from .model import BuildFailed, count_tests, tell_tests
from .reports import collect, counted
from .reports.collect import must_be_read
from .work import Work

Count = Callable[[str, int], dict[str, Any]]  # from the last lines and the exit code


def judge(work: Work, code: int, output: Step, count: Count = count_tests) -> dict[str, Any]:
    """What the tests said, with the reports in the bench kept. Raises BuildFailed when they failed."""
    reports = collect(work)
    found = count(output.tail.decode(errors="replace"), code)
    found |= _numbers(counted(reports))
    work.log.say("test", tell_tests(found))
    if code:
        raise BuildFailed(
            f"{tell_tests(found)} (exit code {code})", todo="The log shows which.", detail={"tests": found}
        )
    must_be_read(reports)
    return found


def left_by_steps(work: Work) -> dict[str, Any] | None:
    """For a build without a test command: what reports of its steps count; None without any."""
    reports = collect(work)
    must_be_read(reports)
    found = _numbers(counted(reports))
    return {"ok": found["failed"] == 0, **found} if found else None


def left_by_failed(work: Work) -> None:
    """Keep what a step left that failed: people want to read which tests did. Its failure goes first."""
    with suppress(ClearwayError):
        collect(work)


def _numbers(found: dict[str, Any] | None) -> dict[str, Any]:
    return {name: found[name] for name in ("passed", "failed", "skipped", "total")} if found else {}
