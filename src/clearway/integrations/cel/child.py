"""The process that evaluates CEL. Run as a file, nothing of Clearway imported; it may be killed at any time.

It reads one JSON line a request and writes one JSON line an answer. It limits its own memory, and arms an
alarm with the default action before each rule: the kernel ends it even inside native code, and even when the
process that asked is gone.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import re
import resource
import signal
import sys
from functools import partial
from typing import Any

MEMORY = 512 << 20
PROGRAMS = 512  # compiled rules kept


def main() -> None:
    """Answer until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    cel = _extension(sys.argv[1])
    programs: dict[str, Any] = {}
    _say({"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        alarm = float(request["alarm_s"])
        try:
            context = _guarded(alarm, partial(cel.Context, variables=request["facts"]))
        except BaseException as error:  # noqa: BLE001  as below
            for _ in request["rules"]:
                _say({"why": f"these facts cannot be read: {_why(error)}"})
            continue
        for rule in request["rules"]:
            if len(programs) > PROGRAMS:
                programs.clear()
            try:
                if rule not in programs:
                    programs[rule] = _guarded(alarm, partial(cel.compile, rule))
                if request["run"]:
                    _say(_answer(_guarded(alarm, partial(programs[rule].execute, context))))
                else:
                    _say({"is": True})
            except BaseException as error:  # noqa: BLE001  a panic of the native code is a BaseException
                _say({"why": _why(error)})


def _extension(path: str) -> Any:
    """Only the native module: its package would also import a command line with colours."""
    loader = importlib.machinery.ExtensionFileLoader("cel", path)
    spec = importlib.util.spec_from_file_location("cel", path, loader=loader)
    if spec is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _guarded(seconds: float, work: Any) -> Any:
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _answer(value: object) -> dict[str, object]:
    if isinstance(value, bool):
        return {"is": value}
    return {"why": f"it is a {type(value).__name__}, neither true nor false"}


def _why(error: BaseException) -> str:
    """The library's complaint, without its advice for programmers."""
    text = " ".join(str(error).split())
    if isinstance(error, KeyError):
        return f"there is no {text}"[:300]
    syntax = re.search(r"<input>:\d+:(\d+): (.*?)( expecting \{| \| |$)", text)
    if syntax:
        return f"{syntax[2][:200]} at character {syntax[1]}"
    return re.split(r"\. (?:Check|CEL does not|Convert) ", text)[0][:300] or type(error).__name__


def _say(answer: dict[str, object]) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
