"""Settings, from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """What an environment decides."""

    port: int = 8080
    greeting: str = "Hello"
    max_items: int = 20
    api_key: str = ""


def load(environment: Mapping[str, str]) -> Settings:
    """Read the settings; a number that is none stops the start, not the first request."""
    return Settings(
        port=int(environment.get("PORT", "8080")),
        greeting=environment.get("GREETING", "Hello"),
        max_items=int(environment.get("MAX_ITEMS", "20")),
        api_key=environment.get("API_KEY", ""),
    )
