"""Hands secrets to one job: in memory where there are namespaces, else in files of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

SECRETS = "/run/secrets"


@contextmanager
def in_memory(secrets: Mapping[str, bytes]) -> Iterator[dict[str, int]]:
    """A descriptor a secret, of nameless memory: nothing on a disk, nothing in a list of processes."""
    with ExitStack() as stack:
        held: dict[str, int] = {}
        for name, value in secrets.items():
            descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
            stack.callback(os.close, descriptor)
            os.write(descriptor, value)
            os.lseek(descriptor, 0, os.SEEK_SET)
            held[name] = descriptor
        yield held


@contextmanager
def in_files(secrets: Mapping[str, bytes]) -> Iterator[dict[str, str]]:
    """The variable that names a folder with a file a secret, for our own user only; gone afterwards.

    In memory where the machine has a file system for that: a crash then leaves nothing on the disk.
    """
    if not secrets:
        yield {}
        return
    memory = "/dev/shm"  # noqa: S108 - a folder of our own below it
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        for name, value in secrets.items():
            Path(folder, name).touch(mode=0o600)
            Path(folder, name).write_bytes(value)
        yield {"SECRETS": folder}
