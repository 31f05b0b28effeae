"""C compilers under their own names, who forget the folder that they work in.

A compiler writes paths into what it makes: `__FILE__`, debugging tables, the names of profiles. No variable
of the environment stops all makefiles from that, and CFLAGS would take away a project's own. So the
programs found first in a build's PATH are scripts of two lines, which add one option and become the
compiler. `__DATE__` and `__TIME__` are the commit's through SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from clearway.build.work import Work

_FOLDERS = ("/usr/local/bin", "/usr/bin")
_COMPILER = re.compile(r"(?:[\w.]+-[\w.]+-[\w.]+-)?(?:cc|c\+\+|c99|gcc|g\+\+|clang|clang\+\+)(?:-\d+)?\Z")
SOURCE, BUILT = "/usr/src/source", "/usr/src/build"  # what is written in the place of our folders


def hide_paths(work: Work) -> None:
    """Put the scripts for every compiler of this machine into the bench's `bin`."""
    for name, path in compilers(_FOLDERS).items():
        script = work.bench.source / "bin" / name
        script.write_text(_script(path, work.inside("source"), work.inside("out")))
        script.chmod(0o755)


def compilers(folders: tuple[str, ...]) -> dict[str, str]:
    """The compilers by name, each as the first folder has it."""
    found: dict[str, str] = {}
    for folder in folders:
        if os.path.isdir(folder):
            for name in os.listdir(folder):
                if _COMPILER.match(name) and os.access(path := os.path.join(folder, name), os.X_OK):
                    found.setdefault(name, path)
    return dict(sorted(found.items()))


def _script(path: str, source: str, built: str) -> str:
    options = [f"-ffile-prefix-map={source}={SOURCE}", f"-ffile-prefix-map={built}={BUILT}"]
    return f'#!/bin/sh\nTZ=UTC exec {shlex.join([path, *options])} "$@"\n'  # __TIMESTAMP__ is in local time


def tool_of(name: str) -> str | None:
    """Where a program of this machine is that a recipe needs; None without it."""
    return next((str(path) for folder in _FOLDERS if (path := Path(folder, name)).exists()), None)
