"""Runs inside the sandbox: unpacks Node packages into their folders, as the plan says.

Nothing here is imported by Clearway. Packages are archives of strangers, so they are opened where a build is
anyway: without a network, and with nothing else to be seen.

    python layout.py PLAN PROJECT PACKAGES REPORT

Rules:
1. A member goes below its package's folder or nowhere; links, devices and owners in archives are ignored.
2. Nothing of a package runs.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
from typing import IO, Any

MOST_BYTES = 2 << 30  # of one package, unpacked
MOST_FILES = 200_000


def main(plan_file: str, project: str, packages: str, report_file: str) -> None:
    """Everything."""
    with open(plan_file, encoding="utf-8") as stream:
        plan = json.load(stream)
    if os.path.lexists(os.path.join(project, "node_modules")):
        sys.exit("the commit contains node_modules; remove it, and keep the lock file")
    found = {}
    for entry in plan["packages"]:
        for place in entry["places"]:
            target = os.path.join(project, place)
            must_be_plain(project, place)
            unpack(os.path.join(packages, entry["file"]), target, entry["name"])
        found[entry["file"]] = about(target)
    for link, target in plan["links"]:
        make_link(project, link, target)
    for folder, place in plan["programs"]:
        link_programs(project, folder, place)
    with open(report_file, "w", encoding="utf-8") as stream:
        json.dump(found, stream)
    print(f"{len(plan['packages'])} packages unpacked")  # noqa: T201 - to the build's log


def must_be_plain(project: str, place: str) -> None:
    """A folder of the commit may be a link; nobody is led astray by it."""
    here = project
    for part in place.split("/"):
        here = os.path.join(here, part)
        if os.path.islink(here):
            sys.exit(f"{place} lies behind a link")


def unpack(archive: str, target: str, name: str) -> None:
    """One archive into its folder."""
    os.makedirs(target, exist_ok=True)
    size = count = 0
    try:
        with tarfile.open(archive, "r:*") as members:
            for member in members:
                parts = [part for part in member.name.split("/") if part not in ("", ".")][1:]
                if not member.isreg() or not parts:
                    continue
                if ".." in parts or "\0" in member.name:
                    sys.exit(f"{name}: the archive has a member that leaves its folder: {member.name!r}")
                size, count = size + member.size, count + 1
                if size > MOST_BYTES or count > MOST_FILES:
                    sys.exit(f"{name}: the archive unpacks to more than anybody needs")
                stream = members.extractfile(member)
                if stream is not None:
                    write(stream, os.path.join(target, *parts), member.mode)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        sys.exit(f"{name}: the archive cannot be unpacked: {error}")


def write(stream: IO[bytes], path: str, mode: int) -> None:
    """One member."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)  # the later member counts, as with tar
    with open(path, "xb") as out:
        while data := stream.read(1 << 20):
            out.write(data)
    os.chmod(path, 0o755 if mode & 0o111 else 0o644)


def about(folder: str) -> dict[str, Any]:
    """What the package says of itself: licence, and scripts that it would run."""
    said = manifest(folder)
    given = said.get("scripts")
    scripts = given if isinstance(given, dict) else {}
    wanted = ("preinstall", "install", "postinstall")
    return {
        "license": said.get("license") or said.get("licenses") or "",
        "scripts": {name: str(scripts[name])[:2000] for name in wanted if name in scripts},
    }


def manifest(folder: str) -> dict[str, Any]:
    """The package.json of a folder; empty when it cannot be read."""
    try:
        with open(os.path.join(folder, "package.json"), encoding="utf-8-sig") as stream:
            said = json.load(stream)
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def make_link(project: str, link: str, target: str) -> None:
    """A folder under another name."""
    must_be_plain(project, os.path.dirname(link))
    path, wanted = os.path.join(project, link), os.path.join(project, target)
    if not os.path.isdir(wanted):
        return  # a package that does not fit this machine
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(os.path.relpath(wanted, os.path.dirname(path)), path)


def link_programs(project: str, folder: str, place: str) -> None:
    """The programs of a package, where scripts find them."""
    package = os.path.join(project, place)
    real = os.path.realpath(package)
    if os.path.commonpath([real, os.path.realpath(project)]) != os.path.realpath(project):
        return
    said = manifest(real)
    programs = said.get("bin")
    if isinstance(programs, str):
        programs = {str(said.get("name", "")).rpartition("/")[2]: programs}
    for name, file in (programs if isinstance(programs, dict) else {}).items():
        name = os.path.basename(str(name))
        path = os.path.realpath(os.path.join(real, str(file)))
        if not name or name in (".", "..") or not path.startswith(real + "/") or not os.path.isfile(path):
            continue
        os.chmod(path, 0o755)  # noqa: S103 - a program
        at = os.path.join(project, folder)
        must_be_plain(project, folder)
        os.makedirs(at, exist_ok=True)
        if not os.path.lexists(os.path.join(at, name)):
            os.symlink(os.path.relpath(os.path.join(package, str(file)), at), os.path.join(at, name))


if __name__ == "__main__":
    main(*sys.argv[1:])
