"""What the forms of answers are made of."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class Shape(BaseModel):
    """Base of all forms: every field is there, whatever its value."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Declared(Shape):
    """Base of forms that are documents: what they may leave out, answers do not."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


Json = dict[str, Any]
When = Annotated[datetime, Field(examples=["2026-11-23T09:30:00Z"])]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$", examples=["sha256:" + "3f" * 32])]
Commit = Annotated[str, Field(examples=["9fceb02d0ae598e95dc970b74767f19372d61af8"])]
PromotionId = Annotated[str, Field(examples=["prm_01jd8kfz3vq4"])]
DeploymentId = Annotated[str, Field(examples=["dep_01jd8kfz3vq4"])]
Service = Annotated[str, Field(examples=["shop"])]
Version = Annotated[str, Field(examples=["1.4.2"])]
Place = Annotated[str, Field(examples=["prod"])]
Person = Annotated[str, Field(examples=["rita"])]
Cursor = Annotated[str | None, Field(examples=["ImJsZF8wMWo5Ig"])]


class Paged(Shape):
    """A page of a list."""

    next_cursor: Cursor
    """Where the next page starts: the `cursor` of the next request; null on the last page."""
