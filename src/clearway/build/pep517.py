"""Calls a project's build backend. Runs inside the sandbox, alone, with nothing but the standard library.

`pep517.py PROJECT OUT KNOWN`: builds a wheel into OUT. KNOWN lists the requirements already provided, one a
line; when the backend asks for more, they are written to OUT/requires.txt and the exit code is 75.
"""

from __future__ import annotations

import importlib
import os
import sys
import tomllib

MORE = 75


def read_system(project: str) -> tuple[str, list[str]]:
    """The backend's name and the project's own folders in which it may live."""
    try:
        with open(os.path.join(project, "pyproject.toml"), "rb") as stream:
            system = tomllib.load(stream).get("build-system", {})
    except FileNotFoundError:
        system = {}
    name = system.get("build-backend", "setuptools.build_meta:__legacy__")
    return name, [os.path.join(project, each) for each in system.get("backend-path", [])]


def main() -> int:
    """See the module's text."""
    project, out, known_file = sys.argv[1:]
    os.umask(0o022)  # setuptools writes the modes of new files into the wheel
    os.chdir(project)
    name, own_folders = read_system(project)
    sys.path[:0] = own_folders
    module, _, attributes = name.partition(":")
    backend = importlib.import_module(module)
    for attribute in filter(None, attributes.split(".")):
        backend = getattr(backend, attribute)
    with open(known_file, encoding="utf-8") as stream:
        known = set(stream.read().splitlines())
    hook = getattr(backend, "get_requires_for_build_wheel", None)
    more = sorted(set(hook({}) if hook else ()) - known)
    if more:
        with open(os.path.join(out, "requires.txt"), "w", encoding="utf-8") as stream:
            stream.write("\n".join(more))
        return MORE
    print("built", backend.build_wheel(out, {}), flush=True)  # noqa: T201 - this is its log
    return 0


if __name__ == "__main__":
    sys.exit(main())
