"""Finds the commands of a repository: scripts, makefiles, container files, pipelines, package.json, steps.

This is no shell: it splits where a shell would split, outside of quotes, and leaves the rest to the rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import yaml

from .model import Command, read_json, table

MAKEFILES = ("Makefile", "makefile", "GNUmakefile")
CONTAINERFILES = ("Containerfile", "Dockerfile")
_PIPELINES = (".gitlab-ci.yml", "azure-pipelines.yml", ".travis.yml")
_KEYS = ("run", "script", "bash", "before_script", "after_script", "install")
_MOST_NODES = 20_000


def is_containerfile(path: str) -> bool:
    """`Containerfile`, `Dockerfile.web`, `api.dockerfile`."""
    name = PurePosixPath(path).name
    return name.split(".")[0] in CONTAINERFILES or name.lower().endswith((".dockerfile", ".containerfile"))


def is_pipeline(path: str) -> bool:
    """What a CI server runs."""
    return path in _PIPELINES or (path.startswith(".github/workflows/") and path.endswith((".yml", ".yaml")))


def find(files: Mapping[str, str]) -> Iterator[Command]:
    """Every command, file by file."""
    for path, text in files.items():
        name = PurePosixPath(path).name
        if name.endswith((".sh", ".bash")):
            yield from _lines(path, text)
        elif name in MAKEFILES or name.endswith(".mk"):
            yield from _makefile(path, text)
        elif is_containerfile(path):
            yield from _containerfile(path, text)
        elif name == "package.json":
            yield from _package(path, text)
        elif name == "clearway.yaml" or is_pipeline(path):
            yield from _yaml(path, text)


def _lines(path: str, text: str, first: int = 1) -> Iterator[Command]:
    """Shell text; lines that end with a backslash go on."""
    held, at = "", first
    for number, line in enumerate(text.split("\n"), first):
        stripped = line.strip()
        if not held:
            at = number
        if stripped.startswith("#"):
            continue
        if stripped.endswith("\\"):
            held += stripped[:-1] + " "
            continue
        yield from _split(path, at, held + stripped)
        held = ""


def _split(path: str, line: int, text: str) -> Iterator[Command]:
    """At `&&`, `||`, `;`, `|` and `&` outside of quotes."""
    word, quote, before, index = "", "", "", 0
    while index < len(text):
        char = text[index]
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "#" and (not word or word[-1].isspace()):
            break
        elif char in ";|&" and not (
            char == "&" and (word.endswith(">") or text[index + 1 : index + 2] == ">")
        ):
            two = text[index : index + 2]
            operator = two if two in ("&&", "||", ";;") else char
            if word.strip():
                yield Command(path, line, word.strip(), before)
            word, before, index = "", operator, index + len(operator)
            continue
        word += char
        index += 1
    if word.strip():
        yield Command(path, line, word.strip(), before)


def _makefile(path: str, text: str) -> Iterator[Command]:
    kept = [line.lstrip("\t@-+") if line.startswith("\t") else _assigned(line) for line in text.split("\n")]
    yield from _lines(path, "\n".join(kept))


def _assigned(line: str) -> str:
    """What `NAME := $(shell COMMAND)` runs; a continued command stays as it is."""
    found = re.search(r"\$\(shell\s+(.*)\)", line)
    return found[1] if found else ("" if not line.rstrip().endswith("\\") else "\\")


def _containerfile(path: str, text: str) -> Iterator[Command]:
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        first, whole = number, lines[number].strip()
        while whole.endswith("\\") and number + 1 < len(lines):
            number += 1
            following = lines[number].strip()
            whole = whole[:-1] + (" \\" if following.startswith("#") else " " + following)
        number += 1
        if found := re.match(r"(?i)RUN\s+(?:--\S+\s+)*(.*)", whole, re.DOTALL):
            yield from _split(path, first + 1, _unlisted(found[1]))


def _unlisted(text: str) -> str:
    """`["a", "b c"]` as `a b c`."""
    return re.sub(r'[\[\]",]', " ", text).strip() if text.startswith("[") else text


def _package(path: str, text: str) -> Iterator[Command]:
    for name, command in table(read_json(text).get("scripts")).items():
        found = re.search(rf'"{re.escape(name)}"\s*:', text)
        line = text.count("\n", 0, found.start()) + 1 if found else 1
        yield from _split(path, line, str(command))


def _yaml(path: str, text: str) -> Iterator[Command]:
    try:
        root = yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError, ValueError):
        return
    waiting: list[yaml.Node] = [root] if root is not None else []
    seen = 0
    while waiting and seen < _MOST_NODES:
        node, seen = waiting.pop(0), seen + 1
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in _KEYS:
                    yield from _commands_of(path, value)
                waiting.append(value)


def _commands_of(path: str, node: yaml.Node) -> Iterator[Command]:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        yield from _lines(path, node.value, line + (1 if node.style in ("|", ">") else 0))
    elif isinstance(node, yaml.SequenceNode):
        words = [each for each in node.value if isinstance(each, yaml.ScalarNode)]
        if PurePosixPath(path).name == "clearway.yaml":  # the words of one command
            yield from _split(path, line, " ".join(each.value for each in words))
        else:
            for each in words:
                yield from _lines(path, each.value, each.start_mark.line + 1)
