"""The way back: the old version serves again, at once when it was kept warm; then the rest is stopped."""

from __future__ import annotations

from clearway.deploy.model import Side, Stage


def back_stages(old_instances: int, version: str) -> tuple[Stage, ...]:
    """All traffic to the old side; without one, nobody is served and the new version is taken down."""
    gone: dict[Side, int] = {"new": 0, "baseline": 0}
    if old_instances == 0:
        return (Stage(f"take {version} down: nothing ran here before it", {}, {}, stop=gone),)
    return (Stage("all traffic back to what ran before", {"old": old_instances}, {"old": 100}, stop=gone),)
