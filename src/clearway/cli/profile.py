"""Which server, and as whom: options, then the environment, then the home folder's profile."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .exits import NOT_PERMITTED, CliError

FILE = "profile.json"


@dataclass(frozen=True)
class Profile:
    """An address and a token; the token may be missing."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Profile(url={self.url!r}, token=...)"


def home_folder(given: Path | None) -> Path:
    """`--home`, else $CLEARWAY_HOME, else ~/.clearway."""
    chosen = given or Path(os.environ.get("CLEARWAY_HOME") or Path.home() / ".clearway")
    return chosen.expanduser().absolute()


def find(url: str | None, token: str | None, home: Path | None) -> Profile:
    """The profile to use. Raises CliError when no address or no token is known."""
    folder = home_folder(home)
    kept = _read(folder)
    address = find_address(url, home)
    secret = token or os.environ.get("CLEARWAY_TOKEN") or kept.get("token") or _from_file(folder, kept)
    if not secret:
        raise CliError(
            "no token is known",
            NOT_PERMITTED,
            expected=f"CLEARWAY_TOKEN, a profile in {folder}, or --token (others here can see it)",
            todo="Sign in with `clearway login URL`.",
        )
    return Profile(address, secret)


def find_address(url: str | None, home: Path | None) -> str:
    """The server to use. Raises CliError when none is known."""
    folder = home_folder(home)
    address = url or os.environ.get("CLEARWAY_URL") or _read(folder).get("url")
    if not address:
        raise CliError(
            "no server is known",
            expected=f"--url, CLEARWAY_URL, or a profile in {folder}",
            todo="Start one with `clearway up`, or sign in to one with `clearway login URL`.",
        )
    return str(address).rstrip("/")


def save(folder: Path, content: dict[str, Any]) -> Path:
    """Write the profile, for its owner's eyes only, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / FILE
    draft = folder / f".{FILE}.{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        json.dump(content, out, indent=2)
    os.replace(draft, file)
    return file


def known(folder: Path) -> dict[str, Any]:
    """What the profile of a folder says; empty without one."""
    return _read(folder)


def _read(folder: Path) -> dict[str, Any]:
    file = folder / FILE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CliError(
            f"the profile cannot be read: {error}", where=str(file), todo="Sign in again: clearway login URL."
        ) from None
    return content if isinstance(content, dict) else {}


def _from_file(folder: Path, kept: dict[str, Any]) -> str:
    file = folder / str(kept.get("token_file") or "admin.token")
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
