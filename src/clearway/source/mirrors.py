"""Bare mirrors of the repositories, one folder each."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from clearway.kernel import Conflict, Invalid, NotFound, Permanent

from .credentials import Access
from .git import Git
from .model import check_location
from .repo import Repo
from .tagging import QUIET_RECEIVER, Tag, TagKey

TRIALS = "refs/clearway/trials/"  # work trees that somebody sent, each named by when and which commit


class Mirrors:
    """A folder of mirrors; bound as a tool by wiring. `home` is where relative repository paths start;
    `credential_helper` is the program that git asks for a user and a password, `tag_key` signs tags."""

    def __init__(
        self,
        root: Path,
        home: Path | None = None,
        credential_helper: str = "",
        tag_key: TagKey | None = None,
    ) -> None:
        self.root = root
        self.tag_key = tag_key
        self.credential_helper = credential_helper
        self.home = home or root
        self._fetched: dict[str, tuple[str, datetime]] = {}  # by this process: from where, and when it began
        root.mkdir(parents=True, exist_ok=True)

    def note(self, repository: str, location: str, began: datetime) -> None:
        """A fetch ended well and was recorded."""
        self._fetched[repository] = (location, began)

    def has_since(self, repository: str, location: str, since: datetime) -> bool:
        """Whether this process fetched it from there, beginning after that moment."""
        place, began = self._fetched.get(repository, ("", since))
        return place == location and began > since and (self._place(repository) / "HEAD").exists()

    def open(self, repository: str) -> Repo:
        """The mirror as it was last fetched. Raises NotFound when it never was."""
        place = self._place(repository)
        if not (place / "HEAD").exists():
            raise NotFound(
                f"the repository {repository} was not fetched yet",
                todo="Build it once, or check its address.",
            )
        return Repo(place)

    def sync(self, repository: str, location: str, access: Access | None = None) -> Repo:
        """Bring the mirror to what the location has now: every branch and tag, dropped ones too.

        Commits that no branch reaches any more stay: what was built from them can still be looked at.
        Raises Invalid for a location git must not be given, Retry when it is away, Permanent when it refuses.
        """
        place = self._place(repository)
        address = check_location(self._absolute(location))
        with self._alone(place):
            self._fetch(place, address, access)
        return Repo(place)

    def tag(self, repository: str, location: str, tag: Tag, access: Access | None = None) -> bool:
        """Make an annotated tag in the location, and fetch it; whether it was still to be made.

        Raises Conflict when the name belongs to another commit, Retry when the location is away, Permanent
        when it refuses or the tag cannot be signed.
        """
        place = self._place(repository)
        address = check_location(self._absolute(location))
        with self._alone(place):
            self._fetch(place, address, access)
            if _is_made(Repo(place), tag):
                return False
            payload = tag.payload()
            if self.tag_key is not None:
                payload += self.tag_key.sign(payload)
            made = Repo(place).write_tag(payload)
            local = address.startswith(("/", "file://"))
            try:
                self._git().run(
                    f"--git-dir={place}",
                    "push",
                    "--quiet",
                    "--no-verify",
                    *([f"--receive-pack={QUIET_RECEIVER}"] if local else []),
                    "--end-of-options",
                    address,
                    f"{made}:refs/tags/{tag.name}",
                    access=access,
                    address=address,
                )
            except Permanent:
                self._fetch(place, address, access)  # somebody else may have been faster
                if not _is_made(Repo(place), tag):
                    raise
                return False
            self._fetch(place, address, access)
            if not _is_made(Repo(place), tag):
                raise Permanent(f"the tag {tag.name} was pushed, and the repository does not have it")
        return True

    def take(self, repository: str, bundle: Path, sent: str, at: int) -> str:
        """Bring a bundle's commit into a mirror; its reference. Raises NotFound, Permanent for a bad one."""
        place = self._place(repository)
        self.open(repository)
        with self._alone(place):
            fresh = f"{TRIALS}{at}-new"
            self._git().run(
                f"--git-dir={place}",
                "-c",
                "fetch.fsckObjects=true",
                "fetch",
                "--force",
                "--no-tags",
                "--no-write-fetch-head",
                "--no-auto-gc",
                "--no-recurse-submodules",
                "--end-of-options",
                str(bundle),
                f"+{sent}:{fresh}",
            )
            commit = Repo(place).reference(fresh)
            self._git().run(f"--git-dir={place}", "update-ref", "-d", fresh)
            if commit is None:
                raise Permanent("it holds no commit")
            name = f"{TRIALS}{at}-{commit[:12]}"
            self._git().run(f"--git-dir={place}", "update-ref", name, commit)
        return name

    def forget(self, repository: str, oldest: int) -> int:
        """Drop the trials from before a time (seconds since 1970); returns how many."""
        place = self._place(repository)
        if not (place / "HEAD").exists():
            return 0
        old = [
            name
            for name in Repo(place).references()
            if name.startswith(TRIALS) and int(name.removeprefix(TRIALS).partition("-")[0]) < oldest
        ]
        with self._alone(place):
            for name in old:
                self._git().run(f"--git-dir={place}", "update-ref", "-d", name)
        return len(old)

    def _git(self) -> Git:
        return Git(self.root / ".git-settings", self.credential_helper)

    def _fetch(self, place: Path, address: str, access: Access | None) -> None:
        git = self._git()
        if not (place / "HEAD").exists():
            self._create(git, place)
        git.run(
            f"--git-dir={place}",
            "fetch",
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
            access=access,
            address=address,
        )

    def _absolute(self, location: str) -> str:
        if location.startswith("-"):
            raise Invalid(f"{location[:80]!r} is not a place that Clearway fetches from")
        looks_remote = "://" in location or "::" in location or "@" in location.split("/")[0]
        return location if looks_remote else os.path.normpath(self.home / location)

    def _place(self, repository: str) -> Path:
        if not repository or not all(letter.isalnum() or letter in "-_" for letter in repository):
            raise Invalid(f"{repository[:80]!r} is not a repository's name")
        return self.root / f"{repository}.git"

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


def _is_made(repo: Repo, tag: Tag) -> bool:
    """Whether the tag is there for its commit. Raises Conflict when it names another one."""
    taken = repo.reference(f"refs/tags/{tag.name}")
    if taken is not None and taken != tag.commit:
        raise Conflict(
            f"the tag {tag.name} names commit {taken[:12]} already, not {tag.commit[:12]}",
            todo="Tags are never moved: release another version.",
        )
    return taken is not None
