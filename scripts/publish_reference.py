"""Writes what the reference says about documents from their models: the JSON Schema and the tables of keys.

A test says when it is due; `python scripts/publish_reference.py` does it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from clearway import artifacts, catalog, config
from clearway.kernel import schema_of

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "docs/reference/clearway.schema.json"
PAGES = (
    ROOT / "docs/reference/clearway-yaml.md",
    ROOT / "docs/reference/platform-files.md",
    ROOT / "docs/how-to/verify.md",
)
TABLE = re.compile(r"(<!-- keys of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

ROOTS: tuple[type[BaseModel], ...] = (
    catalog.ServiceDefinition,
    catalog.SharedRecipe,
    artifacts.Expectations,
    *catalog.KINDS.values(),
    *config.KINDS.values(),
)


def schema_text() -> str:
    """The published JSON Schema of clearway.yaml."""
    return json.dumps(catalog.definition_schema(), indent=2, ensure_ascii=False) + "\n"


def page_text(text: str) -> str:
    """A page with its tables of keys as the models are now. Raises KeyError for a model that is not there."""
    known = models()
    return TABLE.sub(lambda found: f"{found[1]}{table(known, found[2])}{found[3]}", text)


def models() -> dict[str, dict[str, Any]]:
    """The JSON Schema of every model that a document holds, by the model's name."""
    found: dict[str, dict[str, Any]] = {}
    for root in ROOTS:
        schema = schema_of(root)
        found.update(schema.get("$defs", {}))
        found[root.__name__] = schema
    return found


def table(known: dict[str, dict[str, Any]], name: str) -> str:
    """The keys of one model as a Markdown table."""
    schema = known[name]
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, each in schema["properties"].items():
        needed = key in schema.get("required", ())
        default = "**required**" if needed else _default(each)
        meaning = meaning_of(known, key, each).replace("\n", " ").replace("|", "\\|")
        rows.append(f"| `{key}` | {_type(each)} | {default} | {meaning} |")
    return "\n".join(rows) + "\n"


def meaning_of(known: dict[str, dict[str, Any]], key: str, schema: dict[str, Any]) -> str:
    """What a key is for: its own words, or those of the model that stands there."""
    if key == "kind" and schema.get("const"):
        return str(schema.get("description", "which document this is"))
    inner = known.get(str(schema.get("$ref", "")).split("/")[-1], {})
    return str(schema.get("description") or inner.get("description", ""))


def _default(schema: dict[str, Any]) -> str:
    value = schema.get("default")
    if value is None or value in ([], {}, "") or isinstance(value, dict):
        return ""
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


def _type(schema: dict[str, Any]) -> str:
    """What may stand there, in a few words."""
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema or "oneOf" in schema:
        kinds = [
            _type(each) for each in schema.get("anyOf", schema.get("oneOf")) if each.get("type") != "null"
        ]
        return " or ".join(dict.fromkeys(kinds))
    if "$ref" in schema or "allOf" in schema:
        name = (schema.get("$ref") or schema["allOf"][0]["$ref"]).split("/")[-1]
        return f"[{name}](#{name.lower()})"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties") or next(iter(schema["patternProperties"].values()))
        return f"mapping to {_type(inner)}"
    if "h|d" in str(schema.get("pattern")):
        return "span of time, such as `90s`"
    words = {"string": "text", "integer": "whole number", "boolean": "`true`, `false`", "number": "number"}
    return words.get(str(schema.get("type")), "anything")


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    for page in PAGES:
        page.write_text(page_text(page.read_text(encoding="utf-8")), encoding="utf-8")
