"""`clearway lint` on a real repository: no server, exit codes that scripts can trust."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


def test_lint_tells_where_why_and_how(run: Callable[..., Any], tmp_path: Path) -> None:
    """The exit code is 1 for an error, and 0 once it is mended or allowed with a reason."""
    git(tmp_path, "init", "-q")
    (tmp_path / "Containerfile").write_text("FROM debian\n")
    (tmp_path / "evil.sh").symlink_to("/etc/passwd")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "-qm", "feat: first")
    git(tmp_path, "tag", "v1.0.0")
    found = run("lint", str(tmp_path))
    assert found.code == 1
    assert "Containerfile:1: error: debian is whatever was pushed last [image-floating]" in found.out
    assert "fix: Name its digest" in found.out
    assert "v1.0.0 is a lightweight tag" in found.out
    assert "1 error, 1 warning, 1 note" in found.out
    said = run("lint", str(tmp_path), "--json")
    assert (said.code, said.json["errors"]) == (1, 1)
    assert {each["rule"] for each in said.json["findings"]} == {
        "image-floating",
        "unsigned-commit",
        "unsigned-tag",
    }
    (tmp_path / "Containerfile").write_text("# clearway-lint: allow image-floating: tried out\nFROM debian\n")
    assert run("lint", str(tmp_path)).code == 0
    assert "allowed (tried out)" in run("lint", str(tmp_path), "--all").out
    sarif = json.loads(run("lint", str(tmp_path), "--format", "sarif").out)
    assert sarif["version"] == "2.1.0"
    assert run("lint", str(tmp_path), "--format", "xml").code == 2
    assert run("lint", str(tmp_path / "nowhere")).code == 2
