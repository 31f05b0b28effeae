"""Git repositories for tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


class Made:
    """A repository with a working tree, deaf to this machine's settings; every commit a minute later."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._minute = 0
        root.mkdir(parents=True)
        self.git("init", "--quiet", "--template=", "--initial-branch=main")

    def git(self, *words: str, stdin: bytes = b"") -> str:
        """Run git here. Raises CalledProcessError."""
        when = f"2026-03-01T10:{self._minute % 60:02d}:00+00:00"
        who = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "dev"), ("EMAIL", "dev@example.com"), ("DATE", when))
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        deaf = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(
            ["git", *words],
            cwd=self.root,
            env=kept | who | deaf,
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def commit(self, files: Mapping[str, str], message: str = "feat: more", author: str = "") -> str:
        """Write files, commit them, return the commit's id. The committer is always dev."""
        self._minute += 1
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        named = [f"--author={author}"] if author else []
        self.git("commit", "--quiet", "--allow-empty", *named, "-m", message)
        return self.git("rev-parse", "HEAD")

    def commit_tree(self, tree: bytes, message: str = "hostile") -> str:
        """Commit a raw listing for `git mktree` to main, whatever it holds."""
        tree_id = self.git("mktree", "--missing", stdin=tree)
        sha = self.git("commit-tree", tree_id, "-m", message)
        self.git("update-ref", "refs/heads/hostile", sha)
        return sha

    def blob(self, text: str) -> str:
        """Keep a text as an object; returns its id."""
        return self.git("hash-object", "-w", "--stdin", stdin=text.encode())
