"""The document that declares plain values (kind Config). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from clearway.kernel import Document, Name

from .model import Scalar

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]


class ConfigDocument(Document):
    """Plain values of one layer; secrets are never in a file."""

    kind: Literal["Config"]
    service: Name | None = None
    """The service that the values are for; every service when left out."""
    environment: Name | None = None
    """The environment that they are for; every environment when left out."""
    values: dict[_Key, Scalar] = Field(min_length=1)
    """Values by key."""
    reason: str = Field(default="", max_length=500)
    """Recorded with each change."""

    @model_validator(mode="after")
    def _scoped(self) -> ConfigDocument:
        if not self.service and not self.environment:
            raise ValueError("values for everything everywhere; expected `service`, `environment`, or both")
        return self

    @property
    def scope(self) -> str:
        """The layer, as people write it: shop/prod, shop/*, */prod."""
        return f"{self.service or '*'}/{self.environment or '*'}"


KINDS: Mapping[str, type[Document]] = {"Config": ConfigDocument}
