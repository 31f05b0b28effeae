"""Values in layers, checked against the schema that travels with the release. Pure.

1. Layers, later ones win: the schema's default, the service everywhere, the environment for every service,
   the service in the environment. Every value knows which layer it came from.
2. Text is read as the schema's type (`"5"` is an integer where one is wanted), because people type text; any
   other difference of type is a problem with a name.
3. A digest covers plain values and the versions of secrets, never what a secret says.
"""

from __future__ import annotations

import base64
import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from clearway.catalog import ConfigKey
from clearway.kernel import Invalid, digest_of, parse_duration

Scalar = bool | int | float | str
Origin = Literal["default", "service", "environment", "service+environment"]
ConfigSchema = Mapping[str, ConfigKey]

ORIGINS: tuple[Origin, ...] = ("default", "service", "environment", "service+environment")
MASK = "***"
MIN_SECRET = 4  # shorter ones cannot be masked without masking ordinary words

_WHOLE = re.compile(r"[-+]?\d{1,18}\Z")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\Z")


@dataclass(frozen=True)
class Entry:
    """What one layer says about one key, as it was set."""

    key: str
    service: str | None
    environment: str | None
    version: int
    value: Scalar | None  # None for a secret
    secret: bool
    actor: str
    at: str  # ISO instant
    reason: str
    deleted: bool = False  # the layer says nothing any more

    @property
    def origin(self) -> Origin:
        """The layer."""
        if self.service and self.environment:
            return "service+environment"
        return "service" if self.service else "environment"


@dataclass(frozen=True)
class Value:
    """One key's value for one service in one environment."""

    value: Scalar | None  # None for a secret: what it says is only revealed to the process
    origin: Origin
    secret_version: int | None = None


@dataclass(frozen=True)
class Problem:
    """Why a release cannot run with this configuration."""

    key: str
    message: str


@dataclass(frozen=True)
class Resolved:
    """The configuration of one service in one environment, for one release's schema."""

    service: str
    environment: str
    values: Mapping[str, Value]
    problems: tuple[Problem, ...]
    digest: str

    def to_json(self) -> dict[str, Any]:
        """As JSON values; holds no secret."""
        return asdict(self) | {"problems": [asdict(problem) for problem in self.problems]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Resolved:
        """Back from `to_json`."""
        return cls(
            data["service"],
            data["environment"],
            {key: Value(**value) for key, value in data["values"].items()},
            tuple(Problem(**problem) for problem in data["problems"]),
            data["digest"],
        )


def layered(entries: Iterable[Entry]) -> dict[str, Entry]:
    """The entry that wins for each key."""
    winners: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda each: ORIGINS.index(each.origin)):
        if not entry.deleted:
            winners[entry.key] = entry
    return winners


def choose(schema: ConfigSchema, entries: Iterable[Entry]) -> tuple[dict[str, Value], list[Problem]]:
    """Each key's value and what is wrong with it, but for patterns and what secrets say."""
    winners = layered(entries)
    values: dict[str, Value] = {}
    problems: list[Problem] = []
    for key, wanted in schema.items():
        entry = winners.get(key)
        if entry is None:
            if wanted.default is None:
                problems += _missing(key, wanted, set(winners) - set(schema))
                continue
            value, wrong = typed(wanted, wanted.default)
            values[key] = Value(value, "default")
        elif entry.secret:
            values[key], wrong = Value(None, entry.origin, entry.version), None
        elif wanted.secret:
            values[key] = Value(None, entry.origin)
            wrong = "is stored in plain, and the schema says it is a secret; set it as a secret"
        else:
            value, wrong = typed(wanted, entry.value)
            values[key] = Value(value, entry.origin)
        if wrong:
            problems.append(Problem(key, f"{wrong} (from {values[key].origin})"))
    return values, problems


def digest(values: Mapping[str, Value]) -> str:
    """The digest of resolved values: plain ones as they are, secrets by layer and version."""
    return digest_of(
        {
            key: {"value": each.value}
            if each.secret_version is None
            else {"secret": f"{each.origin}/{each.secret_version}"}
            for key, each in values.items()
        }
    )


def typed(wanted: ConfigKey, value: Scalar | None) -> tuple[Scalar | None, str | None]:
    """The value as the type that is wanted, and what is wrong with it. The message never holds the value."""
    match wanted.type:
        case "integer" | "number":
            number = _number(wanted.type, value)
            if number is None:
                return value, "is not a whole number" if wanted.type == "integer" else "is not a number"
            return number, _bounds(wanted, number)
        case "boolean":
            words = {"true": True, "false": False}
            truth = words.get(value.lower()) if isinstance(value, str) else value
            return (truth, None) if isinstance(truth, bool) else (value, "is not true or false")
    if not isinstance(value, str):
        return value, "is not text; put it in quotes"
    return value, _text_problem(wanted, value)


def as_text(value: Scalar) -> str:
    """A value as the process reads it from its environment."""
    return value if isinstance(value, str) else json.dumps(value)


def is_exact(number: int | float) -> bool:
    """Whether JSON, and so a digest, holds the number as it is."""
    return math.isfinite(number) and (isinstance(number, float) or abs(number) < 2**53)


def mask(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret hidden: as it is, line by line, in base64 and as in an address."""
    shapes: set[str] = set()
    for secret in secrets:
        for part in (secret, *secret.splitlines()):
            if len(part.strip()) >= MIN_SECRET:
                encoded = base64.b64encode(part.encode()).decode()
                shapes |= {part, part.strip(), encoded, encoded.rstrip("="), quote(part, safe="")}
    for shape in sorted(shapes, key=len, reverse=True):
        text = text.replace(shape, MASK)
    return text


def _missing(key: str, wanted: ConfigKey, unused: set[str]) -> list[Problem]:
    if not wanted.required:
        return []
    near = difflib.get_close_matches(key, unused, n=1, cutoff=0.75)
    hint = f"; `{near[0]}` is set and nobody reads it" if near else ""
    what = "a secret" if wanted.secret else f"a value of type {wanted.type}"
    return [Problem(key, f"is missing, {what}{hint}")]


def _number(kind: str, value: Scalar | None) -> int | float | None:
    if isinstance(value, str):
        text = value.strip()
        if _WHOLE.match(text):
            value = int(text)
        elif _NUMBER.match(text):
            value = float(text)
    if isinstance(value, bool) or not isinstance(value, int | float) or not is_exact(value):
        return None
    return None if kind == "integer" and not isinstance(value, int) else value


def _bounds(wanted: ConfigKey, number: float) -> str | None:
    if wanted.minimum is not None and number < wanted.minimum:
        return f"is below the minimum {wanted.minimum:g}"
    if wanted.maximum is not None and number > wanted.maximum:
        return f"is above the maximum {wanted.maximum:g}"
    return None


def _text_problem(wanted: ConfigKey, value: str) -> str | None:
    if "\x00" in value:
        return "holds a NUL character, which no process can be given"
    if wanted.type == "enum" and value not in wanted.values:
        return f"is none of {', '.join(wanted.values)}"
    if wanted.type == "url" and not _is_url(value):
        return "is not a URL with scheme and host"
    if wanted.type == "duration":
        try:
            parse_duration(value)
        except Invalid:
            return "is not a span of time such as 90s or 5m"
    return None


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return bool(parts.scheme and parts.hostname) and not re.search(r"\s", value)
    except ValueError:
        return False
