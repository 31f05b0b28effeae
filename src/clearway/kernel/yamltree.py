"""YAML text as plain values that remember their lines.

The rules of the subset, kept here because every file that a person writes passes through it:
1. YAML 1.2's core schema: `no`, `on` and `12:30` are text; only true/false are booleans.
2. No anchors, aliases, merge keys or tags: what is written is what is meant, and nothing can explode.
3. A key is text and appears once.
4. Size, depth, node count and numbers are bounded before anything is built from them.
The parser is driven event by event without recursion, so a hostile file ends it early and cheaply.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_NODES = 50_000
MAX_DOCUMENTS = 2_000
MAX_DIGITS = 15  # every whole number is then exact as JSON, in a digest and in every database

Path = tuple[str | int, ...]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = {"", "~", "null", "Null", "NULL"}
_TRUE = {"true", "True", "TRUE"}
_FALSE = {"false", "False", "FALSE"}
# A leading zero keeps its text: 007 and 0644 mean something to the person who wrote them so.
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]+\Z|0o[0-7]+\Z")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")


@dataclass(frozen=True, order=True)
class Mark:
    """A place in a file, counted from one."""

    line: int
    column: int


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a document."""

    mark: Mark
    message: str
    expected: str = ""
    path: Path = ()

    def __str__(self) -> str:
        return f"{self.message}; expected {self.expected}" if self.expected else self.message


class YamlFlaw(Exception):
    """The text is not a document of the subset; parsing stops at the first such place."""

    def __init__(self, line: int, column: int, message: str, expected: str = "") -> None:
        self.problem = Problem(Mark(line, column), message, expected)
        super().__init__(str(self.problem))


@dataclass
class Tree:
    """One document: its value, and where each value and key stands."""

    start: Mark
    value: Any = None
    values: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)
    plain: dict[Path, str] = field(default_factory=dict)  # unquoted text that became something else

    def mark(self, path: Path) -> Mark:
        """The place of a value, or of the nearest thing around it."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, self.start)


@dataclass
class _Open:
    """A mapping or sequence whose end has not come yet."""

    into: dict[str, Any] | list[Any]
    path: Path
    key: str | None = None


def parse(text: str | bytes) -> list[Tree]:
    """Every document of the text. Raises YamlFlaw."""
    source = _readable(text)
    trees: list[Tree] = []
    try:
        for tree in _documents(yaml.parse(source, Loader=_LOADER)):
            trees.append(tree)
            if len(trees) > MAX_DOCUMENTS:
                raise YamlFlaw(
                    tree.start.line, 1, "too many documents", f"at most {MAX_DOCUMENTS} in one file"
                )
    except yaml.reader.ReaderError as error:
        raise _unreadable(source, error) from None
    except yaml.MarkedYAMLError as error:
        raise _malformed(source, error) from None
    return trees


def _readable(text: str | bytes) -> str:
    """The text, once it is known to be small, UTF-8 and without control characters."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(data) > MAX_BYTES:
        raise YamlFlaw(1, 1, f"the file has {len(data)} bytes", f"at most {MAX_BYTES}")
    if isinstance(text, bytes):
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line, column = _line_column(data[: error.start].decode("utf-8", "replace"))
            raise YamlFlaw(line, column, "a byte that is not UTF-8", "text in UTF-8") from None
    if found := _CONTROL.search(text):
        line, column = _line_column(text[: found.start()])
        raise YamlFlaw(line, column, f"a control character (U+{ord(found[0]):04X})", "printable text")
    return text


def _line_column(before: str) -> tuple[int, int]:
    lines = before.split("\n")
    return len(lines), len(lines[-1]) + 1


def _unreadable(source: str, error: yaml.reader.ReaderError) -> YamlFlaw:
    line, column = _line_column(source[: error.position or 0])
    return YamlFlaw(line, column, "a character that YAML does not allow", "printable text")


def _malformed(source: str, error: yaml.MarkedYAMLError) -> YamlFlaw:
    """libyaml's complaint, in words for the person who wrote the file."""
    mark = error.problem_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = source.splitlines()
    there = lines[line - 1] if line <= len(lines) else ""
    indent = there[: len(there) - len(there.lstrip())]
    if "\t" in indent or there[column - 1 : column] == "\t":
        return YamlFlaw(line, column, "a tab", "spaces for indentation")
    message = (error.problem or "not YAML").replace("<document start>", "a new document (---)")
    if error.context and error.context_mark and error.context_mark.line + 1 != line:
        message += f" ({error.context} that starts in line {error.context_mark.line + 1})"
    return YamlFlaw(line, column, f"not YAML here: {message}", "a mapping of `key: value` lines")


def _documents(events: Iterator[Any]) -> Iterator[Tree]:
    tree: Tree | None = None
    stack: list[_Open] = []
    count = 0
    for event in events:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.DocumentStartEvent):
            if event.tags:
                raise YamlFlaw(line, column, "a %TAG directive", "plain YAML without tags")
            tree = Tree(Mark(line, column))
        elif isinstance(event, yaml.DocumentEndEvent) and tree is not None:
            yield tree
        elif isinstance(event, yaml.NodeEvent) and tree is not None:
            count += 1
            if count > MAX_NODES:
                raise YamlFlaw(line, column, "too many values", f"at most {MAX_NODES} in one file")
            _refuse_tricks(event, line, column)
            _place(tree, stack, event, Mark(line, column))
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            stack.pop()


def _refuse_tricks(event: Any, line: int, column: int) -> None:
    if isinstance(event, yaml.AliasEvent):
        raise YamlFlaw(line, column, f"an alias (*{event.anchor})", "the value written out")
    if event.anchor is not None:
        raise YamlFlaw(line, column, f"an anchor (&{event.anchor})", "the value without a name")
    if event.tag is not None:
        raise YamlFlaw(line, column, f"a tag ({event.tag})", "a plain value")


def _place(tree: Tree, stack: list[_Open], event: Any, mark: Mark) -> None:
    """Put one node where it belongs: a key of, or a value in, the innermost open node."""
    around = stack[-1] if stack else None
    if around is not None and isinstance(around.into, dict) and around.key is None:
        around.key = _key(tree, around, event, mark)
        return
    path = _path(around)
    value = _value(tree, event, path, mark)
    tree.values[path] = mark
    if around is None:
        tree.value, tree.start = value, mark
    elif isinstance(around.into, dict):
        around.into[str(around.key)] = value
        around.key = None
    else:
        around.into.append(value)
    if isinstance(value, (dict, list)):
        if len(stack) >= MAX_DEPTH:
            raise YamlFlaw(mark.line, mark.column, "nested too deep", f"at most {MAX_DEPTH} levels")
        stack.append(_Open(value, path))


def _path(around: _Open | None) -> Path:
    if around is None:
        return ()
    step: str | int = str(around.key) if isinstance(around.into, dict) else len(around.into)
    return (*around.path, step)


def _key(tree: Tree, around: _Open, event: Any, mark: Mark) -> str:
    if not isinstance(event, yaml.ScalarEvent):
        raise YamlFlaw(mark.line, mark.column, "a key that is not text", "a word before the colon")
    key: str = event.value
    if not key:
        raise YamlFlaw(mark.line, mark.column, "a key without a name", "a word before the colon")
    if key == "<<" and event.implicit[0]:
        raise YamlFlaw(mark.line, mark.column, "a merge key (<<)", "the keys written out")
    path = (*around.path, key)
    if path in tree.keys:
        first = tree.keys[path].line
        raise YamlFlaw(
            mark.line, mark.column, f"the key `{key}` again (first in line {first})", "each key once"
        )
    tree.keys[path] = mark
    return key


def _value(tree: Tree, event: Any, path: Path, mark: Mark) -> Any:
    if isinstance(event, yaml.MappingStartEvent):
        return {}
    if isinstance(event, yaml.SequenceStartEvent):
        return []
    text: str = event.value
    if not event.implicit[0]:  # quoted, or a block: always text
        return text
    value = _resolve(text, mark)
    if not isinstance(value, str):
        tree.plain[path] = text
    return value


def _resolve(text: str, mark: Mark) -> Any:
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INT.match(text) or _HEX.match(text):
        if len(text.lstrip("+-")) > MAX_DIGITS:
            raise YamlFlaw(
                mark.line, mark.column, "a number this long", f"at most {MAX_DIGITS} digits, or quotes"
            )
        return int(text, 0)
    if _FLOAT.match(text) and not re.match(r"[-+]?0[0-9]", text):
        number = float(text) if len(text) < 400 else math.inf
        if math.isinf(number):
            raise YamlFlaw(mark.line, mark.column, "a number this large", "a smaller one, or quotes")
        return number
    return text
