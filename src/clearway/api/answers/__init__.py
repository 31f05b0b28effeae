"""What requests are answered with, field by field: for the OpenAPI document, and never for an answer itself.

Rules:
1. Nothing here runs when the server starts or answers: the document is made when somebody asks for it.
2. A record of a room is shown by `shown`; the form here says so, and a test holds real answers against it.
3. Clients must bear fields that are not here yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic.json_schema import models_json_schema

from . import (
    building,
    delivery,
    governance,
    history,
    platform,
    registries,
    reports,
    reproductions,
    rollouts,
    source,
    versions,
)
from .shapes import Shape

REFERENCE = "#/components/schemas/{model}"
FORMS: dict[str, type[Any]] = {
    name: form
    for room in (
        platform,
        delivery,
        building,
        rollouts,
        governance,
        versions,
        source,
        history,
        reports,
        reproductions,
        registries,
    )
    for name, form in vars(room).items()
    if isinstance(form, type) and issubclass(form, Shape) and form.__module__ == room.__name__
}


def schemas(names: Iterable[str]) -> dict[str, Any]:
    """The JSON schemas of these forms, and of everything in them, by name."""
    wanted: list[tuple[Any, Any]] = [(FORMS[name], "serialization") for name in sorted(set(names))]
    _, document = models_json_schema(wanted, ref_template=REFERENCE)
    found: dict[str, Any] = document.get("$defs", {})
    return found


__all__ = ["FORMS", "REFERENCE", "schemas"]
