"""Rules about dependencies: what is named, how surely, and from where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from .model import Place, Tree, line_of, read_json, read_toml, table, texts

_NODE_LOCKS = ("package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock")
_PYTHON_LOCKS = ("pylock.toml", "uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock")
_NODE_KINDS = ("dependencies", "devDependencies", "optionalDependencies")
REQUIREMENTS = re.compile(r"(requirements[^/]*|(^|/)(requirements|locks?)/[^/]+)\.txt$")
_FULL_COMMIT = re.compile(r"[@#][0-9a-f]{40}\b")
_GIT = re.compile(r"git\+|^git:|^github:|^gitlab:|^bitbucket:|\.git(#|@|$)|^[\w.-]+/[\w.-]+(#.*)?$")
_WEAK = re.compile(r'"integrity"\s*:\s*"sha1-[^" ]*"')


def _requirement_files(tree: Tree) -> Iterator[tuple[str, str]]:
    for path, text in tree.files.items():
        if REQUIREMENTS.search(path):
            yield path, text


def no_lock(tree: Tree) -> Iterator[Place]:
    """Node and Python packages that need something, with no file that says which."""
    for path, text in tree.named("package.json"):
        said = read_json(text)
        kind = next((kind for kind in _NODE_KINDS if table(said.get(kind))), None)
        if kind and "node_modules/" not in path and not tree.above(path, *_NODE_LOCKS):
            yield path, line_of(text, f'"{kind}"'), "packages are wanted, and no lock file says which"
    for path, text in tree.named("pyproject.toml"):
        wanted = texts(table(read_toml(text).get("project")).get("dependencies"))
        hashed = any("--hash=" in each for _, each in _requirement_files(tree))
        if wanted and not hashed and not tree.above(path, *_PYTHON_LOCKS):
            yield path, line_of(text, "dependencies"), "packages are wanted, and no lock file says which"


def lock_without_digests(tree: Tree) -> Iterator[Place]:
    """A lock that names versions only, or digests that can be forged."""
    for path, text in tree.named("package-lock.json", "npm-shrinkwrap.json"):
        said = read_json(text)
        if said.get("lockfileVersion") == 1:
            yield path, line_of(text, '"lockfileVersion"'), "format 1 does not name each package's digest"
        for place, entry in table(said.get("packages")).items():
            entry = table(entry)
            inside = "node_modules/" in place and not entry.get("link") and not entry.get("inBundle")
            if inside and not entry.get("integrity"):
                yield path, line_of(text, f'"{place}"'), f"{place} has no integrity"
        for match in _WEAK.finditer(text):
            yield path, text.count("\n", 0, match.start()) + 1, "SHA-1 alone, which can be forged"
    for path, text in tree.named("pylock.toml", "uv.lock"):
        for package in read_toml(text).get("packages", read_toml(text).get("package", [])) or ():
            name = str(table(package).get("name", ""))
            if not _has_digests(table(package)):
                yield path, line_of(text, f'name = "{name}"'), f"{name} has no digest"
    for path, text in _requirement_files(tree):
        if all("==" in line for line in _required(text)) and "--hash=" not in text and _required(text):
            yield path, line_of(text, _required(text)[0]), "versions are pinned, their bytes are not"


def _has_digests(package: dict[str, Any]) -> bool:
    source = table(package.get("source"))
    if {"virtual", "editable", "directory", "workspace"} & (source.keys() | package.keys()):
        return True  # of the repository itself
    files = [*_tables(package.get("wheels")), table(package.get("sdist")), table(package.get("archive"))]
    found = [each for each in files if each]
    return bool(found) and all(each.get("hash") or each.get("hashes") for each in found)


def _tables(said: Any) -> list[dict[str, Any]]:
    return [table(each) for each in said] if isinstance(said, list) else []


def _required(text: str) -> list[str]:
    """The lines of a requirements file that name packages."""
    lines = (line.partition(" #")[0].strip() for line in text.split("\n"))
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def unpinned_build(tree: Tree) -> Iterator[Place]:
    """The requires of [build-system], when they are not one version."""
    for path, text in tree.named("pyproject.toml"):
        system = table(read_toml(text).get("build-system"))
        for wanted in texts(system.get("requires")):
            if "==" not in wanted and "@" not in wanted:
                yield path, line_of(text, wanted, max(text.find("build-system"), 0)), f"{wanted} is a range"


def floating_requirement(tree: Tree) -> Iterator[Place]:
    """`*`, `latest`, or a name without any version."""
    for path, text in tree.named("package.json"):
        for kind in _NODE_KINDS:
            for name, wanted in table(read_json(text).get(kind)).items():
                if str(wanted).strip() in ("", "*", "x", "latest", "next"):
                    line = line_of(text, f'"{name}"', max(text.find(f'"{kind}"'), 0))
                    yield path, line, f"{name} is {wanted or 'anything'!s}"
    for path, text in _requirement_files(tree):
        for each in _required(text):
            if not re.search(r"[=<>~!@]", each):
                yield path, line_of(text, each), f"{each} has no version"
    for path, text in tree.named("pyproject.toml"):
        for wanted in texts(table(read_toml(text).get("project")).get("dependencies")):
            if _any_version(wanted):
                yield path, line_of(text, wanted), f"{wanted} has no version"


def _any_version(wanted: str) -> bool:
    try:
        requirement = Requirement(wanted)
    except InvalidRequirement:
        return False
    return not requirement.specifier and not requirement.url


def git_dependency(tree: Tree) -> Iterator[Place]:
    """Git addresses without a full commit; in npm all of them, since npm runs their scripts to pack them."""
    for path, text in tree.named("package.json"):
        for kind in _NODE_KINDS:
            for name, wanted in table(read_json(text).get(kind)).items():
                if _GIT.search(str(wanted)) and not _FULL_COMMIT.search(str(wanted)):
                    yield path, line_of(text, f'"{name}"'), f"{name} comes from {wanted}"
    for path, text in _requirement_files(tree):
        for line in text.split("\n"):
            if "git+" in line and not line.lstrip().startswith("#") and not _FULL_COMMIT.search(line):
                yield path, line_of(text, line), f"{line.strip()[:100]} names no commit"
    for path, text in tree.named("pyproject.toml"):
        said = read_toml(text)
        wanted = texts(table(said.get("project")).get("dependencies"))
        for each in [*wanted, *texts(table(said.get("build-system")).get("requires"))]:
            if "git+" in each and not _FULL_COMMIT.search(each):
                yield path, line_of(text, each), f"{each[:100]} names no commit"
