"""The git program: transport only, deaf to the machine's settings and to what a repository asks for.

Rules:
1. No hook, no file-system monitor, no credential prompt, no submodule; protocols by name, never `ext`.
2. Only our own settings file is read: not the system's, not the user's, and not the remote repository's.
   Of the machine it knows one credential helper, when the operator names it.
3. Every call has a deadline.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from clearway.kernel import Invalid, Permanent, Retry

from .credentials import Access, handed
from .model import public_location

FETCH_S = 300.0
_SETTINGS = """\
[safe]
\tdirectory = *
[core]
\thooksPath = /dev/null
\tfsmonitor = false
\tprotectNTFS = true
[fetch]
\trecurseSubmodules = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[credential]
\thelper =
{helper}\
[protocol]
\tallow = never
[protocol "https"]
\tallow = always
[protocol "http"]
\tallow = always
[protocol "ssh"]
\tallow = always
[protocol "git"]
\tallow = always
[protocol "file"]
\tallow = always
"""
_AWAY = ("could not resolve", "timed out", "connection refused", "unable to access", "early eof", "hung up")


def _helper_line(helper: str) -> str:
    if not helper:
        return ""
    if not helper.isprintable():
        raise Invalid("git_credential_helper is no single line", expected="a helper's name or path")
    quoted = helper.replace("\\", "\\\\").replace('"', '\\"')
    return f'\thelper = "{quoted}"\n'


class Git:
    """Runs git with the settings of this room's folder, and perhaps one credential helper.

    The helper is what git's own `credential.helper` takes: a name (`store`, `libsecret`), or a path.
    """

    def __init__(self, folder: Path, helper: str = "") -> None:
        settings = _SETTINGS.format(helper=_helper_line(helper))
        self._settings = folder / "gitconfig"
        self._home = folder / "home"
        self._home.mkdir(parents=True, exist_ok=True)
        if not self._settings.exists() or self._settings.read_text() != settings:
            fresh = self._settings.with_suffix(f".{os.getpid()}")
            fresh.write_text(settings)
            fresh.replace(self._settings)

    def environment(self) -> Mapping[str, str]:
        """What git sees of ours; SSH agents and proxies of the machine stay usable."""
        passed = ("PATH", "SSH_AUTH_SOCK", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "no_proxy")
        kept = {name: os.environ[name] for name in (*passed, "SSL_CERT_FILE") if name in os.environ}
        return kept | {
            "GIT_CONFIG_GLOBAL": str(self._settings),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "/bin/false",
            "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
            "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file",
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "HOME": str(self._home),
            "LC_ALL": "C",
            "TZ": "UTC",
        }

    def run(
        self, *words: str, deadline_s: float = FETCH_S, access: Access | None = None, address: str = ""
    ) -> str:
        """Run git; towards `address` it may use `access`.

        Raises Retry when the other side is away, Permanent when it says no.
        """
        program = shutil.which("git")
        if program is None:
            raise Permanent("git is not installed", todo="Install git; Clearway fetches with it.")
        with handed(access, address) as given:
            environment = {**self.environment(), **given.environment}
            code, out, err = _run([program, *given.words, *words], environment, deadline_s)
        if b"shallow roots are not allowed" in err:  # git leaves such branches out, and calls it well
            raise Permanent(
                "the repository is a shallow clone: its history ends where it was cut off",
                todo="Name the repository that it was cloned from, or complete it: git fetch --unshallow.",
            )
        if code == 0:
            return out.decode(errors="replace")
        said = public_location(err.decode(errors="replace").strip())[-600:]
        if access is not None and access.password:
            said = said.replace(access.password, "***")
        if "no space left" in said.lower():
            raise Retry("the disk that holds the mirrors is full", todo="Free some space.")
        if any(word in said.lower() for word in _AWAY):
            raise Retry(f"the repository cannot be reached: {said}")
        raise Permanent(
            f"git refused: {_cause(said)}",
            todo="Check the repository's location, its credential, and who may read it.",
        )


def _run(words: list[str], environment: Mapping[str, str], deadline_s: float) -> tuple[int, bytes, bytes]:
    """Exit code, output, complaints. At the deadline git goes with all that it started. Raises Retry."""
    with subprocess.Popen(
        words,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # a group of its own, and no terminal that ssh could ask
    ) as process:
        try:
            out, err = process.communicate(timeout=deadline_s)
        except subprocess.TimeoutExpired:
            raise Retry(f"git gave no answer for {deadline_s:.0f} s") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, out, err


def _cause(said: str) -> str:
    """What git complains of, in one line: its first fatal or error line, without the advice that follows."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "ERROR:"))]
    return (told or lines or ["it gave no reason"])[0].rstrip(".")
