"""Records of the rooms as JSON. Pure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

from clearway.kernel import format_duration

_PLAIN = (str, int, float, bool, type(None))


def shown(value: Any, *, without: Iterable[str] = ()) -> Any:
    """The JSON value of a record; times as ISO 8601 in UTC, spans as people write them.

    `without` names fields of the outermost record to leave out; its own `to_json()` or `as_json()` wins.
    """
    if isinstance(value, _PLAIN):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, datetime | date):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Enum):
        return shown(value.value)
    if isinstance(value, PurePath):
        return str(value)
    return _shown_inside(value, frozenset(without))


def _shown_inside(value: Any, without: frozenset[str]) -> Any:
    for own in ("to_json", "as_json"):
        if callable(make := getattr(value, own, None)):
            return shown(make(), without=without)
    if isinstance(value, BaseModel):
        return _mapping(value.model_dump(mode="json", exclude=set(without)), without)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _mapping({each.name: getattr(value, each.name) for each in dataclasses.fields(value)}, without)
    if isinstance(value, Mapping):
        return _mapping(value, without)
    if isinstance(value, frozenset | set):
        return sorted(shown(each) for each in value)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [shown(each) for each in value]
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _mapping(value: Mapping[Any, Any], without: frozenset[str]) -> dict[str, Any]:
    return {str(key): shown(each) for key, each in value.items() if key not in without}


def as_text(value: Any) -> str:
    """JSON text, as it is sent: `shown`, but the encoder walks, and asks only for what JSON does not know.

    Of a large answer that is most of the time.
    """
    try:
        return json.dumps(value, default=_one_level, ensure_ascii=False, separators=(",", ":"))
    except TypeError:  # keys that only `shown` makes into text; or there is no JSON form, and it says of what
        return json.dumps(shown(value), ensure_ascii=False, separators=(",", ":"))


def _one_level(value: Any) -> Any:
    for own in ("to_json", "as_json"):
        if callable(make := getattr(value, own, None)):
            return make()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    return shown(value)
