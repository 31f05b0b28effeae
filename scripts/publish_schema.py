"""Writes docs/reference/clearway.schema.json from the model of clearway.yaml; a test says when it is due."""

from __future__ import annotations

import json
from pathlib import Path

from clearway.catalog import definition_schema

PUBLISHED = Path(__file__).parent.parent / "docs/reference/clearway.schema.json"


def schema_text() -> str:
    """The published file's text."""
    return json.dumps(definition_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PUBLISHED.write_text(schema_text(), encoding="utf-8")
    print(PUBLISHED)
