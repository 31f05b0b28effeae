"""SARIF 2.1.0: what linters and scanners found, by how bad they call it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import IO, Any

from clearway.build.model import BuildFailed

MOST_FINDINGS = 100
MOST_TEXT = 300
LEVELS = ("error", "warning", "note", "none")
_NO_FINDING = ("pass", "notApplicable", "informational")


def read(stream: IO[bytes]) -> dict[str, Any]:
    """Counts by level, the tools, and the worst findings first. Raises BuildFailed."""
    try:
        said = json.load(stream)
    except (ValueError, RecursionError) as error:
        raise BuildFailed("it is no JSON") from error
    runs = said.get("runs") if isinstance(said, Mapping) else None
    if not isinstance(runs, list) or not str(said.get("version", "")).startswith("2.1"):
        raise BuildFailed("it is no SARIF report of version 2.1")
    counts = dict.fromkeys(LEVELS, 0)
    suppressed, complete = 0, True
    tools: list[dict[str, str]] = []
    findings: list[dict[str, Any]] = []
    for run in runs:
        if not isinstance(run, Mapping):
            raise BuildFailed("one of its runs is none")
        tools.append(_tool(run))
        complete = complete and _completed(run)
        for result in _results(run):
            if _suppressed(result):
                suppressed += 1
                continue
            finding = _finding(result, _rules(run))
            counts[finding["level"]] += 1
            findings.append(finding)
    findings.sort(key=lambda each: (LEVELS.index(each["level"]), each["rule"], each["place"]))
    return {
        "counts": {**counts, "suppressed": suppressed},
        "tools": tools,
        "complete": complete,
        "findings": findings[:MOST_FINDINGS],
    }


def _tool(run: Mapping[str, Any]) -> dict[str, str]:
    driver = _inside(run, "tool", "driver")
    about = driver if isinstance(driver, Mapping) else {}
    version = about.get("semanticVersion") or about.get("version") or ""
    return {"name": str(about.get("name", "?"))[:100], "version": str(version)[:100]}


def _completed(run: Mapping[str, Any]) -> bool:
    """A tool that says that it did not come to its end has not found everything."""
    calls = run.get("invocations")
    if not isinstance(calls, list):
        return True
    return all(isinstance(each, Mapping) and each.get("executionSuccessful") is not False for each in calls)


def _results(run: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    results = run.get("results")
    for each in results if isinstance(results, list) else ():
        if not isinstance(each, Mapping):
            raise BuildFailed("one of its results is none")
        if each.get("kind", "fail") not in _NO_FINDING and each.get("baselineState") != "absent":
            yield each


def _suppressed(result: Mapping[str, Any]) -> bool:
    """All that speak of it accepted it; one that is under review or rejected suppresses nothing."""
    said = result.get("suppressions")
    if not isinstance(said, list) or not said:
        return False
    return all(isinstance(each, Mapping) and each.get("status", "accepted") == "accepted" for each in said)


def _rules(run: Mapping[str, Any]) -> list[Any]:
    found = _inside(run, "tool", "driver", "rules")
    return found if isinstance(found, list) else []


def _finding(result: Mapping[str, Any], rules: list[Any]) -> dict[str, Any]:
    rule = str(result.get("ruleId") or _inside(result, "rule", "id") or "")[:MOST_TEXT]
    level = result.get("level") or _default_level(result, rule, rules)
    place = _inside(result, "locations", 0, "physicalLocation")
    line = _inside(place, "region", "startLine")
    where = str(_inside(place, "artifactLocation", "uri") or "")[:MOST_TEXT]
    return {
        "level": level if level in LEVELS else "warning",
        "rule": rule,
        "message": " ".join(str(_inside(result, "message", "text") or "").split())[:MOST_TEXT],
        "place": f"{where}:{line}" if isinstance(line, int) else where,
    }


def _default_level(result: Mapping[str, Any], rule: str, rules: list[Any]) -> Any:
    index = result.get("ruleIndex")
    if isinstance(index, int) and 0 <= index < len(rules):
        return _inside(rules[index], "defaultConfiguration", "level")
    named = next((each for each in rules if isinstance(each, Mapping) and each.get("id") == rule), None)
    return _inside(named, "defaultConfiguration", "level")


def _inside(value: Any, *path: str | int) -> Any:
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and len(value) > step else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value


def total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Several reports as one."""
    findings = sorted(
        (each for row in rows for each in row["findings"]), key=lambda each: LEVELS.index(each["level"])
    )
    return {
        "counts": {name: sum(row["counts"][name] for row in rows) for name in (*LEVELS, "suppressed")},
        "tools": [each for row in rows for each in row["tools"]],
        "complete": all(row["complete"] for row in rows),
        "findings": findings[:MOST_FINDINGS],
    }
