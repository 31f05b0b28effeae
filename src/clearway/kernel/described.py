"""Models that tell in their JSON Schema what the texts below their fields tell.

Pydantic can read these texts itself, while a class is made: it looks for the source and parses it, at every
start of every process. Here they are read when somebody asks for the schema.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema


class Described(BaseModel):
    """A model with a text below each field that needs one."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> dict[str, Any]:
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in _texts(cls).items():
            field = cls.model_fields.get(name)
            found = properties.get(name if field is None else field.alias or name)
            if found is not None and "description" not in found:
                _tell(found, text, handler)
        return schema


def _tell(found: dict[str, Any], text: str, handler: GetJsonSchemaHandler) -> None:
    if "$ref" in found and handler.resolve_ref_schema(found).get("description") == text:
        return  # the model that stands there says so already
    title = found.pop("title", None)
    found["description"] = text
    if title is not None:
        found["title"] = title


@cache
def _texts(model: type[BaseModel]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if issubclass(each, Described) and each is not Described:
            found.update(_below_fields(each))
    return found


def _below_fields(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(model)))
    except (OSError, TypeError, SyntaxError):  # made without a file: it tells nothing
        return
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    for field, text in pairwise(body):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if (
            isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            yield field.target.id, inspect.cleandoc(text.value.value)
