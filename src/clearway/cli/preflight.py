"""What `clearway up` looks at before it starts anything: its folder, the disk, the address."""

from __future__ import annotations

import errno
import os
import pwd
import shutil
import socket
from pathlib import Path

from .exits import NOT_PERMITTED, REFUSED, UNREACHABLE, USAGE, CliError

LEAST_FREE = 32 << 20  # bytes; a new folder with its database takes one


def prepare(home: Path) -> None:
    """Make the folder, for its owner's eyes only. Raises CliError when it cannot be used."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        owner = home.stat().st_uid
        if owner == os.getuid():
            home.chmod(0o700)
            (home / "logs").mkdir(exist_ok=True, mode=0o700)
        free = shutil.disk_usage(home).free
    except OSError as error:
        raise CliError(
            f"the folder cannot be used: {error.strerror}",
            where=str(home),
            todo="Choose another with --home DIR.",
        ) from None
    if owner != os.getuid():  # as root it would work, and leave the owner with files that are root's
        raise CliError(
            f"the folder belongs to {_person(owner)}, and you are {_person(os.getuid())}",
            NOT_PERMITTED,
            where=str(home),
            todo="Run it as its owner, or choose another folder with --home DIR.",
        )
    if free < LEAST_FREE:
        raise CliError(
            f"the disk is full: {free >> 10} KiB are free",
            UNREACHABLE,
            where=str(home),
            expected=f"{LEAST_FREE >> 20} MiB or more",
            todo="Free some space, or choose another folder with --home DIR.",
        )


def _person(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def check_address(host: str, port: int) -> None:
    """Raises CliError unless we can listen there: a stranger who answers must not be taken for our server."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise CliError(
            f"port {port} is taken by another program"
            if taken
            else f"nothing can listen on {host} port {port}: {error.strerror or error}",
            REFUSED if taken else USAGE,
            where=f"{host}:{port}",
            expected="a free port" if taken else "an address of this machine",
            todo="Choose another with --port." if taken else "Choose another with --host.",
        ) from None
