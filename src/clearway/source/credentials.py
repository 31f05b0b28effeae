"""What git is given to enter a private repository, and how: unseen by whoever lists processes.

Rules:
1. A secret is no argument, no variable, no part of an address and no file with a name: git and ssh read it
   from memory that only this process's user can open, for as long as the one call takes.
2. A credential belongs to the host that it was set for. Another host, or a plain connection that others can
   read, does not get it, wherever a document, a redirect or a submodule points to.
"""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from clearway.kernel import Invalid, Refused

Kind = Literal["password", "ssh-key", "webhook"]
KINDS: tuple[Kind, ...] = ("password", "ssh-key", "webhook")
MOST_BYTES = 64 * 1024
SHORTEST_WEBHOOK = 16  # a shorter one can be tried out by whoever saw one signed delivery

_SCP = re.compile(r"(?:[^@/\s]+@)?(?P<host>[A-Za-z0-9.-]+):(?!//)")
_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Credential:
    """That there is one; what it says stays sealed."""

    repository: str
    kind: Kind
    version: int
    host: str  # the only one that is given it; empty for a webhook's secret
    actor: str
    at: datetime


@dataclass(frozen=True)
class Access:
    """What one call of git may use."""

    username: str = ""
    password: str = field(default="", repr=False)
    ssh_key: str = field(default="", repr=False)
    host_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Handed:
    """What one call of git is told: where secrets lie, never what they say."""

    words: tuple[str, ...]
    environment: Mapping[str, str]


def host_of(location: str) -> str:
    """`scheme://host:port` that a location leads to; empty for a path. `ssh` for user@host:path."""
    if "://" in location:
        parts = urlsplit(location)
        if parts.scheme == "file" or not parts.hostname:
            return ""
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
    found = _SCP.match(location)
    return f"ssh://{found['host'].lower()}" if found else ""


def check_secret(kind: Kind, value: str, username: str, location: str) -> str:
    """The host that a new credential is for. Raises Invalid, saying nothing of the value."""
    if not value.strip() or len(value.encode()) > MOST_BYTES or "\0" in value:
        raise Invalid("the secret is empty or too long", expected=f"1 to {MOST_BYTES} bytes of text")
    if kind == "webhook":
        if len(value.encode()) < SHORTEST_WEBHOOK:
            raise Invalid("the webhook's secret is too short", expected=f"{SHORTEST_WEBHOOK} bytes or more")
        return ""
    host = host_of(location)
    if kind == "password":
        _check_password(value, username, host)
    elif not host.startswith("ssh://"):
        raise Invalid("an SSH key is for ssh locations only", expected="ssh://... or user@host:path")
    elif "PRIVATE KEY-----" not in value or "ENCRYPTED" in value.splitlines()[0]:
        raise Invalid("that is no private SSH key", expected="an unencrypted private key, whole")
    return host


def _check_password(value: str, username: str, host: str) -> None:
    if not host.startswith(("https://", "http://")):
        raise Invalid("a password is for https locations only", expected="an https location")
    if not _is_private(host):
        raise Invalid("the location is plain http: others could read the password", expected="https")
    if not username or not username.isprintable() or len(username) > 200:
        raise Invalid("a password without a user name", expected="a user name in one line")
    if "\n" in value or "\r" in value:
        raise Invalid("the password has several lines", expected="one line")


def _is_private(host: str) -> bool:
    return host.startswith("https://") or urlsplit(host).hostname in _LOCAL


@contextmanager
def handed(access: Access | None, address: str) -> Iterator[Handed]:
    """Lay the secrets where one call of git finds them, and take them away after it. Raises Refused."""
    if access is None:
        yield Handed((), {})
        return
    host = host_of(address)
    with ExitStack() as held:
        if access.password and host.startswith(("https://", "http://")):
            if not _is_private(host):
                raise Refused("the location is plain http: the password is not sent", todo="Use https.")
            told = f"username={access.username}\npassword={access.password}\n"
            place = held.enter_context(_unseen(told))
            helper = f'!f() {{ test "$1" = get && cat {shlex.quote(place)}; }}; f'
            yield Handed(("-c", "credential.helper=", "-c", f"credential.{host}.helper={helper}"), {})
        elif host.startswith("ssh://"):
            yield Handed((), {"GIT_SSH_COMMAND": _ssh(held, access, host)})
        else:
            yield Handed((), {})


def _ssh(held: ExitStack, access: Access, host: str) -> str:
    words = ["ssh", "-o", "BatchMode=yes"]
    if access.ssh_key:
        place = held.enter_context(_unseen(access.ssh_key.strip().replace("\r\n", "\n") + "\n"))
        words += ["-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-i", place]
    if access.host_keys:
        parts = urlsplit(host)
        name = f"[{parts.hostname}]:{parts.port}" if parts.port not in (None, 22) else f"{parts.hostname}"
        known = "".join(f"{name} {key}\n" for key in access.host_keys)
        place = held.enter_context(_unseen(known))
        words += ["-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=/dev/null"]
        words += ["-o", f"UserKnownHostsFile={place}"]
    return shlex.join(words)


@contextmanager
def _unseen(text: str) -> Iterator[str]:
    """A path that leads to the text while the block runs, for processes of the same user."""
    if not hasattr(os, "memfd_create"):  # no Linux: a file that only the owner may read, gone at the end
        with tempfile.NamedTemporaryFile() as file:
            file.write(text.encode())
            file.flush()
            yield file.name
        return
    descriptor = os.memfd_create("clearway", os.MFD_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o600)  # ssh refuses a key that others may read
        os.write(descriptor, text.encode())
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)
