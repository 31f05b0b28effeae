"""Evaluates gates with CEL, in a warm process of its own that is killed when a rule takes too long.

Why a process: the library has no cost limit, cannot be interrupted, and ends the process that it runs in when
memory runs out. A killed one is replaced for the next rule; the rules of one promotion share a round trip.
"""

from __future__ import annotations

import json
import os
import queue
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from clearway.policy.ports import Failure

START_S = 10.0  # a cold start is tens of milliseconds; a busy machine may take longer

_CHILD = Path(__file__).with_name("child.py")


class CelEvaluator:
    """The `Evaluator` of production: at most `processes` of them, started when first needed."""

    def __init__(self, processes: int = 2) -> None:
        # The one used last is used next, so that a quiet system keeps a single process.
        self._idle: queue.LifoQueue[_Child] = queue.LifoQueue()
        for _ in range(processes):
            self._idle.put(_Child())

    def evaluate(
        self, rules: Sequence[str], facts: Mapping[str, Any], timeout_s: float = 0.5
    ) -> Sequence[bool | Failure]:
        """One answer a rule, in order."""
        return self._ask(rules, facts, timeout_s, run=True)

    def syntax_error(self, rule: str) -> str | None:
        """Why the rule is not CEL; None when it is."""
        (answer,) = self._ask([rule], {}, 1.0, run=False)
        return answer.why if isinstance(answer, Failure) else None

    def close(self) -> None:
        """End the processes; the next evaluation would start new ones."""
        for child in list(self._idle.queue):
            child.kill()

    def _ask(
        self, rules: Sequence[str], facts: Mapping[str, Any], timeout_s: float, *, run: bool
    ) -> list[bool | Failure]:
        answers: list[bool | Failure] = []
        deadline = time.monotonic() + 4 * timeout_s
        with self._child() as child:
            while len(answers) < len(rules):
                if time.monotonic() > deadline:
                    spent = Failure("the rules before it used up the time")
                    return answers + [spent] * (len(rules) - len(answers))
                if not child.start():
                    return answers + [Failure("the evaluator does not start")] * (len(rules) - len(answers))
                answers += child.ask(rules[len(answers) :], facts, timeout_s, deadline, run=run)
        return answers

    @contextmanager
    def _child(self) -> Iterator[_Child]:
        child = self._idle.get()
        try:
            yield child
        finally:
            self._idle.put(child)


class _Child:
    """One evaluating process, or the place for one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""

    def start(self) -> bool:
        """Have a living process that answers; whether that worked."""
        if self._process is not None and self._process.poll() is None:
            return True
        self.kill()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_CHILD), _extension()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            bufsize=0,
        )
        os.set_blocking(self._pipe("stdin"), False)
        started = isinstance(self._line(time.monotonic() + START_S), dict)
        if not started:
            self.kill()
        return started

    def ask(
        self, rules: Sequence[str], facts: Mapping[str, Any], timeout_s: float, deadline: float, *, run: bool
    ) -> list[bool | Failure]:
        """At least one answer; fewer than rules when the process had to be ended."""
        request = {"rules": list(rules), "facts": dict(facts), "run": run, "alarm_s": 2 * timeout_s}
        answers: list[bool | Failure] = []
        if not self._send(json.dumps(request).encode() + b"\n", time.monotonic() + timeout_s):
            self.kill()
            return [Failure("the evaluator ended")]
        while len(answers) < len(rules):
            line = self._line(min(time.monotonic() + timeout_s, deadline))
            if line is None or not ({"is", "why"} & line.keys()):
                hung = self._process is not None and self._process.poll() is None
                self.kill()
                why = f"it took longer than {timeout_s:g} s" if hung else "it ended the evaluator"
                return [*answers, Failure(why)]
            answers.append(bool(line["is"]) if "is" in line else Failure(str(line["why"])))
        return answers

    def kill(self) -> None:
        """End the process, whatever it does."""
        process, self._process, self._buffer = self._process, None, b""
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def _pipe(self, name: str) -> int:
        return int(getattr(self._process, name).fileno())

    def _send(self, data: bytes, until: float) -> bool:
        pipe, left = self._pipe("stdin"), memoryview(data)
        while left:
            if not _ready(pipe, select.POLLOUT, until):
                return False
            try:
                left = left[os.write(pipe, left) :]
            except BlockingIOError:
                continue  # room for less than one write; the next poll waits for more
            except BrokenPipeError:
                return False
        return True

    def _line(self, until: float) -> dict[str, Any] | None:
        """The next answer; None when it does not come in time, or the process ended."""
        pipe = self._pipe("stdout")
        while b"\n" not in self._buffer:
            data = os.read(pipe, 65536) if _ready(pipe, select.POLLIN, until) else b""
            if not data:
                return None
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            answer = json.loads(line)
        except ValueError:
            return None
        return answer if isinstance(answer, dict) else None


def _ready(pipe: int, what: int, until: float) -> bool:
    """Wait for a pipe; poll, because select refuses the high descriptors of a busy server."""
    poll = select.poll()
    poll.register(pipe, what)
    return bool(poll.poll(max(0.0, until - time.monotonic()) * 1000))


def _extension() -> str:
    """The file of CEL's native module."""
    spec = find_spec("cel")
    folder = Path(next(iter(spec.submodule_search_locations or ()))) if spec else Path()
    for suffix in EXTENSION_SUFFIXES:
        if (folder / f"cel{suffix}").exists():
            return str(folder / f"cel{suffix}")
    raise ImportError("common-expression-language is not installed")
