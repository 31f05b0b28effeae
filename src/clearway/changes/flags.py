"""Feature flags of a repository, in flagd's JSON form, and what changed of them. Pure.

Rules:
1. Of several files, the later ones win, as in flagd. Shared rules (`$evaluators`) count like flags.
2. A file that cannot be read is told, and stops nothing: notes are there to be read before it does harm.
3. What a flag does to whom is its state, its default variant, its variants and its targeting; the rest
   (metadata, descriptions) is not told.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["FlagSet", "flag_changes", "read_flags"]

MOST_FLAGS = 5000
MOST_TOLD = 200
LONGEST = 80


@dataclass(frozen=True)
class FlagSet:
    """The flags of one commit."""

    flags: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    shared: Mapping[str, Any] = field(default_factory=dict)  # rules that flags may refer to
    wrong: tuple[str, ...] = ()  # files that cannot be read, and why


def read_flags(files: Iterable[tuple[str, bytes]]) -> FlagSet:
    """The flags of files by name, the later ones over the earlier ones. Never raises."""
    flags: dict[str, Mapping[str, Any]] = {}
    shared: dict[str, Any] = {}
    wrong = []
    for name, text in files:
        try:
            read = json.loads(text)
            found = {str(key): _flag(value) for key, value in read["flags"].items()}
            rules = dict(read.get("$evaluators") or {})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            wrong.append(f"{name} cannot be read: it is not flagd's JSON with `flags`")
            continue
        if len(flags) + len(found) > MOST_FLAGS:
            wrong.append(f"{name} is left out: more than {MOST_FLAGS} flags")
            continue
        flags |= found
        shared |= rules
    return FlagSet(flags, shared, tuple(wrong))


def _flag(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("variants", {}), dict):
        raise TypeError("no flag")
    return {
        "on": value.get("state", "ENABLED") == "ENABLED",
        "default": value.get("defaultVariant"),
        "variants": dict(value.get("variants") or {}),
        "targeting": value.get("targeting") or {},
    }


def flag_changes(before: FlagSet | None, after: FlagSet) -> tuple[str, ...]:
    """What came, went or changed, in words, by name; nothing when nothing ran before."""
    if before is None:
        return after.wrong
    old, new = before.flags, after.flags
    found = []
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            found.append(f"{_word(name)} is new: {_says(new[name])}")
        elif name not in new:
            found.append(f"{_word(name)} is gone: it was {_says(old[name])}")
        elif changed := _changed(old[name], new[name]):
            found.append(f"{_word(name)} changed: {', '.join(changed)}")
    rules = sorted(before.shared.keys() | after.shared.keys())
    differ = (name for name in rules if before.shared.get(name) != after.shared.get(name))
    found += [f"the shared rule {_word(name)} changed" for name in differ]
    if len(found) > MOST_TOLD:
        found = [*found[:MOST_TOLD], f"and {len(found) - MOST_TOLD} more"]
    return (*found, *after.wrong)


def _says(flag: Mapping[str, Any]) -> str:
    if not flag["on"]:
        return "disabled"
    default = flag["default"]
    said = "the code's default" if default is None else f"{_word(default)}{_meant(flag, default)}"
    return f"{said}, but for some who are targeted" if flag["targeting"] else said


def _meant(flag: Mapping[str, Any], variant: Any) -> str:
    """What a variant stands for, where its name does not say it."""
    value = flag["variants"].get(str(variant))
    told = _word(value)
    return "" if value is None or told == str(variant) else f" ({told})"


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    said = []
    if old["on"] != new["on"]:
        said.append("enabled" if new["on"] else "disabled")
    if old["default"] != new["default"]:
        said.append(f"default {_variant(old)} to {_variant(new)}")
    for name in sorted(old["variants"].keys() | new["variants"].keys()):
        was, now = old["variants"].get(name), new["variants"].get(name)
        if name not in old["variants"]:
            said.append(f"variant {_word(name)} is new ({_word(now)})")
        elif name not in new["variants"]:
            said.append(f"variant {_word(name)} is gone")
        elif was != now or type(was) is not type(now):
            said.append(f"variant {_word(name)} {_word(was)} to {_word(now)}")
    if old["targeting"] != new["targeting"]:
        said.append(_targeted(old, new))
    return said


def _targeted(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    if not old["targeting"]:
        return "somebody is targeted now"
    return "other people are targeted" if new["targeting"] else "nobody is targeted any more"


def _variant(flag: Mapping[str, Any]) -> str:
    return "the code's" if flag["default"] is None else _word(flag["default"])


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
