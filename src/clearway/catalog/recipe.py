"""The `build` of clearway.yaml: the steps that make artifacts of a commit, and what they may use. Pure.

Rules:
1. A step that names no `needs` follows the one before it; `needs: []` starts from the commit alone.
2. A matrix makes one step of each combination; who needs the step needs them all.
3. What a step is given is named: a secret, a service, a file of an earlier step. Nothing else reaches it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import product
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from clearway.kernel import Document, Duration, Name

Word = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
Command = Annotated[tuple[Word, ...], Field(min_length=1, max_length=200)]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]
Axis = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1, max_length=100)], ...],
    Field(min_length=1, max_length=20),
]
Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]

MOST_STEPS = 200  # with every combination of every matrix
MOST_COMBINATIONS = 64  # of one step


def inside(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Globs and paths that stay in the service's folder. Raises ValueError."""
    for path in paths:
        if path.startswith("/") or "\0" in path or ".." in path.split("/"):
            raise ValueError(f"`{path[:80]}` leaves the service's folder; expected a path inside it")
    return paths


class Retries(Document):
    """How often a step that failed is tried again; each time from a clean start."""

    times: int = Field(default=2, ge=1, le=10)
    """Tries after the first one."""
    wait: Duration = timedelta(seconds=2)
    """Before the second try."""
    factor: float = Field(default=2.0, ge=1, le=10)
    """How much longer each further wait is."""


class Helper(Document):
    """A program that runs beside a step, for as long as the step runs: a database that a test needs."""

    run: tuple[Word, ...] = Field(default=(), max_length=200)
    """The program and its arguments, found in the sandbox."""
    kind: Literal["command", "postgresql"] = "command"
    """`postgresql`: the machine's own PostgreSQL, empty; its address is in the variable DATABASE_URL."""
    ready: tuple[Word, ...] = Field(default=(), max_length=200)
    """A command that ends well once the program can be used; tried again until then."""
    within: Duration = timedelta(seconds=30)
    """The step fails when the program is not ready after this time."""
    environment: dict[VariableName, str] = Field(default={})
    """Variables for the program."""

    @model_validator(mode="after")
    def _complete(self) -> Helper:
        if (self.kind == "command") != bool(self.run):
            raise ValueError("`run` belongs to the kind command, which needs it; expected both or neither")
        return self


class Step(Document):
    """One command of a script build."""

    name: Name
    """Shown in the build's log."""
    run: Command
    """The program and its arguments; no shell is involved unless it is named."""
    needs: tuple[Name, ...] | None = None
    """The steps that come before; the one above it when left out, none when empty."""
    matrix: dict[VariableName, Axis] = Field(default={}, max_length=4)
    """The step once for each combination; the values are variables of the command."""
    when: str | None = Field(default=None, min_length=1, max_length=500)
    """A CEL rule over ref, branch, tag, version, service, landed, trial, matrix, failed; else `!failed`."""
    timeout: Duration = timedelta(minutes=10)
    """The step is ended, and fails, after this time."""
    retries: Retries | None = None
    """Whether a failure is tried again."""
    inputs: tuple[Word, ...] = ()
    """Globs of the commit's files that it sees; all of them when left out. A step with inputs is answered by
    its last result as long as those stay the same, and knows no time but 1980-01-01."""
    outputs: tuple[Word, ...] = ()
    """Globs of the files that later steps see; everything it changed when left out."""
    environment: dict[VariableName, str] = Field(default={})
    """Variables for the command; never secrets."""
    secrets: tuple[VariableName, ...] = ()
    """Secrets of the service that it gets, each as a file in the folder named by the variable SECRETS."""
    services: tuple[Name, ...] = ()
    """The programs of `services` that run beside it."""
    cache: bool = True
    """Whether an earlier result for the same inputs answers it; steps with secrets always run."""

    @field_validator("inputs", "outputs")
    @classmethod
    def _inside(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        return inside(paths)

    def combinations(self) -> list[dict[str, str]]:
        """The values of each run of the step; one run without any when there is no matrix."""
        names = sorted(self.matrix)
        return [dict(zip(names, values, strict=True)) for values in product(*(self.matrix[n] for n in names))]


class Uses(Document):
    """A recipe kept in another repository, pinned to the byte."""

    repository: Name
    """A repository that is declared to Clearway."""
    commit: Commit
    """The commit, in full."""
    path: str = Field(min_length=1, max_length=300)
    """The recipe's file there."""
    digest: Digest
    """Of the file: `clearway build --plan` tells it when it is another one."""
    given: dict[VariableName, str] = Field(default={}, alias="with")
    """The parameters of the recipe."""

    @field_validator("path")
    @classmethod
    def _inside(cls, path: str) -> str:
        return inside((path,))[0]


Licence = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Globs = Annotated[tuple[Word, ...], Field(max_length=20)]


class Licences(Document):
    """Which licences the packages may have that run with the service; a gate decides what follows."""

    allow: tuple[Licence, ...] = Field(default=(), max_length=200)
    """SPDX names, or a package's own words; empty: every known one that is not denied."""
    deny: tuple[Licence, ...] = Field(default=(), max_length=200)
    """Never these."""


class Reports(Document):
    """What the tests leave, kept as evidence: globs of files in the service's folder."""

    junit: Globs = ()
    """Test results in JUnit's XML."""
    coverage: Globs = ()
    """Coverage: Cobertura or JaCoCo XML, lcov, coverage.py's or Istanbul's JSON."""
    sarif: Globs = ()
    """Findings of linters and scanners in SARIF 2.1.0."""
    licences: Licences = Licences()
    """Which licences packages may have."""

    @field_validator("junit", "coverage", "sarif")
    @classmethod
    def _inside(cls, globs: tuple[str, ...]) -> tuple[str, ...]:
        return inside(globs)


class _Steps(Document):
    """What a build and a shared recipe have in common."""

    steps: tuple[Step, ...] = ()
    """Script recipe: the commands."""
    services: dict[Name, Helper] = Field(default={}, max_length=10)
    """Programs that steps may have beside them, by name."""
    outputs: tuple[Word, ...] = ()
    """Globs of the files that are the build's artifacts, relative to the service's path."""

    @field_validator("outputs")
    @classmethod
    def _inside(cls, outputs: tuple[str, ...]) -> tuple[str, ...]:
        return inside(outputs)

    @model_validator(mode="after")
    def _ordered(self) -> _Steps:
        check_steps(self.steps, self.services)
        return self


class SharedRecipe(_Steps):
    """The file of a recipe that several repositories use."""

    parameters: dict[VariableName, str | None] = Field(default={}, max_length=50)
    """What may be given, with the value when it is not; without a value (null) it must be given."""


class Build(_Steps):
    """How the repository becomes artifacts."""

    recipe: Literal["python", "node", "maven", "make", "cmake", "containerfile", "script"]
    """The kind of build."""
    python: str = Field(default=">=3.11", max_length=100)
    """Python recipe: the interpreter versions that the service runs on."""
    target: str = Field(default="all", min_length=1, max_length=100)
    """Make recipe: the target to make."""
    configure: tuple[Word, ...] = Field(default=(), max_length=100)
    """CMake recipe: options for the configuration, such as `-DWITH_TLS=ON`."""
    file: str = Field(default="Containerfile", min_length=1, max_length=200)
    """Containerfile recipe: the file, relative to the service's path."""
    arguments: dict[VariableName, str] = Field(default={}, max_length=50)
    """Containerfile recipe: values for its ARG instructions; never secrets."""
    lock: str = Field(default="", max_length=300)
    """Python and Node recipes: the lock file, relative to the service's path; looked for when left out."""
    scripts: tuple[Word, ...] = Field(default=(), max_length=100)
    """Node recipe: packages whose own install scripts may run; those of all others never do."""
    test: tuple[Word, ...] = ()
    """The command that tests the result, run inside the sandbox; empty when there are no tests."""
    reports: Reports = Reports()
    """Files that tests and scanners leave, which become evidence."""
    uses: Uses | None = None
    """Script recipe: steps, services and outputs come from a file of another repository."""
    environment: dict[VariableName, str] = Field(default={})
    """Variables for the build's commands; never secrets."""
    timeout: Duration = timedelta(minutes=15)
    """The build is ended, and fails, after this time."""

    @field_validator("lock")
    @classmethod
    def _lock_inside(cls, path: str) -> str:
        return inside((path,))[0]

    @model_validator(mode="after")
    def _complete(self) -> Build:
        if self.uses is not None:
            if self.recipe != "script" or self.steps or self.services or self.outputs:
                raise ValueError("`uses` beside steps of its own; expected `recipe: script` and `uses` alone")
        elif self.recipe == "script" and not (self.steps and self.outputs):
            raise ValueError("a script build without steps or outputs; expected both `steps` and `outputs`")
        if self.recipe != "script" and self.steps:
            raise ValueError(f"`steps` with the {self.recipe} recipe; expected `recipe: script`")
        return self


def check_steps(steps: tuple[Step, ...], services: Iterable[str]) -> None:
    """Names are unique, `needs` and `services` exist and no step waits for itself. Raises ValueError."""
    names = [step.name for step in steps]
    if len(set(names)) != len(names):
        raise ValueError("two steps with the same name; expected a name of its own for each step")
    known = set(services)
    total = 0
    for step in steps:
        if unknown := sorted(set(step.needs or ()) - set(names)):
            raise ValueError(f"step {step.name} needs {unknown[0]}, which is no step; expected another step")
        if unknown := sorted(set(step.services) - known):
            raise ValueError(f"step {step.name} wants {unknown[0]}; expected one of `services`")
        count = len(step.combinations())
        if count > MOST_COMBINATIONS:
            raise ValueError(f"step {step.name} has {count} runs; expected {MOST_COMBINATIONS} at most")
        total += count
    if total > MOST_STEPS:
        raise ValueError(f"{total} steps with every combination; expected {MOST_STEPS} at most")
    in_order(steps)


def needs_of(steps: tuple[Step, ...]) -> dict[str, tuple[str, ...]]:
    """The steps that come right before each, with the one above where none is named."""
    found: dict[str, tuple[str, ...]] = {}
    above: tuple[str, ...] = ()
    for step in steps:
        found[step.name] = above if step.needs is None else step.needs
        above = (step.name,)
    return found


def in_order(steps: tuple[Step, ...]) -> list[Step]:
    """The steps, each after what it needs, else as written. Raises ValueError for a circle."""
    needs, waiting, done = needs_of(steps), list(steps), set[str]()
    ordered: list[Step] = []
    while waiting:
        ready = next((step for step in waiting if done.issuperset(needs[step.name])), None)
        if ready is None:
            circle = ", ".join(step.name for step in waiting)
            raise ValueError(f"the steps {circle} wait in a circle; expected an order")
        waiting.remove(ready)
        ordered.append(ready)
        done.add(ready.name)
    return ordered
