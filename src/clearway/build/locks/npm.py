"""package-lock.json and npm-shrinkwrap.json, formats 2 and 3. Pure.

The file names each folder of `node_modules` with the package that goes there; nothing is left to decide.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .model import (
    MOST_BYTES,
    MOST_PACKAGES,
    LockError,
    NodeLock,
    NodePackage,
    asked_by,
    names_of,
    read_address,
    read_digests,
    read_inside,
    read_name,
    read_version,
    read_words,
    refuse_elsewhere,
)

_FOLDER = "node_modules/"


def read_npm(text: str | bytes, file: str = "package-lock.json") -> NodeLock:
    """The lock in a text. Raises LockError with file and entry."""
    if len(text) > MOST_BYTES:
        raise LockError(f"it is longer than {MOST_BYTES >> 20} MiB", where=file)
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LockError(f"it is no JSON: {str(error)[:200]}", where=file) from None
    version = said.get("lockfileVersion") if isinstance(said, Mapping) else None
    if version not in (2, 3) or isinstance(version, bool):
        raise LockError(
            f"lockfileVersion is {str(version)[:20]}",
            where=file,
            expected="2 or 3",
            todo="Make it again: npm install --package-lock-only --lockfile-version 3",
        )
    table = said.get("packages")
    if not isinstance(table, Mapping) or len(table) > MOST_PACKAGES:
        raise LockError("it has no table of packages, or one that is too long", where=file)
    packages: list[NodePackage] = []
    links: list[tuple[str, str]] = []
    for place, entry in table.items():
        where = f"{file}: {place[:200]}"
        if not isinstance(entry, Mapping):
            raise LockError("the entry is no table", where=where)
        if _FOLDER not in f"{place}/" or not place.rpartition(_FOLDER)[2]:
            continue  # the project itself, or one of its workspaces: files of the repository
        name = _place_name(place, where)
        if entry.get("link") is True:
            links.append((place, read_inside(str(entry.get("resolved", "")), where)))
        elif entry.get("inBundle") is not True:  # else it comes inside another one
            packages.append(_package(place, name, entry, where))
    _no_place_twice(packages, links, file)
    programs = [(f"{_parent(each.places[0])}/.bin", each.places[0]) for each in packages]
    programs += [(f"{_parent(link)}/.bin", link) for link, _ in links]
    root = table.get("")
    asked = asked_by(root) if isinstance(root, Mapping) else {}
    return NodeLock("npm", str(version), tuple(packages), tuple(links), tuple(programs), asked)


def _place_name(place: str, where: str) -> str:
    """The last name of a place, all of which must be names or folders of the project. Raises LockError."""
    above, *names = read_inside(place, where).split(_FOLDER)
    if place != read_inside(place, where) or (above and not above.endswith("/")):
        raise LockError("the place is no folder of node_modules", where=where)
    for name in names[:-1]:
        if not name.endswith("/"):
            raise LockError("the place is no folder of node_modules", where=where)
        read_name(name.rstrip("/"), where)
    return read_name(names[-1], where)


def _package(place: str, name: str, entry: Mapping[str, Any], where: str) -> NodePackage:
    name = read_name(entry.get("name", name), where)
    version = read_version(entry.get("version"), where)
    resolved = entry.get("resolved") or ""
    if not isinstance(resolved, str):
        raise LockError("`resolved` is no text", where=where)
    if resolved:
        refuse_elsewhere(resolved, where)
    return NodePackage(
        name,
        version,
        read_digests(entry.get("integrity"), where),
        (place,),
        read_address(resolved, name, version) if resolved else "",
        names_of(entry.get("dependencies"), entry.get("optionalDependencies")),
        dev=entry.get("dev") is True or entry.get("devOptional") is True,
        optional=entry.get("optional") is True or entry.get("devOptional") is True,
        os=read_words(entry.get("os")),
        cpu=read_words(entry.get("cpu")),
        libc=read_words(entry.get("libc")),
    )


def _parent(place: str) -> str:
    return place[: place.rindex(_FOLDER)] + _FOLDER.rstrip("/")


def _no_place_twice(packages: list[NodePackage], links: list[tuple[str, str]], file: str) -> None:
    """A package below a link would be put into the folder that the link leads to."""
    linked = {link for link, _ in links}
    for package in packages:
        parts = package.places[0].split("/")
        if any("/".join(parts[:count]) in linked for count in range(1, len(parts) + 1)):
            raise LockError("the place lies behind a link", where=f"{file}: {package.places[0][:200]}")
