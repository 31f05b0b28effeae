"""Node and npm of this machine, and what test runners of Node say."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from clearway.build.model import count_tests
from clearway.build.products import digest_file

from .compilers import tool_of

_TAP = re.compile(r"^(?:#|ℹ) (pass|fail|cancelled|skipped|todo|tests) (\d+)$", re.MULTILINE)
_MOCHA = re.compile(r"^\s+(\d+) (passing|failing|pending)\b", re.MULTILINE)
_JEST = re.compile(r"^\s*Tests:?\s+(.*?)(?:total|\(\d+\))", re.MULTILINE)
_JEST_PART = re.compile(r"(\d+) (passed|failed|skipped|todo)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def count_tap(log: str, code: int) -> dict[str, Any]:
    """What node --test, mocha, jest and vitest sum up; counts are None when nobody summed up."""
    log = _COLOUR.sub("", log)
    if found := dict(_TAP.findall(log)):
        counts = {name: int(number) for name, number in found.items()}
        bad = counts.get("fail", 0) + counts.get("cancelled", 0)
        return _counts(code, counts.get("pass", 0), bad, counts.get("skipped", 0) + counts.get("todo", 0))
    if summed := _JEST.findall(log):
        words = {name: int(number) for number, name in _JEST_PART.findall(summed[-1])}
        left_out = words.get("skipped", 0) + words.get("todo", 0)
        return _counts(code, words.get("passed", 0), words.get("failed", 0), left_out)
    if lines := _MOCHA.findall(log):
        words = {name: int(number) for number, name in lines}
        return _counts(code, words.get("passing", 0), words.get("failing", 0), words.get("pending", 0))
    return count_tests(log, code)


def _counts(code: int, passed: int, failed: int, skipped: int) -> dict[str, Any]:
    total = passed + failed + skipped
    return {"ok": code == 0, "passed": passed, "failed": failed, "skipped": skipped, "total": total}


def materials() -> list[dict[str, Any]]:
    """Node by its digest, npm by its version: a job finds both on the machine."""
    found = []
    if node := tool_of("node"):
        path = Path(node).resolve()
        digest = _digest(str(path), path.stat().st_mtime_ns)
        found.append({"name": "node", "uri": "pkg:generic/node", "digest": {"sha256": digest}})
    if npm := tool_of("npm"):
        version = _version(Path(npm).resolve().parent.parent / "package.json")
        found.append({"name": "npm", "uri": f"pkg:npm/npm@{version}" if version else "pkg:npm/npm"})
    return found


@lru_cache(2)
def _digest(path: str, mark: int) -> str:
    del mark
    return digest_file(Path(path)).removeprefix("sha256:")


def _version(file: Path) -> str:
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError):
        return ""
