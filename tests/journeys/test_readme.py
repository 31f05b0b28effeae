"""README's "Your own service in five minutes", run as it is written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.journeys.conftest import System
from tests.journeys.platforms import git

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("whole-machine")]

README = Path(__file__).parents[2] / "README.md"
SERVICE = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "my-service"
version = "1.0.0"
requires-python = ">=3.11"
""",
    "my_service/__init__.py": "",
    "my_service/__main__.py": """\
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def answer(path):
    return (200, b"ok") if path in ("/", "/healthz") else (404, b"not here")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = answer(self.path)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), Handler).serve_forever()
""",
    "tests/__init__.py": "",
    "tests/test_answer.py": """\
import unittest

from my_service.__main__ import answer


class AnswerTest(unittest.TestCase):
    def test_health(self):
        self.assertEqual(answer("/healthz")[0], 200)
""",
}


def section() -> list[tuple[str, str]]:
    """The section's fenced blocks: language and text, in the order of the page."""
    text = README.read_text().partition("## Your own service in five minutes\n")[2].partition("\n## ")[0]
    return re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small service of one's own, in git."""
    folder = tmp_path_factory.mktemp("code") / "my-service"
    for name, text in SERVICE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "feat: a service")
    return folder


def test_the_readme_works_as_written(system: System, repository: Path) -> None:
    """Every command of the section, with the page's own platform file, ends well and does what it says."""
    system.up()
    outputs: dict[str, str] = {}
    for language, text in section():
        if language == "yaml":
            documents = list(yaml.safe_load_all(text))
            written = next(d["repository"] for d in documents if d["kind"] == "Service")
            (repository / "platform.yaml").write_text(text.replace(written, str(repository)))
            continue
        for line in text.splitlines():
            for words in _commands(line):
                outputs[" ".join(words)] = _run(system, repository, words)
    assert "1.0.0" in outputs["clearway status"]
    assert "verified" in outputs["clearway audit verify"]
    assert any(name.startswith("clearway promote") and "--wait" in name for name in outputs)


def _commands(line: str) -> list[list[str]]:
    """The commands of a line, without its comment; `&&` joins two."""
    words = shlex.split(line, comments=True)
    found: list[list[str]] = [[]]
    for word in words:
        if word == "&&":
            found.append([])
        else:
            found[-1].append(word)
    return [command for command in found if command]


def _run(system: System, repository: Path, words: list[str]) -> str:
    """Run one command of the page; what the fixture has done already is only recognised."""
    if words[:2] == ["make", "setup"] or words[0] in ("export", "cd") or words == ["clearway", "up", "&"]:
        return ""
    if words[0] == "git":
        return git(repository, *words[1:])
    assert words[0] == "clearway", f"README runs {words[0]}, which this test does not know"
    more = ["--yes"] if words[1] == "apply" else []
    return system.cli(*words[1:], *more, cwd=repository).stdout
