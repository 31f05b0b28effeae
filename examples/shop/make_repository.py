"""Make a git repository of the shop: `make_repository.py DEST`. The same commits on every machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class First:
    """One of the commits that lead to 1.0.0: files of this folder."""

    author: str
    date: str
    message: str
    files: tuple[str, ...]


FIRST = (
    First(
        "dev",
        "2026-02-02T09:14:00+00:00",
        "chore: begin the shop",
        ("pyproject.toml", "src/shop/__init__.py"),
    ),
    First(
        "backend",
        "2026-02-02T13:40:00+00:00",
        "feat(catalogue): sell tea, coffee and cake",
        ("src/shop/catalogue.py", "src/shop/settings.py"),
    ),
    First(
        "dev",
        "2026-02-03T10:05:00+00:00",
        "feat: serve the shop over HTTP\n\nHealth and metrics don't count as customers.",
        ("src/shop/pages.py", "src/shop/metrics.py", "src/shop/server.py", "src/shop/__main__.py"),
    ),
    First(
        "dev",
        "2026-02-03T15:30:00+00:00",
        "test: ask the shop as a customer asks it",
        ("tests/test_shop.py",),
    ),
    First("dev", "2026-02-04T08:50:00+00:00", "build: describe the service to Clearway", ("clearway.yaml",)),
)


class Repository:
    """Runs git in the new repository, deaf to the settings of this machine and its user."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *words: str, author: str = "dev", date: str = "") -> str:
        """Run git; the author is the committer too. Raises CalledProcessError."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        who = {}
        for role in ("AUTHOR", "COMMITTER"):
            who |= {f"GIT_{role}_NAME": author, f"GIT_{role}_EMAIL": f"{author}@example.com"}
            if date:
                who[f"GIT_{role}_DATE"] = date
        deaf = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "TZ": "UTC", "LC_ALL": "C"}
        command = [
            "git",
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "gc.auto=0",
            "-c",
            "core.autocrlf=false",
            *words,
        ]
        done = subprocess.run(
            command, cwd=self.root, env=kept | who | deaf, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def tag(self, version: str) -> None:
        """Tag the newest commit at its own date."""
        author, date = self.git("log", "-1", "--format=%an%n%cI").splitlines()
        self.git(
            "tag", "--annotate", "--no-sign", f"v{version}", "-m", f"shop {version}", author=author, date=date
        )


def make(root: Path) -> None:
    """Commit by commit: this folder up to 1.0.0, then the patches of `history/`."""
    root.mkdir(parents=True)
    repository = Repository(root)
    repository.git("init", "--quiet", "--template=", "--initial-branch=main")
    for commit in FIRST:
        for name in commit.files:
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(HERE / name, target)
            target.chmod(0o644)
        repository.git("add", "--", *commit.files)
        repository.git(
            "commit", "--quiet", "--no-gpg-sign", "-m", commit.message, author=commit.author, date=commit.date
        )
    repository.tag("1.0.0")
    for patch in sorted((HERE / "history").glob("*.patch")):
        sender = next(line for line in patch.read_text().splitlines() if line.startswith("From: "))
        author = sender.removeprefix("From: ").split(" <")[0]
        repository.git(
            "am", "--quiet", "--committer-date-is-author-date", "--no-gpg-sign", str(patch), author=author
        )
        subject = repository.git("log", "-1", "--format=%s")
        if subject.startswith("chore(release): "):
            repository.tag(subject.removeprefix("chore(release): "))


def main() -> None:
    """Read the destination from the command line."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: make_repository.py DEST")
    destination = Path(sys.argv[1])
    if destination.exists():
        sys.exit(f"make_repository.py: {destination} is already there")
    try:
        make(destination)
    except subprocess.CalledProcessError as error:
        sys.exit(f"make_repository.py: {' '.join(map(str, error.cmd))} failed: {error.stderr.strip()}")
    except FileNotFoundError as error:
        sys.exit(f"make_repository.py: {error.filename} is missing; git must be installed")


if __name__ == "__main__":
    main()
