"""Exit codes that scripts can trust, and the error that carries one."""

from __future__ import annotations

from typing import Any

OK = 0
FAILED = 1  # it ran, and the outcome is bad: a failed build, a promotion that was rolled back, a broken proof
USAGE = 2  # the command or its input is wrong; nothing was changed
NOT_PERMITTED = 3  # not signed in, or not allowed
REFUSED = 4  # a gate said no, or the thing is in another state
UNREACHABLE = 5  # no server, or busy: the same command may work later
INTERRUPTED = 130  # Ctrl-C, as shells say it

MEANINGS = {
    OK: "done",
    FAILED: "it ran, and the outcome is bad",
    USAGE: "the command or its input is wrong; nothing was changed",
    NOT_PERMITTED: "not signed in, or not allowed",
    REFUSED: "a gate said no, or the thing is in another state",
    UNREACHABLE: "the server cannot be reached or is busy; try again",
}


class CliError(Exception):
    """What is wrong, where, what was expected, what to do, and the exit code."""

    def __init__(
        self,
        message: str,
        code: int = USAGE,
        *,
        where: str | None = None,
        expected: str | None = None,
        todo: str | None = None,
        more: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.where = where
        self.expected = expected
        self.todo = todo
        self.more = more  # further lines, such as the gates that refused

    def lines(self) -> list[str]:
        """The error for people."""
        found = [f"{self.where}: {self.message}" if self.where else self.message, *self.more]
        if self.expected and not found[0].endswith(f"expected {self.expected}"):
            found.append(f"expected: {self.expected}")
        if self.todo:
            found.append(f"what to do: {self.todo}")
        return found

    def as_json(self) -> dict[str, Any]:
        """The error for scripts; the keys are always there."""
        return {
            "message": self.message,
            "where": self.where,
            "expected": self.expected,
            "todo": self.todo,
            "more": list(self.more),
            "exit_code": self.code,
        }


def code_of_status(status: int) -> int:
    """The exit code for an HTTP status."""
    if status in (401, 403):
        return NOT_PERMITTED
    if status in (409, 412):
        return REFUSED
    if status in (429, 502, 503, 504):
        return UNREACHABLE
    return FAILED if status >= 500 else USAGE
