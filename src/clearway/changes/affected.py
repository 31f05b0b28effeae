"""What operators must know of the difference of two definitions: configuration and migrations. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["configuration", "migrations"]


def configuration(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> tuple[str, ...]:
    """The configuration keys that came, went or changed, in words; nothing when nothing ran before."""
    if before is None:
        return ()
    old, new = before.get("config") or {}, after.get("config") or {}
    found = [f"{key} is new: {_must(new[key])}" for key in sorted(new.keys() - old.keys())]
    found += [f"{key} is not read any more" for key in sorted(old.keys() - new.keys())]
    for key in sorted(old.keys() & new.keys()):
        changed = [
            name for name in sorted(old[key].keys() | new[key].keys()) if _differs(old[key], new[key], name)
        ]
        if changed:
            said = ", ".join(
                f"{name} {_word(old[key].get(name))} to {_word(new[key].get(name))}" for name in changed
            )
            found.append(f"{key} changed: {said}")
    return tuple(found)


def migrations(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of migrations that are new, in their order."""
    known = {each["name"] for each in (before or {}).get("migrations") or ()}
    return tuple(each["name"] for each in after.get("migrations") or () if each["name"] not in known)


def _must(key: Mapping[str, Any]) -> str:
    kind = "a secret" if key.get("secret") else f"a {key.get('type', 'value')}"
    if key.get("default") is not None and not key.get("secret"):
        return f"{kind}, {_word(key['default'])} unless set"
    return f"{kind} that must be set" if key.get("required", True) else f"{kind} that may be set"


def _differs(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> bool:
    return name != "description" and old.get(name) != new.get(name)


def _word(value: object) -> str:
    if value is None:
        return "nothing"
    return (
        {True: "yes", False: "no"}.get(value, str(value)[:80]) if isinstance(value, bool) else str(value)[:80]
    )
