"""The evaluating process: warm, killable, replaced, and gone when it should be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from clearway.integrations.cel import CelEvaluator
from clearway.policy import Failure

HANGS = "l.all(x, l.all(y, l.all(z, l.all(w, l.all(v, x + y + z + w + v >= 0)))))"
FACTS = {"l": list(range(90))}


@pytest.fixture
def evaluator() -> Iterator[CelEvaluator]:
    evaluator = CelEvaluator()
    yield evaluator
    evaluator.close()


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "cel/child.py" in " ".join(child.cmdline())]


def test_one_process_serves_a_quiet_system(evaluator: CelEvaluator) -> None:
    """The process stays warm from one evaluation to the next, and a second one is not started for nothing."""
    evaluator.evaluate(["true"], {})
    (first,) = children()
    for _ in range(20):
        assert evaluator.evaluate(["1 == 1"], {}) == [True]
    assert children() == [first]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_died_is_replaced(evaluator: CelEvaluator, how: signal.Signals) -> None:
    """Whoever kills the process between evaluations is not noticed by the next one."""
    evaluator.evaluate(["true"], {})
    (child,) = children()
    os.kill(child.pid, how)
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert evaluator.evaluate(["true"], {}) == [True]


def test_a_stopped_process_is_replaced(evaluator: CelEvaluator) -> None:
    """A process that neither answers nor ends costs one answer and is killed."""
    evaluator.evaluate(["true"], {})
    (child,) = children()
    os.kill(child.pid, signal.SIGSTOP)
    (answer,) = evaluator.evaluate(["true"], {}, 0.2)
    assert answer == Failure("it took longer than 0.2 s")
    assert evaluator.evaluate(["true"], {}) == [True]


def test_a_large_request_to_a_stopped_process_does_not_block(evaluator: CelEvaluator) -> None:
    """More facts than a pipe holds cannot hang the asking process either."""
    evaluator.evaluate(["true"], {})
    (child,) = children()
    os.kill(child.pid, signal.SIGSTOP)
    (answer,) = evaluator.evaluate(["true"], {"text": ["x" * 1000] * 900}, 0.2)
    assert isinstance(answer, Failure)
    assert evaluator.evaluate(["text.size() == 900"], {"text": ["x" * 1000] * 900}) == [True]


def test_threads_share_the_processes(evaluator: CelEvaluator) -> None:
    """Answers never get mixed up between threads, while other threads' rules hang."""
    wrong: list[object] = []

    def ask(number: int) -> None:
        for _ in range(10):
            answers = evaluator.evaluate([f"n == {number}", f"n == {number + 1}"], {"n": number}, 5)
            if list(answers) != [True, False]:
                wrong.append(answers)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    threads.append(threading.Thread(target=evaluator.evaluate, args=([HANGS], FACTS, 0.1)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(children()) <= 2


def test_a_hanging_rule_does_not_outlive_a_killed_parent() -> None:
    """When the asking process is killed in the middle of a rule, the kernel's alarm ends the other one."""
    script = textwrap.dedent(f"""
        import threading, psutil, time
        from clearway.integrations.cel import CelEvaluator
        evaluator = CelEvaluator()
        evaluator.evaluate(["true"], {{}})
        print(psutil.Process().children()[0].pid, flush=True)
        evaluator.evaluate([{HANGS!r}], {{"l": list(range(90))}}, 1.0)
    """)
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    while child.cpu_times().user < 0.1:
        time.sleep(0.01)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 30
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_the_process_gets_nothing_of_ours(evaluator: CelEvaluator) -> None:
    """No environment variable, such as a token, reaches the process."""
    evaluator.evaluate(["true"], {})
    (child,) = children()
    assert child.environ() == {}
    assert child.cwd() == "/"


def test_facts_that_cannot_be_read_are_a_failure_of_every_rule(evaluator: CelEvaluator) -> None:
    """Half a character or a number beyond all types costs an answer, not the process."""
    evaluator.evaluate(["true"], {})
    (child,) = children()
    for facts in ({"a": "\ud800"}, {"a": 10**400}):
        assert [type(answer) for answer in evaluator.evaluate(["true", "true"], facts)] == [Failure, Failure]
    assert evaluator.evaluate(["true"], {}) == [True]
    assert children() == [child]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("a >", "at character 4"),
        ("a.nope", "there is no 'nope'"),
        ("nope == 1", "Undefined variable or function: 'nope'"),
        ("1 + 'a' == 2", "No such overload"),
        ("a.b", "neither true nor false"),
    ],
)
def test_failures_are_short_and_name_the_reason(evaluator: CelEvaluator, rule: str, why: str) -> None:
    """What a person reads in a verdict is the reason, not a page of the library's advice."""
    (answer,) = evaluator.evaluate([rule], {"a": {"b": 1}})
    assert isinstance(answer, Failure)
    assert why in answer.why
    assert len(answer.why) < 200
