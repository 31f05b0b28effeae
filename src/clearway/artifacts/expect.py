"""What somebody expects of a file, in a document of their own, held against its evidence. Pure.

Rules:
1. Whoever verifies says which builders they trust, and how far: a builder's own word for its level is none.
2. Of several provenances one has to meet every expectation by itself; of other statements all have to, and at
   least one has to be there: a failed test is not undone by a run that passed.
3. A predicate of another form than expected meets nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from clearway.kernel import Document, load_document

from .model import COVERAGE, FINDINGS, LICENCES, PROVENANCE, REPRODUCED, SBOM, TEST_RESULT
from .spdx import judge

State = Literal["yes", "no", "unsaid"]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
MOST_TEXT = 2000  # characters of what a pattern is held against
MOST_PARTS = 100_000  # of a bill of materials
Kind = Literal["provenance", "sbom", "tests", "coverage", "findings", "licences", "reproduced"]
KINDS: Mapping[str, str] = {
    "provenance": PROVENANCE,
    "sbom": SBOM,
    "tests": TEST_RESULT,
    "coverage": COVERAGE,
    "findings": FINDINGS,
    "licences": LICENCES,
    "reproduced": REPRODUCED,
}


@dataclass(frozen=True)
class Line:
    """One thing that is proven, is not so, or is not said by the evidence."""

    state: State
    text: str


@dataclass(frozen=True)
class Said:
    """A verified statement about the file, and the keys that signed it."""

    predicate_type: str
    predicate: Mapping[str, Any]
    keys: frozenset[str]


class Expectations(Document):
    """The file that `clearway verify --policy` reads."""

    keys: tuple[Text, ...] = Field(default=(), max_length=100)
    """Ids of the keys whose signatures count; empty: every key that was given."""
    builders: dict[Text, Annotated[int, Field(ge=0, le=3)]] = Field(default={}, max_length=100)
    """Builder ids that may have built it, each with the SLSA build level that you grant it."""
    level: int = Field(default=0, ge=0, le=3)
    """The least level; needs `builders`."""
    services: tuple[Text, ...] = Field(default=(), max_length=100)
    """Services that it may be of, as patterns such as `shop-*`."""
    repositories: tuple[Text, ...] = Field(default=(), max_length=100)
    """Repositories that it may come from, as patterns."""
    refs: tuple[Text, ...] = Field(default=(), max_length=100)
    """Branches, tags or commits that may have been asked for, as patterns such as `v*`."""
    signer: tuple[Literal["process", "process of its own user", "file", "memory"], ...] = ()
    """Where the signing key may have been."""
    require: tuple[Kind, ...] = ()
    """Statements that have to be there, whatever they say."""
    tests: int | None = Field(default=None, ge=0)
    """The tests passed, and there were at least so many."""
    reproduced: bool = False
    """Two builds gave these bytes."""
    coverage: float | None = Field(default=None, ge=0, le=100)
    """At least so many percent of the lines ran."""
    errors: int | None = Field(default=None, ge=0)
    """Scanners that came to their end found at most so many errors."""
    allow: tuple[Text, ...] = Field(default=(), max_length=500)
    """Licences of what runs with it: SPDX names, or a package's own words."""
    deny: tuple[Text, ...] = Field(default=(), max_length=500)
    """Licences that nothing that runs with it may have."""

    @model_validator(mode="after")
    def _coherent(self) -> Expectations:
        if self.level and not self.builders:
            raise ValueError("`level` without `builders`; expected the builders to which you grant a level")
        return self


def load_expectations(text: str | bytes, source: str) -> Expectations:
    """From a document. Raises DocumentError with file, line and what was expected."""
    return load_document(text, source, Expectations)


def compare(expected: Expectations, said: Sequence[Said]) -> list[Line]:
    """A line for each expectation: met, or not and why."""
    counted = [each for each in said if not expected.keys or each.keys & set(expected.keys)]
    lines: list[Line] = []
    if expected.keys:
        lines.append(
            _line(len(counted) == len(said) and bool(said), "every statement is signed by a key you named")
        )
    for kind in expected.require:
        there = any(each.predicate_type == KINDS[kind] for each in counted)
        lines.append(_line(there, f"there is a statement of the kind {kind}"))
    return [*lines, *_origin(expected, counted), *_results(expected, counted)]


def _line(met: bool, text: str, why: str = "") -> Line:
    return Line("yes" if met else "no", text if met or not why else f"{text}: {why}")


def _of(said: Sequence[Said], kind: str) -> list[Mapping[str, Any]]:
    return [each.predicate for each in said if each.predicate_type == kind]


def inside(value: Any, *path: str) -> Any:
    """A value deep in a predicate; None where the way does not lead on."""
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _origin(expected: Expectations, said: Sequence[Said]) -> Iterator[Line]:
    """The lines of the provenance that meets most; all of them have to be met by the same one."""
    checks = list(_checks(expected))
    if not checks:
        return
    found = [[(text, *check(each)) for text, check in checks] for each in _of(said, PROVENANCE)]
    if not found:
        yield Line("no", "a provenance says where it comes from: there is none")
        return
    best = max(found, key=lambda rows: sum(met for _, met, _ in rows))
    for text, met, shown in best:
        yield _line(met, f"{text}: {shown}" if met else text, f"it says {shown}")


Check = Callable[[Mapping[str, Any]], tuple[bool, str]]


def _checks(expected: Expectations) -> Iterator[tuple[str, Check]]:
    if expected.builders:
        yield "built by a builder you trust", lambda each: _builder(expected, each)
    if expected.level:
        yield f"built at level {expected.level} or above", lambda each: _level(expected, each)
    outer = ("buildDefinition", "externalParameters")
    for name, patterns, path in (
        ("service", expected.services, (*outer, "service")),
        ("repository", expected.repositories, (*outer, "repository")),
        ("ref", expected.refs, (*outer, "ref")),
        (
            "place of the signing key",
            expected.signer,
            ("buildDefinition", "internalParameters", "signer", "key"),
        ),
    ):
        if patterns:
            yield f"of a {name} you expect", _matching(patterns, path)


def _matching(patterns: Sequence[str], path: Sequence[str]) -> Check:
    def check(predicate: Mapping[str, Any]) -> tuple[bool, str]:
        value = inside(predicate, *path)
        short = isinstance(value, str) and len(value) <= MOST_TEXT
        return short and any(fnmatchcase(value, each) for each in patterns), _shown(value)

    return check


def _builder(expected: Expectations, predicate: Mapping[str, Any]) -> tuple[bool, str]:
    name = inside(predicate, "runDetails", "builder", "id")
    return isinstance(name, str) and name in expected.builders, _shown(name)


def _level(expected: Expectations, predicate: Mapping[str, Any]) -> tuple[bool, str]:
    name = inside(predicate, "runDetails", "builder", "id")
    granted = expected.builders.get(name, 0) if isinstance(name, str) else 0
    return granted >= expected.level, f"you grant its builder level {granted}"


def _shown(value: Any) -> str:
    if not isinstance(value, str):
        return "nothing" if value is None else "something else"
    return "".join(letter if letter.isprintable() else "?" for letter in value[:300])


def _results(expected: Expectations, said: Sequence[Said]) -> Iterator[Line]:
    if expected.tests is not None:
        text = f"the tests passed, {expected.tests} or more" if expected.tests else "the tests passed"
        yield _all(text, _of(said, TEST_RESULT), lambda each: _tested(each, expected.tests or 0))
    if expected.reproduced:
        yield _all("two builds gave these bytes", _of(said, REPRODUCED), _same_twice)
    if expected.coverage is not None:
        least = expected.coverage
        yield _all(
            f"{least:g} % of the lines ran in the tests",
            _of(said, COVERAGE),
            lambda each: _at_least(inside(each, "lines", "percent"), least),
        )
    if expected.errors is not None:
        most = expected.errors
        yield _all(
            f"scanners found {most} errors at most", _of(said, FINDINGS), lambda each: _scanned(each, most)
        )
    if expected.allow or expected.deny:
        yield _all(
            "what runs with it has licences you allow",
            _of(said, SBOM),
            lambda each: _licensed(each, expected.allow, expected.deny),
        )


def _all(text: str, predicates: Sequence[Mapping[str, Any]], why_not: Callable[[Any], str]) -> Line:
    """Met when there is a statement and none has a reason against it."""
    if not predicates:
        return Line("no", f"{text}: nothing says so")
    reasons = [reason for each in predicates if (reason := why_not(each))]
    return _line(not reasons, text, "; ".join(reasons[:3]))


def _tested(predicate: Mapping[str, Any], least: int) -> str:
    if predicate.get("result") != "PASSED":
        return f"the result is {_shown(predicate.get('result'))}"
    passed = inside(predicate, "counts", "passed")
    listed = predicate.get("passedTests")
    count = passed if _number(passed) else len(listed) if isinstance(listed, list) else 0
    return "" if count >= least else f"{count:g} passed"


def _same_twice(predicate: Mapping[str, Any]) -> str:
    return "" if predicate.get("identical") is True else "two builds gave different bytes"


def _at_least(value: Any, least: float) -> str:
    if not _number(value):
        return "no share is given"
    return "" if value >= least else f"{value:g} %"


def _scanned(predicate: Mapping[str, Any], most: int) -> str:
    if predicate.get("complete") is not True:
        return "one of them did not come to its end"
    errors = inside(predicate, "counts", "error")
    if not _number(errors):
        return "nobody counted"
    return "" if errors <= most else f"{errors:g} errors"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _licensed(bill: Mapping[str, Any], allow: Sequence[str], deny: Sequence[str]) -> str:
    components = _components(bill)
    if components is None:
        return "the bill of materials has another form"
    wrong = []
    for each in components:
        if each.get("scope", "required") != "required" or _is_own(each):
            continue  # what only built it, and what the build itself made
        said = _licence(each.get("licenses"))
        if (verdict := judge(said, allow, deny)) != "allowed":
            named = f"{_shown(each.get('name'))} ({_shown(said) if said else 'says nothing'})"
            wrong.append(named if verdict == "denied" else f"{named}, which is not understood")
    return ", ".join(wrong[:10])


def _components(bill: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """With those inside others; None for another form."""
    found: list[Mapping[str, Any]] = []
    waiting = [bill.get("components", [])]
    while waiting:
        listed = waiting.pop()
        if not isinstance(listed, list) or not all(isinstance(each, Mapping) for each in listed):
            return None
        found += listed
        waiting += [each["components"] for each in listed if "components" in each]
        if len(found) > MOST_PARTS:
            return None
    return found


def _is_own(component: Mapping[str, Any]) -> bool:
    listed = component.get("properties")
    wanted = {"name": "clearway:origin", "value": "built"}
    return isinstance(listed, list) and wanted in listed


def _licence(listed: Any) -> str:
    """All that a component lists has to be kept."""
    if not isinstance(listed, list):
        return ""
    found = []
    for each in listed:
        said = inside(each, "expression") or inside(each, "license", "id") or inside(each, "license", "name")
        found.append(said if isinstance(said, str) else "")
    return found[0] if len(found) == 1 else " AND ".join(f"({each})" for each in found)


__all__ = ["LICENCES", "Expectations", "Line", "Said", "compare", "inside", "load_expectations"]
