"""What is wrong with a request, field by field: which, what was expected, what was given. Pure.

What was given is shown in a few words, and never of a secret: neither of a field that is only written, nor of
an unknown one beside it, which may be the same misspelt.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_origin

from pydantic import BaseModel

SECRET = {"writeOnly": True}
"""Marks a field of a body whose value is never shown."""

_LONGEST = 60
_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
}


def explain(errors: Iterable[Mapping[str, Any]], body: type[BaseModel] | None) -> list[dict[str, str]]:
    """Each problem: where, message, and where they help, expected and given; `body` is the form wanted."""
    return [_explain(each, body) for each in errors]


def _explain(error: Mapping[str, Any], body: type[BaseModel] | None) -> dict[str, str]:
    place = [str(step) for step in error.get("loc", ())] or ["body"]
    kind = str(error["type"])
    if kind == "json_invalid":
        why = str(error.get("ctx", {}).get("error", error["msg"]))
        told = {
            "message": f"the body is not JSON: {why} at character {place[-1]}",
            "expected": "a JSON object",
        }
        return {"where": "body", **told}
    fields = body.model_fields if body is not None and place[0] == "body" else {}
    if place == ["body"]:
        what = "the body is missing" if kind == "missing" else "the body is not a JSON object"
        return _parts("body", what, f"an object with {_needed(fields)}", _given(error, kind))
    name = f"`{_dotted(place[1:] or place)}`"
    where = ".".join(place)
    hidden = any(info.json_schema_extra == SECRET for info in fields.values())
    if kind == "extra_forbidden":
        message = f"{name} is not known here{_did_you_mean(place[-1], fields)}"
        return _parts(where, message, f"one of {', '.join(fields)}", "" if hidden else _given(error, kind))
    info = fields.get(place[1]) if len(place) > 1 else None
    given = "" if info is not None and info.json_schema_extra == SECRET else _given(error, kind)
    if kind == "missing":
        return _parts(where, f"{name} is missing", _plain(info.annotation if info else None), "")
    expected = _wanted(error)
    found = f" is {given}," if given else " is"
    return _parts(where, f"{name}{found} not {expected}", expected, given)


def _parts(where: str, message: str, expected: str, given: str) -> dict[str, str]:
    parts = {"where": where, "message": message, "expected": expected, "given": given}
    return {name: text for name, text in parts.items() if text}


def _wanted(error: Mapping[str, Any]) -> str:
    """What pydantic wanted, as a person says it."""
    kind, context = str(error["type"]), error.get("ctx", {})
    if kind == "string_pattern_mismatch":
        if str(context["pattern"]).startswith("^sha256:"):
            return "a digest: sha256: and 64 hexadecimal digits"
        return f"text that matches {context['pattern']}"
    if kind in ("string_too_short", "string_too_long"):
        word, count = (
            ("least", context.get("min_length"))
            if kind.endswith("short")
            else ("most", context.get("max_length"))
        )
        return f"text of at {word} {count} character{'' if count == 1 else 's'}"
    said = re.sub(r"^(Input|String|Value|List|Dictionary) should (be|have) ", "", str(error["msg"]))
    return _EXPECTED.get(kind) or said[:1].lower() + said[1:]


def _plain(annotation: Any) -> str:
    """What a field holds, in a word."""
    kind = get_origin(annotation) or annotation
    return {str: "text", int: "a whole number", bool: "true or false", list: "a list", dict: "an object"}.get(
        kind, ""
    )


def _given(error: Mapping[str, Any], kind: str) -> str:
    value = error.get("input")
    if kind == "missing":
        return ""
    if isinstance(value, Mapping):
        return f"an object of {len(value)} fields"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return type(value).__name__
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _needed(fields: Mapping[str, Any]) -> str:
    needed = [name for name, info in fields.items() if info.is_required()]
    may = [name for name in fields if name not in needed]
    parts = [", ".join(needed)] if needed else []
    parts += [f"perhaps {', '.join(may)}"] if may else []
    return " and ".join(parts) or "fields"


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word[:100], list(known), n=1, cutoff=0.6)
    return f"; did you mean `{near[0]}`?" if near else ""


def _dotted(steps: Sequence[str]) -> str:
    text = ".".join(steps)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
