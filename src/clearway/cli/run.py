"""Runs a command line, and says what went wrong in a few lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .exits import FAILED, NOT_PERMITTED, OK, REFUSED, UNREACHABLE, USAGE, CliError

_INTERRUPTED = 130


def run(arguments: Sequence[str] | None = None) -> int:
    """The exit code of one command."""
    from .app import app

    try:
        result = app(args=None if arguments is None else list(arguments), standalone_mode=False)
        return result if isinstance(result, int) else OK
    except CliError as error:
        return _say(error.lines(), error.code)
    except KeyboardInterrupt:
        return _say(["interrupted"], _INTERRUPTED)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - the reader is gone; nothing more can be said
        return OK
    except Exception as error:  # noqa: BLE001 - the last resort
        return _other(error)


def _other(error: Exception) -> int:
    if callable(show := getattr(error, "show", None)):  # the parser's own errors
        show()
        return int(getattr(error, "exit_code", USAGE))
    if type(error).__name__ == "Exit":
        return int(getattr(error, "exit_code", OK))
    if type(error).__name__ == "Abort":
        return _say(["stopped"], FAILED)
    if (code := _code_of_ours(error)) is not None:
        return _say(str(error).splitlines(), code)
    return _surprise(error)


def _code_of_ours(error: Exception) -> int | None:
    kernel = sys.modules.get("clearway.kernel")  # an error of ours cannot be raised before it is loaded
    if kernel is None or not isinstance(error, kernel.ClearwayError):
        return None
    codes = {401: NOT_PERMITTED, 403: NOT_PERMITTED, 409: REFUSED, 503: UNREACHABLE, 500: FAILED}
    return codes.get(error.status, USAGE)


def _surprise(error: Exception) -> int:
    """One line for the person, the traceback for whoever mends it."""
    import traceback

    from .profile import home_folder

    text = "".join(traceback.format_exception(error))
    for folder in (home_folder(None), Path.cwd()):
        file = folder / "cli-error.log"
        try:
            with file.open("a", encoding="utf-8") as out:
                out.write(text + "\n")
        except OSError:
            continue
        return _say(
            [f"something unexpected happened ({type(error).__name__}); details are in {file}"], FAILED
        )
    return _say([f"something unexpected happened ({type(error).__name__})"], FAILED)


def _say(lines: Sequence[str], code: int) -> int:
    for number, line in enumerate(lines):
        print(f"error: {line}" if number == 0 else f"  {line}", file=sys.stderr)
    return code
