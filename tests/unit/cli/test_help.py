"""Every command explains itself, at once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer

from clearway.cli.app import app
from clearway.cli.exits import MEANINGS

HEAVY = (
    *("httpx", "rich", "pydantic", "sqlalchemy", "alembic", "dbos", "fastapi", "starlette", "uvicorn"),
    *("jinja2", "yaml", "cryptography", "scipy", "numpy", "structlog"),
    *("clearway.kernel", "clearway.catalog", "clearway.wiring"),
)
EXPECTED = {
    *(
        "up",
        "apply",
        "init",
        "lint",
        "build",
        "reproduce",
        "release",
        "promote",
        "approve",
        "reject",
        "rollback",
        "status",
        "trace",
        "where",
    ),
    *(
        "notes",
        "incident",
        "metrics",
        "audit",
        "config",
        "token",
        "doctor",
        "demo",
        "user",
        "verify",
        "login",
    ),
    *("schema", "down", "source", "secret", "attest", "trusted-ci", "registry"),
}


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something."""
    children = getattr(command, "commands", None)
    if not children:
        yield path, command
        return
    for name, child in children.items():
        yield from walk(child, (*path, name))


COMMANDS = dict(walk(typer.main.get_command(app)))


def test_all_commands_are_there() -> None:
    """The commands are exactly those that are documented."""
    assert {path[0] for path in COMMANDS} == EXPECTED
    assert {path[1] for path in COMMANDS if path[0] == "audit"} == {"verify", "log", "export"}


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_json_and_an_example(path: tuple[str, ...], run: Callable[..., Any]) -> None:
    """`--help` shows --json and an example that begins with the command itself."""
    done = run(*path, "--help")
    assert done.code == 0
    assert "--json" in done.out
    text = " ".join(done.out.split())
    assert f"Example: clearway {' '.join(path)}" in text or f"&& clearway {' '.join(path)}" in text
    described = [line for line in done.out.splitlines() if line.startswith("  --")]
    assert described


def test_examples_parse() -> None:
    """The options of every example exist."""
    import shlex

    for path, command in COMMANDS.items():
        example = command.epilog.removeprefix("Example: ").partition(" && ")
        words = shlex.split((example[2] or example[0]).partition(" <")[0].partition(" >")[0])
        assert words[0] == "clearway"
        context = command.make_context(" ".join(path), words[1 + len(path) :], resilient_parsing=False)
        assert context is not None


def test_exit_codes_are_documented(run: Callable[..., Any]) -> None:
    """`clearway --help` lists every exit code with its meaning."""
    text = " ".join(run("--help").out.split())
    for code, meaning in MEANINGS.items():
        assert f"{code} {meaning}" in text


def test_help_loads_nothing_heavy() -> None:
    """No command's help loads the HTTP library, tables, schemas, the engine or the rooms."""
    program = (
        "import json, sys; from clearway.cli import main\n"
        "for words in json.load(sys.stdin):\n"
        "    code = main([*words, '--help'])\n"
        f"    found = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "    assert code == 0 and not found, (words, code, found)\n"
    )
    asked = json.dumps([[], *({path[:1] for path in COMMANDS if len(path) > 1}), *COMMANDS])
    done = subprocess.run([sys.executable, "-c", program], input=asked, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage:") == len(json.loads(asked))


def test_plain_words_need_no_schemas() -> None:
    """Numbers, texts, switches, folders and lists are read without Typer's schema library."""
    program = (
        "import sys; from clearway.cli import main\n"
        "main(['release', 'shop', '--list', '--limit', '7', '--home', '/nowhere'])\n"
        "main(['metrics', '--days', '7', '--home', '/nowhere'])\n"
        "main(['token', 'create', 'ci', '--scope', 'build:run', '--scope', '*:read', '--home', '/nowhere'])\n"
        "print('pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
