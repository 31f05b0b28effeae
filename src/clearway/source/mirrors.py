"""Bare mirrors of the services' repositories, one folder each."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clearway.kernel import Invalid, NotFound

from .git import Git
from .model import check_location
from .repo import Repo


class Mirrors:
    """A folder of mirrors; bound as a tool by wiring. `home` is where relative repository paths start;
    `credential_helper` is the program that git asks for a user and a password."""

    def __init__(self, root: Path, home: Path | None = None, credential_helper: str = "") -> None:
        self.root = root
        self.credential_helper = credential_helper
        self.home = home or root
        root.mkdir(parents=True, exist_ok=True)

    def open(self, service: str) -> Repo:
        """The mirror as it was last fetched. Raises NotFound when it never was."""
        place = self._place(service)
        if not (place / "HEAD").exists():
            raise NotFound(
                f"the repository of {service} was not fetched yet",
                todo="Build it once, or check its address.",
            )
        return Repo(place)

    def sync(self, service: str, location: str) -> Repo:
        """Bring the mirror to what the location has now: every branch and tag, dropped ones too.

        Raises Invalid for a location git must not be given, Retry when it is away, Permanent when it refuses.
        """
        place = self._place(service)
        address = check_location(self._absolute(location))
        git = Git(self.root / ".git-settings", self.credential_helper)
        with self._alone(place):
            if not (place / "HEAD").exists():
                self._create(git, place)
            git.run(
                f"--git-dir={place}",
                "fetch",
                "--quiet",
                "--prune",
                "--force",
                "--no-tags",
                "--no-write-fetch-head",
                "--no-auto-gc",
                "--no-recurse-submodules",
                "--end-of-options",
                address,
                "+refs/heads/*:refs/heads/*",
                "+refs/tags/*:refs/tags/*",
            )
        return Repo(place)

    def _absolute(self, location: str) -> str:
        if location.startswith("-"):
            raise Invalid(f"{location[:80]!r} is not a place that Clearway fetches from")
        looks_remote = "://" in location or "::" in location or "@" in location.split("/")[0]
        return location if looks_remote else os.path.normpath(self.home / location)

    def _place(self, service: str) -> Path:
        if not service or not all(letter.isalnum() or letter in "-_" for letter in service):
            raise Invalid(f"{service[:80]!r} is not a service's name")
        return self.root / f"{service}.git"

    def _create(self, git: Git, place: Path) -> None:
        fresh = place.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        git.run("init", "--quiet", "--bare", "--template=", "--end-of-options", str(fresh))
        shutil.rmtree(place, ignore_errors=True)
        fresh.replace(place)

    @contextmanager
    def _alone(self, place: Path) -> Iterator[None]:
        with place.with_suffix(".lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
