"""What a gate's rule may be, and what can be read from its text. Pure; nothing is evaluated here.

CEL has no loops, yet it has no cost limit either: three nested `map`s over ninety items ran 17 seconds. So:
1. A rule is small: characters, tokens, nesting of brackets and runs of signs are bounded.
2. A comprehension (all, exists, exists_one, filter, map) never stands inside another one.
3. Only functions of this list are called; a typing error is found when the rule is applied, not later.
4. Texts are in plain quotes: raw, bytes and triple-quoted ones would let a rule look different to this reader
   than to CEL, and hide rule 2 from it.
What passes is still evaluated in a process that can be killed (see the port).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from clearway.kernel import Invalid

MAX_CHARACTERS = 2000
MAX_TOKENS = 400
MAX_BRACKETS = 12
MAX_SIGNS = 4
MAX_COMPREHENSIONS = 5

MACROS = frozenset({"all", "exists", "exists_one", "filter", "map"})
FUNCTIONS = MACROS | {
    *("has", "size", "matches", "contains", "startsWith", "endsWith", "type", "dyn"),
    *("int", "uint", "double", "string", "bool", "timestamp", "duration"),
    *("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
    *("getHours", "getMinutes", "getSeconds", "getMilliseconds"),
}
_WORDS = frozenset({"true", "false", "null", "in"})
_CLOSING = {")": "(", "]": "[", "}": "{"}

_TOKEN = re.compile(
    r"""(?P<space>[\s]+|//[^\n]*)
    |(?P<text>"(?!"")(?:\\.|[^"\\\n])*"|'(?!'')(?:\\.|[^'\\\n])*')
    |(?P<number>0x[0-9a-fA-F]+u?|\d+\.?\d*(?:[eE][-+]?\d+)?u?|\.\d+(?:[eE][-+]?\d+)?)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>&&|\|\||==|!=|<=|>=|[-<>+*/%!?:.,()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """A piece of a rule and where it stands."""

    kind: str
    text: str
    start: int


@dataclass(frozen=True)
class Rule:
    """What a rule's text tells without evaluating it."""

    text: str
    reads: tuple[str, ...]  # the facts it reads, such as evidence.tests.failed, in order of appearance
    parts: tuple[str, ...]  # the conditions that must all hold; the rule itself when it is not a conjunction


@dataclass
class _Bracket:
    opening: str
    start: int
    comprehension: bool = False
    bound: set[str] = field(default_factory=set)


@lru_cache(maxsize=1024)
def parse(text: str) -> Rule:
    """Read a rule. Raises Invalid naming what is not allowed, and where."""
    if len(text) > MAX_CHARACTERS:
        raise Invalid(f"a rule of {len(text)} characters", expected=f"at most {MAX_CHARACTERS}")
    tokens = _tokens(text)
    if not tokens:
        raise Invalid("an empty rule", expected="a CEL expression that is true or false")
    if len(tokens) > MAX_TOKENS:
        raise Invalid(f"a rule of {len(tokens)} words and signs", expected=f"at most {MAX_TOKENS}")
    _refuse_long_sign_runs(tokens)
    reads, splits = _walk(tokens)
    edges = [0, *splits, len(text)]
    parts = [text[a:b].removeprefix("&&").strip() for a, b in pairwise(edges)]
    return Rule(text, tuple(dict.fromkeys(reads)), tuple(parts))


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise _wrong(f"`{text[position : position + 10]}`", position, "a CEL expression")
        glued = tokens and tokens[-1].kind == "word" and tokens[-1].start + len(tokens[-1].text) == position
        if found.lastgroup == "text" and glued:
            raise _wrong("a raw or bytes text", position, "plain quotes, with \\\\ for a backslash")
        if found.lastgroup != "space":
            tokens.append(Token(str(found.lastgroup), found[0], position))
        position = found.end()
    return tokens


def _refuse_long_sign_runs(tokens: Sequence[Token]) -> None:
    run = 0
    for token in tokens:
        run = run + 1 if token.text in ("!", "-") else 0
        if run > MAX_SIGNS:
            raise _wrong("a long run of signs", token.start, f"at most {MAX_SIGNS}")


def _walk(tokens: Sequence[Token]) -> tuple[list[str], list[int]]:
    """The facts read, and the offsets of the top-level `&&` when the rule is a plain conjunction."""
    stack: list[_Bracket] = []
    reads: list[str] = []
    splits: list[int] = []
    loose = False  # a top-level || or ?: binds looser than &&, so the parts are not conditions of their own
    comprehensions = 0
    for index, token in enumerate(tokens):
        if token.text in ("(", "[", "{") and token.kind == "sign":
            bracket = _open(tokens, index, stack)
            comprehensions += bracket.comprehension
            if comprehensions > MAX_COMPREHENSIONS:
                raise _wrong("too many comprehensions", token.start, f"at most {MAX_COMPREHENSIONS}")
            stack.append(bracket)
        elif token.text in _CLOSING and token.kind == "sign":
            if not stack or stack.pop().opening != _CLOSING[token.text]:
                raise _wrong(f"a `{token.text}` that closes nothing", token.start, "matching brackets")
        elif token.kind == "word" and not _bound(stack, token.text):
            path = _fact(tokens, index)
            reads += [path] if path else []
        elif token.kind == "sign" and not stack:
            splits += [token.start] if token.text == "&&" else []
            loose = loose or token.text in ("||", "?")
    if stack:
        raise _wrong(f"a `{stack[-1].opening}` that is never closed", stack[-1].start, "matching brackets")
    return reads, [] if loose else splits


def _bound(stack: Sequence[_Bracket], name: str) -> bool:
    """Whether a comprehension around this place binds the name."""
    return any(name in bracket.bound for bracket in stack)


def _open(tokens: Sequence[Token], index: int, stack: Sequence[_Bracket]) -> _Bracket:
    token = tokens[index]
    if len(stack) >= MAX_BRACKETS:
        raise _wrong("brackets nested too deep", token.start, f"at most {MAX_BRACKETS} levels")
    bracket = _Bracket(token.text, token.start)
    before = tokens[index - 1] if index else None
    if token.text != "(" or before is None or before.kind != "word" or before.text in _WORDS:
        return bracket
    if before.text not in FUNCTIONS:
        near = difflib.get_close_matches(before.text, FUNCTIONS, n=1)
        hint = f"; did you mean `{near[0]}`?" if near else ""
        raise _wrong(
            f"the unknown function `{before.text}`{hint}", before.start, ", ".join(sorted(FUNCTIONS))
        )
    if before.text in MACROS and index > 1 and tokens[index - 2].text == ".":
        if any(outer.comprehension for outer in stack):
            raise _wrong(
                f"`{before.text}` inside another comprehension", before.start, "comprehensions side by side"
            )
        bracket.comprehension = True
        if index + 1 < len(tokens) and tokens[index + 1].kind == "word":
            bracket.bound.add(tokens[index + 1].text)
    return bracket


def _fact(tokens: Sequence[Token], index: int) -> str | None:
    """The path that starts at a word, unless the word is a member, a function or a keyword."""
    if tokens[index].text in _WORDS or (index and tokens[index - 1].text == "."):
        return None
    path = [tokens[index].text]
    index += 1
    while index < len(tokens):
        here = [token.text for token in tokens[index : index + 3]]
        if here[:1] == ["."] and len(here) > 1 and tokens[index + 1].kind == "word":
            path.append(here[1])
            index += 2
        elif here[:1] == ["["] and here[2:] == ["]"] and tokens[index + 1].kind == "text":
            path.append(here[1].strip("\"'"))
            index += 3
        else:
            break
    if index < len(tokens) and tokens[index].text == "(":  # the last word is a method of what stands before
        path.pop()
    return ".".join(path) or None


def _wrong(what: str, position: int, expected: str) -> Invalid:
    return Invalid(f"{what} at character {position + 1} of the rule", expected=expected)
