"""The command line. It speaks HTTP, except for `up`, `init`, `doctor`, `verify` and `demo`."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. Errors are a few lines on standard error, never a traceback."""
    from .run import run

    return run(arguments)
