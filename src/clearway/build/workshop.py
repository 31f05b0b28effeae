"""The folder in which builds happen: one folder each, gone afterwards except for the log."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from .kept_log import GROWING, PACKED, pack
from .log import LOG_BYTES, Log
from .ports import Limits


@dataclass(frozen=True)
class Workshop:
    """Bound as a tool by wiring."""

    root: Path
    limits: Limits = field(default_factory=Limits)
    log_bytes: int = LOG_BYTES
    reserve_bytes: int = 256 << 20  # left free on the disk: a build stops before it takes everybody's

    def crowded(self) -> bool:
        """Whether the disk has less room than the reserve."""
        return shutil.disk_usage(self.root).free < self.reserve_bytes

    def log_path(self, build_id: str) -> Path:
        """The log's file while the build runs; see kept_log for how to read one."""
        return self.root / build_id / GROWING

    def log(self, build_id: str) -> Log:
        """The log, opened to go on."""
        return Log(self.log_path(build_id), self.log_bytes)

    def place(self, build_id: str, name: str) -> Path:
        """A folder or file of this build."""
        return self.root / build_id / name

    def fresh(self, build_id: str, name: str) -> Path:
        """A new, empty folder of this build; what was there is gone."""
        path = self.place(build_id, name)
        remove(path)
        path.mkdir(parents=True, mode=0o755)
        return path

    def drop(self, build_id: str) -> None:
        """Nothing of it stays: it never became a build."""
        remove(self.root / build_id)

    def clean(self, build_id: str) -> None:
        """Keep the log, compressed when it is long; drop the rest."""
        folder = self.root / build_id
        if folder.is_dir():
            for each in folder.iterdir():
                if each.name not in (GROWING, PACKED):
                    remove(each)
            with contextlib.suppress(OSError):  # a full disk: it is packed later
                pack(folder)


def remove(path: Path) -> None:
    """Remove a file or a tree, also one that a build made unwritable. Follows no link."""
    if path.is_symlink() or path.is_file():
        path.unlink()
        return
    if not path.exists():
        return
    try:
        shutil.rmtree(path)
        return
    except (RecursionError, OSError):
        pass  # what follows costs a second walk, and few builds shut their folders
    try:
        for folder, names, _ in os.walk(path):
            for name in [".", *names]:
                inner = os.path.join(folder, name)
                if not os.path.islink(inner):
                    os.chmod(inner, stat.S_IRWXU)
        shutil.rmtree(path)
    except (RecursionError, OSError):
        # Deeper than Python or a path can go, as a job may leave it: these two walk by descriptors.
        for words in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            subprocess.run([*words, "--", str(path)], check=False, capture_output=True)
        if path.exists():
            raise
