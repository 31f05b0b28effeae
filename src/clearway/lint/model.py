"""Rules, findings, and the repository as rules see it. Pure."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
Place = tuple[str, int, str]  # file, line from 1, what is there


@dataclass(frozen=True)
class Rule:
    """One thing that goes wrong."""

    id: str
    severity: Severity
    title: str
    why: str
    fix: str


@dataclass(frozen=True)
class Finding:
    """A rule that is not kept, and where."""

    rule: Rule
    file: str
    line: int
    message: str
    allowed: str | None = None  # the reason for which it was allowed; None: it was not


@dataclass(frozen=True)
class Facts:
    """What git knows beside the files; None: nobody looked."""

    commit_signed: bool | None = None
    tags: Mapping[str, Literal["lightweight", "unsigned", "signed"]] = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """A command somewhere in the repository: one, without its neighbours in a pipe or a list."""

    file: str
    line: int
    text: str
    before: str = ""  # the operator before it: "|", "&&", ...


class Tree:
    """The files, with what several rules want to know of them."""

    def __init__(self, files: Mapping[str, str], facts: Facts) -> None:
        self.files = files
        self.facts = facts

    def named(self, *names: str) -> Iterator[tuple[str, str]]:
        """The files of these names, in any folder."""
        for path, text in self.files.items():
            if PurePosixPath(path).name in names:
                yield path, text

    def beside(self, path: str, name: str) -> str | None:
        """The file in the same folder as another; None without it."""
        return self.files.get(str(PurePosixPath(path).with_name(name)))

    def above(self, path: str, *names: str) -> bool:
        """Whether one of the files is in the same folder or in one above: tools look there, too."""
        return any(
            str(folder / name) in self.files for folder in PurePosixPath(path).parents for name in names
        )

    @cached_property
    def commands(self) -> list[Command]:
        """Every command of scripts, makefiles, container files, pipelines and clearway.yaml."""
        from .commands import find

        return list(find(self.files))


Check = Callable[[Tree], Iterator[Place]]


def line_of(text: str, needle: str, start: int = 0) -> int:
    """The line of the first occurrence; 1 when there is none."""
    at = text.find(needle, start)
    return text.count("\n", 0, at) + 1 if at >= 0 else 1


def read_json(text: str) -> dict[str, Any]:
    """A table; empty when it is none."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def read_toml(text: str) -> dict[str, Any]:
    """A table; empty when it is none."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def table(said: Any) -> dict[str, Any]:
    """A table inside another; empty when it is something else."""
    return said if isinstance(said, dict) else {}


def texts(said: Any) -> list[str]:
    """The texts of a list."""
    return [each for each in said if isinstance(each, str)] if isinstance(said, list) else []
