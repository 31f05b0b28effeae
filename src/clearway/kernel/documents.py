"""Documents that people write: YAML text to a checked model, or one clear error that names file and line.

Values are checked strictly: `port: "8080"` is not a number, and `python: 3.10` is not text, because a
value that is silently converted is a value that nobody wrote.
"""

from __future__ import annotations

import difflib
import json
import re
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)
from pydantic.json_schema import GenerateJsonSchema

from .clock import format_duration, parse_duration
from .described import Described
from .errors import ClearwayError, Invalid
from .yamltree import MAX_BYTES, Mark, Path, Problem, Tree, YamlFlaw, parse

Model = TypeVar("Model", bound=BaseModel)

MAX_PROBLEMS = 20  # more than this is one mistake seen many times

# Bounded, and stopping at the next variable: an unclosed one must not make each of its neighbours look far.
_VARIABLE = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]{0,99})(?::-([^}$]{0,1000}))?\}")
_NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "model_type": "a mapping of keys",
    "dict_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
    "time_delta_type": "a span of time such as 90s, 5m or 7d",
}


class Document(Described):
    """Base of everything a person writes in a file: unknown keys are errors, what was read stays as read."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    __slots__ = ("_origin",)  # a slot, because two equal documents of different files are equal

    @property
    def origin(self) -> str:
        """`file:line` of the document this was read from, or nothing."""
        return getattr(self, "_origin", "")


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse_duration(value)
    except Invalid as error:
        raise ValueError(str(error)) from None


def _name(value: str) -> str:
    if not re.fullmatch(_NAME, value) or len(value) > 60:
        raise ValueError(
            f"`{_short(value)}` cannot be a name; "
            "expected small letters, digits and single dashes, at most 60"
        )
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema(
        {"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$", "examples": ["90s", "5m", "2h", "7d"]}
    ),
]
"""A span of time in a document, such as 90s, 5m or 7d."""

Name = Annotated[
    str,
    AfterValidator(_name),
    WithJsonSchema({"type": "string", "pattern": f"^{_NAME}$", "maxLength": 60}),
]
"""A name that is safe in paths, labels, addresses and tables."""


class DocumentError(Invalid):
    """A file is wrong; every problem is listed, the first line first, and nothing was changed."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        ordered = sorted(problems, key=lambda problem: problem.mark)
        first = ordered[0]
        lines = [
            str(first),
            *(f"{_place(source, problem)}: {problem}" for problem in ordered[1:MAX_PROBLEMS]),
        ]
        if len(ordered) > MAX_PROBLEMS:
            lines.append(f"and {len(ordered) - MAX_PROBLEMS} more")
        self.source = source
        self.problems = tuple(ordered)
        detail = [
            {
                "file": source,
                "line": problem.mark.line,
                "column": problem.mark.column,
                "key": _dotted(problem.path),
                "message": problem.message,
                "expected": problem.expected,
            }
            for problem in ordered[:MAX_PROBLEMS]
        ]
        super().__init__("\n".join(lines), where=_place(source, first), detail={"problems": detail})
        self.expected = first.expected or None

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


def load_document(text: str | bytes, source: str, model: type[Model]) -> Model:
    """The one document of a text as a model. Raises DocumentError; `source` names the file in it."""
    trees = _parse(text, source)
    if not trees:
        raise DocumentError(source, [Problem(Mark(1, 1), "the file is empty", _keys_of(model))])
    if len(trees) > 1:
        raise DocumentError(
            source, [Problem(trees[1].start, "a second document", "one document in this file")]
        )
    loaded, problems = _check(trees[0], model, source)
    if problems or loaded is None:
        raise DocumentError(source, problems)
    return loaded


def load_documents(
    text: str | bytes,
    source: str,
    pick: Callable[[Mapping[str, Any]], type[BaseModel]],
    variables: Mapping[str, str] | None = None,
) -> list[tuple[BaseModel, int]]:
    """Every document of a text with the line it starts in; `pick` chooses the model from the raw mapping.

    With `variables`, `${NAME}` and `${NAME:-default}` inside text values are replaced, after parsing, so a
    value can never become structure; `$$` is a dollar sign. Empty documents are skipped.
    """
    loaded: list[tuple[BaseModel, int]] = []
    problems: list[Problem] = []
    for tree in _parse(text, source):
        if tree.value is None:
            continue
        if variables is not None:
            problems += _substitute(tree, variables)
        model, wrong = _pick(tree, pick)
        if model is not None:
            document, wrong = _check(tree, model, source)
            if document is not None:
                loaded.append((document, tree.start.line))
        problems += wrong
    if problems:
        raise DocumentError(source, problems)
    return loaded


def by_kind(kinds: Mapping[str, type[BaseModel]]) -> Callable[[Mapping[str, Any]], type[BaseModel]]:
    """A `pick` for load_documents that reads the key `kind`."""

    def pick(raw: Mapping[str, Any]) -> type[BaseModel]:
        kind = raw.get("kind")
        if isinstance(kind, str) and kind in kinds:
            return kinds[kind]
        what = f"unknown kind `{_short(kind)}`{_did_you_mean(kind, kinds)}" if kind else "`kind` is missing"
        raise Invalid(what, expected="kind: " + _alternatives(sorted(kinds)))

    return pick


class _Schema(GenerateJsonSchema):
    """Writes spans of time as people do, 10s, where pydantic would write PT10S."""

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema that editors complete and check a document with."""
    return model.model_json_schema(schema_generator=_Schema)


def _parse(text: str | bytes, source: str) -> list[Tree]:
    try:
        return parse(text)
    except YamlFlaw as flaw:
        raise DocumentError(source, [flaw.problem]) from None


def _pick(
    tree: Tree, pick: Callable[[Mapping[str, Any]], type[BaseModel]]
) -> tuple[type[BaseModel] | None, list[Problem]]:
    if not isinstance(tree.value, dict):
        return None, [Problem(tree.start, f"{_found(tree.value)} instead of a document", "a mapping of keys")]
    try:
        return pick(tree.value), []
    except ClearwayError as error:
        mark = tree.values.get(("kind",), tree.start)
        return None, [Problem(mark, error.message, error.expected or "", ("kind",))]


def _check(tree: Tree, model: type[Model], source: str) -> tuple[Model | None, list[Problem]]:
    try:
        loaded = model.model_validate_json(json.dumps(tree.value), strict=True)
    except ValidationError as error:
        return None, _merged([_explain(tree, model, item) for item in error.errors(include_url=False)])
    if isinstance(loaded, Document):
        object.__setattr__(loaded, "_origin", f"{source}:{tree.start.line}")
    return loaded, []


def _explain(tree: Tree, model: type[BaseModel], error: Any) -> Problem:
    """One complaint of pydantic's, with its place and in plain words."""
    kind, loc = str(error["type"]), tuple(error["loc"])
    path = _real_path(tree.value, loc)
    if kind == "extra_forbidden":
        known = sorted(_fields_at(model, loc[:-1]))
        message = f"unknown key `{_short(loc[-1])}`{_did_you_mean(loc[-1], known)}"
        return Problem(tree.keys.get(path, tree.mark(path)), message, _alternatives(known), path)
    if kind == "missing":
        around = f" in `{_dotted(path)}`" if path else ""
        return Problem(tree.mark(path), f"`{loc[-1]}` is missing{around}", f"the key `{loc[-1]}`", path)
    if kind == "union_tag_not_found":
        tag = str(error["ctx"]["discriminator"]).strip("'")
        return Problem(tree.mark(path), f"`{tag}` is missing in `{_dotted(path)}`", f"the key `{tag}`", path)
    if kind == "union_tag_invalid":
        path = (*path, str(error["ctx"]["discriminator"]).strip("'"))
    if loc[-1:] == ("[key]",):
        expected = _in_words(error)
        return Problem(tree.keys.get(path, tree.mark(path)), f"the key `{_short(path[-1])}`", expected, path)
    mark, where = tree.mark(path), f"`{_dotted(path)}`: " if path else ""
    holds = f"`{_dotted(path)}` is " if path else "this is "
    if kind in ("value_error", "assertion_error"):
        message, _, expected = str(error["ctx"]["error"]).partition("; expected ")
        return Problem(mark, where + message, expected, path)
    found = _at(tree.value, path)
    if kind in ("literal_error", "enum", "union_tag_invalid"):
        wanted = re.findall(r"'([^']*)'", str(error["ctx"].get("expected") or error["ctx"]["expected_tags"]))
        hint = _did_you_mean(found, wanted)
        return Problem(mark, f"{holds}{_found(found)}{hint}", _alternatives(wanted), path)
    expected = _in_words(error)
    if kind == "string_type" and path in tree.plain:
        expected += f'; with quotes it is: "{_short(tree.plain[path])}"'
    return Problem(mark, f"{holds}{_found(found)}", expected, path)


def _in_words(error: Any) -> str:
    """What pydantic wanted, as a person says it."""
    if error["type"] == "string_pattern_mismatch":
        return f"text that matches {error['ctx']['pattern']}"
    said = re.sub(r"^(Input|String|Tuple|Dictionary) should (be|have) ", "", str(error["msg"]))
    return _EXPECTED.get(str(error["type"])) or said


def _merged(problems: list[Problem]) -> list[Problem]:
    """One problem for each value, where each branch of a union complained for itself."""
    found: dict[tuple[Mark, str], Problem] = {}
    for problem in problems:
        key = (problem.mark, problem.message)
        if key in found and problem.expected not in found[key].expected:
            problem = replace(problem, expected=f"{found[key].expected}, or {problem.expected}")
        found[key] = problem
    return list(found.values())


def _real_path(value: Any, loc: tuple[Any, ...]) -> Path:
    """The part of pydantic's location that exists in the document; union tags do not."""
    path: list[str | int] = []
    for step in loc:
        if (isinstance(value, dict) and step in value) or (
            isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value)
        ):
            value = value[step]
        else:
            continue
        path.append(step)
    return tuple(path)


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _fields_at(model: Any, loc: Path) -> set[str]:
    """The keys that the model allows at a location."""
    reached = _models_in(model)
    for step in loc:
        inside: list[type[BaseModel]] = []
        for each in reached:
            if isinstance(step, str) and step in each.model_fields:
                inside += _models_in(each.model_fields[step].annotation)
        reached = inside or [each for each in reached if _is_tagged(each, step)] or reached
    return {info.alias or name for each in reached for name, info in each.model_fields.items()}


def _is_tagged(model: type[BaseModel], step: str | int) -> bool:
    """Whether a location's step is the tag that chose this model of a union."""
    literals = (get_args(info.annotation) for info in model.model_fields.values())
    return any(step in args for args in literals if len(args) == 1)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Every model inside an annotation: itself, or in its list, mapping, union or Annotated."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (list, tuple, dict, Union, types.UnionType, Annotated, Sequence, Mapping):
        return [model for inner in get_args(annotation) for model in _models_in(inner)]
    return []


def _substitute(tree: Tree, variables: Mapping[str, str]) -> list[Problem]:
    """Replace variables in the tree's text values; the problems are the names that nobody gave."""
    problems: list[Problem] = []
    for path, mark in tree.values.items():
        value = _at(tree.value, path)
        if not path or not isinstance(value, str) or "$" not in value:
            continue
        missing = [
            name
            for name, default in ((found[1], found[2]) for found in _VARIABLE.finditer(value))
            if name and name not in variables and default is None
        ]
        grown = sum(len(variables.get(found[1] or "", "")) for found in _VARIABLE.finditer(value))
        if grown > MAX_BYTES:
            problems.append(
                Problem(mark, f"`{_dotted(path)}`: {grown} characters from variables", "less", path)
            )
            continue
        problems += [
            Problem(mark, f"`{_dotted(path)}`: the variable {name} is not set", f"--set {name}=VALUE", path)
            for name in missing
        ]
        if not missing:
            holder: Any = _at(tree.value, path[:-1])
            holder[path[-1]] = _VARIABLE.sub(lambda found: _variable(found, variables), value)
    return problems


def _variable(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found[0] == "$$":
        return "$"
    return variables[found[1]] if found[1] in variables else found[2]


def _keys_of(model: type[BaseModel]) -> str:
    return "the keys " + _alternatives(
        [n for n, info in model.model_fields.items() if info.is_required()], "and"
    )


def _did_you_mean(word: object, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(word)[:100], list(known), n=1, cutoff=0.6)
    return f"; did you mean `{near[0]}`?" if near else ""


def _alternatives(words: Sequence[str], last: str = "or") -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def _place(source: str, problem: Problem) -> str:
    return f"{source}:{problem.mark.line}:{problem.mark.column}"


def _dotted(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{_short(step)}" for step in path).lstrip(".")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _found(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping of keys"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return f'the text "{_short(value)}"' if isinstance(value, str) else str(value)
