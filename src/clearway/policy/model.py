"""Gates and what they answered: values, comparable and ready for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import Field, field_validator

from clearway.kernel import Document, Name


class Gate(Document):
    """A rule that must say yes before a release enters an environment."""

    name: Name
    """The gate's name, unique in the platform."""
    rule: str = Field(min_length=1, max_length=2000)
    """A CEL expression over the recorded facts that is true when the release may pass."""
    reason: str = Field(min_length=1, max_length=500)
    """Why the rule exists, in words for the person who is stopped by it."""
    effect: Literal["block", "warn"] = "block"
    """`block` stops a promotion; `warn` is shown and lets it pass."""

    @field_validator("rule", "reason")
    @classmethod
    def _trimmed(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("only spaces; expected text")
        return value.strip()


@dataclass(frozen=True)
class Verdict:
    """One gate's answer."""

    gate: str
    answer: Literal["yes", "no", "error"]  # an error counts as a no
    effect: Literal["block", "warn"]
    reason: str
    would_change: str = ""  # what would make it a yes: the parts that fail and the facts they read
    facts: Mapping[str, Any] = field(default_factory=dict)  # each fact the rule reads, as it is now

    @property
    def blocks(self) -> bool:
        """Whether this answer stops the promotion."""
        return self.effect == "block" and self.answer != "yes"

    def to_json(self) -> dict[str, Any]:
        """The verdict as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Decision:
    """All gates' answers, in the gates' order."""

    verdicts: tuple[Verdict, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether no blocking gate said anything but yes."""
        return not self.refusals

    @property
    def refusals(self) -> tuple[Verdict, ...]:
        """The verdicts that stop the promotion."""
        return tuple(verdict for verdict in self.verdicts if verdict.blocks)

    def to_json(self) -> dict[str, Any]:
        """The decision as JSON values."""
        return {"allowed": self.allowed, "verdicts": [verdict.to_json() for verdict in self.verdicts]}
