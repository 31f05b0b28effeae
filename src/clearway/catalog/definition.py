"""clearway.yaml: what a repository says about building, running and judging its service. Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from clearway.kernel import Document, Duration, Name, load_document, schema_of

from .recipe import Build, Command, VariableName, Word

FILE_NAME = "clearway.yaml"
SCHEMA_ID = "urn:clearway:definition"

HttpPath = Annotated[str, StringConstraints(pattern=r"^/[^\s?#]*$", max_length=200)]
MetricName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$", max_length=200)]
Scalar = bool | int | float | str


class Health(Document):
    """How Clearway knows that an instance can serve."""

    path: HttpPath = "/healthz"
    """Answers with a status below 400 when the instance can serve."""
    timeout: Duration = timedelta(seconds=10)
    """How long an instance may take from its start until it is healthy."""


class Metrics(Document):
    """Where an instance shows Prometheus-format metrics."""

    path: HttpPath = "/metrics"
    """Scraped while a canary is judged."""


class Process(Document):
    """How one instance runs."""

    command: Command
    """The program and its arguments; `{port}` inside an argument becomes the instance's port."""
    port_env: VariableName | None = "PORT"
    """The variable that tells the instance its port; null when only `{port}` does."""
    health: Health = Health()
    """The health check."""
    metrics: Metrics | None = None
    """The metrics endpoint, when there is one."""
    stop_grace: Duration = timedelta(seconds=5)
    """Time between the request to stop and the kill."""

    @model_validator(mode="after")
    def _told_its_port(self) -> Process:
        if self.port_env is None and not any("{port}" in word for word in self.command):
            raise ValueError(
                "nothing tells the process its port; expected `port_env`, or {port} in `command`"
            )
        return self


class ConfigKey(Document):
    """One key of the configuration schema; its value reaches the process as a variable of that name."""

    type: Literal["string", "integer", "number", "boolean", "enum", "url", "duration"]
    """What the value must be."""
    default: Scalar | None = None
    """Used where no environment says otherwise; without it the key is required."""
    required: bool = True
    """Whether a promotion needs a value, when there is no default."""
    secret: bool = False
    """Secret values are kept encrypted and never shown."""
    minimum: float | None = None
    """The smallest number allowed."""
    maximum: float | None = None
    """The largest number allowed."""
    pattern: str | None = Field(default=None, max_length=200)
    """A regular expression that a text must match as a whole."""
    values: tuple[Word, ...] = ()
    """The texts that an enum allows."""
    description: str = Field(default="", max_length=500)
    """What the key is for."""

    @model_validator(mode="after")
    def _coherent(self) -> ConfigKey:
        if (self.type == "enum") != bool(self.values):
            raise ValueError(
                "`values` belong to the type enum, and an enum needs them; expected both or neither"
            )
        bounded = self.minimum is not None or self.maximum is not None
        if bounded and self.type not in ("integer", "number"):
            raise ValueError(f"bounds on the type {self.type}; expected the type integer or number")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("`minimum` is above `maximum`; expected it below")
        if self.pattern is not None and self.type not in ("string", "url"):
            raise ValueError(f"a pattern on the type {self.type}; expected the type string or url")
        if self.secret and self.default is not None:
            raise ValueError("a secret with a default; expected no `default`, it would be in the repository")
        return self

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"`{pattern}` is not a regular expression: {error}") from None
        return pattern


class Migration(Document):
    """A named change of stored data: recorded with the release, run by the service itself."""

    name: Name
    """The migration's name."""
    phase: Literal["pre", "post"] = "pre"
    """Whether it belongs before traffic reaches the release, or after nothing older is left."""


class Compatibility(Document):
    """Which versions of stored data the release understands; decides whether going back is possible."""

    reads: tuple[int, ...] = (1,)
    """Data versions that this release can read."""
    writes: int = 1
    """The data version that it writes."""

    @model_validator(mode="after")
    def _reads_its_own(self) -> Compatibility:
        if self.writes not in self.reads:
            raise ValueError(f"it writes version {self.writes} and cannot read it; expected it among `reads`")
        return self


class Selector(Document):
    """A Prometheus metric, and which of its series."""

    metric: MetricName
    """The metric's name."""
    labels: dict[str, str] = Field(default={})
    """Label values as regular expressions that must match as a whole, such as `5..`."""


class _CanaryMetric(Document):
    name: Name
    """Shown in the judgement."""
    direction: Literal["increase", "decrease", "either"] = "increase"
    """Which change is bad."""
    critical: bool = False
    """A critical metric that fails, fails the canary."""
    tolerance: float = Field(default=0.0, ge=0)
    """The relative change that is acceptable: 0.5 is half as much again."""


class ProportionMetric(_CanaryMetric):
    """A share, such as errors of all requests."""

    kind: Literal["proportion"]
    """`proportion`"""
    numerator: Selector
    """Counts the events."""
    denominator: Selector
    """Counts the trials, the events included."""


class CountMetric(_CanaryMetric):
    """A number of events per unit of traffic, or per second when no traffic is named."""

    kind: Literal["count"]
    """`count`"""
    counter: Selector
    """Counts the events."""
    exposure: Selector | None = None
    """Counts the traffic; the time that passed when it is left out."""


class ValuesMetric(_CanaryMetric):
    """A distribution, such as the time an answer takes."""

    kind: Literal["values"]
    """`values`"""
    histogram: MetricName
    """A Prometheus histogram, named without `_bucket`."""
    labels: dict[str, str] = Field(default={})
    """Label values as regular expressions that must match as a whole."""


CanaryMetric = Annotated[ProportionMetric | CountMetric | ValuesMetric, Field(discriminator="kind")]


class Canary(Document):
    """What a canary is judged by."""

    metrics: tuple[CanaryMetric, ...] = Field(min_length=1)
    """At least one metric."""

    @field_validator("metrics")
    @classmethod
    def _distinct(cls, metrics: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [metric.name for metric in metrics]
        if len(set(names)) != len(names):
            raise ValueError("two metrics with the same name; expected a name of its own for each")
        return metrics


class ServiceDefinition(Document):
    """The file clearway.yaml."""

    service: Name
    """The service's name, as in the platform's catalog."""
    version: str | None = Field(default=None, max_length=100)
    """The version when no tag vX.Y.Z points at the commit and no package file names it."""
    build: Build
    """How the repository becomes artifacts."""
    process: Process | None = None
    """How one instance runs; left out by what is built and never deployed."""
    config: dict[VariableName, ConfigKey] = Field(default={})
    """The configuration schema: what every environment must provide."""
    migrations: tuple[Migration, ...] = ()
    """Changes of stored data, in order."""
    flags: tuple[Word, ...] = Field(default=(), max_length=20)
    """Files of feature flags in flagd's JSON form, in the service's folder; notes tell what changed."""
    compatibility: Compatibility = Compatibility()
    """Which stored data the release understands."""
    canary: Canary | None = None
    """What a canary of this service is judged by."""

    @field_validator("flags")
    @classmethod
    def _inside(cls, flags: tuple[str, ...]) -> tuple[str, ...]:
        for path in flags:
            if path.startswith("/") or "\0" in path or not {"", ".", ".."}.isdisjoint(path.split("/")):
                raise ValueError(f"`{path[:80]}` leaves the service's folder; expected a file inside it")
        return flags

    @model_validator(mode="after")
    def _coherent(self) -> ServiceDefinition:
        if self.process and self.process.port_env in self.config:
            raise ValueError(
                f"`config` has {self.process.port_env}, which tells the port; expected another name"
            )
        return self


def load_definition(text: str | bytes, source: str = FILE_NAME) -> ServiceDefinition:
    """The definition in a text. Raises DocumentError with file, line and what was expected."""
    return load_document(text, source, ServiceDefinition)


def definition_schema() -> dict[str, Any]:
    """The JSON Schema of clearway.yaml, for editors."""
    schema = schema_of(ServiceDefinition)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID}
    return {**head, **schema, "title": FILE_NAME}
