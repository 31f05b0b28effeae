"""Runs the checkpointed steps of one build, and ends it at the first that fails.

Rule: whatever happens inside a step becomes its result, so that after a crash the flow takes the same way
again: a failure is not tried once more in the hope of better luck.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Mapping
from typing import Any

from clearway import catalog
from clearway.kernel import ClearwayError
from clearway.storage import Database
from clearway.workflow import Run

from . import service
from .model import Cancelled
from .ports import Packages
from .stages import Stages
from .work import Facts, Work, opened

log = logging.getLogger("clearway.build")


class Over(Exception):
    """A step failed: the build ends with its result."""

    def __init__(self, result: Mapping[str, Any]) -> None:
        super().__init__(result["error"])
        self.result = result


class Steps:
    """The steps of one build; recipes are written against it."""

    def __init__(self, database: Database, run: Run, build_id: str) -> None:
        self.database = database
        self.run = run
        self.build_id = build_id
        self.facts: Facts | None = None
        self.definition: catalog.ServiceDefinition | None = None  # read once, not once a step
        self.stages = Stages(database, build_id)
        self.packages: Packages | None = None  # other ones than the system's

    @property
    def known(self) -> Facts:
        """What the first step found out."""
        if self.facts is None:
            raise RuntimeError("the step of the source has not run")
        return self.facts

    def do(self, name: str, function: Callable[[Work], Any]) -> Any:
        """The step's value. Raises Over."""
        result = self.run.step(name, self._guarded, name, function)
        if "error" in result:
            raise Over(result)
        return result["value"]

    def _guarded(self, name: str, function: Callable[[Work], Any]) -> dict[str, Any]:
        self.stages.begin(name)
        result = self._result(name, function)
        self.stages.end(name, result.get("status", "succeeded"))
        return result

    def _result(self, name: str, function: Callable[[Work], Any]) -> dict[str, Any]:
        try:
            with self.database.read() as uow:
                build, cancelled = service.look(uow, self.build_id)
            with opened(self.database, build, self.facts, self.definition) as work:
                try:
                    work.packages = self.packages or work.packages
                    work.go_on(cancelled)
                    value = function(work)
                    self.definition = work.known_definition
                    return {"value": value}
                except (ClearwayError, OSError) as error:
                    result = _failure(error)
                    _say_last(work, name, result["error"])
                    return result
        except (ClearwayError, OSError) as error:  # not even the log can be opened
            return _failure(error)
        except Exception as error:
            # Nobody is helped by a build that runs for ever because of a fault of ours.
            log.exception("build %s: step %s", self.build_id, name)
            return {"error": f"Clearway itself failed: {type(error).__name__}: {error}", "status": "failed"}


def _say_last(work: Work, name: str, text: str) -> None:
    try:
        work.log.say(name, f"failed: {text}")
    except (ClearwayError, OSError):
        log.warning("build %s: its log takes no more lines", work.build.id)


def _failure(error: ClearwayError | OSError) -> dict[str, Any]:
    if isinstance(error, Cancelled):
        return {"error": error.message, "status": "cancelled"}
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        text = "the disk that holds the builds is full. Free some space, then build again."
        return {"error": text, "status": "failed"}
    tests = error.detail.get("tests") if isinstance(error, ClearwayError) else None
    return {"error": str(error), "status": "failed", "tests": tests}
