"""Runs a command line, and says what went wrong in a few lines."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .exits import FAILED, INTERRUPTED, NOT_PERMITTED, OK, REFUSED, UNREACHABLE, USAGE, CliError


def run(arguments: Sequence[str] | None = None) -> int:
    """The exit code of one command."""
    from .app import app

    given = list(sys.argv[1:] if arguments is None else arguments)
    # With --json an error is JSON too, on standard error: standard output holds results only.
    say = _say_json if "--json" in given and given[:1] != ["demo"] else _say
    try:
        result = app(args=given, standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else OK
    except BrokenPipeError:
        return hang_up()
    except KeyboardInterrupt:
        return say(CliError("interrupted", INTERRUPTED))
    except Exception as error:  # noqa: BLE001 - the last resort
        return _other(error, say)


def hang_up() -> int:
    """The reader is gone, as after `| head`: it has what it wanted, and nothing more can be said."""
    with contextlib.suppress(OSError, ValueError):  # the descriptor, or what flushes at exit complains
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK


def _other(error: Exception, say: Callable[[CliError], int]) -> int:
    if isinstance(error, CliError):
        return say(error)
    if callable(show := getattr(error, "show", None)):  # the parser's own errors
        code = int(getattr(error, "exit_code", USAGE))
        if say is _say_json and callable(text := getattr(error, "format_message", None)):
            return say(CliError(str(text()), code, todo="See --help."))
        show()
        return code
    if type(error).__name__ == "Exit":
        return int(getattr(error, "exit_code", OK))
    if type(error).__name__ == "Abort":
        return say(CliError("stopped; nothing was changed", FAILED))
    return say(_of_ours(error) or _surprise(error))


def _of_ours(error: Exception) -> CliError | None:
    kernel = sys.modules.get("clearway.kernel")  # an error of ours cannot be raised before it is loaded
    if kernel is None or not isinstance(error, kernel.ClearwayError):
        return None
    codes = {401: NOT_PERMITTED, 403: NOT_PERMITTED, 409: REFUSED, 503: UNREACHABLE, 500: FAILED}
    first, *more = str(error.message).splitlines() or [""]
    return CliError(
        first,
        codes.get(error.status, USAGE),
        where=error.where,
        expected=error.expected,
        todo=error.todo,
        more=tuple(more),
    )


def _surprise(error: Exception) -> CliError:
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
        return CliError(
            f"something unexpected happened ({type(error).__name__}); details are in {file}", FAILED
        )
    return CliError(f"something unexpected happened ({type(error).__name__})", FAILED)


def _say(error: CliError) -> int:
    for number, line in enumerate(error.lines()):
        print(f"error: {line}" if number == 0 else f"  {line}", file=sys.stderr)
    return error.code


def _say_json(error: CliError) -> int:
    print(json.dumps({"error": error.as_json()}, ensure_ascii=False), file=sys.stderr)
    return error.code
